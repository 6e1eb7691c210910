//! The kernel's command line as GRUB measured it into PCR 8 (threat e19).

use serde::Serialize;

use super::binding::{Binding, Portion};
use super::data::EventData;
use super::facts::Place;
use super::ipl::{Ipl, KERNEL_LABELS};
use super::measured::{MeasuredBoot, MeasuredEvent};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

/// The command line that GRUB gave to the kernel.
///
/// GRUB's digest covers the text but not the label before it: whoever rewrites a log can call a command a command line.
/// So a command line counts only when every measurement of PCR 8 is explained by its text, one text alone is labelled
/// as a kernel's, and the one `linux` command that ran has the same arguments.
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

pub(super) fn command_line<'a>(boot: &MeasuredBoot<'a>, bank: HashAlgorithm) -> CommandLine<'a> {
    let Some(events) = PcrIndex::new(8).and_then(|pcr| boot.events_of(bank, pcr)) else {
        return CommandLine::Unknown;
    };
    let mut kernel: Option<(&'a [u8], Place)> = None;
    let mut command: Option<(&'a [u8], Place)> = None;
    for measured in events {
        let place = Place::of(measured.event());
        let Some((label, text)) = bound_text(&measured) else { return CommandLine::Contradicted { place } };
        let twice = if KERNEL_LABELS.contains(&label) {
            kernel.replace((text, place)).is_some()
        } else {
            linux_arguments(text).is_some_and(|arguments| command.replace((arguments, place)).is_some())
        };
        if twice {
            return CommandLine::Contradicted { place };
        }
    }
    conclude(kernel, command)
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

/// A label and the text that the digest covers.
fn bound_text<'a>(measured: &MeasuredEvent<'a>) -> Option<(&'static str, &'a [u8])> {
    let bound = matches!(measured.binding(), Binding::Bound(Portion::Text | Portion::TextWithNul));
    match measured.event().typed() {
        Ok(EventData::Ipl(Ipl::Labelled { label, text })) if bound => Some((label, text)),
        _ => None,
    }
}

/// The arguments of GRUB's commands that load a Linux kernel.
fn linux_arguments(text: &[u8]) -> Option<&[u8]> {
    ["linux ", "linuxefi ", "linux16 "].iter().find_map(|command| text.strip_prefix(command.as_bytes()))
}

/// GRUB quotes and escapes words of the command line that hold spaces, and not those of the command it logs.
fn same_words(command_line: &[u8], arguments: &[u8]) -> bool {
    let plain =
        |text: &[u8]| text.iter().copied().filter(|b| !matches!(b, b'"' | b'\'' | b'\\')).collect::<Vec<_>>();
    plain(command_line) == plain(arguments)
}
