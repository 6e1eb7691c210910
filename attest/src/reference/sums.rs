//! Lists of files with their digests, as sha256sum(1) and its kin write them.

use thiserror::Error;

use super::file_set::{FileKey, FileKind, FileSetBuilder, FileSetError};
use crate::digest::HashAlgorithm;

/// Why a list can't be taken; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SumsError {
    /// Not the format.
    #[error("line {line}: {what}")]
    Line {
        /// The line.
        line: usize,
        /// What is wrong, and what is expected.
        what: &'static str,
    },
    /// What no file set can hold.
    #[error("line {line}: {source}")]
    FileSet {
        /// The line.
        line: usize,
        /// Why.
        source: FileSetError,
    },
}

/// Adds the files of a list to `builder` and returns how many there were.
///
/// A line is `HEX  PATH` or `HEX *PATH`; a path that does not start with `/` is taken from the root. The kernel writes `_`
/// for each space of a path, so the same is done here.
///
/// # Errors
/// [`SumsError`] with the line; files before it were added.
pub fn add_sums(
    builder: &mut FileSetBuilder,
    list: &[u8],
    algorithm: HashAlgorithm,
) -> Result<usize, SumsError> {
    let mut count = 0_usize;
    for (index, line) in list.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        if line.is_empty() {
            continue;
        }
        let wrong = |what| SumsError::Line { line: number, what };
        let (digest, path) = read_line(line, algorithm).map_err(wrong)?;
        let key = FileKey { kind: FileKind::Contents, algorithm: algorithm.name(), digest: &digest };
        builder.add(&path, &key).map_err(|source| SumsError::FileSet { line: number, source })?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

fn read_line(line: &[u8], algorithm: HashAlgorithm) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (hex, rest) =
        line.split_at_checked(algorithm.len().saturating_mul(2)).ok_or("too short, expected HEX  PATH")?;
    let digest = hex::decode(hex).map_err(|_| "the digest is no hexadecimal of the hash's length")?;
    let path = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"));
    let path =
        path.filter(|path| !path.is_empty()).ok_or("expected two spaces and a path after the digest")?;
    let path =
        if escaped { unescape(path).ok_or("an escape that sha256sum never writes")? } else { path.to_vec() };
    Ok((digest, from_root(&path)?))
}

/// `\\`, `\n` and `\r`, as GNU coreutils write them in a line that starts with a backslash.
fn unescape(path: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            other => *other,
        });
    }
    Some(bytes)
}

/// The path as the kernel's list has it.
pub(super) fn from_root(path: &[u8]) -> Result<Vec<u8>, &'static str> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    if path.split(|byte| *byte == b'/').any(|part| part.is_empty() || part == b"." || part == b"..") {
        return Err("a path with an empty part, with . or with ..");
    }
    Ok(std::iter::once(b'/')
        .chain(path.iter().map(|byte| if *byte == b' ' { b'_' } else { *byte }))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::FileSet;

    fn paths(list: &str) -> Result<Vec<Vec<u8>>, String> {
        let mut builder = FileSetBuilder::new();
        let list = list.replace('#', &HashAlgorithm::Sha256.digest(b"x").to_hex());
        add_sums(&mut builder, list.as_bytes(), HashAlgorithm::Sha256).map_err(|error| error.to_string())?;
        let bytes = builder.finish().unwrap();
        let set = FileSet::open(bytes.as_slice()).unwrap();
        Ok(set.iter().map(|(_, path)| path.to_vec()).collect())
    }

    #[test]
    fn lists_of_sha256sum_are_read() {
        assert_eq!(
            paths("#  ./usr/bin/a\n# *usr/bin/b\n#  /usr/bin/run me\n\\#  c\\nd\\\\\n\n").unwrap(),
            [&b"/c\nd\\"[..], b"/usr/bin/a", b"/usr/bin/b", b"/usr/bin/run_me"]
        );
    }

    #[test]
    fn i06_a_line_that_is_none_is_told_by_its_number() {
        for (line, what) in [
            ("#", "path"),
            ("# a", "path"),
            ("#  ", "path"),
            ("abc  a", "short"),
            ("#  a/../b", ".."),
            ("#  a//b", "empty"),
            ("#  /", "empty"),
            ("\\#  a\\t", "escape"),
            (&"z".repeat(70), "hexadecimal"),
        ] {
            let error = paths(&format!("#  ok\n{line}\n")).unwrap_err();
            assert!(error.starts_with("line 2: ") && error.contains(what), "{line}: {error}");
        }
    }
}
