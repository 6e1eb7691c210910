//! What can go wrong between us and a TPM.

use thiserror::Error;
use tss_esapi::constants::response_code::Tss2ResponseCodeKind as Kind;

/// A TPM that can't be reached, or refuses a command. All of them end in exit code 4.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TpmError {
    /// The TCTI string can't be used.
    #[error(
        "TCTI {found:?}: {why}; expected device:PATH, swtpm:host=HOST,port=PORT, mssim:host=HOST,port=PORT or tabrmd"
    )]
    Tcti {
        /// The text.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no TPM at the TCTI.
    #[error("no TPM at {tcti}: {cause}; {fix}")]
    NotThere {
        /// The TCTI.
        tcti: String,
        /// What the operating system said.
        cause: String,
        /// What to do.
        fix: &'static str,
    },
    /// Another program holds the TPM.
    #[error(
        "the TPM at {tcti} is busy: another program holds it; use the resource manager device:/dev/tpmrm0, or try again"
    )]
    Busy {
        /// The TCTI.
        tcti: String,
    },
    /// The connection broke during a command.
    #[error(
        "{command}: the connection to the TPM broke ({cause}); nothing is known about the command's outcome, run it again"
    )]
    Lost {
        /// The TPM command.
        command: &'static str,
        /// What the TSS said.
        cause: String,
    },
    /// Too many failed authorizations.
    #[error(
        "{command}: the TPM is in lockout after failed authorizations; wait for its recovery time, or reset it: tpm2_dictionarylockout -c"
    )]
    Lockout {
        /// The TPM command.
        command: &'static str,
    },
    /// An authorization value is needed that nobody gave.
    #[error("{command}: the TPM asks for the {hierarchy} authorization, which has been set on this device")]
    Authorization {
        /// The TPM command.
        command: &'static str,
        /// Which hierarchy.
        hierarchy: &'static str,
    },
    /// The TPM has no room left.
    #[error("{command}: the TPM is out of {what}; {fix}")]
    Full {
        /// The TPM command.
        command: &'static str,
        /// Of what.
        what: &'static str,
        /// What to do.
        fix: &'static str,
    },
    /// A handle holds something that is not ours.
    #[error("handle 0x{handle:08x} holds {found}, expected {expected}; nothing was overwritten")]
    HandleTaken {
        /// The handle.
        handle: u32,
        /// What is there.
        found: String,
        /// What we would put there.
        expected: &'static str,
    },
    /// Something that has to exist does not.
    #[error("the TPM has no {what}; {fix}")]
    Missing {
        /// What.
        what: String,
        /// What to do.
        fix: &'static str,
    },
    /// PCRs changed faster than they could be read and quoted.
    #[error("PCRs kept changing while they were quoted ({tries} tries); try again")]
    Unsteady {
        /// How often it was tried.
        tries: u32,
    },
    /// The rollback floor's NV indices contradict each other (threat u16).
    #[error("rollback floor at NV 0x{handle:08x}: {why}; the device needs provisioning again")]
    Floor {
        /// The NV index.
        handle: u32,
        /// What is wrong.
        why: String,
    },
    /// Any other refusal.
    #[error("{command}: {cause}")]
    Command {
        /// The TPM command.
        command: &'static str,
        /// The TSS's text for the response code.
        cause: String,
    },
}

impl TpmError {
    pub(crate) fn from_tss(command: &'static str, error: tss_esapi::Error) -> Self {
        let kind = match error {
            tss_esapi::Error::Tss2Error(code) => code.kind(),
            tss_esapi::Error::WrapperError(_) => None,
        };
        match kind {
            Some(Kind::Lockout) => Self::Lockout { command },
            Some(Kind::BadAuth | Kind::AuthFail | Kind::AuthMissing) => {
                Self::Authorization { command, hierarchy: "owner or endorsement" }
            }
            Some(Kind::NvSpace) => Self::Full {
                command,
                what: "NV memory",
                fix: "list what fills it: tpm2_getcap handles-nv-index, handles-persistent",
            },
            Some(
                Kind::ObjectMemory
                | Kind::SessionMemory
                | Kind::Memory
                | Kind::ObjectHandles
                | Kind::SessionHandles,
            ) => Self::Full {
                command,
                what: "memory for objects or sessions",
                fix: "use the resource manager device:/dev/tpmrm0, or flush what others left: tpm2_flushcontext -t -s -l",
            },
            // Below the TPM: the TCTI layer lost its peer, or got half an answer. The TSS's codes for that have no kind.
            None if matches!(error, tss_esapi::Error::Tss2Error(_)) => {
                Self::Lost { command, cause: error.to_string() }
            }
            _ => Self::Command { command, cause: error.to_string() },
        }
    }
}
