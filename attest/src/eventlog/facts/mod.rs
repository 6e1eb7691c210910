//! What a measured boot proves, in one bank.

pub(super) mod authority;
pub(super) mod boot_fault;
pub(super) mod command_line;
pub(super) mod configuration;
pub(super) mod exit_boot_services;
pub(super) mod firmware;
pub(super) mod loaded_image;
pub(super) mod secure_boot;
mod seen;
pub(super) mod shim;
pub(super) mod system;
pub(super) mod uki;

#[cfg(test)]
mod attacks;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::data::text::Utf16;
use super::event::Event;
use super::event_type::EventType;
use super::placement::Placement;
use super::replay::measured::{MeasuredBoot, MeasuredEvent, PcrVerdict};
use super::replay::separators::{SeparatorDigests, SeparatorState};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use authority::MeasuredAuthority;
use boot_fault::{BootFault, LateEvents, Separators};
use command_line::{CommandLine, CommandLineEvents};
use configuration::SecureBootConfiguration;
use exit_boot_services::ExitBootServices;
use firmware::{Alarms, FirmwareEvents, FirmwareVersion, option_rom};
use loaded_image::LoadedImage;
use secure_boot::{SecureBoot, SecureBootEvents, Standing};
use seen::Seen;
use shim::{ShimEvents, ShimState};
use system::SystemIdentity;
use uki::{EfiStub, EfiStubEvents, OverrideEvents, UkiEvents, UkiSection};

/// Where in the log something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The event's number, from 0.
    pub event: u32,
    /// Its first byte.
    pub offset: usize,
}

impl Place {
    pub(super) const fn of(event: &Event<'_>) -> Self {
        Self { event: event.index(), offset: event.offset() }
    }
}

/// What a boot proves in one bank. Every fact comes from a PCR that matches a verified quote, and from data that a
/// digest covers or from the digest itself. A fact of a PCR that does not match is `None`.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    bank: HashAlgorithm,
    separators: Separators,
    faults: Vec<BootFault>,
    secure_boot: SecureBoot,
    configuration: SecureBootConfiguration<'a>,
    /// The entries of db, to be looked up: a log can have as many authorities as a db has entries (threat e06).
    db: Option<BTreeSet<&'a [u8]>>,
    authorities: Option<Vec<MeasuredAuthority<'a>>>,
    shim: ShimState<'a>,
    alarms: Option<Alarms>,
    exit_boot_services: ExitBootServices,
    firmware_version: FirmwareVersion<'a>,
    odd_first: Option<(Place, EventType)>,
    option_roms: Option<Vec<Digest>>,
    images: Option<Vec<LoadedImage<'a>>>,
    command_line: CommandLine<'a>,
    efi_stub: Option<EfiStub>,
    uki_sections: Option<Vec<UkiSection>>,
    overrides: Option<Vec<Utf16<'a>>>,
    phases: Option<Vec<&'static str>>,
    identity: SystemIdentity,
    misplaced: BTreeMap<PcrIndex, Misplaced>,
}

/// Events of a PCR whose types the profile does not allow there, or does not know (threat e16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced {
    /// The first.
    pub place: Place,
    /// Its type, as the log has it: not measured.
    pub kind: EventType,
    /// How many there are.
    pub count: u32,
}

impl<'a> MeasuredBoot<'a> {
    /// What `bank` proves about the boot: one walk over the events of the PCRs that match.
    #[must_use]
    pub fn facts(&self, bank: HashAlgorithm) -> Facts<'a> {
        let mut events = Events::new(self, bank);
        for (pcr, measured) in self.covered_events(bank) {
            events.see(pcr, measured);
        }
        events.conclude(self)
    }
}

impl<'a> Facts<'a> {
    /// The bank that proves them.
    #[must_use]
    pub const fn bank(&self) -> HashAlgorithm {
        self.bank
    }

    /// Whether secure boot was on.
    #[must_use]
    pub const fn secure_boot(&self) -> SecureBoot {
        self.secure_boot
    }

    /// Secure boot's keys and modes.
    #[must_use]
    pub const fn configuration(&self) -> &SecureBootConfiguration<'a> {
        &self.configuration
    }

    /// What vouched for images, in order; `None` when PCR 7 does not match.
    #[must_use]
    pub fn authorities(&self) -> Option<&[MeasuredAuthority<'a>]> {
        self.authorities.as_deref()
    }

    /// Whether the certificate or hash of an authority stands in the measured db, whoever enrolled it. `None` where db is
    /// not known, or the authority is none, or does not claim to be out of db.
    #[must_use]
    pub fn is_in_db(&self, authority: &MeasuredAuthority<'_>) -> Option<bool> {
        let db = self.db.as_ref()?;
        let authority = authority.authority().filter(|_| authority.is_of_db())?;
        Some(db.contains(authority.content()))
    }

    /// Shim's state.
    #[must_use]
    pub const fn shim(&self) -> &ShimState<'a> {
        &self.shim
    }

    /// Where the firmware measured that its debugger is enabled; `Some(None)` when it did not.
    #[must_use]
    pub fn debugger(&self) -> Option<Option<Place>> {
        self.alarms.map(|alarms| alarms.debugger_enabled)
    }

    /// Where the firmware measured that it does not protect memory from devices; `Some(None)` when it did not.
    #[must_use]
    pub fn dma_protection_disabled(&self) -> Option<Option<Place>> {
        self.alarms.map(|alarms| alarms.dma_protection_disabled)
    }

    /// The separators of those of PCR 0 to 7 that match.
    #[must_use]
    pub const fn separators(&self) -> &BTreeMap<PcrIndex, SeparatorState> {
        &self.separators
    }

    /// What the profile forbids, in those of PCR 0 to 7 that match. An appraisal refuses each in a judged PCR.
    #[must_use]
    pub fn faults(&self) -> &[BootFault] {
        &self.faults
    }

    /// How the firmware handed over.
    #[must_use]
    pub const fn exit_boot_services(&self) -> ExitBootServices {
        self.exit_boot_services
    }

    /// What stands in a PCR where the profile has no place for it, by PCR. Types are not measured: whoever rewrites a log
    /// can hide one under an allowed type, where nothing but an unbound hint is left of it.
    #[must_use]
    pub const fn misplaced(&self) -> &BTreeMap<PcrIndex, Misplaced> {
        &self.misplaced
    }

    /// The firmware's version.
    #[must_use]
    pub const fn firmware_version(&self) -> FirmwareVersion<'a> {
        self.firmware_version
    }

    /// The first event of PCR 0, where no firmware begins with one of its type (threat q14).
    #[must_use]
    pub const fn odd_first_event(&self) -> Option<(Place, EventType)> {
        self.odd_first
    }

    /// Digests of what PCR 2 took beside its separator: drivers from cards. `None` when PCR 2 is not explained.
    #[must_use]
    pub fn option_roms(&self) -> Option<&[Digest]> {
        self.option_roms.as_deref()
    }

    /// What was loaded, in order; `None` when PCR 4 is not explained.
    #[must_use]
    pub fn images(&self) -> Option<&[LoadedImage<'a>]> {
        self.images.as_deref()
    }

    /// The first image after PCR 4's only separator. `None` where the log says that this one lies in the firmware's own
    /// volume: a setup program, a shell or an agent that runs before the boot loader, which can't be told apart then.
    #[must_use]
    pub fn boot_loader(&self) -> Option<&LoadedImage<'a>> {
        let line = match self.separators.get(&PcrIndex::new(4)?)? {
            SeparatorState::Once { event } => *event,
            _ => return None,
        };
        let first = self.images()?.iter().find(|image| image.event() > line)?;
        // The path is a hint, and a lie about it can only take the fact away.
        let of_firmware = first.hint().is_some_and(|image| image.path().is_in_firmware_volume());
        (!of_firmware).then_some(first)
    }

    /// The kernel's command line, as GRUB measured it.
    #[must_use]
    pub const fn command_line(&self) -> CommandLine<'a> {
        self.command_line
    }

    /// What Linux's EFI stub measured into PCR 9, where it holds nothing else.
    #[must_use]
    pub const fn efi_stub(&self) -> Option<&EfiStub> {
        self.efi_stub.as_ref()
    }

    /// The sections of a unified kernel image, where they come first in PCR 11.
    #[must_use]
    pub fn uki_sections(&self) -> Option<&[UkiSection]> {
        self.uki_sections.as_deref()
    }

    /// The texts of PCR 12; `None` when it holds something else, or is not quoted.
    #[must_use]
    pub fn overrides(&self) -> Option<&[Utf16<'a>]> {
        self.overrides.as_deref()
    }

    /// The phases that systemd measured into PCR 11, in order; `None` when PCR 11 is not explained.
    #[must_use]
    pub fn phases(&self) -> Option<&[&'static str]> {
        self.phases.as_deref()
    }

    /// What systemd measured of the system's identity into PCR 15.
    #[must_use]
    pub const fn identity(&self) -> &SystemIdentity {
        &self.identity
    }
}

/// The facts in the making: every event of a matching PCR is looked at once.
struct Events<'a> {
    bank: HashAlgorithm,
    /// The PCRs whose events are all that they took before the system ran: no fact is read from another.
    whole: Vec<PcrIndex>,
    separators: Separators,
    separator_digests: SeparatorDigests,
    late: LateEvents,
    firmware: FirmwareEvents<'a>,
    option_roms: Vec<Digest>,
    images: Vec<LoadedImage<'a>>,
    exit: ExitBootServices,
    secure_boot: SecureBootEvents<'a>,
    authorities: Vec<MeasuredAuthority<'a>>,
    shim: ShimEvents<'a>,
    alarms: Alarms,
    command_line: CommandLineEvents<'a>,
    efi_stub: EfiStubEvents,
    uki: UkiEvents,
    overrides: OverrideEvents<'a>,
    misplaced: BTreeMap<PcrIndex, Misplaced>,
}

impl<'a> Events<'a> {
    fn new(boot: &MeasuredBoot<'_>, bank: HashAlgorithm) -> Self {
        let whole: Vec<_> = PcrIndex::all().filter(|pcr| boot.is_whole(bank, *pcr)).collect();
        let line = |pcr| boot.separator(bank, pcr).filter(|_| whole.contains(&pcr));
        Self {
            bank,
            separators: boot_fault::separators(boot, bank),
            separator_digests: SeparatorDigests::of(bank),
            late: LateEvents::default(),
            firmware: FirmwareEvents::new(line(PcrIndex::FIRMWARE)),
            option_roms: Vec::new(),
            images: Vec::new(),
            exit: ExitBootServices::Missing,
            secure_boot: SecureBootEvents::new(line(PcrIndex::SECURE_BOOT)),
            authorities: Vec::new(),
            shim: ShimEvents::new(bank),
            alarms: Alarms::new(bank),
            command_line: CommandLineEvents::default(),
            efi_stub: EfiStubEvents::default(),
            uki: UkiEvents::new(bank),
            overrides: OverrideEvents::default(),
            misplaced: BTreeMap::new(),
            whole,
        }
    }

    fn see(&mut self, pcr: PcrIndex, measured: MeasuredEvent<'a>) {
        if !self.whole.contains(&pcr) {
            return;
        }
        self.late.see(pcr, measured.event(), &self.separators);
        let seen = Seen::new(measured);
        if matches!(seen.event().placement(), Placement::NotInProfile | Placement::UnknownType) {
            let first = Misplaced { place: seen.place(), kind: seen.kind(), count: 0 };
            let misplaced = self.misplaced.entry(pcr).or_insert(first);
            misplaced.count = misplaced.count.saturating_add(1);
        }
        match pcr.get() {
            0 => self.firmware.see(&seen),
            2 => self.option_roms.extend(option_rom(&self.separator_digests, &seen)),
            4 => self.images.extend(LoadedImage::of(&seen, &self.separator_digests)),
            5 => self.exit.see(&seen),
            7 => self.see_secure_boot(&seen),
            8 => self.command_line.see(&seen),
            9 => self.efi_stub.see(&seen),
            11 => self.uki.see(&seen),
            12 => self.overrides.see(&seen),
            _ => {}
        }
    }

    fn see_secure_boot(&mut self, seen: &Seen<'a>) {
        self.alarms.see(seen);
        // Without a single separator, a separator is still none of the authorities.
        if self.separator_digests.recognise(seen.digest()).is_some() {
            self.secure_boot.see(seen);
        } else if matches!(self.secure_boot.see(seen), Standing::Authority) {
            let authority = MeasuredAuthority::of(seen);
            self.shim.see(seen, &authority);
            self.authorities.push(authority);
        }
    }

    fn conclude(mut self, boot: &MeasuredBoot<'a>) -> Facts<'a> {
        let bank = self.bank;
        let matches = |index| PcrIndex::new(index).filter(|pcr| self.whole.contains(pcr));
        // A PCR that nobody extended is explained as well: there is nothing in it.
        let explained = |index| {
            let verdict = PcrIndex::new(index).and_then(|pcr| boot.verdict(bank, pcr));
            matches(index).is_some() || matches!(verdict, Some(PcrVerdict::Untouched { .. }))
        };
        for record in matches(11).and_then(|pcr| boot.records_of(bank, pcr)).unwrap_or_default() {
            self.uki.see_record(record.digest());
        }
        let (secure_boot, configuration) = self.secure_boot.conclude();
        let (uki_sections, phases) = self.uki.conclude();
        Facts {
            bank,
            faults: self.late.conclude(boot, bank, &self.separators),
            separators: self.separators,
            secure_boot,
            db: configuration
                .db
                .map(|db| db.signatures().map(|signature| signature.data().content()).collect()),
            configuration,
            authorities: matches(7).is_some().then_some(self.authorities),
            shim: if matches(7).is_some() { self.shim.conclude() } else { ShimState::default() },
            alarms: matches(7).is_some().then_some(self.alarms),
            exit_boot_services: if matches(5).is_some() { self.exit } else { ExitBootServices::Unverified },
            firmware_version: self.firmware.version(),
            odd_first: self.firmware.odd_first(),
            option_roms: explained(2).then_some(self.option_roms),
            images: explained(4).then_some(self.images),
            command_line: self.command_line.conclude(),
            efi_stub: self.efi_stub.conclude(),
            uki_sections,
            phases: phases.filter(|_| explained(11)),
            identity: SystemIdentity::of(boot, bank),
            misplaced: self.misplaced,
            overrides: explained(12).then(|| self.overrides.conclude()).flatten(),
        }
    }
}
