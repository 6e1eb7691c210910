//! The challenge: a secret that is good once, for one key in one TPM, and for a short time.

use attest::key::{PublicArea, is_initial_attestation_key};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::make_credential::{Credential, draw, make_credential};
use super::{ActivationError, ResidentKey, TpmIdentity};
use crate::ek::GenuineTpm;

/// Longest life of a challenge: a slow TPM answers within seconds.
pub const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

const SECRET_LEN: usize = 32;

/// Makes challenges; see [`ActivationChallenge::new`].
#[derive(Debug)]
pub struct ActivationChallenge;

impl ActivationChallenge {
    /// Encrypts 32 random bytes to the TPM's EK, bound to the attestation key's Name.
    ///
    /// The Name is computed from `attestation_key` here and never taken from the sender (threat p15). `random` serves the
    /// secret and the encryption; `lifetime` is at most [`MAX_LIFETIME`].
    ///
    /// # Errors
    /// [`ActivationError`] when the key is no initial attestation key (threats p04, p17, q04, q09, q12), or the EK can't be
    /// encrypted to.
    #[expect(clippy::new_ret_no_self, reason = "a challenge has two halves: one to keep and one to send")]
    pub fn new(
        tpm: &GenuineTpm,
        attestation_key: &PublicArea,
        random: &dyn SecureRandom,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<(PendingActivation, Credential), ActivationError> {
        if lifetime <= SignedDuration::ZERO || lifetime > MAX_LIFETIME {
            return Err(ActivationError::Lifetime { seconds: lifetime.as_secs() });
        }
        attestation_key.check_attestation_key()?;
        let name = attestation_key.name();
        if !is_initial_attestation_key(attestation_key) {
            return Err(ActivationError::Template { name: name.to_string() });
        }
        let secret = draw(SECRET_LEN, random)?;
        let credential = make_credential(tpm.ek(), &name, &secret, random)?;
        let pending = PendingActivation {
            tpm: TpmIdentity::of(tpm),
            attestation_key: attestation_key.clone(),
            secret,
            issued: now,
            expires: now.checked_add(lifetime).unwrap_or(now),
        };
        Ok((pending, credential))
    }
}

/// A challenge that waits for its answer. It can't be copied, and answering uses it up, right or wrong (threat p03):
/// ```compile_fail
/// # fn f(pending: pki::activation::PendingActivation, now: jiff::Timestamp) {
/// let first = pending.answer(b"guess", now);
/// let second = pending.answer(b"another guess", now);
/// # }
/// ```
pub struct PendingActivation {
    tpm: TpmIdentity,
    attestation_key: PublicArea,
    secret: Zeroizing<Vec<u8>>,
    issued: Timestamp,
    expires: Timestamp,
}

impl std::fmt::Debug for PendingActivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingActivation")
            .field("tpm", &self.tpm)
            .field("attestation_key", &self.attestation_key.name())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl PendingActivation {
    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Takes the secret that TPM2_ActivateCredential gave.
    ///
    /// # Errors
    /// [`ActivationError`] when it is late or wrong; either way the challenge is gone.
    pub fn answer(self, secret: &[u8], now: Timestamp) -> Result<ResidentKey, ActivationError> {
        if now < self.issued {
            return Err(ActivationError::ClockWentBack { issued: self.issued, now });
        }
        if now >= self.expires {
            return Err(ActivationError::Expired { expires: self.expires, now });
        }
        // The comparison of slices of different lengths is false at once; the length is no secret.
        if !bool::from(self.secret.ct_eq(secret)) {
            return Err(ActivationError::WrongAnswer { name: self.attestation_key.name().to_string() });
        }
        Ok(ResidentKey::activated(self.tpm, self.attestation_key))
    }
}
