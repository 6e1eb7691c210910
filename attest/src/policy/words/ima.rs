//! The rules for the IMA list in plain words.

use super::{Words, listed, numbers, reaction, tolerance};
use crate::policy::{Demand, ImaRule, ImaRules, ReleaseScope};

impl ImaRules {
    pub(super) fn tell(&self, words: &mut Words) {
        let Self {
            list,
            releases,
            unknown_files,
            withdrawn_before,
            withdrawn_after,
            ended_before,
            violations,
            weak_digests,
            padded_sha1,
            other_pcrs,
            exclude,
            kexec_maximum,
            keyrings,
            evm_keyrings,
            revoked_keys,
            measured_keyrings,
            buffers,
            rules,
        } = self;
        words.say(match list {
            Demand::Require => "There is an IMA list, and the quote covers it.".to_owned(),
            Demand::Optional => "An IMA list, if there is one, is covered by the quote.".to_owned(),
        });
        words.say(match releases {
            ReleaseScope::Matching => "Files of the release that the boot matches are known.".to_owned(),
            ReleaseScope::Valid => {
                "Files of every release that was valid since the boot are known.".to_owned()
            }
        });
        rules.iter().for_each(|rule| rule.tell(words));
        words.say(reaction("A measured file that neither a reference nor a rule knows", *unknown_files));
        words.say(tolerance(
            "A file of a withdrawn release, measured before that by the verifier's own record,",
            *withdrawn_before,
        ));
        words.say(reaction(
            "A file of a withdrawn release that is not proven to have been measured before",
            *withdrawn_after,
        ));
        words.say(tolerance(
            "A file of a release that has ended, measured before that by the verifier's own record,",
            *ended_before,
        ));
        words.say_if(!exclude.is_empty(), || format!("Files under {} are not judged.", listed(exclude)));
        words.say(reaction("A file that changed while it was measured", *violations));
        words.say(reaction("A file that counts by an MD5 or SHA-1 digest", *weak_digests));
        words.say(reaction("A bank that holds padded SHA-1 digests", *padded_sha1));
        words.say_if(!other_pcrs.is_empty(), || {
            format!(
                "The list may extend PCR {} besides PCR 10, and the quote covers them.",
                numbers(other_pcrs)
            )
        });
        words.say(match kexec_maximum {
            0 => "kexec has started no other kernel since the boot.".to_owned(),
            1 => "kexec has started one other kernel since the boot at most.".to_owned(),
            count => format!("kexec has started {count} other kernels since the boot at most."),
        });
        for (name, files) in keyrings {
            words.say(format!("Keyring {name} has the keys in {}.", listed(files)));
        }
        for (name, files) in evm_keyrings {
            words.say(format!(
                "Keyring {name}, for portable EVM signatures, has the keys in {}.",
                listed(files)
            ));
        }
        words.say_if(!revoked_keys.is_empty(), || {
            format!("Keys in {} count no longer.", listed(revoked_keys))
        });
        for (kernels, ours) in measured_keyrings {
            words.say(format!("A key that the kernel loads into {kernels} is one of keyring {ours}."));
        }
        for (name, digests) in buffers {
            words.say(format!("The measured buffer {name} has the digest {}.", listed(digests)));
        }
    }
}

impl ImaRule {
    fn tell(&self, words: &mut Words) {
        let Self { paths, digests, signed_by } = self;
        let by = match (digests.is_empty(), signed_by.is_empty()) {
            (false, true) => format!("with the digest {}", listed(digests)),
            (true, false) => format!("signed by a key of {}", listed(signed_by)),
            (false, false) => {
                format!("with the digest {} or signed by a key of {}", listed(digests), listed(signed_by))
            }
            (true, true) => "of no digest and no signature".to_owned(),
        };
        words.say(format!("Files under {} count {by}.", listed(paths)));
    }
}
