//! Memory of a policy with 100,000 path-and-digest rules: compiled once, shared by all devices that are judged with it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

// The device of the appraisals' benchmark; what only that one needs of it is not used here.
#[allow(dead_code)]
#[path = "../appraise/boot.rs"]
mod boot;
#[allow(dead_code)]
#[path = "../appraise/device.rs"]
mod device;
#[path = "../appraise/list.rs"]
mod list;

use allocation_counter::{AllocationInfo, measure};
use attest::HashAlgorithm::Sha256 as BANK;
use attest::appraisal::{Appraisal, Verdict};
use attest::appraise::{Appraiser, ImaRuleSet, policy_digest};
use attest::challenge::{Challenge, Nonce};
use attest::dsse::{self, DocumentKey};
use attest::evidence::Log;
use attest::policy::{ImaRule, Policy};
use attest::reference::{PAYLOAD_TYPE, TrustedReference};
use boot::Boot;
use device::Device;
use jiff::{SignedDuration, Timestamp};
use list::{ImaEntry, extend, ima_entries};
use pki::chain::DeviceRoots;
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use sha2::{Digest as _, Sha256};

/// Rules of the policy; `FILES` of them are for the files that the devices measured.
const RULES: usize = 100_000;
const FILES: usize = 2_000;
const DEVICES: u64 = 100;
/// Of the issue: 1 MiB for each further device.
const MOST: u64 = 1024 * 1024;

fn main() {
    let (device, boot, now) = (Device::new(), Boot::typical(), Timestamp::now());
    let mut values = [[0; 32]; 11];
    boot.extensions.iter().for_each(|event| extend(&mut values, event.pcr, &event.digest));
    let reference = [reference(&values, now)];
    let booted = values;

    let mut policy = Policy::parse(POLICY).unwrap();
    let rules = policy.ima.as_mut().unwrap();
    rules.rules = ima_entries(RULES + 1, &booted).iter().skip(1).map(rule).collect();
    let mut compiled = None;
    let memory = measure(|| {
        compiled = Some(ImaRuleSet::compile(policy.ima.as_ref().unwrap(), Vec::new()).unwrap());
    });
    println!(
        "{RULES} rules, compiled once: {} KiB kept, {} KiB at most",
        kib(kept(&memory)),
        kib(memory.bytes_max)
    );
    let compiled = compiled.unwrap();

    // Two lists that differ in their length only tell what one entry costs.
    let roots = DeviceRoots::from_pem(&device.root_pem).unwrap();
    let digest = policy_digest(&[POLICY.as_bytes()]);
    let judge = |evidence: &[u8]| {
        let appraiser = Appraiser::with_digest(&policy, digest, &reference, &roots).with_ima_rules(&compiled);
        let appraisal =
            appraiser.appraise(evidence, Challenge::new(nonce(), now, SignedDuration::from_mins(5)), now);
        assert_eq!(appraisal.verdict(), Verdict::Trusted, "{:#?}", appraisal.reasons());
        appraisal
    };
    let [few, many] = [FILES / 2, FILES].map(|files| {
        let ima = ima_entries(files, &booted);
        let mut values = booted;
        ima.iter().for_each(|entry| extend(&mut values, 10, &Sha256::digest(&entry.data).into()));
        let list: Vec<u8> = ima.iter().flat_map(ImaEntry::bytes).collect();
        let (quote, _) = device.quote(&nonce(), &values);
        let forms: [fn(Vec<u8>) -> Log; 2] = [Log::plain, Log::packed];
        forms.map(|pack| device.evidence(quote.clone(), pack(boot.log.clone()), Some(pack(list.clone()))))
    });
    for (form, few, many) in
        few.iter().zip(&many).zip(["plain", "packed"]).map(|((few, many), form)| (form, few, many))
    {
        let [few, memory] = [few, many].map(|evidence| {
            judge(evidence);
            measure(|| drop(judge(evidence)))
        });
        let per_file = memory.count_total.abs_diff(few.count_total);
        println!(
            "{form:7} {FILES} files, evidence of {} KiB: {} KiB at most while it is judged, {} KiB kept after; {} \
             allocations, {per_file} for {} more files; goal: below {} KiB",
            many.len() >> 10,
            kib(memory.bytes_max),
            kib(kept(&memory)),
            memory.count_total,
            FILES / 2,
            kib(MOST)
        );
        assert!(memory.bytes_max < MOST, "the goal is missed");
        let mut appraisals: Vec<Appraisal> = Vec::with_capacity(100);
        let all = measure(|| (0..DEVICES).for_each(|_| appraisals.push(judge(many))));
        println!(
            "{form:7} {DEVICES} devices whose appraisals are all kept: {} KiB for each",
            kib(kept(&all) / DEVICES)
        );
        assert!(kept(&all) / DEVICES < MOST, "the goal is missed");
    }
}

fn kib(bytes: u64) -> String {
    format!("{}.{}", bytes >> 10, ((bytes & 1023) * 10) >> 10)
}

fn kept(memory: &AllocationInfo) -> u64 {
    u64::try_from(memory.bytes_current).unwrap_or(0)
}

fn rule(entry: &ImaEntry) -> ImaRule {
    ImaRule { paths: vec![entry.path.clone()], digests: vec![entry.file.clone()], signed_by: Vec::new() }
}

fn nonce() -> Nonce {
    Nonce::new(&[3; 32]).unwrap()
}

const POLICY: &str = "version = 1\nname = \"bench\"\n[trust]\ndevice_roots = [\"r\"]\nreference_keys = [\"k\"]\n\
     [quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n[boot]\nreferences = [\"g\"]\nsecure_boot = \"require\"\n\
     [ima]\nlist = \"require\"\n";

/// A signed release with the PCRs of the boot and without files: the policy has them.
fn reference(values: &[[u8; 32]; 11], now: Timestamp) -> TrustedReference {
    let pcrs = values.iter().take(10).enumerate();
    let pcrs: Vec<_> =
        pcrs.map(|(pcr, value)| format!("\"{pcr}\":\"{BANK}:{}\"", hex::encode(value))).collect();
    let document = format!(
        "{{\"version\":1,\"product\":\"server\",\"release\":\"1.0\",\"issued\":\"2026-01-01T00:00:00Z\",\"expires\":null,\
         \"bank\":\"{BANK}\",\"pcrs\":{{{}}},\"events\":[],\"files\":{{}}}}",
        pcrs.join(",")
    );
    let key = KeyPair::generate().unwrap();
    let random = SystemRandom::new();
    let envelope = dsse::sign(document.as_bytes(), PAYLOAD_TYPE, &key.serialize_pem(), &random).unwrap();
    let keys = [DocumentKey::from_pem(&key.public_key_pem()).unwrap()];
    TrustedReference::verify(&envelope, &keys, now).unwrap()
}
