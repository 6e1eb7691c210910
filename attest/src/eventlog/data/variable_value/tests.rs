use super::*;
use crate::eventlog::data::signature::SignatureKind;
use crate::eventlog::tests::builder::{signature_list, variable};

const CONFIG: EventType = EventType::EfiVariableDriverConfig;
const AUTHORITY: EventType = EventType::EfiVariableAuthority;

fn certificate() -> Vec<u8> {
    hex::decode(include_str!("../signature/certificate.hex").trim()).unwrap()
}

/// Runs `check` on the value of a variable.
fn value(
    kind: EventType,
    name: &str,
    content: &[u8],
    check: impl Fn(Result<VariableValue<'_>, EventDataError>),
) {
    let data = variable(Guid::IMAGE_SECURITY, name, content);
    check(UefiVariable::parse(&data).unwrap().value(kind));
}

#[test]
fn switches_are_on_off_or_absent() {
    for name in SWITCHES {
        value(CONFIG, name, &[1], |read| assert_eq!(read, Ok(VariableValue::Switch(true))));
        value(AUTHORITY, name, &[0], |read| assert_eq!(read, Ok(VariableValue::Switch(false))));
        value(CONFIG, name, &[], |read| assert_eq!(read, Ok(VariableValue::Absent)));
        for bad in [&[2][..], &[1, 0]] {
            value(CONFIG, name, bad, |read| assert!(matches!(read, Err(EventDataError::Switch { .. }))));
        }
    }
}

#[test]
fn every_database_is_read_as_signature_lists() {
    let list = signature_list(SignatureKind::Sha256, &[&[1; 32]]);
    for name in DATABASES {
        value(CONFIG, name, &list, |read| {
            assert!(matches!(read, Ok(VariableValue::Signatures(lists)) if lists.count() == 1), "{name}");
        });
        value(CONFIG, name, &list[..40], |read| assert!(read.is_err(), "{name}"));
    }
    value(CONFIG, "of a vendor", &list, |read| assert_eq!(read, Ok(VariableValue::Opaque(&list))));
}

#[test]
fn an_authority_is_told_by_its_form() {
    let der = certificate();
    let owned = |entry: &[u8]| [&Guid::IMAGE_SECURITY.as_bytes()[..], entry].concat();
    for name in ["db", "MokList", "vendor_db", "Shim", "unheard of"] {
        value(AUTHORITY, name, &owned(&der), |read| {
            let Ok(VariableValue::Authority(Authority { owner, entry: AuthorityEntry::Certificate(read) })) =
                read
            else {
                panic!("{name}: {read:?}")
            };
            assert_eq!((owner, read.as_der()), (Some(Guid::IMAGE_SECURITY), &der[..]));
        });
        value(AUTHORITY, name, &der, |read| {
            assert!(matches!(read, Ok(VariableValue::Authority(Authority { owner: None, .. }))), "{name}");
        });
        value(AUTHORITY, name, &owned(&[3; 32]), |read| {
            let Ok(VariableValue::Authority(Authority { entry: AuthorityEntry::Hash(hash), .. })) = read
            else {
                panic!("{name}: {read:?}")
            };
            assert_eq!(hash.as_bytes(), [3; 32]);
        });
        for other in [&b"x"[..], &[1; 16], &[1; 47], &owned(&der[..der.len() - 1])] {
            value(AUTHORITY, name, other, |read| assert_eq!(read, Ok(VariableValue::Opaque(other))));
        }
    }
}

#[test]
fn sbat_levels_are_text_and_nothing_else() {
    let level = b"sbat,1,2022052400\ngrub,2\n";
    value(AUTHORITY, "SbatLevel", level, |read| {
        assert_eq!(read, Ok(VariableValue::Sbat("sbat,1,2022052400\ngrub,2\n")));
    });
    value(AUTHORITY, "SbatLevel", b"sbat\x1b[2J", |read| {
        assert!(matches!(read, Ok(VariableValue::Opaque(_))))
    });
}
