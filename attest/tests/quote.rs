//! Quotes that tpm2-tools recorded from a simulated TPM, and what becomes of them when they are touched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions
)]

mod recording;

use std::path::PathBuf;

use attest::HashAlgorithm;
use attest::challenge::{Challenge, Nonce};
use attest::key::{AttestationKey, ENDORSEMENT, KeyError, PublicArea, PublicKey};
use attest::pcr::PcrIndex;
use attest::quote::tpm2_tools::{PcrFileError, read_pcr_file};
use attest::quote::{AttestError, Quote, QuoteError, SelectionError, SignatureError, VerifyingKey};
use jiff::SignedDuration;

use recording::{ALL, Recording, now};

#[test]
fn recorded_quotes_verify_and_name_their_values() {
    for name in ALL {
        let recording = Recording::load(name);
        let verified = recording.verify().unwrap_or_else(|error| panic!("{name}: {error}"));
        let pcr0 = PcrIndex::new(0).unwrap();
        assert!(verified.value(HashAlgorithm::Sha256, pcr0).is_some(), "{name}");
        assert_eq!(verified.key(), &recording.key.name(), "{name}");
    }
}

#[test]
fn both_forms_of_the_pcr_file_give_the_same_values() {
    for name in ["tpm2-tools-quote-rsa", "tpm2-tools-quote-ecc", "tpm2-tools-quote-two-banks"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(name);
        let file = std::fs::read(folder.join("quote.pcrs.values")).unwrap();
        let message = std::fs::read(folder.join("quote.msg.values")).unwrap();
        let signature = std::fs::read(folder.join("quote.sig.values")).unwrap();
        let recording = Recording::load(name);
        let values = read_pcr_file(&file, &message).unwrap();
        assert_eq!(values, recording.values(), "{name}");
        let key = VerifyingKey::bare(PublicKey::from_pem(&recording.pem).unwrap()).unwrap();
        let nonce = Nonce::new(&recording.nonce).unwrap();
        Quote { message: &message, signature: &signature }.verify_signed(&nonce, &key, &values).unwrap();
    }
}

#[test]
fn the_recorded_name_is_the_computed_one() {
    for name in ALL {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(name);
        let recorded = std::fs::read(folder.join("ak.name")).unwrap();
        assert_eq!(Recording::load(name).key.name().as_bytes(), recorded, "{name}");
    }
}

#[test]
fn q01_magic_is_not_the_tpms() {
    let recording = Recording::load(ALL[0]);
    let mut message = recording.message.clone();
    message[0] = 0;
    assert!(matches!(
        recording.verify_message(&message),
        QuoteError::Attest(AttestError::Magic { found: 0x0054_4347 })
    ));
}

#[test]
fn q02_another_attestation_passed_off_as_a_quote() {
    let recording = Recording::load(ALL[0]);
    for kind in [0x8014_u16, 0x8017, 0x8019, 0x801A, 0x801C] {
        let mut message = recording.message.clone();
        message[4..6].copy_from_slice(&kind.to_be_bytes());
        let error = recording.verify_message(&message);
        assert!(
            matches!(error, QuoteError::Attest(AttestError::Type { found, expected: 0x8018 }) if found == kind)
        );
    }
}

#[test]
fn q03_old_truncated_and_extended_nonces() {
    let recording = Recording::load(ALL[0]);
    let other = |nonce: Vec<u8>| {
        let challenge = Challenge::new(Nonce::new(&nonce).unwrap(), now(), SignedDuration::from_mins(5));
        recording
            .quote()
            .verify(challenge, now(), &recording.attestation_key(), &recording.values())
            .unwrap_err()
    };
    let truncated = recording.nonce[..recording.nonce.len() - 1].to_vec();
    let extended = [recording.nonce.clone(), vec![0]].concat();
    for nonce in [vec![7; 32], truncated, extended] {
        let error = other(nonce);
        assert!(matches!(error, QuoteError::Nonce { .. }), "{error}");
        assert_eq!(error.threat(), "q03");
    }
}

#[test]
fn q03_a_challenge_ends() {
    let recording = Recording::load(ALL[0]);
    let later = now() + SignedDuration::from_mins(5);
    let error = recording
        .quote()
        .verify(recording.challenge(), later, &recording.attestation_key(), &recording.values())
        .unwrap_err();
    assert!(matches!(error, QuoteError::Expired { .. }));
}

#[test]
fn q04_signature_of_another_scheme_or_hash() {
    let rsa = Recording::load("tpm2-tools-quote-rsa");
    // RSASSA renamed to RSAPSS, SHA-256 renamed to SHA-1 and to SHA-384.
    for (offset, bytes) in [(0, [0x00, 0x16]), (2, [0x00, 0x04]), (2, [0x00, 0x0C]), (0, [0x00, 0x05])] {
        let mut signature = rsa.signature.clone();
        signature[offset..offset + 2].copy_from_slice(&bytes);
        let error = rsa.verify_signature(&signature);
        assert!(matches!(error, QuoteError::Signature(SignatureError::Scheme { .. })), "{error}");
        assert_eq!(error.threat(), "q04");
    }
    let ecc = Recording::load("tpm2-tools-quote-ecc");
    let error = ecc.verify_signature(&rsa.signature);
    assert_eq!(error.threat(), "q04");
}

#[test]
fn q04_r_or_s_zero_or_out_of_range() {
    let recording = Recording::load("tpm2-tools-quote-ecc");
    let rs = |r: &[u8], s: &[u8]| {
        let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        [&[0, 0x18, 0, 0x0B][..], &sized(r), &sized(s)].concat()
    };
    let good_r = &recording.signature[6..38];
    let good_s = &recording.signature[40..72];
    assert_eq!(rs(good_r, good_s), recording.signature);
    for (r, s) in [
        (&[0_u8; 32][..], good_s),
        (good_r, &[0; 32]),
        (&[], good_s),
        (&[0xFF; 32], good_s),
        (good_r, &[0xFF; 32]),
        (&[1; 33], good_s),
    ] {
        let error = recording.verify_signature(&rs(r, s));
        assert!(matches!(error, QuoteError::Signature(SignatureError::Mismatch)), "{error}");
    }
}

#[test]
fn q04_stripped_zeros_of_r_and_s_are_valid() {
    let mut recording = Recording::load("tpm2-tools-quote-ecc-short");
    let r = &recording.signature[6..38];
    let s = &recording.signature[40..72];
    let strip = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        [&u16::try_from(bytes.len() - zeros).unwrap().to_be_bytes()[..], &bytes[zeros..]].concat()
    };
    let stripped = [&recording.signature[..4], &strip(r), &strip(s)].concat();
    assert!(stripped.len() < recording.signature.len(), "the recording has a leading zero");
    recording.signature = stripped;
    recording.verify().unwrap();
}

#[test]
fn q04_short_rsa_keys() {
    let key = PublicKey::rsa(&[0xC5; 128], 65537);
    let error = VerifyingKey::bare(key).unwrap_err();
    assert!(matches!(error, SignatureError::WeakKey(KeyError::Short { bits: 1024 })), "{error}");
}

#[test]
fn q05_empty_repeated_and_foreign_selections() {
    let recording = Recording::load("tpm2-tools-quote-two-banks");
    let at = recording.selection_offset();
    let head = &recording.message[..at];
    let tail = [&[0, 32][..], &[0; 32]].concat();
    let build = |selection: &[u8]| [head, selection, &tail].concat();
    let sha256_pcr0 = [0, 0x0B, 3, 1, 0, 0];
    type Expected = fn(&SelectionError) -> bool;
    let cases: [(Vec<u8>, Expected); 5] = [
        (build(&[0, 0, 0, 0]), |e| matches!(e, SelectionError::Empty)),
        (build(&[&[0, 0, 0, 1][..], &[0, 0x0B, 3, 0, 0, 0]].concat()), |e| {
            matches!(e, SelectionError::Empty)
        }),
        (build(&[&[0, 0, 0, 2][..], &sha256_pcr0, &sha256_pcr0].concat()), |e| {
            matches!(e, SelectionError::Repeated { bank: HashAlgorithm::Sha256 })
        }),
        (build(&[&[0xFF; 4][..], &sha256_pcr0].concat()), |e| matches!(e, SelectionError::Banks { .. })),
        (build(&[&[0, 0, 0, 1][..], &[0, 0x0B, 4, 0, 0, 0, 1]].concat()), |e| {
            matches!(e, SelectionError::Index { index: 24, .. })
        }),
    ];
    for (message, expected) in cases {
        match recording.verify_message(&message) {
            QuoteError::Attest(AttestError::Selection(error)) => assert!(expected(&error), "{error}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn q06_values_that_do_not_hash_to_the_signed_digest() {
    let recording = Recording::load(ALL[0]);
    let mut flipped = recording.values();
    flipped[3][0] ^= 1;
    let mut swapped = recording.values();
    swapped[0] = swapped[8].clone();
    let mut short = recording.values();
    short[0].pop();
    for values in [flipped, swapped, short] {
        let error = recording
            .quote()
            .verify(recording.challenge(), now(), &recording.attestation_key(), &values)
            .unwrap_err();
        assert_eq!(error.threat(), "q06", "{error}");
    }
}

#[test]
fn q13_a_value_has_no_name_but_that_of_the_signed_selection() {
    // Whatever order the values come in, only the signed one is taken, and it names them.
    let recording = Recording::load(ALL[0]);
    let honest = recording.values();
    let verified = recording.verify().unwrap();
    let named: Vec<_> =
        verified.values().map(|(pcr, value)| (pcr.get(), value.as_bytes().to_vec())).collect();
    assert_eq!(named.iter().map(|(pcr, _)| *pcr).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 10]);
    assert_eq!(named.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>(), honest);
    let distinct = (1..honest.len()).find(|at| honest[*at] != honest[0]).unwrap();
    let mut reordered = honest;
    reordered.swap(0, distinct);
    let refused =
        recording.quote().verify(recording.challenge(), now(), &recording.attestation_key(), &reordered);
    assert!(matches!(refused, Err(QuoteError::PcrDigest { .. })), "{refused:?}");
}

#[test]
fn q18_the_very_bytes_that_were_signed_are_verified() {
    // A structure that would be marshalled anew from what was understood could lose a change in what was not: every bit
    // counts, also of fields that no rule reads (the clock, the firmware's version).
    let recording = Recording::load(ALL[0]);
    for bit in 0..recording.message.len() * 8 {
        let mut message = recording.message.clone();
        message[bit / 8] ^= 1 << (bit % 8);
        // verify_message fails the test when the quote is believed.
        let _ = recording.verify_message(&message);
    }
}

#[test]
fn q07_values_for_pcrs_that_the_quote_does_not_cover() {
    let recording = Recording::load(ALL[0]);
    let mut more = recording.values();
    more.push(vec![0; 32]);
    let error = recording
        .quote()
        .verify(recording.challenge(), now(), &recording.attestation_key(), &more)
        .unwrap_err();
    assert!(matches!(error, QuoteError::Count { found: 10, expected: 9 }), "{error}");
    let verified = recording.verify().unwrap();
    assert_eq!(verified.value(HashAlgorithm::Sha256, PcrIndex::new(8).unwrap()), None);
    assert_eq!(verified.value(HashAlgorithm::Sha384, PcrIndex::new(0).unwrap()), None);
}

#[test]
fn q07_a_pcr_file_that_names_other_pcrs_than_the_quote() {
    let recording = Recording::load(ALL[0]);
    let mut file = recording.pcr_file.clone();
    // The first selection's bitmap: PCR 8 claimed in the place of PCR 7.
    file[7..9].copy_from_slice(&[0x7F, 0x05]);
    assert!(matches!(read_pcr_file(&file, &recording.message), Err(PcrFileError::Selection { .. })));
    assert!(read_pcr_file(&recording.pcr_file[1..], &recording.message).is_err());
    assert!(read_pcr_file(&[], &recording.message).is_err());
}

#[test]
fn q08_trailing_bytes_and_lengths_past_the_end() {
    let recording = Recording::load(ALL[0]);
    let longer = [recording.message.clone(), vec![0]].concat();
    let mut lying = recording.message.clone();
    lying[6..8].copy_from_slice(&[0xFF, 0xFF]);
    for message in [longer, recording.message[..recording.message.len() - 1].to_vec(), lying, vec![]] {
        assert_eq!(recording.verify_message(&message).threat(), "q08");
    }
    let longer = [recording.signature.clone(), vec![0]].concat();
    for signature in [longer, recording.signature[..10].to_vec(), vec![]] {
        assert_eq!(recording.verify_signature(&signature).threat(), "q08");
    }
}

#[test]
fn q08_every_byte_of_the_message_counts() {
    let recording = Recording::load("tpm2-tools-quote-ecc");
    for index in 0..recording.message.len() {
        let mut message = recording.message.clone();
        message[index] ^= 0x01;
        recording.verify_message(&message);
    }
}

#[test]
fn q09_attributes_of_an_attestation_key() {
    let recording = Recording::load(ALL[0]);
    let bits = recording.key.attributes().bits();
    for (bit, name) in [
        (16, "restricted"),
        (18, "sign"),
        (1, "fixedTPM"),
        (4, "fixedParent"),
        (5, "sensitiveDataOrigin"),
        (17, "decrypt"),
    ] {
        let mut bytes = recording.key.as_bytes().to_vec();
        bytes[4..8].copy_from_slice(&(bits ^ (1 << bit)).to_be_bytes());
        let key = PublicArea::parse(&bytes).unwrap();
        let error = AttestationKey::new(key.clone(), key.key()).unwrap_err();
        assert!(matches!(&error, KeyError::Attribute { attribute, .. } if *attribute == name), "{error}");
        assert_eq!(key.check_attestation_key().unwrap_err(), error);
    }
}

#[test]
fn q09_attributes_that_the_sender_made_up() {
    let recording = Recording::load("tpm2-tools-quote-ecc");
    let parent = recording.parent.qualified_name(&ENDORSEMENT);
    let bits = recording.key.attributes().bits();
    // noDA and userWithAuth: no rule of ours asks for them, so that only the Name tells that they were changed. Then the
    // authorization policy, where a byte is put in the place of none.
    let mut changed: Vec<_> = [10, 6]
        .into_iter()
        .map(|bit| {
            let mut bytes = recording.key.as_bytes().to_vec();
            bytes[4..8].copy_from_slice(&(bits ^ (1 << bit)).to_be_bytes());
            bytes
        })
        .collect();
    let bytes = recording.key.as_bytes();
    changed
        .push([&bytes[..8], &[0, 32], &[7; 32], &bytes[10 + recording.key.auth_policy().len()..]].concat());
    for bytes in changed {
        let public = PublicArea::parse(&bytes).unwrap();
        assert_eq!(public.key(), recording.key.key(), "the certificate would still fit");
        let key = AttestationKey::new(public.clone(), public.key()).unwrap().with_parent(&parent);
        let error =
            recording.quote().verify(recording.challenge(), now(), &key, &recording.values()).unwrap_err();
        assert!(matches!(error, QuoteError::Signer { .. }), "{error}");
        assert_eq!(error.threat(), "q09");
    }
    // A key under another parent is another key.
    let key = AttestationKey::new(recording.key.clone(), recording.key.key()).unwrap();
    let error =
        recording.quote().verify(recording.challenge(), now(), &key, &recording.values()).unwrap_err();
    assert!(matches!(error, QuoteError::Signer { .. }), "{error}");
}

#[test]
fn q10_certificate_for_another_key() {
    let rsa = Recording::load("tpm2-tools-quote-rsa");
    let ecc = Recording::load("tpm2-tools-quote-ecc");
    let error = AttestationKey::new(rsa.key.clone(), ecc.key.key()).unwrap_err();
    assert_eq!(error, KeyError::OtherKey { name: rsa.key.name() });
}

#[test]
fn q10_quote_signed_by_another_key() {
    let one = Recording::load("tpm2-tools-quote-ecc");
    let other = Recording::load("tpm2-tools-quote-ecc-short");
    let error =
        one.quote().verify(one.challenge(), now(), &other.attestation_key(), &one.values()).unwrap_err();
    assert!(matches!(error, QuoteError::Signature(SignatureError::Mismatch)), "{error}");
}

#[test]
fn q11_boot_counters_are_reported() {
    let recording = Recording::load(ALL[0]);
    let at = recording.clock_offset();
    let resets = u32::from_be_bytes(recording.message[at + 8..at + 12].try_into().unwrap());
    let clock = recording.verify().unwrap().clock();
    assert_eq!(clock.reset_count, resets);
    let mut message = recording.message.clone();
    message[at + 16] = 2;
    assert!(matches!(recording.verify_message(&message), QuoteError::Attest(AttestError::Safe { found: 2 })));
}

#[test]
fn a_pcr_file_is_written_as_tpm2_tools_write_it() {
    for (name, banks) in [
        ("tpm2-tools-quote-rsa", vec![HashAlgorithm::Sha256]),
        ("tpm2-tools-quote-ecc-short", vec![HashAlgorithm::Sha256]),
    ] {
        let recording = Recording::load(name);
        let pcrs: Vec<_> = recording.verify().unwrap().values().map(|(pcr, _)| pcr).collect();
        let file = attest::quote::tpm2_tools::write_pcr_file(&banks, &pcrs, &recording.values()).unwrap();
        assert_eq!(file, recording.pcr_file, "{name}");
    }
}
