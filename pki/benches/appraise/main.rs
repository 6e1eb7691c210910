//! Appraisals of typical evidence, whole and in parts, against the work that nobody can leave out: the signatures of quote
//! and chain, the hashes of replaying the logs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod boot;
mod device;
mod list;

use std::hint::black_box;
use std::time::{Duration, Instant};

use attest::Digest;
use attest::appraisal::Verdict;
use attest::appraise::{Appraiser, ImaRuleSet, policy_digest};
use attest::challenge::{Challenge, Nonce};
use attest::dsse::{self, DocumentKey};
use attest::evidence::{Log, QuoteEvidence};
use attest::key::AttestationKey;
use attest::policy::Policy;
use attest::quote::Quote;
use attest::reference::{PAYLOAD_TYPE, TrustedReference};
use boot::Boot;
use criterion::{Criterion, criterion_group};
use device::{Device, Signed};
use jiff::{SignedDuration, Timestamp};
use list::{ImaEntry, extend, ima_entries};
use pki::chain::DeviceRoots;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};

const FILES: usize = 2_000;
/// Appraisals between two looks at the clock.
const ROUND: u32 = 20;
const ROUNDS: u32 = 40;

/// Everything that a verifier has and gets.
struct Bench {
    device: Device,
    roots: DeviceRoots,
    policies: [(Policy, Digest); 2],
    rules: ImaRuleSet,
    reference: [TrustedReference; 1],
    boot: Boot,
    ima: Vec<ImaEntry>,
    quotes: [(QuoteEvidence, Signed); 2],
    /// Boot only, boot with IMA; logs as they are.
    evidence: [Vec<u8>; 2],
    /// The same with packed logs.
    packed: [Vec<u8>; 2],
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let (device, boot, now) = (Device::new(), Boot::typical(), Timestamp::now());
        println!("event log: {} events, {} bytes", boot.extensions.len(), boot.log.len());
        let mut values = replayed(&boot);
        let ima = ima_entries(FILES, &values);
        let booted = values;
        ima.iter().for_each(|entry| extend(&mut values, 10, &Sha256::digest(&entry.data).into()));
        let quotes = [booted, values].map(|values| device.quote(&nonce(), &values));
        let list: Vec<u8> = ima.iter().flat_map(ImaEntry::bytes).collect();
        let evidence = |pack: fn(Vec<u8>) -> Log| {
            let of = |index: usize, ima| {
                device.evidence(quotes.get(index).unwrap().0.clone(), pack(boot.log.clone()), ima)
            };
            [of(0, None), of(1, Some(pack(list.clone())))]
        };
        let (plain, packed) = (evidence(Log::plain), evidence(Log::packed));
        let text = policy_text();
        let with_ima = format!("{text}[ima]\nlist = \"require\"\n");
        let policies =
            [text, with_ima].map(|text| (Policy::parse(&text).unwrap(), policy_digest(&[text.as_bytes()])));
        Self {
            roots: DeviceRoots::from_pem(&device.root_pem).unwrap(),
            rules: ImaRuleSet::compile(policies[1].0.ima.as_ref().unwrap(), Vec::new()).unwrap(),
            reference: [reference(&booted, &ima, now)],
            policies,
            evidence: plain,
            packed,
            device,
            boot,
            ima,
            quotes,
            now,
        }
    }

    fn appraise(&self, which: usize, evidence: &[u8]) {
        let (policy, digest) = self.policies.get(which).unwrap();
        let appraiser = Appraiser::with_digest(policy, *digest, &self.reference, &self.roots);
        let appraisal = appraiser.with_ima_rules(&self.rules).appraise(evidence, self.challenge(), self.now);
        assert_eq!(appraisal.verdict(), Verdict::Trusted, "{:#?}", appraisal.reasons());
        black_box(appraisal);
    }

    fn challenge(&self) -> Challenge {
        Challenge::new(nonce(), self.now, SignedDuration::from_mins(5))
    }

    fn check_quote(&self) {
        let (quote, _) = self.quotes.first().unwrap();
        let key = AttestationKey::new(self.device.public.clone(), self.device.public.key()).unwrap();
        let parts = Quote { message: &quote.message, signature: &quote.signature };
        black_box(parts.verify(self.challenge(), self.now, &key, &quote.pcr_values).unwrap());
    }

    fn signature_of_quote(&self) {
        check(&ECDSA_P256_SHA256_FIXED, &self.quotes.first().unwrap().1);
    }

    /// Signatures, a hash of each event's data and one extension for each event; for each entry of a list SHA-1 and
    /// SHA-256 of its template data and one extension.
    fn floor(&self, with_ima: bool) {
        self.signature_of_quote();
        self.device.certified.iter().for_each(|signed| check(&ECDSA_P256_SHA256_ASN1, signed));
        let mut values = [[0; 32]; 11];
        for event in &self.boot.extensions {
            black_box(Sha256::digest(&event.data));
            extend(&mut values, event.pcr, &event.digest);
        }
        for entry in self.ima.iter().filter(|_| with_ima) {
            black_box(sha1::Sha1::digest(&entry.data));
            extend(&mut values, 10, &Sha256::digest(&entry.data).into());
        }
        black_box(values);
    }
}

fn check(algorithm: &'static dyn VerificationAlgorithm, signed: &Signed) {
    UnparsedPublicKey::new(algorithm, &signed.point).verify(&signed.message, &signed.signature).unwrap();
}

fn nonce() -> Nonce {
    Nonce::new(&[3; 32]).unwrap()
}

fn replayed(boot: &Boot) -> [[u8; 32]; 11] {
    let mut values = [[0; 32]; 11];
    boot.extensions.iter().for_each(|event| extend(&mut values, event.pcr, &event.digest));
    values
}

fn policy_text() -> String {
    "version = 1\nname = \"bench\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n\
     [quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n[boot]\nreferences = [\"g\"]\nsecure_boot = \"require\"\n"
        .to_owned()
}

/// A signed release with the PCRs of the boot and the files of the list.
fn reference(values: &[[u8; 32]; 11], ima: &[ImaEntry], now: Timestamp) -> TrustedReference {
    let pcrs = values
        .iter()
        .take(10)
        .enumerate()
        .map(|(pcr, value)| format!("\"{pcr}\":\"sha256:{}\"", hex::encode(value)));
    let files = ima.iter().skip(1).map(|entry| format!("\"{}\":[\"{}\"]", entry.path, entry.file));
    let [pcrs, files] = [pcrs.collect::<Vec<_>>(), files.collect()].map(|list| list.join(","));
    let document = format!(
        "{{\"version\":1,\"product\":\"server\",\"release\":\"1.0\",\"issued\":\"2026-01-01T00:00:00Z\",\"expires\":null,\
         \"bank\":\"sha256\",\"pcrs\":{{{pcrs}}},\"events\":[],\"files\":{{{files}}}}}"
    );
    let key = KeyPair::generate().unwrap();
    let random = SystemRandom::new();
    let envelope = dsse::sign(document.as_bytes(), PAYLOAD_TYPE, &key.serialize_pem(), &random).unwrap();
    let keys = [DocumentKey::from_pem(&key.public_key_pem()).unwrap()];
    TrustedReference::verify(&envelope, &keys, now).unwrap()
}

type Run<'b> = (&'static str, Box<dyn Fn() + 'b>, Box<dyn Fn() + 'b>, f64);

/// What is measured, its floor, and the goal: appraisals a second, or of the floor's rate where it is below 1.
fn runs(bench: &Bench) -> [Run<'_>; 5] {
    [
        ("quote", Box::new(|| bench.check_quote()), Box::new(|| bench.signature_of_quote()), 0.8),
        whole(bench, "boot", 0, &bench.evidence, 4_000.0),
        whole(bench, "boot and 2,000 files", 1, &bench.evidence, 700.0),
        whole(bench, "boot, packed", 0, &bench.packed, 4_000.0),
        whole(bench, "boot and 2,000 files, packed", 1, &bench.packed, 700.0),
    ]
}

fn whole<'b>(
    bench: &'b Bench,
    name: &'static str,
    which: usize,
    evidence: &'b [Vec<u8>; 2],
    goal: f64,
) -> Run<'b> {
    let run = move || bench.appraise(which, evidence.get(which).unwrap());
    (name, Box::new(run), Box::new(move || bench.floor(which == 1)), goal)
}

fn benchmarks(criterion: &mut Criterion) {
    let bench = Bench::new();
    for (name, run, floor, _) in runs(&bench) {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1));
        group.bench_function("floor", |bench| bench.iter(&floor));
        group.bench_function("whole", |bench| bench.iter(&run));
        group.finish();
    }
}

/// Each run stands next to one of the floor, so that other load on the machine weighs on both; the median of the ratios.
fn ratios() {
    let bench = Bench::new();
    for (name, run, floor, goal) in runs(&bench) {
        let timed = |run: &dyn Fn()| {
            let start = Instant::now();
            (0..ROUND).for_each(|_| run());
            f64::from(ROUND) / start.elapsed().as_secs_f64()
        };
        let (mut ratios, mut best, mut best_floor) = (Vec::new(), 0.0_f64, 0.0_f64);
        for _ in 0..ROUNDS {
            let (floor, run) = (timed(&floor), timed(&run));
            ratios.push(run / floor);
            (best, best_floor) = (best.max(run), best_floor.max(floor));
        }
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios.get(ratios.len() / 2).unwrap();
        let goal = if goal < 1.0 {
            format!("{:.0} % of the floor", goal * 100.0)
        } else {
            format!("{goal} a second")
        };
        println!(
            "{name:30} {best:7.0} a second at best, floor {best_floor:7.0}; {:3.0} % of the floor; goal: {goal}",
            ratio * 100.0
        );
    }
}

criterion_group!(benches, benchmarks);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    ratios();
}
