//! The clock that permits end by: time since boot, which nobody sets.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment as time since boot, suspension included (`CLOCK_BOOTTIME`).
///
/// The wall clock can be set back to make a permit last (threat r07), and [`std::time::Instant`] stands still while the
/// device sleeps, so that a permit would outlast a week in a drawer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }

    /// The moment so long after boot.
    #[must_use]
    pub const fn since_boot(time: Duration) -> Self {
        Self(time)
    }

    /// The moment `time` later; the last one there is when that can't be told.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long it is until `later`; zero when that has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_sums_do_not_wrap() {
        let now = BootTime::now();
        assert!(BootTime::now() >= now && now > BootTime::since_boot(Duration::ZERO));
        let later = now.after(Duration::from_secs(5));
        assert_eq!(now.until(later), Duration::from_secs(5));
        assert_eq!(later.until(now), Duration::ZERO);
        assert!(now.after(Duration::MAX) > later);
    }
}
