//! PCR 7 of a machine with secure boot on: its keys, and what vouched for each image (PFP 1.06 §3.3.4.8).

use super::pe::PeImage;
use super::{PredictError, Predicted};
use crate::digest::HashAlgorithm;
use crate::eventlog::{EventDataError, Guid, Role, Signature, SignatureLists};

/// The contents of the variables, as EFI signature lists (`.esl`); empty for a variable that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecureBootKeys<'a> {
    /// PK.
    pub pk: &'a [u8],
    /// KEK.
    pub kek: &'a [u8],
    /// db.
    pub db: &'a [u8],
    /// dbx.
    pub dbx: &'a [u8],
}

impl SecureBootKeys<'_> {
    /// The events before the separator.
    pub(super) fn variables(&self, to: &mut Predicted) -> Result<(), PredictError> {
        let lists: [(&'static str, Guid, &[u8], Role); 4] = [
            ("PK", Guid::GLOBAL, self.pk, Role::PlatformKey),
            ("KEK", Guid::GLOBAL, self.kek, Role::KeyExchangeKeys),
            ("db", Guid::IMAGE_SECURITY, self.db, Role::Db),
            ("dbx", Guid::IMAGE_SECURITY, self.dbx, Role::Dbx),
        ];
        let on = variable(Guid::GLOBAL, "SecureBoot", &[1]);
        to.hashed(7, "EV_EFI_VARIABLE_DRIVER_CONFIG", Role::SecureBootState, "SecureBoot = 01 (on)", &[&on]);
        for (name, guid, content, role) in lists {
            SignatureLists::parse(content).map_err(|source| PredictError::SignatureList { name, source })?;
            let words = format!("{name}, {} bytes", content.len());
            let event = variable(guid, name, content);
            to.hashed(7, "EV_EFI_VARIABLE_DRIVER_CONFIG", role, &words, &[&event]);
        }
        Ok(())
    }

    /// The authorities of `images` in the order in which they start; firmware measures each once.
    ///
    /// # Errors
    /// [`PredictError::NoAuthority`] for an image that nothing in db vouches for: it would not start.
    pub(super) fn authorities(
        &self,
        images: &[(&str, &PeImage<'_>)],
        to: &mut Predicted,
    ) -> Result<(), PredictError> {
        let db = SignatureLists::parse(self.db)
            .map_err(|source| PredictError::SignatureList { name: "db", source })?;
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (name, image) in images {
            let authority = authority(db, image)
                .ok_or_else(|| PredictError::NoAuthority { image: (*name).to_owned() })?;
            let data = authority.data();
            let content = [data.owner().as_bytes().as_slice(), data.content()].concat();
            let event = variable(Guid::IMAGE_SECURITY, "db", &content);
            if !seen.contains(&event) {
                let words = format!("db entry that vouches for {name}");
                to.hashed(7, "EV_EFI_VARIABLE_AUTHORITY", Role::Authority, &words, &[&event]);
                seen.push(event);
            }
        }
        Ok(())
    }
}

/// The entry of db by which firmware would let an image start.
///
/// Firmware verifies signatures; here it is enough to find the entry that they can lead to, since a wrong choice predicts
/// a PCR 7 that no device has. A certificate that stands in the signature goes before one that only issued such.
fn authority<'d>(db: SignatureLists<'d>, image: &PeImage<'_>) -> Option<Signature<'d>> {
    let table = image.certificates();
    let certificates = || db.signatures().filter(|entry| entry.certificate().is_some());
    let by_hash = || {
        db.signatures().find(|entry| {
            entry.image_hash().is_some_and(|hash| {
                hash.algorithm() != HashAlgorithm::Sha1 && image.authenticode(hash.algorithm()) == hash
            })
        })
    };
    if table.is_empty() {
        return by_hash();
    }
    certificates()
        .find(|entry| contains(table, entry.data().content()))
        .or_else(|| certificates().find(|entry| issued_by(table, entry)))
        .or_else(by_hash)
}

/// Whether the certificate's subject stands in the signature, as it does where it is somebody's issuer.
fn issued_by(table: &[u8], entry: &Signature<'_>) -> bool {
    entry
        .certificate()
        .and_then(|certificate| certificate.subject_der())
        .is_some_and(|subject| contains(table, &subject))
}

fn contains(table: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && table.windows(wanted.len()).any(|window| window == wanted)
}

/// UEFI_VARIABLE_DATA.
fn variable(guid: Guid, name: &str, content: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let len = |value: usize| u64::try_from(value).unwrap_or(u64::MAX).to_le_bytes();
    [guid.as_bytes().as_slice(), &len(name.len() / 2), &len(content.len()), &name, content].concat()
}

/// Why a signature list is none.
pub(super) type ListError = EventDataError;
