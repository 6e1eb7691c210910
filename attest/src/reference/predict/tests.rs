//! Predictions against a recorded boot, as far as its inputs are known, and against images made here.

use super::*;
use crate::digest::Digest;
use crate::eventlog::{EventData, EventLog, EventType};

const RECORDED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors/q35-secureboot-uki/eventlog.bin");
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet ima_policy=tcb";
const OS_RELEASE: &[u8] = b"ID=hallmark-guest\nVERSION_ID=1\n";

fn recorded() -> Vec<u8> {
    std::fs::read(RECORDED).unwrap()
}

/// The digests of a PCR in the recorded boot, without separators.
fn digests(log: &[u8], pcr: u8) -> Vec<Digest> {
    EventLog::parse(log)
        .unwrap()
        .events()
        .filter(|event| event.pcr().is_some_and(|index| index.get() == pcr))
        .filter(|event| event.event_type() != EventType::Separator && event.is_extended())
        .filter_map(|event| event.digest(HashAlgorithm::Sha256))
        .collect()
}

fn variables(log: &[u8], kind: EventType) -> Vec<(String, Vec<u8>)> {
    EventLog::parse(log)
        .unwrap()
        .events()
        .filter(|event| event.event_type() == kind)
        .filter_map(|event| match event.typed() {
            Ok(EventData::Variable(variable)) => {
                Some((variable.name().chars().collect(), variable.content().to_vec()))
            }
            _ => None,
        })
        .collect()
}

/// A PE32+ image with the sections and a certificate table.
pub(super) fn image(sections: &[(&str, &[u8])], certificates: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x40];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3C] = 0x40;
    bytes.extend(b"PE\0\0\x64\x86");
    bytes.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(240_u16.to_le_bytes());
    bytes.extend([0; 2]);
    let optional = bytes.len();
    bytes.extend([0; 240]);
    bytes[optional..optional + 2].copy_from_slice(&0x020B_u16.to_le_bytes());
    bytes[optional + 108..optional + 112].copy_from_slice(&16_u32.to_le_bytes());
    let headers = bytes.len() + 40 * sections.len();
    bytes[optional + 60..optional + 64].copy_from_slice(&u32::try_from(headers).unwrap().to_le_bytes());
    let mut at = headers;
    for (name, content) in sections {
        let mut padded = [0; 8];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        bytes.extend(padded);
        let len = u32::try_from(content.len()).unwrap();
        for number in [len, 0, len.next_multiple_of(16), u32::try_from(at).unwrap(), 0, 0, 0, 0] {
            bytes.extend(number.to_le_bytes());
        }
        at += content.len().next_multiple_of(16);
    }
    bytes.resize(headers, 0);
    for (_, content) in sections {
        bytes.extend(*content);
        bytes.resize(headers + (bytes.len() - headers).next_multiple_of(16), 0);
    }
    if !certificates.is_empty() {
        let entry = optional + 112 + 4 * 8;
        let start = u32::try_from(bytes.len()).unwrap();
        bytes[entry..entry + 4].copy_from_slice(&start.to_le_bytes());
        bytes[entry + 4..entry + 8]
            .copy_from_slice(&u32::try_from(certificates.len()).unwrap().to_le_bytes());
        bytes.extend(certificates);
    }
    bytes
}

fn uki(version: &str, extra: &[(&str, &[u8])], certificates: &[u8]) -> Vec<u8> {
    let magic = format!("#### LoaderInfo: systemd-stub {version} ####");
    let sections: Vec<(&str, &[u8])> = [
        (".sdmagic", magic.as_bytes()),
        (".osrel", OS_RELEASE),
        (".cmdline", COMMAND_LINE.as_bytes()),
        (".initrd", b"an initrd"),
        (".sbat", b"sbat,1"),
        (".linux", b"a kernel"),
    ]
    .into_iter()
    .chain(extra.iter().copied())
    .collect();
    image(&sections, certificates)
}

/// An image that firmware starts with secure boot on, and nothing beside it.
fn boot<'a>(bytes: &'a [u8], command_line: Option<&'a str>, keys: Option<SecureBootKeys<'a>>) -> Boot<'a> {
    let payload = Payload::Uki { bytes, command_line, profile: 0, beside: Beside::default() };
    Boot { loaders: &[], payload, secure_boot: true, keys }
}

fn predicted(uki: &[u8], keys: Option<SecureBootKeys<'_>>) -> Result<Predicted, PredictError> {
    predict(&boot(uki, None, keys), HashAlgorithm::Sha256)
}

fn of(predicted: &Predicted, pcr: u8) -> Vec<Digest> {
    predicted.events().iter().filter(|event| event.pcr.get() == pcr).map(|event| event.digest).collect()
}

#[test]
fn what_a_recorded_boot_measured_comes_out_of_its_files() {
    let log = recorded();
    let predicted = predicted(&uki("252.39-1", &[], &[]), None).unwrap();
    // Kernel and initrd of the recording are too large to be kept; all else is known.
    let (recorded, ours) = (digests(&log, 11), of(&predicted, 11));
    assert_eq!(recorded.len(), ours.len());
    for known in [0, 2, 3, 4, 5, 6] {
        assert_eq!(recorded[known], ours[known], "event {known} of PCR 11");
    }
    assert_ne!(recorded[1], ours[1]);
    assert_eq!(digests(&log, 9)[0], of(&predicted, 9)[0]);
    assert_eq!(of(&predicted, 9)[1], HashAlgorithm::Sha256.digest(b"an initrd"));
}

#[test]
fn the_keys_of_a_recorded_boot_give_its_pcr_7() {
    let log = recorded();
    let variables = |kind| variables(&log, kind);
    let config = variables(EventType::EfiVariableDriverConfig);
    let content = |name: &str| config.iter().find(|(n, _)| n == name).unwrap().1.as_slice();
    let keys =
        SecureBootKeys { pk: content("PK"), kek: content("KEK"), db: content("db"), dbx: content("dbx") };
    // The authority's entry without its owner is the certificate, which a signature carries.
    let (_, entry) = &variables(EventType::EfiVariableAuthority)[0];
    let signed = uki("252.39-1", &[], &[b"PKCS#7 ", &entry[16..]].concat());
    assert_eq!(of(&predicted(&signed, Some(keys)).unwrap(), 7), digests(&log, 7));
    let error = predicted(&uki("252.39-1", &[], b"PKCS#7"), Some(keys)).unwrap_err();
    assert!(matches!(error, PredictError::NoAuthority { .. }), "{error}");
    let broken = SecureBootKeys { db: &keys.db[1..], ..keys };
    let error = predicted(&signed, Some(broken)).unwrap_err();
    assert!(matches!(error, PredictError::SignatureList { name: "db", .. }), "{error}");
}

#[test]
fn an_authority_is_measured_once() {
    let log = recorded();
    let (_, entry) = &variables(&log, EventType::EfiVariableAuthority)[0];
    let config = variables(&log, EventType::EfiVariableDriverConfig);
    let db = &config.iter().find(|(name, _)| name == "db").unwrap().1;
    let signed = uki("252", &[], &entry[16..]);
    let loader = image(&[(".text", b"loader")], &entry[16..]);
    let keys = Some(SecureBootKeys { pk: &[], kek: &[], db, dbx: &[] });
    let boot = Boot { loaders: &[("shim", &loader)], ..boot(&signed, None, keys) };
    let predicted = predict(&boot, HashAlgorithm::Sha256).unwrap();
    assert_eq!(of(&predicted, 7).len(), 6);
    assert_eq!(of(&predicted, 4).len(), 2);
    assert_eq!(predicted.untouched(), [], "what another loader measures is not known");
}

const DEBUG: &[u8] = b"d\0e\0b\0u\0g\0\0\0";

#[test]
fn a_given_command_line_goes_before_the_own_one_with_secure_boot_off_only() {
    let kernel = image(&[(".text", b"kernel")], &[]);
    let magic = b"#### LoaderInfo: systemd-stub 257.13 ####";
    let with = |command_line: &[u8]| {
        image(&[(".sdmagic", magic), (".cmdline", command_line), (".linux", &kernel), (".initrd", b"i")], &[])
    };
    let own = with(b"quiet");
    let given = Boot { secure_boot: false, ..boot(&own, Some(" debug\n"), None) };
    let off = predict(&given, HashAlgorithm::Sha256).unwrap();
    assert_eq!(of(&off, 12), [HashAlgorithm::Sha256.digest(DEBUG)]);
    assert_eq!(of(&off, 9)[0], of(&off, 12)[0]);
    let kernel_digest = PeImage::parse(&kernel).unwrap().authenticode(HashAlgorithm::Sha256);
    assert_eq!(of(&off, 4)[1..], [kernel_digest], "firmware sees the kernel that the stub loads");
    let on = predict(&Boot { secure_boot: true, ..given }, HashAlgorithm::Sha256).unwrap();
    assert_eq!((of(&on, 12).len(), of(&on, 4).len(), on.untouched().len()), (0, 1, 2));
    assert_eq!(of(&on, 9)[0], of(&predict(&boot(&own, None, None), HashAlgorithm::Sha256).unwrap(), 9)[0]);
    let without = with(b"");
    let on = predict(&boot(&without, Some("debug"), None), HashAlgorithm::Sha256).unwrap();
    assert_eq!(of(&on, 12), [HashAlgorithm::Sha256.digest(DEBUG)], "there is no own one to protect");
}

#[test]
fn versions_of_the_stub_measure_different_sections() {
    let count = |uki: &[u8]| of(&predicted(uki, None).unwrap(), 11).len();
    assert_eq!(count(&uki("252.39", &[(".uname", b"6.1")], &[])), 8);
    assert_eq!(count(&uki("255.4", &[(".uname", b"6.1")], &[])), 12);
    assert_eq!(count(&uki("255", &[(".ucode", b"x"), (".pcrsig", b"{}")], &[])), 10);
    assert_eq!(count(&uki("256", &[(".ucode", b"x"), (".pcrsig", b"{}")], &[])), 12);
    let error = |uki: &[u8]| predicted(uki, None).unwrap_err();
    assert!(matches!(error(&uki("251", &[], &[])), PredictError::StubVersion { version: 251, .. }));
    assert_eq!(count(&uki("257", &[(".profile", b"ID=a"), (".hwids", b"none")], &[])), 14);
    assert_eq!(count(&uki("256", &[(".profile", b"ID=a"), (".hwids", b"none")], &[])), 10);
    for (version, section) in [("257", ".dtbauto"), ("258", ".efifw")] {
        let predicted = predicted(&uki(version, &[(section, b"for some machine")], &[]), None).unwrap();
        assert!(predicted.notes()[0].contains(section), "{:?}", predicted.notes());
        assert_eq!(of(&predicted, 11), [], "PCR 11 is left to a recording");
    }
    assert!(matches!(error(&uki("256", &[(".linux", b"b")], &[])), PredictError::Pe(PeError::Repeated(_))));
    assert!(matches!(error(&image(&[(".text", b"x")], &[])), PredictError::NoStub));
}

#[test]
fn what_the_stub_adds_to_the_initrd_is_predicted_where_it_is_known() {
    for (version, extra) in [("258", None), ("255", Some((".pcrpkey", b"key".as_slice())))] {
        let uki = uki(version, &extra.into_iter().collect::<Vec<_>>(), &[]);
        let predicted = predicted(&uki, None).unwrap();
        assert_eq!((of(&predicted, 9).len(), predicted.notes().len()), (0, 1), "{version}");
    }
    let predicted = predicted(&uki("257", &[(".pcrpkey", b"key")], &[]), None).unwrap();
    assert_eq!((of(&predicted, 9).len(), predicted.notes().len()), (2, 0));
}

#[test]
fn files_beside_an_image_of_another_version_are_told_and_not_guessed() {
    for version in ["256", "258"] {
        let image = uki(version, &[], &[]);
        let beside = Beside { extra: &[("a.cred", b"secret")], ..Beside::default() };
        let payload = Payload::Uki { bytes: &image, command_line: None, profile: 0, beside };
        let predicted =
            predict(&Boot { payload, ..boot(&image, None, None) }, HashAlgorithm::Sha256).unwrap();
        assert_eq!(predicted.pcrs(), [PcrIndex::new(11).unwrap()]);
        assert_eq!((predicted.untouched().len(), predicted.notes().len()), (0, 1), "{version}");
    }
}

#[test]
fn a_kernel_by_itself() {
    let kernel = image(&[(".text", b"kernel")], &[]);
    let payload = Payload::Kernel { bytes: &kernel, command_line: Some("quiet"), initrd: Some(b"initrd") };
    let predicted =
        predict(&Boot { loaders: &[], payload, secure_boot: true, keys: None }, HashAlgorithm::Sha384)
            .unwrap();
    assert_eq!((of(&predicted, 4).len(), of(&predicted, 9).len()), (1, 2));
    assert_eq!(predicted.pcrs().len(), 2);
}

#[test]
fn checksum_and_signature_are_outside_of_the_hash_and_all_else_is_in_it() {
    let plain = image(&[(".text", b"code"), (".data", b"0123456789abcdef")], &[]);
    let signed = image(&[(".text", b"code"), (".data", b"0123456789abcdef")], b"signature");
    let hash = |bytes: &[u8]| PeImage::parse(bytes).map(|image| image.authenticode(HashAlgorithm::Sha256));
    let expected = hash(&plain).unwrap();
    assert_eq!(hash(&signed).unwrap(), expected);
    let checksum = 0x40 + 24 + 64;
    let directory = 0x40 + 24 + 112 + 32;
    for at in 0..plain.len() {
        let mut changed = plain.clone();
        changed[at] ^= 1;
        let outside = (checksum..checksum + 4).contains(&at) || (directory..directory + 8).contains(&at);
        match hash(&changed) {
            Ok(found) => assert_eq!(found == expected, outside, "byte {at}"),
            Err(_) => assert!(!(checksum..checksum + 4).contains(&at), "byte {at}"),
        }
    }
    // Bytes after the sections are part of the image.
    assert_ne!(hash(&[plain.as_slice(), b"tail"].concat()).unwrap(), expected);
}

#[test]
fn every_cut_and_changed_image_is_an_error_or_a_hash() {
    let image = uki("256.1", &[(".uname", b"6.1")], b"signature");
    for at in 0..image.len() {
        let _ = predicted(&image[..at], None);
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut changed = image.clone();
            changed[at] = value;
            let _ = predicted(&changed, None);
        }
    }
}

#[test]
fn a_recorded_device_gives_what_files_cannot() {
    let golden = |release: &str| Golden {
        product: "gateway".to_owned(),
        release: release.to_owned(),
        issued: jiff::Timestamp::UNIX_EPOCH,
        starts: None,
        expires: None,
        bank: HashAlgorithm::Sha256,
    };
    let image = uki("252", &[], &[]);
    let ours = || predicted(&image, None).unwrap();
    let mut base = ours().into_values(golden("1.0"), None);
    let digest = HashAlgorithm::Sha256.digest(b"recorded");
    base.pcrs.extend([0, 4, 8].into_iter().filter_map(PcrIndex::new).map(|pcr| (pcr, digest)));
    let values = ours().into_values(golden("1.1"), Some(&base));
    let pcrs = |pcrs: Vec<PcrIndex>| pcrs.into_iter().map(PcrIndex::get).collect::<Vec<_>>();
    assert_eq!(pcrs(values.pcrs.keys().copied().collect()), [0, 12, 13]);
    assert_eq!(pcrs(values.by_events.clone()), [4, 9, 11]);
    assert!(values.check().is_ok());
}
