//! Logs and variables made for tests, by the same rules that firmware follows.

use crate::digest::HashAlgorithm;
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::signature::SignatureKind;
use crate::eventlog::event_type::EventType;

/// A log under construction.
#[derive(Debug, Clone)]
pub(crate) struct LogBuilder {
    pub(crate) bytes: Vec<u8>,
    banks: Vec<HashAlgorithm>,
    agile: bool,
}

impl LogBuilder {
    pub(crate) fn agile(banks: &[HashAlgorithm]) -> Self {
        let mut spec = b"Spec ID Event03\0\0\0\0\0\x00\x02\x00\x02".to_vec();
        spec.extend(u32::try_from(banks.len()).unwrap().to_le_bytes());
        for bank in banks {
            spec.extend(bank.tpm_id().to_le_bytes());
            spec.extend(u16::try_from(bank.len()).unwrap().to_le_bytes());
        }
        spec.push(0);
        let mut log = Self { bytes: Vec::new(), banks: vec![HashAlgorithm::Sha1], agile: false };
        log.event_with(0, EventType::NoAction, &[vec![0; 20]], &spec);
        Self { banks: banks.to_vec(), agile: true, ..log }
    }

    pub(crate) fn sha1() -> Self {
        Self { bytes: Vec::new(), banks: vec![HashAlgorithm::Sha1], agile: false }
    }

    /// An event whose digests are given, one per bank.
    pub(crate) fn event_with(
        &mut self,
        pcr: u32,
        kind: EventType,
        digests: &[Vec<u8>],
        data: &[u8],
    ) -> &mut Self {
        self.bytes.extend(pcr.to_le_bytes());
        self.bytes.extend(kind.code().to_le_bytes());
        if self.agile {
            self.bytes.extend(u32::try_from(digests.len()).unwrap().to_le_bytes());
        }
        for (bank, digest) in self.banks.iter().zip(digests) {
            if self.agile {
                self.bytes.extend(bank.tpm_id().to_le_bytes());
            }
            self.bytes.extend(digest);
        }
        self.bytes.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        self.bytes.extend(data);
        self
    }

    /// An event whose digests are of `hashed`.
    pub(crate) fn hashed(&mut self, pcr: u32, kind: EventType, hashed: &[u8], data: &[u8]) -> &mut Self {
        let digests: Vec<_> = self.banks.iter().map(|bank| bank.digest(hashed).as_bytes().to_vec()).collect();
        self.event_with(pcr, kind, &digests, data)
    }

    /// An event whose digests are of its data.
    pub(crate) fn event(&mut self, pcr: u32, kind: EventType, data: &[u8]) -> &mut Self {
        self.hashed(pcr, kind, data, data)
    }

    pub(crate) fn no_action(&mut self, data: &[u8]) -> &mut Self {
        let zeros: Vec<_> = self.banks.iter().map(|bank| vec![0; bank.len()]).collect();
        self.event_with(0, EventType::NoAction, &zeros, data)
    }

    pub(crate) fn startup_locality(&mut self, locality: u8) -> &mut Self {
        self.no_action(&[b"StartupLocality\0", &[locality][..]].concat())
    }

    pub(crate) fn separator(&mut self, pcr: u32) -> &mut Self {
        self.event(pcr, EventType::Separator, &[0; 4])
    }

    pub(crate) fn config(&mut self, guid: Guid, name: &str, content: &[u8]) -> &mut Self {
        self.event(7, EventType::EfiVariableDriverConfig, &variable(guid, name, content))
    }
}

/// UEFI_VARIABLE_DATA.
pub(crate) fn variable(guid: Guid, name: &str, content: &[u8]) -> Vec<u8> {
    let mut data = guid.as_bytes().to_vec();
    data.extend(u64::try_from(name.encode_utf16().count()).unwrap().to_le_bytes());
    data.extend(u64::try_from(content.len()).unwrap().to_le_bytes());
    data.extend(utf16(name));
    data.extend(content);
    data
}

/// EFI_SIGNATURE_LIST of entries of one size, enrolled by the image security database's own GUID.
pub(crate) fn signature_list(kind: SignatureKind, entries: &[&[u8]]) -> Vec<u8> {
    let each = 16 + entries.first().map_or(256, |entry| entry.len());
    let mut list = kind.guid().as_bytes().to_vec();
    list.extend(u32::try_from(28 + each * entries.len()).unwrap().to_le_bytes());
    list.extend([0; 4]);
    list.extend(u32::try_from(each).unwrap().to_le_bytes());
    for entry in entries {
        list.extend(Guid::IMAGE_SECURITY.as_bytes());
        list.extend(*entry);
    }
    list
}

/// TCG_PCClientTaggedEvent.
pub(crate) fn tag(id: u32, content: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &u32::try_from(content.len()).unwrap().to_le_bytes(), content].concat()
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// UEFI_IMAGE_LOAD_EVENT with a PCI node and a file.
pub(crate) fn image_load(file: &str) -> Vec<u8> {
    let file = utf16(&format!("{file}\0"));
    let mut path = vec![1, 1, 6, 0, 0, 3, 4, 4];
    path.extend(u16::try_from(file.len() + 4).unwrap().to_le_bytes());
    path.extend(file);
    path.extend([0x7F, 0xFF, 4, 0]);
    let mut data = vec![0; 24];
    data.extend(u64::try_from(path.len()).unwrap().to_le_bytes());
    data.extend(path);
    data
}

/// A boot with secure boot on, one image, GRUB's command line, and a clean hand-over.
pub(crate) fn good_boot(mut log: LogBuilder) -> LogBuilder {
    use EventType as E;
    log.event(0, E::SCrtmVersion, b"1.0\0")
        .hashed(0, E::EfiPlatformFirmwareBlob, b"firmware", &[0; 16])
        .config(Guid::GLOBAL, "SecureBoot", &[1])
        .config(Guid::GLOBAL, "PK", b"key")
        .separator(7)
        .hashed(1, E::EfiVariableBoot, b"\x01", &variable(Guid::GLOBAL, "BootOrder", &[1]))
        .event(4, E::EfiAction, b"Calling EFI Application from Boot Option");
    for pcr in 0..7 {
        log.separator(pcr);
    }
    log.event(7, E::EfiVariableAuthority, &variable(Guid::IMAGE_SECURITY, "db", b"cert"))
        .hashed(4, E::EfiBootServicesApplication, b"shim", &image_load("\\EFI\\BOOT\\BOOTX64.EFI"))
        .hashed(8, E::Ipl, b"linux /vmlinuz ro", b"grub_cmd: linux /vmlinuz ro\0")
        .hashed(8, E::Ipl, b"/vmlinuz ro", b"kernel_cmdline: /vmlinuz ro\0")
        .hashed(9, E::EventTag, &utf16("BOOT_IMAGE=/vmlinuz ro\0"), b"\xed\x22\x3b\x8f\x01\0\0\0x")
        .event(5, E::EfiAction, b"Exit Boot Services Invocation")
        .event(5, E::EfiAction, b"Exit Boot Services Returned with Success");
    log
}
