//! EV_SEPARATOR's data (PFP 1.06 §10.4.2).

use serde::Serialize;

use crate::eventlog::error::EventDataError;

/// The value of a separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// 0x00000000 or 0xFFFFFFFF: all went well.
    Normal,
    /// 0x00000001: the firmware met an error while measuring.
    Error,
    /// A value that the profile does not know.
    Unknown(u32),
}

impl Separator {
    /// Reads the 4 bytes of a separator, and the zeros behind them with which coreboot fills its slots.
    ///
    /// # Errors
    /// [`EventDataError::SeparatorSize`] for another size.
    pub fn parse(data: &[u8]) -> Result<Self, EventDataError> {
        let (bytes, _) = data
            .split_first_chunk::<4>()
            .filter(|(_, slot)| slot.iter().all(|byte| *byte == 0))
            .ok_or(EventDataError::SeparatorSize { len: data.len() })?;
        Ok(match u32::from_le_bytes(*bytes) {
            0 | u32::MAX => Self::Normal,
            1 => Self::Error,
            other => Self::Unknown(other),
        })
    }
}
