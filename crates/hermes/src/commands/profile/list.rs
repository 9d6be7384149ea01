//! `hermes profile list`.

use std::process::ExitCode;

use hermes_core::profile::active as active_profile;
use hermes_operations::Report;
use serde::Serialize;

use crate::context::Context;
use crate::output::{self, note};
use crate::table;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile list          list the profiles; a star marks the active one
  hermes profile list --json   print JSON for a program";

#[derive(Serialize)]
struct Profile {
    name: String,
    /// The one that is meant when none is named.
    active: bool,
    directory: String,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let active = active_profile::read(&context.home).ok();
    let found = context.home.profiles()?;
    let profiles: Vec<Profile> = found
        .names
        .iter()
        .map(|name| Profile {
            name: name.to_string(),
            active: active.as_ref() == Some(name),
            directory: context.home.profile_directory(name).to_string_lossy().into_owned(),
        })
        .collect();
    if arguments.json {
        output::json(&profiles);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = profiles
        .iter()
        .map(|profile| {
            let mark = if profile.active { "*" } else { "" };
            [mark.to_owned(), profile.name.clone(), profile.directory.clone()]
        })
        .collect();
    table::print(["", "PROFILE", "DIRECTORY"], &rows);
    for stray in &found.strays {
        note!("not a profile: {stray}");
    }
    Ok(ExitCode::SUCCESS)
}
