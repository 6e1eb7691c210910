//! Releases that are really packed, signed and installed, and attestations that answer as they are told.

use std::path::{Path, PathBuf};

use attest::appraisal::Attester;
use attest::key::{Name, PublicArea};
use attest::{Digest, HashAlgorithm};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use update_verify::bundle::sign_managed;
use update_verify::install::{self, Activation, InstallError, InstalledRelease};
use update_verify::pack::{Description, pack_to_file};
use update_verify::{Floor, FloorError, RollbackFloor, SigningKey, TrustPolicy};

use crate::clock::BootTime;
use crate::module::ModuleSet;
use crate::permit::{Passed, Standing, StartPermit};

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An example of this package, which `cargo test -p runtime` builds before the tests run.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo test -p runtime` without `--lib`", path.display());
    path
}

struct NoFloor;

impl RollbackFloor for NoFloor {
    fn current(&mut self) -> Result<Floor, FloorError> {
        Ok(Floor { release: 0, manifest_digest: None })
    }
    fn raise(&mut self, _: u64, _: [u8; 32]) -> Result<(), FloorError> {
        Ok(())
    }
}

/// An installed release in a folder of its own.
pub(crate) struct Release {
    folder: TempDir,
    key: SigningKey,
}

impl Release {
    /// Installs a release with the two example modules at `bin/`, a shell, a script, and the modules that `modules` describes.
    pub(crate) fn install(modules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        std::fs::create_dir_all(content.join("bin")).unwrap();
        for name in ["thermometer", "forwarder"] {
            std::fs::copy(example(name), content.join("bin").join(name)).unwrap();
        }
        std::fs::copy("/bin/sh", content.join("bin/shell")).unwrap();
        let script = content.join("bin/script");
        std::fs::write(&script, "#!/bin/sh\nexec sleep 60\n").unwrap();
        set_mode(&script, 0o755);
        let text = format!(
            "product = \"station\"\nhardware = [\"ws-2\"]\nversion = \"1.0.0\"\nrelease = 1\n{modules}"
        );
        let package = folder.path().join("release.hmk");
        let description = Description::from_toml(&text).unwrap();
        let key = SigningKey::from_pem(&SigningKey::generate().unwrap().private_pem).unwrap();
        pack_to_file(&content, &description, time("2026-05-01T00:00:00Z"), Some(&key), &package).unwrap();
        let release = Self { folder, key };
        let package = std::fs::File::open(package).unwrap();
        let mut go_on = |_| std::ops::ControlFlow::Continue(());
        let root = release.root();
        std::fs::create_dir(&root).unwrap();
        set_mode(&root, 0o755);
        install::install(&root, package, &release.policy(), &mut NoFloor, Activation::AtOnce, &mut go_on)
            .unwrap();
        release
    }

    fn policy(&self) -> TrustPolicy {
        let (now, built) = (time("2026-06-01T00:00:00Z"), time("2026-01-01T00:00:00Z"));
        TrustPolicy::new(vec![self.key.public_key().clone()], "station", "ws-2", now, built).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn load(&self) -> Result<InstalledRelease, InstallError> {
        install::current(&self.root(), &self.policy())
    }

    pub(crate) fn set(&self) -> ModuleSet {
        ModuleSet::from_release(&self.load().unwrap()).unwrap()
    }

    /// A place in the folder of the installed files.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root().join("current/tree").join(path)
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.root().join("current/manifest.json")
    }

    /// Signs whatever stands in the manifest now, as a vendor would who has lost his mind.
    pub(crate) fn sign_manifest_again(&self) {
        let manifest = std::fs::read(self.manifest()).unwrap();
        let bundle = sign_managed(&manifest, &self.key).unwrap();
        std::fs::write(self.root().join("current/manifest.sigstore.json"), bundle).unwrap();
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Names of attestation keys that differ in their policy.
pub(crate) fn key_name(policy: u8) -> Name {
    let mut public = vec![0x00, 0x23, 0x00, 0x0B, 0x00, 0x05, 0x00, 0x72, 0x00, 0x20];
    public.extend([policy; 32]);
    public.extend([0x00, 0x10, 0x00, 0x18, 0x00, 0x0B, 0x00, 0x03, 0x00, 0x10]);
    for coordinate in [1, 2] {
        public.extend([0x00, 0x20]);
        public.extend([coordinate; 32]);
    }
    PublicArea::parse(&public).unwrap().name()
}

pub(crate) fn policy_digest() -> Digest {
    HashAlgorithm::Sha256.digest(b"policy")
}

pub(crate) fn standing() -> Standing {
    Standing { key: key_name(1), reset_count: 7, restart_count: 2, policy_digest: policy_digest() }
}

/// What a passing appraisal of this device at `appraised` leaves.
pub(crate) fn passed(appraised: Timestamp, lifetime: SignedDuration) -> Passed {
    let Standing { key, reset_count, restart_count, policy_digest } = standing();
    let attester = Attester { device_id: "ws-0001".into(), key, reset_count, restart_count };
    Passed { attester, policy_digest, appraised, lifetime }
}

/// A permit from now on.
pub(crate) fn permit(set: &ModuleSet, lifetime: SignedDuration) -> StartPermit {
    let now = Timestamp::now();
    StartPermit::of_passed(passed(now, lifetime), set, BootTime::now(), now).unwrap()
}
