//! Why bytes are not a manifest.

use jiff::Timestamp;

use super::{FORMAT, MAX_MANIFEST, ModuleFault, PathFault};

/// Why bytes are not a manifest of this format.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or a field is missing, unknown, repeated or of another type.
    #[error("the manifest is not well-formed: {0}")]
    Syntax(#[source] serde_json::Error),
    /// Longer than [`MAX_MANIFEST`].
    #[error("the manifest has {found} bytes, more than {MAX_MANIFEST}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A later format than this build knows.
    #[error("the manifest has format {found}, this build knows {FORMAT}")]
    Format {
        /// The format that it names.
        found: u32,
    },
    /// `product`, `version` or a hardware id holds other characters than letters, digits and `._+-`, or is too long.
    #[error("{field} {value:?} is not 1 to 64 letters, digits and '._+-' that start with a letter or digit")]
    Name {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// No hardware is named: such a package fits nothing, for a list left empty by mistake must not fit everything.
    #[error("the manifest names no hardware")]
    NoHardware,
    /// Release 0 is what a device without any release has.
    #[error("release is 0; the first release is 1")]
    ReleaseZero,
    /// Not of the form `2026-01-31T12:00:00Z`.
    #[error("{field} {value:?} is not a time of the form 2026-01-31T12:00:00Z")]
    Time {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// `expires` is not after `created`.
    #[error("the package expires at {expires}, not after it was created at {created}")]
    ExpiresBeforeCreated {
        /// When it was made.
        created: Timestamp,
        /// When it ends.
        expires: Timestamp,
    },
    /// More entries than the format allows.
    #[error("the manifest has {found} {what}, more than {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A path that a package may not hold.
    #[error("path {path:?} is not allowed: {fault}")]
    Path {
        /// The path; quoted when displayed, so that it can't write to a terminal.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// Files are not in ascending order of their paths' bytes, or a path stands twice.
    #[error("path {path:?} is not in ascending order")]
    Order {
        /// The path that is not after the one before it.
        path: String,
    },
    /// Two paths are one on a file system that folds case or Unicode forms, or one is file and folder.
    #[error("path {path:?} meets {earlier:?} on some file systems")]
    Collision {
        /// The later path.
        path: String,
        /// The component that was there before.
        earlier: String,
    },
    /// The sizes' sum does not fit 64 bits.
    #[error("the sizes of the files overflow at {path:?}")]
    SizeOverflow {
        /// The file at which it happens.
        path: String,
    },
    /// The number of chunks is not the one that the size asks for.
    #[error("file {path:?} has {found} chunks, its size asks for {expected}")]
    ChunkCount {
        /// The file.
        path: String,
        /// Chunks named.
        found: usize,
        /// Chunks that the size needs.
        expected: u64,
    },
    /// A file of one chunk (or none) whose digest is not that of its chunk (or of nothing).
    #[error("file {path:?} names two digests for the same bytes")]
    TwoDigests {
        /// The file.
        path: String,
    },
    /// A module's description is wrong.
    #[error("module {name:?} is not allowed: {fault}")]
    Module {
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: ModuleFault,
    },
}

impl ManifestError {
    /// The id of the attack that this refusal answers.
    #[must_use]
    pub const fn threat(&self) -> &'static str {
        match self {
            Self::Path { .. } | Self::Order { .. } | Self::Collision { .. } => "u10",
            Self::TooLong { .. } | Self::TooMany { .. } | Self::SizeOverflow { .. } => "u09",
            Self::NoHardware => "u06",
            Self::ReleaseZero => "u04",
            Self::ChunkCount { .. } | Self::TwoDigests { .. } => "u02",
            Self::Module { .. } => "r03",
            Self::Syntax(_)
            | Self::Format { .. }
            | Self::Name { .. }
            | Self::Time { .. }
            | Self::ExpiresBeforeCreated { .. } => "u03",
        }
    }
}
