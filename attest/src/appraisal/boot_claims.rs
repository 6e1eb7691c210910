//! What the measured boot proves, as a document: claims in a report, and what a policy's rules read.
//!
//! It holds no hint: every value comes from a PCR that matches the verified quote, and from bytes that a digest covers
//! or from the digest itself (threats e03, e11). What is not proven is `null`, which no rule may take for a "no".
//! docs/src/reference/facts.md lists the fields with what binds each.

use serde::Serialize;

use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// What the measured boot proves in the judged bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootClaims {
    /// The bank that proves it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub bank: HashAlgorithm,
    /// The firmware, out of PCR 0, 2 and 7.
    pub firmware: FirmwareClaims,
    /// Secure boot and its keys, out of PCR 7.
    pub secure_boot: SecureBootClaims,
    /// What vouched for images, in order, out of PCR 7; `null` when PCR 7 does not match.
    pub authorities: Option<Vec<AuthorityClaim>>,
    /// Shim's state, out of PCR 7.
    pub shim: ShimClaims,
    /// What was loaded, out of PCR 4.
    pub images: ImageClaims,
    /// The kernel's command line and initrd, and the unified kernel image, out of PCR 8, 9, 11 and 12.
    pub kernel: KernelClaims,
    /// The running system, as systemd measured it, out of PCR 11 and 15.
    pub system: SystemClaims,
    /// How the firmware handed over, out of PCR 5.
    pub exit_boot_services: ExitBootServicesClaim,
    /// What the profile forbids in PCR 0 to 7 (threat e08), in words.
    pub faults: Vec<FaultClaim>,
    /// How many events of each PCR are of types that the profile does not allow there, or does not name (threat e16).
    pub misplaced_events: Vec<MisplacedClaim>,
    /// Names of the fields above that were cut to their limit; a rule that needs one of them whole must refuse.
    pub cut: Vec<String>,
}

/// The firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FirmwareClaims {
    /// Its version: text as it is, a GUID in its usual form, anything else as `hex:…`.
    pub version: Option<String>,
    /// Digests of what PCR 2 took beside its separator: drivers from cards, in order.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub option_roms: Option<Vec<Digest>>,
    /// Whether the firmware measured that its debugger is enabled (PFP 1.06 §3.3.4.8).
    pub debugger: Option<bool>,
    /// Whether the firmware measured that it leaves memory open to devices.
    pub dma_protection_disabled: Option<bool>,
}

/// Whether secure boot was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SecureBootState {
    /// It was on.
    On,
    /// It was off.
    Off,
    /// PCR 7 proves neither.
    Unknown,
}

/// Secure boot and its keys. All of it is `null` unless everything that PCR 7 took before its separator is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecureBootClaims {
    /// On, off, or unknown.
    pub state: SecureBootState,
    /// Why it is unknown, in words.
    pub doubt: Option<String>,
    /// Whether the machine was in setup mode: no platform key, so that whoever boots may set the keys.
    pub setup_mode: Option<bool>,
    /// Whether it was in audit mode: images are loaded whether they may or not. `null` when not measured.
    pub audit_mode: Option<bool>,
    /// Whether it was in deployed mode. `null` when not measured.
    pub deployed_mode: Option<bool>,
    /// The platform key.
    pub pk: Option<KeyDatabaseClaim>,
    /// Keys that may change db and dbx.
    pub kek: Option<KeyDatabaseClaim>,
    /// What may be loaded.
    pub db: Option<KeyDatabaseClaim>,
    /// What may not be loaded.
    pub dbx: Option<KeyDatabaseClaim>,
}

/// One of secure boot's databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyDatabaseClaim {
    /// How many entries it has, of any kind.
    pub entries: usize,
    /// Its X.509 certificates, in order.
    pub certificates: Vec<CertificateClaim>,
    /// SHA-256 digests of images, in order, in hex.
    #[serde(serialize_with = "bare_hex")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub image_sha256: Vec<[u8; 32]>,
}

/// Digests whose algorithm the field's name says.
fn bare_hex<S: serde::Serializer>(digests: &[[u8; 32]], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(digests.iter().map(hex::encode))
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CertificateClaim {
    /// SHA-256 of the DER form: its fingerprint.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub fingerprint: Digest,
    /// Its subject as RFC 4514 text; `null` when it is longer than 160 bytes, or no certificate.
    pub subject: Option<String>,
}

/// What vouched for one or more images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorityClaim {
    /// The variable that it came from (`db`, `MokList`, `Shim`); `null` when the digest does not cover the name.
    pub source: Option<String>,
    /// Its certificate; `null` when it is a hash, or when the digest does not cover it.
    pub certificate: Option<CertificateClaim>,
    /// What was extended.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub digest: Digest,
    /// Whether what claims to come out of db stands in the measured one (threat e10); `null` when it claims another
    /// source, or db is not known.
    pub in_db: Option<bool>,
}

/// Shim's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShimClaims {
    /// The SBAT level that shim enforced.
    pub sbat_level: Option<SbatLevelClaim>,
    /// Whether shim was told to verify nothing (MokSBState); `null` when it was not measured.
    pub verification_disabled: Option<bool>,
}

/// An SBAT level: the generations below which components are revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SbatLevelClaim {
    /// The date of the level: ten digits, `YYYYMMDDNN`.
    pub date: Option<u64>,
    /// The least generation of each component.
    pub components: std::collections::BTreeMap<String, u64>,
    /// Its text.
    pub text: String,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImageClaims {
    /// Digests of all that PCR 4 took beside separators and actions, in order: Authenticode for a PE image.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub loaded: Option<Vec<Digest>>,
    /// The first one after the separator.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub boot_loader: Option<Digest>,
    /// The last one: the kernel, where a kernel is a PE image that the firmware or a loader measures.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last: Option<Digest>,
}

/// The kernel's command line and initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KernelClaims {
    /// The command line that GRUB gave to the kernel, with the kernel's path before it, out of PCR 8.
    pub command_line: Option<String>,
    /// Whether PCR 8 has events that contradict each other, so that there is no command line to believe (threat e19).
    pub command_line_contradicted: Option<bool>,
    /// What Linux's EFI stub measured into PCR 9 as first: `null` unless PCR 9 holds its measurements and nothing else.
    pub efi_stub: Option<EfiStubClaim>,
    /// The sections of the unified kernel image, out of PCR 11: `null` unless systemd-stub's pairs come first there.
    pub uki_sections: Option<Vec<UkiSectionClaim>>,
    /// What the loader gave in text, out of PCR 12: command lines that override the image's; `null` when PCR 12 holds
    /// something that no text explains.
    pub overrides: Option<Vec<String>>,
}

/// What Linux's EFI stub measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EfiStubClaim {
    /// Digest of the load options: the command line in UTF-16LE, with its NUL.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub load_options: Digest,
    /// Digests of the initrds that follow.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub initrds: Vec<Digest>,
}

/// A section of a unified kernel image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UkiSectionClaim {
    /// Its name, e.g. `.linux`.
    pub name: String,
    /// Digest of its content.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub digest: Digest,
}

/// The running system, as systemd measured it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SystemClaims {
    /// The phases of the boot that were measured into PCR 11, in order: `enter-initrd`, `ready` and so on; `null` when
    /// PCR 11 is not explained.
    pub phases: Option<Vec<String>>,
    /// The machine id out of PCR 15; `null` unless there is one, and every measurement of PCR 15 is explained.
    pub machine_id: Option<String>,
    /// The file systems out of PCR 15, in order; `null` unless every measurement of PCR 15 is explained.
    pub file_systems: Option<Vec<FileSystemClaim>>,
    /// How many measurements of PCR 15 no text explains, e.g. keys of encrypted volumes; `null` when PCR 15 does not match.
    pub unexplained: Option<u32>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileSystemClaim {
    /// Where it is mounted, where the text says so.
    pub mount_point: Option<String>,
    /// Type, UUID and label of the file system; UUID, type and label of the partition; with colons between.
    pub identity: String,
}

/// How the firmware handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ExitBootServicesClaim {
    /// PCR 5 does not match.
    Unknown,
    /// No event of it.
    Missing,
    /// Invoked, and no return measured.
    Invoked,
    /// It succeeded.
    Succeeded,
    /// The last try failed.
    Failed,
}

/// Something that the profile forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FaultClaim {
    /// The PCR.
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    pub pcr: PcrIndex,
    /// Row of threats.md.
    pub id: &'static str,
    /// What is wrong, in words.
    pub what: String,
}

/// Events of types that the profile does not allow in a PCR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MisplacedClaim {
    /// The PCR.
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    pub pcr: PcrIndex,
    /// How many.
    pub count: u32,
}
