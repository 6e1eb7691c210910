use std::io::{self, Read};

use serde_json::{Value, json};

use super::*;
use crate::fixture::{key, new_key};

const DOCUMENT: &[u8] = b"a document";

fn good() -> Value {
    serde_json::from_slice(&sign_managed(DOCUMENT, key()).unwrap()).unwrap()
}

fn judge(bundle: &Value) -> Result<SignedBy, BundleError> {
    verify_managed(DOCUMENT, &serde_json::to_vec(bundle).unwrap(), &[key().public_key().clone()])
}

fn by_key(log: LogPolicy) -> Signer {
    Signer::Key { key: key().public_key().clone(), log }
}

fn root() -> TrustedRoot {
    TrustedRoot::public_good().unwrap()
}

#[test]
fn one_of_several_trusted_keys_is_enough_and_is_named() {
    let other = new_key();
    let keys = [other.public_key().clone(), key().public_key().clone()];
    let bundle = sign_managed(DOCUMENT, key()).unwrap();
    assert_eq!(verify_managed(DOCUMENT, &bundle, &keys).unwrap().key(), key().public_key().id());
    assert!(matches!(verify_managed(DOCUMENT, &bundle, &keys[..1]), Err(BundleError::UnknownKey { .. })));
    assert!(matches!(verify_managed(DOCUMENT, &bundle, &[]), Err(BundleError::UnknownKey { .. })));
}

#[test]
fn u14_a_bundle_of_another_document_is_refused() {
    let error =
        verify_managed(b"another", &sign_managed(DOCUMENT, key()).unwrap(), &[key().public_key().clone()]);
    assert!(matches!(error, Err(BundleError::OtherArtifact)));
    assert_eq!(error.unwrap_err().threat(), Some("u14"));
}

#[test]
fn u14_an_attestation_is_not_a_signature_of_the_document() {
    let mut bundle = good();
    bundle.as_object_mut().unwrap().remove("messageSignature");
    bundle["dsseEnvelope"] = json!({"payload": "YSBkb2N1bWVudA==", "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": good()["messageSignature"]["signature"]}]});
    let error = judge(&bundle).unwrap_err();
    assert!(matches!(error, BundleError::NotMessageSignature), "{error}");
    assert_eq!(error.threat(), Some("u14"));
    // Both at once: whichever the parser picks first, the shape refuses.
    bundle["messageSignature"] = good()["messageSignature"].clone();
    assert!(judge(&bundle).is_err());
}

#[test]
fn u01_a_certificate_does_not_stand_in_for_the_managed_key() {
    let mut bundle = good();
    bundle["verificationMaterial"] = json!({"certificate": {"rawBytes": "AAAA"}});
    assert!(matches!(judge(&bundle), Err(BundleError::NotManaged)));
}

#[test]
fn u07_the_bundle_has_no_say_in_the_algorithm() {
    for name in ["SHA2_384", "SHA2_512"] {
        let mut bundle = good();
        bundle["messageSignature"]["messageDigest"]["algorithm"] = json!(name);
        let error = judge(&bundle).unwrap_err();
        assert!(matches!(error, BundleError::DigestAlgorithm { .. }), "{error}");
        assert_eq!(error.threat(), Some("u07"));
        let bytes = serde_json::to_vec(&bundle).unwrap();
        let error = verify_artifact(DOCUMENT, &bytes, &by_key(LogPolicy::NotRequired), &root()).unwrap_err();
        assert!(matches!(error, BundleError::DigestAlgorithm { .. }), "{error}");
    }
    for name in ["SHA1", "MD5", "none", "", "HASH_ALGORITHM_UNSPECIFIED"] {
        let mut bundle = good();
        bundle["messageSignature"]["messageDigest"]["algorithm"] = json!(name);
        assert!(judge(&bundle).is_err(), "{name}");
    }
    let mut bundle = good();
    bundle["messageSignature"]["signature"] = json!("");
    assert!(judge(&bundle).is_err());
}

#[test]
fn u03_a_bundle_has_one_shape_and_one_spelling() {
    let set = |path: &str, value: Value| {
        let mut bundle = good();
        *bundle.pointer_mut(path).unwrap() = value;
        bundle
    };
    let add = |path: &str, name: &str, value: Value| {
        let mut bundle = good();
        bundle.pointer_mut(path).unwrap()[name] = value;
        bundle
    };
    let signature = good()["messageSignature"]["signature"].as_str().unwrap().to_owned();
    for bad in [
        set("/messageSignature/messageDigest/algorithm", json!("sha256")),
        set("/messageSignature/signature", json!(format!("{signature}="))),
        set("/messageSignature/signature", json!(format!(" {signature}"))),
        set("/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.3")),
        set("/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.2")),
        set("/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.4+json")),
        add("", "extra", json!(1)),
        add("/verificationMaterial", "extra", json!(1)),
        add("/verificationMaterial/publicKey", "extra", json!(1)),
        add("/messageSignature", "extra", json!(1)),
        add("/messageSignature/messageDigest", "extra", json!(1)),
        set("/messageSignature/messageDigest", Value::Null),
        set("/verificationMaterial/tlogEntries", Value::Null),
        set("/verificationMaterial/timestampVerificationData", Value::Null),
        set("/verificationMaterial/publicKey", json!({})),
        json!([]),
        json!({}),
    ] {
        assert!(judge(&bad).is_err(), "{bad}");
    }
    let text = String::from_utf8(sign_managed(DOCUMENT, key()).unwrap()).unwrap();
    let twice = text.replacen(r#""hint":"#, r#""hint":"x","hint":"#, 1);
    assert_ne!(text, twice);
    assert!(verify_managed(DOCUMENT, twice.as_bytes(), &[key().public_key().clone()]).is_err());
}

#[test]
fn u09_a_bundle_beyond_the_limit_is_refused() {
    let long = vec![b' '; usize::try_from(MAX_BUNDLE).unwrap() + 1];
    assert!(matches!(verify_managed(DOCUMENT, &long, &[]), Err(BundleError::TooLong { .. })));
    assert!(verify_managed(DOCUMENT, "[".repeat(1 << 20).as_bytes(), &[]).is_err());
}

#[test]
fn u15_evidence_that_is_not_judged_is_refused() {
    let mut bundle = good();
    bundle["verificationMaterial"]["timestampVerificationData"] =
        json!({"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]});
    let error = judge(&bundle).unwrap_err();
    assert!(matches!(error, BundleError::UnjudgedEvidence), "{error}");
    assert_eq!(error.threat(), Some("u15"));
    // `bundle verify` judges it: a timestamp that does not verify is not ignored.
    let bytes = serde_json::to_vec(&bundle).unwrap();
    assert!(verify_artifact(DOCUMENT, &bytes, &by_key(LogPolicy::NotRequired), &root()).is_err());
}

#[test]
fn u15_a_missing_log_entry_is_refused_when_the_policy_asks_for_it() {
    let bundle = sign_managed(DOCUMENT, key()).unwrap();
    let verified = verify_artifact(DOCUMENT, &bundle, &by_key(LogPolicy::NotRequired), &root()).unwrap();
    assert!(!verified.is_logged());
    assert_eq!(verified.signer(), &VerifiedSigner::Key(key().public_key().id()));
    assert_eq!(verified.content(), &Content::Signature);
    let error = verify_artifact(DOCUMENT, &bundle, &by_key(LogPolicy::Required), &root()).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    assert_eq!(error.threat(), Some("u15"));
}

#[test]
fn u14_an_artifact_of_several_reads_is_bound_to_its_last_byte() {
    let bytes = vec![7; 300_000];
    let bundle = sign_managed(&bytes, key()).unwrap();
    let signer = by_key(LogPolicy::NotRequired);
    verify_artifact(bytes.as_slice(), &bundle, &signer, &root()).unwrap();
    let longer = bytes.as_slice().chain(b"x".as_slice());
    assert!(matches!(verify_artifact(longer, &bundle, &signer, &root()), Err(BundleError::OtherArtifact)));
    let shorter = bytes.as_slice().take(299_999);
    assert!(matches!(verify_artifact(shorter, &bundle, &signer, &root()), Err(BundleError::OtherArtifact)));
}

#[test]
fn u01_a_key_does_not_stand_in_for_an_identity() {
    let bundle = sign_managed(DOCUMENT, key()).unwrap();
    let signer = Signer::Keyless { identity: "a@example.com".into(), issuer: "https://example.com".into() };
    assert!(verify_artifact(DOCUMENT, &bundle, &signer, &root()).unwrap_err().is_refusal());
}

#[test]
fn an_artifact_that_can_not_be_read_is_no_refusal_and_a_bad_root_is() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable"))
        }
    }
    let bundle = sign_managed(DOCUMENT, key()).unwrap();
    let error = verify_artifact(Failing, &bundle, &by_key(LogPolicy::NotRequired), &root()).unwrap_err();
    assert!(matches!(error, BundleError::Read(_)));
    assert!(!error.is_refusal());
    assert!(TrustedRoot::from_json("{}").map(|_| ()).is_err_and(|error| error.is_refusal()));
}
