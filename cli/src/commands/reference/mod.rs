//! `hallmark reference`: what a good device looks like.

mod files;
mod import;
mod merge;
mod predict;
mod record;
mod report;
mod withdraw;

use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::challenge::Nonce;
use attest::dsse;
use attest::reference::{
    FileSet, FileSetBuilder, Golden, PAYLOAD_TYPE, ReferenceSet, ReferenceValues, SET_TYPE, Withdrawal,
};
use clap::Subcommand;
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};

use crate::commands::key::read_private_pem;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self as disk, Privacy};
use crate::output::{self, Format};

pub(crate) use report::{ReferenceReport, SetReport, WithdrawalReport};

/// Largest file of reference values, in bytes.
const MAX_REFERENCE: usize = 64 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record this device, which you declare to be good, as a release's reference values
    Record(record::RecordArgs),
    /// Predict what a device will measure, from the files that it will run
    Predict(Box<predict::PredictArgs>),
    /// Take the files of a system or a list of digests as reference values
    Import(import::ImportArgs),
    /// Merge several releases into one document
    Merge(merge::MergeArgs),
    /// Take a release back
    Withdraw(withdraw::WithdrawArgs),
    /// Move the files of reference values into a file set of their own, which releases can share
    PackFiles(files::PackArgs),
    /// Sign reference values, a set of them or a withdrawal
    #[command(
        after_help = "Example:\n  hallmark reference sign unsigned.json --key reference.pem --out golden.json"
    )]
    Sign {
        /// The unsigned document
        file: PathBuf,
        /// ECDSA P-256 private key in PKCS#8 PEM
        #[arg(long, value_name = "PEM")]
        key: PathBuf,
        /// File for the signed document (DSSE)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show reference values, a set of them or a withdrawal, signed or not
    #[command(after_help = "Example:\n  hallmark reference show golden.json")]
    Show {
        /// The file
        file: PathBuf,
    },
}

/// What reference values are of, and how long they count.
#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// The product
    #[arg(long, value_name = "NAME")]
    product: String,
    /// The release
    #[arg(long, value_name = "VERSION")]
    release: String,
    /// From when on they count [default: at once]
    #[arg(long, value_name = "RFC 3339")]
    starts: Option<Timestamp>,
    /// When they end [default: never]
    #[arg(long, value_name = "RFC 3339")]
    expires: Option<Timestamp>,
    /// The bank of the PCRs
    #[arg(long, value_name = "BANK", default_value = "sha256")]
    bank: String,
}

impl ReleaseArgs {
    fn golden(&self, context: &Context) -> Result<Golden, Failure> {
        printable("--product", &self.product)?;
        printable("--release", &self.release)?;
        if self.expires.is_some_and(|expires| expires <= context.now()) {
            return Err(Failure::usage("--expires: that time has passed; no policy would take the values"));
        }
        if let (Some(starts), Some(expires)) = (self.starts, self.expires)
            && expires <= starts
        {
            return Err(Failure::usage(format!(
                "--expires: {expires} is not after --starts {starts}; the values would never count"
            )));
        }
        Ok(Golden {
            product: self.product.clone(),
            release: self.release.clone(),
            issued: context.now(),
            starts: self.starts,
            expires: self.expires,
            bank: bank(&self.bank)?,
        })
    }
}

/// Where reference values go.
#[derive(Debug, clap::Args)]
pub(crate) struct OutArgs {
    /// File for the result
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign it with this key; without it, it must be signed before a policy takes it
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
}

impl OutArgs {
    /// Looks whether the result may be written where it is to go, and whether its key may be used, before anything is done.
    fn check<'p>(
        &'p self,
        file_set: Option<&'p Path>,
        inputs: impl IntoIterator<Item = &'p Path>,
    ) -> Result<(), Failure> {
        if let Some(key) = &self.key {
            read_private_pem(key)?;
        }
        let outputs = std::iter::once(self.out.as_path()).chain(file_set);
        disk::check_outputs(outputs, inputs.into_iter().chain(self.key.as_deref()))
    }

    fn write(&self, json: &[u8], kind: &str) -> Result<(), Failure> {
        disk::write(&self.out, &self.signed(json, kind)?, Privacy::Public)
    }

    fn signed(&self, json: &[u8], kind: &str) -> Result<Vec<u8>, Failure> {
        let Some(key) = &self.key else { return Ok(json.to_vec()) };
        let signed = dsse::sign(json, kind, &read_private_pem(key)?, &SystemRandom::new());
        signed.map_err(|error| Failure::from(error).about(key))
    }

    fn write_values(&self, values: &ReferenceValues) -> Result<ReferenceReport, Failure> {
        self.write(&values.to_json()?, PAYLOAD_TYPE)?;
        Ok(ReferenceReport::new(&self.out, values, self.key.is_some()))
    }

    /// Moves files into a set of their own. What names the set is signed before the set is written, so that a key that can't
    /// sign leaves nothing behind.
    fn write_with_files(
        &self,
        values: &mut ReferenceValues,
        files: &FileSetBuilder,
        file_set: &Path,
    ) -> Result<ReferenceReport, Failure> {
        let bytes = files.finish()?;
        values.file_sets.push(FileSet::open(bytes.as_slice())?.name());
        let document = self.signed(&values.to_json()?, PAYLOAD_TYPE)?;
        disk::write(file_set, &bytes, Privacy::Public)?;
        disk::write(&self.out, &document, Privacy::Public).map_err(|failure| Failure {
            message: format!("{}; of the two files only {} is there", failure.message, file_set.display()),
            ..failure
        })?;
        Ok(ReferenceReport::new(&self.out, values, self.key.is_some()))
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Record(args) => output::print(&record::run(&args, context)?, format),
        Command::Predict(args) => output::print(&predict::run(&args, context)?, format),
        Command::Import(args) => output::print(&import::run(&args, context)?, format),
        Command::Merge(args) => output::print(&merge::run(&args)?, format),
        Command::Withdraw(args) => output::print(&withdraw::run(&args, context)?, format),
        Command::PackFiles(args) => output::print(&files::run(&args)?, format),
        Command::Sign { file, key, out } => sign(&file, OutArgs { out, key: Some(key) }, format),
        Command::Show { file } => show(&file, format),
    }
}

/// A document in its unsigned form.
enum Document {
    Values(Box<ReferenceValues>),
    Set(ReferenceSet),
    Withdrawal(Withdrawal),
}

impl Document {
    /// Tells the documents apart by what they have; the error is the one of reference values, the usual case.
    fn parse(json: &[u8], path: &Path) -> Result<Self, Failure> {
        if let Ok(set) = ReferenceSet::parse(json) {
            return Ok(Self::Set(set));
        }
        if let Ok(withdrawal) = Withdrawal::parse(json) {
            return Ok(Self::Withdrawal(withdrawal));
        }
        let values = ReferenceValues::parse(json).map_err(|error| Failure::from(error).about(path))?;
        Ok(Self::Values(Box::new(values)))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Values(_) => PAYLOAD_TYPE,
            Self::Set(_) => SET_TYPE,
            Self::Withdrawal(_) => attest::reference::WITHDRAWAL_TYPE,
        }
    }

    fn print(&self, file: &Path, signed: bool, format: Format) -> Result<Exit, Failure> {
        match self {
            Self::Values(values) => output::print(&ReferenceReport::new(file, values, signed), format),
            Self::Set(set) => output::print(&SetReport::new(file, set, signed), format),
            Self::Withdrawal(withdrawal) => {
                output::print(&WithdrawalReport::new(file, withdrawal, signed), format)
            }
        }
    }
}

fn sign(file: &Path, out: OutArgs, format: Format) -> Result<Exit, Failure> {
    let json = disk::read(file, MAX_REFERENCE)?;
    if dsse::unverified_payload(&json).is_ok() {
        return Err(Failure::usage(format!("{}: is signed already", file.display())));
    }
    let document = Document::parse(&json, file)?;
    out.check(None, [file])?;
    out.write(&json, document.kind())?;
    document.print(&out.out, true, format)
}

fn show(file: &Path, format: Format) -> Result<Exit, Failure> {
    let (bytes, signed) = read_document(file)?;
    Document::parse(&bytes, file)?.print(file, signed, format)
}

/// A document without its signature, which is not verified, and whether it had one.
fn read_document(file: &Path) -> Result<(Vec<u8>, bool), Failure> {
    let bytes = disk::read(file, MAX_REFERENCE)?;
    Ok(match dsse::unverified_payload(&bytes) {
        Ok(payload) => (payload, true),
        Err(_) => (bytes, false),
    })
}

/// Reference values of one release out of a file, signed or not.
fn read_values(file: &Path) -> Result<ReferenceValues, Failure> {
    let (bytes, _) = read_document(file)?;
    ReferenceValues::parse(&bytes).map_err(|error| Failure::from(error).about(file))
}

fn bank(name: &str) -> Result<HashAlgorithm, Failure> {
    HashAlgorithm::from_name(name).ok_or_else(|| {
        Failure::usage(format!(
            "--bank: {name:?}, expected sha256, sha384, sha512, sm3, sha3-256, sha3-384, sha3-512 or sha1"
        ))
    })
}

fn printable(option: &str, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Failure::usage(format!("{option}: {text:?}, expected printable text")));
    }
    Ok(())
}

/// 32 fresh random bytes.
pub(crate) fn random_nonce() -> Result<Nonce, Failure> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::failed("the system has no random numbers"))?;
    Nonce::new(&bytes).map_err(|error| Failure::failed(error.to_string()))
}
