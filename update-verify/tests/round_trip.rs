//! Any folder that can be packed comes out of an installation as it went in; any change to a package is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use update_verify::install::{Activation, current, install};
use update_verify::pack::{Description, pack_to_file};
use update_verify::{
    Floor, FloorError, Manifest, PackageError, PackageReader, RollbackFloor, SigningKey, TrustPolicy,
    sign_package,
};

struct NoFloor;
impl RollbackFloor for NoFloor {
    fn current(&mut self) -> Result<Floor, FloorError> {
        Ok(Floor { release: 0, manifest_digest: None })
    }
    fn raise(&mut self, _: u64, _: [u8; 32]) -> Result<(), FloorError> {
        Ok(())
    }
}

fn time() -> Timestamp {
    "2026-05-01T00:00:00Z".parse().unwrap()
}

fn policy(key: &SigningKey) -> TrustPolicy {
    TrustPolicy::new(vec![key.public_key().clone()], "station", "ws-2", time(), time()).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_pem(&SigningKey::generate().unwrap().private_pem).unwrap()
}

type Tree = BTreeMap<String, (Vec<u8>, bool)>;

fn write_tree(folder: &Path, tree: &Tree) {
    for (path, (bytes, executable)) in tree {
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        let mode = if *executable { 0o755 } else { 0o644 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn packed(folder: &Path, tree: &Tree, key: &SigningKey) -> Vec<u8> {
    let source = folder.join("source");
    fs::create_dir(&source).unwrap();
    write_tree(&source, tree);
    let description = Description {
        product: "station".into(),
        hardware: vec!["ws-2".into()],
        version: "1.0".into(),
        release: 1,
        expires: None,
        modules: Vec::new(),
    };
    let file = folder.join("a.hmk");
    pack_to_file(&source, &description, time(), None, &file).unwrap();
    sign_package(&file, key).unwrap();
    fs::read(file).unwrap()
}

/// Up to 12 files at up to three levels; folders and files are named apart, as the format demands. Some sizes are
/// around the border of a chunk.
fn trees() -> impl Strategy<Value = Tree> {
    let path = ("[a-c]?", "[a-c]?", "[x-z0-9]{1,3}").prop_map(|(a, b, name)| {
        [a, b, format!("{name}.f")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    });
    let size = prop_oneof![8 => 0_usize..200, 1 => (1_usize << 20) - 1..(1 << 20) + 2, 1 => Just(2 << 20)];
    let file = (size, any::<u8>(), any::<bool>())
        .prop_map(|(len, seed, executable)| ((0..len).map(|n| (n / 7) as u8 ^ seed).collect(), executable));
    proptest::collection::btree_map(path, file, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_packed_is_what_is_installed(tree in trees()) {
        let folder = tempfile::tempdir().unwrap();
        let key = key();
        let package = packed(folder.path(), &tree, &key);
        let root = folder.path().join("root");
        let proceed = &mut |_| ControlFlow::Continue(());
        install(&root, package.as_slice(), &policy(&key), &mut NoFloor, Activation::AtOnce, proceed).unwrap();
        let release = current(&root, &policy(&key)).unwrap();
        release.verify_files().unwrap();
        let mut installed = Tree::new();
        for entry in release.manifest().files() {
            let mut bytes = Vec::new();
            release.open_file(entry.path()).unwrap().read_to_end(&mut bytes).unwrap();
            installed.insert(entry.path().to_owned(), (bytes, entry.is_executable()));
        }
        prop_assert_eq!(installed, tree);
    }

    #[test]
    fn no_bytes_make_a_manifest_or_a_package_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Manifest::parse(&bytes);
        prop_assert!(drain(&bytes, &policy(&key())).is_err());
    }
}

/// What the fuzz target `package` does.
fn drain(bytes: &[u8], policy: &TrustPolicy) -> Result<Vec<u8>, PackageError> {
    let (_, mut payload) = PackageReader::open(bytes)?.verify(policy)?;
    let mut out = Vec::new();
    while let Some(chunk) = payload.next_chunk()? {
        out.extend_from_slice(chunk.bytes());
    }
    Ok(out)
}

/// The same mutations on every run.
struct Seeded(TestRng);
impl Seeded {
    fn new() -> Self {
        Self(TestRng::deterministic_rng(RngAlgorithm::XorShift))
    }

    fn next(&mut self, below: usize) -> usize {
        self.0.random_range(0..below.max(1))
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.next(4) {
            let (at, to) = (self.next(bytes.len()), self.next(bytes.len()));
            let (low, high) = (at.min(to), at.max(to));
            match self.next(7) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.next(8),
                1 if !bytes.is_empty() => bytes[at] = self.next(256) as u8,
                2 => bytes.insert(at, self.next(256) as u8),
                3 => drop(bytes.drain(low..high.min(low + 8))),
                4 => {
                    let copy = bytes[low..high.min(low + 64)].to_vec();
                    bytes.splice(at..at, copy);
                }
                5 => bytes.truncate(high),
                _ if !bytes.is_empty() => bytes.swap(at, to),
                _ => {}
            }
        }
    }
}

fn small_tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert("bin/app".into(), (b"#!/bin/sh\n".to_vec(), true));
    tree.insert("etc/empty".into(), (Vec::new(), false));
    tree.insert("etc/note".into(), (b"note".to_vec(), false));
    tree
}

#[test]
fn u02_twenty_thousand_mutations_of_a_package_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let policy = policy(&key);
    let good = packed(folder.path(), &small_tree(), &key);
    let content = drain(&good, &policy).unwrap();
    let mut seeded = Seeded::new();
    let mut changed = 0;
    for round in 0..20_000 {
        let mut bytes = good.clone();
        seeded.mutate(&mut bytes);
        match drain(&bytes, &policy) {
            Ok(out) => assert!(bytes == good && out == content, "mutation {round} was accepted"),
            Err(error) => {
                assert!(error.is_refusal(), "mutation {round}: {error}");
                changed += 1;
            }
        }
    }
    assert!(changed > 19_000, "{changed}");
}

#[test]
fn u03_twenty_thousand_mutations_of_a_manifest_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let package = packed(folder.path(), &small_tree(), &key);
    let (manifest, _) = PackageReader::open(package.as_slice()).unwrap().verify(&policy(&key)).unwrap();
    let mut seeded = Seeded::new();
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = manifest.bytes().to_vec();
        seeded.mutate(&mut bytes);
        match Manifest::parse(&bytes) {
            // What is accepted keeps the rules, whatever it says.
            Ok(parsed) => {
                assert!(parsed.release() > 0 && !parsed.hardware().is_empty());
                assert!(parsed.files().windows(2).all(|pair| pair[0].path() < pair[1].path()));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 15_000, "{refused}");
}
