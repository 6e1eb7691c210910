//! What is installed is what was signed.

use super::*;

#[test]
fn u11_what_was_hashed_is_what_is_installed() {
    let device = Device::at(1);
    let release = device.current();
    for (path, bytes, executable) in FILES {
        assert_eq!(read(&release, path), *bytes);
        let metadata = fs::symlink_metadata(release.path().join(path)).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o7777, if *executable { 0o755 } else { 0o644 });
        assert_eq!(metadata.nlink(), 1);
    }
    let kept = release.path().parent().unwrap();
    assert_eq!(fs::read(kept.join("manifest.json")).unwrap(), release.manifest().bytes());
    assert_eq!(fs::read(kept.join("manifest.sigstore.json")).unwrap(), release.manifest().bundle());
    device.assert_whole(1);
}

#[test]
fn a_status_tells_release_and_floor() {
    let mut device = Device::at(3);
    let status = device.status();
    let current = status.current.unwrap();
    assert_eq!((current.version.as_str(), current.release), ("1.3.0", 3));
    assert_eq!(status.floor.release, 3);
    assert_eq!(status.floor.manifest_digest, Some(*current.manifest_digest.as_bytes()));
    assert!(status.pending.is_none() && !status.is_floor_behind);
}

#[test]
fn an_update_replaces_the_release_and_keeps_the_one_before_until_the_next() {
    let mut device = Device::at(1);
    device.install(&package(2)).unwrap();
    device.assert_whole(2);
    assert_eq!(device.names("releases").len(), 2);
    device.install(&package(3)).unwrap();
    device.assert_whole(3);
    let releases = device.names("releases");
    assert_eq!(releases.len(), 2);
    assert!(releases[0].starts_with("2-") && releases[1].starts_with("3-"), "{releases:?}");
}

#[test]
fn u01_an_unsigned_or_foreign_package_changes_nothing() {
    let mut device = Device::at(1);
    let manifest = serde_json::to_vec(&manifest(FILES, 2)).unwrap();
    for bundle in [Vec::new(), crate::bundle::sign_managed(&manifest, &new_key()).unwrap()] {
        let bad = crate::fixture::assemble(&manifest, &bundle, &payload(FILES));
        let error = device.install(&bad).unwrap_err();
        assert!(error.is_refusal());
        assert_eq!(error.threat(), Some("u01"));
        device.assert_whole(1);
    }
}

#[test]
fn u02_no_byte_of_a_bad_chunk_reaches_the_disk() {
    let mut device = Device::at(1);
    let good = large();
    let mut bad = good.clone();
    bad[CHUNK + 5] ^= 1;
    let files: Files<'_> = &[("big", good.as_slice(), false)];
    let bad = signed(&manifest(files, 2), &bad);
    // Without cleaning up, to see what was written.
    let error = device.cut_after(&bad, usize::MAX).unwrap_err();
    assert_eq!(error.threat(), Some("u02"));
    assert_eq!(fs::read(device.root.join(".incoming/tree/big")).unwrap(), good[..CHUNK]);
    // And with.
    assert!(device.install(&bad).unwrap_err().is_refusal());
    device.assert_whole(1);
}

#[test]
fn u02_a_package_cut_off_or_longer_is_not_installed() {
    let mut device = Device::at(1);
    let good = package(2);
    let cut = &good[..good.len() - 1];
    let longer = [good.as_slice(), b"x"].concat();
    for bad in [cut, longer.as_slice()] {
        assert_eq!(device.install(bad).unwrap_err().threat(), Some("u02"));
        device.assert_whole(1);
    }
}

#[test]
fn u11_a_file_swapped_after_installing_is_noticed() {
    let device = Device::at(1);
    let release = device.current();
    let place = release.path().join("bin/app");
    fs::write(&place, b"#!/bin/sh\nexit 9\n").unwrap();
    assert!(matches!(release.verify_files(), Err(InstallError::FileChanged { .. })));
    fs::write(&place, b"#!/bin/sh\nexit 0\n#").unwrap();
    assert!(matches!(release.verify_files(), Err(InstallError::FileChanged { .. })));
    fs::remove_file(&place).unwrap();
    symlink("/bin/sh", &place).unwrap();
    assert!(release.verify_files().is_err());
    assert!(release.open_file("bin/app").is_err());
    assert!(matches!(release.open_file("../manifest.json"), Err(InstallError::NoSuchFile { .. })));
}

#[test]
fn u03_a_kept_manifest_that_was_changed_is_refused() {
    let device = Device::at(1);
    let kept = device.current().path().parent().unwrap().join("manifest.json");
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace("\"release\":1", "\"release\":9")).unwrap();
    let error = current(&device.root, &policy()).unwrap_err();
    assert!(matches!(error, InstallError::Package(PackageError::Signature(BundleError::OtherArtifact))));
}
