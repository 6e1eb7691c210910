//! Shim's state in PCR 7: the SBAT level that it enforces, and whether it verifies at all (threat e20).

use super::authority::MeasuredAuthority;
use super::seen::Seen;
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::sbat::SbatLevel;

/// What shim told of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShimState<'a> {
    /// The SBAT level, out of the only such event.
    pub sbat_level: Option<SbatLevel<'a>>,
    /// Whether shim was told to verify nothing.
    pub verification_disabled: Option<bool>,
}

/// Reads PCR 7 after its separator.
#[derive(Debug)]
pub(super) struct ShimEvents<'a> {
    disabled: Digest,
    level: Option<SbatLevel<'a>>,
    levels: u32,
    state: Option<bool>,
    explained: bool,
}

impl<'a> ShimEvents<'a> {
    pub(super) fn new(bank: HashAlgorithm) -> Self {
        let name: Vec<u8> = "MokSBState".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let lengths = [10_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat();
        Self {
            disabled: bank.digest_parts(&[Guid::SHIM.as_bytes(), &lengths, &name, &[1]]),
            level: None,
            levels: 0,
            state: None,
            explained: true,
        }
    }

    pub(super) fn see(&mut self, seen: &Seen<'a>, authority: &MeasuredAuthority<'a>) {
        if *seen.digest() == self.disabled {
            // Known by its digest: no other name in the log hides it.
            self.state = Some(true);
            return;
        }
        let Some(variable) = authority.variable() else {
            // Content alone may be a whole variable of another name: only a certificate is what it is.
            self.explained &= authority.certificate().is_some();
            return;
        };
        if variable.is(Guid::SHIM, "SbatLevel") {
            self.levels = self.levels.saturating_add(1);
            self.level = SbatLevel::parse(variable.content());
        } else if variable.is(Guid::SHIM, "MokSBState") {
            let disabled = variable.content() != [0];
            self.state = Some(self.state.unwrap_or(false) || disabled);
        }
    }

    /// The only SbatLevel counts, and only where nothing stands beside it that could be the true one (threat e11).
    pub(super) fn conclude(self) -> ShimState<'a> {
        ShimState {
            sbat_level: self.level.filter(|_| self.levels == 1 && self.explained),
            verification_disabled: self.state.filter(|disabled| *disabled || self.explained),
        }
    }
}
