//! A result as a JWT: RFC 7519 in the compact form of RFC 7515, with the type that RFC 9782 §4 names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use super::verify::{Form, Parts};
use super::{AttestationResult, ResultError, ResultSigner, json};

pub(super) const TYPE: &str = "eat+jwt";

/// The whole header: whatever else a token may carry there (`crit`, `jwk`, `x5u`, `b64`, …) is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl AttestationResult {
    /// Signs the result as a JWT.
    ///
    /// # Errors
    /// [`ResultError::Key`] when there are no random numbers.
    pub fn to_jwt(&self, signer: &ResultSigner, random: &dyn SecureRandom) -> Result<String, ResultError> {
        let header = Header {
            alg: signer.public().algorithm().name().to_owned(),
            typ: TYPE.to_owned(),
            kid: signer.public().id().to_owned(),
        };
        let header = serde_json::to_vec(&header).map_err(ResultError::malformed)?;
        let payload = json::encode(self.claims())?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = signer.sign(signed.as_bytes(), random)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Takes a token apart. Nothing of it is believed yet.
pub(super) fn parse(token: &str) -> Result<Parts, ResultError> {
    let three = || ResultError::malformed("expected a JWT, three parts with dots between them");
    let (signed, signature) = token.rsplit_once('.').ok_or_else(three)?;
    let (header, payload) = signed.split_once('.').ok_or_else(three)?;
    if payload.contains('.') {
        return Err(three());
    }
    let Header { alg, typ, kid } = serde_json::from_slice(&json::base64(header)?)
        .map_err(|error| ResultError::malformed(format!("header: {error}")))?;
    Ok(Parts {
        form: Form::Jwt,
        algorithm: alg,
        typ,
        key_id: kid,
        signed: signed.as_bytes().to_vec(),
        signature: json::base64(signature)?,
        payload: json::base64(payload)?,
    })
}
