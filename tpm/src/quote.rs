//! Quotes and PCRs.

use ring::digest::{Context as Hash, SHA256, SHA384};
use tss_esapi::Context;
use tss_esapi::constants::{AlgorithmIdentifier, CapabilityType};
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    AttestInfo, CapabilityData, Data, Digest, DigestValues, PcrSelectionList, Signature, SignatureScheme,
};
use tss_esapi::traits::Marshall;
use tss_esapi::tss2_esys::{TPML_PCR_SELECTION, TPMS_PCR_SELECTION};

use crate::context::{Key, Tpm};
use crate::error::TpmError;

/// Extends between reading and quoting are rare (IMA measures while we look); more than this many are not.
const TRIES: u32 = 8;

/// A bank of PCRs, by its hash algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bank {
    /// SHA-1, 20 bytes a PCR.
    Sha1,
    /// SHA-256, 32 bytes a PCR.
    Sha256,
    /// SHA-384, 48 bytes a PCR.
    Sha384,
    /// SHA-512, 64 bytes a PCR.
    Sha512,
    /// SM3, 32 bytes a PCR.
    Sm3,
    /// SHA3-256, 32 bytes a PCR.
    Sha3With256,
    /// SHA3-384, 48 bytes a PCR.
    Sha3With384,
    /// SHA3-512, 64 bytes a PCR.
    Sha3With512,
}

impl Bank {
    /// Every bank that Hallmark knows: SHA-1 and SHA-2, weakest first, then those that few TPMs have.
    pub const ALL: [Self; 8] = [
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sm3,
        Self::Sha3With256,
        Self::Sha3With384,
        Self::Sha3With512,
    ];

    /// The lower-case name: `sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sm3 => "sm3",
            Self::Sha3With256 => "sha3-256",
            Self::Sha3With384 => "sha3-384",
            Self::Sha3With512 => "sha3-512",
        }
    }

    const fn algorithm(self) -> HashingAlgorithm {
        match self {
            Self::Sha1 => HashingAlgorithm::Sha1,
            Self::Sha256 => HashingAlgorithm::Sha256,
            Self::Sha384 => HashingAlgorithm::Sha384,
            Self::Sha512 => HashingAlgorithm::Sha512,
            Self::Sm3 => HashingAlgorithm::Sm3_256,
            Self::Sha3With256 => HashingAlgorithm::Sha3_256,
            Self::Sha3With384 => HashingAlgorithm::Sha3_384,
            Self::Sha3With512 => HashingAlgorithm::Sha3_512,
        }
    }
}

/// PCRs to quote, bank by bank: `(bank, indices 0 to 23)`.
pub type Selection = [(Bank, Vec<u8>)];

/// A quote with the PCR values that it covers, all of the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// The signed TPMS_ATTEST.
    pub message: Vec<u8>,
    /// The TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// The PCR values, in the order of the signed selection.
    pub values: Vec<Vec<u8>>,
}

impl Tpm {
    /// Quotes `selection` with `key` for `nonce` (at most 64 bytes), TPM2_Quote of Part 3 §18.4.
    ///
    /// Values and quote come from different commands; they are read again until they belong together.
    ///
    /// # Errors
    /// [`TpmError::Unsteady`] when the PCRs never stand still; [`TpmError::Command`] when the TPM refuses.
    pub fn quote(&self, key: &Key<'_>, nonce: &[u8], selection: &Selection) -> Result<Quoted, TpmError> {
        const COMMAND: &str = "TPM2_Quote";
        let wrong = |error| TpmError::from_tss(COMMAND, error);
        let list = selection_list(selection).map_err(wrong)?;
        let data = Data::try_from(nonce).map_err(wrong)?;
        for _ in 0..TRIES {
            let values = self.read_pcrs(selection)?;
            let (attest, signature) =
                self.run_authorized(COMMAND, (Some(AuthSession::Password), None), |context| {
                    context.quote(key.handle(), data.clone(), SignatureScheme::Null, list.clone())
                })?;
            let AttestInfo::Quote { info } = attest.attested() else {
                return Err(TpmError::Command {
                    command: COMMAND,
                    cause: "the TPM sent another attestation".to_owned(),
                });
            };
            if pcr_digest(&signature, &values).as_deref() == Some(info.pcr_digest().value()) {
                return Ok(Quoted {
                    message: attest.marshall().map_err(wrong)?,
                    signature: signature.marshall().map_err(wrong)?,
                    values,
                });
            }
        }
        Err(TpmError::Unsteady { tries: TRIES })
    }

    /// Reads PCRs, in the order of `selection`.
    ///
    /// # Errors
    /// [`TpmError::Missing`] when a bank is not active.
    pub fn read_pcrs(&self, selection: &Selection) -> Result<Vec<Vec<u8>>, TpmError> {
        let mut values = Vec::new();
        for (bank, indices) in selection {
            // TPM2_PCR_Read returns at most eight values (Part 3 §22.4).
            for part in indices.chunks(8) {
                let list = selection_list(&[(*bank, part.to_vec())])
                    .map_err(|error| TpmError::from_tss("TPM2_PCR_Read", error))?;
                let (_, _, digests) = self.run("TPM2_PCR_Read", |context| context.pcr_read(list))?;
                let read = digests.value();
                if read.len() != part.len() {
                    return Err(TpmError::Missing {
                        what: format!("active {} bank", bank.name()),
                        fix: "choose an active one, or switch it on in the firmware's setup",
                    });
                }
                values.extend(read.iter().map(|digest| digest.value().to_vec()));
            }
        }
        Ok(values)
    }

    /// Extends one PCR in several banks at once.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM refuses.
    pub fn extend_pcr(&self, index: u8, digests: &[(Bank, &[u8])]) -> Result<(), TpmError> {
        const COMMAND: &str = "TPM2_PCR_Extend";
        let wrong = |error| TpmError::from_tss(COMMAND, error);
        let mut values = DigestValues::new();
        for (bank, digest) in digests {
            values.set(bank.algorithm(), Digest::try_from(*digest).map_err(wrong)?);
        }
        let handle = pcr_handle(index).map_err(wrong)?;
        self.run_authorized(COMMAND, (Some(AuthSession::Password), None), |context| {
            context.pcr_extend(handle, values)
        })
    }
}

/// How the command is called that [`ask_banks`] sends.
pub(crate) const ASK_BANKS: &str = "TPM2_GetCapability";

/// The banks that are active, weakest first; banks that Hallmark does not know are left out (TPM_CAP_PCRS, Part 2 §6.12).
pub(crate) fn ask_banks(context: &mut Context) -> tss_esapi::Result<Vec<Bank>> {
    let (data, _) = context
        .execute_without_session(|context| context.get_capability(CapabilityType::AssignedPcr, 0, 1))?;
    let CapabilityData::AssignedPcr(list) = data else { return Ok(Vec::new()) };
    let active = |bank: &Bank| {
        list.get_selections()
            .iter()
            .any(|found| found.hashing_algorithm() == bank.algorithm() && !found.selected().is_empty())
    };
    Ok(Bank::ALL.into_iter().filter(active).collect())
}

fn pcr_handle(index: u8) -> tss_esapi::Result<PcrHandle> {
    // PCR handles are their indices (Part 2 §7.2).
    PcrHandle::try_from(u32::from(index))
}

/// The banks in the given order, which the builder of the binding does not keep: values are named by that order.
fn selection_list(selection: &Selection) -> tss_esapi::Result<PcrSelectionList> {
    let mut list = TPML_PCR_SELECTION::default();
    for ((bank, indices), slot) in selection.iter().zip(list.pcrSelections.iter_mut()) {
        let bitmap = indices
            .iter()
            .fold(0_u32, |bits, index| bits | 1_u32.checked_shl(u32::from(*index)).unwrap_or(0));
        let [low, middle, high, _] = bitmap.to_le_bytes();
        *slot = TPMS_PCR_SELECTION {
            hash: AlgorithmIdentifier::from(bank.algorithm()).into(),
            sizeofSelect: 3,
            pcrSelect: [low, middle, high, 0],
        };
        list.count = list.count.saturating_add(1);
    }
    PcrSelectionList::try_from(list)
}

/// The digest that a quote with this signature must carry for these values; `None` for a hash no key of ours uses.
fn pcr_digest(signature: &Signature, values: &[Vec<u8>]) -> Option<Vec<u8>> {
    let algorithm = match signature {
        Signature::RsaSsa(signature) | Signature::RsaPss(signature) => signature.hashing_algorithm(),
        Signature::EcDsa(signature) => signature.hashing_algorithm(),
        _ => return None,
    };
    let mut hash = Hash::new(match algorithm {
        HashingAlgorithm::Sha256 => &SHA256,
        HashingAlgorithm::Sha384 => &SHA384,
        _ => return None,
    });
    values.iter().for_each(|value| hash.update(value));
    Some(hash.finish().as_ref().to_vec())
}
