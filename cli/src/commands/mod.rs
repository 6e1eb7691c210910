//! One file for each command.

pub(crate) mod appraise;
pub(crate) mod attest;
pub(crate) mod bundle;
pub(crate) mod ca;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod eventlog;
pub(crate) mod identity;
pub(crate) mod ima;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod module;
pub(crate) mod policy;
pub(crate) mod provision;
pub(crate) mod quote;
pub(crate) mod reference;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod sim;
pub(crate) mod update;
