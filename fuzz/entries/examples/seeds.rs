//! Writes the seeds that are put together from recordings: `cargo run -p fuzz-entries --example seeds`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use attest::eventlog::{Event as Measured, EventLog, EventType};
use attest::evidence::{
    Evidence, ImaPart, ImaStart, Log, MeasurementKind, MeasurementLog, QuoteEvidence, StartValue,
};
use attest::ima::{ImaList, ImaState, KeptValue};
use attest::{HashAlgorithm, PcrIndex};
use der::Encode;
use fuzz_entries::{issuer_key, reissued, signed_part};
use jiff::Timestamp;
use pki::DeviceId;
use pki::ledger::{CertificateRecord, Enrolment, Event, Ledger, Record, Revocation};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use serde_bytes::ByteBuf;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const BANK: HashAlgorithm = HashAlgorithm::Sha256;
/// Header of a log of SHA-256 alone (PFP 1.06 §10.4.5.1), as data of its first event.
const HEADER: &[u8] = b"Spec ID Event03\0\0\0\0\0\0\x02\0\x02\x01\0\0\0\x0b\0\x20\0\0";

const SHA256_GUID: [u8; 16] =
    [0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40, 0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn recorded(name: &str) -> Vec<u8> {
    let path = root().join("tpm-sim-tests/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = root().join("fuzz/seeds").join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
    println!("{target}/{name}: {} bytes", bytes.len());
}

/// A record of a crypto-agile log: TCG_PCR_EVENT2 (PFP 1.06 §10.2.2).
fn event(pcr: u8, kind: EventType, digest: &[u8], data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    let head = [u32::from(pcr), kind.code(), 1].map(u32::to_le_bytes).concat();
    [&head[..], &BANK.tpm_id().to_le_bytes(), digest, &len.to_le_bytes(), data].concat()
}

fn header() -> Vec<u8> {
    let len = u32::try_from(HEADER.len()).unwrap();
    [&[0; 4][..], &EventType::NoAction.code().to_le_bytes(), &[0; 20], &len.to_le_bytes(), HEADER].concat()
}

/// The recorded log in one bank, with only the events that `keep` keeps, and short variables.
fn short_log(name: &str, keep: impl Fn(&Measured<'_>) -> bool) -> Vec<u8> {
    let bytes = recorded(&format!("{name}/eventlog.bin"));
    let log = EventLog::parse(&bytes).unwrap();
    let mut short = header();
    for kept in log.events().skip(1).filter(keep) {
        let data = without_certificate(&kept);
        let digest = kept.digest(BANK).unwrap();
        short.extend(event(kept.pcr().unwrap().get(), kept.event_type(), digest.as_bytes(), &data));
    }
    short
}

/// A variable of PCR 7; one with a certificate gets a hash in its place, owned by nobody.
fn without_certificate(event: &Measured<'_>) -> Vec<u8> {
    let data = event.data();
    if event.pcr() != PcrIndex::new(7) || data.len() < 500 {
        return data.to_vec();
    }
    let name = usize::try_from(u64::from_le_bytes(*data[16..].first_chunk().unwrap())).unwrap();
    let owned = [0x11; 48];
    // EFI_SIGNATURE_LIST (UEFI 2.10 §32.4.1): EFI_CERT_SHA256_GUID, sizes of list, header and entry.
    let list = [&SHA256_GUID[..], &[76, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0], &owned].concat();
    let is_authority = event.event_type() == EventType::EfiVariableAuthority;
    let content = if is_authority { &owned[..] } else { &list };
    let len = u64::try_from(content.len()).unwrap();
    [&data[..24], &len.to_le_bytes(), &data[32..32 + 2 * name], content].concat()
}

/// The first entries of a recorded list from `first` on; its boot aggregate is 0.
fn short_list(name: &str, first: usize, entries: usize) -> Vec<u8> {
    let bytes = recorded(&format!("{name}/ima.bin"));
    let starts: Vec<_> = ImaList::new(&bytes)
        .entries()
        .map(|entry| entry.unwrap().offset())
        .take(first + entries + 1)
        .collect();
    bytes[starts[first]..starts[first + entries]].to_vec()
}

/// What GRUB and shim measure.
fn grub_log() -> Vec<u8> {
    let labelled = |text: &str| {
        let hashed = text.split_once(": ").unwrap().1;
        event(
            8,
            EventType::Ipl,
            BANK.digest(hashed.as_bytes()).as_bytes(),
            &[text.as_bytes(), b"\0"].concat(),
        )
    };
    let named =
        |pcr, name: &[u8], content: &[u8]| event(pcr, EventType::Ipl, BANK.digest(content).as_bytes(), name);
    let version: Vec<u8> = "1.0\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let separators =
        (0..8).map(|pcr| event(pcr, EventType::Separator, BANK.digest(&[0; 4]).as_bytes(), &[0; 4]));
    [
        header(),
        event(0, EventType::SCrtmVersion, BANK.digest(&version).as_bytes(), &version),
        separators.collect::<Vec<_>>().concat(),
        named(14, b"MokList\0", b"list"),
        named(14, b"MokListX\0", b"\0"),
        labelled("grub_cmd: set root=hd0"),
        labelled("grub_cmd: linux /vmlinuz ro quiet"),
        labelled("kernel_cmdline: /vmlinuz ro quiet"),
        named(9, b"(hd0)/vmlinuz\0", b"kernel"),
        named(9, b"(hd0)/initrd\0", b"initrd"),
    ]
    .concat()
}

/// Choices, event log, final events, measurement log and IMA list, as the target takes them.
fn appraisal(name: &str, choice: &[u8], parts: [&[u8]; 4]) {
    let all = [&[choice][..], &parts].concat();
    write("appraisal", name, &all.join(&b"<part>\n"[..]));
}

fn appraisals() {
    let is = |event: &Measured<'_>, kind| event.event_type() == kind;
    let pcr = |event: &Measured<'_>| event.pcr().map_or(0, PcrIndex::get);
    let boot_order = |event: &Measured<'_>| pcr(event) == 1 && !is(event, EventType::Separator);
    let repeated =
        |event: &Measured<'_>| event.index() > 18 && is(event, EventType::EfiAction) && pcr(event) == 4;
    let plain = short_log("q35-sha256", |event| !boot_order(event));
    let uki = short_log("q35-secureboot-own", |event| {
        !boot_order(event) && !repeated(event) && !is(event, EventType::EfiGptEvent)
    });
    let few = short_log("systemd-257-uki", |event| {
        is(event, EventType::Separator)
            || matches!(pcr(event), 0 | 7)
            || pcr(event) == 11 && event.index() < 37
    });
    let list = short_list("q35-sha256", 1, 3);
    let systemd = recorded("systemd-257-uki/tpm2-measure.log");
    let line = systemd.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    let text = b"Exit Boot Services Invocation";
    let exit = event(5, EventType::EfiAction, BANK.digest(text).as_bytes(), text);
    // EFI_TCG2_FINAL_EVENTS_TABLE: version and number of events.
    let last = [&1_u64.to_le_bytes()[..], &1_u64.to_le_bytes(), &exit].concat();
    // Policy, bits, altered registers, restarts.
    appraisal("report.parts", &[0, 0, 0, 0, 0], [&plain, b"", b"", &list]);
    // A second boot aggregate: kexec has started a kernel.
    appraisal("kexec.parts", &[0, 0, 0, 0, 0], [&few, b"", b"", &short_list("q35-sha256", 0, 2)]);
    appraisal("boot.parts", &[1, 4, 0, 0, 1], [&plain, b"", b"", b""]);
    appraisal("grub.parts", &[1, 8, 0, 0, 0], [&grub_log(), b"", b"", b""]);
    appraisal("strict.parts", &[2, 13, 0, 0, 0], [&uki, b"", b"", &short_list("q35-sha256", 1, 1)]);
    appraisal("systemd.parts", &[0, 1, 0, 0, 0], [&few, b"", line, b""]);
    appraisal("altered.parts", &[0, 33, 0x80, 0, 0], [&few, &last, b"", b""]);
    appraisal("packed.parts", &[2, 48, 0, 4, 0], [&grub_log(), b"", b"", &list]);
}

/// An event's type among all, its PCR, and its data.
fn event_data() {
    let choice = |kind: EventType| {
        let at = EventType::NAMED.iter().position(|named| *named == kind);
        u8::try_from(at.unwrap_or(EventType::NAMED.len())).unwrap()
    };
    let mut seen = Vec::new();
    for name in ["q35-secureboot-own", "systemd-257-profile"] {
        let bytes = recorded(&format!("{name}/eventlog.bin"));
        for event in EventLog::parse(&bytes).unwrap().events() {
            let (kind, pcr) = (event.event_type(), event.pcr().map_or(0, PcrIndex::get));
            // One of each type is enough, but for what loaders measure; of large ones, none.
            let register = matches!(kind, EventType::Ipl | EventType::EventTag).then_some(pcr);
            if event.data().len() > 600 || seen.contains(&(kind, register)) {
                continue;
            }
            seen.push((kind, register));
            let seed = [&[choice(kind), pcr][..], event.data()].concat();
            write("event_data", &format!("{kind}-{pcr}.bin"), &seed);
        }
    }
}

fn frames() {
    let list = recorded("q35-sha256/ima.bin");
    for (name, bytes) in [("list.zst", &list[..1500]), ("text.zst", &b"measured ".repeat(90))] {
        if let Log::Zstd { zstd, size } = Log::packed(bytes.to_vec()) {
            write("inflate", name, &[&size.to_le_bytes()[..3], &zstd].concat());
        }
    }
}

/// Evidence with every part that it may have.
fn evidence() {
    let file = |name: &str| recorded(&format!("tpm2-tools-quote-rsa/{name}"));
    let start = ImaStart {
        offset: 100,
        entries: 1,
        values: vec![StartValue(BANK.tpm_id(), 10, ByteBuf::from([7; 32]))],
    };
    let evidence = Evidence {
        version: attest::evidence::VERSION,
        quote: QuoteEvidence {
            message: file("quote.msg").into(),
            signature: file("quote.sig").into(),
            pcr_values: vec![ByteBuf::from([0; 32]); 3],
        },
        attestation_key: file("ak.pub").into(),
        certificates: vec![ByteBuf::from([0x30; 40])],
        event_log: Some(Log::plain(recorded("q35-sha256/eventlog.bin")[..200].to_vec())),
        final_events: Some(Log::plain(vec![1, 0, 0, 0])),
        measurement_logs: vec![MeasurementLog {
            kind: MeasurementKind::Systemd,
            log: Log::packed(br#"{"pcr":11,"digests":[]}"#.repeat(8)),
        }],
        ima: Some(ImaPart {
            list: Log::packed(recorded("q35-sha256/ima.bin")[..600].to_vec()),
            start: Some(start),
        }),
    };
    write("evidence", "parts.cbor", &evidence.to_bytes().unwrap());
}

fn globs() {
    for (name, pattern, path) in [
        ("within", "/var/log/*", "/var/log/a"),
        ("across", "/**/cache/*.so", "/usr/lib/cache/a.so"),
        ("escaped", "/a\\x0ab\\x2a*", "/a\nb*c"),
        ("dots", "/tmp/**", "/tmp/../etc//shadow/."),
    ] {
        write("path_glob", name, format!("{pattern}\0{path}").as_bytes());
    }
}

fn ledgers() {
    let time: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let digest = |text: &str| BANK.digest(text.as_bytes());
    let enrolled = |name: &str, serial: &str| {
        let certificate = CertificateRecord { serial: serial.to_owned(), sha256: digest(serial) };
        Event::Enrolled(Enrolment {
            ek_certificate: digest(name),
            iak_name: format!("000b{}", digest(name).to_hex()),
            idevid_name: None,
            certificates: vec![certificate],
            findings: Vec::new(),
        })
    };
    let revoked = Event::Revoked(Revocation { reason: "returned".to_owned() });
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut ledger = Ledger::open(file.path()).unwrap();
    for (device, event) in [
        ("gw-1", enrolled("a", "01")),
        ("gw-2", enrolled("b", "02")),
        ("gw-1", revoked),
        ("gw-1", enrolled("a", "03")),
    ] {
        let record = Record::new(time, DeviceId::new(device).unwrap(), event, "hallmark 0.1.0").unwrap();
        ledger.append(record).unwrap();
    }
    let lines = std::fs::read(file.path()).unwrap();
    write("ledger", "ledger.jsonl", &lines);
    write("ledger", "torn.jsonl", &lines[..lines.len() - 9]);
    write("ledger", "revoked.txt", b"serial:0a1b\nserial:00ff\r\n");
}

fn states() {
    let value = KeptValue { pcr: PcrIndex::new(10).unwrap(), value: BANK.digest(b"ten") };
    let seen = r#"{"since":"2026-05-01T00:00:00Z","last":"2026-05-02T00:00:00Z","clock_ms":60000,"restart_count":0,"marks":[]}"#;
    let state = ImaState {
        version: 1,
        kexecs: None,
        attester: "000b01".to_owned(),
        reset_count: 7,
        policy: BANK.digest(b"policy"),
        offset: 4096,
        entries: 31,
        violations: 1,
        values: vec![value],
        seen: None,
    };
    write("ima_state", "first.json", &state.to_json().unwrap());
    if let Ok(seen) = serde_json::from_str(seen) {
        write(
            "ima_state",
            "seen.json",
            &ImaState { version: 3, seen: Some(seen), kexecs: Some(1), ..state }.to_json().unwrap(),
        );
    }
    let bytes = recorded("q35-sha256/ima.bin");
    let starts: Vec<_> =
        ImaList::new(&bytes).entries().map(|entry| entry.unwrap().offset()).take(6).collect();
    let list = [format!("{}:3\n", starts[3]).as_bytes(), &bytes[..starts[5]]].concat();
    write("ima_state", "list.bin", &list);
}

fn chains() {
    let seed = |name: &str| std::fs::read(root().join("fuzz/seeds/certificate").join(name)).unwrap();
    let pem = String::from_utf8(seed("chain.pem")).unwrap();
    let chain = pki::certificate::chain_from_pem(&pem).unwrap();
    let parts: Vec<_> = chain.iter().map(|der| reissued(der).unwrap()).collect();
    write("chain", "device.parts", &parts.join(&b"<part>\n"[..]));
    let iak = [reissued(&seed("iak.der")).unwrap(), parts[1].clone()];
    write("chain", "iak.parts", &iak.join(&b"<part>\n"[..]));
    write("chain", "ek.parts", signed_part(&endorsement_certificate()).unwrap());
}

/// An EK certificate below the recorded root: empty subject, critical directory name (EK Credential Profile 2.6 §3.2).
fn endorsement_certificate() -> Vec<u8> {
    let key = KeyPair::from_pem(&issuer_key()).unwrap();
    let mut root = CertificateParams::default();
    root.distinguished_name = DistinguishedName::new();
    root.distinguished_name.push(DnType::OrganizationName, "T");
    root.distinguished_name.push(DnType::CommonName, "T Root");
    let model = "2.23.133.2.3=#0c0b69643a3031303230333034,2.23.133.2.2=#0c07534c4239363730,2.23.133.2.1=#0c0b69643a3439343635383030";
    let name = SubjectAltName(vec![GeneralName::DirectoryName(model.parse().unwrap())]).to_der().unwrap();
    let mut name = CustomExtension::from_oid_content(&[2, 5, 29, 17], name);
    name.set_criticality(true);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(2026, 12, 1);
    params.not_after = rcgen::date_time_ymd(2060, 1, 1);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    params.custom_extensions = vec![name];
    params.signed_by(&key, &Issuer::from_params(&root, &key)).unwrap().der().to_vec()
}

fn main() {
    appraisals();
    event_data();
    frames();
    evidence();
    globs();
    ledgers();
    states();
    chains();
}
