//! A quote that tpm2-tools recorded from a simulated TPM, with its files.

use std::path::PathBuf;

use attest::challenge::{Challenge, Nonce};
use attest::key::{AttestationKey, ENDORSEMENT, PublicArea};
use attest::quote::tpm2_tools::read_pcr_file;
use attest::quote::{Quote, QuoteError};
use jiff::{SignedDuration, Timestamp};

pub(crate) struct Recording {
    pub(crate) key: PublicArea,
    pub(crate) parent: PublicArea,
    pub(crate) pem: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) pcr_file: Vec<u8>,
}

impl Recording {
    pub(crate) fn load(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tpm-sim-tests/vectors").join(name);
        let read =
            |file: &str| std::fs::read(folder.join(file)).unwrap_or_else(|e| panic!("{name}/{file}: {e}"));
        let text = |file: &str| String::from_utf8(read(file)).unwrap();
        Self {
            key: PublicArea::parse_tpm2b(&read("ak.pub")).unwrap(),
            parent: PublicArea::parse_tpm2b(&read("ek.pub")).unwrap(),
            pem: text("ak.pem"),
            nonce: hex::decode(text("nonce.hex").trim()).unwrap(),
            message: read("quote.msg"),
            signature: read("quote.sig"),
            pcr_file: read("quote.pcrs"),
        }
    }

    pub(crate) fn challenge(&self) -> Challenge {
        Challenge::new(Nonce::new(&self.nonce).unwrap(), now(), SignedDuration::from_mins(5))
    }

    /// The recordings' keys are children of an EK, as tpm2_createak makes them.
    pub(crate) fn attestation_key(&self) -> AttestationKey {
        let parent = self.parent.qualified_name(&ENDORSEMENT);
        AttestationKey::new(self.key.clone(), self.key.key()).unwrap().with_parent(&parent)
    }

    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        read_pcr_file(&self.pcr_file, &self.message).unwrap().into_iter().map(<[u8]>::to_vec).collect()
    }

    pub(crate) fn verify(&self) -> Result<attest::quote::VerifiedQuote, QuoteError> {
        self.quote().verify(self.challenge(), now(), &self.attestation_key(), &self.values())
    }

    pub(crate) fn verify_message(&self, message: &[u8]) -> QuoteError {
        let quote = Quote { message, signature: &self.signature };
        quote.verify(self.challenge(), now(), &self.attestation_key(), &self.values()).unwrap_err()
    }

    pub(crate) fn verify_signature(&self, signature: &[u8]) -> QuoteError {
        let quote = Quote { message: &self.message, signature };
        quote.verify(self.challenge(), now(), &self.attestation_key(), &self.values()).unwrap_err()
    }

    pub(crate) fn quote(&self) -> Quote<'_> {
        Quote { message: &self.message, signature: &self.signature }
    }

    /// Offset of the field that follows qualifiedSigner and extraData.
    pub(crate) fn clock_offset(&self) -> usize {
        let signer = usize::from(u16::from_be_bytes([self.message[6], self.message[7]]));
        8 + signer + 2 + self.nonce.len()
    }

    pub(crate) fn selection_offset(&self) -> usize {
        self.clock_offset() + 17 + 8
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) const ALL: [&str; 5] = [
    "tpm2-tools-quote-rsa",
    "tpm2-tools-quote-rsapss",
    "tpm2-tools-quote-ecc",
    "tpm2-tools-quote-ecc-short",
    "tpm2-tools-quote-two-banks",
];
