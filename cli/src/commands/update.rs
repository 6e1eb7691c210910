//! `hallmark update`: packages, made and signed in CI, verified and installed on the device.

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use indicatif::ProgressBar;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use update_verify::install::{self, Activation, ReleaseInfo, Step};
use update_verify::pack::{Description, PackError, pack_to_file};
use update_verify::{Manifest, PackageError, PackageReader, RollbackFloor, sign_package};

use crate::commands::key::read_signing_key;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::floor::TpmFloor;
use crate::output::{self, Format, Mark, Page, Report};
use crate::trust::TrustArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a package out of a folder and a description
    Pack(PackArgs),
    /// Sign a package in place
    Sign(SignArgs),
    /// Verify a package: signature, target, time, every byte
    Verify(VerifyArgs),
    /// Show what a package says of itself, unverified
    #[command(after_help = "Example:\n  hallmark update inspect gateway-1.hmk")]
    Inspect {
        /// The package
        package: PathBuf,
    },
    /// Verify a package and put it in place, or leave everything as it was
    Install(InstallArgs),
    /// Tell what is installed, and the rollback floor
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark update pack build/ --description package.toml --out gateway-24.hmk"
)]
pub(crate) struct PackArgs {
    /// The folder whose files become the payload
    folder: PathBuf,
    /// TOML file with product, hardware, version, release and modules
    #[arg(long, value_name = "FILE")]
    description: PathBuf,
    /// The package
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign it at once with this key, instead of `hallmark update sign` later
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// Time of creation, for reproducible packages [default: now; SOURCE_DATE_EPOCH counts]
    #[arg(long, value_name = "RFC 3339")]
    created: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hallmark key generate --out release.pem\n  hallmark update sign gateway-24.hmk --key release.pem"
)]
pub(crate) struct SignArgs {
    /// The package
    package: PathBuf,
    /// ECDSA P-256 private key in PKCS#8 PEM, readable by its owner only
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark update verify gateway-24.hmk --key release.pem.pub \\\n      --product gateway --hardware gw-1\n  \
    hallmark update verify gateway-24.hmk --at-floor  # as the device would judge it")]
pub(crate) struct VerifyArgs {
    /// The package
    package: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Judge the release number by this device's TPM as well
    #[arg(long)]
    at_floor: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example, with product, hardware and keys in trust.toml of the state folder:\n  hallmark update install gateway-24.hmk"
)]
pub(crate) struct InstallArgs {
    /// The package
    package: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// Where releases live [default: releases in the state folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hallmark update status --format json")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    trust: TrustArgs,
    /// Where releases live [default: releases in the state folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackReport {
    /// The package.
    package: PathBuf,
    /// Number of files.
    files: usize,
    /// Bytes of the payload.
    payload_bytes: u64,
    /// SHA-256 of the manifest, which names the package.
    manifest_sha256: String,
}

impl Report for PackReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let text = format!("{} ({} files, {} bytes)", self.package.display(), self.files, self.payload_bytes);
        page.mark(Mark::Good, "packed", text)?;
        page.row("manifest", &self.manifest_sha256)
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SignReport {
    /// The package.
    package: PathBuf,
    /// Id of the key that signed it.
    key_id: String,
}

impl Report for SignReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.mark(Mark::Good, "signed", self.package.display())?;
        page.row("key id", &self.key_id)
    }
}

/// What a package is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageReport {
    /// Whether signature and payload were verified; `inspect` never does.
    verified: bool,
    /// The product that it is for.
    product: String,
    /// The hardware that it is for.
    hardware: Vec<String>,
    /// The version as people read it.
    version: String,
    /// The rollback index.
    release: u64,
    /// When it was made.
    created: String,
    /// When it ends.
    expires: Option<String>,
    /// Bytes of the payload.
    payload_bytes: u64,
    /// Paths of its files.
    files: Vec<String>,
    /// Names of its modules.
    modules: Vec<String>,
}

impl PackageReport {
    fn new(manifest: &Manifest, verified: bool) -> Self {
        Self {
            verified,
            product: manifest.product().to_owned(),
            hardware: manifest.hardware().to_vec(),
            version: manifest.version().to_owned(),
            release: manifest.release(),
            created: manifest.created().to_string(),
            expires: manifest.expires().map(|time| time.to_string()),
            payload_bytes: manifest.payload_len(),
            files: manifest.files().iter().map(|file| file.path().to_owned()).collect(),
            modules: manifest.modules().iter().map(|module| module.name().to_owned()).collect(),
        }
    }
}

impl Report for PackageReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.verified {
            page.mark(Mark::Good, "verified", "signature, target, time and every byte")?;
        } else {
            page.mark(Mark::Doubt, "not verified", "this is what the package says of itself")?;
        }
        page.row("product", format_args!("{} for {}", self.product, self.hardware.join(", ")))?;
        page.row("version", format_args!("{} (release {})", self.version, self.release))?;
        page.row("created", &self.created)?;
        page.row("expires", self.expires.as_deref().unwrap_or("never"))?;
        page.row("payload", format_args!("{} files, {} bytes", self.files.len(), self.payload_bytes))?;
        page.row("modules", self.modules.join(", "))
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InstallReport {
    /// The release that is current now.
    #[serde(flatten)]
    installed: ReleaseView,
    /// Where releases live.
    root: PathBuf,
}

impl Report for InstallReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let ReleaseView { version, release, .. } = &self.installed;
        page.mark(Mark::Good, "installed", format_args!("{version} (release {release})"))?;
        page.row("root", self.root.display())
    }
}

/// A release by its numbers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReleaseView {
    /// The version as people read it.
    version: String,
    /// The rollback index.
    release: u64,
    /// SHA-256 of the manifest.
    manifest_sha256: String,
}

impl From<&ReleaseInfo> for ReleaseView {
    fn from(info: &ReleaseInfo) -> Self {
        Self {
            version: info.version.clone(),
            release: info.release,
            manifest_sha256: info.manifest_digest.to_hex(),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusReport {
    /// The current release.
    current: Option<ReleaseView>,
    /// A release that waits to be confirmed.
    pending: Option<ReleaseView>,
    /// The lowest release that the TPM admits.
    floor: u64,
    /// Whether an update was interrupted before the floor was raised; the next start or install raises it.
    floor_behind: bool,
}

impl Report for StatusReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        let text = |release: &Option<ReleaseView>| {
            release
                .as_ref()
                .map_or_else(|| "none".to_owned(), |r| format!("{} (release {})", r.version, r.release))
        };
        page.row("current", text(&self.current))?;
        page.row("pending", text(&self.pending))?;
        let behind = if self.floor_behind { ", will be raised at the next start" } else { "" };
        page.row("rollback floor", format_args!("{}{behind}", self.floor))
    }
}

pub(crate) fn run(command: Command, context: &Context, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Pack(args) => output::print(&pack(&args, context)?, format),
        Command::Sign(args) => output::print(&sign(&args)?, format),
        Command::Verify(args) => output::print(&verify(&args, context)?, format),
        Command::Inspect { package } => output::print(&inspect(&package)?, format),
        Command::Install(args) => output::print(&install(&args, context)?, format),
        Command::Status(args) => output::print(&status(&args, context)?, format),
    }
}

fn pack(args: &PackArgs, context: &Context) -> Result<PackReport, Failure> {
    let description = Description::from_toml(&files::read_text(&args.description)?)
        .map_err(|error| Failure::from(error).about(&args.description))?;
    let created = match args.created {
        Some(time) => time,
        None => source_date_epoch()?.unwrap_or_else(|| context.now()),
    };
    let key = args.key.as_deref().map(read_signing_key).transpose()?;
    let out = files::target(&args.out)?;
    if is_inside(&out, &args.folder) {
        return Err(Failure::usage(format!("--out: {} is inside the folder that is packed", out.display())));
    }
    let written = pack_to_file(&args.folder, &description, created, key.as_ref(), &out);
    let packed = written.map_err(|error| match error {
        PackError::Write(error) => Failure::file(&args.out, &error),
        error => error.into(),
    })?;
    Ok(PackReport {
        package: args.out.clone(),
        files: packed.files,
        payload_bytes: packed.payload_len,
        manifest_sha256: packed.manifest_digest.to_hex(),
    })
}

fn is_inside(file: &Path, folder: &Path) -> bool {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) => parent.starts_with(folder),
        _ => false,
    }
}

/// The convention of reproducible builds: seconds since 1970.
fn source_date_epoch() -> Result<Option<Timestamp>, Failure> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let time = text.parse::<u32>().ok().and_then(|seconds| Timestamp::from_second(seconds.into()).ok());
    time.map(Some)
        .ok_or_else(|| Failure::usage(format!("SOURCE_DATE_EPOCH is {text:?}, expected seconds since 1970")))
}

fn sign(args: &SignArgs) -> Result<SignReport, Failure> {
    let key = read_signing_key(&args.key)?;
    let key_id = sign_package(&files::target(&args.package)?, &key)?;
    Ok(SignReport { package: args.package.clone(), key_id: key_id.to_string() })
}

fn verify(args: &VerifyArgs, context: &Context) -> Result<PackageReport, Failure> {
    let mut policy = args.trust.policy(context)?;
    if args.at_floor {
        let tpm = context.tpm()?;
        policy = policy.at_floor(TpmFloor(&tpm).current()?);
    }
    let named = |error: PackageError| Failure::from(error).about(&args.package);
    let (manifest, mut payload) = open(&args.package)?.verify(&policy).map_err(named)?;
    while payload.next_chunk().map_err(named)?.is_some() {}
    Ok(PackageReport::new(&manifest, true))
}

fn inspect(package: &Path) -> Result<PackageReport, Failure> {
    let manifest = open(package)?.unverified_manifest()?;
    Ok(PackageReport::new(&manifest, false))
}

fn install(args: &InstallArgs, context: &Context) -> Result<InstallReport, Failure> {
    let root = release_root(args.root.as_deref(), context);
    let policy = args.trust.policy(context)?;
    let package = File::open(&args.package).map_err(|error| Failure::file(&args.package, &error))?;
    let tpm = context.tpm()?;
    files::create_folder(&root)?;
    // The bar shows itself on a terminal only.
    let bar = if context.is_quiet() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let mut observe = |step: Step| {
        match step {
            Step::Judged { payload_len } => bar.set_length(payload_len),
            Step::ChunkWritten { len } | Step::FileWritten { len } => {
                bar.inc(u64::try_from(len).unwrap_or(0))
            }
            Step::Placed => bar.finish_and_clear(),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let package = BufReader::new(package);
    let installed =
        install::install(&root, package, &policy, &mut TpmFloor(&tpm), Activation::AtOnce, &mut observe)
            .map_err(|error| Failure::from(error).about(&args.package))?;
    Ok(InstallReport { installed: ReleaseView::from(&installed), root })
}

fn status(args: &StatusArgs, context: &Context) -> Result<StatusReport, Failure> {
    let root = release_root(args.root.as_deref(), context);
    let policy = args.trust.policy(context)?;
    let tpm = context.tpm()?;
    if !files::is_there(&root)? {
        let floor = TpmFloor(&tpm).current()?.release;
        return Ok(StatusReport { current: None, pending: None, floor, floor_behind: false });
    }
    let status = install::status(&root, &policy, &mut TpmFloor(&tpm))?;
    Ok(StatusReport {
        current: status.current.as_ref().map(ReleaseView::from),
        pending: status.pending.as_ref().map(ReleaseView::from),
        floor: status.floor.release,
        floor_behind: status.is_floor_behind,
    })
}

fn open(package: &Path) -> Result<PackageReader<BufReader<File>>, Failure> {
    let file = File::open(package).map_err(|error| Failure::file(package, &error))?;
    PackageReader::open(BufReader::new(file)).map_err(|error| Failure::from(error).about(package))
}

/// Where releases live, unless told otherwise.
pub(crate) fn release_root(named: Option<&Path>, context: &Context) -> PathBuf {
    named.map_or_else(|| context.state().join("releases"), Path::to_path_buf)
}
