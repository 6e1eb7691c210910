//! What PCR 4 vouches for having been loaded.

use super::data::EventData;
use super::event_type::EventType;
use super::image::ImageLoad;
use super::measured::MeasuredEvent;
use super::separator::SeparatorDigests;
use crate::digest::Digest;

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
    pub(super) fn of(measured: MeasuredEvent<'a>, separators: &SeparatorDigests) -> Option<Self> {
        let event = *measured.event();
        let is_action = matches!(event.event_type(), EventType::Action | EventType::EfiAction);
        if separators.recognise(measured.digest()).is_some() || (is_action && measured.binding().is_bound()) {
            return None;
        }
        let hint = match event.typed() {
            Ok(EventData::Image(image)) => Some(image),
            _ => None,
        };
        Some(Self {
            digest: *measured.digest(),
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
