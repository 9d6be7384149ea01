//! The action of a boot for a state file: the table in `docs/gateways.md`.

use super::{DesiredState, Recorded, StateRead};

/// The state of a profile's slot after a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootAction {
    /// The slot is up.
    Start,
    /// The slot is down.
    Register,
}

/// Returns the action for the content of a state file.
pub fn action_at_boot(read: &StateRead) -> BootAction {
    let StateRead::Read(state) = read else { return BootAction::Register };
    let start = match state.desired() {
        Recorded::Known(desired) => desired == DesiredState::Running,
        Recorded::Absent => state.observed().known().is_some_and(super::ObservedState::was_up),
        Recorded::Unknown => false,
    };
    if start { BootAction::Start } else { BootAction::Register }
}

/// Returns the state that decided, for the log of the boot: the desired state, else the observed state, else
/// `none`.
pub fn prior_state(read: &StateRead) -> &'static str {
    let StateRead::Read(state) = read else { return "none" };
    match state.desired() {
        Recorded::Known(desired) => desired.as_str(),
        Recorded::Absent => state.observed().known().map_or("none", super::ObservedState::as_str),
        Recorded::Unknown => "none",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::Unusable;
    use super::*;

    #[rstest]
    #[case(r#"{"desired_state":"running"}"#, BootAction::Start, "running")]
    #[case(r#"{"desired_state":"running","gateway_state":"startup_failed"}"#, BootAction::Start, "running")]
    #[case(r#"{"desired_state":"running","gateway_state":"stopped"}"#, BootAction::Start, "running")]
    #[case(r#"{"desired_state":"stopped","gateway_state":"running"}"#, BootAction::Register, "stopped")]
    #[case(r#"{"gateway_state":"running"}"#, BootAction::Start, "running")]
    #[case(r#"{"gateway_state":"draining"}"#, BootAction::Start, "draining")]
    #[case(r#"{"gateway_state":"degraded"}"#, BootAction::Start, "degraded")]
    #[case(r#"{"desired_state":null,"gateway_state":"running"}"#, BootAction::Start, "running")]
    #[case(r#"{"gateway_state":"stopped"}"#, BootAction::Register, "stopped")]
    #[case(r#"{"gateway_state":"starting"}"#, BootAction::Register, "starting")]
    #[case(r#"{"gateway_state":"startup_failed"}"#, BootAction::Register, "startup_failed")]
    #[case(r#"{"gateway_state":"RUNNING"}"#, BootAction::Register, "none")]
    #[case(r#"{"gateway_state":"running\nprofile=x"}"#, BootAction::Register, "none")]
    #[case(r#"{"desired_state":"Running","gateway_state":"running"}"#, BootAction::Register, "none")]
    #[case(r#"{"desired_state":1,"gateway_state":"running"}"#, BootAction::Register, "none")]
    #[case("{}", BootAction::Register, "none")]
    fn the_table_decides(#[case] json: &str, #[case] action: BootAction, #[case] prior: &str) {
        let read = StateRead::Read(serde_json::from_str(json).unwrap());
        assert_eq!(action_at_boot(&read), action);
        assert_eq!(prior_state(&read), prior);
    }

    #[test]
    fn missing_and_unusable_files_mean_down() {
        for read in [StateRead::Missing, StateRead::Unusable(Unusable::Empty)] {
            assert_eq!(action_at_boot(&read), BootAction::Register);
            assert_eq!(prior_state(&read), "none");
        }
    }
}
