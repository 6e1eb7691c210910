//! Measurement lists: any bytes give entries or an error, and what is accepted keeps the format's rules.
#![no_main]

use attest::ima::{Bank, Extend, ImaList, ascii_to_binary, replay};
use attest::{HashAlgorithm, PcrIndex};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, list)) = data.split_first() else { return };
    let hash = HashAlgorithm::ALL[usize::from(choice % 4)];
    read(list, hash);
    if let Ok(binary) = ascii_to_binary(list, hash) {
        assert!(binary.len() <= list.len().saturating_mul(5).saturating_add(16));
        read(&binary, hash);
    }
});

fn read(bytes: &[u8], hash: HashAlgorithm) {
    let list = ImaList::of_bank(bytes, hash);
    let mut end = 0;
    for (index, entry) in list.entries().enumerate() {
        let Ok(entry) = entry else { break };
        assert_eq!(entry.number(), index + 1);
        assert!(entry.offset() >= end);
        assert!(!entry.path().contains(&0));
        assert!(entry.fields().count() >= 2);
        assert_eq!(entry.template_digest().is_zero(), entry.is_violation());
        end = entry.offset() + 1;
    }
    let banks = Extend::ALL.map(|extend| Bank { algorithm: HashAlgorithm::Sha256, extend });
    if let Ok(pcrs) = replay(&list, &banks) {
        assert_eq!(pcrs.iter().next().is_none(), bytes.is_empty());
        assert!(pcrs.iter().all(|(pcr, _)| pcr <= PcrIndex::all().last().unwrap_or(pcr)));
    }
}
