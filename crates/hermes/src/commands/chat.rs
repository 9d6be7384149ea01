//! `hermes chat`: a conversation with the agent.

mod arguments;
mod ask;
mod console;
mod converse;
mod editor;
mod events;
mod images;
mod keys;
pub(crate) mod open;
mod plain;
mod status_line;
mod steer;
mod stream;
mod view;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use hermes_agent::agent::{AgentError, OpenedAgent};
use hermes_agent::settings::SettingsError;
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind};

pub(crate) use arguments::Arguments;

use crate::commands::setup;
use crate::context::Context;
use crate::event_loop;
use crate::output::note;

/// Returns `true` if a person can talk here: input and output are a terminal.
pub(crate) fn has_person() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Begins a conversation, as `hermes` without a command does for a person. The first time it asks for the settings of the model.
///
/// # Errors
/// The profile does not exist, its settings are invalid, or the conversation failed.
pub(crate) fn begin(context: &Context, arguments: Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let Some(opened) = open_or_set_up(context, &profile, &arguments)? else { return Ok(ExitCode::FAILURE) };
    let agent = open::with_notices(opened);
    event_loop::block_on(converse::run(context, profile, arguments, agent))?
}

/// Opens the agent. Without a model, it asks for the settings first. Returns `None` if the person gives none.
///
/// # Errors
/// The settings are invalid, or the store cannot be used.
pub(crate) fn open_or_set_up(
    context: &Context,
    profile: &ProfileName,
    arguments: &Arguments,
) -> Result<Option<OpenedAgent>, Report> {
    let opened = match open::try_to_open(context, profile, arguments) {
        Err(AgentError::Settings(SettingsError::NoModel)) => {
            note!("No model is configured yet. A few questions set one up; Ctrl+D leaves.");
            if !setup::set_up(context, profile, &setup::Arguments::default())? {
                return Ok(None);
            }
            open::try_to_open(context, profile, arguments)
        }
        opened => opened,
    };
    opened.map(Some).map_err(|error| open::report_of(&error))
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let agent = open::open_agent(context, &profile, arguments)?;
    let message = ask::message(arguments)?;
    event_loop::block_on(async {
        match message {
            Some(message) => ask::run(&agent, arguments, message).await,
            None if io::stdin().is_terminal() => {
                converse::run(context, profile, arguments.clone(), agent).await
            }
            None => Err(Report::new(ReportKind::Invalid, "standard input has no message")
                .hint("ask a question: hermes chat -q 'What can you do?'")),
        }
    })?
}
