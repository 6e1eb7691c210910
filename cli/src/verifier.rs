//! A policy with everything that belongs to it, ready to judge.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::Digest;
use attest::appraisal::Appraisal;
use attest::appraise::{Appraiser, ImaRuleSet, Rehearsal, Suggestion, policy_digest};
use attest::challenge::{Challenge, Nonce};
use attest::dsse::DocumentKey;
use attest::ima::{ImaKeyring, ImaState};
use attest::policy::{Policy, PolicyFault};
use attest::reference::{FileSet, FileSets, Standing, TrustedReference, TrustedWithdrawal};
use attest::rego::{CompiledRules, RegoFile};
use jiff::{SignedDuration, Timestamp};
use pki::chain::{DeviceRoots, RevokedCertificates};

use crate::failure::{Exit, Failure};
use crate::files;
use crate::trouble::Trouble;

/// Largest file that a policy may name, in bytes.
const MAX_INPUT: usize = 64 * 1024 * 1024;

/// A challenge that is good for five minutes after it was given out (threat q03).
pub(crate) fn challenge(nonce: Nonce, issued: Timestamp) -> Challenge {
    Challenge::new(nonce, issued, SignedDuration::from_mins(5))
}

/// A policy with the files that it names, read and verified. Only whether its references still count depends on the time.
pub(crate) struct PolicyFiles {
    pub(crate) policy: Policy,
    /// What is legal and weak in the policy.
    pub(crate) weaknesses: Vec<PolicyFault>,
    /// SHA-256 over the policy and its files.
    pub(crate) digest: Digest,
    pub(crate) references: Vec<TrustedReference>,
    /// Withdrawals that the policy's keys have signed, with their files.
    pub(crate) withdrawals: Vec<(PathBuf, TrustedWithdrawal)>,
    /// All files that the policy names.
    paths: Vec<PathBuf>,
    reference_files: Vec<Input>,
    keys: Vec<DocumentKey>,
    roots: DeviceRoots,
    ima: ImaRuleSet,
    rules: Option<CompiledRules>,
}

impl PolicyFiles {
    /// Reads a policy and its files, or tells everything that is wrong with them.
    pub(crate) fn read(path: &Path) -> Result<Self, Vec<Trouble>> {
        let text = files::read_text(path).map_err(|failure| vec![Trouble::unreadable(path, &failure)])?;
        let (policy, weaknesses) = Policy::check(&text).map_err(|error| {
            let trouble = |fault: &PolicyFault| {
                let field = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
                let message = format!("{field}{}", fault.message);
                Trouble { line: Some(fault.line), ..Trouble::refused(path, &message) }
            };
            error.faults().iter().map(trouble).collect::<Vec<_>>()
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut troubles = Vec::new();
        let mut read = |names: &[String]| -> Vec<Input> {
            let input = |name: &String| {
                let path = folder.join(name);
                match files::read(&path, MAX_INPUT) {
                    Ok(bytes) => Some(Input { name: name.clone(), path, bytes }),
                    Err(failure) => {
                        troubles.push(Trouble::unreadable(&path, &failure));
                        None
                    }
                }
            };
            names.iter().filter_map(input).collect()
        };
        let roots = read(&policy.trust.device_roots);
        let keys = read(&policy.trust.reference_keys);
        let revoked = read(&policy.trust.revoked);
        let references = read(&policy.boot.references);
        let file_sets = read(&policy.boot.file_sets);
        let withdrawn = read(&policy.boot.withdrawn);
        let mut keyrings = Vec::new();
        let mut revoked_keys = Vec::new();
        if let Some(ima) = &policy.ima {
            keyrings.extend(
                ima.keyrings
                    .iter()
                    .chain(&ima.evm_keyrings)
                    .map(|(name, files)| (name.as_str(), read(files))),
            );
            revoked_keys = read(&ima.revoked_keys);
        }
        let rego = policy.rego.as_ref().map(|rego| read(&rego.files));
        let all_inputs = [&roots, &keys, &revoked, &references, &file_sets, &withdrawn];
        let keys_of_files = keyrings.iter().map(|(_, files)| files).chain([&revoked_keys]);
        let named = all_inputs.into_iter().chain(keys_of_files).chain(&rego).flatten();
        let named: Vec<_> = named.collect();
        let paths = named.iter().map(|input| input.path.clone()).collect();
        let bytes = named.iter().map(|input| input.bytes.as_slice());
        let bytes: Vec<_> = std::iter::once(text.as_bytes()).chain(bytes).collect();
        let digest = policy_digest(&bytes);
        let rules = rego.as_ref().and_then(|files| compile(files, &mut troubles));
        let ima = ima_rules(path, &policy, &keyrings, &revoked_keys, &mut troubles);
        let roots = device_roots(&roots, &revoked, &mut troubles);
        let before = troubles.len();
        let keys = all(&keys, &mut troubles, |key| DocumentKey::from_pem(key.text()?).map_err(text_of));
        // Without its keys each reference would only be refused for that.
        let (trusted, withdrawals) = if troubles.len() == before {
            let withdrawals = trusted_withdrawals(&withdrawn, &keys, &mut troubles);
            let trusted = trusted_references(&references, &file_sets, &withdrawals, &keys, &mut troubles);
            (trusted, withdrawals)
        } else {
            (Vec::new(), Vec::new())
        };
        match roots {
            Some(roots) if troubles.is_empty() => Ok(Self {
                policy,
                weaknesses,
                digest,
                references: trusted,
                withdrawals,
                paths,
                reference_files: references,
                keys,
                roots,
                ima,
                rules,
            }),
            _ => Err(troubles),
        }
    }

    /// The verifier that judges by this policy at `now`. One reference that counts then there must be.
    pub(crate) fn verifier(self: &Arc<Self>, now: Timestamp) -> Result<Verifier, Vec<Trouble>> {
        let counts =
            |reference: &TrustedReference| !matches!(reference.standing(now), Standing::Expired { .. });
        let mut troubles = Vec::new();
        if !self.references.iter().any(counts) {
            all(&self.reference_files, &mut troubles, |reference| {
                TrustedReference::verify_all(&reference.bytes, &self.keys, now).map_err(text_of)
            });
        }
        if troubles.is_empty() { Ok(Verifier { files: Arc::clone(self) }) } else { Err(troubles) }
    }
}

/// The policy's rules for files, with its keyrings: each out of its files, without the keys that were revoked.
fn ima_rules(
    path: &Path,
    policy: &Policy,
    keyrings: &[(&str, Vec<Input>)],
    revoked: &[Input],
    troubles: &mut Vec<Trouble>,
) -> ImaRuleSet {
    let Some(rules) = &policy.ima else { return ImaRuleSet::default() };
    let before = troubles.len();
    let mut load = |name: &str, inputs: &[Input]| {
        all(inputs, troubles, |input| ImaKeyring::from_pem(name, input.text()?).map_err(text_of))
    };
    let revoked = load("revoked", revoked);
    let mut loaded = Vec::new();
    for (name, files) in keyrings {
        let keys = load(name, files).into_iter().reduce(ImaKeyring::and);
        loaded.extend(keys.map(|keyring| revoked.iter().fold(keyring, ImaKeyring::without)));
    }
    if troubles.len() > before {
        return ImaRuleSet::default();
    }
    ImaRuleSet::compile(rules, loaded).unwrap_or_else(|error| {
        troubles.push(Trouble::refused(path, &error));
        ImaRuleSet::default()
    })
}

fn device_roots(roots: &[Input], revoked: &[Input], troubles: &mut Vec<Trouble>) -> Option<DeviceRoots> {
    let before = troubles.len();
    let revoked =
        all(revoked, troubles, |list| RevokedCertificates::from_text(list.text()?).map_err(text_of));
    let pems = all(roots, troubles, |root| {
        let text = root.text()?;
        DeviceRoots::from_pem(text).map(|_| text).map_err(text_of)
    });
    if troubles.len() > before {
        return None;
    }
    let revoked = revoked.into_iter().fold(RevokedCertificates::default(), RevokedCertificates::and);
    // A file may end without a line feed.
    match DeviceRoots::from_pem(&pems.join("\n")) {
        Ok(roots) => Some(roots.with_revoked(revoked)),
        Err(error) => {
            let path = roots.first().map_or(Path::new(""), |root| root.path.as_path());
            troubles.push(Trouble::refused(path, &error));
            None
        }
    }
}

fn trusted_withdrawals(
    withdrawn: &[Input],
    keys: &[DocumentKey],
    troubles: &mut Vec<Trouble>,
) -> Vec<(PathBuf, TrustedWithdrawal)> {
    all(withdrawn, troubles, |input| {
        let withdrawal = TrustedWithdrawal::verify(&input.bytes, keys).map_err(text_of)?;
        Ok((input.path.clone(), withdrawal))
    })
}

/// The references of a policy with their file sets, and with what was withdrawn. One that has ended is kept, so that a
/// device which runs it can be told so.
fn trusted_references(
    references: &[Input],
    file_sets: &[Input],
    withdrawals: &[(PathBuf, TrustedWithdrawal)],
    keys: &[DocumentKey],
    troubles: &mut Vec<Trouble>,
) -> Vec<TrustedReference> {
    let mut sets = FileSets::default();
    for input in file_sets {
        let added = FileSet::open(input.bytes.as_slice())
            .map(|set| set.name())
            .and_then(|name| sets.add(input.bytes.as_slice(), &name));
        if let Err(error) = added {
            troubles.push(Trouble::refused(&input.path, &error));
        }
    }
    let trusted = all(references, troubles, |input| {
        let references = TrustedReference::verify_all(&input.bytes, keys, Timestamp::MIN).map_err(text_of)?;
        let with_sets = |reference: TrustedReference| {
            let reference = reference.with_file_sets(&sets).map_err(text_of)?;
            Ok(withdrawals.iter().fold(reference, |reference, (_, by)| reference.withdrawn_by(by)))
        };
        references.into_iter().map(with_sets).collect::<Result<Vec<_>, String>>()
    });
    trusted.into_iter().flatten().collect()
}

fn compile(files: &[Input], troubles: &mut Vec<Trouble>) -> Option<CompiledRules> {
    let before = troubles.len();
    let mut texts = Vec::new();
    for file in files {
        match file.text() {
            Ok(text) => texts.push(RegoFile { name: &file.name, text }),
            Err(error) => troubles.push(Trouble::refused(&file.path, &error)),
        }
    }
    if troubles.len() > before {
        return None;
    }
    match CompiledRules::compile(&texts) {
        Ok(rules) => Some(rules),
        Err(faults) => {
            troubles.extend(faults.into_iter().map(|fault| {
                let path = files.iter().find(|file| file.name == fault.file).map(|file| file.path.clone());
                let file = path.unwrap_or_else(|| PathBuf::from(&fault.file));
                Trouble { file, line: Some(fault.line), message: fault.message, exit: Exit::Refused }
            }));
            None
        }
    }
}

/// A policy with all files that belong to it, ready to judge.
pub(crate) struct Verifier {
    files: Arc<PolicyFiles>,
}

impl Verifier {
    pub(crate) fn load(path: &Path, now: Timestamp) -> Result<Self, Failure> {
        PolicyFiles::read(path)
            .and_then(|files| Arc::new(files).verifier(now))
            .map_err(|troubles| Trouble::failure(&troubles))
    }

    /// Judges evidence that answers `challenge`; `kept` is what an earlier pass left of the device's IMA list.
    pub(crate) fn appraise(
        &self,
        evidence: &[u8],
        challenge: Challenge,
        now: Timestamp,
        kept: Option<&ImaState>,
    ) -> Appraisal {
        let appraiser = self.appraiser();
        let appraiser = kept.map_or(appraiser, |kept| appraiser.with_ima_state(kept));
        appraiser.appraise(evidence, challenge, now)
    }

    /// What the policy would have said of recorded evidence at `at`; `kept` is what an earlier rehearsal by this policy left of
    /// the device's IMA list.
    pub(crate) fn rehearse(
        &self,
        evidence: &[u8],
        challenge: Challenge,
        at: Timestamp,
        kept: Option<&ImaState>,
    ) -> Rehearsal {
        let appraiser = self.appraiser();
        let appraiser = kept.map_or(appraiser, |kept| appraiser.with_ima_state(kept));
        appraiser.rehearse(evidence, challenge, at)
    }

    /// Ways to allow recorded evidence that the policy refuses.
    pub(crate) fn suggest(
        &self,
        evidence: &[u8],
        challenge: &dyn Fn() -> Challenge,
        at: Timestamp,
        kept: Option<&ImaState>,
    ) -> Vec<Suggestion> {
        let appraiser = self.appraiser();
        let appraiser = kept.map_or(appraiser, |kept| appraiser.with_ima_state(kept));
        appraiser.suggest(evidence, challenge, at)
    }

    /// What permits are bound to: the policy and everything that belongs to it.
    pub(crate) fn policy_digest(&self) -> Digest {
        self.files.digest
    }

    /// The files that the policy names.
    pub(crate) fn policy_files(&self) -> &[PathBuf] {
        &self.files.paths
    }

    fn appraiser(&self) -> Appraiser<'_> {
        let files = &*self.files;
        let appraiser = Appraiser::with_digest(&files.policy, files.digest, &files.references, &files.roots)
            .with_ima_rules(&files.ima);
        match &files.rules {
            Some(rules) => appraiser.with_further_rules(rules),
            None => appraiser,
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.files.policy
    }
}

/// A file that the policy names.
struct Input {
    /// Its name in the policy.
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Input {
    fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(&self.bytes).map_err(|error| format!("no text: {error}"))
    }
}

fn text_of(error: impl Display) -> String {
    error.to_string()
}

/// Reads all of `inputs`, and notes each that can't be.
fn all<'i, T>(
    inputs: &'i [Input],
    troubles: &mut Vec<Trouble>,
    read: impl Fn(&'i Input) -> Result<T, String>,
) -> Vec<T> {
    let mut values = Vec::new();
    for input in inputs {
        match read(input) {
            Ok(value) => values.push(value),
            Err(error) => troubles.push(Trouble::refused(&input.path, &error)),
        }
    }
    values
}
