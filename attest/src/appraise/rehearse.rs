//! Judging again, for people: what a policy would say of evidence that was recorded.

use jiff::Timestamp;

use super::Appraiser;
use crate::appraisal::{Appraisal, Claims, Reason, Verdict};
use crate::challenge::Challenge;
use crate::ima::ImaState;

/// What a policy would have said of recorded evidence.
///
/// Its nonce is an old one, so anybody who has the recording could show it again: it proves nothing of a device now. So it is
/// no [`Appraisal`], there is no way from it to one, and no permit is made of it (threat q03):
/// ```compile_fail
/// # use attest::{appraisal::Appraisal, appraise::Rehearsal};
/// fn as_appraisal(rehearsal: Rehearsal) -> Appraisal {
///     rehearsal.appraisal
/// }
/// ```
/// ```compile_fail
/// # use attest::{appraisal::Appraisal, appraise::Rehearsal};
/// fn as_appraisal(rehearsal: Rehearsal) -> Appraisal {
///     rehearsal.into()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    appraisal: Appraisal,
}

impl Rehearsal {
    /// What the verdict would have been.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.appraisal.verdict()
    }

    /// Every reason against the device.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        self.appraisal.reasons()
    }

    /// What the policy only wants reported.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.appraisal.notes()
    }

    /// What a later rehearsal by the same policy needs to judge the next part of the device's IMA list: see
    /// [`Appraiser::with_ima_state`].
    #[must_use]
    pub fn ima_state(&self) -> Option<&ImaState> {
        self.appraisal.ima_state()
    }

    /// Whether the evidence has only the rest of an IMA list, and what was before it is not known here or does not fit (threat
    /// i11). Then its verdict tells nothing of what the device's whole list would get.
    #[must_use]
    pub fn lacks_earlier_list(&self) -> bool {
        self.reasons().iter().any(|reason| reason.id == "i11")
    }

    /// What was established.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.appraisal.claims()
    }
}

impl Appraiser<'_> {
    /// Judges recorded evidence as it would have been judged at `at`. `challenge` holds the nonce that was given out then.
    #[must_use]
    pub fn rehearse(&self, evidence: &[u8], challenge: Challenge, at: Timestamp) -> Rehearsal {
        Rehearsal { appraisal: self.appraise(evidence, challenge, at) }
    }
}
