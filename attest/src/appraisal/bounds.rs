//! How much an appraisal says. Each stage names the first few of a kind; this holds whatever a stage says (threat v03).

use super::Reason;

/// Most reasons of an appraisal, and most notes. One more counts the rest.
pub(super) const MAX_SAID: usize = 256;
/// Longest field of a reason, and longest note, in bytes.
pub(super) const MAX_TEXT: usize = 4096;

/// Cuts the reasons to what can be stored and read. That there are some, and so the verdict, does not change.
pub(super) fn bounded(mut reasons: Vec<Reason>) -> Vec<Reason> {
    let more = reasons.len().saturating_sub(MAX_SAID);
    reasons.truncate(MAX_SAID);
    for Reason { what, place, expected, found, .. } in &mut reasons {
        [what, place, expected, found].into_iter().for_each(cut);
    }
    if more > 0 {
        reasons.push(Reason {
            id: "v03",
            what: format!("{more} more reasons against the device are not named"),
            place: "appraisal".to_owned(),
            expected: String::new(),
            found: String::new(),
        });
    }
    reasons
}

/// The same for notes.
pub(super) fn bounded_notes(mut notes: Vec<String>) -> Vec<String> {
    let more = notes.len().saturating_sub(MAX_SAID);
    notes.truncate(MAX_SAID);
    notes.iter_mut().for_each(cut);
    if more > 0 {
        notes.push(format!("{more} more notes are not named"));
    }
    notes
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Reason {
        let text = || text.to_owned();
        Reason { id: "e10", what: text(), place: text(), expected: text(), found: text() }
    }

    #[test]
    fn v03_reasons_and_notes_are_as_many_and_as_long_as_can_be_stored() {
        let few = vec![reason("x"); MAX_SAID];
        assert_eq!(bounded(few.clone()), few);
        let many = bounded(vec![reason("x"); MAX_SAID + 7]);
        assert_eq!(many.len(), MAX_SAID + 1);
        assert!(many.last().unwrap().to_string().contains("7 more reasons"), "{:?}", many.last());
        // A cut in the middle of a character would be a panic.
        let long = bounded(vec![reason(&"ä".repeat(MAX_TEXT))]);
        assert!(long[0].to_string().len() <= 4 * (MAX_TEXT + 16));
        assert_eq!(long[0].what.chars().last(), Some('…'));
        let notes = bounded_notes(vec!["n".repeat(2 * MAX_TEXT); MAX_SAID + 1]);
        assert_eq!((notes.len(), notes[0].len()), (MAX_SAID + 1, MAX_TEXT + '…'.len_utf8()));
        assert_eq!(notes[MAX_SAID], "1 more notes are not named");
        assert_eq!(bounded(Vec::new()), []);
    }
}
