//! Results that must not be believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use proptest::test_runner::{RngAlgorithm, TestRng};
use ring::hmac;
use serde_json::json;

use super::*;

fn check(token: &[u8], key: &ResultKey) -> Result<VerifiedResult, ResultError> {
    verify(token, key, &Expected::default(), now())
}

/// The three parts of a JWT, decoded.
fn open(token: &[u8]) -> (serde_json::Value, serde_json::Value) {
    let text = std::str::from_utf8(token).unwrap();
    let mut parts = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (json(), json())
}

/// A JWT with any header and payload, signed by the verifier's own key.
fn signed(header: &str, payload: &str, signer: &ResultSigner) -> Vec<u8> {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = signer.sign(signed.as_bytes(), &random()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes()
}

fn header(alg: &str, typ: &str) -> String {
    json!({ "alg": alg, "typ": typ, "kid": "k" }).to_string()
}

/// The payload of a good result.
fn payload(signer: &ResultSigner) -> serde_json::Value {
    open(&tokens(&result(identified()), signer)[0]).1
}

/// Verifies a payload that the verifier's own key has signed.
fn check_payload(payload: &str, signer: &ResultSigner) -> Result<VerifiedResult, ResultError> {
    check(&signed(&header("ES256", "eat+jwt"), payload, signer), signer.public())
}

#[test]
fn u01_a_result_of_another_verifier_is_refused() {
    let (ours, theirs) = (signer(), signer());
    for token in tokens(&result(identified()), &theirs) {
        assert!(matches!(check(&token, ours.public()), Err(ResultError::Signature { .. })));
        // A key id is a hint: another one in a token by the right key changes nothing, and ours in theirs neither.
    }
    let named = json!({ "alg": "ES256", "typ": "eat+jwt", "kid": ours.public().id() }).to_string();
    let token = signed(&named, &payload(&theirs).to_string(), &theirs);
    assert!(matches!(check(&token, ours.public()), Err(ResultError::Signature { .. })));
}

#[test]
fn u07_the_token_has_no_say_in_the_algorithm() {
    let (signer, public) = pair(EccCurve::P256);
    let body = payload(&signer).to_string();
    // No signature at all, under every spelling.
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let encoded =
            [header(alg, "eat+jwt"), body.clone()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        for token in [format!("{encoded}."), format!("{encoded}.AA")] {
            let refused = check(token.as_bytes(), signer.public());
            assert!(matches!(refused, Err(ResultError::Algorithm { .. })), "{alg} {refused:?}");
        }
    }
    // The public key as the secret of an HMAC, in the forms that a library might take it.
    let key = PublicKey::from_pem(&public).unwrap();
    for secret in [public.clone().into_bytes(), key.to_spki_der().unwrap(), key.subject_public_key().unwrap()]
    {
        let encoded =
            [header("HS256", "eat+jwt"), body.clone()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), encoded.as_bytes());
        let token = format!("{encoded}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert!(matches!(check(token.as_bytes(), signer.public()), Err(ResultError::Algorithm { .. })));
    }
    // The right key with another algorithm's name.
    for alg in ["ES384", "ES512", "RS256", "PS256", "EdDSA", "ES256K"] {
        let token = signed(&header(alg, "eat+jwt"), &body, &signer);
        assert!(matches!(check(&token, signer.public()), Err(ResultError::Algorithm { .. })), "{alg}");
    }
}

#[test]
fn u07_a_key_of_another_curve_is_not_tried() {
    let (small, _) = pair(EccCurve::P256);
    let (large, _) = pair(EccCurve::P384);
    for token in tokens(&result(identified()), &large) {
        assert!(matches!(
            check(&token, small.public()),
            Err(ResultError::Algorithm { expected: "ES256", .. })
        ));
    }
}

#[test]
fn u07_keys_of_other_kinds_are_no_verifiers_keys() {
    let rsa = PublicKey::rsa(&[0xC3; 256], 65537).to_pem().unwrap();
    assert!(matches!(ResultKey::from_pem(&rsa), Err(ResultError::Key { .. })));
    assert!(ResultKey::from_pem("-----BEGIN PRIVATE KEY-----\n").is_err());
    assert!(ResultSigner::from_pem(&rsa, &random()).is_err());
}

#[test]
fn u14_a_token_of_another_type_by_the_same_key_is_refused() {
    let signer = signer();
    let body = payload(&signer).to_string();
    for typ in ["JWT", "jwt", "EAT+JWT", "eat+cwt", "application/eat+jwt", ""] {
        let token = signed(&header("ES256", typ), &body, &signer);
        assert!(matches!(check(&token, signer.public()), Err(ResultError::Type { .. })), "{typ}");
    }
    let other = payload(&signer).to_string().replace("rats/ear#04", "rats/ear#03");
    assert!(matches!(check_payload(&other, &signer), Err(ResultError::Type { .. })));
    // The signature of a JWT does not fit a CWT, nor the other way round.
    let [jwt, cwt] = tokens(&result(identified()), &signer);
    let jwt = jwt::parse(std::str::from_utf8(&jwt).unwrap()).unwrap();
    let cwt = cwt::parse(&cwt).unwrap();
    assert!(signer.public().verify(&jwt.signed, &cwt.signature, "").is_err());
}

#[test]
fn u03_headers_that_say_more_are_refused() {
    let signer = signer();
    let body = payload(&signer).to_string();
    for header in [
        r#"{"alg":"ES256","typ":"eat+jwt","kid":"k","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","typ":"eat+jwt","kid":"k","b64":false}"#,
        r#"{"alg":"ES256","typ":"eat+jwt","kid":"k","jwk":{"kty":"EC"}}"#,
        r#"{"alg":"ES256","typ":"eat+jwt","kid":"k","x5u":"https://example.org"}"#,
        r#"{"alg":"none","alg":"ES256","typ":"eat+jwt","kid":"k"}"#,
        r#"{"alg":"ES256","typ":"eat+jwt"}"#,
        r#"{"alg":"ES256","typ":"eat+jwt","kid":"k"} {}"#,
        "[]",
    ] {
        let refused = check(&signed(header, &body, &signer), signer.public());
        assert!(matches!(refused, Err(ResultError::Malformed { .. })), "{header}");
    }
}

#[test]
fn u03_claims_that_stand_twice_are_unknown_or_missing_are_refused() {
    let signer = signer();
    let good = payload(&signer).to_string();
    check_payload(&good, &signer).unwrap();
    let twice = |name: &str| {
        let key = format!("\"{name}\":");
        assert!(good.contains(&key), "{name}");
        good.replacen(&key, &format!("{key}0,{key}"), 1)
    };
    for name in ["iat", "exp", "eat_nonce", "cnf", "submods", "ear_status", "kty", "configuration"] {
        let doubled = if name == "configuration" {
            good.replace("\"instance-identity\":2", "\"instance-identity\":2,\"instance-identity\":2")
        } else {
            twice(name)
        };
        assert!(check_payload(&doubled, &signer).is_err(), "{name}");
    }
    // Two submodules, of two names and of the same.
    for name in ["gw-2", "gw-1"] {
        let two = good.replace("\"submods\":{", &format!("\"submods\":{{\"{name}\":{},", submodule(&good)));
        assert!(check_payload(&two, &signer).is_err(), "{name}");
    }
    for change in [
        good.replace("\"iat\"", "\"nbf\""),
        good.replacen('{', "{\"aud\":\"me\",", 1),
        good.replace("affirming", "Affirming"),
        good.replace("\"instance-identity\"", "\"instance\""),
        good.replace("\"instance-identity\":2", "\"instance-identity\":200"),
        good.replace("\"kty\":\"EC\"", "\"kty\":\"OKP\""),
        good.replace("P-256", "P-384"),
        format!("{good} "),
        format!("{good}{{}}"),
        "{}".to_owned(),
    ] {
        // A space behind the JSON text is part of JSON; everything else is not.
        let result = check_payload(&change, &signer);
        assert_eq!(result.is_ok(), change.ends_with(' '), "{change}");
    }
}

fn submodule(payload: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(payload).unwrap();
    json["submods"][DEVICE].to_string()
}

#[test]
fn u03_a_good_status_over_bad_claims_or_without_a_key_is_refused() {
    let signer = signer();
    let good = payload(&signer);
    let mut bad = good.clone();
    bad["submods"][DEVICE]["ear_trustworthiness_vector"]["executables"] = json!(33);
    assert!(check_payload(&bad.to_string(), &signer).is_err());
    bad["submods"][DEVICE]["ear_status"] = json!("warning");
    check_payload(&bad.to_string(), &signer).unwrap();
    let mut nobody = good;
    nobody.as_object_mut().unwrap().remove("cnf");
    assert!(check_payload(&nobody.to_string(), &signer).is_err());
}

#[test]
fn u03_cbor_claims_that_stand_twice_or_are_unknown_are_refused() {
    let signer = signer();
    let [_, token] = tokens(&result(identified()), &signer);
    let parts = cwt::parse(&token).unwrap();
    let good: Value = ciborium::from_reader(parts.payload.as_slice()).unwrap();
    let decode = |value: &Value| {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        cbor::decode(&bytes)
    };
    decode(&good).unwrap();
    let entries = good.as_map().unwrap().clone();
    for at in 0..entries.len() {
        let mut twice = entries.clone();
        twice.push(entries[at].clone());
        assert!(decode(&Value::Map(twice)).is_err(), "{at} twice");
        let mut text = entries.clone();
        text[at].1 = Value::Null;
        assert!(decode(&Value::Map(text)).is_err(), "{at} null");
        let mut missing = entries.clone();
        let (key, _) = missing.remove(at);
        // `cnf` may be missing where no key has signed.
        assert_eq!(decode(&Value::Map(missing)).is_ok(), key == Value::from(8), "{at} missing");
    }
    let mut more = entries;
    more.push((Value::from(3), Value::from("me")));
    assert!(decode(&Value::Map(more)).is_err());
    assert!(cbor::decode(&[parts.payload.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn u03_unsigned_parts_of_a_cwt_are_refused() {
    let signer = signer();
    let [_, token] = tokens(&result(identified()), &signer);
    let mut value: Value = ciborium::from_reader(token.as_slice()).unwrap();
    let Value::Tag(18, inner) = &mut value else { panic!("a tagged COSE_Sign1") };
    inner.as_array_mut().unwrap()[1] = Value::Map(vec![(1.into(), (-7).into())]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&value, &mut bytes).unwrap();
    assert!(matches!(check(&bytes, signer.public()), Err(ResultError::Malformed { .. })));
    // The same array with an indefinite length: another spelling of the same token.
    let mut indefinite = token.clone();
    assert_eq!(indefinite[1], 0x84);
    indefinite[1] = 0x9F;
    indefinite.push(0xFF);
    assert!(check(&indefinite, signer.public()).is_err());
}

#[test]
fn u03_every_flipped_bit_and_every_truncation_is_refused() {
    let signer = signer();
    for token in tokens(&result(identified()), &signer) {
        check(&token, signer.public()).unwrap();
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&changed, signer.public()).is_err(), "bit {bit}");
        }
        for length in 0..token.len() {
            assert!(check(&token[..length], signer.public()).is_err(), "{length}");
        }
        for tail in [&b"\n"[..], b" ", b"=", b".", &[0]] {
            assert!(check(&[token.as_slice(), tail].concat(), signer.public()).is_err(), "{tail:?}");
        }
    }
}

#[test]
fn v01_a_result_for_another_device_nonce_or_policy_is_refused() {
    let signer = signer();
    let other_nonce = Nonce::new(&[8; 32]).unwrap();
    let shorter = Nonce::new(&[7; 31]).unwrap();
    let other_policy = HashAlgorithm::Sha256.digest(b"another");
    let none = Expected::default();
    for token in tokens(&result(identified()), &signer) {
        for expected in [
            Expected { device: Some("gw-2"), ..none },
            Expected { device: Some("gw-"), ..none },
            Expected { nonce: Some(&other_nonce), ..none },
            Expected { nonce: Some(&shorter), ..none },
            Expected { policy: Some(&other_policy), ..none },
        ] {
            let refused = verify(&token, signer.public(), &expected, now()).unwrap_err();
            assert!(matches!(refused, ResultError::Other { .. }), "{refused}");
            assert_eq!((refused.threat(), refused.is_stale()), ("v01", false));
        }
    }
}

#[test]
fn v07_a_verdict_has_an_end_and_a_wrong_clock_is_told_apart() {
    let signer = signer();
    let made = result(identified());
    for token in tokens(&made, &signer) {
        let at = |seconds| {
            let now = now() + SignedDuration::from_secs(seconds);
            verify(&token, signer.public(), &Expected::default(), now)
        };
        at(0).unwrap();
        at(299).unwrap();
        assert!(matches!(at(300), Err(ResultError::Ended { .. })));
        at(-60).unwrap();
        assert!(matches!(at(-61), Err(ResultError::Clock { .. })));
        assert!(at(300).unwrap_err().is_stale() && at(-61).unwrap_err().is_stale());
    }
}

#[test]
fn v07_a_result_that_never_ends_is_refused() {
    let signer = signer();
    let good = payload(&signer);
    let iat = good["iat"].as_i64().unwrap();
    for (life, fine) in
        [(1, true), (86_400, true), (86_401, false), (0, false), (-5, false), (1 << 40, false)]
    {
        let mut changed = good.clone();
        changed["exp"] = json!(iat + life);
        let result = check_payload(&changed.to_string(), &signer);
        assert_eq!(result.is_ok(), fine, "{life} {result:?}");
    }
    for exp in [json!(null), json!("1"), json!(1.5), json!(i64::MAX), json!(u64::MAX)] {
        let mut changed = good.clone();
        changed["exp"] = exp;
        assert!(check_payload(&changed.to_string(), &signer).is_err());
    }
}

#[test]
fn v03_a_huge_result_is_not_even_looked_at() {
    let signer = signer();
    let found = MAX_RESULT + 1;
    assert_eq!(check(&vec![b'a'; found], signer.public()), Err(ResultError::TooLarge { found }));
}

#[test]
fn a_hundred_thousand_mutations_are_refused_and_never_panic() {
    let signer = signer();
    let seeds = tokens(&result(identified()), &signer);
    let payloads = seeds.each_ref().map(|token| match token[0] {
        cwt::FIRST_BYTE => cwt::parse(token).unwrap().payload,
        _ => jwt::parse(std::str::from_utf8(token).unwrap()).unwrap().payload,
    });
    let mut random = TestRng::deterministic_rng(RngAlgorithm::XorShift);
    let mut below = |end: usize| random.random_range(0..end.max(1));
    let mut mutate = |seed: &[u8]| {
        let mut bytes = seed.to_vec();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] ^= 1 << below(8),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, u8::try_from(below(256)).unwrap()),
                _ => bytes[at] = u8::try_from(below(256)).unwrap(),
            }
        }
        bytes
    };
    for round in 0..25_000 {
        for seed in &seeds {
            let changed = mutate(seed);
            // Verifying is slow, so that only some are tried.
            if round % 64 == 0 && changed != *seed {
                assert!(check(&changed, signer.public()).is_err(), "round {round}");
            }
            let _ = unverified(&changed);
        }
        let [json, cbor] = &payloads;
        if let Ok(claims) = json::decode(&mutate(json)) {
            assert_eq!(json::decode(&json::encode(&claims).unwrap()), Ok(claims), "round {round}");
        }
        if let Ok(claims) = cbor::decode(&mutate(cbor)) {
            assert_eq!(cbor::decode(&cbor::encode(&claims).unwrap()), Ok(claims), "round {round}");
        }
    }
}
