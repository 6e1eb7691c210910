//! `reference predict`: what files say that a device will measure.

use std::path::{Path, PathBuf};

use attest::reference::predict::{Boot, Payload, PredictError, SecureBootKeys, predict};

use super::{OutArgs, ReferenceReport, ReleaseArgs, read_values};
use crate::context::Context;
use crate::failure::Failure;
use crate::files;

/// Largest image or initrd, in bytes: PE images have 32-bit sizes.
const MAX_IMAGE: usize = 1024 * 1024 * 1024;
/// Largest signature list, in bytes.
const MAX_LIST: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark reference predict --product gateway --release 1.1 --uki gateway-1.1.efi \\\n      --base golden-1.0.json --key reference.pem --out gateway-1.1.json\n  \
    hallmark reference predict --product gateway --release 1.1 --kernel vmlinuz --initrd initrd.img \\\n      --cmdline 'root=/dev/vda ro' --out unsigned.json")]
#[command(group = clap::ArgGroup::new("payload").required(true).args(["uki", "kernel"]))]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    out: OutArgs,
    /// A unified kernel image of systemd
    #[arg(long, value_name = "FILE")]
    uki: Option<PathBuf>,
    /// A kernel with an EFI stub, which firmware loads
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The kernel's initrd
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// The kernel's load options, exactly as its loader gives them; with --uki, options given to the image
    #[arg(long, value_name = "TEXT")]
    cmdline: Option<String>,
    /// A boot loader before it; repeat in the order in which they start
    #[arg(long, value_name = "FILE")]
    boot_loader: Vec<PathBuf>,
    /// PK as an EFI signature list; with this and db, PCR 7 is predicted, with secure boot on
    #[arg(long, value_name = "ESL", requires = "db")]
    pk: Option<PathBuf>,
    /// KEK
    #[arg(long, value_name = "ESL", requires = "db")]
    kek: Option<PathBuf>,
    /// db
    #[arg(long, value_name = "ESL", requires = "pk")]
    db: Option<PathBuf>,
    /// dbx
    #[arg(long, value_name = "ESL", requires = "db")]
    dbx: Option<PathBuf>,
    /// Reference values of a device of the same kind: the firmware's PCRs are taken from them
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

impl PredictArgs {
    /// Every file that is read.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let keys = [&self.pk, &self.kek, &self.db, &self.dbx].into_iter().flatten();
        [&self.uki, &self.kernel, &self.initrd, &self.base]
            .into_iter()
            .flatten()
            .chain(&self.boot_loader)
            .chain(keys)
    }
}

/// The files, read.
struct Files {
    payload: Vec<u8>,
    initrd: Option<Vec<u8>>,
    loaders: Vec<(String, Vec<u8>)>,
    /// PK, KEK, db, dbx.
    keys: Option<[Vec<u8>; 4]>,
}

pub(super) fn run(args: &PredictArgs, context: &Context) -> Result<ReferenceReport, Failure> {
    let golden = args.release.golden(context)?;
    args.out.check(None, args.files().map(PathBuf::as_path))?;
    let base = args.base.as_deref().map(read_values).transpose()?;
    if let Some(base) = base.as_ref().filter(|base| base.bank != golden.bank) {
        return Err(Failure::usage(format!("--base: its bank is {}, expected {}", base.bank, golden.bank)));
    }
    let files = read(args)?;
    let loaders: Vec<_> =
        files.loaders.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let boot = Boot {
        loaders: &loaders,
        payload: payload(args, &files),
        keys: files.keys.as_ref().map(|[pk, kek, db, dbx]| SecureBootKeys { pk, kek, db, dbx }),
    };
    let predicted = predict(&boot, golden.bank).map_err(|error| match (&error, &args.uki) {
        (PredictError::Pe(_), Some(uki)) => Failure::from(error).about(uki),
        _ => Failure::from(error),
    })?;
    let notes = predicted.notes().to_vec();
    let values = predicted.into_values(golden, base.as_ref());
    Ok(args.out.write_values(&values)?.with_notes(notes))
}

fn payload<'f>(args: &'f PredictArgs, files: &'f Files) -> Payload<'f> {
    let (bytes, command_line) = (files.payload.as_slice(), args.cmdline.as_deref());
    match args.kernel {
        Some(_) => Payload::Kernel { bytes, command_line, initrd: files.initrd.as_deref() },
        None => Payload::Uki { bytes, command_line },
    }
}

fn read(args: &PredictArgs) -> Result<Files, Failure> {
    let image = |path: &Path| files::read(path, MAX_IMAGE);
    let list =
        |path: Option<&PathBuf>| path.map_or_else(|| Ok(Vec::new()), |path| files::read(path, MAX_LIST));
    let payload = args.uki.as_deref().or(args.kernel.as_deref()).unwrap_or(Path::new(""));
    let loaders = args.boot_loader.iter().map(|path| Ok((path.display().to_string(), image(path)?)));
    let keys = match &args.db {
        None => None,
        db => Some([
            list(args.pk.as_ref())?,
            list(args.kek.as_ref())?,
            list(db.as_ref())?,
            list(args.dbx.as_ref())?,
        ]),
    };
    Ok(Files {
        payload: image(payload)?,
        initrd: args.initrd.as_deref().map(image).transpose()?,
        loaders: loaders.collect::<Result<_, Failure>>()?,
        keys,
    })
}
