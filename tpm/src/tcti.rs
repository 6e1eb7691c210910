//! How a TPM is reached: a TCTI string, read strictly.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tss_esapi::tcti_ldr::{DeviceConfig, NetworkTPMConfig, TabrmdConfig, TctiNameConf};

use crate::error::TpmError;

/// Where the TPM is, in the form that the TSS calls a TCTI configuration.
///
/// The TSS library takes what it does not understand for a default and would then talk to another TPM than the one that
/// was named, so everything here is checked before it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tcti {
    /// A character device; `/dev/tpmrm0` is the kernel's resource manager.
    Device(PathBuf),
    /// A simulator behind two TCP ports: commands on `port`, control on `port + 1`.
    Socket {
        /// `swtpm` or `mssim`.
        protocol: &'static str,
        /// Host name or address.
        host: String,
        /// Command port.
        port: u16,
    },
    /// The user space resource manager; the text after `tabrmd:`.
    Tabrmd(String),
}

impl Default for Tcti {
    fn default() -> Self {
        Self::Device(PathBuf::from("/dev/tpmrm0"))
    }
}

impl FromStr for Tcti {
    type Err = TpmError;

    /// Reads `device:PATH`, `swtpm:host=HOST,port=PORT`, `mssim:host=HOST,port=PORT` or `tabrmd[:OPTIONS]`.
    fn from_str(text: &str) -> Result<Self, TpmError> {
        let wrong = |why| TpmError::Tcti { found: text.to_owned(), why };
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "device" if rest.is_empty() => Err(wrong("a device needs its path")),
            "device" => Ok(Self::Device(PathBuf::from(rest))),
            "swtpm" => socket("swtpm", rest).map_err(wrong),
            "mssim" => socket("mssim", rest).map_err(wrong),
            "tabrmd" => Ok(Self::Tabrmd(rest.to_owned())),
            _ => Err(wrong("unknown kind")),
        }
    }
}

fn socket(protocol: &'static str, options: &str) -> Result<Tcti, &'static str> {
    let mut host = None;
    let mut port = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("host", value)) if host.is_none() => host = Some(value.to_owned()),
            Some(("port", value)) if port.is_none() => {
                port = Some(value.parse::<u16>().map_err(|_| "the port must be 1 to 65534")?);
            }
            Some(("path", _)) => {
                return Err("Unix sockets are not supported by the TSS binding, use host and port");
            }
            _ => return Err("options are host and port, once each"),
        }
    }
    match port {
        None => Err("the port is missing"),
        // The control channel is the next port.
        Some(0 | u16::MAX) => Err("the port must be 1 to 65534"),
        Some(port) => {
            Ok(Tcti::Socket { protocol, host: host.unwrap_or_else(|| "127.0.0.1".to_owned()), port })
        }
    }
}

impl fmt::Display for Tcti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Socket { protocol, host, port } => write!(f, "{protocol}:host={host},port={port}"),
            Self::Tabrmd(options) if options.is_empty() => f.write_str("tabrmd"),
            Self::Tabrmd(options) => write!(f, "tabrmd:{options}"),
        }
    }
}

impl Tcti {
    /// Whether the TPM is this machine's own, as far as that can be told: simulators may stand anywhere.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Device(_) | Self::Tabrmd(_))
    }

    /// The same for the TSS. Its own reader of whole TCTI strings compiles a regular expression for each kind that there is.
    ///
    /// # Errors
    /// [`TpmError::Tcti`] when the TSS can't express it.
    pub(crate) fn config(&self) -> Result<TctiNameConf, TpmError> {
        match self {
            Self::Device(path) => {
                path.to_str().and_then(|path| DeviceConfig::from_str(path).ok()).map(TctiNameConf::Device)
            }
            Self::Socket { protocol, host, port } => {
                let make = if *protocol == "mssim" { TctiNameConf::Mssim } else { TctiNameConf::Swtpm };
                NetworkTPMConfig::from_str(&format!("host={host},port={port}")).ok().map(make)
            }
            Self::Tabrmd(options) => TabrmdConfig::from_str(options).ok().map(TctiNameConf::Tabrmd),
        }
        .ok_or_else(|| TpmError::Tcti { found: self.to_string(), why: "the TSS can't read it" })
    }

    /// Refuses what the TSS must not even open: it writes commands into whatever it is given, into a file as well, over what
    /// was there.
    ///
    /// # Errors
    /// [`TpmError::NotThere`] for a path that is there and no character device.
    pub(crate) fn check(&self) -> Result<(), TpmError> {
        use std::os::unix::fs::FileTypeExt;
        match self {
            Self::Device(path)
                if std::fs::metadata(path).is_ok_and(|metadata| !metadata.file_type().is_char_device()) =>
            {
                Err(self
                    .not_there("it is no character device".to_owned(), "name a TPM device, e.g. /dev/tpmrm0"))
            }
            _ => Ok(()),
        }
    }

    /// Looks why a TPM can't be opened, since the TSS only says "I/O error" whatever the cause. Asked afterwards: a TPM that
    /// answers needs no second connection.
    ///
    /// # Errors
    /// [`TpmError::NotThere`] with the cause and the way out; [`TpmError::Busy`] when another program holds the device.
    pub(crate) fn probe(&self) -> Result<(), TpmError> {
        match self {
            Self::Device(path) => self.probe_device(path),
            Self::Socket { host, port, .. } => self.probe_socket(host, *port),
            Self::Tabrmd(_) => Ok(()),
        }
    }

    fn probe_device(&self, path: &Path) -> Result<(), TpmError> {
        use std::io::ErrorKind;
        match std::fs::OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                Err(TpmError::Busy { tcti: self.to_string() })
            }
            Err(error) => {
                let fix = match error.kind() {
                    ErrorKind::NotFound => {
                        "no TPM driver made it; is the TPM switched on in the firmware's setup?"
                    }
                    ErrorKind::PermissionDenied => "add the user to the group of the device (often tss)",
                    _ => "is this a TPM device?",
                };
                Err(self.not_there(error.to_string(), fix))
            }
        }
    }

    fn probe_socket(&self, host: &str, port: u16) -> Result<(), TpmError> {
        let fix = "is the simulator running? `hallmark sim status` tells";
        let addresses =
            (host, port).to_socket_addrs().map_err(|error| self.not_there(error.to_string(), fix))?;
        let mut cause = "the name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
                Ok(_) => return Ok(()),
                Err(error) => cause = error.to_string(),
            }
        }
        Err(self.not_there(cause, fix))
    }

    fn not_there(&self, cause: String, fix: &'static str) -> TpmError {
        TpmError::NotThere { tcti: self.to_string(), cause, fix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused_instead_of_meaning_a_default() {
        for text in [
            "swtpm:path=/tmp/sock",
            "swtpm:hots=1.2.3.4,port=2321",
            "swtpm",
            "swtpm:port=70000",
            "swtpm:port=65535",
            "device",
            "device:",
            "tpm0",
            "swtpm:port=1,port=2",
            "",
        ] {
            assert!(matches!(text.parse::<Tcti>(), Err(TpmError::Tcti { .. })), "{text}");
        }
    }

    #[test]
    fn a_tcti_prints_as_it_is_read() {
        for text in
            ["device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321", "mssim:host=localhost,port=9", "tabrmd"]
        {
            assert_eq!(text.parse::<Tcti>().unwrap().to_string(), text);
        }
    }
}
