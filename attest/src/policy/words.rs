//! A policy in plain words: what it demands of a device, field by field, and what each field would weaken.
//!
//! Every section is taken apart by name, without `..`, so that a new field does not compile until it has its words.

mod boot;
mod ima;
mod weakens;

use super::{Policy, QuoteRules, Reaction, RegoFiles, ResultRules, Tolerance, Trust};
use crate::digest::HashAlgorithm;
use crate::pcr::PcrIndex;

pub(crate) use weakens::weakens;

/// Names that one sentence lists; the rest is counted.
const LISTED: usize = 4;

impl Policy {
    /// What the policy demands, one sentence each, in the order of the judgement.
    #[must_use]
    pub fn demands(&self) -> Vec<String> {
        let Self { version: _, name: _, trust, quote, boot, ima, rego, result } = self;
        let mut words = Words::default();
        trust.tell(&mut words);
        quote.tell(&mut words);
        boot.tell(&mut words);
        match ima {
            Some(ima) => ima.tell(&mut words),
            None => words.say("Files that ran after the boot are not judged.".to_owned()),
        }
        if let Some(RegoFiles { files }) = rego {
            words.say(format!("The rules in {} give no reason against it.", listed(files)));
        }
        let ResultRules { lifetime_seconds } = result;
        words.say(format!("A good verdict counts for {lifetime_seconds} s."));
        words.sentences
    }
}

/// The sentences so far.
#[derive(Default)]
struct Words {
    sentences: Vec<String>,
}

impl Words {
    fn say(&mut self, sentence: String) {
        self.sentences.push(sentence);
    }

    fn say_if(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if holds {
            self.say(sentence());
        }
    }
}

impl Trust {
    fn tell(&self, words: &mut Words) {
        let Self { device_roots, reference_keys, revoked } = self;
        words.say(format!("The device's certificate leads to a root in {}.", listed(device_roots)));
        words.say_if(!revoked.is_empty(), || {
            format!("No certificate of its chain is revoked by {}.", listed(revoked))
        });
        words.say(format!("Reference values count when a key in {} signed them.", listed(reference_keys)));
    }
}

impl QuoteRules {
    fn tell(&self, words: &mut Words) {
        let Self { bank, pcrs, unsafe_clock, restarts, tolerate, allow_sha1 } = self;
        words.say(format!(
            "A fresh quote covers PCR {} of the {bank} bank, and the event log explains their values.",
            numbers(pcrs)
        ));
        words.say_if(!tolerate.is_empty(), || {
            format!(
                "A log of PCR {} that does not lead to the quoted value is only reported.",
                numbers(tolerate)
            )
        });
        words.say_if(*allow_sha1 || *bank == HashAlgorithm::Sha1, || {
            let may = if *allow_sha1 { "may" } else { "may not" };
            format!("A SHA-1 bank {may} be judged, though SHA-1 is broken.")
        });
        words.say(reaction("A TPM that can't vouch that its clock did not go back", *unsafe_clock));
        words.say(reaction("A TPM that was suspended or restarted since its last reset", *restarts));
    }
}

fn reaction(what: &str, reaction: Reaction) -> String {
    let becomes = match reaction {
        Reaction::Refuse => "is refused",
        Reaction::Report => "is only reported",
    };
    format!("{what} {becomes}.")
}

fn tolerance(what: &str, tolerance: Tolerance) -> String {
    match tolerance {
        Tolerance::Refuse => reaction(what, Reaction::Refuse),
        Tolerance::Report => reaction(what, Reaction::Report),
        Tolerance::Allow => format!("{what} passes without a word."),
    }
}

fn numbers(pcrs: &[PcrIndex]) -> String {
    pcrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Names as a person lists them.
fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    let first: Vec<_> = names.iter().take(LISTED).map(String::as_str).collect();
    match names.len().saturating_sub(first.len()) {
        0 if first.is_empty() => "no file".to_owned(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
