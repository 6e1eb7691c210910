use attest::HashAlgorithm;
use attest::reference::predict::{Beside, Boot, Payload, predict};
use attest::reference::{FileKey, FileKind, FileSet};

/// Sets of files: any bytes give a set or an error, every record that is listed is found, and look-ups end.
pub fn file_set(data: &[u8]) {
    let Ok(set) = FileSet::open(data) else { return };
    assert_eq!(set.as_bytes(), data);
    let name = set.name();
    let ordered = FileSet::open_named(data, &name).is_ok();
    for (key, path) in set.iter().take(64) {
        // Only a set in order, as signed ones are checked to be, finds everything.
        assert!(!ordered || set.contains(path, &key));
    }
    let digest = [0; 32];
    let key = FileKey { kind: FileKind::Contents, algorithm: HashAlgorithm::Sha256.name(), digest: &digest };
    let _ = (set.contains(b"/bin/sh", &key), set.paths_of(&key).count(), set.has_path(b"/bin/sh"));
}

/// Executables that a prediction reads: any bytes give digests or an error.
pub fn image(data: &[u8]) {
    // The bytes as an add-on and as files of the other kinds, too.
    let files = [("a.addon.efi", data), ("b.cred", data), ("c.raw", data)];
    let beside = Beside { extra: &files, addons: &[], credentials: &files };
    let payload = Payload::Uki { bytes: data, command_line: None, profile: 0, beside };
    let uki = Boot { loaders: &[], payload, secure_boot: false, keys: None };
    if let Ok(predicted) = predict(&uki, HashAlgorithm::Sha256) {
        assert!(!predicted.events().is_empty() || !predicted.notes().is_empty());
    }
    let payload = Payload::Kernel { bytes: data, command_line: Some("quiet"), initrd: Some(data) };
    let _ = predict(
        &Boot { loaders: &[("loader", data)], payload, secure_boot: true, keys: None },
        HashAlgorithm::Sha384,
    );
}
