//! How the firmware handed over to the operating system, out of PCR 5 (PFP 1.06 §10.4.4; threat e14).

use serde::Serialize;

use super::Place;
use super::seen::Seen;
use crate::eventlog::data::action;

/// How the firmware handed over to the operating system (threat e14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "exit-boot-services")]
pub enum ExitBootServices {
    /// PCR 5 does not match in this bank.
    Unverified,
    /// No event of it: the firmware still runs, or does not measure it.
    Missing,
    /// Invoked, and no return measured.
    Invoked {
        /// The invocation.
        place: Place,
    },
    /// Returned with success.
    Succeeded {
        /// The last return.
        place: Place,
    },
    /// The last return was a failure.
    Failed {
        /// The last return.
        place: Place,
    },
}

impl ExitBootServices {
    pub(super) fn see(&mut self, seen: &Seen<'_>) {
        let place = seen.place();
        *self = match seen.action() {
            Some(action::EXIT_INVOKED) => Self::Invoked { place },
            Some(action::EXIT_SUCCEEDED) => Self::Succeeded { place },
            Some(action::EXIT_FAILED) => Self::Failed { place },
            _ => *self,
        };
    }
}
