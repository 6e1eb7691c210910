//! A lab for whole-system tests: a folder, a simulated TPM, and the `hallmark` command that is tested.
//!
//! Everything runs as it would for a user: swtpm does every TPM operation, and the command is a process of its own.

pub mod guide;
pub mod machine;
pub mod relay;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The JSON object on standard output.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_str(&self.stdout)
    }
}

/// A folder with a simulated TPM in it. The TPM ends with the value.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
    tcti: Option<String>,
}

impl Lab {
    /// A lab without a TPM.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn empty() -> std::io::Result<Self> {
        Ok(Self { folder: TempDir::with_prefix("hallmark-lab-")?, tcti: None })
    }

    /// A lab whose TPM has `banks` and was started; nothing was measured into it.
    ///
    /// # Errors
    /// What `hallmark sim start` said when it failed.
    pub fn started(banks: &str) -> Result<Self, String> {
        let mut lab = Self::empty().map_err(|error| error.to_string())?;
        let started = lab.hallmark(&["--format", "json", "sim", "start", "--banks", banks]);
        if started.code != Some(0) {
            return Err(format!("sim start: {}", started.stderr));
        }
        let report = started.json().map_err(|error| error.to_string())?;
        lab.tcti = report.get("tcti").and_then(|tcti| tcti.as_str()).map(str::to_owned);
        Ok(lab)
    }

    /// A lab whose TPM has `banks` and was booted by the recorded vector of that name, with its IMA list.
    ///
    /// # Errors
    /// What `hallmark sim` said when it failed.
    pub fn booted(banks: &str, vector: &str) -> Result<Self, String> {
        let lab = Self::started(banks)?;
        lab.boot(vector)?;
        Ok(lab)
    }

    /// Boots again, by another recorded vector.
    ///
    /// # Errors
    /// What `hallmark sim boot` said when it failed.
    pub fn boot(&self, vector: &str) -> Result<(), String> {
        let vector = vectors().join(vector);
        let log = vector.join("eventlog.bin").display().to_string();
        let ima = vector.join("ima.bin").display().to_string();
        let ran = self.hallmark(&["sim", "boot", &log, "--ima", &ima]);
        if ran.code == Some(0) { Ok(()) } else { Err(format!("sim boot: {}", ran.stderr)) }
    }

    /// Makes a factory in `factory/` and provisions the TPM as `device_id`.
    ///
    /// # Errors
    /// What the commands said when they failed.
    pub fn provisioned(self, device_id: &str) -> Result<Self, String> {
        self.provisioned_with(device_id, &[])
    }

    /// The same with more options for `hallmark provision`.
    ///
    /// # Errors
    /// What the commands said when they failed.
    pub fn provisioned_with(self, device_id: &str, options: &[&str]) -> Result<Self, String> {
        let provision = self.provision_arguments(device_id);
        let provision: Vec<_> = provision.iter().map(String::as_str).chain(options.iter().copied()).collect();
        for arguments in
            [&["ca", "init", "--dir", "factory", "--organization", "Test", "--name", "Test"][..], &provision]
        {
            let ran = self.hallmark(arguments);
            if ran.code != Some(0) {
                return Err(format!("{arguments:?}: {}", ran.stderr));
            }
        }
        Ok(self)
    }

    /// A provisioned device `gw-1`, the pair `key.pem` and `key.pem.pub`, and its boot as reference values `golden.json`
    /// that this key signed.
    ///
    /// # Errors
    /// What the commands said when they failed.
    pub fn with_reference() -> Result<Self, String> {
        let lab = Self::booted("sha256", "q35-sha256")?.provisioned("gw-1")?;
        let record = ["reference", "record", "--product", "gw", "--release", "1"];
        let signed = ["--key", "key.pem", "--out", "golden.json"];
        for arguments in
            [&["key", "generate", "--out", "key.pem"][..], &[record.as_slice(), &signed].concat()]
        {
            let ran = lab.hallmark(arguments);
            if ran.code != Some(0) {
                return Err(format!("{arguments:?}: {}", ran.stderr));
            }
        }
        Ok(lab)
    }

    /// Writes `policy.toml`, which trusts the lab's factory and key: `trust` are more lines for that section, `rest` is
    /// everything after it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_policy(&self, trust: &str, rest: &str) -> std::io::Result<()> {
        let start = "version = 1\nname = \"t\"\n[trust]\ndevice_roots = [\"factory/root.pem\"]\n\
                     reference_keys = [\"key.pem.pub\"]\n";
        std::fs::write(self.path("policy.toml"), format!("{start}{trust}\n{rest}\n"))
    }

    /// The arguments that provision the lab's TPM.
    #[must_use]
    pub fn provision_arguments(&self, device_id: &str) -> Vec<String> {
        let ca = self.path("state/sim/ca");
        let text = |path: PathBuf| path.display().to_string();
        [
            "provision",
            "--ca",
            "factory",
            "--ek-root",
            &text(ca.join("swtpm-localca-rootca-cert.pem")),
            "--ek-intermediate",
            &text(ca.join("issuercert.pem")),
            "--device-id",
            device_id,
            "--ledger",
            "ledger.jsonl",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// A path inside the lab.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The TCTI of the lab's TPM; empty without one.
    #[must_use]
    pub fn tcti(&self) -> &str {
        self.tcti.as_deref().unwrap_or_default()
    }

    /// The command, ready to run in the lab.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(hallmark());
        self.settle(&mut command);
        command.args(arguments);
        command
    }

    /// Gives any command the lab's folder and environment.
    pub fn settle(&self, command: &mut Command) {
        command
            .current_dir(self.folder.path())
            .env("HALLMARK_STATE", self.path("state"))
            .env("NO_COLOR", "1")
            .env_remove("HALLMARK_TCTI")
            .stdin(Stdio::null());
        if let Some(tcti) = &self.tcti {
            command.env("HALLMARK_TCTI", tcti).env("TPM2TOOLS_TCTI", tcti);
        }
    }

    /// Runs `hallmark` in the lab.
    #[must_use]
    pub fn hallmark(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Runs another program in the lab, e.g. one of tpm2-tools.
    #[must_use]
    pub fn program(&self, program: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new(program);
        self.settle(&mut command);
        run(command.args(arguments))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.tcti.is_some() {
            let _ = self.hallmark(&["-q", "sim", "stop"]);
        }
    }
}

/// Runs a command to its end. One that can't be started counts as ended without a code, with the cause on its standard error.
#[must_use]
pub fn run(command: &mut Command) -> Ran {
    match command.output() {
        Ok(output) => output.into(),
        Err(error) => Ran {
            code: None,
            stdout: String::new(),
            stderr: format!(
                "{:?} can't be started: {error}; install what the tests need: make test-deps",
                command.get_program()
            ),
        },
    }
}

/// The project's recorded vectors.
#[must_use]
pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The binary under test: `HALLMARK_BIN`, or the one that cargo put beside this test.
#[must_use]
pub fn hallmark() -> PathBuf {
    std::env::var_os("HALLMARK_BIN").map_or_else(|| build_folder().join("hallmark"), PathBuf::from)
}

/// `target/debug` or `target/release`, whichever this test was built into.
#[must_use]
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/NAME-HASH
    test.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}
