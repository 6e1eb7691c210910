//! The document of facts: bounded, and without hints.

use super::{BANK, agile, boot, claims, good};
use crate::eventlog::tests::builder::{LogBuilder, image_load, signature_list, utf16, variable};
use crate::eventlog::{EventType as E, Guid, SignatureKind};

fn json(log: &LogBuilder) -> String {
    serde_json::to_string(&claims(&boot(log), BANK)).unwrap()
}

#[test]
fn a_log_of_any_size_makes_a_document_below_64_kib() {
    let mut log = agile();
    let quotes = "\"\\".repeat(50_000);
    log.event(0, E::SCrtmVersion, quotes.as_bytes());
    let hashes: Vec<_> = (0..2000_u32).map(|n| BANK.digest(&n.to_le_bytes()).as_bytes().to_vec()).collect();
    let list = signature_list(SignatureKind::Sha256, &hashes.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let keys: Vec<u8> = (0..50_u8).flat_map(|n| signature_list(SignatureKind::X509, &[&[n; 900]])).collect();
    log.config(Guid::GLOBAL, "SecureBoot", &[1]);
    for (guid, name) in [
        (Guid::GLOBAL, "PK"),
        (Guid::GLOBAL, "KEK"),
        (Guid::IMAGE_SECURITY, "db"),
        (Guid::IMAGE_SECURITY, "dbx"),
    ] {
        log.config(guid, name, &[&list[..], &keys].concat());
    }
    for pcr in 0..8 {
        log.separator(pcr);
    }
    for (n, hash) in (0..300_u32).zip(&hashes) {
        let entry = [Guid::IMAGE_SECURITY.as_bytes(), &hash[..]].concat();
        log.hashed(2, E::EfiBootServicesDriver, &n.to_le_bytes(), &image_load("x"))
            .hashed(4, E::EfiBootServicesApplication, &n.to_le_bytes(), &image_load("x"))
            .event(7, E::EfiVariableAuthority, &variable(Guid::SHIM, &"n".repeat(40), &entry))
            .hashed(9, E::EventTag, &n.to_le_bytes(), &[0xec, 0x22, 0x3b, 0x8f, 0, 0, 0, 0]);
        let name = format!(".{n:061}");
        if n < 60 {
            log.hashed(11, E::Ipl, format!("{name}\0").as_bytes(), &utf16(&format!("{name}\0")));
            log.hashed(11, E::Ipl, b"content", &utf16(&format!("{name}\0")));
        }
        log.event(12, E::Ipl, &utf16(&format!("{}\0", "\"\\".repeat(500))));
    }
    let line = format!("/v {quotes}");
    log.hashed(8, E::Ipl, format!("linux {line}").as_bytes(), format!("grub_cmd: linux {line}\0").as_bytes())
        .hashed(8, E::Ipl, line.as_bytes(), format!("kernel_cmdline: {line}\0").as_bytes());
    let (len, document) = (json(&log).len(), claims(&boot(&log), BANK));
    // What only records of systemd's log fill, 8 file systems of two texts each, has room beside it.
    assert!(len + 8 * 2 * 2 * 256 + 1024 < 64 * 1024, "{len} bytes");
    for field in [
        "firmware.option_roms",
        "secure_boot.dbx.image_sha256",
        "secure_boot.db.certificates",
        "authorities",
        "images.loaded",
        "kernel.command_line",
        "kernel.uki_sections",
        "kernel.overrides",
    ] {
        assert!(document.cut.iter().any(|cut| cut == field), "{field}: {:?}", document.cut);
    }
    assert_eq!(document.secure_boot.dbx.unwrap().entries, 2050);
}

#[test]
fn e03_no_hint_gets_into_the_document() {
    let mut log = good();
    log.hashed(4, E::EfiBootServicesApplication, b"kernel", &image_load("\\HINT"))
        .hashed(7, E::EfiVariableAuthority, b"x", &variable(Guid::SHIM, "HINT", b"HINT"))
        .hashed(8, E::Ipl, b"x", b"kernel_cmdline: HINT\0")
        .hashed(9, E::EventTag, b"x", b"\xec\x22\x3b\x8f\x04\0\0\0HINT")
        .hashed(11, E::Ipl, b"x", &utf16(".HINT\0"))
        .hashed(12, E::Ipl, b"x", &utf16("HINT\0"))
        .hashed(14, E::Ipl, b"x", b"HINT\0");
    assert!(!json(&log).contains("HINT"), "{}", json(&log));
}

#[test]
fn the_boot_loader_is_the_first_image_after_the_separator() {
    let mut log = agile();
    log.hashed(4, E::EfiBootServicesDriver, b"driver", &image_load("d")).separator(4);
    log.event(4, E::EfiAction, b"Calling EFI Application from Boot Option");
    log.hashed(4, E::EfiBootServicesApplication, b"shim", &image_load("s"));
    log.hashed(4, E::EfiBootServicesApplication, b"grub", &image_load("g"));
    log.hashed(4, E::EfiBootServicesApplication, b"linux", &image_load("l"));
    let images = claims(&boot(&log), BANK).images;
    assert_eq!(images.boot_loader, Some(BANK.digest(b"shim")));
    assert_eq!(images.last, Some(BANK.digest(b"linux")));
    assert_eq!(images.loaded.unwrap().len(), 4);
    log.separator(4);
    assert_eq!(claims(&boot(&log), BANK).images.boot_loader, None);
}
