//! All logs of a boot in order, their replay, and the replay against a quote.

pub(super) mod final_events;
pub(super) mod logged;
pub(super) mod logs;
pub(super) mod measured;
pub(super) mod registers;
pub(super) mod separators;
