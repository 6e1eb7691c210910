use std::sync::OnceLock;

use update_verify::bundle::{LogPolicy, PublicKey, Signer, TrustedRoot, verify_artifact};
use update_verify::{CHUNK_SIZE, Manifest, PackageReader, TrustPolicy, check_path};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvcyuZL7uG1rFtYr65ln765YbSzM9\n\
3q/Y3tDVhkxJaJXBWoWhXficVOCCoR4fgDbuAZ8JQeqf1TaSGt5tWW3lIQ==\n\
-----END PUBLIC KEY-----\n";

/// The whole way of a package: header, bundle, signature, manifest, chunks. Nobody has the private half of the key, so
/// nothing may ever come out; that is what is asserted.
pub fn package(data: &[u8]) {
    static ROOT: OnceLock<TrustedRoot> = OnceLock::new();
    let key = PublicKey::from_pem(KEY).expect("a public key");
    if let Ok(reader) = PackageReader::open(data) {
        let _ = reader.unverified_manifest();
        let time = "2026-05-01T00:00:00Z".parse().expect("a time");
        let policy = TrustPolicy::new(vec![key.clone()], "station", "ws-2", time, time).expect("a policy");
        assert!(reader.verify(&policy).is_err());
    }
    // The same bytes as a bundle of the general kind.
    let root = ROOT.get_or_init(|| TrustedRoot::public_good().expect("the embedded root"));
    let signer = Signer::Key { key, log: LogPolicy::NotRequired };
    assert!(verify_artifact(b"artifact".as_slice(), data, &signer, root).is_err());
}

/// The manifest's parser: any bytes give a value or an error, and what is accepted keeps the format's rules.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else { return };
    assert!(manifest.release() > 0);
    assert!(!manifest.hardware().is_empty());
    let files = manifest.files();
    assert!(files.iter().is_sorted_by(|a, b| a.path() < b.path()));
    for file in files {
        assert_eq!(check_path(file.path()), Ok(()));
        assert_eq!(u64::try_from(file.chunks().len()), Ok(file.size().div_ceil(CHUNK_SIZE)));
    }
    for module in manifest.modules() {
        assert!(files.iter().any(|file| file.path() == module.path() && file.is_executable()));
    }
}
