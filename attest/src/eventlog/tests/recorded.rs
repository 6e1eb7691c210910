//! Recorded logs: replay must give what the machines' TPMs held.

use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::EventLog;
use crate::eventlog::replay::measured::measured_boot;
use crate::pcr::PcrIndex;

/// Own recordings, shipped with the tree: one that is missing is a failure.
pub(in crate::eventlog) fn own(name: &str, file: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors");
    std::fs::read(format!("{root}/{name}/{file}")).unwrap_or_else(|error| panic!("{name}/{file}: {error}"))
}

/// `sha256 0 HEX` lines.
fn pcrs(text: &str) -> Vec<(PcrIndex, Digest)> {
    text.lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let bank = HashAlgorithm::from_name(words[0]).unwrap();
            (
                PcrIndex::new(words[1].parse().unwrap()).unwrap(),
                Digest::from_hex(bank, &words[2].to_lowercase()).unwrap(),
            )
        })
        .collect()
}

const RECORDINGS: [&str; 9] = [
    "q35-sha256",
    "q35-multibank",
    "q35-cmdline",
    "q35-ima",
    "q35-ima-ng",
    "q35-secureboot-uki",
    "q35-secureboot-own",
    "q35-upgrade",
    "q35-evm-sig",
];

#[test]
fn own_recordings_match_their_pcrs() {
    for name in RECORDINGS {
        let (log, values) = (own(name, "eventlog.bin"), own(name, "pcrs.txt"));
        let log = EventLog::parse(&log).unwrap();
        let values = pcrs(&String::from_utf8(values).unwrap());
        let quoted = |bank, pcr| values.iter().find(|(i, d)| *i == pcr && d.algorithm() == bank).map(|v| v.1);
        let boot = measured_boot(&log, quoted);
        for bank in log.banks() {
            for pcr in PcrIndex::all().filter(|pcr| !pcr.is_resettable() && *pcr != PcrIndex::IMA) {
                let verdict = boot.verdict(bank, pcr).unwrap();
                let explained = matches!(
                    verdict,
                    crate::eventlog::PcrVerdict::Matches { .. }
                        | crate::eventlog::PcrVerdict::Untouched { .. }
                );
                assert!(explained, "{name} {bank} {pcr}: {verdict:?}");
            }
            let facts = boot.facts(bank);
            assert_eq!(facts.faults(), [], "{name} {bank}");
            let on = matches!(facts.secure_boot(), crate::eventlog::SecureBoot::On { .. });
            assert_eq!(on, name.starts_with("q35-secureboot"), "{name} {:?}", facts.secure_boot());
            assert!(matches!(
                facts.exit_boot_services(),
                crate::eventlog::ExitBootServices::Succeeded { .. }
            ));
            assert!(boot.images(bank).unwrap().count() >= 1);
        }
    }
}
