//! Recorded logs of other projects: all of them replay, and two must give exactly the values that their TPMs held.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use std::path::PathBuf;

use attest::eventlog::{EventLog, EventType, EventView, describe, summary_line};
use attest::{HashAlgorithm, PcrIndex};

/// They are no part of this repository, so they may be missing beside it; where `HALLMARK_VECTORS` names them, they must
/// be there.
fn vectors() -> Option<PathBuf> {
    let named = std::env::var_os("HALLMARK_VECTORS").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors"));
    let folder = named.clone().unwrap_or_else(beside).join("eventlogs");
    if folder.is_dir() || named.is_some() {
        return Some(folder);
    }
    eprintln!("skipped: no recorded event logs here, set HALLMARK_VECTORS");
    None
}

fn logs() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = vectors() else { return Vec::new() };
    let mut logs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "bin"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    logs.sort();
    assert!(logs.len() >= 8, "a folder with too few logs");
    logs
}

#[test]
fn the_two_machines_logs_give_their_pcrs_exactly() {
    let Some(folder) = vectors() else { return };
    for name in ["ovmf-q35-debian12-kernel", "ovmf-secboot-signed-uki"] {
        let bytes = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
        let values = std::fs::read_to_string(folder.join(name).with_extension("pcrs")).unwrap();
        let replayed = EventLog::parse(&bytes).unwrap().replay();
        let mut compared = 0;
        for line in values.lines() {
            let (place, expected) = line.split_once(' ').unwrap();
            let index = PcrIndex::new(place.strip_prefix("sha256:").unwrap().parse().unwrap()).unwrap();
            if index == PcrIndex::IMA {
                continue;
            }
            let zero = index.start(HashAlgorithm::Sha256);
            let value = replayed.get(HashAlgorithm::Sha256, index).unwrap_or(&zero);
            assert_eq!(value.to_hex(), expected, "{name} PCR {index}");
            compared += 1;
        }
        assert_eq!(compared, 11, "{name}");
    }
}

#[test]
fn every_log_replays_and_reads_as_text_and_json() {
    for (name, bytes) in logs() {
        let log = EventLog::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(log.events().count(), usize::try_from(log.event_count()).unwrap(), "{name}");
        let replayed = log.replay();
        assert_eq!(replayed.banks().collect::<Vec<_>>(), log.banks().collect::<Vec<_>>(), "{name}");
        for event in log.events() {
            assert!(describe(&event).len() < 1200, "{name} {}", event.index());
            for bank in log.banks() {
                let line = summary_line(&event, bank);
                assert!(!line.contains('\n'), "{line}");
                if std::env::var_os("HALLMARK_SHOW").is_some() {
                    eprintln!("{name} {line}");
                }
            }
            serde_json::to_string(&EventView::unverified(&event)).unwrap();
        }
        if std::env::var_os("HALLMARK_SHOW").is_some() {
            eprintln!("{name} PCRS {}", serde_json::to_string(&replayed).unwrap());
        }
    }
}

#[test]
fn e03_what_firmware_and_loaders_hash_is_recognised_in_every_log() {
    // Types whose rule binds their data in every one of these recordings.
    let always = [
        EventType::Separator,
        EventType::SCrtmVersion,
        EventType::EfiVariableDriverConfig,
        EventType::EfiVariableBoot,
        EventType::EfiVariableAuthority,
        EventType::EfiAction,
        EventType::EfiGptEvent,
        EventType::NonhostInfo,
    ];
    let never = [
        EventType::PostCode,
        EventType::SCrtmContents,
        EventType::EfiPlatformFirmwareBlob,
        EventType::EfiBootServicesApplication,
        EventType::EfiBootServicesDriver,
        EventType::NoAction,
    ];
    for (name, bytes) in logs() {
        let log = EventLog::parse(&bytes).unwrap();
        for event in log.events() {
            for bank in log.banks() {
                let (kind, bound) = (event.event_type(), event.binding(bank).is_bound());
                let at = format!("{name} #{} {kind} {:?}", event.index(), event.binding(bank));
                if always.contains(&kind) {
                    assert!(bound, "{at}");
                } else if never.contains(&kind) {
                    assert!(!bound, "{at}");
                } else if event.pcr() == PcrIndex::new(8) {
                    assert!(bound, "{at}");
                }
            }
        }
    }
}

#[test]
fn e17_a_log_without_spec_id_is_sha1_only() {
    for (name, bytes) in logs() {
        let log = EventLog::parse(&bytes).unwrap();
        assert_eq!(log.spec_id().is_none(), name == "debian-10", "{name}");
        if name == "debian-10" {
            assert_eq!(log.banks().collect::<Vec<_>>(), [HashAlgorithm::Sha1]);
        }
    }
}
