//! The modules of a verified release: which programs, with which bytes, arguments, environment and wiring.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use attest::{Digest, HashAlgorithm};
use update_verify::install::InstalledRelease;
use update_verify::{Manifest, ModuleEntry, Sha256};

use crate::error::RuntimeError;

/// Separates this digest from every other use of SHA-256.
const DIGEST_DOMAIN: &[u8] = b"hallmark module set 1";

/// A program of a verified release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    entry: ModuleEntry,
    sha256: Sha256,
    size: u64,
}

impl Module {
    /// `[a-z0-9-]{1,64}`, unique in its set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// Path of its file in the release.
    #[must_use]
    pub fn path(&self) -> &str {
        self.entry.path()
    }

    /// SHA-256 of its file.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Size of its file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Arguments after the program's name.
    #[must_use]
    pub fn args(&self) -> &[String] {
        self.entry.args()
    }

    /// Its environment, but for `HALLMARK_MODULE`.
    #[must_use]
    pub fn env(&self) -> &BTreeMap<String, String> {
        self.entry.env()
    }

    /// The module whose standard output it reads.
    #[must_use]
    pub fn stdin(&self) -> Option<&str> {
        self.entry.stdin()
    }
}

/// The modules of one installed release whose manifest was verified, in the manifest's order.
///
/// A manifest that is only well-formed is not enough (threat r03):
/// ```compile_fail
/// fn skip_verification(manifest: &update_verify::Manifest) {
///     runtime::module::ModuleSet::from_release(manifest);
/// }
/// ```
#[derive(Debug)]
pub struct ModuleSet {
    modules: Vec<Module>,
    digest: Digest,
    folder: OwnedFd,
    location: PathBuf,
    release: String,
}

impl ModuleSet {
    /// The modules of `release`. Their files are not looked at yet.
    ///
    /// # Errors
    /// When the release has no module, or its folder can't be held open.
    pub fn from_release(release: &InstalledRelease) -> Result<Self, RuntimeError> {
        let manifest: &Manifest = release.manifest();
        let modules =
            manifest.modules().iter().map(|entry| module(manifest, entry)).collect::<Result<Vec<_>, _>>()?;
        let name = format!("{} {} (release {})", manifest.product(), manifest.version(), manifest.release());
        if modules.is_empty() {
            return Err(RuntimeError::NoModules { release: name });
        }
        let folder = release.folder().try_clone_to_owned().map_err(|source| RuntimeError::Io {
            doing: "open",
            path: release.path().to_owned(),
            source,
        })?;
        let digest = digest(&modules);
        Ok(Self { modules, digest, folder, location: release.path().to_owned(), release: name })
    }

    /// The modules.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name() == name)
    }

    /// SHA-256 over every module's name, path, file digest, arguments, environment and wiring. It changes with each of
    /// them, and with their order.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Product, version and release number, for people.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Where the folder is, for messages.
    /// The folder that its files are in; no two installations share one.
    #[must_use]
    pub fn location(&self) -> &Path {
        &self.location
    }
}

fn module(manifest: &Manifest, entry: &ModuleEntry) -> Result<Module, RuntimeError> {
    let file = manifest
        .files()
        .iter()
        .find(|file| file.path() == entry.path())
        .ok_or_else(|| RuntimeError::NoSuchModule { module: entry.name().to_owned() })?;
    Ok(Module { entry: entry.clone(), sha256: file.sha256(), size: file.size() })
}

/// Every part is preceded by its length and every list by its number, so that no two sets give the same bytes.
fn digest(modules: &[Module]) -> Digest {
    let mut bytes = Vec::new();
    put(&mut bytes, DIGEST_DOMAIN);
    put_count(&mut bytes, modules.len());
    for module in modules {
        put(&mut bytes, module.name().as_bytes());
        put(&mut bytes, module.path().as_bytes());
        put(&mut bytes, module.sha256().as_bytes());
        put_count(&mut bytes, module.args().len());
        module.args().iter().for_each(|arg| put(&mut bytes, arg.as_bytes()));
        put_count(&mut bytes, module.env().len());
        for (name, value) in module.env() {
            put(&mut bytes, name.as_bytes());
            put(&mut bytes, value.as_bytes());
        }
        put_count(&mut bytes, usize::from(module.stdin().is_some()));
        module.stdin().into_iter().for_each(|source| put(&mut bytes, source.as_bytes()));
    }
    HashAlgorithm::Sha256.digest(&bytes)
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    put_count(bytes, part.len());
    bytes.extend_from_slice(part);
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&u64::try_from(count).unwrap_or(u64::MAX).to_be_bytes());
}
