//! Event logs: any bytes give a log or an error; a log reads the same every time, replays in every bank it declares, and
//! every event reads as text on one line.
#![no_main]

use attest::eventlog::{EventLog, EventView, summary_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(log) = EventLog::parse(data) else { return };
    assert_eq!(u32::try_from(log.events().count()), Ok(log.event_count()));
    assert!(log.padding() < data.len());
    let replayed = log.replay();
    assert!(replayed.banks().all(|bank| log.banks().any(|declared| declared == bank)));
    for event in log.events() {
        let _ = (event.typed(), EventView::unverified(&event));
        for bank in log.banks() {
            assert!(!event.is_extended() || event.digest(bank).is_some());
            assert!(!event.binding(bank).is_bound() || event.is_extended());
            assert!(!summary_line(&event, bank).contains('\n'));
        }
    }
});
