//! Recorded logs read by another tool, tpm2_eventlog of tpm2-tools: number, PCR, type and digests of every event, and
//! the values that they lead to, must be the same. A disagreement is a question, not an answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    missing_docs
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use attest::eventlog::{EventLog, EventType};

/// PCR, type and the first digests of an event.
type Line = (u32, String, Vec<String>);

/// What tpm2_eventlog says of a log.
#[derive(Debug, Default)]
struct Told {
    events: Vec<Line>,
    pcrs: BTreeMap<(String, u32), String>,
}

fn tpm2_eventlog(path: &Path) -> Told {
    let output = Command::new("tpm2_eventlog").arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("tpm2_eventlog: {error}; install it: make test-deps"));
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let mut told = Told::default();
    let (mut in_pcrs, mut bank) = (false, String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (indent, key, value) =
            (key.len() - key.trim_start().len(), key.trim(), value.trim().trim_matches('"'));
        match key {
            "pcrs" if indent == 0 => in_pcrs = true,
            _ if in_pcrs && value.is_empty() => bank = key.to_owned(),
            _ if in_pcrs => {
                let value = value.strip_prefix("0x").unwrap();
                told.pcrs.insert((bank.clone(), key.parse().unwrap()), value.to_owned());
            }
            "PCRIndex" if indent == 2 => {
                told.events.push((value.parse().unwrap(), String::new(), Vec::new()));
            }
            "EventType" if indent == 2 => {
                if let Some(event) = told.events.last_mut() {
                    value.clone_into(&mut event.1);
                }
            }
            // Digests are indented by four; an image's own "Digest" of a description would be deeper.
            "Digest" | "DigestSHA1" | "Sha1" if indent <= 4 => {
                if let Some(event) = told.events.last_mut() {
                    event.2.push(value.to_owned());
                }
            }
            _ => {}
        }
    }
    told
}

fn logs() -> Vec<PathBuf> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors"));
    let others = std::env::var_os("HALLMARK_VECTORS")
        .map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
            PathBuf::from,
        )
        .join("eventlogs");
    let mut logs: Vec<_> = std::fs::read_dir(own)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("eventlog.bin"))
        .filter(|path| path.is_file())
        .collect();
    assert!(logs.len() >= 6, "own recordings are missing");
    let foreign = std::fs::read_dir(others).into_iter().flatten().map(|entry| entry.unwrap().path());
    logs.extend(foreign.filter(|path| path.extension().is_some_and(|e| e == "bin")));
    logs
}

#[test]
fn tpm2_eventlog_reads_the_same_events_and_values() {
    let mut compared = 0;
    for path in logs() {
        let told = tpm2_eventlog(&path);
        let name = path.display();
        let bytes = std::fs::read(&path).unwrap();
        let log = EventLog::parse(&bytes).unwrap();
        let ours: Vec<Line> = log
            .events()
            .map(|event| {
                let pcr = event.pcr().map_or(u32::MAX, |pcr| u32::from(pcr.get()));
                (pcr, event.event_type().to_string(), event.digests().map(|digest| digest.to_hex()).collect())
            })
            .collect();
        // The header's digest is printed in another form.
        let skipped = usize::from(log.spec_id().is_some());
        assert_eq!(told.events.len(), ours.len(), "{name}");
        for (nth, (theirs, ours)) in told.events.iter().zip(&ours).enumerate().skip(skipped) {
            assert_eq!(theirs, ours, "{name} event {nth}");
        }
        let replayed = log.replay();
        let values: BTreeMap<_, _> = replayed
            .iter()
            .map(|(pcr, value)| ((value.algorithm().to_string(), u32::from(pcr.get())), value.to_hex()))
            .collect();
        assert_eq!(told.pcrs, values, "{name}");
        assert_eq!(log.events().next().unwrap().event_type() == EventType::NoAction, skipped == 1, "{name}");
        compared += 1;
    }
    assert!(compared >= 6);
}
