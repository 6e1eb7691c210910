//! When reference values count: from their start to their end, unless they were withdrawn.

use jiff::Timestamp;
use serde::Serialize;

/// A release that its maker no longer stands by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withdrawn {
    /// Since when.
    pub at: Timestamp,
    /// Why, in the maker's words.
    pub reason: String,
}

/// How reference values stand at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    /// They count.
    Valid,
    /// They do not count yet.
    NotYet {
        /// From when on they do.
        starts: Timestamp,
    },
    /// They have ended.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// They were withdrawn.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
}

impl Standing {
    /// A withdrawal goes before all else once its time has come.
    pub(super) fn of(
        starts: Option<Timestamp>,
        expires: Option<Timestamp>,
        withdrawn: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        if let Some(at) = withdrawn.filter(|at| *at <= now) {
            return Self::Withdrawn { at };
        }
        if let Some(starts) = starts.filter(|starts| *starts > now) {
            return Self::NotYet { starts };
        }
        match expires.filter(|expires| *expires <= now) {
            Some(at) => Self::Expired { at },
            None => Self::Valid,
        }
    }
}

/// Whether something was measured while a release counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Measured {
    /// Afterwards, as far as is known: nothing proves that it was before.
    After,
    /// Before the release ended or was withdrawn: the verifier had seen it by then.
    Before,
}

impl Measured {
    /// `seen` is when the verifier first saw it measured; `until` is when the release ceased to count. What was seen at that very
    /// moment is not proven to have been before (threat i18).
    #[must_use]
    pub fn of(seen: Option<Timestamp>, until: Timestamp) -> Self {
        if seen.is_some_and(|seen| seen < until) { Self::Before } else { Self::After }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_release_counts_from_its_start_to_its_end() {
        let stands = |now| Standing::of(Some(at(10)), Some(at(20)), None, at(now));
        assert_eq!(stands(9), Standing::NotYet { starts: at(10) });
        assert_eq!(stands(10), Standing::Valid);
        assert_eq!(stands(19), Standing::Valid);
        assert_eq!(stands(20), Standing::Expired { at: at(20) });
        assert_eq!(Standing::of(None, None, None, at(0)), Standing::Valid);
    }

    #[test]
    fn a_withdrawal_goes_before_all_else_once_its_time_has_come() {
        let stands = |now| Standing::of(None, Some(at(20)), Some(at(15)), at(now));
        assert_eq!(stands(14), Standing::Valid);
        assert_eq!(stands(15), Standing::Withdrawn { at: at(15) });
        assert_eq!(stands(30), Standing::Withdrawn { at: at(15) });
    }

    #[test]
    fn i18_before_has_to_be_proven() {
        assert_eq!(Measured::of(Some(at(9)), at(10)), Measured::Before);
        assert_eq!(Measured::of(Some(at(10)), at(10)), Measured::After);
        assert_eq!(Measured::of(None, at(10)), Measured::After);
    }
}
