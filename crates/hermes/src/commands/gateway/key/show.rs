//! `hermes gateway key show`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  curl -H \"Authorization: Bearer $(hermes gateway key show)\" http://127.0.0.1:8642/v1/models
  hermes -p coder gateway key show --json")]
pub(crate) struct Arguments {
    /// Print one JSON object: profile, key, place.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let found = context.operations()?.api_key(&profile)?;
    if arguments.json {
        output::json(&serde_json::json!({
            "profile": profile.as_str(), "key": found.key.reveal(), "place": found.place,
        }));
    } else {
        say!("{}", found.key.reveal());
    }
    Ok(ExitCode::SUCCESS)
}
