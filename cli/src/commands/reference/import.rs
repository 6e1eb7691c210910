//! `reference import`: the files of a system, hashed here, or a list of digests.

mod corim;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::digest::Digest;
use attest::reference::{FileKey, FileSetBuilder, ReferenceValues, add_sums};
use ring::digest::{Context as Hash, SHA256};

use super::{OutArgs, ReferenceReport, ReleaseArgs, read_values};
use crate::context::Context;
use crate::failure::Failure;
use crate::files;

/// Largest list of digests, in bytes.
const MAX_LIST: usize = 256 * 1024 * 1024;
/// Most folders below each other in a tree.
const MAX_DEPTH: usize = 64;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark reference import --product gateway --release 1.0 --dpkg-root /srv/image \\\n      --file-set gateway-1.0.files --base boot-1.0.json --key reference.pem --out golden.json\n  \
    (cd /srv/image && find . -type f -exec sha256sum {} +) | hallmark reference import --product gateway \\\n      --release 1.0 --sha256sums - --file-set gateway-1.0.files --out unsigned.json\n  \
    hallmark reference import --product gateway --release 1.0 --corim vendor.corim --corim-key vendor.pem \\\n      --key reference.pem --out golden.json")]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true).args(["dpkg_root", "tree", "sha256sums", "corim"]))]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    out: OutArgs,
    /// File for the file set, which the policy then names; needed when there are files
    #[arg(long, value_name = "FILE")]
    file_set: Option<PathBuf>,
    /// Root folder of a Debian system: the files of its packages are hashed
    #[arg(long, value_name = "DIR")]
    dpkg_root: Option<PathBuf>,
    /// A folder that becomes the root: every regular file in it is hashed (`dpkg -x` unpacks a package)
    #[arg(long, value_name = "DIR")]
    tree: Vec<PathBuf>,
    /// A list as sha256sum writes it; - for standard input
    #[arg(long, value_name = "FILE")]
    sha256sums: Vec<PathBuf>,
    /// A CoRIM (draft-ietf-rats-corim): its digests of PCRs and files
    #[arg(long, value_name = "FILE")]
    corim: Option<PathBuf>,
    /// Public key that a signed CoRIM must be signed with
    #[arg(long, value_name = "PEM", requires = "corim")]
    corim_key: Option<PathBuf>,
    /// Profile of the CoRIM that you know to leave its values their meaning: a URI, or oid:HEX
    #[arg(long, value_name = "PROFILE", requires = "corim")]
    corim_profile: Option<String>,
    /// Reference values of this release's boot, to which the files belong; the files that it names itself are carried over
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

pub(super) fn run(args: &ImportArgs, context: &Context) -> Result<ReferenceReport, Failure> {
    let golden = args.release.golden(context)?;
    let lists = args.sha256sums.iter().chain(&args.base).chain(&args.corim).map(PathBuf::as_path);
    args.out.check(args.file_set.as_deref(), lists)?;
    let mut builder = FileSetBuilder::new();
    let mut notes = Vec::new();
    if let Some(root) = &args.dpkg_root {
        let missing = add_packages(&mut builder, root)?;
        if missing > 0 {
            notes.push(format!("{missing} files of packages are not in {}", root.display()));
        }
    }
    for root in &args.tree {
        add_tree(&mut builder, root)?;
    }
    for path in &args.sha256sums {
        let list = files::read(path, MAX_LIST)?;
        add_sums(&mut builder, &list, HashAlgorithm::Sha256)
            .map_err(|error| Failure::refused(None, format!("{}: {error}", path.display())))?;
    }
    let base = args.base.as_deref().map(read_values).transpose()?;
    let mut values = ReferenceValues {
        version: 2,
        product: golden.product,
        release: golden.release,
        issued: golden.issued,
        starts: golden.starts,
        expires: golden.expires,
        bank: base.as_ref().map_or(golden.bank, |base| base.bank),
        pcrs: BTreeMap::new(),
        by_events: Vec::new(),
        events: Vec::new(),
        files: BTreeMap::new(),
        file_sets: Vec::new(),
    };
    if let Some(base) = base {
        values.pcrs = base.pcrs;
        values.by_events = base.by_events;
        values.events = base.events;
        values.files = base.files;
        values.file_sets = base.file_sets;
    }
    if args.corim.is_some() {
        notes.extend(corim::add(args, &mut builder, &mut values)?);
        if let Some(end) = values.expires.filter(|end| *end <= context.now()) {
            return Err(Failure::failed(format!(
                "the CoRIM ended at {end}; no policy would take the values"
            )));
        }
    }
    if values.pcrs.is_empty() && values.by_events.is_empty() {
        notes.push("no PCR values: a device can't match this alone; give its boot as --base".to_owned());
    }
    let report = match &args.file_set {
        None if builder.is_empty() => args.out.write_values(&values)?,
        None => {
            return Err(Failure::usage(format!("--file-set: missing; there are {} files", builder.len())));
        }
        Some(_) if builder.is_empty() => {
            return Err(Failure::failed("there is no file to import in what was named"));
        }
        Some(path) => {
            notes.push(format!("{} files in {}", builder.len(), path.display()));
            args.out.write_with_files(&mut values, &builder, path)?
        }
    };
    Ok(report.with_notes(notes))
}

/// Adds the files that dpkg's lists name; their MD5 sums are not believed. Returns how many are not there.
fn add_packages(builder: &mut FileSetBuilder, root: &Path) -> Result<usize, Failure> {
    let root = std::fs::canonicalize(root).map_err(|error| Failure::file(root, &error))?;
    let info = root.join("var/lib/dpkg/info");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(&info).map_err(|error| Failure::file(&info, &error))? {
        let path = entry.map_err(|error| Failure::file(&info, &error))?.path();
        if path.extension() != Some(OsStr::new("md5sums")) {
            continue;
        }
        let list = files::read(&path, MAX_LIST)?;
        // 32 hexadecimal digits, two spaces, a path without the root.
        let lines = list.split(|byte| *byte == b'\n').filter_map(|line| line.get(34..));
        names.extend(lines.filter(|name| !name.is_empty()).map(<[u8]>::to_vec));
    }
    let mut missing = 0_usize;
    for name in names {
        // Merged folders: the kernel sees /usr/bin/a where the package says /bin/a.
        let real = std::fs::canonicalize(root.join(OsStr::from_bytes(&name)));
        match real.ok().filter(|real| real.starts_with(&root) && real.is_file()) {
            Some(real) => add_file(builder, &root, &real)?,
            None => missing = missing.saturating_add(1),
        }
    }
    Ok(missing)
}

/// Adds every regular file below `root`; links are not followed.
fn add_tree(builder: &mut FileSetBuilder, root: &Path) -> Result<(), Failure> {
    let mut folders = vec![(root.to_path_buf(), 0_usize)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))? {
            let entry = entry.map_err(|error| Failure::file(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| Failure::file(&entry.path(), &error))?;
            if kind.is_file() {
                add_file(builder, root, &entry.path())?;
            } else if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((entry.path(), depth.saturating_add(1)));
            } else if kind.is_dir() {
                let path = entry.path();
                return Err(Failure::failed(format!(
                    "{}: more than {MAX_DEPTH} folders deep",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

fn add_file(builder: &mut FileSetBuilder, root: &Path, path: &Path) -> Result<(), Failure> {
    let digest = hash(path)?;
    let name = path.strip_prefix(root).unwrap_or(path).as_os_str().to_os_string().into_vec();
    // The kernel writes a space of a path as `_`.
    let name = name.into_iter().map(|byte| if byte == b' ' { b'_' } else { byte });
    let name: Vec<u8> = std::iter::once(b'/').chain(name).collect();
    Ok(builder.add(&name, &FileKey::contents(&digest))?)
}

fn hash(path: &Path) -> Result<Digest, Failure> {
    let mut file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let mut hash = Hash::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(|error| Failure::file(path, &error))?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
    }
    Digest::new(HashAlgorithm::Sha256, hash.finish().as_ref())
        .ok_or_else(|| Failure::failed("SHA-256 of another length"))
}
