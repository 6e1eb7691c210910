//! EV_EFI_SPDM_FIRMWARE_BLOB and _CONFIG: what a device said of its own firmware (PFP 1.06 §10.2.10).
//!
//! The digest is of the device's answer. What is read here names the device, and is a hint.

use super::device_path::DevicePath;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

/// The headers' signatures: with a measurement block, and with sub-headers.
const FIRST: &[u8; 16] = b"SPDM Device Sec\0";
const SECOND: &[u8; 16] = b"SPDM Device Sec2";

/// DEVICE_TYPE_PCI.
const PCI: u32 = 1;

/// A device that was measured by SPDM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpdmDevice<'a> {
    version: u16,
    authentication: Option<u8>,
    device_type: u32,
    path: DevicePath<'a>,
    measurement: &'a [u8],
    pci: Option<[u16; 2]>,
}

impl<'a> SpdmDevice<'a> {
    /// Reads TCG_DEVICE_SECURITY_EVENT_DATA or its second form.
    ///
    /// # Errors
    /// [`EventDataError`]: another signature, a length beyond the data, a device path that [`DevicePath::parse`]
    /// refuses.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let signature: [u8; 16] = r.array("Signature")?;
        let version = r.u16_le("Version")?;
        match &signature {
            FIRST => Self::first(r, version, data.len()),
            SECOND => Self::second(r, version, data.len()),
            _ => Err(EventDataError::SpdmSignature),
        }
    }

    fn first(mut r: Reader<'a>, version: u16, size: usize) -> Result<Self, EventDataError> {
        let claimed = r.u16_le("Length")?;
        within(u64::from(claimed), size)?;
        r.u32_le("SpdmHashAlgo")?;
        let device_type = r.u32_le("DeviceType")?;
        r.take(2, "MeasurementBlock")?;
        let len = r.u16_le("MeasurementSize")?;
        let measurement = r.take(usize::from(len), "Measurement")?;
        let path = device_path(&mut r, size)?;
        Ok(Self { version, authentication: None, device_type, path, measurement, pci: pci(device_type, r) })
    }

    fn second(mut r: Reader<'a>, version: u16, size: usize) -> Result<Self, EventDataError> {
        let authentication = Some(r.u8("AuthState")?);
        r.take(1, "Reserved")?;
        let claimed = r.u32_le("Length")?;
        within(u64::from(claimed), size)?;
        let device_type = r.u32_le("DeviceType")?;
        r.u32_le("SubHeaderType")?;
        let len = r.u32_le("SubHeaderLength")?;
        r.u64_le("SubHeaderUID")?;
        let path = device_path(&mut r, size)?;
        let measurement = r.take(within(u64::from(len), size)?, "SubHeader")?;
        Ok(Self { version, authentication, device_type, path, measurement, pci: pci(device_type, r) })
    }

    /// The structure's version, 1 or 2.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Whether the device proved its identity: 0 it did; 1 and above it did not, or could not. `None` in version 1.
    #[must_use]
    pub const fn authentication(&self) -> Option<u8> {
        self.authentication
    }

    /// 1 for PCI, 2 for USB.
    #[must_use]
    pub const fn device_type(&self) -> u32 {
        self.device_type
    }

    /// Where the device is.
    #[must_use]
    pub const fn path(&self) -> DevicePath<'a> {
        self.path
    }

    /// The measurement block's value, or the sub-header with all that it carries.
    #[must_use]
    pub const fn measurement(&self) -> &'a [u8] {
        self.measurement
    }

    /// Vendor and device id of a PCI device.
    #[must_use]
    pub const fn pci_ids(&self) -> Option<[u16; 2]> {
        self.pci
    }
}

fn within(claimed: u64, left: usize) -> Result<usize, EventDataError> {
    usize::try_from(claimed).ok().filter(|len| *len <= left).ok_or(EventDataError::TooLong {
        what: "Length",
        claimed,
        left,
    })
}

fn device_path<'a>(r: &mut Reader<'a>, size: usize) -> Result<DevicePath<'a>, EventDataError> {
    let len = r.u64_le("DevicePathLength")?;
    DevicePath::parse(r.take(within(len, size)?, "DevicePath")?)
}

/// The context of a PCI device: version and length, vendor and device, and more.
fn pci(device_type: u32, mut r: Reader<'_>) -> Option<[u16; 2]> {
    if device_type != PCI {
        return None;
    }
    r.take(4, "DeviceContext").ok()?;
    Some([r.u16_le("VendorId").ok()?, r.u16_le("DeviceId").ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: [u8; 10] = [1, 1, 6, 0, 0, 3, 0x7F, 0xFF, 4, 0];
    const CONTEXT: [u8; 8] = [0, 0, 16, 0, 0x86, 0x80, 0x34, 0x12];

    fn first() -> Vec<u8> {
        let mut data = [&FIRST[..], &[1, 0, 61, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 1, 3, 0, 7, 7, 7]].concat();
        data.extend(10_u64.to_le_bytes());
        [&data[..], &PATH, &CONTEXT].concat()
    }

    fn second() -> Vec<u8> {
        let mut data =
            [&SECOND[..], &[2, 0, 1, 0, 73, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0], &[9; 8]].concat();
        data.extend(10_u64.to_le_bytes());
        [&data[..], &PATH, &[7; 3], &CONTEXT].concat()
    }

    #[test]
    fn both_forms_name_the_device() {
        for (data, authentication) in [(first(), None), (second(), Some(1))] {
            let device = SpdmDevice::parse(&data).unwrap();
            assert_eq!((device.authentication(), device.measurement()), (authentication, &[7; 3][..]));
            assert_eq!(device.pci_ids(), Some([0x8086, 0x1234]));
            assert_eq!(device.path().to_text(), "Pci(0x3,0x0)");
        }
        assert_eq!(SpdmDevice::parse(&[b'x'; 80]), Err(EventDataError::SpdmSignature));
    }

    #[test]
    fn e18_lengths_of_an_spdm_event_that_lie_are_refused() {
        for data in [first(), second()] {
            // The context is optional, the rest is not.
            for end in 0..data.len() - CONTEXT.len() {
                assert!(SpdmDevice::parse(&data[..end]).is_err(), "cut at {end}");
            }
        }
        let lie = |mut data: Vec<u8>, at: usize, bytes: &[u8]| {
            data[at..at + bytes.len()].copy_from_slice(bytes);
            SpdmDevice::parse(&data).is_err()
        };
        assert!(lie(first(), 18, &[0xFF, 0xFF]) && lie(first(), 30, &[0xFF, 0xFF]));
        assert!(lie(first(), 35, &[0xFF; 8]) && lie(first(), 35, &[9]));
        assert!(
            lie(second(), 20, &[0xFF; 4]) && lie(second(), 32, &[0xFF; 4]) && lie(second(), 44, &[0xFF; 8])
        );
    }
}
