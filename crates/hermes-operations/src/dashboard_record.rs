//! The dashboard's record of itself: `dashboard/state.json`, for `hermes dashboard status`, `doctor` and people.

use std::net::SocketAddr;
use std::time::SystemTime;

use hermes_core::{Home, timestamp};
use hermes_os::whole_file::{self, WriteError};
use serde::{Deserialize, Serialize};

/// Longer than any record.
const RECORD_MAX: u64 = 64 * 1024;

/// The state of the dashboard, by its own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DashboardState {
    /// It is bound and answers.
    Running,
    /// It was stopped.
    Stopped,
    /// It could not start: `exit_reason` has the reason.
    StartupFailed,
}

/// The last record of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its state.
    pub dashboard_state: DashboardState,
    /// The process that wrote the record.
    pub pid: u32,
    /// The address that it listens on.
    pub address: Option<String>,
    /// The reason why it could not start.
    pub exit_reason: Option<String>,
    /// The time of the record: RFC 3339.
    pub updated_at: String,
}

impl Record {
    /// The record of this process, now.
    pub fn new(state: DashboardState, address: Option<SocketAddr>, reason: Option<String>) -> Self {
        Self {
            dashboard_state: state,
            pid: std::process::id(),
            address: address.map(|address| address.to_string()),
            exit_reason: reason,
            updated_at: timestamp::rfc3339(SystemTime::now()),
        }
    }

    /// Reads the record on the volume; `None` if there is no file, or it is none of ours.
    pub fn load(home: &Home) -> Option<Self> {
        let bytes = whole_file::read(&home.dashboard_state(), RECORD_MAX).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes the record to the volume.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, home: &Home) -> Result<(), WriteError> {
        let text = serde_json::json!(self).to_string();
        whole_file::write_for_now(&home.dashboard_state(), text.as_bytes(), 0o600)
    }
}
