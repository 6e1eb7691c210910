//! `reference merge`: several releases in one document.

use std::path::PathBuf;

use attest::dsse;
use attest::reference::{ReferenceSet, SET_TYPE};

use super::{MAX_REFERENCE, OutArgs, SetReport};
use crate::failure::Failure;
use crate::files;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark reference merge golden-1.0.json golden-1.1.json \\\n      \
    --key reference.pem --out gateway.json")]
pub(crate) struct MergeArgs {
    /// Reference values or sets of them, signed or not; signatures are not verified
    #[arg(required = true, num_args = 1..)]
    documents: Vec<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn run(args: &MergeArgs) -> Result<SetReport, Failure> {
    args.out.check(None, args.documents.iter().map(PathBuf::as_path))?;
    let mut documents = Vec::new();
    for path in &args.documents {
        let bytes = files::read(path, MAX_REFERENCE)?;
        let document = match dsse::unverified_payload(&bytes) {
            Ok(payload) => (payload, dsse::unverified_key_id(&bytes)?),
            Err(_) => (bytes, None),
        };
        // Which of them it is that can't be merged.
        ReferenceSet::merge([(document.0.as_slice(), None)])
            .map_err(|error| Failure::from(error).about(path))?;
        documents.push(document);
    }
    let set = ReferenceSet::merge(documents.iter().map(|(bytes, key)| (bytes.as_slice(), key.clone())))?;
    args.out.write(&set.to_json()?, SET_TYPE)?;
    Ok(SetReport::new(&args.out.out, &set, args.out.key.is_some()))
}
