//! The registers that a policy judges, against the sections that need them.

use super::fault::Findings;
use super::{Demand, Loader, Policy};
use crate::pcr::PcrIndex;

impl Policy {
    /// A command line counts as it was measured, so the registers that it and its loader are measured into have to be judged
    /// (threat e19).
    fn check_command_line(&self, findings: &mut Findings<'_, '_>, judged: &dyn Fn(u8) -> bool) {
        let field = "boot.command_line";
        if self.boot.command_line.is_empty() {
            if self.boot.loader.is_some() {
                findings.wrong("boot.loader", "there is no boot.command_line that it would be for");
            }
            return;
        }
        // Who runs can extend any register. One that a reference pins would tell; where several are not pinned, a good line is
        // written into one that the true loader left alone.
        let varies = |index: u8| judged(index) && self.quote.tolerate.iter().any(|pcr| pcr.get() == index);
        match self.boot.loader {
            Some(loader) if !judged(loader.pcr()) => findings.wrong(
                "boot.loader",
                format!("its command line is measured into PCR {}, which is not in quote.pcrs", loader.pcr()),
            ),
            None if Loader::ALL.iter().filter(|(_, pcr)| varies(*pcr)).count() > 1 => findings.wrong(
                field,
                "quote.tolerate has the registers of several loaders, and whoever runs could write a good line into one that \
                 was not there (threat e19); name the loader: boot.loader = \"grub\" (PCR 8), \"efi-stub\" (9) or \"uki\" (11)",
            ),
            _ => {}
        }
        if ![8, 9, 11].into_iter().any(judged) {
            findings.weak(
                field,
                "none of PCR 8 (GRUB), 9 (Linux's EFI stub) and 11 (unified kernel images) is in quote.pcrs, so no command line is proven and every device is refused",
            );
        }
        if judged(11) && !judged(12) {
            findings.weak(
                field,
                "PCR 12 is not in quote.pcrs: what overrides an image's command line is measured there, and a device that does not quote it is refused",
            );
        }
        if !judged(4) {
            findings.weak(
                field,
                "PCR 4 is not in quote.pcrs: a boot loader or image that nobody judges may measure a good command line and use another",
            );
        }
    }

    /// The registers against the sections that judge them.
    pub(super) fn check_registers(&self, findings: &mut Findings<'_, '_>) {
        let pcrs = &self.quote.pcrs;
        let judged = |index: u8| pcrs.iter().any(|pcr| pcr.get() == index);
        if pcrs.contains(&PcrIndex::IMA) && self.ima.is_none() {
            findings.wrong(
                "quote.pcrs",
                "PCR 10 belongs to IMA and has no reference value; add [ima], or leave it out",
            );
        }
        if !pcrs.is_empty() && pcrs.iter().all(|pcr| *pcr == PcrIndex::IMA) {
            findings.wrong(
                "quote.pcrs",
                "no PCR of the boot, so any boot would pass; name some, e.g. [0, 2, 4, 7]",
            );
        }
        match &self.ima {
            None => findings
                .weak("", "there is no [ima] section, so files that run after the boot are not judged"),
            // Where a list is required the quote has to have PCR 10 for it, judged or not.
            Some(ima) if ima.list == Demand::Optional && !pcrs.contains(&PcrIndex::IMA) => {
                findings.weak(
                    "quote.pcrs",
                    "PCR 10 is not judged: evidence without an IMA list hides what was measured",
                );
            }
            Some(_) => {}
        }
        self.check_command_line(findings, &judged);
        if self.boot.secure_boot == Demand::Require && !judged(7) {
            findings.weak(
                "boot.secure_boot",
                "secure boot is required and PCR 7 is not judged, so its keys may be anybody's; add 7 to quote.pcrs",
            );
        }
        if !judged(4) && !judged(8) && !judged(9) && !judged(11) {
            findings.weak(
                "quote.pcrs",
                "neither PCR 4, 8, 9 nor 11 is judged, so any boot loader and kernel would pass",
            );
        }
        if !judged(0) {
            findings.weak("quote.pcrs", "PCR 0 is not judged, so any firmware would pass");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::GOOD;
    use super::*;

    #[test]
    fn a_list_that_is_required_hides_nothing_where_pcr_10_is_not_judged() {
        let hides = |list: &str| {
            let (_, weaknesses) = Policy::check(&format!("{GOOD}[ima]\nlist = \"{list}\"\n")).unwrap();
            weaknesses.iter().any(|weak| weak.message.contains("PCR 10 is not judged"))
        };
        assert!(hides("optional"));
        assert!(!hides("require"));
    }

    #[test]
    fn e19_a_policy_that_tolerates_several_loaders_registers_names_the_loader() {
        let text = |more: &str, tolerate: &str| {
            let quote = format!("pcrs = [0, 4, 7, 8, 9]\ntolerate = {tolerate}");
            let boot = format!("[boot]\ncommand_line = [\"quiet\"]\n{more}");
            GOOD.replace("pcrs = [0, 7]", &quote).replace("[boot]", &boot)
        };
        let faults = |text: String| match Policy::parse(&text) {
            Ok(_) => String::new(),
            Err(error) => error.faults().iter().map(ToString::to_string).collect(),
        };
        assert!(faults(text("", "[8, 9]")).contains("name the loader: boot.loader"));
        assert_eq!(faults(text("", "[8]")), "");
        assert_eq!(faults(text("loader = \"grub\"", "[8, 9]")), "");
        assert!(faults(text("loader = \"uki\"", "[]")).contains("PCR 11, which is not in quote.pcrs"));
        let alone = text("loader = \"grub\"", "[]").replace("command_line = [\"quiet\"]\n", "");
        assert!(faults(alone).contains("no boot.command_line"));
    }

    #[test]
    fn e19_a_command_line_that_unjudged_registers_prove_is_told() {
        let told = |pcrs: &str| {
            let text = GOOD.replace("[0, 7]", pcrs).replace("[boot]", "[boot]\ncommand_line = [\"quiet\"]");
            let (_, weaknesses) = Policy::check(&text).unwrap();
            let about = weaknesses.iter().filter(|weak| weak.field == "boot.command_line");
            about
                .map(|weak| weak.message.split([' ', ':']).take(2).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(told("[0, 7]"), ["PCR 4", "none of"]);
        assert_eq!(told("[0, 4, 8]"), [""; 0]);
        assert_eq!(told("[0, 4, 9]"), [""; 0]);
        assert_eq!(told("[0, 4, 11]"), ["PCR 12"]);
        assert_eq!(told("[0, 11, 12]"), ["PCR 4"]);
        assert_eq!(told("[0, 4, 11, 12]"), [""; 0]);
    }
}
