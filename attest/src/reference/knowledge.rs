//! What the references of a policy, taken together, know of a file.

use jiff::Timestamp;

use super::file_set::FileKey;
use super::standing::{Period, Standing};
use super::trusted::TrustedReference;

/// What is known of a measured file.
///
/// A package update must not turn a healthy device red: a file is known when any release that counted at some time since
/// the boot has it. Whether a file of a withdrawn release was measured before the withdrawal only a verifier can tell that
/// has seen the device before it; to everybody else it is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// No release has it under this path.
    Unknown,
    /// Only releases that had ended before the period have it; the last of them ended then.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Only withdrawn releases have it; the last of them was withdrawn then.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
    /// A release that counts has it.
    Known,
}

/// What `references` know of the file `path` with the digest `key`, in a period.
///
/// `path` is compared as bytes, and the digest with its kind and algorithm (threats i12, i14).
#[must_use]
pub fn knowledge<'r>(
    references: impl IntoIterator<Item = &'r TrustedReference>,
    path: &[u8],
    key: &FileKey<'_>,
    period: Period,
) -> Knowledge {
    let mut best = Knowledge::Unknown;
    for reference in references {
        let standing = match reference.standing(period) {
            Standing::Valid => Knowledge::Known,
            Standing::Withdrawn { at } => Knowledge::Withdrawn { at },
            Standing::Expired { at } => Knowledge::Expired { at },
            Standing::NotYet { .. } => continue,
        };
        if standing > best && reference.files().contains(path, key) {
            best = standing;
        }
        if best == Knowledge::Known {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;
    use crate::reference::{ReferenceValues, Withdrawal};

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

    #[test]
    fn a_package_update_during_a_roll_out_is_known_before_and_after() {
        let references =
            [release("1.0", Some(100), "/bin/a", b"old"), release("1.1", None, "/bin/a", b"new")];
        let ask = |content: &[u8], since, now| {
            let digest = HashAlgorithm::Sha256.digest(content);
            let period = Period { since: at(since), now: at(now) };
            knowledge(&references, b"/bin/a", &FileKey::contents(&digest), period)
        };
        assert_eq!(ask(b"old", 50, 60), Knowledge::Known);
        assert_eq!(ask(b"new", 50, 60), Knowledge::Known);
        // Booted while 1.0 was valid: what it measured then is no fault of the device.
        assert_eq!(ask(b"old", 99, 200), Knowledge::Known);
        assert_eq!(ask(b"old", 100, 200), Knowledge::Expired { at: at(100) });
        assert_eq!(ask(b"other", 50, 60), Knowledge::Unknown);
    }

    #[test]
    fn a_file_of_a_withdrawn_release_is_told_apart() {
        let withdrawal = |at_second| {
            crate::reference::trusted(Withdrawal {
                version: 1,
                product: "gateway".to_owned(),
                release: "1.0".to_owned(),
                issued: at(0),
                at: at(at_second),
                reason: "broken".to_owned(),
            })
        };
        let old = release("1.0", None, "/bin/a", b"old")
            .withdrawn_by(&withdrawal(70))
            .withdrawn_by(&withdrawal(80));
        let new = release("1.1", None, "/bin/a", b"new").withdrawn_by(&withdrawal(10));
        let ask = |content: &[u8], now| {
            let digest = HashAlgorithm::Sha256.digest(content);
            knowledge([&old, &new], b"/bin/a", &FileKey::contents(&digest), Period::at(at(now)))
        };
        assert_eq!(ask(b"old", 69), Knowledge::Known);
        assert_eq!(ask(b"old", 70), Knowledge::Withdrawn { at: at(70) });
        assert_eq!(ask(b"new", 90), Knowledge::Known);
    }

    #[test]
    fn i12_an_allowed_digest_of_another_release_under_another_path_is_unknown() {
        let references = [release("1.0", None, "/bin/a", b"a"), release("1.1", None, "/bin/b", b"b")];
        let digest = HashAlgorithm::Sha256.digest(b"a");
        let ask = |path| knowledge(&references, path, &FileKey::contents(&digest), Period::at(at(1)));
        assert_eq!(ask(b"/bin/a"), Knowledge::Known);
        assert_eq!(ask(b"/bin/b"), Knowledge::Unknown);
    }
}
