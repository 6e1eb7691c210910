//! A policy in plain words: what it demands of a device.

use super::{Demand, Policy, Reaction};

impl Policy {
    /// What the policy demands, one sentence each, in the order of the judgement.
    #[must_use]
    pub fn demands(&self) -> Vec<String> {
        let pcrs: Vec<_> = self.quote.pcrs.iter().map(ToString::to_string).collect();
        let mut demands = vec![
            format!(
                "The device's certificate leads to one of {} trusted roots.",
                self.trust.device_roots.len()
            ),
            format!(
                "A fresh quote covers PCR {} of the {} bank, and the event log explains their values.",
                pcrs.join(", "),
                self.quote.bank
            ),
            format!("These PCRs equal one of {} references as a whole.", self.boot.references.len()),
        ];
        if self.boot.secure_boot == Demand::Require {
            demands.push("Secure boot is proven to be on.".to_owned());
        }
        if self.quote.unsafe_clock == Reaction::Refuse {
            demands.push("The TPM vouches that its clock did not go back.".to_owned());
        }
        if let Some(ima) = &self.ima {
            demands.push(match ima.list {
                Demand::Require => "There is an IMA list, and the quote covers it.".to_owned(),
                Demand::Optional => "An IMA list, if there is one, is covered by the quote.".to_owned(),
            });
            if ima.unknown_files == Reaction::Refuse {
                demands.push(
                    "Every measured file is one that the matching reference or the policy knows.".to_owned(),
                );
            }
            if ima.violations == Reaction::Refuse {
                demands.push("No file changed while it was measured.".to_owned());
            }
        }
        if let Some(rego) = &self.rego {
            demands.push(format!("The rules in {} give no reason against it.", rego.files.join(", ")));
        }
        demands.push(format!("A good verdict counts for {} s.", self.result.lifetime_seconds));
        demands
    }
}
