//! Portable signatures of EVM: extended attributes, owner and mode of a file, without what only one machine has.
//!
//! ```text
//! version 2: signed digest = H( values of security.* in their order ‖ struct h_misc )
//! version 3: signed digest = H( 5 ‖ number of H ‖ digest of version 2 )      struct ima_file_id
//! ```
//!
//! `struct h_misc` (`hmac_add_misc` in `security/integrity/evm/evm_crypto.c`) is hashed as the kernel has it in memory: its
//! own byte order, and padding after its own alignment. A portable signature has zeros for inode and generation and no
//! file system's UUID.
//!
//! | | 64-bit | 32-bit |
//! |---|---|---|
//! | inode (`unsigned long`), zero | 8 | 4 |
//! | generation, zero | 4 | 4 |
//! | uid, gid | 4, 4 | 4, 4 |
//! | mode | 2 | 2 |
//! | padding, zero | 2 | 2 |
//! | | 24 | 20 |

use super::entry::Entry;
use super::list::ByteOrder;
use super::signature::{ImaSignature, ImaSignatureError, SignatureKind};
use super::template::{EVM_SIG, Field};
use super::xattr::{IMA, Xattrs};
use crate::digest::{Digest, HashAlgorithm};

/// Zeros before the owner on 64-bit kernels: inode and generation.
const ZEROS_64: usize = 12;
/// The same on 32-bit kernels.
const ZEROS_32: usize = 8;

/// The type of a file in its mode, and that of a regular one, the only kind that IMA measures.
const TYPE_OF_FILE: u16 = 0xF000;
const REGULAR: u16 = 0x8000;

/// Hashes by their numbers in the kernel, in `security.ima` without a signature. Others are compared by nobody here.
const HASHES: [(u8, &str); 5] = [(2, "sha1"), (4, "sha256"), (5, "sha384"), (6, "sha512"), (7, "sha224")];

/// A portable signature with everything that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortableSignature<'a> {
    pub(super) signature: ImaSignature<'a>,
    pub(super) hash: HashAlgorithm,
    xattrs: Xattrs<'a>,
    uid: u32,
    gid: u32,
    mode: u16,
    order: ByteOrder,
}

/// What `security.ima` says of the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignedContents<'a> {
    /// It is the digest that the entry has.
    Digest,
    /// It is a signature, which has to hold for the entry's digest.
    Signature(ImaSignature<'a>),
}

/// Whether an entry has what a portable signature is over, in the order of the kernel's own template.
///
/// No hash covers the template's name: an order that the sender chooses would let one field be read as another.
pub(super) fn is_complete(entry: &Entry<'_>) -> bool {
    entry.has_fields_of(&EVM_SIG)
}

/// The attributes of an entry that is complete.
pub(super) fn xattrs<'a>(entry: &Entry<'a>) -> Result<Xattrs<'a>, ImaSignatureError> {
    let malformed = |what| ImaSignatureError::Attributes { what };
    let order = entry.byte_order().ok_or(malformed("have no lengths"))?;
    Xattrs::of(entry, order).map_err(malformed)
}

impl<'a> PortableSignature<'a> {
    /// The portable signature of an entry, if it has one.
    ///
    /// # Errors
    /// [`ImaSignatureError`], for a signature without all that it is over: threats i07, i15.
    pub(super) fn of(entry: &Entry<'a>) -> Result<Option<Self>, ImaSignatureError> {
        let Some(bytes) = entry.field(Field::EvmSignature) else { return Ok(None) };
        if !is_complete(entry) {
            let what = "portable EVM signature outside of the fields of the template evm-sig";
            return Err(ImaSignatureError::NotVerified { what });
        }
        let signature = ImaSignature::parse(bytes)?;
        if signature.kind != SignatureKind::EvmPortable {
            return Err(ImaSignatureError::Unknown {
                what: "type",
                found: bytes.first().copied().unwrap_or(0),
            });
        }
        let hash = HashAlgorithm::from_name(signature.hash_name)
            .ok_or(ImaSignatureError::NotVerified { what: "portable EVM signature over a SHA-224 digest" })?;
        let order = entry.byte_order().ok_or(ImaSignatureError::Attributes { what: "have no lengths" })?;
        let xattrs = xattrs(entry)?;
        let number = |field| entry.field(field).and_then(|bytes| order.number(bytes));
        let missing = ImaSignatureError::Attributes { what: "stand without owner and mode" };
        let (Some(uid), Some(gid)) = (number(Field::InodeUid), number(Field::InodeGid)) else {
            return Err(missing);
        };
        let mode = number(Field::InodeMode).and_then(|mode| u16::try_from(mode).ok()).ok_or(missing)?;
        // In the other byte order, the mode of a regular file would be that of none, with few exceptions.
        if mode & TYPE_OF_FILE != REGULAR {
            return Err(ImaSignatureError::Attributes { what: "are not those of a regular file" });
        }
        Ok(Some(Self { signature, hash, xattrs, uid, gid, mode, order }))
    }

    /// The digests that the key may have signed: an entry does not say how wide the kernel's `unsigned long` is, and with
    /// `ima_canonical_fmt` not even its byte order. All of them are of the same attributes, owner and mode.
    pub(super) fn digests(&self) -> Vec<Digest> {
        let orders: &[ByteOrder] = match self.order {
            ByteOrder::Little => &[ByteOrder::Little, ByteOrder::Big],
            ByteOrder::Big => &[ByteOrder::Big],
        };
        let forms = orders.iter().flat_map(|order| [(*order, ZEROS_64), (*order, ZEROS_32)]);
        forms.map(|(order, zeros)| self.digest(order, zeros)).collect()
    }

    fn digest(&self, order: ByteOrder, zeros: usize) -> Digest {
        let zeros = [0_u8; ZEROS_64].get(..zeros).unwrap_or_default().to_vec();
        let (uid, gid, mode) = match order {
            ByteOrder::Little => (self.uid.to_le_bytes(), self.gid.to_le_bytes(), self.mode.to_le_bytes()),
            ByteOrder::Big => (self.uid.to_be_bytes(), self.gid.to_be_bytes(), self.mode.to_be_bytes()),
        };
        let digest = self.hash.digest_parts(&[self.xattrs.values, &zeros, &uid, &gid, &mode, &[0, 0]]);
        self.signature.of_version(digest)
    }

    /// What the signed `security.ima` says of the contents. Without it the signature is about a name, an owner and a mode,
    /// and any contents could carry it.
    ///
    /// # Errors
    /// [`ImaSignatureError::Attributes`] without that attribute, or when it is malformed; `OtherDigest` when it is the
    /// digest of other contents (threat i07).
    pub(super) fn contents(&self, entry: &Entry<'_>) -> Result<SignedContents<'a>, ImaSignatureError> {
        let value = self.xattrs.get(IMA).ok_or(ImaSignatureError::Attributes {
            what: "have no security.ima, so that the signature says nothing of the contents",
        })?;
        let (name, digest) = match value {
            [1, digest @ ..] if digest.len() == HashAlgorithm::Sha1.len() => ("sha1", digest),
            [4, number, digest @ ..] => (hash_name(*number)?, digest),
            [3 | 6, ..] => return Ok(SignedContents::Signature(ImaSignature::parse(value)?)),
            _ => {
                return Err(ImaSignatureError::Attributes { what: "have a security.ima of an unknown type" });
            }
        };
        let listed = entry.file_digest();
        let verity = listed.kind() == super::file_digest::DigestKind::Verity;
        if !verity && listed.algorithm_name() == name && listed.bytes() == digest {
            return Ok(SignedContents::Digest);
        }
        let signed = format!("security.ima {name}:{}", super::error::shown(hex::encode(digest).as_bytes()));
        Err(ImaSignatureError::OtherDigest { signed, listed: listed.to_string() })
    }
}

fn hash_name(number: u8) -> Result<&'static str, ImaSignatureError> {
    let named = HASHES.iter().find(|(known, _)| *known == number);
    named
        .map(|(_, name)| *name)
        .ok_or(ImaSignatureError::Unknown { what: "hash in security.ima", found: number })
}
