//! `reference import --corim`.

use std::path::Path;

use attest::reference::{Corim, CorimError, CorimExpected, FileSetBuilder, ReferenceValues};
use attest::result::ResultKey;

use super::ImportArgs;
use crate::failure::Failure;
use crate::files;

/// Largest CoRIM, in bytes.
const MAX_CORIM: usize = 64 * 1024 * 1024;
/// Largest key file, in bytes.
const MAX_KEY: usize = 16 * 1024;

/// Adds what the CoRIM says to `values` and `builder`; returns what is to be said of it.
pub(super) fn add(
    args: &ImportArgs,
    builder: &mut FileSetBuilder,
    values: &mut ReferenceValues,
) -> Result<Vec<String>, Failure> {
    let Some(path) = &args.corim else { return Ok(Vec::new()) };
    let refused = |error: CorimError| {
        let hint = match error {
            CorimError::KeyNeeded => " (--corim-key)",
            CorimError::NotTaken { ref part, .. } if part.starts_with("profile ") => " (--corim-profile)",
            CorimError::NotInBank { .. } => " (--bank)",
            _ => "",
        };
        Failure::refused(None, format!("{}: {error}{hint}", path.display()))
    };
    let key = args.corim_key.as_deref().map(read_key).transpose()?;
    let expected = CorimExpected { key: key.as_ref(), profile: args.corim_profile.as_deref() };
    let corim = Corim::parse(&files::read(path, MAX_CORIM)?, &expected).map_err(refused)?;
    for (pcr, value) in corim.pcrs(values.bank).map_err(refused)? {
        let other = values.pcrs.insert(pcr, value).is_some_and(|base| base != value);
        if other || values.by_events.contains(&pcr) {
            return Err(Failure::failed(format!(
                "PCR {pcr}: the CoRIM and --base differ, expected one of both"
            )));
        }
    }
    let count = corim.add_files(builder)?;
    // Whoever gave an earlier end or a later start on the command line means it.
    values.starts = values.starts.max(corim.starts());
    values.expires = values.expires.into_iter().chain(corim.expires()).min();
    let mut notes = vec![format!(
        "CoRIM {}{}: {} PCRs, {count} digests of files",
        corim.id(),
        match corim.environment() {
            "" => String::new(),
            environment => format!(" of {environment}"),
        },
        corim.pcrs(values.bank).map_err(refused)?.len(),
    )];
    if !corim.is_signed() {
        notes.push("the CoRIM is not signed: your signature vouches for where it came from".to_owned());
    }
    Ok(notes)
}

fn read_key(path: &Path) -> Result<ResultKey, Failure> {
    let pem = files::read(path, MAX_KEY)?;
    let wrong = |error: String| Failure::usage(format!("--corim-key: {}: {error}", path.display()));
    let pem = std::str::from_utf8(&pem).map_err(|error| wrong(error.to_string()))?;
    ResultKey::from_pem(pem).map_err(|error| wrong(error.to_string()))
}
