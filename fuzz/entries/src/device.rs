//! A device whose TPM quotes whatever its logs lead to: hostile logs, and proven.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use attest::appraise::{EndorsedKey, EndorsementRefusal, Endorsements};
use attest::challenge::Nonce;
use attest::evidence::{
    BootLogBytes, Evidence, ImaPart, Log, MeasurementKind, MeasurementLog, QuoteEvidence, VERSION,
};
use attest::ima::{ImaList, replay};
use attest::key::{PublicArea, PublicKey};
use attest::{Digest, HashAlgorithm, PcrIndex};
use jiff::Timestamp;
use serde_bytes::ByteBuf;

use crate::resealed;
use crate::signer::{Signer, sized};

/// The bank that is judged.
pub(crate) const BANK: HashAlgorithm = HashAlgorithm::Sha256;
/// The PCRs that are quoted: those that can't be reset, and 16 so that not all of them are judged.
pub(crate) const QUOTED: u8 = 17;
pub(crate) const NONCE: [u8; 32] = [0x5A; 32];
pub(crate) const DEVICE: &str = "gw-1";

/// What stands between the parts of an input. Bytes without it are an event log alone.
const BETWEEN: &[u8] = b"<part>\n";

/// What an input chooses, beside its logs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice {
    /// Which of the policies judges.
    pub(crate) policy: u8,
    bits: u8,
    /// PCRs whose quoted value is none that the logs lead to.
    pub(crate) altered: u16,
    /// Restarts since the reset.
    restarts: u8,
}

impl Choice {
    fn of(bytes: &[u8]) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        Self {
            policy: byte(0),
            bits: byte(1),
            altered: u16::from_le_bytes([byte(2), byte(3)]),
            restarts: byte(4) & 1,
        }
    }

    /// Whether the event log's digests are made to fit.
    fn reseals(self) -> bool {
        self.bits & 1 != 0
    }

    /// Whether the list keeps its own first entry instead of getting the boot aggregate of the quote.
    fn keeps_aggregate(self) -> bool {
        self.bits & 2 != 0
    }

    /// Whether the reference is recorded from the device itself, with its events and files.
    pub(crate) fn records(self) -> bool {
        self.bits & 4 != 0
    }

    /// Whether a result is a CWT.
    pub(crate) fn compact(self) -> bool {
        self.bits & 8 != 0
    }

    /// Whether logs travel compressed.
    fn packs(self) -> bool {
        self.bits & 16 != 0
    }

    /// Whether ways to allow what was refused are looked for.
    pub(crate) fn suggests(self) -> bool {
        self.bits & 32 != 0
    }

    pub(crate) fn is_altered(self, pcr: PcrIndex) -> bool {
        pcr.get() < 16 && self.altered & (1 << pcr.get()) != 0
    }
}

/// A device's logs and what its TPM quotes.
pub(crate) struct Device {
    pub(crate) choice: Choice,
    pub(crate) event_log: Vec<u8>,
    pub(crate) ima: Option<Vec<u8>>,
    pub(crate) evidence: Evidence,
    pub(crate) values: BTreeMap<PcrIndex, Digest>,
}

impl Device {
    /// The device of an input: its choices, event log, final events, measurement log and IMA list. `None` when the logs of its
    /// boot can't be read: those go to the parsers' own targets.
    pub(crate) fn of(data: &[u8]) -> Option<Self> {
        let parts = split(data);
        let part = |index: usize| parts.get(index).copied().filter(|part| !part.is_empty());
        let (choice, event_log) = match *parts.as_slice() {
            [log] => (Choice::default(), log),
            [choice, log, ..] => (Choice::of(choice), log),
            [] => return None,
        };
        let event_log = if choice.reseals() { resealed::event_log(event_log) } else { event_log.to_vec() };
        let log = |bytes: &[u8]| {
            if choice.packs() { Log::packed(bytes.to_vec()) } else { Log::plain(bytes.to_vec()) }
        };
        let mut evidence = Evidence {
            version: VERSION,
            quote: QuoteEvidence {
                message: ByteBuf::new(),
                signature: ByteBuf::new(),
                pcr_values: Vec::new(),
            },
            attestation_key: ByteBuf::from(key().as_bytes()),
            certificates: Vec::new(),
            event_log: (!event_log.is_empty()).then(|| log(&event_log)),
            final_events: part(2).map(log),
            measurement_logs: Vec::new(),
            ima: None,
        };
        if let Some(measured) = part(3) {
            let kind = MeasurementKind::Systemd;
            evidence.measurement_logs.push(MeasurementLog { kind, log: log(measured) });
        }
        let mut values = boot_values(&evidence)?;
        let ima = part(4).map(|list| whole_list(choice, list, &values));
        if let Some(list) = &ima
            && let Ok(pcrs) = replay(&ImaList::new(list), &[BANK.into()])
        {
            values.extend(pcrs.get(BANK, PcrIndex::IMA).map(|value| (PcrIndex::IMA, *value)));
        }
        evidence.ima = ima.as_deref().map(|list| ImaPart::whole(log(list)));
        for (pcr, value) in &mut values {
            if choice.is_altered(*pcr) {
                *value = BANK.digest(value.as_bytes());
            }
        }
        let mut device = Self { choice, event_log, ima, evidence, values };
        device.quote();
        Some(device)
    }

    fn quote(&mut self) {
        let values: Vec<_> = self.values.values().collect();
        let parts: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
        let name = key().qualified_name(&0x4000_000B_u32.to_be_bytes());
        // TPMS_ATTEST (TPM 2.0 Part 2 §10.12.12): a clock that is safe, firmware 1, one selection of PCR 0 to 16.
        let message = [
            &0xFF54_4347_u32.to_be_bytes()[..],
            &0x8018_u16.to_be_bytes(),
            &sized(&name),
            &sized(&NONCE),
            &60_000_u64.to_be_bytes(),
            &7_u32.to_be_bytes(),
            &u32::from(self.choice.restarts).to_be_bytes(),
            &[1],
            &1_u64.to_be_bytes(),
            &[0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0xFF, 0x01],
            &sized(BANK.digest_parts(&parts).as_bytes()),
        ]
        .concat();
        self.evidence.quote = QuoteEvidence {
            signature: signer().tpm_signature(&message).into(),
            message: message.into(),
            pcr_values: parts.iter().map(|value| ByteBuf::from(*value)).collect(),
        };
    }
}

pub(crate) fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&data[..at]);
        data = &data[at + BETWEEN.len()..];
    }
    parts.push(data);
    parts
}

/// What the logs of the boot lead to.
fn boot_values(evidence: &Evidence) -> Option<BTreeMap<PcrIndex, Digest>> {
    let bytes = BootLogBytes::of(evidence).ok()?;
    let replayed = bytes.parse().ok()?.map(|logs| logs.replay()).unwrap_or_default();
    let quoted = PcrIndex::all().take(usize::from(QUOTED));
    Some(quoted.map(|pcr| (pcr, replayed.get(BANK, pcr).copied().unwrap_or(pcr.start(BANK)))).collect())
}

/// The list with the boot aggregate of these values first, and right template hashes.
fn whole_list(choice: Choice, list: &[u8], values: &BTreeMap<PcrIndex, Digest>) -> Vec<u8> {
    let list = resealed::ima_list(list);
    if choice.keeps_aggregate() {
        return list;
    }
    // An altered value of the boot is in the quote, and in the kernel's hash over it.
    let boot: Vec<_> = values.iter().take(10).map(|(pcr, value)| quoted(choice, *pcr, value)).collect();
    let aggregate = BANK.digest_parts(&boot.iter().map(Digest::as_bytes).collect::<Vec<_>>());
    let field = |bytes: &[u8]| {
        let len = u32::try_from(bytes.len()).expect("a short field");
        [&len.to_le_bytes()[..], bytes].concat()
    };
    let digest = [&b"sha256:\0"[..], aggregate.as_bytes()].concat();
    let fields = [field(&digest), field(b"boot_aggregate\0"), field(b"")].concat();
    let first = [&10_u32.to_le_bytes()[..], &[0xFF; 20], &field(b"ima-sig"), &field(&fields)].concat();
    [resealed::ima_list(&first), list].concat()
}

fn quoted(choice: Choice, pcr: PcrIndex, value: &Digest) -> Digest {
    if choice.is_altered(pcr) { BANK.digest(value.as_bytes()) } else { *value }
}

/// The key of the device's TPM.
fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| Signer::named("attestation key"))
}

fn key() -> &'static PublicArea {
    static KEY: OnceLock<PublicArea> = OnceLock::new();
    KEY.get_or_init(|| signer().attestation_key())
}

/// The public half of the device's key.
pub(crate) fn public_key() -> PublicKey {
    signer().public_key()
}

/// Vouches for the device's key whatever the certificates: they have their own target.
pub(crate) struct Factory;

impl Endorsements for Factory {
    fn attestation_key(&self, _: &[&[u8]], _: Timestamp) -> Result<EndorsedKey, EndorsementRefusal> {
        Ok(EndorsedKey { device_id: DEVICE.to_owned(), key: signer().public_key() })
    }
}

/// The challenge's nonce.
pub(crate) fn nonce() -> Nonce {
    Nonce::new(&NONCE).expect("a nonce")
}
