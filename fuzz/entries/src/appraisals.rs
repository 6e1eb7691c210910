use std::sync::OnceLock;

use attest::appraisal::{Appraisal, Verdict};
use attest::appraise::{Appraiser, ImaRuleSet};
use attest::challenge::Challenge;
use attest::dsse::{self, DocumentKey};
use attest::evidence::{BootLogBytes, Evidence, ImaPart, Log};
use attest::ima::{ImaList, ImaState};
use attest::policy::Policy;
use attest::quote::{Quote, VerifyingKey};
use attest::reference::{Golden, PAYLOAD_TYPE, ReferenceValues, TrustedReference, record};
use attest::result::{AttestationResult, Expected, ResultSigner, Tier, VerifierId, verify};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;

use crate::claims;
use crate::device::{BANK, DEVICE, Device, Factory, QUOTED, nonce};
use crate::resealed;
use crate::signer::Signer;

/// Policies from the most lenient to the strictest.
const POLICIES: [&str; 3] = [
    include_str!("../policies/report.toml"),
    include_str!("../policies/boot.toml"),
    include_str!("../policies/strict.toml"),
];

/// What is made once.
struct Verifier {
    policies: Vec<(Policy, ImaRuleSet)>,
    /// Signs references.
    publisher: Signer,
    publisher_key: DocumentKey,
    /// Signs results.
    results: ResultSigner,
    now: Timestamp,
}

fn verifier() -> &'static Verifier {
    static VERIFIER: OnceLock<Verifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let compile = |text: &&str| {
            let policy = Policy::parse(text).expect("a policy");
            let rules = policy.ima.as_ref().map(|ima| ImaRuleSet::compile(ima, Vec::new()).expect("rules"));
            (policy, rules.unwrap_or_default())
        };
        let publisher = Signer::named("reference key");
        let pem = publisher.public_key().to_pem().expect("a key");
        let results = Signer::named("result key");
        Verifier {
            policies: POLICIES.iter().map(compile).collect(),
            publisher_key: DocumentKey::from_pem(&pem).expect("a key"),
            publisher,
            results: ResultSigner::from_pem(results.pem(), &SystemRandom::new()).expect("a key"),
            now: "2026-05-01T00:00:00Z".parse().expect("a time"),
        }
    })
}

/// A whole appraisal of hostile logs behind a good quote: it ends with a verdict that keeps what the documents promise of one,
/// facts come of what is proven only, and a signed result says the same.
pub fn appraisal(data: &[u8]) {
    let Some(device) = Device::of(data) else { return };
    let verifier = verifier();
    let (policy, rules) = &verifier.policies[usize::from(device.choice.policy) % POLICIES.len()];
    let reference = [verifier.reference(&device)];
    let appraiser = Appraiser::new(policy, &[b"policy"], &reference, &Factory).with_ima_rules(rules);
    let evidence = device.evidence.to_bytes().expect("evidence");
    let appraisal = appraiser.appraise(&evidence, verifier.challenge(), verifier.now);
    check(&device, policy, &appraisal);
    verifier.check_result(&device, &appraisal);
    match appraisal.ima_state() {
        Some(state) if appraisal.claims().ima.is_some() => {
            check_rest(&device, &appraiser, verifier, state, &appraisal);
        }
        // No list was looked at: only when the boot was seen.
        Some(state) => assert!(state.entries == 0 && state.values.is_empty() && state.seen.is_some()),
        None => {}
    }
    let claims = appraisal.claims();
    if let Some(changed) = without_hints(&device) {
        let other = appraiser.appraise(&changed, verifier.challenge(), verifier.now);
        claims::assert_same_facts(claims.boot.as_ref(), other.claims().boot.as_ref());
    }
    if device.choice.suggests() {
        for suggestion in appraiser.suggest(&evidence, &|| verifier.challenge(), verifier.now) {
            assert_plain(&suggestion.reason);
            assert_plain(suggestion.change.as_deref().unwrap_or_default());
        }
    }
}

impl Verifier {
    fn challenge(&self) -> Challenge {
        Challenge::new(nonce(), self.now, SignedDuration::from_mins(5))
    }

    /// Signed reference values that the device's registers fit.
    fn reference(&self, device: &Device) -> TrustedReference {
        let values = device.choice.records().then(|| self.record(device)).flatten();
        let values = values.unwrap_or_else(|| {
            let pcrs = device.values.iter().filter(|(pcr, _)| pcr.get() != 10);
            ReferenceValues { pcrs: pcrs.map(|(pcr, value)| (*pcr, *value)).collect(), ..self.nothing() }
        });
        let json = values.to_json().expect("what was made can be written");
        let envelope = dsse::sign(&json, PAYLOAD_TYPE, self.publisher.pem(), &SystemRandom::new());
        let keys = std::slice::from_ref(&self.publisher_key);
        TrustedReference::verify(&envelope.expect("a signature"), keys, self.now)
            .expect("what was signed is trusted")
    }

    fn nothing(&self) -> ReferenceValues {
        ReferenceValues {
            version: 2,
            product: "gw".to_owned(),
            release: "1".to_owned(),
            issued: self.now,
            starts: None,
            expires: None,
            bank: BANK,
            pcrs: Default::default(),
            by_events: Vec::new(),
            events: Vec::new(),
            files: Default::default(),
            file_sets: Vec::new(),
        }
    }

    /// What `hallmark reference record` takes from the device; `None` where a golden device can't be like that.
    fn record(&self, device: &Device) -> Option<ReferenceValues> {
        let golden = Golden {
            product: "gw".to_owned(),
            release: "1".to_owned(),
            issued: self.now,
            starts: None,
            expires: None,
            bank: BANK,
        };
        let evidence = &device.evidence;
        let quote = Quote { message: &evidence.quote.message, signature: &evidence.quote.signature };
        let key = VerifyingKey::bare(crate::device::public_key()).expect("a key");
        let signed = quote.verify_signed(&nonce(), &key, &evidence.quote.pcr_values).expect("a good quote");
        let bytes = BootLogBytes::of(evidence).expect("logs that were read");
        let logs = bytes.parse().expect("logs that were read");
        record(golden, &signed, logs, device.ima.as_deref(), &[]).ok()
    }

    /// A result says what the appraisal says, whoever reads it.
    fn check_result(&self, device: &Device, appraisal: &Appraisal) {
        let id = VerifierId { developer: "example".to_owned(), build: "1".to_owned() };
        let made = AttestationResult::new(appraisal, id);
        let random = SystemRandom::new();
        let token = if device.choice.compact() {
            made.to_cwt(&self.results, &random).expect("a token")
        } else {
            made.to_jwt(&self.results, &random).expect("a token").into_bytes()
        };
        let nonce = nonce();
        let policy = appraisal.policy_digest();
        let expected = Expected {
            device: appraisal.attester().map(|_| DEVICE),
            nonce: Some(&nonce),
            policy: Some(policy),
        };
        let read = verify(&token, self.results.public(), &expected, self.now).expect("a good token");
        assert_eq!(read.claims(), made.claims());
        let good = matches!(read.status(), Tier::Affirming | Tier::Warning);
        assert_eq!(good, appraisal.verdict() == Verdict::Trusted);
    }
}

/// What holds of every verdict.
fn check(device: &Device, policy: &Policy, appraisal: &Appraisal) {
    let trusted = appraisal.verdict() == Verdict::Trusted;
    assert_eq!(trusted, appraisal.reasons().is_empty());
    assert!(appraisal.attester().is_some(), "the quote is good");
    for reason in appraisal.reasons() {
        assert_plain(&reason.to_string());
    }
    appraisal.notes().iter().for_each(|note| assert_plain(note));
    let claims = appraisal.claims();
    let json = serde_json::to_string(claims).expect("JSON");
    assert!(!json.chars().any(char::is_control), "{json:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    assert_eq!(claims.pcrs.len(), usize::from(QUOTED), "every quoted PCR has its verdict");
    if let Some(boot) = &claims.boot {
        claims::assert_none_of_altered(device, boot);
    }
    if trusted {
        claims::assert_rules_hold(policy, device, claims);
    }
}

/// One line for a terminal.
fn assert_plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Who sends only the rest of a list that passed, passes as well, and the counts are those of the whole.
fn check_rest(
    device: &Device,
    appraiser: &Appraiser<'_>,
    verifier: &Verifier,
    state: &ImaState,
    whole: &Appraisal,
) {
    let json = state.to_json().expect("JSON");
    assert_eq!(ImaState::parse(&json).as_ref(), Ok(state));
    let list = device.ima.as_deref().expect("a list that passed");
    let Ok((start, rest)) = ImaList::new(list).cut(state.position(), &[BANK]) else {
        panic!("{:?} is where the list was covered", state.position())
    };
    let ima = Some(ImaPart { list: Log::plain(rest.to_vec()), start: Some(start) });
    let evidence = Evidence { ima, ..device.evidence.clone() }.to_bytes().expect("evidence");
    let appraiser = appraiser.with_ima_state(state);
    let appraisal = appraiser.appraise(&evidence, verifier.challenge(), verifier.now);
    assert_eq!(appraisal.verdict(), Verdict::Trusted, "{:?}", appraisal.reasons());
    let counts = |appraisal: &Appraisal| {
        let claims = appraisal.claims().ima.as_ref().expect("a list");
        (claims.attested, claims.violations, claims.kexecs, claims.not_yet_attested)
    };
    assert_eq!(counts(&appraisal), counts(whole));
}

/// The evidence with other data in every event of the firmware's that no digest binds.
fn without_hints(device: &Device) -> Option<Vec<u8>> {
    let log = attest::eventlog::EventLog::parse(&device.event_log).ok()?;
    let changed = resealed::without_hints(&device.event_log, &log, BANK);
    let event_log = Some(Log::plain(changed));
    Some(Evidence { event_log, ..device.evidence.clone() }.to_bytes().expect("evidence"))
}
