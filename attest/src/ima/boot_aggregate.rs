//! The boot aggregate: what ties a list to the boot that it is from.

use super::entry::Entry;
use super::error::{ImaError, shown};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;

/// The name of the first entry of every list.
const NAME: &[u8] = b"boot_aggregate";

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
