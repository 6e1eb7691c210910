//! Targets that are full, taken, not writable, or lead elsewhere.

use super::*;

#[test]
fn u10_links_in_the_target_lead_nowhere() {
    let mut device = Device::at(1);
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious");
    fs::write(&precious, b"precious").unwrap();
    // Left behind, as if a run had been interrupted: removed, not followed.
    symlink(outside.path(), device.root.join(".incoming")).unwrap();
    symlink(outside.path(), device.root.join(".link")).unwrap();
    device.install(&package(2)).unwrap();
    device.assert_whole(2);
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    // `releases` itself as a link.
    fs::rename(device.root.join("releases"), device.root.join("elsewhere")).unwrap();
    symlink(outside.path(), device.root.join("releases")).unwrap();
    device.install(&package(3)).unwrap_err();
    assert!(current(&device.root, &policy()).is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn u10_a_current_that_points_elsewhere_is_refused_and_repaired_by_the_next_update() {
    for target in ["/etc", "releases/..", "releases/../../x", "elsewhere", "releases/1-ab"] {
        let mut device = Device::at(1);
        fs::remove_file(device.root.join("current")).unwrap();
        symlink(target, device.root.join("current")).unwrap();
        let error = current(&device.root, &policy()).unwrap_err();
        assert!(matches!(error, InstallError::BadLink { .. }), "{error}");
        assert!(error.is_refusal());
        device.install(&package(2)).unwrap();
        device.assert_whole(2);
    }
}

#[test]
fn u13_two_installers_at_once_do_not_meet() {
    let mut device = Device::at(1);
    let held = Root::lock(&device.root).unwrap();
    let error = device.install(&package(2)).unwrap_err();
    assert!(matches!(error, InstallError::Busy { .. }));
    assert!(!error.is_refusal());
    drop(held);
    device.install(&package(2)).unwrap();
    device.assert_whole(2);
}

#[test]
fn u13_a_reader_that_fails_midway_leaves_the_old_release() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable"))
        }
    }
    let mut device = Device::at(1);
    let package = package(2);
    let reader = package[..package.len() - 3].chain(Failing);
    let error = install(&device.root, reader, &policy(), &mut device.floor, Activation::AtOnce, &mut proceed)
        .unwrap_err();
    assert!(!error.is_refusal(), "{error}");
    device.assert_whole(1);
}

#[test]
fn u13_a_payload_larger_than_the_disk_is_refused_before_it_is_written() {
    let device = Device::at(1);
    let error = Root::lock(&device.root).unwrap().check_space(u64::MAX).unwrap_err();
    assert!(matches!(error, InstallError::NoSpace { needed: u64::MAX, .. }));
    assert_eq!(error.threat(), Some("u13"));
}

#[test]
fn u13_a_target_that_can_not_be_written_is_told() {
    let mut floor = MemoryFloor::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    for target in [file.as_path(), Path::new("/proc/update"), &folder.path().join("missing/app")] {
        let package = package(1);
        let error =
            install(target, package.as_slice(), &policy(), &mut floor, Activation::AtOnce, &mut proceed)
                .unwrap_err();
        assert!(matches!(error, InstallError::Io { .. }), "{error}");
        assert!(error.to_string().contains(target.to_str().unwrap()), "{error}");
        assert!(!error.is_refusal());
    }
    assert_eq!(floor.floor.release, 0);
}

/// The child of the next test: runs under a limit on the size of files.
#[test]
fn child_of_u13_disk_full() {
    let Some(root) = std::env::var_os("UPDATE_VERIFY_LIMITED_ROOT") else { return };
    let mut floor = MemoryFloor::new();
    let (small, big) = (package(1), eventful(2));
    let run = |package: &[u8], floor: &mut MemoryFloor| {
        let root = Path::new(&root);
        install(root, package, &policy(), floor, Activation::AtOnce, &mut proceed)
    };
    run(&small, &mut floor).unwrap();
    let error = run(&big, &mut floor).unwrap_err();
    assert!(matches!(&error, InstallError::Io { doing: "write", .. }), "{error}");
    assert!(!error.is_refusal());
    assert_eq!(current(Path::new(&root), &policy()).unwrap().manifest().release(), 1);
    assert_eq!(floor.floor.release, 1);
    println!("refused by the limit");
}

#[test]
fn u13_a_disk_that_is_full_midway_leaves_the_old_release_and_no_remains() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    // 1024 blocks of 512 bytes: less than the first chunk of the big file. A write beyond gives EFBIG.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "install::tests::target::child_of_u13_disk_full", "--nocapture"])
        .env("UPDATE_VERIFY_LIMITED_ROOT", &root)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("refused by the limit"), "{output:?}");
    assert!(!root.join(".incoming").exists());
    assert_eq!(fs::read_dir(root.join("releases")).unwrap().count(), 1);
}

#[test]
fn r09_a_target_that_others_can_write_to_is_refused() {
    let mut device = Device::at(1);
    fs::set_permissions(&device.root, fs::Permissions::from_mode(0o777)).unwrap();
    let error = device.install(&package(2)).unwrap_err();
    assert!(matches!(error, InstallError::WritableByOthers { mode: 0o777, .. }));
    assert!(current(&device.root, &policy()).is_err());
}

#[test]
fn r09_a_target_of_another_user_is_refused() {
    let mut device = Device::at(1);
    if std::os::unix::fs::chown(&device.root, Some(4711), None).is_err() {
        println!("skipped: only root can give a folder away");
        return;
    }
    let error = device.install(&package(2)).unwrap_err();
    assert!(matches!(error, InstallError::ForeignOwner { uid: 4711, .. }));
    assert_eq!(error.threat(), Some("r09"));
}
