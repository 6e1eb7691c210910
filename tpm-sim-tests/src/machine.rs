//! A virtual machine whose boot is really measured: firmware, kernel and IMA extend a TPM that swtpm simulates.
//!
//! The shell scripts in `vm/` build the image and boot it; this is how tests call them. Everything that a boot left is
//! below `target/vm/runs/NAME`, the console's log too.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::relay::Relay;
use crate::{build_folder, hallmark};

/// How long a guest may take until its TPM can be reached from outside.
const BOOT: Duration = Duration::from_secs(200);

/// Which firmware starts the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Firmware {
    /// OVMF, which measures; secure boot is not enforced.
    #[default]
    Measuring,
    /// OVMF with secure boot as this variable store has it.
    Secure(PathBuf),
    /// Firmware that knows nothing of TPMs.
    Bare,
}

/// What is different from the golden machine in one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// The firmware.
    pub firmware: Firmware,
    /// Words that are added to the kernel's command line.
    pub more_words: &'static str,
    /// Another initrd than the image's.
    pub initrd: Option<PathBuf>,
    /// A disk to start from, instead of a kernel that the firmware is given.
    pub disk: Option<PathBuf>,
    /// Whether the guest's TPM is to be reached from outside.
    pub relay: bool,
}

/// The image of the virtual machine.
#[derive(Debug, Clone)]
pub struct Image {
    folder: PathBuf,
    scripts: PathBuf,
}

impl Image {
    /// Builds the image with the `hallmark` command that is tested.
    ///
    /// # Errors
    /// What the script said: a program that is missing, with the command that installs it.
    pub fn build() -> Result<Self, String> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("vm");
        let folder = vm_folder().join("image");
        let mut build = Command::new(scripts.join("build"));
        build.arg(&folder).arg(hallmark()).arg(build_folder().join("examples/tpm_relay"));
        done(&mut build)?;
        Ok(Self { folder, scripts })
    }

    /// A file of the image: `vmlinuz`, `initramfs.gz` or `root.img`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes keys for secure boot, and disks that start with them or not, in a folder (see `vm/secure-boot`).
    ///
    /// # Errors
    /// What the script said.
    pub fn secure_boot(&self, folder: &Path) -> Result<(), String> {
        done(Command::new(self.scripts.join("secure-boot")).arg(&self.folder).arg(folder))
    }

    /// Switches a machine on: with the TPM whose state is in `tpm`, to do `job`.
    ///
    /// # Errors
    /// When its folder can't be made or the script can't be started.
    pub fn start(&self, name: &str, tpm: &Path, setup: &Setup, job: &Job) -> Result<Running, String> {
        let folder = vm_folder().join("runs").join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", folder.display()));
            }
            _ => {}
        }
        job.write(&folder.join("job"))?;
        let socket = std::env::temp_dir().join(format!("hm-{}-{name}", std::process::id()));
        let mut boot = Command::new(self.scripts.join("boot"));
        boot.arg(&self.folder).arg(&folder).arg(tpm).arg(folder.join("job"));
        boot.args(setup.arguments());
        if setup.relay {
            boot.arg("--relay").arg(&socket);
        }
        let child = boot.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.map_err(|error| format!("boot: {error}"))?;
        Ok(Running { child, folder, socket })
    }

    /// [`Image::start`] and [`Running::finish`].
    ///
    /// # Errors
    /// As those.
    pub fn boot(&self, name: &str, tpm: &Path, setup: &Setup, job: &Job) -> Result<Boot, String> {
        self.start(name, tpm, setup, job)?.finish()
    }
}

impl Setup {
    fn arguments(&self) -> Vec<PathBuf> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, value: &Path| {
            arguments.push(PathBuf::from(option));
            arguments.push(value.to_path_buf());
        };
        if !self.more_words.is_empty() {
            add("--more", Path::new(self.more_words));
        }
        if let Some(initrd) = &self.initrd {
            add("--initrd", initrd);
        }
        if let Some(disk) = &self.disk {
            add("--disk", disk);
        }
        match &self.firmware {
            Firmware::Measuring => {}
            Firmware::Secure(variables) => add("--secure", variables),
            Firmware::Bare => arguments.push(PathBuf::from("--bare")),
        }
        arguments
    }
}

/// What a machine is to do once it has booted: a shell script, and files that it finds beside it. What it leaves in `$OUT` is
/// carried out.
#[derive(Debug, Clone, Default)]
pub struct Job {
    script: String,
    files: Vec<(String, PathBuf)>,
}

impl Job {
    /// A job of these lines; the first command that fails ends it.
    #[must_use]
    pub fn new(script: &str) -> Self {
        Self { script: format!("set -e\n{script}\n"), files: Vec::new() }
    }

    /// Gives it a file under a name.
    #[must_use]
    pub fn with(mut self, name: &str, file: PathBuf) -> Self {
        self.files.push((name.to_owned(), file));
        self
    }

    fn write(&self, folder: &Path) -> Result<(), String> {
        let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| told(folder, error))?;
        for (name, file) in &self.files {
            let to = folder.join(name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|error| told(parent, error))?;
            }
            fs::copy(file, &to).map_err(|error| told(file, error))?;
        }
        let script = folder.join("run");
        fs::write(&script, &self.script).map_err(|error| told(&script, error))
    }
}

/// A machine that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: PathBuf,
    socket: PathBuf,
}

impl Running {
    /// The way to its TPM, once the job has started the relay.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn relay(&self) -> Result<Relay, String> {
        Relay::connect(&self.socket, BOOT).map_err(|error| format!("the guest's TPM relay: {error}"))
    }

    /// Waits until it has switched itself off.
    ///
    /// # Errors
    /// What went wrong: it did not boot, took too long, or its job failed.
    pub fn finish(self) -> Result<Boot, String> {
        let Self { child, folder, socket } = self;
        let output = child.wait_with_output().map_err(|error| format!("boot: {error}"))?;
        let _ = fs::remove_file(socket);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let boot = Boot { output: read("out/output"), folder: folder.clone() };
        match read("out/code").trim() {
            "0" => Ok(boot),
            code => Err(format!("the job ended with {code}: {}", boot.output)),
        }
    }
}

/// A boot that came to its end.
#[derive(Debug, Clone)]
pub struct Boot {
    folder: PathBuf,
    /// What the job printed.
    pub output: String,
}

impl Boot {
    /// A file that the job left in `$OUT`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join("out").join(name)
    }
}

/// `target/vm`, where the kernel's package is.
fn vm_folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("HALLMARK_VM").map_or_else(|| root.join("target/vm"), PathBuf::from)
}

fn done(command: &mut Command) -> Result<(), String> {
    let ran = crate::run(command);
    if ran.code == Some(0) { Ok(()) } else { Err(ran.stderr) }
}
