//! What a person has to do where no field of the policy, changed alone, allows what was refused.

use super::Suggestion;
use crate::appraisal::Reason;
use crate::policy::weakens;

/// A field to fill by hand: what to do, and the field whose words tell what that weakens.
fn field_by_hand(reason: &Reason) -> Option<(String, &'static str)> {
    let record = |device: &str| {
        format!(
            "hallmark reference record … --out NEW.json, on a device {device}; then add NEW.json to boot.references"
        )
    };
    Some(match reason.id {
        "reference" => (record("that is known to be good in this state"), "boot.references"),
        "i12" => (
            format!(
                "{}; or add {{ paths = [\"…\"], digests = [\"{}\"] }} to ima.rules",
                record("with the files that are wanted"),
                reason.found
            ),
            "ima.rules.digests",
        ),
        "authorities" => (
            "boot.authorities: add the digest that the reason names, once you know whose it is".to_owned(),
            "boot.authorities",
        ),
        "i07" => (format!("ima.buffers: add \"{}\" to the buffer's digests", reason.found), "ima.buffers"),
        "i09" => (
            "ima.other_pcrs: name the PCR, where the devices' IMA policy says pcr=".to_owned(),
            "ima.other_pcrs",
        ),
        "i15" | "i13" => (
            "ima.keyrings: add the file with the key that signed, if it is one of yours".to_owned(),
            "ima.keyrings",
        ),
        "rego" => (
            "change the rule in the policy's Rego files that gave this reason".to_owned(),
            "rego.files",
        ),
        id if id.starts_with('p') && id != "p14" => (
            "trust.device_roots: add the root of the authority that issued this certificate, if it is one of yours"
                .to_owned(),
            "trust.device_roots",
        ),
        _ => return None,
    })
}

/// What to do instead, where nothing should allow it; `None` where fields of the policy answer it.
fn instead(id: &str) -> Option<&'static str> {
    Some(match id {
        "q05" => {
            "no rule: have the device quote what is missing (`hallmark attest` quotes every active bank but SHA-1)"
        }
        "e01" | "e15" | "q14" => {
            "no rule should allow this: the log is not what was measured; look at it with `hallmark eventlog explain`"
        }
        "e08" => {
            "no rule should allow this: the firmware's log is not in the order of the profile; report it to the maker"
        }
        "p14" => "no rule: set the verifier's clock",
        "i20" => {
            "no rule: have the files in a reference, where they take no check of a signature, or have the list sent in parts"
        }
        "i11" => "no rule: have the device send its whole IMA list",
        "i19" => {
            "no rule: the verifier's record contradicts what is shown; set the verifier's clock, or look at the device before its record is removed"
        }
        "q11" | "secure-boot" | "setup-mode" | "e10" | "dbx" | "e20" | "sbat" | "command-line"
        | "firmware-version" | "option-roms" | "debugger" | "dma-protection" | "e14" | "e16" | "ima-list"
        | "i05" | "i10" | "i14" | "i18" => return None,
        id if id.starts_with('q') => {
            "no rule allows this: the quote itself does not hold; ask for a new one with a fresh nonce"
        }
        _ => {
            "no rule allows this; the evidence contradicts itself or the policy's format has no field for it"
        }
    })
}

pub(super) fn by_hand(reason: &Reason) -> Option<Suggestion> {
    let (change, weakens) = match field_by_hand(reason) {
        Some((change, field)) => (Some(change), weakens(field)),
        None => (None, instead(reason.id)?),
    };
    Some(Suggestion {
        id: reason.id,
        reason: String::new(),
        change,
        weakens: weakens.to_owned(),
        verdict: None,
    })
}
