//! What must hold of an appraisal's claims, told a second time from the documents (docs/src/reference/facts.md).

use attest::PcrIndex;
use attest::appraisal::{
    BootClaims, Claims, ExitBootServicesClaim, PcrStanding, SecureBootState, ShimClaims, SystemClaims,
};
use attest::policy::{Demand, ImaRules, Policy, Reaction, Tolerance};

use crate::device::Device;

/// Facts do not hang on data that nothing binds, but for two: an image is no boot loader where its path says that it came out of the
/// firmware, and it is Linux's EFI stub that filled PCR 9 where the tags say so. What they tell is proven all the same.
pub(crate) fn assert_same_facts(with: Option<&BootClaims>, without: Option<&BootClaims>) {
    let (Some(with), Some(without)) = (with, without) else {
        assert!(with.is_none() && without.is_none());
        return;
    };
    let mut with = with.clone();
    if with.images.boot_loader.is_none() {
        with.images.boot_loader = without.images.boot_loader;
    }
    if without.kernel.efi_stub.is_none() {
        with.kernel.efi_stub = None;
    }
    assert_eq!(&with, without);
}

/// No fact comes of a register that its events do not explain.
pub(crate) fn assert_none_of_altered(device: &Device, boot: &BootClaims) {
    let altered = |index| PcrIndex::new(index).is_some_and(|pcr| device.choice.is_altered(pcr));
    let BootClaims { firmware, secure_boot, kernel, images, system, .. } = boot;
    if altered(0) {
        assert_eq!(firmware.version, None);
    }
    if altered(2) {
        assert_eq!(firmware.option_roms, None);
    }
    if altered(4) {
        assert_eq!((&images.loaded, images.boot_loader, images.last), (&None, None, None));
    }
    if altered(5) {
        assert_eq!(boot.exit_boot_services, ExitBootServicesClaim::Unknown);
    }
    if altered(7) {
        assert_eq!(secure_boot.state, SecureBootState::Unknown);
        assert!(secure_boot.setup_mode.or(secure_boot.audit_mode).or(secure_boot.deployed_mode).is_none());
        let keys = [&secure_boot.pk, &secure_boot.kek, &secure_boot.db, &secure_boot.dbx];
        assert!(keys.iter().all(|key| key.is_none()) && boot.authorities.is_none());
        assert_eq!(boot.shim, ShimClaims::default());
        assert_eq!((firmware.debugger, firmware.dma_protection_disabled), (None, None));
    }
    if altered(8) {
        assert_eq!((&kernel.command_line, kernel.command_line_contradicted), (&None, None));
    }
    if altered(9) {
        assert_eq!(kernel.efi_stub, None);
    }
    if altered(11) {
        assert_eq!((&kernel.uki_sections, &system.phases), (&None, &None));
    }
    if altered(12) {
        assert_eq!(kernel.overrides, None);
    }
    if altered(15) {
        assert_eq!(system, &SystemClaims { phases: system.phases.clone(), ..SystemClaims::default() });
    }
    let told = boot.misplaced_events.iter().map(|misplaced| misplaced.pcr);
    assert!(told.chain(boot.faults.iter().map(|fault| fault.pcr)).all(|pcr| !device.choice.is_altered(pcr)));
}

/// A pass means that every rule of the policy holds of what is claimed.
pub(crate) fn assert_rules_hold(policy: &Policy, device: &Device, claims: &Claims) {
    let judged = |pcr: PcrIndex| policy.quote.pcrs.contains(&pcr);
    let strictly = |pcr: PcrIndex| judged(pcr) && !policy.quote.tolerate.contains(&pcr);
    for claim in &claims.pcrs {
        assert_eq!(claim.judged, judged(claim.pcr));
        assert!(!claim.judged || claim.standing != PcrStanding::Unexplained, "{claim:?}");
        let by_list = claim.pcr == PcrIndex::IMA;
        let good = matches!(claim.standing, PcrStanding::Known | PcrStanding::Untouched)
            || by_list && claim.standing == PcrStanding::Explained;
        assert!(good || !strictly(claim.pcr), "{claim:?}");
        assert!(!strictly(claim.pcr) || !device.choice.is_altered(claim.pcr), "{claim:?}");
    }
    assert!(claims.release.is_some(), "a pass is of a release");
    if policy.quote.restarts == Reaction::Refuse {
        assert!(claims.clock.is_some_and(|clock| clock.restart_count == 0));
    }
    let boot = claims.boot.as_ref().expect("a pass has facts");
    assert_boot(policy, boot, &strictly);
    if let Some(ima) = &policy.ima {
        assert_files(ima, claims);
    }
}

fn assert_boot(policy: &Policy, boot: &BootClaims, strictly: &dyn Fn(PcrIndex) -> bool) {
    let rules = &policy.boot;
    let BootClaims { firmware, secure_boot, kernel, .. } = boot;
    if rules.secure_boot == Demand::Require {
        assert_eq!(secure_boot.state, SecureBootState::On);
        assert_ne!(boot.shim.verification_disabled, Some(true));
    }
    if rules.setup_mode == Tolerance::Refuse {
        assert_eq!(secure_boot.setup_mode, Some(false));
        assert_ne!(secure_boot.audit_mode, Some(true));
    }
    if let Some(least) = rules.dbx_minimum {
        let dbx = secure_boot.dbx.as_ref().expect("a proven dbx");
        assert!(u32::try_from(dbx.entries).unwrap_or(u32::MAX) >= least);
    }
    if rules.option_roms == Tolerance::Refuse {
        assert_eq!(firmware.option_roms.as_deref(), Some(&[][..]));
    }
    if rules.debugger == Tolerance::Refuse {
        assert_eq!(firmware.debugger, Some(false));
    }
    if rules.dma_protection == Tolerance::Refuse {
        assert_eq!(firmware.dma_protection_disabled, Some(false));
    }
    if rules.exit_boot_services == Tolerance::Refuse {
        assert_eq!(boot.exit_boot_services, ExitBootServicesClaim::Succeeded);
    }
    if rules.event_placement == Tolerance::Refuse {
        assert!(!boot.misplaced_events.iter().any(|misplaced| strictly(misplaced.pcr)));
    }
    assert!(!boot.faults.iter().any(|fault| strictly(fault.pcr)));
    if !rules.firmware_versions.is_empty() {
        let version = firmware.version.as_ref().expect("a proven version");
        assert!(rules.firmware_versions.contains(version));
    }
    if !rules.command_line.is_empty() {
        assert_ne!(kernel.command_line_contradicted, Some(true));
        let told = kernel.command_line.as_ref();
        assert!(told.is_none_or(|line| rules.command_line.contains(line)), "{told:?}");
        let image = kernel.uki_sections.as_ref();
        assert!(told.is_some() || image.is_some() || kernel.efi_stub.is_some(), "no loader told one");
    }
}

fn assert_files(rules: &ImaRules, claims: &Claims) {
    let Some(files) = &claims.ima else {
        assert_eq!(rules.list, Demand::Optional);
        return;
    };
    assert!(files.attested > 0 && files.violations <= files.attested);
    assert!(files.unknown_files + files.signed_files + files.excluded_files <= files.attested);
    assert!(rules.unknown_files == Reaction::Report || files.unknown_files == 0);
    assert!(u32::try_from(files.kexecs).is_ok_and(|kexecs| kexecs <= rules.kexec_maximum));
    assert!(rules.violations == Reaction::Report || files.violations == 0);
}
