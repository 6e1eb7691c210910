use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;
use crate::fixture::{drain, key, policy, time};
use crate::format::HEADER_LEN;
use crate::package::PackageReader;
use crate::sign::{SignError, sign_package};

const TEXT: &str = r#"
    product = "station"
    hardware = ["ws-2"]
    version = "1.0.0"
    release = 1
    [[module]]
    name = "app"
    path = "bin/app"
    args = ["--now"]
    env = { LANG = "C" }
"#;

fn description() -> Description {
    Description::from_toml(TEXT).unwrap()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("bin")).unwrap();
    fs::write(folder.path().join("bin/app"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.path().join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("bin-data"), vec![9; 1_048_577]).unwrap();
    fs::write(folder.path().join("empty"), b"").unwrap();
    folder
}

fn packed(folder: &TempDir) -> Result<Vec<u8>, PackError> {
    let mut out = Vec::new();
    pack(folder.path(), &description(), time("2026-05-01T00:00:00.7Z"), None, &mut out).map(|_| out)
}

#[test]
fn a_packed_and_signed_folder_verifies() {
    let folder = folder();
    let target = TempDir::new().unwrap();
    let file = target.path().join("a.hmk");
    let packed =
        pack_to_file(folder.path(), &description(), time("2026-05-01T00:00:00Z"), None, &file).unwrap();
    assert_eq!((packed.files, packed.payload_len), (3, 1_048_587));
    let unsigned = fs::read(&file).unwrap();
    assert_eq!(crate::fixture::refusal(&unsigned, &policy()).threat(), Some("u01"));
    sign_package(&file, key()).unwrap();
    let signed = fs::read(&file).unwrap();
    drain(&signed, &policy()).1.unwrap();
    let reader = PackageReader::open(signed.as_slice()).unwrap();
    assert!(reader.is_signed());
    let (manifest, _) = reader.verify(&policy()).unwrap();
    assert_eq!(manifest.digest(), packed.manifest_digest);
    let paths: Vec<_> = manifest.files().iter().map(|file| file.path()).collect();
    assert_eq!(paths, ["bin-data", "bin/app", "empty"]);
    assert!(manifest.files()[1].is_executable() && !manifest.files()[0].is_executable());
    assert_eq!(manifest.modules()[0].args(), ["--now"]);
    // Signing again replaces the signature and leaves the rest.
    sign_package(&file, key()).unwrap();
    let again = fs::read(&file).unwrap();
    drain(&again, &policy()).1.unwrap();
    assert_eq!(again[HEADER_LEN..][..manifest.bytes().len()], *manifest.bytes());
    assert_eq!(again[again.len() - 1_048_587..], unsigned[unsigned.len() - 1_048_587..]);
    // Packing and signing in one go gives the same package.
    let at_once = target.path().join("b.hmk");
    pack_to_file(folder.path(), &description(), time("2026-05-01T00:00:00Z"), Some(key()), &at_once).unwrap();
    let reader = PackageReader::open(fs::File::open(&at_once).unwrap()).unwrap();
    assert_eq!(reader.verify(&policy()).unwrap().0.digest(), packed.manifest_digest);
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let (first, second) = (folder(), folder());
    assert_eq!(packed(&first).unwrap(), packed(&second).unwrap());
}

#[test]
fn u10_links_sockets_and_setuid_files_are_not_packed() {
    let with_link = folder();
    symlink("/etc/passwd", with_link.path().join("link")).unwrap();
    assert!(matches!(packed(&with_link), Err(PackError::NotAFile { .. })));
    let with_folder_link = folder();
    symlink("/etc", with_folder_link.path().join("link")).unwrap();
    assert!(matches!(packed(&with_folder_link), Err(PackError::NotAFile { .. })));
    let with_socket = folder();
    let _socket = UnixListener::bind(with_socket.path().join("socket")).unwrap();
    let error = packed(&with_socket).unwrap_err();
    assert!(error.is_refusal());
    assert_eq!(error.threat(), Some("u10"));
    let setuid = folder();
    fs::set_permissions(setuid.path().join("bin/app"), fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(matches!(packed(&setuid), Err(PackError::SetId { .. })));
}

#[test]
fn u10_names_that_no_device_would_accept_are_not_packed() {
    for name in ["a\\b", "a\nb", "EMPTY"] {
        let folder = folder();
        fs::write(folder.path().join(name), b"").unwrap();
        assert!(matches!(packed(&folder), Err(PackError::Manifest(_))), "{name:?}");
    }
}

#[test]
fn u11_a_file_that_changes_between_the_passes_is_noticed() {
    let folder = folder();
    let sources = source::list(folder.path()).unwrap();
    for (index, change) in
        [(0, vec![8; 1_048_577]), (0, vec![9; 1_048_578]), (0, vec![9; 1_048_576]), (2, vec![1])]
    {
        let place = &sources[index].location;
        let before = fs::read(place).unwrap();
        let entry = source::measure(&sources[index]).unwrap();
        fs::write(place, change).unwrap();
        let error = copy(&sources[index], &entry, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, PackError::Changed { .. }), "{error}");
        fs::write(place, before).unwrap();
        copy(&sources[index], &entry, &mut Vec::new()).unwrap();
    }
}

#[test]
fn a_description_is_strict() {
    for bad in [
        TEXT.replace("version =", "verson ="),
        TEXT.replace("release = 1", "release = 1\nrelease = 2"),
        TEXT.replace("release = 1", "release = -1"),
        TEXT.replace("args =", "arg ="),
        String::new(),
    ] {
        assert!(matches!(Description::from_toml(&bad), Err(PackError::Description { .. })), "{bad}");
    }
    let mut wrong = description();
    wrong.modules[0].path = "bin/none".into();
    let folder = folder();
    let refused = pack(folder.path(), &wrong, time("2026-05-01T00:00:00Z"), None, &mut Vec::new());
    assert!(matches!(refused, Err(PackError::Manifest(_))));
}

#[test]
fn u13_a_target_that_can_not_be_written_leaves_no_file() {
    let folder = folder();
    let target = TempDir::new().unwrap();
    let nowhere = target.path().join("missing/a.hmk");
    let error = pack_to_file(folder.path(), &description(), time("2026-05-01T00:00:00Z"), None, &nowhere);
    assert!(matches!(error, Err(PackError::Write(_))));
    // A refused folder leaves nothing either.
    symlink("x", folder.path().join("link")).unwrap();
    let file = target.path().join("a.hmk");
    pack_to_file(folder.path(), &description(), time("2026-05-01T00:00:00Z"), None, &file).unwrap_err();
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

#[test]
fn u17_a_package_that_no_device_would_accept_is_not_signed() {
    let folder = folder();
    let good = packed(&folder).unwrap();
    let target = TempDir::new().unwrap();
    let file = target.path().join("a.hmk");
    let flipped = {
        let mut bytes = good.clone();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    for bad in [flipped, good[..good.len() - 1].to_vec(), [good.as_slice(), b"x"].concat(), b"no".to_vec()] {
        fs::write(&file, &bad).unwrap();
        let error = sign_package(&file, key()).unwrap_err();
        assert!(matches!(error, SignError::Package { .. }) && error.is_refusal(), "{error}");
        assert_eq!(fs::read(&file).unwrap(), bad);
    }
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 1);
}
