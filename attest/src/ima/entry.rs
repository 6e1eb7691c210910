//! One entry of a list: an event that the kernel measured.

use super::error::{EntryError, ImaError};
use super::file_digest::FileDigest;
use super::list::ByteOrder;
use super::template::{Field, Fields, LEGACY_DIGEST, LEGACY_NAME_MAX, Template};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::wire::Reader;

/// An entry of a measurement list. All of it borrows from the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    number: usize,
    offset: usize,
    pcr: PcrIndex,
    hash: HashAlgorithm,
    template_digest: &'a [u8],
    violation: bool,
    template: Template<'a>,
    data: TemplateData<'a>,
    file_digest: FileDigest<'a>,
    path: &'a [u8],
}

/// What the template hash is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TemplateData<'a> {
    /// Of the template `ima`: a digest of 20 bytes and a name.
    Legacy { digest: &'a [u8], name: &'a [u8] },
    /// Of all others: fields with their lengths, hashed as they stand in the list.
    Sized { bytes: &'a [u8], order: ByteOrder },
}

impl<'a> Entry<'a> {
    /// The number in the list, from 1.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Where it starts in the list, in bytes.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The PCR that it extended.
    #[must_use]
    pub const fn pcr(&self) -> PcrIndex {
        self.pcr
    }

    /// The template's name: `ima-sig`. No hash covers it: an entry can pass for one of another template with the same
    /// kinds of fields, an `ima-sig` for an `ima-buf`.
    #[must_use]
    pub const fn template(&self) -> &'a str {
        self.template.name
    }

    /// The template digest as it stands in the list; [`check_template_hash`](Self::check_template_hash) compares it.
    #[must_use]
    pub fn template_digest(&self) -> Digest {
        // Its length is the algorithm's: the parser cut it out so.
        Digest::new(self.hash, self.template_digest).unwrap_or(Digest::zero(self.hash))
    }

    /// The digest of the measured file or buffer.
    #[must_use]
    pub const fn file_digest(&self) -> FileDigest<'a> {
        self.file_digest
    }

    /// The path, or the name of what was measured: exact bytes without the zero at their end (threat i06).
    ///
    /// The kernel itself writes `_` for each space.
    #[must_use]
    pub const fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The signature that the kernel found with the file: bytes of `security.ima`, or of `security.evm`.
    #[must_use]
    pub fn signature(&self) -> Option<&'a [u8]> {
        self.field(Field::Signature)
    }

    /// Whether it has a signature of any kind: in `sig`, `evmsig` or `modsig`. Whether one holds is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        [Field::Signature, Field::EvmSignature, Field::Modsig]
            .iter()
            .any(|field| self.field(*field).is_some())
    }

    /// The measured buffer: a key, a command line, a policy.
    #[must_use]
    pub fn buffer(&self) -> Option<&'a [u8]> {
        self.field(Field::Buffer)
    }

    /// The bytes of a field; `None` if the template has no such field, or it is empty.
    #[must_use]
    pub fn field(&self, wanted: Field) -> Option<&'a [u8]> {
        self.fields().find(|(field, _)| *field == wanted).map(|(_, bytes)| bytes).filter(|b| !b.is_empty())
    }

    /// All fields in their order, with the bytes that the list has for them.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &'a [u8])> + use<'a> {
        FieldValues::new(self.template.fields(), self.data)
    }

    /// Whether its fields are those of one of the kernel's own templates, in that order, whatever the form of the digest.
    pub(super) fn has_fields_of(&self, template: &[Field]) -> bool {
        let same =
            |(found, wanted): (Field, &Field)| found == *wanted || found.is_digest() && wanted.is_digest();
        let mut wanted = template.iter();
        self.template.fields().all(|found| wanted.next().is_some_and(|wanted| same((found, wanted))))
            && wanted.next().is_none()
    }

    /// The byte order of its lengths and numbers; `None` in the template `ima`, which has neither in its data.
    pub(super) const fn byte_order(&self) -> Option<ByteOrder> {
        match self.data {
            TemplateData::Legacy { .. } => None,
            TemplateData::Sized { order, .. } => Some(order),
        }
    }

    /// Whether the kernel reported that it could not measure: the file was written while it was read (threat i05).
    ///
    /// Nothing in such an entry is authenticated, not even its path (threat i13).
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        self.violation
    }

    /// The hash of the template data by the kernel's rule (`ima_calc_field_array_hash`).
    #[must_use]
    pub fn template_hash(&self, algorithm: HashAlgorithm) -> Digest {
        match self.data {
            TemplateData::Legacy { digest, name } => {
                const PADDING: [u8; LEGACY_NAME_MAX + 1] = [0; LEGACY_NAME_MAX + 1];
                let padding = PADDING.get(name.len()..).unwrap_or_default();
                algorithm.digest_parts(&[digest, name, padding])
            }
            TemplateData::Sized { bytes, .. } => algorithm.digest(bytes),
        }
    }

    /// Compares the list's template digest with the template data, and gives it back.
    ///
    /// A violation has none: zeros.
    ///
    /// # Errors
    /// [`EntryError::TemplateHash`] (threat i01).
    pub fn check_template_hash(&self) -> Result<Digest, ImaError> {
        if self.violation {
            return Ok(self.template_digest());
        }
        let computed = self.template_hash(self.hash);
        if computed.as_bytes() == self.template_digest {
            return Ok(computed);
        }
        let listed = self.template_digest();
        let error = EntryError::TemplateHash { listed: listed.into(), computed: computed.into() };
        Err(ImaError::Entry { entry: self.number, offset: self.offset, error })
    }

    pub(super) fn parse(
        reader: &mut Reader<'a>,
        hash: HashAlgorithm,
        order: ByteOrder,
        number: usize,
    ) -> Result<Self, EntryError> {
        let offset = reader.offset();
        let pcr = order.u32(reader, "PCR index")?;
        let pcr = PcrIndex::new(pcr).ok_or(EntryError::Pcr { pcr })?;
        let template_digest = reader.take(hash.len(), "template digest")?;
        let violation = template_digest.iter().all(|byte| *byte == 0);
        let template = Template::named(order.sized(reader, "template name")?)?;
        let (data, file_digest, path) = if template.is_legacy() {
            parse_legacy(reader, order)?
        } else {
            parse_sized(reader, order, template, violation)?
        };
        Ok(Self { number, offset, pcr, hash, template_digest, violation, template, data, file_digest, path })
    }
}

type Parsed<'a> = (TemplateData<'a>, FileDigest<'a>, &'a [u8]);

fn parse_legacy<'a>(reader: &mut Reader<'a>, order: ByteOrder) -> Result<Parsed<'a>, EntryError> {
    let field = Field::Name;
    let digest = reader.take(LEGACY_DIGEST, "file digest")?;
    let name = order.sized(reader, "file name")?;
    if name.len() > LEGACY_NAME_MAX {
        return Err(EntryError::Length { field, found: name.len(), expected: LEGACY_NAME_MAX });
    }
    // The name is hashed padded with zeros: with one inside, two names would have one hash.
    if name.contains(&0) {
        return Err(EntryError::NameForm { field });
    }
    Ok((TemplateData::Legacy { digest, name }, FileDigest::bare(digest)?, name))
}

fn parse_sized<'a>(
    reader: &mut Reader<'a>,
    order: ByteOrder,
    template: Template<'a>,
    violation: bool,
) -> Result<Parsed<'a>, EntryError> {
    let len = order.u32(reader, "template data")?;
    let start = reader.offset();
    let bytes = reader.take(usize::try_from(len).unwrap_or(usize::MAX), "template data")?;
    let mut inside = Reader::at(bytes, start);
    let mut digest = None;
    let mut path = None;
    for field in template.fields() {
        let value = order.sized(&mut inside, field.id())?;
        match field {
            Field::Digest => digest = Some(FileDigest::bare(value)?),
            Field::DigestNg | Field::DigestNgV2 => digest = Some(FileDigest::named(field, value, violation)?),
            Field::Name | Field::NameNg => path = Some(terminated(field, value)?),
            Field::ModsigDigest if !value.is_empty() => {
                FileDigest::named(field, value, violation)?;
            }
            Field::InodeUid | Field::InodeGid => number(field, value, 4)?,
            Field::InodeMode => number(field, value, 2)?,
            _ => {}
        }
    }
    inside.finish("template data")?;
    // Template::named lets nothing through that lacks one of them.
    let (Some(digest), Some(path)) = (digest, path) else {
        let (digests, names) = (usize::from(digest.is_some()), usize::from(path.is_some()));
        return Err(EntryError::TemplateShape { name: template.name.to_owned(), digests, names });
    };
    Ok((TemplateData::Sized { bytes, order }, digest, path))
}

fn terminated(field: Field, value: &[u8]) -> Result<&[u8], EntryError> {
    match value.split_last() {
        Some((0, name)) if !name.contains(&0) => Ok(name),
        _ => Err(EntryError::NameForm { field }),
    }
}

/// A number of the inode: empty for a buffer, which has no inode.
fn number(field: Field, value: &[u8], expected: usize) -> Result<(), EntryError> {
    match value.len() {
        0 => Ok(()),
        found if found == expected => Ok(()),
        found => Err(EntryError::Length { field, found, expected }),
    }
}

/// Walks the fields of an entry that was parsed before: no error is left to meet.
struct FieldValues<'a> {
    ids: Fields<'a>,
    data: TemplateData<'a>,
    reader: Reader<'a>,
}

impl<'a> FieldValues<'a> {
    fn new(ids: Fields<'a>, data: TemplateData<'a>) -> Self {
        let bytes = match data {
            TemplateData::Legacy { .. } => &[],
            TemplateData::Sized { bytes, .. } => bytes,
        };
        Self { ids, data, reader: Reader::new(bytes) }
    }
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = (Field, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.ids.next()?;
        let value = match self.data {
            TemplateData::Legacy { digest, .. } if field.is_digest() => digest,
            TemplateData::Legacy { name, .. } => name,
            TemplateData::Sized { order, .. } => order.sized(&mut self.reader, field.id()).ok()?,
        };
        Some((field, value))
    }
}
