//! `hallmark ima`: Linux IMA measurement lists, for reading and replaying.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use attest::ima::{self, Bank, ImaList, Replayer, ascii_to_binary};
use attest::reference::path_text;
use attest::{HashAlgorithm, ReplayedPcrs};
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::eventlog::ReplayReport;
use crate::commands::logs::{MAX_IMA_LIST, malformed_ima_list, no_bank};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{self, BOLD, Format, Page, Report};

/// How much of a list is read at a time, in bytes.
const PIECE: usize = 64 * 1024;
/// What is wrong with a list without entries.
const EMPTY: &str = "the list is empty; a kernel's has boot_aggregate at least, unless it was trimmed";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One line an entry: number, PCR, digest, path
    #[command(
        after_help = "Example:\n  hallmark ima show /sys/kernel/security/ima/binary_runtime_measurements"
    )]
    Show {
        /// The list, binary or ascii; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The PCR values that the list leads to
    #[command(
        after_help = "Example:\n  hallmark ima replay /sys/kernel/security/ima/binary_runtime_measurements --format json"
    )]
    Replay {
        /// The list, binary or ascii; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Banks to replay
        #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "sha1,sha256,sha384,sha512")]
        banks: Vec<String>,
    },
}

/// A list's entries. Nothing in them is verified.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShowReport {
    /// Number of entries.
    entry_count: usize,
    /// How many of them are violations.
    violations: usize,
    /// The entries, in order.
    entries: Vec<EntryView>,
}

/// One entry.
#[derive(Debug, Serialize, JsonSchema)]
struct EntryView {
    /// Its number, from 1.
    number: usize,
    /// The PCR that it was extended into.
    pcr: u8,
    /// Its template.
    template: String,
    /// The file's digest with its algorithm.
    digest: String,
    /// The path; control characters, backslashes and bytes that are no UTF-8 stand as \xNN.
    path: String,
    /// Whether it has a signature.
    signed: bool,
    /// Whether the file changed while it was measured.
    violation: bool,
}

impl Report for ShowReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.styled(
            BOLD,
            format_args!(
                "{} entries, {} violations; not verified against any quote",
                self.entry_count, self.violations
            ),
        )?;
        for entry in &self.entries {
            let EntryView { number, pcr, digest, path, .. } = entry;
            let mark = match (entry.violation, entry.signed) {
                (true, _) => "  VIOLATION",
                (false, true) => "  signed",
                (false, false) => "",
            };
            page.line(format_args!("#{number:<5} PCR {pcr}  {digest}  {path}{mark}"))?;
        }
        Ok(())
    }
}

pub(crate) fn run(command: Command, format: Format) -> Result<Exit, Failure> {
    match command {
        Command::Show { file } => output::print(&show(&file)?, format),
        Command::Replay { file, banks } => output::print(&replay_file(&file, &banks)?, format),
    }
}

fn show(file: &Path) -> Result<ShowReport, Failure> {
    let bytes = read(file)?;
    if bytes.is_empty() {
        return Err(empty(file));
    }
    let entries = ImaList::new(&bytes)
        .entries()
        .map(|entry| {
            let entry = entry.map_err(|error| malformed_ima_list(file, &error))?;
            Ok(EntryView {
                number: entry.number(),
                pcr: entry.pcr().get(),
                template: entry.template().to_owned(),
                digest: entry.file_digest().to_string(),
                path: path_text(entry.path()),
                signed: entry.is_signed(),
                violation: entry.is_violation(),
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let violations = entries.iter().filter(|entry| entry.violation).count();
    Ok(ShowReport { entry_count: entries.len(), violations, entries })
}

fn replay_file(file: &Path, banks: &[String]) -> Result<ReplayReport, Failure> {
    let banks = banks
        .iter()
        .map(|name| {
            let bank = HashAlgorithm::from_name(name);
            bank.map(Into::into).ok_or_else(|| Failure::usage(format!("--banks: {}", no_bank(name))))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ReplayReport::new(replay(file, &banks)?))
}

/// Replays a binary list piece by piece, so that its length does not matter, and an ascii one as a whole.
fn replay(file: &Path, banks: &[Bank]) -> Result<ReplayedPcrs, Failure> {
    let mut source = BufReader::with_capacity(PIECE, files::open(file)?);
    let start = source.fill_buf().map_err(|error| Failure::file(file, &error))?;
    if start.is_empty() {
        return Err(empty(file));
    }
    if is_ascii(start) {
        let text = files::read_rest(source, file, MAX_IMA_LIST)?;
        let list =
            ascii_to_binary(&text, HashAlgorithm::Sha1).map_err(|error| malformed_ima_list(file, &error))?;
        return ima::replay(&ImaList::new(&list), banks).map_err(|error| malformed_ima_list(file, &error));
    }
    let mut replayer = Replayer::new(HashAlgorithm::Sha1, banks);
    loop {
        let piece = source.fill_buf().map_err(|error| Failure::file(file, &error))?;
        let read = piece.len();
        if read == 0 {
            let replayed = replayer.finish().map_err(|error| malformed_ima_list(file, &error))?;
            return Ok(replayed.pcrs);
        }
        replayer.push(piece).map_err(|error| malformed_ima_list(file, &error))?;
        source.consume(read);
    }
}

fn empty(file: &Path) -> Failure {
    Failure::refused(Some("i04"), format!("{}: {EMPTY}", file.display()))
}

/// Reads a list; the ascii form, which begins with a PCR number in decimal, becomes the binary one.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = files::read(file, MAX_IMA_LIST)?;
    if is_ascii(&bytes) {
        let binary =
            ascii_to_binary(&bytes, HashAlgorithm::Sha1).map_err(|error| malformed_ima_list(file, &error))?;
        return Ok(binary);
    }
    Ok(bytes)
}

fn is_ascii(start: &[u8]) -> bool {
    start.first().is_some_and(|first| first.is_ascii_digit() || *first == b' ')
}
