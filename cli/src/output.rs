//! What a command shows: a report, for people or as one JSON object.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::failure::{Exit, Failure};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: aligned text, coloured on a terminal.
    Human,
    /// For programs: one JSON object on standard output (docs/schemas).
    Json,
}

/// A command's result.
pub(crate) trait Report: Serialize {
    /// Writes it for people.
    fn human(&self, page: &mut Page<'_>) -> io::Result<()>;

    /// How the command ends with this result.
    fn exit(&self) -> Exit {
        Exit::Done
    }

    /// The one line for standard error when the result is a refusal.
    fn complaint(&self) -> Option<Failure> {
        None
    }
}

/// Prints `report` and returns the exit code.
pub(crate) fn print<R: Report>(report: &R, format: Format) -> Result<Exit, Failure> {
    let written = match format {
        Format::Human => {
            let mut out = anstream::stdout().lock();
            report.human(&mut Page { out: &mut out }).and_then(|()| out.flush())
        }
        Format::Json => print_json(report),
    };
    told(written)?;
    if let Some(failure) = report.complaint() {
        complain(&failure);
    }
    Ok(report.exit())
}

/// Whether standard output took what was written.
pub(crate) fn told(written: io::Result<()>) -> Result<(), Failure> {
    match written.and_then(|()| io::stdout().flush()) {
        // A reader that went away, like `head`, is not an error of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_json<T: Serialize>(value: &T) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write_json(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn write_json<T: Serialize>(out: impl Write, value: &T) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(out, QuietJson(PrettyFormatter::new()));
    Ok(value.serialize(&mut json)?)
}

/// JSON as usual, with escapes also for the control characters that JSON lets through (DEL and C1), and for marks that turn
/// the direction of writing: JSON is read on terminals too.
struct QuietJson<'a>(PrettyFormatter<'a>);

impl Formatter for QuietJson<'_> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| moves_terminal(*c)) {
            out.write_all(text.get(plain..at).unwrap_or_default().as_bytes())?;
            // All of them are in the basic plane.
            write!(out, "\\u{:04x}", u32::from(c))?;
            plain = at.saturating_add(c.len_utf8());
        }
        out.write_all(text.get(plain..).unwrap_or_default().as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DOUBT: Style = AnsiColor::Yellow.on_default().bold();

/// Text on one line: control characters and marks that turn the direction of writing are shown as escapes. Logs, documents and
/// certificates are written by others, and what they say must not move a person's terminal.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A control character, or a mark that turns the direction of writing.
fn moves_terminal(c: char) -> bool {
    let turns = matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((plain, from)) = rest.find(moves_terminal).and_then(|at| rest.split_at_checked(at)) {
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            chars.next().map_or(Ok(()), |c| write!(self.0, "{}", c.escape_default()))?;
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// A page of text. Styles vanish by themselves where the output is no terminal or `NO_COLOR` is set.
pub(crate) struct Page<'a> {
    out: &'a mut dyn Write,
}

impl Page<'_> {
    /// A plain line.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", OneLine(text))
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A line in a style.
    pub(crate) fn styled(&mut self, style: Style, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{style}{}{style:#}", OneLine(text))
    }

    /// A name and its value, values aligned.
    pub(crate) fn row(&mut self, name: &str, value: impl Display) -> io::Result<()> {
        writeln!(self.out, "  {DIM}{:<22}{DIM:#} {}", OneLine(name).to_string(), OneLine(value))
    }

    /// A mark, a name and a remark, as in a list of checks.
    pub(crate) fn mark(&mut self, mark: Mark, name: &str, remark: impl Display) -> io::Result<()> {
        let (style, text) = match mark {
            Mark::Good => (GOOD, "ok"),
            Mark::Doubt => (DOUBT, "--"),
            Mark::Bad => (BAD, "NO"),
        };
        let name = OneLine(name).to_string();
        writeln!(self.out, "  {style}{text}{style:#}  {name:<22} {}", OneLine(remark))
    }
}

/// How a line of a list came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Good,
    Doubt,
    Bad,
}

/// A message on standard error, which never mixes with a report.
pub(crate) fn message(text: impl Display) {
    tell(&format!("{}\n", OneLine(text)));
}

/// The last message of a command that failed.
pub(crate) fn complain(failure: &Failure) {
    let id = failure.threat.map(|id| format!(" [{id}]")).unwrap_or_default();
    let (style, word) = match failure.exit {
        Exit::Refused => (BAD, "refused"),
        Exit::CannotTell => (DOUBT, "cannot tell"),
        _ => (BAD, "error"),
    };
    let message = OneLine(&failure.message);
    tell(&format!("{style}{word}{style:#}{id}: {message}\n"));
}

/// In one piece, since standard error keeps nothing back and may be shared with other programs.
fn tell(line: &str) {
    // Nobody is left to be told when standard error itself is gone.
    let _ = anstream::stderr().lock().write_all(line.as_bytes());
}

/// Bytes that are the whole output.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    told(out.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_moves_no_terminal() {
        let mut out = Vec::new();
        let evil = "a\x1b[31mb\x07\r\nc\u{9b}2J\u{202E}d\u{e4}";
        let mut page = Page { out: &mut out };
        page.line(evil).unwrap();
        page.row(evil, evil).unwrap();
        page.mark(Mark::Good, evil, evil).unwrap();
        page.styled(Style::new(), evil).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(text.lines().next(), Some("a\\u{1b}[31mb\\u{7}\\r\\nc\\u{9b}2J\\u{202e}d\u{e4}"));
        assert!(!text.contains(['\x07', '\r', '\u{9b}', '\u{202E}']));
    }

    #[test]
    fn foreign_text_in_json_moves_no_terminal_and_is_the_same_text() {
        let evil = "\u{7f}a\u{9b}2J\u{202E}\"\\\n\x1b\u{85}d\u{e4}\u{1F600}";
        let value = serde_json::json!({ evil: [evil, {}, [], 1, null], "b": { "c": evil } });
        let mut out = Vec::new();
        write_json(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && moves_terminal(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let harmless = serde_json::json!({ "a": ["b", {}, [], { "c": 1 }] });
        let mut out = Vec::new();
        write_json(&mut out, &harmless).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&harmless).unwrap());
    }
}
