//! Rules beyond the policy's own fields.

use serde::Serialize;

use crate::appraisal::{Claims, Outcome, Reason};
use crate::policy::Policy;

/// Rules that look at what was established and judged so far. They can only refuse: what they return is added to the reasons
/// against the device, and nothing that they do takes one away.
pub trait FurtherRules {
    /// Reasons against a device; empty when there is none. `input` is a JSON object (docs/schemas/rego-input.json) with
    /// `claims`, `reasons` and `notes`. An error while the rules are evaluated must come out as a reason (threat q18).
    fn deny(&self, input: &str) -> Vec<Reason>;
}

/// What further rules look at.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RulesInput<'a> {
    /// What was established of the device.
    pub claims: &'a Claims,
    /// Reasons against it so far; empty when the policy's own fields found none.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<std::collections::BTreeMap<String, String>>"))]
    pub reasons: &'a [Reason],
    /// What the policy only wants reported.
    pub notes: &'a [String],
}

/// Asks the rules, where the policy has some.
pub(super) fn judge(policy: &Policy, rules: Option<&dyn FurtherRules>, outcome: &mut Outcome) {
    let reasons = match (&policy.rego, rules) {
        (None, _) => return,
        // A verifier that was built without them, or forgot them, judges nothing (threat v08).
        (Some(_), None) => vec![unjudged("this verifier has no rules for the policy's Rego files")],
        (Some(_), Some(rules)) => {
            let Outcome { claims, reasons, notes, .. } = &*outcome;
            match serde_json::to_string(&RulesInput { claims, reasons, notes }) {
                Ok(input) => rules.deny(&input),
                Err(error) => vec![unjudged(&format!("the facts can't be written as JSON: {error}"))],
            }
        }
    };
    outcome.reasons.extend(reasons);
}

fn unjudged(what: &str) -> Reason {
    Reason {
        id: "rego",
        what: what.to_owned(),
        place: "policy".to_owned(),
        expected: "an answer to every rule".to_owned(),
        found: "none".to_owned(),
    }
}
