//! One record of a log: TCG_PCR_EVENT2, or TCG_PCR_EVENT in SHA-1-only logs (PFP 1.06 §10.2).

use super::error::EventLogError;
use super::event_type::EventType;
use super::header::SpecId;
use super::launch;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::wire::Reader;

/// EV_NO_ACTION events that belong to no PCR carry this index (Windows boot logs do).
const NO_PCR: u32 = u32::MAX;

/// One event, borrowed from the log. Nothing in it is proven: see [`MeasuredEvent`](super::MeasuredEvent).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    pub(super) index: u32,
    pub(super) offset: usize,
    pub(super) pcr: Option<PcrIndex>,
    pub(super) kind: EventType,
    pub(super) digests: Digests<'a>,
    pub(super) data: &'a [u8],
}

impl<'a> Event<'a> {
    /// An event of another kind of log (CEL's `pcclient_std`), which keeps the digests itself.
    pub(crate) const fn detached(offset: usize, pcr: PcrIndex, kind: EventType, data: &'a [u8]) -> Self {
        Self { index: 0, offset, pcr: Some(pcr), kind, digests: Digests::None, data }
    }

    /// The event's number in the log, from 0; in a crypto-agile log 0 is the Spec ID event.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The event's first byte in the log.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The PCR it extends; `None` only for EV_NO_ACTION events with index 0xFFFFFFFF, and those of TXT with index 0xFF.
    #[must_use]
    pub const fn pcr(&self) -> Option<PcrIndex> {
        self.pcr
    }

    /// What it says it is.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        self.kind
    }

    /// The event's data, as logged.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The digest of a bank.
    #[must_use]
    pub fn digest(&self, bank: HashAlgorithm) -> Option<Digest> {
        let (_, bytes) = self.digests.raw().find(|(id, _)| *id == bank.tpm_id())?;
        Digest::new(bank, bytes)
    }

    /// The digests of the algorithms that this crate computes, in the log's order; others are left out.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + use<'a> {
        self.digests.raw().filter_map(|(id, bytes)| Digest::new(HashAlgorithm::from_tpm_id(id)?, bytes))
    }

    /// Whether the TPM extended it: everything but EV_NO_ACTION, and what TXT logs of the PCRs that it uses.
    #[must_use]
    pub const fn is_extended(&self) -> bool {
        self.pcr.is_some() && !matches!(self.kind, EventType::NoAction)
    }

    /// TCG_PCR_EVENT: PCR, type, a SHA-1 digest, data.
    pub(super) fn read_sha1(r: &mut Reader<'a>, index: u32) -> Result<Self, EventLogError> {
        let offset = r.offset();
        let cut = |source| EventLogError::Cut { index, source };
        let pcr = r.u32_le("pcrIndex").map_err(cut)?;
        let kind = EventType::from_code(r.u32_le("eventType").map_err(cut)?);
        let digest = r.take(HashAlgorithm::Sha1.len(), "digest").map_err(cut)?;
        let data = r.sized_u32_le("event").map_err(cut)?;
        let pcr = pcr_of(pcr, kind, index, offset)?;
        Ok(Self { index, offset, pcr, kind, digests: Digests::Sha1(digest), data })
    }

    /// TCG_PCR_EVENT2: PCR, type, digests tagged with their algorithm, data.
    pub(super) fn read_agile(
        r: &mut Reader<'a>,
        index: u32,
        header: SpecId<'a>,
    ) -> Result<Self, EventLogError> {
        let offset = r.offset();
        let cut = |source| EventLogError::Cut { index, source };
        let pcr = r.u32_le("pcrIndex").map_err(cut)?;
        let kind = EventType::from_code(r.u32_le("eventType").map_err(cut)?);
        let digests = Digests::read(r, index, header)?;
        let data = r.sized_u32_le("event").map_err(cut)?;
        let pcr = pcr_of(pcr, kind, index, offset)?;
        Ok(Self { index, offset, pcr, kind, digests, data })
    }

    /// What a record is held against once, when its log is parsed; reading it again needs no more than its sizes.
    pub(super) fn check(
        &self,
        header: Option<SpecId<'a>>,
        banks: &mut Option<LoggedBanks>,
    ) -> Result<(), EventLogError> {
        self.check_no_action()?;
        match header {
            Some(header) if self.is_extended() => self.check_complete(header, banks),
            _ => Ok(()),
        }
    }

    /// An EV_NO_ACTION event with a digest wants to be taken for a measured one (threat e04).
    fn check_no_action(&self) -> Result<(), EventLogError> {
        let claims = || self.digests.raw().any(|(_, bytes)| bytes.iter().any(|b| *b != 0));
        if self.kind == EventType::NoAction && claims() {
            return Err(EventLogError::NoActionDigest { index: self.index, offset: self.offset });
        }
        Ok(())
    }

    /// What is extended has a digest in every bank of the log; without one the bank could not be replayed.
    ///
    /// The banks are those of the first such event. Firmware and Windows also declare algorithms whose bank is not
    /// active, and log no digest of them anywhere (threat e17).
    fn check_complete(
        &self,
        header: SpecId<'a>,
        banks: &mut Option<LoggedBanks>,
    ) -> Result<(), EventLogError> {
        let own = self.digests.declared();
        let known = banks.get_or_insert(LoggedBanks(own));
        // What the two sets don't share: this event lacks it, or the first one did.
        let odd = if own == 0 { 1 } else { known.0 ^ own };
        let mut algorithms = header.algorithms().enumerate();
        match algorithms.find(|(position, _)| odd.checked_shr(bits(*position)).unwrap_or(0) & 1 == 1) {
            Some((_, (algorithm, _))) => {
                Err(EventLogError::MissingDigest { index: self.index, offset: self.offset, algorithm })
            }
            None => Ok(()),
        }
    }
}

fn pcr_of(pcr: u32, kind: EventType, index: u32, offset: usize) -> Result<Option<PcrIndex>, EventLogError> {
    match PcrIndex::new(pcr) {
        Some(known) => Ok(Some(known)),
        None if pcr == NO_PCR && kind == EventType::NoAction => Ok(None),
        None if pcr == launch::NO_PCR_OF_TXT && is_of_no_pcr(kind) => Ok(None),
        None => Err(EventLogError::NoSuchPcr { index, offset, pcr }),
    }
}

/// What TXT logs without extending it.
const fn is_of_no_pcr(kind: EventType) -> bool {
    matches!(kind, EventType::NoAction | EventType::Other(launch::PCR_MAPPING))
}

/// The declared algorithms that a log has digests of: one bit for each, in the header's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedBanks(u32);

impl LoggedBanks {
    /// Whether the algorithm at this place of the header is among them.
    pub(super) fn has(self, position: usize) -> bool {
        self.0.checked_shr(bits(position)).unwrap_or(0) & 1 == 1
    }
}

fn bits(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// An event's digests, still in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digests<'a> {
    /// None: they stand elsewhere.
    None,
    /// One SHA-1 digest of 20 bytes.
    Sha1(&'a [u8]),
    /// TPML_DIGEST_VALUES without its count, checked against the header, and which of its algorithms they are of.
    Agile(&'a [u8], SpecId<'a>, u32),
}

impl<'a> Digests<'a> {
    fn read(r: &mut Reader<'a>, index: u32, header: SpecId<'a>) -> Result<Self, EventLogError> {
        let cut = |source| EventLogError::Cut { index, source };
        let offset = r.offset();
        let count = r.u32_le("digests.count").map_err(cut)?;
        let declared = header.algorithms().count();
        if usize::try_from(count).map_or(true, |count| count > declared) {
            return Err(EventLogError::DigestCount { index, offset, count, declared });
        }
        let start = r.clone();
        // One bit per declared algorithm, of which there are at most 16.
        let mut seen = 0_u32;
        for _ in 0..count {
            let offset = r.offset();
            let algorithm = r.u16_le("digest.hashAlg").map_err(cut)?;
            let Some((position, size)) = header.position_of(algorithm) else {
                return Err(EventLogError::UndeclaredAlgorithm { index, offset, algorithm });
            };
            if seen & (1 << position) != 0 {
                return Err(EventLogError::RepeatedAlgorithm { index, algorithm });
            }
            seen |= 1 << position;
            r.take(size, "digest").map_err(cut)?;
        }
        let len = r.offset().saturating_sub(start.offset());
        Ok(Self::Agile(start.rest().get(..len).unwrap_or_default(), header, seen))
    }

    /// One bit for each algorithm of the header that has a digest here.
    const fn declared(self) -> u32 {
        match self {
            Self::Agile(.., seen) => seen,
            Self::None | Self::Sha1(_) => 0,
        }
    }

    /// TPM_ALG_ID and bytes of every digest, known or not.
    pub(super) fn raw(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let (sha1, agile) = match self {
            Self::None => (None, None),
            Self::Sha1(bytes) => (Some((HashAlgorithm::Sha1.tpm_id(), bytes)), None),
            Self::Agile(bytes, header, _) => (None, Some((Reader::new(bytes), header))),
        };
        let agile = agile
            .into_iter()
            .flat_map(|(mut r, header)| std::iter::from_fn(move || next_digest(&mut r, header)));
        sha1.into_iter().chain(agile)
    }
}

/// TPM_ALG_ID and bytes of the next digest; ends at the first that does not fit.
fn next_digest<'a>(r: &mut Reader<'a>, header: SpecId<'a>) -> Option<(u16, &'a [u8])> {
    let id = r.u16_le("digest.hashAlg").ok()?;
    let (_, size) = header.position_of(id)?;
    Some((id, r.take(size, "digest").ok()?))
}
