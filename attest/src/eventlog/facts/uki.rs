//! What the kernel was started with: systemd-stub's sections and texts (PCR 11, 12), Linux's EFI stub (PCR 9).
//!
//! These loaders hash what the log does not carry. The place in a PCR says what a digest is of, where the place is
//! proven; a label in the log never does (threats e03, e11).

use super::seen::Seen;
use super::system::PhaseDigests;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::binding::{Binding, Portion};
use crate::eventlog::data::EventData;
use crate::eventlog::data::ipl::{Ipl, section_name};
use crate::eventlog::data::tag::TaggedEvent;

/// A section of a unified kernel image: its name, which its own digest covers, and the digest of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UkiSection {
    /// `.linux`, `.cmdline` and so on.
    pub name: String,
    /// The digest of the content.
    pub digest: Digest,
}

/// The most sections that an image has.
const MAX_SECTIONS: usize = 64;

/// PCR 11: pairs of a name and a content, and only after them the phases of the system.
///
/// Whoever writes the log can take the name from a section by another type. So what is neither name, content nor phase may
/// be a section that is hidden, and none of them is believed then (threat e11).
#[derive(Debug)]
pub(super) struct UkiEvents {
    phase_digests: PhaseDigests,
    sections: Vec<UkiSection>,
    phases: Vec<&'static str>,
    pending: Option<String>,
    ended: bool,
    contradicted: bool,
}

impl UkiEvents {
    pub(super) fn new(bank: HashAlgorithm) -> Self {
        Self {
            phase_digests: PhaseDigests::of(bank),
            sections: Vec::new(),
            phases: Vec::new(),
            pending: None,
            ended: false,
            contradicted: false,
        }
    }

    pub(super) fn see(&mut self, seen: &Seen<'_>) {
        if let Some(name) = self.pending.take() {
            self.contradicted |= self.sections.len() == MAX_SECTIONS
                || self.sections.iter().any(|section| section.name == name);
            if !self.contradicted {
                self.sections.push(UkiSection { name, digest: *seen.digest() });
            }
            return;
        }
        match name_of(seen) {
            Some(name) if !self.ended => self.pending = Some(name),
            // A name after the stub's own pairs is from somebody else, as is what has no name.
            _ => self.contradicted |= !self.phase(seen.digest()),
        }
    }

    /// A record of the operating system's log, whose text is bound and of systemd's form.
    pub(super) fn see_record(&mut self, digest: &Digest) {
        self.phase(digest);
    }

    /// Takes a phase; `false` for what is none.
    fn phase(&mut self, digest: &Digest) -> bool {
        let Some(phase) = self.phase_digests.recognise(digest) else { return false };
        self.ended = true;
        self.phases.push(phase);
        true
    }

    /// The sections, and the phases that the boot went through.
    pub(super) fn conclude(self) -> (Option<Vec<UkiSection>>, Option<Vec<&'static str>>) {
        let told = !self.contradicted && self.pending.is_none();
        ((told && !self.sections.is_empty()).then_some(self.sections), told.then_some(self.phases))
    }
}

fn name_of(seen: &Seen<'_>) -> Option<String> {
    match (seen.binding(), seen.event().typed()) {
        (Binding::Bound(Portion::SectionName), Ok(EventData::Ipl(Ipl::Utf16(name)))) => section_name(name),
        _ => None,
    }
}

/// What Linux's EFI stub measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfiStub {
    /// Digest of the load options.
    pub load_options: Digest,
    /// Digests of the initrds.
    pub initrds: Vec<Digest>,
}

/// PCR 9, where it holds the EFI stub's measurements and nothing else: the load options, then initrds.
#[derive(Debug, Default)]
pub(super) struct EfiStubEvents {
    stub: Option<EfiStub>,
    contradicted: bool,
}

impl EfiStubEvents {
    pub(super) fn see(&mut self, seen: &Seen<'_>) {
        let id = match seen.event().typed() {
            Ok(EventData::Tag(tag)) => Some(tag.id()),
            _ => None,
        };
        match (&mut self.stub, id) {
            (None, Some(TaggedEvent::LINUX_LOAD_OPTIONS)) => {
                self.stub = Some(EfiStub { load_options: *seen.digest(), initrds: Vec::new() });
            }
            (Some(stub), Some(TaggedEvent::LINUX_INITRD)) => stub.initrds.push(*seen.digest()),
            _ => self.contradicted = true,
        }
    }

    pub(super) fn conclude(self) -> Option<EfiStub> {
        self.stub.filter(|_| !self.contradicted)
    }
}

/// PCR 12, where all of it is text that its digests cover.
#[derive(Debug, Default)]
pub(super) struct OverrideEvents<'a> {
    texts: Vec<crate::eventlog::data::text::Utf16<'a>>,
    contradicted: bool,
}

impl<'a> OverrideEvents<'a> {
    pub(super) fn see(&mut self, seen: &Seen<'a>) {
        match (seen.binding(), seen.event().typed()) {
            (Binding::Bound(Portion::Whole), Ok(EventData::Ipl(Ipl::Utf16(text)))) => self.texts.push(text),
            _ => self.contradicted = true,
        }
    }

    pub(super) fn conclude(self) -> Option<Vec<crate::eventlog::data::text::Utf16<'a>>> {
        (!self.contradicted).then_some(self.texts)
    }
}
