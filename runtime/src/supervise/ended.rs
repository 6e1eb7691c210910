//! How a supervisor comes to its end.

use std::fmt;

use attest::appraisal::Reason;

use crate::permit::PermitRefusal;
use crate::status::Trust;

/// Why a supervisor has stopped its modules.
#[derive(Debug)]
pub enum Ended {
    /// Somebody asked for it.
    OnRequest,
    /// No module runs any more and none is to be started again.
    AllDone {
        /// How many were measured and refused.
        refused: usize,
        /// How many were given up after failures.
        failed: usize,
    },
    /// A later appraisal did not pass (threat r04).
    Refused(Vec<Reason>),
    /// The permit, or a new one, is not for this device, boot, policy or these modules (threat r01).
    PermitRefused(PermitRefusal),
    /// Another release was installed in place of the modules' one: they stop, so that it can be started.
    Superseded {
        /// What is installed now, in words.
        by: String,
    },
    /// The permit's end came (threat r05), for this reason.
    PermitEnded {
        /// Why there was no new one.
        why: String,
    },
    /// The attestation's thread is gone, so that nothing would be noticed any more.
    AttestationLost,
}

impl Ended {
    /// Whether something was judged and found bad (exit code 3).
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::PermitRefused(_) => true,
            Self::AllDone { refused, .. } => *refused > 0,
            Self::OnRequest | Self::Superseded { .. } | Self::PermitEnded { .. } | Self::AttestationLost => {
                false
            }
        }
    }

    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> Option<&'static str> {
        match self {
            Self::Refused(_) => Some("r04"),
            Self::PermitRefused(refusal) => Some(refusal.threat()),
            Self::PermitEnded { .. } => Some("r05"),
            Self::AllDone { .. } | Self::OnRequest | Self::Superseded { .. } | Self::AttestationLost => None,
        }
    }

    pub(super) const fn trust(&self, before: Trust) -> Trust {
        match self {
            Self::Refused(_) | Self::PermitRefused(_) => Trust::Refused,
            Self::PermitEnded { .. } => Trust::Ended,
            Self::AllDone { .. } | Self::OnRequest | Self::Superseded { .. } | Self::AttestationLost => {
                before
            }
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnRequest => write!(f, "stopped on request"),
            Self::AllDone { refused: 0, failed: 0 } => write!(f, "all modules have ended"),
            Self::AllDone { refused, failed } => {
                write!(f, "no module is left: {refused} refused, {failed} given up")
            }
            Self::Refused(reasons) => match reasons.first() {
                Some(first) => {
                    write!(f, "the device is no longer trusted ({} reasons): {first}", reasons.len())
                }
                None => write!(f, "the device is no longer trusted"),
            },
            Self::PermitRefused(refusal) => write!(f, "{refusal}"),
            Self::Superseded { by } => write!(f, "installed now is {by}: start it"),
            Self::PermitEnded { why } => write!(f, "the permit ended without a new one: {why}"),
            Self::AttestationLost => write!(f, "the attestation has ended unexpectedly"),
        }
    }
}
