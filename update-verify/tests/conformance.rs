//! Bundles that sigstore's own clients made, and broken ones that every client must refuse (recorded data, not part of
//! this repository: `HALLMARK_VECTORS`, or `../shared/vectors` beside it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use update_verify::SigningKey;
use update_verify::bundle::{
    BundleError, LogPolicy, PublicKey, Signer, TrustedRoot, VerifiedArtifact, VerifiedSigner, verify_artifact,
};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn vectors() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let named = std::env::var_os("HALLMARK_VECTORS").map(PathBuf::from);
    // Where they are named, they must be there.
    let may_be_missing = named.is_none();
    let folder = named.unwrap_or(beside).join("sigstore");
    if !folder.is_dir() && may_be_missing {
        println!("skipped: no vectors at {}", folder.display());
        return None;
    }
    Some(folder)
}

fn text(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn trusted_root(folder: &Path) -> TrustedRoot {
    text(folder, "trusted_root.json")
        .map_or_else(TrustedRoot::public_good, |json| TrustedRoot::from_json(&json))
        .unwrap()
}

/// `None` when the key itself is refused: one of the recorded keys ends in base64 that is not canonical.
fn signer(folder: &Path, log: LogPolicy) -> Option<Signer> {
    match text(folder, "key.pub") {
        Some(pem) => PublicKey::from_pem(&pem).ok().map(|key| Signer::Key { key, log }),
        None => Some(Signer::Keyless {
            identity: text(folder, "identity").map_or(IDENTITY.into(), |text| text.trim().into()),
            issuer: text(folder, "issuer").map_or(ISSUER.into(), |text| text.trim().into()),
        }),
    }
}

fn artifact(folder: &Path) -> File {
    let own = folder.join("artifact");
    let path = if own.exists() { own } else { folder.parent().unwrap().join("a.txt") };
    File::open(path).unwrap()
}

fn verify(folder: &Path, signer: &Signer) -> Result<VerifiedArtifact, BundleError> {
    let bundle = fs::read(folder.join("bundle.sigstore.json")).unwrap();
    verify_artifact(artifact(folder), &bundle, signer, &trusted_root(folder))
}

#[test]
fn u15_every_recorded_bundle_is_judged_as_its_name_says() {
    let Some(vectors) = vectors() else { return };
    let mut judged = [0, 0];
    let mut wrong = Vec::new();
    for entry in fs::read_dir(vectors).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let is_bad = name.ends_with("_fail");
        judged[usize::from(is_bad)] += 1;
        for log in [LogPolicy::Required, LogPolicy::NotRequired] {
            let Some(signer) = signer(&folder, log) else {
                assert!(is_bad, "{name}: its key is refused");
                continue;
            };
            let result = verify(&folder, &signer);
            match result {
                Ok(verified) if !is_bad => assert!(verified.is_logged(), "{name}"),
                Err(error) if is_bad => assert!(error.is_refusal(), "{name}: {error}"),
                other => wrong.push((name.clone(), other.map(|_| ()))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(judged[0] >= 7 && judged[1] >= 10, "{judged:?}");
}

#[test]
fn u01_the_right_signer_with_a_wrong_issuer_and_the_other_way_round_are_refused() {
    let Some(vectors) = vectors() else { return };
    let folder = vectors.join("happy-path-v0.3");
    for (identity, issuer) in [(IDENTITY, "https://example.com"), ("someone@example.com", ISSUER)] {
        let signer = Signer::Keyless { identity: identity.into(), issuer: issuer.into() };
        let error = verify(&folder, &signer).unwrap_err();
        assert_eq!(error.threat(), Some("u01"), "{error}");
    }
}

#[test]
fn u14_a_bundle_of_another_artifact_is_refused() {
    let Some(vectors) = vectors() else { return };
    for name in ["happy-path-v0.3", "happy-path-intoto-in-dsse-v3", "managed-key-happy-path"] {
        let folder = vectors.join(name);
        let bundle = fs::read(folder.join("bundle.sigstore.json")).unwrap();
        let signer = signer(&folder, LogPolicy::NotRequired).unwrap();
        let error =
            verify_artifact(b"another".as_slice(), &bundle, &signer, &trusted_root(&folder)).unwrap_err();
        assert_eq!(error.threat(), Some("u14"), "{name}: {error}");
    }
}

#[test]
fn u15_a_logged_signature_by_a_key_is_judged_with_its_log_entry_whatever_the_policy() {
    let Some(vectors) = vectors() else { return };
    let folder = vectors.join("managed-key-happy-path");
    let signer = signer(&folder, LogPolicy::NotRequired).unwrap();
    let verified = verify(&folder, &signer).unwrap();
    assert!(matches!(verified.signer(), VerifiedSigner::Key(_)));
    assert!(verified.is_logged() && verified.signed_at().is_some());
    let pair = SigningKey::generate().unwrap();
    let key = PublicKey::from_pem(&pair.public_pem).unwrap();
    for log in [LogPolicy::Required, LogPolicy::NotRequired] {
        let error = verify(&folder, &Signer::Key { key: key.clone(), log }).unwrap_err();
        assert_eq!(error.threat(), Some("u01"), "{error}");
    }
    // The same bundle with a log entry that proves nothing.
    let bundle = text(&folder, "bundle.sigstore.json").unwrap();
    let broken = bundle.replace(r#""treeSize":"649584076""#, r#""treeSize":"649584077""#);
    assert_ne!(bundle, broken);
    let error = verify_artifact(artifact(&folder), broken.as_bytes(), &signer, &trusted_root(&folder));
    assert_eq!(error.unwrap_err().threat(), Some("u15"));
}
