//! Names in certificates, as text that a terminal can show and as the attributes that are read from them.

use der::Tag;
use der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

const LONGEST: usize = 200;

/// The name as one line without control characters: it comes from outside and ends up in reports and logs.
pub(crate) fn readable(name: &Name) -> String {
    let text = name.to_string();
    if text.is_empty() {
        return "(empty subject)".to_owned();
    }
    printable(&text)
}

pub(crate) fn printable(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The text of the attribute `oid`; `None` when it is absent, there twice, or no text.
pub(crate) fn attribute(name: &Name, oid: ObjectIdentifier) -> Option<String> {
    let mut found = name.0.iter().flat_map(|rdn| rdn.0.iter()).filter(|attribute| attribute.oid == oid);
    let value = text(found.next()?)?;
    found.next().is_none().then_some(value)
}

fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    match der::Tagged::tag(value) {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok().map(|s| s.as_str().to_owned()),
        Tag::PrintableString => {
            value.decode_as::<PrintableStringRef<'_>>().ok().map(|s| s.as_str().to_owned())
        }
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok().map(|s| s.as_str().to_owned()),
        _ => None,
    }
}
