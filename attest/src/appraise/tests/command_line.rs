//! The kernel's command line, by the rule of each loader (threat e19).

use super::{BANK, agile, boot, claims, good, reasons};
use crate::eventlog::EventType as E;
use crate::eventlog::tests::builder::{LogBuilder, utf16};

const RULE: &str = "command_line = [\"ro quiet\"]";

/// A boot whose firmware did its part.
fn firmware() -> LogBuilder {
    let mut log = agile();
    log.event(0, E::SCrtmVersion, b"1\0");
    for pcr in 0..8 {
        log.separator(pcr);
    }
    log.event(5, E::EfiAction, b"Exit Boot Services Returned with Success");
    log
}

fn tag(log: &mut LogBuilder, id: u32, hashed: &[u8], label: &[u8]) {
    let len = u32::try_from(label.len()).unwrap().to_le_bytes();
    log.hashed(9, E::EventTag, hashed, &[&id.to_le_bytes()[..], &len, label].concat());
}

const OPTIONS: u32 = 0x8F3B_22ED;
const INITRD: u32 = 0x8F3B_22EC;

#[test]
fn e19_grubs_command_line_is_compared_whole() {
    assert_eq!(reasons("command_line = [\"x\", \"/vmlinuz ro\"]", &good()), Vec::<&str>::new());
    assert_eq!(reasons("command_line = [\"/vmlinuz\"]", &good()), ["command-line"]);
    let mut second = good();
    second.hashed(8, E::Ipl, b"/vmlinuz rw", b"kernel_cmdline: /vmlinuz rw\0");
    assert_eq!(reasons("command_line = [\"/vmlinuz ro\"]", &second), ["e19"]);
    // In another loader's PCR it is nothing.
    let mut elsewhere = firmware();
    elsewhere.hashed(9, E::Ipl, b"ro quiet", b"kernel_cmdline: ro quiet\0");
    assert_eq!(reasons(RULE, &elsewhere), ["command-line"]);
}

#[test]
fn e19_the_efi_stubs_load_options_count_by_their_place() {
    let (good, evil) = (utf16("ro quiet\0"), utf16("init=/bin/sh\0"));
    let mut log = firmware();
    tag(&mut log, OPTIONS, &good, b"LOADED_IMAGE::LoadOptions");
    tag(&mut log, INITRD, b"initrd", b"Linux initrd");
    assert_eq!(reasons(RULE, &log), Vec::<&str>::new());
    let stub = claims(&boot(&log), BANK).kernel.efi_stub.unwrap();
    assert_eq!(stub.load_options, BANK.digest(&good));
    assert_eq!(stub.initrds, [BANK.digest(b"initrd")]);

    // The true options under another name, the good ones appended: labels are no proof, places are.
    for (first, label) in [(INITRD, b"Linux initrd"), (7, b"something   ")] {
        let mut log = firmware();
        tag(&mut log, first, &evil, label);
        tag(&mut log, OPTIONS, &good, b"LOADED_IMAGE::LoadOptions");
        assert_eq!(reasons(RULE, &log), ["command-line"]);
        assert_eq!(claims(&boot(&log), BANK).kernel.efi_stub, None);
    }
    let mut shown = firmware();
    tag(&mut shown, OPTIONS, &evil, &good);
    assert_eq!(reasons(RULE, &shown), ["command-line"]);
}

/// A section as systemd-stub measures it.
fn section(log: &mut LogBuilder, name: &str, content: &[u8]) {
    let data = utf16(&format!("{name}\0"));
    log.hashed(11, E::Ipl, format!("{name}\0").as_bytes(), &data).hashed(11, E::Ipl, content, &data);
}

#[test]
fn e19_a_unified_images_command_line_counts_unless_it_is_overridden() {
    let image = |line: &[u8]| {
        let mut log = firmware();
        section(&mut log, ".linux", b"kernel");
        section(&mut log, ".cmdline", line);
        log
    };
    for end in ["", "\n", "\0"] {
        assert_eq!(reasons(RULE, &image(format!("ro quiet{end}").as_bytes())), Vec::<&str>::new());
    }
    assert_eq!(reasons(RULE, &image(b"ro")), ["command-line"]);
    let mut overridden = image(b"ro quiet");
    overridden.event(12, E::Ipl, &utf16("init=/bin/sh\0"));
    assert_eq!(reasons(RULE, &overridden), ["command-line"]);
    assert_eq!(claims(&boot(&overridden), BANK).kernel.overrides.unwrap(), ["init=/bin/sh"]);
    let mut same = image(b"ro quiet");
    same.event(12, E::Ipl, &utf16("ro quiet\0"));
    assert_eq!(reasons(RULE, &same), Vec::<&str>::new());
    let mut unknown = image(b"ro quiet");
    unknown.hashed(12, E::Ipl, &utf16("init=/bin/sh\0"), &utf16("ro quiet\0"));
    assert_eq!(reasons(RULE, &unknown), ["command-line"]);

    // A good section appended behind an evil one, beside or instead of it in the log.
    let mut twice = image(b"init=/bin/sh");
    section(&mut twice, ".cmdline", b"ro quiet");
    assert_eq!(claims(&boot(&twice), BANK).kernel.uki_sections, None);
    assert_eq!(reasons(RULE, &twice), ["command-line"]);
    let mut hidden = firmware();
    section(&mut hidden, ".linux", b"kernel");
    hidden.hashed(11, E::Ipl, b".cmdline\0", b"phase").hashed(11, E::Ipl, b"init=/bin/sh", b"phase");
    section(&mut hidden, ".cmdline", b"ro quiet");
    assert_eq!(claims(&boot(&hidden), BANK).kernel.uki_sections, None);
    // systemd's phases come after the sections and change nothing.
    let mut later = image(b"ro quiet");
    later.event(11, E::Ipl, b"enter-initrd");
    assert_eq!(reasons(RULE, &later), Vec::<&str>::new());
}

#[test]
fn e19_a_rule_without_a_proven_command_line_refuses() {
    assert_eq!(reasons(RULE, &firmware()), ["command-line"]);
}

#[test]
fn e19_grubs_line_measured_by_somebody_else_hides_no_override() {
    // The image is given another command line; what it runs writes into GRUB's PCR.
    let mut log = firmware();
    section(&mut log, ".linux", b"kernel");
    section(&mut log, ".cmdline", b"ro quiet");
    log.event(12, E::Ipl, &utf16("init=/bin/sh\0"));
    log.hashed(8, E::Ipl, b"linux ro quiet", b"grub_cmd: linux ro quiet\0").hashed(
        8,
        E::Ipl,
        b"ro quiet",
        b"kernel_cmdline: ro quiet\0",
    );
    assert_eq!(reasons(RULE, &log), ["command-line"]);
    // A second kernel's section in the image's PCR takes the image from the facts: GRUB's is not believed instead.
    section(&mut log, ".linux", b"another");
    let boot = boot(&log);
    let facts = boot.facts(BANK);
    assert_eq!(facts.uki_sections(), None);
    let rules = super::policy("", RULE).boot;
    let judged = |pcrs: &[u32]| pcrs.iter().map(|index| super::pcr(*index)).collect::<Vec<_>>();
    let verdict = |pcrs: &[u32]| super::super::command_line::judge(&rules, &judged(pcrs), &facts);
    assert!(verdict(&[0, 4, 7, 11]).is_some() && verdict(&[0, 4, 7]).is_some());
    assert!(verdict(&[0, 4, 7, 8]).is_none(), "only GRUB's PCR is judged: it is the policy's loader");
}

/// What GRUB measures for a kernel with this command line.
fn grub(log: &mut LogBuilder, line: &str) {
    let linux = format!("linux {line}");
    log.hashed(8, E::Ipl, linux.as_bytes(), format!("grub_cmd: {linux}\0").as_bytes());
    log.hashed(8, E::Ipl, line.as_bytes(), format!("kernel_cmdline: {line}\0").as_bytes());
}

#[test]
fn e19_a_good_line_of_a_loader_that_was_not_there_hides_no_bad_one() {
    // The firmware starts the kernel with another line; what runs then writes what GRUB or an image would have measured.
    let started = || {
        let mut log = firmware();
        tag(&mut log, OPTIONS, &utf16("ro quiet init=/bin/sh\0"), b"LOADED_IMAGE::LoadOptions");
        log
    };
    let (mut by_grub, mut by_image) = (started(), started());
    grub(&mut by_grub, "ro quiet");
    section(&mut by_image, ".linux", b"kernel");
    section(&mut by_image, ".cmdline", b"ro quiet");
    for log in [&by_grub, &by_image] {
        assert_eq!(reasons(RULE, log), ["command-line"]);
    }
    // More in PCR 9 hides the stub's line as well: then only the loader's name helps.
    for log in [&mut by_grub, &mut by_image] {
        tag(log, 7, b"anything", b"something   ");
        assert_eq!(reasons(RULE, log), Vec::<&str>::new());
        assert_eq!(reasons(&format!("{RULE}\nloader = \"efi-stub\""), log), ["command-line"]);
    }
    // The named loader's line counts, whatever others say.
    let mut log = firmware();
    grub(&mut log, "ro quiet");
    section(&mut log, ".linux", b"kernel");
    section(&mut log, ".cmdline", b"init=/bin/sh");
    assert_eq!(reasons(RULE, &log), ["command-line"]);
    assert_eq!(reasons(&format!("{RULE}\nloader = \"grub\""), &log), Vec::<&str>::new());
    assert_eq!(reasons(&format!("{RULE}\nloader = \"uki\""), &log), ["command-line"]);
}

#[test]
fn e19_an_images_stub_is_given_its_line_with_what_add_ons_append() {
    let image = |given: &str| {
        let mut log = firmware();
        section(&mut log, ".linux", b"kernel");
        section(&mut log, ".cmdline", b"ro quiet");
        log.event(12, E::Ipl, &utf16("debug\0"));
        tag(&mut log, OPTIONS, &utf16(&format!("{given}\0")), b"LOADED_IMAGE::LoadOptions");
        log
    };
    let rule = "command_line = [\"ro quiet\", \"debug\"]";
    assert_eq!(reasons(rule, &image("ro quiet debug")), Vec::<&str>::new());
    assert_eq!(reasons(rule, &image("ro quiet init=/bin/sh")), ["command-line"]);
}

#[test]
fn e19_the_rest_of_a_bad_line_is_no_add_on_that_somebody_measured() {
    // No image ran: what runs writes one into PCR 11, and into PCR 12 what the true line goes on with.
    let mut log = firmware();
    tag(&mut log, OPTIONS, &utf16("ro quiet init=/bin/sh\0"), b"LOADED_IMAGE::LoadOptions");
    section(&mut log, ".linux", b"kernel");
    section(&mut log, ".cmdline", b"ro quiet");
    log.event(12, E::Ipl, &utf16("init=/bin/sh\0"));
    let boot = boot(&log);
    let facts = boot.facts(BANK);
    assert!(facts.uki_sections().is_some() && facts.overrides().is_some());
    for (loader, pcrs) in
        [("", &[0, 4, 9][..]), ("", &[0, 4, 9, 11, 12]), ("loader = \"efi-stub\"", &[0, 4, 9, 11, 12])]
    {
        let rules = super::policy("", &format!("{RULE}\n{loader}")).boot;
        let judged: Vec<_> = pcrs.iter().map(|index| super::pcr(*index)).collect();
        assert!(super::super::command_line::judge(&rules, &judged, &facts).is_some(), "{loader} {pcrs:?}");
    }
}

#[test]
fn e19_a_command_line_in_a_reason_is_short_and_has_no_control_characters() {
    let mut log = firmware();
    let text = format!("/v \u{1b}[2J\nok {}", "x".repeat(100_000));
    log.hashed(8, E::Ipl, format!("linux {text}").as_bytes(), format!("grub_cmd: linux {text}\0").as_bytes())
        .hashed(8, E::Ipl, text.as_bytes(), format!("kernel_cmdline: {text}\0").as_bytes());
    let outcome = super::judge_boot(&super::policy("", RULE), &boot(&log));
    let found = &outcome.reasons[0].found;
    assert!(found.len() < 1000 && !found.chars().any(char::is_control), "{} bytes", found.len());
}
