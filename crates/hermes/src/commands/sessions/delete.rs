//! `hermes sessions delete`.

use std::process::ExitCode;

use hermes_agent::store::Store;
use hermes_operations::Report;

use super::{counted, find, question, store_failed};
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The session: its ID, the begin of its ID, or its title.
    session: String,

    /// Delete without a question.
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "Examples:
  hermes sessions export 20261128_1609         write a copy first
  hermes sessions delete 20261128_1609         ask on the terminal, then delete
  hermes sessions delete 20261128_1609 --yes   delete without a question";

pub(crate) async fn run(store: &Store, arguments: &Arguments) -> Result<ExitCode, Report> {
    let id = find(store, &arguments.session).await?;
    let session = store.session(&id).await.map_err(store_failed)?;
    let messages = counted(session.map_or(0, |session| session.messages), "message");
    question::ask(&format!("this deletes session {id} with {messages}"), arguments.yes)?;
    store.delete(&id).await.map_err(store_failed)?;
    say!("deleted session {id}");
    Ok(ExitCode::SUCCESS)
}
