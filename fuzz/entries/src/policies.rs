use attest::appraise::FurtherRules as _;
use attest::dsse;
use attest::policy::{Cases, Policy};
use attest::reference::{Corim, CorimExpected, ReferenceSet, ReferenceValues, Withdrawal};
use attest::rego::{CompiledRules, RegoFile};

/// Policies, their cases and their Rego rules: any text gives a policy or its faults, each with its line and on one, and no policy
/// judges nothing.
pub fn policy(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let faults = match Policy::check(text) {
            Ok((policy, weaknesses)) => {
                assert_eq!(Policy::parse(text).as_ref(), Ok(&policy));
                assert!(!policy.quote.pcrs.is_empty() && !policy.boot.references.is_empty());
                weaknesses
            }
            Err(error) => {
                assert!(!error.faults().is_empty());
                error.faults().to_vec()
            }
        };
        let lines = text.split('\n').count();
        for fault in faults {
            assert!(fault.line <= lines, "{fault} of {lines}");
            let told = fault.to_string();
            assert!(!told.chars().any(char::is_control), "{told:?}");
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(cases) = Cases::parse(text)
    {
        assert!(!cases.cases.is_empty());
    }
    rego(data);
}

/// Rules in Rego: any text gives rules or faults, and rules that load end with an answer.
fn rego(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // The engine panics over numbers beyond all numbers. That is caught and a reason, but a fuzzer ends with any panic.
    if text.matches('*').count() > 3 {
        return;
    }
    if let Ok(rules) = CompiledRules::compile(&[RegoFile { name: "rules.rego", text }]) {
        let input =
            r#"{"claims":{"device_id":"gw-1","release":"gw 1","pcrs":[{"pcr":0}]},"reasons":[],"notes":[]}"#;
        assert!(rules.deny(input).iter().all(|reason| reason.id == "rego"));
        assert!(!rules.deny("no JSON").is_empty(), "an error is a reason");
    }
}

/// Reference values, sets of them, withdrawals and signed documents: any bytes give a value or an error, and nobody's signature is trusted.
pub fn reference(data: &[u8]) {
    if let Ok(values) = ReferenceValues::parse(data) {
        let json = values.to_json().expect("what was read can be written");
        assert_eq!(ReferenceValues::parse(&json).as_ref(), Ok(&values));
    }
    if let Ok(set) = ReferenceSet::parse(data) {
        let json = set.to_json().expect("what was read can be written");
        assert_eq!(ReferenceSet::parse(&json).as_ref(), Ok(&set));
    }
    if let Ok(withdrawal) = Withdrawal::parse(data) {
        let json = withdrawal.to_json().expect("what was read can be written");
        assert_eq!(Withdrawal::parse(&json).as_ref(), Ok(&withdrawal));
    }
    assert!(dsse::verify(data, "type", &[]).is_err(), "nobody is trusted");
}

/// A vendor's CoRIM, unsigned: any bytes give values or an error.
pub fn corim(data: &[u8]) {
    let _ = Corim::parse(data, &CorimExpected::default());
}
