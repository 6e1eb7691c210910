//! EFI_SIGNATURE_LIST and EFI_SIGNATURE_DATA (UEFI 2.10 §32.4.1): what db, dbx, KEK, PK and shim's lists are made of.

mod certificate;
mod kind;
mod name;

pub use certificate::{X509Certificate, X509Fields};
pub use kind::SignatureKind;

use super::guid::Guid;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// Type, list size, header size and signature size come before a list's header and signatures.
const LIST_HEADER: usize = 28;

/// The owner's GUID that begins EFI_SIGNATURE_DATA.
const OWNER: usize = 16;

/// The signature lists of a variable, one behind the other; checked whole, still in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureLists<'a>(&'a [u8]);

impl<'a> SignatureLists<'a> {
    /// Reads lists that must fill `content`; a variable without content has none.
    ///
    /// Each step of the walk consumes at least 28 bytes, whatever the sizes say, and no size is subtracted before it was
    /// compared (threat e18).
    ///
    /// # Errors
    /// [`EventDataError`]: a list smaller than its header or past the end, signatures of no size, of another size than
    /// their type has, or that do not fill their list.
    pub fn parse(content: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(content);
        while !r.is_empty() {
            SignatureList::read(&mut r)?;
        }
        Ok(Self(content))
    }

    /// The lists, in order.
    pub fn iter(&self) -> impl Iterator<Item = SignatureList<'a>> + use<'a> {
        let mut r = Reader::new(self.0);
        // `parse` has read the same bytes by the same rules.
        std::iter::from_fn(move || if r.is_empty() { None } else { SignatureList::read(&mut r).ok() })
    }

    /// The signatures of all lists, in order.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        self.iter().flat_map(|list| list.signatures())
    }

    /// How many signatures there are; costs a step for each list, not for each signature.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().fold(0, |count, list| count.saturating_add(list.count()))
    }

    /// The bytes of all lists.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// One EFI_SIGNATURE_LIST: signatures of one type and one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureList<'a> {
    kind: SignatureKind,
    header: &'a [u8],
    // At least 17, so that dividing by it is sound.
    signature_size: usize,
    signatures: &'a [u8],
}

impl<'a> SignatureList<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        let offset = r.offset();
        let kind = SignatureKind::from_guid(Guid::new(r.array("SignatureType")?));
        let size = r.u32_le("SignatureListSize")?;
        let header_size = r.u32_le("SignatureHeaderSize")?;
        let signature_size = r.u32_le("SignatureSize")?;
        let wrong = |what, claimed| EventDataError::SignatureSize { offset, what, claimed };
        let body = usize::try_from(size)
            .ok()
            .and_then(|size| size.checked_sub(LIST_HEADER))
            .ok_or(wrong("SignatureListSize", size))?;
        let mut list = Reader::at(r.take(body, "SignatureList")?, offset.saturating_add(LIST_HEADER));
        // UEFI gives none of its types a header; one could hide entries from whoever counts them.
        let header = usize::try_from(header_size)
            .ok()
            .filter(|header| *header == 0 || kind.name().is_none())
            .ok_or(wrong("SignatureHeaderSize", header_size))?;
        let header = list.take(header, "SignatureHeader")?;
        let signatures = list.rest();
        let each = usize::try_from(signature_size)
            .ok()
            .filter(|each| *each > OWNER && kind.is_size(each.saturating_sub(OWNER)))
            .filter(|each| signatures.len().is_multiple_of(*each))
            .ok_or(wrong("SignatureSize", signature_size))?;
        Ok(Self { kind, header, signature_size: each, signatures })
    }

    /// The type of its signatures.
    #[must_use]
    pub const fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// The list's header; empty for every type that UEFI defines.
    #[must_use]
    pub const fn header(&self) -> &'a [u8] {
        self.header
    }

    /// How many signatures it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.signatures.chunks_exact(self.signature_size).len()
    }

    /// The signatures, in order.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        let kind = self.kind;
        self.signatures
            .chunks_exact(self.signature_size)
            .filter_map(move |data| Some(Signature { kind, data: SignatureData::parse(data).ok()? }))
    }
}

/// An entry of a signature list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    kind: SignatureKind,
    data: SignatureData<'a>,
}

impl<'a> Signature<'a> {
    /// The list's type.
    #[must_use]
    pub const fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// The entry as stored, as an authority event repeats it.
    #[must_use]
    pub const fn data(&self) -> SignatureData<'a> {
        self.data
    }

    /// The certificate of an X.509 entry.
    #[must_use]
    pub fn certificate(&self) -> Option<X509Certificate<'a>> {
        (self.kind == SignatureKind::X509).then(|| X509Certificate::new(self.data.content))
    }

    /// The image's hash of an entry that is one. Authenticode, for a PE image.
    #[must_use]
    pub fn image_hash(&self) -> Option<Digest> {
        let algorithm = match self.kind {
            SignatureKind::Sha1 => HashAlgorithm::Sha1,
            SignatureKind::Sha256 => HashAlgorithm::Sha256,
            SignatureKind::Sha384 => HashAlgorithm::Sha384,
            SignatureKind::Sha512 => HashAlgorithm::Sha512,
            _ => return None,
        };
        Digest::new(algorithm, self.data.content)
    }

    /// The hash of a certificate's to-be-signed part, of an entry that revokes by it.
    #[must_use]
    pub fn certificate_hash(&self) -> Option<Digest> {
        let algorithm = match self.kind {
            SignatureKind::X509Sha256 => HashAlgorithm::Sha256,
            SignatureKind::X509Sha384 => HashAlgorithm::Sha384,
            SignatureKind::X509Sha512 => HashAlgorithm::Sha512,
            _ => return None,
        };
        Digest::new(algorithm, self.data.content.get(..algorithm.len())?)
    }
}

/// EFI_SIGNATURE_DATA: who enrolled an entry, and the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureData<'a> {
    owner: Guid,
    content: &'a [u8],
}

impl<'a> SignatureData<'a> {
    /// Reads owner and entry.
    ///
    /// # Errors
    /// [`EventDataError`] for fewer than 17 bytes.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let owner = Guid::new(r.array("SignatureOwner")?);
        let content = r.rest();
        r.take(1, "SignatureData")?;
        Ok(Self { owner, content })
    }

    /// Who enrolled it.
    #[must_use]
    pub const fn owner(&self) -> Guid {
        self.owner
    }

    /// The certificate, hash or key.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }
}

#[cfg(test)]
mod tests;
