//! Boots that are really measured: the machine's firmware, kernel and IMA extend its TPM, and every way in which a boot can be
//! another than the golden one is told in words.
//!
//! `make test-vm` runs them. The consoles' logs stay in `target/vm/runs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use tpm_sim_tests::guide::Guide;
use tpm_sim_tests::machine::{Boot, Firmware, Image, Job, Setup};
use tpm_sim_tests::{Lab, Ran, build_folder};

const NONCE: &str = "8b1f0c52d93e4a7760c5e2f1a4d8937b5c0e6f21d7a94830b2c1f6e5d4a39787";
/// Judges the whole boot and every file.
const RULES: &str = "[quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9]\n[boot]\nreferences = [\"golden.json\"]\n\
                     [ima]\nlist = \"require\"\n[result]\nlifetime_seconds = 60";
const ATTEST: &str =
    "hallmark attest --nonce 8b1f0c52d93e4a7760c5e2f1a4d8937b5c0e6f21d7a94830b2c1f6e5d4a39787";

fn good(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// A machine that a factory outside has provisioned and that was recorded as golden, with what judges it.
struct Golden {
    lab: Lab,
    image: Image,
}

/// Made once: the tests only read it.
static GOLDEN: LazyLock<Golden> = LazyLock::new(golden);

fn golden() -> Golden {
    let image = Image::build().unwrap_or_else(|error| panic!("{error}"));
    let lab = Lab::empty().unwrap();
    // The TPM's maker: seeds, an endorsement key, and a certificate for it.
    good(lab.hallmark(&["sim", "start", "--banks", "sha256"]));
    good(lab.hallmark(&["sim", "stop"]));
    good(lab.hallmark(&["ca", "init", "--dir", "factory", "--organization", "Test", "--name", "Test"]));
    good(lab.hallmark(&["key", "generate", "--out", "key.pem"]));
    // Everything that a good machine runs is run before it is recorded.
    let job = Job::new(&format!(
        "tpm_relay /dev/vport0p1 /dev/tpmrm0\nknown\n{ATTEST} --out $OUT/evidence\n\
         hallmark reference record --product machine --release 1 --out $OUT/golden.unsigned.json\n\
         cat /sys/kernel/security/tpm0/binary_bios_measurements >$OUT/log\n\
         cat /sys/kernel/security/ima/binary_runtime_measurements >$OUT/ima"
    ));
    let setup = Setup { relay: true, ..Setup::default() };
    let machine = image.start("golden", &lab.path("state/sim/tpm"), &setup, &job).unwrap();
    let relay = machine.relay().unwrap();
    let (tcti, provision) = (relay.tcti(), lab.provision_arguments("vm-1"));
    let mut arguments = vec!["--tcti", &tcti];
    arguments.extend(provision.iter().map(String::as_str));
    arguments.extend(["--store", "nv"]);
    let provisioned = good(lab.hallmark(&arguments));
    assert!(provisioned.stdout.contains("provisioned"), "{provisioned:?}");
    drop(relay);
    let boot = machine.finish().unwrap_or_else(|error| panic!("{error}"));
    sign(&lab, &boot.file("golden.unsigned.json"), "golden.json");
    for (log, place) in [("golden.log", "log"), ("golden.ima", "ima")] {
        fs::copy(boot.file(place), lab.path(log)).unwrap();
    }
    lab.write_policy("", RULES).unwrap();
    Golden { lab, image }
}

fn sign(lab: &Lab, unsigned: &Path, out: &str) {
    let unsigned = unsigned.display().to_string();
    good(lab.hallmark(&["reference", "sign", &unsigned, "--key", "key.pem", "--out", out]));
}

/// Signed reference values that the command makes from a unified kernel image's file, and from no device.
fn predict(lab: &Lab, image: &Path, out: &str) {
    let image = image.display().to_string();
    let release = ["reference", "predict", "--product", "machine", "--release", "predicted"];
    let said = good(lab.hallmark(
        &[&["--format", "json"], &release[..], &["--uki", &image, "--key", "key.pem", "--out", out]].concat(),
    ));
    let report = said.json().unwrap();
    assert_eq!(
        (&report["signed"], &report["by_events"]),
        (&true.into(), &serde_json::json!([4, 9, 11])),
        "{report:#}"
    );
}

impl Golden {
    /// The golden machine's TPM as it was after the golden boot, for one more machine.
    fn tpm(&self, name: &str) -> PathBuf {
        let copy = self.lab.path(&format!("tpm-{name}"));
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(self.lab.path("state/sim/tpm")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        copy
    }

    /// Boots the machine once more, to attest after `script`.
    fn boot(&self, name: &str, setup: &Setup, script: &str) -> Boot {
        let job = Job::new(&format!("{script}\n{ATTEST} --out $OUT/evidence"));
        self.image.boot(name, &self.tpm(name), setup, &job).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the verifier says of a boot's evidence.
    fn appraise(&self, evidence: &Path, policy: &str) -> Value {
        let evidence = evidence.display().to_string();
        let ran = self
            .lab
            .hallmark(&["--format", "json", "appraise", &evidence, "--nonce", NONCE, "--policy", policy]);
        ran.json().unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    fn verdict(&self, boot: &Boot) -> Value {
        self.appraise(&boot.file("evidence"), "policy.toml")
    }
}

/// Each reason as `[id] where: what`.
fn reasons(report: &Value) -> Vec<String> {
    let text = |reason: &Value, name: &str| reason[name].as_str().unwrap().to_owned();
    report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| format!("[{}] {}: {}", text(reason, "id"), text(reason, "where"), text(reason, "what")))
        .collect()
}

/// That a reason begins with `start` and says `word`, and that the verdict is a refusal.
fn assert_refused(report: &Value, start: &str, word: &str) {
    assert_eq!(report["verdict"], "refused", "{report:#}");
    let reasons = reasons(report);
    let found = reasons.iter().any(|reason| reason.starts_with(start) && reason.contains(word));
    assert!(found, "no reason {start:?} with {word:?} in {reasons:#?}");
}

/// That there is nothing else against the machine.
fn assert_only(report: &Value, starts: &[&str]) {
    let reasons = reasons(report);
    let other = reasons.iter().find(|reason| !starts.iter().any(|start| reason.starts_with(start)));
    assert_eq!(other, None, "beside {starts:?}");
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn the_same_machine_is_trusted_again_and_starts_its_modules() {
    let golden = &*GOLDEN;
    let lab = &golden.lab;
    fs::create_dir_all(lab.path("build/bin")).unwrap();
    for module in ["thermometer", "forwarder"] {
        fs::copy(build_folder().join("examples").join(module), lab.path("build/bin").join(module)).unwrap();
    }
    let modules = "[[module]]\nname = \"thermometer\"\npath = \"bin/thermometer\"\nargs = [\"--interval-ms\", \"200\"]\n\
                   [[module]]\nname = \"forwarder\"\npath = \"bin/forwarder\"\nargs = [\"--to\", \"/tmp/readings\"]\n\
                   stdin = \"thermometer\"\n";
    let package = "product = \"machine\"\nhardware = [\"vm\"]\nversion = \"1.0.0\"\nrelease = 1\n";
    fs::write(lab.path("package.toml"), format!("{package}{modules}")).unwrap();
    let pack = ["update", "pack", "build", "--description", "package.toml"];
    good(lab.hallmark(&[&pack[..], &["--key", "key.pem", "--out", "machine.hmk"]].concat()));
    let job = Job::new(&format!(
        "known\n{ATTEST} --out $OUT/evidence\n\
         trust='--key key.pem.pub --product machine --hardware vm'\n\
         hallmark update install machine.hmk $trust\n\
         hallmark run --policy policy.toml $trust & runner=$!\n\
         i=0; while ! [ -s /tmp/readings ] && [ $i -lt 600 ]; do usleep 100000; i=$((i + 1)); done\n\
         hallmark --format json module status >$OUT/status.json\n\
         kill -TERM $runner; wait $runner\n\
         cp /tmp/readings $OUT\n\
         mkdir -p tpm-sim-tests/vm; printf '#!/bin/sh\\n. ./$1\\n' >tpm-sim-tests/vm/try; chmod 755 tpm-sim-tests/vm/try\n\
         for guide in *.guide; do sh $guide >$OUT/$guide || true; done"
    ));
    let guides = machine_guides();
    for (name, guide) in &guides {
        fs::write(lab.path(name), guide.machine_script()).unwrap();
    }
    let files = ["machine.hmk", "policy.toml", "golden.json", "key.pem.pub", "factory/root.pem"];
    let files = files.into_iter().chain(guides.iter().map(|(name, _)| *name));
    let job = files.fold(job, |job, file| job.with(file, lab.path(file)));
    let boot = golden.image.boot("again", &golden.tpm("again"), &Setup::default(), &job);
    let boot = boot.unwrap_or_else(|error| panic!("{error}"));
    let report = golden.verdict(&boot);
    assert_eq!(reasons(&report), Vec::<String>::new(), "{report:#}");
    assert_eq!((&report["verdict"], &report["claims"]["device_id"]), (&"trusted".into(), &"vm-1".into()));
    let status: Value = serde_json::from_slice(&fs::read(boot.file("status.json")).unwrap()).unwrap();
    let running = status["modules"].as_array().unwrap().iter().filter(|module| module["pid"].is_u64());
    assert_eq!(running.count(), 2, "{status:#}");
    assert!(fs::read_to_string(boot.file("readings")).unwrap().lines().count() > 0, "{boot:?}");
    for (name, guide) in &guides {
        let printed = fs::read_to_string(boot.file(name)).unwrap();
        guide.check_machine(&printed).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The guides that have something to do on a machine, each by its script's name in the job. `vm/try`, which boots such a machine,
/// only runs its script there.
fn machine_guides() -> [(&'static str, Guide); 3] {
    ["reading-a-boot-log.guide", "what-is-measured.guide", "writing-a-policy.guide"].map(|name| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guides").join(name);
        let guide = Guide::read(&folder.with_extension("md")).unwrap_or_else(|error| panic!("{error}"));
        (name, guide)
    })
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn e01_another_command_line_and_an_old_log_for_its_quote() {
    let golden = &*GOLDEN;
    let setup = Setup { more_words: "debug", ..Setup::default() };
    // The golden boot's logs, which evidence carries, and this boot's quote.
    let old = fs::read(golden.lab.path("golden.log")).unwrap();
    assert!(!old.is_empty());
    let job = Job::new(&format!(
        "{ATTEST} --out $OUT/evidence\n{ATTEST} --out $OUT/mixed --eventlog golden.log --ima golden.ima"
    ));
    let job =
        ["golden.log", "golden.ima"].iter().fold(job, |job, file| job.with(file, golden.lab.path(file)));
    let boot = golden.image.boot("command-line", &golden.tpm("command-line"), &setup, &job).unwrap();
    let report = golden.verdict(&boot);
    assert_refused(&report, "[reference] PCR 9 (sha256)", "command line changed");
    assert_only(&report, &["[reference] PCR 9 ", "[i12] IMA list"]);
    let mixed = golden.appraise(&boot.file("mixed"), "policy.toml");
    assert_refused(&mixed, "[e01] PCR 9 (sha256)", "do not lead to the quoted value");
    assert_refused(&mixed, "[i03] IMA list", "");
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn another_initrd() {
    let golden = &*GOLDEN;
    let mut initrd = fs::read(golden.image.file("initramfs.gz")).unwrap();
    // The kernel takes zeros after an archive for padding: the machine does the same as ever.
    initrd.extend([0; 512]);
    let other = golden.lab.path("other-initrd");
    fs::write(&other, initrd).unwrap();
    let boot = golden.boot("initrd", &Setup { initrd: Some(other), ..Setup::default() }, "");
    let report = golden.verdict(&boot);
    assert_refused(&report, "[reference] PCR 9 (sha256)", "initrd changed");
    assert_only(&report, &["[reference] PCR 9 ", "[reference] PCR 4 ", "[i12] IMA list"]);
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn i12_a_program_that_the_policy_does_not_know() {
    let golden = &*GOLDEN;
    let script =
        "printf '#!/bin/sh\\necho a stranger\\n' >/usr/bin/stranger\nchmod 755 /usr/bin/stranger\nstranger";
    let report = golden.verdict(&golden.boot("unknown", &Setup::default(), script));
    assert_refused(&report, "[i12] IMA list", "/usr/bin/stranger is a file that no reference knows");
    assert_only(&report, &["[i12]"]);
    assert_eq!(report["claims"]["ima"]["unknown_files"], 1);
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn i12_a_known_program_with_another_content() {
    let golden = &*GOLDEN;
    let report = golden.verdict(&golden.boot(
        "altered",
        &Setup::default(),
        "echo 'echo and more' >>/usr/bin/known\nknown",
    ));
    assert_refused(&report, "[i12] IMA list", "/usr/bin/known has another content than in any reference");
    assert_only(&report, &["[i12]"]);
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn e01_firmware_that_measures_nothing_with_the_golden_log() {
    let golden = &*GOLDEN;
    let setup = Setup { firmware: Firmware::Bare, ..Setup::default() };
    let job = Job::new(&format!(
        "{ATTEST} --out $OUT/evidence\n{ATTEST} --out $OUT/borrowed --eventlog golden.log"
    ));
    let job = job.with("golden.log", golden.lab.path("golden.log"));
    let boot = golden.image.boot("bare", &golden.tpm("bare"), &setup, &job).unwrap();
    let report = golden.verdict(&boot);
    assert_refused(&report, "[e15] bank sha256", "no judged PCR was measured into");
    let borrowed = golden.appraise(&boot.file("borrowed"), "policy.toml");
    for pcr in [0, 2, 4, 7] {
        let place = format!("[e01] PCR {pcr} (sha256)");
        assert_refused(&borrowed, &place, "do not lead to the quoted value");
    }
    let zeros = "0".repeat(64);
    let found = |reason: &Value| reason["id"] == "e01" && reason["found"] == zeros.as_str();
    assert!(borrowed["reasons"].as_array().unwrap().iter().any(found), "{borrowed:#}");
}

#[test]
#[ignore = "boots a virtual machine: make test-vm"]
fn secure_boot_on_and_off_and_an_image_that_nobody_signed() {
    let golden = &*GOLDEN;
    let lab = &golden.lab;
    let keys = lab.path("secure-boot");
    golden.image.secure_boot(&keys).unwrap_or_else(|error| panic!("{error}"));
    let machine = |variables: &str, disk: &str| Setup {
        firmware: Firmware::Secure(keys.join(variables)),
        disk: Some(keys.join(disk)),
        ..Setup::default()
    };

    // The owner's keys are in, and the image is signed: this boot is recorded.
    let record =
        "hallmark reference record --product machine --release 1-secure --out $OUT/golden.unsigned.json";
    let on = golden.boot("secure", &machine("on.fd", "signed.img"), record);
    sign(lab, &on.file("golden.unsigned.json"), "golden-secure.json");
    let rules = "[quote]\npcrs = [0, 1, 2, 3, 4, 5, 6, 7, 9, 11]\n[boot]\n\
                 references = [\"golden.json\", \"golden-secure.json\"]\nsecure_boot = \"require\"\n\
                 [ima]\nlist = \"require\"";
    let start = fs::read_to_string(lab.path("policy.toml")).unwrap();
    let start = start.split_once("[quote]").unwrap().0;
    fs::write(lab.path("secure.toml"), format!("{start}{rules}\n")).unwrap();
    let judge = |boot: &Boot| golden.appraise(&boot.file("evidence"), "secure.toml");
    let report = judge(&on);
    assert_eq!(
        (&report["verdict"], &report["claims"]["secure_boot"]),
        (&"trusted".into(), &true.into()),
        "{report:#}"
    );

    // What its files alone say that a machine must show, it shows.
    predict(lab, &keys.join("signed.efi"), "predicted.json");
    let rules = "[quote]\npcrs = [4, 9, 11]\n[boot]\nreferences = [\"predicted.json\"]\n";
    fs::write(lab.path("predicted.toml"), format!("{start}{rules}")).unwrap();
    let report = golden.appraise(&on.file("evidence"), "predicted.toml");
    assert_eq!((&report["verdict"], reasons(&report)), (&"trusted".into(), vec![]), "{report:#}");

    // The same image on the same firmware without keys: it starts as well, and the log says so.
    let off = judge(&golden.boot("secure-off", &machine("off.fd", "signed.img"), ""));
    assert_refused(&off, "[secure-boot] PCR 7", "the policy requires secure boot");
    let found = |reason: &Value| reason["id"] == "secure-boot" && reason["found"] == "it is off";
    assert!(off["reasons"].as_array().unwrap().iter().any(found), "{off:#}");
    assert_refused(
        &off,
        "[reference] PCR 7 (sha256)",
        "secure boot state changed, platform key (PK) changed",
    );
    assert_eq!(off["claims"]["secure_boot"], false);

    // An image that nobody signed is not even started.
    let refused = golden.image.boot(
        "unsigned",
        &golden.tpm("unsigned"),
        &machine("on.fd", "unsigned.img"),
        &Job::new("true"),
    );
    let told = refused.unwrap_err();
    assert!(told.contains("started nothing") && told.contains("Access Denied"), "{told}");
}
