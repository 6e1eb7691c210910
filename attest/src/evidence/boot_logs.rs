//! The logs of the boot in evidence: their plain bytes, and what they parse to.

use std::borrow::Cow;

use thiserror::Error;

use super::{Evidence, Log, LogError, MAX_EVENT_LOG, MAX_FINAL_EVENTS, MAX_MEASUREMENT_LOG};
use crate::cel::{self, CelError};
use crate::eventlog::{BootLogs, EventLog, EventLogError, FinalEvents};

/// Why the logs of a boot can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BootLogsError {
    /// One announces more than is read, or does not inflate.
    #[error("{error}")]
    Log {
        /// Which log.
        what: &'static str,
        /// What is wrong.
        error: LogError,
    },
    /// The firmware's log or its final events are malformed.
    #[error("{error}")]
    EventLog {
        /// Which of both.
        what: &'static str,
        /// What is wrong.
        error: EventLogError,
    },
    /// A log of the operating system is malformed.
    #[error("{0}")]
    Measurements(CelError),
}

impl BootLogsError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Log { error, .. } => error.threat(),
            Self::EventLog { error, .. } => error.threat(),
            Self::Measurements(error) => error.threat(),
        }
    }

    /// Which log it is about.
    #[must_use]
    pub const fn place(&self) -> &'static str {
        match self {
            Self::Log { what, .. } | Self::EventLog { what, .. } => what,
            Self::Measurements(_) => "measurement log",
        }
    }
}

/// The plain bytes of every log of the boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootLogBytes<'e> {
    event_log: Option<Cow<'e, [u8]>>,
    final_events: Option<Cow<'e, [u8]>>,
    measurements: Vec<Cow<'e, [u8]>>,
}

impl<'e> BootLogBytes<'e> {
    /// Inflates what is packed, within the limits (threat e22).
    ///
    /// # Errors
    /// [`BootLogsError::Log`].
    pub fn of(evidence: &'e Evidence) -> Result<Self, BootLogsError> {
        let mut measurements = Vec::new();
        for part in &evidence.measurement_logs {
            measurements.extend(plain("measurement log", Some(&part.log), MAX_MEASUREMENT_LOG)?);
        }
        Ok(Self {
            event_log: plain("event log", evidence.event_log.as_ref(), MAX_EVENT_LOG)?,
            final_events: plain("final events", evidence.final_events.as_ref(), MAX_FINAL_EVENTS)?,
            measurements,
        })
    }

    /// Parses all of them; `None` when there is none. Final events without a log are left out: what they say stays
    /// unexplained. The first byte of a measurement log tells its encoding; the kind that evidence gives it decides
    /// nothing.
    ///
    /// # Errors
    /// [`BootLogsError`] for the first that is malformed.
    pub fn parse(&self) -> Result<Option<BootLogs<'_>>, BootLogsError> {
        let of = |what| move |error| BootLogsError::EventLog { what, error };
        let mut logs = BootLogs::default();
        if let Some(bytes) = &self.event_log {
            let firmware = EventLog::parse(bytes).map_err(of("event log"))?;
            logs = BootLogs::from(firmware);
            if let Some(table) = &self.final_events {
                let last = FinalEvents::parse(&firmware, table).map_err(of("final events"))?;
                logs = logs.with_final_events(last);
            }
        }
        for bytes in &self.measurements {
            logs = logs.with_measurements(cel::Log::parse(bytes).map_err(BootLogsError::Measurements)?);
        }
        Ok((!logs.is_empty()).then_some(logs))
    }
}

fn plain<'e>(
    what: &'static str,
    log: Option<&'e Log>,
    most: usize,
) -> Result<Option<Cow<'e, [u8]>>, BootLogsError> {
    log.map(|log| log.bytes(most)).transpose().map_err(|error| BootLogsError::Log { what, error })
}
