//! Every parser of event data against data that was changed at random by a fixed seed (threats e06, e13, e18).

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::eventlog::event::Digests;
use crate::eventlog::tests::builder::{image_load, signature_list, tag, utf16, variable};
use crate::eventlog::{Event, EventLog, EventType, EventView, Guid, SignatureKind, describe};
use crate::pcr::PcrIndex;

/// Random numbers from a fixed seed, so that a failure comes again with the same number.
struct Random(TestRng);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// One to three changes, mostly small ones, so that the inner structures are reached.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut data = seed.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(data.len().max(1));
            match self.below(6) {
                0 if at < data.len() => data[at] ^= 1 << self.below(8),
                1 if at < data.len() => data[at] = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)],
                2 if at < data.len() => data[at] = data[at].wrapping_add(1),
                3 => data.truncate(at),
                4 => data.insert(at.min(data.len()), 0xFF),
                _ => {
                    let end = (at + self.below(9)).min(data.len());
                    data[at.min(end)..end].fill(if self.below(2) == 0 { 0xFF } else { 0 });
                }
            }
        }
        data
    }
}

fn load_option() -> Vec<u8> {
    let path = [4, 4, 8, 0, b'x', 0, 0, 0, 0x7F, 0xFF, 4, 0];
    [&[1, 0, 0, 0, 12, 0][..], &utf16("disk\0"), &path, b"args"].concat()
}

fn platform() -> Vec<u8> {
    let names = b"\x02M\0\x02P\0\x01\0\x02F\0\x07\0\0\0\x041.0\0";
    [b"SP800-155 Event3", &[1; 20][..], names, b"\x01\0\0\0\x01\0\0\0a\0\0\0\0\0\0\0\0"].concat()
}

fn spdm() -> Vec<u8> {
    let path = [1, 1, 6, 0, 0, 3, 0x7F, 0xFF, 4, 0];
    let head =
        [&b"SPDM Device Sec2"[..], &[2, 0, 0, 0, 70, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0], &[9; 8]];
    [&head.concat()[..], &10_u64.to_le_bytes(), &path, &[7; 3], &[0, 0, 16, 0, 0x86, 0x80, 1, 0]].concat()
}

/// A seed for each family of parsers.
fn seeds() -> Vec<(EventType, Vec<u8>)> {
    use EventType as E;
    let der = hex::decode(include_str!("signature/certificate.hex").trim()).unwrap();
    let lists = [
        signature_list(SignatureKind::X509, &[&der]),
        signature_list(SignatureKind::Sha256, &[&[1; 32], &[2; 32]]),
    ]
    .concat();
    let owned = [&Guid::IMAGE_SECURITY.as_bytes()[..], &der].concat();
    let sipa =
        tag(0x4001_0001, &[tag(0x0005_0001, &[0]), tag(0x4001_0003, &tag(0x0007_0001, b"f"))].concat());
    let mut gpt = b"EFI PART\0\0\x01\0\x5c\0\0\0".to_vec();
    gpt.resize(84, 0);
    gpt.extend([128, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    gpt.resize(100 + 256, 7);
    vec![
        (E::EfiVariableDriverConfig, variable(Guid::IMAGE_SECURITY, "db", &lists)),
        (E::EfiVariableAuthority, variable(Guid::IMAGE_SECURITY, "db", &owned)),
        (E::EfiVariableBoot, variable(Guid::GLOBAL, "Boot0001", &load_option())),
        (E::EfiVariableBoot2, variable(Guid::GLOBAL, "BootOrder", &[1, 0, 2, 0])),
        (E::EfiVariableAuthority, variable(Guid::SHIM, "SbatLevel", b"sbat,1,2022052400\ngrub,2\n")),
        (E::EfiBootServicesApplication, image_load("\\EFI\\BOOT\\BOOTX64.EFI")),
        (E::EfiGptEvent, gpt),
        (E::EfiHandoffTables2, [&[1, b'H', 1, 0, 0, 0, 0, 0, 0, 0][..], &[5; 24]].concat()),
        (E::EfiPlatformFirmwareBlob2, [&[2, b'F', b'V'][..], &[0; 16]].concat()),
        (E::PostCode, b"POST CODE".to_vec()),
        (E::EventTag, sipa),
        (E::EventTag, tag(0x8F3B_22EC, b"Linux initrd\0")),
        (E::Ipl, b"kernel_cmdline: /vmlinuz ro\0".to_vec()),
        (E::Ipl, utf16(".linux\0")),
        (E::EfiSpdmFirmwareBlob, spdm()),
        (E::NoAction, platform()),
        (E::NonhostInfo, b"GCE NonHostInfo\0\x01\0\0\0".to_vec()),
    ]
}

fn check(kind: EventType, data: &[u8], json: bool) {
    let event =
        Event { index: 0, offset: 0, pcr: PcrIndex::new(7), kind, digests: Digests::Sha1(&[0; 20]), data };
    let text = describe(&event);
    assert!(
        text.chars().count() < 400 && !text.chars().any(char::is_control),
        "{kind} {}",
        hex::encode(data)
    );
    if json {
        let json = serde_json::to_string(&EventView::unverified(&event)).unwrap();
        assert!(!json.chars().any(char::is_control), "{kind} {}", hex::encode(data));
        // What a report takes is in proportion to the data (threat e06).
        assert!(json.len() < 4096 + 64 * data.len(), "{kind}: {} bytes of {}", json.len(), data.len());
    }
}

#[test]
fn e18_a_hundred_thousand_mutations_of_event_data_are_described_and_never_panic() {
    let seeds = seeds();
    let mut random = Random(TestRng::deterministic_rng(RngAlgorithm::XorShift));
    for (kind, data) in &seeds {
        check(*kind, data, true);
    }
    for round in 0..100_000 {
        let (kind, seed) = &seeds[round % seeds.len()];
        check(*kind, &random.mutate(seed), round % 8 == 0);
    }
}

#[test]
fn e13_every_recorded_event_under_every_type_is_described() {
    let bytes = crate::eventlog::tests::recorded::own("q35-secureboot-uki", "eventlog.bin");
    let log = EventLog::parse(&bytes).unwrap();
    for kind in EventType::NAMED.iter().copied().chain([EventType::Other(0xA000_0000)]) {
        for event in log.events() {
            check(kind, event.data(), false);
        }
    }
}
