//! An event as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::describe::describe;
use super::detail::EventDetail;
use crate::digest::HashAlgorithm;
use crate::eventlog::binding::Binding;
use crate::eventlog::event::Event;
use crate::eventlog::event_type::EventType;
use crate::eventlog::placement::Placement;
use crate::eventlog::replay::measured::MeasuredBoot;
use crate::pcr::PcrIndex;

/// One event for a report: what the log says, what its digests cover, and whether a quote covers the digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventView {
    index: u32,
    offset: usize,
    pcr: Option<PcrIndex>,
    #[serde(rename = "type")]
    event_type: EventType,
    digests: BTreeMap<HashAlgorithm, String>,
    description: String,
    data: EventDetail,
    placement: Placement,
    size: usize,
    bindings: BTreeMap<HashAlgorithm, Binding>,
    /// The banks in which the event's PCR matches a verified quote; empty for a log alone.
    verified: Vec<HashAlgorithm>,
}

impl EventView {
    /// An event of a log that no quote was held against.
    #[must_use]
    pub fn unverified(event: &Event<'_>) -> Self {
        let bindings = event.digests().map(|d| (d.algorithm(), event.binding(d.algorithm()))).collect();
        Self {
            index: event.index(),
            offset: event.offset(),
            pcr: event.pcr(),
            event_type: event.event_type(),
            digests: event.digests().map(|digest| (digest.algorithm(), digest.to_hex())).collect(),
            description: describe(event),
            data: EventDetail::of(event),
            placement: event.placement(),
            size: event.data().len(),
            bindings,
            verified: Vec::new(),
        }
    }
}

impl MeasuredBoot<'_> {
    /// All events of the log for a report, each with the banks in which its PCR matches the quote.
    pub fn views(&self) -> impl Iterator<Item = EventView> {
        self.unverified_logs().events().map(|event| {
            let mut view = EventView::unverified(&event);
            if let Some(pcr) = event.pcr().filter(|_| event.is_extended()) {
                view.verified =
                    HashAlgorithm::ALL.into_iter().filter(|bank| self.matches(*bank, pcr)).collect();
            }
            view
        })
    }
}
