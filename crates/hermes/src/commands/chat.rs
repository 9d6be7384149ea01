//! `hermes chat`: a conversation with the agent.

mod arguments;
mod ask;
mod console;
mod converse;
mod editor;
mod events;
mod history;
mod images;
mod lines;
mod markdown;
mod open;
mod plain;
mod slash;
mod status_line;
mod stream;
mod type_ahead;
mod view;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use hermes_operations::{Report, ReportKind};

pub(crate) use arguments::Arguments;

use crate::context::Context;

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let agent = open::open_agent(context, &profile, arguments)?;
    let message = ask::message(arguments)?;
    let ended = hermes_server::block_on(async {
        match message {
            Some(message) => ask::run(&agent, arguments, message).await,
            None if io::stdin().is_terminal() => {
                converse::run(context, profile, arguments.clone(), agent).await
            }
            None => Err(Report::new(ReportKind::Invalid, "standard input has no message")
                .hint("ask a question: hermes chat -q 'What can you do?'")),
        }
    });
    ended
        .map_err(|error| Report::new(ReportKind::Failed, "failed to start the event loop").caused_by(error))?
}
