//! What systemd-stub measures and hands over when it starts a unified kernel image: PCR 12 and 13, and through the kernel
//! PCR 9 (systemd-stub(7)).

use super::beside::{Addon, Beside};
use super::uki::Uki;
use super::{APPLICATION, PredictError, Predicted, cpio, linux};
use crate::eventlog::Role;

/// The first version whose handling of what lies beside the image is known here. Older ones know less of it.
const KNOWN: u32 = 257;
/// A later one that does the same: both were recorded. Nobody has compared those between them, and newer ones.
const KNOWN_TOO: u32 = 262;

const fn is_known(version: u32) -> bool {
    version == KNOWN || version == KNOWN_TOO
}

/// How a unified kernel image is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// The command line given to it.
    pub(super) given: Option<&'a str>,
    pub(super) profile: u32,
    pub(super) secure_boot: bool,
    /// systemd-boot starts it, and measures what it gives.
    pub(super) systemd_boot: bool,
    pub(super) beside: Beside<'a>,
    pub(super) addons: &'a [Addon<'a>],
}

/// The events of an image in PCR 4, 9, 11, 12 and 13.
pub(super) fn predict(uki: &Uki<'_>, start: &Start<'_>, to: &mut Predicted) -> Result<(), PredictError> {
    match uki.chosen_by_machine() {
        None => uki.sections(to)?,
        Some(section) => to.note(format!(
            "PCR 11 is not predicted: the image has {section}, and what is measured of it depends on the machine; \
             record it from a device"
        )),
    }
    if !start.beside.is_empty() && !is_known(uki.version()) {
        to.note(format!(
            "PCR 4, 9, 12 and 13 are not predicted from the files beside the image: how systemd-stub {} measures them is \
             not known here, only that of versions {KNOWN} and {KNOWN_TOO}",
            uki.version()
        ));
        to.forget(&[4, 9, 12, 13]);
        return Ok(());
    }
    for addon in start.addons {
        to.push(4, APPLICATION, Role::Image, addon.name, addon.image.authenticode(to.bank));
    }
    let command_line = parameters(uki, start, to)?;
    kernel(uki, start, command_line.as_deref(), to)
}

/// PCR 12 and 13. Returns the command line that the kernel gets.
fn parameters(uki: &Uki<'_>, start: &Start<'_>, to: &mut Predicted) -> Result<Option<String>, PredictError> {
    options_of_the_loader(start, to);
    if start.profile > 0 {
        let number = linux::utf16(&start.profile.to_string());
        to.hashed(12, "EV_EVENT_TAG", Role::UkiSection(".profile"), "number of the profile", &[&number]);
    }
    let own = uki.section(".cmdline")?;
    let given = start.given.map(settled).filter(|text| !text.is_empty());
    // With secure boot on nobody overrides a signed command line.
    let given = given.filter(|_| !(start.secure_boot && own.is_some()));
    if let Some(text) = &given {
        command_line_event("command line given to the stub", text, to);
    }
    let mut command_line = match given {
        Some(text) => Some(text),
        None => {
            own.and_then(text).map(|text| if uki.version() < KNOWN { text.to_owned() } else { settled(text) })
        }
    };
    let uname = uki.section(".uname")?;
    let sections = |name: &str| -> Result<Vec<_>, PredictError> {
        let found = start.addons.iter().map(|addon| Ok((addon.name, addon.section(name, uname)?)));
        found
            .filter_map(|found| {
                found.map(|(name, content)| content.map(|content| (name, content))).transpose()
            })
            .collect()
    };
    let words: Vec<_> =
        sections(".cmdline")?.into_iter().filter_map(|(_, content)| text(content)).map(settled).collect();
    let added = settled(&words.join(" "));
    if !added.is_empty() {
        command_line_event("command line of add-ons", &added, to);
        command_line = Some(
            command_line
                .filter(|text| !text.is_empty())
                .map_or_else(|| added.clone(), |text| format!("{text} {added}")),
        );
    }
    for name in [".dtb", ".dtbauto"] {
        if let Some((addon, _)) = sections(name)?.first() {
            to.note(format!(
                "PCR 12 is not predicted: {addon} has {name}, which is measured where it fits the machine"
            ));
            to.forget(&[12]);
            to.unpredictable.push(12);
        }
    }
    for archive in start.beside.archives() {
        let role = if archive.pcr == 12 { Role::Credentials } else { Role::Extensions };
        let role = if archive.words.starts_with("Configuration") { Role::Extensions } else { role };
        to.hashed(archive.pcr, "EV_IPL", role, archive.words, &[&archive.bytes]);
    }
    for (name, content) in sections(".ucode")?.into_iter().rev() {
        to.hashed(12, "EV_EVENT_TAG", Role::Microcode, &format!("microcode of {name}"), &[content]);
    }
    for (name, content) in sections(".initrd")? {
        to.hashed(12, "EV_EVENT_TAG", Role::Initrd, &format!("initrd of {name}"), &[content]);
    }
    Ok(command_line)
}

/// systemd-boot measures what it gives, before the stub does.
fn options_of_the_loader(start: &Start<'_>, to: &mut Predicted) {
    let options = match (start.profile, start.given.unwrap_or_default()) {
        (0, given) => given.to_owned(),
        (profile, "") => format!("@{profile}"),
        (profile, given) => format!("@{profile} {given}"),
    };
    if start.systemd_boot && !options.is_empty() {
        command_line_event("options given by systemd-boot", &options, to);
    }
}

fn command_line_event(words: &str, text: &str, to: &mut Predicted) {
    to.hashed(12, "EV_IPL", Role::CommandLine, words, &[&linux::utf16(text)]);
}

/// PCR 9, and with secure boot off the kernel in PCR 4.
fn kernel(
    uki: &Uki<'_>,
    start: &Start<'_>,
    command_line: Option<&str>,
    to: &mut Predicted,
) -> Result<(), PredictError> {
    if !start.secure_boot
        && let Some(kernel) = uki.section(".linux")?
    {
        // With secure boot on the stub vouches for the kernel in the firmware's place, which then does not see it.
        let image = super::PeImage::parse(kernel)
            .map_err(|source| PredictError::Image { name: ".linux".to_owned(), source })?;
        to.push(4, APPLICATION, Role::Kernel, "the image's kernel", image.authenticode(to.bank));
    }
    let plain = |text: &str| !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    let initrd = initrd(uki, start)?;
    match (command_line.filter(|text| plain(text)), initrd) {
        (Some(text), Some(initrd)) => {
            linux::load_options(text, to);
            if !initrd.is_empty() {
                let parts: Vec<_> = initrd.iter().map(Vec::as_slice).collect();
                to.hashed(9, "EV_EVENT_TAG", Role::Initrd, "Linux initrd", &parts);
            }
        }
        (None, _) => to.note(
            "PCR 9 is not predicted: the kernel gets no command line that is one line of text".to_owned(),
        ),
        (_, None) => to.note(format!(
            "PCR 9 is not predicted: what systemd-stub {} adds to this image's initrd is not known here",
            uki.version()
        )),
    }
    Ok(())
}

/// The initrd that the kernel gets, in parts; `None` where it is not known.
pub(super) fn initrd(uki: &Uki<'_>, start: &Start<'_>) -> Result<Option<Vec<Vec<u8>>>, PredictError> {
    if uki.version() > KNOWN && !is_known(uki.version()) {
        return Ok(None);
    }
    if uki.version() < KNOWN {
        for name in [".pcrsig", ".pcrpkey", ".ucode"] {
            if uki.section(name)?.is_some() {
                return Ok(None);
            }
        }
        return Ok(uki.section(".initrd")?.map(|initrd| vec![initrd.to_vec()]));
    }
    let uname = uki.section(".uname")?;
    let of_addons = |name: &'static str| {
        start.addons.iter().filter_map(move |addon| addon.section(name, uname).transpose())
    };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for content in of_addons(".ucode").rev() {
        parts.push(content?.to_vec());
    }
    for name in [".ucode", ".initrd"] {
        parts.extend(uki.section(name)?.map(<[u8]>::to_vec));
    }
    parts.extend(start.beside.archives().into_iter().map(|archive| archive.bytes));
    for (section, file) in EMBEDDED {
        if let Some(content) = uki.section(section)? {
            parts.push(cpio::archive(".extra", (0o555, 0o444), &[(file, content)]));
        }
    }
    for content in of_addons(".initrd") {
        parts.push(content?.to_vec());
    }
    if parts.len() > 1 {
        parts.iter_mut().for_each(cpio::pad);
    }
    Ok(Some(parts))
}

/// Sections that get to the initrd as files of the folder `.extra`, in their order there.
const EMBEDDED: [(&str, &str); 4] = [
    (".pcrsig", "tpm2-pcr-signature.json"),
    (".pcrpkey", "tpm2-pcr-public-key.pem"),
    (".osrel", "os-release"),
    (".profile", "profile"),
];

/// A section's text up to its first NUL; `None` where it is not UTF-8.
pub(super) fn text(section: &[u8]) -> Option<&str> {
    let end = section.iter().position(|byte| *byte == 0).unwrap_or(section.len());
    std::str::from_utf8(section.get(..end)?).ok()
}

/// A command line as the stub hands it on: no white space at its ends, and spaces for control characters within.
fn settled(text: &str) -> String {
    let blank = |c: char| c <= ' ' || c == '\x7F';
    text.trim_matches(blank).chars().map(|c| if blank(c) { ' ' } else { c }).collect()
}
