//! `hermes --tui`: the full screen.

use std::env;
use std::process::ExitCode;

use hermes_agent::agent::OpenedAgent;
use hermes_operations::{Operations, Report, ReportKind, selecting};
use hermes_tui::Options;

use super::chat::{self, open};
use crate::context::Context;
use crate::event_loop;
use crate::external_editor;
use crate::output::note;

/// Shows the screen until the person leaves. `is_plain`: prints lines without colours instead, as `hermes chat` does.
///
/// # Errors
/// There is no terminal, the profile does not exist, its settings are invalid, or the store failed.
pub(crate) fn run(context: &Context, is_plain: bool) -> Result<ExitCode, Report> {
    if !chat::has_person() {
        return Err(Report::new(ReportKind::Unsupported, "the full screen needs a terminal").hint(
            "in a container: docker run -it or docker exec -it; without a terminal: hermes chat -q TEXT",
        ));
    }
    if is_plain {
        return chat::begin(context, chat::Arguments { plain: true, ..chat::Arguments::default() });
    }
    if env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Err(Report::new(ReportKind::Unsupported, "this terminal (TERM=dumb) cannot show a screen")
            .hint("talk line by line: hermes --tui --plain"));
    }
    let profile = context.existing_profile()?;
    let arguments = chat::Arguments::default();
    let opened = chat::open_or_set_up(context, &profile, &arguments)?;
    let Some(OpenedAgent { agent, notices }) = opened else { return Ok(ExitCode::FAILURE) };
    let (in_place, of_profile) = (context.clone(), profile.clone());
    let options = Options {
        home: context.home.clone(),
        profile: profile.clone(),
        agent,
        notices,
        // Silent: a line would land in the screen.
        operations: Operations::new(context.home.clone(), context.service_manager()?),
        open: Box::new(move |model| {
            let arguments = chat::Arguments { model: Some(model.to_owned()), ..chat::Arguments::default() };
            open::try_to_open(&in_place, &of_profile, &arguments).map_err(|error| open::report_of(&error))
        }),
        edit: external_editor::run,
        workspace: context.home.profile_directory(&profile).join("workspace"),
        is_plain: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    let left = event_loop::block_on(hermes_tui::run(options))??;
    if let Some(session) = left.session {
        note!("continue with: hermes {}chat --resume {session}", selecting(&profile));
    }
    Ok(left.code)
}
