//! EV_IPL: what GRUB, shim and systemd measure, each by a rule of its own.
//!
//! | loader | data | digest |
//! |---|---|---|
//! | GRUB commands, PCR 8 | label, text, NUL | of the text alone |
//! | GRUB of Red Hat's 2.02 | label without colon, text, NUL | of text and NUL |
//! | GRUB files, PCR 9; shim's MokList, PCR 14 | a name, NUL | of the file or variable, not in the log |
//! | systemd-boot and -stub, PCR 12 | UTF-16, NUL | of the data |
//! | systemd-stub sections, PCR 11 | name in UTF-16, NUL, twice | of the name in ASCII with NUL; of the section, not in the log |

use super::text::Utf16;
use crate::digest::Digest;
use crate::eventlog::binding::{Binding, Portion, first_match};

/// GRUB's labels. No digest covers them (threat e19).
const LABELS: [&str; 7] = [
    "grub_cmd: ",
    "kernel_cmdline: ",
    "module_cmdline: ",
    "grub_kernel_cmdline ",
    "grub_module_cmdline ",
    "grub_multiboot_cmdline ",
    "grub_cmd ",
];

/// The labels of a kernel's command line.
pub(in crate::eventlog) const KERNEL_LABELS: [&str; 2] = ["kernel_cmdline: ", "grub_kernel_cmdline "];

/// A section name is longer in no executable.
const MAX_SECTION_NAME: usize = 64;

/// The data of an EV_IPL event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipl<'a> {
    /// GRUB: one of its labels, and the text without its NUL.
    Labelled {
        /// What GRUB says the text is; not covered by the digest.
        label: &'static str,
        /// The text.
        text: &'a [u8],
    },
    /// UTF-16 with a NUL: systemd.
    Utf16(Utf16<'a>),
    /// Anything else, without the trailing NUL: a file's or a variable's name.
    Name(&'a [u8]),
}

impl<'a> Ipl<'a> {
    /// Tells the loaders' forms apart; every input has one.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        let text = data.strip_suffix(&[0]).unwrap_or(data);
        for label in LABELS {
            if let Some(text) = text.strip_prefix(label.as_bytes()) {
                return Self::Labelled { label, text };
            }
        }
        match Utf16::new(data, "EV_IPL", 0) {
            Ok(utf16) if utf16.is_terminated_text() => Self::Utf16(utf16),
            _ => Self::Name(text),
        }
    }
}

/// The variables whose content shim hashes, and logs by name only (shim's README.tpm).
const SHIM_NAMES: [&[u8]; 7] =
    [b"MokList", b"MokListX", b"MokListTrusted", b"MokSBState", b"MokDBState", b"SbatLevel", b"MokPolicy"];

/// The texts by which systemd-stub names what it hands to the kernel (PCR 12 and 13).
pub(in crate::eventlog) const STUB_TEXTS: [&str; 5] = [
    "Credentials initrd",
    "Global credentials initrd",
    "System extension initrd",
    "Configuration extension initrd",
    "Portable service initrd",
];

impl Ipl<'_> {
    /// What the loaders of the field mean by data of this form. A hint, as the form is.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Labelled { label, .. } if KERNEL_LABELS.contains(label) => "kernel command line",
            Self::Labelled { label, .. } if label.contains("module") || label.contains("multiboot") => {
                "module command line"
            }
            Self::Labelled { .. } => "GRUB command",
            Self::Utf16(text) if section_name(*text).is_some() => "section of a unified kernel image",
            Self::Utf16(text) if STUB_TEXTS.iter().any(|known| starts_with(*text, known)) => {
                "what systemd-stub adds to the initrd"
            }
            Self::Utf16(_) => "text of systemd-boot or systemd-stub",
            Self::Name(name) if SHIM_NAMES.contains(name) => "variable of shim",
            Self::Name(_) => "file or name",
        }
    }
}

fn starts_with(text: Utf16<'_>, known: &str) -> bool {
    text.chars().take(known.len()).eq(known.chars())
}

/// The rules of the loaders.
pub(in crate::eventlog) fn binding(data: &[u8], digest: &Digest) -> Binding {
    let whole = (Portion::Whole, [data, &[][..]]);
    match Ipl::read(data) {
        Ipl::Labelled { text, .. } => {
            first_match(digest, [(Portion::Text, [text, &[]]), (Portion::TextWithNul, [text, &[0]]), whole])
        }
        Ipl::Utf16(name) => match section_name(name) {
            Some(ascii) => first_match(digest, [(Portion::SectionName, [ascii.as_bytes(), &[0]]), whole]),
            None => first_match(digest, [whole]),
        },
        Ipl::Name(_) => first_match(digest, [whole]),
    }
}

/// `.linux`, `.cmdline` and so on.
pub(in crate::eventlog) fn section_name(name: Utf16<'_>) -> Option<String> {
    if name.as_bytes().len() > MAX_SECTION_NAME.saturating_mul(2) {
        return None;
    }
    let ascii: String = name.chars().collect();
    (ascii.starts_with('.') && ascii.is_ascii()).then_some(ascii)
}
