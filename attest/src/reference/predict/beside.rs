//! What lies on the boot partition beside a unified kernel image, and which of it systemd-stub takes up (systemd-stub(7)).

use super::cpio;
use super::pe::PeImage;
use super::{PredictError, stub};

/// Longest file name that the stub takes up, in bytes.
const MAX_NAME: usize = 255;

/// A file's name and content.
pub type NamedFile<'a> = (&'a str, &'a [u8]);

/// The files beside a unified kernel image. Those that the stub does not take up may be among them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// Of the folder `IMAGE.extra.d`: add-ons, credentials, extensions of system and configuration.
    pub extra: &'a [NamedFile<'a>],
    /// Of the folder `loader/addons`: add-ons of every image.
    pub addons: &'a [NamedFile<'a>],
    /// Of the folder `loader/credentials`: credentials of every image.
    pub credentials: &'a [NamedFile<'a>],
}

/// Folder in the initrd, PCR, modes of folder and files, what the event calls it, files.
type Kind<'a> = (&'static str, u32, (u32, u32), &'static str, Vec<NamedFile<'a>>);

impl<'a> Beside<'a> {
    /// Whether there is nothing that the stub takes up.
    pub(super) fn is_empty(&self) -> bool {
        let Self { extra, addons, credentials } = self;
        picked(extra, |name| has_end(name, ".addon.efi") || has_end(name, ".cred") || has_end(name, ".raw"))
            .is_empty()
            && picked(addons, |name| has_end(name, ".addon.efi")).is_empty()
            && picked(credentials, |name| has_end(name, ".cred")).is_empty()
    }

    /// The add-ons in the order in which they are loaded: those of every image first.
    ///
    /// # Errors
    /// [`PredictError::Image`] for one that is no PE image.
    pub(super) fn addons(&self) -> Result<Vec<Addon<'a>>, PredictError> {
        let of = |files| picked(files, |name| has_end(name, ".addon.efi"));
        let files = of(self.addons).into_iter().chain(of(self.extra));
        files
            .map(|(name, bytes)| {
                let image = PeImage::parse(bytes)
                    .map_err(|source| PredictError::Image { name: name.to_owned(), source })?;
                Ok(Addon { name, image })
            })
            .collect()
    }

    /// The archives in which the other files get to the initrd, in their order there.
    pub(super) fn archives(&self) -> Vec<Archive> {
        let kinds: [Kind<'a>; 4] = [
            (
                ".extra/credentials",
                12,
                (0o500, 0o400),
                "Credentials initrd",
                picked(self.extra, |name| has_end(name, ".cred")),
            ),
            (
                ".extra/global_credentials",
                12,
                (0o500, 0o400),
                "Global credentials initrd",
                picked(self.credentials, |name| has_end(name, ".cred")),
            ),
            (
                ".extra/sysext",
                13,
                (0o555, 0o444),
                "System extension initrd",
                picked(self.extra, |name| has_end(name, ".raw") && !has_end(name, ".confext.raw")),
            ),
            (
                ".extra/confext",
                12,
                (0o555, 0o444),
                "Configuration extension initrd",
                picked(self.extra, |name| has_end(name, ".confext.raw")),
            ),
        ];
        kinds
            .into_iter()
            .filter(|(.., files)| !files.is_empty())
            .map(|(folder, pcr, modes, words, files)| Archive {
                pcr,
                words,
                bytes: cpio::archive(folder, modes, &files),
            })
            .collect()
    }
}

/// An archive that the stub measures and appends to the initrd.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) pcr: u32,
    /// As the stub's event names it.
    pub(super) words: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// An add-on: a PE image with sections and without a kernel.
#[derive(Debug)]
pub(super) struct Addon<'a> {
    pub(super) name: &'a str,
    pub(super) image: PeImage<'a>,
}

impl<'a> Addon<'a> {
    /// A section's content, unless the image is one that the stub loads and then leaves aside: a kernel is in it, or it is
    /// for another version of the kernel than `uname`.
    ///
    /// # Errors
    /// [`PredictError`] for a section that is not in the file.
    pub(super) fn section(&self, name: &str, uname: Option<&[u8]>) -> Result<Option<&'a [u8]>, PredictError> {
        let of = |name: &str| self.image.first_section(0.., name).map_err(PredictError::from);
        if of(".linux")?.is_some_and(|content| !content.is_empty()) {
            return Ok(None);
        }
        if let (Some(wanted), Some(own)) = (uname, of(".uname")?)
            && stub::text(wanted) != stub::text(own)
        {
            return Ok(None);
        }
        Ok(of(name)?.filter(|content| !content.is_empty()))
    }
}

/// The files whose name is taken, in the order of their names.
fn picked<'a>(files: &[NamedFile<'a>], wanted: impl Fn(&str) -> bool) -> Vec<NamedFile<'a>> {
    let taken =
        |name: &str| name.is_ascii() && name.len() <= MAX_NAME && !name.starts_with('.') && wanted(name);
    let mut files: Vec<_> = files.iter().copied().filter(|(name, _)| taken(name)).collect();
    files.sort_by_key(|(name, _)| *name);
    files
}

/// Large and small letters count alike.
fn has_end(name: &str, end: &str) -> bool {
    name.len()
        .checked_sub(end.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|found| found.eq_ignore_ascii_case(end))
}
