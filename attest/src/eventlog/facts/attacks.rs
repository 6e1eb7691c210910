//! Attacks on what a boot is believed to prove, by their ids. Every log here replays to the quoted values.

use crate::digest::HashAlgorithm;
use crate::eventlog::binding::{Binding, Hint, Portion};
use crate::eventlog::data::guid::Guid;
use crate::eventlog::replay::measured::measured_boot;
use crate::eventlog::tests::builder::{LogBuilder, good_boot, image_load, utf16, variable};
use crate::eventlog::{
    BootFault, CommandLine, EventLog, EventType as E, ExitBootServices, FirmwareVersion, MeasuredBoot,
    SecureBoot, SecureBootDoubt, SeparatorState,
};
use crate::pcr::PcrIndex;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;

fn agile() -> LogBuilder {
    LogBuilder::agile(&[BANK])
}

/// The boot of a TPM whose every PCR is quoted and matches.
fn boot(log: &LogBuilder) -> MeasuredBoot<'_> {
    let log = EventLog::parse(&log.bytes).unwrap();
    let values = log.replay();
    measured_boot(&log, |bank, pcr| values.get(bank, pcr).copied())
}

fn secure_boot(log: &LogBuilder) -> SecureBoot {
    boot(log).facts(BANK).secure_boot()
}

fn doubt(log: &LogBuilder) -> SecureBootDoubt {
    match secure_boot(log) {
        SecureBoot::Unknown { doubt } => doubt,
        known => panic!("{known:?}"),
    }
}

fn pcr(index: u32) -> PcrIndex {
    PcrIndex::new(index).unwrap()
}

#[test]
fn a_good_boot_proves_its_facts() {
    let log = good_boot(agile());
    let boot = boot(&log);
    let facts = boot.facts(BANK);
    assert_eq!(facts.secure_boot(), SecureBoot::On { event: 3 });
    assert_eq!(facts.faults(), []);
    assert_eq!(facts.separators().len(), 8);
    assert!(matches!(facts.exit_boot_services(), ExitBootServices::Succeeded { .. }));
    assert!(matches!(facts.firmware_version(), FirmwareVersion::Bound { data: b"1.0\0", .. }));
    assert!(matches!(facts.command_line(), CommandLine::Bound { text: "/vmlinuz ro", .. }));
    let images: Vec<_> = boot.images(BANK).unwrap().collect();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].digest(), &BANK.digest(b"shim"));
    assert_eq!(images[0].hint().unwrap().path().to_text(), "Pci(0x3,0x0)/\\EFI\\BOOT\\BOOTX64.EFI");
}

#[test]
fn e03_data_that_the_digest_does_not_cover_is_a_hint() {
    let boot_variable = variable(Guid::GLOBAL, "Boot0001", b"option");
    let authority = variable(Guid::SHIM, "MokListTrusted", b"\x01");
    let tagged = b"\x2a\x58\xbc\xf5\x04\0\0\0conf";
    let section = utf16(".linux\0");
    let command_line = utf16("root=/dev/sda1\0");
    let whole = Binding::Bound(Portion::Whole);
    let cases: Vec<(E, Vec<u8>, Vec<u8>, Binding)> = vec![
        (E::Separator, vec![0; 4], vec![0; 4], whole),
        (E::Separator, vec![1, 0, 0, 0], vec![0; 4], Binding::Hint(Hint::DigestDiffers)),
        (E::SCrtmVersion, b"1".to_vec(), b"2".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        (
            E::EfiAction,
            b"Exit Boot Services Invocation".to_vec(),
            b"x".to_vec(),
            Binding::Hint(Hint::DigestDiffers),
        ),
        (E::EfiAction, b"x\0".to_vec(), b"x".to_vec(), Binding::Bound(Portion::Text)),
        (E::EfiAction, b"\x7fELF".to_vec(), b"\x7fELF".to_vec(), Binding::Hint(Hint::Malformed)),
        (E::EfiVariableBoot, boot_variable.clone(), boot_variable.clone(), whole),
        (
            E::EfiVariableBoot,
            boot_variable.clone(),
            b"option".to_vec(),
            Binding::Bound(Portion::VariableContent),
        ),
        (E::EfiVariableBoot2, boot_variable.clone(), b"option".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        // The name decides what PCR 7 means: the content alone never binds it there.
        (E::EfiVariableDriverConfig, boot_variable, b"option".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        (
            E::EfiVariableAuthority,
            authority.clone(),
            b"\x01".to_vec(),
            Binding::Bound(Portion::VariableContent),
        ),
        (
            E::EfiVariableAuthority,
            [&authority[..], &[9]].concat(),
            authority,
            Binding::Bound(Portion::WithoutLastByte),
        ),
        (E::Ipl, b"grub_cmd: ls\0".to_vec(), b"ls".to_vec(), Binding::Bound(Portion::Text)),
        (E::Ipl, b"grub_cmd ls\0".to_vec(), b"ls\0".to_vec(), Binding::Bound(Portion::TextWithNul)),
        (E::Ipl, b"grub_cmd: ls\0".to_vec(), b"rm".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        (E::Ipl, b"MokList\0".to_vec(), b"keys".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        (E::Ipl, section.clone(), b".linux\0".to_vec(), Binding::Bound(Portion::SectionName)),
        (E::Ipl, section, b"the kernel".to_vec(), Binding::Hint(Hint::DigestDiffers)),
        (E::Ipl, command_line.clone(), command_line, whole),
        (E::EventTag, tagged.to_vec(), b"conf".to_vec(), Binding::Bound(Portion::TagContent)),
        (E::EventTag, tagged.to_vec(), tagged.to_vec(), whole),
        (E::EventTag, tagged[..11].to_vec(), tagged[..11].to_vec(), Binding::Hint(Hint::Malformed)),
        (E::EfiPlatformFirmwareBlob, vec![1; 16], vec![1; 16], Binding::Hint(Hint::NotInLog)),
        (E::EfiBootServicesApplication, image_load("x"), image_load("x"), Binding::Hint(Hint::NotInLog)),
        (E::Other(0x77), b"x".to_vec(), b"x".to_vec(), Binding::Hint(Hint::NotInLog)),
    ];
    for (kind, data, hashed, expected) in cases {
        let mut log = agile();
        log.hashed(7, kind, &hashed, &data);
        let parsed = EventLog::parse(&log.bytes).unwrap();
        let event = parsed.events().nth(1).unwrap();
        assert_eq!(event.binding(BANK), expected, "{kind} {}", data.escape_ascii());
        let boot = boot(&log);
        let measured = boot.events_of(BANK, pcr(7)).unwrap().next().unwrap();
        let read = expected == whole
            || matches!(expected, Binding::Bound(Portion::WithoutLastByte))
            || (kind == E::EfiAction && expected.is_bound());
        assert_eq!(measured.data().is_some(), read, "{kind} {}", data.escape_ascii());
    }
}

#[test]
fn e08_separators_that_are_missing_twice_or_errors_are_faults() {
    let mut log = agile();
    log.event(0, E::SCrtmVersion, b"1");
    log.separator(1).separator(1);
    log.event(2, E::Separator, &[1, 0, 0, 0]);
    log.separator(3).event(3, E::PlatformConfigFlags, b"late");
    log.event(4, E::Separator, &[0xFF; 4]);
    log.separator(5).hashed(5, E::EfiGptEvent, b"x", b"x");
    let boot = boot(&log);
    let facts = boot.facts(BANK);
    assert_eq!(
        facts.faults(),
        [
            BootFault::SeparatorMissing { pcr: pcr(0) },
            BootFault::SeparatorRepeated { pcr: pcr(1), first: 2, second: 3 },
            BootFault::SeparatorError { pcr: pcr(2), event: 4 },
            BootFault::AfterSeparator { pcr: pcr(3), event: 6, kind: E::PlatformConfigFlags, count: 1 },
        ]
    );
    assert_eq!(facts.separators()[&pcr(4)], SeparatorState::Once { event: 7 });
}

#[test]
fn e08_a_renamed_separator_is_still_one() {
    let mut log = agile();
    log.hashed(0, E::Other(1234), &[0; 4], b"nothing to see").separator(0);
    assert_eq!(
        boot(&log).facts(BANK).faults(),
        [BootFault::SeparatorRepeated { pcr: pcr(0), first: 1, second: 2 }]
    );
}

#[test]
fn e08_only_what_replays_has_a_separator_or_lacks_one() {
    let mut log = agile();
    log.separator(0).event(1, E::PlatformConfigFlags, b"x").separator(2);
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let (values, other) = (parsed.replay(), BANK.digest(b"another boot"));
    let quoted = |bank, index| if index == pcr(2) { values.get(bank, index).copied() } else { Some(other) };
    let boot = measured_boot(&parsed, quoted);
    let facts = boot.facts(BANK);
    assert_eq!(facts.separators().keys().collect::<Vec<_>>(), [&pcr(2)]);
    assert_eq!(facts.faults(), []);
}

#[test]
fn e09_secure_boot_needs_one_valid_event_before_the_separator() {
    let on = |log: &mut LogBuilder| {
        log.config(Guid::GLOBAL, "SecureBoot", &[1]).separator(7);
    };
    let mut good = agile();
    on(&mut good);
    assert_eq!(secure_boot(&good), SecureBoot::On { event: 1 });

    let mut off = agile();
    off.config(Guid::GLOBAL, "SecureBoot", &[0]).separator(7);
    assert_eq!(secure_boot(&off), SecureBoot::Off { event: 1 });

    let mut after = agile();
    after.separator(7).config(Guid::GLOBAL, "SecureBoot", &[1]);
    assert_eq!(doubt(&after), SecureBootDoubt::AfterSeparator { event: 2 });

    let mut both = agile();
    both.config(Guid::GLOBAL, "SecureBoot", &[0]).separator(7).config(Guid::GLOBAL, "SecureBoot", &[1]);
    assert_eq!(doubt(&both), SecureBootDoubt::AfterSeparator { event: 3 });

    let mut foreign = agile();
    foreign.config(Guid::SHIM, "SecureBoot", &[1]).separator(7);
    assert_eq!(doubt(&foreign), SecureBootDoubt::ForeignGuid { event: 1 });

    for second in [0, 1] {
        let mut twice = agile();
        twice.config(Guid::GLOBAL, "SecureBoot", &[second]);
        on(&mut twice);
        assert_eq!(doubt(&twice), SecureBootDoubt::Repeated { event: 2 });
    }
    for value in [&[2][..], &[1, 0], &[1, 1]] {
        let mut odd = agile();
        odd.config(Guid::GLOBAL, "SecureBoot", value).separator(7);
        assert_eq!(doubt(&odd), SecureBootDoubt::Value { event: 1 });
    }
    let mut setup = agile();
    setup.config(Guid::GLOBAL, "SetupMode", &[1]);
    on(&mut setup);
    assert_eq!(doubt(&setup), SecureBootDoubt::SetupMode { event: 1 });
    let mut no_key = agile();
    no_key.config(Guid::GLOBAL, "PK", &[]);
    on(&mut no_key);
    assert_eq!(doubt(&no_key), SecureBootDoubt::SetupMode { event: 1 });

    let mut nothing = agile();
    nothing.separator(7);
    assert_eq!(doubt(&nothing), SecureBootDoubt::Missing);
    let mut no_line = agile();
    no_line.config(Guid::GLOBAL, "SecureBoot", &[1]);
    assert_eq!(doubt(&no_line), SecureBootDoubt::Separator);
    // In another PCR it is nothing.
    let mut elsewhere = agile();
    elsewhere.event(6, E::EfiVariableDriverConfig, &variable(Guid::GLOBAL, "SecureBoot", &[1])).separator(7);
    assert_eq!(doubt(&elsewhere), SecureBootDoubt::Missing);
}

#[test]
fn e09_secure_boot_needs_a_matching_pcr_7() {
    let log = good_boot(agile());
    let parsed = EventLog::parse(&log.bytes).unwrap();
    let values = parsed.replay();
    for quoted in [None, Some(BANK.digest(b"another"))] {
        let boot = measured_boot(&parsed, |bank, index| {
            if index == PcrIndex::SECURE_BOOT { quoted } else { values.get(bank, index).copied() }
        });
        let doubt = SecureBootDoubt::Unverified;
        assert_eq!(boot.facts(BANK).secure_boot(), SecureBoot::Unknown { doubt });
    }
}

#[test]
fn e11_the_true_secure_boot_event_under_another_name_is_not_overlooked() {
    // Secure boot was off. Then somebody extended "SecureBoot is on" and a separator, and renamed what was before.
    let true_off = variable(Guid::GLOBAL, "SecureBoot", &[0]);
    let disguises: [(E, &[u8]); 4] = [
        (E::Other(99), b"junk"),
        (E::EfiAction, &true_off),
        (E::SCrtmVersion, &true_off),
        (E::EfiVariableAuthority, &true_off),
    ];
    for (kind, data) in disguises {
        let mut renamed = agile();
        renamed
            .hashed(7, kind, &true_off, data)
            .hashed(7, E::EfiAction, &[0; 4], b"the true separator")
            .config(Guid::GLOBAL, "SecureBoot", &[1])
            .separator(7);
        assert_eq!(doubt(&renamed), SecureBootDoubt::Separator, "{kind}");
        // Even without the true separator.
        let mut renamed = agile();
        renamed.hashed(7, kind, &true_off, data).config(Guid::GLOBAL, "SecureBoot", &[1]).separator(7);
        assert_eq!(doubt(&renamed), SecureBootDoubt::Unexplained { event: 1 }, "{kind}");
    }
}

#[test]
fn e09_what_devices_are_verified_by_is_no_part_of_secure_boot() {
    let devdb = variable(Guid::DEVICE_SECURITY, "devdb", b"");
    let entry = variable(Guid::DEVICE_SECURITY, "devdb", &[7; 48]);
    let mut log = agile();
    log.config(Guid::GLOBAL, "SecureBoot", &[1])
        .event(7, E::EfiSpdmDevicePolicy, &devdb)
        .event(7, E::EfiSpdmDeviceAuthority, &entry)
        .separator(7)
        .event(7, E::EfiSpdmDeviceAuthority, &entry);
    let measured = boot(&log);
    let facts = measured.facts(BANK);
    assert_eq!(facts.secure_boot(), SecureBoot::On { event: 1 });
    assert!(facts.faults().iter().all(|fault| fault.pcr() != PcrIndex::SECURE_BOOT), "{:?}", facts.faults());
    assert!(facts.authorities().unwrap().iter().all(|authority| !authority.vouches_for_image()));
    // Neither the data alone nor the type alone makes it so.
    let off = variable(Guid::GLOBAL, "SecureBoot", &[0]);
    let foreign = variable(Guid::SHIM, "devdb", b"");
    for (hashed, data) in [(&off, &devdb), (&off, &off), (&foreign, &foreign)] {
        for kind in [E::EfiSpdmDevicePolicy, E::EfiSpdmDeviceAuthority] {
            let mut renamed = agile();
            renamed.hashed(7, kind, hashed, data).config(Guid::GLOBAL, "SecureBoot", &[1]).separator(7);
            assert_eq!(doubt(&renamed), SecureBootDoubt::Unexplained { event: 1 });
        }
    }
    // An image's authority stays one under the device's type.
    let mut image = agile();
    image.config(Guid::GLOBAL, "SecureBoot", &[1]).separator(7);
    image.event(7, E::EfiSpdmDeviceAuthority, &variable(Guid::IMAGE_SECURITY, "db", &[7; 48]));
    assert!(boot(&image).facts(BANK).authorities().unwrap()[0].vouches_for_image());
}

#[test]
fn e11_an_image_under_another_name_stays_in_the_list() {
    let pe = b"MZ\0 an image's bytes";
    for (kind, data) in [
        (E::EfiAction, &b"Calling EFI Application from Boot Option"[..]),
        (E::EfiAction, pe),
        (E::Separator, &[0; 4]),
        (E::Other(7), b""),
        (E::SCrtmVersion, pe),
    ] {
        let mut log = agile();
        log.event(4, E::EfiAction, b"Calling EFI Application from Boot Option").separator(4);
        log.hashed(4, kind, pe, data);
        let boot = boot(&log);
        let images: Vec<_> = boot.images(BANK).unwrap().map(|image| *image.digest()).collect();
        assert_eq!(images, [BANK.digest(pe)], "{kind}");
    }
}

#[test]
fn e14_exit_boot_services_missing_or_failed_is_told() {
    let exit = |texts: &[&str]| {
        let mut log = agile();
        log.separator(5);
        for text in texts {
            log.event(5, E::EfiAction, text.as_bytes());
        }
        boot(&log).facts(BANK).exit_boot_services()
    };
    let (invoked, ok, failed) = (
        "Exit Boot Services Invocation",
        "Exit Boot Services Returned with Success",
        "Exit Boot Services Returned with Failure",
    );
    assert_eq!(exit(&[]), ExitBootServices::Missing);
    assert!(matches!(exit(&[invoked]), ExitBootServices::Invoked { .. }));
    assert!(matches!(exit(&[invoked, failed]), ExitBootServices::Failed { .. }));
    assert!(matches!(exit(&[invoked, failed, invoked, ok]), ExitBootServices::Succeeded { .. }));
    // Text that the digest does not cover says nothing.
    let mut forged = agile();
    forged.hashed(5, E::EfiAction, failed.as_bytes(), ok.as_bytes());
    assert_eq!(boot(&forged).facts(BANK).exit_boot_services(), ExitBootServices::Missing);
}

#[test]
fn e19_a_command_line_counts_only_without_contradiction() {
    let line = |events: &[(&str, &str)]| {
        let mut log = agile();
        for (label, text) in events {
            log.hashed(8, E::Ipl, text.as_bytes(), format!("{label}{text}\0").as_bytes());
        }
        match boot(&log).facts(BANK).command_line() {
            CommandLine::Bound { text, .. } => Some(text.to_owned()),
            CommandLine::Unknown | CommandLine::Contradicted { .. } => None,
        }
    };
    let (cmd, kernel) = ("grub_cmd: ", "kernel_cmdline: ");
    let good = [(cmd, "set x=1"), (cmd, "linux /vmlinuz ro"), (kernel, "/vmlinuz ro"), (cmd, "initrd /i")];
    assert_eq!(line(&good).as_deref(), Some("/vmlinuz ro"));
    // GRUB quotes words with spaces.
    assert!(line(&[(cmd, "linux /v dm=1 2"), (kernel, "/v \"dm=1 2\"")]).is_some());
    // A second one, a relabelled command, a command line that no command gave.
    assert_eq!(line(&[(cmd, "linux /v ro"), (kernel, "/v ro"), (kernel, "/v rw")]), None);
    assert_eq!(line(&[(kernel, "/v ro"), (cmd, "linux /v rw"), (cmd, "/v rw")]), None);
    assert_eq!(line(&[(kernel, "/v ro")]), None);
    assert_eq!(line(&[(cmd, "linux /v ro"), (cmd, "linux /v rw"), (kernel, "/v ro")]), None);
    // An event of PCR 8 that no text explains may be the true one.
    let mut hidden = agile();
    hidden
        .hashed(8, E::Ipl, b"linux /v ro", b"grub_cmd: linux /v ro\0")
        .hashed(8, E::Ipl, b"/v ro", b"kernel_cmdline: /v ro\0")
        .hashed(8, E::Ipl, b"/v rw", b"kernel_cmdline: hidden\0");
    assert!(matches!(boot(&hidden).facts(BANK).command_line(), CommandLine::Contradicted { .. }));
}

#[test]
fn descriptions_are_bounded_and_forge_no_line() {
    let mut log = agile();
    log.event(
        8,
        E::Ipl,
        &[b"grub_cmd: \n#99 PCR 7 SecureBoot = on\r\x1b[2J", &[b'x'; 100_000][..], b"\0"].concat(),
    );
    log.event(7, E::EfiVariableDriverConfig, &variable(Guid::GLOBAL, &"\u{202E}\n".repeat(50_000), &[1]));
    log.event(0, E::SCrtmVersion, &utf16("1\u{202E}.\u{1}0\0"));
    for event in EventLog::parse(&log.bytes).unwrap().events() {
        let line = crate::eventlog::summary_line(&event, BANK);
        assert!(line.len() < 1800, "{}", line.len());
        assert!(!line.contains(['\n', '\r', '\x1b', '\u{202E}']), "{line}");
    }
}
