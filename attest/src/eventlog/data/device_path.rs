//! UEFI device paths (UEFI 2.10 §10.3) as text: where an image came from. Always a hint: no digest covers them.

use super::guid::Guid;
use super::text::{SHOWN, Utf16};
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

mod node;

use node::node_text;

/// A device path whose nodes follow each other to the end node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevicePath<'a>(&'a [u8]);

/// Type, subtype and content of a node.
type Node<'a> = (u8, u8, &'a [u8]);

/// The end of the whole path.
const END: (u8, u8) = (0x7F, 0xFF);

impl<'a> DevicePath<'a> {
    /// Walks the nodes once, without recursion. No bytes are no path, which is let through.
    ///
    /// # Errors
    /// [`EventDataError`]: a node shorter than its 4-byte header, which a follower would loop on (threat e18), a node
    /// past the end, no end node, bytes after it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(bytes);
        if !bytes.is_empty() {
            Self::read(&mut r)?;
        }
        if r.is_empty() { Ok(Self(bytes)) } else { Err(EventDataError::NodeEnd { offset: r.offset() }) }
    }

    /// Reads one path to its end node.
    fn read(r: &mut Reader<'a>) -> Result<Self, EventDataError> {
        let (start, all) = (r.offset(), r.rest());
        while !r.is_empty() {
            let (kind, subtype, _) = node(r)?;
            if (kind, subtype) == END {
                let len = r.offset().saturating_sub(start);
                return Ok(Self(all.get(..len).unwrap_or_default()));
            }
        }
        Err(EventDataError::NodeEnd { offset: r.offset() })
    }

    /// The path's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The path as `PciRoot(0)/Pci(0x3,0x0)/…/\EFI\BOOT\BOOTX64.EFI`, at most some 200 characters.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut r = Reader::new(self.0);
        while let Ok((kind, subtype, content)) = node(&mut r) {
            if kind == END.0 {
                continue;
            }
            if text.len() > SHOWN {
                text.push('…');
                break;
            }
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(&node_text(kind, subtype, content));
        }
        text
    }

    /// The GPT partition of the path's last hard drive node (UEFI 2.10 §10.3.5.1).
    #[must_use]
    pub fn partition(&self) -> Option<Guid> {
        let mut r = Reader::new(self.0);
        let nodes = std::iter::from_fn(|| node(&mut r).ok());
        let (_, _, content) = nodes.filter(|n| (n.0, n.1) == (4, 1)).last()?;
        let mut r = Reader::new(content);
        r.take(20, "partition, start and size").ok()?;
        let signature = r.array("signature").ok()?;
        // Format 2 is GPT, signature type 2 a GUID.
        matches!(r.array("format and signature type").ok()?, [2, 2]).then(|| Guid::new(signature))
    }

    /// Whether the path has a file of a firmware volume (PI 1.7 volume 2 §8.2).
    #[must_use]
    pub fn is_in_firmware_volume(&self) -> bool {
        let mut r = Reader::new(self.0);
        std::iter::from_fn(|| node(&mut r).ok()).any(|n| (n.0, n.1) == (4, 6))
    }

    /// The path's last file name node, as logged; `None` when there is none.
    #[must_use]
    pub fn file(&self) -> Option<Utf16<'a>> {
        let mut r = Reader::new(self.0);
        let nodes = std::iter::from_fn(|| node(&mut r).ok());
        nodes.filter(|n| (n.0, n.1) == (4, 4)).last().and_then(|n| Utf16::new(n.2, "FilePath", 4).ok())
    }
}

/// Device paths one behind the other, as load options have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DevicePaths<'a>(&'a [u8]);

impl<'a> DevicePaths<'a> {
    /// Reads paths that must fill `bytes`.
    ///
    /// # Errors
    /// [`EventDataError`] as [`DevicePath::parse`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EventDataError> {
        let mut r = Reader::new(bytes);
        while !r.is_empty() {
            DevicePath::read(&mut r)?;
        }
        Ok(Self(bytes))
    }

    /// The paths, in order.
    pub fn iter(&self) -> impl Iterator<Item = DevicePath<'a>> + use<'a> {
        let mut r = Reader::new(self.0);
        // `parse` has read the same bytes by the same rules.
        std::iter::from_fn(move || if r.is_empty() { None } else { DevicePath::read(&mut r).ok() })
    }
}

fn node<'a>(r: &mut Reader<'a>) -> Result<Node<'a>, EventDataError> {
    let offset = r.offset();
    let kind = r.u8("device path node")?;
    let subtype = r.u8("device path node")?;
    let len = r.u16_le("device path node")?;
    let content = usize::from(len).checked_sub(4).ok_or(EventDataError::NodeLength { offset, len })?;
    Ok((kind, subtype, r.take(content, "device path node")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e18_a_node_of_length_zero_is_refused() {
        for len in 0..4_u8 {
            let refused = DevicePath::parse(&[1, 1, len, 0, 0x7F, 0xFF, 4, 0]).unwrap_err();
            assert_eq!(refused, EventDataError::NodeLength { offset: 0, len: len.into() });
        }
    }

    #[test]
    fn e13_a_device_path_that_ends_early_or_goes_on_is_refused() {
        let whole = [1, 1, 6, 0, 2, 3, 0x7F, 0xFF, 4, 0];
        assert_eq!(DevicePath::parse(&whole).unwrap().to_text(), "Pci(0x3,0x2)");
        for end in 1..whole.len() {
            assert!(DevicePath::parse(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(DevicePath::parse(&[&whole[..], &[0]].concat()).is_err());
    }

    #[test]
    fn the_text_of_a_long_path_is_bounded_and_escaped() {
        let mut path = Vec::new();
        for _ in 0..10_000 {
            path.extend([4, 4, 8, 0, b'\n', 0, b'x', 0]);
        }
        path.extend([0x7F, 0xFF, 4, 0]);
        let text = DevicePath::parse(&path).unwrap().to_text();
        assert!(text.len() < 400 && !text.contains('\n'), "{text}");
    }
}
