//! An event of a matching PCR, with what its digest covers worked out once for all facts that look at it, and not for an
//! event whose data none of them reads.

use std::cell::OnceCell;

use super::Place;
use crate::digest::Digest;
use crate::eventlog::binding::{Binding, Portion};
use crate::eventlog::data::EventData;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::replay::measured::MeasuredEvent;

#[derive(Debug)]
pub(super) struct Seen<'a> {
    measured: MeasuredEvent<'a>,
    binding: OnceCell<Binding>,
}

impl<'a> Seen<'a> {
    pub(super) const fn new(measured: MeasuredEvent<'a>) -> Self {
        Self { measured, binding: OnceCell::new() }
    }

    pub(super) const fn event(&self) -> &Event<'a> {
        self.measured.event()
    }

    pub(super) const fn kind(&self) -> EventType {
        self.measured.event().event_type()
    }

    pub(super) const fn digest(&self) -> &Digest {
        self.measured.digest()
    }

    pub(super) fn binding(&self) -> Binding {
        *self.binding.get_or_init(|| self.measured.binding())
    }

    pub(super) const fn place(&self) -> Place {
        Place::of(self.measured.event())
    }

    /// The data, where the digest covers every byte that is read.
    pub(super) fn data(&self) -> Option<EventData<'a>> {
        self.measured.data_as(self.binding())
    }

    /// The text of an action, where the digest covers it.
    pub(super) fn action(&self) -> Option<&'a str> {
        if !matches!(self.kind(), EventType::Action | EventType::EfiAction) {
            return None;
        }
        match self.data() {
            Some(EventData::Action(text)) => Some(text),
            _ => None,
        }
    }

    /// A variable with its GUID and name, where the digest covers all three.
    pub(super) fn variable(&self) -> Option<UefiVariable<'a>> {
        match self.data() {
            Some(EventData::Variable(variable)) => Some(variable),
            _ => None,
        }
    }

    /// The content of a variable whose GUID and name the digest does not cover.
    pub(super) fn nameless_content(&self) -> Option<&'a [u8]> {
        match (self.binding(), self.event().typed()) {
            (Binding::Bound(Portion::VariableContent), Ok(EventData::Variable(variable))) => {
                Some(variable.content())
            }
            _ => None,
        }
    }
}
