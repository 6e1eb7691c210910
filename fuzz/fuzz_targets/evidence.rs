//! Evidence: any bytes give evidence or an error, what is read is written the same, and nothing is ever trusted.
#![no_main]

use attest::evidence::Evidence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(evidence) = Evidence::parse(data) else { return };
    let written = evidence.to_bytes().expect("what was read can be written");
    assert_eq!(Evidence::parse(&written).as_ref(), Ok(&evidence));
});
