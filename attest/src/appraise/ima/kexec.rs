//! Kernels that kexec started: each wrote a boot aggregate of its own into the list that it took over (threat i04).

use super::NAMED_FILES;
use crate::appraisal::{ImaClaims, Outcome, Reason};
use crate::ima::{ImaState, MeasuredFiles};
use crate::policy::ImaRules;

/// Counts them, with those of the `earlier` parts of the list, and refuses more than the policy lets be.
pub(super) fn judge(
    rules: &ImaRules,
    files: &MeasuredFiles<'_>,
    earlier: Option<&ImaState>,
    claims: &mut ImaClaims,
    outcome: &mut Outcome,
) {
    let before = earlier.map_or(0, |state| state.entries);
    for entry in files.kexecs() {
        claims.kexecs = claims.kexecs.saturating_add(1);
        if claims.kexec_entries.len() < NAMED_FILES {
            let number = u64::try_from(entry.number()).unwrap_or(u64::MAX);
            claims.kexec_entries.push(before.saturating_add(number));
        }
    }
    let earlier = earlier.and_then(|state| state.kexecs).unwrap_or(0);
    claims.kexecs = claims.kexecs.saturating_add(usize::try_from(earlier).unwrap_or(usize::MAX));
    if claims.kexecs == 0 {
        return;
    }
    let reason = Reason {
        id: "i04",
        what: "kexec has started another kernel since the boot, which no boot log shows".to_owned(),
        place: place(&claims.kexec_entries),
        expected: format!("at most {} (ima.kexec_maximum)", rules.kexec_maximum),
        found: claims.kexecs.to_string(),
    };
    if usize::try_from(rules.kexec_maximum).is_ok_and(|maximum| claims.kexecs > maximum) {
        outcome.reasons.push(reason);
    } else {
        outcome.report(&reason);
    }
}

fn place(entries: &[u64]) -> String {
    let numbers: Vec<String> = entries.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] => "IMA list, earlier parts".to_owned(),
        [number] => format!("IMA list, boot_aggregate in entry {number}"),
        _ => format!("IMA list, boot_aggregate in entries {}", numbers.join(", ")),
    }
}
