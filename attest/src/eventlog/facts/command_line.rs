//! The kernel's command line as GRUB measured it into PCR 8 (threat e19).

use serde::Serialize;

use super::Place;
use super::seen::Seen;
use crate::eventlog::binding::{Binding, Portion};
use crate::eventlog::data::EventData;
use crate::eventlog::data::ipl::{Ipl, KERNEL_LABELS};

/// The command line that GRUB gave to the kernel.
///
/// GRUB's digest covers the text but not the label before it: whoever rewrites a log can call a command a command line.
/// So a command line counts only when every measurement of PCR 8 is explained by its text, one text alone is labelled
/// as a kernel's, the one `linux` command that ran has the same arguments, and no command
/// chose something else to boot.
///
/// systemd-stub and Linux's EFI stub hash a command line that the log does not carry; compare the digests of PCR 9, 11
/// and 12 with those of the expected one instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "command-line")]
pub enum CommandLine<'a> {
    /// PCR 8 does not match, or nothing in it is labelled as a command line.
    Unknown,
    /// The command line.
    Bound {
        /// The kernel's path in GRUB's notation and its arguments.
        text: &'a str,
        /// Where.
        place: Place,
    },
    /// Events of PCR 8 that contradict each other, or that no text explains.
    Contradicted {
        /// The event that speaks against it.
        place: Place,
    },
}

/// Reads PCR 8 in order.
#[derive(Debug, Default)]
pub(super) struct CommandLineEvents<'a> {
    kernel: Option<(&'a [u8], Place)>,
    command: Option<(&'a [u8], Place)>,
    contradicted: Option<Place>,
    /// A text of systemd-boot before 252, which measured into PCR 8: no contradiction where GRUB did not.
    systemd_boot: Option<Place>,
}

impl<'a> CommandLineEvents<'a> {
    pub(super) fn see(&mut self, seen: &Seen<'a>) {
        let place = seen.place();
        let Some((label, text)) = bound_text(seen) else {
            let whose = if is_systemd_boots(seen) { &mut self.systemd_boot } else { &mut self.contradicted };
            whose.get_or_insert(place);
            return;
        };
        if starts_another(text) {
            self.contradicted.get_or_insert(place);
        }
        let twice = if KERNEL_LABELS.contains(&label) {
            self.kernel.replace((text, place)).is_some()
        } else {
            linux_arguments(text).is_some_and(|arguments| self.command.replace((arguments, place)).is_some())
        };
        if twice {
            self.contradicted.get_or_insert(place);
        }
    }

    pub(super) fn conclude(self) -> CommandLine<'a> {
        let of_grub = self.kernel.is_some() || self.command.is_some();
        match self.contradicted.or(self.systemd_boot.filter(|_| of_grub)) {
            Some(place) => CommandLine::Contradicted { place },
            None => conclude(self.kernel, self.command),
        }
    }
}

fn conclude<'a>(kernel: Option<(&'a [u8], Place)>, command: Option<(&'a [u8], Place)>) -> CommandLine<'a> {
    match (kernel, command) {
        (None, None) => CommandLine::Unknown,
        (None, Some((_, place))) | (Some((_, place)), None) => CommandLine::Contradicted { place },
        (Some((text, place)), Some((arguments, _))) => match std::str::from_utf8(text) {
            Ok(text) if same_words(text.as_bytes(), arguments) => CommandLine::Bound { text, place },
            _ => CommandLine::Contradicted { place },
        },
    }
}

fn is_systemd_boots(seen: &Seen<'_>) -> bool {
    let text = matches!(seen.event().typed(), Ok(EventData::Ipl(Ipl::Utf16(_))));
    text && seen.binding() == Binding::Bound(Portion::Whole)
}

/// A label and the text that the digest covers.
fn bound_text<'a>(seen: &Seen<'a>) -> Option<(&'static str, &'a [u8])> {
    let bound = matches!(seen.binding(), Binding::Bound(Portion::Text | Portion::TextWithNul));
    match seen.event().typed() {
        Ok(EventData::Ipl(Ipl::Labelled { label, text })) if bound => Some((label, text)),
        _ => None,
    }
}

/// The arguments of GRUB's commands that load a Linux kernel.
fn linux_arguments(text: &[u8]) -> Option<&[u8]> {
    ["linux ", "linuxefi ", "linux16 "].iter().find_map(|command| text.strip_prefix(command.as_bytes()))
}

/// GRUB's commands that choose something else than a Linux kernel to boot: the last of all these commands decides, so that
/// a kernel's command line beside one of them is not that of the running kernel.
fn starts_another(text: &[u8]) -> bool {
    const COMMANDS: [&[u8]; 14] = [
        b"chainloader",
        b"pxechainloader",
        b"appleloader",
        b"multiboot",
        b"multiboot2",
        b"xen_hypervisor",
        b"kfreebsd",
        b"knetbsd",
        b"kopenbsd",
        b"xnu_kernel",
        b"xnu_kernel64",
        b"legacy_kernel",
        b"legacy_kernel_nounzip",
        b"ntldr",
    ];
    let command = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    COMMANDS.contains(&command)
}

/// GRUB quotes and escapes words of the command line that hold spaces, and not those of the command it logs.
fn same_words(command_line: &[u8], arguments: &[u8]) -> bool {
    let plain =
        |text: &[u8]| text.iter().copied().filter(|b| !matches!(b, b'"' | b'\'' | b'\\')).collect::<Vec<_>>();
    plain(command_line) == plain(arguments)
}
