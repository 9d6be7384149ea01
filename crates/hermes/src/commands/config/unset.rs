//! `hermes config unset`.

use std::process::ExitCode;

use hermes_core::config::{self, Key};
use hermes_operations::{Report, ReportKind, selecting};

use crate::context::Context;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The key of the value: names with dots between them.
    key: Key,
}

const EXAMPLES: &str = "Examples:
  hermes config unset dashboard.password_hash   log in to the dashboard with its token again
  hermes -p coder config unset gateway.drain_timeout";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let path = context.home.config(&profile);
    let key = &arguments.key;
    let missing = || {
        let hint = format!("see what there is: hermes {}config list", selecting(&profile));
        Report::new(ReportKind::Failed, format!("the configuration has no {key}")).hint(hint)
    };
    // A file that is not there is not made.
    if config::load(&path)?.is_none_or(|config| config.get(key).is_none()) {
        return Err(missing());
    }
    let mut was_there = false;
    config::change(&path, |config| {
        was_there = config.unset(key)?;
        Ok(())
    })?;
    if !was_there {
        return Err(missing());
    }
    say!("removed {key} from {}", path.display());
    if key.names().first().is_some_and(|name| name == "gateway") {
        say!("next: hermes {}gateway restart", selecting(&profile));
    }
    Ok(ExitCode::SUCCESS)
}
