//! Boots of systemd 257 and 262 judged whole: the recorded quote, the firmware's log, systemd's, and IMA's list.

use jiff::{SignedDuration, Timestamp};

use super::systemd::{NVPCRS, VECTORS, file};
use crate::appraisal::{Outcome, PcrClaim, PcrStanding};
use crate::appraise::record::Record;
use crate::appraise::{boot, ima, refuse_unexplained};
use crate::cel;
use crate::challenge::{Challenge, Nonce};
use crate::digest::HashAlgorithm;
use crate::eventlog::{BootLogs, EventLog, measured_logs};
use crate::ima::Attesting;
use crate::key::{AttestationKey, ENDORSEMENT, PublicArea};
use crate::pcr::PcrIndex;
use crate::policy::Policy;
use crate::quote::tpm2_tools::read_pcr_file;
use crate::quote::{Quote, SignedQuote, VerifiedQuote, VerifyingKey};
use crate::reference::{Golden, ReferenceValues, TrustedReference, record};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;
/// Every PCR that systemd and the firmware extend, and all files.
const RULES: &str = "version = 1\nname = \"machine\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n\
                     [quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]\n\
                     [boot]\nreferences = [\"g\"]\n[ima]\nlist = \"require\"\n";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A recorded boot: its quote, verified with the key that made it, and its logs.
struct Recorded {
    quote: VerifiedQuote,
    signed: SignedQuote,
    log: Vec<u8>,
    records: Vec<u8>,
    ima: Vec<u8>,
}

impl Recorded {
    fn load(vector: &str) -> Self {
        let part = |name: &str| file(vector, name);
        let key = PublicArea::parse_tpm2b(&part("quote/ak.pub")).unwrap();
        let parent = PublicArea::parse_tpm2b(&part("quote/ek.pub")).unwrap().qualified_name(&ENDORSEMENT);
        let nonce = hex::decode(String::from_utf8(part("quote/nonce.hex")).unwrap().trim()).unwrap();
        let nonce = Nonce::new(&nonce).unwrap();
        let (message, signature, pcrs) =
            (part("quote/quote.msg"), part("quote/quote.sig"), part("quote/quote.pcrs"));
        let values: Vec<_> =
            read_pcr_file(&pcrs, &message).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        let quote = Quote { message: &message, signature: &signature };
        let bare = VerifyingKey::bare(key.key().clone()).unwrap();
        let signed = quote.verify_signed(&nonce, &bare, &values).unwrap();
        let attestation = AttestationKey::new(key.clone(), key.key()).unwrap().with_parent(&parent);
        let challenge = Challenge::new(nonce, at(0), SignedDuration::from_mins(5));
        let quote = quote.verify(challenge, at(0), &attestation, &values).unwrap();
        Self {
            quote,
            signed,
            log: part("eventlog.bin"),
            records: part("tpm2-measure.log"),
            ima: part("ima.bin"),
        }
    }

    /// All logs, with other records of systemd's.
    fn logs_with<'l>(&'l self, records: &'l [u8]) -> BootLogs<'l> {
        BootLogs::from(EventLog::parse(&self.log).unwrap())
            .with_measurements(cel::Log::parse(records).unwrap())
    }

    fn golden(&self) -> ReferenceValues {
        let golden = Golden {
            product: "machine".to_owned(),
            release: "1".to_owned(),
            issued: at(0),
            starts: None,
            expires: None,
            bank: BANK,
        };
        record(golden, &self.signed, Some(self.logs_with(&self.records)), Some(&self.ima), &[]).unwrap()
    }

    /// The pipeline behind the quote: logs, references and files, as the appraiser goes through it.
    fn judge(&self, values: ReferenceValues, records: &[u8]) -> Outcome {
        let policy = Policy::parse(RULES).unwrap();
        let json = values.to_json().unwrap();
        let values = ReferenceValues::parse(&json).unwrap();
        let references = [TrustedReference::of(values, "key".to_owned(), at(0)).unwrap()];
        let boot = measured_logs(self.logs_with(records), |bank, pcr| self.quote.value(bank, pcr).copied());
        let mut outcome = Outcome::default();
        let record = Record::none(at(0));
        let releases = boot::judge(&policy, &references, &self.quote, Some(&boot), record, &mut outcome);
        let digest = BANK.digest(RULES.as_bytes());
        let attesting = Attesting { attester: "key", reset_count: 0, policy: &digest };
        let part = ima::Part {
            list: Some(&self.ima),
            boot: Some(&boot),
            start: None,
            state: None,
            attesting,
            record,
        };
        ima::judge(&policy, &ima::ImaRuleSet::default(), &releases, &self.quote, part, &mut outcome);
        refuse_unexplained(&policy.quote, &mut outcome);
        outcome
    }

    fn reasons(&self, values: ReferenceValues) -> Vec<String> {
        let outcome = self.judge(values, &self.records);
        outcome.reasons.iter().map(|reason| format!("{}: {}", reason.place, reason.what)).collect()
    }
}

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

/// Makes the last event of a PCR that is described so another one.
fn altered(mut values: ReferenceValues, index: u32, description: &str) -> ReferenceValues {
    let event = values
        .events
        .iter_mut()
        .rfind(|event| event.pcr == pcr(index) && event.description.contains(description))
        .unwrap_or_else(|| panic!("PCR {index} has no {description}"));
    event.digest = BANK.digest(b"another");
    if let Some(value) = values.pcrs.get_mut(&pcr(index)) {
        *value = BANK.digest(b"another");
    }
    values
}

#[test]
fn e15_a_recorded_boot_passes_whole_and_every_quoted_register_is_explained() {
    for vector in VECTORS {
        let recorded = Recorded::load(vector);
        let outcome = recorded.judge(recorded.golden(), &recorded.records);
        assert!(outcome.reasons.is_empty(), "{vector}: {:#?}", outcome.reasons);
        assert_eq!(outcome.claims.release.as_deref(), Some("machine 1"), "{vector}");
        let quoted = recorded.quote.values().filter(|(_, value)| value.algorithm() == BANK).count();
        let explained = |claim: &PcrClaim| match claim.standing {
            PcrStanding::Known | PcrStanding::Untouched => true,
            // Files are judged one by one.
            PcrStanding::Explained => claim.pcr == PcrIndex::IMA,
            _ => false,
        };
        let claims: Vec<_> = outcome.claims.pcrs.iter().filter(|claim| claim.bank == BANK).collect();
        assert_eq!(claims.len(), quoted, "{vector}");
        let told = outcome.notes.iter().any(|note| note.starts_with("1 record of an NV index"));
        assert_eq!(told, vector == NVPCRS, "{vector}: {:#?}", outcome.notes);
        assert!(claims.iter().all(|claim| explained(claim)), "{vector}: {claims:#?}");
    }
}

#[test]
fn what_systemd_extends_is_recorded_by_its_events() {
    for vector in VECTORS {
        let values = Recorded::load(vector).golden();
        // systemd 262 has a separator in the others, too, beside which PCR 2, 3, 6 and 14 have none of interest.
        let system = if vector == NVPCRS { vec![0, 1, 4, 5, 7, 9, 11, 12, 13, 15] } else { vec![11, 15] };
        assert_eq!(values.by_events, system.into_iter().map(pcr).collect::<Vec<_>>(), "{vector}");
        let roles = |index| {
            values.events_of(pcr(index)).filter_map(|event| event.role.as_deref()).collect::<Vec<_>>()
        };
        assert_eq!(roles(15), ["machine id", "file system", "file system"], "{vector}");
        assert_eq!(roles(11).iter().filter(|role| **role == "phase of the boot").count(), 4, "{vector}");
    }
}

#[test]
fn a_device_in_another_phase_than_the_golden_one_still_passes() {
    for vector in VECTORS {
        let recorded = Recorded::load(vector);
        for phase in ["ready", "sysinit", "leave-initrd"] {
            let mut earlier = recorded.golden();
            let after = earlier.events.iter().position(|event| event.description.ends_with(phase)).unwrap();
            let mut index = 0;
            earlier.events.retain(|event| {
                index += 1;
                index <= after || event.pcr != pcr(11)
            });
            assert_eq!(recorded.reasons(earlier), Vec::<String>::new(), "{vector}: before {phase}");
        }
    }
}

#[test]
fn what_is_another_is_said_in_words() {
    let recorded = Recorded::load("systemd-257-profile");
    for (index, description, words) in [
        (12, "profile", "PCR 12 (sha256): .profile section changed, compared with machine 1"),
        (12, "Credentials", "PCR 12 (sha256): credentials changed, compared with machine 1"),
        (13, "xtension", "PCR 13 (sha256): system extensions changed, compared with machine 1"),
        (15, "machine-id", "PCR 15 (sha256): machine id changed, compared with machine 1"),
        (15, "file-system:/efi", "PCR 15 (sha256): file system changed, compared with machine 1"),
    ] {
        let reasons = recorded.reasons(altered(recorded.golden(), index, description));
        let boot: Vec<_> = reasons.iter().filter(|reason| reason.contains("compared with")).collect();
        assert_eq!(boot, [words], "{reasons:#?}");
    }
}

#[test]
fn e01_a_log_that_lacks_one_of_systemds_records_is_refused() {
    for vector in VECTORS {
        let recorded = Recorded::load(vector);
        let text = String::from_utf8(recorded.records.clone()).unwrap();
        let records: Vec<_> = text.split_inclusive('\n').collect();
        for dropped in 0..records.len() {
            let kept = records.iter().enumerate().filter(|(index, _)| *index != dropped);
            let log: String = kept.map(|(_, text)| *text).collect();
            let golden = recorded.golden();
            let outcome = recorded.judge(golden.clone(), log.as_bytes());
            let record = cel::Log::parse(records[dropped].as_bytes()).unwrap();
            let Some(index) = record.records()[0].pcr() else {
                // Of an NV index: nothing is decided by it.
                assert!(outcome.reasons.is_empty(), "{vector}: without record {dropped}: {outcome:#?}");
                continue;
            };
            let place = format!("PCR {index} (sha256)");
            let found = outcome.reasons.iter().find(|reason| reason.place == place);
            let reason =
                found.unwrap_or_else(|| panic!("{vector}: without record {dropped}: {:#?}", outcome.reasons));
            // In PCR 14 there is nothing else.
            let id = if index.get() == 14 { "e15" } else { "e01" };
            assert_eq!(reason.id, id, "{vector}: {reason:#?}");
            let known = outcome.claims.release.is_some();
            assert_eq!(known, golden.pcrs.contains_key(&index), "{vector}: without record {dropped}");
        }
        let outcome = recorded.judge(recorded.golden(), b"");
        let unexplained: Vec<_> = outcome.reasons.iter().filter(|reason| reason.id == "e15").collect();
        assert!(unexplained.iter().any(|reason| reason.place == "PCR 15 (sha256)"), "{:#?}", outcome.reasons);
    }
}

/// systemd 262 extends PCR 0 to 7 and 9 after the kernel has hashed them: its own texts are taken off, and no other record is.
#[test]
fn i04_the_boot_aggregate_is_that_of_the_registers_before_systemds_separators() {
    let recorded = Recorded::load(NVPCRS);
    let text = String::from_utf8(recorded.records.clone()).unwrap();
    let first = text.split_inclusive('\n').next().unwrap();
    assert!(first.contains("\"pcr\":0,") && first.contains("os-separator"), "{first}");
    let hidden = text.replacen("\"string\":\"os-separator\"", "\"string\":\"what the firmware measured\"", 1);
    let outcome = recorded.judge(recorded.golden(), hidden.as_bytes());
    let refused: Vec<_> = outcome.reasons.iter().filter(|reason| reason.place == "IMA list").collect();
    assert_eq!(refused.len(), 1, "{:#?}", outcome.reasons);
    assert!(refused[0].what.contains("boot_aggregate"), "{refused:#?}");
}
