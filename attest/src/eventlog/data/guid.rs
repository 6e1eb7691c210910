//! GUIDs as UEFI stores them, and the names of those that boot logs are made of.

use std::fmt;

use serde::{Serialize, Serializer};

/// A GUID as UEFI stores it: the first three fields little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// EFI_GLOBAL_VARIABLE: SecureBoot, PK, KEK, SetupMode, Boot####.
    pub const GLOBAL: Self =
        Self::of(0x8BE4_DF61, 0x93CA, 0x11D2, [0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C]);
    /// EFI_IMAGE_SECURITY_DATABASE: db, dbx.
    pub const IMAGE_SECURITY: Self =
        Self::of(0xD719_B2CB, 0x3D3A, 0x4596, [0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F]);
    /// Shim's variables: MokList, SbatLevel.
    pub const SHIM: Self =
        Self::of(0x605D_AB50, 0xE046, 0x4300, [0xAB, 0xB6, 0x3D, 0xD8, 0x10, 0xDD, 0x8B, 0x23]);

    /// EFI_DEVICE_SIGNATURE_DATABASE: devdb, by which devices are verified (PFP 1.06 §3.3.4.8).
    pub const DEVICE_SECURITY: Self =
        Self::of(0xB9C2_B4F4, 0xBF5F, 0x462D, [0x8A, 0xDF, 0xC5, 0xC7, 0x0A, 0xC3, 0x5D, 0xAD]);

    /// From the 16 bytes as stored.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From the fields as the specifications write them.
    pub(super) const fn of(one: u32, two: u16, three: u16, rest: [u8; 8]) -> Self {
        let ([a, b, c, d], [e, f], [g, h]) = (one.to_le_bytes(), two.to_le_bytes(), three.to_le_bytes());
        let [i, j, k, l, m, n, o, p] = rest;
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The 16 bytes as stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What a specification or its vendor calls it; `None` for one that this crate does not know.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        NAMES.iter().find(|(guid, _)| guid == self).map(|(_, name)| *name)
    }
}

/// Owners of signatures, partition types and tables (UEFI 2.10 §4.6.1, §5.3.3; Discoverable Partitions Specification).
const NAMES: &[(Guid, &str)] = &[
    (Guid::GLOBAL, "EFI global variable"),
    (Guid::IMAGE_SECURITY, "EFI image security database"),
    (Guid::SHIM, "shim"),
    (Guid::DEVICE_SECURITY, "EFI device security database"),
    (Guid::of(0x77FA_9ABD, 0x0359, 0x4D32, [0xBD, 0x60, 0x28, 0xF4, 0xE7, 0x8F, 0x78, 0x4B]), "Microsoft"),
    (Guid::of(0x6DC4_0AE4, 0x2EE8, 0x9C4C, [0xA3, 0x14, 0x0F, 0xC7, 0xB2, 0x00, 0x87, 0x10]), "Canonical"),
    (Guid::of(0xC12A_7328, 0xF81F, 0x11D2, [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B]), "EFI system"),
    (Guid::of(0x2168_6148, 0x6449, 0x6E6F, [0x74, 0x4E, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49]), "BIOS boot"),
    (Guid::of(0x0FC6_3DAF, 0x8483, 0x4772, [0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4]), "Linux data"),
    (Guid::of(0x0657_FD6D, 0xA4AB, 0x43C4, [0x84, 0xE5, 0x09, 0x33, 0xC8, 0x4B, 0x4F, 0x4F]), "Linux swap"),
    (Guid::of(0xE6D6_D379, 0xF507, 0x44C2, [0xA2, 0x3C, 0x23, 0x8F, 0x2A, 0x3D, 0xF9, 0x28]), "Linux LVM"),
    (Guid::of(0xA19D_880F, 0x05FC, 0x4D3B, [0xA0, 0x06, 0x74, 0x3F, 0x0F, 0x84, 0x91, 0x1E]), "Linux RAID"),
    (Guid::of(0xCA7D_7CCB, 0x63ED, 0x4C53, [0x86, 0x1C, 0x17, 0x42, 0x53, 0x60, 0x59, 0xCC]), "Linux LUKS"),
    (
        Guid::of(0xBC13_C2FF, 0x59E6, 0x4262, [0xA3, 0x52, 0xB2, 0x75, 0xFD, 0x6F, 0x71, 0x72]),
        "Linux boot loader",
    ),
    (
        Guid::of(0x4F68_BCE3, 0xE8CD, 0x4DB1, [0x96, 0xE7, 0xFB, 0xCA, 0xF9, 0x84, 0xB7, 0x09]),
        "Linux root x86-64",
    ),
    (
        Guid::of(0x2C73_57ED, 0xEBD2, 0x46D9, [0xAE, 0xC1, 0x23, 0xD4, 0x37, 0xEC, 0x2B, 0xF5]),
        "Linux verity of root x86-64",
    ),
    (Guid::of(0xEBD0_A0A2, 0xB9E5, 0x4433, [0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7]), "basic data"),
    (
        Guid::of(0xE3C9_E316, 0x0B5C, 0x4DB8, [0x81, 0x7D, 0xF9, 0x2D, 0xF0, 0x02, 0x15, 0xAE]),
        "Microsoft reserved",
    ),
    (
        Guid::of(0xDE94_BBA4, 0x06D1, 0x4D40, [0xA1, 0x6A, 0xBF, 0xD5, 0x01, 0x79, 0xD6, 0xAC]),
        "Windows recovery",
    ),
    (Guid::of(0xEB9D_2D30, 0x2D88, 0x11D3, [0x9A, 0x16, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D]), "ACPI 1.0"),
    (Guid::of(0x8868_E871, 0xE4F1, 0x11D3, [0xBC, 0x22, 0x00, 0x80, 0xC7, 0x3C, 0x88, 0x81]), "ACPI 2.0"),
    (Guid::of(0xEB9D_2D31, 0x2D88, 0x11D3, [0x9A, 0x16, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D]), "SMBIOS"),
    (Guid::of(0xF2FD_1544, 0x9794, 0x4A2C, [0x99, 0x2E, 0xE5, 0xBB, 0xCF, 0x20, 0xE3, 0x94]), "SMBIOS 3"),
    (Guid::of(0xEB9D_2D2F, 0x2D88, 0x11D3, [0x9A, 0x16, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D]), "MPS"),
    (Guid::of(0xEB9D_2D32, 0x2D88, 0x11D3, [0x9A, 0x16, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D]), "SAL"),
    (Guid::of(0xB1B6_21D5, 0xF19C, 0x41A5, [0x83, 0x0B, 0xD9, 0x15, 0x2C, 0x69, 0xAA, 0xE0]), "device tree"),
];

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let (one, two, three) =
            (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]));
        write!(f, "{one:08x}-{two:04x}-{three:04x}-")?;
        for (nth, byte) in rest.iter().enumerate() {
            let dash = if nth == 2 { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_print_as_the_specification_writes_them() {
        assert_eq!(Guid::GLOBAL.to_string(), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
        assert_eq!(Guid::SHIM.to_string(), "605dab50-e046-4300-abb6-3dd810dd8b23");
        assert_eq!(Guid::IMAGE_SECURITY.to_string(), "d719b2cb-3d3a-4596-a3bc-dad00e67656f");
        assert_eq!(Guid::GLOBAL.as_bytes()[..4], [0x61, 0xDF, 0xE4, 0x8B]);
    }

    #[test]
    fn each_name_belongs_to_one_guid() {
        for (nth, (guid, name)) in NAMES.iter().enumerate() {
            assert_eq!(guid.name(), Some(*name));
            assert!(NAMES.iter().skip(nth + 1).all(|(other, twin)| other != guid && twin != name));
        }
    }
}
