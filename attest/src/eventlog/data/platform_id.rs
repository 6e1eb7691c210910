//! The SP800-155 events (PFP 1.06 §10.4.5.2): which reference manifest the platform's maker has for it.
//!
//! They are EV_NO_ACTION: nothing is extended, and everything here is a hint.

use super::guid::Guid;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// The 16 bytes that begin each version of the event, the oldest first.
const SIGNATURES: [&[u8; 16]; 3] = [b"SP800-155 Event\0", b"SP800-155 Event2", b"SP800-155 Event3"];

/// Who made platform and firmware, and where their reference values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformId<'a> {
    /// 1 to 3.
    pub version: u8,
    /// The maker's IANA enterprise number.
    pub vendor_id: u32,
    /// The reference manifest that is meant.
    pub manifest: Guid,
    /// From version 2 on.
    pub names: Option<PlatformNames<'a>>,
    /// From version 3 on: the reference manifest.
    pub manifest_locator: Option<Locator<'a>>,
    /// From version 3 on: the platform certificate.
    pub certificate_locator: Option<Locator<'a>>,
}

/// The names of version 2, ASCII with a NUL by the profile; as logged here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformNames<'a> {
    /// The platform's maker.
    pub manufacturer: &'a [u8],
    /// The platform's model.
    pub model: &'a [u8],
    /// The platform's version.
    pub version: &'a [u8],
    /// The firmware's maker.
    pub firmware_manufacturer: &'a [u8],
    /// The firmware maker's IANA enterprise number.
    pub firmware_manufacturer_id: u32,
    /// The firmware's version.
    pub firmware_version: &'a [u8],
}

/// Where something is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locator<'a> {
    /// 0 the thing itself, 1 a URI, 2 a device path, 3 a UEFI variable.
    pub kind: u32,
    /// The place.
    pub place: &'a [u8],
}

impl<'a> PlatformId<'a> {
    /// Whether data begins as one of the events does.
    pub(in crate::eventlog) fn begins(data: &[u8]) -> bool {
        SIGNATURES.iter().any(|signature| data.starts_with(*signature))
    }

    /// Reads the event's data; `None` when it is no SP800-155 event.
    ///
    /// # Errors
    /// [`EventDataError`] for names and locators past the end, and for bytes left after them.
    pub fn parse(data: &'a [u8]) -> Result<Option<Self>, EventDataError> {
        let Some((signature, rest)) = data.split_first_chunk::<16>() else { return Ok(None) };
        let Some(known) = SIGNATURES.iter().position(|known| *known == signature) else { return Ok(None) };
        let mut r = Reader::at(rest, signature.len());
        let (vendor_id, manifest) = (r.u32_le("VendorId")?, Guid::new(r.array("ReferenceManifestGuid")?));
        let names = if known >= 1 { Some(PlatformNames::read(&mut r)?) } else { None };
        let (manifest_locator, certificate_locator) = match known {
            2 => (Some(Locator::read(&mut r)?), Some(Locator::read(&mut r)?)),
            _ => (None, None),
        };
        r.finish("TCG_Sp800_155_PlatformId_Event")?;
        let version = u8::try_from(known).unwrap_or(u8::MAX).saturating_add(1);
        Ok(Some(Self { version, vendor_id, manifest, names, manifest_locator, certificate_locator }))
    }
}

impl<'a> PlatformNames<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        Ok(Self {
            manufacturer: sized(r, "PlatformManufacturerStr")?,
            model: sized(r, "PlatformModel")?,
            version: sized(r, "PlatformVersion")?,
            firmware_manufacturer: sized(r, "FirmwareManufacturerStr")?,
            firmware_manufacturer_id: r.u32_le("FirmwareManufacturerId")?,
            firmware_version: sized(r, "FirmwareVersion")?,
        })
    }
}

impl<'a> Locator<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        Ok(Self { kind: r.u32_le("LocatorType")?, place: r.sized_u32_le("Locator")? })
    }
}

fn sized<'a>(r: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], EventDataError> {
    let len = r.u8(what)?;
    Ok(r.take(usize::from(len), what)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(version: usize) -> Vec<u8> {
        let mut data = SIGNATURES[version - 1].to_vec();
        data.extend(11129_u32.to_le_bytes());
        data.extend(Guid::SHIM.as_bytes());
        if version > 1 {
            for name in [&b"Maker\0"[..], b"Model\0", b"\0", b"Maker\0"] {
                data.push(u8::try_from(name.len()).unwrap());
                data.extend(name);
            }
            data.extend(7_u32.to_le_bytes());
            data.extend(b"\x041.0\0");
        }
        if version > 2 {
            data.extend(b"\x01\0\0\0\x05\0\0\0a:b/c\0\0\0\0\0\0\0\0");
        }
        data
    }

    #[test]
    fn e17_all_versions_of_the_sp800_155_event_are_read() {
        let one = event(1);
        let one = PlatformId::parse(&one).unwrap().unwrap();
        assert_eq!((one.version, one.vendor_id, one.names), (1, 11129, None));
        let two = event(2);
        let two = PlatformId::parse(&two).unwrap().unwrap();
        let names = two.names.unwrap();
        assert_eq!((names.model, names.firmware_version), (&b"Model\0"[..], &b"1.0\0"[..]));
        let three = event(3);
        let three = PlatformId::parse(&three).unwrap().unwrap();
        assert_eq!(three.manifest_locator, Some(Locator { kind: 1, place: b"a:b/c" }));
        assert_eq!(PlatformId::parse(b"SP800-155 Event9 and more").unwrap(), None);
        assert_eq!(PlatformId::parse(b"short").unwrap(), None);
    }

    #[test]
    fn e18_every_cut_or_longer_sp800_155_event_is_refused() {
        for version in 1..=3 {
            let data = event(version);
            for end in 16..data.len() {
                assert!(PlatformId::parse(&data[..end]).is_err(), "version {version} cut at {end}");
            }
            assert!(PlatformId::parse(&[&data[..], &[0]].concat()).is_err());
        }
    }
}
