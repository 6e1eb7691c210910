//! IDevID and IAK: the device's keys (TCG "TPM 2.0 Keys for Device Identity and Attestation" 1.0).

use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{ObjectHandle, PersistentTpmHandle};
use tss_esapi::interface_types::algorithm::{
    EccSchemeAlgorithm, HashingAlgorithm, PublicAlgorithm, RsaSchemeAlgorithm,
};
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::{Hierarchy, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Data, Digest, EccParameter, EccPoint, EccScheme, EncryptedSecret, IdObject, KeyDerivationFunctionScheme,
    Public, PublicBuilder, PublicEccParametersBuilder, PublicKeyRsa, PublicRsaParametersBuilder, RsaExponent,
    RsaScheme, SignatureScheme, SymmetricDefinition, SymmetricDefinitionObject,
};
use tss_esapi::traits::Marshall;
use zeroize::Zeroizing;

use crate::admin_policy::{AdminCommand, policy_digest};
use crate::context::{Key, Tpm};
use crate::ek::EndorsementKey;
use crate::error::TpmError;

/// Which of the two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKey {
    /// The initial attestation key: restricted, signs only what the TPM made.
    Attestation,
    /// The initial device identity: signs handshakes.
    DeviceId,
}

/// The templates of §7.3 that Hallmark offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTemplate {
    /// H-1: RSA 2048 with SHA-256.
    Rsa2048,
    /// H-2: ECC P-256 with SHA-256.
    EccP256,
    /// H-3: ECC P-384 with SHA-384.
    EccP384,
}

impl IdentityKey {
    /// The persistent handle: the range that the TCG registry of reserved handles keeps for IDevID keys.
    #[must_use]
    pub const fn handle(self) -> u32 {
        match self {
            Self::DeviceId => 0x8102_0000,
            Self::Attestation => 0x8102_0001,
        }
    }

    /// NV index of its certificate.
    #[must_use]
    pub const fn certificate_index(self) -> u32 {
        match self {
            Self::DeviceId => 0x01C9_0000,
            Self::Attestation => 0x01C9_0001,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::DeviceId => "an IDevID key",
            Self::Attestation => "an IAK",
        }
    }

    /// What makes the two primaries differ from each other and from every other key (§7.3).
    const fn unique(self) -> &'static [u8] {
        match self {
            Self::DeviceId => b"IDEVID",
            Self::Attestation => b"IAK",
        }
    }
}

/// What TPM2_Certify says of a key: the signed structure and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification {
    /// TPMS_ATTEST.
    pub certify_info: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

impl Tpm {
    /// The key at its persistent handle; `None` when the device has not been provisioned.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM can't be asked.
    pub fn identity(&self, which: IdentityKey) -> Result<Option<Key<'_>>, TpmError> {
        self.persistent(which.handle())
    }

    /// The key at its persistent handle, made first when the handle is free.
    ///
    /// The template is deterministic: on one TPM it gives the same key again and again until the endorsement seed
    /// changes. So a run that was cut off here finishes when it is run again (threat p11).
    ///
    /// # Errors
    /// [`TpmError::HandleTaken`] when something else lives at the handle; it stays.
    pub fn create_identity(&self, which: IdentityKey, template: KeyTemplate) -> Result<Key<'_>, TpmError> {
        let public =
            identity_public(which, template).map_err(|error| TpmError::from_tss("template", error))?;
        let made = self.create_primary(Hierarchy::Endorsement, public)?;
        if let Some(existing) = self.identity(which)? {
            if existing.public()? == made.public()? {
                return Ok(existing);
            }
            return Err(TpmError::HandleTaken {
                handle: which.handle(),
                found: "a key that was made from another template (another --key?)".to_owned(),
                expected: which.name(),
            });
        }
        let object =
            self.run_authorized("TPM2_EvictControl", (Some(AuthSession::Password), None), |context| {
                let persistent = PersistentTpmHandle::new(which.handle())?;
                context.evict_control(
                    Provision::Owner,
                    made.handle().into(),
                    Persistent::Persistent(persistent),
                )
            })?;
        self.run("close", |context| context.tr_close(&mut { object }))?;
        self.identity(which)?.ok_or_else(|| TpmError::Missing {
            what: format!("object at 0x{:08x} after TPM2_EvictControl", which.handle()),
            fix: "another program removed it; run it again",
        })
    }

    /// Opens a credential that a CA made for this EK and this key (TPM2_ActivateCredential, Part 3 §12.5).
    ///
    /// `id_object` and `encrypted_secret` are the contents of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. The answer
    /// travels encrypted between TPM and CPU (threat p13).
    ///
    /// # Errors
    /// [`TpmError::Command`] when the credential is for another TPM or another key.
    pub fn activate_credential(
        &self,
        endorsement: &EndorsementKey<'_>,
        key: &Key<'_>,
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        const COMMAND: &str = "TPM2_ActivateCredential";
        let wrong = |error| TpmError::from_tss(COMMAND, error);
        let id_object = IdObject::try_from(id_object).map_err(wrong)?;
        let secret = EncryptedSecret::try_from(encrypted_secret).map_err(wrong)?;
        let (session, symmetric) = if endorsement.template.needs_policy() {
            (SessionType::Policy, SymmetricDefinition::AES_128_CFB)
        } else {
            (SessionType::Hmac, SymmetricDefinition::AES_256_CFB)
        };
        let hash = endorsement.template.name_algorithm();
        let session = self.salted_session(&endorsement.key, session, hash, symmetric)?;
        if endorsement.template.needs_policy() {
            self.endorsement_secret(&session)?;
        }
        let admin = self.admin_session(AdminCommand::ActivateCredential, key.name_algorithm()?)?;
        let answer = self.run_authorized(COMMAND, (Some(admin.auth()), Some(session.auth())), |context| {
            context.activate_credential(key.handle(), endorsement.key.handle(), id_object, secret)
        })?;
        Ok(Zeroizing::new(answer.value().to_vec()))
    }

    /// Has `signer` certify that `key` lives in the same TPM (TPM2_Certify, Part 3 §18.2).
    ///
    /// # Errors
    /// [`TpmError`] when the TPM refuses.
    pub fn certify(
        &self,
        key: &Key<'_>,
        signer: &Key<'_>,
        qualifying: &[u8],
    ) -> Result<Certification, TpmError> {
        const COMMAND: &str = "TPM2_Certify";
        let wrong = |error| TpmError::from_tss(COMMAND, error);
        let data = Data::try_from(qualifying).map_err(wrong)?;
        let admin = self.admin_session(AdminCommand::Certify, key.name_algorithm()?)?;
        let sessions = (Some(admin.auth()), Some(AuthSession::Password));
        let (info, signature) = self.run_authorized(COMMAND, sessions, |context| {
            context.certify(ObjectHandle::from(key.handle()), signer.handle(), data, SignatureScheme::Null)
        })?;
        Ok(Certification {
            certify_info: info.marshall().map_err(wrong)?,
            signature: signature.marshall().map_err(wrong)?,
        })
    }
}

fn identity_public(which: IdentityKey, template: KeyTemplate) -> tss_esapi::Result<Public> {
    let restricted = which == IdentityKey::Attestation;
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_admin_with_policy(true)
        // There is no password to guess. Without it, each power cut would count as a failed guess (Part 1 §19.8.6), and a
        // device that is switched off by its plug would end in lockout.
        .with_no_da(true)
        .with_restricted(restricted)
        .with_sign_encrypt(true)
        .build()?;
    let (hash, curve) = match template {
        KeyTemplate::Rsa2048 => (HashingAlgorithm::Sha256, None),
        KeyTemplate::EccP256 => (HashingAlgorithm::Sha256, Some(EccCurve::NistP256)),
        KeyTemplate::EccP384 => (HashingAlgorithm::Sha384, Some(EccCurve::NistP384)),
    };
    let builder = PublicBuilder::new()
        .with_name_hashing_algorithm(hash)
        .with_object_attributes(attributes)
        .with_auth_policy(Digest::try_from(policy_digest(hash))?);
    match curve {
        Some(curve) => ecc_key(builder, which, curve, hash, restricted),
        None => rsa_key(builder, which, hash, restricted),
    }?
    .build()
}

fn ecc_key(
    builder: PublicBuilder,
    which: IdentityKey,
    curve: EccCurve,
    hash: HashingAlgorithm,
    restricted: bool,
) -> tss_esapi::Result<PublicBuilder> {
    let scheme = EccScheme::create(EccSchemeAlgorithm::EcDsa, Some(hash), None)?;
    let parameters = PublicEccParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::Null)
        .with_ecc_scheme(scheme)
        .with_curve(curve)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_signing_key(true)
        .with_is_decryption_key(false)
        .with_restricted(restricted)
        .build()?;
    let unique =
        EccPoint::new(EccParameter::try_from(which.unique())?, EccParameter::try_from(which.unique())?);
    Ok(builder
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(unique))
}

fn rsa_key(
    builder: PublicBuilder,
    which: IdentityKey,
    hash: HashingAlgorithm,
    restricted: bool,
) -> tss_esapi::Result<PublicBuilder> {
    let scheme =
        if restricted { RsaScheme::create(RsaSchemeAlgorithm::RsaSsa, Some(hash))? } else { RsaScheme::Null };
    let parameters = PublicRsaParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::Null)
        .with_scheme(scheme)
        .with_key_bits(RsaKeyBits::Rsa2048)
        .with_exponent(RsaExponent::default())
        .with_is_signing_key(true)
        .with_is_decryption_key(false)
        .with_restricted(restricted)
        .build()?;
    Ok(builder
        .with_public_algorithm(PublicAlgorithm::Rsa)
        .with_rsa_parameters(parameters)
        .with_rsa_unique_identifier(PublicKeyRsa::try_from(which.unique())?))
}
