//! What systemd measures after the firmware: the texts, and what they mean (systemd, "TPM2 PCR Measurements Made by
//! systemd"). The digest covers the text; the kind that the log names beside it is not measured, so it is not asked.

use serde::Serialize;

use crate::eventlog::PHASES;

/// The meaning of a text that systemd measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum SystemdEvent<'a> {
    /// A phase of the boot: `enter-initrd`, `leave-initrd`, `sysinit`, `ready`, `shutdown`, `final` (PCR 11).
    Phase {
        /// Its name.
        phase: &'a str,
    },
    /// `machine-id:` and the machine's id, in PCR 15.
    MachineId {
        /// 32 hexadecimal digits.
        id: &'a str,
    },
    /// `product-id:` and the id of the product, or `missing`.
    ProductId {
        /// 32 hexadecimal digits, or `missing`.
        id: &'a str,
    },
    /// `file-system:` and what identifies it, in PCR 15.
    FileSystem(FileSystem<'a>),
    /// `nvpcr-init:`: an NV index was made to serve as a PCR, in PCR 9.
    NvPcr {
        /// Its name in systemd.
        name: &'a str,
        /// Its NV index, in hexadecimal with 0x.
        index: &'a str,
        /// Its Name in the TPM, in hexadecimal: the hash of its attributes.
        tpm_name: &'a str,
    },
    /// `nvpcr-separator`: no more of them, in PCR 9.
    NvPcrSeparator,
    /// `os-separator`: what comes after is the operating system's.
    OsSeparator,
    /// Another text.
    Other {
        /// The text.
        text: &'a str,
    },
}

/// What systemd says of a file system. Colons within a field are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FileSystem<'a> {
    /// Where it is mounted, when the text has a seventh field for it.
    pub mount_point: Option<&'a str>,
    /// The rest of the text: type, UUID and label of the file system; UUID, type and label of the partition.
    pub identity: &'a str,
}

impl<'a> SystemdEvent<'a> {
    /// Reads a text, as logged.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        if PHASES.contains(&text) {
            return Self::Phase { phase: text };
        }
        if text == "nvpcr-separator" {
            return Self::NvPcrSeparator;
        }
        if text == "os-separator" {
            return Self::OsSeparator;
        }
        Self::prefixed(text).unwrap_or(Self::Other { text })
    }

    fn prefixed(text: &'a str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "machine-id" => is_id(rest).then_some(Self::MachineId { id: rest }),
            "product-id" => (rest == "missing" || is_id(rest)).then_some(Self::ProductId { id: rest }),
            "file-system" => FileSystem::of(rest).map(Self::FileSystem),
            "nvpcr-init" => {
                let mut words = rest.splitn(3, ':');
                let (name, index, tpm_name) = (words.next()?, words.next()?, words.next()?);
                Some(Self::NvPcr { name, index, tpm_name })
            }
            _ => None,
        }
    }
}

impl<'a> FileSystem<'a> {
    fn of(text: &'a str) -> Option<Self> {
        match (text.split(':').count(), text.split_once(':')?) {
            (7, (mount_point, identity)) => Some(Self { mount_point: Some(mount_point), identity }),
            (6, _) => Some(Self { mount_point: None, identity: text }),
            _ => None,
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The bytes that C's escapes stand for; `None` for a text without any, or with one that is none.
pub(super) fn unescaped(text: &str) -> Option<Vec<u8>> {
    if !text.contains('\\') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'\\' { escape(&mut rest)? } else { byte });
    }
    Some(bytes)
}

/// One escape, without its backslash.
fn escape(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    Some(match rest.next()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        byte @ (b'\\' | b'"' | b'\'') => byte,
        b's' => b' ',
        b'x' => digits(rest, 2, 16, 0)?,
        first @ b'0'..=b'3' => digits(rest, 2, 8, first.checked_sub(b'0')?)?,
        _ => return None,
    })
}

/// `count` more digits to `base` after `value`.
fn digits(rest: &mut impl Iterator<Item = u8>, count: usize, base: u32, value: u8) -> Option<u8> {
    let mut value = u32::from(value);
    for _ in 0..count {
        let digit = char::from(rest.next()?).to_digit(base)?;
        value = value.checked_mul(base)?.checked_add(digit)?;
    }
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_systemd_are_read() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(SystemdEvent::of("sysinit"), SystemdEvent::Phase { phase: "sysinit" });
        assert_eq!(SystemdEvent::of(&format!("machine-id:{id}")), SystemdEvent::MachineId { id });
        assert_eq!(SystemdEvent::of("product-id:missing"), SystemdEvent::ProductId { id: "missing" });
        let identity = "ext4:u:l:p:t:n";
        for (text, mount_point) in
            [("file-system:/:ext4:u:l:p:t:n", Some("/")), ("file-system:ext4:u:l:p:t:n", None)]
        {
            let file_system = FileSystem { mount_point, identity };
            assert_eq!(SystemdEvent::of(text), SystemdEvent::FileSystem(file_system));
        }
        let nv = SystemdEvent::NvPcr { name: "hardware", index: "0x1d10200", tpm_name: "000bff" };
        assert_eq!(SystemdEvent::of("nvpcr-init:hardware:0x1d10200:000bff"), nv);
        assert_eq!(SystemdEvent::of("nvpcr-separator"), SystemdEvent::NvPcrSeparator);
        for text in ["machine-id:ABC", "ready ", "", "file-system", "nvpcr-init:a:b"] {
            assert_eq!(SystemdEvent::of(text), SystemdEvent::Other { text });
        }
    }

    #[test]
    fn escapes_of_c_are_undone() {
        assert_eq!(unescaped(r"a\x20b\134\n\s\303").unwrap(), b"a b\\\n \xC3");
        for text in ["plain", r"\", r"\q", r"\x2", r"\400", r"\xzz"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }
}
