use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use pki::chain::RevokedCertificates;
use pki::ledger::{Ledger, Standing};
use rustix::fs::{MemfdFlags, memfd_create};

thread_local! {
    /// A file in memory: a ledger is read out of a file.
    static FILE: RefCell<File> = RefCell::new(
        memfd_create("ledger", MemfdFlags::CLOEXEC).expect("memory").into()
    );
}

/// A factory's ledger, and a list of revoked certificates: any file gives a ledger or an error; what was read is found again, and a
/// ledger that was opened opens the same once more.
pub fn ledger(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(revoked) = RevokedCertificates::from_text(text)
    {
        assert_eq!(RevokedCertificates::from_text(&revoked.to_string()).as_ref(), Ok(&revoked));
        assert!(revoked.count() <= text.lines().count());
    }
    FILE.with_borrow_mut(|file| {
        file.set_len(0).expect("memory");
        file.rewind().expect("memory");
        file.write_all(data).expect("memory");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if let Ok(mut ledger) = Ledger::open(&path) {
            check(&mut ledger);
            let again = Ledger::open(&path).expect("it was read before");
            assert_eq!(again.records(), ledger.records());
        }
    });
}

fn check(ledger: &mut Ledger) {
    let records = ledger.records().to_vec();
    for record in &records {
        let device = record.device_id();
        let Some(enrolment) = record.enrolment() else { continue };
        assert!(!enrolment.certificates.is_empty());
        assert!(enrolment.certificates.iter().all(|certificate| ledger.knows(&certificate.sha256)));
        let found = ledger.find(device).and_then(|found| found.enrolment());
        if let Some(found) = found {
            let tpm = found.ek_certificate;
            assert!(!ledger.is_revoked(device));
            assert_eq!(ledger.find_by_ek(&tpm).map(|record| record.device_id()), Some(device));
            assert!(matches!(ledger.standing(device, &tpm), Ok(Standing::AlreadyProvisioned(_))));
        } else {
            assert!(ledger.is_revoked(device), "enrolled and not found");
        }
    }
    assert!(RevokedCertificates::from_serials(ledger.revoked_serials()).is_ok());
}
