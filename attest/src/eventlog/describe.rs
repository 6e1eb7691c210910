//! One line of text per event, for people: bounded, and without anything that could forge a report's lines.

use super::binding::{Binding, Portion};
use super::data::EventData;
use super::event::Event;
use super::ipl::Ipl;
use super::separator::Separator;
use super::text::{escaped, escaped_bytes, hex_head};
use super::variable::UefiVariable;
use crate::digest::HashAlgorithm;

/// What an event says, in at most some 250 characters of printable text.
#[must_use]
pub fn describe(event: &Event<'_>) -> String {
    match event.typed() {
        Ok(data) => describe_data(&data),
        Err(error) => format!("malformed: {error}"),
    }
}

fn describe_data(data: &EventData<'_>) -> String {
    match data {
        EventData::Separator(Separator::Normal) => "separator".to_owned(),
        EventData::Separator(Separator::Error) => "separator: the firmware met an error".to_owned(),
        EventData::Separator(Separator::Unknown(value)) => {
            format!("separator of unknown value 0x{value:08x}")
        }
        EventData::Variable(variable) => describe_variable(variable),
        EventData::Action(text) => escaped(text.chars()),
        EventData::Gpt(gpt) => format!("disk {}, {} partitions", gpt.disk(), gpt.partitions().count()),
        EventData::Image(image) if image.path().as_bytes().is_empty() => {
            format!("image of {} bytes, no path", image.image_len())
        }
        EventData::Image(image) => image.path().to_text(),
        EventData::Ipl(Ipl::Labelled { label, text }) => format!("{label}{}", escaped_bytes(text)),
        EventData::Ipl(Ipl::Utf16(text)) => escaped(text.chars()),
        EventData::Ipl(Ipl::Name(name)) => escaped_bytes(name),
        EventData::Tag(tag) => format!("tag 0x{:08x} {}", tag.id(), printable(tag.content())),
        EventData::Version(version) => format!("version {}", printable(version)),
        EventData::StartupLocality(locality) => format!("startup locality {locality}"),
        EventData::SpecId => "Spec ID event".to_owned(),
        EventData::Text(text) => escaped(text.chars()),
        EventData::Sipa(events) => format!("{} SIPA events", events.iter().count()),
        EventData::FirmwareBlob(blob) => format!("{} bytes at 0x{:x}", blob.blob_len(), blob.base()),
        EventData::HandoffTables(tables) => format!("{} tables", tables.tables().count()),
        EventData::Spdm(device) => device.path().to_text(),
        EventData::PlatformId(id) => format!("manifest {}", id.manifest),
        EventData::Raw(bytes) => printable(bytes),
    }
}

fn describe_variable(variable: &UefiVariable<'_>) -> String {
    let name = escaped(variable.name().chars());
    match variable.content() {
        [] => format!("{name} is empty"),
        [0] if is_switch(&name) => format!("{name} = 00 (off)"),
        [1] if is_switch(&name) => format!("{name} = 01 (on)"),
        content => format!("{name} = {}", hex_head(content)),
    }
}

/// The variables of UEFI 2.10 §3.3 whose content is 0 or 1.
fn is_switch(name: &str) -> bool {
    ["SecureBoot", "SetupMode", "AuditMode", "DeployedMode"].contains(&name)
}

/// Text where it is text (ASCII or UTF-16 with a NUL at the end), else hexadecimal.
fn printable(bytes: &[u8]) -> String {
    let ascii = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if !ascii.is_empty() && ascii.iter().all(|b| (0x20..0x7F).contains(b)) {
        return escaped_bytes(ascii);
    }
    match super::text::Utf16::new(bytes, "text", 0) {
        Ok(utf16) if utf16.is_terminated_text() => escaped(utf16.chars()),
        _ => hex_head(bytes),
    }
}

/// `#12  PCR 7  EV_EFI_VARIABLE_DRIVER_CONFIG  SecureBoot = 01 (on)  sha256:abcd…  bound`: an event on one line.
///
/// `bound` and its portion say what the digest of `bank` covers; whether the digest is true only a quote knows.
#[must_use]
pub fn summary_line(event: &Event<'_>, bank: HashAlgorithm) -> String {
    let pcr = event.pcr().map_or_else(|| "-".to_owned(), |pcr| pcr.to_string());
    let digest = match event.digest(bank) {
        Some(digest) => format!("{bank}:{}…", digest.to_hex().get(..12).unwrap_or_default()),
        None => format!("no {bank}"),
    };
    let bound = match event.binding(bank) {
        Binding::Bound(Portion::Whole) => "bound",
        Binding::Bound(_) => "bound in part",
        Binding::Hint(_) if !event.is_extended() => "not extended",
        Binding::Hint(_) => "hint",
    };
    let (index, kind) = (event.index(), event.event_type());
    format!("#{index:<3} PCR {pcr:<2}  {kind:<32}  {}  {digest}  {bound}", describe(event))
}
