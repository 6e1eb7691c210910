//! Who signed a file: which signatures an entry has, and which of the policy's keys one of them is by.

use std::cell::Cell;
use std::sync::Arc;

use super::appended::{AppendedSignature, SignerName};
use super::entry::Entry;
use super::file_digest::FileDigest;
use super::keyring::{EvmKeyring, ImaKeyring, Key};
use super::portable::{self, PortableSignature, SignedContents};
use super::signature::{ImaSignature, ImaSignatureError, SignatureKind};
use super::template::{Field, MODSIG};
use super::xattr::IMA;
use crate::digest::{Digest, HashAlgorithm};

/// The keyrings that the signature of a file may be by. Those for contents and those for EVM are kept apart, as the kernel
/// keeps `.ima` and `.evm`: in version 2 nothing in a signature says which of the two it is (threat i15).
#[derive(Debug, Clone, Copy, Default)]
pub struct SignerKeyrings<'k> {
    /// Keys of signatures over contents: `security.ima`, and appended ones.
    pub contents: &'k [Arc<ImaKeyring>],
    /// Keys of portable EVM signatures.
    pub evm: &'k [Arc<EvmKeyring>],
    /// Whether a signature over a SHA-1 digest counts (threat i14).
    pub allow_sha1: bool,
}

/// Which signature of a file was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureForm {
    /// That of `security.ima`, over the contents.
    Contents,
    /// That of `security.ima`, over the fs-verity digest.
    Verity,
    /// A portable one of `security.evm`: over contents, security attributes, owner and mode.
    Portable,
    /// An appended one: over the contents without it.
    Appended,
}

/// Who signed a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer<'k> {
    /// The keyring that has the key.
    pub keyring: &'k str,
    /// Which signature it was.
    pub form: SignatureForm,
    /// The hash of the digest that the key signed; of several, the weakest.
    pub hash: HashAlgorithm,
}

/// Verifies the signature of an entry. It may have several, of which one has to hold, in the order portable, contents,
/// appended. The next one is looked at when there is none, or one by an unknown key; one that does not hold, or that can't
/// be read, is not made good by another.
///
/// # Errors
/// [`ImaSignatureError`]: threats i07, i14, i15.
pub fn verify_signature<'k>(
    entry: &Entry<'_>,
    keyrings: &SignerKeyrings<'k>,
) -> Result<Signer<'k>, ImaSignatureError> {
    verify_counted(entry, keyrings, &Cell::new(0))
}

/// The same, adding to `checks` how often a key was held against a digest: what a signature costs.
pub(super) fn verify_counted<'k>(
    entry: &Entry<'_>,
    keyrings: &SignerKeyrings<'k>,
    checks: &Cell<u32>,
) -> Result<Signer<'k>, ImaSignatureError> {
    let by = By { keyrings: *keyrings, checks };
    let mut refusal = ImaSignatureError::Missing;
    for verify in [portable, contents, appended] {
        match verify(entry, &by) {
            Ok(signer) => return Ok(signer),
            Err(ImaSignatureError::Missing) => {}
            Err(
                error @ (ImaSignatureError::UnknownKey { .. }
                | ImaSignatureError::NotVerified { .. }
                | ImaSignatureError::Weak),
            ) => {
                if refusal == ImaSignatureError::Missing {
                    refusal = error;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

/// By whom a signature may be, and how many checks were made to find out.
struct By<'c, 'k> {
    keyrings: SignerKeyrings<'k>,
    checks: &'c Cell<u32>,
}

fn portable<'k>(entry: &Entry<'_>, by: &By<'_, 'k>) -> Result<Signer<'k>, ImaSignatureError> {
    let signature = PortableSignature::of(entry)?.ok_or(ImaSignatureError::Missing)?;
    strong(signature.hash, by)?;
    let signed = signature.contents(entry)?;
    let keyrings = by.keyrings.evm.iter().map(|evm| evm.keys());
    let keys = Keys { names: "ima.evm_keyrings", keyrings, checks: by.checks };
    let named = |key: &Key| key.has_id(signature.signature.key_id);
    let key_id = || signature.signature.key_id_hex();
    let keyring = keys.signer(named, key_id, &signature.digests(), signature.signature.signature)?;
    let listed = listed_hash(entry);
    let hash = match signed {
        SignedContents::Digest => {
            listed.map_or(Ok(()), |hash| strong(hash, by))?;
            listed.map_or(signature.hash, |hash| weaker(hash, signature.hash))
        }
        // What is signed of the contents is another signature then, which has to hold too.
        SignedContents::Signature(inner) => weaker(contents_by(entry, &inner, by)?.hash, signature.hash),
    };
    Ok(Signer { keyring, form: SignatureForm::Portable, hash })
}

fn contents<'k>(entry: &Entry<'_>, by: &By<'_, 'k>) -> Result<Signer<'k>, ImaSignatureError> {
    if entry.signature().is_some() {
        return contents_by(entry, &ImaSignature::of(entry)?, by);
    }
    // In the template evm-sig it is an extended attribute. Where that is malformed, the portable signature is told as such.
    let complete = portable::is_complete(entry) && entry.field(Field::XattrNames).is_some();
    let xattr = complete.then(|| portable::xattrs(entry)).transpose()?.and_then(|xattrs| xattrs.get(IMA));
    match xattr {
        Some(value @ [3 | 6, ..]) => contents_by(entry, &ImaSignature::parse(value)?, by),
        _ => Err(ImaSignatureError::Missing),
    }
}

fn contents_by<'k>(
    entry: &Entry<'_>,
    signature: &ImaSignature<'_>,
    by: &By<'_, 'k>,
) -> Result<Signer<'k>, ImaSignatureError> {
    let digest = signature.signed_digest(&entry.file_digest(), by.keyrings.allow_sha1)?;
    let keys = of_contents(by);
    let named = |key: &Key| key.has_id(signature.key_id);
    let keyring = keys.signer(named, || signature.key_id_hex(), &[digest], signature.signature)?;
    let form = match signature.kind {
        SignatureKind::Verity => SignatureForm::Verity,
        // A portable one has no such digest, and was refused with it.
        SignatureKind::Contents | SignatureKind::EvmPortable => SignatureForm::Contents,
    };
    Ok(Signer { keyring, form, hash: digest.algorithm() })
}

fn appended<'k>(entry: &Entry<'_>, by: &By<'_, 'k>) -> Result<Signer<'k>, ImaSignatureError> {
    let bytes = entry.field(Field::Modsig).ok_or(ImaSignatureError::Missing)?;
    if !entry.has_fields_of(&MODSIG) {
        let what = "appended signature outside of the fields of the template ima-modsig";
        return Err(ImaSignatureError::NotVerified { what });
    }
    let signature = AppendedSignature::parse(bytes)?;
    let listed = entry.field(Field::ModsigDigest).unwrap_or_default();
    let listed = FileDigest::named(Field::ModsigDigest, listed, false).ok();
    let digest =
        listed.and_then(|listed| listed.digest()).filter(|digest| digest.algorithm() == signature.hash);
    let digest = digest.ok_or_else(|| ImaSignatureError::OtherDigest {
        signed: format!("d-modsig {}", signature.hash),
        listed: listed.map_or_else(|| "none".to_owned(), |listed| listed.to_string()),
    })?;
    strong(signature.hash, by)?;
    let keys = of_contents(by);
    let named = |key: &Key| match &signature.signer {
        SignerName::Certificate { issuer_and_serial, .. } => key.is_certified_as(issuer_and_serial),
        SignerName::KeyIdentifier(identifier) => key.has_identifier(identifier),
    };
    let keyring = keys.signer(named, || signature.signer(), &[digest], &signature.signature)?;
    Ok(Signer { keyring, form: SignatureForm::Appended, hash: signature.hash })
}

fn strong(hash: HashAlgorithm, by: &By<'_, '_>) -> Result<(), ImaSignatureError> {
    let weak = hash == HashAlgorithm::Sha1 && !by.keyrings.allow_sha1;
    if weak { Err(ImaSignatureError::Weak) } else { Ok(()) }
}

fn listed_hash(entry: &Entry<'_>) -> Option<HashAlgorithm> {
    entry.file_digest().algorithm()
}

fn weaker(one: HashAlgorithm, other: HashAlgorithm) -> HashAlgorithm {
    if one.len() <= other.len() { one } else { other }
}

/// The keyrings that count for a kind of signature.
struct Keys<'c, I> {
    /// Where the policy has them.
    names: &'static str,
    /// Not collected: judging a file allocates nothing unless it is refused.
    keyrings: I,
    checks: &'c Cell<u32>,
}

fn of_contents<'c, 'k>(by: &By<'c, 'k>) -> Keys<'c, impl Iterator<Item = &'k ImaKeyring> + Clone + use<'k>> {
    Keys { names: "ima.keyrings", keyrings: by.keyrings.contents.iter().map(Arc::as_ref), checks: by.checks }
}

impl<'k, I: Iterator<Item = &'k ImaKeyring> + Clone> Keys<'_, I> {
    /// The keyring whose key made a signature over one of `digests`. No short name names a key for good, so that each key
    /// that has it is tried.
    fn signer(
        &self,
        is_named: impl Fn(&Key) -> bool,
        key_id: impl Fn() -> String,
        digests: &[Digest],
        signature: &[u8],
    ) -> Result<&'k str, ImaSignatureError> {
        let mut refusal = None;
        let holds = |key: &Key, digest: &Digest| {
            self.checks.set(self.checks.get().saturating_add(1));
            key.verifies(digest, signature)
        };
        for keyring in self.keyrings.clone() {
            for key in keyring.keys().filter(|key| is_named(key)) {
                if key.is_revoked() {
                    refusal = Some(ImaSignatureError::Revoked { key_id: key_id() });
                } else if digests.iter().any(|digest| holds(key, digest)) {
                    return Ok(keyring.name());
                } else if refusal.is_none() {
                    refusal = Some(ImaSignatureError::Mismatch { key_id: key_id() });
                }
            }
        }
        Err(refusal
            .unwrap_or_else(|| ImaSignatureError::UnknownKey { key_id: key_id(), keyrings: self.text() }))
    }

    fn text(&self) -> String {
        let names: Vec<&str> = self.keyrings.clone().map(ImaKeyring::name).collect();
        let listed = if names.is_empty() { "no keyring is named".to_owned() } else { names.join(", ") };
        format!("{} ({listed})", self.names)
    }
}
