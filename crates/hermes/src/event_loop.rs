//! The event loop of commands that wait for the database, for servers, or for a model.

use hermes_operations::{Report, ReportKind};

/// Runs work to its end.
///
/// # Errors
/// The event loop cannot start. The work has its own errors.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Report> {
    hermes_server::block_on(work)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to start the event loop").caused_by(error))
}
