//! Packages made by hand for the tests, so that they can be wrong in ways that `pack` would not allow.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bundle::sign_managed;
use crate::digest::Sha256;
use crate::floor::{Floor, FloorError, RollbackFloor};
use crate::format::Header;
use crate::manifest::CHUNK_SIZE;
use crate::package::{PackageError, PackageReader};
use crate::sign::SigningKey;
use crate::trust::TrustPolicy;

pub(crate) type Files<'a> = &'a [(&'a str, &'a [u8], bool)];

/// The files that most tests use: ascending, one empty, one executable.
pub(crate) const FILES: Files<'static> =
    &[("bin/app", b"#!/bin/sh\nexit 0\n", true), ("etc/empty", b"", false), ("etc/note", b"note\n", false)];

pub(crate) fn new_key() -> SigningKey {
    SigningKey::from_pem(&SigningKey::generate().unwrap().private_pem).unwrap()
}

/// The vendor's key, the same for all tests of one run.
pub(crate) fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(new_key)
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn policy() -> TrustPolicy {
    policy_at("2026-06-01T00:00:00Z")
}

pub(crate) fn policy_at(now: &str) -> TrustPolicy {
    let keys = vec![key().public_key().clone()];
    TrustPolicy::new(keys, "station", "ws-2", time(now), time("2026-01-01T00:00:00Z")).unwrap()
}

pub(crate) fn file_entry(path: &str, bytes: &[u8], executable: bool) -> Value {
    let chunks: Vec<String> =
        bytes.chunks(CHUNK_SIZE.try_into().unwrap()).map(|c| Sha256::of(c).to_hex()).collect();
    json!({"path": path, "size": bytes.len(), "executable": executable,
           "sha256": Sha256::of(bytes).to_hex(), "chunks": chunks})
}

pub(crate) fn manifest(files: Files<'_>, release: u64) -> Value {
    let entries: Vec<Value> = files.iter().map(|(p, b, x)| file_entry(p, b, *x)).collect();
    json!({"format": 1, "product": "station", "hardware": ["ws-1", "ws-2"], "version": format!("1.{release}.0"),
           "release": release, "created": "2026-05-01T00:00:00Z", "files": entries, "modules": []})
}

pub(crate) fn payload(files: Files<'_>) -> Vec<u8> {
    files.iter().flat_map(|(_, bytes, _)| bytes.iter().copied()).collect()
}

pub(crate) fn assemble(manifest: &[u8], bundle: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = Header::new(manifest, bundle).unwrap().to_bytes();
    [header.as_slice(), manifest, bundle, payload].concat()
}

/// `manifest` as compact JSON, signed by the vendor, with `payload` behind it.
pub(crate) fn signed(manifest: &Value, payload: &[u8]) -> Vec<u8> {
    let manifest = serde_json::to_vec(manifest).unwrap();
    assemble(&manifest, &sign_managed(&manifest, key()).unwrap(), payload)
}

/// A whole and right package.
pub(crate) fn package(release: u64) -> Vec<u8> {
    signed(&manifest(FILES, release), &payload(FILES))
}

/// Verifies to the end and returns what came out before it ended.
pub(crate) fn drain(bytes: &[u8], policy: &TrustPolicy) -> (Vec<u8>, Result<(), PackageError>) {
    let mut out = Vec::new();
    let result = drain_into(bytes, policy, &mut out);
    (out, result)
}

fn drain_into(bytes: &[u8], policy: &TrustPolicy, out: &mut Vec<u8>) -> Result<(), PackageError> {
    let (_, mut payload) = PackageReader::open(bytes)?.verify(policy)?;
    while let Some(chunk) = payload.next_chunk()? {
        out.extend_from_slice(chunk.bytes());
    }
    Ok(())
}

pub(crate) fn refusal(bytes: &[u8], policy: &TrustPolicy) -> PackageError {
    drain(bytes, policy).1.unwrap_err()
}

/// A floor in memory, which can be told to fail as a TPM would.
#[derive(Debug)]
pub(crate) struct MemoryFloor {
    pub(crate) floor: Floor,
    /// `Some(n)`: raising stops after `n` steps of the counter, as in a power cut.
    pub(crate) stops_after: Option<u64>,
}

impl MemoryFloor {
    pub(crate) fn new() -> Self {
        Self { floor: Floor { release: 0, manifest_digest: None }, stops_after: None }
    }
}

impl RollbackFloor for MemoryFloor {
    fn current(&mut self) -> Result<Floor, FloorError> {
        Ok(self.floor)
    }

    fn raise(&mut self, release: u64, manifest_digest: [u8; 32]) -> Result<(), FloorError> {
        assert!(release >= self.floor.release, "a counter does not go back");
        if let Some(steps) = self.stops_after {
            let reached = release.min(self.floor.release + steps);
            if reached > self.floor.release {
                self.floor = Floor { release: reached, manifest_digest: None };
            }
            return Err(FloorError::Unavailable("power cut".into()));
        }
        self.floor = Floor { release, manifest_digest: Some(manifest_digest) };
        Ok(())
    }
}
