//! Windows' SIPA events (wbcl.h of the Windows SDK): tagged events, some of which contain others.
//!
//! Values are opaque: they are walked and named, not judged.

use super::tag::TaggedEvent;
use crate::eventlog::error::EventDataError;
use crate::wire::Reader;

mod names;

/// Containers inside containers: Windows nests three deep.
const MAX_DEPTH: usize = 8;

/// The flag of a container.
const AGGREGATION: u32 = 0x4000_0000;
/// The flag of what is logged and not measured.
const NON_MEASURED: u32 = 0x8000_0000;

/// SIPA events one behind the other; checked whole, still in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipaEvents<'a>(&'a [u8]);

/// One SIPA event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipaEvent<'a> {
    depth: usize,
    tag: TaggedEvent<'a>,
}

impl<'a> SipaEvents<'a> {
    /// Whether data that begins so is SIPA's: the third byte of its first identifier is one of SIPA's kinds, the last a
    /// flag of SIPA's. No identifier of systemd or Linux is.
    #[must_use]
    pub fn is_sipa(data: &[u8]) -> bool {
        let id = data.first_chunk::<4>().map(|id| u32::from_le_bytes(*id));
        id.is_some_and(|id| (1..=0x0C).contains(&((id & !(AGGREGATION | NON_MEASURED)) >> 16)))
    }

    /// Walks all events, which must fill `data`, without recursion: each step consumes the 8 bytes of a header, and
    /// what a container holds ends where the container does (threat e18).
    ///
    /// # Errors
    /// [`EventDataError`]: a size past the end of the event's container, or too many containers inside each other.
    pub fn parse(data: &'a [u8]) -> Result<Self, EventDataError> {
        Walk::new(data).try_for_each(|event| event.map(drop))?;
        Ok(Self(data))
    }

    /// The events in order, each container before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = SipaEvent<'a>> + use<'a> {
        // `parse` has walked the same bytes.
        Walk::new(self.0).map_while(Result::ok)
    }

    /// The bytes of all events.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> SipaEvent<'a> {
    /// How many containers it is in.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.tag.id()
    }

    /// Its content; a container's is the events that follow.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.tag.content()
    }

    /// Whether it holds others.
    #[must_use]
    pub const fn is_container(&self) -> bool {
        is_container(self.tag.id())
    }

    /// What Windows calls it, without SIPAEVENT; `None` for an identifier that this crate does not know.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        names::NAMES.iter().find(|(id, _)| *id == self.id()).map(|(_, name)| *name)
    }
}

const fn is_container(id: u32) -> bool {
    id & AGGREGATION != 0
}

/// The events in document order, with the ends of the containers that are open.
struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    ends: [usize; MAX_DEPTH],
    depth: usize,
    failed: bool,
}

impl<'a> Walk<'a> {
    const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, ends: [0; MAX_DEPTH], depth: 0, failed: false }
    }

    /// The end of the innermost open container.
    fn end(&self) -> usize {
        let open = self.depth.checked_sub(1).and_then(|innermost| self.ends.get(innermost));
        open.copied().unwrap_or(self.data.len())
    }

    fn step(&mut self) -> Result<SipaEvent<'a>, EventDataError> {
        let mut r = Reader::at(self.data.get(self.at..self.end()).unwrap_or_default(), self.at);
        let tag = TaggedEvent::read(&mut r)?;
        let depth = self.depth;
        if is_container(tag.id()) {
            let open =
                self.ends.get_mut(depth).ok_or(EventDataError::Nested { offset: self.at, max: MAX_DEPTH })?;
            *open = r.offset();
            self.depth = depth.saturating_add(1);
            self.at = r.offset().saturating_sub(tag.content().len());
        } else {
            self.at = r.offset();
        }
        Ok(SipaEvent { depth, tag })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<SipaEvent<'a>, EventDataError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.depth > 0 && self.at == self.end() {
            self.depth = self.depth.saturating_sub(1);
        }
        if self.failed || self.at == self.data.len() {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::tests::builder::tag;

    const MODULES: u32 = 0x4001_0003;

    #[test]
    fn containers_are_walked_in_order_with_their_depth() {
        let inner = [tag(0x0007_0001, b"winload"), tag(0x0007_0004, &[1; 32])].concat();
        let boundary = [tag(0x0002_0002, &[1; 8]), tag(MODULES, &inner), tag(MODULES, b"")].concat();
        let data = [tag(0x4001_0001, &boundary), tag(0x0005_0001, &[0])].concat();
        assert!(SipaEvents::is_sipa(&data));
        let seen: Vec<_> = SipaEvents::parse(&data)
            .unwrap()
            .iter()
            .map(|event| (event.depth(), event.name().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                (0, "TrustBoundary"),
                (1, "BootCounter"),
                (1, "LoadedModuleAggregation"),
                (2, "FilePath"),
                (2, "AuthenticodeHash"),
                (1, "LoadedModuleAggregation"),
                (0, "OSKernelDebug"),
            ]
        );
    }

    #[test]
    fn e18_a_sipa_event_that_lies_about_its_size_is_refused() {
        let inner = tag(0x0007_0001, b"winload");
        let data = tag(MODULES, &inner);
        assert!(SipaEvents::parse(&data).is_ok());
        for (at, lies) in [(4, [1, 14, 16, u32::MAX]), (12, [0, 6, 8, u32::MAX])] {
            for lie in lies {
                let mut data = data.clone();
                data[at..at + 4].copy_from_slice(&lie.to_le_bytes());
                assert!(SipaEvents::parse(&data).is_err(), "{lie} at {at}");
            }
        }
        // An inner event that reaches into its container's neighbour.
        let mut long = [tag(MODULES, &inner), tag(0x0005_0001, &[0; 40])].concat();
        long[12..16].copy_from_slice(&20_u32.to_le_bytes());
        assert!(SipaEvents::parse(&long).is_err());
    }

    #[test]
    fn e18_containers_without_end_are_refused_and_cost_no_stack() {
        let mut data = Vec::new();
        for _ in 0..MAX_DEPTH {
            data = tag(MODULES, &data);
        }
        assert_eq!(SipaEvents::parse(&data).unwrap().iter().count(), MAX_DEPTH);
        for _ in 0..10_000 {
            data = tag(MODULES, &data);
        }
        assert_eq!(SipaEvents::parse(&data), Err(EventDataError::Nested { offset: 64, max: MAX_DEPTH }));
    }

    #[test]
    fn tags_of_linux_and_systemd_are_no_sipa_events() {
        for id in [0x8F3B_22EC_u32, 0x8F3B_22ED, 0xF5BC_582A, 0x6C46_F751, 0x49DF_FE0F, 0xDAC0_8E1A, 0, 1] {
            assert!(!SipaEvents::is_sipa(&id.to_le_bytes()), "{id:x}");
        }
    }
}
