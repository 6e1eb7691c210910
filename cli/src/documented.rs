//! Each command line that the documents show is one that the command takes: options that were renamed or dropped can't stay there.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::args::Cli;

/// Every document for users, README.md too.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["guides", "reference", "formats"].map(|name| root.join("docs/src").join(name));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).chain([root.join("README.md")]).collect()
}

/// The commands in the `sh` and `console` blocks of a text, continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, block) in text.split("\n```").enumerate() {
        let Some((language, lines)) = block.split_once('\n') else { continue };
        // Every other part is between two blocks.
        if number % 2 == 0 || !["sh", "console"].contains(&language) {
            continue;
        }
        for line in lines.replace("\\\n", " ").lines() {
            let line =
                line.trim_start_matches("$ ").trim_start_matches("sudo ").trim_start_matches("eval \"$(");
            if line.starts_with("hallmark ") {
                found.push(line.to_owned());
            }
        }
    }
    found
}

/// The words of a command up to a pipe, a redirection, a comment or another command. What a shell would put in is a nonce.
fn words(command: &str) -> Vec<String> {
    const NONCE: &str = "00112233445566778899aabbccddeeff";
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    let mut characters = command.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '$') => {
                if characters.peek() == Some(&'(') {
                    let _ = characters.by_ref().find(|character| *character == ')');
                } else {
                    while characters
                        .next_if(|character| character.is_alphanumeric() || *character == '_')
                        .is_some()
                    {}
                }
                word.get_or_insert_default().push_str(NONCE);
            }
            (None, '|' | '>' | '&' | ';' | '#' | ')') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    // `2>` is a redirection of messages.
    if words.last().is_some_and(|word| word == "2") {
        words.pop();
    }
    words
}

#[test]
fn every_documented_command_line_is_one_that_the_command_takes() {
    let mut count = 0;
    for document in documents() {
        for command in commands(&fs::read_to_string(&document).unwrap()) {
            if let Err(error) = Cli::try_parse_from(words(&command)) {
                assert!(!error.use_stderr(), "{}: {command}\n{error}", document.display());
            }
            count += 1;
        }
    }
    assert!(count > 100, "only {count} command lines were found");
}

#[test]
fn words_are_taken_as_a_shell_takes_them() {
    let text = "```\n\n```sh\nhallmark appraise \\\n    'a b' --nonce $NONCE || echo no\n$ hallmark check   # what is missing\n```\n";
    let found: Vec<_> = commands(text).iter().map(|command| words(command)).collect();
    assert_eq!(
        found,
        [
            vec!["hallmark", "appraise", "a b", "--nonce", "00112233445566778899aabbccddeeff"],
            vec!["hallmark", "check"],
        ]
    );
    assert!(Cli::try_parse_from(["hallmark", "appraise", "--no-such-option"]).is_err());
}
