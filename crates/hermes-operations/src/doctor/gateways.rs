//! Slots against profiles, crash loops, state files.

use std::collections::BTreeSet;

use hermes_core::{DesiredState, ProfileName, Profiles, StateFile, StateRead, chain};
use hermes_service::ServiceStatus;

use super::finding::{Finding, Role};
use crate::lease_note::LeaseNote;
use crate::operations::Operations;
use crate::report::selecting;

pub(super) fn check(operations: &Operations, profiles: &Profiles) -> Vec<Finding> {
    let is_others = LeaseNote::read().is_some_and(|note| note.other.is_some());
    let mut findings = Vec::new();
    for name in &profiles.names {
        let read = StateFile::of(operations.home(), name).read();
        if let StateRead::Unusable(unusable) = &read {
            let path = operations.home().gateway_state(name);
            findings.push(
                Finding::broken(
                    format!("the state file {} is unusable: {}", path.display(), chain(unusable)),
                    format!(
                        "remove it and set the desired state again: hermes {}gateway start",
                        selecting(name)
                    ),
                )
                .of(name),
            );
        }
        let wanted = match &read {
            StateRead::Read(state) => state.desired().known() == Some(DesiredState::Running),
            StateRead::Missing | StateRead::Unusable(_) => false,
        };
        match operations.manager().status(name) {
            Ok(status) => findings.extend(
                of_status(
                    name,
                    status.as_ref(),
                    wanted && !is_others,
                    operations.manager().supports_runtime_registration(),
                )
                .map(|finding| finding.of(name)),
            ),
            Err(error) => {
                findings.push(Finding::broken(chain(&error), "restart the container").of(name));
            }
        }
    }
    if operations.manager().supports_runtime_registration() {
        let known: BTreeSet<&ProfileName> = profiles.names.iter().collect();
        match operations.manager().list_profile_gateways() {
            Ok(slots) => findings.extend(slots.iter().filter(|slot| !known.contains(slot)).map(|slot| {
                Finding::broken(
                    format!("the gateway '{slot}' is registered, and there is no such profile"),
                    format!("hermes profile delete {slot} --yes"),
                )
                .of(slot)
            })),
            Err(error) => findings.push(Finding::broken(chain(&error), "restart the container")),
        }
    }
    findings.extend(profiles.strays.iter().map(|stray| {
        Finding::warning(
            format!(
                "{} holds something that is no profile: {stray}",
                operations.home().profiles_directory().display()
            ),
            "move it elsewhere",
        )
    }));
    findings
}

fn of_status(
    name: &ProfileName,
    status: Option<&ServiceStatus>,
    wanted: bool,
    must_be_registered: bool,
) -> Option<Finding> {
    let selecting = selecting(name);
    let Some(status) = status else {
        return must_be_registered.then(|| {
            Finding::broken(
                format!("the profile '{name}' has no slot"),
                format!("hermes {selecting}gateway start, or gateway stop; either registers it"),
            )
        });
    };
    let look = format!("hermes {selecting}logs; then: hermes {selecting}gateway start");
    if let Some(reason) = &status.gave_up {
        let what = format!("the gateway '{name}' is given up: {reason}");
        return Some(Finding::broken(what, look).role(Role::Consequence));
    }
    if status.restarts > 0 && status.desired_up && !status.ready {
        let what = format!("the gateway '{name}' crashes: it was started again {} times", status.restarts);
        return Some(Finding::broken(what, look).role(Role::Consequence));
    }
    if status.restarts > 0 {
        let what =
            format!("the gateway '{name}' has crashed and was started again, {} times", status.restarts);
        return Some(Finding::warning(what, format!("read why: hermes {selecting}logs")));
    }
    (wanted && !status.desired_up).then(|| {
        Finding::broken(
            format!("the gateway '{name}' is stopped, and its desired state is running"),
            format!("hermes {selecting}gateway start"),
        )
        .role(Role::Consequence)
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn status(desired_up: bool, ready: bool, restarts: u64) -> ServiceStatus {
        ServiceStatus { up: ready, ready, desired_up, restarts, ..ServiceStatus::default() }
    }

    fn severity(status: Option<&ServiceStatus>, wanted: bool) -> Option<Severity> {
        of_status(&ProfileName::default_profile(), status, wanted, true).map(|finding| finding.severity)
    }

    #[test]
    fn only_deviations_from_the_desired_state_are_findings() {
        assert_eq!(severity(Some(&status(true, true, 0)), true), None);
        assert_eq!(severity(Some(&status(false, false, 0)), false), None);
        assert_eq!(severity(Some(&status(true, false, 0)), true), None, "it starts");
        assert_eq!(severity(Some(&status(true, true, 2)), true), Some(Severity::Warning));
        assert_eq!(severity(Some(&status(true, false, 2)), true), Some(Severity::Broken));
        assert_eq!(severity(Some(&status(false, false, 0)), true), Some(Severity::Broken));
        assert_eq!(severity(None, false), Some(Severity::Broken));
        let given_up = ServiceStatus { gave_up: Some("it crashed".into()), ..status(false, false, 9) };
        assert_eq!(severity(Some(&given_up), true), Some(Severity::Broken));
    }
}
