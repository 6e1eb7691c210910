use attest::appraise::FurtherRules as _;
use attest::dsse;
use attest::policy::Policy;
use attest::reference::ReferenceValues;
use attest::rego::{CompiledRules, RegoFile};

/// Policies and their Rego rules: any text gives a policy or an error, and no policy judges nothing.
pub fn policy(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(policy) = Policy::parse(text)
    {
        assert!(!policy.quote.pcrs.is_empty() && !policy.boot.references.is_empty());
    }
    rego(data);
}

/// Rules in Rego: any text gives rules or faults, and rules that load end with an answer.
fn rego(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(rules) = CompiledRules::compile(&[RegoFile { name: "rules.rego", text }]) {
        let input =
            r#"{"claims":{"device_id":"gw-1","release":"gw 1","pcrs":[{"pcr":0}]},"reasons":[],"notes":[]}"#;
        assert!(rules.deny(input).iter().all(|reason| reason.id == "rego"));
        assert!(!rules.deny("no JSON").is_empty(), "an error is a reason");
    }
}

/// Reference values and signed documents: any bytes give a value or an error, and nobody's signature is trusted.
pub fn reference(data: &[u8]) {
    if let Ok(values) = ReferenceValues::parse(data) {
        let json = values.to_json().expect("what was read can be written");
        assert_eq!(ReferenceValues::parse(&json).as_ref(), Ok(&values));
    }
    assert!(dsse::verify(data, "type", &[]).is_err(), "nobody is trusted");
}
