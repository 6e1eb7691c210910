//! An event's data by its type: one variant per family, each read by the family's own module.

pub(super) mod action;
pub(super) mod device_path;
pub(super) mod firmware_blob;
pub(super) mod gpt;
pub(super) mod guid;
pub(super) mod handoff;
pub(super) mod image;
pub(super) mod ipl;
pub(super) mod load_option;
pub(super) mod platform_id;
pub(super) mod sbat;
pub(super) mod separator;
pub(super) mod signature;
pub(super) mod sipa;
pub(super) mod spdm;
pub(super) mod tag;
pub(super) mod text;
pub(super) mod variable;
pub(super) mod variable_value;

#[cfg(test)]
mod mutations;

use super::error::EventDataError;
use super::event::Event;
use super::event_type::EventType;
use super::header;
use super::startup;
use firmware_blob::FirmwareBlob;
use gpt::Gpt;
use handoff::HandoffTables;
use image::ImageLoad;
use ipl::Ipl;
use platform_id::PlatformId;
use separator::Separator;
use sipa::SipaEvents;
use spdm::SpdmDevice;
use tag::TaggedEvent;
use variable::UefiVariable;

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
    /// EV_EVENT_TAG of Windows, and its EV_NO_ACTION events.
    Sipa(SipaEvents<'a>),
    /// EV_POST_CODE, EV_S_CRTM_CONTENTS and the firmware blob types, where they say where the code was.
    FirmwareBlob(FirmwareBlob<'a>),
    /// EV_EFI_HANDOFF_TABLES, EV_EFI_HANDOFF_TABLES2.
    HandoffTables(HandoffTables<'a>),
    /// EV_EFI_SPDM_FIRMWARE_BLOB, EV_EFI_SPDM_FIRMWARE_CONFIG.
    Spdm(SpdmDevice<'a>),
    /// Printable ASCII of a type that has text or something else: EV_POST_CODE, EV_EFI_HCRTM_EVENT, EV_NONHOST_INFO.
    Text(&'a str),
    /// EV_NO_ACTION of SP800-155.
    PlatformId(PlatformId<'a>),
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
            | EventType::EfiVariableAuthority
            | EventType::EfiSpdmDevicePolicy
            | EventType::EfiSpdmDeviceAuthority => EventData::Variable(UefiVariable::of(self.kind, data)?),
            EventType::Action | EventType::EfiAction => EventData::Action(action::text(data)?),
            EventType::EfiGptEvent | EventType::EfiGptEvent2 => EventData::Gpt(Gpt::parse(data)?),
            EventType::EfiBootServicesApplication
            | EventType::EfiBootServicesDriver
            | EventType::EfiRuntimeServicesDriver => EventData::Image(ImageLoad::parse(data)?),
            EventType::Ipl => EventData::Ipl(Ipl::read(data)),
            EventType::EventTag if SipaEvents::is_sipa(data) => EventData::Sipa(SipaEvents::parse(data)?),
            EventType::EventTag => EventData::Tag(TaggedEvent::parse(data)?),
            EventType::EfiPlatformFirmwareBlob => EventData::FirmwareBlob(FirmwareBlob::parse(data)?),
            EventType::EfiPlatformFirmwareBlob2 | EventType::PostCode2 => {
                EventData::FirmwareBlob(FirmwareBlob::parse_described(data)?)
            }
            EventType::EfiHandoffTables => EventData::HandoffTables(HandoffTables::parse(data)?),
            EventType::EfiHandoffTables2 => EventData::HandoffTables(HandoffTables::parse_described(data)?),
            EventType::EfiSpdmFirmwareBlob | EventType::EfiSpdmFirmwareConfig => {
                EventData::Spdm(SpdmDevice::parse(data)?)
            }
            EventType::SCrtmVersion => EventData::Version(data),
            EventType::NoAction => no_action(data)?,
            EventType::PostCode | EventType::SCrtmContents | EventType::CpuMicrocode => code(data),
            _ => text(data),
        })
    }
}

fn no_action(data: &[u8]) -> Result<EventData<'_>, EventDataError> {
    if data.starts_with(header::AGILE) {
        return Ok(EventData::SpecId);
    }
    if let Some(locality) = data.strip_prefix(startup::SIGNATURE).and_then(startup::locality_of) {
        return Ok(EventData::StartupLocality(locality));
    }
    if let Some(platform) = PlatformId::parse(data)? {
        return Ok(EventData::PlatformId(platform));
    }
    if SipaEvents::is_sipa(data) {
        return SipaEvents::parse(data).map(EventData::Sipa);
    }
    Ok(text(data))
}

/// Code is told by a text ("POST CODE", whose NUL some firmware leaves out), or by its place with or without a
/// description; what is neither is the vendor's own, and no fault (PFP 1.06 §10.4.1; threat e17).
fn code(data: &[u8]) -> EventData<'_> {
    let blob = || FirmwareBlob::parse(data).or_else(|_| FirmwareBlob::parse_described(data));
    match text(data) {
        EventData::Raw(_) => blob().map_or(EventData::Raw(data), EventData::FirmwareBlob),
        text => text,
    }
}

/// Printable ASCII with or without NULs at its end, else the bytes.
fn text(data: &[u8]) -> EventData<'_> {
    let text = text::without_nuls(data);
    let printable = !text.is_empty() && text.iter().all(|b| (0x20..0x7F).contains(b));
    std::str::from_utf8(text).ok().filter(|_| printable).map_or(EventData::Raw(data), EventData::Text)
}
