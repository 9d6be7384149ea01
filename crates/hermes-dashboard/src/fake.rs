//! Gateways for the tests: their states, without a process.

use std::time::Duration;

use hermes_operations::{Condition, Gateway};
use hermes_service::ServiceStatus;

/// A gateway that is down.
pub(crate) fn gateway(profile: &str) -> Gateway {
    Gateway {
        profile: profile.to_owned(),
        desired_state: None,
        state: Condition::Stopped,
        ready: false,
        pid: None,
        uptime_seconds: None,
        for_seconds: Some(5),
        restarts: 0,
        restarted_seconds_ago: Vec::new(),
        port: Some(9300),
        socket: None,
        problem: None,
    }
}

/// The status of a gateway that is down.
pub(crate) fn down() -> ServiceStatus {
    ServiceStatus { since: Some(Duration::from_secs(5)), ..ServiceStatus::default() }
}

/// The status of a gateway that is ready.
pub(crate) fn running() -> ServiceStatus {
    ServiceStatus { up: true, ready: true, desired_up: true, ..down() }
}

/// The status of a gateway that ended by itself.
pub(crate) fn crashed() -> ServiceStatus {
    ServiceStatus { desired_up: true, restarts: 1, ..down() }
}
