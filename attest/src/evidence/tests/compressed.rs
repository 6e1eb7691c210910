//! Compressed logs: threat e22.

use std::io::Read;

use proptest::prelude::*;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::super::zstd::count;
use super::super::*;

const MOST: usize = 1024 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;
/// A window of 1 KiB and a checksum.
const SMALL_WINDOW: [u8; 6] = [0x28, 0xB5, 0x2F, 0xFD, 0b100, 0];

/// A log that a frame makes shorter.
fn sample() -> Vec<u8> {
    (0_u32..500)
        .flat_map(|line| format!("10 {:08x} /usr/bin/program-{}\n", line * 77, line % 9).into_bytes())
        .collect()
}

fn packed() -> (Vec<u8>, u64) {
    match Log::packed(sample()) {
        Log::Zstd { zstd, size } => (zstd, size),
        Log::Plain(_) => panic!("it gets shorter"),
    }
}

/// RFC 8878 §3.1.1.2: a block that repeats one byte.
fn repeat(last: bool, length: u32) -> [u8; 4] {
    let [a, b, c, _] = (u32::from(last) | 1 << 1 | length << 3).to_le_bytes();
    [a, b, c, b'A']
}

/// A frame of `blocks` such blocks with the checksum that belongs to it.
fn frame(header: &[u8], blocks: u32, length: u32) -> Vec<u8> {
    let mut frame = header.to_vec();
    for block in 1..=blocks {
        frame.extend(repeat(block == blocks, length));
    }
    frame.extend([0; 4]);
    let mut decoder = FrameDecoder::new();
    let mut rest = frame.as_slice();
    decoder.init(&mut rest).unwrap();
    let _ = decoder.decode_blocks(&mut rest, BlockDecodingStrategy::All);
    std::io::copy(&mut decoder, &mut std::io::sink()).unwrap();
    let checksum = decoder.get_calculated_checksum().unwrap();
    let end = frame.len() - 4;
    frame[end..].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// What both ways to read the log say of it.
fn read(zstd: &[u8], size: u64) -> Result<Vec<u8>, LogError> {
    let log = Log::Zstd { zstd: zstd.to_vec(), size };
    let whole = log.bytes(MOST).map(std::borrow::Cow::into_owned);
    let streamed = log.reader(MOST).and_then(|mut reader| {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 777]);
        loop {
            match reader.read_some(&mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    assert_eq!(reader.read_some(&mut buffer), Err(error.clone()), "an error stays");
                    return Err(error);
                }
            }
        }
    });
    assert_eq!(whole, streamed);
    whole
}

fn malformed(result: &Result<Vec<u8>, LogError>, word: &str) -> bool {
    matches!(result, Err(LogError::Frame { what }) if what.contains(word))
}

#[test]
fn a_log_is_sent_in_its_shorter_form() {
    let log = Log::packed(sample());
    assert!(log.wire_len() * 2 < sample().len(), "{log:?}");
    assert_eq!(*log.bytes(MOST).unwrap(), sample());
    assert_eq!(log.size(), count(sample().len()));
    let noise: Vec<u8> =
        (0_u64..64).flat_map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7).to_le_bytes()).collect();
    assert_eq!(Log::packed(noise.clone()), Log::Plain(noise));
    assert_eq!(Log::packed(Vec::new()), Log::Plain(Vec::new()));
}

#[test]
fn a_plain_log_is_borrowed_and_can_be_streamed() {
    let log = Log::plain(sample());
    assert!(matches!(log.bytes(MOST), Ok(std::borrow::Cow::Borrowed(_))));
    let mut bytes = Vec::new();
    log.reader(MOST).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, sample());
}

#[test]
fn e22_a_bomb_ends_at_the_announced_size() {
    // 4 GiB in 128 KiB.
    let bomb: Vec<u8> = [0x28, 0xB5, 0x2F, 0xFD, 0b100, 7 << 3]
        .into_iter()
        .chain((0..32 * 1024).flat_map(|_| repeat(false, 128 * 1024)))
        .collect();
    let Err(LogError::Size { announced: 1000, found }) = read(&bomb, 1000) else { panic!("refused") };
    assert!(found <= 512 * 1024, "{found} bytes were inflated");
    // Within its limit it is inflated, and no further.
    let Err(LogError::Size { found, .. }) = read(&bomb, MEBIBYTE) else { panic!("refused") };
    assert!(found <= 2 * MEBIBYTE, "{found} bytes were inflated");
}

#[test]
fn e22_more_than_a_verifier_reads_is_refused_before_anything_is_inflated() {
    let size = count(MAX_EVENT_LOG) + 1;
    let too_large = LogError::TooLarge { found: size, most: count(MAX_EVENT_LOG) };
    // No frame at all: it is not even looked at.
    let log = Log::Zstd { zstd: vec![0], size };
    assert_eq!(log.bytes(MAX_EVENT_LOG).unwrap_err(), too_large);
    assert_eq!(log.reader(MAX_EVENT_LOG).err(), Some(too_large.clone()));
    assert_eq!(Log::plain(vec![0; MOST + 1]).bytes(MOST).unwrap_err().threat(), "e22");
    let mut evidence = super::evidence();
    evidence.event_log = Some(log);
    let mut bytes = Vec::new();
    ciborium::into_writer(&evidence, &mut bytes).unwrap();
    let refused = EvidenceError::Log { what: "event log", error: too_large };
    assert_eq!(Evidence::parse(&bytes), Err(refused.clone()));
    assert_eq!(evidence.to_bytes(), Err(refused));
}

#[test]
fn e22_a_size_that_lies_is_refused() {
    let (zstd, size) = packed();
    assert_eq!(read(&zstd, size).unwrap(), sample());
    for lie in [1, size / 2, size - 1, size + 1, 2 * size, MEBIBYTE] {
        assert!(
            matches!(read(&zstd, lie), Err(LogError::Size { announced, .. }) if announced == lie),
            "{lie}"
        );
    }
    // A frame that tells its own size: one segment of 1000 bytes, announced as 999.
    let own = frame(&[0x28, 0xB5, 0x2F, 0xFD, 0b1010_0100, 0xE8, 3, 0, 0], 1, 1000);
    assert_eq!(read(&own, 1000).unwrap(), [b'A'; 1000]);
    assert_eq!(read(&own, 999), Err(LogError::Size { announced: 999, found: 1000 }));
}

#[test]
fn e22_a_huge_window_is_refused_by_the_header() {
    // Exponent 13 and mantissa 0 are 8 MiB.
    let header = |window| [0x28, 0xB5, 0x2F, 0xFD, 0b100, window];
    assert_eq!(read(&frame(&header(13 << 3), 2, 100), 200).unwrap().len(), 200);
    for (window, found) in [(13 << 3 | 1, 9 << 20), (14 << 3, 16 << 20), (0xFF, 15 << 38)] {
        assert_eq!(read(&header(window), 200), Err(LogError::Window { found }), "{window:02x}");
    }
    // One segment is its own window.
    let size = MAX_WINDOW + 1;
    let [a, b, c, d, ..] = size.to_le_bytes();
    let log = Log::Zstd { zstd: vec![0x28, 0xB5, 0x2F, 0xFD, 0b1010_0100, a, b, c, d], size };
    assert_eq!(log.bytes(usize::MAX).unwrap_err(), LogError::Window { found: size });
}

#[test]
fn e22_dictionaries_reserved_bits_and_frames_without_a_checksum_are_refused() {
    for (descriptor, word) in [
        (0b101, "dictionary"),
        (0b110, "dictionary"),
        (0b111, "dictionary"),
        (0b1100, "reserved"),
        (0, "checksum"),
    ] {
        let mut bytes = frame(&SMALL_WINDOW, 1, 100);
        assert_eq!(read(&bytes, 100).unwrap().len(), 100);
        bytes[4] = descriptor;
        assert!(malformed(&read(&bytes, 100), word), "{word}");
    }
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0][..], &frame(&SMALL_WINDOW, 1, 100)].concat();
    assert!(malformed(&read(&skippable, 100), "no frame"));
    assert!(malformed(&read(b"plain text that is no frame", 27), "no frame"));
}

#[test]
fn e22_a_second_frame_or_anything_else_behind_the_first_is_refused() {
    let (zstd, size) = packed();
    for tail in [zstd.as_slice(), &[0], &frame(&SMALL_WINDOW, 1, 1)] {
        let longer = [zstd.as_slice(), tail].concat();
        assert_eq!(read(&longer, size), Err(LogError::Trailing { found: tail.len() }));
    }
}

#[test]
fn e22_every_truncation_is_refused() {
    let (zstd, size) = packed();
    for length in 0..zstd.len() {
        assert!(read(&zstd[..length], size).is_err(), "{length}");
    }
}

#[test]
fn e22_every_flipped_bit_is_refused_or_harmless() {
    let plain = &sample()[..600];
    let Log::Zstd { zstd, size } = Log::packed(plain.to_vec()) else { panic!("it gets shorter") };
    let mut refused = 0;
    for bit in 0..zstd.len() * 8 {
        let mut changed = zstd.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // The header has a bit that decoders have to ignore, and a larger window changes nothing.
        match read(&changed, size) {
            Ok(bytes) => assert_eq!(bytes, plain, "bit {bit}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > zstd.len() * 8 - 64, "{refused}");
    let mut checksum = zstd.clone();
    *checksum.last_mut().unwrap() ^= 1;
    assert!(matches!(read(&checksum, size), Err(LogError::Checksum { .. })));
}

#[test]
fn e22_a_block_larger_than_blocks_may_be_is_refused() {
    assert!(read(&[&SMALL_WINDOW[..], &repeat(true, 0x1F_FFFF)].concat(), MEBIBYTE).is_err());
}

proptest! {
    #[test]
    fn whatever_is_packed_reads_back(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 1_usize..200), 0..40)
    ) {
        let bytes: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
        let log = Log::packed(bytes.clone());
        prop_assert!(log.wire_len() <= bytes.len());
        prop_assert_eq!(log.bytes(usize::MAX).unwrap().into_owned(), bytes);
    }
}
