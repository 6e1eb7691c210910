//! The relying party's check: who signed, for which device, challenge and policy, and until when.

use jiff::Timestamp;

use super::{
    MAX_LIFETIME, MAX_RESULT, MAX_SKEW, ResultClaims, ResultError, ResultKey, Tier, cbor, cwt, json, jwt,
};
use crate::challenge::Nonce;
use crate::digest::Digest;

/// What a relying party expects. What it leaves out is not compared; a result without a nonce that the relying party
/// chose can be shown again until it ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The device's name.
    pub device: Option<&'a str>,
    /// The challenge that the evidence answered.
    pub nonce: Option<&'a Nonce>,
    /// SHA-256 over the policy and everything that belongs to it.
    pub policy: Option<&'a Digest>,
}

/// A result that the verifier's key signed and that is good now. Only [`verify`] makes one:
/// ```compile_fail
/// # fn f(claims: attest::result::ResultClaims) -> attest::result::VerifiedResult {
/// attest::result::VerifiedResult { claims }
/// # }
/// ```
///
/// It may well say that the device is not to be trusted: ask [`status`](Self::status).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedResult {
    claims: ResultClaims,
}

impl VerifiedResult {
    /// What the verifier says of the device on the whole.
    #[must_use]
    pub fn status(&self) -> Tier {
        self.claims.status
    }

    /// Everything that the result says.
    #[must_use]
    pub fn claims(&self) -> &ResultClaims {
        &self.claims
    }
}

/// The two forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Jwt,
    Cwt,
}

/// A token taken apart.
pub(super) struct Parts {
    pub(super) form: Form,
    pub(super) algorithm: String,
    pub(super) typ: String,
    pub(super) key_id: String,
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Parts {
    fn parse(token: &[u8]) -> Result<Self, ResultError> {
        if token.len() > MAX_RESULT {
            return Err(ResultError::TooLarge { found: token.len() });
        }
        if token.first() == Some(&cwt::FIRST_BYTE) {
            return cwt::parse(token);
        }
        jwt::parse(std::str::from_utf8(token).map_err(|_| ResultError::malformed("neither a JWT nor a CWT"))?)
    }

    fn claims(&self) -> Result<ResultClaims, ResultError> {
        let claims = match self.form {
            Form::Jwt => json::decode(&self.payload),
            Form::Cwt => cbor::decode(&self.payload),
        }?;
        // EAR §3: the status is never better than the worst claim; and nobody is good without a key.
        let good = matches!(claims.status, Tier::Affirming | Tier::Warning);
        if good && (claims.status < claims.vector.tier() || claims.key.is_none()) {
            return Err(ResultError::malformed("the status is better than what the claims say"));
        }
        Ok(claims)
    }
}

/// Verifies a result, a JWT or a CWT, at the relying party's time `now`.
///
/// The key decides the algorithm (RFC 8725 §3.1), the type is compared (§3.11), and nothing of the claims is read before
/// the signature over the exact bytes is good.
///
/// # Errors
/// [`ResultError`]; [`ResultError::is_stale`] tells apart what only the time speaks against.
pub fn verify(
    token: &[u8],
    key: &ResultKey,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<VerifiedResult, ResultError> {
    let parts = Parts::parse(token)?;
    let algorithm = key.algorithm().name();
    if parts.algorithm != algorithm {
        let found = parts.algorithm.chars().take(40).collect();
        return Err(ResultError::Algorithm { found, expected: algorithm });
    }
    key.verify(&parts.signed, &parts.signature, &parts.key_id)?;
    let typ = match parts.form {
        Form::Jwt => jwt::TYPE,
        Form::Cwt => cwt::TYPE,
    };
    if parts.typ != typ {
        return Err(ResultError::Type { found: parts.typ, expected: typ });
    }
    let claims = parts.claims()?;
    check_expected(&claims, expected)?;
    check_time(&claims, now)?;
    Ok(VerifiedResult { claims })
}

/// The claims of a result whose signature nobody has checked: for showing, never for judging.
///
/// # Errors
/// [`ResultError`] when the bytes are no result.
pub fn unverified(token: &[u8]) -> Result<ResultClaims, ResultError> {
    Parts::parse(token)?.claims()
}

fn check_expected(claims: &ResultClaims, expected: &Expected<'_>) -> Result<(), ResultError> {
    let other = |what, found: String, expected: String| Err(ResultError::Other { what, found, expected });
    // A name counts with the key that it is bound to.
    if let Some(device) = expected.device
        && (claims.device != device || claims.key.is_none())
    {
        return other("the device", format!("{:?}", claims.device), format!("{device:?}"));
    }
    if let Some(nonce) = expected.nonce
        && claims.nonce != *nonce
    {
        return other("the nonce", hex::encode(claims.nonce.as_bytes()), hex::encode(nonce.as_bytes()));
    }
    if let Some(policy) = expected.policy
        && claims.policy != *policy
    {
        return other("the policy", claims.policy.to_string(), policy.to_string());
    }
    Ok(())
}

fn check_time(claims: &ResultClaims, now: Timestamp) -> Result<(), ResultError> {
    let (issued, expires) = (claims.issued, claims.expires);
    let life = expires.duration_since(issued);
    if !life.is_positive() || life > MAX_LIFETIME {
        return Err(ResultError::Lifetime { issued, expires });
    }
    if issued.duration_since(now) > MAX_SKEW {
        return Err(ResultError::Clock { issued, now });
    }
    if now >= expires {
        return Err(ResultError::Ended { expires, now });
    }
    Ok(())
}
