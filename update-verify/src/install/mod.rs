//! Installing on a device: the old release or the new one, complete, whatever happens in between.
//!
//! ```text
//! ROOT/current  -> releases/24-ab12cd34ef56      the release that runs
//! ROOT/pending  -> releases/25-0011223344ff      one that waits for `confirm`
//! ROOT/releases/24-ab12cd34ef56/manifest.json            the exact signed bytes
//!                               manifest.sigstore.json   what signs them
//!                               tree/…                   the files
//! ROOT/.incoming/   a release that is being written     ROOT/.lock   held by the installer at work
//! ```
//!
//! The order, and why a power cut does no harm at any point of it (threat u12):
//!
//! 1. The package is judged, including the rollback floor. Nothing was written.
//! 2. Verified chunks are written to `.incoming`, then every file and folder is synced. A cut leaves a folder that no
//!    link names, and that the next run removes.
//! 3. `.incoming` is renamed to `releases/NAME` and synced. A cut leaves a complete release that no link names.
//! 4. A new link is renamed over `current`: one operation, so that `current` names the old release or the new.
//! 5. The floor is raised. A cut before it leaves the new release running above an old floor, which admits it, and
//!    which [`resume`] raises at the next start. The other order would not be harmless: a cut between raising and
//!    switching would leave a device whose only complete release is below its floor.

mod error;
mod incoming;
mod release;
mod root;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

pub use error::InstallError;
pub use release::InstalledRelease;

use crate::digest::Sha256;
use crate::floor::{Floor, RollbackFloor};
use crate::manifest::Manifest;
use crate::package::{PackageError, PackageReader, VerifiedManifest};
use crate::trust::TrustPolicy;
use root::{Link, LockedRoot, Root};

/// When an installed release becomes the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// At once, and the floor with it.
    AtOnce,
    /// When [`confirm`] says so: until then it is pending, and the floor admits the release before it.
    OnConfirm,
}

/// What an installation has just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The lock is held, and what an interrupted run left was removed or finished.
    Locked,
    /// The package's manifest was accepted.
    Judged {
        /// Bytes that will be written to files.
        payload_len: u64,
    },
    /// The incoming folder was made.
    FolderMade,
    /// A chunk was written that is not its file's last.
    ChunkWritten {
        /// Its bytes.
        len: usize,
    },
    /// A file's last chunk was written, and the file synced.
    FileWritten {
        /// Bytes of the last chunk.
        len: usize,
    },
    /// The manifest and its bundle were written and synced.
    DocumentsWritten,
    /// All folders were synced.
    FoldersSynced,
    /// The release was moved to its place, and that was synced.
    Placed,
    /// The new link was made beside the old one.
    LinkMade,
    /// The new link took the old one's place.
    Switched,
    /// That was synced.
    SwitchSynced,
    /// The floor was raised.
    Raised,
    /// A pending link that has no use any more was removed.
    PendingRemoved,
}

/// Told after each step; `Break` stops the installation there, as a signal would want it.
pub type Observer<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

fn notify(observer: Observer<'_>, step: Step) -> Result<(), InstallError> {
    match observer(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(InstallError::Stopped { after: step }),
    }
}

/// A release as [`status`] and [`install`] tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseInfo {
    /// The version as people read it.
    pub version: String,
    /// The rollback index.
    pub release: u64,
    /// SHA-256 of the manifest.
    pub manifest_digest: Sha256,
}

impl From<&VerifiedManifest> for ReleaseInfo {
    fn from(manifest: &VerifiedManifest) -> Self {
        Self {
            version: manifest.version().to_owned(),
            release: manifest.release(),
            manifest_digest: manifest.digest(),
        }
    }
}

/// What a device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The current release, if any.
    pub current: Option<ReleaseInfo>,
    /// The release that waits to be confirmed, if any.
    pub pending: Option<ReleaseInfo>,
    /// The rollback floor.
    pub floor: Floor,
    /// Whether an update was interrupted before the floor was raised; [`resume`] raises it.
    pub is_floor_behind: bool,
}

/// Verifies `package` while it installs it below `root`.
///
/// # Errors
/// [`InstallError`]. The release that was current still is, and what was written is removed; the one exception is a
/// floor that could not be raised after the switch.
pub fn install<R: Read>(
    root: &Path,
    package: R,
    policy: &TrustPolicy,
    floor: &mut dyn RollbackFloor,
    activation: Activation,
    observer: Observer<'_>,
) -> Result<ReleaseInfo, InstallError> {
    let root = Root::lock(root)?;
    let result = install_locked(&root, package, policy, floor, activation, observer);
    if result.is_err() {
        // The first error is the one to tell; what can't be removed now is removed by the next run.
        let _ = root.clean();
    }
    result
}

fn install_locked<R: Read>(
    root: &LockedRoot,
    package: R,
    policy: &TrustPolicy,
    floor: &mut dyn RollbackFloor,
    activation: Activation,
    observer: Observer<'_>,
) -> Result<ReleaseInfo, InstallError> {
    root.clean()?;
    // An installed release that is damaged or no longer accepted is what an update repairs; a floor is not.
    if let Err(InstallError::Floor(error)) = resume_locked(root, policy, floor) {
        return Err(error.into());
    }
    notify(observer, Step::Locked)?;
    let policy = policy.clone().at_floor(floor.current()?);
    let (manifest, mut payload) = PackageReader::open(package)?.verify(&policy)?;
    notify(observer, Step::Judged { payload_len: manifest.payload_len() })?;
    root.prune()?;
    root.check_space(manifest.payload_len())?;
    incoming::write(root, &manifest, &mut payload, observer)?;
    let name = root.free_name(manifest.release(), &manifest.digest().short())?;
    root.place(&name)?;
    notify(observer, Step::Placed)?;
    match activation {
        Activation::AtOnce => activate(root, &name, &manifest, floor, observer)?,
        Activation::OnConfirm => switch(root, &name, Link::Pending, observer)?,
    }
    Ok(ReleaseInfo::from(&manifest))
}

/// Makes the pending release the current one and raises the floor, so that no older one is accepted again.
///
/// # Errors
/// When there is no pending release, or it is no longer accepted.
pub fn confirm(
    root: &Path,
    policy: &TrustPolicy,
    floor: &mut dyn RollbackFloor,
) -> Result<ReleaseInfo, InstallError> {
    let root = Root::lock(root)?;
    root.clean()?;
    let policy = policy.clone().at_floor(floor.current()?);
    let missing = || InstallError::NoRelease { link: Link::Pending.name() };
    let name = root.read_link(Link::Pending)?.ok_or_else(missing)?;
    let pending = InstalledRelease::load(&root, Link::Pending, &policy)?.ok_or_else(missing)?;
    activate(&root, &name, pending.manifest(), floor, &mut |_| ControlFlow::Continue(()))?;
    Ok(ReleaseInfo::from(pending.manifest()))
}

/// Gives the pending release up; the current one stays. Without a pending release nothing happens.
///
/// # Errors
/// When the file system fails or another installer is at work.
pub fn discard_pending(root: &Path) -> Result<(), InstallError> {
    let root = Root::lock(root)?;
    root.remove_link(Link::Pending)?;
    root.prune()
}

/// Finishes what an interrupted installation left: removes its remains, and raises the floor to the current release.
/// To be called at every start, before [`current`].
///
/// # Errors
/// When the current release is not accepted, or the floor can't be raised.
pub fn resume(root: &Path, policy: &TrustPolicy, floor: &mut dyn RollbackFloor) -> Result<(), InstallError> {
    let root = Root::lock(root)?;
    root.clean()?;
    resume_locked(&root, policy, floor)
}

fn resume_locked(
    root: &LockedRoot,
    policy: &TrustPolicy,
    floor: &mut dyn RollbackFloor,
) -> Result<(), InstallError> {
    let policy = policy.without_floor();
    let Some(current) = InstalledRelease::load(root, Link::Current, &policy)? else { return Ok(()) };
    let standing = floor.current()?;
    if is_behind(&standing, current.manifest()) {
        raise(floor, &standing, current.manifest())?;
    }
    if root.read_link(Link::Pending)? == root.read_link(Link::Current)? {
        root.remove_link(Link::Pending)?;
    }
    Ok(())
}

/// Whether `floor` was not yet raised to an installed release: it stands lower, or at it without its content.
fn is_behind(floor: &Floor, manifest: &Manifest) -> bool {
    floor.release < manifest.release()
        || (floor.release == manifest.release() && floor.manifest_digest.is_none())
}

/// Raising is never further than what would be admitted as an update.
fn raise(
    floor: &mut dyn RollbackFloor,
    standing: &Floor,
    manifest: &VerifiedManifest,
) -> Result<(), InstallError> {
    if standing.release != manifest.release() {
        standing.admit(manifest.release(), manifest.digest()).map_err(PackageError::Rollback)?;
    }
    Ok(floor.raise(manifest.release(), *manifest.digest().as_bytes())?)
}

/// Steps 4 and 5 of the order above.
fn activate(
    root: &LockedRoot,
    name: &str,
    manifest: &VerifiedManifest,
    floor: &mut dyn RollbackFloor,
    observer: Observer<'_>,
) -> Result<(), InstallError> {
    switch(root, name, Link::Current, observer)?;
    floor.raise(manifest.release(), *manifest.digest().as_bytes())?;
    notify(observer, Step::Raised)?;
    root.remove_link(Link::Pending)?;
    notify(observer, Step::PendingRemoved)
}

fn switch(root: &LockedRoot, name: &str, link: Link, observer: Observer<'_>) -> Result<(), InstallError> {
    root.make_link(name)?;
    notify(observer, Step::LinkMade)?;
    root.switch(link)?;
    notify(observer, Step::Switched)?;
    root.sync()?;
    notify(observer, Step::SwitchSynced)
}

/// The current release, its kept manifest verified by `policy`. Give the policy the floor
/// ([`TrustPolicy::at_floor`]), or a disk that was set back is not noticed (threat u04).
///
/// # Errors
/// When nothing is installed, or what is installed is not accepted.
pub fn current(root: &Path, policy: &TrustPolicy) -> Result<InstalledRelease, InstallError> {
    load(root, Link::Current, policy)
}

/// The release that waits to be confirmed, likewise verified: for trying it.
///
/// # Errors
/// When none is pending, or it is not accepted.
pub fn pending(root: &Path, policy: &TrustPolicy) -> Result<InstalledRelease, InstallError> {
    load(root, Link::Pending, policy)
}

fn load(root: &Path, link: Link, policy: &TrustPolicy) -> Result<InstalledRelease, InstallError> {
    InstalledRelease::load(&Root::open(root)?, link, policy)?
        .ok_or(InstallError::NoRelease { link: link.name() })
}

/// What the device has; changes nothing.
///
/// # Errors
/// When an installed manifest is not accepted, or root or floor can't be read.
pub fn status(
    root: &Path,
    policy: &TrustPolicy,
    floor: &mut dyn RollbackFloor,
) -> Result<Status, InstallError> {
    let root = Root::open(root)?;
    let floor = floor.current()?;
    let current = InstalledRelease::load(&root, Link::Current, policy)?;
    let pending = InstalledRelease::load(&root, Link::Pending, policy)?;
    let info = |release: &InstalledRelease| ReleaseInfo::from(release.manifest());
    Ok(Status {
        is_floor_behind: current.as_ref().is_some_and(|release| is_behind(&floor, release.manifest())),
        current: current.as_ref().map(info),
        pending: pending.as_ref().map(info),
        floor,
    })
}
