//! A log that travels as one zstd frame (RFC 8878), inflated within bounds that are known before the first byte comes
//! out (threat e22, CVE-2022-23951).
//!
//! Only one shape is read: one frame with a checksum, without a dictionary, with a window of at most [`MAX_WINDOW`], and
//! nothing behind it. Whoever writes the evidence can always produce it; what else the format allows only helps attackers.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use thiserror::Error;

/// Largest window of a frame, in bytes: RFC 8878 §3.1.1.1.2 asks every decoder for it. It bounds the memory that
/// inflating takes, whatever the plain size.
pub const MAX_WINDOW: u64 = 8 * 1024 * 1024;

/// The longest frame header, RFC 8878 §3.1.1.1: magic, descriptor, window, dictionary id, content size.
const MAX_HEADER: usize = 4 + 1 + 1 + 4 + 8;
const MAGIC: u32 = 0xFD2F_B528;

/// Why a log can't be read out of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogError {
    /// Larger than a verifier reads; found out before anything is inflated.
    #[error("{found} bytes when inflated, expected at most {most}")]
    TooLarge {
        /// The plain size.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// Not one zstd frame of the shape that is read.
    #[error("zstd: {what}")]
    Frame {
        /// What is wrong.
        what: String,
    },
    /// The frame wants more memory than inflating may take.
    #[error("zstd: a window of {found} bytes, expected at most {MAX_WINDOW}")]
    Window {
        /// The window.
        found: u64,
    },
    /// The plain size is not the announced one.
    #[error("zstd: inflates to {found} bytes, expected the {announced} that the evidence announces")]
    Size {
        /// The announced size.
        announced: u64,
        /// What came out, or would come out at least.
        found: u64,
    },
    /// The bytes that came out are not those that went in.
    #[error("zstd: the checksum of the inflated bytes is {found:08x}, expected {expected:08x}")]
    Checksum {
        /// The checksum in the frame.
        expected: u32,
        /// That of the bytes.
        found: u32,
    },
    /// Bytes after the frame.
    #[error("zstd: {found} bytes after the frame, expected none")]
    Trailing {
        /// How many.
        found: usize,
    },
}

impl LogError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        "e22"
    }
}

fn malformed(what: impl ToString) -> LogError {
    LogError::Frame { what: what.to_string() }
}

/// A frame that is being inflated, block by block. Memory is bounded by the window and one block.
pub(super) struct Inflate<'a> {
    rest: &'a [u8],
    decoder: FrameDecoder,
    announced: u64,
    produced: u64,
    /// An error stays: whoever reads on after one does not get what comes behind it.
    failed: Option<LogError>,
}

impl<'a> Inflate<'a> {
    /// Looks at the frame's header only; `announced` has been held against its limit.
    pub(super) fn new(frame: &'a [u8], announced: u64) -> Result<Self, LogError> {
        check_header(frame, announced)?;
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        let mut rest = frame;
        decoder.init(&mut rest).map_err(malformed)?;
        Ok(Self { rest, decoder, announced, produced: 0, failed: None })
    }

    /// The next bytes; 0 only at the end of a frame that kept all its promises.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance(buffer);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn advance(&mut self, buffer: &mut [u8]) -> Result<usize, LogError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let ready = count(self.decoder.can_collect());
            let least = self.produced.saturating_add(ready);
            if least > self.announced {
                return Err(LogError::Size { announced: self.announced, found: least });
            }
            if ready > 0 {
                let read = std::io::Read::read(&mut self.decoder, buffer).map_err(malformed)?;
                self.produced = self.produced.saturating_add(count(read));
                return Ok(read);
            }
            if self.decoder.is_finished() {
                return self.check_end().map(|()| 0);
            }
            self.decoder
                .decode_blocks(&mut self.rest, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(malformed)?;
        }
    }

    fn check_end(&self) -> Result<(), LogError> {
        if self.produced != self.announced {
            return Err(LogError::Size { announced: self.announced, found: self.produced });
        }
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => return Err(LogError::Checksum { expected, found }),
            _ => return Err(malformed("no checksum")),
        }
        if !self.rest.is_empty() {
            return Err(LogError::Trailing { found: self.rest.len() });
        }
        Ok(())
    }
}

pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// RFC 8878 §3.1.1.1, read here because a decoder forgives more: dictionaries, frames without a checksum, a content size
/// that nobody compares.
fn check_header(frame: &[u8], announced: u64) -> Result<(), LogError> {
    let header = frame.get(..MAX_HEADER.min(frame.len())).unwrap_or_default();
    let ends_early = || malformed("the frame's header ends early");
    let mut bytes = header.iter().copied();
    let mut number = |length: usize| -> Result<u64, LogError> {
        (0..length).try_fold(0, |value, index| {
            let byte = bytes.next().ok_or_else(ends_early)?;
            Ok(value | (u64::from(byte) << (8 * index)))
        })
    };
    if number(4)? != u64::from(MAGIC) {
        return Err(malformed("no frame: the magic number is missing, or the frame is to be skipped"));
    }
    let descriptor = number(1)?;
    if descriptor & 0b1000 != 0 {
        return Err(malformed("the reserved bit of the frame's header is set"));
    }
    if descriptor & 0b100 == 0 {
        return Err(malformed("the frame has no checksum"));
    }
    if descriptor & 0b11 != 0 {
        return Err(malformed("the frame names a dictionary"));
    }
    let single_segment = descriptor & 0b10_0000 != 0;
    let window = if single_segment { None } else { Some(window_size(number(1)?)) };
    let content = match (descriptor >> 6, single_segment) {
        (0, false) => None,
        (0, true) => Some(number(1)?),
        (1, _) => Some(number(2)?.saturating_add(256)),
        (2, _) => Some(number(4)?),
        _ => Some(number(8)?),
    };
    // The frame's own word may be missing; where it is there it has to agree.
    if let Some(found) = content.filter(|found| *found != announced) {
        return Err(LogError::Size { announced, found });
    }
    match window.or(content) {
        Some(window) if window <= MAX_WINDOW => Ok(()),
        window => Err(LogError::Window { found: window.unwrap_or(u64::MAX) }),
    }
}

/// RFC 8878 §3.1.1.1.2: exponent and mantissa in one byte, 1 KiB to 3.75 TiB.
fn window_size(descriptor: u64) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3 & 0x1F));
    base + base / 8 * (descriptor & 0b111)
}
