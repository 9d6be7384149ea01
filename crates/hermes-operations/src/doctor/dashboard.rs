//! A dashboard that should run and does not.

use hermes_service::s6::Crashes;

use super::finding::Finding;
use crate::dashboard_record::{DashboardState, Record};
use crate::operations::Operations;
use crate::supervised;

pub(super) fn check(operations: &Operations) -> Vec<Finding> {
    let is_up = supervised::dashboard().is_some_and(|state| state.up);
    let gave_up = Crashes::load(&supervised::dashboard_slot()).unwrap_or_default().gave_up;
    of(Record::load(operations.home()), is_up, gave_up).into_iter().collect()
}

fn of(record: Option<Record>, is_up: bool, gave_up: Option<String>) -> Option<Finding> {
    if is_up {
        return None;
    }
    let failed = record.filter(|record| record.dashboard_state == DashboardState::StartupFailed);
    let reason = failed.and_then(|record| record.exit_reason).or(gave_up)?;
    Some(Finding::broken(
        format!("the dashboard does not run: {reason}"),
        "correct that, then start it again: docker restart, or hermes dashboard",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_dashboard_is_a_finding_until_it_is_up() {
        let record = |state| {
            Some(Record {
                dashboard_state: state,
                pid: 1,
                address: None,
                exit_reason: Some("the port is taken".into()),
                updated_at: String::new(),
            })
        };
        let failed = of(record(DashboardState::StartupFailed), false, None).unwrap();
        assert_eq!(failed.what, "the dashboard does not run: the port is taken");
        assert!(of(record(DashboardState::Running), false, Some("it crashed".into())).is_some());
        assert_eq!(of(record(DashboardState::StartupFailed), true, None), None);
        assert_eq!(of(record(DashboardState::Stopped), false, None), None);
        assert_eq!(of(None, false, None), None);
    }
}
