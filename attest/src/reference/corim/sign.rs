//! Signed CoRIMs: COSE_Sign1 (RFC 9052 §4.2) with the header of draft-ietf-rats-corim-10 §4.2.

use ciborium::Value;
use coset::iana::Algorithm as Registered;
use coset::{Algorithm, CborSerializable as _, ContentType, CoseSign1, Label};
use jiff::Timestamp;

use super::items::Items;
use super::{CorimError, validity};
use crate::result::{ResultAlgorithm, ResultKey};

/// The tags of a signed document: that of COSE_Sign1, and the one that early drafts set before it.
const SIGNED: u8 = 0xD2;
const EARLY_SIGNED: [u8; 3] = [0xD9, 0x01, 0xF6];

/// Labels of the header: the signer's map, the claims of RFC 9597, the hash of a payload elsewhere (RFC 9054 draft).
const META: i64 = 8;
const CWT_CLAIMS: i64 = 15;
const PAYLOAD_HASH: i64 = 258;
const CONTENT_TYPE: &str = "application/rim+cbor";

/// A payload whose signature is good, with the time that its signer gives it.
pub(super) struct Signed {
    pub(super) payload: Vec<u8>,
    pub(super) starts: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

/// The payload of a signed document; `None` for another one.
pub(super) fn open(bytes: &[u8], key: Option<&ResultKey>) -> Result<Option<Signed>, CorimError> {
    let rest = bytes.strip_prefix(&EARLY_SIGNED).unwrap_or(bytes);
    let Some(sign) = rest.strip_prefix(&[SIGNED]) else { return Ok(None) };
    let key = key.ok_or(CorimError::KeyNeeded)?;
    let wrong = |what: &str| CorimError::Signature(what.to_owned());
    let sign = CoseSign1::from_slice(sign).map_err(|error| CorimError::Signature(error.to_string()))?;
    let header = &sign.protected.header;
    // The key decides the algorithm, the header only has to say the same (threat u07).
    let algorithm = match key.algorithm() {
        ResultAlgorithm::Es256 => Registered::ES256,
        ResultAlgorithm::Es384 => Registered::ES384,
    };
    if header.alg != Some(Algorithm::Assigned(algorithm)) {
        return Err(CorimError::Signature(format!("not by {}, the key's algorithm", key.algorithm().name())));
    }
    if !key.is_by(&sign.tbs_data(b""), &sign.signature) {
        return Err(wrong("not by this key"));
    }
    if header.content_type != Some(ContentType::Text(CONTENT_TYPE.to_owned())) {
        return Err(wrong("the content type is not application/rim+cbor"));
    }
    if !header.crit.is_empty() {
        return Err(wrong("a critical header that is not known"));
    }
    let (mut starts, mut expires) = (None, None);
    for (label, value) in &header.rest {
        let (from, to) = match (label, value) {
            (Label::Int(META), Value::Bytes(meta)) => signer(meta)?,
            (Label::Int(CWT_CLAIMS), Value::Map(claims)) => (claim(claims, 5)?, claim(claims, 4)?),
            (Label::Int(META | CWT_CLAIMS), _) => return Err(wrong("a signer's map of another type")),
            (Label::Int(PAYLOAD_HASH), _) => return Err(wrong("over a hash, and the document is elsewhere")),
            _ => continue,
        };
        starts = starts.max(from);
        expires = expires.into_iter().chain(to).min();
    }
    let payload = sign.payload.ok_or_else(|| wrong("no payload"))?;
    Ok(Some(Signed { payload, starts, expires }))
}

/// A corim-meta-map: the signer, for people, and how long the signature counts.
fn signer(meta: &[u8]) -> Result<(Option<Timestamp>, Option<Timestamp>), CorimError> {
    let mut times = (None, None);
    let mut items = Items::new(meta, 0);
    items.map("the signer's map", |items, key| match key {
        0 => items.raw().map(drop),
        1 => {
            times = validity(items)?;
            Ok(())
        }
        _ => Err(CorimError::extension("the signer's map", key)),
    })?;
    items.finish()?;
    Ok(times)
}

/// A time among CWT claims (RFC 8392 §3.1): 4 is the end, 5 the start.
fn claim(claims: &[(Value, Value)], label: i64) -> Result<Option<Timestamp>, CorimError> {
    let found = claims.iter().find(|(key, _)| *key == Value::from(label));
    let Some((_, value)) = found else { return Ok(None) };
    let seconds = value.as_integer().and_then(|number| i64::try_from(number).ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(Some).ok_or_else(|| CorimError::Signature("a time that is no whole second".to_owned()))
}
