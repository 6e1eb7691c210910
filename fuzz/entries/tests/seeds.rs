//! Every entry point over its seeds and over seeded mutations of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};

use fuzz_entries::{ENTRIES, Entry};
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Mutations of each entry's seeds, together; fewer of a whole appraisal, which takes a millisecond.
fn rounds(name: &str) -> usize {
    if name == "appraisal" { 20_000 } else { 100_000 }
}

/// Seeds longer than this are run as they are, and mutated as their beginning: the beginning of a log holds its headers,
/// and a hundred thousand copies of a long one take minutes.
const MUTATED: usize = 3072;

/// Random numbers from a fixed seed, so that a failure comes again with the same number.
struct Random(TestRng);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// One to four changes: a byte set, a bit flipped, a piece removed, doubled, moved in from another seed, or filled with
    /// an extreme value.
    fn mutate(&mut self, seed: &[u8], other: &[u8], bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(seed);
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(9).min(bytes.len() - at);
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] = self.0.random(),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 if !other.is_empty() => {
                    let from = self.below(other.len());
                    let to = (from + self.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                _ => bytes[at..at + length].fill(if self.0.random() { 0xFF } else { 0 }),
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files in `fuzz/seeds/NAME`, and the recorded ones.
fn seeds(entry: &Entry) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/seeds").join(entry.name);
    // Entries whose seeds are recorded elsewhere have no folder.
    let files = std::fs::read_dir(&folder).into_iter().flatten();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.extend(entry.recorded.iter().map(|name| root().join("tpm-sim-tests/vectors").join(name)));
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

fn run(name: &str) {
    let (number, entry) = ENTRIES.iter().enumerate().find(|(_, entry)| entry.name == name).unwrap();
    let mut seeds = seeds(entry);
    assert!(!seeds.is_empty(), "{name} has no seed");
    (entry.run)(&[]);
    for seed in &mut seeds {
        (entry.run)(seed);
        seed.truncate(MUTATED);
    }
    let seed = [u8::try_from(number).unwrap() + 1; 16];
    let mut random = Random(TestRng::from_seed(RngAlgorithm::XorShift, &seed));
    let mut bytes = Vec::new();
    for round in 0..rounds(name) {
        let other = &seeds[random.below(seeds.len())];
        random.mutate(&seeds[round % seeds.len()], other, &mut bytes);
        (entry.run)(&bytes);
    }
}

macro_rules! entries {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn every_entry_point_is_tested_and_has_its_fuzz_target() {
            let tested = [$(stringify!($name)),*];
            let names: Vec<_> = ENTRIES.iter().map(|entry| entry.name).collect();
            assert_eq!(names, tested);
            for name in names {
                let target = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
                let text = std::fs::read_to_string(&target).unwrap();
                assert!(text.contains(&format!("fuzz_entries::{name}(data)")), "{name}");
            }
        }
    };
}

entries! {
    appraisal cel certificate chain corim event_data eventlog evidence file_set final_events ima ima_state image inflate ledger
    manifest package path_glob policy quote reference result signature
}
