//! What PCR 4 vouches for having been loaded.

use super::seen::Seen;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::EventData;
use crate::eventlog::data::image::ImageLoad;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::measured::MeasuredBoot;
use crate::eventlog::replay::separators::SeparatorDigests;
use crate::pcr::PcrIndex;

/// Something that PCR 4 vouches for having been loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadedImage<'a> {
    digest: Digest,
    event: u32,
    offset: usize,
    event_type: EventType,
    hint: Option<ImageLoad<'a>>,
}

impl<'a> MeasuredBoot<'a> {
    /// What was loaded, in order, out of PCR 4; `None` when PCR 4 does not match, or not by the firmware's log alone.
    ///
    /// Every measurement of PCR 4 counts that is neither a separator nor an action whose text its digest covers: an
    /// image that the log calls something else stays in the list (threat e11).
    #[must_use]
    pub fn images(&self, bank: HashAlgorithm) -> Option<impl Iterator<Item = LoadedImage<'a>> + use<'a>> {
        let pcr = PcrIndex::new(4).filter(|pcr| self.is_whole(bank, *pcr))?;
        let (events, separators) = (self.events_of(bank, pcr)?, SeparatorDigests::of(bank));
        Some(events.filter_map(move |measured| LoadedImage::of(&Seen::new(measured), &separators)))
    }
}

impl<'a> LoadedImage<'a> {
    pub(super) fn of(seen: &Seen<'a>, separators: &SeparatorDigests) -> Option<Self> {
        let event = seen.event();
        if separators.recognise(seen.digest()).is_some() || seen.action().is_some() {
            return None;
        }
        let hint = match event.typed() {
            Ok(EventData::Image(image)) => Some(image),
            _ => None,
        };
        Some(Self {
            digest: *seen.digest(),
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
