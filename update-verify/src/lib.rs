//! Update packages: made and signed in a CI job, verified and installed on a device that is offline and has little memory.
//!
//! ```text
//! folder + description ──pack──▶ .hmk ──sign──▶ signed .hmk
//!
//! .hmk ──PackageReader::open──▶ header, manifest, bundle        bounded, nothing believed
//!      ──verify(&TrustPolicy)─▶ VerifiedManifest + Payload      signature, target, time, rollback floor
//!      ──next_chunk───────────▶ VerifiedChunk                   the only form in which bytes come out
//!      ──install──────────────▶ releases/…, current, floor      a power cut leaves the old or the new release
//! ```
//!
//! The format is described in `docs/src/formats/package.md`. Verifying is pure: time, trust and floor are arguments.
//! The only input and output is in [`mod@pack`], [`sign`] and [`install`].
//!
//! ```
//! use update_verify::{PackageError, PackageReader, TrustPolicy};
//!
//! /// Adds up the verified bytes of a package without ever holding more than one chunk.
//! fn weigh(package: impl std::io::Read, policy: &TrustPolicy) -> Result<usize, PackageError> {
//!     let (manifest, mut payload) = PackageReader::open(package)?.verify(policy)?;
//!     println!("{} {} (release {})", manifest.product(), manifest.version(), manifest.release());
//!     let mut total = 0;
//!     while let Some(chunk) = payload.next_chunk()? {
//!         total += chunk.bytes().len();
//!     }
//!     Ok(total)
//! }
//! ```

pub mod bundle;
mod digest;
#[cfg(test)]
mod fixture;
pub mod floor;
mod format;
pub mod install;
mod manifest;
pub mod pack;
mod package;
pub mod sign;
mod trust;

pub use digest::Sha256;
pub use floor::{Floor, FloorError, FloorRefusal, RollbackFloor};
pub use format::{EXTENSION, HEADER_LEN, MAGIC};
pub use manifest::{
    CHUNK_SIZE, FORMAT, FileEntry, MAX_ARG, MAX_ARGS, MAX_COMPONENT, MAX_DEPTH, MAX_FILES, MAX_HARDWARE,
    MAX_MANIFEST, MAX_MODULES, MAX_PATH, Manifest, ManifestError, ModuleEntry, ModuleFault, PathFault,
    check_path,
};
pub use package::{PackageError, PackageReader, Payload, VerifiedChunk, VerifiedManifest};
pub use sign::{SigningKey, sign_package};
pub use trust::{TrustPolicy, TrustPolicyError};
