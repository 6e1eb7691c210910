#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_entries::final_events(data));
