use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use super::*;
use crate::fixture::{Release, set_mode};

const MODULES: &str = "[[module]]\nname = \"sensor\"\npath = \"bin/thermometer\"\n\
                       [[module]]\nname = \"script\"\npath = \"bin/script\"\n";

fn refusal(release: &Release, name: &str) -> RuntimeError {
    let error = MeasuredModule::measure(&release.set(), name).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    error
}

#[test]
fn r02_a_file_that_was_altered_on_disk_is_refused() {
    let release = Release::install(MODULES);
    assert!(MeasuredModule::measure(&release.set(), "sensor").is_ok());
    let path = release.file("bin/thermometer");
    let right = std::fs::read(&path).unwrap();
    let mut flipped = right.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [right.as_slice(), b"\0"].concat();
    let shorter = &right[..right.len() - 1];
    for wrong in [flipped.as_slice(), &longer, shorter] {
        std::fs::write(&path, wrong).unwrap();
        assert!(matches!(refusal(&release, "sensor"), RuntimeError::Changed { .. }));
    }
    std::fs::write(&path, &right).unwrap();
    assert!(MeasuredModule::measure(&release.set(), "sensor").is_ok());
}

#[test]
fn r02_measured_bytes_can_not_be_written_by_anybody() {
    let release = Release::install(MODULES);
    let measured = MeasuredModule::measure(&release.set(), "sensor").unwrap();
    let path = format!("/proc/self/fd/{}", measured.sealed().as_raw_fd());
    let before = std::fs::read(&path).unwrap();
    let mut again = File::options().write(true).open(&path).unwrap();
    assert!(again.write_all(b"other").is_err());
    assert!(again.set_len(0).is_err() && again.set_len(1 << 30).is_err());
    assert!(rustix::fs::fcntl_add_seals(&again, SealFlags::FUTURE_WRITE).is_err());
    // The file on disk may change now: what was measured does not.
    std::fs::write(release.file("bin/thermometer"), b"other").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(Sha256::of(&before), measured.module().sha256());
}

#[test]
fn r02_a_script_is_refused_for_its_interpreter_is_not_measured() {
    let release = Release::install(MODULES);
    let error = refusal(&release, "script");
    assert!(matches!(error, RuntimeError::NotElf { is_script: true, .. }), "{error}");
    assert!(error.to_string().contains("#!"));
}

#[test]
fn r02_an_endless_or_special_file_in_the_modules_place_is_refused() {
    let release = Release::install(MODULES);
    let path = release.file("bin/thermometer");
    std::fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(matches!(refusal(&release, "sensor"), RuntimeError::NotAFile { .. }));
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    assert!(matches!(refusal(&release, "sensor"), RuntimeError::NotAFile { .. }));
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(refusal(&release, "sensor"), RuntimeError::NotElf { .. }));
}

#[test]
fn r09_what_others_can_write_to_is_refused() {
    let release = Release::install(MODULES);
    for (path, good) in [("bin/thermometer", 0o755), ("bin", 0o755), ("", 0o755)] {
        let path = release.file(path);
        for bad in [0o777, 0o775, 0o757] {
            set_mode(&path, bad);
            let error = refusal(&release, "sensor");
            assert!(matches!(error, RuntimeError::Unguarded { mode, .. } if mode == bad), "{error}");
            assert_eq!(error.threat(), Some("r09"));
        }
        set_mode(&path, good);
        assert!(MeasuredModule::measure(&release.set(), "sensor").is_ok());
    }
}

#[test]
fn r09_a_folder_that_is_a_link_is_not_followed() {
    let release = Release::install(MODULES);
    let set = release.set();
    std::fs::rename(release.file("bin"), release.file("elsewhere")).unwrap();
    symlink("elsewhere", release.file("bin")).unwrap();
    assert!(MeasuredModule::measure(&set, "sensor").is_err());
}

#[test]
fn only_a_module_of_the_set_is_measured() {
    let release = Release::install(MODULES);
    let error = MeasuredModule::measure(&release.set(), "../bin/thermometer").unwrap_err();
    assert!(matches!(error, RuntimeError::NoSuchModule { .. }));
}
