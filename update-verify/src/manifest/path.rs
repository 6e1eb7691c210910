//! Names inside a package: what a path may look like, and which two paths would meet on some file system (threat u10).

use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Longest path in bytes; below every PATH_MAX with room for the folder it is installed in.
pub const MAX_PATH: usize = 1024;
/// Longest component in bytes (NAME_MAX of Linux's file systems).
pub const MAX_COMPONENT: usize = 255;
/// Most components of a path.
pub const MAX_DEPTH: usize = 32;

/// What is wrong with a path inside a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No character at all.
    #[error("it is empty")]
    Empty,
    /// Starts with `/`.
    #[error("it is absolute")]
    Absolute,
    /// Longer than [`MAX_PATH`], or a component longer than [`MAX_COMPONENT`].
    #[error("it is longer than {MAX_PATH} bytes, or a component than {MAX_COMPONENT}")]
    TooLong,
    /// More than [`MAX_DEPTH`] components.
    #[error("it has more than {MAX_DEPTH} components")]
    TooDeep,
    /// `//`, or a `/` at the end.
    #[error("it has an empty component")]
    EmptyComponent,
    /// A component `.` or `..`.
    #[error("it has a component '.' or '..'")]
    DotComponent,
    /// A backslash, which other systems take for a separator.
    #[error("it has a backslash")]
    Backslash,
    /// A control character (newline, NUL, escape, …).
    #[error("it has a control character")]
    Control,
    /// A character that shows nothing or turns the reading direction, so that two names look alike.
    #[error("it has an invisible or direction-changing character")]
    Invisible,
    /// Not in Unicode normalization form C: the same name in two byte sequences.
    #[error("it is not in Unicode normalization form C")]
    NotNormalized,
}

/// Checks one path by itself.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_path(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if path.len() > MAX_PATH {
        return Err(PathFault::TooLong);
    }
    path.chars().try_for_each(check_char)?;
    if !is_nfc(path) {
        return Err(PathFault::NotNormalized);
    }
    let mut depth = 0_usize;
    for component in path.split('/') {
        depth = depth.saturating_add(1);
        check_component(component)?;
    }
    if depth > MAX_DEPTH { Err(PathFault::TooDeep) } else { Ok(()) }
}

fn check_component(component: &str) -> Result<(), PathFault> {
    match component {
        "" => Err(PathFault::EmptyComponent),
        "." | ".." => Err(PathFault::DotComponent),
        long if long.len() > MAX_COMPONENT => Err(PathFault::TooLong),
        _ => Ok(()),
    }
}

fn check_char(c: char) -> Result<(), PathFault> {
    match c {
        '\\' => Err(PathFault::Backslash),
        c if c.is_control() => Err(PathFault::Control),
        '\u{AD}'
        | '\u{61C}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFF0}'..='\u{FFFF}'
        | '\u{E0000}'..='\u{E0FFF}' => Err(PathFault::Invisible),
        _ => Ok(()),
    }
}

/// Two names that are one on a file system that folds case or Unicode forms, or a name that is file and folder at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collision {
    /// The path that came second.
    pub(super) path: String,
    /// The spelling of the component that was there before it.
    pub(super) earlier: String,
}

/// All names seen so far, as a tree of folded components: its size is that of the paths, however deep they nest.
#[derive(Default)]
pub(super) struct NameTree {
    nodes: BTreeMap<(usize, String), Node>,
}

struct Node {
    id: usize,
    spelling: String,
    is_file: bool,
}

impl NameTree {
    /// Adds a path that [`check_path`] accepted.
    pub(super) fn add(&mut self, path: &str) -> Result<(), Collision> {
        let mut parent = 0_usize;
        let mut components = path.split('/').peekable();
        while let Some(component) = components.next() {
            let is_file = components.peek().is_none();
            let id = self.nodes.len().saturating_add(1);
            let node = self.nodes.entry((parent, fold(component))).or_insert_with(|| Node {
                id,
                spelling: component.to_owned(),
                is_file,
            });
            let is_new = node.id == id;
            let is_same_folder = node.spelling == component && !node.is_file && !is_file;
            if !is_new && !is_same_folder {
                return Err(Collision { path: path.to_owned(), earlier: node.spelling.clone() });
            }
            parent = node.id;
        }
        Ok(())
    }
}

/// One spelling for all names that some file system would take for the same: compatibility forms and case are folded.
/// Upper case comes first because only it splits letters such as `ß`.
fn fold(component: &str) -> String {
    component
        .nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .nfkc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u10_paths_that_leave_the_folder_or_hide_are_refused() {
        let deep = vec!["a"; MAX_DEPTH + 1].join("/");
        let long = "a".repeat(MAX_COMPONENT + 1);
        let longest = format!("{}b", "abcdefg/".repeat(128));
        for (path, fault) in [
            ("", PathFault::Empty),
            ("/etc/passwd", PathFault::Absolute),
            ("../up", PathFault::DotComponent),
            ("a/../../up", PathFault::DotComponent),
            ("a/./b", PathFault::DotComponent),
            ("..", PathFault::DotComponent),
            ("a//b", PathFault::EmptyComponent),
            ("a/", PathFault::EmptyComponent),
            ("a\\..\\b", PathFault::Backslash),
            ("a\nb", PathFault::Control),
            ("a\0b", PathFault::Control),
            ("a\u{1b}[2Jb", PathFault::Control),
            ("a\u{85}b", PathFault::Control),
            ("a\u{202E}gpj.exe", PathFault::Invisible),
            ("a\u{200B}b", PathFault::Invisible),
            ("e\u{301}", PathFault::NotNormalized),
            (deep.as_str(), PathFault::TooDeep),
            (long.as_str(), PathFault::TooLong),
            (longest.as_str(), PathFault::TooLong),
        ] {
            assert_eq!(check_path(path), Err(fault), "{path:?}");
        }
    }

    #[test]
    fn ordinary_paths_are_accepted() {
        for path in ["a", "bin/app", "..a/b..", "é/ü", "a b/c", ".config", "NetLock_=Főtanúsítvány.pem"]
        {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn u10_names_that_meet_by_case_or_unicode_form_are_refused() {
        for (first, second) in [
            ("bin/App", "bin/app"),
            ("Bin/a", "bin/b"),
            ("straße", "STRASSE"),
            ("ﬁle", "file"),
            ("a", "a"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("A/b", "a"),
            ("σ", "ς"),
        ] {
            let mut tree = NameTree::default();
            tree.add(first).unwrap();
            assert!(tree.add(second).is_err(), "{first:?} and {second:?}");
        }
    }

    #[test]
    fn siblings_and_equal_names_in_two_folders_do_not_meet() {
        let mut tree = NameTree::default();
        for path in ["a/x", "a/y", "b/x", "x", "a/z/x"] {
            tree.add(path).unwrap();
        }
    }
}
