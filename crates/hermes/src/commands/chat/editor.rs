//! The input of a person on a terminal: lines with editing, history and completion.
//!
//! Enter sends. Alt+Enter and Ctrl+J begin a line; so does Enter behind `\`, which it replaces. A paste is one block. Tab completes slash
//! commands. Ctrl+D on an empty line leaves. Ctrl+C clears the line, and twice leaves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hermes_operations::{Report, ReportKind};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{History as _, MemHistory};
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Event, EventContext, EventHandler, Helper,
    KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use crate::exit_code::Print as _;
use crate::output::note;
use hermes_terminal::history::{ENTRIES_MAX, History};
use hermes_terminal::slash::{self, Line, SlashCommand};

const PROMPT: &str = "› ";
/// Two presses of Ctrl+C within this time leave.
const TWICE: Duration = Duration::from_secs(2);

/// The input of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A message.
    Text(String),
    /// A command.
    Slash(SlashCommand),
    /// Ctrl+C: the line was cleared. The next one within two seconds is an [`Input::End`].
    Interrupted,
    /// Ctrl+D, or Ctrl+C twice.
    End,
}

/// The line editor.
pub(crate) struct Editor {
    lines: rustyline::Editor<Commands, MemHistory>,
    history: History,
    interrupts: Interrupts,
}

impl Editor {
    /// Returns an editor whose history is the file at `history`. Without it, the editor works too, and a note says so.
    ///
    /// # Errors
    /// Fails if the terminal cannot be used.
    pub(crate) fn new(history: PathBuf) -> Result<Self, Report> {
        let config = Config::builder().completion_type(CompletionType::List).max_history_size(ENTRIES_MAX);
        let config = config.and_then(|builder| builder.history_ignore_dups(true)).map_err(failed)?.build();
        let memory = MemHistory::with_config(&config);
        let mut lines = rustyline::Editor::with_history(config, memory).map_err(failed)?;
        lines.set_helper(Some(Commands));
        lines.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        lines.bind_sequence(KeyEvent::ctrl('J'), Cmd::Newline);
        lines.bind_sequence(
            KeyEvent(KeyCode::Enter, Modifiers::NONE),
            EventHandler::Conditional(Box::new(ContinuedLine)),
        );
        let mut editor = Self { lines, history: History::at(history), interrupts: Interrupts::default() };
        match editor.history.entries() {
            Ok(entries) => editor.use_entries(&entries),
            Err(error) => note!("note: the history of your messages cannot be read: {error}"),
        }
        Ok(editor)
    }

    /// Reads a message or a command. The line begins with `initial`. A misspelt command is answered, and stands on the line again.
    ///
    /// # Errors
    /// Fails if the terminal cannot be read.
    pub(crate) fn read(&mut self, mut initial: String) -> Result<Input, Report> {
        loop {
            let line = match self.lines.readline_with_initial(PROMPT, (&initial, "")) {
                Ok(line) => line,
                Err(ReadlineError::Eof) => return Ok(Input::End),
                Err(ReadlineError::Interrupted) => return Ok(self.interrupts.press(Instant::now())),
                Err(error) => return Err(failed(error)),
            };
            self.interrupts = Interrupts::default();
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            self.remember(line);
            match slash::parse(line) {
                Line::Message => return Ok(Input::Text(line.to_owned())),
                Line::Command(command) => return Ok(Input::Slash(command)),
                Line::Fault(fault) => {
                    fault.report().print();
                    line.clone_into(&mut initial);
                }
            }
        }
    }

    /// Takes a line that the person typed before.
    pub(crate) fn take(&mut self, line: String) -> Input {
        self.remember(&line);
        match slash::parse(&line) {
            Line::Command(command) => Input::Slash(command),
            Line::Message | Line::Fault(_) => Input::Text(line),
        }
    }

    /// Adds a message to the history. A file that cannot be written was noted at the beginning, or is of no use to the person now.
    fn remember(&mut self, line: &str) {
        match self.history.add(line) {
            Ok(entries) => self.use_entries(&entries),
            Err(_) => {
                let _ = self.lines.add_history_entry(line);
            }
        }
    }

    fn use_entries(&mut self, entries: &[String]) {
        // The history in memory never fails.
        let history = self.lines.history_mut();
        let _ = history.clear();
        for entry in entries {
            let _ = history.add(entry);
        }
    }
}

fn failed(error: ReadlineError) -> Report {
    Report::new(ReportKind::Failed, "failed to read the terminal")
        .caused_by(error)
        .hint("ask one question without a terminal: hermes chat -q TEXT")
}

/// The presses of Ctrl+C.
#[derive(Debug, Default)]
struct Interrupts {
    last: Option<Instant>,
}

impl Interrupts {
    fn press(&mut self, now: Instant) -> Input {
        match self.last.replace(now) {
            Some(last) if now.saturating_duration_since(last) <= TWICE => Input::End,
            _ => Input::Interrupted,
        }
    }
}

/// Enter behind a line that goes on.
struct ContinuedLine;

impl ConditionalEventHandler for ContinuedLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let before = context.line().get(..context.pos())?;
        // No command deletes a character and inserts another one before the cursor. A completion does.
        goes_on(before).then_some(Cmd::Complete)
    }
}

/// Returns `true` if the text ends with a `\` that is not itself behind a `\`.
fn goes_on(text: &str) -> bool {
    let count = text.len() - text.trim_end_matches('\\').len();
    count % 2 == 1
}

/// Completes slash commands, and replaces the `\` of a line that goes on by a newline.
struct Commands;

impl Completer for Commands {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or_default();
        if goes_on(before) {
            return Ok((position - 1, vec!["\n".to_owned()]));
        }
        Ok((0, slash::completions(before)))
    }
}

impl Hinter for Commands {
    type Hint = String;
}

impl Highlighter for Commands {}

impl Validator for Commands {}

impl Helper for Commands {}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", false)]
    #[case("a", false)]
    #[case("a\\", true)]
    #[case("a\\\\", false)]
    #[case("\\\\\\", true)]
    fn a_single_backslash_continues_the_line(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(goes_on(text), expected);
    }

    #[test]
    fn two_interrupts_in_two_seconds_leave() {
        let mut interrupts = Interrupts::default();
        let start = Instant::now();
        assert_eq!(interrupts.press(start), Input::Interrupted);
        assert_eq!(interrupts.press(start + Duration::from_secs(3)), Input::Interrupted);
        assert_eq!(interrupts.press(start + Duration::from_secs(4)), Input::End);
    }
}
