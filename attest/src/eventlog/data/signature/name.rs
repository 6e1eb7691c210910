//! Names of certificates as text (RFC 4514).
//!
//! `x509-cert` searches a list of all object identifiers for each attribute, and a log has dozens of them: the usual ones
//! are written here, in the same words, and everything else is left to it.

use std::fmt::Write as _;

use der::asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use der::{Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

const USUAL: [(ObjectIdentifier, &str); 6] = [
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
];

/// The name as `x509-cert` displays it, the last part first.
pub(super) fn name_text(name: &Name) -> String {
    let mut text = String::new();
    for (nth, part) in name.0.iter().rev().enumerate() {
        for (also, attribute) in part.0.iter().enumerate() {
            match (nth, also) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                _ => text.push('+'),
            }
            if write_usual(&mut text, attribute).is_none() {
                let _ = write!(text, "{attribute}");
            }
        }
    }
    text
}

/// Writes a usual attribute whose text needs no escapes; `None` for any other.
fn write_usual(text: &mut String, attribute: &AttributeTypeAndValue) -> Option<()> {
    let (_, label) = USUAL.iter().find(|(oid, _)| *oid == attribute.oid)?;
    let value = match attribute.value.tag() {
        Tag::PrintableString => PrintableStringRef::try_from(&attribute.value).ok()?.as_str(),
        Tag::Utf8String => Utf8StringRef::try_from(&attribute.value).ok()?.as_str(),
        _ => return None,
    };
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'\'' | b'/');
    if value.starts_with(' ') || value.ends_with(' ') || !value.bytes().all(plain) {
        return None;
    }
    text.push_str(label);
    text.push('=');
    text.push_str(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn names_read_as_they_are_displayed() {
        let mut compared = 0;
        for text in [
            "",
            "CN=Microsoft Corporation UEFI CA 2011,O=Microsoft Corporation,L=Redmond,ST=Washington,C=US",
            "CN=a+OU=b,O=Example",
            "CN=Debian Secure Boot CA",
            "CN=comma\\, plus\\+ and \\\"quotes\\\"",
            "CN=\\ leading and trailing\\ ",
            "CN=\\#1",
            "CN=L\u{00e4}nge",
            "STREET=1 Road,SERIALNUMBER=17,CN=x",
            "DC=example,DC=com",
            "1.2.3.4=#04020102",
        ] {
            // Not every name that can be displayed can be read from text.
            let Ok(name) = Name::from_str(text) else { continue };
            assert_eq!(name_text(&name), name.to_string());
            compared += 1;
        }
        assert!(compared > 5, "{compared}");
    }
}
