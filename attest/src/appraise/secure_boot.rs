//! Secure boot against the policy: its state, what vouched for images, and what is revoked (threats e09, e10, e20).

use std::collections::BTreeSet;

use super::facts::react;
use super::named::Named;
use crate::appraisal::{Outcome, Reason};
use crate::digest::{Digest, HashAlgorithm};
use crate::eventlog::{
    AuthorityEntry, Facts, MeasuredAuthority, MeasuredBoot, SecureBoot, SecureBootDoubt, SignatureLists,
    describe_authority,
};
use crate::policy::{BootRules, Demand, Reaction, Tolerance};

pub(super) fn judge(rules: &BootRules, facts: &Facts<'_>, boot: &MeasuredBoot<'_>, outcome: &mut Outcome) {
    let judgement = Judgement { rules, facts };
    judgement.state(outcome);
    judgement.modes(outcome);
    judgement.authorities(outcome);
    judgement.revoked(boot, outcome);
    judgement.dbx(outcome);
    judgement.sbat(outcome);
}

struct Judgement<'j, 'a> {
    rules: &'j BootRules,
    facts: &'j Facts<'a>,
}

impl Judgement<'_, '_> {
    fn reason(&self, id: &'static str, what: impl Into<String>) -> Reason {
        Reason {
            id,
            what: what.into(),
            place: format!("PCR 7 ({})", self.facts.bank()),
            expected: String::new(),
            found: String::new(),
        }
    }

    fn state(&self, outcome: &mut Outcome) {
        let unverified = self.facts.shim().verification_disabled == Some(true);
        let found = match self.facts.secure_boot() {
            SecureBoot::On { .. } if unverified => {
                "on, but shim was told to verify nothing (MokSBState)".to_owned()
            }
            SecureBoot::On { .. } => return,
            SecureBoot::Off { .. } => "it is off".to_owned(),
            SecureBoot::Unknown { doubt } => doubt.to_string(),
        };
        if self.rules.secure_boot == Demand::Require {
            let reason = self.reason("secure-boot", "the policy requires secure boot");
            outcome.reasons.push(Reason { expected: "on".to_owned(), found, ..reason });
        } else if unverified {
            outcome.report_as("secure-boot", "shim was told to verify nothing (MokSBState)".to_owned());
        }
    }

    fn modes(&self, outcome: &mut Outcome) {
        let configuration = self.facts.configuration();
        let modes = [
            (configuration.setup_mode, "setup mode: whoever boots may set the keys"),
            (configuration.audit_mode, "audit mode: images are loaded whether they may or not"),
        ];
        for (mode, what) in modes {
            if mode == Some(true) {
                react(self.rules.setup_mode, self.reason("setup-mode", what), outcome);
            }
        }
        if configuration.setup_mode.is_some() {
            return;
        }
        if self.rules.setup_mode == Tolerance::Refuse {
            let what = "the policy refuses setup mode, and PCR 7 does not prove that it was off";
            outcome.reasons.push(self.reason("setup-mode", what));
            return;
        }
        // Whoever writes the log must not talk the report away. That there is no such event, or no PCR 7, is no doubt of it.
        match self.facts.secure_boot() {
            SecureBoot::Unknown { doubt }
                if !matches!(doubt, SecureBootDoubt::Unverified | SecureBootDoubt::Missing) =>
            {
                let reason = self.reason("setup-mode", "PCR 7 does not prove that setup mode was off");
                react(self.rules.setup_mode, Reason { found: doubt.to_string(), ..reason }, outcome);
            }
            _ => {}
        }
    }

    /// Everything that vouched must be in the policy's list; what nobody can read is in no list.
    fn authorities(&self, outcome: &mut Outcome) {
        if self.rules.authorities.is_empty() {
            return;
        }
        // Where secure boot is off nothing has to vouch, and whoever runs can measure what would have (threat e10).
        if !matches!(self.facts.secure_boot(), SecureBoot::On { .. }) {
            let what = "the policy names what may vouch for images, and secure boot is not proven to be on";
            outcome.reasons.push(self.reason("authorities", what));
            return;
        }
        let vouching = self.facts.authorities().into_iter().flatten().filter(|a| a.vouches_for_image());
        let (mut none, mut unknown) = (true, Named::default());
        for authority in vouching {
            none = false;
            if !self.allows(authority) && unknown.names_next() {
                let reason = self.reason("authorities", "the policy does not know what vouched for an image");
                outcome.reasons.push(Reason { found: Loaded::By(authority).text(), ..reason });
            }
        }
        unknown.count_rest("authorities that the policy does not know", &mut outcome.notes);
        if none {
            let what = "the policy names what may vouch for images, and nothing did that is proven";
            outcome.reasons.push(self.reason("authorities", what));
        }
    }

    fn allows(&self, authority: &MeasuredAuthority<'_>) -> bool {
        let digest = match authority.authority().map(|authority| authority.entry) {
            Some(AuthorityEntry::Certificate(certificate)) => certificate.fingerprint(),
            Some(AuthorityEntry::Hash(hash)) => hash,
            None => return false,
        };
        self.rules.authorities.contains(&digest)
    }

    /// An authority outside of db, an authority or an image in dbx (threat e10).
    fn revoked(&self, boot: &MeasuredBoot<'_>, outcome: &mut Outcome) {
        let tolerance = match self.rules.revoked {
            Reaction::Refuse => Tolerance::Refuse,
            Reaction::Report => Tolerance::Report,
        };
        let authorities = self.facts.authorities().unwrap_or_default();
        let mut tell = |what: &str, rest: &str, all: &mut dyn Iterator<Item = Loaded<'_, '_>>| {
            let mut named = Named::default();
            for found in all {
                if named.names_next() {
                    react(tolerance, Reason { found: found.text(), ..self.reason("e10", what) }, outcome);
                }
            }
            named.count_rest(rest, &mut outcome.notes);
        };
        let outside = authorities.iter().filter(|authority| self.facts.is_in_db(authority) == Some(false));
        tell(
            "an image was loaded by an authority that is not in the measured db",
            "authorities that are not in the measured db",
            &mut outside.map(Loaded::By),
        );
        let Some(dbx) = self.facts.configuration().dbx else { return };
        let images = loaded(boot, self.facts);
        let forbidden = Forbidden::of(&dbx, authorities, &images);
        let by_forbidden = authorities.iter().filter(|authority| forbidden.has_authority(authority));
        tell(
            "an image was loaded by an authority that the measured dbx forbids",
            "authorities that the measured dbx forbids",
            &mut by_forbidden.map(Loaded::By),
        );
        let forbidden_images = images.iter().filter(|digest| forbidden.images.contains(digest));
        tell(
            "an image was loaded that the measured dbx forbids",
            "images that the measured dbx forbids",
            &mut forbidden_images.map(Loaded::Image),
        );
    }

    fn dbx(&self, outcome: &mut Outcome) {
        let BootRules { dbx_contains, dbx_minimum, .. } = self.rules;
        if dbx_contains.is_empty() && dbx_minimum.is_none() {
            return;
        }
        let Some(dbx) = self.facts.configuration().dbx else {
            outcome
                .reasons
                .push(self.reason("dbx", "the policy asks for entries of dbx, and PCR 7 proves no dbx"));
            return;
        };
        let (entries, least) = (dbx.count(), dbx_minimum.unwrap_or(0));
        if u32::try_from(entries).is_ok_and(|entries| entries < least) {
            outcome.reasons.push(Reason {
                expected: format!("at least {least} entries"),
                found: entries.to_string(),
                ..self.reason("e20", "dbx is older than the policy's minimum")
            });
        }
        let known: BTreeSet<_> = match dbx_contains.is_empty() {
            true => BTreeSet::new(),
            false => dbx.signatures().filter_map(|signature| named(&signature)).collect(),
        };
        let mut missing = dbx_contains.iter().filter(|digest| !known.contains(digest));
        if let Some(first) = missing.next() {
            outcome.reasons.push(Reason {
                expected: first.to_string(),
                found: format!(
                    "{entries} entries, {} of the policy's missing",
                    missing.count().saturating_add(1)
                ),
                ..self.reason("e20", "dbx lacks what the policy wants forbidden")
            });
        }
    }

    fn sbat(&self, outcome: &mut Outcome) {
        let BootRules { sbat_minimum, sbat_date, .. } = self.rules;
        if sbat_minimum.is_empty() && sbat_date.is_none() {
            return;
        }
        let Some(level) = self.facts.shim().sbat_level else {
            outcome
                .reasons
                .push(self.reason("sbat", "the policy asks for an SBAT level, and PCR 7 proves none"));
            return;
        };
        for (component, least) in sbat_minimum {
            let found = level.generation(component);
            if found.is_none_or(|found| found < *least) {
                outcome.reasons.push(Reason {
                    expected: format!("{component} {least} or more"),
                    found: found.map_or_else(|| "any generation".to_owned(), |found| found.to_string()),
                    ..self.reason("e20", "shim's SBAT level is below the policy's minimum")
                });
            }
        }
        if let Some(least) = sbat_date.filter(|least| level.date().is_none_or(|date| date < *least)) {
            outcome.reasons.push(Reason {
                expected: format!("{least} or later"),
                found: level.date().map_or_else(|| "no date".to_owned(), |date| date.to_string()),
                ..self.reason("e20", "shim's SBAT level is older than the policy's minimum")
            });
        }
    }
}

/// What a reason names.
enum Loaded<'l, 'a> {
    By(&'l MeasuredAuthority<'a>),
    Image(&'l Digest),
}

impl Loaded<'_, '_> {
    fn text(&self) -> String {
        match self {
            Self::By(authority) => {
                format!("event {}: {}", authority.place().event, describe_authority(authority))
            }
            Self::Image(digest) => digest.to_string(),
        }
    }
}

/// By what an entry of dbx is named in a policy: an image's hash, a certificate's fingerprint, or the hash of its signed
/// part.
fn named(signature: &crate::eventlog::Signature<'_>) -> Option<Digest> {
    signature
        .image_hash()
        .or_else(|| signature.certificate_hash())
        .or_else(|| signature.certificate().map(|certificate| certificate.fingerprint()))
}

/// The images of PCR 4 and 2, by the hashes of every bank in which they are proven.
fn loaded(boot: &MeasuredBoot<'_>, facts: &Facts<'_>) -> Vec<Digest> {
    let banks = HashAlgorithm::ALL.into_iter().filter(|bank| *bank != HashAlgorithm::Sha1);
    // Those of the judged bank are known already.
    let of_facts = facts.images().unwrap_or_default().iter().map(|image| *image.digest());
    let of_facts = of_facts.filter(|digest| digest.algorithm() != HashAlgorithm::Sha1);
    let others = banks.filter(|bank| *bank != facts.bank()).filter_map(|bank| boot.images(bank));
    let others = others.flatten().map(|image| *image.digest());
    of_facts.chain(others).chain(facts.option_roms().unwrap_or_default().iter().copied()).collect()
}

/// What of a boot dbx forbids, out of one walk over dbx. What was loaded stands in sets: a log has room for as many images
/// and authorities as a dbx for entries, and for a certificate of megabytes, which must not be hashed for each of them
/// (threat e06).
#[derive(Default)]
struct Forbidden<'d> {
    contents: BTreeSet<&'d [u8]>,
    images: BTreeSet<Digest>,
    /// Hashes of the signed parts of certificates, and their algorithms.
    certificates: BTreeSet<Digest>,
    algorithms: BTreeSet<HashAlgorithm>,
}

impl<'d> Forbidden<'d> {
    fn of(dbx: &SignatureLists<'d>, authorities: &[MeasuredAuthority<'_>], images: &[Digest]) -> Self {
        let vouched: BTreeSet<_> =
            authorities.iter().filter_map(|authority| Some(authority.authority()?.content())).collect();
        let loaded: BTreeSet<_> = images.iter().copied().collect();
        let mut forbidden = Self::default();
        for signature in dbx.signatures() {
            let content = Some(signature.data().content());
            forbidden.contents.extend(content.filter(|content| vouched.contains(content)));
            forbidden.images.extend(signature.image_hash().filter(|hash| loaded.contains(hash)));
            forbidden.certificates.extend(signature.certificate_hash());
        }
        forbidden.algorithms = forbidden.certificates.iter().map(Digest::algorithm).collect();
        forbidden
    }

    fn has_authority(&self, authority: &MeasuredAuthority<'_>) -> bool {
        let Some(authority) = authority.authority() else { return false };
        let signed = match authority.entry {
            AuthorityEntry::Certificate(certificate) => certificate.signed_part(),
            AuthorityEntry::Hash(_) => None,
        };
        self.contents.contains(authority.content())
            || signed.is_some_and(|signed| {
                let mut hashes = self.algorithms.iter().map(|algorithm| algorithm.digest(signed));
                hashes.any(|hash| self.certificates.contains(&hash))
            })
    }
}
