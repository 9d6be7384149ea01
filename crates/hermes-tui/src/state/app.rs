//! The whole screen: what it holds, and how an input changes it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hermes_agent::approval::{Answer, ApprovalId};
use hermes_agent::message::Usage;
use hermes_agent::protocol::Event;
use hermes_agent::store::{Session, StoredMessage};
use hermes_operations::{Gateway, Verb};
use hermes_terminal::markdown::Face;

use super::approval::Dialog;
use super::composer::{Composer, Pressed};
use super::panel::{self, Panel, Place};
use super::transcript::{Entry, Transcript};

/// Two presses of Ctrl+C within this time leave.
const TWICE: Duration = Duration::from_secs(2);
/// The lines that a turn of the mouse wheel scrolls.
const WHEEL: isize = 3;

/// A change from outside.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    /// The mouse wheel turned: up if `true`.
    Wheel(bool),
    /// The running turn told something.
    Event(Event),
    /// An effect ended.
    Loaded(Loaded),
}

/// The result of an effect.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// A session opened: its title, its last messages, and the message that has earlier ones.
    Session {
        title: Option<String>,
        usage: Usage,
        messages: Vec<StoredMessage>,
        older: Option<i64>,
    },
    /// Older messages of the session.
    Older {
        messages: Vec<StoredMessage>,
        older: Option<i64>,
    },
    /// The turn ended. These messages came too late for it.
    TurnEnded {
        late: Vec<String>,
        was_interrupted: bool,
    },
    /// A message did not reach the running turn. It waits for the end.
    Late(String),
    /// A message to send again.
    Again(String),
    /// The model changed.
    Model(String),
    /// The sessions of a search.
    Sessions(String, Vec<Session>),
    Agents(Vec<(Gateway, Option<u64>)>),
    /// The order for a gateway was carried out.
    Driven(Result<(), String>),
    Log(String, Vec<String>),
    Usage(Vec<String>),
    /// Files that complete the name after `@`.
    Files(Vec<String>),
    /// The text that the external editor left.
    Edited(String),
    /// The messages that Up brings back.
    History(Vec<String>),
    Note(String),
    Failure(String),
}

/// Work for the driver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Send(String),
    Interrupt,
    Answer(ApprovalId, Answer),
    New,
    Retry,
    Undo,
    Title(String),
    Compact,
    Resume(String),
    Model(String),
    Save(String),
    /// Adds a text to the history of messages.
    Remember(String),
    /// Loads messages before this one.
    Older(i64),
    Load(Place),
    Search(String),
    Drive(String, Verb),
    Complete(String),
    Edit(String),
    Suspend,
    Quit,
}

/// The screen.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) profile: String,
    pub(crate) model: String,
    pub(crate) title: Option<String>,
    pub(crate) transcript: Transcript,
    pub(crate) composer: Composer,
    pub(crate) panel: Option<Panel>,
    pub(crate) approvals: VecDeque<Dialog>,
    /// A turn runs.
    pub(crate) is_running: bool,
    /// The work of the turn, and its begin.
    pub(crate) waiting: Option<(String, Instant)>,
    pub(crate) usage: Usage,
    /// The screen shows no colours.
    pub(crate) is_plain: bool,
    pub(super) queue: VecDeque<String>,
    pub(super) has_answered: bool,
    is_loading_older: bool,
    interrupted: Option<Instant>,
}

impl App {
    pub(crate) fn new(profile: String, is_plain: bool) -> Self {
        Self {
            profile,
            model: String::new(),
            title: None,
            transcript: Transcript::new(is_plain),
            composer: Composer::new(),
            panel: None,
            approvals: VecDeque::new(),
            is_running: false,
            waiting: None,
            usage: Usage::default(),
            is_plain,
            queue: VecDeque::new(),
            has_answered: false,
            is_loading_older: false,
            interrupted: None,
        }
    }

    /// Takes an input. Returns the work that follows.
    pub(crate) fn take(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Key(key) => self.press(key, now),
            Input::Paste(text) => {
                if self.approvals.is_empty() {
                    self.composer.paste(&text);
                }
                Vec::new()
            }
            Input::Wheel(is_up) => self.scroll(if is_up { WHEEL } else { -WHEEL }),
            Input::Event(event) => {
                self.observe(event, now);
                Vec::new()
            }
            Input::Loaded(loaded) => self.load(loaded),
        }
    }

    fn press(&mut self, key: KeyEvent, now: Instant) -> Vec<Effect> {
        let is_control = key.modifiers == KeyModifiers::CONTROL;
        match key.code {
            KeyCode::Char('c') if is_control => return self.interrupt(now),
            KeyCode::Char('z') if is_control => return vec![Effect::Suspend],
            // A person who goes on does not mean to leave.
            _ => self.interrupted = None,
        }
        if let Some(dialog) = self.approvals.front_mut() {
            let answer = dialog.press(key, now);
            let id = dialog.approval.id.clone();
            return answer.map(|answer| Effect::Answer(id, answer)).into_iter().collect();
        }
        match key.code {
            KeyCode::F(1) => return self.open(Place::Keys),
            KeyCode::F(2) => return self.open(Place::Sessions),
            KeyCode::F(3) => return self.open(Place::Agents),
            KeyCode::F(4) => return self.open(Place::Log(self.profile.clone())),
            KeyCode::F(5) => return self.open(Place::Usage),
            KeyCode::Char('d') if is_control && self.composer.is_empty() => return vec![Effect::Quit],
            KeyCode::Char('g') if is_control => return vec![Effect::Edit(self.composer.text())],
            KeyCode::Char('t') if is_control => {
                self.transcript.toggle_output();
                return Vec::new();
            }
            KeyCode::Home if is_control => {
                self.transcript.go_to_begin();
                return self.older();
            }
            KeyCode::End if is_control => {
                self.transcript.follow();
                return Vec::new();
            }
            _ => {}
        }
        if let Some(panel) = &mut self.panel {
            match panel.press(key) {
                panel::Pressed::Taken => return Vec::new(),
                panel::Pressed::Close => {
                    self.panel = None;
                    return Vec::new();
                }
                panel::Pressed::Go(place) => return self.open(place),
                panel::Pressed::Search(query) => return vec![Effect::Search(query)],
                panel::Pressed::Open(_) if self.is_running => {
                    self.note("the agent is answering; Ctrl+C interrupts it".to_owned(), Face::ALARM);
                    self.panel = None;
                    return Vec::new();
                }
                panel::Pressed::Open(id) => {
                    self.panel = None;
                    return vec![Effect::Resume(id)];
                }
                panel::Pressed::Drive(profile, verb) => return vec![Effect::Drive(profile, verb)],
                panel::Pressed::Other => {}
            }
        }
        match key.code {
            KeyCode::PageUp => self.scroll(10),
            KeyCode::PageDown => self.scroll(-10),
            KeyCode::Char('?') if self.composer.is_empty() => self.open(Place::Keys),
            _ => match self.composer.press(key) {
                Pressed::Taken => Vec::new(),
                Pressed::File(begin) => vec![Effect::Complete(begin)],
                Pressed::Send(text) => self.send(text),
            },
        }
    }

    fn interrupt(&mut self, now: Instant) -> Vec<Effect> {
        let is_second =
            self.interrupted.replace(now).is_some_and(|last| now.saturating_duration_since(last) <= TWICE);
        if is_second {
            return vec![Effect::Quit];
        }
        if self.is_running {
            return vec![Effect::Interrupt];
        }
        if !self.composer.is_empty() {
            self.composer.set("");
        }
        self.note("Ctrl+C again leaves".to_owned(), Face::DIM);
        Vec::new()
    }

    fn scroll(&mut self, lines: isize) -> Vec<Effect> {
        if let Some(Panel::Log(log)) = &mut self.panel {
            let most = log.lines.len().saturating_sub(1);
            log.below = log.below.saturating_add_signed(lines).min(most);
            return Vec::new();
        }
        self.transcript.scroll(lines);
        self.older()
    }

    /// Loads older messages if the begin of the loaded part is near.
    fn older(&mut self) -> Vec<Effect> {
        match self.transcript.wants_older().filter(|_| !self.is_loading_older) {
            Some(before) => {
                self.is_loading_older = true;
                vec![Effect::Older(before)]
            }
            None => Vec::new(),
        }
    }

    /// Opens a panel. The key of an open one closes it.
    pub(super) fn open(&mut self, place: Place) -> Vec<Effect> {
        if self.panel.as_ref().is_some_and(|panel| panel.place() == place) {
            self.panel = None;
            return Vec::new();
        }
        self.panel = Some(Panel::at(&place));
        vec![Effect::Load(place)]
    }

    /// Returns the panel whose content changes by itself, to load it again.
    pub(crate) fn changing_panel(&self) -> Option<Place> {
        let place = self.panel.as_ref()?.place();
        matches!(place, Place::Agents | Place::Log(_)).then_some(place)
    }

    pub(crate) fn note(&mut self, text: String, face: Face) {
        self.transcript.push(Entry::Note(text, face));
    }

    fn load(&mut self, loaded: Loaded) -> Vec<Effect> {
        match loaded {
            Loaded::Session { title, usage, messages, older } => {
                self.title = title;
                self.usage = usage;
                self.transcript.load(&messages, older);
            }
            Loaded::Older { messages, older } => {
                self.is_loading_older = false;
                self.transcript.load_older(&messages, older);
            }
            Loaded::TurnEnded { late, was_interrupted } => {
                self.is_running = false;
                self.waiting = None;
                self.queue.extend(late);
                if was_interrupted {
                    self.give_back();
                }
                return self.send_queued();
            }
            Loaded::Late(text) => self.queue.push_back(text),
            Loaded::Again(text) => return vec![self.say(text)],
            Loaded::Model(model) => {
                self.note(format!("{model} answers from now on"), Face::DIM);
                self.model = model;
            }
            Loaded::Sessions(query, found) => {
                if let Some(Panel::Sessions(sessions)) = &mut self.panel {
                    sessions.take(&query, found);
                }
            }
            Loaded::Agents(rows) => {
                if let Some(Panel::Agents(agents)) = &mut self.panel {
                    agents.take(rows);
                }
            }
            Loaded::Driven(result) => {
                if let Some(Panel::Agents(agents)) = &mut self.panel {
                    agents.pending = result.as_ref().err().cloned();
                } else if let Err(failure) = result {
                    self.note(failure, Face::ALARM);
                }
                return vec![Effect::Load(Place::Agents)];
            }
            Loaded::Log(profile, lines) => {
                if let Some(Panel::Log(log)) = &mut self.panel
                    && log.profile == profile
                {
                    // A person who reads keeps the lines.
                    if log.below > 0 {
                        log.below = (log.below + lines.len()).saturating_sub(log.lines.len());
                    }
                    log.lines = lines;
                }
            }
            Loaded::Usage(lines) => {
                if let Some(Panel::Usage(shown)) = &mut self.panel {
                    *shown = lines;
                }
            }
            Loaded::Files(files) => self.composer.offer_files(files),
            Loaded::Edited(text) => self.composer.set(text.trim_end()),
            Loaded::History(entries) => self.composer.history.set(entries),
            Loaded::Note(text) => self.note(text, Face::DIM),
            Loaded::Failure(text) => self.note(text, Face::ALARM),
        }
        Vec::new()
    }

    /// Gives messages of the queue back to the person, who may send them.
    fn give_back(&mut self) {
        let current = self.composer.text();
        let texts = self.queue.drain(..).chain(Some(current).filter(|text| !text.is_empty()));
        let text = texts.collect::<Vec<_>>().join("\n");
        self.composer.set(&text);
    }
}
