//! Which bytes of an event its digest covers (threats e03, e11).
//!
//! A log's digests are proven by the quote; its types and data are not. Data counts only where the digest, recomputed
//! by the rule of the type, covers it: whoever renames an event or rewrites its data falls out of this rule.

use serde::Serialize;

use super::data::{action, ipl, tag, variable};
use super::event::Event;
use super::event_type::EventType;
use crate::digest::{Digest, HashAlgorithm};

/// Whether an event's data is covered by its digest in one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "binding", content = "by")]
pub enum Binding {
    /// The digest is the hash of this portion of the data: as far as it goes, the data is what was measured.
    Bound(Portion),
    /// The data may say anything: no policy may read it.
    Hint(Hint),
}

impl Binding {
    /// Whether a portion of the data is bound.
    #[must_use]
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::Bound(_))
    }
}

/// The portion of an event's data that its digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Portion {
    /// All of it.
    Whole,
    /// All but the last byte: GRUB and shim log a variable with one byte too many.
    WithoutLastByte,
    /// Only the content of a variable; its GUID and name are hints (EV_EFI_VARIABLE_BOOT before PFP 1.05, shim).
    VariableContent,
    /// The text without the label before it and without the NUL (GRUB).
    Text,
    /// The text with its NUL, without the label before it (GRUB of Red Hat's 2.02).
    TextWithNul,
    /// The UTF-16 name of a section, hashed as ASCII with a NUL (systemd-stub).
    SectionName,
    /// The content of a tagged event, without identifier and size (systemd).
    TagContent,
}

/// Why an event's data is no more than a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// EV_NO_ACTION: nothing was extended.
    NeverExtended,
    /// The log has no digest in this bank.
    NoDigest,
    /// The type's digest is of something that the log does not carry (code, images, tables), or the type is unknown.
    NotInLog,
    /// The data does not have the form that the type asks for.
    Malformed,
    /// The type's rule gives another digest.
    DigestDiffers,
}

impl Event<'_> {
    /// Recomputes the digest of `bank` by the rule of the event's type.
    ///
    /// What the answer is worth depends on the PCR: ask a [`MeasuredEvent`](super::MeasuredEvent).
    #[must_use]
    pub fn binding(&self, bank: HashAlgorithm) -> Binding {
        if !self.is_extended() {
            return Binding::Hint(Hint::NeverExtended);
        }
        match self.digest(bank) {
            Some(digest) => self.binding_of(&digest),
            None => Binding::Hint(Hint::NoDigest),
        }
    }

    pub(crate) fn binding_of(&self, digest: &Digest) -> Binding {
        match self.kind {
            EventType::Separator
            | EventType::EfiGptEvent
            | EventType::EfiGptEvent2
            | EventType::SCrtmVersion
            | EventType::NonhostInfo
            | EventType::PlatformConfigFlags
            | EventType::TableOfDevices
            | EventType::OmitBootDeviceEvents => whole(self, digest),
            EventType::Action | EventType::EfiAction => action::binding(self.data, digest),
            EventType::EfiVariableDriverConfig
            | EventType::EfiVariableBoot
            | EventType::EfiVariableBoot2
            | EventType::EfiVariableAuthority
            | EventType::EfiSpdmDevicePolicy
            | EventType::EfiSpdmDeviceAuthority => variable::binding(self.kind, self.data, digest),
            EventType::Ipl => ipl::binding(self.data, digest),
            EventType::EventTag => tag::binding(self.data, digest),
            _ => Binding::Hint(Hint::NotInLog),
        }
    }
}

/// The rule of most types: the digest is of the data, and the data has the type's form.
fn whole(event: &Event<'_>, digest: &Digest) -> Binding {
    if event.typed().is_err() {
        return Binding::Hint(Hint::Malformed);
    }
    first_match(digest, [(Portion::Whole, [event.data, &[]])])
}

/// The first portion whose hash is `digest`; each portion is a concatenation of two slices.
pub(super) fn first_match<'a>(
    digest: &Digest,
    portions: impl IntoIterator<Item = (Portion, [&'a [u8]; 2])>,
) -> Binding {
    portions
        .into_iter()
        .find(|(_, parts)| digest.algorithm().digest_parts(parts) == *digest)
        .map_or(Binding::Hint(Hint::DigestDiffers), |(portion, _)| Binding::Bound(portion))
}
