use attest::policy::PathGlob;

/// Longest pattern and path that are compared with the slow matcher, in bytes.
const MAX: usize = 512;

/// A pattern of a policy, a zero byte, and a path: they match exactly when the plain rules say so (threat i06).
pub fn path_glob(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    let (pattern, path) = (&data[..at], &data[at + 1..]);
    if pattern.len() > MAX || path.len() > MAX {
        return;
    }
    let Ok(text) = std::str::from_utf8(pattern) else { return };
    let Ok(glob) = PathGlob::compile(text) else { return };
    let pieces = pieces(pattern).expect("a pattern that compiles");
    assert!(pieces[0] == Piece::Byte(b'/'));
    let stars = pieces.iter().any(|piece| !matches!(piece, Piece::Byte(_)));
    assert_eq!(glob.literal().is_none(), stars);
    let expected = matches(&pieces, path) && (!stars || leads_there(path));
    assert_eq!(glob.matches(path), expected, "{text:?} {:?}", path.escape_ascii().to_string());
    let everything = pieces == [Piece::Byte(b'/'), Piece::Across];
    assert_eq!(glob.is_everything(), everything);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    Within,
    Across,
}

/// `*`, `**`, `\\xNN` and everything else.
fn pieces(pattern: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        let rest = &pattern[at..];
        let (piece, len) = if rest.starts_with(b"**") {
            (Piece::Across, 2)
        } else if rest.starts_with(b"*") {
            (Piece::Within, 1)
        } else if rest.starts_with(b"\\") {
            let digits = std::str::from_utf8(rest.get(2..4)?).ok()?;
            (Piece::Byte(u8::from_str_radix(digits, 16).ok()?), 4)
        } else {
            (Piece::Byte(rest[0]), 1)
        };
        pieces.push(piece);
        at += len;
    }
    Some(pieces)
}

/// By the table of all beginnings: whether the first pieces match the first bytes.
fn matches(pieces: &[Piece], path: &[u8]) -> bool {
    let mut row = vec![false; path.len() + 1];
    row[0] = true;
    for piece in pieces {
        let mut next = vec![false; path.len() + 1];
        for end in 0..=path.len() {
            let last = end.checked_sub(1).map(|at| path[at]);
            next[end] = match piece {
                Piece::Byte(byte) => last == Some(*byte) && row[end - 1],
                Piece::Within => row[end] || last.is_some_and(|last| last != b'/') && next[end - 1],
                Piece::Across => row[end] || end > 0 && next[end - 1],
            };
        }
        row = next;
    }
    row[path.len()]
}

/// Whether the path is its own resolved form, but for a slash at its end.
fn leads_there(path: &[u8]) -> bool {
    let mut names = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(name) = names.next() {
        let is_end = names.peek().is_none();
        if name == b"." || name == b".." || name.is_empty() && !is_end {
            return false;
        }
    }
    true
}
