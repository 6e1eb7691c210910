use attest::HashAlgorithm;
use attest::ima::{EntryStream, ImaKeyring, ImaList, ImaSignature};

/// Signatures and keyrings of IMA: any bytes give a value or an error; and a list in pieces reads as the whole one does.
pub fn signature(data: &[u8]) {
    if let Ok(signature) = ImaSignature::parse(data) {
        assert_eq!(signature.key_id_hex().len(), 8);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = ImaKeyring::from_pem("fuzz", text);
    }
    let whole = ImaList::new(data).entries().map_while(Result::ok).count();
    let mut read = 0_usize;
    let mut stream = EntryStream::new(HashAlgorithm::Sha1);
    for piece in data.chunks(7) {
        let pushed = stream.push(piece, |_| {
            read += 1;
            Ok(())
        });
        if pushed.is_err() {
            break;
        }
    }
    assert_eq!(read, whole, "in pieces and whole");
}
