//! What each field of a policy would weaken, if it were loosened.

/// What is judged less when `field` demands less; empty for what is no field. `field` is a path as in `quote.pcrs`.
pub(crate) fn weakens(field: &str) -> &'static str {
    match field.split_once('.') {
        Some(("trust", field)) => trust(field),
        Some(("quote", field)) => quote(field),
        Some(("boot", field)) => boot(field).or(boot_facts(field)).unwrap_or_default(),
        Some(("ima", field)) => ima(field),
        Some(("rego", "files")) => "the rule stands there for a reason of the policy's author",
        Some(("result", "lifetime_seconds")) => "a device that turns bad stays trusted for longer",
        _ => "",
    }
}

fn trust(field: &str) -> &'static str {
    match field {
        "device_roots" => "every device of the added authority becomes one whose evidence is judged",
        "reference_keys" => "whoever has the added key says what a good device is",
        "revoked" => "a device whose certificate was revoked is believed again",
        _ => "",
    }
}

fn quote(field: &str) -> &'static str {
    match field {
        "bank" => "another bank may be filled by a weaker hash, or by software",
        "pcrs" => "what the PCR holds is no longer judged on any device",
        "unsafe_clock" => "a TPM that lost count of its restarts is no longer told apart",
        "restarts" => "a device that was suspended passes, and what ran before that is not measured anew",
        "tolerate" => "a firmware log that does not lead to the quoted value is only reported, on any device",
        "allow_sha1" => "two boots with one value can be made in a SHA-1 bank (threat e12)",
        _ => "",
    }
}

fn boot(field: &str) -> Option<&'static str> {
    Some(match field {
        "references" => {
            "every device that boots this way becomes trusted: find out first why the event that is named here is new"
        }
        "file_sets" => "the files of the added set count wherever a reference names it",
        "withdrawn" => "a release that was withdrawn for its faults counts again",
        "withdrawn_release" => "a device that runs a release with known faults passes, and only a note tells",
        "secure_boot" => "a device whose firmware starts anything is no longer refused for that",
        "withdrawn_before" => {
            "a device that was running when its release was withdrawn for its faults passes until it boots anew, and only a note tells"
        }
        "ended_before" => "a device that never boots anew may run a release for ever after its end",
        "setup_mode" => "a device on which whoever boots may set the keys passes, and only a note tells",
        "authorities" => "whatever the added authority signs may be loaded on any device",
        "revoked" => "an image that dbx forbids may be loaded, and only a note tells (threat e10)",
        "dbx_contains" => "images with known holes may be loaded, as dbx need not forbid them (threat e20)",
        "dbx_minimum" => {
            "a device may go on with an old dbx, which lets images with known holes load (threat e20)"
        }
        "sbat_minimum" => "shim may load components with known holes (threat e20)",
        "sbat_date" => {
            "shim may go on with an old level, which lets components with known holes load (threat e20)"
        }
        _ => return None,
    })
}

fn boot_facts(field: &str) -> Option<&'static str> {
    Some(match field {
        "command_line" => "a kernel may be started with parameters that switch its protections off",
        "loader" => "a command line counts where another loader measures it, so that any may be used",
        "firmware_versions" => "a firmware of the added version counts, with the holes that it has",
        "option_roms" => "code from any card may run before the boot loader, and only a note tells",
        "debugger" => "whoever has the debugger's cable has the machine, and only a note tells",
        "dma_protection" => {
            "any plugged-in device may write the memory during the boot, and only a note tells"
        }
        "exit_boot_services" => {
            "a firmware that still runs, or a log that ends early, passes with a note (threat e14)"
        }
        "event_placement" => "a log with events where none belong passes with a note (threat e16)",
        _ => return None,
    })
}

fn ima(field: &str) -> &'static str {
    match field {
        "list" => "a device that leaves its list out is not asked what it ran",
        "releases" => "files of other releases than the one that was booted count too",
        "unknown_files" => "any file may run on any device, and only a note tells",
        "withdrawn_before" => {
            "what was withdrawn for its faults and started before that may still run, and only a note tells (threat i18)"
        }
        "withdrawn_after" => {
            "what was withdrawn for its faults may be started anew on any device, and only a note tells (threat i18)"
        }
        "ended_before" => "files of ended releases count as long as a device that had them before runs",
        "violations" => "a file that was changed while it was measured may run, and only a note tells",
        "weak_digests" => "another file with the same MD5 or SHA-1 digest may run (threat i14)",
        "padded_sha1" => "the list is bound by SHA-1 only, for which collisions can be made (threat i10)",
        "other_pcrs" => "entries may go to a PCR that other software extends too (threat i09)",
        "exclude" => "any file may run under that path, unseen",
        "keyrings" | "evm_keyrings" => "whatever the added key signs may run where the keyring counts",
        "kexec_maximum" => {
            "a kernel that no boot log and no reference of the boot knows may run on any device"
        }
        "revoked_keys" => "files that a lost key signed count again (threat i15)",
        "measured_keyrings" => "a key that the policy does not have may vouch for files (threat i15)",
        "buffers" => "the added buffer counts on every device, e.g. another command line at kexec",
        "rules" | "rules.paths" => "files that no reference knows may run there",
        "rules.digests" => "the file with that digest may run there on every device",
        "rules.signed_by" => "whatever that keyring signed may run there",
        _ => "",
    }
}
