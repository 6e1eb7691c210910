//! Whether secure boot was on (PFP 1.06 §3.3.4.8; threat e09).

use serde::Serialize;
use thiserror::Error;

use super::authority::{is_of_devdb, vouches_before_separator};
use super::configuration::{Configuration, SecureBootConfiguration};
use super::seen::Seen;
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::separators::SeparatorState;

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
    /// An event before the separator that is neither a variable, nor an action, nor db's entry for a driver, whose digest
    /// covers its data. It may be
    /// the true SecureBoot event under another name (threat e11).
    #[error("event {event} in PCR 7 before the separator is not explained by its data")]
    Unexplained {
        /// The event.
        event: u32,
    },
}

/// Reads PCR 7 in order.
#[derive(Debug)]
pub(super) struct SecureBootEvents<'a> {
    separator: Option<u32>,
    doubt: Option<SecureBootDoubt>,
    secure_boot: Option<(u32, bool)>,
    setup_mode: Option<u32>,
    configuration: Configuration<'a>,
    unexplained: bool,
}

/// What an event of PCR 7 is, by its place.
pub(super) enum Standing {
    /// Secure boot's configuration, before the separator; or the separator itself.
    Configuration,
    /// Something that vouches for what was loaded, or wants to be taken for it.
    Authority,
    /// An action whose text its digest covers.
    Action,
}

impl<'a> SecureBootEvents<'a> {
    /// `separator` is the state of PCR 7's; `None` when PCR 7 does not match.
    pub(super) fn new(separator: Option<SeparatorState>) -> Self {
        let (separator, doubt) = match separator {
            None => (None, Some(SecureBootDoubt::Unverified)),
            Some(SeparatorState::Once { event }) => (Some(event), None),
            Some(_) => (None, Some(SecureBootDoubt::Separator)),
        };
        Self {
            separator,
            doubt,
            secure_boot: None,
            setup_mode: None,
            configuration: Configuration::default(),
            unexplained: separator.is_none(),
        }
    }

    pub(super) fn see(&mut self, seen: &Seen<'a>) -> Standing {
        let index = seen.event().index();
        let Some(separator) = self.separator else { return Standing::Authority };
        if index == separator {
            return Standing::Configuration;
        }
        if index > separator {
            if names_secure_boot(seen.event()) {
                self.doubt.get_or_insert(SecureBootDoubt::AfterSeparator { event: index });
            }
            return if seen.action().is_some() { Standing::Action } else { Standing::Authority };
        }
        self.before_separator(index, seen)
    }

    fn before_separator(&mut self, event: u32, seen: &Seen<'a>) -> Standing {
        match (seen.kind(), seen.variable(), seen.action()) {
            (EventType::EfiVariableDriverConfig, Some(variable), _) => {
                if let Err(doubt) = self.variable(event, &variable) {
                    self.doubt.get_or_insert(doubt);
                }
                self.configuration.see(&variable);
                Standing::Configuration
            }
            (EventType::EfiAction, _, Some(_)) => Standing::Action,
            // What devices are verified by is no part of secure boot. The name is bound: no variable of it hides here.
            (EventType::EfiSpdmDevicePolicy, Some(variable), _) if is_of_devdb(&variable) => {
                Standing::Configuration
            }
            (EventType::EfiSpdmDeviceAuthority, Some(variable), _) if is_of_devdb(&variable) => {
                Standing::Authority
            }
            // Drivers from cards are loaded before the separator, and what vouched for them is measured then.
            (EventType::EfiVariableAuthority, Some(variable), _) if vouches_before_separator(&variable) => {
                Standing::Authority
            }
            _ => {
                self.doubt.get_or_insert(SecureBootDoubt::Unexplained { event });
                self.unexplained = true;
                Standing::Authority
            }
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

    /// The state, and the keys and modes where everything before the separator is explained.
    pub(super) fn conclude(self) -> (SecureBoot, SecureBootConfiguration<'a>) {
        let configuration =
            if self.unexplained { SecureBootConfiguration::default() } else { self.configuration.conclude() };
        let state = match (self.doubt, self.secure_boot, self.setup_mode) {
            (Some(doubt), _, _) => SecureBoot::Unknown { doubt },
            (None, None, _) => SecureBoot::Unknown { doubt: SecureBootDoubt::Missing },
            (None, Some((_, true)), Some(event)) => {
                SecureBoot::Unknown { doubt: SecureBootDoubt::SetupMode { event } }
            }
            (None, Some((event, true)), None) => SecureBoot::On { event },
            (None, Some((event, false)), _) => SecureBoot::Off { event },
        };
        (state, configuration)
    }
}

/// Whatever the event is called: data that reads as a SecureBoot variable. After the separator this can only take
/// belief away, so that it is not asked whether the digest covers it.
fn names_secure_boot(event: &Event<'_>) -> bool {
    UefiVariable::parse(event.data()).is_ok_and(|variable| variable.name().is("SecureBoot"))
}
