//! Attestation results: what a verifier says of a device, signed, for those who rely on it.
//!
//! A result is an EAR, an EAT attestation result (RFC 9711, draft-ietf-rats-ear-04), with the trustworthiness vector of
//! draft-ietf-rats-ar4si-10. It is a JWT or a CWT. It binds the verdict to the device's attestation key (`cnf`), to the
//! challenge (`eat_nonce`), to the policy and to the evidence, and it ends soon.
//!
//! ```text
//! Appraisal ────── AttestationResult::new ────▶ AttestationResult     only of an appraisal
//! AttestationResult ── to_jwt, to_cwt (ResultSigner) ─▶ bytes
//! bytes ────────── verify(ResultKey, Expected, now) ──▶ VerifiedResult
//! ```
//!
//! That a result is verified says who made it and for whom. What it says of the device is its [`Tier`].

mod cbor;
mod claims;
mod confirmation;
mod cwt;
mod error;
mod json;
mod jwt;
mod key;
#[cfg(test)]
mod tests;
mod vector;
mod verify;

use jiff::{SignedDuration, Timestamp};

pub use claims::{Facts, FoundReason, ResultClaims, VerifierId};
pub use confirmation::BoundKey;
pub use error::ResultError;
pub use key::{ResultAlgorithm, ResultKey, ResultSigner};
pub use vector::{Tier, TrustVector};
pub use verify::{Expected, VerifiedResult, unverified, verify};

use crate::appraisal::{Appraisal, Verdict};

/// The EAT profile: draft-ietf-rats-ear-04 §3.
pub const PROFILE: &str = "tag:ietf.org,2026:rats/ear#04";
/// Name of the one submodule when the evidence did not get as far as a device's name.
pub const UNIDENTIFIED: &str = "unidentified";
/// Largest result that is read, in bytes.
pub const MAX_RESULT: usize = 64 * 1024;
/// Longest life of a result that is believed: the longest that a policy can give.
pub const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// How far a verifier's clock may be ahead of the relying party's. A result's end gets no such grace.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Most reasons in a result; the report of the appraisal has all of them.
const MAX_REASONS: usize = 16;
/// Longest text in a result, in characters.
const MAX_TEXT: usize = 200;

/// A result that can be signed. Only an appraisal makes one:
/// ```compile_fail
/// # fn f(claims: attest::result::ResultClaims) -> attest::result::AttestationResult {
/// attest::result::AttestationResult { claims }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationResult {
    claims: ResultClaims,
}

impl AttestationResult {
    /// What `appraisal` says, in the words of `verifier`. A refusal makes a result as well as a pass.
    #[must_use]
    pub fn new(appraisal: &Appraisal, verifier: VerifierId) -> Self {
        let vector = TrustVector::of(appraisal);
        let verdict = match appraisal.verdict() {
            Verdict::Trusted => Tier::Affirming,
            Verdict::Refused => Tier::Contraindicated,
            Verdict::CannotTell => Tier::None,
        };
        // A pass with a remark is a pass with a warning. A refusal is never softened, and no claim stays none.
        let status = if verdict == Tier::Affirming { verdict.max(vector.tier()) } else { verdict };
        // A certificate alone binds nothing: the device is named once its key has signed the quote.
        let bound = appraisal.attester().zip(appraisal.attestation_key());
        let seconds = appraisal.appraised().as_second();
        let issued = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            claims: ResultClaims {
                issued,
                expires: issued.checked_add(appraisal.lifetime().min(MAX_LIFETIME)).unwrap_or(issued),
                nonce: appraisal.nonce().clone(),
                verifier,
                device: bound.map_or(UNIDENTIFIED, |(attester, _)| &attester.device_id).to_owned(),
                key: bound.map(|(attester, key)| BoundKey::new(key.clone(), attester.key.as_bytes())),
                status,
                vector,
                policy: *appraisal.policy_digest(),
                facts: Facts::of(appraisal),
            },
        }
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &ResultClaims {
        &self.claims
    }
}
