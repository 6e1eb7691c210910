//! Tests over whole logs, and what makes logs for them.

pub(crate) mod attacks;
pub(crate) mod builder;
pub(crate) mod dynamic_launch;
mod odd_firmware;
pub(crate) mod other_machines;
pub(crate) mod properties;
pub(crate) mod recorded;
pub(crate) mod rewritten_logs;
