//! File signatures as the kernel keeps them: `security.ima`, and portable ones of `security.evm`.

use thiserror::Error;

use super::appended::AppendedError;
use super::entry::Entry;
use super::file_digest::{DigestKind, FileDigest};
use crate::digest::{Digest, HashAlgorithm};
use crate::wire::{Reader, WireError};

/// Hashes by their numbers in the kernel (`enum hash_algo`), as far as signatures use them.
const HASHES: [(u8, &str); 5] = [(2, "sha1"), (4, "sha256"), (5, "sha384"), (6, "sha512"), (7, "sha224")];

/// Longest signature that is read, in bytes: RSA 8192.
const MAX_SIGNATURE: usize = 1024;

/// What is signed, by the first byte (`enum evm_ima_xattr_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// 3: the digest of a file's contents.
    Contents,
    /// 5: extended attributes and the inode, in a form that fits any machine.
    EvmPortable,
    /// 6: the fs-verity digest.
    Verity,
}

/// Why a signature does not count. Having one that does not count is never the same as having none (threat i15).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImaSignatureError {
    /// There is none.
    #[error("it has no signature")]
    Missing,
    /// Sizes that lie.
    #[error("its signature is malformed: {0}")]
    Wire(#[from] WireError),
    /// A type, version or hash that nobody signs files with.
    #[error("its signature has an unknown {what}: {found}")]
    Unknown {
        /// Which field.
        what: &'static str,
        /// Its value.
        found: u8,
    },
    /// A signature of a kind that is not verified here: it counts for nothing.
    #[error("its {what} is not verified: the entry has not all that it is over")]
    NotVerified {
        /// The kind.
        what: &'static str,
    },
    /// Extended attributes that are not those of a file with a portable signature.
    #[error("its extended attributes {what}")]
    Attributes {
        /// What is wrong with them.
        what: &'static str,
    },
    /// An appended signature that is none.
    #[error("its appended signature {0}")]
    Appended(#[from] AppendedError),
    /// The signature is about another digest than the list has.
    #[error("its signature is over a {signed} digest, the list has {listed}")]
    OtherDigest {
        /// What the signature says.
        signed: String,
        /// What the list has.
        listed: String,
    },
    /// A signature over a SHA-1 digest, which nobody has allowed by name (threat i14).
    #[error("its signature is over a SHA-1 digest")]
    Weak,
    /// No key of the keyrings has its key id.
    #[error("its signature is by key {key_id}, which is in none of the named {keyrings}")]
    UnknownKey {
        /// The key id, in hex; of an appended signature, how it names its signer.
        key_id: String,
        /// Where the policy has the keyrings that count, and their names.
        keyrings: String,
    },
    /// The key was revoked.
    #[error("its signature is by key {key_id}, which is revoked")]
    Revoked {
        /// The key id, in hex; of an appended signature, how it names its signer.
        key_id: String,
    },
    /// The signature does not hold.
    #[error("its signature by key {key_id} does not hold")]
    Mismatch {
        /// The key id, in hex; of an appended signature, how it names its signer.
        key_id: String,
    },
}

impl ImaSignatureError {
    /// The row of threats.md.
    #[must_use]
    pub const fn threat(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Unknown { .. } | Self::Appended(_) | Self::Revoked { .. } => "i15",
            Self::Weak => "i14",
            _ => "i07",
        }
    }
}

/// A file's signature, not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImaSignature<'a> {
    /// What is signed.
    pub kind: SignatureKind,
    /// 2: the digest itself is signed. 3: the hash of kind, hash number and digest is (`struct ima_file_id`).
    pub version: u8,
    hash: u8,
    /// Name of the hash of the signed digest.
    pub hash_name: &'static str,
    /// Last four bytes of the key's identifier.
    pub key_id: [u8; 4],
    /// PKCS#1 v1.5, or a DER ECDSA-Sig-Value.
    pub signature: &'a [u8],
}

impl<'a> ImaSignature<'a> {
    /// Reads the bytes of an extended attribute (`struct signature_v2_hdr`).
    ///
    /// # Errors
    /// [`ImaSignatureError`]: threat i15.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImaSignatureError> {
        let mut reader = Reader::new(bytes);
        let unknown = |what, found| ImaSignatureError::Unknown { what, found };
        let kind = match reader.u8("type")? {
            3 => SignatureKind::Contents,
            5 => SignatureKind::EvmPortable,
            6 => SignatureKind::Verity,
            found => return Err(unknown("type", found)),
        };
        let version = reader.u8("version")?;
        // The kernel takes fs-verity digests in version 3 only: in version 2 they could be digests of contents.
        match (kind, version) {
            (SignatureKind::Contents | SignatureKind::EvmPortable, 2 | 3) | (SignatureKind::Verity, 3) => {}
            (_, found) => return Err(unknown("version", found)),
        }
        let hash = reader.u8("hash")?;
        let named = HASHES.iter().find(|(number, _)| *number == hash);
        let (_, hash_name) = named.ok_or(unknown("hash", hash))?;
        let key_id = reader.array("key id")?;
        let signature = reader.tpm2b("signature")?;
        reader.finish("signature")?;
        if signature.len() > MAX_SIGNATURE {
            let (offset, what) = (9, "signature");
            let left = MAX_SIGNATURE;
            return Err(WireError::Short { offset, what, needed: signature.len(), left }.into());
        }
        Ok(Self { kind, version, hash, hash_name, key_id, signature })
    }

    /// The signature of an entry, out of its field `sig`.
    ///
    /// # Errors
    /// [`ImaSignatureError::Missing`] without one.
    pub fn of(entry: &Entry<'a>) -> Result<Self, ImaSignatureError> {
        Self::parse(entry.signature().ok_or(ImaSignatureError::Missing)?)
    }

    /// The key id in hex, as `/proc/keys` and evmctl print it.
    #[must_use]
    pub fn key_id_hex(&self) -> String {
        hex::encode(self.key_id)
    }

    /// The digest that the key has signed, if the signature is about the file digest `listed`.
    pub(super) fn signed_digest(
        &self,
        listed: &FileDigest<'_>,
        allow_sha1: bool,
    ) -> Result<Digest, ImaSignatureError> {
        if self.kind == SignatureKind::EvmPortable {
            let what = "portable EVM signature in the field sig (measure with the template evm-sig)";
            return Err(ImaSignatureError::NotVerified { what });
        }
        let verity = self.kind == SignatureKind::Verity;
        let same_kind = verity == (listed.kind() == DigestKind::Verity);
        let digest = listed.digest().filter(|_| same_kind && listed.algorithm_name() == self.hash_name);
        let digest = digest.ok_or_else(|| ImaSignatureError::OtherDigest {
            signed: format!("{}{}", if verity { "verity:" } else { "" }, self.hash_name),
            listed: listed.to_string(),
        })?;
        if digest.algorithm() == HashAlgorithm::Sha1 && !allow_sha1 {
            return Err(ImaSignatureError::Weak);
        }
        Ok(self.of_version(digest))
    }

    /// What is signed of a digest: the digest itself, or since version 3 the hash of the kind, the hash's number and the
    /// digest, so that none is taken for another (`calc_file_id_hash`; in the kernel for portable ones since March 2026).
    pub(super) fn of_version(&self, digest: Digest) -> Digest {
        let kind = match self.kind {
            SignatureKind::Contents => 3,
            SignatureKind::EvmPortable => 5,
            SignatureKind::Verity => 6,
        };
        if self.version == 2 {
            return digest;
        }
        digest.algorithm().digest_parts(&[&[kind, self.hash], digest.as_bytes()])
    }
}
