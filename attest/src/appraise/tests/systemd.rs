//! Boots of systemd 257 and 262 that were recorded: its own log and the firmware's explain every PCR that was quoted.

use super::{BANK, claims, judge_boot, policy};
use crate::cel;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{BootLogs, EventLog, MeasuredBoot, PcrVerdict, measured_logs};
use crate::pcr::PcrIndex;

pub(super) const VECTORS: [&str; 3] = ["systemd-257-uki", "systemd-257-profile", NVPCRS];
/// A boot of systemd 262, which makes NV indexes serve as PCRs and measures into one of them.
pub(super) const NVPCRS: &str = "systemd-262-profile";

pub(super) fn file(vector: &str, name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors");
    std::fs::read(format!("{root}/{vector}/{name}"))
        .unwrap_or_else(|error| panic!("{vector}/{name}: {error}"))
}

/// The registers of the kernel's files, a line each: `sha256 0 HEX`.
fn registers(vector: &str) -> Vec<(PcrIndex, Digest)> {
    let text = String::from_utf8(file(vector, "pcrs.txt")).unwrap();
    let register = |line: &str| {
        let [bank, pcr, value] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let bank = HashAlgorithm::from_name(bank).unwrap();
        (PcrIndex::new(pcr.parse().unwrap()).unwrap(), Digest::from_hex(bank, value).unwrap())
    };
    text.lines().map(register).collect()
}

fn with_boot(vector: &str, with: impl FnOnce(&MeasuredBoot<'_>)) {
    let (log, records) = (file(vector, "eventlog.bin"), file(vector, "tpm2-measure.log"));
    let logs =
        BootLogs::from(EventLog::parse(&log).unwrap()).with_measurements(cel::Log::parse(&records).unwrap());
    let registers = registers(vector);
    with(&measured_logs(logs, |bank, pcr| {
        registers.iter().find(|(of, value)| *of == pcr && value.algorithm() == bank).map(|(_, value)| *value)
    }));
}

#[test]
fn e15_both_logs_together_explain_every_register_but_imas() {
    for vector in VECTORS {
        with_boot(vector, |boot| {
            let others = boot.verdicts().filter(|(_, pcr, _)| *pcr != PcrIndex::IMA && pcr.get() < 16);
            let mut judged = 0;
            for (bank, pcr, verdict) in others {
                let explained = matches!(verdict, PcrVerdict::Matches { .. } | PcrVerdict::Untouched { .. });
                assert!(explained, "{vector}: {bank} PCR {pcr}: {verdict:?}");
                judged += 1;
            }
            assert!(judged >= 15, "{vector}: {judged}");
        });
    }
}

#[test]
fn systemds_own_records_are_facts() {
    for vector in VECTORS {
        with_boot(vector, |boot| {
            let facts = claims(boot, BANK);
            let system = facts.system;
            let phases = ["enter-initrd", "leave-initrd", "sysinit", "ready"].map(str::to_owned);
            assert_eq!(system.phases.as_deref(), Some(phases.as_slice()), "{vector}");
            let id = format!("68616c6c6d61726b0000000000000{}", if vector == NVPCRS { 262 } else { 257 });
            assert_eq!(system.machine_id, Some(id), "{vector}");
            let places: Vec<_> =
                system.file_systems.into_iter().flatten().map(|found| found.mount_point.unwrap()).collect();
            assert_eq!(places, ["/", "/efi"], "{vector}");
            assert!(facts.kernel.uki_sections.is_some_and(|sections| sections.len() >= 4), "{vector}");
            let outcome = judge_boot(&policy("", "event_placement = \"refuse\""), boot);
            let odd: Vec<_> = outcome.reasons.iter().filter(|reason| reason.id != "q14").collect();
            assert!(odd.is_empty(), "{vector}: {odd:#?}");
        });
    }
}

/// The log that systemd-pcrlock merges out of all that it finds: another reader's word on the same boot.
#[test]
fn the_log_that_systemd_pcrlock_merges_leads_to_the_same_values() {
    for vector in VECTORS {
        let bytes = file(vector, "peer/pcrlock-cel.json");
        let log = cel::Log::parse(&bytes).unwrap();
        let mut values = crate::pcr::ReplayedPcrs::new();
        for record in log.records() {
            // It merges what is measured into NV indexes, too.
            let Some(pcr) = record.pcr() else { continue };
            record.digests().iter().for_each(|digest| values.extend(pcr, digest));
        }
        for (pcr, value) in
            registers(vector).into_iter().filter(|(pcr, _)| [0, 4, 7, 11, 15].contains(&pcr.get()))
        {
            assert_eq!(values.get(value.algorithm(), pcr), Some(&value), "{vector}: PCR {pcr}");
        }
    }
}

/// What is measured into an NV index is in no quoted register: neither its content nor its lack decides anything.
#[test]
fn e02_a_record_of_an_nv_index_is_read_and_counts_for_nothing() {
    let records = file(NVPCRS, "tpm2-measure.log");
    let log = cel::Log::parse(&records).unwrap();
    let of_nv: Vec<_> = log.records().iter().filter(|record| record.pcr().is_none()).collect();
    let [record] = of_nv.as_slice() else { panic!("{of_nv:?}") };
    assert_eq!(record.register(), cel::Register::NvIndex(0x01D1_0200));
    assert_eq!(record.text(), Some("product-id:missing"));
    let line = cel::summary_line(20, record, BANK);
    assert!(line.contains("NV index 0x01D10200 (hardware)"), "{line}");
    assert!(line.ends_with("not covered by a quote of PCRs"), "{line}");

    let text = String::from_utf8(records.clone()).unwrap();
    let without: String = text.split_inclusive('\n').filter(|text| !text.contains("nv_index")).collect();
    // It may say whatever it likes: that it is another machine, or a phase that was never reached.
    let lies = ["machine-id:00000000000000000000000000000000", "shutdown"];
    let lying = lies.map(|lie| text.replace("product-id:missing", lie));
    let facts = |records: &[u8]| {
        let log = file(NVPCRS, "eventlog.bin");
        let logs = BootLogs::from(EventLog::parse(&log).unwrap())
            .with_measurements(cel::Log::parse(records).unwrap());
        let registers = registers(NVPCRS);
        let boot = measured_logs(logs, |bank, pcr| {
            registers
                .iter()
                .find(|(of, value)| *of == pcr && value.algorithm() == bank)
                .map(|(_, value)| *value)
        });
        let verdicts: Vec<_> = boot.verdicts().map(|(bank, pcr, verdict)| (bank, pcr, *verdict)).collect();
        (claims(&boot, BANK), verdicts)
    };
    let whole = facts(&records);
    for other in [without].iter().chain(&lying) {
        assert_eq!(facts(other.as_bytes()), whole);
    }
}
