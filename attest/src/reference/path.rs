//! Paths as text, one form for each path (threat i06).

/// A path as it stands in reference values: printable UTF-8 as it is, everything else as `\xNN`, one form for each path.
#[must_use]
pub fn path_text(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    text.push_str("\\x");
    text.push_str(&hex::encode([byte]));
}

/// The bytes of a path that [`path_text`] wrote; `None` for text that it never writes.
#[must_use]
pub fn path_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once("\\x") {
        let (digits, after) = escape.split_at_checked(2)?;
        bytes.extend(plain.bytes());
        bytes.extend(hex::decode(digits).ok()?);
        rest = after;
    }
    bytes.extend(rest.bytes());
    (path_text(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i06_paths_keep_every_byte() {
        assert_eq!(path_text("/usr/bin/ä b".as_bytes()), "/usr/bin/ä b");
        assert_eq!(path_text(b"/a\nb\\\xFF"), "/a\\x0ab\\x5c\\xff");
        assert_ne!(path_text(b"\\x0a"), path_text(b"\n"));
    }

    #[test]
    fn i06_paths_come_back_from_their_text() {
        for path in [&b"/usr/bin/a"[..], b"/\x00\xff\\x0a", "/ä\u{7f}".as_bytes(), b"", b"\\"] {
            assert_eq!(path_bytes(&path_text(path)).as_deref(), Some(path));
        }
        for text in ["\\", "\\x4", "\\x41", "\\xZZ", "\n"] {
            assert_eq!(path_bytes(text), None, "{text:?}");
        }
    }
}
