//! UEFI_VARIABLE_DATA (PFP 1.06 §10.2.6): the variables of secure boot, the boot order, and what vouched for an image.

use super::guid::Guid;
use super::text::Utf16;
use crate::digest::Digest;
use crate::eventlog::binding::{Binding, Hint, Portion, first_match};
use crate::eventlog::error::EventDataError;
use crate::eventlog::event_type::EventType;
use crate::wire::Reader;

/// The most bytes that shim logs after a variable's content.
const SHIM_TAIL: usize = 8;

/// A variable as the firmware measured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UefiVariable<'a> {
    guid: Guid,
    name: Utf16<'a>,
    content: &'a [u8],
}

impl<'a> UefiVariable<'a> {
    /// Reads GUID, name and content, which must fill `data`.
    ///
    /// # Errors
    /// [`EventDataError`] for lengths past the end (2^64 included, threat e06) and for bytes that are left.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let variable = Self::read(&mut r)?;
        r.finish("UEFI_VARIABLE_DATA")?;
        Ok(variable)
    }

    /// As the event's type logs it: shim hashes up to five bytes after EV_EFI_VARIABLE_AUTHORITY's content, and logs
    /// one more. The lengths are covered, so that nothing can hide there.
    pub(in crate::eventlog) fn of(kind: EventType, data: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(data);
        let variable = Self::read(&mut r)?;
        if kind != EventType::EfiVariableAuthority || r.rest().len() > SHIM_TAIL {
            r.finish("UEFI_VARIABLE_DATA")?;
        }
        Ok(variable)
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        let guid = Guid::new(r.array("VariableName")?);
        let name_units = r.u64_le("UnicodeNameLength")?;
        let content_len = r.u64_le("VariableDataLength")?;
        let left = r.rest().len();
        let too_long = |what, claimed| EventDataError::TooLong { what, claimed, left };
        let name_len = usize::try_from(name_units)
            .ok()
            .and_then(|units| units.checked_mul(2))
            .ok_or(too_long("UnicodeNameLength", name_units))?;
        let content_len =
            usize::try_from(content_len).map_err(|_| too_long("VariableDataLength", content_len))?;
        let name = Utf16::new(r.take(name_len, "UnicodeName")?, "UnicodeName", 32)?;
        let content = r.take(content_len, "VariableData")?;
        Ok(Self { guid, name, content })
    }

    /// The vendor's GUID (the profile calls it VariableName).
    #[must_use]
    pub const fn guid(&self) -> Guid {
        self.guid
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> Utf16<'a> {
        self.name
    }

    /// The content.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }

    /// Whether this is the variable `name` of `guid`.
    #[must_use]
    pub fn is(&self, guid: Guid, name: &str) -> bool {
        self.guid == guid && self.name.is(name)
    }
}

/// The rules of the variables' types.
///
/// Driver configuration is hashed whole, always: PCR 7's meaning hangs on the name, so no looser rule may bind it.
pub(in crate::eventlog) fn binding(kind: EventType, data: &[u8], digest: &Digest) -> Binding {
    let Ok(variable) = UefiVariable::of(kind, data) else { return Binding::Hint(Hint::Malformed) };
    let whole = (Portion::Whole, [data, &[][..]]);
    let content = (Portion::VariableContent, [variable.content, &[][..]]);
    let shorter = data.split_last().map_or(&[][..], |(_, shorter)| shorter);
    match kind {
        EventType::EfiVariableBoot => first_match(digest, [whole, content]),
        EventType::EfiVariableAuthority => {
            first_match(digest, [whole, (Portion::WithoutLastByte, [shorter, &[]]), content])
        }
        _ => first_match(digest, [whole]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e06_a_name_of_2_to_the_64_is_refused() {
        let mut data = [0; 40];
        for claimed in [u64::MAX, u64::MAX / 2, u64::MAX / 2 + 1, 1 << 63] {
            data[16..24].copy_from_slice(&claimed.to_le_bytes());
            assert!(UefiVariable::parse(&data).is_err());
        }
        data[16..24].copy_from_slice(&0_u64.to_le_bytes());
        data[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(UefiVariable::parse(&data).is_err());
    }
}
