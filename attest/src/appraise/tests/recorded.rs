//! The facts of recorded boots: own ones, and others' where they are at hand.

use super::{BANK, boot_of, claims, judge_boot, policy};
use crate::appraisal::{BootClaims, ExitBootServicesClaim, SecureBootState};
use crate::digest::HashAlgorithm;

fn own(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors");
    std::fs::read(format!("{root}/{name}/eventlog.bin")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn guest(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors");
    let guest = std::fs::read_to_string(format!("{root}/{name}/guest.txt")).unwrap();
    guest.lines().find_map(|line| line.strip_prefix("cmdline ")).unwrap().to_owned()
}

#[test]
fn a_signed_unified_image_proves_who_signed_what() {
    let log = own("q35-secureboot-uki");
    let boot = boot_of(&log);
    let facts = claims(&boot, BANK);
    assert_eq!(facts.secure_boot.state, SecureBootState::On);
    assert_eq!(facts.secure_boot.setup_mode, Some(false));
    assert_eq!(facts.secure_boot.dbx.as_ref().unwrap().entries, 1);
    let authority = &facts.authorities.as_ref().unwrap()[0];
    assert_eq!((authority.source.as_deref(), authority.in_db), (Some("db"), Some(true)));
    let certificate = authority.certificate.as_ref().unwrap();
    assert_eq!(Some(certificate), facts.secure_boot.db.as_ref().unwrap().certificates.first());
    let subject = certificate.subject.as_ref().unwrap();
    assert!(subject.contains("O=SnakeOil"), "{subject}");
    let names: Vec<_> =
        facts.kernel.uki_sections.as_ref().unwrap().iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, [".linux", ".osrel", ".cmdline", ".initrd"]);
    let initrd = facts.kernel.uki_sections.as_ref().unwrap()[3].digest;
    assert_eq!(facts.kernel.efi_stub.as_ref().unwrap().initrds, [initrd]);
    assert_eq!(facts.images.boot_loader, facts.images.last);
    assert_eq!(facts.exit_boot_services, ExitBootServicesClaim::Succeeded);
    assert_eq!(facts.cut, Vec::<String>::new());

    let line = guest("q35-secureboot-uki");
    let rules = |line: &str| {
        format!(
            "secure_boot = \"require\"\nsetup_mode = \"refuse\"\nauthorities = [\"{}\"]\ncommand_line = [\"{line}\"]\n\
             option_roms = \"refuse\"\nevent_placement = \"refuse\"\nexit_boot_services = \"refuse\"\ndbx_minimum = 1\n\
             firmware_versions = [\"\"]",
            certificate.fingerprint
        )
    };
    let outcome = judge_boot(&policy("", &rules(&line)), &boot);
    let judged: Vec<_> = outcome.reasons.iter().filter(|reason| reason.id != "q14").collect();
    assert!(judged.is_empty(), "{judged:#?}");
    let outcome = judge_boot(&policy("", &rules("another")), &boot);
    assert!(outcome.reasons.iter().any(|reason| reason.id == "command-line"));
}

#[test]
fn a_kernel_that_starts_itself_proves_its_command_line_by_digest() {
    for name in ["q35-cmdline", "q35-sha256", "q35-multibank"] {
        let log = own(name);
        let boot = boot_of(&log);
        let rules = format!("command_line = [\"{}\"]", guest(name));
        let outcome = judge_boot(&policy("", &rules), &boot);
        assert!(!outcome.reasons.iter().any(|reason| reason.id == "command-line"), "{:#?}", outcome.reasons);
        let facts = claims(&boot, BANK);
        assert_eq!(facts.secure_boot.setup_mode, Some(true));
        assert_eq!(facts.kernel.efi_stub.unwrap().initrds.len(), 1);
    }
}

/// Others' recordings, which are no part of this repository.
fn foreign(name: &str, bank: HashAlgorithm) -> Option<BootClaims> {
    let named = std::env::var_os("HALLMARK_VECTORS").map(std::path::PathBuf::from);
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").into();
    let path = named.clone().unwrap_or_else(beside).join("eventlogs").join(name).with_extension("bin");
    match std::fs::read(&path) {
        Ok(log) => Some(claims(&boot_of(&log), bank)),
        Err(error) if named.is_some() => panic!("{}: {error}", path.display()),
        Err(_) => {
            eprintln!("skipped: no {name} here, set HALLMARK_VECTORS");
            None
        }
    }
}

#[test]
fn shim_and_grub_of_red_hat_prove_authorities_and_command_line() {
    let Some(facts) = foreign("rhel8-uefi", BANK) else { return };
    assert_eq!(facts.secure_boot.state, SecureBootState::On);
    assert_eq!(facts.firmware.version.as_deref(), Some("GCE Virtual Firmware v1"));
    let authorities = facts.authorities.unwrap();
    let sources: Vec<_> = authorities.iter().map(|authority| authority.source.as_deref()).collect();
    assert_eq!(sources, [Some("db"), Some("Shim")]);
    assert_eq!(authorities[0].in_db, Some(true));
    let subject = |nth: usize| authorities[nth].certificate.as_ref().unwrap().subject.clone().unwrap();
    assert!(subject(0).contains("Microsoft Corporation UEFI CA 2011"), "{}", subject(0));
    assert!(subject(1).contains("Red Hat"), "{}", subject(1));
    assert!(facts.kernel.command_line.unwrap().starts_with("(hd0,gpt2)/boot/vmlinuz-4.18.0"));
    assert_eq!(facts.kernel.command_line_contradicted, Some(false));
    assert_eq!(facts.images.loaded.unwrap().len(), 3);
    assert_eq!(facts.exit_boot_services, ExitBootServicesClaim::Succeeded);
    assert!(facts.secure_boot.dbx.unwrap().image_sha256.len() > 70);
}

#[test]
fn old_shims_authorities_without_a_covered_name_have_a_certificate_and_no_source() {
    for (name, bank) in [("sb_cert_eventlog", BANK), ("debian-10", HashAlgorithm::Sha1)] {
        let Some(facts) = foreign(name, bank) else { return };
        assert_eq!(facts.secure_boot.state, SecureBootState::On, "{name}");
        let authorities = facts.authorities.unwrap();
        assert_eq!(authorities[0].source.as_deref(), Some("db"), "{name}");
        assert!(authorities[1].certificate.is_some(), "{name}");
    }
}

#[test]
fn ubuntus_shim_proves_its_sbat_level() {
    let Some(facts) = foreign("ubuntu-2104-no-dbx", BANK) else { return };
    assert_eq!(facts.secure_boot.state, SecureBootState::Off);
    let level = facts.shim.sbat_level.unwrap();
    assert_eq!((level.date, level.text.as_str()), (Some(2_021_030_218), "sbat,1,2021030218"));
    assert_eq!(facts.secure_boot.dbx.unwrap().entries, 0);
}

#[test]
fn a_maker_that_begins_with_the_contents_of_the_root_of_trust_is_read_rightly() {
    let Some(facts) = foreign("crypto_agile_eventlog", BANK) else { return };
    assert_eq!(facts.firmware.version.as_deref(), Some("546bfb1e-1d0c-4055-a4ad-4ef4bf17b83a"));
    assert_eq!(facts.secure_boot.state, SecureBootState::Off);
}
