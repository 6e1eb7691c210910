//! What a TPM says of itself.

use tss_esapi::constants::{PropertyTag, StartupType};

use crate::context::Tpm;
use crate::error::TpmError;

/// Identity and condition of a TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmInfo {
    /// Four letters out of the TCG vendor registry: `IFX`, `STM`, `INTC`, `IBM` for swtpm.
    pub manufacturer: String,
    /// The maker's own text.
    pub vendor: String,
    /// The firmware's version, two numbers of 32 bits.
    pub firmware: (u32, u32),
    /// Failed authorizations so far.
    pub lockout_counter: u32,
    /// Failed authorizations until lockout.
    pub max_auth_fail: u32,
    /// Whether the TPM is in lockout now.
    pub in_lockout: bool,
}

impl TpmInfo {
    /// Whether this is a software TPM, which proves nothing about hardware.
    #[must_use]
    pub fn is_simulator(&self) -> bool {
        self.vendor.contains("SW") || matches!(self.manufacturer.as_str(), "XCG" | "MSFT")
    }
}

impl Tpm {
    /// Asks the TPM for its properties (TPM2_GetCapability, Part 2 §6.13).
    ///
    /// # Errors
    /// [`TpmError`] when it can't be asked.
    pub fn info(&self) -> Result<TpmInfo, TpmError> {
        let vendor: String = [
            PropertyTag::VendorString1,
            PropertyTag::VendorString2,
            PropertyTag::VendorString3,
            PropertyTag::VendorString4,
        ]
        .into_iter()
        .map(|tag| self.property(tag).map(letters))
        .collect::<Result<_, _>>()?;
        Ok(TpmInfo {
            manufacturer: letters(self.property(PropertyTag::Manufacturer)?),
            vendor: vendor.trim().to_owned(),
            firmware: (
                self.property(PropertyTag::FirmwareVersion1)?,
                self.property(PropertyTag::FirmwareVersion2)?,
            ),
            lockout_counter: self.property(PropertyTag::LockoutCounter)?,
            max_auth_fail: self.property(PropertyTag::MaxAuthFail)?,
            // TPMA_PERMANENT, bit 9: inLockout (Part 2 §8.6).
            in_lockout: self.property(PropertyTag::Permanent)? & (1 << 9) != 0,
        })
    }

    fn property(&self, tag: PropertyTag) -> Result<u32, TpmError> {
        self.run("TPM2_GetCapability", |context| context.get_tpm_property(tag))
            .map(|value| value.unwrap_or(0))
    }

    /// Handles of transient objects and loaded sessions that occupy the TPM's memory now.
    ///
    /// # Errors
    /// [`TpmError`] when it can't be asked.
    pub fn loaded_handles(&self) -> Result<Vec<u32>, TpmError> {
        use tss_esapi::constants::CapabilityType;
        use tss_esapi::structures::CapabilityData;
        let mut found = Vec::new();
        // First handle of each range: transient objects, loaded sessions, saved sessions (Part 2 §7.2).
        for (first, range) in [(0x8000_0000, 0x80), (0x0200_0000, 0x02), (0x0300_0000, 0x03)] {
            let (data, _) = self.run("TPM2_GetCapability", |context| {
                context.get_capability(CapabilityType::Handles, first, 64)
            })?;
            if let CapabilityData::Handles(handles) = data {
                found.extend(
                    handles.iter().map(|handle| u32::from(*handle)).filter(|handle| handle >> 24 == range),
                );
            }
        }
        Ok(found)
    }

    /// Flushes transient objects and sessions that somebody left behind: a program that was killed can't do it itself.
    ///
    /// Only for a TPM that nobody else uses: it can't tell whose they are.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM refuses.
    pub(crate) fn flush_leftovers(&self) -> Result<(), TpmError> {
        for handle in self.loaded_handles()? {
            tracing::info!(handle = format_args!("0x{handle:08x}"), "flushing what another program left");
            self.flush_handle(handle)?;
        }
        Ok(())
    }

    /// Tells the TPM that its power is about to go (TPM2_Shutdown(CLEAR), Part 3 §9.4), so that the next start is an orderly
    /// one.
    ///
    /// # Errors
    /// [`TpmError`] when it can't be told.
    pub fn shut_down(&self) -> Result<(), TpmError> {
        self.run("TPM2_Shutdown", |context| context.shutdown(StartupType::Clear))
    }

    /// Random bytes from the TPM, at most 32 a call on every TPM.
    ///
    /// # Errors
    /// [`TpmError`] when it can't be asked.
    pub fn random(&self, bytes: usize) -> Result<Vec<u8>, TpmError> {
        let mut random = Vec::with_capacity(bytes);
        while random.len() < bytes {
            let part = self.run("TPM2_GetRandom", |context| {
                context.get_random(bytes.saturating_sub(random.len()).min(32))
            })?;
            random.extend_from_slice(part.value());
        }
        random.truncate(bytes);
        Ok(random)
    }
}

fn letters(value: u32) -> String {
    value
        .to_be_bytes()
        .into_iter()
        .filter(|byte| byte.is_ascii_graphic() || *byte == b' ')
        .map(char::from)
        .collect()
}
