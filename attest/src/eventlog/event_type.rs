//! What an event says it is. The type is not measured: it is a claim until the digest rule of the type agrees (threat e11).

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// An event type of the TCG PC Client Platform Firmware Profile 1.06 (§10.4.1, table "Events").
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
            /// A type that the profile does not name: OEM and operating system events.
            Other(u32),
        }

        impl EventType {
            /// Every type that the profile names.
            pub const NAMED: &[Self] = &[$(Self::$variant,)*];

            /// From the event's 32-bit type field.
            #[must_use]
            pub const fn from_code(code: u32) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The 32-bit type field.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The profile's name; `None` for a type that it does not name.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    Self::Other(_) => None,
                }
            }
        }
    };
}

event_types! {
    /// Reserved by the profile.
    PrebootCert = 0x0000_0000, "EV_PREBOOT_CERT";
    /// Firmware code that POST ran; the digest is of the code, which the log does not carry.
    PostCode = 0x0000_0001, "EV_POST_CODE";
    /// Unused, was "no action" of TPM 1.1.
    Unused = 0x0000_0002, "EV_UNUSED";
    /// Information that is never extended.
    NoAction = 0x0000_0003, "EV_NO_ACTION";
    /// The line between what the firmware measured and what follows.
    Separator = 0x0000_0004, "EV_SEPARATOR";
    /// An action of the boot, as text.
    Action = 0x0000_0005, "EV_ACTION";
    /// A tagged event: identifier, size and content.
    EventTag = 0x0000_0006, "EV_EVENT_TAG";
    /// The code of the static root of trust.
    SCrtmContents = 0x0000_0007, "EV_S_CRTM_CONTENTS";
    /// The version of the static root of trust.
    SCrtmVersion = 0x0000_0008, "EV_S_CRTM_VERSION";
    /// A CPU microcode patch.
    CpuMicrocode = 0x0000_0009, "EV_CPU_MICROCODE";
    /// Platform configuration flags.
    PlatformConfigFlags = 0x0000_000A, "EV_PLATFORM_CONFIG_FLAGS";
    /// The table of devices.
    TableOfDevices = 0x0000_000B, "EV_TABLE_OF_DEVICES";
    /// A digest that `TCG_CompactHashLogExtendEvent` made.
    CompactHash = 0x0000_000C, "EV_COMPACT_HASH";
    /// Initial program loader: today what GRUB, shim and systemd measure.
    Ipl = 0x0000_000D, "EV_IPL";
    /// The loader's partition data.
    IplPartitionData = 0x0000_000E, "EV_IPL_PARTITION_DATA";
    /// Code of a non-host platform.
    NonhostCode = 0x0000_000F, "EV_NONHOST_CODE";
    /// Configuration of a non-host platform.
    NonhostConfig = 0x0000_0010, "EV_NONHOST_CONFIG";
    /// Information about a non-host platform.
    NonhostInfo = 0x0000_0011, "EV_NONHOST_INFO";
    /// The firmware omits boot device events.
    OmitBootDeviceEvents = 0x0000_0012, "EV_OMIT_BOOT_DEVICE_EVENTS";
    /// As EV_POST_CODE, with a description of the blob.
    PostCode2 = 0x0000_0013, "EV_POST_CODE2";
    /// A variable that configures a driver; PCR 7 carries secure boot's with it.
    EfiVariableDriverConfig = 0x8000_0001, "EV_EFI_VARIABLE_DRIVER_CONFIG";
    /// A boot variable (BootOrder, Boot####).
    EfiVariableBoot = 0x8000_0002, "EV_EFI_VARIABLE_BOOT";
    /// A UEFI application that was loaded.
    EfiBootServicesApplication = 0x8000_0003, "EV_EFI_BOOT_SERVICES_APPLICATION";
    /// A UEFI boot services driver that was loaded.
    EfiBootServicesDriver = 0x8000_0004, "EV_EFI_BOOT_SERVICES_DRIVER";
    /// A UEFI runtime driver that was loaded.
    EfiRuntimeServicesDriver = 0x8000_0005, "EV_EFI_RUNTIME_SERVICES_DRIVER";
    /// The disk's GPT.
    EfiGptEvent = 0x8000_0006, "EV_EFI_GPT_EVENT";
    /// An action of the UEFI firmware, as text.
    EfiAction = 0x8000_0007, "EV_EFI_ACTION";
    /// A firmware blob; the digest is of the blob.
    EfiPlatformFirmwareBlob = 0x8000_0008, "EV_EFI_PLATFORM_FIRMWARE_BLOB";
    /// Hand-off tables such as SMBIOS; the digest is of the tables.
    EfiHandoffTables = 0x8000_0009, "EV_EFI_HANDOFF_TABLES";
    /// A firmware blob with a description.
    EfiPlatformFirmwareBlob2 = 0x8000_000A, "EV_EFI_PLATFORM_FIRMWARE_BLOB2";
    /// Hand-off tables with a description.
    EfiHandoffTables2 = 0x8000_000B, "EV_EFI_HANDOFF_TABLES2";
    /// A boot variable whose digest covers name and content.
    EfiVariableBoot2 = 0x8000_000C, "EV_EFI_VARIABLE_BOOT2";
    /// The disk's GPT without its unique identifiers.
    EfiGptEvent2 = 0x8000_000D, "EV_EFI_GPT_EVENT2";
    /// An event of a root of trust before the firmware, at locality 4.
    EfiHcrtmEvent = 0x8000_0010, "EV_EFI_HCRTM_EVENT";
    /// The db entry (or shim's key) that vouched for an image.
    EfiVariableAuthority = 0x8000_00E0, "EV_EFI_VARIABLE_AUTHORITY";
    /// Firmware of a device, measured by SPDM.
    EfiSpdmFirmwareBlob = 0x8000_00E1, "EV_EFI_SPDM_FIRMWARE_BLOB";
    /// Configuration of a device, measured by SPDM.
    EfiSpdmFirmwareConfig = 0x8000_00E2, "EV_EFI_SPDM_FIRMWARE_CONFIG";
    /// The policy for SPDM devices.
    EfiSpdmDevicePolicy = 0x8000_00E3, "EV_EFI_SPDM_DEVICE_POLICY";
    /// The key that vouched for an SPDM device.
    EfiSpdmDeviceAuthority = 0x8000_00E4, "EV_EFI_SPDM_DEVICE_AUTHORITY";
}

impl EventType {
    /// From the profile's name; `None` for a name that it does not have.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().copied().find(|named| named.name() == Some(name))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("0x{:08X}", self.code())),
        }
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_a_bijection() {
        for named in EventType::NAMED {
            assert_eq!(EventType::from_code(named.code()), *named);
        }
        let mut names: Vec<_> = EventType::NAMED.iter().filter_map(|t| t.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventType::NAMED.len());
    }

    #[test]
    fn e17_an_oem_type_keeps_its_number() {
        assert_eq!(EventType::from_code(0xA000_0001), EventType::Other(0xA000_0001));
        assert_eq!(EventType::from_code(0xA000_0001).to_string(), "0xA0000001");
    }
}
