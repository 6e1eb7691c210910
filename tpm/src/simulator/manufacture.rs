//! What a TPM's maker does: seeds, an endorsement key, and certificates for it (swtpm_setup and swtpm_localca).

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use super::{Simulator, SimulatorError};

/// Makes the TPM's state, unless it has been made before. It appears under its name only when it is complete.
pub(super) fn manufacture(simulator: &Simulator, banks: &str) -> Result<(), SimulatorError> {
    let state = simulator.tpm_state();
    if state.exists() {
        return Ok(());
    }
    let unfinished = simulator.folder.join("tpm.unfinished");
    remove_left_over(&unfinished)?;
    create(&unfinished)?;
    let config = write_configuration(&simulator.folder)?;
    let output = Command::new("swtpm_setup")
        .arg("--tpm2")
        .arg("--tpmstate")
        .arg(&unfinished)
        .args(["--create-ek-cert", "--create-platform-cert", "--lock-nvram", "--overwrite"])
        .args(["--pcr-banks", banks])
        .arg("--config")
        .arg(&config)
        .output()
        .map_err(|error| not_started("swtpm_setup", "swtpm-tools", error.kind()))?;
    if !output.status.success() {
        return Err(SimulatorError::Failed {
            program: "swtpm_setup",
            output: last_lines(&output.stdout, &output.stderr),
        });
    }
    fs::rename(&unfinished, &state).map_err(|source| SimulatorError::File { path: state, source })
}

/// Points swtpm_setup at an authority inside the folder, so that nothing outside it is touched and no root is needed.
fn write_configuration(folder: &Path) -> Result<std::path::PathBuf, SimulatorError> {
    let ca = folder.join("ca");
    create(&ca)?;
    let localca = folder.join("swtpm-localca.conf");
    let options = folder.join("swtpm-localca.options");
    let setup = folder.join("swtpm_setup.conf");
    let ca = ca.display();
    write(
        &localca,
        &format!(
            "statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\ncertserial = {ca}/certserial\n"
        ),
    )?;
    write(
        &options,
        "--tpm-manufacturer id:00001014\n--tpm-model swtpm\n--tpm-version 2\n--platform-manufacturer Hallmark\n--platform-version 1\n--platform-model simulator\n",
    )?;
    write(
        &setup,
        &format!(
            "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\n",
            localca.display(),
            options.display()
        ),
    )?;
    Ok(setup)
}

fn write(path: &Path, content: &str) -> Result<(), SimulatorError> {
    fs::write(path, content).map_err(|source| SimulatorError::File { path: path.to_path_buf(), source })
}

fn create(path: &Path) -> Result<(), SimulatorError> {
    fs::create_dir_all(path).map_err(|source| SimulatorError::File { path: path.to_path_buf(), source })
}

fn remove_left_over(path: &Path) -> Result<(), SimulatorError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(SimulatorError::File { path: path.to_path_buf(), source: error })
        }
        _ => Ok(()),
    }
}

pub(super) fn not_started(program: &'static str, package: &'static str, kind: ErrorKind) -> SimulatorError {
    match kind {
        ErrorKind::NotFound => SimulatorError::Missing { program, package },
        other => SimulatorError::Failed { program, output: other.to_string() },
    }
}

/// The last lines that a program printed, on one line.
pub(super) fn last_lines(stdout: &[u8], stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(if stderr.is_empty() { stdout } else { stderr }).into_owned();
    let mut lines: Vec<_> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    lines.reverse();
    lines.join("; ")
}
