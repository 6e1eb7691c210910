//! `hallmark attest` on a simulated TPM, against the TPM's own time for the commands that attesting must send.
//!
//! The floor is those commands, as bytes over one connection: the key's public area, the PCRs in two reads, the quote.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tpm::{Bank, IdentityKey, Tpm};
use tpm_sim_tests::Lab;

const ROUNDS: usize = 200;
const NONCE: [u8; 32] = [0x5A; 32];

/// A TPM command: tag, size, code, the rest (TPM 2.0 Part 1 §18).
fn command(tag: u16, code: u32, rest: &[u8]) -> Vec<u8> {
    let size = u32::try_from(rest.len() + 10).unwrap();
    [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes(), rest].concat()
}

/// What attesting must send.
fn must_send(handle: u32) -> Vec<Vec<u8>> {
    let handle = handle.to_be_bytes();
    let selection = |pcrs: [u8; 3]| [&[0, 0, 0, 1, 0, 0x0B, 3][..], &pcrs].concat();
    // One authorization by an empty password: TPM_RS_PW, no nonce, no attributes, no HMAC.
    let password = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let quote = [&handle[..], &password, &[0, 32], &NONCE, &[0, 0x10], &selection([0xFF, 0xFF, 0])].concat();
    vec![
        command(0x8001, 0x173, &handle),
        command(0x8001, 0x17E, &selection([0xFF, 0, 0])),
        command(0x8001, 0x17E, &selection([0, 0xFF, 0])),
        command(0x8002, 0x158, &quote),
    ]
}

fn send(tpm: &mut TcpStream, command: &[u8]) {
    tpm.write_all(command).unwrap();
    let mut header = [0; 10];
    tpm.read_exact(&mut header).unwrap();
    let [_, _, a, b, c, d, code @ ..] = header;
    assert_eq!(code, [0; 4], "the TPM refuses");
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap() - header.len()];
    tpm.read_exact(&mut rest).unwrap();
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).unwrap().as_secs_f64() * 1e3
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// What the command does with the TPM, without starting a process and without files.
fn library(lab: &Lab) {
    let tpm = Tpm::open(&lab.tcti().parse().unwrap()).unwrap();
    let key = tpm.identity(IdentityKey::Attestation).unwrap().unwrap();
    tpm.quote(&key, &NONCE, &[(Bank::Sha256, (0..16).collect())]).unwrap();
}

fn main() {
    for key in ["ecc-p256", "rsa2048"] {
        let lab =
            Lab::booted("sha256", "q35-sha256").unwrap().provisioned_with("gw-1", &["--key", key]).unwrap();
        let port = lab.tcti().rsplit('=').next().unwrap().parse::<u16>().unwrap();
        let nonce = "5a".repeat(32);
        let attest = ["attest", "--nonce", &nonce, "--out", "evidence"];
        let (mut floor, mut in_process, mut process, mut empty) = (vec![], vec![], vec![], vec![]);
        // The three stand next to each other in each round, so that other load weighs on all of them.
        for _ in 0..ROUNDS {
            floor.push({
                let mut tpm = TcpStream::connect(("127.0.0.1", port)).unwrap();
                tpm.set_nodelay(true).unwrap();
                let commands = must_send(IdentityKey::Attestation.handle());
                timed(|| commands.iter().for_each(|command| send(&mut tpm, command)))
            });
            in_process.push(timed(|| library(&lab)));
            let run = |arguments: &[&str]| {
                let mut command = lab.command(arguments);
                let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                assert!(status.success());
            };
            process.push(timed(|| run(&attest)));
            empty.push(timed(|| run(&["completions", "bash"])));
        }
        let [floor, in_process, process, empty] = [floor, in_process, process, empty].map(median);
        println!("{key}: the TPM itself {floor:.2} ms, for the four commands that must be sent");
        println!("  in a process that runs already {in_process:.2} ms, {:.2} times that", in_process / floor);
        println!(
            "  `hallmark attest` {process:.2} ms, {:.2} times that; a process that asks no TPM takes {empty:.2} ms, without it {:.2} times",
            process / floor,
            (process - empty) / floor
        );
    }
}
