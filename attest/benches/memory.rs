//! Memory of replaying an IMA list of ten million entries that nobody ever holds: it is made while it is read.
//!
//! The maker does the hashes that the check needs, so its time is the floor: SHA-1 and SHA-256 of the template data, and
//! one SHA-256 extension.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

use attest::HashAlgorithm;
use attest::ima::{Replayed, Replayer};
use sha1::digest::Digest as _;

const ENTRIES: u32 = 10_000_000;
/// What a stream is read by.
const PIECE: usize = 64 * 1024;
/// Of the issue: 32 MiB.
const MOST: u64 = 32 * 1024 * 1024;
/// An RSA 2048 signature with the 9 bytes before it, as it stands in security.ima.
const SIGNATURE: usize = 9 + 256;
/// Template data: digest field, path of 40 bytes and its zero, signature, each with its length.
const LONGEST: usize = 4 + 40 + 4 + 41 + 4 + SIGNATURE;

/// A list that is written while it is read.
struct Endless {
    signature: &'static [u8],
    left: u32,
    data: Vec<u8>,
    /// The entry that is being read, and how far.
    entry: Vec<u8>,
    read: usize,
    pcr: [u8; 32],
    hashing: Duration,
}

impl Endless {
    fn new(signature: &'static [u8]) -> Self {
        let [data, entry] = [Vec::with_capacity(LONGEST), Vec::with_capacity(LONGEST + 64)];
        Self { signature, left: ENTRIES, data, entry, read: 0, pcr: [0; 32], hashing: Duration::ZERO }
    }

    fn write_next(&mut self) {
        use std::io::Write as _;
        self.left -= 1;
        let number = self.left;
        let mut digest = [0; 32];
        digest.split_at_mut(4).0.copy_from_slice(&number.to_be_bytes());
        self.data.clear();
        sized(&mut self.data, &[b"sha256:\0", &digest]);
        self.data.extend_from_slice(&41_u32.to_le_bytes());
        write!(self.data, "/usr/lib/x86_64-linux-gnu/l{number:010}.so\0").unwrap();
        sized(&mut self.data, &[self.signature]);
        let start = Instant::now();
        let listed = sha1::Sha1::digest(&self.data);
        let mut both = [0; 64];
        both.split_at_mut(32).0.copy_from_slice(&self.pcr);
        both.split_at_mut(32).1.copy_from_slice(&sha2::Sha256::digest(&self.data));
        self.pcr = sha2::Sha256::digest(both).into();
        self.hashing += start.elapsed();
        self.entry.clear();
        self.entry.extend_from_slice(&10_u32.to_le_bytes());
        self.entry.extend_from_slice(&listed);
        sized(&mut self.entry, &[b"ima-sig"]);
        sized(&mut self.entry, &[&self.data]);
        self.read = 0;
    }
}

fn sized(to: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    to.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
    parts.iter().for_each(|part| to.extend_from_slice(part));
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.read == self.entry.len() {
                if self.left == 0 {
                    break;
                }
                self.write_next();
            }
            let (from, to) = (self.entry.split_at(self.read).1, buffer.split_at_mut(filled).1);
            let length = from.len().min(to.len());
            to.split_at_mut(length).0.copy_from_slice(from.split_at(length).0);
            (filled, self.read) = (filled + length, self.read + length);
        }
        Ok(filled)
    }
}

/// What the replay says, how long it took, and how many bytes there were.
fn replay(list: &mut Endless) -> (Replayed, Duration, u64) {
    let mut replayer = Replayer::new(HashAlgorithm::Sha1, &[HashAlgorithm::Sha256.into()]);
    let mut buffer = vec![0; PIECE];
    let (mut spent, mut bytes) = (Duration::ZERO, 0);
    loop {
        let read = list.read(&mut buffer).unwrap();
        if read == 0 {
            return (replayer.finish().unwrap(), spent, bytes);
        }
        bytes += u64::try_from(read).unwrap();
        let start = Instant::now();
        replayer.push(black_box(buffer.split_at(read).0)).unwrap();
        spent += start.elapsed();
    }
}

/// The most memory that this process ever had, in KiB: the program itself and all that the allocator keeps.
fn peak_of_process() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn main() {
    for (name, signature) in [("ima-sig", &[][..]), ("ima-sig, signed", &[7; SIGNATURE])] {
        let mut list = Endless::new(signature);
        let mut replayed = None;
        let memory = allocation_counter::measure(|| replayed = Some(replay(&mut list)));
        let (replayed, spent, bytes) = replayed.unwrap();
        assert_eq!(replayed.entries, usize::try_from(ENTRIES).unwrap());
        let value = replayed.pcrs.iter().next().unwrap().1.as_bytes().to_vec();
        assert_eq!(value, list.pcr, "the PCR that the list leads to");
        let rate = f64::from(ENTRIES) / spent.as_secs_f64() / 1e6;
        let floor = list.hashing.as_secs_f64() / spent.as_secs_f64() * 100.0;
        let process = peak_of_process() * 1024;
        println!(
            "{name:16} {ENTRIES} entries, {} MiB: {rate:.2} million entries/s, {floor:.0} % of the floor; at most {} KiB \
             allocated, process {} KiB; goal: below {} KiB",
            bytes >> 20,
            memory.bytes_max >> 10,
            process >> 10,
            MOST >> 10
        );
        assert!(memory.bytes_max < MOST && process < MOST, "the goal is missed");
    }
}
