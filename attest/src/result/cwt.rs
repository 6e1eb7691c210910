//! A result as a CWT: RFC 8392 in a tagged COSE_Sign1 (RFC 9052 §4.2), with a type (RFC 9596).

use ciborium::Value;
use coset::iana::{self, EnumI64};
use coset::{Algorithm, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, TaggedCborSerializable};
use ring::rand::SecureRandom;

use super::verify::{Form, Parts};
use super::{AttestationResult, ResultAlgorithm, ResultError, ResultSigner, cbor};

pub(super) const TYPE: &str = "application/eat+cwt";
/// The first byte of a tagged COSE_Sign1: tag 18.
pub(super) const FIRST_BYTE: u8 = 0xD2;
/// RFC 9596: the header parameter `typ`.
const TYP: i64 = 16;

fn header(algorithm: iana::Algorithm, typ: &str, key_id: &[u8]) -> Header {
    HeaderBuilder::new()
        .algorithm(algorithm)
        .key_id(key_id.to_vec())
        .value(TYP, Value::Text(typ.to_owned()))
        .build()
}

impl AttestationResult {
    /// Signs the result as a CWT.
    ///
    /// # Errors
    /// [`ResultError::Key`] when there are no random numbers.
    pub fn to_cwt(&self, signer: &ResultSigner, random: &dyn SecureRandom) -> Result<Vec<u8>, ResultError> {
        let algorithm = match signer.public().algorithm() {
            ResultAlgorithm::Es256 => iana::Algorithm::ES256,
            ResultAlgorithm::Es384 => iana::Algorithm::ES384,
        };
        CoseSign1Builder::new()
            .protected(header(algorithm, TYPE, signer.public().id().as_bytes()))
            .payload(cbor::encode(self.claims())?)
            .try_create_signature(b"", |signed| signer.sign(signed, random))?
            .build()
            .to_tagged_vec()
            .map_err(ResultError::malformed)
    }
}

/// Takes a token apart. Nothing of it is believed yet.
pub(super) fn parse(token: &[u8]) -> Result<Parts, ResultError> {
    let sign = CoseSign1::from_tagged_slice(token).map_err(ResultError::malformed)?;
    // What no signature covers must not differ between two tokens that say the same.
    if sign.unprotected != Header::default() || sign.clone().to_tagged_vec().ok().as_deref() != Some(token) {
        return Err(ResultError::malformed("header: something is not covered by the signature"));
    }
    let signed = sign.tbs_data(b"");
    let found = &sign.protected.header;
    let typ = match found.rest.as_slice() {
        [(Label::Int(TYP), Value::Text(typ))] => typ.clone(),
        _ => return Err(ResultError::malformed("header: expected alg, kid and typ, and nothing else")),
    };
    let Some(Algorithm::Assigned(algorithm)) = found.alg else {
        return Err(ResultError::malformed("header: no registered algorithm"));
    };
    if *found != header(algorithm, &typ, &found.key_id) {
        return Err(ResultError::malformed("header: expected alg, kid and typ, and nothing else"));
    }
    Ok(Parts {
        form: Form::Cwt,
        algorithm: name(algorithm),
        typ,
        key_id: String::from_utf8_lossy(&found.key_id).into_owned(),
        signed,
        signature: sign.signature,
        payload: sign.payload.ok_or_else(|| ResultError::malformed("no payload"))?,
    })
}

fn name(algorithm: iana::Algorithm) -> String {
    match algorithm {
        iana::Algorithm::ES256 => ResultAlgorithm::Es256.name().to_owned(),
        iana::Algorithm::ES384 => ResultAlgorithm::Es384.name().to_owned(),
        other => format!("COSE {}", other.to_i64()),
    }
}
