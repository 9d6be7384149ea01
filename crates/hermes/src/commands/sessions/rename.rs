//! `hermes sessions rename`.

use std::process::ExitCode;

use hermes_agent::store::Store;
use hermes_operations::{Report, ReportKind};

use super::{find, store_failed};
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The session: its ID, the begin of its ID, or its title.
    session: String,

    /// The new title. No two sessions have the same one.
    title: String,
}

const EXAMPLES: &str = "Examples:
  hermes sessions rename 20261128_1609 'Trip to Rome'   give a session a title";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let title = arguments.title.trim();
    if title.is_empty() {
        return Err(Report::new(ReportKind::Invalid, "the title is empty"));
    }
    let id = find(store, &arguments.session).await?;
    store.rename(&id, Some(title.to_owned())).await.map_err(store_failed)?;
    say!("session {id} has the title '{title}'");
    Ok(ExitCode::SUCCESS)
}
