//! The variables of secure boot as PCR 7 has them before its separator (PFP 1.06 §3.3.4.8; threats e09, e20).

use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::signature::SignatureLists;
use crate::eventlog::data::variable::UefiVariable;

/// A variable that must stand at most once.
#[derive(Debug, Clone, Copy, Default)]
enum Once<'a> {
    #[default]
    Missing,
    Value(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    const fn set(&mut self, content: &'a [u8]) {
        *self = match self {
            Self::Missing => Self::Value(content),
            _ => Self::Repeated,
        };
    }

    const fn get(self) -> Option<&'a [u8]> {
        match self {
            Self::Value(content) => Some(content),
            _ => None,
        }
    }
}

/// The contents of secure boot's variables, from one event each. A variable that was measured twice has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Configuration<'a> {
    pk: Once<'a>,
    kek: Once<'a>,
    db: Once<'a>,
    dbx: Once<'a>,
    setup_mode: Once<'a>,
    audit_mode: Once<'a>,
    deployed_mode: Once<'a>,
}

impl<'a> Configuration<'a> {
    pub(super) fn see(&mut self, variable: &UefiVariable<'a>) {
        let places = [
            (Guid::GLOBAL, "PK", &mut self.pk),
            (Guid::GLOBAL, "KEK", &mut self.kek),
            (Guid::IMAGE_SECURITY, "db", &mut self.db),
            (Guid::IMAGE_SECURITY, "dbx", &mut self.dbx),
            (Guid::GLOBAL, "SetupMode", &mut self.setup_mode),
            (Guid::GLOBAL, "AuditMode", &mut self.audit_mode),
            (Guid::GLOBAL, "DeployedMode", &mut self.deployed_mode),
        ];
        for (guid, name, once) in places {
            if variable.is(guid, name) {
                once.set(variable.content());
            }
        }
    }

    pub(super) fn conclude(self) -> SecureBootConfiguration<'a> {
        let (pk, setup_mode) = (self.pk.get(), flag(self.setup_mode));
        // Lists that do not parse as a whole may hide what follows: none of their entries counts.
        let lists = |once: Once<'a>| SignatureLists::parse(once.get()?).ok();
        SecureBootConfiguration {
            pk: lists(self.pk),
            kek: lists(self.kek),
            db: lists(self.db),
            dbx: lists(self.dbx),
            // Without a platform key a machine is in setup mode, whatever the variable of that name says.
            setup_mode: match pk {
                Some([]) => Some(true),
                Some(_) => Some(setup_mode.unwrap_or(false)),
                None => setup_mode,
            },
            audit_mode: flag(self.audit_mode),
            deployed_mode: flag(self.deployed_mode),
        }
    }
}

/// A variable of one byte; any other content than 0 counts as on.
fn flag(once: Once<'_>) -> Option<bool> {
    match once.get() {
        None | Some([]) => None,
        Some(content) => Some(content != [0]),
    }
}

/// Secure boot's keys and modes. `None` where PCR 7 does not prove it: not measured, measured twice, or beside events
/// that are not explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecureBootConfiguration<'a> {
    /// The platform key; empty without one.
    pub pk: Option<SignatureLists<'a>>,
    /// Those of the key exchange keys.
    pub kek: Option<SignatureLists<'a>>,
    /// Those of the allowed signers and images.
    pub db: Option<SignatureLists<'a>>,
    /// Those of the forbidden ones.
    pub dbx: Option<SignatureLists<'a>>,
    /// No platform key, or SetupMode.
    pub setup_mode: Option<bool>,
    /// AuditMode.
    pub audit_mode: Option<bool>,
    /// DeployedMode.
    pub deployed_mode: Option<bool>,
}
