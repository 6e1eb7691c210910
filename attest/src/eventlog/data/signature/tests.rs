use super::*;
use crate::eventlog::tests::builder::signature_list;

/// A list of two SHA-256 hashes.
fn hashes() -> Vec<u8> {
    signature_list(SignatureKind::Sha256, &[&[1; 32], &[2; 32]])
}

#[test]
fn lists_of_several_types_are_read_to_their_last_entry() {
    let content = [
        hashes(),
        signature_list(SignatureKind::X509, &[&[0x30, 0x03, 1, 2, 3]]),
        signature_list(SignatureKind::X509Sha256, &[&[7; 48]]),
        signature_list(SignatureKind::Other(Guid::SHIM), &[b"as it likes"]),
        signature_list(SignatureKind::Rsa2048, &[]),
    ]
    .concat();
    let lists = SignatureLists::parse(&content).unwrap();
    assert_eq!((lists.iter().count(), lists.count(), lists.signatures().count()), (5, 5, 5));
    let all: Vec<_> = lists.signatures().collect();
    assert_eq!(all[1].image_hash(), Digest::new(HashAlgorithm::Sha256, &[2; 32]));
    assert_eq!(all[1].data().owner(), Guid::IMAGE_SECURITY);
    assert_eq!(all[2].certificate().unwrap().as_der(), [0x30, 0x03, 1, 2, 3]);
    assert_eq!(all[2].certificate().unwrap().fields(), None);
    assert_eq!(all[3].certificate_hash(), Digest::new(HashAlgorithm::Sha256, &[7; 32]));
    assert_eq!((all[3].image_hash(), all[4].certificate()), (None, None));
    assert_eq!(SignatureLists::parse(&[]).unwrap().count(), 0);
}

#[test]
fn e18_a_list_whose_sizes_underflow_or_are_zero_is_refused() {
    let with = |at: usize, value: u32| {
        let mut content = hashes();
        content[at..at + 4].copy_from_slice(&value.to_le_bytes());
        SignatureLists::parse(&content).map(|lists| lists.count())
    };
    let list = u32::try_from(hashes().len()).unwrap();
    assert!(with(16, list).is_ok());
    for size in [0, 1, 27, 28, list - 1, list + 1, u32::MAX] {
        // 28 is a list without signatures; the signatures that follow are no list then.
        assert!(with(16, size).is_err(), "SignatureListSize {size}");
    }
    for size in [1, 48, 96, 97, u32::MAX] {
        assert!(with(20, size).is_err(), "SignatureHeaderSize {size}");
    }
    for size in [0, 1, 15, 16, 17, 32, 47, 96, u32::MAX] {
        assert!(
            matches!(with(24, size), Err(EventDataError::SignatureSize { claimed, .. }) if claimed == size),
            "SignatureSize {size}"
        );
    }
}

#[test]
fn e18_every_cut_of_a_list_is_refused() {
    let content = hashes();
    for end in 1..content.len() {
        assert!(SignatureLists::parse(&content[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn e18_an_entry_that_is_an_owner_alone_is_refused() {
    assert!(SignatureData::parse(&[1; 16]).is_err());
    assert_eq!(SignatureData::parse(&[1; 17]).unwrap().content(), [1]);
    let mut alone = signature_list(SignatureKind::Other(Guid::SHIM), &[&[9]]);
    alone.truncate(44);
    alone[16..20].copy_from_slice(&44_u32.to_le_bytes());
    alone[24..28].copy_from_slice(&16_u32.to_le_bytes());
    assert!(SignatureLists::parse(&alone).is_err());
}

/// A certificate that OpenSSL made.
#[test]
fn a_certificate_is_named_by_subject_issuer_serial_and_fingerprint() {
    let der = hex::decode(include_str!("certificate.hex").trim()).unwrap();
    let certificate = X509Certificate::recognise(&der).unwrap();
    let fields = certificate.fields().unwrap();
    assert_eq!(fields.subject, "CN=Boot signer,O=Example");
    assert_eq!(fields.issuer, "CN=Boot signer,O=Example");
    assert_eq!(fields.common_name.as_deref(), Some("Boot signer"));
    assert_eq!(fields.serial, "1234");
    assert_eq!(certificate.fingerprint(), HashAlgorithm::Sha256.digest(&der));
    // Bytes behind it, or one too few: no certificate, and another fingerprint.
    assert!(X509Certificate::recognise(&[&der[..], &[0]].concat()).is_none());
    assert!(X509Certificate::recognise(&der[..der.len() - 1]).is_none());
}
