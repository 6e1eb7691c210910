//! Templates: which fields an entry has, by the template's name.

use std::fmt;

use super::error::{EntryError, shown};

/// A field of a template, by the identifiers that the kernel's `ima_template_fmt=` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `d`: a SHA-1 (20 bytes) or MD5 (16 bytes) file digest without a name.
    Digest,
    /// `n`: the name, at most 255 bytes.
    Name,
    /// `d-ng`: the file digest with its hash's name.
    DigestNg,
    /// `d-ngv2`: the file digest with its kind (`ima`, `verity`) and its hash's name.
    DigestNgV2,
    /// `n-ng`: the name, of any length.
    NameNg,
    /// `sig`: the signature of `security.ima`, or a portable one of `security.evm`; empty without one.
    Signature,
    /// `buf`: the measured buffer.
    Buffer,
    /// `d-modsig`: the digest without the appended signature.
    ModsigDigest,
    /// `modsig`: the appended signature.
    Modsig,
    /// `evmsig`: the portable signature of `security.evm`.
    EvmSignature,
    /// `xattrnames`: names of the extended attributes, with `|` between.
    XattrNames,
    /// `xattrlengths`: their lengths.
    XattrLengths,
    /// `xattrvalues`: their values.
    XattrValues,
    /// `iuid`: the owner.
    InodeUid,
    /// `igid`: the group.
    InodeGid,
    /// `imode`: the mode.
    InodeMode,
}

impl Field {
    const ALL: [Self; 16] = [
        Self::Digest,
        Self::Name,
        Self::DigestNg,
        Self::DigestNgV2,
        Self::NameNg,
        Self::Signature,
        Self::Buffer,
        Self::ModsigDigest,
        Self::Modsig,
        Self::EvmSignature,
        Self::XattrNames,
        Self::XattrLengths,
        Self::XattrValues,
        Self::InodeUid,
        Self::InodeGid,
        Self::InodeMode,
    ];

    /// The identifier: `d-ng`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Digest => "d",
            Self::Name => "n",
            Self::DigestNg => "d-ng",
            Self::DigestNgV2 => "d-ngv2",
            Self::NameNg => "n-ng",
            Self::Signature => "sig",
            Self::Buffer => "buf",
            Self::ModsigDigest => "d-modsig",
            Self::Modsig => "modsig",
            Self::EvmSignature => "evmsig",
            Self::XattrNames => "xattrnames",
            Self::XattrLengths => "xattrlengths",
            Self::XattrValues => "xattrvalues",
            Self::InodeUid => "iuid",
            Self::InodeGid => "igid",
            Self::InodeMode => "imode",
        }
    }

    fn from_id(id: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.id().as_bytes() == id)
    }

    /// Whether it holds the file's digest.
    pub(super) const fn is_digest(self) -> bool {
        matches!(self, Self::Digest | Self::DigestNg | Self::DigestNgV2)
    }

    /// Whether it holds the file's name.
    pub(super) const fn is_name(self) -> bool {
        matches!(self, Self::Name | Self::NameNg)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The old template, the only one whose data has no lengths.
pub(super) const LEGACY: &str = "ima";
/// Bytes of its digest.
pub(super) const LEGACY_DIGEST: usize = 20;
/// Longest name in the old template (IMA_EVENT_NAME_LEN_MAX); it is hashed as one byte more.
pub(super) const LEGACY_NAME_MAX: usize = 255;

const NG: [Field; 2] = [Field::DigestNg, Field::NameNg];
const SIG: [Field; 3] = [Field::DigestNg, Field::NameNg, Field::Signature];
const NG_V2: [Field; 2] = [Field::DigestNgV2, Field::NameNg];
const SIG_V2: [Field; 3] = [Field::DigestNgV2, Field::NameNg, Field::Signature];
const BUF: [Field; 3] = [Field::DigestNg, Field::NameNg, Field::Buffer];
pub(super) const MODSIG: [Field; 5] =
    [Field::DigestNg, Field::NameNg, Field::Signature, Field::ModsigDigest, Field::Modsig];
pub(super) const EVM_SIG: [Field; 9] = [
    Field::DigestNg,
    Field::NameNg,
    Field::EvmSignature,
    Field::XattrNames,
    Field::XattrLengths,
    Field::XattrValues,
    Field::InodeUid,
    Field::InodeGid,
    Field::InodeMode,
];

/// Most fields that the kernel takes in a custom template (IMA_TEMPLATE_NUM_FIELDS_MAX).
const FIELDS_MAX: usize = 15;

/// A template: its name, and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Template<'a> {
    pub(super) name: &'a str,
    fields: Fields<'a>,
}

/// The fields of a template, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields<'a> {
    Known(&'static [Field]),
    Custom(Option<&'a str>),
}

impl Iterator for Fields<'_> {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        match self {
            Self::Known(fields) => {
                let (first, rest) = fields.split_first()?;
                *fields = rest;
                Some(*first)
            }
            Self::Custom(left) => {
                let (first, rest) = match left.as_ref()?.split_once('|') {
                    Some((first, rest)) => (first, Some(rest)),
                    None => (left.take()?, None),
                };
                *left = rest;
                Field::from_id(first.as_bytes())
            }
        }
    }
}

impl<'a> Template<'a> {
    /// The template called `name`, which is not authenticated by anything (threat i08).
    pub(super) fn named(name: &'a [u8]) -> Result<Self, EntryError> {
        let (name, fields): (&str, &[Field]) = match name {
            b"ima-sig" => ("ima-sig", &SIG),
            b"ima-ng" => ("ima-ng", &NG),
            b"ima-buf" => ("ima-buf", &BUF),
            b"ima-modsig" => ("ima-modsig", &MODSIG),
            b"ima-ngv2" => ("ima-ngv2", &NG_V2),
            b"ima-sigv2" => ("ima-sigv2", &SIG_V2),
            b"evm-sig" => ("evm-sig", &EVM_SIG),
            b"ima" => (LEGACY, &[Field::Digest, Field::Name]),
            _ => return Self::custom(name),
        };
        Ok(Self { name, fields: Fields::Known(fields) })
    }

    fn custom(name: &'a [u8]) -> Result<Self, EntryError> {
        let unknown = || EntryError::Template { name: shown(name) };
        let text = std::str::from_utf8(name).map_err(|_| unknown())?;
        let (mut count, mut digests, mut names) = (0_usize, 0_usize, 0_usize);
        for id in text.split('|') {
            let field = Field::from_id(id.as_bytes()).ok_or_else(unknown)?;
            count = count.saturating_add(1);
            digests = digests.saturating_add(usize::from(field.is_digest()));
            names = names.saturating_add(usize::from(field.is_name()));
        }
        if count > FIELDS_MAX {
            return Err(unknown());
        }
        if (digests, names) != (1, 1) {
            return Err(EntryError::TemplateShape { name: shown(name), digests, names });
        }
        // The name is not authenticated: read in another order, a buffer that an attacker chose (a kexec command line) would be
        // the path of a file that a policy excludes. In each of the kernel's own templates they come first (threat i06).
        let leading = |place: usize, is: fn(Field) -> bool| {
            text.split('|').nth(place).and_then(|id| Field::from_id(id.as_bytes())).is_some_and(is)
        };
        if !leading(0, Field::is_digest) || !leading(1, Field::is_name) {
            return Err(unknown());
        }
        Ok(Self { name: text, fields: Fields::Custom(Some(text)) })
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.name == LEGACY
    }

    pub(super) fn fields(&self) -> Fields<'a> {
        self.fields
    }
}
