//! `hermes gateway key rotate`.

use std::process::ExitCode;

use hermes_operations::Report;

use crate::context::Context;
use crate::output::{self, note, say};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes gateway key rotate            replace the key, and print the new one
  hermes -p coder gateway key rotate --json")]
pub(crate) struct Arguments {
    /// Print one JSON object: profile, key.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let key = context.operations()?.rotate_api_key(&profile)?;
    if arguments.json {
        output::json(&serde_json::json!({ "profile": profile.as_str(), "key": key.reveal() }));
    } else {
        say!("{}", key.reveal());
    }
    note!(
        "hermes: this key is valid at once, also for a running gateway; the old key is not valid any more."
    );
    Ok(ExitCode::SUCCESS)
}
