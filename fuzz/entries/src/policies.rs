use attest::dsse;
use attest::policy::Policy;
use attest::reference::ReferenceValues;

/// Policies: any text gives a policy or an error, and no policy judges nothing.
pub fn policy(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(policy) = Policy::parse(text)
    {
        assert!(!policy.quote.pcrs.is_empty() && !policy.boot.references.is_empty());
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
