//! CoMID tags: reference triples and the digests of their measurements (draft-ietf-rats-corim-10 §5).

use super::items::{Items, TAG, TEXT, UNSIGNED};
use super::{Corim, CorimError, OID, identifier, shown};
use crate::digest::{Digest, HashAlgorithm};
use crate::pcr::PcrIndex;
use crate::reference::sums::from_root;

/// IANA's named information hash algorithms (RFC 6920 §9.4).
const HASHES: [(u64, &str, HashAlgorithm); 3] = [
    (1, "sha-256", HashAlgorithm::Sha256),
    (7, "sha-384", HashAlgorithm::Sha384),
    (8, "sha-512", HashAlgorithm::Sha512),
];

/// What a measurement is of.
enum Element {
    Pcr(PcrIndex),
    File(Vec<u8>),
}

impl Corim {
    pub(super) fn comid<'a>(
        &mut self,
        items: &mut Items<'a>,
        environment: &mut Option<&'a [u8]>,
    ) -> Result<(), CorimError> {
        let at = items.at();
        let keys = items.map("a CoMID", |items, key| match key {
            // Language and entities: for people.
            0 | 2 => items.raw().map(drop),
            1 => tag_identity(items),
            3 => Err(CorimError::not_taken("linked tags", "the CoMID adds to others or replaces them")),
            4 => self.triples(items, environment),
            _ => Err(CorimError::extension("a CoMID", key)),
        })?;
        if keys.has(1) && keys.has(4) {
            return Ok(());
        }
        Err(Items::wrong(at, "a CoMID with tag identity and triples", "one without"))
    }

    fn triples<'a>(
        &mut self,
        items: &mut Items<'a>,
        environment: &mut Option<&'a [u8]>,
    ) -> Result<(), CorimError> {
        let refused = |what| Err(CorimError::not_taken(what, "only reference triples are taken"));
        let at = items.at();
        let keys = items.map("triples", |items, key| match key {
            0 => items.list("reference triples", |items| self.reference(items, environment)),
            1 => refused("endorsed triples"),
            2 => refused("identity triples"),
            3 => refused("attest-key triples"),
            4 => refused("dependency triples"),
            5 => refused("membership triples"),
            6 => refused("CoSWID triples"),
            8 => refused("conditional endorsement series"),
            9 | 10 => refused("conditional endorsements"),
            _ => Err(CorimError::extension("triples", key)),
        })?;
        if keys.has(0) { Ok(()) } else { Err(Items::wrong(at, "reference triples", "none")) }
    }

    fn reference<'a>(
        &mut self,
        items: &mut Items<'a>,
        environment: &mut Option<&'a [u8]>,
    ) -> Result<(), CorimError> {
        items.tuple(2, "a reference triple: an environment and its measurements")?;
        let at = items.at();
        let raw = items.raw()?;
        match *environment {
            None => {
                self.environment = read_environment(&mut Items::new(raw, at))?;
                *environment = Some(raw);
            }
            // Values of two environments would be asked of one device.
            Some(first) if first != raw => {
                return Err(CorimError::not_taken("a second environment", "one release has one"));
            }
            Some(_) => {}
        }
        items.list("measurements", |items| self.measurement(items))
    }

    fn measurement(&mut self, items: &mut Items<'_>) -> Result<(), CorimError> {
        let mut element = None;
        let mut digests = Vec::new();
        let mut registers = Vec::new();
        let at = items.at();
        let keys = items.map("a measurement", |items, key| match key {
            0 => {
                element = Some(read_element(items)?);
                Ok(())
            }
            1 => read_values(items, &mut digests, &mut registers),
            2 => Err(CorimError::not_taken("authorized-by", "who measured it can't be asked of a TPM")),
            _ => Err(CorimError::extension("a measurement", key)),
        })?;
        if !keys.has(1) {
            return Err(Items::wrong(at, "a measurement with values", "one without"));
        }
        for (pcr, digest) in registers {
            self.add_pcr(pcr, digest)?;
        }
        match element {
            None if digests.is_empty() => Ok(()),
            None => Err(CorimError::not_taken(
                "a measurement without key",
                "expected a PCR's number or a file's path as mkey",
            )),
            Some(_) if digests.is_empty() => Err(CorimError::not_taken(
                "a measurement without digests",
                "expected digests of the PCR or file that mkey names",
            )),
            Some(Element::Pcr(pcr)) => digests.into_iter().try_for_each(|digest| self.add_pcr(pcr, digest)),
            Some(Element::File(path)) => {
                self.files.extend(digests.into_iter().map(|digest| (path.clone(), digest)));
                Ok(())
            }
        }
    }

    fn add_pcr(&mut self, pcr: PcrIndex, digest: Digest) -> Result<(), CorimError> {
        let values = self.pcrs.entry(pcr).or_default();
        let earlier = values.iter().find(|value| value.algorithm() == digest.algorithm());
        match earlier {
            Some(earlier) if *earlier == digest => Ok(()),
            Some(_) => Err(CorimError::TwoValues { pcr, bank: digest.algorithm().name() }),
            None => {
                values.push(digest);
                Ok(())
            }
        }
    }
}

fn tag_identity(items: &mut Items<'_>) -> Result<(), CorimError> {
    let at = items.at();
    let keys = items.map("a tag identity", |items, key| match key {
        0 => identifier(items, "a tag's id").map(drop),
        1 => items.expect(UNSIGNED, "a tag's version").map(drop),
        _ => Err(CorimError::extension("a tag identity", key)),
    })?;
    if keys.has(0) { Ok(()) } else { Err(Items::wrong(at, "a tag identity with an id", "one without")) }
}

/// Vendor and model of a class; what is of single devices or groups of them is no reference of a release.
fn read_environment(items: &mut Items<'_>) -> Result<String, CorimError> {
    let mut text: Vec<String> = Vec::new();
    items.map("an environment", |items, key| match key {
        0 => items
            .map("a class", |items, key| match key {
                1 | 2 => {
                    text.push(shown(items.text("vendor or model")?));
                    Ok(())
                }
                0 | 3 | 4 => items.raw().map(drop),
                _ => Err(CorimError::extension("a class", key)),
            })
            .map(drop),
        1 => Err(CorimError::not_taken("an instance", "the values are of one device, not of a release")),
        2 => Err(CorimError::not_taken("a group", "groups of devices are not known here")),
        _ => Err(CorimError::extension("an environment", key)),
    })?;
    Ok(text.join(" "))
}

fn read_element(items: &mut Items<'_>) -> Result<Element, CorimError> {
    let at = items.at();
    match items.peek()?.0 {
        UNSIGNED => Ok(Element::Pcr(pcr(items)?)),
        TEXT => {
            let text = items.text("mkey")?;
            let path = text.starts_with('/').then(|| from_root(text.as_bytes()));
            match path {
                Some(Ok(path)) => Ok(Element::File(path)),
                Some(Err(what)) => Err(CorimError::not_taken(format!("mkey {:?}", shown(text)), what)),
                None => Err(CorimError::not_taken(
                    format!("mkey {:?}", shown(text)),
                    "neither a PCR's number nor an absolute path",
                )),
            }
        }
        TAG if items.peek()?.1 == OID => {
            Err(CorimError::not_taken("mkey", "an OID names no PCR and no file"))
        }
        TAG => Err(CorimError::not_taken("mkey", "a UUID or another tag names no PCR and no file")),
        _ => Err(Items::wrong(at, "mkey: a number or text", "another item")),
    }
}

fn pcr(items: &mut Items<'_>) -> Result<PcrIndex, CorimError> {
    let at = items.at();
    let number = items.expect(UNSIGNED, "a PCR's number")?;
    let pcr = u32::try_from(number).ok().and_then(PcrIndex::new);
    pcr.ok_or_else(|| Items::wrong(at, "a PCR, 0 to 23", number))
}

/// A measurement-values-map: digests, or PCRs as integrity registers. Each other value would have to be matched too.
fn read_values(
    items: &mut Items<'_>,
    digests: &mut Vec<Digest>,
    registers: &mut Vec<(PcrIndex, Digest)>,
) -> Result<(), CorimError> {
    let refused = |what| {
        Err(CorimError::not_taken(format!("the measured value {what}"), "a device's evidence can't show it"))
    };
    let at = items.at();
    let keys = items.map("measured values", |items, key| match key {
        0 => refused("version"),
        1 => refused("svn"),
        2 => items.list("digests", |items| {
            digests.push(digest(items)?);
            Ok(())
        }),
        3 => refused("flags"),
        4 | 5 => refused("raw-value"),
        6 => refused("mac-addr"),
        7 => refused("ip-addr"),
        8 => refused("serial-number"),
        9 => refused("ueid"),
        10 => refused("uuid"),
        11 => refused("name"),
        13 => refused("cryptokeys"),
        14 => read_registers(items, registers),
        15 => refused("int-range"),
        _ => Err(CorimError::extension("measured values", key)),
    })?;
    if keys.has(2) || keys.has(14) {
        return Ok(());
    }
    Err(Items::wrong(at, "measured values with digests or integrity registers", "an empty map"))
}

fn read_registers(items: &mut Items<'_>, registers: &mut Vec<(PcrIndex, Digest)>) -> Result<(), CorimError> {
    items
        .map("integrity registers", |items, key| {
            let at = items.at();
            let pcr = u32::try_from(key).ok().and_then(PcrIndex::new);
            let pcr = pcr.ok_or_else(|| Items::wrong(at, "a PCR, 0 to 23", key))?;
            items.list("digests of a register", |items| {
                registers.push((pcr, digest(items)?));
                Ok(())
            })
        })
        .map(drop)
}

fn digest(items: &mut Items<'_>) -> Result<Digest, CorimError> {
    items.tuple(2, "a digest: algorithm and value")?;
    let at = items.at();
    let (found, algorithm) = match items.peek()?.0 {
        UNSIGNED => {
            let id = items.expect(UNSIGNED, "an algorithm")?;
            (id.to_string(), HASHES.iter().find(|hash| hash.0 == id))
        }
        TEXT => {
            let name = items.text("an algorithm")?;
            (shown(name), HASHES.iter().find(|hash| hash.1 == name))
        }
        _ => return Err(Items::wrong(at, "an algorithm by its number or name", "another item")),
    };
    let Some((_, _, algorithm)) = algorithm else {
        return Err(CorimError::not_taken(
            format!("digest algorithm {found}"),
            "expected 1 (sha-256), 7 (sha-384) or 8 (sha-512)",
        ));
    };
    let at = items.at();
    let bytes = items.bytes("a digest's bytes")?;
    Digest::new(*algorithm, bytes).ok_or_else(|| {
        Items::wrong(at, "a digest of its algorithm's length", format!("{} bytes", bytes.len()))
    })
}
