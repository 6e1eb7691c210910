//! `reference pack-files`: files out of reference values into a file set.

use std::path::PathBuf;

use attest::reference::FileIndex;

use super::{OutArgs, ReferenceReport, read_values};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark reference pack-files unsigned.json --file-set gateway-1.0.files \\\n      \
    --key reference.pem --out golden.json"
)]
pub(crate) struct PackArgs {
    /// Reference values of one release, signed or not; a signature is not verified
    file: PathBuf,
    /// File for the file set, which the policy then names
    #[arg(long, value_name = "FILE")]
    file_set: PathBuf,
    #[command(flatten)]
    out: OutArgs,
}

pub(super) fn run(args: &PackArgs) -> Result<ReferenceReport, Failure> {
    let mut values = read_values(&args.file)?;
    args.out.check(Some(&args.file_set), [args.file.as_path()])?;
    if values.files.is_empty() {
        return Err(Failure::usage(format!("{}: has no files to move", args.file.display())));
    }
    let builder = FileIndex::builder(&values.files)
        .map_err(|error| Failure::failed(format!("{}: {error}", args.file.display())))?;
    values.files.clear();
    values.version = 2;
    args.out.write_with_files(&mut values, &builder, &args.file_set)
}
