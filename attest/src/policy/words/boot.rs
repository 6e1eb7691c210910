//! The rules for the measured boot in plain words.

use super::{Words, listed, reaction, tolerance};
use crate::policy::{BootRules, Demand, Reaction};

impl BootRules {
    pub(super) fn tell(&self, words: &mut Words) {
        let Self {
            references,
            file_sets,
            withdrawn,
            withdrawn_release,
            withdrawn_before,
            ended_before,
            secure_boot,
            setup_mode,
            authorities,
            revoked,
            dbx_contains,
            dbx_minimum,
            sbat_minimum,
            sbat_date,
            command_line,
            loader,
            firmware_versions,
            option_roms,
            debugger,
            dma_protection,
            exit_boot_services,
            event_placement,
        } = self;
        words.say(format!("These PCRs equal one release in {} as a whole.", listed(references)));
        words.say_if(!file_sets.is_empty(), || {
            format!("Files of those releases may stand in {}.", listed(file_sets))
        });
        words.say_if(!withdrawn.is_empty(), || format!("Releases are withdrawn by {}.", listed(withdrawn)));
        words.say(reaction("A device that runs a withdrawn release", *withdrawn_release));
        words.say(reaction(
            "One that the verifier saw running it before it was withdrawn",
            match withdrawn_release {
                Reaction::Report => Reaction::Report,
                Reaction::Refuse => *withdrawn_before,
            },
        ));
        words.say(tolerance(
            "A device that the verifier saw running its release before that ended",
            *ended_before,
        ));
        words.say(match secure_boot {
            Demand::Require => "Secure boot is proven to be on, and shim to verify what it loads.".to_owned(),
            Demand::Optional => "Secure boot may be off.".to_owned(),
        });
        words.say(tolerance("Setup mode or audit mode", *setup_mode));
        words.say_if(!authorities.is_empty(), || {
            format!("Only these vouched for what was loaded: {}.", listed(authorities))
        });
        words.say(reaction("What db does not hold or dbx forbids, and was loaded all the same,", *revoked));
        words.say_if(!dbx_contains.is_empty(), || format!("dbx forbids {}.", listed(dbx_contains)));
        if let Some(least) = dbx_minimum {
            words.say(format!("dbx has at least {least} entries."));
        }
        words.say_if(!sbat_minimum.is_empty(), || {
            let least =
                sbat_minimum.iter().map(|(component, generation)| format!("{component} {generation}"));
            format!("shim's SBAT level demands at least {}.", listed(least))
        });
        if let Some(date) = sbat_date {
            words.say(format!("shim's SBAT level is of {date} or later."));
        }
        words.say_if(!command_line.is_empty(), || {
            let lines = command_line.iter().map(|line| format!("{line:?}"));
            format!("The kernel's command line is one of {}.", listed(lines))
        });
        if let Some(loader) = loader {
            words.say(format!("Its loader is {}, by PCR {}.", loader.name(), loader.pcr()));
        }
        words.say_if(!firmware_versions.is_empty(), || {
            format!("The firmware's version is one of {}.", listed(firmware_versions))
        });
        words.say(tolerance("A driver from a card (PCR 2)", *option_roms));
        words.say(tolerance("A firmware whose debugger is enabled", *debugger));
        words.say(tolerance("A firmware that leaves memory open to devices", *dma_protection));
        words.say(tolerance("A firmware that is not proven to have handed over", *exit_boot_services));
        words.say(tolerance("An event in a PCR where the profile has no place for it", *event_placement));
    }
}
