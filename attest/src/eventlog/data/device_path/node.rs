//! The nodes of a device path as text (UEFI 2.10 §10.6.1), by the five types of node.

use std::fmt::Write as _;

use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::text::{Utf16, escaped, escaped_bytes, hex_head};
use crate::wire::Reader;

/// A node as text; one that is unknown or malformed by its numbers.
pub(super) fn node_text(kind: u8, subtype: u8, content: &[u8]) -> String {
    let mut r = Reader::new(content);
    let known = match kind {
        1 => hardware(subtype, &mut r),
        2 => acpi(subtype, &mut r),
        3 => messaging(subtype, &mut r).or_else(|| network(subtype, &mut Reader::new(content))),
        4 => media(subtype, content),
        5 => bios(subtype, content),
        _ => None,
    };
    known.unwrap_or_else(|| format!("Path({kind},{subtype},{})", hex_head(content)))
}

fn hardware(subtype: u8, r: &mut Reader<'_>) -> Option<String> {
    Some(match subtype {
        1 => {
            let [function, device] = r.array("PCI").ok()?;
            format!("Pci(0x{device:x},0x{function:x})")
        }
        3 => {
            r.take(4, "memory type").ok()?;
            let (start, end) = (r.u64_le("start").ok()?, r.u64_le("end").ok()?);
            format!("MemoryMapped(0x{start:x},0x{end:x})")
        }
        4 => format!("VenHw({})", guid(r)?),
        5 => format!("Ctrl(0x{:x})", r.u32_le("controller").ok()?),
        _ => return None,
    })
}

fn acpi(subtype: u8, r: &mut Reader<'_>) -> Option<String> {
    match subtype {
        1 => {
            let (hid, uid) = (r.u32_le("HID").ok()?, r.u32_le("UID").ok()?);
            Some(match hid {
                0x0A03_41D0 => format!("PciRoot(0x{uid:x})"),
                0x0A08_41D0 => format!("PcieRoot(0x{uid:x})"),
                _ => format!("Acpi(0x{hid:x},0x{uid:x})"),
            })
        }
        3 => Some(format!("AcpiAdr(0x{:x})", r.u32_le("ADR").ok()?)),
        _ => None,
    }
}

/// Disks and buses.
fn messaging(subtype: u8, r: &mut Reader<'_>) -> Option<String> {
    Some(match subtype {
        1 => {
            let (primary, slave, lun) = (r.u8("ATAPI").ok()?, r.u8("ATAPI").ok()?, r.u16_le("ATAPI").ok()?);
            format!("Ata({primary},{slave},{lun})")
        }
        2 => format!("Scsi({},{})", r.u16_le("target").ok()?, r.u16_le("LUN").ok()?),
        5 => {
            let [port, interface] = r.array("USB").ok()?;
            format!("USB({port},{interface})")
        }
        10 => format!("VenMsg({})", guid(r)?),
        17 => format!("Unit({})", r.u8("LUN").ok()?),
        18 => {
            let (port, _, lun) = (r.u16_le("SATA").ok()?, r.u16_le("SATA").ok()?, r.u16_le("SATA").ok()?);
            format!("Sata({port},{lun})")
        }
        23 => nvme(r)?,
        26 => format!("SD({})", r.u8("slot").ok()?),
        29 => format!("eMMC({})", r.u8("slot").ok()?),
        _ => return None,
    })
}

/// Where a machine boots from over a network.
fn network(subtype: u8, r: &mut Reader<'_>) -> Option<String> {
    Some(match subtype {
        11 => {
            let [a, b, c, d, e, f, ..]: [u8; 32] = r.array("MAC").ok()?;
            format!("MAC({a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x})")
        }
        12 => {
            r.take(4, "local address").ok()?;
            format!("IPv4({})", std::net::Ipv4Addr::from(r.array::<4>("remote address").ok()?))
        }
        13 => {
            r.take(16, "local address").ok()?;
            format!("IPv6({})", std::net::Ipv6Addr::from(r.array::<16>("remote address").ok()?))
        }
        20 => format!("Vlan({})", r.u16_le("VLAN").ok()?),
        24 => format!("Uri({})", escaped_bytes(r.rest())),
        31 => "Dns()".to_owned(),
        _ => return None,
    })
}

/// A namespace, and its EUI-64 where it has one.
fn nvme(r: &mut Reader<'_>) -> Option<String> {
    let namespace = r.u32_le("namespace").ok()?;
    let mut text = format!("NVMe(0x{namespace:x}");
    match r.array::<8>("EUI-64") {
        Ok(eui) if eui != [0; 8] => {
            for (nth, byte) in eui.iter().rev().enumerate() {
                write!(text, "{}{byte:02x}", if nth == 0 { "," } else { "-" }).ok()?;
            }
        }
        _ => {}
    }
    text.push(')');
    Some(text)
}

fn media(subtype: u8, content: &[u8]) -> Option<String> {
    let mut r = Reader::new(content);
    Some(match subtype {
        1 => hard_drive(&mut r)?,
        2 => format!("CDROM(0x{:x})", r.u32_le("entry").ok()?),
        3 => format!("VenMedia({})", guid(&mut r)?),
        4 => escaped(Utf16::new(content, "FilePath", 4).ok()?.chars()),
        6 => format!("FvFile({})", Guid::new(content.try_into().ok()?)),
        7 => format!("Fv({})", Guid::new(content.try_into().ok()?)),
        8 => {
            r.take(4, "reserved").ok()?;
            format!("Offset(0x{:x},0x{:x})", r.u64_le("start").ok()?, r.u64_le("end").ok()?)
        }
        9 => {
            let (start, end) = (r.u64_le("start").ok()?, r.u64_le("end").ok()?);
            format!("RamDisk(0x{start:x},0x{end:x},{})", guid(&mut r)?)
        }
        _ => return None,
    })
}

/// A partition: number, start, size, signature, format (2 is GPT), signature type (2 is a GUID).
fn hard_drive(r: &mut Reader<'_>) -> Option<String> {
    let number = r.u32_le("partition").ok()?;
    r.take(16, "start and size").ok()?;
    let signature: [u8; 16] = r.array("signature").ok()?;
    let [_, kind] = r.array("format and signature type").ok()?;
    Some(match kind {
        2 => format!("HD({number},GPT,{})", Guid::new(signature)),
        _ => format!("HD({number},MBR,{})", hex_head(signature.first_chunk::<4>()?)),
    })
}

/// A device of the BIOS boot specification.
fn bios(subtype: u8, content: &[u8]) -> Option<String> {
    let name = content.get(4..).filter(|_| subtype == 1)?;
    Some(format!("BBS({})", escaped_bytes(name.strip_suffix(&[0]).unwrap_or(name))))
}

fn guid(r: &mut Reader<'_>) -> Option<Guid> {
    r.array("GUID").ok().map(Guid::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::tests::builder::utf16;

    #[test]
    fn nodes_read_as_the_specification_writes_them() {
        let mac = [&[2, 0, 0, 0, 0, 1][..], &[0; 26], &[1]].concat();
        let mut disk = vec![1, 0, 0, 0];
        disk.extend([0; 16]);
        disk.extend(Guid::SHIM.as_bytes());
        disk.extend([2, 2]);
        for (kind, subtype, content, text) in [
            (1, 1, &[0, 3][..], "Pci(0x3,0x0)"),
            (2, 1, &[0xD0, 0x41, 3, 0x0A, 0, 0, 0, 0], "PciRoot(0x0)"),
            (2, 3, &[0, 1, 1, 0x80], "AcpiAdr(0x80010100)"),
            (3, 11, &mac, "MAC(02:00:00:00:00:01)"),
            (3, 12, &[10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0], "IPv4(10.0.0.2)"),
            (3, 18, &[1, 0, 0xFF, 0xFF, 0, 0], "Sata(1,0)"),
            (3, 23, &[1, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1], "NVMe(0x1,01-02-03-04-05-06-07-08)"),
            (3, 24, b"https://a/b\x1b", "Uri(https://a/b\\u{1b})"),
            (4, 1, &disk, "HD(1,GPT,605dab50-e046-4300-abb6-3dd810dd8b23)"),
            (4, 4, &utf16("\\EFI\\a\n\0"), "\\EFI\\a\\n"),
            (4, 6, Guid::SHIM.as_bytes(), "FvFile(605dab50-e046-4300-abb6-3dd810dd8b23)"),
            (5, 1, b"\x02\0\0\0disk\0", "BBS(disk)"),
            (9, 9, b"\x01", "Path(9,9,01)"),
        ] {
            assert_eq!(node_text(kind, subtype, content), text);
        }
    }

    #[test]
    fn e18_nodes_that_are_too_short_show_their_bytes() {
        for kind in 1..=5 {
            for subtype in 0..=32 {
                for len in 0..3 {
                    let text = node_text(kind, subtype, &vec![1; len]);
                    assert!(!text.is_empty() || len == 0, "{kind} {subtype} {len}");
                }
            }
        }
    }
}
