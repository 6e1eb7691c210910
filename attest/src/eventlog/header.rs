//! The Spec ID event at the head of a crypto-agile log: which algorithms follow, and how long their digests are.

use super::data::platform_id::PlatformId;
use super::data::sipa::SipaEvents;
use super::error::{EventLogError, expected_size};
use crate::digest::HashAlgorithm;
use crate::wire::{Reader, WireError};

/// TPMs have at most this many banks; a header that declares more is an attack on the reader's time (threat e06).
const MAX_ALGORITHMS: u32 = 16;

/// Signature of a crypto-agile log (PFP 1.06 §10.4.5.1).
pub(super) const AGILE: &[u8; 16] = b"Spec ID Event03\0";
/// Signatures of SHA-1-only logs: TPM 1.2 on EFI and on BIOS.
const SHA1_ONLY: [&[u8; 16]; 2] = [b"Spec ID Event02\0", b"Spec ID Event00\0"];

/// Which of the two record formats a log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// TCG_PCR_EVENT2 after a Spec ID event.
    Agile,
    /// TCG_PCR_EVENT throughout.
    Sha1Only,
}

/// What the first event's data says about the log's format.
pub(super) fn format_of(no_action_data: &[u8]) -> Result<Format, EventLogError> {
    let Some(signature) = no_action_data.first_chunk::<16>() else {
        // Shorter than a signature: an old log whose first event informs about something else (threat e17).
        return Ok(Format::Sha1Only);
    };
    if signature == AGILE {
        return Ok(Format::Agile);
    }
    // Old firmware begins with what another event of no action says, and so does Windows where it hands out the events of
    // a resume alone (threat e17).
    let informs = signature == super::startup::SIGNATURE
        || PlatformId::begins(no_action_data)
        || SipaEvents::parse(no_action_data).is_ok_and(|_| SipaEvents::is_sipa(no_action_data));
    if SHA1_ONLY.contains(&signature) || informs {
        return Ok(Format::Sha1Only);
    }
    Err(EventLogError::UnknownSignature { found: signature.escape_ascii().to_string() })
}

/// Whether a crypto-agile log begins here: the first record of two logs that were put together has the form of old logs
/// and would be misread as several events.
pub(super) fn begins_log(bytes: &[u8]) -> bool {
    let kind = bytes.get(4..8) == Some(&super::EventType::NoAction.code().to_le_bytes());
    // PCR, type, a SHA-1 digest and the size come before the data.
    kind && bytes.get(32..48) == Some(AGILE)
}

/// TCG_EfiSpecIDEvent (PFP 1.06 §10.4.5.1): the facts at the head of a crypto-agile log.
///
/// Nothing measures them: a version here is a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecId<'a> {
    platform_class: u32,
    version: (u8, u8, u8),
    uintn_size: u8,
    algorithms: &'a [u8],
    vendor_info: &'a [u8],
}

impl<'a> SpecId<'a> {
    /// Reads the data of the first event; `offset` is where it begins in the log.
    pub(super) fn parse(data: &'a [u8], offset: usize) -> Result<Self, EventLogError> {
        let mut r = Reader::at(data, offset);
        let header = Self::read(&mut r).map_err(|source| EventLogError::Cut { index: 0, source })??;
        r.finish("TCG_EfiSpecIDEvent").map_err(|source| EventLogError::Cut { index: 0, source })?;
        header.check_algorithms()?;
        Ok(header)
    }

    fn read(r: &mut Reader<'a>) -> Result<Result<Self, EventLogError>, WireError> {
        r.take(16, "signature")?;
        let platform_class = r.u32_le("platformClass")?;
        let minor = r.u8("specVersionMinor")?;
        let major = r.u8("specVersionMajor")?;
        let errata = r.u8("specErrata")?;
        let uintn_size = r.u8("uintnSize")?;
        if major != 2 {
            return Ok(Err(EventLogError::UnsupportedVersion { major }));
        }
        let count = r.u32_le("numberOfAlgorithms")?;
        let Some(size) = usize::try_from(count).ok().filter(|_| (1..=MAX_ALGORITHMS).contains(&count)) else {
            return Ok(Err(EventLogError::AlgorithmCount { count, max: MAX_ALGORITHMS }));
        };
        let algorithms = r.take(size.saturating_mul(4), "digestSizes")?;
        let vendor_size = r.u8("vendorInfoSize")?;
        let vendor_info = r.take(usize::from(vendor_size), "vendorInfo")?;
        Ok(Ok(Self { platform_class, version: (major, minor, errata), uintn_size, algorithms, vendor_info }))
    }

    fn check_algorithms(&self) -> Result<(), EventLogError> {
        for (position, (id, size)) in self.algorithms().enumerate() {
            let known = HashAlgorithm::from_tpm_id(id);
            let right = known.map_or((1..=64).contains(&size), |alg| usize::from(size) == alg.len());
            if !right {
                let expected = expected_size(known);
                return Err(EventLogError::AlgorithmSize { algorithm: id, declared: size, expected });
            }
            if self.algorithms().take(position).any(|(earlier, _)| earlier == id) {
                return Err(EventLogError::RepeatedAlgorithm { index: 0, algorithm: id });
            }
        }
        Ok(())
    }

    /// 0 for a client, 1 for a server.
    #[must_use]
    pub const fn platform_class(&self) -> u32 {
        self.platform_class
    }

    /// Major, minor and errata of the specification that the firmware says it follows.
    #[must_use]
    pub const fn version(&self) -> (u8, u8, u8) {
        self.version
    }

    /// 1 for 32-bit, 2 for 64-bit firmware.
    #[must_use]
    pub const fn uintn_size(&self) -> u8 {
        self.uintn_size
    }

    /// The declared algorithms as TPM_ALG_ID and digest size in bytes, in the header's order, at most 16.
    pub fn algorithms(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        self.algorithms.chunks_exact(4).filter_map(|chunk| {
            let [a, b, c, d] = *chunk.first_chunk::<4>()?;
            Some((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
        })
    }

    /// The vendor's bytes, at most 255.
    #[must_use]
    pub const fn vendor_info(&self) -> &'a [u8] {
        self.vendor_info
    }

    /// A declared algorithm's place in the header and its digest size in bytes.
    pub(super) fn position_of(&self, algorithm: u16) -> Option<(usize, usize)> {
        let (position, (_, size)) = self.algorithms().enumerate().find(|(_, (id, _))| *id == algorithm)?;
        Some((position, usize::from(size)))
    }
}
