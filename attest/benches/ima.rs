//! Checking IMA lists, against a loop that only does the hashes which the check needs.
//!
//! For each entry of a list with SHA-1 template digests and a quote of the SHA-256 bank these are three: SHA-1 of the
//! template data, which the list's own digest has to equal, SHA-256 of the same, and SHA-256 of the extension.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use attest::HashAlgorithm;
use attest::ima::{ImaList, Replayer, replay};
use criterion::{Criterion, Throughput, criterion_group};
use sha1::digest::Digest as _;

const ENTRIES: u32 = 20_000;
/// An RSA 2048 signature with the 9 bytes before it, as it stands in security.ima.
const SIGNATURE: usize = 9 + 256;
/// What a stream is read by.
const PIECE: usize = 64 * 1024;

struct Sample {
    name: &'static str,
    list: Vec<u8>,
    data: Vec<Vec<u8>>,
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

fn sample(name: &'static str, signature: &[u8]) -> Sample {
    let data = (0..ENTRIES).map(|number| {
        let path = format!("/usr/lib/x86_64-linux-gnu/l{number:09}.so\0");
        let digest = [b"sha256:\0".as_slice(), &sha2::Sha256::digest(path.as_bytes())].concat();
        [sized(&digest), sized(path.as_bytes()), sized(signature)].concat()
    });
    let data: Vec<Vec<u8>> = data.collect();
    let entries = data.iter().map(|data| {
        let digest = sha1::Sha1::digest(data);
        [&10_u32.to_le_bytes(), &digest[..], &sized(b"ima-sig"), &sized(data)].concat()
    });
    Sample { name, list: entries.collect::<Vec<_>>().concat(), data }
}

fn samples() -> [Sample; 2] {
    [sample("ima-sig", b""), sample("ima-sig, signed", &[7; SIGNATURE])]
}

/// Nothing but the hashes.
fn floor(sample: &Sample) -> [u8; 32] {
    let mut pcr = [0; 64];
    for data in &sample.data {
        black_box(sha1::Sha1::digest(data));
        pcr.split_at_mut(32).1.copy_from_slice(&sha2::Sha256::digest(data));
        let value = sha2::Sha256::digest(pcr);
        pcr.split_at_mut(32).0.copy_from_slice(&value);
    }
    pcr.first_chunk().copied().unwrap()
}

fn whole(sample: &Sample) -> Vec<u8> {
    let pcrs = replay(&ImaList::new(&sample.list), &[HashAlgorithm::Sha256.into()]).unwrap();
    pcrs.iter().next().unwrap().1.as_bytes().to_vec()
}

fn streamed(sample: &Sample) -> Vec<u8> {
    let mut replayer = Replayer::new(HashAlgorithm::Sha1, &[HashAlgorithm::Sha256.into()]);
    sample.list.chunks(PIECE).for_each(|piece| replayer.push(piece).unwrap());
    replayer.finish().unwrap().pcrs.iter().next().unwrap().1.as_bytes().to_vec()
}

fn benchmarks(criterion: &mut Criterion) {
    for sample in samples() {
        assert_eq!(whole(&sample), floor(&sample));
        assert_eq!(streamed(&sample), floor(&sample));
        let mut group = criterion.benchmark_group(sample.name);
        group.throughput(Throughput::Elements(u64::from(ENTRIES)));
        group.sample_size(20).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        group.bench_function("floor: hashes only", |bench| bench.iter(|| floor(black_box(&sample))));
        group.bench_function("check", |bench| bench.iter(|| whole(black_box(&sample))));
        group.bench_function("check, streamed", |bench| bench.iter(|| streamed(black_box(&sample))));
        group.finish();
    }
}

/// Each run stands next to one of the floor, so that other load on the machine weighs on both; the median of the ratios.
fn ratios() {
    println!(
        "path of 40 bytes; the floor is SHA-1 and SHA-256 of the template data and one SHA-256 extension"
    );
    for sample in samples() {
        let timed = |run: &dyn Fn()| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        };
        let runs: [(&str, &dyn Fn()); 2] = [
            ("check", &|| {
                black_box(whole(&sample));
            }),
            ("check, streamed", &|| {
                black_box(streamed(&sample));
            }),
        ];
        for (what, run) in runs {
            let mut ratios = Vec::new();
            let (mut best, mut best_floor) = (f64::MAX, f64::MAX);
            for _ in 0..60 {
                let floor = timed(&|| {
                    black_box(floor(&sample));
                });
                let check = timed(run);
                ratios.push(floor / check);
                (best, best_floor) = (best.min(check), best_floor.min(floor));
            }
            ratios.sort_by(f64::total_cmp);
            let ratio = ratios.get(ratios.len() / 2).unwrap() * 100.0;
            let (rate, floor) = (rate(best), rate(best_floor));
            println!(
                "{:16} {what:16} {rate:5.2} million entries/s at best, floor {floor:5.2}; {ratio:3.0} % of the floor",
                sample.name
            );
        }
    }
}

fn rate(seconds: f64) -> f64 {
    f64::from(ENTRIES) / seconds / 1e6
}

criterion_group!(benches, benchmarks);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    ratios();
}
