use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable as _, iana};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::*;
use crate::key::{EccCurve, PublicKey};

fn map(entries: Vec<(u64, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn tag(number: u64, value: Value) -> Value {
    Value::Tag(number, Box::new(value))
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(values.into_iter().collect())
}

fn digests(content: &[u8]) -> Value {
    let one = |id: u64, algorithm: HashAlgorithm| {
        list([id.into(), Value::Bytes(algorithm.digest(content).as_bytes().to_vec())])
    };
    list([one(1, HashAlgorithm::Sha256), one(7, HashAlgorithm::Sha384)])
}

fn measured(mkey: Value, values: Vec<(u64, Value)>) -> Value {
    map(vec![(0, mkey), (1, map(values))])
}

fn environment() -> Value {
    map(vec![(0, map(vec![(1, "Acme".into()), (2, "Gateway".into())]))])
}

fn good_measurements() -> Vec<Value> {
    vec![
        measured(4_u64.into(), vec![(2, digests(b"loader"))]),
        measured("/usr/bin/run me".into(), vec![(2, digests(b"file"))]),
        map(vec![(1, map(vec![(14, map(vec![(11, digests(b"uki"))]))]))]),
    ]
}

fn comid(measurements: Vec<Value>, more: Vec<(u64, Value)>) -> Value {
    let triples = map(vec![(0, list([list([environment(), Value::Array(measurements)])]))]);
    let mut entries = vec![(1, map(vec![(0, "gateway 1.0".into()), (1, 2_u64.into())])), (4, triples)];
    entries.extend(more);
    tag(COMID, Value::Bytes(encoded(&map(entries))))
}

fn corim(tags: Vec<Value>, more: Vec<(u64, Value)>) -> Vec<u8> {
    let mut entries = vec![(0, "acme 1".into()), (1, Value::Array(tags))];
    entries.extend(more);
    encoded(&tag(UNSIGNED_CORIM, map(entries)))
}

fn good() -> Vec<u8> {
    let time = |second: u64| tag(EPOCH_TIME, second.into());
    let entity = list([map(vec![(0, "Acme".into()), (2, list([1_u64.into()]))])]);
    corim(
        vec![comid(good_measurements(), vec![(0, "en".into()), (2, entity.clone())])],
        vec![(4, map(vec![(0, time(10)), (1, time(99))])), (5, entity)],
    )
}

fn parse(bytes: &[u8]) -> Result<Corim, CorimError> {
    Corim::parse(bytes, &CorimExpected::default())
}

#[test]
fn pcrs_and_files_of_a_corim_are_taken() {
    let corim = parse(&good()).unwrap();
    assert_eq!((corim.id(), corim.environment(), corim.is_signed()), ("acme 1", "Acme Gateway", false));
    assert_eq!(corim.starts(), Timestamp::from_second(10).ok());
    assert_eq!(corim.expires(), Timestamp::from_second(99).ok());
    for bank in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
        let pcrs = corim.pcrs(bank).unwrap();
        let expected = [(4, bank.digest(b"loader")), (11, bank.digest(b"uki"))];
        assert_eq!(pcrs, expected.map(|(pcr, digest)| (PcrIndex::new(pcr).unwrap(), digest)).into());
    }
    assert!(matches!(corim.pcrs(HashAlgorithm::Sha1), Err(CorimError::NotInBank { .. })));
    let mut builder = FileSetBuilder::new();
    assert_eq!(corim.add_files(&mut builder).unwrap(), 2);
    let bytes = builder.finish().unwrap();
    let set = crate::reference::FileSet::open(bytes.as_slice()).unwrap();
    assert!(set.iter().all(|(_, path)| path == b"/usr/bin/run_me"));
}

/// What narrows what the author accepts is refused by its name, and nothing is dropped.
#[test]
fn v08_parts_of_a_corim_that_are_not_taken_are_refused_by_name() {
    let of = |measurement| corim(vec![comid(vec![measurement], vec![])], vec![]);
    let pcr = |key: u64| measured(4_u64.into(), vec![(2, digests(b"x")), (key, 1_u64.into())]);
    let good_pcr = || measured(4_u64.into(), vec![(2, digests(b"x"))]);
    let one = |more| corim(vec![comid(good_measurements(), more)], vec![]);
    let whole = |more| corim(vec![comid(good_measurements(), vec![])], more);
    let triples = |key: u64| {
        let comid = map(vec![(1, map(vec![(0, "a".into())])), (4, map(vec![(key, list([]))]))]);
        corim(vec![tag(COMID, Value::Bytes(encoded(&comid)))], vec![])
    };
    let algorithm = |id: u64| {
        let digest = list([list([id.into(), Value::Bytes(vec![0; 32])])]);
        of(measured(4_u64.into(), vec![(2, digest)]))
    };
    let instance = {
        let triple = list([map(vec![(1, tag(560, Value::Bytes(vec![1])))]), list([good_pcr()])]);
        let comid = map(vec![(1, map(vec![(0, "a".into())])), (4, map(vec![(0, list([triple]))]))]);
        corim(vec![tag(COMID, Value::Bytes(encoded(&comid)))], vec![])
    };
    let two_values = vec![good_pcr(), measured(4_u64.into(), vec![(2, digests(b"y"))])];
    for (bytes, words) in [
        (of(pcr(1)), "svn"),
        (of(pcr(3)), "flags"),
        (of(pcr(4)), "raw-value"),
        (of(pcr(40)), "an extension"),
        (of(measured(24_u64.into(), vec![(2, digests(b"x"))])), "a PCR, 0 to 23"),
        (of(measured("cca.software-component".into(), vec![(2, digests(b"x"))])), "absolute path"),
        (of(measured("/a/../b".into(), vec![(2, digests(b"x"))])), "with .."),
        (of(measured(tag(OID, Value::Bytes(vec![1])), vec![(2, digests(b"x"))])), "an OID"),
        (of(map(vec![(1, map(vec![(2, digests(b"x"))]))])), "without key"),
        (of(measured(4_u64.into(), vec![])), "an empty map"),
        (of(map(vec![(0, 4_u64.into())])), "with values"),
        (of(map(vec![(2, list([])), (0, 4_u64.into())])), "authorized-by"),
        (one(vec![(3, list([]))]), "linked tags"),
        (whole(vec![(2, list([]))]), "dependent RIMs"),
        (whole(vec![(3, tag(URI, "https://example.com/p".into()))]), "profile https://example.com/p"),
        (whole(vec![(6, 1_u64.into())]), "extension"),
        (whole(vec![(0, "twice".into())]), "key 0 of the CoRIM twice"),
        (triples(1), "endorsed triples"),
        (triples(3), "attest-key triples"),
        (triples(0), "an empty list"),
        (algorithm(4), "digest algorithm 4"),
        (algorithm(7), "32 bytes"),
        (instance, "of one device"),
        (corim(vec![comid(two_values, vec![])], vec![]), "PCR 4 has two values"),
        (corim(vec![tag(COSWID, Value::Bytes(vec![]))], vec![]), "CoSWID"),
        (corim(vec![], vec![]), "an empty list"),
        (encoded(&tag(500, map(vec![]))), "tag 500"),
        ([good(), vec![0]].concat(), "document"),
        (vec![0xD9, 0x01, 0xF5, 0xBF, 0xFF], "a definite length"),
    ] {
        let error = parse(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    let known = CorimExpected { profile: Some("https://example.com/p"), ..CorimExpected::default() };
    let bytes = whole(vec![(3, tag(URI, "https://example.com/p".into()))]);
    Corim::parse(&bytes, &known).unwrap();
    assert!(Corim::parse(&good(), &known).is_err());
}

fn key(pair: &EcdsaKeyPair) -> ResultKey {
    let point = pair.public_key().as_ref();
    let key = PublicKey::ecc(EccCurve::P256, &point[1..33], &point[33..]).unwrap();
    ResultKey::from_pem(&key.to_pem().unwrap()).unwrap()
}

fn pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

fn signed(pair: &EcdsaKeyPair, payload: Vec<u8>, algorithm: iana::Algorithm, content_type: &str) -> Vec<u8> {
    let time = |second: u64| tag(EPOCH_TIME, second.into());
    let meta = map(vec![(0, map(vec![(0, "Acme".into())])), (1, map(vec![(1, time(50))]))]);
    let header = HeaderBuilder::new()
        .algorithm(algorithm)
        .content_type(content_type.to_owned())
        .value(8, Value::Bytes(encoded(&meta)))
        .build();
    CoseSign1Builder::new()
        .protected(header)
        .payload(payload)
        .create_signature(b"", |bytes| pair.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec())
        .build()
        .to_tagged_vec()
        .unwrap()
}

#[test]
fn u07_a_signed_corim_counts_with_its_signers_key_only() {
    const TYPE: &str = "application/rim+cbor";
    let pair = pair();
    let (right, other) = (key(&pair), key(&self::pair()));
    let with = |key| CorimExpected { key: Some(key), profile: None };
    let bytes = signed(&pair, good(), iana::Algorithm::ES256, TYPE);
    let corim = Corim::parse(&bytes, &with(&right)).unwrap();
    // The earlier of the document's end and the signature's.
    assert_eq!((corim.is_signed(), corim.expires()), (true, Timestamp::from_second(50).ok()));
    Corim::parse(&[&[0xD9, 0x01, 0xF6], bytes.as_slice()].concat(), &with(&right)).unwrap();
    assert_eq!(parse(&bytes).unwrap_err(), CorimError::KeyNeeded);
    assert_eq!(Corim::parse(&good(), &with(&right)).unwrap_err(), CorimError::Unsigned);
    let refused = |bytes: &[u8], key| match Corim::parse(bytes, &with(key)).unwrap_err() {
        CorimError::Signature(what) => what,
        error => panic!("{error}"),
    };
    assert!(refused(&bytes, &other).contains("not by this key"));
    let at = bytes.windows(4).position(|window| window == b"acme").unwrap();
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    assert!(refused(&changed, &right).contains("not by this key"));
    assert!(refused(&signed(&pair, good(), iana::Algorithm::ES384, TYPE), &right).contains("ES256"));
    let foreign = signed(&pair, good(), iana::Algorithm::ES256, "application/eat+cwt");
    assert!(refused(&foreign, &right).contains("content type"));
}

#[test]
fn a_hundred_thousand_mutations_of_a_corim_never_panic() {
    let seed = good();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut taken = 0;
    for _ in 0..100_000 {
        let mut bytes = seed.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] ^= 1 << random(8),
                1 => bytes[at] = u8::try_from(random(256)).unwrap(),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, u8::try_from(random(256)).unwrap()),
            }
        }
        if let Ok(corim) = parse(&bytes) {
            taken += 1;
            // Whatever is taken has values that can be used.
            assert!(corim.pcrs.values().all(|digests| !digests.is_empty()));
            assert!(corim.files.iter().all(|(path, _)| path.starts_with(b"/")));
        }
    }
    assert!(taken > 0);
}
