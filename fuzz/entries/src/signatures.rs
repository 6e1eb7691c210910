use std::sync::{Arc, OnceLock};

use attest::HashAlgorithm;
use attest::ima::{
    AppendedSignature, EntryStream, EvmKeyring, ImaKeyring, ImaList, ImaSignature, SignerKeyrings,
    verify_signature,
};

/// A key of these entries alone: nobody has its private half any more.
const KEY: &str = include_str!("../../../attest/src/ima/tests/signers/ec.pem");

/// The keyrings that know it, for contents and for EVM, made once.
fn keyrings() -> &'static (ImaKeyrings, EvmKeyrings) {
    static KEYRINGS: OnceLock<(ImaKeyrings, EvmKeyrings)> = OnceLock::new();
    KEYRINGS.get_or_init(|| {
        let keys = |name| ImaKeyring::from_pem(name, KEY).unwrap();
        ([Arc::new(keys("files"))], [Arc::new(EvmKeyring::new(keys("attributes")))])
    })
}

type ImaKeyrings = [Arc<ImaKeyring>; 1];
type EvmKeyrings = [Arc<EvmKeyring>; 1];

/// Signatures and keyrings of IMA: any bytes give a value or an error; and a list in pieces reads as the whole one does.
pub fn signature(data: &[u8]) {
    if let Ok(signature) = ImaSignature::parse(data) {
        assert_eq!(signature.key_id_hex().len(), 8);
    }
    if let Ok(appended) = AppendedSignature::parse(data) {
        assert!(!appended.signer().is_empty());
    }
    let (contents, evm) = keyrings();
    let signers = SignerKeyrings { contents, evm, allow_sha1: true };
    for entry in ImaList::new(data).entries().map_while(Result::ok) {
        let _ = verify_signature(&entry, &signers);
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
