//! The kernel's command line against the policy's, by the rule of the loader that measured it (threat e19).

use super::facts::one_of;
use crate::appraisal::Reason;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{CommandLine, Facts, escaped};
use crate::pcr::PcrIndex;

/// Why the command line is none of `allowed`; `None` when it is, or when the policy does not ask.
///
/// Whoever runs can write all that a loader would have measured into a PCR that the true loader left alone, and leave the
/// true loader's PCR out of the quote. So only loaders of `judged` PCRs count, and each that has a command line needs a good
/// one: a good text in GRUB's PCR must not hide what overrides an image's.
pub(super) fn judge(allowed: &[String], judged: &[PcrIndex], facts: &Facts<'_>) -> Option<Reason> {
    if allowed.is_empty() {
        return None;
    }
    let is_judged = |index: u8| judged.iter().any(|pcr| pcr.get() == index);
    let rule = Rule { allowed, facts };
    let grub = is_judged(8).then(|| rule.grub()).flatten();
    let image = is_judged(11).then(|| rule.image()).flatten();
    let stub = is_judged(9).then(|| rule.efi_stub()).flatten();
    match (grub, image) {
        // The image's own EFI stub repeats what the image gave it, each version in its way.
        (None, None) => stub.unwrap_or_else(|| Some(rule.none_proven(&is_judged))),
        (grub, image) => grub.flatten().or_else(|| image.flatten()),
    }
}

/// What a loader's measurements say: `None` without any, `Some(None)` of an allowed command line.
type Finding = Option<Option<Reason>>;

struct Rule<'r, 'a> {
    allowed: &'r [String],
    facts: &'r Facts<'a>,
}

impl Rule<'_, '_> {
    fn reason(&self, id: &'static str, pcr: u8, what: &str, found: &str) -> Reason {
        Reason {
            id,
            what: what.to_owned(),
            place: format!("PCR {pcr} ({})", self.facts.bank()),
            expected: one_of(self.allowed),
            found: escaped(found.chars()),
        }
    }

    fn grub(&self) -> Finding {
        match self.facts.command_line() {
            CommandLine::Bound { text, .. } if self.allowed.iter().any(|line| line == text) => Some(None),
            CommandLine::Bound { text, .. } => {
                let what = "the policy does not know the command line";
                Some(Some(self.reason("command-line", 8, what, text)))
            }
            CommandLine::Contradicted { place } => {
                let what = "its events contradict each other, so that no command line is proven";
                Some(Some(self.reason("e19", 8, what, &format!("event {}", place.event))))
            }
            CommandLine::Unknown => None,
        }
    }

    fn image(&self) -> Finding {
        let sections = self.facts.uki_sections()?;
        let Some(section) = sections.iter().find(|section| section.name == ".cmdline") else {
            return Some(Some(self.reason("command-line", 11, "the image has no command line", "")));
        };
        let bank = self.facts.bank();
        if !self.allowed.iter().any(|line| section_digests(bank, line).contains(&section.digest)) {
            let what = "the policy does not know the image's command line";
            return Some(Some(self.reason("command-line", 11, what, &section.digest.to_string())));
        }
        let what = "the image's command line may be overridden";
        Some(overridden(self.allowed, self.facts).map(|found| self.reason("command-line", 12, what, &found)))
    }

    fn efi_stub(&self) -> Finding {
        let (options, bank) = (self.facts.efi_stub()?.load_options, self.facts.bank());
        if self.allowed.iter().any(|line| option_digests(bank, line).contains(&options)) {
            return Some(None);
        }
        let what = "the policy does not know the command line that was measured";
        Some(Some(self.reason("command-line", 9, what, &options.to_string())))
    }

    fn none_proven(&self, is_judged: &impl Fn(u8) -> bool) -> Reason {
        if [8, 9, 11].into_iter().any(is_judged) {
            return self.reason("command-line", 8, "no loader's measurements prove a command line", "");
        }
        let what = "the policy names command lines and judges none of PCR 8 (GRUB), 9 (Linux's EFI stub) and 11 (unified \
                    kernel images); add the loader's to quote.pcrs";
        self.reason("command-line", 8, what, "")
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
