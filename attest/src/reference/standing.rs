//! When reference values count: from their start to their end, unless they were withdrawn.

use jiff::Timestamp;
use serde::Serialize;

/// A stretch of time: for a device, from the boot that is judged (as far as the verifier knows it) to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its begin.
    pub since: Timestamp,
    /// Its end, the verifier's time.
    pub now: Timestamp,
}

impl Period {
    /// No more than this moment.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { since: now, now }
    }
}

/// A release that its maker no longer stands by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withdrawn {
    /// Since when.
    pub at: Timestamp,
    /// Why, in the maker's words.
    pub reason: String,
}

/// How reference values stand in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    /// They count, or did at some time of the period.
    Valid,
    /// They do not count yet.
    NotYet {
        /// From when on they do.
        starts: Timestamp,
    },
    /// They had ended before the period began.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// They were withdrawn, before the period or in it.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
}

impl Standing {
    pub(super) fn of(
        starts: Option<Timestamp>,
        expires: Option<Timestamp>,
        withdrawn: Option<Timestamp>,
        period: Period,
    ) -> Self {
        if let Some(at) = withdrawn.filter(|at| *at <= period.now) {
            return Self::Withdrawn { at };
        }
        if let Some(starts) = starts.filter(|starts| *starts > period.now) {
            return Self::NotYet { starts };
        }
        match expires.filter(|expires| *expires <= period.since) {
            Some(at) => Self::Expired { at },
            None => Self::Valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_release_counts_when_it_was_valid_at_some_time_since_the_boot() {
        let stands = |since, now| {
            Standing::of(Some(at(10)), Some(at(20)), None, Period { since: at(since), now: at(now) })
        };
        assert_eq!(stands(5, 9), Standing::NotYet { starts: at(10) });
        assert_eq!(stands(5, 10), Standing::Valid);
        assert_eq!(stands(19, 100), Standing::Valid);
        assert_eq!(stands(20, 100), Standing::Expired { at: at(20) });
        assert_eq!(Standing::of(None, None, None, Period::at(at(0))), Standing::Valid);
    }

    #[test]
    fn a_withdrawal_goes_before_all_else_once_its_time_has_come() {
        let stands =
            |now| Standing::of(None, Some(at(20)), Some(at(15)), Period { since: at(5), now: at(now) });
        assert_eq!(stands(14), Standing::Valid);
        assert_eq!(stands(15), Standing::Withdrawn { at: at(15) });
        assert_eq!(stands(30), Standing::Withdrawn { at: at(15) });
    }
}
