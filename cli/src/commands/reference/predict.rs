//! `reference predict`: what files say that a device will measure.

use std::path::{Path, PathBuf};

use attest::reference::predict::{Beside, Boot, NamedFile, Payload, PredictError, SecureBootKeys, predict};

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
    /// The profile of the image that is started, counted from 0
    #[arg(long, value_name = "NUMBER", requires = "uki", default_value_t = 0)]
    profile: u32,
    /// The folder IMAGE.extra.d beside the image: add-ons, credentials, extensions
    #[arg(long, value_name = "DIR", requires = "uki")]
    extra: Option<PathBuf>,
    /// The folder `loader` of the boot partition: add-ons and credentials of every image
    #[arg(long, value_name = "DIR", requires = "uki")]
    loader_dir: Option<PathBuf>,
    /// The device starts the image with secure boot off
    #[arg(long, conflicts_with_all = ["db", "pk"])]
    secure_boot_off: bool,
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
    /// Of IMAGE.extra.d, loader/addons, loader/credentials.
    beside: [Vec<(String, Vec<u8>)>; 3],
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
    let loaders = named(&files.loaders);
    let [extra, addons, credentials] = files.beside.each_ref().map(|files| named(files));
    let beside = Beside { extra: &extra, addons: &addons, credentials: &credentials };
    let boot = Boot {
        loaders: &loaders,
        payload: payload(args, &files, beside),
        secure_boot: !args.secure_boot_off,
        keys: files.keys.as_ref().map(|[pk, kek, db, dbx]| SecureBootKeys { pk, kek, db, dbx }),
    };
    let predicted = predict(&boot, golden.bank).map_err(|error| match (&error, &args.uki, &args.kernel) {
        (PredictError::Pe(_), Some(uki), _) => Failure::from(error).about(uki),
        (PredictError::Image { name, .. }, _, Some(kernel)) if name == "kernel" => {
            Failure::from(error).about(kernel)
        }
        _ => Failure::from(error),
    })?;
    let notes = predicted.notes().to_vec();
    let values = predicted.into_values(golden, base.as_ref());
    Ok(args.out.write_values(&values)?.with_notes(notes))
}

fn named(files: &[(String, Vec<u8>)]) -> Vec<NamedFile<'_>> {
    files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

fn payload<'f>(args: &'f PredictArgs, files: &'f Files, beside: Beside<'f>) -> Payload<'f> {
    let (bytes, command_line) = (files.payload.as_slice(), args.cmdline.as_deref());
    match args.kernel {
        Some(_) => Payload::Kernel { bytes, command_line, initrd: files.initrd.as_deref() },
        None => Payload::Uki { bytes, command_line, profile: args.profile, beside },
    }
}

fn read(args: &PredictArgs) -> Result<Files, Failure> {
    let image = |path: &Path| files::read(path, MAX_IMAGE);
    let list =
        |path: Option<&PathBuf>| path.map_or_else(|| Ok(Vec::new()), |path| files::read(path, MAX_LIST));
    let payload = args.uki.as_deref().or(args.kernel.as_deref()).unwrap_or(Path::new(""));
    let of_loader = |name| args.loader_dir.as_ref().map(|path| path.join(name)).filter(|path| path.exists());
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
        beside: [
            folder(args.extra.as_deref())?,
            folder(of_loader("addons").as_deref())?,
            folder(of_loader("credentials").as_deref())?,
        ],
        keys,
    })
}

/// The files of a folder, without those in its folders; nothing, where none is named.
fn folder(path: Option<&Path>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // The stub takes up no name that is not ASCII.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_file() {
            found.push((name, files::read(&entry.path(), MAX_IMAGE)?));
        }
    }
    Ok(found)
}
