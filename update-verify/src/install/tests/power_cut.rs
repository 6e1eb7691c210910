//! A power cut at any step leaves the old or the new release, complete.

use std::os::unix::process::ExitStatusExt;

use super::*;
use crate::bundle::PublicKey;

#[test]
fn u12_a_power_cut_after_every_step_leaves_the_old_or_the_new_release_complete() {
    let steps = Device::at(1).cut_after(&eventful(2), usize::MAX).unwrap();
    assert!(steps.len() > 13, "{steps:?}");
    let switched = steps.iter().position(|step| *step == Step::Switched).unwrap();
    for count in 1..=steps.len() {
        let mut device = Device::at(1);
        let cut = device.cut_after(&eventful(2), count).unwrap_err();
        assert!(matches!(cut, InstallError::Stopped { after } if after == steps[count - 1]));
        let expected = if count > switched { 2 } else { 1 };
        // Before anything else ran: what is there is one of the two, complete.
        assert_eq!(device.current().manifest().release(), expected, "{cut}");
        // At the next start the floor follows.
        device.resume();
        device.assert_whole(expected);
        // And the update can be repeated to its end.
        device.install(&eventful(2)).unwrap();
        device.assert_whole(2);
    }
}

#[test]
fn u12_the_update_can_be_repeated_without_resuming_first() {
    let steps = Device::at(1).cut_after(&eventful(2), usize::MAX).unwrap();
    for count in 1..=steps.len() {
        let mut device = Device::at(1);
        device.cut_after(&eventful(2), count).unwrap_err();
        device.install(&eventful(2)).unwrap();
        device.assert_whole(2);
    }
}

#[test]
fn u12_everything_is_synced_before_the_release_is_moved_and_the_floor_comes_last() {
    let steps = Device::at(1).cut_after(&eventful(2), usize::MAX).unwrap();
    let expected = [
        Step::Locked,
        Step::Judged { payload_len: 2_097_257 },
        Step::FolderMade,
        Step::FileWritten { len: 5 },
        Step::ChunkWritten { len: CHUNK },
        Step::ChunkWritten { len: CHUNK },
        Step::FileWritten { len: 100 },
        Step::FileWritten { len: 0 },
        Step::DocumentsWritten,
        Step::FoldersSynced,
        Step::Placed,
        Step::LinkMade,
        Step::Switched,
        Step::SwitchSynced,
        Step::Raised,
        Step::PendingRemoved,
    ];
    assert_eq!(steps, expected);
}

#[test]
fn u12_a_power_cut_while_the_floor_rises_is_finished_by_the_next_start() {
    for steps in 0..=6 {
        let mut device = Device::at(1);
        device.floor.stops_after = Some(steps);
        let error = device.install(&package(7)).unwrap_err();
        assert!(matches!(error, InstallError::Floor(FloorError::Unavailable(_))));
        assert!(!error.is_refusal());
        device.floor.stops_after = None;
        assert!(device.status().is_floor_behind);
        device.resume();
        device.assert_whole(7);
        assert!(!device.status().is_floor_behind);
    }
}

#[test]
fn u12_a_stopped_installation_cleans_up_behind_itself() {
    let mut device = Device::at(1);
    let mut count = 0;
    let mut observer = |_| {
        count += 1;
        if count == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let package = eventful(2);
    let result = install(
        &device.root,
        package.as_slice(),
        &policy(),
        &mut device.floor,
        Activation::AtOnce,
        &mut observer,
    );
    assert!(matches!(result, Err(InstallError::Stopped { after: Step::ChunkWritten { .. } })));
    device.assert_whole(1);
}

#[test]
fn u12_a_power_cut_while_confirming_is_finished_by_the_next_start() {
    let mut device = Device::at(1);
    device.install_as(&package(4), Activation::OnConfirm).unwrap();
    device.floor.stops_after = Some(1);
    confirm(&device.root, &policy(), &mut device.floor).unwrap_err();
    device.floor.stops_after = None;
    device.resume();
    device.assert_whole(4);
}

/// The child of the next test: dies at once, without unwinding, after the given number of steps.
#[test]
fn child_of_u12_killed() {
    let (Ok(root), Ok(count)) = (std::env::var("UPDATE_VERIFY_ROOT"), std::env::var("UPDATE_VERIFY_STEPS"))
    else {
        return;
    };
    let count: usize = count.parse().unwrap();
    let package = fs::read(Path::new(&root).with_extension("hmk")).unwrap();
    let keys = vec![PublicKey::from_pem(&std::env::var("UPDATE_VERIFY_KEY").unwrap()).unwrap()];
    let time = crate::fixture::time("2026-06-01T00:00:00Z");
    let policy = TrustPolicy::new(keys, "station", "ws-2", time, time).unwrap();
    let mut steps = 0;
    let mut observer = |_| {
        steps += 1;
        if steps == count { std::process::abort() } else { ControlFlow::Continue(()) }
    };
    let mut floor = MemoryFloor::new();
    floor.floor.release = 1;
    let root = Path::new(&root);
    install(root, package.as_slice(), &policy, &mut floor, Activation::AtOnce, &mut observer).unwrap();
}

#[test]
fn u12_an_installer_killed_after_any_step_leaves_a_whole_release_and_no_lock() {
    let steps = Device::at(1).cut_after(&eventful(2), usize::MAX).unwrap().len();
    for count in 1..=steps {
        let mut device = Device::at(1);
        fs::write(device.root.with_extension("hmk"), eventful(2)).unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "install::tests::power_cut::child_of_u12_killed"])
            .env("UPDATE_VERIFY_ROOT", &device.root)
            .env("UPDATE_VERIFY_STEPS", count.to_string())
            .env("UPDATE_VERIFY_KEY", key().public_key().to_pem())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(6), "step {count}: {status}");
        let release = device.current().manifest().release();
        device.resume();
        device.assert_whole(release);
        device.install(&eventful(2)).unwrap();
        device.assert_whole(2);
    }
}
