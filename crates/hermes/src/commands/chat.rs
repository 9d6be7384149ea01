//! `hermes chat`: a conversation with the agent.

mod arguments;
mod ask;
mod console;
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

use std::process::ExitCode;

use hermes_operations::{Report, ReportKind};

pub(crate) use arguments::Arguments;

use crate::context::Context;

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let agent = open::open_agent(context, &profile, arguments)?;
    let Some(message) = ask::message(arguments)? else {
        return Err(Report::new(ReportKind::Invalid, "there is no message")
            .hint("ask a question: hermes chat -q 'What can you do?'"));
    };
    let ended = hermes_server::block_on(ask::run(&agent, arguments, message));
    ended
        .map_err(|error| Report::new(ReportKind::Failed, "failed to start the event loop").caused_by(error))?
}
