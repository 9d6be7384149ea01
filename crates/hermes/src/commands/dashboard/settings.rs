//! The dashboard's settings, for whoever serves it and whoever tells of it.

use hermes_core::{ProfileName, config, is_truthy};
use hermes_dashboard::{DashboardError, Settings, Sources};
use hermes_service::detect::in_our_image;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::gateways;

/// Those of the command line, the environment and the default profile's configuration.
///
/// # Errors
/// The configuration cannot be read, or one of them makes no sense: it must not open the dashboard in another way than it says.
pub(super) fn resolve(
    context: &Context,
    host: Option<String>,
    port: Option<u16>,
) -> Result<Settings, DashboardError> {
    let config = config::load(&context.home.config(&ProfileName::default_profile()));
    let config = config.map_err(DashboardError::Config)?;
    let sources = Sources {
        host,
        port,
        environment: gateways::environment(),
        config: config.as_ref(),
        in_container: in_our_image(),
    };
    Ok(Settings::resolve(&sources)?)
}

/// The container's switch. `/etc/cont-init.d/03-dashboard-toggle` goes by the same.
const WANTED: &str = "HERMES_DASHBOARD";

/// Whether the container is to supervise a dashboard: `1`, `true` or `yes`.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(WANTED).is_some_and(|value| is_truthy(&value))
}

/// What happened, why, and how it is mended.
pub(super) fn told(exit: Exit, what: &str, error: &DashboardError) -> CommandError {
    let told = CommandError::new(exit, what).because(error);
    match error.hint() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}
