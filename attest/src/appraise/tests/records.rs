//! Events handed over from the firmware's log to the operating system's (threat e11).

use super::{BANK, claims, good, judge_boot, policy};
use crate::cel;
use crate::digest::Digest;
use crate::eventlog::tests::builder::{LogBuilder, image_load, utf16, variable};
use crate::eventlog::{BootLogs, EventLog, EventType as E, Guid, measured_logs};

/// A record of systemd's log with a digest that is not of its text.
fn record(pcr: u8, digest: &Digest, text: &str) -> String {
    format!(
        "\x1e{{\"pcr\":{pcr},\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{}\"}}],\
         \"content_type\":\"systemd\",\"content\":{{\"string\":\"{text}\"}}}}\n",
        digest.to_hex()
    )
}

/// What is left of a boot's facts when the last event of a PCR, by `hashed`, is in systemd's log instead.
fn handed_over(pcr: u8, hashed: &[u8], text: &str) -> (Vec<&'static str>, crate::appraisal::BootClaims) {
    let log = good();
    let records = record(pcr, &BANK.digest(hashed), text);
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap())
        .with_measurements(cel::Log::parse(records.as_bytes()).unwrap());
    let values = logs.replay();
    let boot = measured_logs(logs, |bank, index| values.get(bank, index).copied());
    let outcome = judge_boot(&policy("", "secure_boot = \"require\""), &boot);
    (outcome.reasons.iter().map(|reason| reason.id).collect(), claims(&boot, BANK))
}

#[test]
fn e11_the_firmwares_last_event_in_the_systems_log_is_not_overlooked() {
    // An image, shim's "verify nothing", an initrd, a command line: each would be missing from the facts.
    let (reasons, facts) = handed_over(4, b"evil kernel", "harmless");
    assert!(reasons.contains(&"e08"), "{reasons:?}");
    assert_eq!(facts.images.loaded, None);
    let state = variable(Guid::SHIM, "MokSBState", &[1]);
    let (reasons, facts) = handed_over(7, &state, "harmless");
    assert!(reasons.contains(&"secure-boot") && reasons.contains(&"e08"), "{reasons:?}");
    assert_eq!((facts.authorities, facts.shim.verification_disabled), (None, None));
    assert_eq!(handed_over(8, b"linux /evil", "harmless").1.kernel.command_line, None);
    assert_eq!(handed_over(9, b"evil initrd", "harmless").1.kernel.efi_stub, None);
    // Nor is a command line that is called systemd's text: only systemd's own forms are.
    assert_eq!(handed_over(8, b"linux /evil", "linux /evil").1.kernel.command_line, None);
    let (reasons, facts) = handed_over(4, b"os-separator", "os-separator");
    assert!(facts.images.loaded.is_some() && !reasons.contains(&"e08"), "{reasons:?}");
    // What systemd itself measures is text that its digest covers, and takes nothing away.
    assert!(handed_over(9, b"nvpcr-separator", "nvpcr-separator").1.kernel.efi_stub.is_some());
}

#[test]
fn systemds_phases_leave_the_sections_of_the_image() {
    let mut log: LogBuilder = good();
    log.hashed(11, E::Ipl, b".linux\0", &utf16(".linux\0")).hashed(11, E::Ipl, b"kernel", &image_load("x"));
    let records = record(11, &BANK.digest(b"enter-initrd"), "enter-initrd");
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap())
        .with_measurements(cel::Log::parse(records.as_bytes()).unwrap());
    let values = logs.replay();
    let boot = measured_logs(logs, |bank, index| values.get(bank, index).copied());
    assert_eq!(claims(&boot, BANK).kernel.uki_sections.unwrap().len(), 1);
}
