use std::sync::OnceLock;

use attest::HashAlgorithm;
use attest::eventlog::{
    DevicePath, EventData, EventLog, EventType, EventView, LoadOption, SignatureLists, describe, summary_line,
};

/// A header of SHA-256 alone (PFP 1.06 §10.4.5.1), in front of one event.
const HEADER: &[u8] = b"\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x21\0\0\0\
Spec ID Event03\0\0\0\0\0\0\x02\0\x02\x01\0\0\0\x0b\0\x20\0\0";

/// The data of one event: the first byte chooses the type, the second its PCR. Any data reads as its type or is told not to, as text
/// on one line of bounded length, and as JSON in proportion to it.
pub fn event_data(data: &[u8]) {
    let [choice, pcr, data @ ..] = data else { return };
    let kind = kind_of(*choice);
    let mut log = HEADER.to_vec();
    log.extend(u32::from(pcr % 24).to_le_bytes());
    log.extend(kind.code().to_le_bytes());
    let extended = if kind == EventType::NoAction { [0; 32].to_vec() } else { digest_of(data) };
    log.extend([&[1, 0, 0, 0, 0x0B, 0][..], &extended].concat());
    let Ok(len) = u32::try_from(data.len()) else { return };
    log.extend(len.to_le_bytes());
    log.extend(data);
    // Some types are refused as what they claim to be: a second header, a locality that is malformed.
    let Ok(log) = EventLog::parse(&log) else { return };
    let Some(event) = log.events().nth(1) else { return };
    if let Ok(typed) = event.typed() {
        read_within(&typed, kind, data.len());
    }
    for text in [describe(&event), summary_line(&event, HashAlgorithm::Sha256)] {
        assert!(text.chars().count() < 500, "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let json = serde_json::to_string(&EventView::unverified(&event)).expect("JSON");
    assert!(!json.chars().any(char::is_control), "{json:?}");
    assert!(json.len() < 4096 + 64 * data.len(), "{} bytes of {}", json.len(), data.len());
    // The same bytes as what stands inside of such data.
    let _ = LoadOption::parse(data);
    if let Ok(path) = DevicePath::parse(data) {
        check_path(&path);
    }
    if let Ok(lists) = SignatureLists::parse(data) {
        assert_eq!(lists.count(), lists.signatures().count());
        assert!(lists.count() <= data.len() / 16);
    }
}

/// What stands inside is read to its end, and is not more than there is.
fn read_within(event: &EventData<'_>, kind: EventType, len: usize) {
    match event {
        EventData::Variable(variable) => {
            let _ = variable.value(kind);
            assert!(variable.content().len() < len);
        }
        EventData::Gpt(gpt) => assert!(gpt.partitions().count() <= len / 128),
        EventData::Image(image) => check_path(&image.path()),
        EventData::Sipa(events) => assert!(events.iter().all(|event| event.content().len() < len)),
        EventData::Tag(tag) => assert!(tag.content().len() < len),
        EventData::HandoffTables(tables) => assert!(tables.tables().count() <= len / 24),
        EventData::Spdm(device) => check_path(&device.path()),
        EventData::Text(text) | EventData::Action(text) => assert!(!text.chars().any(char::is_control)),
        _ => {}
    }
}

fn check_path(path: &DevicePath<'_>) {
    assert!(!path.to_text().chars().any(char::is_control));
    let _ = (path.partition(), path.is_in_firmware_volume(), path.file());
}

fn digest_of(data: &[u8]) -> Vec<u8> {
    HashAlgorithm::Sha256.digest(data).as_bytes().to_vec()
}

fn kind_of(choice: u8) -> EventType {
    static KINDS: OnceLock<Vec<EventType>> = OnceLock::new();
    let kinds = KINDS
        .get_or_init(|| EventType::NAMED.iter().copied().chain([EventType::Other(0xA000_0000)]).collect());
    kinds[usize::from(choice) % kinds.len()]
}
