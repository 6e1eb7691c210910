//! The endorsement key and its certificate (TCG EK Credential Profile for TPM Family 2.0, 2.5).

use tss_esapi::abstraction::ek::create_ek_public_from_default_template_2 as ek_template;
use tss_esapi::abstraction::{AsymmetricAlgorithmSelection, DefaultKey};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;

use crate::context::{Key, Tpm};
use crate::error::TpmError;

/// An EK template, with the NV index of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EkTemplate {
    /// ECC P-384, high range (template H-3), certificate at NV 0x01C00016.
    EccP384,
    /// ECC P-256, low range (template L-2), certificate at NV 0x01C0000A.
    EccP256,
    /// RSA 2048, low range (template L-1), certificate at NV 0x01C00002.
    Rsa2048,
}

impl EkTemplate {
    /// Strongest and fastest first: making an RSA primary takes many TPMs seconds.
    const PREFERENCE: [Self; 3] = [Self::EccP384, Self::EccP256, Self::Rsa2048];

    /// NV index of the certificate (§2.2.1.4 and §2.2.1.5).
    #[must_use]
    pub const fn certificate_index(self) -> u32 {
        match self {
            Self::EccP384 => 0x01C0_0016,
            Self::EccP256 => 0x01C0_000A,
            Self::Rsa2048 => 0x01C0_0002,
        }
    }

    /// Its usual name: `ECC P-384`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EccP384 => "ECC P-384",
            Self::EccP256 => "ECC P-256",
            Self::Rsa2048 => "RSA 2048",
        }
    }

    fn algorithm(self) -> AsymmetricAlgorithmSelection {
        match self {
            Self::EccP384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
            Self::EccP256 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
            Self::Rsa2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
        }
    }

    /// The hash of its Name, and of the sessions that are salted with it.
    pub(crate) const fn name_algorithm(self) -> HashingAlgorithm {
        match self {
            Self::EccP384 => HashingAlgorithm::Sha384,
            Self::EccP256 | Self::Rsa2048 => HashingAlgorithm::Sha256,
        }
    }

    /// Low range templates are used by a policy, high range ones by their (empty) password as well (§B.6).
    pub(crate) const fn needs_policy(self) -> bool {
        matches!(self, Self::EccP256 | Self::Rsa2048)
    }
}

/// The EK that the TPM's maker certified.
#[derive(Debug)]
pub struct EndorsementKey<'t> {
    /// The key, loaded.
    pub key: Key<'t>,
    /// What it was made from.
    pub template: EkTemplate,
    /// The content of the certificate's NV index, with the padding that some makers leave behind the DER.
    pub certificate: Vec<u8>,
}

impl Tpm {
    /// Loads the EK of the first template for which the TPM holds a certificate.
    ///
    /// # Errors
    /// [`TpmError::Missing`] when there is no certificate at all.
    pub fn endorsement_key(&self) -> Result<EndorsementKey<'_>, TpmError> {
        for template in EkTemplate::PREFERENCE {
            if let Some(certificate) = self.nv_read(template.certificate_index())? {
                return Ok(EndorsementKey { key: self.create_ek(template)?, template, certificate });
            }
        }
        Err(TpmError::Missing {
            what: "EK certificate in NV (0x01c00016, 0x01c0000a, 0x01c00002)".to_owned(),
            fix: "ask the TPM's maker for it; some keep it on a server instead",
        })
    }

    fn create_ek(&self, template: EkTemplate) -> Result<Key<'_>, TpmError> {
        let public = ek_template(template.algorithm(), DefaultKey)
            .map_err(|error| TpmError::from_tss("EK template", error))?;
        self.create_primary(Hierarchy::Endorsement, public)
    }

    pub(crate) fn create_primary(
        &self,
        hierarchy: Hierarchy,
        public: tss_esapi::structures::Public,
    ) -> Result<Key<'_>, TpmError> {
        self.make_room()?;
        let made =
            self.run_authorized("TPM2_CreatePrimary", (Some(AuthSession::Password), None), |context| {
                context.create_primary(hierarchy, public, None, None, None, None)
            })?;
        self.adopt(made.key_handle, &made.out_public)
    }
}
