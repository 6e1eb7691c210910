//! TCG event logs: what the firmware and the loaders say that they measured.
//!
//! A log is a claim. It becomes evidence where its replay equals a quoted PCR, and even then only as far as a digest
//! covers the bytes that one reads:
//!
//! ```text
//! bytes ──parse──▶ EventLog ──replay──▶ ReplayedPcrs              what the log claims
//!                  EventLog ──against a quote──▶ MeasuredBoot     per PCR: matches, differs, unexplained, untouched
//!                                MeasuredBoot ──▶ MeasuredEvent   events of matching PCRs only
//!                                MeasuredBoot ──▶ Facts           secure boot, separators, command line …
//! ```
//!
//! Formats: TCG PC Client Platform Firmware Profile (PFP) 1.06 §10, crypto-agile and SHA-1-only.
//!
//! ```
//! use attest::eventlog::EventLog;
//! use attest::{HashAlgorithm, PcrIndex};
//!
//! # let mut bytes = vec![0; 28]; // PCR 0, type 8 (EV_S_CRTM_VERSION), a SHA-1 digest, four bytes of data
//! # bytes[4] = 8; bytes.splice(8.., HashAlgorithm::Sha1.digest(b"1.0\0").as_bytes().iter().copied());
//! # bytes.extend([4, 0, 0, 0]); bytes.extend(b"1.0\0");
//! let log = EventLog::parse(&bytes)?;
//! let claimed = log.replay();
//! assert!(claimed.get(HashAlgorithm::Sha1, PcrIndex::FIRMWARE).is_some());
//! # Ok::<(), attest::eventlog::EventLogError>(())
//! ```

mod binding;
mod data;
mod error;
mod event;
mod event_type;
mod facts;
mod header;
mod launch;
mod placement;
mod replay;
mod report;
mod startup;

#[cfg(test)]
pub(crate) mod tests;

pub use binding::{Binding, Hint, Portion};
pub use data::EventData;
pub use data::device_path::{DevicePath, DevicePaths};
pub use data::firmware_blob::FirmwareBlob;
pub use data::gpt::{Gpt, Partition};
pub use data::guid::Guid;
pub use data::handoff::HandoffTables;
pub use data::image::ImageLoad;
pub use data::ipl::Ipl;
pub use data::load_option::{LoadOption, LoadOrder};
pub use data::platform_id::{Locator, PlatformId, PlatformNames};
pub use data::sbat::SbatLevel;
pub use data::separator::Separator;
pub use data::signature::{
    Signature, SignatureData, SignatureKind, SignatureList, SignatureLists, X509Certificate, X509Fields,
};
pub use data::sipa::{SipaEvent, SipaEvents};
pub use data::spdm::SpdmDevice;
pub use data::tag::TaggedEvent;
pub use data::text::Utf16;
pub(crate) use data::text::escaped;
pub use data::variable::UefiVariable;
pub use data::variable_value::{Authority, AuthorityEntry, VariableValue};
pub use error::{EventDataError, EventLogError};
pub use event::Event;
pub use event_type::EventType;
pub use facts::authority::{MeasuredAuthority, describe_authority};
pub use facts::boot_fault::BootFault;
pub use facts::command_line::CommandLine;
pub use facts::configuration::SecureBootConfiguration;
pub use facts::exit_boot_services::ExitBootServices;
pub use facts::firmware::FirmwareVersion;
pub use facts::loaded_image::LoadedImage;
pub use facts::secure_boot::{SecureBoot, SecureBootDoubt};
pub use facts::shim::ShimState;
pub(crate) use facts::system::PHASES;
pub use facts::system::{MeasuredFileSystem, SystemIdentity};
pub use facts::uki::{EfiStub, UkiSection};
pub use facts::{Facts, Misplaced, Place};
pub use header::SpecId;
pub use launch::DynamicLaunch;
pub use placement::{Placement, pcr_usage, placement};
pub use replay::final_events::FinalEvents;
pub use replay::logs::{BootLogs, LogSource, MAX_MEASUREMENT_LOGS};
pub use replay::measured::{Counts, MeasuredBoot, MeasuredEvent, MeasuredRecord, PcrVerdict};
pub(crate) use replay::measured::{measured_boot, measured_logs};
pub use replay::separators::SeparatorState;
pub use report::describe::{describe, summary_line};
pub use report::detail::{EventDetail, VariableDetail};
pub use report::diagnosis::{Cause, Diagnosis, EventPlace, MAX_HASHES, diagnose};
pub use report::diff::{BootDiff, Change, ChangedEvent, ChangedPcr, diff};
pub use report::explain::{Explanation, Step, explain};
pub use report::role::Role;
pub use report::view::EventView;

use crate::digest::HashAlgorithm;
use crate::pcr::{PcrIndex, ReplayedPcrs};
use crate::wire::Reader;
use header::Format;

/// A parsed event log that borrows its bytes; it holds no event, so its size does not grow with the log (threat e06).
#[derive(Debug, Clone, Copy)]
pub struct EventLog<'a> {
    header: Option<SpecId<'a>>,
    first: Event<'a>,
    /// The records after the first, without padding; each was read once, so that reading them again succeeds.
    records: &'a [u8],
    records_offset: usize,
    count: u32,
    padding: usize,
    // Kept from the one walk that checked them.
    startup: startup::Startup,
    launch: Option<DynamicLaunch>,
    logged_banks: Option<event::LoggedBanks>,
}

impl<'a> EventLog<'a> {
    /// Reads a whole log, of either format, and checks all of it before anything is believed.
    ///
    /// Zero or 0xFF bytes after the last event are padding. No event can be taken for it: an extended event of a
    /// crypto-agile log has digests, and an all-zero TCG_PCR_EVENT would be a reserved type with a digest that no hash
    /// gives. A log that was cut within the zero bytes that a record of PCR 0 begins with looks padded; it then equals
    /// the log without that event, and its replay differs from the quote.
    ///
    /// # Errors
    /// [`EventLogError`]: an empty log, one cut off, sizes and counts beyond the data, a header or events that
    /// contradict each other, a StartupLocality that is malformed, late or repeated.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventLogError> {
        if padding_of(bytes) == bytes.len() {
            return Err(EventLogError::Empty);
        }
        let mut r = Reader::new(bytes);
        let first = Event::read_sha1(&mut r, 0)?;
        first.check(None, &mut None)?;
        let header = header_of(&first)?;
        let mut log = Self {
            header,
            first,
            records: r.rest(),
            records_offset: r.offset(),
            count: 1,
            padding: 0,
            startup: startup::Startup::default(),
            launch: None,
            logged_banks: None,
        };
        log.walk(r)?;
        Ok(log)
    }

    /// Reads every record once.
    fn walk(&mut self, mut r: Reader<'a>) -> Result<(), EventLogError> {
        if self.header.is_none() {
            self.startup.see(&self.first)?;
            self.launch = DynamicLaunch::of(&self.first);
        }
        let padding = padding_of(r.rest());
        while r.rest().len() > padding {
            if self.header.is_some() && header::begins_log(r.rest()) {
                return Err(EventLogError::RepeatedHeader { index: self.count, offset: r.offset() });
            }
            let event = self.read(&mut r, self.count)?;
            event.check(self.header, &mut self.logged_banks)?;
            if event.kind == EventType::NoAction && event.data.starts_with(header::AGILE) {
                return Err(EventLogError::RepeatedHeader { index: event.index, offset: event.offset });
            }
            self.startup.see(&event)?;
            if let Some(launch) = DynamicLaunch::of(&event) {
                self.launch = Some(self.launch.map_or(launch, |known| known.and(launch)));
            }
            self.count = self.count.checked_add(1).ok_or(EventLogError::TooManyEvents)?;
        }
        self.padding = r.rest().len();
        let used = self.records.len().saturating_sub(self.padding);
        self.records = self.records.get(..used).unwrap_or_default();
        Ok(())
    }

    fn read(&self, r: &mut Reader<'a>, index: u32) -> Result<Event<'a>, EventLogError> {
        match self.header {
            Some(header) => Event::read_agile(r, index, header),
            None => Event::read_sha1(r, index),
        }
    }

    /// The Spec ID event's facts; `None` for a SHA-1-only log.
    #[must_use]
    pub const fn spec_id(&self) -> Option<&SpecId<'a>> {
        self.header.as_ref()
    }

    /// All events in order, the Spec ID event included.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let log = *self;
        let mut r = Reader::at(self.records, self.records_offset);
        let mut index = 0_u32;
        std::iter::once(self.first).chain(std::iter::from_fn(move || {
            if r.is_empty() {
                return None;
            }
            index = index.checked_add(1)?;
            // `parse` has read the same bytes by the same rules.
            log.read(&mut r, index).ok()
        }))
    }

    /// Whether it is the log of a confidential virtual machine (CCEL of Intel TDX, UEFI 2.10 §38.4.1): its header stands
    /// under index 1, and its indexes are not PCRs but 1 to 4 for RTMR 0 to 3, which no TPM quotes.
    #[must_use]
    pub fn measures_rtmrs(&self) -> bool {
        self.header.is_some() && self.first.pcr == PcrIndex::new(1)
    }

    /// The number of events, at least 1.
    #[must_use]
    pub const fn event_count(&self) -> u32 {
        self.count
    }

    /// Bytes of zero or 0xFF padding after the last event.
    #[must_use]
    pub const fn padding(&self) -> usize {
        self.padding
    }

    /// The banks that can be replayed: what the header declares, the events have digests of and this crate computes;
    /// SHA-1 without a header.
    pub fn banks(&self) -> impl Iterator<Item = HashAlgorithm> + use<'a> {
        let log = *self;
        HashAlgorithm::ALL.into_iter().filter(move |bank| match log.header {
            Some(_) => log.has_digests_of(bank.tpm_id()),
            None => *bank == HashAlgorithm::Sha1,
        })
    }

    /// Whether a crypto-agile log has digests of the algorithm with this TPM_ALG_ID, which may be one that this crate
    /// does not compute. Of a header alone every declared one counts.
    #[must_use]
    pub fn has_digests_of(&self, algorithm: u16) -> bool {
        let position = self.header.and_then(|header| header.position_of(algorithm));
        position.is_some_and(|(position, _)| self.logged_banks.is_none_or(|banks| banks.has(position)))
    }

    /// The locality at which TPM2_Startup ran: 0, 3 or 4; `None` when the log does not say.
    #[must_use]
    pub const fn startup_locality(&self) -> Option<u8> {
        self.startup.locality()
    }

    /// The dynamic launch that the log tells of: PCR 17 to 22 start at zeros then, else at ones. That it happened is
    /// proven where a quote covers PCR 17 with what the log replays to, since only the TPM resets that one to zeros.
    #[must_use]
    pub const fn dynamic_launch(&self) -> Option<DynamicLaunch> {
        self.launch
    }

    /// Extends every event but EV_NO_ACTION into every bank, from PCR 0's start value on (PFP 1.06 §10.4.5.3) and PCR 17
    /// to 22's after a dynamic launch.
    ///
    /// The values are the log's claim; only a quote makes them true. What could not be replayed was refused by
    /// [`parse`](Self::parse).
    #[must_use]
    pub fn replay(&self) -> ReplayedPcrs {
        let mut pcrs = ReplayedPcrs::new();
        for bank in self.banks() {
            if let Some(start) = self.startup.start_value(bank) {
                pcrs.start_at(crate::PcrIndex::FIRMWARE, start);
            }
            for pcr in PcrIndex::all() {
                if let Some(start) = launch::start_value(self.launch, bank, pcr) {
                    pcrs.start_at(pcr, start);
                }
            }
        }
        for event in self.events().filter(Event::is_extended) {
            let Some(pcr) = event.pcr else { continue };
            for digest in event.digests() {
                pcrs.extend(pcr, &digest);
            }
        }
        pcrs
    }
}

/// How many bytes at the end are zeros, or 0xFF: what padding there can be. Counted once, since a log of padding-like
/// events would otherwise take quadratic time.
fn padding_of(bytes: &[u8]) -> usize {
    let run = |value: u8| bytes.iter().rev().take_while(|byte| **byte == value).count();
    run(0).max(run(0xFF))
}

fn header_of<'a>(first: &Event<'a>) -> Result<Option<SpecId<'a>>, EventLogError> {
    if first.kind != EventType::NoAction {
        return Ok(None);
    }
    match header::format_of(first.data)? {
        Format::Sha1Only => Ok(None),
        // PCR, type, digest and size come before the data of the first event.
        Format::Agile => SpecId::parse(first.data, first.offset.saturating_add(32)).map(Some),
    }
}
