//! The kernel's command line against the policy's, by the rule of the loader that measured it (threat e19).

use super::facts::one_of;
use crate::appraisal::Reason;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{CommandLine, Facts, escaped};
use crate::pcr::PcrIndex;
use crate::policy::{BootRules, Loader};

/// Why the command line is none of the policy's; `None` when it is, or when the policy does not ask.
///
/// Whoever runs can write all that a loader would have measured into a PCR that the true loader left alone, and leave the
/// true loader's PCR out of the quote. So only loaders of `judged` PCRs count, only the one that the policy names where it names
/// one, and each that has a command line needs a good one: a good text in GRUB's PCR must not hide what Linux's own stub was given.
pub(super) fn judge(rules: &BootRules, judged: &[PcrIndex], facts: &Facts<'_>) -> Option<Reason> {
    if rules.command_line.is_empty() {
        return None;
    }
    let counts = |loader: Loader| {
        rules.loader.is_none_or(|named| named == loader) && judged.iter().any(|pcr| pcr.get() == loader.pcr())
    };
    let rule = Rule { allowed: &rules.command_line, facts };
    let findings = [
        counts(Loader::Grub).then(|| rule.grub()).flatten(),
        counts(Loader::Uki).then(|| rule.image()).flatten(),
        counts(Loader::EfiStub).then(|| rule.efi_stub(counts(Loader::Uki))).flatten(),
    ];
    if findings.iter().all(Option::is_none) {
        return Some(rule.none_proven(rules.loader, &|index| judged.iter().any(|pcr| pcr.get() == index)));
    }
    findings.into_iter().flatten().flatten().next()
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

    /// `by_image` where what an image's loader measured counts as well.
    fn efi_stub(&self, by_image: bool) -> Finding {
        let (options, bank) = (self.facts.efi_stub()?.load_options, self.facts.bank());
        // GRUB puts a name before the line that it measured.
        let forms =
            |line: &str| [option_digests(bank, line), option_digests(bank, &format!("BOOT_IMAGE={line}"))];
        let is_given = |line: &str| forms(line).concat().contains(&options);
        let added = if by_image { self.added() } else { Vec::new() };
        let appended = |line: &String| {
            (0..added.len())
                .filter_map(|from| added.get(from..))
                .any(|texts| is_given(&format!("{line} {}", texts.join(" "))))
        };
        if self.allowed.iter().any(|line| is_given(line) || appended(line)) {
            return Some(None);
        }
        let what = "the policy does not know the command line that was measured";
        Some(Some(self.reason("command-line", 9, what, &options.to_string())))
    }

    /// What systemd-stub appends to an image's line, or puts in its place: allowed lines, or nothing. Whoever runs can extend PCR 12
    /// with whatever the true line goes on with.
    fn added(&self) -> Vec<String> {
        let texts =
            self.facts.overrides().filter(|_| self.facts.uki_sections().is_some()).unwrap_or_default();
        let texts: Vec<String> = texts.iter().map(|text| text.chars().collect()).collect();
        if texts.iter().all(|text| self.allowed.contains(text)) { texts } else { Vec::new() }
    }

    fn none_proven(&self, named: Option<Loader>, is_judged: &impl Fn(u8) -> bool) -> Reason {
        if let Some(loader) = named.filter(|loader| is_judged(loader.pcr())) {
            let what = "the measurements of the policy's loader prove no command line (boot.loader)";
            return self.reason("command-line", loader.pcr(), what, "");
        }
        if Loader::ALL.iter().any(|(_, pcr)| is_judged(*pcr)) {
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
