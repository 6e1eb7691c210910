//! The rules of a policy's [ima] section, compiled once for all devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::HashAlgorithm;
use crate::ima::{
    Entry, EvmKeyring, Field, ImaKeyring, ImaSignatureError, SignatureChecks, SignatureForm, SignerKeyrings,
};
use crate::policy::{ImaRules, PathGlob, Reaction};
use crate::reference::{FileIndex, FileKey};

/// The rules of a policy's `[ima]` section with the keys that it names, compiled once and shared by all that judge with
/// it. A look-up allocates nothing.
///
/// Without one an [`Appraiser`](super::super::Appraiser) knows the files of references only, which accepts less.
#[derive(Debug, Clone, Default)]
pub struct ImaRuleSet {
    exclude: Vec<PathGlob>,
    /// Rules for single paths, however many.
    exact: FileIndex,
    patterns: Vec<Pattern>,
    /// By the kernel's keyring, ours.
    measured_keyrings: BTreeMap<Vec<u8>, OurKeyring>,
    buffers: FileIndex,
    allow_sha1: bool,
}

#[derive(Debug, Clone)]
struct Pattern {
    paths: Vec<PathGlob>,
    /// Known under the path `/`: the real one was matched by pattern.
    digests: FileIndex,
    /// Keyrings for contents, and those for portable EVM signatures (threat i15).
    contents: Vec<Arc<ImaKeyring>>,
    evm: Vec<Arc<EvmKeyring>>,
}

/// What a key that was measured into a keyring of the kernel's is looked up in.
#[derive(Debug, Clone)]
enum OurKeyring {
    Contents(Arc<ImaKeyring>),
    Evm(Arc<EvmKeyring>),
}

impl OurKeyring {
    fn has_der(&self, der: &[u8]) -> bool {
        match self {
            Self::Contents(keyring) => keyring.has_der(der),
            Self::Evm(keyring) => keyring.has_der(der),
        }
    }
}

/// Where the digests of a rule with patterns stand.
const ANY_PATH: &str = "/";

/// What the rules say of an entry that no reference knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RuleVerdict {
    /// The policy does not judge files of this path.
    Excluded,
    /// A digest of the policy.
    Allowed,
    /// Signed in this form by a key of a keyring that the policy names for the path, over a digest of this hash at the weakest.
    Signed(SignatureForm, HashAlgorithm),
    /// No rule has it.
    Unknown,
    /// A rule asks for a signature, and it does not count.
    BadSignature(ImaSignatureError),
    /// A rule asks for a signature, and no more are checked in this list (threat i20).
    NotChecked,
    /// A buffer whose digest is not that of its bytes (threat i07).
    OtherBuffer,
    /// A key was measured into a keyring, and the policy does not have it (threat i15).
    ForeignKey,
}

impl ImaRuleSet {
    /// Compiles rules. `keyrings` are those of the policy with their keys, without the revoked ones: of `ima.keyrings` and of
    /// `ima.evm_keyrings`, which have no name in common.
    ///
    /// # Errors
    /// What is wrong, in words; a checked policy with its keyrings causes none.
    pub fn compile(rules: &ImaRules, keyrings: Vec<ImaKeyring>) -> Result<Self, String> {
        let is_evm = |name: &str| rules.evm_keyrings.contains_key(name);
        let (evm, contents): (Vec<_>, Vec<_>) =
            keyrings.into_iter().partition(|keyring| is_evm(keyring.name()));
        let evm: Vec<_> = evm.into_iter().map(|keyring| Arc::new(EvmKeyring::new(keyring))).collect();
        let contents: Vec<_> = contents.into_iter().map(Arc::new).collect();
        let missing = |name: &str| format!("there is no keyring {name:?}");
        let for_contents = |name: &String| {
            let found = contents.iter().find(|keyring| keyring.name() == name);
            found.cloned().ok_or_else(|| missing(name))
        };
        let for_evm = |name: &String| {
            let found = evm.iter().find(|keyring| keyring.name() == name);
            found.cloned().ok_or_else(|| missing(name))
        };
        let mut exact: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut patterns = Vec::new();
        for rule in &rules.rules {
            let (evm, contents): (Vec<_>, Vec<_>) = rule.signed_by.iter().partition(|name| is_evm(name));
            let evm = evm.into_iter().map(for_evm).collect::<Result<Vec<_>, _>>()?;
            let contents = contents.into_iter().map(for_contents).collect::<Result<Vec<_>, _>>()?;
            let mut paths = Vec::new();
            for text in &rule.paths {
                let glob = PathGlob::compile(text)?;
                if glob.literal().is_some() && rule.signed_by.is_empty() {
                    exact.entry(text.clone()).or_default().extend(rule.digests.iter().cloned());
                } else {
                    paths.push(glob);
                }
            }
            if !paths.is_empty() {
                let digests = FileIndex::compile([(&ANY_PATH.to_owned(), &rule.digests)])?;
                patterns.push(Pattern { paths, digests, contents, evm });
            }
        }
        let measured = rules.measured_keyrings.iter();
        Ok(Self {
            exclude: rules.exclude.iter().map(|text| PathGlob::compile(text)).collect::<Result<_, _>>()?,
            exact: FileIndex::compile(&exact)?,
            patterns,
            measured_keyrings: measured
                .map(|(kernel, name)| {
                    let ours = if is_evm(name) {
                        OurKeyring::Evm(for_evm(name)?)
                    } else {
                        OurKeyring::Contents(for_contents(name)?)
                    };
                    Ok((kernel.clone().into_bytes(), ours))
                })
                .collect::<Result<_, String>>()?,
            buffers: FileIndex::compile(&rules.buffers)?,
            allow_sha1: rules.weak_digests == Reaction::Report,
        })
    }

    /// Judges an entry that no reference knows. `checks` are those of its list.
    pub(super) fn judge(&self, entry: &Entry<'_>, checks: &mut SignatureChecks) -> RuleVerdict {
        // The template's name is not authenticated: what is read as a buffer has to be one by its digest.
        if entry.fields().any(|(field, _)| field == Field::Buffer) {
            return self.judge_buffer(entry);
        }
        if self.is_excluded(entry.path()) {
            return RuleVerdict::Excluded;
        }
        self.judge_file(entry, checks)
    }

    pub(super) fn is_excluded(&self, path: &[u8]) -> bool {
        self.exclude.iter().any(|glob| glob.matches(path))
    }

    fn judge_file(&self, entry: &Entry<'_>, checks: &mut SignatureChecks) -> RuleVerdict {
        let digest = entry.file_digest();
        let key = FileKey::from(&digest);
        if self.exact.contains(entry.path(), &key) {
            return RuleVerdict::Allowed;
        }
        let mut verdict = RuleVerdict::Unknown;
        let fits =
            |(_, pattern): &(usize, &Pattern)| pattern.paths.iter().any(|glob| glob.matches(entry.path()));
        for (number, pattern) in self.patterns.iter().enumerate().filter(fits) {
            if pattern.digests.contains(ANY_PATH.as_bytes(), &key) {
                return RuleVerdict::Allowed;
            }
            if pattern.contents.is_empty() && pattern.evm.is_empty() {
                continue;
            }
            let Pattern { contents, evm, .. } = pattern;
            let keyrings = SignerKeyrings { contents, evm, allow_sha1: self.allow_sha1 };
            match checks.verify(entry, number, &keyrings) {
                Some(Ok((form, hash))) => return RuleVerdict::Signed(form, hash),
                Some(Err(error)) => verdict = RuleVerdict::BadSignature(error),
                None => verdict = RuleVerdict::NotChecked,
            }
        }
        verdict
    }

    fn judge_buffer(&self, entry: &Entry<'_>) -> RuleVerdict {
        let buffer = entry.buffer().unwrap_or_default();
        let digest = entry.file_digest();
        let computed = digest.algorithm().map(|algorithm| algorithm.digest(buffer));
        if computed.is_none_or(|computed| computed.as_bytes() != digest.bytes()) {
            return RuleVerdict::OtherBuffer;
        }
        if self.buffers.contains(entry.path(), &FileKey::from(&digest)) {
            return RuleVerdict::Allowed;
        }
        let keyring = self.measured_keyrings.get(entry.path());
        match keyring {
            Some(keyring) if keyring.has_der(buffer) => RuleVerdict::Allowed,
            Some(_) => RuleVerdict::ForeignKey,
            None => RuleVerdict::Unknown,
        }
    }
}
