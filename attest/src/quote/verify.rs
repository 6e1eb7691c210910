//! `Evidence ──verify(challenge, attestation key)──▶ VerifiedQuote`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use thiserror::Error;

use super::signature::{SignatureError, VerifyingKey};
use super::structure::{Attest, AttestError, ClockInfo, QuoteInfo};
use crate::challenge::{Challenge, Nonce};
use crate::digest::{Digest, HashAlgorithm};
use crate::key::{AttestationKey, Name};
use crate::pcr::PcrIndex;

/// Why a quote is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuoteError {
    /// The signed structure is malformed or of another kind.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The nonce is another one (threat q03).
    #[error("quote: nonce is {found}, expected {expected}")]
    Nonce {
        /// `extraData` in hex.
        found: String,
        /// The challenge in hex.
        expected: String,
    },
    /// The TPM signed under another Name than the key's that was sent: other attributes, scheme or policy, or another key
    /// of the same numbers (threats q09, p15).
    #[error(
        "quote: signed by {found}, but the attestation key in the evidence is {expected}: its attributes were altered"
    )]
    Signer {
        /// `qualifiedSigner`, in hex.
        found: String,
        /// The key's Name.
        expected: Name,
    },
    /// The challenge's time is over (threat q03).
    #[error("quote: the challenge expired at {expires}, it is {now}")]
    Expired {
        /// End of the challenge.
        expires: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
    /// More or fewer values than the quote covers (threat q07).
    #[error("quote: {found} PCR values supplied, the quote covers {expected}")]
    Count {
        /// Number of supplied values.
        found: usize,
        /// Number of selected PCRs.
        expected: usize,
    },
    /// A value whose length is not its bank's.
    #[error("quote: value of PCR {index} in bank {bank} has {found} bytes, expected {}", bank.len())]
    ValueLength {
        /// The bank, out of the signed selection.
        bank: HashAlgorithm,
        /// The PCR, out of the signed selection.
        index: PcrIndex,
        /// Bytes supplied.
        found: usize,
    },
    /// The values are not those that the TPM signed (threat q06).
    #[error("quote: supplied PCR values hash to {found}, the TPM signed {expected}")]
    PcrDigest {
        /// Digest of the supplied values, in hex.
        found: String,
        /// `pcrDigest`, in hex.
        expected: String,
    },
}

impl QuoteError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Attest(error) => error.threat(),
            Self::Signature(error) => error.threat(),
            Self::Nonce { .. } | Self::Expired { .. } => "q03",
            Self::Signer { .. } => "q09",
            Self::Count { .. } => "q07",
            Self::ValueLength { .. } | Self::PcrDigest { .. } => "q06",
        }
    }
}

/// A quote as it arrived: nothing in it is believed yet.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// The TPMS_ATTEST, exactly the signed bytes.
    pub message: &'a [u8],
    /// The TPMT_SIGNATURE.
    pub signature: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Verifies that the quote answers `challenge`, was signed by `key`, and covers `values`.
    ///
    /// `values` are the PCR values in the order of the signed selection; they carry no names of their own (threat q13).
    /// The challenge is used up, whatever the outcome.
    ///
    /// # Errors
    /// [`QuoteError`]: threats q01 to q08.
    pub fn verify<V: AsRef<[u8]>>(
        &self,
        challenge: Challenge,
        now: Timestamp,
        key: &AttestationKey,
        values: &[V],
    ) -> Result<VerifiedQuote, QuoteError> {
        if now >= challenge.expires() {
            return Err(QuoteError::Expired { expires: challenge.expires(), now });
        }
        let signed = self.verify_signed(challenge.nonce(), &key.into(), values)?;
        let signer = Attest::parse_quote(self.message)?.qualified_signer;
        if !key.is_named(signer) {
            return Err(QuoteError::Signer { found: hex::encode(signer), expected: key.name() });
        }
        Ok(VerifiedQuote { signed, key: key.name() })
    }

    /// Verifies a quote against a bare key, of which nobody has shown that it lives in a TPM.
    ///
    /// This is what `tpm2_checkquote` does. The result says less than a [`VerifiedQuote`], and nothing downstream takes it.
    ///
    /// # Errors
    /// [`QuoteError`]: threats q01 to q08.
    pub fn verify_signed<V: AsRef<[u8]>>(
        &self,
        nonce: &Nonce,
        key: &VerifyingKey,
        values: &[V],
    ) -> Result<SignedQuote, QuoteError> {
        let attest = Attest::parse_quote(self.message)?;
        let hash = key.verify(self.message, self.signature)?;
        if attest.extra_data != nonce.as_bytes() {
            return Err(QuoteError::Nonce {
                found: hex::encode(attest.extra_data),
                expected: hex::encode(nonce.as_bytes()),
            });
        }
        let values = check_values(&attest.attested, values, hash)?;
        Ok(SignedQuote { values, clock: attest.clock, firmware_version: attest.firmware_version })
    }
}

fn check_values<V: AsRef<[u8]>>(
    quoted: &QuoteInfo<'_>,
    values: &[V],
    hash: HashAlgorithm,
) -> Result<BTreeMap<(HashAlgorithm, PcrIndex), Digest>, QuoteError> {
    let QuoteInfo { selection, pcr_digest } = quoted;
    if selection.iter().len() != values.len() {
        return Err(QuoteError::Count { found: values.len(), expected: selection.iter().len() });
    }
    let mut named = BTreeMap::new();
    let mut parts = Vec::with_capacity(values.len());
    for ((bank, index), value) in selection.iter().zip(values) {
        let value = value.as_ref();
        let digest =
            Digest::new(bank, value).ok_or(QuoteError::ValueLength { bank, index, found: value.len() })?;
        named.insert((bank, index), digest);
        parts.push(value);
    }
    let found = hash.digest_parts(&parts);
    if found.as_bytes() != *pcr_digest {
        return Err(QuoteError::PcrDigest { found: found.to_hex(), expected: hex::encode(pcr_digest) });
    }
    Ok(named)
}

/// PCR values that some key signed for a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedQuote {
    values: BTreeMap<(HashAlgorithm, PcrIndex), Digest>,
    clock: ClockInfo,
    firmware_version: u64,
}

impl SignedQuote {
    /// The value of a PCR, if the quote covers it.
    #[must_use]
    pub fn value(&self, bank: HashAlgorithm, index: PcrIndex) -> Option<&Digest> {
        self.values.get(&(bank, index))
    }

    /// All values, by bank and index.
    pub fn values(&self) -> impl Iterator<Item = (PcrIndex, &Digest)> {
        self.values.iter().map(|((_, index), digest)| (*index, digest))
    }

    /// Which boot of the TPM, and when in it.
    #[must_use]
    pub fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The TPM firmware's version, as its maker numbers them.
    #[must_use]
    pub fn firmware_version(&self) -> u64 {
        self.firmware_version
    }
}

/// PCR values that an attestation key of a TPM signed for our challenge: the only thing that logs are replayed against.
///
/// Only [`Quote::verify`] makes one:
/// ```compile_fail
/// # fn f(signed: attest::quote::SignedQuote, key: attest::key::Name) -> attest::quote::VerifiedQuote {
/// attest::quote::VerifiedQuote { signed, key }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedQuote {
    signed: SignedQuote,
    key: Name,
}

impl VerifiedQuote {
    /// The Name of the attestation key: which TPM.
    #[must_use]
    pub fn key(&self) -> &Name {
        &self.key
    }
}

impl std::ops::Deref for VerifiedQuote {
    type Target = SignedQuote;

    fn deref(&self) -> &SignedQuote {
        &self.signed
    }
}
