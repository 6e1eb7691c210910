//! The ledger's file: append-only, one writer at a time, and whole after a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use attest::Digest;
use rustix::fs::{FlockOperation, flock};

use super::book::Book;
use super::record::{self, MAX_LINE};
use super::{LedgerError, Record, RecordError, Standing};
use crate::device_id::DeviceId;

/// What was found after the last whole line: a power cut met a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Torn {
    /// The whole record was there and only its newline was missing: it counts, and the next append adds the newline.
    Completed {
        /// Where it starts.
        offset: u64,
    },
    /// A piece of a record: its certificate had not left the factory's hands. The next append cuts it off.
    Cut {
        /// Where it starts.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

/// The ledger. Several processes may have it open: each append takes the lock, reads what the others added, and checks
/// its rules against that.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    book: Book,
    /// Bytes of the whole lines that `book` holds.
    read: u64,
    torn: Option<Torn>,
}

impl Ledger {
    /// Opens the ledger, or makes an empty one in a folder that exists.
    ///
    /// # Errors
    /// [`LedgerError::Line`] when a line is no record, [`LedgerError::Io`] when the file can't be read.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let at = |error| LedgerError::Io { path: path.to_owned(), error };
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).append(true).mode(0o640);
            options
        };
        let file = match options().create_new(true).open(path) {
            Ok(created) => {
                // A file that a power cut could take back would take a certificate's line with it.
                created.sync_all().map_err(at)?;
                sync_folder(path)?;
                created
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options().open(path).map_err(at)?,
            Err(error) => return Err(at(error)),
        };
        if !file.metadata().map_err(at)?.is_file() {
            return Err(at(io::Error::new(io::ErrorKind::InvalidInput, "a ledger is a regular file")));
        }
        let mut ledger = Self { path: path.to_owned(), file, book: Book::default(), read: 0, torn: None };
        ledger.locked(FlockOperation::LockShared, Self::catch_up)?;
        Ok(ledger)
    }

    /// All records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.book.records()
    }

    /// What a power cut left at the end of the file, if anything: to be shown to the operator.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// The enrolment in force of a device; `None` when it was never enrolled, or was revoked last.
    #[must_use]
    pub fn find(&self, device_id: &DeviceId) -> Option<&Record> {
        self.book.find(device_id)
    }

    /// The enrolment in force of a TPM, by the SHA-256 of its EK certificate.
    #[must_use]
    pub fn find_by_ek(&self, ek_certificate: &Digest) -> Option<&Record> {
        self.book.find_by_ek(ek_certificate)
    }

    /// Whether a certificate is on record, in force or not, by its SHA-256.
    #[must_use]
    pub fn knows(&self, certificate: &Digest) -> bool {
        self.book.knows(certificate)
    }

    /// Whether the last thing that became of a device is its revocation.
    #[must_use]
    pub fn is_revoked(&self, device_id: &DeviceId) -> bool {
        self.book.is_revoked(device_id)
    }

    /// Serial numbers, hex, of every certificate whose device was revoked after it got it: what a
    /// [`RevokedCertificates`](crate::chain::RevokedCertificates) list is made of.
    #[must_use]
    pub fn revoked_serials(&self) -> Vec<&str> {
        self.book.revoked_serials()
    }

    /// Whether a device may be provisioned with a TPM, asked before any key is certified.
    ///
    /// # Errors
    /// [`LedgerError::OtherTpm`] and [`LedgerError::OtherDevice`] (threat p05): an operator must revoke the first one.
    pub fn standing(
        &mut self,
        device_id: &DeviceId,
        ek_certificate: &Digest,
    ) -> Result<Standing, LedgerError> {
        self.locked(FlockOperation::LockShared, Self::catch_up)?;
        self.book.standing(device_id, ek_certificate)
    }

    /// Appends a record and returns when it is on the disk.
    ///
    /// An enrolment is refused when the device id is enrolled with another TPM, or the TPM with another device id; the
    /// same two again are accepted, since a run that was cut off must be able to finish (threat p11). Only when this has
    /// returned may the caller let a certificate out of its hands.
    ///
    /// # Errors
    /// [`LedgerError`]; the file is as it was before.
    pub fn append(&mut self, record: Record) -> Result<(), LedgerError> {
        let line = record.to_line()?;
        self.locked(FlockOperation::LockExclusive, |ledger| {
            ledger.catch_up()?;
            ledger.book.check(&record)?;
            ledger.mend()?;
            ledger.write(&line)?;
            ledger.book.push(record);
            Ok(())
        })
    }

    fn locked<T>(
        &mut self,
        operation: FlockOperation,
        work: impl FnOnce(&mut Self) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        flock(&self.file, operation).map_err(|error| self.io(error.into()))?;
        let outcome = work(self);
        // Closing the file would free the lock as well; an error here changes nothing that has been written.
        flock(&self.file, FlockOperation::Unlock).map_err(|error| self.io(error.into()))?;
        outcome
    }

    fn io(&self, error: io::Error) -> LedgerError {
        LedgerError::Io { path: self.path.clone(), error }
    }

    /// Reads the lines that were added since the last time.
    fn catch_up(&mut self) -> Result<(), LedgerError> {
        let mut added = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.read))
            .and_then(|_| self.file.read_to_end(&mut added))
            .map_err(|error| self.io(error))?;
        if matches!(self.torn.take(), Some(Torn::Completed { .. })) {
            // The record without a newline was counted already; whoever appended since has added the newline.
            self.book.pop();
        }
        let mut rest = added.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let record = Record::from_line(line).map_err(|error| self.bad_line(error.to_string()))?;
            self.enter(record)?;
            self.read = self.read.saturating_add(length(line)).saturating_add(1);
            rest = after.get(1..).unwrap_or_default();
        }
        self.torn = self.read_torn(rest)?;
        Ok(())
    }

    fn read_torn(&mut self, rest: &[u8]) -> Result<Option<Torn>, LedgerError> {
        if rest.is_empty() {
            return Ok(None);
        }
        let (offset, len) = (self.read, length(rest));
        match Record::from_line(rest) {
            Ok(record) => {
                self.enter(record)?;
                Ok(Some(Torn::Completed { offset }))
            }
            // What does not begin as every record does was never written by us, and is not for us to cut off.
            Err(RecordError::Json(_)) if !record::is_beginning(rest) => Err(self.bad_line(
                "the file's last line is no record and no piece of one: is this a ledger?".to_owned(),
            )),
            Err(RecordError::Json(_)) => Ok(Some(Torn::Cut { offset, len })),
            // No writer of ours leaves that much, or a whole record that breaks the rules.
            Err(error) => Err(self.bad_line(error.to_string())),
        }
    }

    /// A line that breaks the ledger's rules was not written by them.
    fn enter(&mut self, record: Record) -> Result<(), LedgerError> {
        self.book.check(&record).map_err(|error| self.bad_line(error.to_string()))?;
        self.book.push(record);
        Ok(())
    }

    fn bad_line(&self, reason: String) -> LedgerError {
        let line = self.book.records().len().saturating_add(1);
        LedgerError::Line { path: self.path.clone(), line, reason }
    }

    /// Makes the file end with a whole line again.
    fn mend(&mut self) -> Result<(), LedgerError> {
        match self.torn {
            None => return Ok(()),
            Some(Torn::Cut { offset, .. }) => {
                self.file.set_len(offset).map_err(|error| self.io(error))?;
            }
            Some(Torn::Completed { offset }) => {
                self.file.write_all(b"\n").map_err(|error| self.io(error))?;
                let end = self.file.metadata().map_err(|error| self.io(error))?.len();
                self.read = end.max(offset);
            }
        }
        self.file.sync_all().map_err(|error| self.io(error))?;
        self.torn = None;
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), LedgerError> {
        let written = self.file.write_all(line).and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            // A full disk must not leave a piece of a line. If this fails too, the piece is recognised as torn.
            let _ = self.file.set_len(self.read);
            return Err(self.io(error));
        }
        self.read = self.read.saturating_add(length(line));
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn sync_folder(path: &Path) -> Result<(), LedgerError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| LedgerError::Io { path: folder.to_owned(), error })
}

const _: () = assert!(MAX_LINE < 1 << 16);
