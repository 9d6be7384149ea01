//! The panels beside the conversation: sessions, agents, log, usage, keys.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hermes_agent::store::Session;
use hermes_operations::{Gateway, Verb};

/// A panel.
#[derive(Debug)]
pub(crate) enum Panel {
    Sessions(Sessions),
    Agents(Agents),
    Log(Log),
    /// Lines about tokens and budget; none until they are loaded.
    Usage(Vec<String>),
    Keys,
}

/// A panel to open, or to load again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sessions,
    Agents,
    /// The log of a profile.
    Log(String),
    Usage,
    Keys,
}

/// The sessions, and the words that they are searched for.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) query: String,
    /// `None` until they are loaded.
    pub(crate) found: Option<Vec<Session>>,
    pub(crate) selected: usize,
}

/// The gateways of all profiles.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    /// `None` until they are loaded. Each with its resident memory in bytes, while it is up.
    pub(crate) rows: Option<Vec<(Gateway, Option<u64>)>>,
    pub(crate) selected: usize,
    /// The order that is carried out.
    pub(crate) pending: Option<String>,
}

/// The last lines of a log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) profile: String,
    pub(crate) lines: Vec<String>,
    /// The lines below the visible part.
    pub(crate) below: usize,
}

/// The outcome of a key in a panel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// The panel took it.
    Taken,
    /// The panel closes.
    Close,
    /// Another panel opens.
    Go(Place),
    /// The sessions are searched for these words.
    Search(String),
    /// This session opens.
    Open(String),
    /// A gateway gets an order.
    Drive(String, Verb),
    /// The key is for the conversation.
    Other,
}

impl Panel {
    pub(crate) fn at(place: &Place) -> Self {
        match place {
            Place::Sessions => Self::Sessions(Sessions::default()),
            Place::Agents => Self::Agents(Agents::default()),
            Place::Log(profile) => Self::Log(Log { profile: profile.clone(), lines: Vec::new(), below: 0 }),
            Place::Usage => Self::Usage(Vec::new()),
            Place::Keys => Self::Keys,
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Sessions(_) => Place::Sessions,
            Self::Agents(_) => Place::Agents,
            Self::Log(log) => Place::Log(log.profile.clone()),
            Self::Usage(_) => Place::Usage,
            Self::Keys => Place::Keys,
        }
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Pressed {
        if key.code == KeyCode::Esc {
            return Pressed::Close;
        }
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Pressed::Other;
        }
        match self {
            Self::Sessions(sessions) => sessions.press(key),
            Self::Agents(agents) => agents.press(key),
            Self::Log(log) => log.press(key),
            Self::Usage(_) | Self::Keys => Pressed::Other,
        }
    }
}

impl Sessions {
    fn press(&mut self, key: KeyEvent) -> Pressed {
        let count = self.found.as_ref().map_or(0, Vec::len);
        match key.code {
            KeyCode::Char(character) => self.query.push(character),
            KeyCode::Backspace => drop(self.query.pop()),
            KeyCode::Enter => {
                let chosen = self.found.as_ref().and_then(|found| found.get(self.selected));
                return chosen.map_or(Pressed::Taken, |chosen| Pressed::Open(chosen.id.to_string()));
            }
            code => {
                return if moved(&mut self.selected, count, code) { Pressed::Taken } else { Pressed::Other };
            }
        }
        Pressed::Search(self.query.clone())
    }

    /// Takes the sessions that match `query`. Those of an earlier query come too late.
    pub(crate) fn take(&mut self, query: &str, found: Vec<Session>) {
        if query == self.query {
            self.selected = self.selected.min(found.len().saturating_sub(1));
            self.found = Some(found);
        }
    }
}

impl Agents {
    fn press(&mut self, key: KeyEvent) -> Pressed {
        let count = self.rows.as_ref().map_or(0, Vec::len);
        if moved(&mut self.selected, count, key.code) {
            return Pressed::Taken;
        }
        let Some((gateway, _)) = self.rows.as_ref().and_then(|rows| rows.get(self.selected)) else {
            return Pressed::Other;
        };
        let profile = gateway.profile.clone();
        let verb = match key.code {
            KeyCode::Enter | KeyCode::Char('l') => return Pressed::Go(Place::Log(profile)),
            KeyCode::Char('s') => Verb::Start,
            KeyCode::Char('x') => Verb::Stop,
            KeyCode::Char('r') => Verb::Restart,
            _ => return Pressed::Other,
        };
        self.pending = Some(format!("{} '{profile}' …", verb.word()));
        Pressed::Drive(profile, verb)
    }

    pub(crate) fn take(&mut self, rows: Vec<(Gateway, Option<u64>)>) {
        self.selected = self.selected.min(rows.len().saturating_sub(1));
        self.rows = Some(rows);
    }
}

impl Log {
    fn press(&mut self, key: KeyEvent) -> Pressed {
        let most = self.lines.len().saturating_sub(1);
        self.below = match key.code {
            KeyCode::Up => self.below + 1,
            KeyCode::Down => self.below.saturating_sub(1),
            KeyCode::PageUp => self.below + 10,
            KeyCode::PageDown => self.below.saturating_sub(10),
            KeyCode::Home => most,
            KeyCode::End => 0,
            _ => return Pressed::Other,
        }
        .min(most);
        Pressed::Taken
    }
}

/// Moves the selection in a list. Returns `false` for a key that moves nothing.
fn moved(selected: &mut usize, count: usize, code: KeyCode) -> bool {
    let last = count.saturating_sub(1);
    *selected = match code {
        KeyCode::Up => selected.saturating_sub(1),
        KeyCode::Down => *selected + 1,
        KeyCode::PageUp => selected.saturating_sub(10),
        KeyCode::PageDown => *selected + 10,
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => return false,
    }
    .min(last);
    true
}
