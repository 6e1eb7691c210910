//! The boot aggregate: what ties a list to the boot that it is from.

use super::entry::Entry;
use super::error::{ImaError, shown};
use super::file_digest::DigestKind;
use super::template::Field;
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// The name of the first entry of every list.
pub(crate) const NAME: &[u8] = b"boot_aggregate";

/// The kernel hashes PCR 0 to 7 of the SHA-1 bank, and since Linux 5.8 PCR 0 to 9 of any other
/// (`ima_calc_boot_aggregate_tfm`); in between it took 0 to 7 of those too.
const FIRMWARE_PCRS: usize = 8;
const BOOT_PCRS: usize = 10;

/// Compares the first entry with the quoted boot PCRs of the bank that it names.
pub(super) fn check<Q>(first: &Entry<'_>, quoted: &Q) -> Result<Digest, ImaError>
where
    Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
{
    let found = aggregate(first)?;
    let bank = found.algorithm();
    let firmware = hash_of(bank, FIRMWARE_PCRS, quoted);
    if firmware == Ok(found) {
        return Ok(found);
    }
    let expected = if bank == HashAlgorithm::Sha1 { firmware } else { hash_of(bank, BOOT_PCRS, quoted) };
    match expected {
        Ok(expected) if expected == found => Ok(found),
        Ok(expected) => Err(ImaError::BootAggregate { found: found.into(), expected: expected.into() }),
        Err(missing) => Err(ImaError::BootAggregateNotQuoted { bank, missing }),
    }
}

fn aggregate(first: &Entry<'_>) -> Result<Digest, ImaError> {
    if first.is_violation() {
        return Err(ImaError::BootAggregateMissing { found: "a violation".to_owned() });
    }
    if first.path() != NAME {
        return Err(ImaError::BootAggregateMissing { found: shown(first.path()) });
    }
    let digest = first.file_digest();
    digest.digest().ok_or(ImaError::BootAggregateAlgorithm { algorithm: digest.algorithm_name() })
}

/// What any kernel of this boot may have written as its boot aggregate.
///
/// A kernel that kexec starts takes the list over (`ima_load_kexec_buffer`), hashes the boot PCRs anew and adds its own entry
/// (`ima_add_boot_aggregate`). kexec runs no firmware and no EFI stub, which extend these PCRs; so that kernel finds what the
/// first one found, though it may take another bank or another number of PCRs. An entry with any other value is a file that
/// somebody called so (threat i16).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct BootAggregates(Vec<Digest>);

impl BootAggregates {
    pub(super) fn of<Q>(quoted: &Q) -> Self
    where
        Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
    {
        let forms = HashAlgorithm::ALL.into_iter().flat_map(|bank| {
            let boot = (bank != HashAlgorithm::Sha1).then_some(BOOT_PCRS);
            std::iter::once(FIRMWARE_PCRS).chain(boot).map(move |count| (bank, count))
        });
        Self(forms.filter_map(|(bank, count)| hash_of(bank, count, quoted).ok()).collect())
    }

    /// Whether a kernel wrote `entry`, which is not the first of its list, when kexec started it.
    ///
    /// There is no file behind it, so that whatever the kernel says of files is empty. A file of this name whose contents are the
    /// PCR values would pass for one. It can't be more than these 320 bytes, and does no more than have a kexec counted.
    pub(super) fn has(&self, entry: &Entry<'_>) -> bool {
        if entry.path() != NAME || entry.is_violation() {
            return false;
        }
        let digest = entry.file_digest();
        let of_contents = digest.kind() != DigestKind::Verity;
        let no_file = entry.fields().all(|(field, bytes)| match field {
            Field::Name | Field::NameNg => true,
            Field::Buffer => false,
            field => field.is_digest() || bytes.is_empty(),
        });
        of_contents && no_file && digest.digest().is_some_and(|digest| self.0.contains(&digest))
    }

    /// Whether there is none: nothing is taken for one then.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The hash over the first `count` PCRs, or those of them that are not quoted.
fn hash_of<Q>(bank: HashAlgorithm, count: usize, quoted: &Q) -> Result<Digest, Vec<PcrIndex>>
where
    Q: Fn(HashAlgorithm, PcrIndex) -> Option<Digest>,
{
    let mut values = Vec::with_capacity(count);
    let mut missing = Vec::new();
    for pcr in PcrIndex::all().take(count) {
        match quoted(bank, pcr) {
            Some(value) => values.push(value),
            None => missing.push(pcr),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let parts: Vec<&[u8]> = values.iter().map(Digest::as_bytes).collect();
    Ok(bank.digest_parts(&parts))
}
