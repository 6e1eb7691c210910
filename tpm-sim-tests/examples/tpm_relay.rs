//! A relay for a TPM that a factory reaches through a serial line: it runs in the virtual machine, takes TPM commands
//! from a port, hands them to the kernel, and gives the answers back.
//!
//! ```text
//! tpm_relay /dev/vport0p1 /dev/tpmrm0
//! ```
//!
//! It ends with exit code 0 once the other side has hung up.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tpm_sim_tests::relay::{MOST, read_message};

/// How often to look whether somebody has called.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(port), Some(device), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: tpm_relay PORT DEVICE");
        return ExitCode::from(2);
    };
    let open = |path| OpenOptions::new().read(true).write(true).open(path);
    match open(port).and_then(|port| relay(port, open(device)?)) {
        Ok(commands) => {
            println!("{commands} commands relayed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tpm_relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn relay(mut port: File, mut device: File) -> io::Result<u32> {
    let mut commands = 0_u32;
    loop {
        let command = match read_message(&mut port)? {
            Some(command) => command,
            // A port that nobody is connected to reads as ended.
            None if commands == 0 => {
                thread::sleep(PAUSE);
                continue;
            }
            None => return Ok(commands),
        };
        // The kernel takes a command as one write and gives its answer as one read.
        device.write_all(&command)?;
        let mut answer = vec![0; MOST];
        let length = device.read(&mut answer)?;
        answer.truncate(length);
        port.write_all(&answer)?;
        commands = commands.saturating_add(1);
    }
}
