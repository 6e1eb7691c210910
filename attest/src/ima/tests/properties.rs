//! Generated lists, every flipped byte of a recorded one, and many mutations.

use proptest::prelude::*;

use super::build::*;
use crate::digest::Digest;
use crate::ima::{Entry, ImaList, ascii_to_binary, replay};
use crate::pcr::PcrIndex;

/// An entry, its line in the ascii list, and what it extends SHA-1 and SHA-256 with.
#[derive(Debug, Clone)]
struct Generated {
    binary: Vec<u8>,
    ascii: Vec<u8>,
    path: Vec<u8>,
    sha1: Digest,
    sha256: Digest,
}

fn generated(template: &str, digest: &[u8; 32], path: &[u8], extra: &[u8], violated: bool) -> Generated {
    let mut padded = path.to_vec();
    padded.resize(256.max(path.len()), 0);
    let prefix = if template.ends_with("v2") { "verity:sha256" } else { "sha256" };
    let with_extra = !matches!(template, "ima-ng" | "ima-ngv2");
    let (hashed, data, shown) = if template == "ima" {
        let short = &digest[..20];
        ([short, &padded].concat(), [short, &sized(path)].concat(), hex::encode(short))
    } else {
        let mut fields = [sized(&d_ng(prefix, digest)), sized(&name(path))].concat();
        if with_extra {
            fields.extend(sized(extra));
        }
        (fields.clone(), sized(&fields), format!("{prefix}:{}", hex::encode(digest)))
    };
    let hash = if violated { Digest::zero(SHA1) } else { SHA1.digest(&hashed) };
    let extra =
        if with_extra && template != "ima" { format!(" {}", hex::encode(extra)) } else { String::new() };
    let start = format!("10 {} {template} {shown} ", hash.to_hex());
    let ones = |bank| if violated { Digest::ones(bank) } else { bank.digest(&hashed) };
    Generated {
        binary: raw(10, hash.as_bytes(), template.as_bytes(), &data),
        ascii: [start.as_bytes(), path, extra.as_bytes(), b"\n"].concat(),
        path: path.to_vec(),
        sha1: ones(SHA1),
        sha256: ones(SHA256),
    }
}

fn any_entry() -> impl Strategy<Value = Generated> {
    let templates = ["ima", "ima-ng", "ima-sig", "ima-ngv2", "ima-sigv2", "ima-buf", "d-ng|n-ng|evmsig"];
    let path = prop::collection::vec(any::<u8>().prop_filter("no zero", |b| !b"\0 \n".contains(b)), 1..255);
    let extra = prop::collection::vec(any::<u8>(), 0..80);
    (prop::sample::select(templates.to_vec()), any::<[u8; 32]>(), path, extra, prop::bool::weighted(0.1))
        .prop_map(|(template, digest, path, extra, violated)| {
            generated(template, &digest, &path, &extra, violated)
        })
}

proptest! {
    #[test]
    fn generated_lists_parse_back_and_replay(entries in prop::collection::vec(any_entry(), 0..12)) {
        let binary: Vec<u8> = entries.iter().flat_map(|entry| entry.binary.clone()).collect();
        let ascii: Vec<u8> = entries.iter().flat_map(|entry| entry.ascii.clone()).collect();
        prop_assert_eq!(&ascii_to_binary(&ascii, SHA1).unwrap(), &binary);
        let list = ImaList::new(&binary);
        let parsed: Vec<Entry<'_>> = list.entries().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(parsed.len(), entries.len());
        let (mut sha1, mut sha256) = (Digest::zero(SHA1), Digest::zero(SHA256));
        for (entry, source) in parsed.iter().zip(&entries) {
            prop_assert_eq!(entry.path(), &source.path);
            sha1 = sha1.extend(&source.sha1).unwrap();
            sha256 = sha256.extend(&source.sha256).unwrap();
        }
        let pcrs = replay(&list, &[SHA1.into(), SHA256.into()]).unwrap();
        prop_assert_eq!(pcrs.get(SHA1, PcrIndex::IMA).copied().unwrap_or(Digest::zero(SHA1)), sha1);
        prop_assert_eq!(pcrs.get(SHA256, PcrIndex::IMA).copied().unwrap_or(Digest::zero(SHA256)), sha256);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for bank in [SHA1, SHA256] {
            let _ = replay(&ImaList::of_bank(&bytes, bank), &[SHA384.into()]);
            let _ = ascii_to_binary(&bytes, bank);
        }
    }
}

/// The boot aggregate, a file, a signed file and a violation out of a recorded list.
fn small() -> (Vec<u8>, Quoted) {
    let (recorded, mut quoted) = recorded("q35-sha256");
    let entries: Vec<Entry<'_>> = ImaList::new(&recorded).entries().map(Result::unwrap).collect();
    let signed = entries.iter().position(|entry| entry.signature().is_some()).unwrap();
    let violation = entries.iter().position(Entry::is_violation).unwrap();
    let lines = split(&recorded);
    let bytes = [&lines[0], &lines[1], &lines[violation], &lines[signed]].map(Vec::as_slice).concat();
    let pcrs = replay(&ImaList::new(&bytes), &[SHA256.into()]).unwrap();
    quoted.0.insert((SHA256, PcrIndex::IMA), *pcrs.get(SHA256, PcrIndex::IMA).unwrap());
    (bytes, quoted)
}

/// Path, digest and signature.
type Told = (Vec<u8>, String, Option<Vec<u8>>);

fn files(list: &[u8], quoted: &Quoted) -> Option<Vec<Told>> {
    let measured = quoted.measure_sha256(list).ok()?;
    assert_eq!((measured.attested(), measured.violations()), (4, 1));
    let told = |entry: Entry<'_>| {
        (entry.path().to_vec(), entry.file_digest().to_string(), entry.signature().map(<[u8]>::to_vec))
    };
    Some(measured.files().map(told).collect())
}

#[test]
fn i01_every_flipped_byte_is_refused_unless_it_is_in_what_a_violation_leaves_open() {
    let (bytes, quoted) = small();
    let honest = files(&bytes, &quoted).unwrap();
    let violation = ImaList::new(&bytes).entries().map(Result::unwrap).find(Entry::is_violation).unwrap();
    let data = violation.offset()..violation.offset() + split(&bytes)[2].len();
    let mut open = 0;
    for at in 0..bytes.len() {
        for flip in [0x01, 0x20, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            if let Some(files) = files(&changed, &quoted) {
                assert_eq!(files, honest, "byte {at} ^ {flip:#x}");
                assert!(data.contains(&at), "byte {at} ^ {flip:#x}");
                open += 1;
            }
        }
    }
    // The violation's digest and path, each byte with each flip: the test can't pass by refusing everything.
    assert!(open >= 4 * 32, "{open}");
}

#[test]
fn a_hundred_thousand_mutations_never_panic_nor_add_a_file() {
    let (bytes, quoted) = small();
    let honest = files(&bytes, &quoted).unwrap();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
    };
    for _ in 0..100_000 {
        let mut changed = bytes.clone();
        for _ in 0..=next(3) {
            let at = next(changed.len());
            match next(5) {
                0 => changed.truncate(at + 1),
                1 => changed.insert(at, u8::try_from(next(256)).unwrap()),
                2 => drop(changed.remove(at)),
                _ => changed[at] = u8::try_from(next(256)).unwrap(),
            }
            if changed.is_empty() {
                changed.push(10);
            }
        }
        if let Ok(measured) = quoted.measure_sha256(&changed) {
            assert!(measured.files().count() == honest.len(), "{}", hex::encode(&changed));
        }
    }
}
