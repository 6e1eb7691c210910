//! What the references of a policy, taken together, know of a file.

use jiff::Timestamp;

use super::file_set::FileKey;
use super::standing::{Measured, Standing};
use super::trusted::TrustedReference;

/// What is known of a measured file.
///
/// A package update must not turn a healthy device red: a file is known when any release that counts has it, and a file that was
/// measured while its release still counted is told apart from one that was measured later. Only a verifier that has seen the
/// device before can tell; to everybody else it was later (threat i18).
#[derive(Debug, Clone, Copy)]
pub enum Knowledge<'r> {
    /// No release has it under this path.
    Unknown,
    /// Only releases that count no more have it.
    Lapsed(Lapsed<'r>),
    /// A release that counts has it.
    Known,
}

/// A release that counts no more.
#[derive(Debug, Clone, Copy)]
pub struct Lapsed<'r> {
    /// The release.
    pub reference: &'r TrustedReference,
    /// Whether it was withdrawn; else it ended.
    pub withdrawn: bool,
    /// Since when.
    pub at: Timestamp,
    /// Whether the file, or the boot, was measured before.
    pub measured: Measured,
}

impl<'r> Lapsed<'r> {
    /// What has become of a release; `None` while it counts, or when it does not count yet. `seen` is when the verifier first saw
    /// measured what is asked about.
    #[must_use]
    pub fn of(reference: &'r TrustedReference, now: Timestamp, seen: Option<Timestamp>) -> Option<Self> {
        let (withdrawn, at) = match reference.standing(now) {
            Standing::Withdrawn { at } => (true, at),
            Standing::Expired { at } => (false, at),
            Standing::Valid | Standing::NotYet { .. } => return None,
        };
        let until = reference.counts_until().unwrap_or(at);
        Some(Self { reference, withdrawn, at, measured: Measured::of(seen, until) })
    }

    /// The better, the greater. Before is better than after, whatever happened to the release. A file that was measured while one
    /// of its releases counted is told by one that merely ended; one that was measured after all of them by one that was withdrawn.
    const fn rank(&self) -> (Measured, bool) {
        let told_first = match self.measured {
            Measured::Before => !self.withdrawn,
            Measured::After => self.withdrawn,
        };
        (self.measured, told_first)
    }
}

/// What `references` know at `now` of the file `path` with the digest `key`, which the verifier saw measured at `seen` first.
///
/// `path` is compared as bytes, and the digest with its kind and algorithm (threats i12, i14).
#[must_use]
pub fn knowledge<'r>(
    references: impl IntoIterator<Item = &'r TrustedReference>,
    path: &[u8],
    key: &FileKey<'_>,
    now: Timestamp,
    seen: Option<Timestamp>,
) -> Knowledge<'r> {
    let mut best: Option<Lapsed<'r>> = None;
    for reference in references {
        let has = || reference.files().contains(path, key);
        match reference.standing(now) {
            Standing::NotYet { .. } => {}
            Standing::Valid if has() => return Knowledge::Known,
            Standing::Valid => {}
            Standing::Expired { .. } | Standing::Withdrawn { .. } => {
                let lapsed = Lapsed::of(reference, now, seen)
                    .filter(|lapsed| best.is_none_or(|best| lapsed.rank() > best.rank()));
                if lapsed.is_some() && has() {
                    best = lapsed;
                }
            }
        }
    }
    best.map_or(Knowledge::Unknown, Knowledge::Lapsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;
    use crate::reference::{ReferenceValues, TrustedWithdrawal, Withdrawal, trusted};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn release(name: &str, expires: Option<i64>, path: &str, content: &[u8]) -> TrustedReference {
        let values = ReferenceValues {
            version: 1,
            product: "gateway".to_owned(),
            release: name.to_owned(),
            issued: at(0),
            starts: None,
            expires: expires.map(at),
            bank: HashAlgorithm::Sha256,
            pcrs: [].into(),
            by_events: Vec::new(),
            events: Vec::new(),
            files: [(path.to_owned(), vec![HashAlgorithm::Sha256.digest(content).to_string()])].into(),
            file_sets: Vec::new(),
        };
        TrustedReference::of(values, "key".to_owned(), at(0)).unwrap()
    }

    fn withdrawal(release: &str, second: i64) -> TrustedWithdrawal {
        trusted(Withdrawal {
            version: 1,
            product: "gateway".to_owned(),
            release: release.to_owned(),
            issued: at(0),
            at: at(second),
            reason: "broken".to_owned(),
        })
    }

    /// What is known of `/bin/a`, in one word.
    fn ask(references: &[TrustedReference], content: &[u8], now: i64, seen: Option<i64>) -> String {
        let digest = HashAlgorithm::Sha256.digest(content);
        match knowledge(references, b"/bin/a", &FileKey::contents(&digest), at(now), seen.map(at)) {
            Knowledge::Unknown => "unknown".to_owned(),
            Knowledge::Known => "known".to_owned(),
            Knowledge::Lapsed(Lapsed { reference, withdrawn, at, measured }) => {
                let what = if withdrawn { "withdrawn" } else { "ended" };
                format!("{} {what} {} {measured:?}", reference.values().release, at.as_second())
            }
        }
    }

    #[test]
    fn a_package_update_during_a_roll_out_is_known_before_and_after() {
        let references =
            [release("1.0", Some(100), "/bin/a", b"old"), release("1.1", None, "/bin/a", b"new")];
        assert_eq!(ask(&references, b"old", 60, None), "known");
        assert_eq!(ask(&references, b"new", 60, None), "known");
        // Seen while 1.0 was valid: what it measured then is no fault of the device.
        assert_eq!(ask(&references, b"old", 200, Some(99)), "1.0 ended 100 Before");
        assert_eq!(ask(&references, b"old", 200, Some(100)), "1.0 ended 100 After");
        assert_eq!(ask(&references, b"old", 200, None), "1.0 ended 100 After");
        assert_eq!(ask(&references, b"other", 60, None), "unknown");
    }

    #[test]
    fn i18_a_file_of_a_withdrawn_release_is_told_apart_by_when_it_was_seen() {
        // Of two withdrawals the earlier one counts, in whatever order they come.
        let old = release("1.0", None, "/bin/a", b"old");
        for dates in [[70, 80], [80, 70]] {
            let twice = dates.iter().fold(old.clone(), |old, at| old.withdrawn_by(&withdrawal("1.0", *at)));
            let references =
                [twice, release("1.1", None, "/bin/a", b"new").withdrawn_by(&withdrawal("1.0", 10))];
            assert_eq!(ask(&references, b"old", 69, None), "known");
            assert_eq!(ask(&references, b"old", 70, None), "1.0 withdrawn 70 After");
            assert_eq!(ask(&references, b"old", 90, Some(69)), "1.0 withdrawn 70 Before");
            assert_eq!(ask(&references, b"old", 90, Some(75)), "1.0 withdrawn 70 After");
            assert_eq!(ask(&references, b"new", 90, None), "known");
        }
    }

    #[test]
    fn i18_a_release_that_was_withdrawn_after_its_end_did_not_count_in_between() {
        let references = [release("1.0", Some(50), "/bin/a", b"old").withdrawn_by(&withdrawal("1.0", 70))];
        assert_eq!(ask(&references, b"old", 90, Some(49)), "1.0 withdrawn 70 Before");
        assert_eq!(ask(&references, b"old", 90, Some(60)), "1.0 withdrawn 70 After");
    }

    #[test]
    fn a_file_of_several_lapsed_releases_is_told_by_the_one_that_says_most() {
        let ended = release("1.0", Some(50), "/bin/a", b"x");
        let withdrawn = release("1.1", None, "/bin/a", b"x").withdrawn_by(&withdrawal("1.1", 70));
        for references in [[ended.clone(), withdrawn.clone()], [withdrawn, ended]] {
            assert_eq!(ask(&references, b"x", 90, Some(40)), "1.0 ended 50 Before");
            assert_eq!(ask(&references, b"x", 90, Some(60)), "1.1 withdrawn 70 Before");
            assert_eq!(ask(&references, b"x", 90, None), "1.1 withdrawn 70 After");
        }
    }

    #[test]
    fn i18_values_issued_anew_under_a_withdrawn_name_are_withdrawn_too() {
        let mut again = release("1.0", None, "/bin/a", b"new").values().clone();
        again.issued = at(100);
        let again = TrustedReference::of(again, "key".to_owned(), at(0)).unwrap();
        let references = [again.withdrawn_by(&withdrawal("1.0", 70))];
        assert_eq!(ask(&references, b"new", 120, None), "1.0 withdrawn 70 After");
    }

    #[test]
    fn i12_an_allowed_digest_of_another_release_under_another_path_is_unknown() {
        let references = [release("1.0", None, "/bin/a", b"a"), release("1.1", None, "/bin/b", b"b")];
        assert_eq!(ask(&references, b"a", 1, None), "known");
        assert_eq!(ask(&references, b"b", 1, None), "unknown");
    }
}
