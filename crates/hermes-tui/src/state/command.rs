//! The slash commands, as effects.

use hermes_terminal::markdown::Face;
use hermes_terminal::slash::{self, Line, SlashCommand};

use super::app::{App, Effect};
use super::panel::Place;
use super::transcript::Entry;

impl App {
    /// Takes a text that the person sent: a message, or a command.
    pub(super) fn send(&mut self, text: String) -> Vec<Effect> {
        let mut effects = vec![Effect::Remember(text.clone())];
        match slash::parse(&text) {
            Line::Message => effects.push(self.say(text)),
            Line::Command(command) => effects.extend(self.obey(command)),
            Line::Fault(fault) => {
                self.note(fault.report().one_line(), Face::ALARM);
                self.composer.set(&text);
            }
        }
        effects
    }

    pub(super) fn say(&mut self, text: String) -> Effect {
        self.transcript.follow();
        self.transcript.push(Entry::User(text.clone()));
        self.is_running = true;
        Effect::Send(text)
    }

    fn obey(&mut self, command: SlashCommand) -> Vec<Effect> {
        let busy = |command: &SlashCommand| {
            let is_free = matches!(
                command,
                SlashCommand::Stop
                    | SlashCommand::Queue(_)
                    | SlashCommand::Sessions
                    | SlashCommand::Status
                    | SlashCommand::Usage
                    | SlashCommand::Help
                    | SlashCommand::Quit
                    | SlashCommand::Model(None)
                    | SlashCommand::History
                    | SlashCommand::Save(_)
                    | SlashCommand::Title(_)
            );
            !is_free
        };
        if self.is_running && busy(&command) {
            self.note("the agent is answering; /stop or Ctrl+C interrupts it".to_owned(), Face::ALARM);
            return Vec::new();
        }
        match command {
            SlashCommand::New => vec![Effect::New],
            SlashCommand::Retry => vec![Effect::Retry],
            SlashCommand::Undo => vec![Effect::Undo],
            SlashCommand::Title(title) => vec![Effect::Title(title)],
            SlashCommand::Compact => {
                self.note("compacting the history …".to_owned(), Face::DIM);
                vec![Effect::Compact]
            }
            SlashCommand::Stop if self.is_running => vec![Effect::Interrupt],
            SlashCommand::Stop => {
                self.note("no answer is running".to_owned(), Face::DIM);
                Vec::new()
            }
            SlashCommand::Queue(text) if self.is_running => {
                self.note(format!("› {} (after this answer)", text.trim()), Face::DIM);
                self.queue.push_back(text);
                Vec::new()
            }
            SlashCommand::Queue(text) => vec![self.say(text)],
            SlashCommand::Resume(name) => vec![Effect::Resume(name)],
            SlashCommand::Sessions => self.open(Place::Sessions),
            SlashCommand::Status | SlashCommand::Usage => self.open(Place::Usage),
            SlashCommand::Model(None) => {
                self.note(format!("{} answers", self.model), Face::DIM);
                Vec::new()
            }
            SlashCommand::Model(Some(model)) => vec![Effect::Model(model)],
            SlashCommand::History => {
                self.note("Page Up shows earlier messages".to_owned(), Face::DIM);
                Vec::new()
            }
            SlashCommand::Save(path) => vec![Effect::Save(path)],
            SlashCommand::Help => self.open(Place::Keys),
            SlashCommand::Quit => vec![Effect::Quit],
        }
    }

    /// Sends the next message of the queue. Call it at the end of a turn.
    pub(super) fn send_queued(&mut self) -> Vec<Effect> {
        self.queue.pop_front().map(|text| self.say(text)).into_iter().collect()
    }
}
