//! EV_EFI_VARIABLE_AUTHORITY: what vouched for an image (PFP 1.06 §3.3.4.8, §10.4.1; threat e10).

use super::Place;
use super::seen::Seen;
use crate::digest::Digest;
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::signature::X509Certificate;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::data::variable_value::{Authority, AuthorityEntry};

/// The variables whose events before the separator configure secure boot: none of them vouches for an image.
const CONFIGURATION: [&str; 9] =
    ["SecureBoot", "PK", "KEK", "dbx", "dbt", "dbr", "SetupMode", "AuditMode", "DeployedMode"];

/// Something that vouched for images, or that PCR 7 took in the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredAuthority<'a> {
    place: Place,
    digest: Digest,
    variable: Option<UefiVariable<'a>>,
    authority: Option<Authority<'a>>,
}

impl<'a> MeasuredAuthority<'a> {
    /// Every event of PCR 7 that is neither its separator, nor configuration before it, nor an action, is taken for an
    /// authority, so that none can hide under another name (threat e11).
    pub(super) fn of(seen: &Seen<'a>) -> Self {
        let variable = seen.variable();
        let content = variable.map(|variable| variable.content()).or_else(|| seen.nameless_content());
        let authority = content.and_then(Authority::recognise);
        Self { place: seen.place(), digest: *seen.digest(), variable, authority }
    }

    /// Where.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// What was extended.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The variable that it came from; `None` where the digest does not cover GUID and name.
    #[must_use]
    pub const fn variable(&self) -> Option<UefiVariable<'a>> {
        self.variable
    }

    /// What vouched; `None` where the digest does not cover it, or where it is neither certificate nor hash.
    #[must_use]
    pub const fn authority(&self) -> Option<&Authority<'a>> {
        self.authority.as_ref()
    }

    /// The certificate that vouched.
    #[must_use]
    pub const fn certificate(&self) -> Option<X509Certificate<'a>> {
        match self.authority {
            Some(Authority { entry: AuthorityEntry::Certificate(certificate), .. }) => Some(certificate),
            _ => None,
        }
    }

    /// Whether it is of shim's state and vouches for no image.
    #[must_use]
    pub fn is_state_of_shim(&self) -> bool {
        let state = ["SbatLevel", "MokSBState", "MokListTrusted", "MokDBState", "MokPolicy"];
        self.variable.is_some_and(|variable| state.iter().any(|name| variable.is(Guid::SHIM, name)))
    }

    /// Whether it is of devdb and vouches for a device (EV_EFI_SPDM_DEVICE_AUTHORITY). The digest covers the name, so that
    /// nothing that vouched for an image is renamed to it.
    #[must_use]
    pub fn is_of_device(&self) -> bool {
        self.variable.is_some_and(|variable| is_of_devdb(&variable))
    }

    /// Whether it vouches for an image, or may do so.
    #[must_use]
    pub fn vouches_for_image(&self) -> bool {
        !self.is_state_of_shim() && !self.is_of_device()
    }

    /// Whether it claims to come out of the firmware's db.
    #[must_use]
    pub fn is_of_db(&self) -> bool {
        self.variable.is_some_and(|variable| variable.is(Guid::IMAGE_SECURITY, "db"))
    }
}

/// Whether a variable is devdb, or one of its entries.
pub(super) fn is_of_devdb(variable: &UefiVariable<'_>) -> bool {
    variable.is(Guid::DEVICE_SECURITY, "devdb")
}

/// What vouched, on one line for people.
#[must_use]
pub fn describe_authority(authority: &MeasuredAuthority<'_>) -> String {
    match authority.authority().map(|authority| authority.entry) {
        Some(AuthorityEntry::Certificate(certificate)) => {
            let subject =
                certificate.fields().map_or_else(String::new, |fields| format!("{}, ", fields.subject));
            format!("{subject}{}", certificate.fingerprint())
        }
        Some(AuthorityEntry::Hash(hash)) => hash.to_string(),
        None => format!("nothing that its digest explains, {}", authority.digest()),
    }
}

/// An authority that drivers were loaded by before the separator: db's own kind of entry, under no name of secure
/// boot's configuration.
pub(super) fn vouches_before_separator(variable: &UefiVariable<'_>) -> bool {
    let configures = CONFIGURATION.iter().any(|name| variable.name().is(name));
    !configures && Authority::recognise(variable.content()).is_some()
}
