//! `hallmark key`: keys that sign packages and reference values.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;
use update_verify::SigningKey;
use update_verify::bundle::PublicKey;

use crate::failure::{Exit, Failure};
use crate::files::{self, Privacy};
use crate::output::{self, Format, Page, Report};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an ECDSA P-256 key pair: OUT (private, PKCS#8, mode 0600) and OUT.pub; of a key that exists, only OUT.pub
    #[command(after_help = "Example:\n  hallmark key generate --out release.pem")]
    Generate {
        /// File for the private key; its public half goes to the same name with .pub added
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyReport {
    /// File with the private key.
    private_key: PathBuf,
    /// File with the public key.
    public_key: PathBuf,
    /// SHA-256 over the public key's SubjectPublicKeyInfo.
    key_id: String,
}

impl Report for KeyReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.row("private key", self.private_key.display())?;
        page.row("public key", self.public_key.display())?;
        page.row("key id", &self.key_id)
    }
}

pub(crate) fn run(command: Command, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Generate { out } => output::print(&generate(&out)?, format),
    }
}

fn generate(out: &Path) -> Result<KeyReport, Failure> {
    let mut public_name = out.as_os_str().to_owned();
    public_name.push(".pub");
    let public_path = PathBuf::from(public_name);
    // A key that is overwritten is lost, and with it every device that trusts it.
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    if out.is_dir() {
        return Err(Failure::failed(format!("{}: is a folder; name a file for the key", out.display())));
    }
    if exists(&public_path) || exists(out) && out.metadata().map_or(true, |metadata| metadata.len() == 0) {
        let path = if exists(&public_path) { &public_path } else { out };
        let path = path.display();
        return Err(Failure::failed(format!("{path} exists; a key is never overwritten, name another file")));
    }
    let public_pem = if exists(out) {
        // Cut off between the two files, or the public half was lost: it is derived anew.
        read_signing_key(out)?.public_key().to_pem()
    } else {
        let pair = SigningKey::generate()?;
        files::write(out, pair.private_pem.as_bytes(), Privacy::Private)?;
        pair.public_pem
    };
    files::write(&public_path, public_pem.as_bytes(), Privacy::Public)?;
    let key_id = PublicKey::from_pem(&public_pem)?.id().to_string();
    Ok(KeyReport { private_key: out.to_path_buf(), public_key: public_path, key_id })
}

/// Reads a private key that signs; refuses one that others can read, since it is theirs as well then.
pub(crate) fn read_signing_key(path: &Path) -> Result<SigningKey, Failure> {
    SigningKey::from_pem(&read_private_pem(path)?)
        .map_err(|error| Failure::refused(None, error.to_string()).about(path))
}

/// The PEM text of a private key file, after its permissions were looked at.
pub(crate) fn read_private_pem(path: &Path) -> Result<String, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::failed("is no regular file; name the file of a private key").about(path));
    }
    let text = files::read_text(path)?;
    if text.contains("-----BEGIN PUBLIC KEY-----") && !text.contains("PRIVATE KEY-----") {
        return Err(Failure::usage("is a public key; name the file of the private one").about(path));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::refused(
            Some("p10"),
            format!("{path}: a private key that others can read (mode {mode:o}); run: chmod 600 {path}"),
        ));
    }
    Ok(text)
}

/// Reads public keys, one in each file.
pub(crate) fn read_public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    paths
        .iter()
        .map(|path| {
            PublicKey::from_pem(&files::read_text(path)?)
                .map_err(|error| Failure::refused(None, format!("{}: {error}", path.display())))
        })
        .collect()
}
