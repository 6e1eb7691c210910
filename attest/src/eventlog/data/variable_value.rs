//! The content of a UEFI variable by its name: what secure boot and the boot order are read from.

use super::guid::Guid;
use super::load_option::{LoadOption, LoadOrder, is_load_option};
use super::signature::{SignatureData, SignatureLists, X509Certificate};
use super::variable::UefiVariable;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::error::EventDataError;
use crate::eventlog::event_type::EventType;

/// The variables whose content is 0 or 1 (UEFI 2.10 §3.3; shim's MokVars).
const SWITCHES: [&str; 8] = [
    "SecureBoot",
    "SetupMode",
    "AuditMode",
    "DeployedMode",
    "VendorKeys",
    "MokSBState",
    "MokListTrusted",
    "MokDBState",
];

/// The variables that are signature lists (UEFI 2.10 §32.4, PFP 1.06 §3.3.4.8; shim's MokVars), with their defaults.
const DATABASES: [&str; 19] = [
    "PK",
    "KEK",
    "db",
    "dbx",
    "dbt",
    "dbr",
    "PKDefault",
    "KEKDefault",
    "dbDefault",
    "dbxDefault",
    "dbtDefault",
    "dbrDefault",
    "devdb",
    "MokList",
    "MokListX",
    "MokListRT",
    "MokListXRT",
    "vendor_db",
    "vendor_dbx",
];

/// The variables that are numbers of load options.
const ORDERS: [&str; 5] = ["BootOrder", "DriverOrder", "SysPrepOrder", "BootNext", "BootCurrent"];

/// The texts of shim's revocation level.
const SBAT: [&str; 3] = ["SbatLevel", "SbatLevelRT", "SbatPolicy"];

/// What a variable holds. The name decides, and the event's type for what vouched for an image; whether a digest covers
/// either is for [`Binding`](crate::eventlog::Binding) to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableValue<'a> {
    /// No content: firmware measures a variable that does not exist so.
    Absent,
    /// SecureBoot, SetupMode, MokSBState and their like.
    Switch(bool),
    /// PK, KEK, db, dbx, MokList and their like.
    Signatures(SignatureLists<'a>),
    /// What vouched for an image: an entry of db, of MokList or of shim's own list, or shim's own certificate.
    Authority(Authority<'a>),
    /// BootOrder and its like.
    Order(LoadOrder<'a>),
    /// Boot#### and its like.
    LoadOption(LoadOption<'a>),
    /// Shim's SBAT level: lines of comma-separated values.
    Sbat(&'a str),
    /// Every other variable.
    Opaque(&'a [u8]),
}

/// What vouched for an image (PFP 1.06 §3.3.4.8: EFI_SIGNATURE_DATA of the entry that was used).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Who enrolled the entry; `None` for the certificate that is built into shim, which it measures without one.
    pub owner: Option<Guid>,
    /// The entry.
    pub entry: AuthorityEntry<'a>,
}

/// The entry of an [`Authority`]. Its type is not in the event, so that it is told by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityEntry<'a> {
    /// A certificate that reads as one.
    Certificate(X509Certificate<'a>),
    /// 32, 48 or 64 bytes that are no certificate: the image's own hash.
    Hash(Digest),
}

impl<'a> Authority<'a> {
    /// Tells the entry by its form; `None` for content of neither form.
    #[must_use]
    pub fn recognise(content: &'a [u8]) -> Option<Self> {
        if let Some(certificate) = X509Certificate::recognise(content) {
            return Some(Self { owner: None, entry: AuthorityEntry::Certificate(certificate) });
        }
        let data = SignatureData::parse(content).ok()?;
        let entry = match X509Certificate::recognise(data.content()) {
            Some(certificate) => AuthorityEntry::Certificate(certificate),
            None => AuthorityEntry::Hash(hash(data.content())?),
        };
        Some(Self { owner: Some(data.owner()), entry })
    }
}

impl Authority<'_> {
    /// The bytes of the entry.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        match &self.entry {
            AuthorityEntry::Certificate(certificate) => certificate.as_der(),
            AuthorityEntry::Hash(digest) => digest.as_bytes(),
        }
    }
}

fn hash(bytes: &[u8]) -> Option<Digest> {
    [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
        .into_iter()
        .find_map(|algorithm| Digest::new(algorithm, bytes))
}

impl<'a> UefiVariable<'a> {
    /// The content as the variable's name, and the event's type, say.
    ///
    /// # Errors
    /// [`EventDataError`] for signature lists, load options and boot orders that are malformed (threat e18), and for a
    /// switch that is neither on nor off.
    pub fn value(&self, kind: EventType) -> Result<VariableValue<'a>, EventDataError> {
        let (name, content) = (self.name(), self.content());
        let named = |names: &[&str]| names.iter().any(|known| name.is(known));
        Ok(match content {
            [] => VariableValue::Absent,
            _ if named(&SWITCHES) => VariableValue::Switch(switch(content)?),
            _ if named(&SBAT) => sbat(content),
            _ if is_authority(kind) => {
                Authority::recognise(content).map_or(VariableValue::Opaque(content), VariableValue::Authority)
            }
            _ if named(&DATABASES) => VariableValue::Signatures(SignatureLists::parse(content)?),
            _ if named(&ORDERS) => VariableValue::Order(LoadOrder::parse(content)?),
            _ if is_load_option(name) => VariableValue::LoadOption(LoadOption::parse(content)?),
            _ => VariableValue::Opaque(content),
        })
    }
}

const fn is_authority(kind: EventType) -> bool {
    matches!(kind, EventType::EfiVariableAuthority | EventType::EfiSpdmDeviceAuthority)
}

const fn switch(content: &[u8]) -> Result<bool, EventDataError> {
    match content {
        [0] => Ok(false),
        [1] => Ok(true),
        [value, ..] => Err(EventDataError::Switch { len: content.len(), value: *value }),
        [] => Err(EventDataError::Switch { len: 0, value: 0 }),
    }
}

fn sbat(content: &[u8]) -> VariableValue<'_> {
    let text = content.strip_suffix(&[0]).unwrap_or(content);
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|b| b == b'\n' || (0x20..0x7F).contains(&b)) => {
            VariableValue::Sbat(text)
        }
        _ => VariableValue::Opaque(content),
    }
}

#[cfg(test)]
mod tests;
