//! The runtime: starts a release's modules only once the device has passed attestation, and only while it does.
//!
//! ```text
//! InstalledRelease ──from_release──▶ ModuleSet       a verified manifest's modules
//! Appraisal + ModuleSet ──issue────▶ StartPermit     bound to device, boot, policy, modules, and an end
//! ModuleSet ──measure──────────────▶ MeasuredModule  its bytes sealed in memory, and those that were signed
//! MeasuredModule + StartPermit ────▶ running module  the very bytes that were measured
//! ```
//!
//! Each arrow is the only way to what it points to. A [`Supervisor`](supervise::Supervisor) walks them for every module
//! and every restart, asks for a new permit before the old one ends, and stops the modules when there is none.
//!
//! ```no_run
//! use attest::appraisal::Appraisal;
//! use jiff::Timestamp;
//! use runtime::clock::BootTime;
//! use runtime::launch::Launcher;
//! use runtime::module::ModuleSet;
//! use runtime::permit::StartPermit;
//! use runtime::supervise::{Attestation, Ended, Limits, Supervisor};
//! use update_verify::install::InstalledRelease;
//!
//! fn run(
//!     release: &InstalledRelease,
//!     appraisal: &Appraisal,
//!     tpm: impl Attestation,
//! ) -> Result<Ended, runtime::RuntimeError> {
//!     let modules = ModuleSet::from_release(release)?;
//!     let permit = StartPermit::issue(appraisal, &modules, BootTime::now(), Timestamp::now())?;
//!     let launcher = Launcher::this_program(["module-launcher"]);
//!     let state = std::path::Path::new("/var/lib/hallmark");
//!     Ok(Supervisor::new(modules, permit, state, launcher, Limits::default(), tpm)?.run())
//! }
//! ```
//!
//! What a module is and what it may expect is described in `docs/src/formats/module.md`. Linux only.

pub mod clock;
mod error;
#[cfg(test)]
mod fixture;
mod guard;
pub mod launch;
mod log;
pub mod measure;
pub mod module;
pub mod permit;
mod state;
pub mod status;
pub mod supervise;

pub use error::RuntimeError;
pub use log::MAX_LOG;
