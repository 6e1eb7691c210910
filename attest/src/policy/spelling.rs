//! "Did you mean": the nearest of the words that are allowed.

/// The nearest allowed word, out of a message of the form ``unknown field `x`, expected one of `a`, `b` ``.
pub(super) fn suggestion(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let found = quoted.next()?;
    let (slips, word) = quoted.map(|word| (distance(found, word), word)).min()?;
    // Farther than this it is another word, not a slip of the hand.
    (slips <= found.chars().count().div_ceil(3)).then_some(word)
}

/// Letters to change, add, leave out or swap with their neighbour, to get from one word to the other. Words longer than 64
/// letters are no slip of the hand, and as far as can be.
pub(super) fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    if from.len().max(to.len()) > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.iter().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, other) in to.iter().enumerate() {
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let changed = at(&row, j).saturating_add(usize::from(letter != other));
            let added = at(&next, j).saturating_add(1);
            let left_out = at(&row, j.saturating_add(1)).saturating_add(1);
            let swapped = match (i.checked_sub(1), j.checked_sub(1)) {
                (Some(i), Some(j)) if from.get(i) == Some(other) && to.get(j) == Some(letter) => {
                    at(&before, j).saturating_add(1)
                }
                _ => usize::MAX,
            };
            next.push(changed.min(added).min(left_out).min(swapped));
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips_of_the_hand() {
        for (from, to, slips) in [
            ("pcrs", "pcrs", 0),
            ("pcr", "pcrs", 1),
            ("prcs", "pcrs", 1),
            ("bnak", "bank", 1),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(from, to), slips, "{from} {to}");
        }
    }

    #[test]
    fn only_a_near_word_is_offered() {
        let message = |found| format!("unknown field `{found}`, expected one of `bank`, `pcrs`");
        assert_eq!(suggestion(&message("pcr")), Some("pcrs"));
        assert_eq!(suggestion(&message("colour")), None);
        assert_eq!(suggestion("missing field `pcrs`"), None);
    }
}
