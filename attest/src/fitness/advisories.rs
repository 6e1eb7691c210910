//! TPM firmware with known weaknesses, by what the makers published.
//!
//! | maker | weakness | source |
//! |---|---|---|
//! | Infineon | RSA keys that can be factored (ROCA, CVE-2017-15361) | Microsoft ADV170012, by manufacturer version |
//! | STMicroelectronics | ECDSA keys leak by timing (TPM-FAIL, CVE-2019-16863) | ST, "TPM firmware update: ECDSA signature generation" |
//! | Nuvoton | ECC keys leak by timing (CVE-2020-25082) | Nuvoton SA-002 |
//! | Nuvoton | out-of-bounds write ends the TPM's service (CVE-2023-1017) | Nuvoton SA-003 |
//! | Nuvoton | ECDH keys leak to physical probing (CVE-2026-6923) | the CVE's record |
//!
//! A version that is not listed is not thereby good. Intel's firmware TPM (CVE-2019-11090) is not here, for its version
//! does not tell which engine firmware it runs in.

/// A published weakness that a TPM's firmware has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advisory {
    /// Its CVE number.
    pub cve: &'static str,
    /// What it means for the keys of a device.
    pub what: &'static str,
    /// The firmware that has it no more.
    pub fixed: &'static str,
}

/// The two 32-bit numbers of a firmware's version as TPM_PT_FIRMWARE_VERSION_1 and _2 give them, in their 16-bit halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirmwareVersion([u16; 4]);

impl FirmwareVersion {
    /// From the two properties.
    #[must_use]
    pub fn new(first: u32, second: u32) -> Self {
        let halves = |number: u32| {
            let [a, b, c, d] = number.to_be_bytes();
            [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
        };
        let ([a, b], [c, d]) = (halves(first), halves(second));
        Self([a, b, c, d])
    }

    const fn major_minor(self) -> (u16, u16) {
        let [major, minor, ..] = self.0;
        (major, minor)
    }
}

impl std::fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

/// What is known against the firmware `version` of a TPM by `manufacturer` (`IFX`, `STM`, `NTC`, … of the TCG vendor
/// registry).
#[must_use]
pub fn advisories(manufacturer: &str, version: FirmwareVersion) -> Vec<Advisory> {
    match manufacturer.trim_end() {
        "IFX" => infineon(version).into_iter().collect(),
        "STM" => st(version).into_iter().collect(),
        "NTC" => nuvoton(version),
        _ => Vec::new(),
    }
}

fn infineon(version: FirmwareVersion) -> Option<Advisory> {
    let fixed = match version.major_minor() {
        (4, ..=33) => "4.34",
        (4, 40..=42) => "4.43",
        (5, ..=61) => "5.62",
        (6, ..=42) => "6.43",
        (7, ..=61) => "7.62",
        (133, ..=32) => "133.33",
        _ => return None,
    };
    Some(Advisory {
        cve: "CVE-2017-15361",
        what: "RSA keys made by this TPM can be factored (ROCA); an EK or attestation key of RSA is worth nothing",
        fixed,
    })
}

fn st(version: FirmwareVersion) -> Option<Advisory> {
    let fixed = match version.major_minor() {
        (71, 0 | 4 | 12) => "71.16",
        (73, 0 | 4) => "73.20",
        (73, 8) => "73.64",
        (73, 5) => "73.21",
        (73, 9) => "73.65",
        (74, 0 | 4) => "74.20",
        (74, 8 | 16) => "74.64",
        (74, 5) => "74.21",
        (74, 9) => "74.65",
        _ => return None,
    };
    Some(Advisory {
        cve: "CVE-2019-16863",
        what: "ECDSA keys leak to whoever can time signatures (TPM-FAIL); use an RSA attestation key, or update",
        fixed,
    })
}

fn nuvoton(version: FirmwareVersion) -> Vec<Advisory> {
    let FirmwareVersion(numbers) = version;
    let mut found = Vec::new();
    if matches!(numbers, [7, 2, 0, 1 | 2] | [7, 2, 1, 0]) {
        found.push(Advisory {
            cve: "CVE-2020-25082",
            what: "ECDSA keys leak to whoever can time signatures at the device; use an RSA attestation key, or update",
            fixed: "7.2.2.0",
        });
    }
    if matches!(numbers, [1, 3, 0, 1] | [1, 3, 1, 0] | [1, 3, 2, 8]) {
        found.push(Advisory {
            cve: "CVE-2023-1017",
            what: "any program that reaches the TPM can put it out of service until the next power cycle",
            fixed: "1.3.2.20",
        });
    }
    if numbers.starts_with(&[7, 2]) && version < FirmwareVersion([7, 2, 4, 0]) {
        found.push(Advisory {
            cve: "CVE-2026-6923",
            what: "ECDH keys leak to whoever can probe the device; signing keys are not concerned",
            fixed: "7.2.4.0",
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cves(manufacturer: &str, numbers: [u16; 4]) -> Vec<&'static str> {
        advisories(manufacturer, FirmwareVersion(numbers)).iter().map(|advisory| advisory.cve).collect()
    }

    #[test]
    fn q12_roca_firmware_is_known_by_its_version() {
        for weak in [[5, 51, 0, 0], [5, 61, 8, 0], [7, 61, 0, 0], [133, 32, 0, 0], [6, 40, 190, 0]] {
            assert_eq!(cves("IFX", weak), ["CVE-2017-15361"], "{weak:?}");
        }
        for good in
            [[5, 62, 0, 0], [7, 62, 0, 0], [7, 85, 0, 0], [13, 11, 0, 0], [15, 23, 0, 0], [4, 34, 0, 0]]
        {
            assert!(cves("IFX", good).is_empty(), "{good:?}");
        }
        assert!(cves("STM", [5, 51, 0, 0]).is_empty(), "the version of another maker");
    }

    #[test]
    fn timing_leaks_are_known_by_version() {
        assert_eq!(cves("STM", [73, 4, 17, 9440]), ["CVE-2019-16863"]);
        assert!(cves("STM", [73, 20, 0, 0]).is_empty());
        assert!(cves("STM ", [1, 257, 0, 0]).is_empty());
        assert_eq!(cves("NTC", [7, 2, 1, 0]), ["CVE-2020-25082", "CVE-2026-6923"]);
        assert_eq!(cves("NTC", [7, 2, 3, 1]), ["CVE-2026-6923"]);
        assert!(cves("NTC", [7, 2, 4, 1]).is_empty());
        assert_eq!(cves("NTC", [1, 3, 2, 8]), ["CVE-2023-1017"]);
    }

    #[test]
    fn the_version_reads_as_its_maker_writes_it() {
        let version = FirmwareVersion::new(0x0049_0004, 0x0011_24E0);
        assert_eq!(version.to_string(), "73.4.17.9440");
    }
}
