//! Why a measured file is refused, in words.

use super::Known;
use super::rules::RuleVerdict;
use crate::appraisal::Reason;
use crate::ima::{BOOT_AGGREGATE, Entry, MAX_SIGNATURE_CHECKS};
use crate::reference::{FileKey, Knowledge, path_text};

/// Longest path that a reason has whole, in bytes: Linux has none that is longer (`PATH_MAX`). A list may say any length (threat v03).
const LONGEST_PATH: usize = 4096;

pub(super) fn shown_path(entry: &Entry<'_>) -> String {
    match entry.path().split_at_checked(LONGEST_PATH) {
        Some((start, rest)) if !rest.is_empty() => format!("{}…", path_text(start)),
        _ => path_text(entry.path()),
    }
}

pub(super) fn refused_entry(known: Known<'_>, entry: &Entry<'_>, verdict: &RuleVerdict) -> Reason {
    let path = shown_path(entry);
    let (id, what) = match verdict {
        RuleVerdict::BadSignature(error) => (error.threat(), format!("{path}: {error}")),
        RuleVerdict::OtherBuffer => ("i07", format!("the buffer {path} has another digest than its bytes")),
        RuleVerdict::ForeignKey => {
            ("i15", format!("a key that the policy does not have was loaded into {path}"))
        }
        _ => return unknown_file(known, entry),
    };
    let place = format!("IMA list, entry {}", entry.number());
    Reason { id, what, place, expected: String::new(), found: entry.file_digest().to_string() }
}

pub(super) fn weak_file(entry: &Entry<'_>) -> Reason {
    let digest = entry.file_digest();
    Reason {
        id: "i14",
        what: format!(
            "{} is known by a {} digest, which can be made to fit",
            shown_path(entry),
            digest.algorithm_name()
        ),
        place: format!("IMA list, entry {}", entry.number()),
        expected: "sha256 or stronger".to_owned(),
        found: digest.to_string(),
    }
}

/// More signatures than are checked in one list: whoever sends it chooses how many there are (threat i20).
pub(super) fn not_checked(entries: usize) -> Reason {
    Reason {
        id: "i20",
        what: format!(
            "its signatures take more than {MAX_SIGNATURE_CHECKS} checks; have the files in a reference, where they take none, or the list sent in parts"
        ),
        place: "IMA list".to_owned(),
        expected: format!("at most {MAX_SIGNATURE_CHECKS} checks of different signatures"),
        found: format!("{entries} entries that were not checked"),
    }
}

fn unknown_file(known_by: Known<'_>, entry: &Entry<'_>) -> Reason {
    let path = shown_path(entry);
    let digest = entry.file_digest();
    let known = known_by.releases.expected(known_by.rules.releases, entry.path());
    Reason {
        id: "i12",
        what: match known_by.knowledge(entry, &FileKey::from(&digest)) {
            Knowledge::Lapsed(lapsed) => {
                let (title, at) = (lapsed.reference.values().title(), lapsed.at);
                let seen = known_by.seen(entry).map_or_else(
                    || "no earlier record has it".to_owned(),
                    |seen| format!("it was seen first at {seen}"),
                );
                format!("{path} is of {title}, which ended at {at}; {seen}")
            }
            Knowledge::Known | Knowledge::Unknown if !known.is_empty() => {
                format!("{path} has another content than in any reference")
            }
            // The name alone is no kexec's (threat i16).
            Knowledge::Known | Knowledge::Unknown if entry.path() == BOOT_AGGREGATE => format!(
                "{path} is a file that no reference knows: no kernel that kexec started wrote this, its value is not the hash of the quoted boot PCRs"
            ),
            Knowledge::Known | Knowledge::Unknown => format!("{path} is a file that no reference knows"),
        },
        place: format!("IMA list, entry {}", entry.number()),
        expected: known.join(" or "),
        found: digest.to_string(),
    }
}
