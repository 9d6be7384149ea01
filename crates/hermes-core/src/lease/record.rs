//! The content of `lease.json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time for which a lease stays valid without a beat, if the lease states none.
pub const TTL: Duration = Duration::from_secs(30);
/// The longest such time that is accepted from a file.
pub(super) const TTL_MAX: Duration = Duration::from_secs(3600);

/// The holder of a lease: one boot of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host name of the container: its short ID, or a name of the operator's.
    pub owner: String,
    /// The machine, by the boot ID of its kernel.
    pub host: String,
    /// This boot of the container, by a random ID.
    pub instance: String,
}

/// The content of `lease.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The lease holder.
    #[serde(flatten)]
    pub holder: Holder,
    /// The counter of beats.
    pub beat: u64,
    /// The time of the last beat for people: RFC 3339. No decision depends on it.
    pub heartbeat: String,
    /// The time for which the lease stays valid without a beat, in seconds.
    #[serde(default)]
    pub(super) ttl_seconds: Option<u64>,
}

impl Lease {
    /// Returns the time for which the lease stays valid without a beat, from 1 s to 1 h.
    pub fn ttl(&self) -> Duration {
        self.ttl_seconds.map_or(TTL, Duration::from_secs).clamp(Duration::from_secs(1), TTL_MAX)
    }
}
