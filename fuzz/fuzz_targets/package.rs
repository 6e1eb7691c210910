//! The whole way of a package: header, bundle, signature, manifest, chunks. Nobody has the private half of the key, so
//! nothing may ever come out; that is what this target asserts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use update_verify::bundle::{LogPolicy, PublicKey, Signer, TrustedRoot, verify_artifact};
use update_verify::{PackageReader, TrustPolicy};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvcyuZL7uG1rFtYr65ln765YbSzM9\n\
3q/Y3tDVhkxJaJXBWoWhXficVOCCoR4fgDbuAZ8JQeqf1TaSGt5tWW3lIQ==\n\
-----END PUBLIC KEY-----\n";

fuzz_target!(|data: &[u8]| {
    let key = PublicKey::from_pem(KEY).expect("a public key");
    if let Ok(reader) = PackageReader::open(data) {
        let _ = reader.unverified_manifest();
        let time = "2026-05-01T00:00:00Z".parse().expect("a time");
        let policy = TrustPolicy::new(vec![key.clone()], "station", "ws-2", time, time).expect("a policy");
        assert!(reader.verify(&policy).is_err());
    }
    // The same bytes as a bundle of the general kind.
    let root = TrustedRoot::public_good().expect("the embedded root");
    let signer = Signer::Key { key, log: LogPolicy::NotRequired };
    assert!(verify_artifact(b"artifact".as_slice(), data, &signer, &root).is_err());
});
