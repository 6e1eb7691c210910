//! Which events two boots have in common, in order.

use crate::digest::Digest;

/// The most cells of the table: 2,000 changed events against 2,000, which no boot has.
const MAX_CELLS: usize = 4_000_000;

/// For each of both sequences, which of its members belong to a longest common sequence. Beyond the limit only equal
/// beginnings and ends count.
pub(super) fn common(old: &[Digest], new: &[Digest]) -> (Vec<bool>, Vec<bool>) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (rest(old, head), rest(new, head));
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |events: &[Digest]| events.len().saturating_sub(tail);
    let old_middle = old_rest.get(..middle(old_rest)).unwrap_or_default();
    let new_middle = new_rest.get(..middle(new_rest)).unwrap_or_default();
    let (kept_old, kept_new) = if old_middle.len().saturating_mul(new_middle.len()) > MAX_CELLS {
        (vec![false; old_middle.len()], vec![false; new_middle.len()])
    } else {
        longest(old_middle, new_middle)
    };
    let whole = |middle: Vec<bool>| [vec![true; head], middle, vec![true; tail]].concat();
    (whole(kept_old), whole(kept_new))
}

fn rest(events: &[Digest], head: usize) -> &[Digest] {
    events.get(head..).unwrap_or_default()
}

/// The textbook's table: `lengths[i][j]` is that of the ends from `i` and `j` on.
fn longest(old: &[Digest], new: &[Digest]) -> (Vec<bool>, Vec<bool>) {
    let width = new.len().saturating_add(1);
    let mut lengths = vec![0_u32; old.len().saturating_add(1).saturating_mul(width)];
    let at = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    let get = |lengths: &[u32], place: usize| lengths.get(place).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let (i_next, j_next) = (i.saturating_add(1), j.saturating_add(1));
            let length = if a == b {
                get(&lengths, at(i_next, j_next)).saturating_add(1)
            } else {
                get(&lengths, at(i_next, j)).max(get(&lengths, at(i, j_next)))
            };
            if let Some(cell) = lengths.get_mut(at(i, j)) {
                *cell = length;
            }
        }
    }
    let (mut kept_old, mut kept_new) = (vec![false; old.len()], vec![false; new.len()]);
    let (mut i, mut j) = (0_usize, 0_usize);
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        let (i_next, j_next) = (i.saturating_add(1), j.saturating_add(1));
        if a == b {
            if let (Some(x), Some(y)) = (kept_old.get_mut(i), kept_new.get_mut(j)) {
                (*x, *y) = (true, true);
            }
            (i, j) = (i_next, j_next);
        } else if get(&lengths, at(i_next, j)) >= get(&lengths, at(i, j_next)) {
            i = i_next;
        } else {
            j = j_next;
        }
    }
    (kept_old, kept_new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::HashAlgorithm;

    fn kept(old: &[u8], new: &[u8]) -> (String, String) {
        let digests = |bytes: &[u8]| -> Vec<Digest> {
            bytes.iter().map(|byte| HashAlgorithm::Sha256.digest(&[*byte])).collect()
        };
        let (a, b) = common(&digests(old), &digests(new));
        let text = |kept: Vec<bool>| kept.into_iter().map(|kept| if kept { '=' } else { '!' }).collect();
        (text(a), text(b))
    }

    #[test]
    fn the_longest_common_sequence_is_kept() {
        assert_eq!(kept(b"abc", b"abc"), ("===".into(), "===".into()));
        assert_eq!(kept(b"abcd", b"axcd"), ("=!==".into(), "=!==".into()));
        assert_eq!(kept(b"ab", b"axxb"), ("==".into(), "=!!=".into()));
        assert_eq!(kept(b"xaybzc", b"abqc"), ("!=!=!=".into(), "==!=".into()));
        assert_eq!(kept(b"", b"ab"), (String::new(), "!!".into()));
    }
}
