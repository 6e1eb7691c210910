//! Why a package was not accepted.

use std::io;

use jiff::Timestamp;

use crate::bundle::BundleError;
use crate::floor::FloorRefusal;
use crate::manifest::{FORMAT, ManifestError};

/// Why a package was not accepted, or could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Reading failed.
    #[error("the package's {what} can't be read: {source}")]
    Read {
        /// The part.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Does not start as a package does.
    #[error("this is not an update package")]
    NotAPackage,
    /// A later format than this build knows.
    #[error("the package has format {found}, this build knows {FORMAT}")]
    Version {
        /// The format that the header names.
        found: u32,
    },
    /// A part is announced longer than the format allows.
    #[error("the package's {what} is announced with {found} bytes, more than {limit}")]
    TooLong {
        /// The part.
        what: &'static str,
        /// Its announced length in bytes.
        found: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// The file ends inside a part.
    #[error("the package ends inside its {what}")]
    Truncated {
        /// The part.
        what: &'static str,
    },
    /// Not signed, or not by whom it should be.
    #[error("the package's signature was not accepted: {0}")]
    Signature(#[source] BundleError),
    /// The signed manifest is not one.
    #[error(transparent)]
    Manifest(ManifestError),
    /// For another product.
    #[error("the package is for product {found:?}, this device is a {expected:?}")]
    OtherProduct {
        /// The device's product.
        expected: String,
        /// The package's.
        found: String,
    },
    /// For other hardware.
    #[error("the package is for hardware {found:?}, this device is {expected:?}")]
    OtherHardware {
        /// The device's hardware id.
        expected: String,
        /// The package's.
        found: Vec<String>,
    },
    /// Too old an offer.
    #[error("the package expired at {expired}; it is {now}")]
    Expired {
        /// When it ended.
        expired: Timestamp,
        /// The time that was given.
        now: Timestamp,
    },
    /// The clock can't be right, so nothing that depends on it is judged.
    #[error("the clock says {now}, which is before {floor}: set it first")]
    ClockBeforeBuild {
        /// The time that was given.
        now: Timestamp,
        /// A time that has certainly passed.
        floor: Timestamp,
    },
    /// Below the rollback floor, or too far above it.
    #[error(transparent)]
    Rollback(FloorRefusal),
    /// The file ends inside the payload.
    #[error("the package ends inside file {path:?}, chunk {chunk}")]
    TruncatedPayload {
        /// The file.
        path: String,
        /// The chunk, counted from 0.
        chunk: usize,
    },
    /// A chunk is not the one that the manifest names.
    #[error("chunk {chunk} of file {path:?} is not the one that was signed")]
    Chunk {
        /// The file.
        path: String,
        /// The chunk, counted from 0.
        chunk: usize,
    },
    /// All chunks of a file are as named, but the file's digest is not: the manifest contradicts itself.
    #[error("file {path:?} is not the one that the manifest names, though its chunks are")]
    File {
        /// The file.
        path: String,
    },
    /// Bytes after the last file.
    #[error("bytes follow the last file")]
    TrailingBytes,
    /// An earlier chunk was refused; what follows is not read.
    #[error("an earlier chunk of this package was refused")]
    AlreadyRefused,
}

impl PackageError {
    /// Whether the package was judged and found bad, as opposed to: could not be judged.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Read { .. } => false,
            Self::Signature(error) => error.is_refusal(),
            _ => true,
        }
    }

    /// The id of the attack that this refusal answers.
    #[must_use]
    pub fn threat(&self) -> Option<&'static str> {
        Some(match self {
            Self::Read { .. } => return None,
            Self::NotAPackage | Self::Version { .. } => "u03",
            Self::TooLong { .. } => "u09",
            Self::Signature(error) => return error.threat(),
            Self::Manifest(error) => error.threat(),
            Self::OtherProduct { .. } | Self::OtherHardware { .. } => "u06",
            Self::Expired { .. } | Self::ClockBeforeBuild { .. } => "u05",
            Self::Rollback(_) => "u04",
            Self::Truncated { .. }
            | Self::TruncatedPayload { .. }
            | Self::Chunk { .. }
            | Self::TrailingBytes
            | Self::AlreadyRefused => "u02",
            Self::File { .. } => "u17",
        })
    }
}
