//! A policy with everything that belongs to it, ready to judge.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use attest::Digest;
use attest::appraisal::Appraisal;
use attest::appraise::{Appraiser, ImaRuleSet};
use attest::challenge::{Challenge, Nonce};
use attest::dsse::DocumentKey;
use attest::ima::{ImaKeyring, ImaState};
use attest::policy::Policy;
use attest::reference::{FileSet, FileSets, Period, Standing, TrustedReference, TrustedWithdrawal};
use jiff::{SignedDuration, Timestamp};
use pki::chain::{DeviceRoots, RevokedCertificates};

use crate::failure::Failure;
use crate::files;

/// Largest file that a policy may name, in bytes.
const MAX_INPUT: usize = 64 * 1024 * 1024;

/// A challenge that is good for five minutes after it was given out (threat q03).
pub(crate) fn challenge(nonce: Nonce, issued: Timestamp) -> Challenge {
    Challenge::new(nonce, issued, SignedDuration::from_mins(5))
}

/// A policy with all files that belong to it, loaded.
pub(crate) struct Verifier {
    policy: Policy,
    inputs: Vec<Vec<u8>>,
    references: Vec<TrustedReference>,
    roots: DeviceRoots,
    ima: ImaRuleSet,
}

impl Verifier {
    pub(crate) fn load(path: &Path, now: Timestamp) -> Result<Self, Failure> {
        let text = files::read_text(path)?;
        let policy = Policy::parse(&text).map_err(|error| refused(path, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut inputs = vec![text.into_bytes()];
        let mut read = |names: &[String]| -> Result<Vec<Input>, Failure> {
            names
                .iter()
                .map(|name| {
                    let path = folder.join(name);
                    let bytes = files::read(&path, MAX_INPUT)?;
                    inputs.push(bytes.clone());
                    Ok(Input { path, bytes })
                })
                .collect()
        };
        let roots = read(&policy.trust.device_roots)?;
        let keys = read(&policy.trust.reference_keys)?;
        let revoked = read(&policy.trust.revoked)?;
        let references = read(&policy.boot.references)?;
        let file_sets = read(&policy.boot.file_sets)?;
        let withdrawn = read(&policy.boot.withdrawn)?;
        let mut keyrings = Vec::new();
        let mut revoked_keys = Vec::new();
        if let Some(ima) = &policy.ima {
            for (name, files) in &ima.keyrings {
                keyrings.push((name.as_str(), read(files)?));
            }
            revoked_keys = read(&ima.revoked_keys)?;
        }
        let keys = all(&keys, |key| DocumentKey::from_pem(key.text()?).map_err(|error| key.refused(&error)))?;
        let references = trusted_references(&references, &file_sets, &withdrawn, &keys, now)?;
        let revoked = all(&revoked, |list| {
            RevokedCertificates::from_text(list.text()?).map_err(|error| list.refused(&error))
        })?;
        let revoked = revoked.into_iter().fold(RevokedCertificates::default(), RevokedCertificates::and);
        // A file may end without a line feed.
        let pems = all(&roots, Input::text)?.join("\n");
        let roots =
            DeviceRoots::from_pem(&pems).map_err(|error| refused(path, &error))?.with_revoked(revoked);
        let ima = match &policy.ima {
            Some(rules) => {
                let keyrings = ima_keyrings(&keyrings, &revoked_keys)?;
                ImaRuleSet::compile(rules, keyrings).map_err(|error| refused(path, &error))?
            }
            None => ImaRuleSet::default(),
        };
        Ok(Self { policy, inputs, references, roots, ima })
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

    /// What permits are bound to: the policy and everything that belongs to it.
    pub(crate) fn policy_digest(&self) -> Digest {
        *self.appraiser().policy_digest()
    }

    fn appraiser(&self) -> Appraiser<'_> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Vec::as_slice).collect();
        Appraiser::new(&self.policy, &inputs, &self.references, &self.roots).with_ima_rules(&self.ima)
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// The keyrings of a policy, each out of its files, without the keys that were revoked.
fn ima_keyrings(keyrings: &[(&str, Vec<Input>)], revoked: &[Input]) -> Result<Vec<ImaKeyring>, Failure> {
    let load = |name: &str, input: &Input| {
        ImaKeyring::from_pem(name, input.text()?).map_err(|error| input.refused(&error))
    };
    let revoked = all(revoked, |input| load("revoked", input))?;
    let mut loaded = Vec::new();
    for (name, files) in keyrings {
        let keys = all(files, |input| load(name, input))?.into_iter().reduce(ImaKeyring::and);
        loaded.extend(keys.map(|keyring| revoked.iter().fold(keyring, ImaKeyring::without)));
    }
    Ok(loaded)
}

/// The references of a policy with their file sets, and with what was withdrawn. One that has ended is kept, so that a
/// device which runs it can be told so; but one that counts there must be.
fn trusted_references(
    references: &[Input],
    file_sets: &[Input],
    withdrawn: &[Input],
    keys: &[DocumentKey],
    now: Timestamp,
) -> Result<Vec<TrustedReference>, Failure> {
    let mut sets = FileSets::default();
    for input in file_sets {
        let name = FileSet::open(input.bytes.as_slice()).map_err(|error| input.refused(&error))?.name();
        sets.add(input.bytes.as_slice(), &name).map_err(|error| input.refused(&error))?;
    }
    let withdrawals = all(withdrawn, |input| {
        TrustedWithdrawal::verify(&input.bytes, keys).map_err(|error| input.refused(&error))
    })?;
    let verify = |input: &Input, since| {
        TrustedReference::verify_all(&input.bytes, keys, since).map_err(|error| input.refused(&error))
    };
    let mut trusted = Vec::new();
    for input in references {
        for reference in verify(input, Timestamp::MIN)? {
            let reference = reference.with_file_sets(&sets).map_err(|error| input.refused(&error))?;
            trusted.push(withdrawals.iter().fold(reference, TrustedReference::withdrawn_by));
        }
    }
    let counts = |reference: &TrustedReference| {
        !matches!(reference.standing(Period::at(now)), Standing::Expired { .. })
    };
    if !trusted.iter().any(counts) {
        for input in references {
            verify(input, now)?;
        }
    }
    Ok(trusted)
}

/// A file that the policy names.
struct Input {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Input {
    fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.bytes).map_err(|error| self.refused(&format_args!("no text: {error}")))
    }

    fn refused(&self, error: &dyn Display) -> Failure {
        refused(&self.path, error)
    }
}

fn all<'i, T>(
    inputs: &'i [Input],
    read: impl Fn(&'i Input) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    inputs.iter().map(read).collect()
}

fn refused(path: &Path, error: &dyn Display) -> Failure {
    Failure::refused(None, format!("{}: {error}", path.display()))
}
