//! The dashboard's settings, for whoever serves it and whoever tells of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use hermes_core::{ProfileName, config, is_truthy};
use hermes_dashboard::{DashboardError, PASSWORD, PASSWORD_HASH, Settings, Sources};
use hermes_service::detect::in_our_image;

use crate::context::Context;
use crate::privileges;

/// The variables of the container, one file each.
const STORED: &str = "/run/s6/container_environment";

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
        environment: environment(),
        config: config.as_ref(),
        in_container: in_our_image(),
    };
    Ok(Settings::resolve(&sources)?)
}

/// The variables of this process, with those of the password that it does not get from `docker exec`: the password, if root took it
/// out of the environment, and the hash that the boot made of it.
fn environment() -> BTreeMap<String, String> {
    let mut environment = hermes_operations::environment();
    if let Some(password) = privileges::withheld(PASSWORD).and_then(OsStr::to_str) {
        environment.insert(PASSWORD.to_owned(), password.to_owned());
    }
    if in_our_image()
        && environment.get(PASSWORD_HASH).is_none_or(String::is_empty)
        && let Ok(hash) = fs::read_to_string(Path::new(STORED).join(PASSWORD_HASH))
    {
        environment.insert(PASSWORD_HASH.to_owned(), hash);
    }
    environment
}

/// The container's switch. `/etc/cont-init.d/03-dashboard-toggle` goes by the same.
const WANTED: &str = "HERMES_DASHBOARD";

/// Returns `true` if the container is to supervise a dashboard: `1`, `true` or `yes`.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(WANTED).is_some_and(|value| is_truthy(&value))
}
