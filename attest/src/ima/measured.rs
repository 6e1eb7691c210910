//! `ImaList ──measured(&VerifiedQuote)──▶ MeasuredFiles`.

use super::boot_aggregate::{self, BootAggregates};
use super::entry::Entry;
use super::error::ImaError;
use super::list::ImaList;
use super::replay::{Bank, Extend};
use super::resume::ImaState;
use super::sightings::Mark;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::quote::VerifiedQuote;

/// What is expected of the kernel that wrote a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImaOptions {
    /// The bank that is replayed, and how the kernel extends it.
    pub bank: Bank,
    /// Where IMA extends: PCR 10, unless the kernel was built otherwise.
    pub pcr: PcrIndex,
    /// Other PCRs that rules of the device's IMA policy name (`pcr=`), replayed and compared like the first (threat i09).
    pub other_pcrs: Vec<PcrIndex>,
}

impl ImaOptions {
    /// PCR 10 of `bank`, extended with the bank's own hash.
    #[must_use]
    pub fn new(bank: HashAlgorithm) -> Self {
        Self { bank: bank.into(), pcr: PcrIndex::IMA, other_pcrs: Vec::new() }
    }
}

impl<'a> ImaList<'a> {
    /// Finds the part of the list that the quote covers.
    ///
    /// The kernel goes on measuring between the quote and the reading of the list, so what follows the covered part is
    /// normal and not believed (threat i02). The whole list has to be well-formed, and all template hashes right.
    ///
    /// # Errors
    /// [`ImaError`]: threats i01, i03, i04, i08, i09, i10.
    pub fn measured(
        &self,
        quote: &VerifiedQuote,
        options: &ImaOptions,
    ) -> Result<MeasuredFiles<'a>, ImaError> {
        measure(self, options, |bank, pcr| quote.value(bank, pcr).copied())
    }
}

/// [`ImaList::measured`] by values that the caller knows to be quoted.
pub(crate) fn measure<'a, Q>(
    list: &ImaList<'a>,
    options: &ImaOptions,
    quoted: Q,
) -> Result<MeasuredFiles<'a>, ImaError>
where
    Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
{
    measure_seen(list, options, quoted, &[])
}

/// [`measure`] of a list that must lead through what was seen of it before in the same run: `marks`, in their order.
///
/// A register only goes on, so a list that does not is one that was begun anew, or whose entries of two PCRs stand in another order
/// than before (threat i19).
pub(crate) fn measure_seen<'a, Q>(
    list: &ImaList<'a>,
    options: &ImaOptions,
    quoted: Q,
    marks: &[Mark],
) -> Result<MeasuredFiles<'a>, ImaError>
where
    Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
{
    let start = Registers::quoted(options, &quoted, |pcr| Ok(pcr.start(options.bank.algorithm)))?;
    if start.main.value == start.main.quoted {
        return Err(ImaError::NothingMeasured { bank: options.bank.algorithm, pcr: options.pcr });
    }
    let mut through = Through { marks, options };
    let walk = Walk::over(list, options.bank, start.clone(), &mut through)?;
    let Some(covered) = walk.covered else {
        return Err(uncovered(list, options, start, &walk));
    };
    if let Some(mark) = through.marks.first() {
        return Err(ImaError::OtherRun { at: mark.at, entries: mark.entries });
    }
    let first = list.entries().next().ok_or_else(missing_aggregate)??;
    // The order of entries of two PCRs is not authenticated: a file of another one could be put first (threat i04).
    if first.pcr() != options.pcr {
        return Err(ImaError::BootAggregateMissing { found: format!("an entry of PCR {}", first.pcr()) });
    }
    let boot_aggregate = boot_aggregate::check(&first, &quoted)?;
    Ok(MeasuredFiles {
        covered: list.prefix(covered.end),
        boot_aggregate: Some(boot_aggregate),
        further: if walk.aggregates > 1 { BootAggregates::of(&quoted) } else { BootAggregates::default() },
        attested: covered.entries,
        violations: covered.violations,
        not_yet_attested: walk.read.saturating_sub(covered.entries),
    })
}

/// The part of a list after `state`, which [`ImaState::carries_on`] has held against the evidence (threat i11). The boot
/// aggregate was in the first part, of the same boot.
pub(crate) fn measure_rest<'a, Q>(
    list: &ImaList<'a>,
    options: &ImaOptions,
    state: &ImaState,
    quoted: Q,
) -> Result<MeasuredFiles<'a>, ImaError>
where
    Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
{
    let start = Registers::quoted(options, &quoted, |pcr| Ok(state.value(options, pcr)?))?;
    let nothing_new = start.all_as_quoted();
    let walk = Walk::over(list, options.bank, start.clone(), &mut Through { marks: &[], options })?;
    let covered = match walk.covered {
        _ if nothing_new => Covered { entries: 0, violations: 0, end: 0 },
        Some(covered) => covered,
        None => return Err(uncovered(list, options, start, &walk)),
    };
    Ok(MeasuredFiles {
        covered: list.prefix(covered.end),
        boot_aggregate: None,
        further: if walk.aggregates > 0 { BootAggregates::of(&quoted) } else { BootAggregates::default() },
        attested: covered.entries,
        violations: covered.violations,
        not_yet_attested: walk.read.saturating_sub(covered.entries),
    })
}

fn missing_aggregate() -> ImaError {
    ImaError::BootAggregateMissing { found: "nothing".to_owned() }
}

/// Tells why: a bank that the kernel extends in another way, or a list that is not the quoted one.
fn uncovered(list: &ImaList<'_>, options: &ImaOptions, start: Registers, walk: &Walk) -> ImaError {
    let bank = options.bank;
    for found in Extend::ALL.into_iter().filter(|extend| *extend != bank.extend) {
        let mut through = Through { marks: &[], options };
        let other = Walk::over(list, Bank { extend: found, ..bank }, start.clone(), &mut through);
        if let Ok(Walk { covered: Some(covered), .. }) = other {
            return ImaError::ExtendedOtherwise {
                bank: bank.algorithm,
                found,
                expected: bank.extend,
                covered: covered.entries,
            };
        }
    }
    let Register { pcr, value, quoted } = walk.registers.first_other();
    ImaError::NotCovered { pcr, read: walk.read, replayed: value.into(), quoted: quoted.into() }
}

/// A PCR while the list is replayed, and the value that it must reach.
#[derive(Debug, Clone, Copy)]
struct Register {
    pcr: PcrIndex,
    value: Digest,
    quoted: Digest,
}

/// The PCRs that the list may extend.
#[derive(Debug, Clone)]
struct Registers {
    main: Register,
    others: Vec<Register>,
}

impl Registers {
    fn quoted<Q, S>(options: &ImaOptions, quoted: &Q, start: S) -> Result<Self, ImaError>
    where
        Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
        S: Fn(PcrIndex) -> Result<Digest, ImaError>,
    {
        let bank = options.bank.algorithm;
        let register = |pcr: PcrIndex| {
            let quoted = quoted(bank, pcr).ok_or(ImaError::NotQuoted { bank, pcr })?;
            Ok::<_, ImaError>(Register { pcr, value: start(pcr)?, quoted })
        };
        let main = register(options.pcr)?;
        let others = options.other_pcrs.iter().filter(|pcr| **pcr != options.pcr);
        Ok(Self { main, others: others.map(|pcr| register(*pcr)).collect::<Result<_, _>>()? })
    }

    fn at(&mut self, entry: &Entry<'_>) -> Result<&mut Register, ImaError> {
        if entry.pcr() == self.main.pcr {
            return Ok(&mut self.main);
        }
        let expected = self.main.pcr;
        self.others.iter_mut().find(|register| register.pcr == entry.pcr()).ok_or(ImaError::OtherPcr {
            entry: entry.number(),
            offset: entry.offset(),
            found: entry.pcr(),
            expected,
        })
    }

    fn all_as_quoted(&self) -> bool {
        self.main.value == self.main.quoted && self.others.iter().all(|other| other.value == other.quoted)
    }

    fn first_other(&self) -> Register {
        let differs = |register: &&Register| register.value != register.quoted;
        *std::iter::once(&self.main).chain(&self.others).find(differs).unwrap_or(&self.main)
    }
}

/// The part of a list that a quote covers.
#[derive(Debug, Clone, Copy)]
struct Covered {
    entries: usize,
    violations: usize,
    end: usize,
}

/// The marks that a list has not been led through yet.
struct Through<'m> {
    marks: &'m [Mark],
    options: &'m ImaOptions,
}

impl Through<'_> {
    /// Takes the next mark away where the registers are as it says after so many entries.
    fn pass(&mut self, read: usize, registers: &Registers) {
        let Some((mark, rest)) = self.marks.split_first() else { return };
        if u64::try_from(read) != Ok(mark.entries) {
            return;
        }
        let as_seen = |register: &Register| {
            mark.value(self.options, register.pcr).is_some_and(|kept| kept.value == register.value)
        };
        if as_seen(&registers.main) && registers.others.iter().all(as_seen) {
            self.marks = rest;
        }
    }
}

/// A list read to its end.
#[derive(Debug)]
struct Walk {
    registers: Registers,
    read: usize,
    /// Entries with the name of the boot aggregate that the quote covers.
    aggregates: usize,
    covered: Option<Covered>,
}

impl Walk {
    fn over(
        list: &ImaList<'_>,
        bank: Bank,
        registers: Registers,
        through: &mut Through<'_>,
    ) -> Result<Self, ImaError> {
        let mut walk = Self { registers, read: 0, aggregates: 0, covered: None };
        let mut violations = 0_usize;
        let mut entries = list.entries();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let listed = entry.check_template_hash()?;
            let register = walk.registers.at(&entry)?;
            walk.read = entry.number();
            if walk.covered.is_some() {
                continue;
            }
            violations = violations.saturating_add(usize::from(entry.is_violation()));
            walk.aggregates =
                walk.aggregates.saturating_add(usize::from(entry.path() == boot_aggregate::NAME));
            // Register and value are of one bank, so there always is a next value.
            if let Some(next) = register.value.extend(&bank.extend_value(&entry, &listed)) {
                register.value = next;
            }
            through.pass(walk.read, &walk.registers);
            if walk.registers.all_as_quoted() {
                walk.covered = Some(Covered { entries: walk.read, violations, end: entries.offset() });
            }
        }
        Ok(walk)
    }
}

/// The entries of a list that a quote covers. Only [`ImaList::measured`] makes them:
/// ```compile_fail
/// # fn f<'a>(covered: attest::ima::ImaList<'a>, boot_aggregate: Option<attest::Digest>) -> attest::ima::MeasuredFiles<'a> {
/// attest::ima::MeasuredFiles { covered, boot_aggregate, attested: 1, violations: 0, not_yet_attested: 0 }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredFiles<'a> {
    covered: ImaList<'a>,
    boot_aggregate: Option<Digest>,
    further: BootAggregates,
    attested: usize,
    violations: usize,
    not_yet_attested: usize,
}

impl<'a> MeasuredFiles<'a> {
    /// What was measured: all attested entries but boot aggregates and violations, in the order of the list.
    ///
    /// Violations are left out because nothing in them is authenticated (threat i13). An entry further on that is called
    /// `boot_aggregate` is a file like any other (threat i16), unless it is one of [`kexecs`](Self::kexecs).
    pub fn files(&self) -> impl Iterator<Item = Entry<'a>> {
        self.after_first().filter(|entry| !entry.is_violation() && !self.further.has(entry))
    }

    /// The boot aggregates after the first: each is by a kernel that kexec started, which no boot log shows (threat i04).
    ///
    /// They have the hash of the quoted boot PCRs, in whichever form a kernel takes it, and no file behind them. A kernel that
    /// took a bank which is not quoted is not told from a file of that name.
    pub fn kexecs(&self) -> impl Iterator<Item = Entry<'a>> {
        // Nearly no list has any, and need not be read for them.
        let entries = (!self.further.is_empty()).then(|| self.after_first());
        entries.into_iter().flatten().filter(|entry| self.further.has(entry))
    }

    fn after_first(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        // The prefix was parsed before: no error is left to meet.
        let first = usize::from(self.boot_aggregate.is_some());
        self.covered.entries().skip(first).filter_map(Result::ok)
    }

    /// The attested violations, for a report: their paths and digests are not authenticated.
    pub fn violation_entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.covered.entries().filter_map(Result::ok).filter(Entry::is_violation)
    }

    /// The hash of the boot PCRs, found equal to the quoted ones; `None` for a part after the first.
    #[must_use]
    pub const fn boot_aggregate(&self) -> Option<&Digest> {
        self.boot_aggregate.as_ref()
    }

    /// Bytes of the attested entries.
    #[must_use]
    pub const fn covered_bytes(&self) -> usize {
        self.covered.bytes().len()
    }

    /// Entries that the quote covers, with the boot aggregate and the violations.
    #[must_use]
    pub const fn attested(&self) -> usize {
        self.attested
    }

    /// Entries after those (threat i02).
    #[must_use]
    pub const fn not_yet_attested(&self) -> usize {
        self.not_yet_attested
    }

    /// Violations among the attested entries (threat i05).
    #[must_use]
    pub const fn violations(&self) -> usize {
        self.violations
    }
}
