//! Archives that systemd-stub makes itself and hands to the kernel behind the initrd: cpio of the "newc" kind, as the
//! kernel's documentation describes it (early userspace, "initramfs buffer format").

const MAGIC: &[u8] = b"070701";
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
/// Folders on the way to the last one may be read by everybody.
const OPEN_FOLDER: u32 = 0o555;

/// An archive under construction: folders, then files, owned by root and without times.
#[derive(Debug)]
struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

/// One archive with `files` in `folder`, e.g. `.extra/credentials`; folder and files have these modes.
pub(super) fn archive(folder: &str, modes: (u32, u32), files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Archive { bytes: Vec::new(), inode: 1 };
    for (end, _) in folder.match_indices('/') {
        archive.entry(DIRECTORY | OPEN_FOLDER, folder.get(..end).unwrap_or_default(), &[]);
    }
    archive.entry(DIRECTORY | modes.0, folder, &[]);
    for (name, content) in files {
        archive.entry(FILE | modes.1, &format!("{folder}/{name}"), content);
    }
    archive.end()
}

impl Archive {
    fn entry(&mut self, mode: u32, path: &str, content: &[u8]) {
        let (inode, len) = (self.inode, len(content.len()));
        self.inode = inode.saturating_add(1);
        self.header([inode, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, len_with_nul(path), 0], path);
        self.bytes.extend(content);
        self.pad();
    }

    fn header(&mut self, fields: [u32; 13], path: &str) {
        self.bytes.extend(MAGIC);
        for field in fields {
            self.bytes.extend(format!("{field:08x}").into_bytes());
        }
        self.bytes.extend(path.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    fn end(mut self) -> Vec<u8> {
        // The stub writes this one's only letter large.
        let before = self.bytes.len();
        self.header([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0], "TRAILER!!!");
        if let Some(trailer) = self.bytes.get_mut(before..) {
            trailer.make_ascii_uppercase();
        }
        self.bytes
    }

    fn pad(&mut self) {
        pad(&mut self.bytes);
    }
}

/// Zeros up to a length that four divides.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn len(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn len_with_nul(path: &str) -> u32 {
    len(path.len()).saturating_add(1)
}
