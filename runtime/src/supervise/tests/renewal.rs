//! Permits that end, are renewed, or are refused.

use super::*;

#[test]
fn r01_another_boot_device_or_policy_starts_nothing() {
    let changes: [fn(&mut Standing); 4] = [
        |standing| standing.reset_count += 1,
        |standing| standing.restart_count += 1,
        |standing| standing.key = key_name(2),
        |standing| standing.policy_digest = attest::HashAlgorithm::Sha256.digest(b"other"),
    ];
    let release = Release::install(SENSOR);
    for change in changes {
        let mut here = standing();
        change(&mut here);
        let ended = Run::of(supervisor(&release, HOUR, here, unreachable_verifier)).ended();
        assert!(matches!(ended, Ended::PermitRefused(_)) && ended.is_refusal(), "{ended}");
        let status = status(&release);
        assert_eq!(status.trust, Trust::Refused);
        assert_eq!(status.modules[0].state, ModuleState::Stopped);
        assert_eq!(fs::metadata(release.state().join("log/sensor.log")).unwrap().len(), 0);
    }
}

#[test]
fn r04_modules_stop_when_the_device_no_longer_passes() {
    let release = Release::install(&format!("{SENSOR}{SENDER}"));
    let refuse = |_: &ModuleSet| {
        Renewal::Refused(vec![Reason {
            id: "e01",
            what: "the log leads to another value".into(),
            place: "PCR 4".into(),
            expected: String::new(),
            found: String::new(),
        }])
    };
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(8), standing(), refuse));
    let pids = [pid(&release, "sensor"), pid(&release, "sender")];
    let ended = run.ended();
    assert!(matches!(&ended, Ended::Refused(reasons) if reasons.len() == 1) && ended.threat() == Some("r04"));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    let status = status(&release);
    assert_eq!(status.trust, Trust::Refused);
    assert!(status.reason.unwrap().contains("PCR 4"));
    assert!(status.modules.iter().all(|m| m.state == ModuleState::Stopped));
}

#[test]
fn modules_stop_when_another_release_took_their_place() {
    let release = Release::install(SENSOR);
    let superseded = |_: &ModuleSet| Renewal::Superseded("gw 2 (release 2)".to_owned());
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(8), standing(), superseded));
    let pid = pid(&release, "sensor");
    let ended = run.ended();
    assert!(matches!(&ended, Ended::Superseded { by } if by.contains("release 2")), "{ended}");
    assert!(!ended.is_refusal() && ended.threat().is_none());
    assert!(!is_alive(pid));
    assert_eq!(status(&release).trust, Trust::Trusted);
}

#[test]
fn a_busy_tpm_counts_against_no_module() {
    let release = Release::install(SENSOR);
    let busy = limits().restarts * 3;
    let run = Run::of(supervisor_that_asks(&release, HOUR, Busy(busy)));
    let pid = pid(&release, "sensor");
    assert!(is_alive(pid));
    assert_eq!(status(&release).modules[0].restarts, 0);
    run.stopper.stop();
    assert!(matches!(run.ended(), Ended::OnRequest));
}

#[test]
fn r05_modules_run_on_while_the_verifier_is_unreachable_and_stop_at_the_permits_end() {
    let release = Release::install(SENSOR);
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(8), standing(), unreachable_verifier));
    let pid = pid(&release, "sensor");
    eventually("it is told in the status", || {
        let status = status(&release);
        (status.trust == Trust::Unconfirmed && status.reason?.contains("no route")).then_some(())
    });
    assert!(is_alive(pid));
    let ended = run.ended();
    assert!(matches!(&ended, Ended::PermitEnded { why } if why.contains("no route")), "{ended}");
    assert!(!is_alive(pid));
    assert_eq!(status(&release).trust, Trust::Ended);
}

#[test]
fn r05_a_verifier_that_never_answers_does_not_prolong_the_permit() {
    let release = Release::install(SENSOR);
    let hang = |_: &ModuleSet| {
        thread::sleep(Duration::from_secs(3600));
        Renewal::Unreachable("never".into())
    };
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(4), standing(), hang));
    let pid = pid(&release, "sensor");
    assert!(matches!(run.ended(), Ended::PermitEnded { .. }));
    assert!(!is_alive(pid));
}

#[test]
fn r04_an_attestation_that_panics_stops_the_modules() {
    let release = Release::install(SENSOR);
    let panics = |_: &ModuleSet| panic!("a bug");
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(4), standing(), panics));
    let pid = pid(&release, "sensor");
    assert!(matches!(run.ended(), Ended::AttestationLost));
    assert!(!is_alive(pid));
}

#[test]
fn a_renewed_permit_lets_the_modules_run_on() {
    let release = Release::install(SENSOR);
    let (count, renewals) = channel();
    let renew = move |set: &ModuleSet| {
        let _ = count.send(());
        Renewal::Permit(permit(set, SignedDuration::from_secs(3)).into())
    };
    let run = Run::of(supervisor(&release, SignedDuration::from_secs(4), standing(), renew));
    let pid = pid(&release, "sensor");
    for _ in 0..3 {
        renewals.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    assert!(is_alive(pid));
    assert!(matches!(run.stop(), Ended::OnRequest));
}

#[test]
fn r01_a_renewed_permit_for_other_modules_stops_them() {
    let (release, other) = (Release::install(SENSOR), Release::install(SENDER_ALONE).set());
    let renew = move |_: &ModuleSet| Renewal::Permit(permit(&other, HOUR).into());
    let ended = Run::of(supervisor(&release, SignedDuration::from_secs(1), standing(), renew)).ended();
    assert!(matches!(ended, Ended::PermitRefused(PermitRefusal::OtherModules { .. })), "{ended}");
}

const SENDER_ALONE: &str = "[[module]]\nname = \"sensor\"\npath = \"bin/forwarder\"\n";
