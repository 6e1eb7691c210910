//! Evidence: what is read, what is refused.

mod compressed;

use super::*;

fn evidence() -> Evidence {
    Evidence {
        version: VERSION,
        quote: QuoteEvidence {
            message: ByteBuf::from([1, 2]),
            signature: ByteBuf::from([3]),
            pcr_values: vec![ByteBuf::from([0; 32])],
        },
        attestation_key: ByteBuf::from([4]),
        certificates: vec![ByteBuf::from([5])],
        event_log: Some(Log::plain(vec![6; 100])),
        final_events: None,
        measurement_logs: vec![MeasurementLog {
            kind: MeasurementKind::Systemd,
            log: Log::packed(vec![b'{'; 500]),
        }],
        ima: Some(ImaPart {
            list: Log::packed(vec![7; 1000]),
            start: Some(ImaStart {
                offset: 1,
                entries: 1,
                values: vec![StartValue(11, 10, ByteBuf::from([8; 32]))],
            }),
        }),
    }
}

#[test]
fn evidence_reads_back() {
    assert_eq!(Evidence::parse(&evidence().to_bytes().unwrap()).unwrap(), evidence());
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let bytes = evidence().to_bytes().unwrap();
    for len in 0..bytes.len() {
        assert!(Evidence::parse(&bytes[..len]).is_err(), "{len}");
    }
    let longer = [bytes, vec![0]].concat();
    assert_eq!(Evidence::parse(&longer), Err(EvidenceError::Trailing { found: 1 }));
}

#[test]
fn an_announced_size_allocates_nothing() {
    // A map of one entry whose key is a text string of 2^63 bytes, and an array of 2^62 entries.
    for bytes in [
        &[0xA1, 0x7B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..],
        &[0x9B, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    ] {
        assert!(matches!(Evidence::parse(bytes), Err(EvidenceError::Malformed(_))));
    }
}

#[test]
fn lists_end_at_their_limits() {
    let with = |certificates, values| {
        let mut evidence = evidence();
        evidence.certificates = vec![ByteBuf::new(); certificates];
        evidence.quote.pcr_values = vec![ByteBuf::new(); values];
        Evidence::parse(&evidence.to_bytes().unwrap())
    };
    with(8, 96).unwrap();
    for (certificates, values, most) in [(9, 1, "8"), (1_000_000, 1, "8"), (1, 97, "96")] {
        let error = with(certificates, values).unwrap_err().to_string();
        assert!(error.contains(&format!("more than {most} entries")), "{error}");
    }
}

#[test]
fn repeated_and_unknown_keys_are_refused() {
    let mut bytes = evidence().to_bytes().unwrap();
    // The first key is renamed to an unknown word.
    let at = bytes.windows(7).position(|w| w == b"version").unwrap();
    bytes[at..at + 7].copy_from_slice(b"Version");
    assert!(matches!(Evidence::parse(&bytes), Err(EvidenceError::Malformed(_))));
}

#[test]
fn a_whole_list_has_no_start_and_absent_logs_take_no_bytes() {
    let all = evidence();
    let least = Evidence { event_log: None, measurement_logs: Vec::new(), ima: None, ..all };
    let bytes = least.to_bytes().unwrap();
    assert_eq!(Evidence::parse(&bytes).unwrap(), least);
    for key in ["event_log", "final_events", "measurement_logs", "ima"] {
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{key}");
    }
}

/// Evidence as a CBOR value, changed by `change`.
fn changed(
    change: impl FnOnce(&mut Vec<(ciborium::Value, ciborium::Value)>),
) -> Result<Evidence, EvidenceError> {
    let mut value = ciborium::Value::serialized(&evidence()).unwrap();
    change(value.as_map_mut().unwrap());
    let mut bytes = Vec::new();
    ciborium::into_writer(&value, &mut bytes).unwrap();
    Evidence::parse(&bytes)
}

fn set(name: &str, value: ciborium::Value) -> Result<Evidence, EvidenceError> {
    changed(|map| {
        map.retain(|(key, _)| key.as_text() != Some(name));
        map.push((name.into(), value));
    })
}

#[test]
fn another_version_is_told_as_such_whatever_its_fields() {
    assert_eq!(set("version", 3.into()), Err(EvidenceError::Version { found: 3 }));
    // Version 1 had other fields.
    let old = changed(|map| {
        map.retain(|(key, _)| !matches!(key.as_text(), Some("version" | "ima" | "measurement_logs")));
        map.push(("version".into(), 1.into()));
        map.push(("ima_list".into(), ciborium::Value::Null));
    });
    assert_eq!(old, Err(EvidenceError::Version { found: 1 }));
    assert!(old.unwrap_err().to_string().contains("hallmark attest"));
}

#[test]
fn null_other_forms_and_unknown_kinds_are_refused() {
    use ciborium::Value;
    let log = |fields: &[(&str, Value)]| {
        Value::Map(fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
    };
    let frame = Value::Bytes(vec![1]);
    for (name, value) in [
        ("event_log", Value::Null),
        ("event_log", Value::Text("log".into())),
        ("event_log", Value::Array(vec![1.into()])),
        ("event_log", log(&[("zstd", frame.clone())])),
        ("event_log", log(&[("zstd", frame.clone()), ("size", 0.into())])),
        ("event_log", log(&[("zstd", frame.clone()), ("size", (-1).into())])),
        ("event_log", log(&[("zstd", frame.clone()), ("size", 1.into()), ("size", 2.into())])),
        ("event_log", log(&[("zstd", frame.clone()), ("size", 1.into()), ("level", 2.into())])),
        ("ima", Value::Null),
        ("ima", log(&[("list", frame.clone()), ("start", Value::Null)])),
        ("measurement_logs", Value::Null),
        ("measurement_logs", Value::Array(vec![log(&[("kind", "windows".into()), ("log", frame.clone())])])),
        (
            "measurement_logs",
            Value::Array(vec![log(&[("kind", "systemd".into()), ("log", frame.clone())]); 5]),
        ),
    ] {
        assert!(matches!(set(name, value.clone()), Err(EvidenceError::Malformed(_))), "{name} {value:?}");
    }
    set("event_log", log(&[("zstd", frame), ("size", 1.into())])).unwrap();
}

#[test]
fn kinds_of_logs_have_the_names_that_evidence_has() {
    for kind in MeasurementKind::ALL {
        assert_eq!(MeasurementKind::from_name(kind.name()), Some(kind));
        assert_eq!(ciborium::Value::serialized(&kind).unwrap().as_text(), Some(kind.name()));
    }
    assert_eq!(MeasurementKind::from_name("cel"), None);
}
