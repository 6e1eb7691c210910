//! Who signed a file: which signatures an entry has, and which of the policy's keys one of them is by.

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
    let mut refusal = ImaSignatureError::Missing;
    for verify in [portable, contents, appended] {
        match verify(entry, keyrings) {
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

fn portable<'k>(entry: &Entry<'_>, keyrings: &SignerKeyrings<'k>) -> Result<Signer<'k>, ImaSignatureError> {
    let signature = PortableSignature::of(entry)?.ok_or(ImaSignatureError::Missing)?;
    strong(signature.hash, keyrings)?;
    let signed = signature.contents(entry)?;
    let keys = Keys { names: "ima.evm_keyrings", keyrings: keyrings.evm.iter().map(|evm| evm.keys()) };
    let named = |key: &Key| key.has_id(signature.signature.key_id);
    let key_id = || signature.signature.key_id_hex();
    let keyring = keys.signer(named, key_id, &signature.digests(), signature.signature.signature)?;
    let listed = listed_hash(entry);
    let hash = match signed {
        SignedContents::Digest => {
            listed.map_or(Ok(()), |hash| strong(hash, keyrings))?;
            listed.map_or(signature.hash, |hash| weaker(hash, signature.hash))
        }
        // What is signed of the contents is another signature then, which has to hold too.
        SignedContents::Signature(inner) => {
            weaker(contents_by(entry, &inner, keyrings)?.hash, signature.hash)
        }
    };
    Ok(Signer { keyring, form: SignatureForm::Portable, hash })
}

fn contents<'k>(entry: &Entry<'_>, keyrings: &SignerKeyrings<'k>) -> Result<Signer<'k>, ImaSignatureError> {
    if entry.signature().is_some() {
        return contents_by(entry, &ImaSignature::of(entry)?, keyrings);
    }
    // In the template evm-sig it is an extended attribute. Where that is malformed, the portable signature is told as such.
    let complete = portable::is_complete(entry) && entry.field(Field::XattrNames).is_some();
    let xattr = complete.then(|| portable::xattrs(entry)).transpose()?.and_then(|xattrs| xattrs.get(IMA));
    match xattr {
        Some(value @ [3 | 6, ..]) => contents_by(entry, &ImaSignature::parse(value)?, keyrings),
        _ => Err(ImaSignatureError::Missing),
    }
}

fn contents_by<'k>(
    entry: &Entry<'_>,
    signature: &ImaSignature<'_>,
    keyrings: &SignerKeyrings<'k>,
) -> Result<Signer<'k>, ImaSignatureError> {
    let digest = signature.signed_digest(&entry.file_digest(), keyrings.allow_sha1)?;
    let keys = of_contents(keyrings);
    let named = |key: &Key| key.has_id(signature.key_id);
    let keyring = keys.signer(named, || signature.key_id_hex(), &[digest], signature.signature)?;
    let form = match signature.kind {
        SignatureKind::Verity => SignatureForm::Verity,
        // A portable one has no such digest, and was refused with it.
        SignatureKind::Contents | SignatureKind::EvmPortable => SignatureForm::Contents,
    };
    Ok(Signer { keyring, form, hash: digest.algorithm() })
}

fn appended<'k>(entry: &Entry<'_>, keyrings: &SignerKeyrings<'k>) -> Result<Signer<'k>, ImaSignatureError> {
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
    strong(signature.hash, keyrings)?;
    let keys = of_contents(keyrings);
    let named = |key: &Key| match &signature.signer {
        SignerName::Certificate { issuer_and_serial, .. } => key.is_certified_as(issuer_and_serial),
        SignerName::KeyIdentifier(identifier) => key.has_identifier(identifier),
    };
    let keyring = keys.signer(named, || signature.signer(), &[digest], &signature.signature)?;
    Ok(Signer { keyring, form: SignatureForm::Appended, hash: signature.hash })
}

fn strong(hash: HashAlgorithm, keyrings: &SignerKeyrings<'_>) -> Result<(), ImaSignatureError> {
    let weak = hash == HashAlgorithm::Sha1 && !keyrings.allow_sha1;
    if weak { Err(ImaSignatureError::Weak) } else { Ok(()) }
}

fn listed_hash(entry: &Entry<'_>) -> Option<HashAlgorithm> {
    entry.file_digest().algorithm()
}

fn weaker(one: HashAlgorithm, other: HashAlgorithm) -> HashAlgorithm {
    if one.len() <= other.len() { one } else { other }
}

/// The keyrings that count for a kind of signature.
struct Keys<I> {
    /// Where the policy has them.
    names: &'static str,
    /// Not collected: judging a file allocates nothing unless it is refused.
    keyrings: I,
}

fn of_contents<'k>(keyrings: &SignerKeyrings<'k>) -> Keys<impl Iterator<Item = &'k ImaKeyring> + Clone> {
    Keys { names: "ima.keyrings", keyrings: keyrings.contents.iter().map(Arc::as_ref) }
}

impl<'k, I: Iterator<Item = &'k ImaKeyring> + Clone> Keys<I> {
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
        for keyring in self.keyrings.clone() {
            for key in keyring.keys().filter(|key| is_named(key)) {
                if key.is_revoked() {
                    refusal = Some(ImaSignatureError::Revoked { key_id: key_id() });
                } else if digests.iter().any(|digest| key.verifies(digest, signature)) {
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
