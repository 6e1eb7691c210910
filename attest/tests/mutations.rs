//! Recorded quotes against the key that signed them, and evidence with all its parts, changed at random by a fixed seed.
//! What any bytes do to the parsers, the fuzz targets' entry points show (`fuzz/entries`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions
)]

use std::path::{Path, PathBuf};

use attest::evidence::{Evidence, ImaPart, ImaStart, Log, MeasurementKind, MeasurementLog, StartValue};
use attest::key::PublicArea;
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Attest, VerifyingKey};
use serde_bytes::ByteBuf;

const ROUNDS: usize = 100_000;

/// A small generator of our own (xorshift64*), so that a failure comes again with the same number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// One to four changes: a byte set, a bit flipped, a piece removed, doubled or filled with an extreme value.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(9).min(bytes.len() - at);
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = u8::try_from(self.next() & 0xFF).unwrap(),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes[at..at + length].fill(if self.next() & 1 == 0 { 0xFF } else { 0 }),
            }
        }
        bytes
    }
}

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(name);
    read(&path)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn mutated_quotes_are_refused_and_never_panic() {
    let mut random = Random(1);
    for name in ["tpm2-tools-quote-rsa", "tpm2-tools-quote-two-banks", "tpm2-tools-quote-ecc"] {
        let file = |part: &str| vector(&format!("{name}/{part}"));
        let (message, signature, pcrs) = (file("quote.msg"), file("quote.sig"), file("quote.pcrs"));
        let key = PublicArea::parse_tpm2b(&file("ak.pub")).unwrap();
        let verifying = VerifyingKey::bare(key.key().clone()).unwrap();
        for round in 0..ROUNDS / 3 {
            let changed = random.mutate(&message);
            let _ = (Attest::parse_quote(&changed), Attest::parse_certify(&changed));
            let _ = read_pcr_file(&random.mutate(&pcrs), &message);
            let _ = read_pcr_file(&pcrs, &changed);
            let _ = PublicArea::parse(&random.mutate(key.as_bytes()));
            // Verifying is slow, so that only some are tried.
            if round % 64 == 0 && changed != message {
                assert!(verifying.verify(&changed, &signature).is_err(), "round {round}");
            }
        }
    }
}

#[test]
fn mutated_evidence_reads_the_same_or_not_at_all() {
    let evidence = Evidence {
        version: attest::evidence::VERSION,
        quote: attest::evidence::QuoteEvidence {
            message: vector("tpm2-tools-quote-rsa/quote.msg").into(),
            signature: vector("tpm2-tools-quote-rsa/quote.sig").into(),
            pcr_values: vec![vec![0; 32].into(); 3],
        },
        attestation_key: vector("tpm2-tools-quote-rsa/ak.pub").into(),
        certificates: vec![vec![0x30; 40].into()],
        event_log: Some(Log::plain(vector("q35-sha256/eventlog.bin")[..200].to_vec())),
        final_events: Some(Log::plain(vec![1, 0, 0, 0])),
        measurement_logs: vec![MeasurementLog {
            kind: MeasurementKind::Systemd,
            log: Log::packed(br#"{"pcr":11,"digests":[]}"#.repeat(8)),
        }],
        ima: Some(ImaPart {
            list: Log::packed(vector("q35-ima/ima.bin")[..600].to_vec()),
            start: Some(ImaStart {
                offset: 100,
                entries: 1,
                values: vec![StartValue(11, 10, ByteBuf::from([7; 32]))],
            }),
        }),
    };
    let seed = evidence.to_bytes().unwrap();
    let mut random = Random(2);
    for round in 0..ROUNDS {
        if let Ok(read) = Evidence::parse(&random.mutate(&seed)) {
            assert_eq!(Evidence::parse(&read.to_bytes().unwrap()).unwrap(), read, "round {round}");
            let logs = [read.event_log, read.final_events, read.ima.map(|ima| ima.list)];
            for log in logs.into_iter().flatten() {
                let size = log.size();
                assert!(
                    log.bytes(1 << 16).is_ok_and(|bytes| bytes.len() as u64 == size)
                        || log.bytes(1 << 16).is_err()
                );
            }
        }
    }
}
