use std::time::Duration;

use attest::HashAlgorithm;
use attest::appraise::{Appraiser, EndorsedKey, EndorsementRefusal, Endorsements};
use attest::challenge::{Challenge, Nonce};
use attest::policy::Policy;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::fixture::{Release, key_name, passed, standing, time};
use crate::supervise::Renewal;

const MODULES: &str = "[[module]]\nname = \"sensor\"\npath = \"bin/thermometer\"\n";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const BOOT: BootTime = BootTime::since_boot(Duration::from_secs(1000));

fn appraised() -> Timestamp {
    time("2026-06-01T12:00:00Z")
}

fn issue(set: &ModuleSet, wall_clock: &str) -> Result<StartPermit, PermitRefusal> {
    StartPermit::of_passed(passed(appraised(), HOUR), set, BOOT, time(wall_clock))
}

/// Checks a fresh permit against a situation that `change` makes differ from the right one.
fn check(
    change: impl FnOnce(&mut Standing, &mut Digest, &mut String, &mut Sha256, &mut BootTime),
) -> Result<(), PermitRefusal> {
    let set = Release::install(MODULES).set();
    let permit = issue(&set, "2026-06-01T12:00:00Z").unwrap();
    let (mut standing, mut modules, mut module, mut now) =
        (standing(), *set.digest(), "sensor".to_owned(), BOOT);
    let mut measured = set.get("sensor").unwrap().sha256();
    change(&mut standing, &mut modules, &mut module, &mut measured, &mut now);
    permit.check(&Situation { standing: &standing, modules: &modules, module: &module, measured, now })
}

#[test]
fn a_permit_covers_what_it_was_issued_for() {
    assert_eq!(check(|_, _, _, _, _| {}), Ok(()));
    assert_eq!(check(|_, _, _, _, now| *now = BOOT.after(Duration::from_secs(3599))), Ok(()));
}

#[test]
fn r01_a_permit_ends() {
    let ended = check(|_, _, _, _, now| *now = BOOT.after(Duration::from_secs(3600)));
    assert_eq!(ended, Err(PermitRefusal::Ended { since: Duration::ZERO }));
    let ended = check(|_, _, _, _, now| *now = BOOT.after(Duration::from_secs(4000)));
    assert_eq!(ended, Err(PermitRefusal::Ended { since: Duration::from_secs(400) }));
}

#[test]
fn r01_a_permit_of_another_boot() {
    let reset = check(|standing, _, _, _, _| standing.reset_count += 1);
    assert!(matches!(reset, Err(PermitRefusal::OtherBoot { expected_reset: 7, found_reset: 8, .. })));
    let resume = check(|standing, _, _, _, _| standing.restart_count += 1);
    assert!(matches!(resume, Err(PermitRefusal::OtherBoot { expected_restart: 2, found_restart: 3, .. })));
}

#[test]
fn r01_a_permit_by_another_policy() {
    let other = check(|standing, _, _, _, _| standing.policy_digest = HashAlgorithm::Sha256.digest(b"other"));
    assert!(matches!(other, Err(PermitRefusal::OtherPolicy { .. })));
}

#[test]
fn r01_a_permit_for_another_device() {
    assert_ne!(key_name(1), key_name(2));
    let other = check(|standing, _, _, _, _| standing.key = key_name(2));
    assert_eq!(other, Err(PermitRefusal::OtherDevice { expected: key_name(1), found: key_name(2) }));
}

#[test]
fn r01_a_permit_for_other_modules() {
    let other = check(|_, modules, _, _, _| *modules = HashAlgorithm::Sha256.digest(b"other"));
    assert!(matches!(other, Err(PermitRefusal::OtherModules { .. })));
    let unknown = check(|_, _, module, _, _| *module = "intruder".to_owned());
    assert_eq!(unknown, Err(PermitRefusal::UnknownModule { module: "intruder".to_owned() }));
    let changed = check(|_, _, _, measured, _| *measured = Sha256::of(b"other"));
    assert!(matches!(changed, Err(PermitRefusal::OtherBytes { found, .. }) if found == Sha256::of(b"other")));
}

#[test]
fn r01_an_appraisal_that_is_over_gives_no_permit() {
    let set = Release::install(MODULES).set();
    assert!(issue(&set, "2026-06-01T12:59:59Z").is_ok());
    for late in ["2026-06-01T13:00:00Z", "2027-01-01T00:00:00Z"] {
        assert!(matches!(issue(&set, late), Err(PermitRefusal::Stale { .. })), "{late}");
    }
    for lifetime in [SignedDuration::ZERO, -HOUR, SignedDuration::MIN] {
        let refused = StartPermit::of_passed(passed(appraised(), lifetime), &set, BOOT, appraised());
        assert!(matches!(refused, Err(PermitRefusal::Stale { .. })), "{lifetime}");
    }
}

#[test]
fn r07_the_wall_clock_does_not_move_a_permits_end() {
    let set = Release::install(MODULES).set();
    // Half the lifetime is over: the permit gets the other half, by a clock that nobody sets.
    let permit = issue(&set, "2026-06-01T12:30:00Z").unwrap();
    assert_eq!(permit.end(), BOOT.after(Duration::from_secs(1800)));
    // A clock that was set back before issuing gives no more than the whole lifetime, or nothing.
    let behind = issue(&set, "2026-06-01T11:59:30Z").unwrap();
    assert_eq!(behind.end(), BOOT.after(Duration::from_secs(3600)));
    for early in ["2026-06-01T11:58:59Z", "1970-01-01T00:00:00Z"] {
        let refusal = issue(&set, early).unwrap_err();
        assert!(matches!(refusal, PermitRefusal::FromTheFuture { .. }), "{early}");
        assert_eq!(refusal.threat(), "r07");
    }
}

#[test]
fn extreme_times_give_a_permit_or_a_refusal_and_no_overflow() {
    let set = Release::install(MODULES).set();
    for appraised in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        for lifetime in [SignedDuration::MIN, SignedDuration::MAX, HOUR] {
            for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
                let _ = StartPermit::of_passed(passed(appraised, lifetime), &set, BOOT, now);
            }
        }
    }
}

/// Vouches for nobody.
struct Nobody;

impl Endorsements for Nobody {
    fn attestation_key(&self, _: &[&[u8]], _: Timestamp) -> Result<EndorsedKey, EndorsementRefusal> {
        let (what, clock_not_set) = ("nobody is trusted".to_owned(), false);
        let (expected, found) = (String::new(), String::new());
        Err(EndorsementRefusal { id: "p01", what, expected, found, clock_not_set })
    }
}

#[test]
fn r01_an_appraisal_that_did_not_pass_gives_no_permit() {
    let policy = Policy::parse(
        "version = 1\nname = \"station\"\n[trust]\ndevice_roots = [\"root.pem\"]\nreference_keys = [\"k.pub\"]\n\
         [quote]\npcrs = [0]\n[boot]\nreferences = [\"r.json\"]\n",
    )
    .unwrap();
    let challenge = Challenge::new(Nonce::new(&[1; 32]).unwrap(), appraised(), HOUR);
    let appraisal =
        Appraiser::new(&policy, &[], &[], &Nobody).appraise(b"no evidence", challenge, appraised());
    let set = Release::install(MODULES).set();
    let refusal = StartPermit::issue(&appraisal, &set, BOOT, appraised()).unwrap_err();
    let PermitRefusal::NotTrusted { verdict: Verdict::Refused, reasons: 1, first } = &refusal else {
        panic!("{refusal}");
    };
    assert!(first.starts_with("[q08]"), "{first}");
    let renewal = Renewal::of(&appraisal, &set, BOOT, appraised());
    assert!(matches!(renewal, Renewal::Refused(reasons) if reasons.len() == 1));
}
