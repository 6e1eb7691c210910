//! Evidence: any bytes give evidence or an error, what is read is written the same, and nothing is ever trusted.
#![no_main]

use attest::evidence::Evidence;
use libfuzzer_sys::fuzz_target;

/// Small, so that a run spends its time on frames and not on what they inflate to.
const MOST: usize = 1024 * 1024;

fuzz_target!(|data: &[u8]| {
    let Ok(evidence) = Evidence::parse(data) else { return };
    let written = evidence.to_bytes().expect("what was read can be written");
    assert_eq!(Evidence::parse(&written).as_ref(), Ok(&evidence));
    let kernel = [evidence.event_log, evidence.final_events, evidence.ima.map(|ima| ima.list)];
    let user = evidence.measurement_logs.into_iter().map(|part| part.log);
    for log in kernel.into_iter().flatten().chain(user) {
        if let Ok(bytes) = log.bytes(MOST) {
            assert_eq!(u64::try_from(bytes.len()), Ok(log.size()), "exactly what was announced");
        }
    }
});
