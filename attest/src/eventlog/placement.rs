//! Which event types belong into which PCR (PFP 1.06 §3.3.4, §10.4.1 table "Events"; threat e16).

use serde::Serialize;

use super::event::Event;
use super::event_type::EventType;
use crate::pcr::PcrIndex;

/// Where an event stands against the profile. It is a remark on what the log says: the type is not measured (threat e11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The profile lets this PCR take the type, or leaves the PCR to the operating system.
    Allowed,
    /// The profile has no place for it there, but loaders and firmware of the field measure so: no sign of an attack.
    Customary,
    /// The profile has no place for it there.
    NotInProfile,
    /// A type that the profile does not name: of an OEM or of an operating system.
    UnknownType,
}

/// The first PCR that the profile leaves to the operating system (PFP 1.06 §3.3.2).
const FIRST_OF_OS: u8 = 8;

/// Whether `pcr` may take events of type `kind`.
#[must_use]
pub fn placement(pcr: PcrIndex, kind: EventType) -> Placement {
    let Some((allowed, customary)) = places(kind) else { return Placement::UnknownType };
    let index = pcr.get();
    if index >= FIRST_OF_OS || allowed.contains(&index) {
        Placement::Allowed
    } else if customary.contains(&index) {
        Placement::Customary
    } else {
        Placement::NotInProfile
    }
}

impl Event<'_> {
    /// Whether its PCR may take its type; what is not extended is nowhere, and allowed.
    #[must_use]
    pub fn placement(&self) -> Placement {
        match self.pcr {
            Some(pcr) if self.is_extended() => placement(pcr, self.kind),
            _ => Placement::Allowed,
        }
    }
}

/// What a PCR is for: PFP 1.06 §3.3.4 below PCR 8, the UAPI group's registry of Linux above, PFP 1.06 §3.3.2 for the rest.
#[must_use]
pub const fn pcr_usage(pcr: PcrIndex) -> &'static str {
    match pcr.get() {
        0 => "firmware code",
        1 => "firmware configuration",
        2 => "option ROMs and drivers",
        3 => "option ROM configuration",
        4 => "boot loaders and boot attempts",
        5 => "boot loader configuration, partitions",
        6 => "the platform maker's own",
        7 => "secure boot",
        8 => "GRUB: commands and command line",
        9 => "GRUB: files; Linux: initrd and load options",
        10 => "Linux IMA",
        11 => "unified kernel image, boot phases",
        12 => "kernel command line, credentials, addons",
        13 => "system extensions",
        14 => "shim: the owner's keys",
        15 => "the system's identity",
        16 => "debugging",
        17..=22 => "dynamic launch",
        _ => "applications",
    }
}

/// A type's places below PCR 8: those of the profile, and those of the field.
///
/// The second column is: the TCG EFI Platform Specification 1.22, which firmware before the profile follows (hand-off
/// tables in PCR 0, boot variables in PCR 5, secure boot's variables in PCR 6); microcode together with the firmware's
/// code; a driver that a boot loader starts; systemd-boot's configuration in PCR 5; the tagged events of conventional
/// BIOS (PC Client Specific Implementation Specification for Conventional BIOS 1.21 §11.3.2), as SeaBIOS makes them;
/// coreboot, which measures all that it reads as EV_ACTION; U-Boot's device tree in PCR 0.
const fn places(kind: EventType) -> Option<(&'static [u8], &'static [u8])> {
    const ALL: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7];
    const NONE: &[u8] = &[];
    Some(match kind {
        EventType::NoAction | EventType::Separator => (ALL, NONE),
        EventType::PostCode
        | EventType::PostCode2
        | EventType::SCrtmContents
        | EventType::SCrtmVersion
        | EventType::NonhostInfo
        | EventType::EfiHcrtmEvent => (&[0], NONE),
        EventType::Action => (&[1, 2, 3, 4, 5, 6], &[0, 7]),
        EventType::EfiAction => (&[1, 2, 3, 4, 5, 6, 7], NONE),
        EventType::EventTag => (NONE, &[0, 1, 2, 3, 4, 5, 6]),
        EventType::CpuMicrocode => (&[1], &[0]),
        EventType::PlatformConfigFlags => (&[1], NONE),
        EventType::TableOfDevices => (&[1], &[0]),
        EventType::CompactHash => (&[4, 5, 6, 7], NONE),
        EventType::Ipl => (&[4], &[5]),
        EventType::IplPartitionData => (&[5], NONE),
        EventType::NonhostCode => (&[0, 2], NONE),
        EventType::NonhostConfig => (&[1, 3], NONE),
        EventType::OmitBootDeviceEvents => (&[4], NONE),
        EventType::EfiVariableDriverConfig => (&[1, 3, 5, 7], &[6]),
        EventType::EfiVariableBoot | EventType::EfiVariableBoot2 => (&[1], &[5]),
        EventType::EfiBootServicesApplication => (&[2, 4], NONE),
        EventType::EfiBootServicesDriver | EventType::EfiRuntimeServicesDriver => (&[0, 2], &[4]),
        EventType::EfiGptEvent | EventType::EfiGptEvent2 => (&[5], NONE),
        EventType::EfiPlatformFirmwareBlob | EventType::EfiPlatformFirmwareBlob2 => (&[0, 2, 4], NONE),
        EventType::EfiHandoffTables | EventType::EfiHandoffTables2 => (&[1], &[0]),
        EventType::EfiVariableAuthority
        | EventType::EfiSpdmDevicePolicy
        | EventType::EfiSpdmDeviceAuthority => (&[7], NONE),
        EventType::EfiSpdmFirmwareBlob => (&[2], NONE),
        EventType::EfiSpdmFirmwareConfig => (&[3], NONE),
        // Reserved: nothing may be measured under them.
        EventType::PrebootCert | EventType::Unused => (NONE, NONE),
        EventType::Other(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pcr: u32, kind: EventType) -> Placement {
        placement(PcrIndex::new(pcr).unwrap(), kind)
    }

    #[test]
    fn e16_a_type_outside_of_its_pcrs_is_told() {
        use EventType as E;
        for (pcr, kind) in [
            (7, E::EfiBootServicesApplication),
            (0, E::EfiAction),
            (7, E::EventTag),
            (2, E::TableOfDevices),
            (4, E::EfiVariableAuthority),
            (1, E::SCrtmVersion),
            (7, E::Ipl),
            (0, E::PrebootCert),
            (3, E::CompactHash),
        ] {
            assert_eq!(at(pcr, kind), Placement::NotInProfile, "{kind} in PCR {pcr}");
        }
        assert_eq!(at(7, E::Other(0xA000_0001)), Placement::UnknownType);
        assert_eq!(at(11, E::Other(0x401)), Placement::UnknownType);
    }

    #[test]
    fn e16_what_loaders_really_do_is_no_offence() {
        use EventType as E;
        for pcr in [8, 9, 11, 12, 13, 14, 4] {
            assert_eq!(at(pcr, E::Ipl), Placement::Allowed, "EV_IPL in PCR {pcr}");
        }
        for (pcr, kind) in
            [(5, E::Ipl), (5, E::EventTag), (4, E::EfiBootServicesDriver), (0, E::EfiHandoffTables)]
                .into_iter()
                .chain([(1, E::EventTag), (2, E::EventTag), (0, E::Action), (0, E::TableOfDevices)])
                .chain([(6, E::EfiVariableDriverConfig)])
        {
            assert_eq!(at(pcr, kind), Placement::Customary, "{kind} in PCR {pcr}");
        }
        for (pcr, kind) in [(9, E::EventTag), (14, E::Ipl), (7, E::EfiAction), (2, E::EfiBootServicesDriver)]
        {
            assert_eq!(at(pcr, kind), Placement::Allowed, "{kind} in PCR {pcr}");
        }
    }

    #[test]
    fn every_named_type_has_a_line_and_separators_are_in_all_pcrs() {
        for kind in EventType::NAMED {
            assert!(places(*kind).is_some(), "{kind}");
        }
        assert!((0..8).all(|pcr| at(pcr, EventType::Separator) == Placement::Allowed));
    }
}
