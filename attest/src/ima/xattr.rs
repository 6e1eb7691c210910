//! The extended attributes that an entry of the template `evm-sig` has: names, lengths and values in three fields
//! (`evm_read_protected_xattrs`).

use super::entry::Entry;
use super::list::ByteOrder;
use super::template::Field;
use crate::wire::Reader;

/// The attribute that says what the file's contents are.
pub(super) const IMA: &[u8] = b"security.ima";
/// The only name space whose attributes EVM protects.
const PREFIX: &[u8] = b"security.";
/// Most attributes of a file. The kernel's own list has eight; more can be added to it while it runs.
const MAX: usize = 32;

/// The attributes of a file, in the order in which EVM hashes their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Xattrs<'a> {
    names: &'a [u8],
    lengths: &'a [u8],
    /// All values, one after the other.
    pub(super) values: &'a [u8],
    order: ByteOrder,
}

impl<'a> Xattrs<'a> {
    /// The attributes of an entry.
    ///
    /// The kernel reads the three fields one after the other, so that who changes an attribute in between can make them
    /// differ. Such an entry stays readable, and its signature counts for nothing.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn of(entry: &Entry<'a>, order: ByteOrder) -> Result<Self, &'static str> {
        let field = |field| entry.field(field).unwrap_or_default();
        let names = field(Field::XattrNames).strip_suffix(&[0]).ok_or("have no names")?;
        let (lengths, values) = (field(Field::XattrLengths), field(Field::XattrValues));
        let xattrs = Self { names, lengths, values, order };
        xattrs.check()?;
        Ok(xattrs)
    }

    fn check(&self) -> Result<(), &'static str> {
        let count = self.names.split(|byte| *byte == b'|').take(MAX.saturating_add(1)).count();
        if count > MAX {
            return Err("are more than any file has");
        }
        if self.lengths.len() != count.saturating_mul(4) {
            return Err("have not one length for each name");
        }
        let mut lengths = Reader::new(self.lengths);
        let mut values = Reader::new(self.values);
        for (place, name) in self.names.split(|byte| *byte == b'|').enumerate() {
            if name.len() <= PREFIX.len() || !name.starts_with(PREFIX) || name.contains(&0) {
                return Err("have a name that EVM does not protect");
            }
            // Which of two values of one name the file had, nothing would say.
            if self.names.split(|byte| *byte == b'|').take(place).any(|earlier| earlier == name) {
                return Err("have a name twice");
            }
            if next(&mut lengths, &mut values, self.order).is_none() {
                return Err("have a length past the end of the values");
            }
        }
        if values.is_empty() { Ok(()) } else { Err("have more values than lengths") }
    }

    /// The value of an attribute.
    pub(super) fn get(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let mut lengths = Reader::new(self.lengths);
        let mut values = Reader::new(self.values);
        self.names.split(|byte| *byte == b'|').find_map(|name| {
            let value = next(&mut lengths, &mut values, self.order)?;
            (name == wanted).then_some(value)
        })
    }
}

fn next<'a>(lengths: &mut Reader<'_>, values: &mut Reader<'a>, order: ByteOrder) -> Option<&'a [u8]> {
    let len = usize::try_from(order.u32(lengths, "length of an extended attribute").ok()?).ok()?;
    values.take(len, "extended attribute").ok()
}
