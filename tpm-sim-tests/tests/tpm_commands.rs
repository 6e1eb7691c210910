//! Which commands reach the TPM: each one costs a hardware TPM a millisecond or more, and a device attests every few minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tpm_sim_tests::Lab;

/// A TPM's two ports, offered again on two others. It notes the code of each command that passes.
struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<u32>>>,
}

impl Listener {
    fn before(tpm_port: u16) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (commands, control) = two_ports();
        let port = commands.local_addr().unwrap().port();
        let list = Arc::clone(&heard);
        thread::spawn(move || {
            for caller in commands.incoming() {
                let tpm = TcpStream::connect((Ipv4Addr::LOCALHOST, tpm_port)).unwrap();
                let _ = pass_on(caller.unwrap(), tpm, |command| {
                    if let Some(code) = command.get(6..10) {
                        list.lock().unwrap().push(u32::from_be_bytes(code.try_into().unwrap()));
                    }
                });
            }
        });
        thread::spawn(move || {
            for caller in control.incoming() {
                let tpm = TcpStream::connect((Ipv4Addr::LOCALHOST, tpm_port + 1)).unwrap();
                let _ = pass_on(caller.unwrap(), tpm, |_| ());
            }
        });
        Self { port, heard }
    }

    fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    fn heard(&self) -> Vec<u32> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn two_ports() -> (TcpListener, TcpListener) {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if let Some(second) =
            port.checked_add(1).and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        {
            return (first, second);
        }
    }
}

/// Questions and answers in turns, each in one piece: the TSS sends a command with one write.
fn pass_on(mut caller: TcpStream, mut tpm: TcpStream, heard: impl Fn(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let question = caller.read(&mut buffer)?;
        if question == 0 {
            return Ok(());
        }
        heard(buffer.get(..question).unwrap());
        tpm.write_all(buffer.get(..question).unwrap())?;
        let answer = tpm.read(&mut buffer)?;
        caller.write_all(buffer.get(..answer).unwrap())?;
    }
}

const READ_PUBLIC: u32 = 0x173;
const QUOTE: u32 = 0x158;
const GET_CAPABILITY: u32 = 0x17A;
const PCR_READ: u32 = 0x17E;

#[test]
fn attesting_sends_what_it_must_and_no_more() {
    // The public area of each template is known from the certificate; a field that differs would show as a second read.
    for key in ["ecc-p256", "ecc-p384", "rsa2048"] {
        let lab =
            Lab::booted("sha256", "q35-sha256").unwrap().provisioned_with("gw-1", &["--key", key]).unwrap();
        let listener = Listener::before(lab.tcti().rsplit('=').next().unwrap().parse().unwrap());
        let nonce = "5a".repeat(32);
        let attest = ["--tcti", &listener.tcti(), "attest", "--nonce", &nonce, "--out", "evidence"];
        let ran = lab.hallmark(&attest);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        // Does it answer, and with which banks; the key, for the TSS; sixteen PCRs, eight at a time; the quote. No session: a
        // quote carries no secret, and the key asks for an empty password.
        assert_eq!(listener.heard(), [GET_CAPABILITY, READ_PUBLIC, PCR_READ, PCR_READ, QUOTE], "{key}");
    }
}
