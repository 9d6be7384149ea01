//! How a gateway is, in one word.

use hermes_core::ObservedState;
use serde::Serialize;

use crate::manager::ServiceStatus;

/// How a gateway is: what its service manager sees, and what it says of itself where it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = State))]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The service manager does not know it.
    Unregistered,
    /// It is down, and meant to be.
    Stopped,
    /// It is up, and not ready yet.
    Starting,
    /// It is up and ready.
    Running,
    /// It finishes what is in flight.
    Draining,
    /// It is up, and a part of it does not work.
    Degraded,
    /// It ended by itself and will be started again.
    Crashed,
    /// It ended by itself too often, or cannot run with its configuration: it stays down.
    GivenUp,
}

impl Condition {
    /// As a person reads it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Degraded => "degraded",
            Self::Crashed => "crashed",
            Self::GivenUp => "given up",
        }
    }

    /// What the service manager sees decides; what the gateway says of itself only tells more of one that is up.
    pub fn of(status: Option<&ServiceStatus>, said: Option<ObservedState>) -> Self {
        let Some(status) = status else { return Self::Unregistered };
        match (status.up, status.ready) {
            (true, true) => match said {
                Some(ObservedState::Draining) => Self::Draining,
                Some(ObservedState::Degraded) => Self::Degraded,
                _ => Self::Running,
            },
            (true, false) if status.restarts > 0 => Self::Crashed,
            (true, false) => Self::Starting,
            (false, _) if status.comes_back => Self::Starting,
            // Also one that is being given up at this moment: it is, once nobody wants it up any more.
            (false, _) if status.wanted_up => Self::Crashed,
            (false, _) if status.gave_up.is_some() => Self::GivenUp,
            (false, _) => Self::Stopped,
        }
    }

    /// Whether a process of it may run, or is to be started again.
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Stopped | Self::Unregistered | Self::GivenUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(up: bool, ready: bool, wanted_up: bool) -> ServiceStatus {
        ServiceStatus { up, ready, wanted_up, ..ServiceStatus::default() }
    }

    #[test]
    fn what_the_service_manager_sees_decides() {
        let of = |status: ServiceStatus, said| Condition::of(Some(&status), said);
        let running = Some(ObservedState::Running);
        assert_eq!(Condition::of(None, running), Condition::Unregistered);
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
        assert_eq!(of(ServiceStatus { wanted_up: true, ..given_up }, running), Condition::Crashed);
        let comes_back = ServiceStatus { comes_back: true, ..status(false, false, true) };
        assert_eq!(of(comes_back, running), Condition::Starting);
    }
}
