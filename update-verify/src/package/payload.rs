//! The payload: the files' bytes in the manifest's order, handed on only in chunks that were verified.

use std::io::{self, Read};
use std::sync::Arc;

use super::PackageError;
use crate::digest::{Hasher, Sha256, digest_beside};
use crate::manifest::{CHUNK_SIZE, FileEntry, Manifest};

/// Bytes of a file that are the ones that were signed. Only [`Payload::next_chunk`] makes one.
///
/// ```compile_fail
/// let forged = update_verify::VerifiedChunk { file: 0, offset: 0, bytes: b"evil", is_last: true };
/// ```
#[derive(Debug)]
pub struct VerifiedChunk<'a> {
    file: usize,
    offset: u64,
    bytes: &'a [u8],
    is_last: bool,
}

impl<'a> VerifiedChunk<'a> {
    /// Index into [`Manifest::files`].
    #[must_use]
    pub const fn file(&self) -> usize {
        self.file
    }

    /// Where in the file the bytes belong.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// At most [`CHUNK_SIZE`] bytes; none for an empty file, which has exactly one such chunk.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the file ends here. Its digest as a whole was verified then, too.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.is_last
    }
}

/// The files' bytes of a package whose manifest was verified. Holds one chunk in memory.
#[derive(Debug)]
pub struct Payload<R> {
    reader: R,
    manifest: Arc<Manifest>,
    position: Position,
    progress: Progress,
    buffer: Vec<u8>,
}

/// Where the next chunk stands.
#[derive(Debug, Default)]
struct Position {
    file: usize,
    chunk: usize,
    offset: u64,
    /// Digest so far of a file of several chunks.
    whole: Option<Hasher>,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Refused,
    Ended,
}

impl<R: Read> Payload<R> {
    pub(crate) fn new(reader: R, manifest: Arc<Manifest>) -> Self {
        let position = Position::default();
        Self { reader, manifest, position, progress: Progress::Running, buffer: Vec::new() }
    }

    /// The next chunk, once it is verified; `None` once every file was read and nothing follows the last.
    ///
    /// Only `None` says that the package is whole.
    ///
    /// # Errors
    /// When a chunk is not the signed one, when bytes are missing or left over, or when reading fails. After an error
    /// there is no next chunk.
    pub fn next_chunk(&mut self) -> Result<Option<VerifiedChunk<'_>>, PackageError> {
        match self.progress {
            Progress::Running => {}
            Progress::Refused => return Err(PackageError::AlreadyRefused),
            Progress::Ended => return Ok(None),
        }
        // Whatever ends this function early is final.
        self.progress = Progress::Refused;
        let manifest = Arc::clone(&self.manifest);
        let Some(entry) = manifest.files().get(self.position.file) else {
            self.expect_end()?;
            self.progress = Progress::Ended;
            return Ok(None);
        };
        self.read_chunk(entry)?;
        self.check_chunk(entry)?;
        let (file, offset) = (self.position.file, self.position.offset);
        let is_last = self.advance(entry)?;
        self.progress = Progress::Running;
        Ok(Some(VerifiedChunk { file, offset, bytes: &self.buffer, is_last }))
    }

    fn read_chunk(&mut self, entry: &FileEntry) -> Result<(), PackageError> {
        let len = entry.size().saturating_sub(self.position.offset).min(CHUNK_SIZE);
        self.buffer.clear();
        let read = self
            .reader
            .by_ref()
            .take(len)
            .read_to_end(&mut self.buffer)
            .map_err(|source| PackageError::Read { what: "payload", source })?;
        if u64::try_from(read) == Ok(len) {
            return Ok(());
        }
        Err(PackageError::TruncatedPayload { path: entry.path().to_owned(), chunk: self.position.chunk })
    }

    fn check_chunk(&mut self, entry: &FileEntry) -> Result<(), PackageError> {
        let found = match entry.chunks().len() {
            // For a file of one chunk, or none, the two digests are known to be one.
            0 | 1 => Sha256::of(&self.buffer),
            _ => {
                let whole = self.position.whole.get_or_insert_with(Hasher::new);
                digest_beside(&self.buffer, whole)
            }
        };
        let expected = entry.chunks().get(self.position.chunk).copied();
        if found == expected.unwrap_or(entry.sha256()) {
            return Ok(());
        }
        Err(PackageError::Chunk { path: entry.path().to_owned(), chunk: self.position.chunk })
    }

    /// Moves behind the chunk in the buffer; at a file's end its whole digest is compared. Tells whether it was the last.
    fn advance(&mut self, entry: &FileEntry) -> Result<bool, PackageError> {
        let chunk = self.position.chunk.saturating_add(1);
        if chunk < entry.chunks().len() {
            self.position.chunk = chunk;
            self.position.offset = self.position.offset.saturating_add(CHUNK_SIZE);
            return Ok(false);
        }
        let next = Position { file: self.position.file.saturating_add(1), ..Position::default() };
        let ended = std::mem::replace(&mut self.position, next);
        if ended.whole.is_some_and(|hasher| hasher.finish() != entry.sha256()) {
            return Err(PackageError::File { path: entry.path().to_owned() });
        }
        Ok(true)
    }

    fn expect_end(&mut self) -> Result<(), PackageError> {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(PackageError::TrailingBytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(PackageError::Read { what: "payload", source }),
            }
        }
    }
}
