//! A conversation on a terminal: messages and slash commands, until the person leaves.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use hermes_agent::agent::Agent;
use hermes_agent::message::{Message, Role};
use hermes_agent::store::{Filter, Session, SessionId};
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, selecting};
use hermes_server::StopRequests;

use super::arguments::Arguments;
use super::ask;
use super::console::Console;
use super::editor::{Editor, Input};
use super::open::{begin_session, choose_session, no_session, open_agent, store_failed};
use super::steer::{self, Left};
use crate::context::Context;
use crate::exit_code::Print as _;
use crate::output::{note, say};
use hermes_terminal::slash::{self, SlashCommand};
use hermes_terminal::{lines, sessions};

/// The number of sessions that `/sessions` shows.
const SESSIONS_SHOWN: u32 = 15;

/// The number of messages that `/history` shows at most.
const MESSAGES_SHOWN: usize = 100;

/// A conversation.
struct Conversation<'a> {
    context: &'a Context,
    profile: ProfileName,
    arguments: Arguments,
    agent: Agent,
    session: SessionId,
    console: Console,
    stop: StopRequests,
    left: Left,
}

/// Talks until the person leaves. Prints how to continue.
///
/// # Errors
/// The terminal cannot be read, or the store failed at the beginning.
pub(crate) async fn run(
    context: &Context,
    profile: ProfileName,
    arguments: Arguments,
    agent: Agent,
) -> Result<ExitCode, Report> {
    let mut editor = Editor::new(context.home.chat_history(&profile))?;
    let session = choose_session(&agent, &arguments).await?;
    note!("{} of '{profile}'. /help lists the commands; Ctrl+D leaves.", agent.model());
    let console = Console::new(&arguments);
    let stop = StopRequests::from_interrupts().map_err(|error| ask::no_handler(&error))?;
    let left = Left::default();
    let mut conversation = Conversation { context, profile, arguments, agent, session, console, stop, left };
    loop {
        let input = match conversation.left.queue.pop_front() {
            Some(line) => {
                note!("› {line}");
                editor.take(line)
            }
            None => editor.read(std::mem::take(&mut conversation.left.rest))?,
        };
        let ended = match input {
            Input::Text(text) => conversation.send(Message::text(Role::User, text)).await,
            Input::Slash(SlashCommand::Quit) | Input::End => break,
            Input::Slash(command) => conversation.obey(command).await,
            Input::Interrupted => {
                note!("Ctrl+C again leaves");
                Ok(())
            }
        };
        if let Err(report) = ended {
            report.print();
        }
    }
    conversation.leave().await;
    Ok(ExitCode::SUCCESS)
}

impl Conversation<'_> {
    async fn send(&mut self, message: Message) -> Result<(), Report> {
        // A Ctrl+C at the end of an answer does not mean the next one.
        self.stop.forget();
        let Self { agent, session, console, stop, left, .. } = self;
        steer::turn(agent, session, message, console, stop, left).await
    }

    async fn obey(&mut self, command: SlashCommand) -> Result<(), Report> {
        match command {
            SlashCommand::New => {
                self.session = begin_session(&self.agent).await?;
                say!("A new session begins.");
            }
            SlashCommand::Retry => match self.take_back().await? {
                Some(message) => self.send(message).await?,
                None => say!("There is no message to send again."),
            },
            SlashCommand::Undo => match self.take_back().await? {
                Some(message) => say!("Taken back: {}", first_line(&message.plain_text())),
                None => say!("There is nothing to take back."),
            },
            SlashCommand::Title(title) => {
                self.agent
                    .store()
                    .rename(&self.session, Some(title))
                    .await
                    .map_err(|error| store_failed(&error))?;
            }
            SlashCommand::Compact => {
                let lengths = self
                    .agent
                    .compact(&self.session)
                    .await
                    .map_err(|error| Report::new(ReportKind::Failed, error.to_string()))?;
                say!("Compacted from about {} to {} tokens.", lengths.before, lengths.after);
            }
            SlashCommand::Resume(name) => {
                self.session = self.agent.store().find(&name).await.map_err(|error| no_session(&error))?;
                let session = self.stored().await?;
                say!("{}: {} messages", label(&session), session.messages);
            }
            SlashCommand::Sessions => self.list().await?,
            SlashCommand::Status | SlashCommand::Usage => self.status().await?,
            SlashCommand::Model(None) => say!("{}", self.agent.model()),
            SlashCommand::Model(Some(model)) => {
                let arguments = Arguments { model: Some(model), ..self.arguments.clone() };
                self.agent = open_agent(self.context, &self.profile, &arguments)?;
                self.arguments = arguments;
                say!("{} answers from now on.", self.agent.model());
            }
            SlashCommand::History => {
                for line in self.transcript().await? {
                    say!("{line}");
                }
            }
            SlashCommand::Save(path) => {
                let text = self.transcript().await?.join("\n") + "\n";
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
                    Report::new(ReportKind::CannotWrite, format!("failed to write {path}")).caused_by(error)
                })?;
                say!("Saved to {path}.");
            }
            SlashCommand::Help => {
                for line in slash::help() {
                    say!("{line}");
                }
            }
            SlashCommand::Stop => say!("No answer is running. Ctrl+C interrupts one."),
            // No answer is running.
            SlashCommand::Queue(text) => self.send(Message::text(Role::User, text)).await?,
            // The loop ends.
            SlashCommand::Quit => {}
        }
        Ok(())
    }

    async fn take_back(&self) -> Result<Option<Message>, Report> {
        self.agent.store().undo(&self.session).await.map_err(|error| store_failed(&error))
    }

    async fn stored(&self) -> Result<Session, Report> {
        let session =
            self.agent.store().session(&self.session).await.map_err(|error| store_failed(&error))?;
        session.ok_or_else(|| {
            Report::new(ReportKind::NotFound, format!("session {} is gone", self.session))
                .hint("begin another one: /new")
        })
    }

    async fn list(&self) -> Result<(), Report> {
        let filter = Filter { limit: Some(SESSIONS_SHOWN), ..Filter::default() };
        let sessions = self.agent.store().list(filter).await.map_err(|error| store_failed(&error))?;
        for session in sessions {
            let mark = if session.id == self.session { '*' } else { ' ' };
            say!("{mark} {}  {} messages", label(&session), session.messages);
        }
        Ok(())
    }

    async fn status(&self) -> Result<(), Report> {
        let session = self.stored().await?;
        let usage = session.usage;
        say!("session   {}", label(&session));
        say!("model     {}", self.agent.model());
        say!("messages  {}", session.messages);
        say!("tokens    {} in ({} cached), {} out", usage.input, usage.cached, usage.output);
        Ok(())
    }

    async fn transcript(&self) -> Result<Vec<String>, Report> {
        let stored =
            self.agent.store().conversation(&self.session).await.map_err(|error| store_failed(&error))?;
        let skipped = stored.len().saturating_sub(MESSAGES_SHOWN);
        Ok(stored.iter().skip(skipped).flat_map(lines::of_message).collect())
    }

    async fn leave(&self) {
        if let Some(session) = sessions::end(&self.agent, &self.session).await {
            note!("continue with: hermes {}chat --resume {session}", selecting(&self.profile));
        }
    }
}

fn label(session: &Session) -> String {
    match &session.title {
        Some(title) => format!("{} ({title})", session.id),
        None => session.id.to_string(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
