//! A module that passes on: every line of its standard input goes to a Unix socket or to the end of a file.
//!
//! `forwarder --to PATH`; prints how many lines it has passed on.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;

/// Longest line that is passed on, in bytes: a source that never ends a line must not fill the memory.
const MAX_LINE: u64 = 4096;

enum Target {
    Socket(UnixDatagram),
    File(File),
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        if path.metadata().is_ok_and(|data| data.file_type().is_socket()) {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            return Ok(Self::Socket(socket));
        }
        Ok(Self::File(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn pass_on(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.send(line).map(|_| ()),
            Self::File(file) => file.write_all(line),
        }
    }
}

fn forward(target: &mut Target) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    for passed_on in 1_u64.. {
        line.clear();
        if io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        target.pass_on(&line)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{passed_on} lines passed on")?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(option), Some(path)) = (args.next(), args.next()) else {
        eprintln!("usage: forwarder --to PATH");
        return ExitCode::from(2);
    };
    if option != "--to" {
        eprintln!("forwarder: unknown option {option:?}");
        return ExitCode::from(2);
    }
    let path = Path::new(&path);
    match Target::open(path).and_then(|mut target| forward(&mut target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forwarder: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
