mod power_cut;
mod release;
mod rollback;
mod target;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::bundle::BundleError;
use crate::fixture::{
    FILES, Files, MemoryFloor, drain, key, manifest, new_key, package, payload, policy, policy_at, signed,
};
use crate::floor::{FloorError, FloorRefusal};

const CHUNK: usize = 1 << 20;

struct Device {
    _folder: TempDir,
    root: PathBuf,
    floor: MemoryFloor,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        Self { _folder: folder, root, floor: MemoryFloor::new() }
    }

    /// A device that has release `release`.
    fn at(release: u64) -> Self {
        let mut device = Self::new();
        device.install(&package(release)).unwrap();
        device
    }

    fn install(&mut self, package: &[u8]) -> Result<ReleaseInfo, InstallError> {
        self.install_as(package, Activation::AtOnce)
    }

    fn install_as(&mut self, package: &[u8], activation: Activation) -> Result<ReleaseInfo, InstallError> {
        install(&self.root, package, &policy(), &mut self.floor, activation, &mut proceed)
    }

    /// As a power cut after `count` steps leaves it: nothing is cleaned up.
    fn cut_after(&mut self, package: &[u8], count: usize) -> Result<Vec<Step>, InstallError> {
        let root = Root::lock(&self.root).unwrap();
        let mut steps = Vec::new();
        let mut observer = |step| {
            steps.push(step);
            if steps.len() == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        install_locked(&root, package, &policy(), &mut self.floor, Activation::AtOnce, &mut observer)?;
        Ok(steps)
    }

    fn current(&self) -> InstalledRelease {
        let release = current(&self.root, &policy().at_floor(self.floor.floor)).unwrap();
        release.verify_files().unwrap();
        release
    }

    fn resume(&mut self) {
        resume(&self.root, &policy(), &mut self.floor).unwrap();
    }

    fn status(&mut self) -> Status {
        status(&self.root, &policy(), &mut self.floor).unwrap()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Nothing but what belongs there, and exactly the release `release`.
    fn assert_whole(&self, release: u64) {
        assert_eq!(self.current().manifest().release(), release);
        assert_eq!(self.floor.floor.release, release);
        assert_eq!(self.names(""), [".lock", "current", "releases"]);
    }
}

fn proceed(_: Step) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn read(release: &InstalledRelease, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    release.open_file(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn large() -> Vec<u8> {
    (0..2 * CHUNK + 100).map(|n| u8::try_from(n / 1000 % 251).unwrap()).collect()
}

/// Three chunks and small files, so that every kind of step comes up.
fn eventful(release: u64) -> Vec<u8> {
    let big = large();
    let files: Files<'_> =
        &[("a/b/small", b"small", true), ("big", big.as_slice(), false), ("empty", b"", false)];
    signed(&manifest(files, release), &payload(files))
}
