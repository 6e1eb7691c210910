//! `hallmark attest` on a simulated TPM, against the TPM's own time for the commands that attesting must send.
//!
//! The floor is those commands, as bytes over one connection: the key's public area, the PCRs in two reads, the quote. Above it
//! stand, each with what the one before has: a connection for each command, which is how the TSS talks to swtpm; our library
//! with a TPM that is open; the same with opening it, which loads a TCTI; the command, which is a process as well. Beside the
//! command stands its peer, tpm2-tools: what must be run of them for the same quote, register values and public area.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

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

fn connect(port: u16) -> TcpStream {
    let tpm = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tpm.set_nodelay(true).unwrap();
    tpm
}

fn milliseconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}

/// The number that `share` of ten do not reach.
fn tenths(mut numbers: Vec<f64>, share: usize) -> f64 {
    numbers.sort_by(f64::total_cmp);
    *numbers.get(numbers.len() * share / 10).unwrap()
}

/// What the command does with the TPM, without starting a process and without files.
fn quote(tpm: &Tpm) {
    let key = tpm.identity(IdentityKey::Attestation).unwrap().unwrap();
    tpm.quote(&key, &NONCE, &[(Bank::Sha256, (0..16).collect())]).unwrap();
}

/// The commands of tpm2-tools that give what the evidence has of the TPM. tpm2_quote reads the registers itself, for `-o`.
fn peers(nonce: &str) -> [Vec<String>; 2] {
    let key = format!("{:#x}", IdentityKey::Attestation.handle());
    let registers = "sha256:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15";
    let quote = format!("tpm2_quote -Q -c {key} -l {registers} -q {nonce} -m message -s signature -o values");
    [quote, format!("tpm2_readpublic -Q -c {key} -o public")]
        .map(|line| line.split(' ').map(str::to_owned).collect())
}

/// Runs a command that must do what it should; `false` where it is not installed.
fn succeeds(command: &mut Command) -> bool {
    match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        status => {
            assert!(status.unwrap().success(), "{command:?}");
            true
        }
    }
}

/// What is measured: its name, and its milliseconds in each round.
struct Series(&'static str, Vec<f64>);

impl Series {
    fn measure(&mut self, run: impl FnOnce()) {
        self.1.push(milliseconds(run));
    }
}

fn bench(lab: &Lab, key: &str) {
    let port = lab.tcti().rsplit('=').next().unwrap().parse::<u16>().unwrap();
    let tcti = lab.tcti().parse().unwrap();
    let commands = must_send(IdentityKey::Attestation.handle());
    let nonce = "5a".repeat(32);
    let attest = ["attest", "--nonce", &nonce, "--out", "evidence"];
    let process = |arguments: &[&str]| assert!(succeeds(&mut lab.command(arguments)));
    let tools = peers(&nonce);
    let peer = |line: &[String]| {
        let (program, arguments) = line.split_first().unwrap();
        let mut command = Command::new(program);
        lab.settle(&mut command);
        succeeds(command.args(arguments))
    };
    let are_there = tools.iter().all(|line| peer(line));
    let mut series = [
        "the TPM itself, four commands over one connection",
        "the same, a connection for each",
        "our library, TPM open",
        "our library, opening the TPM",
        "hallmark attest",
        "tpm2_quote alone",
        "tpm2_quote and tpm2_readpublic",
        "hallmark --version",
        "an empty process (true)",
    ]
    .map(|name| Series(name, Vec::new()));
    let open = Tpm::open(&tcti).unwrap();
    // All of them stand next to each other in each round, so that other load weighs on all of them.
    for _ in 0..ROUNDS {
        let [floor, each, reused, opened, attested, quoted, both, version, empty] = &mut series;
        let mut tpm = connect(port);
        floor.measure(|| commands.iter().for_each(|command| send(&mut tpm, command)));
        drop(tpm);
        each.measure(|| commands.iter().for_each(|command| send(&mut connect(port), command)));
        reused.measure(|| quote(&open));
        opened.measure(|| quote(&Tpm::open(&tcti).unwrap()));
        attested.measure(|| process(&attest));
        if are_there {
            quoted.measure(|| assert!(peer(&tools[0])));
            both.measure(|| assert!(tools.iter().all(|line| peer(line))));
        }
        version.measure(|| process(&["--version"]));
        empty.measure(|| assert!(Command::new("true").status().unwrap().success()));
    }
    println!("{key}");
    let Series(_, floor) = &series[0];
    let ratio = |times: &[f64], other: &[f64]| {
        tenths(times.iter().zip(other).map(|(time, other)| time / other).collect(), 5)
    };
    for Series(name, times) in &series {
        if times.is_empty() {
            println!("  {name:<52} not compared: tpm2-tools are not installed");
            continue;
        }
        println!(
            "  {name:<52} {:>6.2} ms {:>6.2} times  {:>6.2} ms {:>6.2} times",
            tenths(times.clone(), 1),
            tenths(times.clone(), 1) / tenths(floor.clone(), 1),
            tenths(times.clone(), 5),
            ratio(times, floor)
        );
    }
    let [_, _, _, _, Series(_, attested), Series(_, quoted), Series(_, both), ..] = &series;
    if are_there {
        println!(
            "  hallmark attest takes {:.2} times the time of tpm2_quote alone, {:.2} times that of both tools",
            ratio(attested, quoted),
            ratio(attested, both)
        );
    }
}

fn main() {
    println!("{ROUNDS} rounds; times: of the TPM itself");
    println!(
        "left: the fastest tenth, as on an idle machine; right: medians, and the median of the ratios in a round"
    );
    for key in ["ecc-p256", "rsa2048"] {
        let lab =
            Lab::booted("sha256", "q35-sha256").unwrap().provisioned_with("gw-1", &["--key", key]).unwrap();
        bench(&lab, key);
    }
}
