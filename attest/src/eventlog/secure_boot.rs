//! Whether secure boot was on (PFP 1.06 §3.3.4.8; threat e09).

use serde::Serialize;
use thiserror::Error;

use super::binding::{Binding, Portion};
use super::data::EventData;
use super::event_type::EventType;
use super::guid::Guid;
use super::measured::{MeasuredBoot, MeasuredEvent};
use super::separator::{SeparatorState, States};
use super::variable::UefiVariable;
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// Secure boot as PCR 7 proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SecureBoot {
    /// One valid SecureBoot event with value 1 before the separator, nothing in PCR 7 that speaks against it.
    On {
        /// The event.
        event: u32,
    },
    /// The same with value 0, or with no value, as firmware logs a variable that does not exist.
    Off {
        /// The event.
        event: u32,
    },
    /// PCR 7 does not prove it.
    Unknown {
        /// Why.
        doubt: SecureBootDoubt,
    },
}

/// Why secure boot's state is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "kebab-case", tag = "doubt")]
pub enum SecureBootDoubt {
    /// PCR 7 is not quoted in this bank, or the log does not explain it.
    #[error("PCR 7 does not match the log")]
    Unverified,
    /// PCR 7 has no separator, two, or the error value: there is no "before the separator".
    #[error("PCR 7 has no single, normal separator")]
    Separator,
    /// No SecureBoot event before the separator.
    #[error("no SecureBoot event before the separator of PCR 7")]
    Missing,
    /// Two SecureBoot events.
    #[error("event {event} is a second SecureBoot event")]
    Repeated {
        /// The second.
        event: u32,
    },
    /// A SecureBoot event after the separator: from whoever ran then.
    #[error("event {event} is a SecureBoot event after the separator")]
    AfterSeparator {
        /// The event.
        event: u32,
    },
    /// A SecureBoot variable of somebody else.
    #[error("event {event} is a SecureBoot variable under another GUID")]
    ForeignGuid {
        /// The event.
        event: u32,
    },
    /// A value other than 0 or 1.
    #[error("event {event} has a SecureBoot value that is neither 0 nor 1")]
    Value {
        /// The event.
        event: u32,
    },
    /// Setup mode: no platform key, or SetupMode is on. Whoever boots may set the keys.
    #[error("event {event} shows setup mode")]
    SetupMode {
        /// The event.
        event: u32,
    },
    /// An event before the separator that is neither a variable nor an action whose digest covers its data. It may be
    /// the true SecureBoot event under another name (threat e11).
    #[error("event {event} in PCR 7 before the separator is not explained by its data")]
    Unexplained {
        /// The event.
        event: u32,
    },
}

pub(super) fn secure_boot(boot: &MeasuredBoot<'_>, bank: HashAlgorithm, states: &States) -> SecureBoot {
    judge(boot, bank, states).unwrap_or_else(|doubt| SecureBoot::Unknown { doubt })
}

fn judge(
    boot: &MeasuredBoot<'_>,
    bank: HashAlgorithm,
    states: &States,
) -> Result<SecureBoot, SecureBootDoubt> {
    let events = boot.events_of(bank, PcrIndex::SECURE_BOOT).ok_or(SecureBootDoubt::Unverified)?;
    let Some(SeparatorState::Once { event: separator }) = states.get(&PcrIndex::SECURE_BOOT) else {
        return Err(SecureBootDoubt::Separator);
    };
    let mut seen = Seen::default();
    for measured in events {
        let index = measured.event().index();
        if index < *separator {
            seen.before_separator(index, &measured)?;
        } else if index > *separator && names_secure_boot(&measured) {
            return Err(SecureBootDoubt::AfterSeparator { event: index });
        }
    }
    seen.conclude()
}

#[derive(Default)]
struct Seen {
    secure_boot: Option<(u32, bool)>,
    setup_mode: Option<u32>,
}

impl Seen {
    fn before_separator(&mut self, event: u32, measured: &MeasuredEvent<'_>) -> Result<(), SecureBootDoubt> {
        let unexplained = SecureBootDoubt::Unexplained { event };
        match (measured.event().event_type(), measured.binding(), measured.data()) {
            (
                EventType::EfiVariableDriverConfig,
                Binding::Bound(Portion::Whole),
                Some(EventData::Variable(variable)),
            ) => self.variable(event, &variable),
            (EventType::EfiAction, Binding::Bound(_), Some(EventData::Action(_))) => Ok(()),
            _ => Err(unexplained),
        }
    }

    fn variable(&mut self, event: u32, variable: &UefiVariable<'_>) -> Result<(), SecureBootDoubt> {
        if variable.name().is("SecureBoot") {
            if variable.guid() != Guid::GLOBAL {
                return Err(SecureBootDoubt::ForeignGuid { event });
            }
            let on = match variable.content() {
                [1] => true,
                [0] | [] => false,
                _ => return Err(SecureBootDoubt::Value { event }),
            };
            if self.secure_boot.replace((event, on)).is_some() {
                return Err(SecureBootDoubt::Repeated { event });
            }
        }
        let setup = variable.is(Guid::GLOBAL, "SetupMode") && variable.content() != [0];
        let no_key = variable.is(Guid::GLOBAL, "PK") && variable.content().is_empty();
        if setup || no_key {
            self.setup_mode.get_or_insert(event);
        }
        Ok(())
    }

    fn conclude(self) -> Result<SecureBoot, SecureBootDoubt> {
        match (self.secure_boot, self.setup_mode) {
            (None, _) => Err(SecureBootDoubt::Missing),
            (Some((_, true)), Some(event)) => Err(SecureBootDoubt::SetupMode { event }),
            (Some((event, true)), None) => Ok(SecureBoot::On { event }),
            (Some((event, false)), _) => Ok(SecureBoot::Off { event }),
        }
    }
}

/// Whatever the event is called: data that reads as a SecureBoot variable. After the separator this can only take
/// belief away, so that it is not asked whether the digest covers it.
fn names_secure_boot(measured: &MeasuredEvent<'_>) -> bool {
    UefiVariable::parse(measured.event().data()).is_ok_and(|variable| variable.name().is("SecureBoot"))
}
