//! The events of a turn as text: for a terminal, for a pipe, for `-Q`, for `--json` and for `--events`.

use hermes_agent::protocol::{Event, TurnEnd};

use super::events;
use super::plain::Plain;
use super::status_line::StatusLine;
use super::stream::{self, Stream};
use hermes_terminal::lines;
use hermes_terminal::markdown::{Face, Style};

/// A text to print, and the stream that gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Standard output.
    Out(String),
    /// Standard error.
    Err(String),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Out(text) | Self::Err(text) => text,
        }
    }
}

/// The terminal of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Its width, in columns.
    pub(crate) width: usize,
    /// Its look.
    pub(crate) style: Style,
    /// Standard error is this terminal too. Else it gets no colours, no blank lines and no status.
    pub(crate) has_stderr: bool,
}

/// The reader of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A person: rendered Markdown on standard output, tools and notices on standard error.
    Terminal(Terminal),
    /// A program that reads standard output: the text as the model wrote it. Tools and notices are on standard error.
    Pipe,
    /// `-Q`: the answer alone, and `session_id: ID` on standard error. With a terminal, it is rendered.
    Quiet(Option<Terminal>),
    /// `--json`: one object at the end.
    Json,
    /// `--events`: one line per event.
    Events,
}

/// The state of the output.
#[derive(Debug)]
pub(crate) struct View {
    kind: Kind,
    status: StatusLine,
    /// The look of standard error.
    style: Style,
    /// Text and lines are on one terminal.
    has_blank_lines: bool,
    /// The name of the model that is called.
    model: String,
    /// The tools that run: the ID of the call and its label.
    tools: Vec<(String, String)>,
    /// The model waits for an answer of the person.
    has_question: bool,
    /// Text of this model call was printed.
    has_text: bool,
    /// Text of this turn was printed.
    has_answered: bool,
    /// Lines that came inside of a text. They follow it.
    held: Vec<String>,
    /// The last print on a terminal. A blank line divides text from other lines.
    last: Option<Print>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Print {
    Text,
    Line,
}

#[derive(Debug)]
enum Kind {
    Terminal(Stream),
    Pipe(Plain),
    Quiet(Option<Terminal>),
    Json,
    Events,
}

impl View {
    /// Returns the view at the beginning of a conversation.
    pub(crate) fn new(mode: Mode) -> Self {
        let (kind, terminal) = match mode {
            Mode::Terminal(terminal) => {
                (Kind::Terminal(Stream::new(terminal.width, terminal.style)), Some(terminal))
            }
            Mode::Pipe => (Kind::Pipe(Plain::default()), None),
            Mode::Quiet(terminal) => (Kind::Quiet(terminal), None),
            Mode::Json => (Kind::Json, None),
            Mode::Events => (Kind::Events, None),
        };
        let stderr = terminal.filter(|terminal| terminal.has_stderr);
        Self {
            kind,
            status: stderr.map_or_else(StatusLine::none, |on| StatusLine::new(on.width, on.style)),
            style: stderr.map_or(Style::Plain, |on| on.style),
            has_blank_lines: stderr.is_some(),
            model: String::new(),
            tools: Vec::new(),
            has_question: false,
            has_text: false,
            has_answered: false,
            held: Vec::new(),
            last: None,
        }
    }

    /// Takes a new width of the terminal, in columns. It counts for the blocks that follow.
    pub(crate) fn resize(&mut self, width: usize) {
        self.status.resize(width);
        match &mut self.kind {
            Kind::Terminal(stream) => stream.resize(width),
            Kind::Quiet(Some(terminal)) => terminal.width = width,
            Kind::Pipe(_) | Kind::Quiet(None) | Kind::Json | Kind::Events => {}
        }
    }

    /// Returns the text for `event`, in order.
    pub(crate) fn show(&mut self, event: &Event) -> Vec<Piece> {
        let mut pieces = match self.kind {
            Kind::Terminal(_) | Kind::Pipe(_) => self.for_person(event),
            Kind::Quiet(terminal) => quiet(event, terminal),
            Kind::Json => json(event),
            Kind::Events => vec![Piece::Out(events::line(event) + "\n")],
        };
        pieces.retain(|piece| !piece.text().is_empty());
        pieces
    }

    /// Returns `true` if a person sees the questions of the model.
    pub(crate) fn shows_questions(&self) -> bool {
        matches!(self.kind, Kind::Terminal(_) | Kind::Pipe(_) | Kind::Events)
    }

    /// Returns the text for a line beside the answer. A program that reads the output gets none.
    pub(crate) fn remark(&mut self, line: &str) -> Vec<Piece> {
        match self.kind {
            Kind::Terminal(_) => {
                let mut pieces = self.line(&lines::one_line(line), Face::DIM);
                pieces.extend(self.waiting_question());
                pieces
            }
            Kind::Pipe(_) | Kind::Quiet(_) | Kind::Json | Kind::Events => Vec::new(),
        }
    }

    fn for_person(&mut self, event: &Event) -> Vec<Piece> {
        match event {
            Event::TurnStarted { .. } => {
                self.has_answered = false;
                self.last = None;
                Vec::new()
            }
            Event::ModelCallStarted { model, .. } => {
                self.model.clone_from(model);
                let mut pieces = self.end_text();
                pieces.extend(self.status(&format!("waiting for {model}")));
                pieces
            }
            Event::Waiting { seconds } => self.status(&format!("waiting for {}, {seconds} s", self.model)),
            Event::ReasoningDelta { .. } => self.status("thinking"),
            Event::TextDelta { text } => self.text(text),
            Event::ModelCallEnded { .. } => self.end_text(),
            Event::Retry { cause, after_ms, fallback } => {
                self.line(&lines::of_retry(cause, *after_ms, *fallback), Face::DIM)
            }
            Event::ToolStarted { call } => {
                self.tools.push((call.id.clone(), lines::of_call(call)));
                let mut pieces = self.end_text();
                pieces.extend(self.running_tool());
                pieces
            }
            Event::ApprovalRequested { approval } => {
                let mut pieces = Vec::new();
                for line in lines::of_approval(approval) {
                    pieces.extend(self.line(&line, Face::default()));
                }
                pieces
            }
            Event::ApprovalEnded { state, .. } => self.line(lines::of_answer(*state), Face::DIM),
            Event::QuestionAsked { question, choices, .. } => {
                let mut pieces = Vec::new();
                for line in lines::of_question(question, choices) {
                    pieces.extend(self.line(&line, Face::default()));
                }
                self.has_question = true;
                pieces.extend(self.waiting_question());
                pieces
            }
            Event::QuestionEnded { answered, .. } => {
                self.has_question = false;
                let mut pieces = Vec::new();
                if !answered {
                    pieces.extend(self.line("the question waits no longer", Face::DIM));
                }
                pieces.extend(self.running_tool());
                pieces
            }
            Event::ToolEnded { name, result } => {
                let index = self.tools.iter().position(|(id, _)| *id == result.call_id);
                // A call that was denied did not start.
                let label = index.map_or_else(|| lines::one_line(name), |index| self.tools.remove(index).1);
                let face = if result.is_error { Face::ALARM } else { Face::DIM };
                let mut pieces = self.line(&lines::of_result(&label, result), face);
                pieces.extend(self.running_tool());
                pieces
            }
            Event::Steered { .. } => self.line("your message is part of the conversation now", Face::DIM),
            Event::Compacted { before, after } => {
                self.line(&lines::of_compaction(*before, *after), Face::DIM)
            }
            Event::Notice { text } => self.line(&format!("note: {}", lines::one_line(text)), Face::default()),
            Event::TurnEnded(end) => self.end(end),
        }
    }

    fn text(&mut self, text: &str) -> Vec<Piece> {
        self.has_text |= !text.is_empty();
        self.has_answered |= !text.is_empty();
        let shown = match &mut self.kind {
            Kind::Terminal(stream) => stream.push(text),
            Kind::Pipe(plain) => plain.push(text),
            Kind::Quiet(_) | Kind::Json | Kind::Events => String::new(),
        };
        self.print_text(shown)
    }

    fn print_text(&mut self, shown: String) -> Vec<Piece> {
        if shown.is_empty() {
            return Vec::new();
        }
        let erase = self.status.erase();
        vec![Piece::Err(erase), Piece::Out(self.space(Print::Text) + &shown)]
    }

    /// Ends the text of a model call, and prints the lines that came meanwhile.
    fn end_text(&mut self) -> Vec<Piece> {
        let has_text = std::mem::take(&mut self.has_text);
        let rest = match &mut self.kind {
            Kind::Terminal(stream) => stream.finish(),
            Kind::Pipe(plain) => plain.finish(has_text),
            Kind::Quiet(_) | Kind::Json | Kind::Events => String::new(),
        };
        let mut pieces = vec![Piece::Err(self.status.erase())];
        pieces.extend(self.print_text(rest));
        for line in std::mem::take(&mut self.held) {
            pieces.push(Piece::Err(self.space(Print::Line) + &line));
        }
        pieces
    }

    /// Prints a line on standard error: at once, or behind the text that comes.
    fn line(&mut self, line: &str, face: Face) -> Vec<Piece> {
        self.held.push(self.style.paint(line, face) + "\n");
        if self.has_text { Vec::new() } else { self.end_text() }
    }

    fn status(&mut self, text: &str) -> Vec<Piece> {
        if self.has_text { Vec::new() } else { vec![Piece::Err(self.status.show(text))] }
    }

    /// Shows the last tool that runs, or that a question waits.
    fn running_tool(&mut self) -> Option<Piece> {
        if self.has_question {
            return self.waiting_question();
        }
        let (_, label) = self.tools.last()?;
        Some(Piece::Err(self.status.show(&format!("running {label}"))))
    }

    fn waiting_question(&mut self) -> Option<Piece> {
        self.has_question.then(|| Piece::Err(self.status.show("waiting for your answer")))
    }

    fn end(&mut self, end: &TurnEnd) -> Vec<Piece> {
        self.tools.clear();
        self.has_question = false;
        // Not every provider streams.
        let mut pieces = if self.has_answered { Vec::new() } else { self.text(&end.text) };
        let face = if end.error.is_some() { Face::ALARM } else { Face::DIM };
        self.held.extend(lines::of_end(end).iter().map(|line| self.style.paint(line, face) + "\n"));
        pieces.extend(self.end_text());
        pieces
    }

    /// Returns the blank line before the next print, if there is one.
    fn space(&mut self, next: Print) -> String {
        let is_other = self.last.replace(next).is_some_and(|last| last != next);
        if is_other && self.has_blank_lines { "\n".to_owned() } else { String::new() }
    }
}

fn quiet(event: &Event, terminal: Option<Terminal>) -> Vec<Piece> {
    match event {
        Event::TurnEnded(end) => {
            let answer = match terminal {
                Some(Terminal { width, style, .. }) => stream::render(&end.text, width, style),
                None => {
                    let mut plain = Plain::default();
                    plain.push(&end.text) + &plain.finish(true)
                }
            };
            let session = format!("session_id: {}", end.session);
            let notes = std::iter::once(session).chain(lines::of_end(end));
            let mut pieces = vec![Piece::Out(answer)];
            pieces.extend(notes.map(|line| Piece::Err(line + "\n")));
            pieces
        }
        Event::Notice { text } => vec![Piece::Err(format!("note: {}\n", lines::one_line(text)))],
        _ => Vec::new(),
    }
}

fn json(event: &Event) -> Vec<Piece> {
    match event {
        Event::TurnEnded(end) => vec![Piece::Out(events::answer(end) + "\n")],
        Event::Notice { text } => vec![Piece::Err(format!("note: {}\n", lines::one_line(text)))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
