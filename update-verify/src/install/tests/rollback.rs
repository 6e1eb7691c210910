//! The rollback floor, pending releases, time and keys.

use super::*;

#[test]
fn u04_an_older_release_is_refused_even_on_an_empty_disk() {
    let mut device = Device::at(5);
    let refused = |error: InstallError| match error {
        InstallError::Package(PackageError::Rollback(refusal)) => refusal,
        other => panic!("{other}"),
    };
    assert_eq!(
        refused(device.install(&package(4)).unwrap_err()),
        FloorRefusal::Older { release: 4, floor: 5 }
    );
    device.assert_whole(5);
    fs::remove_dir_all(&device.root).unwrap();
    assert_eq!(
        refused(device.install(&package(4)).unwrap_err()),
        FloorRefusal::Older { release: 4, floor: 5 }
    );
    assert!(matches!(current(&device.root, &policy()), Err(InstallError::NoRelease { .. })));
    device.install(&package(5)).unwrap();
    device.assert_whole(5);
}

#[test]
fn u04_the_same_release_with_other_content_is_refused_and_with_the_same_reinstalled() {
    let mut device = Device::at(5);
    let mut other = manifest(FILES, 5);
    other["version"] = json!("1.5.1");
    let error = device.install(&signed(&other, &payload(FILES))).unwrap_err();
    assert!(matches!(
        error,
        InstallError::Package(PackageError::Rollback(FloorRefusal::OtherContent { release: 5, .. }))
    ));
    // A damaged file is repaired by installing the same package again.
    fs::write(device.current().path().join("etc/note"), b"evil").unwrap();
    device.install(&package(5)).unwrap();
    device.assert_whole(5);
    assert_eq!(device.names("releases").len(), 2);
}

#[test]
fn u04_a_disk_set_back_to_an_older_release_is_not_accepted() {
    let mut device = Device::at(1);
    let old = fs::read_link(device.root.join("current")).unwrap();
    device.install(&package(2)).unwrap();
    fs::remove_file(device.root.join("current")).unwrap();
    symlink(old, device.root.join("current")).unwrap();
    let error = current(&device.root, &policy().at_floor(device.floor.floor)).unwrap_err();
    assert_eq!(error.threat(), Some("u04"));
    // Resuming does not lower the floor either.
    device.resume();
    assert_eq!(device.floor.floor.release, 2);
}

#[test]
fn u05_an_installed_release_does_not_end_but_an_offer_does() {
    let mut device = Device::new();
    let mut value = manifest(FILES, 1);
    value["expires"] = json!("2026-07-01T00:00:00Z");
    let package = signed(&value, &payload(FILES));
    device.install(&package).unwrap();
    let later = policy_at("2026-08-01T00:00:00Z");
    current(&device.root, &later).unwrap();
    let error = install(
        &device.root,
        package.as_slice(),
        &later,
        &mut device.floor,
        Activation::AtOnce,
        &mut proceed,
    );
    assert_eq!(error.unwrap_err().threat(), Some("u05"));
}

#[test]
fn u16_a_missing_floor_stops_the_update() {
    struct Cleared;
    impl RollbackFloor for Cleared {
        fn current(&mut self) -> Result<Floor, FloorError> {
            Err(FloorError::Missing)
        }
        fn raise(&mut self, _: u64, _: [u8; 32]) -> Result<(), FloorError> {
            Err(FloorError::Missing)
        }
    }
    let device = Device::at(1);
    let package = package(2);
    let error =
        install(&device.root, package.as_slice(), &policy(), &mut Cleared, Activation::AtOnce, &mut proceed)
            .unwrap_err();
    assert!(error.is_refusal());
    assert_eq!(error.threat(), Some("u16"));
    device.assert_whole(1);
}

#[test]
fn a_pending_release_waits_for_its_confirmation() {
    let mut device = Device::at(1);
    device.install_as(&package(2), Activation::OnConfirm).unwrap();
    assert_eq!(device.current().manifest().release(), 1);
    let status = device.status();
    assert_eq!((status.pending.unwrap().release, status.floor.release), (2, 1));
    assert_eq!(pending(&device.root, &policy()).unwrap().manifest().release(), 2);
    device.resume();
    assert_eq!(confirm(&device.root, &policy(), &mut device.floor).unwrap().release, 2);
    device.assert_whole(2);
    let again = confirm(&device.root, &policy(), &mut device.floor);
    assert!(matches!(again, Err(InstallError::NoRelease { link: "pending" })));
}

#[test]
fn a_pending_release_can_be_given_up_and_replaced() {
    let mut device = Device::at(1);
    device.install_as(&package(3), Activation::OnConfirm).unwrap();
    discard_pending(&device.root).unwrap();
    device.assert_whole(1);
    assert_eq!(device.names("releases").len(), 1);
    device.install_as(&package(3), Activation::OnConfirm).unwrap();
    device.install_as(&package(4), Activation::OnConfirm).unwrap();
    device.install(&package(5)).unwrap();
    device.assert_whole(5);
}

#[test]
fn u04_a_pending_release_below_the_floor_is_not_confirmed() {
    let mut device = Device::at(1);
    device.install_as(&package(2), Activation::OnConfirm).unwrap();
    device.floor.floor.release = 9;
    let error = confirm(&device.root, &policy(), &mut device.floor).unwrap_err();
    assert_eq!(error.threat(), Some("u04"));
}

#[test]
fn a_package_by_a_new_key_replaces_a_release_by_the_old_one() {
    let mut device = Device::at(1);
    let next = new_key();
    let manifest = serde_json::to_vec(&manifest(FILES, 2)).unwrap();
    let bundle = crate::bundle::sign_managed(&manifest, &next).unwrap();
    let package = crate::fixture::assemble(&manifest, &bundle, &payload(FILES));
    let time = crate::fixture::time("2026-06-01T00:00:00Z");
    let rotated = TrustPolicy::new(vec![next.public_key().clone()], "station", "ws-2", time, time).unwrap();
    assert_ne!(next.public_key().id(), key().public_key().id());
    install(&device.root, package.as_slice(), &rotated, &mut device.floor, Activation::AtOnce, &mut proceed)
        .unwrap();
    assert_eq!(current(&device.root, &rotated).unwrap().manifest().release(), 2);
    assert!(drain(&package, &policy()).1.is_err());
}
