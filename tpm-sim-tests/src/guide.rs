//! The guides' fenced blocks, run as a reader would: in order, in one shell, and held against what the guide says comes out.
//!
//! | block | what is done with it |
//! |---|---|
//! | `sh` | run; a command that fails ends the guide |
//! | `text` after a run `sh` block | has to be in what that block printed; `…` stands for anything |
//! | `console` | each line with `$ ` is run, the lines below it have to be what it printed |
//! | any, below `<!-- file: NAME -->` | becomes the file NAME at this place |
//! | any, below `<!-- not run: REASON -->` | left out, for the reason that is given |
//! | `sh`, below `<!-- in the machine -->` | run in the measured virtual machine (`tests/vm.rs`) |

use std::fmt::Write as _;
use std::path::Path;

/// What stands above a block, in a comment that readers of the book don't see.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    None,
    NotRun,
    Machine,
    File(String),
}

/// One fenced block.
#[derive(Debug, Clone)]
struct Block {
    place: String,
    language: String,
    mark: Mark,
    text: String,
}

/// One thing that a shell is given, and what has to come out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    place: String,
    script: String,
    expected: Vec<String>,
}

/// What a guide tells its reader to do.
#[derive(Debug, Clone, Default)]
pub struct Guide {
    blocks: Vec<Block>,
}

/// Begins the line that tells which step's output follows.
const STEP: &str = "@@@ step ";

impl Guide {
    /// Reads a guide.
    ///
    /// # Errors
    /// A file that can't be read, a block that does not end, a mark that is not known or has no block below it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut guide = Self::default();
        let mut open: Option<Block> = None;
        let mut mark = Mark::None;
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{name}:{number}");
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    let mark = std::mem::replace(&mut mark, Mark::None);
                    open = Some(Block { place, language: language.to_owned(), mark, text: String::new() });
                }
                (Some(_), Some("")) => guide.blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => match line.strip_prefix("<!--") {
                    Some(comment) => {
                        mark = Mark::parse(comment).ok_or(format!("{place}: unknown mark {line}"))?
                    }
                    None if line.is_empty() || mark == Mark::None => {}
                    None => return Err(format!("{place}: a mark stands above text, not above a block")),
                },
            }
        }
        match open {
            Some(block) => Err(format!("{}: the block does not end", block.place)),
            None => Ok(guide),
        }
    }

    /// Appends what another guide tells to do afterwards, in the same folder and shell.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.blocks.extend(next.blocks);
        self
    }

    /// A script that does all of it where it stands.
    #[must_use]
    pub fn script(&self) -> String {
        script(&self.steps())
    }

    /// A script of what is to be done in the measured virtual machine.
    #[must_use]
    pub fn machine_script(&self) -> String {
        script(&self.machine_steps())
    }

    /// Holds what [`Guide::script`] printed against the guide.
    ///
    /// # Errors
    /// The block that was not reached, or whose output is another than the guide's.
    pub fn check(&self, printed: &str) -> Result<(), String> {
        check(&self.steps(), printed)
    }

    /// Holds what [`Guide::machine_script`] printed against the guide.
    ///
    /// # Errors
    /// As [`Guide::check`].
    pub fn check_machine(&self, printed: &str) -> Result<(), String> {
        check(&self.machine_steps(), printed)
    }

    fn steps(&self) -> Vec<Step> {
        steps(self.blocks.iter().filter(|block| !matches!(block.mark, Mark::NotRun | Mark::Machine)))
    }

    fn machine_steps(&self) -> Vec<Step> {
        steps(self.blocks.iter().filter(|block| block.mark == Mark::Machine))
    }
}

impl Mark {
    fn parse(comment: &str) -> Option<Self> {
        let words = comment.strip_suffix("-->")?.trim();
        if let Some(reason) = words.strip_prefix("not run: ") {
            return (!reason.trim().is_empty()).then_some(Self::NotRun);
        }
        if let Some(name) = words.strip_prefix("file: ") {
            return Some(Self::File(name.to_owned()));
        }
        (words == "in the machine").then_some(Self::Machine)
    }
}

fn steps<'a>(blocks: impl Iterator<Item = &'a Block>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks {
        let place = block.place.clone();
        match (&block.mark, block.language.as_str()) {
            (Mark::File(name), _) => {
                let script = format!("cat > {name} <<'END OF FILE'\n{}END OF FILE\n", block.text);
                steps.push(Step { place, script, expected: Vec::new() });
            }
            (_, "sh") => steps.push(Step { place, script: block.text.clone(), expected: Vec::new() }),
            (_, "text") => {
                if let Some(step) = steps.last_mut() {
                    step.expected.extend(block.text.lines().map(str::to_owned));
                }
            }
            (_, "console") => {
                for line in block.text.lines() {
                    match (line.strip_prefix("$ "), steps.last_mut()) {
                        (Some(command), _) => {
                            let script = format!("{command}\n");
                            steps.push(Step { place: place.clone(), script, expected: Vec::new() });
                        }
                        (None, Some(step)) => step.expected.push(line.to_owned()),
                        (None, None) => {}
                    }
                }
            }
            _ => {}
        }
    }
    steps
}

/// Messages go where reports go, so that their order is kept.
fn script(steps: &[Step]) -> String {
    let mut script = "set -e\nexec 2>&1\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        let _ = write!(script, "printf '\\n{STEP}%s\\n' {number}\n{}", step.script);
    }
    let _ = writeln!(script, "printf '\\n{STEP}%s\\n' {}", steps.len());
    script
}

fn check(steps: &[Step], printed: &str) -> Result<(), String> {
    for (number, step) in steps.iter().enumerate() {
        let start = format!("\n{STEP}{number}\n");
        let end = format!("\n{STEP}{}\n", number + 1);
        let (_, rest) = printed
            .split_once(&start)
            .ok_or_else(|| format!("{}: was not reached:\n{printed}", step.place))?;
        let (output, _) = rest
            .split_once(&end)
            .ok_or_else(|| format!("{}: a command failed:\n{}\n{rest}", step.place, step.script))?;
        let lines: Vec<_> = output.lines().collect();
        let expected: Vec<_> = step.expected.iter().map(String::as_str).collect();
        if !(0..=lines.len()).any(|from| begins_with(lines.get(from..).unwrap_or_default(), &expected)) {
            return Err(format!(
                "{}: the guide says\n{}\nand what came is\n{output}",
                step.place,
                step.expected.join("\n")
            ));
        }
    }
    Ok(())
}

/// Whether the first lines are the expected ones. A line that is `…` stands for any number of lines.
fn begins_with(lines: &[&str], expected: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, _) => true,
        (Some((&"…", rest)), _) => {
            (0..=lines.len()).any(|from| begins_with(lines.get(from..).unwrap_or_default(), rest))
        }
        (Some((pattern, rest)), Some((line, lines))) => {
            matches(line.trim_end(), pattern) && begins_with(lines, rest)
        }
        (Some(_), None) => false,
    }
}

/// Whether a line is the pattern, in which `…` stands for any text.
fn matches(line: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else { return line == pattern };
    let Some(line) = line.strip_prefix(start) else { return false };
    let mut ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    ends.any(|at| matches(line.get(at..).unwrap_or_default(), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = "# A guide\n\n```sh\necho one two\n```\n\nSays:\n\n```text\none …\n```\n\n\
                        <!-- not run: needs hardware -->\n\n```sh\nexit 1\n```\n\n<!-- file: a.toml -->\n```toml\na = 1\n```\n\n\
                        ```console\n$ cat a.toml\na = 1\n$ true\n```\n\n<!-- in the machine -->\n```sh\nuname\n```\n";

    fn ran(script: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        crate::run(std::process::Command::new("sh").args(["-c", script]).current_dir(folder.path())).stdout
    }

    #[test]
    fn a_guide_is_run_in_its_order_and_held_against_its_words() {
        let guide = Guide::parse("a.md", TEXT).unwrap();
        let printed = ran(&guide.script());
        guide.check(&printed).unwrap();
        assert!(guide.machine_script().contains("uname"), "{guide:?}");
        let rotten = Guide::parse("a.md", &TEXT.replace("one …", "… three")).unwrap();
        assert!(rotten.check(&printed).unwrap_err().starts_with("a.md:3: the guide says\n… three\n"));
        let rotten = Guide::parse("a.md", &TEXT.replace("$ true", "$ false")).unwrap();
        assert!(rotten.check(&ran(&rotten.script())).unwrap_err().starts_with("a.md:24: a command failed"));
    }

    #[test]
    fn marks_that_say_nothing_are_refused() {
        for text in [
            "<!-- not run: -->\n```sh\n```\n",
            "<!-- later -->\n",
            "<!-- in the machine -->\nText.\n",
            "```sh\n",
        ] {
            assert!(Guide::parse("a.md", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn three_dots_stand_for_anything_and_nothing_else_does() {
        assert!(matches("reset 3, restart 0", "reset …, restart 0"));
        assert!(!matches("reset 3, restart 1", "reset …, restart 0"));
        assert!(!matches("a reset", "reset"));
        assert!(begins_with(&["a", "b", "c", "d"], &["a", "…", "d"]));
        assert!(!begins_with(&["a", "b", "c"], &["a", "c"]));
        assert!(!begins_with(&[], &["a"]));
    }
}
