//! Predictions against boots of systemd 257 and 262 that were recorded (tpm-sim-tests/vectors/systemd-*), event for event.
//!
//! Kernel and initrd are too large to be kept. So their place is taken by stand-ins, and what hangs on them is held
//! against what the command predicted of the true files when they were recorded.

use std::path::PathBuf;

use super::*;
use crate::digest::Digest;
use crate::eventlog::EventLog;
use crate::reference::expectation::Steps;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;
/// PCRs of which an image's files tell all.
const PCRS: [u8; 5] = [4, 9, 11, 12, 13];
const PROFILE: &str = "systemd-257-profile";
const PLAIN: &str = "systemd-257-uki";
const LATER: &str = "systemd-262-profile";

fn file(vector: &str, name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(vector);
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{vector}/{name}: {error}"))
}

/// Names and contents of a folder's files, in the order of their names.
fn folder(vector: &str, name: &str) -> Vec<(String, Vec<u8>)> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(vector).join(name);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The digests that a boot measured into a PCR, steps of the boot aside.
fn measured(vector: &str, pcr: u8) -> Vec<Digest> {
    let log = file(vector, "eventlog.bin");
    let pcr = PcrIndex::new(u32::from(pcr)).unwrap();
    let steps = Steps::of(BANK, pcr);
    EventLog::parse(&log)
        .unwrap()
        .events()
        .filter(|event| event.pcr() == Some(pcr) && event.is_extended())
        .filter_map(|event| event.digest(BANK))
        .filter(|digest| !steps.contains(digest))
        .collect()
}

fn of(predicted: &[ReferenceEvent], pcr: u8) -> Vec<Digest> {
    predicted.iter().filter(|event| event.pcr.get() == pcr).map(|event| event.digest).collect()
}

/// The recorded image with stand-ins for kernel and initrd.
fn image(vector: &str) -> Vec<u8> {
    let kernel = tests::image(&[(".text", b"kernel")], &[]);
    let sections = folder(vector, "sections");
    let sections: Vec<(&str, &[u8])> = sections
        .iter()
        .map(|(name, content)| match name.trim_start_matches(|digit: char| digit.is_ascii_digit()) {
            ".linux" => (".linux", kernel.as_slice()),
            ".initrd" => (".initrd", INITRD),
            name => (name, content.as_slice()),
        })
        .collect();
    tests::image(&sections, &[])
}

const INITRD: &[u8] = b"an initrd that is no multiple of four long";

/// Calls `with` for the boot of a recording with its stand-ins.
fn with_boot<T>(vector: &str, profile: u32, with: impl FnOnce(&Boot<'_>) -> T) -> T {
    let bytes = image(vector);
    if vector == PLAIN {
        let payload = Payload::Uki { bytes: &bytes, command_line: None, profile, beside: Beside::default() };
        return with(&Boot { loaders: &[], payload, secure_boot: false, keys: None });
    }
    let loader = tests::image(&[(".sdmagic", b"#### LoaderInfo: systemd-boot 257.13 ####")], &[]);
    let kept = [
        folder(vector, "esp/hallmark.efi.extra.d"),
        folder(vector, "esp/loader/addons"),
        folder(vector, "esp/loader/credentials"),
    ];
    let [extra, addons, credentials] = kept
        .each_ref()
        .map(|files| files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>());
    let beside = Beside { extra: &extra, addons: &addons, credentials: &credentials };
    let payload = Payload::Uki { bytes: &bytes, command_line: None, profile, beside };
    with(&Boot { loaders: &[("systemd-boot", &loader)], payload, secure_boot: true, keys: None })
}

fn prediction(vector: &str, profile: u32) -> Predicted {
    with_boot(vector, profile, |boot| predict(boot, BANK).unwrap())
}

#[test]
fn what_was_predicted_of_the_true_files_was_measured_event_for_event() {
    for (vector, events) in
        [(PLAIN, [2, 2, 12, 0, 0]), (PROFILE, [4, 2, 18, 6, 1]), (LATER, [4, 2, 18, 6, 1])]
    {
        let values = ReferenceValues::parse(&file(vector, "predicted.json")).unwrap();
        for (pcr, count) in PCRS.into_iter().zip(events) {
            let measured = measured(vector, pcr);
            assert_eq!(measured.len(), count, "{vector}: PCR {pcr}");
            assert_eq!(of(&values.events, pcr), measured, "{vector}: PCR {pcr}");
        }
        // Where nothing was measured, the value says so.
        let untouched: Vec<_> = values.pcrs.keys().map(|pcr| pcr.get()).collect();
        assert_eq!(untouched, if vector == PLAIN { vec![12, 13] } else { vec![] });
    }
}

#[test]
fn today_s_prediction_is_that_of_the_recording_but_for_the_stand_ins() {
    for (vector, profile) in [(PLAIN, 0), (PROFILE, 1), (LATER, 1)] {
        let then = ReferenceValues::parse(&file(vector, "predicted.json")).unwrap();
        let now = prediction(vector, profile);
        assert_eq!(now.notes(), <[String; 0]>::default(), "{vector}");
        assert_eq!(now.events().len(), then.events.len(), "{vector}");
        let stands_in = |event: &ReferenceEvent| {
            matches!(
                (event.pcr.get(), event.description.as_str()),
                (4, _) | (11, ".linux, its content" | ".initrd, its content") | (9, "Linux initrd")
            ) && !event.description.ends_with(".addon.efi")
        };
        for (now, then) in now.events().iter().zip(&then.events) {
            assert_eq!((now.pcr, &now.kind, &now.role), (then.pcr, &then.kind, &then.role), "{vector}");
            if stands_in(then) {
                assert_ne!(now.digest, then.digest, "{vector}: {}", then.description);
            } else {
                assert_eq!(now, then, "{vector}");
            }
        }
    }
}

/// The kernel showed the initrd that it got (/sys/firmware/initrd): what is behind the image's own was kept.
#[test]
fn the_initrd_is_continued_byte_for_byte_as_the_stub_did() {
    for (vector, profile) in [(PLAIN, 0), (PROFILE, 1), (LATER, 1)] {
        let appended = file(vector, "initrd-appended.cpio");
        with_boot(vector, profile, |boot| {
            let Payload::Uki { bytes, beside, .. } = boot.payload else { panic!("no UKI") };
            let uki = Uki::parse(bytes, profile).unwrap();
            let addons = beside.addons().unwrap();
            let start = stub::Start {
                given: None,
                profile,
                secure_boot: boot.secure_boot,
                systemd_boot: false,
                beside,
                addons: &addons,
            };
            let parts = stub::initrd(&uki, &start).unwrap().unwrap();
            let own = parts.iter().position(|part| part.starts_with(INITRD)).unwrap();
            assert_eq!(parts[own].len() % 4, 0);
            assert!(parts[own + 1..].concat() == appended, "{vector}: other bytes behind the initrd");
            assert!(appended.len() > 400, "{vector}");
        });
    }
}

/// systemd-measure calculated PCR 11 of each profile when it signed them: the policies are in .pcrsig.
#[test]
fn pcr_11_of_every_profile_is_the_one_that_systemd_measure_signed() {
    // Kernel and initrd of the recording, which all profiles share.
    let true_ones: Vec<_> = measured(PROFILE, 11);
    for profile in 0..3 {
        let predicted = prediction(PROFILE, profile);
        let mut events = of(predicted.events(), 11);
        (events[1], events[7]) = (true_ones[1], true_ones[7]);
        events.push(BANK.digest(b"enter-initrd"));
        let pcr = events.iter().fold(vec![0; 32], |value, digest| {
            BANK.digest_parts(&[&value, digest.as_bytes()]).as_bytes().to_vec()
        });
        // TPM2_PolicyPCR of PCR 11 (TPM 2.0 part 3, §23.7): command code, selection, digest of the values.
        let selection = [0, 0, 0, 1, 0, 0x0B, 3, 0, 0x08, 0];
        let policy =
            BANK.digest_parts(&[&[0; 32], &[0, 0, 1, 0x7F], &selection, BANK.digest(&pcr).as_bytes()]);
        let uki = image(PROFILE);
        let uki = Uki::parse(&uki, profile).unwrap();
        let signed = String::from_utf8(uki.section(".pcrsig").unwrap().unwrap().to_vec()).unwrap();
        assert!(signed.contains(&policy.to_hex()), "profile {profile}: {policy} is not in {signed}");
    }
    let image = image(PROFILE);
    let error = Uki::parse(&image, 3).unwrap_err();
    assert!(matches!(error, PredictError::NoProfile { profile: 3, profiles: 3 }), "{error}");
}
