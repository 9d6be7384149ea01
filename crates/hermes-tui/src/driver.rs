//! The event loop of the screen: it waits for keys, for the agent, and for signals, performs effects, and draws.

mod files;
mod options;
mod screen;
mod signals;
mod worker;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, KeyEventKind, MouseEventKind};
use hermes_agent::store::SessionId;
use hermes_operations::{Report, ReportKind};
use hermes_terminal::history::History;
use hermes_terminal::sessions;
use tokio::sync::mpsc;
use tokio::time::interval;

use crate::state::{App, Effect, Input, Loaded};
use screen::{Keys, Screen};
use signals::Signals;
use worker::{Worker, store_failed};

pub use options::{Open, Options};

/// The interval in which times, states and logs on the screen are brought up to date.
const TICK: Duration = Duration::from_secs(1);

/// The end of the screen.
#[derive(Debug)]
pub struct Left {
    /// The session, unless it has no message.
    pub session: Option<SessionId>,
    /// The exit code: 0, or 128 and the number of the signal.
    pub code: ExitCode,
}

/// Shows the screen until the person leaves, or a signal ends the process.
///
/// # Errors
/// The terminal cannot be used, or the store failed at the begin.
pub async fn run(options: Options) -> Result<Left, Report> {
    let mut signals = Signals::install().map_err(failed)?;
    let (session, warnings) = sessions::begin(&options.agent).await.map_err(|error| store_failed(&error))?;
    let mut screen = Screen::enter().map_err(failed)?;
    let mut app = App::new(options.profile.to_string(), options.is_plain);
    options.agent.model().clone_into(&mut app.model);
    let (sender, mut inputs) = mpsc::unbounded_channel();
    for notice in options.notices.iter().chain(&warnings) {
        let _ = sender.send(Input::Loaded(Loaded::Note(format!("note: {notice}"))));
    }
    let mut worker = Worker {
        history: Arc::new(History::at(options.home.chat_history(&options.profile))),
        agent: Arc::new(options.agent),
        home: options.home,
        profile: options.profile,
        operations: options.operations,
        open: options.open,
        workspace: options.workspace,
        session,
        turn: None,
        sender,
    };
    worker.load_history();
    let mut keys = Keys::new();
    let mut tick = interval(TICK);
    let code = loop {
        screen.draw(&mut app, Instant::now()).map_err(failed)?;
        let mut batch = Vec::new();
        tokio::select! {
            key = keys.next() => match key {
                Some(event) => batch.extend(input_of(event.map_err(failed)?)),
                None => break ExitCode::SUCCESS,
            },
            input = inputs.recv() => batch.extend(input),
            _ = tick.tick(), if app.is_running || app.changing_panel().is_some() => {
                if let Some(place) = app.changing_panel() {
                    worker.load(place);
                }
            }
            signal = signals.next() => match signal {
                signals::Signal::Suspend => suspend(&mut screen, &mut keys)?,
                signals::Signal::End(number) => break ExitCode::from(128 + number),
            },
        }
        while let Ok(more) = inputs.try_recv() {
            batch.push(more);
        }
        let mut leaves = false;
        for input in batch {
            for effect in app.take(input, Instant::now()) {
                match effect {
                    Effect::Quit => leaves = true,
                    Effect::Suspend => suspend(&mut screen, &mut keys)?,
                    Effect::Edit(text) => {
                        keys.stop();
                        screen.leave();
                        let edited = worker.edited(text, options.edit).await;
                        screen.enter_again().map_err(failed)?;
                        worker.report(edited.map(Loaded::Edited));
                    }
                    effect => worker.perform(effect).await,
                }
            }
        }
        if leaves {
            break ExitCode::SUCCESS;
        }
    };
    worker.end_turn().await;
    drop(screen);
    Ok(Left { session: sessions::end(&worker.agent, &worker.session).await, code })
}

fn input_of(event: TerminalEvent) -> Option<Input> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
        TerminalEvent::Paste(text) => Some(Input::Paste(text)),
        TerminalEvent::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollUp => Some(Input::Wheel(true)),
            MouseEventKind::ScrollDown => Some(Input::Wheel(false)),
            _ => None,
        },
        // The loop draws after each event.
        _ => None,
    }
}

/// Gives the terminal back and stops this process, until the shell continues it.
fn suspend(screen: &mut Screen, keys: &mut Keys) -> Result<(), Report> {
    keys.stop();
    screen.leave();
    let stopped = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    screen.enter_again().map_err(failed)?;
    stopped.map_err(|error| failed(error.into()))
}

fn failed(error: io::Error) -> Report {
    Report::new(ReportKind::Failed, "failed to use the terminal as a screen")
        .caused_by(error)
        .hint("talk line by line: hermes chat")
}
