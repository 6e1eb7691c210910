//! Event logs in words and as JSON, for people and for reports; no judgement hangs on anything here.

pub(super) mod describe;
pub(super) mod detail;
pub(super) mod diagnosis;
pub(super) mod diff;
pub(super) mod explain;
mod record_role;
pub(super) mod role;
pub(super) mod view;
