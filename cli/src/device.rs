//! This device's certificates: on disk in the state folder, or in the TPM's NV memory.

use std::path::PathBuf;

use attest::key::{ENDORSEMENT, PublicArea, initial_attestation_key};
use attest::quote::Attest;
use jiff::Timestamp;
use pki::certificate::{CertificateView, certified_key, chain_from_pem, chain_to_pem, split_chain};
use tpm::{IdentityKey, Key, Tpm};

use crate::context::Context;
use crate::failure::Failure;
use crate::files::{self, Privacy};

/// Largest chain, in bytes of PEM.
const MAX_CHAIN: usize = 256 * 1024;

/// Where a device keeps its chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    /// PEM files in the state folder.
    Disk,
    /// The TPM's NV memory, where they survive a new disk.
    Nv,
}

/// A device that has been provisioned.
#[derive(Debug)]
pub(crate) struct Device {
    id: String,
    not_after: Timestamp,
    chain: Vec<Vec<u8>>,
}

impl Device {
    /// Loads the attestation key's chain: from the state folder, else from NV.
    pub(crate) fn load(context: &Context) -> Result<Self, Failure> {
        Self::load_chain(context, IdentityKey::Attestation)
    }

    /// Loads the chain of one of the identity keys; the TPM is opened only when the state folder has none.
    pub(crate) fn load_chain(context: &Context, key: IdentityKey) -> Result<Self, Failure> {
        match read_disk(context, key)? {
            Some(chain) => Self::of(chain),
            None => Self::load_nv(context, &*context.tpm()?, key),
        }
    }

    /// The same with a TPM that is open already.
    pub(crate) fn load_with(context: &Context, tpm: &Tpm, key: IdentityKey) -> Result<Self, Failure> {
        match read_disk(context, key)? {
            Some(chain) => Self::of(chain),
            None => Self::load_nv(context, tpm, key),
        }
    }

    fn load_nv(context: &Context, tpm: &Tpm, key: IdentityKey) -> Result<Self, Failure> {
        let stored = tpm.nv_read(key.certificate_index())?.ok_or_else(|| {
            Failure::failed(format!(
                "this device has no certificates, neither in {} nor in the TPM; run `hallmark provision`",
                chain_path(context, key).display()
            ))
        })?;
        Self::of(split_chain(&stored)?)
    }

    fn of(chain: Vec<Vec<u8>>) -> Result<Self, Failure> {
        let leaf = chain.first().ok_or_else(|| {
            Failure::refused(None, "the device's certificate chain is empty; run `hallmark provision` again")
        })?;
        let view = CertificateView::from_der(leaf)?;
        let id = view
            .common_name()
            .ok_or_else(|| Failure::refused(Some("p19"), "the device's certificate names no device"))?;
        Ok(Self { id: id.to_owned(), not_after: view.not_after, chain })
    }

    /// The device's name out of its certificate.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// When the certificate ends.
    pub(crate) fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The chain, DER, leaf first.
    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The public area of the attestation key that signed `quote`, which is the certificate's: one of another device would
    /// only be found out by the verifier (threat q10).
    ///
    /// A key that was made by Hallmark's template has no field that the certificate does not tell, and the quote names its
    /// signer by a hash over all of them. Where they agree, the TPM need not be asked for the area.
    pub(crate) fn attestation_key(&self, key: &Key<'_>, quote: &[u8]) -> Result<PublicArea, Failure> {
        let certified = certified_key(self.chain.first().map(Vec::as_slice).unwrap_or_default())?;
        let signer = Attest::parse_quote(quote)?.qualified_signer;
        let of_template = initial_attestation_key(&certified);
        if let Some(public) = of_template.filter(|public| public.qualified_name(&ENDORSEMENT) == signer) {
            return Ok(public);
        }
        let public = PublicArea::parse(key.public()?)?;
        if *public.key() == certified {
            return Ok(public);
        }
        let id = &self.id;
        Err(Failure::refused(
            Some("q10"),
            format!(
                "the certificate of {id} is for another key than this TPM's; run `hallmark provision` again"
            ),
        ))
    }

    /// Keeps a chain: whole or not at all.
    pub(crate) fn keep(
        context: &Context,
        tpm: &Tpm,
        key: IdentityKey,
        chain: &[&[u8]],
        store: Store,
    ) -> Result<(), Failure> {
        match store {
            Store::Nv => Ok(tpm.nv_store(key.certificate_index(), &chain.concat())?),
            Store::Disk => {
                let path = chain_path(context, key);
                if let Some(folder) = path.parent() {
                    files::create_folder(folder)?;
                }
                files::write(&path, chain_to_pem(chain)?.as_bytes(), Privacy::Public)
            }
        }
    }
}

fn read_disk(context: &Context, key: IdentityKey) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let path = chain_path(context, key);
    if !files::is_there(&path)? {
        return Ok(None);
    }
    let pem = String::from_utf8(files::read(&path, MAX_CHAIN)?)
        .map_err(|_| Failure::refused(None, format!("{}: is not PEM text", path.display())))?;
    Ok(Some(chain_from_pem(&pem)?))
}

fn chain_path(context: &Context, key: IdentityKey) -> PathBuf {
    let name = match key {
        IdentityKey::Attestation => "iak.pem",
        IdentityKey::DeviceId => "idevid.pem",
    };
    context.state().join("identity").join(name)
}
