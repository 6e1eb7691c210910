//! What this device accepts as an update: a small TOML file, or the same things as options.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use update_verify::TrustPolicy;
use update_verify::bundle::PublicKey;

use crate::commands::key::read_public_keys;
use crate::context::Context;
use crate::failure::Failure;
use crate::files;

/// Options that say whose packages are accepted, and for which device.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TrustArgs {
    /// TOML file with product, hardware and keys [default: trust.toml in the state folder]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "product", "hardware"])]
    trust: Option<PathBuf>,
    /// PEM public key whose signature is accepted; may be given several times
    #[arg(long, value_name = "PEM", requires = "product", requires = "hardware")]
    key: Vec<PathBuf>,
    /// The product that this device is
    #[arg(long, value_name = "NAME", requires = "key")]
    product: Option<String>,
    /// The hardware that this device is
    #[arg(long, value_name = "NAME", requires = "key")]
    hardware: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    product: String,
    hardware: String,
    /// PEM files, relative to this one.
    keys: Vec<PathBuf>,
}

impl TrustArgs {
    /// The trust policy, without a rollback floor.
    pub(crate) fn policy(&self, context: &Context) -> Result<TrustPolicy, Failure> {
        if let (Some(product), Some(hardware)) = (&self.product, &self.hardware) {
            return build(read_public_keys(&self.key)?, product, hardware, context.now());
        }
        let path = self.trust.clone().unwrap_or_else(|| context.state().join("trust.toml"));
        if self.trust.is_none() && !files::is_there(&path)? {
            return Err(Failure::usage(format!(
                "no {}; say what to trust: --trust FILE, or --key PEM --product NAME --hardware NAME",
                path.display()
            )));
        }
        from_file(&path, context.now())
    }
}

fn from_file(path: &Path, now: Timestamp) -> Result<TrustPolicy, Failure> {
    let text = files::read_text(path)?;
    let file: TrustFile = toml::from_str(&text).map_err(|error| {
        Failure::refused(None, format!("{}: {}", path.display(), error.message().replace('\n', " ")))
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let keys: Vec<_> = file.keys.iter().map(|key| folder.join(key)).collect();
    build(read_public_keys(&keys)?, &file.product, &file.hardware, now)
        .map_err(|failure| Failure::refused(None, failure.message).about(path))
}

fn build(
    keys: Vec<PublicKey>,
    product: &str,
    hardware: &str,
    now: Timestamp,
) -> Result<TrustPolicy, Failure> {
    Ok(TrustPolicy::new(keys, product, hardware, now, pki::EARLIEST)?)
}
