//! The facts of a boot as claims: owned, bounded, and without any hint.

use crate::appraisal::{
    AuthorityClaim, BootClaims, CertificateClaim, EfiStubClaim, ExitBootServicesClaim, FaultClaim,
    FileSystemClaim, FirmwareClaims, ImageClaims, KernelClaims, KeyDatabaseClaim, MisplacedClaim,
    SbatLevelClaim, SecureBootClaims, SecureBootState, ShimClaims, SystemClaims, UkiSectionClaim,
};
use crate::eventlog::{
    CommandLine, ExitBootServices, Facts, LoadedImage, MeasuredAuthority, MeasuredFileSystem, SbatLevel,
    SecureBoot, SignatureKind, SignatureLists, X509Certificate,
};

// Limits of the document: together they keep it below 64 KiB of JSON, whatever the log holds.
const MAX_DBX_HASHES: usize = 440;
const MAX_HASHES: usize = 8;
const MAX_CERTIFICATES: usize = 8;
const MAX_AUTHORITIES: usize = 16;
const MAX_IMAGES: usize = 32;
const MAX_OPTION_ROMS: usize = 16;
const MAX_INITRDS: usize = 8;
const MAX_SECTIONS: usize = 24;
const MAX_FAULTS: usize = 8;
const MAX_PHASES: usize = 16;
const MAX_FILE_SYSTEMS: usize = 8;
const MAX_FILE_SYSTEM: usize = 256;
const MAX_TEXT: usize = 2048;
const MAX_VERSION: usize = 256;
const MAX_SUBJECT: usize = 160;

/// What was cut, by field.
#[derive(Default)]
struct Cut(Vec<String>);

impl Cut {
    /// The first `most` of `items`.
    fn list<T>(&mut self, field: &str, most: usize, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items = items.into_iter();
        let list: Vec<_> = items.by_ref().take(most).collect();
        if items.next().is_some() {
            self.0.push(field.to_owned());
        }
        list
    }

    /// Text that can be told whole: no longer than `most` bytes and without control characters, each of which would take
    /// six bytes of JSON.
    fn text(&mut self, field: &str, most: usize, text: String) -> Option<String> {
        let whole = text.len() <= most && !text.chars().any(char::is_control);
        if !whole {
            self.0.push(field.to_owned());
        }
        whole.then_some(text)
    }
}

/// The document of `facts`.
pub(super) fn boot_claims(facts: &Facts<'_>) -> BootClaims {
    let mut cut = Cut::default();
    BootClaims {
        bank: facts.bank(),
        firmware: firmware(facts, &mut cut),
        secure_boot: secure_boot(facts, &mut cut),
        authorities: authorities(facts, &mut cut),
        shim: shim(facts, &mut cut),
        images: images(facts, &mut cut),
        kernel: kernel(facts, &mut cut),
        system: system(facts, &mut cut),
        exit_boot_services: match facts.exit_boot_services() {
            ExitBootServices::Unverified => ExitBootServicesClaim::Unknown,
            ExitBootServices::Missing => ExitBootServicesClaim::Missing,
            ExitBootServices::Invoked { .. } => ExitBootServicesClaim::Invoked,
            ExitBootServices::Succeeded { .. } => ExitBootServicesClaim::Succeeded,
            ExitBootServices::Failed { .. } => ExitBootServicesClaim::Failed,
        },
        faults: cut.list(
            "faults",
            MAX_FAULTS,
            facts.faults().iter().map(|fault| FaultClaim {
                pcr: fault.pcr(),
                id: "e08",
                what: fault.to_string(),
            }),
        ),
        misplaced_events: facts
            .misplaced()
            .iter()
            .map(|(pcr, misplaced)| MisplacedClaim { pcr: *pcr, count: misplaced.count })
            .collect(),
        cut: cut.0,
    }
}

fn firmware(facts: &Facts<'_>, cut: &mut Cut) -> FirmwareClaims {
    FirmwareClaims {
        version: facts
            .firmware_version()
            .text()
            .and_then(|version| cut.text("firmware.version", MAX_VERSION, version)),
        option_roms: facts
            .option_roms()
            .map(|roms| cut.list("firmware.option_roms", MAX_OPTION_ROMS, roms.iter().copied())),
        debugger: facts.debugger().map(|place| place.is_some()),
        dma_protection_disabled: facts.dma_protection_disabled().map(|place| place.is_some()),
    }
}

fn secure_boot(facts: &Facts<'_>, cut: &mut Cut) -> SecureBootClaims {
    let configuration = facts.configuration();
    let (state, doubt) = match facts.secure_boot() {
        SecureBoot::On { .. } => (SecureBootState::On, None),
        SecureBoot::Off { .. } => (SecureBootState::Off, None),
        SecureBoot::Unknown { doubt } => (SecureBootState::Unknown, Some(doubt.to_string())),
    };
    let mut database = |name, hashes, lists: Option<SignatureLists<'_>>| {
        lists.map(|lists| key_database(name, hashes, lists, cut))
    };
    SecureBootClaims {
        state,
        doubt,
        setup_mode: configuration.setup_mode,
        audit_mode: configuration.audit_mode,
        deployed_mode: configuration.deployed_mode,
        pk: database("pk", MAX_HASHES, configuration.pk),
        kek: database("kek", MAX_HASHES, configuration.kek),
        db: database("db", MAX_HASHES, configuration.db),
        dbx: database("dbx", MAX_DBX_HASHES, configuration.dbx),
    }
}

fn key_database(name: &str, hashes: usize, lists: SignatureLists<'_>, cut: &mut Cut) -> KeyDatabaseClaim {
    let certificates = lists.signatures().filter_map(|signature| signature.certificate());
    let images = lists.signatures().filter(|signature| signature.kind() == SignatureKind::Sha256);
    let images = images.filter_map(|signature| signature.data().content().try_into().ok());
    KeyDatabaseClaim {
        entries: lists.count(),
        certificates: cut
            .list(&format!("secure_boot.{name}.certificates"), MAX_CERTIFICATES, certificates)
            .into_iter()
            .map(certificate)
            .collect(),
        image_sha256: cut.list(&format!("secure_boot.{name}.image_sha256"), hashes, images),
    }
}

fn certificate(certificate: X509Certificate<'_>) -> CertificateClaim {
    CertificateClaim {
        fingerprint: certificate.fingerprint(),
        subject: certificate.subject().filter(|subject| subject.len() <= MAX_SUBJECT),
    }
}

fn authorities(facts: &Facts<'_>, cut: &mut Cut) -> Option<Vec<AuthorityClaim>> {
    let vouching = facts.authorities()?.iter().filter(|authority| authority.vouches_for_image());
    let listed = cut.list("authorities", MAX_AUTHORITIES, vouching);
    let claim = |authority: &MeasuredAuthority<'_>| AuthorityClaim {
        source: authority
            .variable()
            .map(|variable| variable.name().chars().collect::<String>())
            .filter(|name| name.len() <= 32 && name.bytes().all(|b| b.is_ascii_graphic())),
        certificate: authority.certificate().map(certificate),
        digest: *authority.digest(),
        in_db: facts.is_in_db(authority),
    };
    Some(listed.into_iter().map(claim).collect())
}

fn shim(facts: &Facts<'_>, cut: &mut Cut) -> ShimClaims {
    let level = |level: SbatLevel<'_>| SbatLevelClaim {
        date: level.date(),
        components: level.components().map(|(name, generation)| (name.to_owned(), generation)).collect(),
        text: level.text().to_owned(),
    };
    let short = |level: &SbatLevel<'_>| {
        let short = level.text().len() <= MAX_TEXT / 2;
        if !short {
            cut.0.push("shim.sbat_level".to_owned());
        }
        short
    };
    ShimClaims {
        sbat_level: facts.shim().sbat_level.filter(short).map(level),
        verification_disabled: facts.shim().verification_disabled,
    }
}

fn images(facts: &Facts<'_>, cut: &mut Cut) -> ImageClaims {
    let digest = |image: &LoadedImage<'_>| *image.digest();
    ImageClaims {
        loaded: facts.images().map(|images| cut.list("images.loaded", MAX_IMAGES, images.iter().map(digest))),
        boot_loader: facts.boot_loader().map(digest),
        last: facts.images().and_then(<[_]>::last).map(digest),
    }
}

fn kernel(facts: &Facts<'_>, cut: &mut Cut) -> KernelClaims {
    let (command_line, contradicted) = match facts.command_line() {
        CommandLine::Unknown => (None, None),
        CommandLine::Bound { text, .. } => (Some(text.to_owned()), Some(false)),
        CommandLine::Contradicted { .. } => (None, Some(true)),
    };
    KernelClaims {
        command_line: command_line.and_then(|text| cut.text("kernel.command_line", MAX_TEXT, text)),
        command_line_contradicted: contradicted,
        efi_stub: facts.efi_stub().map(|stub| EfiStubClaim {
            load_options: stub.load_options,
            initrds: cut.list("kernel.efi_stub.initrds", MAX_INITRDS, stub.initrds.iter().copied()),
        }),
        uki_sections: facts.uki_sections().map(|sections| {
            let claim = |section: &crate::eventlog::UkiSection| UkiSectionClaim {
                name: section.name.clone(),
                digest: section.digest,
            };
            cut.list("kernel.uki_sections", MAX_SECTIONS, sections.iter().map(claim))
        }),
        overrides: facts.overrides().and_then(|texts| overrides(texts, cut)),
    }
}

fn system(facts: &Facts<'_>, cut: &mut Cut) -> SystemClaims {
    let identity = facts.identity();
    let mut short = |text: &str| cut.text("system.file_systems", MAX_FILE_SYSTEM, text.to_owned());
    let told = |found: &MeasuredFileSystem, short: &mut dyn FnMut(&str) -> Option<String>| {
        let mount_point = match &found.mount_point {
            Some(path) => Some(short(path)?),
            None => None,
        };
        Some(FileSystemClaim { mount_point, identity: short(&found.identity)? })
    };
    let file_systems = identity.file_systems.as_ref().and_then(|found| {
        found.iter().take(MAX_FILE_SYSTEMS).map(|found| told(found, &mut short)).collect::<Option<Vec<_>>>()
    });
    if identity.file_systems.as_ref().is_some_and(|found| found.len() > MAX_FILE_SYSTEMS) {
        cut.0.push("system.file_systems".to_owned());
    }
    SystemClaims {
        phases: facts.phases().map(|phases| {
            cut.list("system.phases", MAX_PHASES, phases.iter().map(|phase| (*phase).to_owned()))
        }),
        machine_id: identity.machine_id.clone(),
        file_systems,
        unexplained: identity.unexplained,
    }
}

/// All texts of PCR 12, or none: part of them would read as if nothing else had been there.
fn overrides(texts: &[crate::eventlog::Utf16<'_>], cut: &mut Cut) -> Option<Vec<String>> {
    let mut left = MAX_TEXT / 2;
    let mut told = Vec::new();
    for text in texts {
        let text = cut.text("kernel.overrides", left, text.chars().collect())?;
        left = left.checked_sub(text.len().max(8))?;
        told.push(text);
    }
    Some(told)
}
