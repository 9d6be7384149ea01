//! `hermes config get`.

use std::process::ExitCode;

use hermes_core::config::{self, Key};
use hermes_core::secrets;
use hermes_operations::{Report, ReportKind, selecting};
use serde_json::Value;

use crate::context::Context;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The key of the value: names with dots between them.
    key: Key,

    /// Print the value as JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes config get gateway.port       print a value
  hermes config get gateway            print all values below a name as JSON; secrets are '***'
  hermes config get 'a.\"b.c\"'          quote a name that contains a dot";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let config = config::load(&context.home.config(&profile))?.unwrap_or_default();
    let Some(setting) = config.get(&arguments.key) else {
        let selecting = selecting(&profile);
        return Err(Report::new(ReportKind::Failed, format!("the configuration has no {}", arguments.key))
            .hint(format!("see what there is: hermes {selecting}config list")));
    };
    let text = match setting.text() {
        Some(text) if !arguments.json => text.to_owned(),
        Some(_) => setting.json().to_string(),
        // A collection hides its secrets: the user has not asked for them.
        None => masked_below(&arguments.key, setting.json()).to_string(),
    };
    output::text(format!("{text}\n").as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn masked_below(key: &Key, value: Value) -> Value {
    secrets::mask_json(value, key.names().iter().any(|name| secrets::is_secret_name(name)))
}
