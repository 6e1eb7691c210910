//! The trustworthiness vector of draft-ietf-rats-ar4si-10 §2.3, and how an appraisal fills it.
//!
//! Only what was judged makes a claim. A value is one that the draft defines; docs/src/formats/result.md has the table.

use crate::appraisal::{Appraisal, PcrStanding, Reported, Verdict};

/// A tier of trust, from good to bad (AR4SI §2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Nothing is said.
    None,
    /// As it should be.
    Affirming,
    /// A person should look at it.
    Warning,
    /// As it must not be.
    Contraindicated,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 4] = [Self::None, Self::Affirming, Self::Warning, Self::Contraindicated];

    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Affirming => "affirming",
            Self::Warning => "warning",
            Self::Contraindicated => "contraindicated",
        }
    }

    /// The number in CBOR.
    #[must_use]
    pub const fn number(self) -> i8 {
        match self {
            Self::None => 0,
            Self::Affirming => 2,
            Self::Warning => 32,
            Self::Contraindicated => 96,
        }
    }

    /// The tier of a claim's value; what is not a value of the draft is none.
    #[must_use]
    pub const fn of_value(value: i8) -> Self {
        match value {
            2..=31 => Self::Affirming,
            32..=95 => Self::Warning,
            96..=127 => Self::Contraindicated,
            _ => Self::None,
        }
    }
}

/// The aspects, in the order of their numbers in CBOR: AR4SI §2.3.4.
pub(super) const ASPECTS: [&str; 8] = [
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
];

const INSTANCE: usize = 0;
const CONFIGURATION: usize = 1;
const EXECUTABLES: usize = 2;
const FILES: usize = 3;
const HARDWARE: usize = 4;

/// "Cryptographic validation of the evidence has failed", of every aspect.
const CRYPTOGRAPHY_FAILED: i8 = 99;

/// The least value of the tier [`Tier::Contraindicated`].
const CONTRAINDICATED: i8 = 96;
/// "Passed, but there are warnings", of hardware, configuration and files.
const TOLERATED: i8 = 32;
/// Executables that nobody recognises.
const UNRECOGNISED: i8 = 33;

/// Firmware and option ROMs.
const HARDWARE_PCRS: &[u8] = &[0, 2];
/// Boot loader, kernel and what they load.
const BOOT_PCRS: &[u8] = &[4, 9, 11, 13];

/// The aspects that a rule of the policy is about, by its id; `None` for what registers and counts of files tell already.
fn aspects_of_rule(id: &str) -> Option<&'static [usize]> {
    match id {
        "secure-boot" | "setup-mode" | "authorities" | "dbx" | "sbat" | "e10" | "e20" | "q11" => {
            Some(&[CONFIGURATION])
        }
        // A file that was changed while it was read or written, or digests that can be made to fit.
        "i05" | "i10" | "i14" => Some(&[EXECUTABLES, FILES]),
        "i04" => Some(&[EXECUTABLES]),
        _ => None,
    }
}

/// The aspects that cannot be affirming when this is reported.
fn aspects_of(reported: Reported) -> &'static [usize] {
    match reported {
        Reported::Tolerated(pcr) if HARDWARE_PCRS.contains(&pcr.get()) => &[HARDWARE],
        Reported::Tolerated(pcr) if BOOT_PCRS.contains(&pcr.get()) => &[EXECUTABLES],
        // A release that counts no more.
        Reported::Rule("reference") => &[EXECUTABLES],
        // Every other rule for files.
        Reported::Rule(id) if id.starts_with('i') => aspects_of_rule(id).unwrap_or(&[EXECUTABLES, FILES]),
        // What has no aspect of its own is a matter of configuration: a new rule can't be forgotten here.
        Reported::Rule(id) => aspects_of_rule(id).unwrap_or(&[CONFIGURATION]),
        Reported::Tolerated(_) => &[CONFIGURATION],
    }
}

/// Values for some aspects of a device; an aspect without one was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrustVector([Option<i8>; ASPECTS.len()]);

impl TrustVector {
    /// What an appraisal says of each aspect.
    pub(super) fn of(appraisal: &Appraisal) -> Self {
        let mut vector = Self::default();
        vector.set(INSTANCE, instance(appraisal));
        vector.set(CONFIGURATION, measured(appraisal, &[1, 3, 5, 6, 7, 8, 12, 14, 15], 96));
        let boot = measured(appraisal, BOOT_PCRS, UNRECOGNISED);
        vector.set(EXECUTABLES, executables(appraisal, boot));
        vector.set(FILES, files(appraisal));
        vector.set(HARDWARE, measured(appraisal, HARDWARE_PCRS, 97));
        vector.tell_reactions(appraisal);
        vector
    }

    /// Nothing that the policy wants reported leaves its aspect affirming, and nothing that a rule refuses leaves it better than
    /// contraindicated.
    fn tell_reactions(&mut self, appraisal: &Appraisal) {
        // Before a certified key has signed, there is no device that a rule could have judged.
        if appraisal.attester().is_none() {
            return;
        }
        for reported in appraisal.reported() {
            for aspect in aspects_of(*reported) {
                let value = if *aspect == EXECUTABLES { UNRECOGNISED } else { TOLERATED };
                self.worsen(*aspect, value);
            }
        }
        for aspect in appraisal.refusals().iter().filter_map(|id| aspects_of_rule(id)).flatten() {
            self.worsen(*aspect, CONTRAINDICATED);
        }
    }

    fn worsen(&mut self, aspect: usize, value: i8) {
        self.set(aspect, Some(self.get(aspect).map_or(value, |now| now.max(value))));
    }

    /// The values with the aspects' names, those that were judged only.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, i8)> + '_ {
        ASPECTS.into_iter().zip(self.0).filter_map(|(name, value)| Some((name, value?)))
    }

    /// The worst tier of all values; [`Tier::None`] when there are none.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.values().map(|(_, value)| Tier::of_value(value)).max().unwrap_or(Tier::None)
    }

    pub(super) fn set(&mut self, aspect: usize, value: Option<i8>) {
        if let Some(place) = self.0.get_mut(aspect) {
            *place = value;
        }
    }

    pub(super) fn get(&self, aspect: usize) -> Option<i8> {
        self.0.get(aspect).copied().flatten()
    }
}

/// 2: recognised, since its certified key signed the quote. 99: named by a certificate, and the quote is not good. 97: not
/// even that.
fn instance(appraisal: &Appraisal) -> Option<i8> {
    match (appraisal.attester(), &appraisal.claims().device_id, appraisal.verdict()) {
        (Some(_), _, _) => Some(2),
        (None, _, Verdict::CannotTell) => None,
        (None, Some(_), _) => Some(CRYPTOGRAPHY_FAILED),
        (None, None, _) => Some(97),
    }
}

/// PCRs that the policy judges: 2 when references know all of them, 99 when a log leads elsewhere, `unknown` else; a warning for
/// what a pass has all the same.
fn measured(appraisal: &Appraisal, pcrs: &[u8], unknown: i8) -> Option<i8> {
    let judged = |claim: &&crate::appraisal::PcrClaim| claim.judged && pcrs.contains(&claim.pcr.get());
    let standings: Vec<_> =
        appraisal.claims().pcrs.iter().filter(judged).map(|claim| claim.standing).collect();
    let has = |standing| standings.contains(&standing);
    let passed = appraisal.verdict() == Verdict::Trusted;
    let not_known = [PcrStanding::Differs, PcrStanding::Explained, PcrStanding::Unexplained];
    if standings.is_empty() {
        None
    } else if passed && not_known.into_iter().any(has) {
        // The policy tolerates it by name: a warning in a result that is none of a refusal.
        Some(if unknown < CONTRAINDICATED { unknown } else { TOLERATED })
    } else if has(PcrStanding::Differs) {
        Some(CRYPTOGRAPHY_FAILED)
    } else if standings.iter().all(|standing| *standing == PcrStanding::Known) {
        Some(2)
    } else if has(PcrStanding::Explained) || has(PcrStanding::Unexplained) {
        Some(unknown)
    } else {
        // Nothing was measured into some of them: nothing is claimed.
        None
    }
}

/// 2: boot and files; 3: the boot only; 33: something unknown ran.
fn executables(appraisal: &Appraisal, boot: Option<i8>) -> Option<i8> {
    match (boot, &appraisal.claims().ima) {
        (Some(2), None) => Some(3),
        (Some(2), Some(ima)) if ima.unknown_files > 0 || ima.withdrawn_after > 0 => Some(33),
        (boot, _) => boot,
    }
}

/// 2: only known files were opened; 32: others too. Without a list nothing is claimed.
fn files(appraisal: &Appraisal) -> Option<i8> {
    let ima = appraisal.claims().ima.as_ref()?;
    Some(if ima.unknown_files > 0 || ima.withdrawn_after > 0 { 32 } else { 2 })
}
