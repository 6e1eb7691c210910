//! The manifest's parser: any bytes give a value or an error, and what is accepted keeps the format's rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use update_verify::{CHUNK_SIZE, Manifest, check_path};

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::parse(data) else { return };
    assert!(manifest.release() > 0);
    assert!(!manifest.hardware().is_empty());
    let files = manifest.files();
    assert!(files.iter().is_sorted_by(|a, b| a.path() < b.path()));
    for file in files {
        assert_eq!(check_path(file.path()), Ok(()));
        assert_eq!(u64::try_from(file.chunks().len()), Ok(file.size().div_ceil(CHUNK_SIZE)));
    }
    for module in manifest.modules() {
        assert!(files.iter().any(|file| file.path() == module.path() && file.is_executable()));
    }
});
