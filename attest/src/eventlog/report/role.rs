//! What an event is about, in a word that people use: the vocabulary of every report that says what changed.
//!
//! A role is read from the event's type, PCR and data, which no digest covers as a whole. It is good for saying "initrd
//! changed" of a digest that is known to differ, and for nothing else: no judgement hangs on it (threats e03, e11).

use std::fmt;

use serde::{Serialize, Serializer};

use crate::eventlog::data::EventData;
use crate::eventlog::data::image::ImageLoad;
use crate::eventlog::data::ipl::{Ipl, KERNEL_LABELS, STUB_TEXTS, section_name};
use crate::eventlog::data::tag::TaggedEvent;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;

/// What an event is about. [`Display`](fmt::Display) gives the words: `kernel`, `boot loader`, `.osrel section`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Firmware code and its version (PCR 0).
    Firmware,
    /// The firmware's settings and tables (PCR 1).
    FirmwareConfig,
    /// Drivers and applications of devices and add-in cards (PCR 2).
    OptionRom,
    /// Their settings (PCR 3).
    OptionRomConfig,
    /// CPU microcode.
    Microcode,
    /// The order of boot entries.
    BootOrder,
    /// A boot entry.
    BootEntry,
    /// SecureBoot and the other switches of secure boot.
    SecureBootState,
    /// PK.
    PlatformKey,
    /// KEK.
    KeyExchangeKeys,
    /// db: what may start.
    Db,
    /// dbx: what may not.
    Dbx,
    /// Another variable of PCR 7.
    SecureBootVariable,
    /// What vouched for an image.
    Authority,
    /// SBAT levels.
    SbatLevel,
    /// Keys of the machine's owner (shim).
    OwnerKeys,
    /// A boot loader: shim, GRUB, systemd-boot, or a whole unified kernel image.
    BootLoader,
    /// Another image that was loaded.
    Image,
    /// The disk's partitions.
    Partitions,
    /// The kernel.
    Kernel,
    /// The kernel's command line.
    CommandLine,
    /// The initial RAM disk.
    Initrd,
    /// Credentials that systemd-stub hands to the initrd.
    Credentials,
    /// Extensions of system and configuration that systemd-stub hands to the initrd.
    Extensions,
    /// Another section of a unified kernel image, e.g. `.osrel`.
    UkiSection(&'static str),
    /// A command of the boot loader.
    LoaderCommand,
    /// A file that the boot loader read.
    LoaderFile,
    /// A phase of systemd's boot.
    Phase,
    /// The machine's id, as systemd measured it.
    MachineId,
    /// A file system, as systemd measured it.
    FileSystem,
    /// Something else that systemd measured of the running system.
    System,
    /// A step of the boot: calling an application, leaving the firmware.
    BootStep,
    /// A separator.
    Separator,
    /// Nothing of the above.
    Unknown,
}

/// Sections of a unified kernel image that have no role of their own.
const SECTIONS: [&str; 12] = [
    ".osrel", ".ucode", ".splash", ".dtb", ".dtbauto", ".hwids", ".uname", ".sbat", ".pcrpkey", ".profile",
    ".efifw", ".pcrsig",
];

impl Role {
    /// The role that an event claims.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Self {
        match event.event_type() {
            EventType::Separator => Self::Separator,
            EventType::CpuMicrocode => Self::Microcode,
            EventType::EfiVariableAuthority => authority(event),
            EventType::EfiVariableDriverConfig if pcr(event) == Some(7) => secure_boot_variable(event),
            EventType::EfiVariableBoot | EventType::EfiVariableBoot2 => boot_variable(event),
            EventType::EfiBootServicesApplication => application(event),
            EventType::EfiBootServicesDriver | EventType::EfiRuntimeServicesDriver => Self::OptionRom,
            EventType::EfiGptEvent | EventType::EfiGptEvent2 => Self::Partitions,
            EventType::Action | EventType::EfiAction => Self::BootStep,
            EventType::EventTag => tagged(event),
            EventType::Ipl => loader(event),
            _ => by_pcr(event),
        }
    }

    /// The role of a section of a unified kernel image by its name, e.g. `.linux`.
    #[must_use]
    pub fn of_section(name: &str) -> Self {
        match name {
            ".linux" => Self::Kernel,
            ".cmdline" => Self::CommandLine,
            ".initrd" => Self::Initrd,
            _ => SECTIONS.into_iter().find(|known| *known == name).map_or(Self::Unknown, Self::UkiSection),
        }
    }
}

fn pcr(event: &Event<'_>) -> Option<u8> {
    event.pcr().map(|pcr| pcr.get())
}

/// What the profile says that a PCR is for (PFP 1.06 §3.3.4).
fn by_pcr(event: &Event<'_>) -> Role {
    match pcr(event) {
        Some(0) => Role::Firmware,
        Some(1) => Role::FirmwareConfig,
        Some(2) => Role::OptionRom,
        Some(3) => Role::OptionRomConfig,
        Some(15) => Role::System,
        _ => Role::Unknown,
    }
}

fn variable<'a>(event: &Event<'a>) -> Option<UefiVariable<'a>> {
    match event.typed() {
        Ok(EventData::Variable(variable)) => Some(variable),
        _ => None,
    }
}

fn secure_boot_variable(event: &Event<'_>) -> Role {
    let Some(variable) = variable(event) else { return Role::SecureBootVariable };
    let is = |names: &[&str]| names.iter().any(|name| variable.name().is(name));
    if is(&["SecureBoot", "SetupMode", "AuditMode", "DeployedMode"]) {
        Role::SecureBootState
    } else if is(&["PK"]) {
        Role::PlatformKey
    } else if is(&["KEK"]) {
        Role::KeyExchangeKeys
    } else if is(&["db"]) {
        Role::Db
    } else if is(&["dbx"]) {
        Role::Dbx
    } else {
        Role::SecureBootVariable
    }
}

fn authority(event: &Event<'_>) -> Role {
    match variable(event) {
        Some(variable) if variable.name().is("SbatLevel") => Role::SbatLevel,
        _ => Role::Authority,
    }
}

fn boot_variable(event: &Event<'_>) -> Role {
    match variable(event) {
        Some(variable) if variable.name().is("BootOrder") => Role::BootOrder,
        Some(variable) if variable.name().chars().take(4).eq("Boot".chars()) => Role::BootEntry,
        _ => Role::FirmwareConfig,
    }
}

/// Applications of PCR 4 by the name of their file; the name is a hint, as is all of the event's data.
fn application(event: &Event<'_>) -> Role {
    if pcr(event) == Some(2) {
        return Role::OptionRom;
    }
    let Ok(EventData::Image(image)) = event.typed() else { return Role::Image };
    match file_name(&image) {
        Some(name) if is_kernel(&name) => Role::Kernel,
        Some(name) if name.ends_with(".efi") => Role::BootLoader,
        _ => Role::Image,
    }
}

/// The last part of the image's path in lower case, at most 255 characters.
fn file_name(image: &ImageLoad<'_>) -> Option<String> {
    let file = image.path().file()?;
    let name: String = file.chars().take(255).flat_map(char::to_lowercase).collect();
    name.rsplit(['\\', '/']).next().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn is_kernel(name: &str) -> bool {
    ["vmlinu", "bzimage", "kernel", "linux"].iter().any(|start| name.starts_with(start))
        && !name.ends_with(".stub")
}

fn tagged(event: &Event<'_>) -> Role {
    match event.typed() {
        Ok(EventData::Tag(tag)) if tag.id() == TaggedEvent::LINUX_INITRD => Role::Initrd,
        Ok(EventData::Tag(tag)) if tag.id() == TaggedEvent::LINUX_LOAD_OPTIONS => Role::CommandLine,
        Ok(EventData::Tag(tag)) => match tag.id() {
            TaggedEvent::SYSTEMD_UKI_PROFILE => Role::UkiSection(".profile"),
            TaggedEvent::SYSTEMD_INITRD_ADDON => Role::Initrd,
            TaggedEvent::SYSTEMD_UCODE_ADDON => Role::Microcode,
            TaggedEvent::SYSTEMD_DEVICETREE_ADDON => Role::UkiSection(".dtb"),
            _ => tagged_by_pcr(event),
        },
        _ => tagged_by_pcr(event),
    }
}

/// systemd-boot and systemd-stub tag what they measure into PCR 5, 12 and 13.
fn tagged_by_pcr(event: &Event<'_>) -> Role {
    match pcr(event) {
        Some(5) => Role::LoaderFile,
        Some(12) => Role::CommandLine,
        _ => by_pcr(event),
    }
}

fn loader(event: &Event<'_>) -> Role {
    match (event.typed(), pcr(event)) {
        (Ok(EventData::Ipl(Ipl::Labelled { label, .. })), _) if KERNEL_LABELS.contains(&label) => {
            Role::CommandLine
        }
        (Ok(EventData::Ipl(Ipl::Labelled { .. })), _) => Role::LoaderCommand,
        (Ok(EventData::Ipl(Ipl::Utf16(name))), Some(11)) => {
            section_name(name).map_or(Role::Unknown, |name| Role::of_section(&name))
        }
        (Ok(EventData::Ipl(Ipl::Utf16(name))), Some(12 | 13)) => {
            let name: String = name.chars().collect();
            match name.as_str() {
                text if !STUB_TEXTS.contains(&text) => Role::CommandLine,
                text if text.contains("redentials") => Role::Credentials,
                _ => Role::Extensions,
            }
        }
        (Ok(EventData::Ipl(Ipl::Utf16(_))), Some(8)) => Role::CommandLine,
        (Ok(EventData::Ipl(Ipl::Name(name))), Some(14)) => {
            if name.starts_with(b"Sbat") {
                Role::SbatLevel
            } else {
                Role::OwnerKeys
            }
        }
        (Ok(EventData::Ipl(Ipl::Name(name))), Some(9)) => loader_file(name),
        (_, Some(15)) => Role::System,
        _ => Role::Unknown,
    }
}

/// GRUB's files in PCR 9 by their name.
fn loader_file(path: &[u8]) -> Role {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path).to_ascii_lowercase();
    if name.starts_with(b"vmlinu") || name.starts_with(b"bzimage") {
        Role::Kernel
    } else if name.starts_with(b"initr") {
        Role::Initrd
    } else {
        Role::LoaderFile
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Firmware => "firmware",
            Self::FirmwareConfig => "firmware settings",
            Self::OptionRom => "option ROM or driver",
            Self::OptionRomConfig => "settings of an option ROM",
            Self::Microcode => "CPU microcode",
            Self::BootOrder => "boot order",
            Self::BootEntry => "boot entry",
            Self::SecureBootState => "secure boot state",
            Self::PlatformKey => "platform key (PK)",
            Self::KeyExchangeKeys => "key exchange keys (KEK)",
            Self::Db => "db",
            Self::Dbx => "dbx",
            Self::SecureBootVariable => "secure boot variable",
            Self::Authority => "image authority",
            Self::SbatLevel => "SBAT level",
            Self::OwnerKeys => "machine owner keys",
            Self::BootLoader => "boot loader",
            Self::Image => "loaded image",
            Self::Partitions => "partition table",
            Self::Kernel => "kernel",
            Self::CommandLine => "command line",
            Self::Initrd => "initrd",
            Self::Credentials => "credentials",
            Self::Extensions => "system extensions",
            Self::UkiSection(name) => return f.pad(&format!("{name} section")),
            Self::LoaderCommand => "boot loader command",
            Self::LoaderFile => "boot loader file",
            Self::Phase => "phase of the boot",
            Self::MachineId => "machine id",
            Self::FileSystem => "file system",
            Self::System => "system measurement",
            Self::BootStep => "boot step",
            Self::Separator => "separator",
            Self::Unknown => "unknown event",
        };
        f.pad(words)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;
    use crate::eventlog::EventLog;
    use crate::eventlog::tests::builder::{LogBuilder, good_boot};

    fn roles(log: &[u8]) -> Vec<String> {
        EventLog::parse(log).unwrap().events().map(|event| Role::of(&event).to_string()).collect()
    }

    #[test]
    fn a_grub_boot_in_words() {
        let roles = roles(&good_boot(LogBuilder::agile(&[HashAlgorithm::Sha256])).bytes);
        let without = |word: &str| word != "separator" && word != "boot step";
        let roles: Vec<_> = roles.into_iter().skip(1).filter(|word| without(word)).collect();
        assert_eq!(
            roles,
            [
                "firmware",
                "firmware",
                "secure boot state",
                "platform key (PK)",
                "boot order",
                "image authority",
                "boot loader",
                "boot loader command",
                "command line",
                "command line"
            ]
        );
    }

    #[test]
    fn a_unified_kernel_image_in_words() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors/q35-secureboot-uki/eventlog.bin");
        let roles = roles(&std::fs::read(path).unwrap());
        let tail: Vec<_> = roles.iter().skip(31).map(String::as_str).collect();
        assert_eq!(
            tail,
            [
                "image authority",
                "partition table",
                "boot loader",
                "kernel",
                "kernel",
                ".osrel section",
                ".osrel section",
                "command line",
                "command line",
                "initrd",
                "initrd",
                "command line",
                "initrd",
                "boot step",
                "boot step"
            ]
        );
        assert_eq!(roles.get(8).map(String::as_str), Some("dbx"));
    }
}
