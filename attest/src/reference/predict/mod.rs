//! Prediction: the events that a device must show, out of the files that it will run.
//!
//! ```text
//! boot loaders, UKI or kernel ──▶ PCR 4    what firmware loads, by its Authenticode digest
//! PK, KEK, db, dbx            ──▶ PCR 7    the keys, and the entry of db that vouches for each image
//! command line, initrd        ──▶ PCR 9    as Linux's EFI stub measures them
//! sections of a UKI           ──▶ PCR 11   as systemd-stub measures them
//! what is given to the stub   ──▶ PCR 12   profile, command line, add-ons, credentials, configuration extensions
//! system extensions           ──▶ PCR 13
//! ```
//!
//! Firmware adds separators and steps of its own, of which files know nothing. So predicted PCRs are judged by their
//! events, not by a value ([`ReferenceValues::by_events`](super::ReferenceValues::by_events)).

mod beside;
mod cpio;
mod linux;
mod pe;
mod secure_boot;
mod stub;
mod uki;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::record::Golden;
use super::values::{ReferenceEvent, ReferenceValues};
use crate::digest::HashAlgorithm;
use crate::eventlog::Role;
use crate::pcr::PcrIndex;

pub use beside::{Beside, NamedFile};
pub use pe::{PeError, PeImage, PeSection};
pub use secure_boot::SecureBootKeys;
pub use uki::Uki;

/// Why nothing can be predicted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PredictError {
    /// An image.
    #[error(transparent)]
    Pe(#[from] PeError),
    /// An image with its name.
    #[error("{name}: {source}")]
    Image {
        /// The name that the caller gave.
        name: String,
        /// What is wrong with it.
        source: PeError,
    },
    /// No unified kernel image of systemd.
    #[error("the image has no systemd-stub; give a plain kernel as --kernel")]
    NoStub,
    /// A stub that measures otherwise.
    #[error("the image has systemd-stub {version}, which measures no sections; expected {first} or newer")]
    StubVersion {
        /// Its version.
        version: u32,
        /// The first that does.
        first: u32,
    },
    /// A stub without a kernel.
    #[error("the image has no .linux section: it is a stub or an add-on, no unified kernel image")]
    NoKernel,
    /// A profile that the image has not.
    #[error("the image has no profile {profile}, it has {profiles}, counted from 0")]
    NoProfile {
        /// The profile asked for.
        profile: u32,
        /// How many it has.
        profiles: usize,
    },
    /// A variable's content.
    #[error("{name} is no EFI signature list: {source}")]
    SignatureList {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        source: secure_boot::ListError,
    },
    /// An image that would not start.
    #[error("nothing in db vouches for {image}: with secure boot on it would not start")]
    NoAuthority {
        /// The image.
        image: String,
    },
}

/// What a device will boot.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'a> {
    /// Boot loaders in the order in which they start each other, with names for messages.
    pub loaders: &'a [(&'a str, &'a [u8])],
    /// What they start at last.
    pub payload: Payload<'a>,
    /// Whether secure boot is on. With it off, firmware measures the kernel of a unified kernel image as well, and the
    /// image takes another command line.
    pub secure_boot: bool,
    /// The keys of secure boot, which is on then; `None` when PCR 7 is not to be predicted.
    pub keys: Option<SecureBootKeys<'a>>,
}

/// What is booted.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// A unified kernel image of systemd-stub.
    Uki {
        /// Its file.
        bytes: &'a [u8],
        /// The command line given to the stub, which it measures into PCR 12 and takes instead of its own, unless it has
        /// one and secure boot is on.
        command_line: Option<&'a str>,
        /// Its profile; 0 where none is named.
        profile: u32,
        /// The files beside it.
        beside: Beside<'a>,
    },
    /// A kernel with an EFI stub, started by firmware or by a loader that uses firmware to load it.
    Kernel {
        /// Its file.
        bytes: &'a [u8],
        /// Its load options, exactly as the loader gives them.
        command_line: Option<&'a str>,
        /// Its initrd.
        initrd: Option<&'a [u8]>,
    },
}

/// Predicted events, and what could not be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicted {
    bank: HashAlgorithm,
    events: Vec<ReferenceEvent>,
    untouched: Vec<PcrIndex>,
    /// PCRs into which more is measured than files tell.
    unpredictable: Vec<u8>,
    notes: Vec<String>,
}

impl Predicted {
    /// The events, each PCR's in their order.
    #[must_use]
    pub fn events(&self) -> &[ReferenceEvent] {
        &self.events
    }

    /// The PCRs that were predicted.
    #[must_use]
    pub fn pcrs(&self) -> Vec<PcrIndex> {
        self.events.iter().map(|event| event.pcr).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The PCRs into which nothing is measured: 12 and 13, where firmware or systemd-boot starts a unified kernel image
    /// and nothing is given to it. A device that has other credentials or extensions beside it is told apart.
    #[must_use]
    pub fn untouched(&self) -> &[PcrIndex] {
        &self.untouched
    }

    /// What could not be predicted, and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reference values of a release out of the prediction. `base` gives what files can't: the values of the firmware's
    /// PCRs (0 to 7) and shim's (14), recorded from a device of the same kind; those of other PCRs belong to its release.
    #[must_use]
    pub fn into_values(self, golden: Golden, base: Option<&ReferenceValues>) -> ReferenceValues {
        let mut by_events = self.pcrs();
        let predicted = by_events.clone();
        let kept = |pcr: &PcrIndex| (pcr.get() < 8 || pcr.get() == 14) && !predicted.contains(pcr);
        let mut pcrs: BTreeMap<_, _> =
            self.untouched.iter().map(|pcr| (*pcr, pcr.start(self.bank))).collect();
        let mut events = Vec::new();
        if let Some(base) = base.filter(|base| base.bank == self.bank) {
            pcrs.extend(base.pcrs.iter().filter(|(pcr, _)| kept(pcr)).map(|(pcr, value)| (*pcr, *value)));
            by_events.extend(base.by_events.iter().filter(|pcr| kept(pcr)));
            events.extend(base.events.iter().filter(|event| kept(&event.pcr)).cloned());
        }
        events.extend(self.events);
        ReferenceValues {
            version: 2,
            product: golden.product,
            release: golden.release,
            issued: golden.issued,
            starts: golden.starts,
            expires: golden.expires,
            bank: self.bank,
            pcrs,
            by_events,
            events,
            files: BTreeMap::new(),
            file_sets: Vec::new(),
        }
    }

    /// An event with the digest of `parts`.
    fn hashed(&mut self, pcr: u32, kind: &str, role: Role, description: &str, parts: &[&[u8]]) {
        self.push(pcr, kind, role, description, self.bank.digest_parts(parts));
    }

    /// That nothing is measured into those of `pcrs` that have no event and of which all is known.
    fn leave_untouched(&mut self, pcrs: &[u8]) {
        let known = self.pcrs();
        let free = pcrs.iter().filter(|pcr| !self.unpredictable.contains(pcr));
        let free = free.filter_map(|pcr| PcrIndex::new(u32::from(*pcr))).filter(|pcr| !known.contains(pcr));
        self.untouched.extend(free);
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Takes back what was said of PCRs.
    fn forget(&mut self, pcrs: &[u8]) {
        self.events.retain(|event| !pcrs.contains(&event.pcr.get()));
        self.unpredictable.extend(pcrs);
    }

    fn push(&mut self, pcr: u32, kind: &str, role: Role, description: &str, digest: crate::Digest) {
        let Some(pcr) = PcrIndex::new(pcr).filter(|pcr| !self.unpredictable.contains(&pcr.get())) else {
            return;
        };
        let (kind, description) = (kind.to_owned(), description.to_owned());
        self.events.push(ReferenceEvent { pcr, kind, digest, description, role: Some(role.to_string()) });
    }
}

/// Predicts the events of a boot in one bank.
///
/// # Errors
/// [`PredictError`] for files that are not what they should be, and for a boot that would not come about.
pub fn predict(boot: &Boot<'_>, bank: HashAlgorithm) -> Result<Predicted, PredictError> {
    let mut to = Predicted {
        bank,
        events: Vec::new(),
        untouched: Vec::new(),
        unpredictable: Vec::new(),
        notes: Vec::new(),
    };
    let mut images: Vec<(&str, PeImage<'_>)> = Vec::new();
    for (name, bytes) in boot.loaders {
        let image = PeImage::parse(bytes)
            .map_err(|source| PredictError::Image { name: (*name).to_owned(), source })?;
        to.push(4, APPLICATION, Role::BootLoader, name, image.authenticode(bank));
        images.push((name, image));
    }
    match boot.payload {
        Payload::Uki { bytes, command_line, profile, beside } => {
            let uki = Uki::parse(bytes, profile)?;
            to.push(4, APPLICATION, Role::BootLoader, "unified kernel image", uki.image().authenticode(bank));
            let addons = beside.addons()?;
            let by_systemd = images.last().is_none_or(|(_, image)| is_systemd_boot(image));
            let start = stub::Start {
                given: command_line,
                profile,
                secure_boot: boot.secure_boot || boot.keys.is_some(),
                systemd_boot: by_systemd && !images.is_empty(),
                beside,
                addons: &addons,
            };
            stub::predict(&uki, &start, &mut to)?;
            // What another loader measures into these two, files do not tell.
            if by_systemd {
                to.leave_untouched(&[12, 13]);
            }
            images.push(("the unified kernel image", uki.image().clone()));
            images.extend(addons.into_iter().map(|addon| (addon.name, addon.image)));
        }
        Payload::Kernel { bytes, command_line, initrd } => {
            let image = PeImage::parse(bytes)
                .map_err(|source| PredictError::Image { name: "kernel".to_owned(), source })?;
            to.push(4, APPLICATION, Role::Kernel, "kernel", image.authenticode(bank));
            predict_kernel(command_line, initrd, &mut to);
            images.push(("the kernel", image));
        }
    }
    if let Some(keys) = boot.keys {
        keys.variables(&mut to)?;
        let images: Vec<_> = images.iter().map(|(name, image)| (*name, image)).collect();
        keys.authorities(&images, &mut to)?;
    }
    Ok(to)
}

const APPLICATION: &str = "EV_EFI_BOOT_SERVICES_APPLICATION";

fn is_systemd_boot(image: &PeImage<'_>) -> bool {
    let magic = image.first_section(.., ".sdmagic").ok().flatten();
    magic.is_some_and(|magic| uki::component_version(magic, "systemd-boot ").is_some())
}

fn predict_kernel(command_line: Option<&str>, initrd: Option<&[u8]>, to: &mut Predicted) {
    match command_line {
        Some(text) => {
            linux::load_options(text, to);
            if let Some(bytes) = initrd {
                linux::initrd(bytes, to);
            }
        }
        None => to.notes.push(
            "PCR 9 is not predicted: the kernel measures its load options first; give them as --cmdline"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
