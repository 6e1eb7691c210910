//! How much of what a device chooses stands in a report: the first of each kind are named, the rest is counted (threat v03).

/// How many of a kind a report names.
pub(super) const NAMED: usize = 10;

/// How many of one kind there were so far.
#[derive(Debug, Default)]
pub(super) struct Named {
    found: usize,
}

impl Named {
    /// Counts one; whether it is among those that are named.
    pub(super) const fn names_next(&mut self) -> bool {
        self.found = self.found.saturating_add(1);
        self.found <= NAMED
    }

    /// Counts those that were not named in a note; `what` they are, in the plural.
    pub(super) fn count_rest(&self, what: &str, notes: &mut Vec<String>) {
        if let Some(more) = self.found.checked_sub(NAMED).filter(|more| *more > 0) {
            notes.push(format!("{more} more {what}"));
        }
    }
}
