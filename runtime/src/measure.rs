//! Measuring: a module's bytes, copied to where nobody can change them, and only then hashed.
//!
//! The file in the release folder is read once. What it holds goes to an anonymous file in memory, which is sealed: from
//! then on the kernel lets nobody write, grow or shrink it, its owner included. The digest is taken of the sealed bytes,
//! and the sealed bytes are what is executed, so that there is no moment between measuring and executing (threat r02).

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use attest::Digest;
use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use update_verify::Sha256;

use crate::error::RuntimeError;
use crate::guard::check_guarded;
use crate::module::{Module, ModuleSet};

const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PIECE: usize = 1 << 16;

/// The seals that make measured bytes final. `SEAL` is among them, so that none can be added or taken away.
pub(crate) const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// A module whose bytes are sealed in memory and are those of the verified manifest. Only measuring makes one:
///
/// ```compile_fail
/// fn forge(sealed: std::os::fd::OwnedFd) -> runtime::measure::MeasuredModule {
///     runtime::measure::MeasuredModule { sealed, ..todo!() }
/// }
/// ```
#[derive(Debug)]
pub struct MeasuredModule {
    module: Module,
    set: Digest,
    sealed: File,
}

impl MeasuredModule {
    /// Copies, seals and measures the module of that name.
    ///
    /// # Errors
    /// When there is no such module, its file or a folder above it could be written by others, it is no ELF program, or
    /// its bytes are not those of the manifest; or when the system fails.
    pub fn measure(set: &ModuleSet, name: &str) -> Result<Self, RuntimeError> {
        let no_such = || RuntimeError::NoSuchModule { module: name.to_owned() };
        let module = set.get(name).ok_or_else(no_such)?;
        let file = open(set, module)?;
        let sealed = seal(file, set, module)?;
        check_is_elf(&sealed, module)?;
        let found =
            hash(&sealed).map_err(RuntimeError::io("measure", &set.location().join(module.path())))?;
        if found != module.sha256() {
            return Err(RuntimeError::Changed {
                module: module.name().to_owned(),
                path: set.location().join(module.path()),
                expected: module.sha256(),
                found,
            });
        }
        Ok(Self { module: module.clone(), set: *set.digest(), sealed })
    }

    /// The module.
    #[must_use]
    pub const fn module(&self) -> &Module {
        &self.module
    }

    /// Digest of the set that it belongs to.
    #[must_use]
    pub const fn set_digest(&self) -> &Digest {
        &self.set
    }

    pub(crate) fn sealed(&self) -> BorrowedFd<'_> {
        self.sealed.as_fd()
    }
}

/// Goes down from the release's folder by descriptors, through no link, and refuses what others can write (threat r09).
fn open(set: &ModuleSet, module: &Module) -> Result<File, RuntimeError> {
    let mut place = set.location().to_owned();
    check_guarded(set.folder(), &place)?;
    let mut at: Option<OwnedFd> = None;
    let mut components = module.path().split('/').peekable();
    while let Some(component) = components.next() {
        place.push(component);
        let parent = at.as_ref().map_or(set.folder(), AsFd::as_fd);
        let flags = if components.peek().is_some() { FOLDER } else { FILE };
        let opened =
            rustix::fs::openat(parent, component, flags, Mode::empty()).map_err(|errno| match errno {
                Errno::LOOP => RuntimeError::NotAFile { path: place.clone() },
                errno => RuntimeError::Io { doing: "open", path: place.clone(), source: errno.into() },
            })?;
        let stat = check_guarded(opened.as_fd(), &place)?;
        if components.peek().is_none() && FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(RuntimeError::NotAFile { path: place });
        }
        at = Some(opened);
    }
    at.map(File::from).ok_or_else(|| RuntimeError::NoSuchModule { module: module.name().to_owned() })
}

/// The bytes in sealed memory: never more of them than the manifest says, whatever the file has become.
fn seal(file: File, set: &ModuleSet, module: &Module) -> Result<File, RuntimeError> {
    let path = set.location().join(module.path());
    let mut memory =
        File::from(memory_file(module.name()).map_err(RuntimeError::io("make a memory file for", &path))?);
    let mut rest = file.take(module.size().saturating_add(1));
    io::copy(&mut rest, &mut memory).and_then(|_| memory.flush()).map_err(RuntimeError::io("read", &path))?;
    rustix::fs::fcntl_add_seals(&memory, SEALS)
        .map_err(|errno| RuntimeError::io("seal", &path)(errno.into()))?;
    Ok(memory)
}

/// Since Linux 6.3 a memory file says whether it is to be executed; older kernels do not know the flag.
fn memory_file(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create(name, flags)?),
        made => Ok(made?),
    }
}

/// A script would be run by an interpreter that opens it again by a path, and whose own bytes nobody measured.
fn check_is_elf(sealed: &File, module: &Module) -> Result<(), RuntimeError> {
    let mut magic = [0; 4];
    let is_elf = sealed.read_exact_at(&mut magic, 0).is_ok() && magic == *b"\x7FELF";
    if is_elf {
        return Ok(());
    }
    let is_script = magic.starts_with(b"#!");
    Err(RuntimeError::NotElf { module: module.name().to_owned(), path: module.path().to_owned(), is_script })
}

fn hash(sealed: &File) -> io::Result<Sha256> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; PIECE];
    let mut offset = 0_u64;
    loop {
        let read = sealed.read_at(&mut buffer, offset)?;
        if read == 0 {
            break;
        }
        context.update(buffer.get(..read).unwrap_or_default());
        offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    let digest = context.finish();
    <[u8; 32]>::try_from(digest.as_ref()).map(Sha256::from).map_err(io::Error::other)
}
