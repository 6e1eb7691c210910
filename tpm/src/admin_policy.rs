//! The authorization policy of our identity keys.
//!
//! The templates of "TPM 2.0 Keys for Device Identity and Attestation" set adminWithPolicy: TPM2_ActivateCredential and
//! TPM2_Certify, which need the ADMIN role, ask for a policy. Ours has one branch for each of the two commands, both
//! bound to the endorsement hierarchy's authorization (docs/decisions/0004 says why it is not the template's own digest):
//!
//! ```text
//! PolicyOR( PolicySecret(ENDORSEMENT) · PolicyCommandCode(ActivateCredential),
//!           PolicySecret(ENDORSEMENT) · PolicyCommandCode(Certify) )
//! ```

use ring::digest::{Algorithm, SHA256, SHA384, digest};
use tss_esapi::constants::{CommandCode, SessionType};
use tss_esapi::handles::AuthHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Digest, DigestList, Nonce, SymmetricDefinition};

use crate::context::{Session, Tpm};
use crate::error::TpmError;

const CC_POLICY_SECRET: u32 = 0x0000_0151;
const CC_POLICY_COMMAND_CODE: u32 = 0x0000_016C;
const CC_POLICY_OR: u32 = 0x0000_0171;
const RH_ENDORSEMENT: u32 = 0x4000_000B;

/// What the ADMIN role is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminCommand {
    ActivateCredential,
    Certify,
}

impl AdminCommand {
    const ALL: [Self; 2] = [Self::ActivateCredential, Self::Certify];

    const fn code(self) -> (u32, CommandCode) {
        match self {
            Self::ActivateCredential => (0x0000_0147, CommandCode::ActivateCredential),
            Self::Certify => (0x0000_0148, CommandCode::Certify),
        }
    }
}

/// The policy digest for keys with this name algorithm (TPM 2.0 Part 3 §23.4, §23.6, §23.11).
pub(crate) fn policy_digest(hash: HashingAlgorithm) -> Vec<u8> {
    let algorithm = ring_algorithm(hash);
    let branches: Vec<_> =
        AdminCommand::ALL.into_iter().map(|command| branch_digest(algorithm, command)).collect();
    let zero = vec![0; algorithm.output_len()];
    hash_parts(algorithm, &[&zero, &CC_POLICY_OR.to_be_bytes(), &branches.concat()])
}

fn branch_digest(algorithm: &'static Algorithm, command: AdminCommand) -> Vec<u8> {
    let zero = vec![0; algorithm.output_len()];
    let secret =
        hash_parts(algorithm, &[&zero, &CC_POLICY_SECRET.to_be_bytes(), &RH_ENDORSEMENT.to_be_bytes()]);
    // PolicyUpdate hashes a second time, with the policyRef, here empty.
    let secret = hash_parts(algorithm, &[&secret]);
    hash_parts(algorithm, &[&secret, &CC_POLICY_COMMAND_CODE.to_be_bytes(), &command.code().0.to_be_bytes()])
}

fn hash_parts(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    digest(algorithm, &parts.concat()).as_ref().to_vec()
}

const fn ring_algorithm(hash: HashingAlgorithm) -> &'static Algorithm {
    match hash {
        HashingAlgorithm::Sha384 => &SHA384,
        _ => &SHA256,
    }
}

impl Tpm {
    /// A session that fulfils the policy for one command on a key whose Name uses `hash`.
    pub(crate) fn admin_session(
        &self,
        command: AdminCommand,
        hash: HashingAlgorithm,
    ) -> Result<Session<'_>, TpmError> {
        let session = self.plain_session(SessionType::Policy, hash, SymmetricDefinition::AES_128_CFB)?;
        self.endorsement_secret(&session)?;
        let policy = session.policy()?;
        self.run("TPM2_PolicyCommandCode", |context| context.policy_command_code(policy, command.code().1))?;
        self.run("TPM2_PolicyOR", |context| {
            let mut branches = DigestList::new();
            for branch in AdminCommand::ALL {
                branches.add(Digest::try_from(branch_digest(ring_algorithm(hash), branch))?)?;
            }
            context.policy_or(policy, branches)
        })?;
        Ok(session)
    }

    /// TPM2_PolicySecret with the endorsement hierarchy's authorization: also the whole policy of a low range EK.
    pub(crate) fn endorsement_secret(&self, session: &Session<'_>) -> Result<(), TpmError> {
        let policy = session.policy()?;
        self.run_authorized("TPM2_PolicySecret", (Some(AuthSession::Password), None), |context| {
            context
                .policy_secret(
                    policy,
                    AuthHandle::Endorsement,
                    Nonce::default(),
                    Digest::default(),
                    Nonce::default(),
                    None,
                )
                .map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_branch_is_the_endorsement_profiles_policy_a() {
        // TCG EK Credential Profile 2.5 §B.6.2: PolicyA for SHA-256.
        let zero = [0; 32];
        let first =
            hash_parts(&SHA256, &[&zero, &CC_POLICY_SECRET.to_be_bytes(), &RH_ENDORSEMENT.to_be_bytes()]);
        let policy_a = hash_parts(&SHA256, &[&first]);
        assert_eq!(policy_a[..4], [0x83, 0x71, 0x97, 0x67]);
        assert_eq!(policy_a[28..], [0x33, 0x14, 0x69, 0xaa]);
    }
}
