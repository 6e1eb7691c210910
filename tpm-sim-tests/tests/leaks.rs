//! A TPM has room for three objects and three sessions: nothing that a command loads may stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tpm::{Bank, IdentityKey, Tpm};
use tpm_sim_tests::Lab;

#[test]
fn a_thousand_attestations_leave_nothing_behind() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    let tcti = lab.tcti().parse().unwrap();
    let selection = [(Bank::Sha256, (0..11).collect())];
    // In one connection, in many, and by the command itself: what a daemon and what a script would do.
    let tpm = Tpm::open(&tcti).unwrap();
    for round in 0..500_u32 {
        let key = tpm.identity(IdentityKey::Attestation).unwrap().unwrap();
        tpm.quote(&key, &[round.to_be_bytes(); 4].concat(), &selection).unwrap();
    }
    assert_eq!(tpm.loaded_handles().unwrap(), [0_u32; 0]);
    drop(tpm);
    for round in 0..400_u32 {
        let tpm = Tpm::open(&tcti).unwrap();
        let key = tpm.identity(IdentityKey::Attestation).unwrap().unwrap();
        tpm.quote(&key, &[round.to_be_bytes(); 4].concat(), &selection).unwrap();
    }
    assert_eq!(Tpm::open(&tcti).unwrap().loaded_handles().unwrap(), [0_u32; 0]);
    // Another state folder, so that the command does not know the simulator for its own and frees nothing by itself.
    std::fs::create_dir_all(lab.path("other/identity")).unwrap();
    std::fs::copy(lab.path("state/identity/iak.pem"), lab.path("other/identity/iak.pem")).unwrap();
    for round in 0..100_u32 {
        let nonce = format!("{round:032x}");
        let ran = lab.hallmark(&["--state", "other", "attest", "--nonce", &nonce, "--out", "evidence"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(Tpm::open(&tcti).unwrap().loaded_handles().unwrap(), [0_u32; 0]);
}

#[test]
fn errors_and_panics_flush_too() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    let tcti = lab.tcti().parse().unwrap();
    let tpm = Tpm::open(&tcti).unwrap();
    for _ in 0..5 {
        let endorsement = tpm.endorsement_key().unwrap();
        let key = tpm.identity(IdentityKey::Attestation).unwrap().unwrap();
        assert_ne!(tpm.loaded_handles().unwrap(), [0_u32; 0], "the EK is loaded now");
        // Nonsense in the place of a credential: two sessions and a key are in the TPM when it is refused.
        assert!(tpm.activate_credential(&endorsement, &key, &[0, 2, 1, 2], &[0; 16]).is_err());
    }
    assert_eq!(tpm.loaded_handles().unwrap(), [0_u32; 0]);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _endorsement = tpm.endorsement_key().unwrap();
        panic!("in the middle");
    }));
    assert!(panicked.is_err());
    assert_eq!(tpm.loaded_handles().unwrap(), [0_u32; 0]);
}

/// Three endorsement keys that nobody flushes, as a program leaves them that is killed: the TPM has no room for a fourth.
fn fill(tcti: &tpm::Tcti) {
    for _ in 0..3 {
        let tpm = Tpm::open(tcti).unwrap();
        std::mem::forget(tpm.endorsement_key().unwrap());
        // Closing the connection would flush it.
        std::mem::forget(tpm);
    }
}

#[test]
fn what_a_killed_command_left_in_the_simulator_makes_room() {
    let lab = Lab::booted("sha256", "q35-sha256").unwrap().provisioned("gw-1").unwrap();
    let tcti = lab.tcti().parse().unwrap();
    let nonce = "5a".repeat(32);
    // A command that only uses persistent keys, and one that makes an object first.
    for arguments in [&["attest", "--nonce", &nonce, "--out", "evidence"][..], &["check"]] {
        fill(&tcti);
        let full = Tpm::open(&tcti).unwrap();
        assert_eq!(full.loaded_handles().unwrap().len(), 3);
        assert!(matches!(full.identity(IdentityKey::Attestation), Err(tpm::TpmError::Full { .. })));
        let ran = lab.hallmark(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(full.loaded_handles().unwrap(), [0_u32; 0]);
    }
}
