//! The kernel's command line against the policy's, by the rule of the loader that measured it (threat e19).

use super::facts::one_of;
use crate::appraisal::Reason;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{CommandLine, Facts};

/// Why the command line is none of `allowed`; `None` when it is, or when the policy does not ask.
pub(super) fn judge(allowed: &[String], facts: &Facts<'_>) -> Option<Reason> {
    if allowed.is_empty() {
        return None;
    }
    let bank = facts.bank();
    let reason = |id, pcr: u8, what: &str, found: String| {
        Some(Reason {
            id,
            what: what.to_owned(),
            place: format!("PCR {pcr} ({bank})"),
            expected: one_of(allowed),
            found,
        })
    };
    match facts.command_line() {
        CommandLine::Bound { text, .. } if allowed.iter().any(|line| line == text) => return None,
        CommandLine::Bound { text, .. } => {
            return reason("command-line", 8, "the policy does not know the command line", text.to_owned());
        }
        CommandLine::Contradicted { place } => {
            let found = format!("event {}", place.event);
            return reason(
                "e19",
                8,
                "its events contradict each other, so that no command line is proven",
                found,
            );
        }
        CommandLine::Unknown => {}
    }
    if let Some(sections) = facts.uki_sections() {
        let Some(section) = sections.iter().find(|section| section.name == ".cmdline") else {
            return reason("command-line", 11, "the image has no command line", String::new());
        };
        if !allowed.iter().any(|line| section_digests(bank, line).contains(&section.digest)) {
            let what = "the policy does not know the image's command line";
            return reason("command-line", 11, what, section.digest.to_string());
        }
        return overridden(allowed, facts).map_or_else(
            || None,
            |found| reason("command-line", 12, "the image's command line may be overridden", found),
        );
    }
    match facts.efi_stub() {
        Some(stub) if allowed.iter().any(|line| option_digests(bank, line).contains(&stub.load_options)) => {
            None
        }
        Some(stub) => {
            let what = "the policy does not know the command line that was measured";
            reason("command-line", 9, what, stub.load_options.to_string())
        }
        None => reason("command-line", 8, "no loader's measurements prove a command line", String::new()),
    }
}

/// What PCR 12 has beside the policy's command lines: systemd-stub measures there what overrides or follows the image's.
fn overridden(allowed: &[String], facts: &Facts<'_>) -> Option<String> {
    match facts.overrides() {
        None => Some("PCR 12 is not quoted, or holds something that no text explains".to_owned()),
        Some(texts) => {
            texts.iter().map(|text| text.chars().collect::<String>()).find(|text| !allowed.contains(text))
        }
    }
}

/// A section is hashed as the image has it: tools write the text bare, with a line feed, or with a NUL.
fn section_digests(bank: HashAlgorithm, line: &str) -> [Digest; 4] {
    [&b""[..], b"\n", b"\0", b"\n\0"].map(|end| bank.digest_parts(&[line.as_bytes(), end]))
}

/// Linux's EFI stub hashes the load options as the loader gave them: UTF-16LE, as a rule with a NUL.
fn option_digests(bank: HashAlgorithm, line: &str) -> [Digest; 2] {
    let utf16: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [bank.digest_parts(&[&utf16, &[0, 0]]), bank.digest(&utf16)]
}
