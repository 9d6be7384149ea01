//! The names by which this crate knows the types of the operations.

use std::time::Duration;

use hermes_core::ProfileName;

pub(crate) use hermes_operations::doctor::Finding;
pub(crate) use hermes_operations::{
    Gateway, Operations, Report as Failure, ReportKind as FailureKind, Supervisor, Verb,
};

/// The report of a profile that does not exist.
pub(crate) fn no_such_profile(profile: &ProfileName) -> Failure {
    Failure::new(FailureKind::NotFound, format!("no such profile '{profile}'"))
        .hint("it may have been deleted meanwhile: go back to the overview")
}

/// A time as a person reads it, in at most two units, as in `3h 20m`.
pub(crate) fn span(seconds: u64) -> String {
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
