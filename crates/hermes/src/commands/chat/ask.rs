//! One question: `hermes chat -q`, or a message on standard input.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use hermes_agent::agent::{Agent, SubmitError, Submitted};
use hermes_agent::message::{Block, Message, Role};
use hermes_agent::protocol::{Event, StopReason, TurnEnd};
use hermes_agent::question::Person;
use hermes_agent::store::{BeginError, SessionId};
use hermes_operations::{Report, ReportKind};
use hermes_server::StopRequests;

use super::arguments::Arguments;
use super::console::Console;
use super::{images, open};
use crate::output::note;

/// The exit code of a turn that Ctrl-C ended, as shells have it (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// The longest message on standard input, in bytes.
const STDIN_MAX: u64 = 4 * 1024 * 1024;

/// Returns the message of the options and of standard input; `None` if neither has one.
///
/// # Errors
/// Standard input cannot be read or is too long, or a picture cannot be used.
pub(crate) fn message(arguments: &Arguments) -> Result<Option<Message>, Report> {
    let mut text = arguments.query.clone().filter(|query| query != "-").unwrap_or_default();
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let piped = read_text(stdin.lock())?;
        if !piped.trim().is_empty() {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(piped.trim_end());
        }
    }
    let mut blocks = Vec::new();
    if !text.trim().is_empty() {
        blocks.push(Block::Text { text });
    }
    for image in &arguments.images {
        blocks.push(images::block(image)?);
    }
    Ok((!blocks.is_empty()).then_some(Message { role: Role::User, blocks }))
}

fn read_text(from: impl Read) -> Result<String, Report> {
    let mut bytes = Vec::new();
    from.take(STDIN_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read standard input").caused_by(error))?;
    if bytes.len() as u64 > STDIN_MAX {
        return Err(Report::new(ReportKind::Invalid, "failed to read standard input: it is over 4 MiB")
            .hint("send a shorter text"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks the question, shows the answer, and returns the exit code.
///
/// # Errors
/// No turn began, or the store failed.
pub(crate) async fn run(agent: &Agent, arguments: &Arguments, message: Message) -> Result<ExitCode, Report> {
    let session = open::choose_session(agent, arguments).await?;
    let mut console = Console::new(arguments);
    let mut stop = StopRequests::from_signals().map_err(|error| no_handler(&error))?;
    let end = turn(agent, &session, message, &mut console, &mut stop).await?;
    Ok(match end.reason {
        StopReason::EndTurn | StopReason::MaxTokens | StopReason::Refusal => ExitCode::SUCCESS,
        StopReason::Cancelled => ExitCode::from(INTERRUPTED),
        StopReason::MaxTurnRequests
        | StopReason::Loop
        | StopReason::Budget
        | StopReason::Failed
        | StopReason::Died => ExitCode::FAILURE,
    })
}

/// Runs a turn. A request to stop interrupts it.
///
/// # Errors
/// No turn began, or the store failed.
pub(crate) async fn turn(
    agent: &Agent,
    session: &SessionId,
    message: Message,
    console: &mut Console,
    stop: &mut StopRequests,
) -> Result<TurnEnd, Report> {
    let mut show = |event| {
        console.show(&event);
        if let Event::ApprovalRequested { approval } = &event {
            note!("answer: hermes approvals answer {} once|session|always|deny", approval.id);
        }
    };
    let mut sent = Box::pin(agent.send(session, message, Person::Absent, &mut show));
    loop {
        tokio::select! {
            submitted = &mut sent => return end_of(submitted),
            () = stop.next() => {
                agent.interrupt(session);
            }
        }
    }
}

/// Returns the end of a submitted message's turn.
///
/// # Errors
/// No turn began, or the store failed.
pub(crate) fn end_of(submitted: Result<Submitted, SubmitError>) -> Result<TurnEnd, Report> {
    match submitted {
        Ok(Submitted::Ended(end)) => Ok(end),
        Ok(Submitted::Steered) => Err(busy("a turn of this session runs in this process")),
        Err(error) => Err(not_begun(&error)),
    }
}

/// Returns the report of signals that cannot be handled.
pub(crate) fn no_handler(error: &io::Error) -> Report {
    Report::new(ReportKind::Failed, "failed to install the handlers of signals").because(error)
}

fn not_begun(error: &SubmitError) -> Report {
    match error {
        SubmitError::Begin(BeginError::Store(error)) => open::store_failed(error),
        error => busy(&error.to_string()),
    }
}

fn busy(what: &str) -> Report {
    Report::new(ReportKind::TryAgain, what)
}
