//! Properties of merged logs: what is generated replays, and no flipped bit is believed.

use proptest::prelude::*;

use super::*;
use crate::digest::HashAlgorithm;
use crate::eventlog::tests::builder::{LogBuilder, good_boot};
use crate::eventlog::{BootLogs, EventLog, MeasuredBoot, PcrVerdict, measured_logs};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

fn bound_texts(boot: &MeasuredBoot<'_>) -> Vec<(PcrIndex, String)> {
    PcrIndex::all()
        .flat_map(|index| {
            let records = boot.records_of(BANK, index).unwrap_or_default();
            let texts = records.iter().filter_map(|record| record.bound()?.text().map(str::to_owned));
            texts.map(|text| (index, text)).collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn generated_records_replay_after_the_firmwares_events(
        texts in prop::collection::vec((0..24_u32, "[ -~]{0,40}"), 0..20), covered in any::<prop::sample::Index>(),
    ) {
        let firmware = good_boot(LogBuilder::agile(&[BANK]));
        let firmware = EventLog::parse(&firmware.bytes).unwrap();
        let records: Vec<_> = texts
            .iter()
            .map(|(index, text)| (pcr(*index), Writer::new(pcr(*index), &[BANK]).record(text, 7)))
            .collect();
        let bytes: Vec<u8> = records.iter().flat_map(|(_, record)| record.bytes().to_vec()).collect();
        let logs = BootLogs::from(firmware).with_measurements(Log::parse(&bytes).unwrap());
        // The quote was made after some of them.
        let covered = if records.is_empty() { 0 } else { covered.index(records.len() + 1) };
        let mut values = firmware.replay();
        for (index, record) in &records[..covered] {
            values.extend(*index, &record.digests()[0]);
        }
        let boot = measured_logs(logs, |bank, index| values.get(bank, index).copied());
        for (_, index, verdict) in boot.verdicts() {
            let count = |records: &[(PcrIndex, WrittenRecord)]| records.iter().filter(|(at, _)| *at == index).count();
            let PcrVerdict::Matches { logs, .. } = verdict else { panic!("{index} {verdict:?}") };
            let (before, after) = (count(&records[..covered]), count(&records[covered..]));
            prop_assert_eq!(usize::try_from(logs.measurements).unwrap(), before);
            prop_assert_eq!(usize::try_from(logs.not_covered).unwrap(), after);
            prop_assert_eq!(boot.records_of(BANK, index).unwrap().len(), before);
        }
    }
}

#[test]
fn e03_every_flipped_bit_of_a_measurement_log_is_refused_shown_or_harmless() {
    let writer = |index| Writer::new(pcr(index), &[BANK]);
    let records = [writer(11).record("one", 1), writer(15).record("two", 2), writer(11).record("three", 3)];
    let bytes: Vec<u8> = records.iter().flat_map(|record| record.bytes().to_vec()).collect();
    let logs = BootLogs::default().with_measurements(Log::parse(&bytes).unwrap());
    let values = logs.replay();
    let quoted = |bank: HashAlgorithm, index: PcrIndex| {
        (bank == BANK).then(|| values.get(BANK, index).copied().unwrap_or_else(|| index.start(BANK)))
    };
    let truth = bound_texts(&measured_logs(logs, quoted));
    assert_eq!(truth.len(), 3);
    let (mut refused, mut differs, mut harmless) = (0, 0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(log) = Log::parse(&flipped) else {
            refused += 1;
            continue;
        };
        let boot = measured_logs(BootLogs::default().with_measurements(log), quoted);
        if boot
            .verdicts()
            .any(|(_, _, v)| matches!(v, PcrVerdict::Differs { .. } | PcrVerdict::Unexplained { .. }))
        {
            differs += 1;
        } else {
            harmless += 1;
        }
        // In every case: what is bound in a matching PCR is what was measured.
        assert!(bound_texts(&boot).iter().all(|text| truth.contains(text)), "bit {bit}");
    }
    assert!(refused > 500 && differs > 100 && harmless > 100, "{refused} {differs} {harmless}");
}
