//! The errors of the gateway's process and of the dashboard as reports.

use hermes_dashboard::DashboardError;
use hermes_gateway::GatewayError;
use hermes_operations::{MOUNT_READ_WRITE, Report, ReportKind, is_read_only};

/// Returns the report of a gateway that does not run.
pub(crate) fn of_gateway(error: &GatewayError, supervised: bool) -> Report {
    let read_only = is_read_only(error);
    // A supervised gateway must not be tried again and again on a read-only volume: the kind of a configuration prevents it.
    let kind = if read_only && !supervised {
        ReportKind::CannotWrite
    } else if error.is_configuration() {
        ReportKind::Configuration
    } else if error.is_busy() {
        ReportKind::TryAgain
    } else {
        ReportKind::Failed
    };
    let report = Report::new(kind, "the gateway does not run").because(error);
    match error.hint() {
        _ if read_only => report.hint(MOUNT_READ_WRITE),
        Some(hint) => report.hint(hint),
        None => report,
    }
}

/// Returns the report of a failure of the dashboard: `what` happened because of `error`.
pub(crate) fn of_dashboard(kind: ReportKind, what: &str, error: &DashboardError) -> Report {
    let report = Report::new(kind, what).because(error);
    match error.hint() {
        Some(hint) => report.hint(hint),
        None => report,
    }
}
