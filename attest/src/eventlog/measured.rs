//! The log against a quote: per PCR, whether its events explain the quoted value (threats e01, e02, e15).

use std::collections::BTreeMap;

use serde::Serialize;

use super::EventLog;
use super::binding::{Binding, Portion};
use super::data::EventData;
use super::event::Event;
use super::event_type::EventType;
use super::facts::Facts;
use super::image::ImageLoad;
use super::separator::SeparatorDigests;
use super::variable::UefiVariable;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// How a quoted PCR stands against the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum PcrVerdict {
    /// The events replay to the quoted value.
    Matches {
        /// The value.
        value: Digest,
        /// How many events extended it.
        events: u32,
    },
    /// They replay to another value: the log lies, lacks events, or something else extended the PCR (threat e01).
    Differs {
        /// What the TPM quoted.
        quoted: Digest,
        /// What the log replays to.
        replayed: Digest,
        /// How many events the log has for it.
        events: u32,
    },
    /// The PCR was extended, and the log has no event of it in this bank (threat e15).
    Unexplained {
        /// What the TPM quoted.
        quoted: Digest,
    },
    /// No event, and the PCR holds its start value.
    Untouched {
        /// The start value.
        value: Digest,
    },
}

/// An event log as far as a verified quote covers it.
///
/// Only this crate makes one, from a [`VerifiedQuote`](crate::VerifiedQuote):
///
/// ```compile_fail,E0451
/// let forged = attest::eventlog::MeasuredBoot { log: todo!(), verdicts: Default::default() };
/// ```
#[derive(Debug, Clone)]
pub struct MeasuredBoot<'a> {
    log: EventLog<'a>,
    // At most 4 banks of 24 PCRs.
    verdicts: BTreeMap<(HashAlgorithm, PcrIndex), PcrVerdict>,
}

/// Judges `log` by the values of a verified quote; `quoted` gives the value of a PCR that the quote covers.
///
/// Every bank stands for itself (threat q16): a PCR that matches in one bank says nothing about another bank's digests.
/// PCRs that are not quoted have no verdict, and their events are not to be had (threat e02).
pub(crate) fn measured_boot<'a>(
    log: &EventLog<'a>,
    quoted: impl Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
) -> MeasuredBoot<'a> {
    let replayed = log.replay();
    let mut counts = BTreeMap::<PcrIndex, u32>::new();
    for pcr in log.events().filter(Event::is_extended).filter_map(|event| event.pcr()) {
        let count = counts.entry(pcr).or_default();
        *count = count.saturating_add(1);
    }
    let banks: Vec<_> = log.banks().collect();
    let mut verdicts = BTreeMap::new();
    for bank in HashAlgorithm::ALL {
        for pcr in PcrIndex::all() {
            let Some(quoted) = quoted(bank, pcr).filter(|digest| digest.algorithm() == bank) else {
                continue;
            };
            let events = if banks.contains(&bank) { counts.get(&pcr).copied().unwrap_or(0) } else { 0 };
            let replayed = replayed.get(bank, pcr).copied().unwrap_or_else(|| pcr.start(bank));
            verdicts.insert((bank, pcr), judge(quoted, replayed, events));
        }
    }
    MeasuredBoot { log: *log, verdicts }
}

fn judge(quoted: Digest, replayed: Digest, events: u32) -> PcrVerdict {
    match (quoted == replayed, events) {
        (true, 0) => PcrVerdict::Untouched { value: quoted },
        (true, events) => PcrVerdict::Matches { value: quoted, events },
        (false, 0) => PcrVerdict::Unexplained { quoted },
        (false, events) => PcrVerdict::Differs { quoted, replayed, events },
    }
}

impl<'a> MeasuredBoot<'a> {
    /// The verdict on a PCR; `None` when the quote does not cover it.
    #[must_use]
    pub fn verdict(&self, bank: HashAlgorithm, pcr: PcrIndex) -> Option<&PcrVerdict> {
        self.verdicts.get(&(bank, pcr))
    }

    /// All verdicts, by bank and PCR.
    pub fn verdicts(&self) -> impl Iterator<Item = (HashAlgorithm, PcrIndex, &PcrVerdict)> {
        self.verdicts.iter().map(|((bank, pcr), verdict)| (*bank, *pcr, verdict))
    }

    /// The log itself, for showing: nothing that comes from it is verified.
    #[must_use]
    pub const fn unverified_log(&self) -> &EventLog<'a> {
        &self.log
    }

    /// Whether the log explains the quoted value of a PCR.
    #[must_use]
    pub fn matches(&self, bank: HashAlgorithm, pcr: PcrIndex) -> bool {
        matches!(self.verdict(bank, pcr), Some(PcrVerdict::Matches { .. }))
    }

    /// The extended events of a PCR, in order, with the digests of `bank`.
    ///
    /// `None` unless that PCR matches in that bank: events that no quote covers are not to be had here.
    #[must_use]
    pub fn events_of(
        &self,
        bank: HashAlgorithm,
        pcr: PcrIndex,
    ) -> Option<impl Iterator<Item = MeasuredEvent<'a>> + use<'a>> {
        self.matches(bank, pcr).then(|| {
            self.log
                .events()
                .filter(move |event| event.is_extended() && event.pcr() == Some(pcr))
                .filter_map(move |event| MeasuredEvent::new(event, bank))
        })
    }

    /// The events of every PCR that matches in `bank`, in the log's order: one walk for facts about several PCRs.
    pub(super) fn covered_events(
        &self,
        bank: HashAlgorithm,
    ) -> impl Iterator<Item = (PcrIndex, MeasuredEvent<'a>)> {
        self.log.events().filter(Event::is_extended).filter_map(move |event| {
            let pcr = event.pcr().filter(|pcr| self.matches(bank, *pcr))?;
            Some((pcr, MeasuredEvent::new(event, bank)?))
        })
    }

    /// What `bank` proves about the boot.
    #[must_use]
    pub fn facts(&self, bank: HashAlgorithm) -> Facts<'a> {
        Facts::of(self, bank)
    }

    /// The digests of what was loaded, in order, out of PCR 4; `None` when PCR 4 does not match.
    ///
    /// Every measurement of PCR 4 counts that is neither a separator nor an action whose text its digest covers: an
    /// image that the log calls something else stays in the list (threat e11).
    #[must_use]
    pub fn images(&self, bank: HashAlgorithm) -> Option<impl Iterator<Item = LoadedImage<'a>> + use<'a>> {
        let separators = SeparatorDigests::of(bank);
        let events = self.events_of(bank, PcrIndex::new(4)?)?;
        Some(events.filter_map(move |measured| LoadedImage::of(measured, &separators)))
    }
}

/// An event whose digest a quote covers, in one bank.
///
/// ```compile_fail,E0451
/// let forged = attest::eventlog::MeasuredEvent { event: todo!(), digest: todo!() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MeasuredEvent<'a> {
    event: Event<'a>,
    digest: Digest,
}

impl<'a> MeasuredEvent<'a> {
    fn new(event: Event<'a>, bank: HashAlgorithm) -> Option<Self> {
        Some(Self { event, digest: event.digest(bank)? })
    }

    /// The event as logged. Its place and its digest are proven; its type and data only as [`binding`](Self::binding)
    /// and [`data`](Self::data) say.
    #[must_use]
    pub const fn event(&self) -> &Event<'a> {
        &self.event
    }

    /// The digest that was extended.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Which portion of the data the digest covers.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.event.binding(self.digest.algorithm())
    }

    /// The data read as the type says, where the digest covers every byte that is read; `None` otherwise.
    #[must_use]
    pub fn data(&self) -> Option<EventData<'a>> {
        match self.binding() {
            Binding::Bound(Portion::Whole) => self.event.typed().ok(),
            Binding::Bound(Portion::WithoutLastByte) => {
                // Parsed without that byte, so that it can't be the end of a content which nothing covers.
                let (_, covered) = self.event.data().split_last()?;
                UefiVariable::of(self.event.event_type(), covered).ok().map(EventData::Variable)
            }
            // An action's text is read without its NUL.
            Binding::Bound(Portion::Text) if !matches!(self.event.event_type(), EventType::Ipl) => {
                self.event.typed().ok()
            }
            _ => None,
        }
    }
}

/// Something that PCR 4 vouches for having been loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedImage<'a> {
    digest: Digest,
    event: u32,
    offset: usize,
    event_type: EventType,
    hint: Option<ImageLoad<'a>>,
}

impl<'a> LoadedImage<'a> {
    fn of(measured: MeasuredEvent<'a>, separators: &SeparatorDigests) -> Option<Self> {
        let event = measured.event;
        let is_action = matches!(event.event_type(), EventType::Action | EventType::EfiAction);
        if separators.recognise(&measured.digest).is_some() || (is_action && measured.binding().is_bound()) {
            return None;
        }
        let hint = match event.typed() {
            Ok(EventData::Image(image)) => Some(image),
            _ => None,
        };
        Some(Self {
            digest: measured.digest,
            event: event.index(),
            offset: event.offset(),
            event_type: event.event_type(),
            hint,
        })
    }

    /// The digest that was extended: Authenticode for a PE image.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The event's number in the log.
    #[must_use]
    pub const fn event(&self) -> u32 {
        self.event
    }

    /// The event's first byte in the log.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What the log calls it. Not measured.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        self.event_type
    }

    /// Where the log says that it came from. Not measured: for reports only.
    #[must_use]
    pub const fn hint(&self) -> Option<&ImageLoad<'a>> {
        self.hint.as_ref()
    }
}
