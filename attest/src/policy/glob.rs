//! Paths by pattern: anchored at both ends, and matched in one walk over the path whatever it holds (threat i06).

use std::fmt;

/// Most bytes and wildcards of a pattern after its first wildcard: one bit each.
const MAX_TOKENS: usize = 126;

/// A pattern for whole paths. `*` stands for any bytes but `/`, `**` for any bytes at all; everything else for itself.
/// Control characters, backslashes and bytes that are no UTF-8 stand as `\xNN`, as in reference values; a star as `\x2a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob {
    text: String,
    /// The bytes before the first wildcard.
    prefix: Vec<u8>,
    rest: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`
    Within,
    /// `**`
    Across,
}

impl PathGlob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("{text:?} does not start with /, so it could match no path"));
        }
        let tokens = tokens(text).ok_or_else(|| format!("{text:?}: a backslash is written \\x5c"))?;
        let literal = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            Token::Within | Token::Across => None,
        };
        let prefix: Vec<u8> = tokens.iter().map_while(literal).collect();
        let rest = tokens.get(prefix.len()..).unwrap_or_default().to_vec();
        if rest.len() > MAX_TOKENS {
            return Err(format!("{text:?} has more than {MAX_TOKENS} bytes after its first star"));
        }
        Ok(Self { text: text.to_owned(), prefix, rest })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path itself, if there is no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<&[u8]> {
        self.rest.is_empty().then_some(&self.prefix)
    }

    /// Whether it matches every path.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == b"/" && self.rest == [Token::Across]
    }

    /// Whether the whole path matches. One that is not plain (with `//`, `.` or `..` in it) matches only where it is written
    /// out: who resolves it ends elsewhere than a star says (threat i06).
    ///
    /// All positions of the pattern that fit so far are followed at once, so that a path has no way to make it slow.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(self.prefix.as_slice()) else { return false };
        let mut at = self.skip_stars(1);
        for byte in rest {
            let mut next = 0_u128;
            for (index, token) in self.rest.iter().enumerate() {
                if at & (1 << index) == 0 {
                    continue;
                }
                match token {
                    Token::Byte(expected) if expected == byte => next |= 1 << (index + 1),
                    Token::Within if *byte != b'/' => next |= 1 << index,
                    Token::Across => next |= 1 << index,
                    _ => {}
                }
            }
            at = self.skip_stars(next);
            if at == 0 {
                return false;
            }
        }
        at & (1 << self.rest.len()) != 0 && (self.rest.is_empty() || is_plain(path))
    }

    /// A star may stand for nothing: who is at one is behind it, too.
    fn skip_stars(&self, mut at: u128) -> u128 {
        for (index, token) in self.rest.iter().enumerate() {
            if at & (1 << index) != 0 && !matches!(token, Token::Byte(_)) {
                at |= 1 << (index + 1);
            }
        }
        at
    }
}

/// Whether the path has no empty component but one at its end, and none that is `.` or `..`.
fn is_plain(path: &[u8]) -> bool {
    let inner = path.strip_prefix(b"/").unwrap_or(path);
    let parts = inner.strip_suffix(b"/").unwrap_or(inner);
    inner.is_empty() || parts.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'*', [b'*', after @ ..]) => {
                tokens.push(Token::Across);
                after
            }
            (b'*', after) => {
                tokens.push(Token::Within);
                after
            }
            (b'\\', [b'x', high, low, after @ ..]) => {
                let [byte] = *hex::decode([*high, *low]).ok()?.first_chunk()?;
                tokens.push(Token::Byte(byte));
                after
            }
            (b'\\', _) => return None,
            (byte, after) => {
                tokens.push(Token::Byte(*byte));
                after
            }
        };
    }
    Some(tokens)
}

impl fmt::Display for PathGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &[u8]) -> bool {
        PathGlob::compile(pattern).unwrap().matches(path)
    }

    #[test]
    fn i06_patterns_are_anchored_at_both_ends_and_a_star_stays_in_its_folder() {
        for (pattern, yes, no) in [
            (
                "/var/log/*",
                &["/var/log/a", "/var/log/"][..],
                &["/var/log/a/b", "/x/var/log/a", "/var/logs"][..],
            ),
            ("/var/log/**", &["/var/log/a/b", "/var/log/"], &["/var/log", "/var/logx/a"]),
            ("/opt/*/bin/*", &["/opt/a/bin/b"], &["/opt/a/b/bin/c", "/opt/a/bin/b/c", "/opt/bin/b"]),
            ("/**/cache", &["/a/b/cache"], &["/cache", "//cache", "/a/cache/b", "/a/xcache/"]),
            ("/**", &["/", "/a/"], &["//", "/a//", "/./", "/a/.."]),
            ("/a*b*c", &["/abc", "/axxbyyc", "/abbcc"], &["/abcd", "/ab/c", "/ac"]),
            ("/bin/sh", &["/bin/sh"], &["/bin/sh ", "/bin/sh\n", "/bin/s", "/usr/bin/sh"]),
            ("/a\\x0ab\\x2a", &["/a\nb*"], &["/a\nbc"]),
        ] {
            yes.iter().for_each(|path| assert!(matches(pattern, path.as_bytes()), "{pattern} {path:?}"));
            no.iter().for_each(|path| assert!(!matches(pattern, path.as_bytes()), "{pattern} {path:?}"));
        }
    }

    #[test]
    fn i06_dots_line_feeds_and_other_bytes_are_bytes() {
        assert!(matches("/tmp/*", b"/tmp/\xFF\n .."));
        assert!(!matches("/tmp/*", b"/tmp/../etc/shadow"));
    }

    #[test]
    fn i06_a_star_takes_no_path_that_leads_elsewhere() {
        for path in ["/tmp/../etc/shadow", "/tmp/a/..", "/tmp//a", "/tmp/./a", "/tmp/.", "/tmp//"] {
            assert!(!matches("/tmp/**", path.as_bytes()), "{path}");
            assert!(matches(path, path.as_bytes()), "{path}");
        }
        for path in ["/tmp/..a/b...", "/tmp/a/", "/tmp/"] {
            assert!(matches("/tmp/**", path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn i06_no_path_makes_a_pattern_slow() {
        let pattern = PathGlob::compile(&format!("/{}b", "**a*".repeat(25))).unwrap();
        let path = [b"/".as_slice(), &[b'a'; 4095]].concat();
        // By trying one star after the other this would not end.
        assert!(!pattern.matches(&path));
    }

    #[test]
    fn patterns_without_sense_are_told() {
        for text in ["", "var/*", "*", "/a\\b", "/a\\x1", &format!("/*{}", "a".repeat(200))] {
            assert!(PathGlob::compile(text).is_err(), "{text}");
        }
        assert!(PathGlob::compile(&format!("/{}*", "a".repeat(4000))).is_ok());
        assert!(PathGlob::compile("/**").unwrap().is_everything());
        assert!(!PathGlob::compile("/a/**").unwrap().is_everything());
    }
}
