//! Events that a PCR must have, against those that it has: whether they are the same, and what differs, in words.

use std::collections::BTreeSet;

use super::values::ReferenceEvent;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::PHASES;
use crate::pcr::PcrIndex;

/// What firmware says between its measurements of PCR 4 (PFP 1.06 §10.4.4).
const BOOT_ATTEMPTS: [&str; 3] = [
    "Calling EFI Application from Boot Option",
    "Returning from EFI Application from Boot Option",
    "Returning from EFI Application",
];

/// What systemd says when the operating system takes over, in every PCR that it does not extend itself (since 259).
const OS_SEPARATOR: &str = "os-separator";
/// What it says in PCR 9 when no NV index is made to serve as a PCR any more.
const NVPCR_SEPARATOR: &str = "nvpcr-separator";

/// The measurements of a PCR that say how far the boot got, and nothing of what was booted.
///
/// They are known by their digests, whatever type the log gives them, so that nothing else can hide under their name
/// (threat e11). Actions of other PCRs are no such steps: a debugger shows itself in PCR 7 by one.
#[derive(Debug)]
pub(crate) struct Steps(Vec<Digest>);

impl Steps {
    pub(crate) fn of(bank: HashAlgorithm, pcr: PcrIndex) -> Self {
        let separators = [[0; 4], [0xFF; 4]].iter().map(|value| bank.digest(value));
        let texts: &[&str] = match pcr.get() {
            4 => &BOOT_ATTEMPTS,
            9 => &[NVPCR_SEPARATOR],
            11 => &PHASES,
            _ => &[],
        };
        let texts = texts.iter().chain([&OS_SEPARATOR]);
        Self(separators.chain(texts.map(|text| bank.digest(text.as_bytes()))).collect())
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.0.contains(digest)
    }
}

/// Whether nothing was measured but steps, of which there are some.
pub(crate) fn only_steps(measured: &[Measured], steps: &Steps) -> bool {
    !measured.is_empty() && measured.iter().all(|event| steps.contains(&event.digest))
}

/// Something that a device measured, with its role in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) digest: Digest,
    pub(crate) role: String,
}

/// Whether exactly the expected events were measured, steps aside.
pub(crate) fn same<'e>(
    expected: impl Iterator<Item = &'e ReferenceEvent>,
    measured: &[Measured],
    steps: &Steps,
) -> bool {
    let expected = expected.map(|event| &event.digest).filter(|digest| !steps.contains(digest));
    let measured = measured.iter().map(|event| &event.digest).filter(|digest| !steps.contains(digest));
    expected.eq(measured)
}

/// What differs: `kernel changed`, `option ROM or driver added`, `initrd missing`. Empty when nothing can be told apart.
pub(crate) fn differences<'e>(
    expected: impl Iterator<Item = &'e ReferenceEvent>,
    measured: &[Measured],
    steps: &Steps,
) -> Vec<String> {
    let expected: Vec<_> = expected.filter(|event| !steps.contains(&event.digest)).collect();
    let known: BTreeSet<_> = expected.iter().map(|event| event.digest).collect();
    let found: BTreeSet<_> = measured.iter().map(|event| event.digest).collect();
    let new = roles(
        measured
            .iter()
            .filter(|event| !known.contains(&event.digest) && !steps.contains(&event.digest))
            .map(|event| event.role.as_str()),
    );
    // Values of version 1 have no roles: what is missing from them can't be told in words.
    let roles_known = expected.iter().all(|event| event.role.is_some());
    let gone = roles(
        expected
            .iter()
            .filter(|event| !found.contains(&event.digest))
            .filter_map(|event| event.role.as_deref()),
    );
    let mut words: Vec<_> = new
        .iter()
        .map(|role| {
            if gone.contains(role) || !roles_known {
                format!("{role} changed")
            } else {
                format!("{role} added")
            }
        })
        .collect();
    words.extend(gone.iter().filter(|role| !new.contains(role)).map(|role| format!("{role} missing")));
    if words.is_empty() && !same(expected.into_iter(), measured, steps) {
        words.push("the order or number of events changed".to_owned());
    }
    words
}

/// Each role once, in the order of the boot.
fn roles<'r>(all: impl Iterator<Item = &'r str>) -> Vec<&'r str> {
    let mut roles = Vec::new();
    for role in all {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANK: HashAlgorithm = HashAlgorithm::Sha256;

    fn expected(events: &[(&str, &str)]) -> Vec<ReferenceEvent> {
        let event = |(role, content): &(&str, &str)| ReferenceEvent {
            pcr: PcrIndex::new(4).unwrap(),
            kind: "EV_IPL".to_owned(),
            digest: BANK.digest(content.as_bytes()),
            description: String::new(),
            role: (!role.is_empty()).then(|| (*role).to_owned()),
        };
        events.iter().map(event).collect()
    }

    fn measured(events: &[(&str, &str)]) -> Vec<Measured> {
        let event = |(role, content): &(&str, &str)| Measured {
            digest: BANK.digest(content.as_bytes()),
            role: (*role).to_owned(),
        };
        events.iter().map(event).collect()
    }

    fn words(pcr: u32, a: &[(&str, &str)], b: &[(&str, &str)]) -> Vec<String> {
        let steps = Steps::of(BANK, PcrIndex::new(pcr).unwrap());
        let (a, b) = (expected(a), measured(b));
        let words = differences(a.iter(), &b, &steps);
        assert_eq!(words.is_empty(), same(a.iter(), &b, &steps));
        words
    }

    #[test]
    fn what_differs_is_said_in_words() {
        let boot = [("kernel", "k1"), ("initrd", "i1")];
        assert_eq!(words(4, &boot, &boot), Vec::<String>::new());
        assert_eq!(words(4, &boot, &[("kernel", "k2"), ("initrd", "i1")]), ["kernel changed"]);
        assert_eq!(words(4, &boot, &boot[..1]), ["initrd missing"]);
        assert_eq!(words(4, &boot[..1], &boot), ["initrd added"]);
        assert_eq!(words(4, &boot, &[boot[1], boot[0]]), ["the order or number of events changed"]);
        assert_eq!(words(4, &boot, &[boot[0], boot[0], boot[1]]), ["the order or number of events changed"]);
        assert_eq!(words(4, &[("", "k1")], &[("kernel", "k2")]), ["kernel changed"]);
    }

    #[test]
    fn e11_only_the_steps_of_a_pcr_stand_aside() {
        let steps = [("x", "\0\0\0\0"), ("x", "Calling EFI Application from Boot Option")];
        assert!(words(4, &[("kernel", "k")], &[steps[0], steps[1], ("kernel", "k")]).is_empty());
        assert!(words(11, &[("kernel", "k")], &[("kernel", "k"), ("x", "enter-initrd")]).is_empty());
        assert_eq!(words(7, &[("db", "k")], &[("db", "k"), steps[1]]), ["x added"]);
        assert_eq!(
            words(7, &[("db", "k")], &[("boot step", "UEFI Debug Mode"), ("db", "k")]),
            ["boot step added"]
        );
        // systemd's separators are steps, the second of PCR 9 only.
        for pcr in [0, 4, 7, 9, 11, 12] {
            assert!(words(pcr, &[("x", "k")], &[("x", "k"), ("x", "os-separator")]).is_empty(), "PCR {pcr}");
        }
        assert!(words(9, &[("x", "k")], &[("x", "k"), ("x", "nvpcr-separator")]).is_empty());
        assert_eq!(words(7, &[("x", "k")], &[("x", "k"), ("y", "nvpcr-separator")]), ["y added"]);
        // The error value is no separator that says that all went well.
        assert_eq!(
            words(7, &[("db", "k")], &[("db", "k"), ("separator", "\x01\0\0\0")]),
            ["separator added"]
        );
    }

    #[test]
    fn e11_what_may_have_nothing_has_steps_at_most() {
        let steps = Steps::of(BANK, PcrIndex::new(12).unwrap());
        let only = |events: &[(&str, &str)]| only_steps(&measured(events), &steps);
        assert!(only(&[("x", "os-separator")]));
        assert!(!only(&[]));
        assert!(!only(&[("x", "os-separator"), ("command line", "debug")]));
        assert!(!only(&[("x", "nvpcr-separator")]));
    }
}
