//! An event's data as JSON: typed, with names, bounded, and with no control character of the log in it.

mod variable;

use serde::Serialize;

pub use variable::VariableDetail;

use super::describe::printable;
use crate::eventlog::data::EventData;
use crate::eventlog::data::gpt::{Gpt, Partition};
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::image::ImageLoad;
use crate::eventlog::data::ipl::Ipl;
use crate::eventlog::data::platform_id::PlatformId;
use crate::eventlog::data::separator::Separator;
use crate::eventlog::data::sipa::{SipaEvent, SipaEvents};
use crate::eventlog::data::text::{escaped, escaped_bytes};
use crate::eventlog::event::Event;

/// The most entries of one list; how many there are is told besides.
const MOST: usize = 4096;

/// The most bytes that are shown in hexadecimal.
const SHOWN_BYTES: usize = 64;

/// What an event's data says, for a report. Nothing in it is verified; see the event's bindings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields carry the names of the structures that they are read from")]
pub enum EventDetail {
    /// EV_SEPARATOR.
    Separator { value: Separator },
    /// A UEFI variable.
    Variable { guid: Named, name: String, value: VariableDetail },
    /// EV_ACTION, EV_EFI_ACTION.
    Action { text: String },
    /// The disk's partition table.
    Gpt { disk: Guid, count: usize, partitions: Vec<PartitionDetail> },
    /// An image that was loaded.
    Image { path: String, file: Option<String>, partition: Option<Guid>, location: u64, length: u64 },
    /// EV_IPL: what a boot loader measured.
    Ipl { meaning: &'static str, label: Option<&'static str>, text: String },
    /// A tagged event.
    Tag { id: String, name: Option<&'static str>, content: String },
    /// Windows' events, a container before what it holds.
    Sipa { count: usize, events: Vec<SipaDetail> },
    /// Where firmware code was.
    FirmwareBlob { description: Option<String>, base: u64, length: u64 },
    /// Tables that were handed over.
    HandoffTables { description: Option<String>, tables: Vec<Named> },
    /// A device that was measured by SPDM.
    Spdm {
        path: String,
        version: u16,
        identity_proven: Option<bool>,
        pci: Option<[u16; 2]>,
        measurement: String,
    },
    /// SP800-155: who made the platform.
    PlatformId {
        version: u8,
        vendor_id: u32,
        manifest: Guid,
        names: Option<[String; 5]>,
        manifest_at: Option<String>,
    },
    /// A version of the root of trust, as text or in hexadecimal.
    Version { version: String },
    /// Where TPM2_Startup ran.
    StartupLocality { locality: u8 },
    /// The header of the log.
    SpecId,
    /// Text.
    Text { text: String },
    /// Bytes of no known form, the first of them in hexadecimal.
    Opaque { bytes: String },
    /// Data that does not have its type's form.
    Malformed { error: String },
}

/// A GUID with the name that a specification or its vendor gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Named {
    guid: Guid,
    name: Option<&'static str>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionDetail {
    #[serde(rename = "type")]
    kind: Named,
    id: Guid,
    first_block: u64,
    last_block: u64,
    name: String,
}

/// A SIPA event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SipaDetail {
    depth: usize,
    id: String,
    name: Option<&'static str>,
    /// `None` for a container.
    content: Option<String>,
}

impl EventDetail {
    /// Reads an event's data for a report.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        match event.typed() {
            Ok(data) => Self::from_data(event, &data),
            Err(error) => Self::Malformed { error: error.to_string() },
        }
    }

    fn from_data(event: &Event<'_>, data: &EventData<'_>) -> Self {
        match data {
            EventData::Separator(value) => Self::Separator { value: *value },
            EventData::Variable(variable) => Self::Variable {
                guid: Named::from(variable.guid()),
                name: escaped(variable.name().chars()),
                value: VariableDetail::of(variable, event.event_type()),
            },
            EventData::Action(text) => Self::Action { text: escaped(text.chars()) },
            EventData::Gpt(gpt) => Self::gpt(gpt),
            EventData::Image(image) => Self::image(image),
            EventData::Ipl(ipl) => Self::ipl(ipl),
            EventData::Tag(tag) => {
                Self::Tag { id: hex_id(tag.id()), name: tag.name(), content: shown(tag.content()) }
            }
            EventData::Sipa(events) => Self::sipa(events),
            EventData::FirmwareBlob(blob) => Self::FirmwareBlob {
                description: blob.description().map(printable),
                base: blob.base(),
                length: blob.blob_len(),
            },
            EventData::HandoffTables(tables) => Self::HandoffTables {
                description: tables.description().map(printable),
                tables: tables.tables().take(MOST).map(Named::from).collect(),
            },
            EventData::Spdm(device) => Self::Spdm {
                path: device.path().to_text(),
                version: device.version(),
                identity_proven: device.authentication().map(|state| state == 0),
                pci: device.pci_ids(),
                measurement: hex_bytes(device.measurement()),
            },
            EventData::PlatformId(id) => Self::platform(id),
            EventData::Version(version) => Self::Version { version: shown(version) },
            EventData::StartupLocality(locality) => Self::StartupLocality { locality: *locality },
            EventData::SpecId => Self::SpecId,
            EventData::Text(text) => Self::Text { text: escaped(text.chars()) },
            EventData::Raw(bytes) => Self::Opaque { bytes: hex_bytes(bytes) },
        }
    }

    fn gpt(gpt: &Gpt<'_>) -> Self {
        let detail = |partition: Partition<'_>| PartitionDetail {
            kind: Named::from(partition.kind),
            id: partition.id,
            first_block: partition.blocks.0,
            last_block: partition.blocks.1,
            name: escaped(partition.name.chars()),
        };
        let partitions = gpt.partitions().take(MOST).map(detail).collect();
        Self::Gpt { disk: gpt.disk(), count: gpt.partitions().count(), partitions }
    }

    fn image(image: &ImageLoad<'_>) -> Self {
        let path = image.path();
        Self::Image {
            path: path.to_text(),
            file: path.file().map(|file| escaped(file.chars())),
            partition: path.partition(),
            location: image.location(),
            length: image.image_len(),
        }
    }

    fn ipl(ipl: &Ipl<'_>) -> Self {
        let (label, text) = match ipl {
            Ipl::Labelled { label, text } => (Some(*label), escaped_bytes(text)),
            Ipl::Utf16(text) => (None, escaped(text.chars())),
            Ipl::Name(name) => (None, escaped_bytes(name)),
        };
        Self::Ipl { meaning: ipl.meaning(), label, text }
    }

    fn sipa(events: &SipaEvents<'_>) -> Self {
        let detail = |event: SipaEvent<'_>| SipaDetail {
            depth: event.depth(),
            id: hex_id(event.id()),
            name: event.name(),
            content: (!event.is_container()).then(|| shown(event.content())),
        };
        Self::Sipa { count: events.iter().count(), events: events.iter().take(MOST).map(detail).collect() }
    }

    fn platform(id: &PlatformId<'_>) -> Self {
        let names = id.names.as_ref().map(|names| {
            [
                names.manufacturer,
                names.model,
                names.version,
                names.firmware_manufacturer,
                names.firmware_version,
            ]
            .map(printable)
        });
        Self::PlatformId {
            version: id.version,
            vendor_id: id.vendor_id,
            manifest: id.manifest,
            names,
            manifest_at: id.manifest_locator.map(|locator| shown(locator.place)),
        }
    }
}

impl From<Guid> for Named {
    fn from(guid: Guid) -> Self {
        Self { guid, name: guid.name() }
    }
}

fn hex_id(id: u32) -> String {
    format!("0x{id:08x}")
}

/// Text where it is text, else hexadecimal.
fn shown(bytes: &[u8]) -> String {
    printable(bytes)
}

/// The first bytes in hexadecimal, with a mark where there are more.
fn hex_bytes(bytes: &[u8]) -> String {
    let head = hex::encode(bytes.get(..SHOWN_BYTES).unwrap_or(bytes));
    if bytes.len() > SHOWN_BYTES { format!("{head}…") } else { head }
}
