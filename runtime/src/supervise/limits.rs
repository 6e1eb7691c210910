//! How patient a supervisor is.

use std::time::Duration;

/// How a supervisor treats its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How often in a row a module that failed is started again.
    pub restarts: u32,
    /// The pause before the first restart; it doubles with each one that follows.
    pub first_pause: Duration,
    /// The longest such pause.
    pub longest_pause: Duration,
    /// How long a module must have run for its failures before to be forgotten.
    pub settled: Duration,
    /// How long a module may take to end after SIGTERM.
    pub grace: Duration,
    /// The shortest pause before asking again for a permit that could not be had.
    pub shortest_retry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            restarts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            settled: Duration::from_secs(300),
            grace: Duration::from_secs(3),
            shortest_retry: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The pause before the restart that follows so many failures.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.first_pause.saturating_mul(factor).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let limits = Limits::default();
        let pauses: Vec<u64> = [0, 1, 2, 6, 40].map(|n| limits.backoff(n).as_secs()).to_vec();
        assert_eq!(pauses, [1, 2, 4, 60, 60]);
    }
}
