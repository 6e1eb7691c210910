//! The files of a release, ready to be looked up: compiled once, shared by all that judge with it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::file_set::{FileKey, FileKind, FileSet, FileSetBuilder, FileSetError, FileSetName};
use super::path::path_bytes;
use crate::digest::Digest;

/// A file set in memory that references and threads share.
pub type SharedFileSet = FileSet<Arc<[u8]>>;

/// The files that one release knows: some sets, shared with other releases that name the same.
///
/// Cloning it copies pointers; a look-up allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct FileIndex {
    sets: Vec<Arc<SharedFileSet>>,
}

impl FileIndex {
    /// An index over sets that were opened before.
    #[must_use]
    pub fn new(sets: Vec<Arc<SharedFileSet>>) -> Self {
        Self { sets }
    }

    /// Compiles files as reference values write them: paths as [`path_text`](super::path_text) writes them, digests as
    /// `sha256:HEX`, `ima:sha256:HEX` or `verity:sha256:HEX`.
    ///
    /// # Errors
    /// The text that is no path or no digest.
    pub fn compile<'t>(
        files: impl IntoIterator<Item = (&'t String, &'t Vec<String>)>,
    ) -> Result<Self, String> {
        let builder = Self::builder(files)?;
        if builder.is_empty() {
            return Ok(Self::default());
        }
        let open = |builder: FileSetBuilder| -> Result<_, FileSetError> {
            FileSet::open(Arc::<[u8]>::from(builder.finish()?))
        };
        Ok(Self { sets: vec![Arc::new(open(builder).map_err(|error| error.to_string())?)] })
    }

    /// The same files for a set that is yet to be written.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn builder<'t>(
        files: impl IntoIterator<Item = (&'t String, &'t Vec<String>)>,
    ) -> Result<FileSetBuilder, String> {
        let mut builder = FileSetBuilder::new();
        for (path, digests) in files {
            let bytes = path_bytes(path).ok_or_else(|| format!("{path:?} is no path"))?;
            for text in digests {
                add(&mut builder, &bytes, text).ok_or_else(|| format!("{text:?} of {path} is no digest"))?;
            }
        }
        Ok(builder)
    }

    /// Adds a set.
    pub fn attach(&mut self, set: Arc<SharedFileSet>) {
        self.sets.push(set);
    }

    /// Number of records; a file in two sets counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.iter().map(|set| set.len()).fold(0, usize::saturating_add)
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `key` is known under the very path, which is the list's bytes (threats i12, i14).
    #[must_use]
    pub fn contains(&self, path: &[u8], key: &FileKey<'_>) -> bool {
        self.sets.iter().any(|set| set.contains(path, key))
    }

    /// Whether `key` is known under any path.
    #[must_use]
    pub fn knows(&self, key: &FileKey<'_>) -> bool {
        self.sets.iter().any(|set| set.paths_of(key).next().is_some())
    }

    /// The paths under which `key` is known.
    pub fn paths_of<'s>(&'s self, key: &FileKey<'s>) -> impl Iterator<Item = &'s [u8]> + use<'s> {
        let key = *key;
        self.sets.iter().flat_map(move |set| set.paths_of(&key))
    }

    /// What is known of a path: for reports, since it looks at every record.
    pub fn keys_of<'s>(&'s self, path: &'s [u8]) -> impl Iterator<Item = FileKey<'s>> + use<'s> {
        self.sets.iter().flat_map(move |set| set.keys_of(path))
    }

    /// Whether the path is known with any content.
    #[must_use]
    pub fn has_path(&self, path: &[u8]) -> bool {
        self.sets.iter().any(|set| set.has_path(path))
    }
}

/// File sets by their digests, each opened once, for all references that name them.
#[derive(Debug, Clone, Default)]
pub struct FileSets(BTreeMap<Digest, Arc<SharedFileSet>>);

impl FileSets {
    /// Opens the set that signed values name and keeps it; one that is there already is not opened again.
    ///
    /// # Errors
    /// [`FileSetError`] for other bytes than the name says, and for a set that is malformed.
    pub fn add(&mut self, bytes: impl Into<Arc<[u8]>>, name: &FileSetName) -> Result<(), FileSetError> {
        if let Entry::Vacant(place) = self.0.entry(name.digest) {
            place.insert(Arc::new(FileSet::open_named(bytes.into(), name)?));
        }
        Ok(())
    }

    /// The set with this digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Arc<SharedFileSet>> {
        self.0.get(digest).map(Arc::clone)
    }
}

fn add(builder: &mut FileSetBuilder, path: &[u8], text: &str) -> Option<()> {
    let (kind, rest) = match text.strip_prefix("verity:") {
        Some(rest) => (FileKind::Verity, rest),
        None => (FileKind::Contents, text.strip_prefix("ima:").unwrap_or(text)),
    };
    let (algorithm, hex) = rest.split_once(':')?;
    let digest = hex::decode(hex).ok()?;
    builder.add(path, &FileKey { kind, algorithm, digest: &digest }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;

    fn compiled(files: &[(&str, &str)]) -> Result<FileIndex, String> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, digest) in files {
            map.entry((*path).to_owned()).or_default().push((*digest).to_owned());
        }
        FileIndex::compile(&map)
    }

    #[test]
    fn i12_an_allowed_digest_counts_under_its_path_only() {
        let digest = HashAlgorithm::Sha256.digest(b"x");
        let index = compiled(&[("/a\\x0ab", &digest.to_string())]).unwrap();
        let key = FileKey::contents(&digest);
        assert!(index.contains(b"/a\nb", &key) && index.knows(&key) && index.has_path(b"/a\nb"));
        assert!(!index.contains(b"/a\\x0ab", &key));
        assert_eq!(index.paths_of(&key).collect::<Vec<_>>(), [b"/a\nb"]);
    }

    #[test]
    fn i14_a_verity_digest_is_none_of_contents() {
        let digest = HashAlgorithm::Sha256.digest(b"x");
        let index = compiled(&[("/a", &format!("verity:{digest}"))]).unwrap();
        let contents = FileKey::contents(&digest);
        assert!(!index.contains(b"/a", &contents));
        assert!(index.contains(b"/a", &FileKey { kind: FileKind::Verity, ..contents }));
        let index = compiled(&[("/a", &format!("ima:{digest}"))]).unwrap();
        assert!(index.contains(b"/a", &contents));
    }

    #[test]
    fn what_is_no_path_and_no_digest_is_told() {
        assert!(compiled(&[("/a\\q", "sha256:00")]).unwrap_err().contains("path"));
        for digest in ["00", "sha256:00", "nohash:00", "verity:sha256", "sha256:zz"] {
            assert!(compiled(&[("/a", digest)]).unwrap_err().contains("digest"), "{digest}");
        }
        assert!(compiled(&[]).unwrap().is_empty());
    }
}
