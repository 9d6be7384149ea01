//! The content of `lease.json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time for which a lease is valid without a beat, if the lease does not say otherwise.
pub const TTL: Duration = Duration::from_secs(30);
/// The longest such time that the product accepts from a file.
pub(super) const TTL_MAX: Duration = Duration::from_secs(3600);

/// Who may have the volume: one boot of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The container's host name: its short id, or what the operator called it.
    pub owner: String,
    /// The machine, by the id of its kernel's boot.
    pub host: String,
    /// This boot of the container, by a random id.
    pub instance: String,
}

/// What `lease.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who has the volume.
    #[serde(flatten)]
    pub holder: Holder,
    /// Goes up with each beat.
    pub beat: u64,
    /// When it last did, for people: RFC 3339. No decision is made from it.
    pub heartbeat: String,
    /// For how many seconds it holds without a beat.
    #[serde(default)]
    pub(super) ttl_seconds: Option<u64>,
}

impl Lease {
    /// For how long it holds without a beat.
    pub fn ttl(&self) -> Duration {
        self.ttl_seconds.map_or(TTL, Duration::from_secs).clamp(Duration::from_secs(1), TTL_MAX)
    }
}
