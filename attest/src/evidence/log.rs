//! A log in evidence: its plain bytes, or a zstd frame with the plain size beside it.
//!
//! Parsing evidence inflates nothing. Whoever reads a log says how large it may be.

use std::borrow::Cow;
use std::fmt;
use std::io;

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

use super::zstd::{Inflate, LogError, count};

/// A log as it travels, unverified.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Log {
    /// The bytes themselves.
    Plain(#[serde(with = "serde_bytes")] Vec<u8>),
    /// One zstd frame.
    Zstd {
        /// The frame (RFC 8878): with a checksum, without a dictionary.
        #[serde(with = "serde_bytes")]
        zstd: Vec<u8>,
        /// Exact number of bytes that it inflates to.
        size: u64,
    },
}

impl Log {
    /// `bytes` as they are.
    #[must_use]
    pub fn plain(bytes: Vec<u8>) -> Self {
        Self::Plain(bytes)
    }

    /// `bytes` in the shorter of the two forms.
    ///
    /// What the encoder made is read back first: a device must not send what no verifier can read.
    #[must_use]
    pub fn packed(bytes: Vec<u8>) -> Self {
        let (most, size) = (bytes.len(), count(bytes.len()));
        let packed = Self::Zstd { zstd: compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest), size };
        if packed.wire_len() < bytes.len() && packed.bytes(most).is_ok_and(|read| *read == bytes) {
            packed
        } else {
            Self::Plain(bytes)
        }
    }

    /// Bytes that the log has when inflated, as far as the evidence says.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Plain(bytes) => count(bytes.len()),
            Self::Zstd { size, .. } => *size,
        }
    }

    /// Bytes that travel.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Plain(bytes) | Self::Zstd { zstd: bytes, .. } => bytes.len(),
        }
    }

    /// The plain bytes, at most `most` of them. A plain log is borrowed.
    ///
    /// # Errors
    /// [`LogError`]: too large, no frame of the one shape that is read, or not exactly the announced bytes. The memory
    /// that is taken follows the bytes that come out and not the announced size, of which at most 256 KiB are taken at once.
    pub fn bytes(&self, most: usize) -> Result<Cow<'_, [u8]>, LogError> {
        self.check_size(most)?;
        match self {
            Self::Plain(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Zstd { zstd, size } => {
                let mut inflate = Inflate::new(zstd, *size)?;
                let announced = usize::try_from(*size).unwrap_or(usize::MAX);
                let mut bytes = Vec::with_capacity(announced.min(FIRST));
                let mut buffer = [0; BUFFER];
                loop {
                    let read = inflate.read(&mut buffer)?;
                    if read == 0 {
                        return Ok(Cow::Owned(bytes));
                    }
                    bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                }
            }
        }
    }

    /// The plain bytes one after the other, in memory that does not grow with the log.
    ///
    /// # Errors
    /// [`LogError`] when the log is larger than `most` bytes, or when its frame's header is not of the shape that is read.
    pub fn reader(&self, most: usize) -> Result<LogReader<'_>, LogError> {
        self.check_size(most)?;
        Ok(LogReader(match self {
            Self::Plain(bytes) => Source::Plain(bytes),
            Self::Zstd { zstd, size } => Source::Zstd(Box::new(Inflate::new(zstd, *size)?)),
        }))
    }

    /// Decided before anything is inflated (threat e22).
    pub(super) fn check_size(&self, most: usize) -> Result<(), LogError> {
        let (found, most) = (self.size(), count(most));
        if found > most { Err(LogError::TooLarge { found, most }) } else { Ok(()) }
    }
}

/// Bytes that are inflated at once.
const BUFFER: usize = 16 * 1024;

/// Most memory that is taken for a log before the first byte comes out: enough for most boots, and for the lists of small
/// systems, which then are never moved into a larger place.
const FIRST: usize = 256 * 1024;

/// A log that is read from its beginning to its end. What was read is only good when the end was reached: the size and the
/// checksum are known there.
pub struct LogReader<'a>(Source<'a>);

enum Source<'a> {
    Plain(&'a [u8]),
    Zstd(Box<Inflate<'a>>),
}

impl LogReader<'_> {
    /// Fills `buffer` from its beginning; 0 at the end of a whole log, and only there.
    ///
    /// # Errors
    /// [`LogError`], and the same one ever after.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, LogError> {
        match &mut self.0 {
            Source::Zstd(inflate) => inflate.read(buffer),
            Source::Plain(rest) => {
                let length = rest.len().min(buffer.len());
                let (bytes, after) = rest.split_at(length);
                if let Some(place) = buffer.get_mut(..length) {
                    place.copy_from_slice(bytes);
                }
                *rest = after;
                Ok(length)
            }
        }
    }
}

impl io::Read for LogReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(io::Error::other)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(bytes) => write!(f, "Plain({} bytes)", bytes.len()),
            Self::Zstd { zstd, size } => write!(f, "Zstd({} bytes for {size})", zstd.len()),
        }
    }
}

impl<'de> Deserialize<'de> for Log {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    zstd: ByteBuf,
    size: u64,
}

impl<'de> Visitor<'de> for EitherForm {
    type Value = Log;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log: a byte string, or a map with `zstd` and `size`")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Log, E> {
        Ok(Log::Plain(bytes.to_vec()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Log, E> {
        Ok(Log::Plain(bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Log, A::Error> {
        let frame = Frame::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        if frame.size == 0 {
            // An empty log has one form.
            return Err(A::Error::custom("a compressed log of 0 bytes"));
        }
        Ok(Log::Zstd { zstd: frame.zstd.into_vec(), size: frame.size })
    }
}
