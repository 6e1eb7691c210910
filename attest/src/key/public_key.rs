//! A public key by its numbers, to and from the SubjectPublicKeyInfo of a certificate or PEM file.

use der::asn1::{BitString, ObjectIdentifier, UintRef};
use der::{Any, Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use thiserror::Error;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A curve that this crate verifies signatures on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EccCurve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

impl EccCurve {
    /// From a TPM_ECC_CURVE (TPM 2.0 Part 2 §6.4); `None` for curves that are not verified here.
    #[must_use]
    pub fn from_tpm_id(id: u16) -> Option<Self> {
        match id {
            0x0003 => Some(Self::P256),
            0x0004 => Some(Self::P384),
            _ => None,
        }
    }

    /// The TPM_ECC_CURVE.
    pub(super) const fn tpm_id(self) -> u16 {
        match self {
            Self::P256 => 0x0003,
            Self::P384 => 0x0004,
        }
    }

    /// Length of a coordinate in bytes: 32 or 48.
    #[must_use]
    pub const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => P256,
            Self::P384 => P384,
        }
    }
}

/// A public key's numbers, big-endian, in one normal form, so that equal keys compare equal however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// RSA; the modulus without leading zeros.
    Rsa {
        /// The modulus, 256 bytes for RSA 2048.
        modulus: Vec<u8>,
        /// The public exponent, nearly always 65537.
        exponent: u32,
    },
    /// A point on a NIST curve; both coordinates padded to the curve's length.
    Ecc {
        /// The curve.
        curve: EccCurve,
        /// The affine x coordinate, [`EccCurve::coordinate_len`] bytes.
        x: Vec<u8>,
        /// The affine y coordinate, [`EccCurve::coordinate_len`] bytes.
        y: Vec<u8>,
    },
}

/// A SubjectPublicKeyInfo that is not a key this crate can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// Not PEM, or PEM of something else.
    #[error("not a PEM public key: {0}; expected -----BEGIN PUBLIC KEY-----")]
    Pem(String),
    /// Not the DER of a SubjectPublicKeyInfo.
    #[error("not a SubjectPublicKeyInfo: {0}")]
    Der(der::Error),
    /// An algorithm other than RSA and ECDSA.
    #[error("key algorithm {0} is not supported, expected RSA, or ECDSA on P-256 or P-384")]
    Algorithm(ObjectIdentifier),
    /// An RSA exponent or ECC point that no honest key has.
    #[error("the key's {what} is malformed")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
}

impl From<der::Error> for PublicKeyError {
    fn from(error: der::Error) -> Self {
        Self::Der(error)
    }
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

impl PublicKey {
    /// An RSA key; leading zeros of the modulus are dropped.
    #[must_use]
    pub fn rsa(modulus: &[u8], exponent: u32) -> Self {
        Self::Rsa { modulus: strip_zeros(modulus).to_vec(), exponent }
    }

    /// A point; shorter coordinates are padded, since TPMs strip leading zeros (threat p17).
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`] when a coordinate is longer than the curve's. That the point lies on the
    /// curve is checked with the first signature: ring refuses every key that is not on it.
    pub fn ecc(curve: EccCurve, x: &[u8], y: &[u8]) -> Result<Self, PublicKeyError> {
        let pad = |bytes: &[u8], what| {
            left_pad(strip_zeros(bytes), curve.coordinate_len()).ok_or(PublicKeyError::Malformed { what })
        };
        Ok(Self::Ecc { curve, x: pad(x, "x coordinate")?, y: pad(y, "y coordinate")? })
    }

    /// From a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), as it stands in a certificate.
    ///
    /// RSA keys marked RSAES-OAEP are read too: TPM makers ship EK certificates like that (threat p08).
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is malformed or of another algorithm.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der)?;
        let key =
            spki.subject_public_key.as_bytes().ok_or(PublicKeyError::Malformed { what: "bit string" })?;
        match spki.algorithm.oid {
            RSA_ENCRYPTION | RSAES_OAEP => {
                let rsa = RsaPublicKey::from_der(key)?;
                let exponent = big_endian_u32(rsa.exponent.as_bytes())
                    .ok_or(PublicKeyError::Malformed { what: "RSA exponent" })?;
                Ok(Self::rsa(rsa.modulus.as_bytes(), exponent))
            }
            EC_PUBLIC_KEY => {
                let curve = match spki
                    .algorithm
                    .parameters_oid()
                    .map_err(|_| PublicKeyError::Malformed { what: "curve" })?
                {
                    P256 => EccCurve::P256,
                    P384 => EccCurve::P384,
                    other => return Err(PublicKeyError::Algorithm(other)),
                };
                let malformed = PublicKeyError::Malformed { what: "uncompressed point" };
                let point = key.strip_prefix(&[4]).ok_or_else(|| malformed.clone())?;
                if point.len() != 2 * curve.coordinate_len() {
                    return Err(malformed);
                }
                let (x, y) = point.split_at_checked(curve.coordinate_len()).ok_or(malformed)?;
                Self::ecc(curve, x, y)
            }
            other => Err(PublicKeyError::Algorithm(other)),
        }
    }

    /// From a PEM file that holds a `PUBLIC KEY` block, as `tpm2_readpublic -f pem` and `openssl pkey -pubout` write it.
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is malformed or of another algorithm.
    pub fn from_pem(pem: &str) -> Result<Self, PublicKeyError> {
        if !pem.contains("-----BEGIN ") {
            return Err(PublicKeyError::Pem("no PEM block in it".to_owned()));
        }
        let not_pem = |error: der::pem::Error| PublicKeyError::Pem(error.to_string());
        let label = der::pem::decode_label(pem.as_bytes()).map_err(not_pem)?;
        if label != "PUBLIC KEY" {
            return Err(PublicKeyError::Pem(format!("found -----BEGIN {label}-----")));
        }
        let (_, der) = der::pem::decode_vec(pem.as_bytes()).map_err(not_pem)?;
        Self::from_spki_der(&der)
    }

    /// The DER SubjectPublicKeyInfo, always as rsaEncryption or id-ecPublicKey.
    ///
    /// # Errors
    /// [`PublicKeyError::Der`] when the numbers don't fit DER, which no key that was read can cause.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, PublicKeyError> {
        let (oid, parameters) = match self {
            Self::Rsa { .. } => (RSA_ENCRYPTION, Any::null()),
            Self::Ecc { curve, .. } => (EC_PUBLIC_KEY, Any::encode_from(&curve.oid())?),
        };
        let algorithm = AlgorithmIdentifierOwned { oid, parameters: Some(parameters) };
        let subject_public_key = BitString::from_bytes(&self.subject_public_key()?)?;
        Ok(SubjectPublicKeyInfoOwned { algorithm, subject_public_key }.to_der()?)
    }

    /// The PEM `PUBLIC KEY` block.
    ///
    /// # Errors
    /// As [`Self::to_spki_der`].
    pub fn to_pem(&self) -> Result<String, PublicKeyError> {
        let document = der::Document::try_from(self.to_spki_der()?)?;
        Ok(document.to_pem("PUBLIC KEY", der::pem::LineEnding::LF)?)
    }

    /// The content of `subjectPublicKey`: PKCS#1 RSAPublicKey, or the uncompressed point. This is what ring takes.
    pub(crate) fn subject_public_key(&self) -> Result<Vec<u8>, PublicKeyError> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let exponent = exponent.to_be_bytes();
                let key =
                    RsaPublicKey { modulus: UintRef::new(modulus)?, exponent: UintRef::new(&exponent)? };
                Ok(key.to_der()?)
            }
            Self::Ecc { x, y, .. } => Ok([&[4], x.as_slice(), y.as_slice()].concat()),
        }
    }

    /// Key size in bits as it is usually named: 2048, 3072, 256, 384.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => {
                let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
                modulus.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0))
            }
            Self::Ecc { curve, .. } => curve.coordinate_len() * 8,
        }
    }
}

pub(crate) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn left_pad(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let missing = len.checked_sub(bytes.len())?;
    let mut padded = vec![0; missing];
    padded.extend_from_slice(bytes);
    Some(padded)
}

fn big_endian_u32(bytes: &[u8]) -> Option<u32> {
    let bytes = strip_zeros(bytes);
    (bytes.len() <= 4).then(|| bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_spki() {
        let rsa = PublicKey::rsa(&[&[0, 0x80][..], &[7; 255]].concat(), 65537);
        assert_eq!(rsa.bits(), 2048);
        assert_eq!(PublicKey::from_spki_der(&rsa.to_spki_der().unwrap()).unwrap(), rsa);
        assert_eq!(PublicKey::from_pem(&rsa.to_pem().unwrap()).unwrap(), rsa);
        let ecc = PublicKey::ecc(EccCurve::P384, &[1; 48], &[2; 47]).unwrap();
        assert_eq!(PublicKey::from_spki_der(&ecc.to_spki_der().unwrap()).unwrap(), ecc);
    }

    #[test]
    fn p17_short_coordinates_are_padded_and_long_ones_refused() {
        let short = PublicKey::ecc(EccCurve::P256, &[9; 31], &[1; 32]).unwrap();
        let long = PublicKey::ecc(EccCurve::P256, &[&[0][..], &[9; 31]].concat(), &[1; 32]).unwrap();
        assert_eq!(short, long);
        assert!(PublicKey::ecc(EccCurve::P256, &[9; 33], &[1; 32]).is_err());
    }

    /// Found by fuzzing: such a key was read, and its SubjectPublicKeyInfo was one that nobody reads.
    #[test]
    fn p17_a_public_area_without_a_modulus_is_no_key() {
        let area = |modulus: &[u8]| {
            let head = [0, 1, 0, 11, 1, 0, 0x20, 0, 0, 0, 0, 0x10, 0, 0x10, 8, 0, 0, 0, 0, 0, 0];
            let length = u8::try_from(modulus.len()).unwrap();
            crate::key::PublicArea::parse(&[&head[..], &[length], modulus].concat())
        };
        assert!(area(&[7; 255]).is_ok());
        for modulus in [&[][..], &[0], &[0; 255]] {
            assert!(area(modulus).unwrap_err().to_string().contains("modulus"));
        }
    }

    #[test]
    fn other_pem_is_named() {
        let error = PublicKey::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(error.unwrap_err().to_string().contains("CERTIFICATE"));
    }
}
