//! Writing a file set.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileKey, FileKind, FileSetError, MAGIC, NAME_LEN};

/// Digest and path.
type Record = (Vec<u8>, Vec<u8>);

/// A file set under construction: what is added twice stands once.
#[derive(Debug, Clone, Default)]
pub struct FileSetBuilder {
    paths: BTreeSet<Vec<u8>>,
    sections: BTreeMap<(FileKind, String), BTreeSet<Record>>,
}

impl FileSetBuilder {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`FileSetError::Section`] for a hash whose name or length no set can hold.
    pub fn add(&mut self, path: &[u8], key: &FileKey<'_>) -> Result<(), FileSetError> {
        let known = key.algorithm.len() <= NAME_LEN
            && crate::ima::digest_len(key.algorithm).is_some_and(|len| len == key.digest.len());
        if !known {
            return Err(FileSetError::Section { index: 0, what: "no hash of the kernel, or another length" });
        }
        if !self.paths.contains(path) {
            self.paths.insert(path.to_vec());
        }
        let section = self.sections.entry((key.kind, key.algorithm.to_owned())).or_default();
        section.insert((key.digest.to_vec(), path.to_vec()));
        Ok(())
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sections.values().map(BTreeSet::len).fold(0, usize::saturating_add)
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The set's bytes; equal sets have equal bytes.
    ///
    /// # Errors
    /// [`FileSetError::TooLarge`] when the paths or records need numbers above 2^32.
    pub fn finish(&self) -> Result<Vec<u8>, FileSetError> {
        let number = |value: usize, what| u32::try_from(value).map_err(|_| FileSetError::TooLarge(what));
        let path_bytes = self.paths.iter().map(Vec::len).fold(0, usize::saturating_add);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(number(self.sections.len(), "sections")?.to_le_bytes());
        bytes.extend(number(self.paths.len(), "paths")?.to_le_bytes());
        bytes.extend(number(path_bytes, "bytes of paths")?.to_le_bytes());
        for ((kind, name), records) in &self.sections {
            let digest_len = records.first().map_or(0, |(digest, _)| digest.len());
            bytes.push(kind.code());
            bytes.push(u8::try_from(digest_len).map_err(|_| FileSetError::TooLarge("digest bytes"))?);
            let mut padded = [0; NAME_LEN];
            for (to, from) in padded.iter_mut().zip(name.bytes()) {
                *to = from;
            }
            bytes.extend(padded);
            bytes.extend(number(records.len(), "records")?.to_le_bytes());
        }
        let mut numbers: BTreeMap<&[u8], u32> = BTreeMap::new();
        let mut start = 0_usize;
        for (index, path) in self.paths.iter().enumerate() {
            bytes.extend(number(start, "bytes of paths")?.to_le_bytes());
            numbers.insert(path, number(index, "paths")?);
            start = start.saturating_add(path.len());
        }
        bytes.extend(number(start, "bytes of paths")?.to_le_bytes());
        self.paths.iter().for_each(|path| bytes.extend(path));
        for (digest, path) in self.sections.values().flatten() {
            bytes.extend(digest);
            // Each path was added with its first record.
            bytes.extend(numbers.get(path.as_slice()).copied().unwrap_or(u32::MAX).to_le_bytes());
        }
        Ok(bytes)
    }
}
