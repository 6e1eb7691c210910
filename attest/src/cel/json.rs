//! CEL-JSON: one array, or systemd's JSON text sequence, where each text comes after a record separator (RFC 7464).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::content::{Content, Systemd};
use super::error::CelError;
use super::record::{Draft, Record};
use super::{MAX_DIGESTS, MAX_RECORDS, RECORD_SEPARATOR};
use crate::digest::HashAlgorithm;
use crate::eventlog::EventType;

/// One record. Fields that nobody knows are passed over: nothing measures them, so nothing depends on them. A field
/// that stands twice is refused.
#[derive(Debug, Deserialize)]
struct Text<'a> {
    recnum: Option<u64>,
    pcr: Option<u64>,
    #[serde(alias = "nvIndex")]
    nv_index: Option<u32>,
    #[serde(borrow, deserialize_with = "crate::bounded::list::<MAX_DIGESTS, _, _>")]
    digests: Vec<TextDigest<'a>>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Fields<'a>,
}

#[derive(Debug, Deserialize)]
struct TextDigest<'a> {
    #[serde(borrow, rename = "hashAlg")]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

/// The fields of every content type that is read; what is no object has none.
#[derive(Debug, Default)]
struct Fields<'a> {
    systemd: Systemd<'a>,
    event_type: Option<EventType>,
    event_data: Option<Cow<'a, str>>,
    template_name: Option<Cow<'a, str>>,
    template_data: Option<Cow<'a, str>>,
}

/// Texts that each stand after a record separator.
pub(super) fn sequence(bytes: &[u8]) -> Result<Vec<Record<'_>>, CelError> {
    // The first separator is the first byte.
    texts(bytes.split(|byte| *byte == RECORD_SEPARATOR).skip(1), 1)
}

/// Texts that each stand on a line: what is left of a sequence when something has removed its separators.
pub(super) fn lines(bytes: &[u8]) -> Result<Vec<Record<'_>>, CelError> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    texts(bytes.split(|byte| *byte == b'\n'), 0)
}

fn texts<'a>(parts: impl Iterator<Item = &'a [u8]>, first: usize) -> Result<Vec<Record<'a>>, CelError> {
    let mut records = Vec::new();
    let mut offset = first;
    for text in parts {
        let index = records.len();
        if index == MAX_RECORDS {
            return Err(CelError::TooManyRecords);
        }
        let read: Text<'_> =
            serde_json::from_slice(text).map_err(|error| json_error(index, offset, &error))?;
        records.push(record(read, index, offset)?);
        offset = offset.saturating_add(text.len()).saturating_add(1);
    }
    Ok(records)
}

/// One array of records.
pub(super) fn array(bytes: &[u8]) -> Result<Vec<Record<'_>>, CelError> {
    let texts: Texts<'_> = serde_json::from_slice(bytes).map_err(|error| json_error(0, 0, &error))?;
    texts.0.into_iter().enumerate().map(|(index, text)| record(text, index, 0)).collect()
}

fn json_error(record: usize, offset: usize, error: &serde_json::Error) -> CelError {
    // A message of serde may repeat what the log says.
    let what: String = error.to_string().chars().flat_map(char::escape_debug).take(200).collect();
    CelError::Json { record, offset, what }
}

#[derive(Debug, Deserialize)]
struct Texts<'a>(
    #[serde(borrow, deserialize_with = "crate::bounded::list::<MAX_RECORDS, _, _>")] Vec<Text<'a>>,
);

fn record(text: Text<'_>, index: usize, offset: usize) -> Result<Record<'_>, CelError> {
    let mut draft = Draft::new(index, offset);
    draft.number = text.recnum;
    draft.pcr = text.pcr;
    draft.nv_index = text.nv_index;
    for digest in &text.digests {
        let bytes = hex::decode(digest.digest.as_bytes()).ok();
        let algorithm = algorithm(&digest.algorithm);
        draft.add_digest(algorithm, || digest.algorithm.chars().take(20).collect(), bytes.as_deref())?;
    }
    draft.content = content(text.content_type.unwrap_or_default(), text.content);
    draft.finish()
}

/// `sha256`, or `TPM_ALG_SHA256` as some writers have it.
fn algorithm(name: &str) -> Option<HashAlgorithm> {
    let name = name.to_ascii_lowercase();
    HashAlgorithm::from_name(name.strip_prefix("tpm_alg_").unwrap_or(&name))
}

fn content<'a>(content_type: Cow<'a, str>, fields: Fields<'a>) -> Content<'a> {
    match (&*content_type, fields) {
        ("systemd", Fields { systemd, .. }) => Content::Systemd(systemd),
        ("hallmark", Fields { systemd: Systemd { string: Some(text), timestamp, .. }, .. }) => {
            Content::Hallmark { text, timestamp }
        }
        ("pcclient_std", Fields { event_type: Some(event_type), event_data: Some(data), .. }) => {
            match octets(&data) {
                Some(data) => Content::PcClient { event_type, data: Cow::Owned(data) },
                None => Content::Other { content_type },
            }
        }
        ("ima_template", Fields { template_name: Some(name), template_data: Some(data), .. }) => {
            match octets(&data) {
                Some(data) => Content::ImaTemplate {
                    name: Cow::Owned(name.into_owned().into_bytes()),
                    data: Cow::Owned(data),
                },
                None => Content::Other { content_type },
            }
        }
        _ => Content::Other { content_type },
    }
}

/// Bytes in hexadecimal, as tpm2-tss writes them, or in base64. Read wrongly, they fall out of their digest.
fn octets(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    hex::decode(text).ok().or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the content of a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Name(key)) = map.next_key()? {
            let repeated = match &*key {
                "string" => set(&mut fields.systemd.string, map.next_value::<Name<'de>>()?.0),
                "eventType" => set(&mut fields.systemd.event_type, map.next_value::<Name<'de>>()?.0),
                "bootId" => set(&mut fields.systemd.boot_id, map.next_value::<Name<'de>>()?.0),
                "timestamp" => set(&mut fields.systemd.timestamp, map.next_value()?),
                "nvIndexName" => set(&mut fields.systemd.nv_index_name, map.next_value::<Name<'de>>()?.0),
                "event_type" => set(&mut fields.event_type, map.next_value::<TypeName>()?.0),
                "event_data" => set(&mut fields.event_data, map.next_value::<Name<'de>>()?.0),
                "template_name" => set(&mut fields.template_name, map.next_value::<Name<'de>>()?.0),
                "template_data" => set(&mut fields.template_data, map.next_value::<Name<'de>>()?.0),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    false
                }
            };
            if repeated {
                let key: String = key.chars().take(20).collect();
                return Err(serde::de::Error::custom(format_args!("field {key} stands twice")));
            }
        }
        Ok(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Fields<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Fields::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }

    fn visit_unit<E>(self) -> Result<Fields<'de>, E> {
        Ok(Fields::default())
    }
}

/// Sets a field and tells whether it had been set before.
fn set<T>(field: &mut Option<T>, value: T) -> bool {
    field.replace(value).is_some()
}

/// A text that is borrowed where it has no escapes; `Cow` alone would always copy.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// An event type by its name or its number.
struct TypeName(EventType);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypeVisitor;

        impl Visitor<'_> for TypeVisitor {
            type Value = TypeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event type")
            }

            fn visit_u64<E: serde::de::Error>(self, code: u64) -> Result<TypeName, E> {
                u32::try_from(code)
                    .map(|code| TypeName(EventType::from_code(code)))
                    .map_err(|_| E::custom("an event type beyond 32 bits"))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TypeName, E> {
                EventType::from_name(name).map(TypeName).ok_or_else(|| E::custom("an unknown event type"))
            }
        }
        deserializer.deserialize_any(TypeVisitor)
    }
}
