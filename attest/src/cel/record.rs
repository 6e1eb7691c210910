//! One record: a register, digests, a content, and which of the content the digest covers.

use std::borrow::Cow;

use serde::Serialize;

use super::content::Content;
use super::error::CelError;
use super::systemd::{self, SystemdEvent};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{Binding, Event, EventType};
use crate::pcr::PcrIndex;

/// What a record says that it was extended into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Register {
    /// A PCR.
    Pcr(PcrIndex),
    /// An NV index of type TPM_NT_EXTEND, which systemd uses as a further PCR ("NvPCR"). No PCR quote covers it.
    NvIndex(u32),
}

/// Whether a record's digest covers its content in one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordBinding {
    /// The digest is the hash of what the record says.
    Bound,
    /// The content may say anything: no policy may read it (threat e03).
    Hint,
}

/// One record. Nothing in it is proven: see [`MeasuredRecord`](crate::eventlog::MeasuredRecord).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub(super) offset: usize,
    pub(super) number: Option<u64>,
    pub(super) register: Register,
    /// Of the algorithms that this crate computes, each at most once.
    pub(super) digests: Vec<Digest>,
    pub(super) content: Content<'a>,
}

impl<'a> Record<'a> {
    /// The record's first byte in the log; 0 for every record of a JSON array.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The record's number, where it has one. systemd writes none.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        self.number
    }

    /// What it was extended into.
    #[must_use]
    pub const fn register(&self) -> Register {
        self.register
    }

    /// The PCR that it was extended into; `None` for an NV index.
    #[must_use]
    pub const fn pcr(&self) -> Option<PcrIndex> {
        match self.register {
            Register::Pcr(pcr) => Some(pcr),
            Register::NvIndex(_) => None,
        }
    }

    /// The digests, at most one a bank, without those that this crate does not compute.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The digest of a bank.
    #[must_use]
    pub fn digest(&self, bank: HashAlgorithm) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == bank)
    }

    /// The content, as logged.
    #[must_use]
    pub const fn content(&self) -> &Content<'a> {
        &self.content
    }

    /// Whether the TPM extended it: all but EV_NO_ACTION.
    #[must_use]
    pub const fn is_extended(&self) -> bool {
        !matches!(self.content, Content::PcClient { event_type: EventType::NoAction, .. })
    }

    /// Whether the digest of `bank` covers the content.
    ///
    /// systemd's volume keys and credentials are measured as an HMAC by a secret: those stay hints.
    #[must_use]
    pub fn binding(&self, bank: HashAlgorithm) -> RecordBinding {
        match self.digest(bank) {
            Some(digest) if self.is_bound(digest) => RecordBinding::Bound,
            _ => RecordBinding::Hint,
        }
    }

    fn is_bound(&self, digest: &Digest) -> bool {
        let hashes = |bytes: &[u8]| digest.algorithm().digest(bytes) == *digest;
        match &self.content {
            Content::Systemd(_) | Content::Hallmark { .. } => self.bound_bytes(digest).is_some(),
            Content::ImaTemplate { data, .. } => hashes(data),
            Content::PcClient { .. } => {
                self.event().is_some_and(|event| matches!(event.binding_of(digest), Binding::Bound(_)))
            }
            Content::Other { .. } => false,
        }
    }

    /// The bytes of the text that `digest` is of: as logged, or without C's escapes.
    fn bound_bytes(&self, digest: &Digest) -> Option<Cow<'_, [u8]>> {
        let hashes = |bytes: &[u8]| digest.algorithm().digest(bytes) == *digest;
        let logged = self.text()?.as_bytes();
        if hashes(logged) {
            return Some(Cow::Borrowed(logged));
        }
        self.unescaped().filter(|bytes| hashes(bytes)).map(Cow::Owned)
    }

    /// The text that was measured. Escapes that the log has and the measured text has not would move the borders of its
    /// fields, so that what a text means is read from this one only.
    pub(crate) fn bound_text(&self, digest: &Digest) -> Option<Cow<'_, str>> {
        match self.bound_bytes(digest)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// The text that systemd or Hallmark says that it measured, as logged.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Systemd(systemd) => systemd.string.as_deref(),
            Content::Hallmark { text, .. } => Some(text),
            _ => None,
        }
    }

    /// systemd's text without C's escapes, where it has some.
    fn unescaped(&self) -> Option<Vec<u8>> {
        match &self.content {
            Content::Systemd(systemd) => systemd::unescaped(systemd.string.as_deref()?),
            _ => None,
        }
    }

    /// What systemd's text means. Only where [`binding`](Self::binding) says so is it what was measured.
    #[must_use]
    pub fn systemd_event(&self) -> Option<SystemdEvent<'_>> {
        match &self.content {
            Content::Systemd(systemd) => systemd.string.as_deref().map(SystemdEvent::of),
            _ => None,
        }
    }

    /// Whether `digest` is of a text of a form that nothing but systemd or Hallmark measures.
    pub(crate) fn is_user_space(&self, digest: &Digest) -> bool {
        let Some(text) = self.bound_text(digest) else { return false };
        match &self.content {
            Content::Systemd(_) => !matches!(SystemdEvent::of(&text), SystemdEvent::Other { .. }),
            Content::Hallmark { .. } => text.starts_with(super::HALLMARK_PREFIX),
            _ => false,
        }
    }

    /// The content as an event of the firmware's kind, without digests.
    #[must_use]
    pub fn event(&self) -> Option<Event<'_>> {
        match &self.content {
            Content::PcClient { event_type, data } => {
                Some(Event::detached(self.offset, self.pcr()?, *event_type, data))
            }
            _ => None,
        }
    }

    /// An event that was never extended has no digest (threat e04).
    pub(super) fn check(&self, index: usize) -> Result<(), CelError> {
        if !self.is_extended() && self.digests.iter().any(|digest| !digest.is_zero()) {
            return Err(CelError::NoActionDigest { record: index });
        }
        Ok(())
    }
}

/// A record under construction, from any of the encodings.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) index: usize,
    pub(super) offset: usize,
    pub(super) number: Option<u64>,
    pub(super) pcr: Option<u64>,
    pub(super) nv_index: Option<u32>,
    pub(super) digests: Vec<Digest>,
    pub(super) content: Content<'a>,
}

impl<'a> Draft<'a> {
    pub(super) const fn new(index: usize, offset: usize) -> Self {
        let content = Content::Other { content_type: Cow::Borrowed("") };
        Self { index, offset, number: None, pcr: None, nv_index: None, digests: Vec::new(), content }
    }

    /// Takes a digest; one of an algorithm that this crate does not compute is left out, as in a firmware's log.
    pub(super) fn add_digest(
        &mut self,
        algorithm: Option<HashAlgorithm>,
        name: impl FnOnce() -> String,
        bytes: Option<&[u8]>,
    ) -> Result<(), CelError> {
        let Some(algorithm) = algorithm else { return Ok(()) };
        let record = self.index;
        let error = |what| CelError::Digest { record, what, algorithm: name() };
        let Some(digest) = bytes.and_then(|bytes| Digest::new(algorithm, bytes)) else {
            return Err(error("malformed"));
        };
        if self.digests.iter().any(|earlier| earlier.algorithm() == algorithm) {
            return Err(error("repeated"));
        }
        self.digests.push(digest);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Record<'a>, CelError> {
        let record = self.index;
        let register = match (self.pcr, self.nv_index) {
            (Some(pcr), None) => {
                let known = u32::try_from(pcr).ok().and_then(PcrIndex::new);
                Register::Pcr(known.ok_or(CelError::NoSuchPcr { record, pcr })?)
            }
            (None, Some(index)) => Register::NvIndex(index),
            (pcr, _) => return Err(CelError::Register { record, both: pcr.is_some() }),
        };
        let Self { offset, number, digests, content, .. } = self;
        Ok(Record { offset, number, register, digests, content })
    }
}

/// What a record says, in at most some 250 characters of printable text; a claim, as the record is.
#[must_use]
pub fn describe(record: &Record<'_>) -> String {
    let escaped = |text: &str| crate::eventlog::escaped(text.chars());
    match record.content() {
        Content::Systemd(systemd) => match systemd.string.as_deref() {
            Some(text) => format!("systemd: {}", escaped(text)),
            None => format!("systemd: {}", escaped(systemd.event_type.as_deref().unwrap_or("nothing"))),
        },
        Content::Hallmark { text, .. } => format!("hallmark: {}", escaped(text)),
        Content::PcClient { event_type, .. } => match record.event() {
            Some(event) => format!("{event_type}: {}", crate::eventlog::describe(&event)),
            None => event_type.to_string(),
        },
        Content::ImaTemplate { name, .. } => {
            format!("IMA entry, {}", escaped(&String::from_utf8_lossy(name)))
        }
        Content::Other { content_type } => format!("content {}", escaped(content_type)),
    }
}
