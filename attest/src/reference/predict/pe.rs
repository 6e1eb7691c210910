//! PE images (Microsoft PE and COFF specification): what firmware hashes of one, its sections, and its signatures.
//!
//! Only the headers are read. The hash is the one of Authenticode as UEFI has it (UEFI 2.10 §32.5.1, PFP 1.06 §10.4.5):
//! everything but the checksum, the entry of the certificate table, and that table.

use std::ops::RangeBounds;

use thiserror::Error;

use crate::digest::{Digest, HashAlgorithm};
use crate::wire::{Reader, WireError};

/// Most sections of an image; the loader of Windows takes 96, EDK II all that a u16 counts.
const MAX_SECTIONS: u16 = 512;
/// Bytes of the optional header before its data directories: of PE32 and of PE32+.
const BEFORE_DIRECTORIES: [(u16, usize); 2] = [(0x010B, 96), (0x020B, 112)];
/// Where SizeOfHeaders and CheckSum stand in the optional header, of both kinds.
const SIZE_OF_HEADERS: usize = 60;
/// The certificate table is the fifth data directory.
const CERTIFICATE_TABLE: usize = 4;
const DIRECTORY_LEN: usize = 8;
const SECTION_LEN: usize = 40;
const CHECKSUM_LEN: usize = 4;

/// Why bytes are no PE image that can be hashed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeError {
    /// A header past the end.
    #[error("PE image: {0}")]
    Wire(#[from] WireError),
    /// Something that is no PE image.
    #[error("no PE image: {0}")]
    NotPe(&'static str),
    /// Headers that contradict each other or the file.
    #[error("PE image: {what}")]
    Contradiction {
        /// What.
        what: &'static str,
    },
    /// A section whose data the file does not have.
    #[error("PE image: section {name} has {needed} bytes in memory, {found} in the file")]
    Section {
        /// Its name.
        name: String,
        /// Bytes in memory.
        needed: u32,
        /// Bytes in the file.
        found: u32,
    },
    /// Two sections of one name.
    #[error("PE image: two sections {0}")]
    Repeated(String),
}

/// A PE image, borrowed.
#[derive(Debug, Clone)]
pub struct PeImage<'a> {
    bytes: &'a [u8],
    headers: usize,
    checksum: usize,
    /// Offset of the certificate table's directory entry, if the image has so many entries.
    directory: Option<usize>,
    certificates: &'a [u8],
    sections: Vec<PeSection<'a>>,
}

/// One section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeSection<'a> {
    name: &'a [u8],
    /// Its bytes in memory.
    virtual_size: u32,
    raw_size: u32,
    raw_at: u32,
}

impl<'a> PeImage<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`PeError`] for anything else, and for tables and sections past the end of the file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PeError> {
        let mut r = Reader::new(bytes);
        if r.take(2, "e_magic")? != b"MZ" {
            return Err(PeError::NotPe("it does not start with MZ"));
        }
        let new_header = size(u32_at(bytes, 0x3C)?);
        let coff = from(bytes, new_header)?;
        let mut r = Reader::at(coff, new_header);
        if r.take(4, "signature")? != b"PE\0\0" {
            return Err(PeError::NotPe("it has no PE signature"));
        }
        r.u16_le("Machine")?;
        let count = r.u16_le("NumberOfSections")?;
        r.take(12, "COFF header")?;
        let optional_len = usize::from(r.u16_le("SizeOfOptionalHeader")?);
        r.u16_le("Characteristics")?;
        let optional_at = r.offset();
        let optional = r.take(optional_len, "optional header")?;
        if count > MAX_SECTIONS {
            return Err(PeError::Contradiction { what: "more than 512 sections" });
        }
        let mut sections = Vec::new();
        for _ in 0..count {
            sections.push(PeSection::read(&mut r)?);
        }
        let headers = size(u32_at(optional, SIZE_OF_HEADERS)?);
        let checksum = optional_at.saturating_add(SIZE_OF_HEADERS).saturating_add(4);
        let mut image = Self { bytes, headers, checksum, directory: None, certificates: &[], sections };
        image.read_directory(optional, optional_at)?;
        image.check()?;
        Ok(image)
    }

    fn read_directory(&mut self, optional: &'a [u8], optional_at: usize) -> Result<(), PeError> {
        let magic = Reader::new(optional).u16_le("Magic")?;
        let (_, before) = BEFORE_DIRECTORIES
            .into_iter()
            .find(|(known, _)| *known == magic)
            .ok_or(PeError::NotPe("neither PE32 nor PE32+"))?;
        if size(u32_at(optional, before.saturating_sub(4))?) <= CERTIFICATE_TABLE {
            return Ok(());
        }
        let entry = before.saturating_add(CERTIFICATE_TABLE.saturating_mul(DIRECTORY_LEN));
        let (at, len) = (size(u32_at(optional, entry)?), size(u32_at(optional, entry.saturating_add(4))?));
        self.directory = Some(optional_at.saturating_add(entry));
        if len > 0 {
            // The hash ends where the table begins, so that a table elsewhere would leave bytes unhashed.
            let table = from(self.bytes, at)?;
            if table.len() != len {
                return Err(PeError::Contradiction {
                    what: "the certificate table is not at the file's end",
                });
            }
            self.certificates = table;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), PeError> {
        let wrong = |what| Err(PeError::Contradiction { what });
        let end = self.directory.map_or(self.checksum, |at| at.saturating_add(DIRECTORY_LEN));
        if self.headers > self.hashed().len() || self.headers < end {
            return wrong("SizeOfHeaders is past the end, or before the end of the headers");
        }
        for section in &self.sections {
            let end = size(section.raw_at).saturating_add(size(section.raw_size));
            if section.raw_size > 0 && end > self.hashed().len() {
                return wrong("a section's data is past the end of the file");
            }
        }
        Ok(())
    }

    /// The file without its certificate table.
    fn hashed(&self) -> &'a [u8] {
        let len = self.bytes.len().saturating_sub(self.certificates.len());
        self.bytes.get(..len).unwrap_or_default()
    }

    /// The digest that firmware measures when it loads the image.
    #[must_use]
    pub fn authenticode(&self, algorithm: HashAlgorithm) -> Digest {
        let cut = |from: usize, to: usize| self.hashed().get(from..to).unwrap_or_default();
        let after_checksum = self.checksum.saturating_add(CHECKSUM_LEN);
        let mut parts = vec![cut(0, self.checksum)];
        match self.directory {
            Some(at) => {
                parts.push(cut(after_checksum, at));
                parts.push(cut(at.saturating_add(DIRECTORY_LEN), self.headers));
            }
            None => parts.push(cut(after_checksum, self.headers)),
        }
        let mut sections: Vec<_> = self.sections.iter().filter(|section| section.raw_size > 0).collect();
        sections.sort_by_key(|section| section.raw_at);
        let mut sum = self.headers;
        for section in sections {
            parts.push(section.raw(self.bytes));
            sum = sum.saturating_add(size(section.raw_size));
        }
        // What follows the sections, by the specification's count of the bytes that were hashed.
        parts.push(cut(sum, self.hashed().len()));
        algorithm.digest_parts(&parts)
    }

    /// A section's bytes as they are in memory; `None` if there is no such section.
    ///
    /// # Errors
    /// [`PeError::Repeated`]; [`PeError::Section`] when the file has fewer bytes than the section takes.
    pub fn section(&self, name: &str) -> Result<Option<&'a [u8]>, PeError> {
        let mut found = self.sections.iter().filter(|section| section.name == name.as_bytes());
        let Some(section) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(PeError::Repeated(name.to_owned()));
        }
        self.content(section).map(Some)
    }

    /// The first section of a name among those in `range`, by their place in the table; as [`section`](Self::section).
    ///
    /// # Errors
    /// [`PeError::Section`].
    pub(super) fn first_section(
        &self,
        range: impl RangeBounds<usize>,
        name: &str,
    ) -> Result<Option<&'a [u8]>, PeError> {
        let inside = self.sections.iter().enumerate().filter(|(at, _)| range.contains(at));
        let mut named = inside.filter(|(_, section)| section.name == name.as_bytes());
        named.next().map(|(_, section)| self.content(section)).transpose()
    }

    /// The places of the sections of a name in the table.
    pub(super) fn places(&self, name: &str) -> Vec<usize> {
        let sections = self.sections.iter().enumerate();
        sections.filter(|(_, section)| section.name == name.as_bytes()).map(|(at, _)| at).collect()
    }

    fn content(&self, section: &PeSection<'a>) -> Result<&'a [u8], PeError> {
        let raw = section.raw(self.bytes);
        raw.get(..size(section.virtual_size)).ok_or_else(|| PeError::Section {
            name: String::from_utf8_lossy(section.name).into_owned(),
            needed: section.virtual_size,
            found: section.raw_size,
        })
    }

    /// The certificate table: WIN_CERTIFICATE structures with the PKCS#7 signatures; empty for an unsigned image.
    #[must_use]
    pub const fn certificates(&self) -> &'a [u8] {
        self.certificates
    }
}

impl<'a> PeSection<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, PeError> {
        let mut r = Reader::at(r.take(SECTION_LEN, "section header")?, 0);
        let name = r.take(8, "Name")?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let virtual_size = r.u32_le("VirtualSize")?;
        r.u32_le("VirtualAddress")?;
        let raw_size = r.u32_le("SizeOfRawData")?;
        let raw_at = r.u32_le("PointerToRawData")?;
        Ok(Self { name: name.get(..end).unwrap_or_default(), virtual_size, raw_size, raw_at })
    }

    /// Its bytes in the file; that they are there was checked.
    fn raw(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = size(self.raw_at);
        bytes.get(start..start.saturating_add(size(self.raw_size))).unwrap_or_default()
    }
}

fn from(bytes: &[u8], at: usize) -> Result<&[u8], PeError> {
    bytes.get(at..).ok_or(PeError::Contradiction { what: "a header or table is past the end of the file" })
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, PeError> {
    Ok(Reader::at(from(bytes, at)?, at).u32_le("header")?)
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
