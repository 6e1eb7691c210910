//! What a record of the operating system's logs is about, in the same words as an event of the firmware's.

use super::role::Role;
use crate::cel::{Record, SystemdEvent};

impl Role {
    /// The role that a record claims.
    #[must_use]
    pub fn of_record(record: &Record<'_>) -> Self {
        match (record.event(), record.systemd_event()) {
            (Some(event), _) => Self::of(&event),
            (None, Some(SystemdEvent::Phase { .. })) => Self::Phase,
            (None, Some(SystemdEvent::MachineId { .. })) => Self::MachineId,
            (None, Some(SystemdEvent::FileSystem(_))) => Self::FileSystem,
            (None, _) => Self::System,
        }
    }
}
