//! Claims as CBOR: the same as in JSON, with the numbers of draft-ietf-rats-ear-04 §3 and RFC 8392, and keys as COSE_Key
//! (RFC 9052 §7, RFC 8230 for RSA).

use ciborium::Value;

use super::json::{check_profile, point, rsa, time};
use super::vector::ASPECTS;
use super::{BoundKey, PROFILE, ResultClaims, ResultError, Tier, TrustVector, VerifierId};
use crate::challenge::Nonce;
use crate::digest::Digest;
use crate::key::{EccCurve, PublicKey};

const EXP: i64 = 4;
const IAT: i64 = 6;
const CNF: i64 = 8;
const NONCE: i64 = 10;
const EAT_PROFILE: i64 = 265;
const SUBMODS: i64 = 266;
const STATUS: i64 = 1000;
const VECTOR: i64 = 1001;
const POLICY_IDS: i64 = 1003;
const VERIFIER_ID: i64 = 1004;
const HALLMARK: &str = "hallmark";

const DEVELOPER: i64 = 0;
const BUILD: i64 = 1;
/// RFC 8747 §3.1: a COSE_Key in `cnf`.
const COSE_KEY: i64 = 1;
const KTY: i64 = 1;
const KID: i64 = 2;
const EC2: i64 = 2;
const RSA: i64 = 3;

/// The claims in CBOR, keys in rising order.
pub(super) fn encode(claims: &ResultClaims) -> Result<Vec<u8>, ResultError> {
    let vector = ASPECTS.iter().enumerate().filter_map(|(aspect, _)| {
        Some((Value::from(u8::try_from(aspect).ok()?), Value::from(claims.vector.get(aspect)?)))
    });
    let facts = Value::serialized(&claims.facts).map_err(ResultError::malformed)?;
    let submodule = Value::Map(vec![
        (STATUS.into(), claims.status.number().into()),
        (VECTOR.into(), Value::Map(vector.collect())),
        (POLICY_IDS.into(), Value::Array(vec![claims.policy.to_string().into()])),
        (HALLMARK.into(), facts),
    ]);
    let verifier = Value::Map(vec![
        (DEVELOPER.into(), claims.verifier.developer.as_str().into()),
        (BUILD.into(), claims.verifier.build.as_str().into()),
    ]);
    let mut map =
        vec![(EXP.into(), claims.expires.as_second().into()), (IAT.into(), claims.issued.as_second().into())];
    if let Some(key) = &claims.key {
        map.push((CNF.into(), Value::Map(vec![(COSE_KEY.into(), cose_key(key))])));
    }
    map.extend([
        (NONCE.into(), Value::Bytes(claims.nonce.as_bytes().to_vec())),
        (EAT_PROFILE.into(), PROFILE.into()),
        (SUBMODS.into(), Value::Map(vec![(claims.device.as_str().into(), submodule)])),
        (VERIFIER_ID.into(), verifier),
    ]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(map), &mut bytes).map_err(ResultError::malformed)?;
    Ok(bytes)
}

/// Claims out of one CBOR map with nothing behind it.
pub(super) fn decode(bytes: &[u8]) -> Result<ResultClaims, ResultError> {
    let mut rest = bytes;
    let value: Value = ciborium::from_reader(&mut rest).map_err(ResultError::malformed)?;
    if !rest.is_empty() {
        return Err(ResultError::malformed(format!("{} bytes after the claims", rest.len())));
    }
    let mut ear = Fields::new(value)?;
    check_profile(&text(ear.take(EAT_PROFILE)?)?)?;
    let (expires, issued) = (time(integer(&ear.take(EXP)?)?)?, time(integer(&ear.take(IAT)?)?)?);
    let nonce = Nonce::new(&byte_string(ear.take(NONCE)?)?).map_err(ResultError::malformed)?;
    let key = ear.take_optional(CNF)?.map(bound_key).transpose()?;
    let mut id = Fields::new(ear.take(VERIFIER_ID)?)?;
    let verifier = VerifierId { developer: text(id.take(DEVELOPER)?)?, build: text(id.take(BUILD)?)? };
    id.finish()?;
    let Value::Map(submods) = ear.take(SUBMODS)? else { return Err(wrong("submods")) };
    ear.finish()?;
    let [(device, submodule)] =
        <[_; 1]>::try_from(submods).map_err(|_| ResultError::malformed("expected one submodule"))?;
    let mut submodule = Fields::new(submodule)?;
    let status = integer(&submodule.take(STATUS)?)?;
    let status = Tier::ALL.into_iter().find(|tier| i64::from(tier.number()) == status);
    let vector = vector(submodule.take(VECTOR)?)?;
    let [policy]: [Digest; 1] = submodule.take(POLICY_IDS)?.deserialized().map_err(ResultError::malformed)?;
    let facts = submodule.take(HALLMARK)?.deserialized().map_err(ResultError::malformed)?;
    submodule.finish()?;
    Ok(ResultClaims {
        issued,
        expires,
        nonce,
        verifier,
        device: text(device)?,
        key,
        status: status.ok_or_else(|| wrong("ear_status"))?,
        vector,
        policy,
        facts,
    })
}

fn cose_key(key: &BoundKey) -> Value {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let name = (KID.into(), bytes(key.name()));
    Value::Map(match key.key() {
        PublicKey::Ecc { curve, x, y } => vec![
            (KTY.into(), EC2.into()),
            name,
            ((-1).into(), curve_id(*curve).into()),
            ((-2).into(), bytes(x)),
            ((-3).into(), bytes(y)),
        ],
        PublicKey::Rsa { modulus, exponent } => vec![
            (KTY.into(), RSA.into()),
            name,
            ((-1).into(), bytes(modulus)),
            ((-2).into(), bytes(crate::key::strip_zeros(&exponent.to_be_bytes()))),
        ],
    })
}

/// RFC 9053 §7.1.
const fn curve_id(curve: EccCurve) -> i64 {
    match curve {
        EccCurve::P256 => 1,
        EccCurve::P384 => 2,
    }
}

fn bound_key(value: Value) -> Result<BoundKey, ResultError> {
    let mut cnf = Fields::new(value)?;
    let mut key = Fields::new(cnf.take(COSE_KEY)?)?;
    cnf.finish()?;
    let name = byte_string(key.take(KID)?)?;
    let public = match integer(&key.take(KTY)?)? {
        EC2 => {
            let id = integer(&key.take(-1)?)?;
            let curve = [EccCurve::P256, EccCurve::P384].into_iter().find(|curve| curve_id(*curve) == id);
            let (x, y) = (byte_string(key.take(-2)?)?, byte_string(key.take(-3)?)?);
            point(curve.ok_or_else(|| wrong("cnf: curve"))?, &x, &y)?
        }
        RSA => rsa(&byte_string(key.take(-1)?)?, &byte_string(key.take(-2)?)?)?,
        _ => return Err(wrong("cnf: kty")),
    };
    key.finish()?;
    Ok(BoundKey::new(public, &name))
}

fn vector(value: Value) -> Result<TrustVector, ResultError> {
    let mut fields = Fields::new(value)?;
    let mut vector = TrustVector::default();
    for (aspect, number) in (0..ASPECTS.len()).zip(0_i64..) {
        if let Some(value) = fields.take_optional(number)? {
            let value = i8::try_from(integer(&value)?).map_err(|_| wrong("ear_trustworthiness_vector"))?;
            vector.set(aspect, Some(value));
        }
    }
    fields.finish()?;
    Ok(vector)
}

fn wrong(what: &str) -> ResultError {
    ResultError::malformed(format!("{what}: not of the expected kind"))
}

fn integer(value: &Value) -> Result<i64, ResultError> {
    value.as_integer().and_then(|number| i64::try_from(number).ok()).ok_or_else(|| wrong("a number"))
}

fn text(value: Value) -> Result<String, ResultError> {
    value.into_text().map_err(|_| wrong("a text"))
}

fn byte_string(value: Value) -> Result<Vec<u8>, ResultError> {
    value.into_bytes().map_err(|_| wrong("a byte string"))
}

/// A map whose entries are taken out one by one: what stands twice or is left over is refused.
struct Fields(Vec<(Value, Value)>);

impl Fields {
    fn new(value: Value) -> Result<Self, ResultError> {
        value.into_map().map(Self).map_err(|_| wrong("a map"))
    }

    fn take_optional(&mut self, key: impl Into<Value>) -> Result<Option<Value>, ResultError> {
        let key = key.into();
        let Some(at) = self.0.iter().position(|(found, _)| *found == key) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(found, _)| *found == key) {
            return Err(ResultError::malformed(format!("claim {key:?} stands twice")));
        }
        Ok(Some(value))
    }

    fn take(&mut self, key: impl Into<Value>) -> Result<Value, ResultError> {
        let key = key.into();
        self.take_optional(key.clone())?
            .ok_or_else(|| ResultError::malformed(format!("claim {key:?} is missing")))
    }

    fn finish(self) -> Result<(), ResultError> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(ResultError::malformed(format!("unknown claim {key:?}"))),
        }
    }
}
