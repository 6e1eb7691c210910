//! The templates of "TPM 2.0 Keys for Device Identity and Attestation" 1.0 §7.3: what an IDevID and an IAK look like.

use super::public_area::PublicArea;
use super::public_key::{EccCurve, PublicKey};
use crate::digest::HashAlgorithm;

const COMMON: [&str; 6] =
    ["fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "adminWithPolicy", "sign"];

/// Whether the key follows the IAK template: the common attributes, `restricted`, and a policy for the ADMIN role that
/// is the template's own or Hallmark's (docs/decisions/0004).
#[must_use]
pub fn is_initial_attestation_key(public: &PublicArea) -> bool {
    let policy = tcg_iak_policy(public.name_algorithm());
    follows(public, true, policy)
}

/// The public area of the IAK that Hallmark's template gives (H-1 RSA 2048, H-2 P-256, H-3 P-384; docs/decisions/0004) and whose
/// numbers these are; `None` for a key of no template.
///
/// A device knows it from its certificate. Whether its key really has this area, only the TPM's own name for the key tells.
#[must_use]
pub fn initial_attestation_key(key: &PublicKey) -> Option<PublicArea> {
    // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy, noDA, restricted, sign.
    const ATTRIBUTES: u32 = 0x0005_04F2;
    const NULL: u16 = 0x0010;
    let (object_type, hash) = match key {
        PublicKey::Rsa { modulus, exponent: 65537 } if modulus.len() == 256 => {
            (0x0001, HashAlgorithm::Sha256)
        }
        PublicKey::Rsa { .. } => return None,
        PublicKey::Ecc { curve: EccCurve::P256, .. } => (0x0023, HashAlgorithm::Sha256),
        PublicKey::Ecc { curve: EccCurve::P384, .. } => (0x0023_u16, HashAlgorithm::Sha384),
    };
    let mut area = Vec::new();
    let word = |area: &mut Vec<u8>, word: u16| area.extend_from_slice(&word.to_be_bytes());
    let sized = |area: &mut Vec<u8>, bytes: &[u8]| {
        area.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        area.extend_from_slice(bytes);
    };
    word(&mut area, object_type);
    word(&mut area, hash.tpm_id());
    area.extend_from_slice(&ATTRIBUTES.to_be_bytes());
    sized(&mut area, &hex::decode(hallmark_policy(hash)).ok()?);
    word(&mut area, NULL);
    match key {
        PublicKey::Rsa { modulus, .. } => {
            let rsassa = 0x0014;
            let (bits, default_exponent) = (2048, [0, 0]);
            for field in [rsassa, hash.tpm_id(), bits].into_iter().chain(default_exponent) {
                word(&mut area, field);
            }
            sized(&mut area, modulus);
        }
        PublicKey::Ecc { curve, x, y } => {
            let ecdsa = 0x0018;
            for field in [ecdsa, hash.tpm_id(), curve.tpm_id(), NULL] {
                word(&mut area, field);
            }
            sized(&mut area, x);
            sized(&mut area, y);
        }
    }
    PublicArea::parse(&area).ok()
}

/// Whether the key follows the IDevID template: the common attributes, not `restricted`, and one of the two policies.
#[must_use]
pub fn is_initial_device_id(public: &PublicArea) -> bool {
    let policy = tcg_idevid_policy(public.name_algorithm());
    follows(public, false, policy)
}

fn follows(public: &PublicArea, restricted: bool, tcg_policy: &str) -> bool {
    let attributes = public.attributes();
    let policy = hex::encode(public.auth_policy());
    COMMON.iter().all(|name| attributes.has(name))
        && attributes.has("restricted") == restricted
        && ["decrypt", "stClear", "encryptedDuplication"].iter().all(|name| !attributes.has(name))
        && (policy == tcg_policy || policy == hallmark_policy(public.name_algorithm()))
        && !policy.is_empty()
}

/// `PolicyOR(PolicySecret(ENDORSEMENT)·CC(ActivateCredential), PolicySecret(ENDORSEMENT)·CC(Certify))`.
fn hallmark_policy(algorithm: HashAlgorithm) -> &'static str {
    match algorithm {
        HashAlgorithm::Sha256 => "f7c4c07dacd103ed739d1b1403aa79e3c923cb3aa3bb1708d1180ae3e67476ea",
        HashAlgorithm::Sha384 => {
            "64efbe0ebc2a6fd73edc7a774cc229c404328c7b07cdc68b5aeb10d94aeb186e322f38e269908bc04fb698a70ff7d96f"
        }
        _ => "",
    }
}

/// The template's digests for the IAK, by name algorithm (§7.3.6.6 Table 19).
fn tcg_iak_policy(algorithm: HashAlgorithm) -> &'static str {
    match algorithm {
        HashAlgorithm::Sha256 => "5437182326e414fca797d5f174615a1641f61255797c3a2b22c21d120b2d1e07",
        HashAlgorithm::Sha384 => {
            "129d94ebf84556652c6eef43bbb757512ac87e52be7b349ca6ce4d826f749fcf672f51716c5cbb605f313bf345aab312"
        }
        HashAlgorithm::Sha512 => {
            "8060d1fb31716a29e48a6e5fece088bcfc1b278fc162255e81c3eca3544cd44a\
             f94410c3715d561cccd9e39a6cb2646d43535bb54ea88710deb5f7836bd9b586"
        }
        _ => "",
    }
}

/// The template's digests for the IDevID, by name algorithm (§7.3.6.6 Table 19).
fn tcg_idevid_policy(algorithm: HashAlgorithm) -> &'static str {
    match algorithm {
        HashAlgorithm::Sha256 => "ad6b3a2284fd698a0710bf5cc1b9bdf15e2532e3f601fa4b93a6a8fa8de579ea",
        HashAlgorithm::Sha384 => {
            "4db1aa836d0b5615df6ee53a40ef70c61c217f4303d44695925972bc927006cfa5cbdf6dc18c4dbe329b2f1542c3dd33"
        }
        HashAlgorithm::Sha512 => {
            "7dd7500fd6c1b94f97a6af910da147301ef28f662fee06f225a4ccadda3b4e6b\
             38e66b2f3ad5dee1a0503cd2daedb1e68cfe4f84b03a8cd22bb6a976f071a72f"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_s_area_follows_the_template_for_each_kind_of_key() {
        let ecc = |curve: EccCurve| {
            let number = vec![7; curve.coordinate_len()];
            PublicKey::ecc(curve, &number, &number).unwrap()
        };
        for key in [PublicKey::rsa(&[0xC5; 256], 65537), ecc(EccCurve::P256), ecc(EccCurve::P384)] {
            let public = initial_attestation_key(&key).unwrap();
            assert!(is_initial_attestation_key(&public) && !is_initial_device_id(&public));
            assert_eq!(*public.key(), key);
            assert!(public.scheme().unwrap().hash.is_some() && public.attributes().has("noDA"));
        }
        for other in [PublicKey::rsa(&[0xC5; 256], 3), PublicKey::rsa(&[0xC5; 384], 65537)] {
            assert_eq!(initial_attestation_key(&other), None);
        }
    }
}
