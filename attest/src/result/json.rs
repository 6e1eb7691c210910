//! Claims as JSON: draft-ietf-rats-ear-04 §3, RFC 9711 for `eat_nonce` and `submods`, RFC 7800 for `cnf`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::vector::ASPECTS;
use super::{BoundKey, Facts, PROFILE, ResultClaims, ResultError, Tier, TrustVector, VerifierId};
use crate::challenge::Nonce;
use crate::digest::Digest;
use crate::key::{EccCurve, PublicKey};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ear {
    eat_profile: String,
    iat: i64,
    exp: i64,
    eat_nonce: String,
    ear_verifier_id: VerifierId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    submods: OneSubmodule,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    jwk: Jwk,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kty", deny_unknown_fields)]
enum Jwk {
    #[serde(rename = "EC")]
    Ecc { crv: String, x: String, y: String, kid: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String, kid: String },
}

/// A map with one entry: a second one, even of the same name, is refused.
struct OneSubmodule(String, Submodule);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submodule {
    ear_status: String,
    ear_trustworthiness_vector: TrustVector,
    ear_appraisal_policy_ids: [Digest; 1],
    hallmark: Facts,
}

/// The claims in JSON.
pub(super) fn encode(claims: &ResultClaims) -> Result<Vec<u8>, ResultError> {
    let submodule = Submodule {
        ear_status: claims.status.name().to_owned(),
        ear_trustworthiness_vector: claims.vector,
        ear_appraisal_policy_ids: [claims.policy],
        hallmark: claims.facts.clone(),
    };
    let ear = Ear {
        eat_profile: PROFILE.to_owned(),
        iat: claims.issued.as_second(),
        exp: claims.expires.as_second(),
        eat_nonce: URL_SAFE_NO_PAD.encode(claims.nonce.as_bytes()),
        ear_verifier_id: claims.verifier.clone(),
        cnf: claims.key.as_ref().map(|key| Confirmation { jwk: jwk(key) }),
        submods: OneSubmodule(claims.device.clone(), submodule),
    };
    serde_json::to_vec(&ear).map_err(ResultError::malformed)
}

/// Claims out of JSON with nothing behind it.
pub(super) fn decode(bytes: &[u8]) -> Result<ResultClaims, ResultError> {
    let ear: Ear = serde_json::from_slice(bytes).map_err(ResultError::malformed)?;
    check_profile(&ear.eat_profile)?;
    let OneSubmodule(device, submodule) = ear.submods;
    let [policy] = submodule.ear_appraisal_policy_ids;
    let status = Tier::ALL.into_iter().find(|tier| tier.name() == submodule.ear_status);
    Ok(ResultClaims {
        issued: time(ear.iat)?,
        expires: time(ear.exp)?,
        nonce: Nonce::new(&base64(&ear.eat_nonce)?).map_err(ResultError::malformed)?,
        verifier: ear.ear_verifier_id,
        device,
        key: ear.cnf.map(|cnf| bound_key(&cnf.jwk)).transpose()?,
        status: status.ok_or_else(|| ResultError::malformed("ear_status is no tier"))?,
        vector: submodule.ear_trustworthiness_vector,
        policy,
        facts: submodule.hallmark,
    })
}

pub(super) fn check_profile(found: &str) -> Result<(), ResultError> {
    if found == PROFILE {
        return Ok(());
    }
    Err(ResultError::Type { found: found.chars().take(80).collect(), expected: PROFILE })
}

pub(super) fn time(seconds: i64) -> Result<Timestamp, ResultError> {
    Timestamp::from_second(seconds).map_err(ResultError::malformed)
}

/// Without padding, and with one spelling for each value.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, ResultError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| ResultError::malformed(format!("base64url: {error}")))
}

fn jwk(key: &BoundKey) -> Jwk {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let kid = hex::encode(key.name());
    match key.key() {
        PublicKey::Ecc { curve, x, y } => {
            Jwk::Ecc { crv: curve_name(*curve).to_owned(), x: text(x), y: text(y), kid }
        }
        PublicKey::Rsa { modulus, exponent } => {
            Jwk::Rsa { n: text(modulus), e: text(crate::key::strip_zeros(&exponent.to_be_bytes())), kid }
        }
    }
}

const fn curve_name(curve: EccCurve) -> &'static str {
    match curve {
        EccCurve::P256 => "P-256",
        EccCurve::P384 => "P-384",
    }
}

fn bound_key(jwk: &Jwk) -> Result<BoundKey, ResultError> {
    let (key, kid) = match jwk {
        Jwk::Ecc { crv, x, y, kid } => {
            let curve = [EccCurve::P256, EccCurve::P384].into_iter().find(|curve| curve_name(*curve) == crv);
            let curve = curve.ok_or_else(|| ResultError::malformed("cnf: unknown curve"))?;
            (point(curve, &base64(x)?, &base64(y)?)?, kid)
        }
        Jwk::Rsa { n, e, kid } => (rsa(&base64(n)?, &base64(e)?)?, kid),
    };
    let name = hex::decode(kid).map_err(|error| ResultError::malformed(format!("cnf: kid: {error}")))?;
    Ok(BoundKey::new(key, &name))
}

/// Coordinates have their full length (RFC 7518 §6.2.1.2).
pub(super) fn point(curve: EccCurve, x: &[u8], y: &[u8]) -> Result<PublicKey, ResultError> {
    if [x, y].iter().any(|number| number.len() != curve.coordinate_len()) {
        return Err(ResultError::malformed("cnf: a coordinate of another length than the curve's"));
    }
    PublicKey::ecc(curve, x, y).map_err(ResultError::malformed)
}

pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, ResultError> {
    let wrong = || ResultError::malformed("cnf: a malformed RSA key");
    let number = exponent
        .iter()
        .try_fold(0_u32, |number, byte| number.checked_mul(256)?.checked_add(u32::from(*byte)));
    let leading_zero = |bytes: &[u8]| bytes.first().is_none_or(|byte| *byte == 0);
    if leading_zero(modulus) || leading_zero(exponent) {
        return Err(wrong());
    }
    Ok(PublicKey::rsa(modulus, number.ok_or_else(wrong)?))
}

impl Serialize for OneSubmodule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&self.0, &self.1)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for OneSubmodule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = OneSubmodule;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map with one submodule")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneSubmodule, A::Error> {
                let (name, submodule) =
                    map.next_entry()?.ok_or_else(|| A::Error::custom("no submodule, expected one"))?;
                match map.next_key::<String>()? {
                    None => Ok(OneSubmodule(name, submodule)),
                    Some(_) => Err(A::Error::custom("a second submodule, expected one")),
                }
            }
        }
        deserializer.deserialize_map(One)
    }
}

impl Serialize for TrustVector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values())
    }
}

impl<'de> Deserialize<'de> for TrustVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Aspects;
        impl<'de> Visitor<'de> for Aspects {
            type Value = TrustVector;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a trustworthiness vector")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TrustVector, A::Error> {
                let mut vector = TrustVector::default();
                while let Some((name, value)) = map.next_entry::<String, i8>()? {
                    let aspect = ASPECTS.iter().position(|aspect| *aspect == name);
                    let aspect = aspect.ok_or_else(|| A::Error::custom("an unknown aspect"))?;
                    if vector.get(aspect).is_some() {
                        return Err(A::Error::custom(format_args!("{name} stands twice")));
                    }
                    vector.set(aspect, Some(value));
                }
                Ok(vector)
            }
        }
        deserializer.deserialize_map(Aspects)
    }
}
