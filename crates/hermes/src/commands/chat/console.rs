//! The streams of the process: which [`View`] they need, and the print of its text.

use std::io::{self, IsTerminal};

use hermes_agent::protocol::Event;

use super::arguments::Arguments;
use super::view::{Mode, Piece, Terminal, View};
use crate::output;
use hermes_terminal::markdown::Style;

/// The width of a terminal that does not tell it, in columns.
const DEFAULT_WIDTH: usize = 80;

/// Shows the events of turns on the streams of the process.
#[derive(Debug)]
pub(crate) struct Console {
    view: View,
    /// The output is JSON.
    is_json: bool,
    /// Standard output is a terminal.
    is_terminal: bool,
}

impl Console {
    /// Returns the console that the options and the streams ask for.
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let terminal = io::stdout().is_terminal().then(|| {
            let terminal = terminal();
            let style = if arguments.plain { Style::Plain } else { terminal.style };
            Terminal { style, ..terminal }
        });
        let mode = match terminal {
            _ if arguments.json => Mode::Json,
            _ if arguments.events => Mode::Events,
            terminal if arguments.quiet => Mode::Quiet(terminal),
            Some(terminal) => Mode::Terminal(terminal),
            None => Mode::Pipe,
        };
        Self {
            view: View::new(mode),
            is_json: matches!(mode, Mode::Json | Mode::Events),
            is_terminal: terminal.is_some(),
        }
    }

    /// Returns `true` if a person sees the questions of the model.
    pub(crate) fn shows_questions(&self) -> bool {
        self.view.shows_questions()
    }

    /// Shows an event. A failure of standard output ends up in the exit code ([`output::finish`]).
    pub(crate) fn show(&mut self, event: &Event) {
        if self.is_terminal {
            self.view.resize(width());
        }
        let pieces = self.view.show(event);
        self.print(pieces);
    }

    /// Shows a line beside the answer, as the echo of a message that the person typed meanwhile.
    pub(crate) fn remark(&mut self, line: &str) {
        let pieces = self.view.remark(line);
        self.print(pieces);
    }

    fn print(&self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Out(text) if self.is_json => output::json_lines(&text),
                Piece::Out(text) => output::answer(&text),
                Piece::Err(text) => output::remark(&text),
            }
        }
    }
}

/// Returns the terminal of standard output.
pub(crate) fn terminal() -> Terminal {
    let variable = |name| std::env::var_os(name);
    let style = Style::of(variable("NO_COLOR").as_deref(), variable("TERM").as_deref());
    Terminal { width: width(), style, has_stderr: io::stderr().is_terminal() }
}

fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH)
}
