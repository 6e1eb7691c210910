//! What becomes of lists that were changed: attacks by their number in threats.md, properties, mutations.

mod attacks;
mod boot_aggregate;
mod build;
mod fields;
mod properties;
mod resume;
mod signatures;
mod signers;
mod stream;
