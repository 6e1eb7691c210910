//! One line of text per event, for people: bounded, and without anything that could forge a report's lines.

use crate::digest::HashAlgorithm;
use crate::eventlog::binding::{Binding, Portion};
use crate::eventlog::data::EventData;
use crate::eventlog::data::gpt::Gpt;
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::ipl::Ipl;
use crate::eventlog::data::platform_id::PlatformId;
use crate::eventlog::data::separator::Separator;
use crate::eventlog::data::sipa::{SipaEvent, SipaEvents};
use crate::eventlog::data::spdm::SpdmDevice;
use crate::eventlog::data::text::{escaped, escaped_bytes, hex_head};
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::placement::Placement;

mod foreign;
mod variable;

/// The most characters of a description.
const LINE: usize = 240;

/// What an event says, in at most 241 characters of printable text.
#[must_use]
pub fn describe(event: &Event<'_>) -> String {
    match event.typed() {
        Ok(data) => cut(match launch_type(event) {
            Some(name) => format!("{name}: {}", describe_data(event, &data)),
            None => describe_data(event, &data),
        }),
        Err(error) => format!("malformed: {error}"),
    }
}

fn launch_type(event: &Event<'_>) -> Option<&'static str> {
    match event.event_type() {
        EventType::Other(code) => foreign::launch_type(code),
        _ => None,
    }
}

/// A list of long names stays one line.
fn cut(text: String) -> String {
    match text.char_indices().nth(LINE) {
        Some((end, _)) => text.get(..end).map_or_else(String::new, |head| format!("{head}…")),
        None => text,
    }
}

fn describe_data(event: &Event<'_>, data: &EventData<'_>) -> String {
    match data {
        EventData::Separator(Separator::Normal) => "separator".to_owned(),
        EventData::Separator(Separator::Error) => "separator: the firmware met an error".to_owned(),
        EventData::Separator(Separator::Unknown(foreign::WINDOWS_SEPARATOR)) => {
            "separator of Windows (WBCL)".to_owned()
        }
        EventData::Separator(Separator::Unknown(value)) => {
            format!("separator of unknown value 0x{value:08x}")
        }
        EventData::Variable(variable) => variable::describe(variable, event.event_type()),
        EventData::Action(text) | EventData::Text(text) => escaped(text.chars()),
        EventData::Gpt(gpt) => describe_gpt(gpt),
        // shim and GRUB log what they load like this.
        EventData::Image(image) if image.path().as_bytes().is_empty() => match image.image_len() {
            0 => "image whose path is not logged".to_owned(),
            len => format!("image of {len} bytes whose path is not logged"),
        },
        EventData::Image(image) => image.path().to_text(),
        EventData::Ipl(ipl) => describe_ipl(ipl),
        EventData::Tag(tag) => {
            let bios =
                || foreign::bios_tag(tag.id()).filter(|_| event.pcr().is_some_and(|pcr| pcr.get() < 8));
            match tag.name().or_else(bios) {
                Some(name) => format!("{name}: {}", printable(tag.content())),
                None => format!("tag 0x{:08x} {}", tag.id(), printable(tag.content())),
            }
        }
        EventData::Sipa(events) => describe_sipa(events),
        EventData::FirmwareBlob(blob) => {
            let what = blob.description().map_or_else(|| "blob".to_owned(), printable);
            format!("{what} of {} bytes at 0x{:x}", blob.blob_len(), blob.base())
        }
        EventData::HandoffTables(tables) => {
            let names = match tables.tables().next() {
                Some(_) => listed(tables.tables().map(named)),
                None => "none".to_owned(),
            };
            match tables.description() {
                Some(description) => format!("{}: {names}", printable(description)),
                None => format!("tables {names}"),
            }
        }
        EventData::Spdm(device) => describe_spdm(device),
        EventData::PlatformId(id) => describe_platform(id),
        EventData::Version(version) => format!("version {}", version_text(version)),
        EventData::StartupLocality(locality) => format!("startup locality {locality}"),
        EventData::SpecId => "Spec ID event".to_owned(),
        EventData::Raw(bytes) => labelled(bytes),
    }
}

/// At most so many parts of a list are shown.
const MOST: usize = 6;

/// The first parts, and that there are more.
fn listed(parts: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<_> = parts.take(MOST.saturating_add(1)).collect();
    if shown.len() > MOST {
        shown.truncate(MOST);
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// A GUID's name, or the GUID.
fn named(guid: Guid) -> String {
    guid.name().map_or_else(|| guid.to_string(), str::to_owned)
}

fn describe_gpt(gpt: &Gpt<'_>) -> String {
    let partitions = listed(gpt.partitions().map(|partition| {
        let name = escaped(partition.name.chars());
        let kind = named(partition.kind);
        if name.is_empty() { kind } else { format!("\"{name}\" ({kind})") }
    }));
    format!("disk {}, {} partitions: {partitions}", gpt.disk(), gpt.partitions().count())
}

fn describe_ipl(ipl: &Ipl<'_>) -> String {
    match ipl {
        Ipl::Labelled { label, text } => format!("{label}{}", escaped_bytes(text)),
        Ipl::Utf16(text) => escaped(text.chars()),
        Ipl::Name(name) => escaped_bytes(name),
    }
}

/// `TrustBoundary: 34 events; OSKernelDebug = 00, …`: the small values, which are what one looks for.
fn describe_sipa(events: &SipaEvents<'_>) -> String {
    let name =
        |event: &SipaEvent<'_>| event.name().map_or_else(|| format!("0x{:08x}", event.id()), str::to_owned);
    let first = events.iter().next().as_ref().map(name).unwrap_or_default();
    let leaves = events.iter().filter(|event| !event.is_container());
    let values = listed(leaves.map(|event| format!("{} = {}", name(&event), printable(event.content()))));
    format!("{first}, {} events: {values}", events.iter().count())
}

fn describe_spdm(device: &SpdmDevice<'_>) -> String {
    let identity = match device.authentication() {
        Some(0) => ", identity proven",
        Some(_) => ", identity not proven",
        None => "",
    };
    let ids = device.pci_ids().map(|[vendor, id]| format!(" {vendor:04x}:{id:04x}")).unwrap_or_default();
    format!("device {}{ids}{identity}", device.path().to_text())
}

fn describe_platform(id: &PlatformId<'_>) -> String {
    match &id.names {
        Some(names) => format!(
            "platform {}, firmware {}, manifest {}",
            joined(&[names.manufacturer, names.model, names.version]),
            joined(&[names.firmware_manufacturer, names.firmware_version]),
            id.manifest
        ),
        None => format!("platform of vendor {}, manifest {}", id.vendor_id, id.manifest),
    }
}

/// The names that are there: firmware leaves some empty but for their NUL.
fn joined(names: &[&[u8]]) -> String {
    let there = names.iter().filter(|name| name.iter().any(|byte| *byte != 0));
    let names: Vec<_> = there.map(|name| printable(name)).collect();
    if names.is_empty() { "without a name".to_owned() } else { names.join(" ") }
}

/// A text with a NUL, and bytes behind it: GCE's EV_NONHOST_INFO, the signatures of EV_NO_ACTION events.
fn labelled(bytes: &[u8]) -> String {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    match bytes.len().saturating_sub(text.len()) {
        behind @ 2.. if text.len() >= 8 && text.iter().all(|b| (0x20..0x7F).contains(b)) => {
            format!("{} and {behind} bytes", escaped_bytes(text))
        }
        _ => printable(bytes),
    }
}

/// A version is text in ASCII or UTF-16, or a GUID.
fn version_text(version: &[u8]) -> String {
    let text = printable(version);
    match <[u8; 16]>::try_from(version) {
        Ok(guid) if text.starts_with(&hex_head(&guid)) => Guid::new(guid).to_string(),
        _ => text,
    }
}

/// Text where it is text (ASCII or UTF-16 with a NUL at the end), else hexadecimal.
pub(super) fn printable(bytes: &[u8]) -> String {
    if bytes.iter().all(|b| *b == 0) && bytes.len() < 2 {
        return if bytes.is_empty() { "(nothing)".to_owned() } else { "00".to_owned() };
    }
    let ascii = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if !ascii.is_empty() && ascii.iter().all(|b| (0x20..0x7F).contains(b)) {
        return escaped_bytes(ascii);
    }
    match crate::eventlog::data::text::Utf16::new(bytes, "text", 0) {
        // A small number and zeros behind it would be a character of some script (0x800C is the hash of Windows' modules).
        Ok(utf16) if utf16.is_terminated_text() && utf16.chars().any(|c| c.is_ascii_graphic()) => {
            escaped(utf16.chars())
        }
        _ => hex_head(bytes),
    }
}

/// `#12  PCR 7  EV_EFI_VARIABLE_DRIVER_CONFIG  SecureBoot = 01 (on)  sha256:abcd…  bound`: an event on one line.
///
/// `bound` and its portion say what the digest of `bank` covers; whether the digest is true only a quote knows.
#[must_use]
pub fn summary_line(event: &Event<'_>, bank: HashAlgorithm) -> String {
    let pcr = event.pcr().map_or_else(|| "-".to_owned(), |pcr| pcr.to_string());
    let digest = match event.digest(bank).filter(|_| event.is_extended()) {
        Some(digest) => format!("  {bank}:{}…", digest.to_hex().get(..12).unwrap_or_default()),
        None if event.is_extended() => format!("  no {bank}"),
        None => String::new(),
    };
    let bound = match event.binding(bank) {
        Binding::Bound(Portion::Whole) => "bound",
        Binding::Bound(_) => "bound in part",
        Binding::Hint(_) if !event.is_extended() => "not extended",
        Binding::Hint(_) => "hint",
    };
    let remark = match event.placement() {
        Placement::Allowed | Placement::Customary | Placement::UnknownType => "",
        Placement::NotInProfile => "  not in the profile's place",
    };
    let (index, kind) = (event.index(), event.event_type());
    format!("#{index:<3} PCR {pcr:<2}  {kind:<32}  {}{digest}  {bound}{remark}", describe(event))
}
