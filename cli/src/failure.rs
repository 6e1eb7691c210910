//! Exit codes, and the errors behind them.

use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

/// How a command ends. The numbers are part of the interface (docs/src/reference/exit-codes.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or trusted.
    Done = 0,
    /// It could not be done.
    Failed = 1,
    /// Wrong usage; clap uses the same number.
    Usage = 2,
    /// Judged and refused.
    Refused = 3,
    /// No TPM, or the TPM refused a command.
    Tpm = 4,
    /// Nobody can tell: stale, or the verifier can't be reached.
    CannotTell = 5,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Tpm => 4,
            Self::CannotTell => 5,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Tpm => "tpm",
            Self::CannotTell => "cannot-tell",
        }
    }
}

/// Why a command ended without its result: one line for a person, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// The row of threats.md, where a refusal has one.
    pub(crate) threat: Option<&'static str>,
}

/// The JSON object that stands in for a command's result when there is none.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailureReport {
    error: FailureDetail,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FailureDetail {
    /// The exit code: 1 failed, 2 wrong usage, 3 refused, 4 TPM, 5 cannot tell.
    exit_code: u8,
    /// The exit code in words.
    kind: &'static str,
    /// One line that says what was wrong and what to do.
    message: String,
    /// Id of the threat that was refused, where there is one.
    id: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), threat: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn refused(threat: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, message: message.into(), threat }
    }

    /// The same failure with the file that it is about before its message.
    pub(crate) fn about(mut self, path: &Path) -> Self {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }

    /// A file that can't be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => "; it was not written, make room and run it again",
            io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only",
            io::ErrorKind::IsADirectory => "; expected a file",
            io::ErrorKind::NotADirectory => "; a file stands in this path where a folder was expected",
            io::ErrorKind::PermissionDenied => "; check the permissions, or name another place",
            _ => "",
        };
        Self::failed(format!("{}: {error}{hint}", path.display()))
    }

    pub(crate) fn report(&self) -> FailureReport {
        FailureReport {
            error: FailureDetail {
                exit_code: self.exit.code(),
                kind: self.exit.kind(),
                message: self.message.clone(),
                id: self.threat,
            },
        }
    }
}

impl From<tpm::TpmError> for Failure {
    fn from(error: tpm::TpmError) -> Self {
        Self::new(Exit::Tpm, error.to_string())
    }
}

impl From<tpm::simulator::SimulatorError> for Failure {
    fn from(error: tpm::simulator::SimulatorError) -> Self {
        let exit = match error {
            tpm::simulator::SimulatorError::NotRunning { .. } => Exit::Tpm,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// Errors of the libraries that are always a judgement on what was given: exit code 3, with the threat's id.
macro_rules! refusals {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::refused(Some(error.threat()), error.to_string())
            }
        }
    )+};
}

/// The same for errors that belong to no single threat.
macro_rules! malformed {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::refused(None, error.to_string())
            }
        }
    )+};
}

/// Errors that tell themselves whether something was judged (3) or could not be done (1).
macro_rules! judged {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                if error.is_refusal() {
                    Self::refused(error.threat(), error.to_string())
                } else {
                    Self::failed(error.to_string())
                }
            }
        }
    )+};
}

refusals!(
    attest::evidence::EvidenceError,
    attest::evidence::BootLogsError,
    attest::evidence::LogError,
    attest::eventlog::EventLogError,
    attest::ima::ImaError,
    attest::quote::AttestError,
    attest::quote::QuoteError,
    attest::quote::SignatureError,
    pki::activation::ActivationError,
    pki::activation::DeviceIdError,
    update_verify::ManifestError,
);

malformed!(
    attest::dsse::DsseError,
    attest::key::PublicAreaError,
    attest::key::PublicKeyError,
    attest::quote::tpm2_tools::PcrFileError,
    attest::reference::FileSetError,
    attest::reference::RecordError,
    attest::reference::predict::PredictError,
    attest::reference::ReferenceError,
    pki::ca::RequestError,
    pki::certificate::CertificateError,
    pki::ek::RootsError,
    update_verify::bundle::KeyError,
);

judged!(runtime::RuntimeError, update_verify::bundle::BundleError, update_verify::pack::PackError);

/// A clock that has not been set judges nothing: exit code 5, told apart from a refusal (threats p14, u05).
impl From<pki::ek::EkError> for Failure {
    fn from(error: pki::ek::EkError) -> Self {
        let clock = matches!(error, pki::ek::EkError::Path(pki::PathError::ClockNotSet { .. }));
        Self { threat: Some(error.threat()), ..Self::new(exit_of(clock), error.to_string()) }
    }
}

impl From<pki::ca::IssueError> for Failure {
    fn from(error: pki::ca::IssueError) -> Self {
        let clock = matches!(error, pki::ca::IssueError::Path(pki::PathError::ClockNotSet { .. }));
        Self { threat: Some(error.threat()), ..Self::new(exit_of(clock), error.to_string()) }
    }
}

impl From<update_verify::PackageError> for Failure {
    fn from(error: update_verify::PackageError) -> Self {
        let clock = matches!(error, update_verify::PackageError::ClockBeforeBuild { .. });
        if error.is_refusal() {
            Self { threat: error.threat(), ..Self::new(exit_of(clock), error.to_string()) }
        } else {
            Self::failed(error.to_string())
        }
    }
}

/// A result that has ended says nothing against the device: exit code 5 (threat v07).
impl From<attest::result::ResultError> for Failure {
    fn from(error: attest::result::ResultError) -> Self {
        Self { threat: Some(error.threat()), ..Self::new(exit_of(error.is_stale()), error.to_string()) }
    }
}

const fn exit_of(only_time: bool) -> Exit {
    if only_time { Exit::CannotTell } else { Exit::Refused }
}

impl From<pki::ca::store::StoreError> for Failure {
    fn from(error: pki::ca::store::StoreError) -> Self {
        match error {
            pki::ca::store::StoreError::Issue(error) => (*error).into(),
            error if error.is_refusal() => Self::refused(error.threat(), error.to_string()),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<pki::ledger::LedgerError> for Failure {
    fn from(error: pki::ledger::LedgerError) -> Self {
        use pki::ledger::LedgerError;
        match error {
            LedgerError::Io { .. } => Self::failed(error.to_string()),
            error => Self::refused(Some(error.threat()), error.to_string()),
        }
    }
}

impl From<pki::ledger::RecordError> for Failure {
    fn from(error: pki::ledger::RecordError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<update_verify::install::InstallError> for Failure {
    fn from(error: update_verify::install::InstallError) -> Self {
        use update_verify::install::InstallError;
        match error {
            InstallError::Floor(error) => error.into(),
            InstallError::Package(error) => error.into(),
            error if error.is_refusal() => Self::refused(error.threat(), error.to_string()),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<runtime::permit::PermitRefusal> for Failure {
    fn from(error: runtime::permit::PermitRefusal) -> Self {
        Self::refused(Some(error.threat()), error.to_string())
    }
}

impl From<update_verify::FloorError> for Failure {
    fn from(error: update_verify::FloorError) -> Self {
        if error.is_refusal() {
            Self::refused(Some("u16"), error.to_string())
        } else {
            Self::new(Exit::Tpm, error.to_string())
        }
    }
}

impl From<update_verify::TrustPolicyError> for Failure {
    fn from(error: update_verify::TrustPolicyError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<update_verify::sign::SignError> for Failure {
    fn from(error: update_verify::sign::SignError) -> Self {
        if error.is_refusal() {
            Self::refused(None, error.to_string())
        } else {
            Self::failed(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u05_p14_an_unset_clock_is_no_refusal() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let clock = || pki::PathError::ClockNotSet { now };
        assert_eq!(Failure::from(pki::ek::EkError::Path(clock())).exit, Exit::CannotTell);
        assert_eq!(Failure::from(pki::ca::IssueError::Path(clock())).exit, Exit::CannotTell);
        let store = pki::ca::store::StoreError::Issue(Box::new(pki::ca::IssueError::Path(clock())));
        assert_eq!(Failure::from(store).exit, Exit::CannotTell);
        let package = update_verify::PackageError::ClockBeforeBuild { now, floor: pki::EARLIEST };
        assert_eq!(Failure::from(package).exit, Exit::CannotTell);
        assert_eq!(Exit::CannotTell.code(), 5);
    }
}
