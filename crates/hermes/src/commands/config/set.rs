//! `hermes config set`.

use std::process::ExitCode;

use hermes_core::config::{self, CURRENT_VERSION, Config, GatewayConfig, Key, Version};
use hermes_operations::{Report, selecting};

use crate::context::Context;
use crate::output::{note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The key of the value: names with dots between them; missing parents are created.
    key: Key,

    /// The value; text such as 1 or true is set as a number or a boolean.
    #[arg(allow_hyphen_values = true)]
    value: String,
}

const EXAMPLES: &str = "Examples:
  hermes config set gateway.port 9300
  hermes -p coder config set gateway.drain_timeout 30s";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let path = context.home.config(&profile);
    config::change(&path, |config| config.set(&arguments.key, &arguments.value))?;
    say!("set {} in {}", arguments.key, path.display());
    let config = config::load(&path)?.unwrap_or_default();
    if let Some(doubt) = doubt_of_version(&config) {
        note!("warning: {doubt}");
    }
    if let Err(error) = GatewayConfig::resolve(&profile, &config, |_| None) {
        note!("warning: {error}; until that is corrected the gateway does not start");
    } else if arguments.key.names().first().is_some_and(|name| name == "gateway") {
        say!("next: hermes {}gateway restart", selecting(&profile));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the warning for the owner before the next boot.
fn doubt_of_version(config: &Config) -> Option<String> {
    match config.version() {
        Ok(Version::Older(_) | Version::Current) => None,
        Ok(Version::Newer(found)) => Some(format!(
            "the configuration is of version {found} and this hermes knows {CURRENT_VERSION}; what is new in it stays, and is ignored"
        )),
        Err(error) => Some(format!("{error}; until that is corrected no boot migrates the configuration")),
    }
}
