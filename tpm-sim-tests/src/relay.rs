//! The near end of a TPM relay: a TPM inside a virtual machine, offered to commands outside of it under a TCTI.
//!
//! ```text
//! hallmark --tcti swtpm:… ──TCP──▶ Relay ──Unix socket, virtio port──▶ tpm_relay in the guest ──▶ /dev/tpmrm0
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// TPM2_GetRandom(1): asks nothing of the TPM but to be there.
const ANYBODY_THERE: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 1];
/// Tag, size and code: what every command and answer begins with (TPM 2.0 Library, Part 1, §18).
const HEADER: usize = 10;
/// No command or answer of a TPM is longer: the kernel's own bound.
pub const MOST: usize = 4096;

/// An open way to the TPM in a guest. The guest's relay ends with the value.
#[derive(Debug)]
pub struct Relay {
    line: Arc<Mutex<UnixStream>>,
    port: u16,
}

impl Relay {
    /// Waits until the guest's relay answers, and offers its TPM on two free ports of the loopback.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub fn connect(socket: &Path, patience: Duration) -> io::Result<Self> {
        let end = Instant::now() + patience;
        let mut line = loop {
            match UnixStream::connect(socket) {
                Ok(line) => break line,
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        };
        // QEMU keeps the question until the guest has opened the port.
        line.set_read_timeout(Some(
            end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)),
        ))?;
        line.write_all(&ANYBODY_THERE)?;
        read_message(&mut line)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let line = Arc::new(Mutex::new(line));
        let (commands, control, port) = listen()?;
        let shared = Arc::clone(&line);
        thread::spawn(move || {
            for caller in commands.incoming().flatten() {
                // One caller at a time, as swtpm has it; one that hangs up in the middle harms nobody else.
                let _ = serve(caller, &shared);
            }
        });
        thread::spawn(move || {
            for caller in control.incoming().flatten() {
                thread::spawn(move || agree(caller));
            }
        });
        Ok(Self { line, port })
    }

    /// The TCTI of the TPM.
    #[must_use]
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = line.shutdown(std::net::Shutdown::Both);
    }
}

/// Listeners for commands and, on the next port, for control.
fn listen() -> io::Result<(TcpListener, TcpListener, u16)> {
    loop {
        let commands = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = commands.local_addr()?.port();
        let next = port.checked_add(1).filter(|next| *next < u16::MAX);
        if let Some(control) = next.and_then(|next| TcpListener::bind((Ipv4Addr::LOCALHOST, next)).ok()) {
            return Ok((commands, control, port));
        }
    }
}

/// Carries commands and answers until the caller hangs up.
fn serve(mut caller: TcpStream, line: &Mutex<UnixStream>) -> io::Result<()> {
    while let Some(command) = read_message(&mut caller)? {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        line.write_all(&command)?;
        let answer = read_message(&mut *line)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        caller.write_all(&answer)?;
    }
    Ok(())
}

/// Answers swtpm's control commands with success: there is nothing to control from out here.
fn agree(mut caller: TcpStream) -> io::Result<()> {
    let mut command = [0; 64];
    while caller.read(&mut command)? > 0 {
        caller.write_all(&[0; 4])?;
    }
    Ok(())
}

/// Reads one TPM command or answer; `None` when the other side ended before its first byte.
///
/// # Errors
/// When it ends in the middle, or is nothing of a TPM.
pub fn read_message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut message = vec![0; HEADER];
    let first = from.read(&mut message)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(message.get_mut(first..).unwrap_or_default())?;
    let size = message.get(2..6).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes);
    let length = size
        .and_then(|size| usize::try_from(size).ok())
        .filter(|length| (HEADER..=MOST).contains(length))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not the header of a TPM message"))?;
    message.resize(length, 0);
    from.read_exact(message.get_mut(HEADER..).unwrap_or_default())?;
    Ok(Some(message))
}
