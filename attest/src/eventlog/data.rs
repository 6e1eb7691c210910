//! An event's data by its type: one variant per family, each read by the family's own module.

use super::error::EventDataError;
use super::event::Event;
use super::event_type::EventType;
use super::gpt::Gpt;
use super::image::ImageLoad;
use super::ipl::Ipl;
use super::separator::Separator;
use super::startup;
use super::tag::TaggedEvent;
use super::variable::UefiVariable;
use super::{action, header};

/// The data of an event, read as its type says. Whether it is true is another question: see [`Binding`](super::Binding).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventData<'a> {
    /// EV_SEPARATOR.
    Separator(Separator),
    /// EV_EFI_VARIABLE_*.
    Variable(UefiVariable<'a>),
    /// EV_ACTION, EV_EFI_ACTION: printable ASCII.
    Action(&'a str),
    /// EV_EFI_GPT_EVENT, EV_EFI_GPT_EVENT2.
    Gpt(Gpt<'a>),
    /// EV_EFI_BOOT_SERVICES_APPLICATION, EV_EFI_BOOT_SERVICES_DRIVER, EV_EFI_RUNTIME_SERVICES_DRIVER.
    Image(ImageLoad<'a>),
    /// EV_IPL.
    Ipl(Ipl<'a>),
    /// EV_EVENT_TAG.
    Tag(TaggedEvent<'a>),
    /// EV_S_CRTM_VERSION: text or a GUID, as the vendor likes.
    Version(&'a [u8]),
    /// EV_NO_ACTION with a startup locality.
    StartupLocality(u8),
    /// EV_NO_ACTION with the Spec ID event.
    SpecId,
    /// Everything else, unread.
    Raw(&'a [u8]),
}

impl<'a> Event<'a> {
    /// Reads the data as the event's type says.
    ///
    /// # Errors
    /// [`EventDataError`] when it does not have the type's form; the event still replays.
    pub fn typed(&self) -> Result<EventData<'a>, EventDataError> {
        let data = self.data;
        Ok(match self.kind {
            EventType::Separator => EventData::Separator(Separator::parse(data)?),
            EventType::EfiVariableDriverConfig
            | EventType::EfiVariableBoot
            | EventType::EfiVariableBoot2
            | EventType::EfiVariableAuthority => EventData::Variable(UefiVariable::of(self.kind, data)?),
            EventType::Action | EventType::EfiAction => EventData::Action(action::text(data)?),
            EventType::EfiGptEvent | EventType::EfiGptEvent2 => EventData::Gpt(Gpt::parse(data)?),
            EventType::EfiBootServicesApplication
            | EventType::EfiBootServicesDriver
            | EventType::EfiRuntimeServicesDriver => EventData::Image(ImageLoad::parse(data)?),
            EventType::Ipl => EventData::Ipl(Ipl::read(data)),
            EventType::EventTag => EventData::Tag(TaggedEvent::parse(data)?),
            EventType::SCrtmVersion => EventData::Version(data),
            EventType::NoAction => no_action(data),
            _ => EventData::Raw(data),
        })
    }
}

fn no_action(data: &[u8]) -> EventData<'_> {
    if data.starts_with(header::AGILE) {
        return EventData::SpecId;
    }
    match data.strip_prefix(startup::SIGNATURE) {
        Some([locality]) => EventData::StartupLocality(*locality),
        _ => EventData::Raw(data),
    }
}
