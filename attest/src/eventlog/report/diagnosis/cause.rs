//! What a search can find, in words: what is so, what usually causes it, and what to do.

use std::fmt;

use serde::Serialize;

use super::EventPlace;

/// Why a PCR does not replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// The PCR holds its start value, though the logs have events for it.
    NothingExtended,
    /// The logs have no event of the PCR in this bank.
    NoEvents,
    /// The quoted value is reached before the logs end: the rest was never extended.
    LogHasMore {
        /// After how many events it is reached.
        matched: u32,
        /// The first event too many.
        first: EventPlace,
    },
    /// The quoted value is reached when well-known last events are appended.
    ReadTooEarly {
        /// What is missing, in order.
        missing: Vec<&'static str>,
    },
    /// The quoted value is reached when PCR 0 starts at another locality.
    OtherLocality {
        /// The locality that the log tells or implies.
        logged: Option<u8>,
        /// The one that fits.
        locality: u8,
    },
    /// The quoted value is reached with padded SHA-1 digests: something extended this bank without hashing for it.
    PaddedSha1,
    /// The quoted value is reached when one event has the digest of its data.
    DigestAltered {
        /// The event.
        event: EventPlace,
    },
    /// The quoted value is reached without one event.
    EventAdded {
        /// The event that was never extended.
        event: EventPlace,
    },
    /// The quoted value is reached when two neighbours change places.
    EventsSwapped {
        /// The one that comes first in the log, and came second.
        first: EventPlace,
        /// The other.
        second: EventPlace,
    },
    /// The quoted value is reached when one event is extended twice.
    ExtendedTwice {
        /// The event.
        event: EventPlace,
    },
    /// Nothing of the above.
    Unknown {
        /// The last event in the logs: from some place before the end on, they and the TPM went apart.
        last: EventPlace,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingExtended => f.write_str(
                "the PCR holds its start value, though the log has events for it: the TPM was reset since, or the \
                 log is of another boot; reboot, and read both again",
            ),
            Self::NoEvents => f.write_str(
                "no log has an event for it: something extended it that keeps no log, or its log was not handed in; \
                 look for the log of whatever measures into this PCR",
            ),
            Self::LogHasMore { matched, first } => write!(
                f,
                "the value is that after {matched} of its events; {first} and what follows were never extended: \
                 the log was added to, or it was read after the quote"
            ),
            Self::ReadTooEarly { missing } => write!(
                f,
                "the value is reached with these events after the log's last: {}; the log was read before they \
                 happened, usually by a boot loader before ExitBootServices: read it from the running kernel, or hand \
                 in the final events",
                missing.join(", ")
            ),
            Self::OtherLocality { logged, locality } => {
                let logged = logged.map_or_else(|| "no locality".to_owned(), |l| format!("locality {l}"));
                write!(
                    f,
                    "the value is reached when PCR 0 starts at locality {locality}, and the log tells {logged}: its \
                     StartupLocality event is missing or wrong, which is a fault of the firmware; ask its maker"
                )
            }
            Self::PaddedSha1 => f.write_str(
                "the value is reached with the SHA-1 digests, padded with zeros: something extended this bank with \
                 SHA-1 digests, as old kernels and firmware do; judge another bank, or update it",
            ),
            Self::DigestAltered { event } => write!(
                f,
                "the value is reached when {event} has the digest of its data: its digest was altered in the log"
            ),
            Self::EventAdded { event } => write!(
                f,
                "the value is reached without {event}: it was never extended, so it was added to the log, or it \
                 failed to extend"
            ),
            Self::EventsSwapped { first, second } => write!(
                f,
                "the value is reached when {first} comes after {second}: the order in the log was changed, or two \
                 programs measured at once"
            ),
            Self::ExtendedTwice { event } => write!(
                f,
                "the value is reached when {event} is extended twice: it was removed from the log once, or its \
                 program logs less than it measures"
            ),
            Self::Unknown { last } => write!(
                f,
                "no small change of the log leads to the value; the last event is {last}: the log is of another \
                 boot, several of its events were altered or removed, or something extended the PCR that keeps no log"
            ),
        }
    }
}
