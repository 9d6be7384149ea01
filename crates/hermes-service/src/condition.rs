//! The condition of a gateway in one word.

use hermes_core::ObservedState;
use serde::Serialize;

use crate::manager::ServiceStatus;

/// The condition of a gateway, from its service manager and, while it runs, from its own report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = State))]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The service manager does not know the gateway.
    Unsupervised,
    /// The gateway is stopped, as desired.
    Stopped,
    /// The gateway starts and is not ready.
    Starting,
    /// The gateway runs and is ready.
    Running,
    /// The gateway finishes the requests in flight.
    Draining,
    /// The gateway runs without one of its parts.
    Degraded,
    /// The gateway crashed and will be restarted.
    Crashed,
    /// The gateway crashed too often or cannot run with its configuration. It is not restarted.
    GivenUp,
}

impl Condition {
    /// Returns the word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unsupervised => "unsupervised",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Crashed => "crashed",
            Self::GivenUp => "given-up",
        }
    }

    /// Returns the condition for a `status` of the service manager; `None` means unsupervised. The observed
    /// state `said` counts only while the gateway is ready.
    pub fn of(status: Option<&ServiceStatus>, said: Option<ObservedState>) -> Self {
        let Some(status) = status else { return Self::Unsupervised };
        match (status.up, status.ready) {
            (true, true) => match said {
                Some(ObservedState::Draining) => Self::Draining,
                Some(ObservedState::Degraded) => Self::Degraded,
                _ => Self::Running,
            },
            (true, false) if status.restarts > 0 => Self::Crashed,
            (true, false) => Self::Starting,
            (false, _) if status.comes_back => Self::Starting,
            // This includes a gateway that is being given up. It counts as given up when `desired_up` ends.
            (false, _) if status.desired_up => Self::Crashed,
            (false, _) if status.gave_up.is_some() => Self::GivenUp,
            (false, _) => Self::Stopped,
        }
    }

    /// Returns `true` if a process of the gateway may run, or will be started.
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Stopped | Self::Unsupervised | Self::GivenUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(up: bool, ready: bool, desired_up: bool) -> ServiceStatus {
        ServiceStatus { up, ready, desired_up, ..ServiceStatus::default() }
    }

    #[test]
    fn the_service_manager_decides_the_condition() {
        let of = |status: ServiceStatus, said| Condition::of(Some(&status), said);
        let running = Some(ObservedState::Running);
        assert_eq!(Condition::of(None, running), Condition::Unsupervised);
        assert_eq!(of(status(true, true, true), Some(ObservedState::Starting)), Condition::Running);
        assert_eq!(of(status(true, true, true), Some(ObservedState::Degraded)), Condition::Degraded);
        assert_eq!(of(status(true, true, false), Some(ObservedState::Draining)), Condition::Draining);
        assert_eq!(of(status(true, false, true), running), Condition::Starting);
        assert_eq!(
            of(ServiceStatus { restarts: 1, ..status(true, false, true) }, running),
            Condition::Crashed
        );
        assert_eq!(of(status(false, false, true), running), Condition::Crashed);
        assert_eq!(of(status(false, false, false), running), Condition::Stopped);
        let given_up = ServiceStatus { gave_up: Some("it crashed".into()), ..status(false, false, false) };
        assert_eq!(of(given_up.clone(), running), Condition::GivenUp);
        assert_eq!(of(ServiceStatus { desired_up: true, ..given_up }, running), Condition::Crashed);
        let comes_back = ServiceStatus { comes_back: true, ..status(false, false, true) };
        assert_eq!(of(comes_back, running), Condition::Starting);
    }
}
