//! Names of what the profile does not name: the event types of a dynamic launch, the tags of a conventional BIOS, the
//! separators of Windows. They come from other specifications, and say no more than the log does.

/// A type of Intel TXT (MLE Developer's Guide, appendix on TPM event logs) or of Linux's Secure Launch.
pub(super) const fn launch_type(code: u32) -> Option<&'static str> {
    Some(match code {
        0x401 => "TXT: PCR mapping",
        0x402 => "TXT: start of the hash",
        0x403 => "TXT: combined hash",
        0x404 => "TXT: measured launch environment",
        0x40A => "TXT: registers of the BIOS ACM",
        0x40B => "TXT: state of the CPU's root of trust",
        0x40C => "TXT: launch control policy's control field",
        0x40D => "TXT: policy elements",
        0x40E => "TXT: SMI transfer monitor",
        0x40F => "TXT: capabilities of OsSinitData",
        0x410 => "TXT: public key of the SINIT ACM",
        0x411 => "TXT: launch control policy",
        0x412 => "TXT: details of the policy",
        0x413 => "TXT: authorities of the policy",
        0x414 => "TXT: NV index of the policy",
        0x415 => "TXT: BIOS at cold boot",
        0x416 => "TXT: key manifest",
        0x417 => "TXT: boot policy manifest",
        0x418 => "TXT: facts of the key manifest",
        0x419 => "TXT: facts of the boot policy manifest",
        0x41A => "TXT: boot policy",
        0x4FE => "TXT: random value",
        0x4FF => "TXT: cap",
        0x400..=0x4FD => "TXT: unknown type",
        0x501 => "tboot: module",
        0x502 => "Secure Launch: measurement",
        0x503 => "Secure Launch: begin",
        0x504 => "Secure Launch: end",
        _ => return None,
    })
}

/// taggedEventID below PCR 8 (PC Client Specific Implementation Specification for Conventional BIOS 1.21 §11.3.2.1).
pub(super) const fn bios_tag(id: u32) -> Option<&'static str> {
    Some(match id {
        1 => "SMBIOS structure",
        2 => "BIS certificate",
        3 => "POST BIOS ROM",
        4 => "ESCD",
        5 => "CMOS",
        6 => "NVRAM",
        7 => "option ROM that runs",
        8 => "option ROM configuration",
        10 => "microcode of an option ROM",
        11 => "S-CRTM version",
        12 => "S-CRTM contents",
        13 => "POST contents",
        14 => "table of devices",
        _ => return None,
    })
}

/// The value with which Windows ends what its loaders measure.
pub(super) const WINDOWS_SEPARATOR: u32 = u32::from_le_bytes(*b"WBCL");
