//! Who vouched for images, and what is revoked.

use super::{BANK, agile, boot, claims, good, judge, reasons};
use crate::eventlog::tests::builder::{LogBuilder, image_load, signature_list, variable};
use crate::eventlog::{EventType as E, Guid, SignatureKind};

/// A certificate of an own recording: what vouched for its image.
fn certificate() -> Vec<u8> {
    let root =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tpm-sim-tests/vectors/q35-secureboot-uki/eventlog.bin");
    let log = std::fs::read(root).unwrap();
    let boot = super::boot_of(&log);
    let facts = boot.facts(BANK);
    facts.authorities().unwrap()[0].certificate().unwrap().as_der().to_vec()
}

fn data(entry: &[u8]) -> Vec<u8> {
    [Guid::IMAGE_SECURITY.as_bytes(), entry].concat()
}

/// A boot with these lists, and `authority` as db's entry for the image.
fn with_lists(db: &[u8], dbx: &[u8], authority: &[u8], image: &[u8]) -> LogBuilder {
    let mut log = agile();
    log.event(0, E::SCrtmVersion, b"1\0")
        .config(Guid::GLOBAL, "SecureBoot", &[1])
        .config(Guid::GLOBAL, "PK", &signature_list(SignatureKind::X509, &[b"key"]))
        .config(Guid::IMAGE_SECURITY, "db", db)
        .config(Guid::IMAGE_SECURITY, "dbx", dbx);
    for pcr in 0..8 {
        log.separator(pcr);
    }
    log.event(7, E::EfiVariableAuthority, &variable(Guid::IMAGE_SECURITY, "db", authority))
        .hashed(4, E::EfiBootServicesApplication, image, &image_load("\\x"))
        .event(8, E::Ipl, b"grub_cmd: x\0")
        .event(9, E::Ipl, b"x\0")
        .event(5, E::EfiAction, b"Exit Boot Services Returned with Success");
    log
}

#[test]
fn e10_an_authority_outside_of_db_and_a_forbidden_one_or_image_are_refused() {
    let certificate = certificate();
    let db = signature_list(SignatureKind::X509, &[&certificate]);
    let other = signature_list(SignatureKind::X509, &[b"another"]);
    let image = BANK.digest(b"image");
    let none = signature_list(SignatureKind::Sha256, &[&[7; 32]]);
    let forbids_image = signature_list(SignatureKind::Sha256, &[&[7; 32], image.as_bytes()]);
    let forbids_key = [none.clone(), signature_list(SignatureKind::X509, &[&certificate])].concat();
    let signed = crate::eventlog::Authority::recognise(&certificate).unwrap();
    let crate::eventlog::AuthorityEntry::Certificate(x509) = signed.entry else { panic!() };
    let part = BANK.digest(x509.signed_part().unwrap());
    let forbids_part =
        signature_list(SignatureKind::X509Sha256, &[&[part.as_bytes(), &[0; 16][..]].concat()]);
    for (db, dbx, expected) in [
        (&db, &none, vec![]),
        (&other, &none, vec!["e10"]),
        (&db, &forbids_image, vec!["e10"]),
        (&db, &forbids_key, vec!["e10"]),
        (&db, &forbids_part, vec!["e10"]),
    ] {
        let log = with_lists(db, dbx, &data(&certificate), b"image");
        assert_eq!(reasons("", &log), expected);
        let (reasons, notes) = judge("", "revoked = \"report\"", &log);
        assert_eq!((reasons.len(), notes.len()), (0, expected.len()));
    }
    // An authority that is an image's hash, by the same rules.
    let hashes = signature_list(SignatureKind::Sha256, &[image.as_bytes()]);
    assert_eq!(
        reasons("", &with_lists(&hashes, &none, &data(image.as_bytes()), b"image")),
        Vec::<&str>::new()
    );
    assert_eq!(reasons("", &with_lists(&hashes, &none, &data(&[9; 32]), b"image")), ["e10"]);
}

#[test]
fn e10_the_policy_names_who_may_vouch_and_no_hint_passes_for_them() {
    let certificate = certificate();
    let fingerprint = BANK.digest(&certificate);
    let rule = format!("authorities = [\"{fingerprint}\"]");
    let db = signature_list(SignatureKind::X509, &[&certificate]);
    let dbx = signature_list(SignatureKind::Sha256, &[&[7; 32]]);
    let good = with_lists(&db, &dbx, &data(&certificate), b"image");
    assert_eq!(reasons(&rule, &good), Vec::<&str>::new());
    let another = format!("authorities = [\"{}\"]", BANK.digest(b"another"));
    assert_eq!(reasons(&another, &good), ["authorities"]);
    let claim = &claims(&boot(&good), BANK).authorities.unwrap()[0];
    assert_eq!(claim.source.as_deref(), Some("db"));
    assert_eq!(claim.in_db, Some(true));
    assert_eq!(claim.certificate.as_ref().unwrap().fingerprint, fingerprint);

    // Another authority, which the log dresses up as the good one: the digest does not cover the data.
    let forged = variable(Guid::IMAGE_SECURITY, "db", &data(&certificate));
    let disguises: [(E, &[u8]); 4] = [
        (E::EfiVariableAuthority, &forged),
        (E::EfiAction, b"Entering ROM Based Setup"),
        (E::EfiVariableDriverConfig, &forged),
        (E::Other(0xA000_0000), b""),
    ];
    for (kind, shown) in disguises {
        let mut log = good.clone();
        log.hashed(7, kind, &variable(Guid::IMAGE_SECURITY, "db", b"evil"), shown);
        let found = reasons(&rule, &log);
        assert!(found.contains(&"authorities"), "{kind} {found:?}");
        let claim = claims(&boot(&log), BANK).authorities.unwrap()[1].clone();
        assert_eq!((claim.source, claim.certificate, claim.in_db), (None, None, None), "{kind}");
    }
    // Nothing that vouched is no good authority either, nor is a PCR 7 that does not match.
    let mut nothing = agile();
    nothing.config(Guid::GLOBAL, "SecureBoot", &[1]).separator(7);
    assert!(reasons(&rule, &nothing).contains(&"authorities"));
}

#[test]
fn e11_drivers_that_db_vouched_for_before_the_separator_leave_secure_boot_on() {
    let entry = data(&certificate());
    let log = |kind, name: &str, content: &[u8]| {
        let mut log = agile();
        log.config(Guid::GLOBAL, "SecureBoot", &[1])
            .event(7, kind, &variable(Guid::IMAGE_SECURITY, name, content))
            .separator(7);
        log
    };
    let good = log(E::EfiVariableAuthority, "db", &entry);
    assert_eq!(claims(&boot(&good), BANK).secure_boot.doubt, None);
    assert_eq!(claims(&boot(&good), BANK).authorities.unwrap().len(), 1);
    // dbx or a list under the authority's type is a disguise.
    let list = signature_list(SignatureKind::Sha256, &[&[7; 32]]);
    for (name, content) in [("dbx", &list), ("dbx", &entry), ("db", &list)] {
        let log = log(E::EfiVariableAuthority, name, content);
        assert!(claims(&boot(&log), BANK).secure_boot.doubt.is_some(), "{name}");
    }
}

#[test]
fn e20_a_dbx_below_the_policys_minimum_is_refused() {
    let certificate = certificate();
    let db = signature_list(SignatureKind::X509, &[&certificate]);
    let dbx = signature_list(SignatureKind::Sha256, &[&[7; 32], &[8; 32]]);
    let log = with_lists(&db, &dbx, &data(&certificate), b"image");
    let hash = |byte: &str| format!("sha256:{}", byte.repeat(32));
    for (rule, expected) in [
        ("dbx_minimum = 2".to_owned(), vec![]),
        ("dbx_minimum = 3".to_owned(), vec!["e20"]),
        (format!("dbx_contains = [\"{}\", \"{}\"]", hash("07"), hash("08")), vec![]),
        (format!("dbx_contains = [\"{}\", \"{}\"]", hash("07"), hash("09")), vec!["e20"]),
    ] {
        assert_eq!(reasons(&rule, &log), expected, "{rule}");
    }
    let claim = claims(&boot(&log), BANK).secure_boot.dbx.unwrap();
    let hashes = ["07".repeat(32), "08".repeat(32)];
    let document = serde_json::json!({ "entries": 2, "certificates": [], "image_sha256": hashes });
    assert_eq!(serde_json::to_value(claim).unwrap(), document);

    // A newer dbx that somebody measured after the separator, or beside the true one, or that no digest covers.
    let newer = signature_list(SignatureKind::Sha256, &[&[7; 32], &[8; 32], &[9; 32]]);
    let mut after = log.clone();
    after.config(Guid::IMAGE_SECURITY, "dbx", &newer);
    assert!(reasons("dbx_minimum = 3", &after).contains(&"e20"));
    let mut beside = agile();
    beside.config(Guid::IMAGE_SECURITY, "dbx", &newer).config(Guid::IMAGE_SECURITY, "dbx", &dbx).separator(7);
    assert!(reasons("dbx_minimum = 3", &beside).contains(&"dbx"));
    let mut hidden = agile();
    hidden.config(Guid::IMAGE_SECURITY, "dbx", &newer);
    hidden.hashed(7, E::Other(1), &variable(Guid::IMAGE_SECURITY, "dbx", &dbx), b"").separator(7);
    assert!(reasons("dbx_minimum = 3", &hidden).contains(&"dbx"));
    let mut hint = agile();
    let (true_dbx, shown) =
        (variable(Guid::IMAGE_SECURITY, "dbx", &dbx), variable(Guid::IMAGE_SECURITY, "dbx", &newer));
    hint.hashed(7, E::EfiVariableDriverConfig, &true_dbx, &shown).separator(7);
    assert!(reasons("dbx_minimum = 3", &hint).contains(&"dbx"));
    // Lists whose sizes lie are no lists.
    let mut lies = agile();
    lies.config(Guid::IMAGE_SECURITY, "dbx", &newer[..newer.len() - 1]).separator(7);
    assert!(reasons("dbx_minimum = 1", &lies).contains(&"dbx"));
}

#[test]
fn e20_an_sbat_level_below_the_policys_minimum_is_refused() {
    let level = b"sbat,1,2023012900\nshim,2\ngrub,3\n";
    let measured = |levels: &[&[u8]]| {
        let mut log = good();
        for level in levels {
            log.event(7, E::EfiVariableAuthority, &variable(Guid::SHIM, "SbatLevel", level));
        }
        log
    };
    let log = measured(&[level]);
    for (rule, expected) in [
        ("sbat_minimum = { shim = 2, grub = 3 }", vec![]),
        ("sbat_minimum = { shim = 3 }", vec!["e20"]),
        ("sbat_minimum = { \"grub.debian\" = 1 }", vec!["e20"]),
        ("sbat_date = 2023012900", vec![]),
        ("sbat_date = 2024010900", vec!["e20"]),
    ] {
        // `good` has an authority that is no certificate, beside which the level would not count.
        let mut log = log.clone();
        let _ = &mut log;
        assert_eq!(reasons(rule, &log), expected, "{rule}");
    }
    let rule = "sbat_minimum = { shim = 2 }";
    assert_eq!(reasons(rule, &measured(&[])), ["sbat"]);
    // A second level contradicts the first; under another GUID it is none; without a digest that covers it it is a hint.
    assert_eq!(reasons(rule, &measured(&[b"sbat,1\nshim,1\n", level])), ["sbat"]);
    let mut foreign = good();
    foreign.event(7, E::EfiVariableAuthority, &variable(Guid::GLOBAL, "SbatLevel", level));
    assert_eq!(reasons(rule, &foreign), ["sbat"]);
    let old = variable(Guid::SHIM, "SbatLevel", b"sbat,1\nshim,1\n");
    let mut hint = good();
    hint.hashed(7, E::EfiVariableAuthority, &old, &variable(Guid::SHIM, "SbatLevel", level));
    assert_eq!(reasons(rule, &hint), ["sbat"]);
    // The true, old level is hidden as the nameless content of another variable, and a newer one appended.
    let mut hidden = good();
    hidden.hashed(7, E::EfiVariableAuthority, &old, &variable(Guid::SHIM, "Shim", &old));
    hidden.event(7, E::EfiVariableAuthority, &variable(Guid::SHIM, "SbatLevel", level));
    assert_eq!(reasons(rule, &hidden), ["sbat"]);
}

#[test]
fn e20_shim_that_verifies_nothing_is_not_secure_boot() {
    let state = |value: u8| variable(Guid::SHIM, "MokSBState", &[value]);
    let require = "secure_boot = \"require\"";
    let mut off = good();
    off.event(7, E::EfiVariableAuthority, &state(0));
    assert_eq!(reasons(require, &off), Vec::<&str>::new());
    // Whatever the log calls it.
    for (kind, shown) in
        [(E::EfiVariableAuthority, state(1)), (E::EfiAction, b"x".to_vec()), (E::Other(9), vec![])]
    {
        let mut log = good();
        log.hashed(7, kind, &state(1), &shown);
        assert!(reasons(require, &log).contains(&"secure-boot"), "{kind}");
        assert_eq!(claims(&boot(&log), BANK).shim.verification_disabled, Some(true));
    }
}

#[test]
fn e20_setup_and_audit_mode_are_facts_that_a_policy_judges() {
    for (guid, name, value, expected) in [
        (Guid::GLOBAL, "SetupMode", &[1][..], vec!["setup-mode"]),
        (Guid::GLOBAL, "SetupMode", &[0], vec![]),
        (Guid::GLOBAL, "AuditMode", &[1], vec!["setup-mode"]),
        (Guid::GLOBAL, "DeployedMode", &[1], vec![]),
        (Guid::GLOBAL, "PK", &[], vec!["setup-mode"]),
        // Another's variable of the name is nothing: then nobody knows, and what is not known is refused.
        (Guid::SHIM, "SetupMode", &[0], vec!["setup-mode"]),
    ] {
        let mut log = agile();
        log.event(0, E::SCrtmVersion, b"1\0").config(Guid::GLOBAL, "SecureBoot", &[0]);
        if matches!(name, "AuditMode" | "DeployedMode") {
            log.config(Guid::GLOBAL, "PK", &signature_list(SignatureKind::X509, &[b"key"]));
        }
        log.config(guid, name, value);
        for pcr in 0..8 {
            log.separator(pcr);
        }
        assert_eq!(reasons("setup_mode = \"refuse\"", &log), expected, "{name} {value:?}");
        assert_eq!(reasons("setup_mode = \"allow\"", &log), Vec::<&str>::new());
    }
}

#[test]
fn e10_what_vouched_while_secure_boot_was_off_counts_for_nothing() {
    let certificate = certificate();
    let rule = format!("authorities = [\"{}\"]", BANK.digest(&certificate));
    for on in [1, 0] {
        let mut log = agile();
        log.event(0, E::SCrtmVersion, b"1\0").config(Guid::GLOBAL, "SecureBoot", &[on]).config(
            Guid::GLOBAL,
            "PK",
            &signature_list(SignatureKind::X509, &[b"key"]),
        );
        for pcr in 0..8 {
            log.separator(pcr);
        }
        let entry = variable(Guid::IMAGE_SECURITY, "db", &data(&certificate));
        log.event(7, E::EfiVariableAuthority, &entry)
            .event(5, E::EfiAction, b"Exit Boot Services Returned with Success")
            .event(8, E::Ipl, b"grub_cmd: x\0")
            .event(9, E::Ipl, b"x\0");
        let expected: &[&str] = if on == 1 { &[] } else { &["authorities"] };
        assert_eq!(reasons(&rule, &log), expected, "SecureBoot = {on}");
    }
}

/// A good boot whose log goes on with `count` authorities of db that nobody knows; the last image is named in dbx.
fn with_authorities(count: u32) -> LogBuilder {
    let (db, dbx) = (
        signature_list(SignatureKind::X509, &[&certificate()]),
        signature_list(SignatureKind::Sha256, &[&[7; 32]]),
    );
    let mut log = with_lists(&db, &dbx, &data(&certificate()), b"image");
    for number in 0..count {
        let content = data(&[&number.to_le_bytes()[..], &[0; 28]].concat());
        log.event(7, E::EfiVariableAuthority, &variable(Guid::IMAGE_SECURITY, "db", &content));
    }
    log
}

#[test]
fn v03_a_device_does_not_choose_how_many_reasons_and_notes_there_are() {
    let rule = format!("authorities = [\"{}\"]", BANK.digest(&certificate()));
    for (count, named) in [(0, 0), (10, 10), (11, 10), (3000, 10)] {
        let log = with_authorities(count);
        let (reasons, notes) = judge("", &rule, &log);
        let of = |id: &str| reasons.iter().filter(|reason| **reason == id).count();
        assert_eq!((of("authorities"), of("e10"), reasons.len()), (named, named, 2 * named), "{count}");
        let more = usize::try_from(count).unwrap() - named;
        let expected: Vec<_> = ["that the policy does not know", "that are not in the measured db"]
            .iter()
            .filter(|_| more > 0)
            .map(|what| format!("{more} more authorities {what}"))
            .collect();
        let mut notes = notes;
        notes.sort_by_key(|note| note.contains("measured"));
        assert_eq!(notes, expected, "{count}");
        // Where they are only reported, by as many notes.
        let (reasons, notes) = judge("", "revoked = \"report\"", &log);
        assert_eq!((reasons.len(), notes.len()), (0, named + usize::from(more > 0)), "{count}");
    }
}

#[test]
fn v03_images_and_authorities_that_dbx_forbids_are_counted_too() {
    let hashes: Vec<_> = (0..40_u8).map(|number| BANK.digest(&[number])).collect();
    let hashes: Vec<&[u8]> = hashes.iter().map(crate::digest::Digest::as_bytes).collect();
    let list = signature_list(SignatureKind::Sha256, &hashes);
    let mut log = with_lists(&list, &list, &data(hashes[0]), &[0]);
    for (number, hash) in (1..40_u8).zip(&hashes[1..]) {
        log.event(7, E::EfiVariableAuthority, &variable(Guid::IMAGE_SECURITY, "db", &data(hash)));
        log.hashed(4, E::EfiBootServicesApplication, &[number], &image_load("\\x"));
    }
    let (reasons, notes) = judge("", "", &log);
    assert_eq!(reasons, ["e10"; 20]);
    assert_eq!(
        notes,
        ["30 more authorities that the measured dbx forbids", "30 more images that the measured dbx forbids"]
    );
}

#[test]
fn e20_a_log_that_is_altered_does_not_talk_the_report_of_setup_mode_away() {
    let mut log = agile();
    log.event(0, E::SCrtmVersion, b"1\0").config(Guid::GLOBAL, "SecureBoot", &[0]).config(
        Guid::GLOBAL,
        "PK",
        b"",
    );
    for pcr in 0..8 {
        log.separator(pcr);
    }
    log.event(5, E::EfiAction, b"Exit Boot Services Returned with Success");
    let told = |bytes: &[u8]| {
        let outcome = super::judge_boot(&super::policy("", ""), &super::boot_of(bytes));
        assert!(!outcome.reasons.iter().any(|reason| reason.id == "setup-mode"));
        outcome.notes.into_iter().filter(|note| note.contains("[setup-mode]")).collect::<Vec<_>>()
    };
    assert!(told(&log.bytes)[0].contains("setup mode: whoever boots"));
    // One bit in the name that the digest covers: the register still matches, and the event is no SecureBoot any more.
    let name: Vec<u8> = "SecureBoot".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = log.bytes.windows(name.len()).position(|window| window == name).unwrap();
    let mut altered = log.bytes.clone();
    altered[at] ^= 1;
    let notes = told(&altered);
    assert!(notes.len() == 1 && notes[0].contains("does not prove that setup mode was off"), "{notes:?}");
}
