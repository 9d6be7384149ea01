//! Performs the effects: turns, sessions, panels.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hermes_agent::agent::{Agent, Steer, Submitted};
use hermes_agent::message::{Message, Role};
use hermes_agent::protocol::StopReason;
use hermes_agent::question::Person;
use hermes_agent::store::{Answered, Filter, Session, SessionId, StoredMessage};
use hermes_core::gateway::log;
use hermes_core::{Home, ProfileName, chain};
use hermes_operations::{Operations, Report, ReportKind, Verb, Wait};
use hermes_os::printable::printable;
use hermes_os::process::resident_bytes;
use hermes_terminal::history::History;
use hermes_terminal::{lines, sessions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::files;
use super::options::Open;
use crate::state::{Effect, Input, Loaded, Place};

/// The messages that are loaded at one time.
const PAGE: u32 = 200;
/// The sessions that the panel lists.
const SESSIONS_MAX: u32 = 200;
/// The time that a gateway has to obey an order.
const WAIT: Wait = Wait::AtMost(Duration::from_secs(30));
/// The lines of a log that the panel holds.
const LOG_LINES: usize = 1000;
/// The time that a turn has to end when the process must.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) fn store_failed(error: &(dyn std::error::Error + 'static)) -> Report {
    Report::new(ReportKind::Failed, "the agent's sessions cannot be used").because(error)
}

/// Performs effects. Each result is an input.
pub(super) struct Worker {
    pub(super) home: Home,
    pub(super) profile: ProfileName,
    pub(super) agent: Arc<Agent>,
    pub(super) operations: Operations,
    pub(super) open: Open,
    pub(super) workspace: PathBuf,
    pub(super) history: Arc<History>,
    pub(super) session: SessionId,
    pub(super) turn: Option<JoinHandle<()>>,
    pub(super) sender: mpsc::UnboundedSender<Input>,
}

impl Worker {
    /// Interrupts the running turn, so that its text is stored.
    pub(super) async fn end_turn(&mut self) {
        if let Some(turn) = self.turn.take().filter(|turn| !turn.is_finished()) {
            self.agent.interrupt_all();
            let _ = tokio::time::timeout(LAST_WORDS, turn).await;
        }
    }

    pub(super) fn report(&self, result: Result<Loaded, Report>) {
        let loaded = result.unwrap_or_else(|report| Loaded::Failure(report.one_line()));
        // The receiver lives as long as the screen.
        let _ = self.sender.send(Input::Loaded(loaded));
    }

    /// Returns the text that the person leaves in an editor. A turn goes on meanwhile.
    ///
    /// # Errors
    /// As [`files::edited`].
    pub(super) async fn edited(
        &self,
        text: String,
        editor: fn(&Path) -> Result<(), Report>,
    ) -> Result<String, Report> {
        let (home, profile) = (self.home.clone(), self.profile.clone());
        let edited = move || files::edited(&home, &profile, &text, editor);
        tokio::task::spawn_blocking(edited).await.unwrap_or_else(|error| {
            Err(Report::new(ReportKind::Failed, "failed to wait for the editor").caused_by(error))
        })
    }

    /// Performs an effect.
    pub(super) async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(text) => self.send(text),
            Effect::Interrupt => drop(self.agent.interrupt(&self.session)),
            Effect::Answer(id, answer) => match self.agent.answer(&id, answer, "terminal").await {
                Ok(Answered::Stored(_)) => {}
                Ok(Answered::Unknown | Answered::TooLate(_)) => self.report(Ok(Loaded::Note(
                    "the question was answered elsewhere, or its time is over".to_owned(),
                ))),
                Err(error) => self.report(Err(store_failed(&error))),
            },
            Effect::New => match sessions::begin(&self.agent).await {
                Ok((session, warnings)) => {
                    self.open_session(session).await;
                    for warning in warnings {
                        self.report(Ok(Loaded::Note(format!("note: {warning}"))));
                    }
                }
                Err(error) => self.report(Err(store_failed(&error))),
            },
            Effect::Resume(name) => match self.agent.store().find(&name).await {
                Ok(session) => self.open_session(session).await,
                Err(error) => self.report(Err(Report::new(ReportKind::NotFound, chain(&error)))),
            },
            Effect::Retry => match self.take_back().await {
                Ok(Some(text)) => self.report(Ok(Loaded::Again(text))),
                Ok(None) => self.report(Ok(Loaded::Note("there is no message to send again".to_owned()))),
                Err(report) => self.report(Err(report)),
            },
            Effect::Undo => match self.take_back().await {
                Ok(Some(text)) => self.report(Ok(Loaded::Edited(text))),
                Ok(None) => self.report(Ok(Loaded::Note("there is nothing to take back".to_owned()))),
                Err(report) => self.report(Err(report)),
            },
            Effect::Title(title) => match self.agent.store().rename(&self.session, Some(title)).await {
                Ok(()) => self.reload_session().await,
                Err(error) => self.report(Err(Report::new(ReportKind::Failed, chain(&error)))),
            },
            Effect::Compact => self.compact(),
            Effect::Model(model) => self.change_model(&model),
            Effect::Save(path) => {
                let saved = self.save(&path).await;
                self.report(saved.map(|()| Loaded::Note(format!("saved to {path}"))));
            }
            Effect::Remember(text) => {
                if let Ok(entries) = self.history.add(&text) {
                    self.report(Ok(Loaded::History(entries)));
                }
            }
            Effect::Older(before) => {
                let page = self.agent.store().messages_before(&self.session, before, PAGE).await;
                let page = page.map(|messages| Loaded::Older { older: older_than(&messages), messages });
                self.report(page.map_err(|error| store_failed(&error)));
            }
            Effect::Load(place) => self.load(place),
            Effect::Search(query) => self.search(query),
            Effect::Drive(profile, verb) => self.drive(&profile, verb),
            Effect::Complete(begin) => {
                self.report(Ok(Loaded::Files(files::completions(&self.workspace, &begin))));
            }
            // The event loop owns the terminal.
            Effect::Edit(_) | Effect::Suspend | Effect::Quit => {}
        }
    }

    /// Loads the messages that Up brings back.
    pub(super) fn load_history(&self) {
        if let Ok(entries) = self.history.entries() {
            self.report(Ok(Loaded::History(entries)));
        }
    }

    /// Sends a message: into the running turn, or as a turn of its own.
    fn send(&mut self, text: String) {
        let message = Message::text(Role::User, text.clone());
        if self.turn.as_ref().is_some_and(|turn| !turn.is_finished()) {
            if !matches!(self.agent.steer(&self.session, message), Steer::Taken) {
                self.report(Ok(Loaded::Late(text)));
            }
            return;
        }
        let (agent, session, sender) = (Arc::clone(&self.agent), self.session.clone(), self.sender.clone());
        self.turn = Some(tokio::spawn(async move {
            let events = sender.clone();
            let mut show = move |event| drop(events.send(Input::Event(event)));
            let sent = agent.send(&session, message, Person::CanReply, &mut show).await;
            // A message that came after the last model call is the next turn's.
            let late = agent.store().withdraw_inputs(&session).await.unwrap_or_default();
            let late = late.iter().map(Message::plain_text).collect();
            let mut was_interrupted = false;
            match sent {
                Ok(Submitted::Ended(end)) => was_interrupted = end.reason == StopReason::Cancelled,
                Ok(Submitted::Steered) => {}
                Err(error) => {
                    let _ = sender.send(Input::Loaded(Loaded::Failure(chain(&error))));
                }
            }
            let _ = sender.send(Input::Loaded(Loaded::TurnEnded { late, was_interrupted }));
        }));
    }

    async fn take_back(&self) -> Result<Option<String>, Report> {
        let taken = self.agent.store().undo(&self.session).await.map_err(|error| store_failed(&error))?;
        self.reload_session().await;
        Ok(taken.map(|message| message.plain_text()))
    }

    async fn open_session(&mut self, session: SessionId) {
        let before = std::mem::replace(&mut self.session, session);
        if before != self.session {
            sessions::end(&self.agent, &before).await;
        }
        self.reload_session().await;
    }

    async fn reload_session(&self) {
        self.report(self.session_now().await);
    }

    async fn session_now(&self) -> Result<Loaded, Report> {
        let store = self.agent.store();
        let failed = |error| store_failed(&error);
        let messages = store.messages_before(&self.session, i64::MAX, PAGE).await.map_err(failed)?;
        let session = store.session(&self.session).await.map_err(failed)?;
        let (title, usage) = session.map(|session| (session.title, session.usage)).unwrap_or_default();
        Ok(Loaded::Session { title, usage, older: older_than(&messages), messages })
    }

    fn compact(&self) {
        let (agent, session, sender) = (Arc::clone(&self.agent), self.session.clone(), self.sender.clone());
        tokio::spawn(async move {
            let loaded = match agent.compact(&session).await {
                Ok(lengths) => Loaded::Note(lines::of_compaction(lengths.before, lengths.after)),
                Err(error) => Loaded::Failure(chain(&error)),
            };
            let _ = sender.send(Input::Loaded(loaded));
        });
    }

    fn change_model(&mut self, model: &str) {
        match (self.open)(model) {
            Ok(opened) => {
                self.agent = Arc::new(opened.agent);
                self.report(Ok(Loaded::Model(self.agent.model().to_owned())));
                for notice in opened.notices {
                    self.report(Ok(Loaded::Note(format!("note: {notice}"))));
                }
            }
            Err(report) => self.report(Err(report)),
        }
    }

    async fn save(&self, path: &str) -> Result<(), Report> {
        let messages = self.agent.store().conversation(&self.session).await;
        let messages = messages.map_err(|error| store_failed(&error))?;
        let text = messages.iter().flat_map(lines::of_message).collect::<Vec<_>>().join("\n") + "\n";
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
            Report::new(ReportKind::CannotWrite, format!("failed to write {path}")).caused_by(error)
        })
    }

    /// Loads the content of a panel.
    pub(super) fn load(&self, place: Place) {
        match place {
            Place::Sessions => self.search(String::new()),
            Place::Agents => self.load_agents(),
            Place::Log(profile) => self.load_log(profile),
            Place::Usage => self.load_usage(),
            Place::Keys => {}
        }
    }

    fn search(&self, query: String) {
        let (agent, sender) = (Arc::clone(&self.agent), self.sender.clone());
        tokio::spawn(async move {
            let loaded = match found(&agent, &query).await {
                Ok(sessions) => Loaded::Sessions(query, sessions),
                Err(report) => Loaded::Failure(report.one_line()),
            };
            let _ = sender.send(Input::Loaded(loaded));
        });
    }

    fn load_agents(&self) {
        let (operations, sender) = (self.operations.clone(), self.sender.clone());
        tokio::task::spawn_blocking(move || {
            let loaded = match operations.gateways() {
                Ok(gateways) => {
                    let rows = gateways.into_iter().map(|gateway| {
                        let memory = gateway.pid.and_then(resident_bytes);
                        (gateway, memory)
                    });
                    Loaded::Agents(rows.collect())
                }
                Err(report) => Loaded::Failure(report.one_line()),
            };
            let _ = sender.send(Input::Loaded(loaded));
        });
    }

    fn drive(&self, profile: &str, verb: Verb) {
        let Ok(profile) = ProfileName::new(profile) else { return };
        let (operations, sender) = (self.operations.clone(), self.sender.clone());
        tokio::task::spawn_blocking(move || {
            let driven = operations.drive(&profile, verb, WAIT);
            let driven = driven.map_err(|report| report.one_line());
            let _ = sender.send(Input::Loaded(Loaded::Driven(driven)));
        });
    }

    fn load_log(&self, profile: String) {
        let (home, sender) = (self.home.clone(), self.sender.clone());
        tokio::task::spawn_blocking(move || {
            let Ok(name) = ProfileName::new(&profile) else { return };
            let lines = log::last_lines(&home, &name, LOG_LINES);
            let lines = lines.iter().map(|line| printable(line.as_bytes())).collect();
            let _ = sender.send(Input::Loaded(Loaded::Log(profile, lines)));
        });
    }

    fn load_usage(&self) {
        let (agent, session, sender) = (Arc::clone(&self.agent), self.session.clone(), self.sender.clone());
        tokio::spawn(async move {
            let loaded = match usage_of(&agent, &session).await {
                Ok(lines) => Loaded::Usage(lines),
                Err(report) => Loaded::Failure(report.one_line()),
            };
            let _ = sender.send(Input::Loaded(loaded));
        });
    }
}

/// Returns the number of the first message of a page, if there may be earlier ones.
fn older_than(messages: &[StoredMessage]) -> Option<i64> {
    messages.first().filter(|_| messages.len() == PAGE as usize).map(|message| message.id)
}

/// Returns the sessions whose messages hold the words, the newest first; all for no words.
async fn found(agent: &Agent, query: &str) -> Result<Vec<Session>, Report> {
    let store = agent.store();
    let failed = |error| store_failed(&error);
    if query.trim().is_empty() {
        let filter = Filter { limit: Some(SESSIONS_MAX), ..Filter::default() };
        let mut sessions = store.list(filter).await.map_err(failed)?;
        sessions.retain(|session| session.messages > 0);
        return Ok(sessions);
    }
    let hits = store.search(query, SESSIONS_MAX).await.map_err(failed)?;
    let mut sessions: Vec<Session> = Vec::new();
    for hit in hits {
        if sessions.iter().any(|known| known.id == hit.session) {
            continue;
        }
        if let Some(mut session) = store.session(&hit.session).await.map_err(failed)? {
            session.preview = Some(hit.snippet);
            sessions.push(session);
        }
    }
    Ok(sessions)
}

/// Returns the lines about the tokens of the session and the budget of the day.
async fn usage_of(agent: &Agent, session: &SessionId) -> Result<Vec<String>, Report> {
    let failed = |error| store_failed(&error);
    let stored = agent.store().session(session).await.map_err(failed)?;
    let usage = stored.map(|stored| stored.usage).unwrap_or_default();
    let cost = agent.cost(usage).map(|usd| format!("  cost      about ${usd:.4}"));
    let (used, limit) = agent.used_today().await.map_err(failed)?;
    let fresh = usage.input.saturating_sub(usage.cached);
    let mut lines = vec![
        "This session".to_owned(),
        format!("  prompt    {} tokens: {} cached, {fresh} fresh", usage.input, usage.cached),
        format!("  answers   {} tokens, reasoning included", usage.output),
    ];
    lines.extend(cost);
    lines.extend([String::new(), "Today, of this agent (UTC)".to_owned()]);
    if limit.tokens.is_none() && limit.usd.is_none() {
        lines.push("  no daily budget is set, so nothing is counted".to_owned());
        lines.push("  set one: hermes config set budget.tokens_per_day 1000000".to_owned());
    }
    if let Some(most) = limit.tokens {
        lines.push(format!("  tokens    {} of {most}", used.tokens));
    }
    if let Some(most) = limit.usd {
        lines.push(format!("  cost      ${:.2} of ${most:.2}", used.usd));
    }
    Ok(lines)
}
