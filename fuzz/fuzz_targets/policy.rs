//! Policies, reference values and signed documents: any text gives a value or an error.
#![no_main]

use attest::dsse;
use attest::policy::Policy;
use attest::reference::ReferenceValues;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(policy) = Policy::parse(text)
    {
        assert!(!policy.quote.pcrs.is_empty() && !policy.boot.references.is_empty());
    }
    if let Ok(values) = ReferenceValues::parse(data) {
        let json = values.to_json().expect("what was read can be written");
        assert_eq!(ReferenceValues::parse(&json).as_ref(), Ok(&values));
    }
    assert!(dsse::verify(data, "type", &[]).is_err(), "nobody is trusted");
});
