//! Attacks of somebody who writes all logs of a boot that was honestly measured: they replay, and say what he likes.

use super::builder::{LogBuilder, utf16};
use crate::cel;
use crate::digest::HashAlgorithm;
use crate::eventlog::replay::measured::measured_logs;
use crate::eventlog::{BootLogs, CommandLine, EventLog, EventType as E, Facts};

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

/// A record of systemd's log: the digest of `hashed`, called `text`.
fn record(pcr: u8, hashed: &str, text: &str) -> String {
    format!(
        "\x1e{{\"pcr\":{pcr},\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{}\"}}],\
         \"content_type\":\"systemd\",\"content\":{{\"string\":\"{}\"}}}}\n",
        BANK.digest(hashed.as_bytes()).to_hex(),
        text.replace('\\', "\\\\")
    )
}

/// What the boot proves whose every PCR has what the logs lead to.
fn proven<T>(log: &LogBuilder, records: &[String], read: impl Fn(&Facts<'_>) -> T) -> T {
    let records = records.concat();
    let logs = BootLogs::from(EventLog::parse(&log.bytes).unwrap())
        .with_measurements(cel::Log::parse(records.as_bytes()).unwrap());
    let values = logs.replay();
    let boot = measured_logs(logs, |bank, pcr| {
        values.get(bank, pcr).copied().or((bank == BANK).then(|| pcr.start(bank)))
    });
    read(&boot.facts(BANK))
}

fn sections(log: &LogBuilder, records: &[String]) -> Option<Vec<String>> {
    let names =
        |facts: &Facts<'_>| Some(facts.uki_sections()?.iter().map(|section| section.name.clone()).collect());
    proven(log, records, names)
}

fn phases(log: &LogBuilder, records: &[String]) -> Option<Vec<&'static str>> {
    proven(log, records, |facts| facts.phases().map(<[_]>::to_vec))
}

#[test]
fn e11_a_section_whose_name_was_taken_from_it_is_not_overlooked() {
    let (linux, initrd) = (utf16(".linux\0"), utf16(".initrd\0"));
    let image = || {
        let mut log = agile();
        log.hashed(11, E::Ipl, b".linux\0", &linux).hashed(11, E::Ipl, b"kernel", &linux);
        log
    };
    let mut honest = image();
    honest.hashed(11, E::Ipl, b".initrd\0", &initrd).hashed(11, E::Ipl, b"evil", &initrd);
    assert_eq!(sections(&honest, &[]).unwrap(), [".linux", ".initrd"]);
    // The list would read as if the image had no initrd.
    for (name, content) in [(&b"x"[..], &b"x"[..]), (&initrd, b"x"), (b"enter-initrd", b"sysinit")] {
        let mut hidden = image();
        hidden.hashed(11, E::EventTag, b".initrd\0", name).hashed(11, E::EventTag, b"evil", content);
        assert_eq!(sections(&hidden, &[]), None);
        assert_eq!(phases(&hidden, &[]), None);
    }
    // In systemd's log it is no more its own.
    let moved = [record(11, ".initrd\0", "leave-initrd"), record(11, "evil", "sysinit")];
    assert_eq!((sections(&image(), &moved), phases(&image(), &moved)), (None, None));
    let own = [record(11, "enter-initrd", "enter-initrd"), record(11, "leave-initrd", "leave-initrd")];
    assert_eq!(sections(&image(), &own).unwrap(), [".linux"]);
    assert_eq!(phases(&image(), &own).unwrap(), ["enter-initrd", "leave-initrd"]);
}

#[test]
fn e11_a_phase_under_another_name_or_in_another_log_is_still_one() {
    let mut moved = agile();
    moved.hashed(11, E::EventTag, b"enter-initrd", b"nothing");
    let ready = || record(11, "ready", "ready");
    assert_eq!(phases(&moved, &[ready()]).unwrap(), ["enter-initrd", "ready"]);
    assert_eq!(phases(&agile(), &[record(11, "shutdown", "ready"), ready()]), None);
    assert_eq!(phases(&agile(), &[]).unwrap(), Vec::<&str>::new());
}

#[test]
fn e11_a_machine_id_is_proven_only_where_nothing_can_hide_another() {
    let text = |digit: &str| format!("machine-id:{}", digit.repeat(32));
    let (own, other) = (text("a"), text("b"));
    let id = |records: &[String]| proven(&agile(), records, |facts| facts.identity().clone());
    let bound = |text: &str| record(15, text, text);
    let honest = id(&[bound(&own)]);
    assert_eq!(honest.machine_id.unwrap(), "a".repeat(32));
    assert_eq!((honest.file_systems.unwrap(), honest.unexplained), (vec![], Some(0)));
    // The true one called a volume's key, and a good one appended; both shown; the true one in the firmware's log.
    let hidden = id(&[record(15, &own, "cryptsetup:root:uuid"), bound(&other)]);
    assert_eq!((hidden.machine_id, hidden.file_systems, hidden.unexplained), (None, None, Some(1)));
    assert_eq!(id(&[bound(&own), bound(&other)]).machine_id, None);
    let mut moved = agile();
    moved.event(15, E::Ipl, own.as_bytes());
    let moved = proven(&moved, &[bound(&other)], |facts| facts.identity().clone());
    assert_eq!((moved.machine_id, moved.unexplained), (None, Some(1)));
}

#[test]
fn e11_escapes_of_the_log_move_no_border_of_a_measured_text() {
    let measured = "file-system:/:ext4:uuid:label:part:type:name";
    let read = |logged: &str| {
        let records = [record(15, measured, logged)];
        proven(&agile(), &records, |facts| facts.identity().file_systems.clone()).unwrap()
    };
    for logged in [measured, "file-system:/\\x3aext4:uuid:label:part:type:name"] {
        let found = read(logged);
        assert_eq!(found[0].mount_point.as_deref(), Some("/"), "{logged}");
        assert_eq!(found[0].identity, "ext4:uuid:label:part:type:name");
    }
}

#[test]
fn e19_a_command_line_beside_something_else_that_was_booted_is_contradicted() {
    for command in ["chainloader /EFI/other.efi", "multiboot2 /xen", "xen_hypervisor /xen"] {
        for label in ["grub_cmd: ", "module_cmdline: "] {
            let mut log = agile();
            log.hashed(8, E::Ipl, b"linux /v ro", b"grub_cmd: linux /v ro\0");
            log.hashed(8, E::Ipl, b"/v ro", b"kernel_cmdline: /v ro\0");
            log.hashed(8, E::Ipl, command.as_bytes(), format!("{label}{command}\0").as_bytes());
            let contradicted = |facts: &Facts<'_>| matches!(facts.command_line(), CommandLine::Contradicted { place } if place.event == 3);
            assert!(proven(&log, &[], contradicted), "{command}");
        }
    }
}
