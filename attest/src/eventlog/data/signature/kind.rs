//! The types of signatures.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::eventlog::Guid;

macro_rules! signature_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $size:expr, $guid:expr;)*) => {
        /// SignatureType of an EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1, §32.4.1.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SignatureKind {
            $($(#[$doc])* $variant,)*
            /// A type that UEFI does not define.
            Other(Guid),
        }

        impl SignatureKind {
            /// Every type that UEFI defines.
            pub const NAMED: &[Self] = &[$(Self::$variant,)*];

            /// From SignatureType.
            #[must_use]
            pub fn from_guid(guid: Guid) -> Self {
                $(if guid == $guid { return Self::$variant; })*
                Self::Other(guid)
            }

            /// SignatureType.
            #[must_use]
            pub const fn guid(&self) -> Guid {
                match self { $(Self::$variant => $guid,)* Self::Other(guid) => *guid }
            }

            /// UEFI's name in short; `None` for a type that it does not define.
            #[must_use]
            pub const fn name(&self) -> Option<&'static str> {
                match self { $(Self::$variant => Some($name),)* Self::Other(_) => None }
            }

            /// Whether an entry of this type can have `len` bytes after its owner; X.509 has no fixed size.
            pub(super) const fn is_size(self, len: usize) -> bool {
                let size: Option<usize> = match self { $(Self::$variant => $size,)* Self::Other(_) => None };
                match size { Some(size) => len == size, None => true }
            }
        }
    };
}

signature_kinds! {
    /// An image's SHA-1 hash.
    Sha1 = "sha1", Some(20), Guid::of(0x826C_A512, 0xCF10, 0x4AC9, [0xB1, 0x87, 0xBE, 0x01, 0x49, 0x66, 0x31, 0xBD]);
    /// An image's SHA-224 hash.
    Sha224 = "sha224", Some(28), Guid::of(0x0B6E_5233, 0xA65C, 0x44C9, [0x94, 0x07, 0xD9, 0xAB, 0x83, 0xBF, 0xC8, 0xBD]);
    /// An image's SHA-256 hash.
    Sha256 = "sha256", Some(32), Guid::of(0xC1C4_1626, 0x504C, 0x4092, [0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28]);
    /// An image's SHA-384 hash.
    Sha384 = "sha384", Some(48), Guid::of(0xFF3E_5307, 0x9FD0, 0x48C9, [0x85, 0xF1, 0x8A, 0xD5, 0x6C, 0x70, 0x1E, 0x01]);
    /// An image's SHA-512 hash.
    Sha512 = "sha512", Some(64), Guid::of(0x093E_0FAE, 0xA6C4, 0x4F50, [0x9F, 0x1B, 0xD4, 0x1E, 0x2B, 0x89, 0xC1, 0x9A]);
    /// A certificate in DER.
    X509 = "x509", None, Guid::of(0xA5C0_59A1, 0x94E4, 0x4AA7, [0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72]);
    /// The SHA-256 hash of a certificate's to-be-signed part, and a time of revocation of 16 bytes.
    X509Sha256 = "x509-sha256", Some(48), Guid::of(0x3BD2_A492, 0x96C0, 0x4079, [0xB4, 0x20, 0xFC, 0xF9, 0x8E, 0xF1, 0x03, 0xED]);
    /// The same with SHA-384.
    X509Sha384 = "x509-sha384", Some(64), Guid::of(0x7076_876E, 0x80C2, 0x4EE6, [0xAA, 0xD2, 0x28, 0xB3, 0x49, 0xA6, 0x86, 0x5B]);
    /// The same with SHA-512.
    X509Sha512 = "x509-sha512", Some(80), Guid::of(0x446D_BF63, 0x2502, 0x4CDA, [0xBC, 0xFA, 0x24, 0x65, 0xD2, 0xB0, 0xFE, 0x9D]);
    /// The modulus of an RSA key of 2048 bits.
    Rsa2048 = "rsa2048", Some(256), Guid::of(0x3C57_66E8, 0x269C, 0x4E34, [0xAA, 0x14, 0xED, 0x77, 0x6E, 0x85, 0xB3, 0xB6]);
    /// An RSA-2048 signature of a SHA-1 hash.
    Rsa2048Sha1 = "rsa2048-sha1", Some(256), Guid::of(0x67F8_444F, 0x8743, 0x48F1, [0xA3, 0x28, 0x1E, 0xAA, 0xB8, 0x73, 0x60, 0x80]);
    /// An RSA-2048 signature of a SHA-256 hash.
    Rsa2048Sha256 = "rsa2048-sha256", Some(256), Guid::of(0xE2B3_6190, 0x879B, 0x4A3D, [0xAD, 0x8D, 0xF2, 0xE7, 0xBB, 0xA3, 0x27, 0x84]);
    /// A PKCS #7 certificate.
    Pkcs7 = "pkcs7", None, Guid::of(0x4AAF_D29D, 0x68DF, 0x49EE, [0x8A, 0xA9, 0x34, 0x7D, 0x37, 0x56, 0x65, 0xA7]);
    /// Keys that something outside of the platform manages.
    ExternalManagement = "external-management", Some(1), Guid::of(0x452E_8CED, 0xDFFF, 0x4B8C, [0xAE, 0x01, 0x51, 0x18, 0x86, 0x2E, 0x68, 0x2C]);
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.guid()),
        }
    }
}

impl Serialize for SignatureKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_names_and_guids_are_a_bijection() {
        for (nth, kind) in SignatureKind::NAMED.iter().enumerate() {
            assert_eq!(SignatureKind::from_guid(kind.guid()), *kind);
            assert!(SignatureKind::NAMED.iter().skip(nth + 1).all(|other| other.name() != kind.name()));
        }
        assert_eq!(SignatureKind::X509.guid().to_string(), "a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
        assert_eq!(SignatureKind::from_guid(Guid::SHIM), SignatureKind::Other(Guid::SHIM));
    }
}
