//! The conversation on the screen: its entries, their lines, and the part that is visible.
//!
//! An entry is broken into lines when it is visible for the first time at a width. So the time of a frame depends on the size of the
//! screen, not on the length of the conversation.

use std::time::{Duration, Instant};

use hermes_agent::message::{Block, Role};
use hermes_agent::store::{Hidden, StoredMessage};
use hermes_os::printable::printable;
use hermes_terminal::lines;
use hermes_terminal::markdown::{self, Face, Line, Span, Style};

/// The lines of a tool's output that an open entry shows at most.
const OUTPUT_LINES: usize = 200;
/// The entries that keep their lines, around the visible ones.
const KEPT: usize = 100;

/// The state of a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToolState {
    Running(Instant),
    Done(Option<Duration>),
    Failed(Option<Duration>),
}

/// A part of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A message of the person.
    User(String),
    /// Text of the model, in Markdown.
    Answer(String),
    /// A tool call.
    Tool { call: String, label: String, state: ToolState, output: String },
    /// A line of Hermes.
    Note(String, Face),
}

impl Entry {
    /// Returns `true` for text that blank lines divide from the rest.
    fn is_block(&self) -> bool {
        matches!(self, Self::User(_) | Self::Answer(_))
    }
}

/// An entry with its lines.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    /// The lines at a width.
    drawn: Option<(usize, Vec<Line>)>,
}

/// The last visible line: an entry, and the number of its lines that are below the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Anchor {
    item: usize,
    below: usize,
}

/// The conversation.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    items: Vec<Item>,
    /// `None` follows the end.
    anchor: Option<Anchor>,
    /// Tools show their output.
    is_open: bool,
    /// The screen shows no colours, so Markdown keeps its signs.
    is_plain: bool,
    width: usize,
    height: usize,
    /// The number of the oldest message that was loaded, if the store has older ones.
    older: Option<i64>,
}

impl Transcript {
    pub(crate) fn new(is_plain: bool) -> Self {
        Self { is_plain, ..Self::default() }
    }

    /// Replaces the conversation by these messages of a session. `older`: the store has messages before this one.
    pub(crate) fn load(&mut self, messages: &[StoredMessage], older: Option<i64>) {
        self.items.clear();
        self.anchor = None;
        self.older = older;
        self.items = items_of(messages);
    }

    /// Puts older messages of the session before the others.
    pub(crate) fn load_older(&mut self, messages: &[StoredMessage], older: Option<i64>) {
        let items = items_of(messages);
        if let Some(anchor) = &mut self.anchor {
            anchor.item += items.len();
        }
        if let Some(first) = self.items.first_mut() {
            first.drawn = None;
        }
        self.items.splice(0..0, items);
        self.older = older;
    }

    /// Returns the message whose earlier ones should be loaded: the begin of the loaded part is near.
    pub(crate) fn wants_older(&self) -> Option<i64> {
        let is_near = self.anchor.is_some_and(|anchor| anchor.item < self.height);
        self.older.filter(|_| is_near)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.items.push(Item { entry, drawn: None });
    }

    /// Adds a piece of an answer.
    pub(crate) fn push_text(&mut self, text: &str) {
        match self.items.last_mut() {
            Some(Item { entry: Entry::Answer(answer), drawn, .. }) => {
                answer.push_str(text);
                *drawn = None;
            }
            _ => self.push(Entry::Answer(text.to_owned())),
        }
    }

    /// Ends the tool call with this ID.
    pub(crate) fn end_tool(&mut self, id: &str, name: &str, is_error: bool, content: &str, now: Instant) {
        let found = self.items.iter_mut().rev().find(|item| match &item.entry {
            Entry::Tool { call, state, .. } => call == id && matches!(state, ToolState::Running(_)),
            _ => false,
        });
        let state = |took| if is_error { ToolState::Failed(took) } else { ToolState::Done(took) };
        let Some(item) = found else {
            // A call that was denied did not start.
            let label = lines::one_line(name);
            let (call, output) = (id.to_owned(), content.to_owned());
            return self.push(Entry::Tool { call, label, state: state(None), output });
        };
        if let Entry::Tool { state: running, output, .. } = &mut item.entry {
            let began = if let ToolState::Running(began) = running { Some(*began) } else { None };
            *running = state(began.map(|began| now.saturating_duration_since(began)));
            content.clone_into(output);
            item.drawn = None;
        }
    }

    /// Shows or hides the output of tools.
    pub(crate) fn toggle_output(&mut self) {
        self.is_open = !self.is_open;
        for item in &mut self.items {
            if matches!(item.entry, Entry::Tool { .. }) {
                item.drawn = None;
            }
        }
    }

    /// Moves the visible part by lines: up if positive.
    pub(crate) fn scroll(&mut self, lines: isize) {
        let mut anchor = self.anchor.unwrap_or_else(|| self.end());
        let mut left = lines.unsigned_abs();
        if lines > 0 {
            while left > 0 {
                let height = self.height_of(anchor.item);
                let step = left.min(height.saturating_sub(anchor.below));
                anchor.below += step;
                left -= step;
                if anchor.below >= height {
                    if anchor.item == 0 {
                        break;
                    }
                    anchor = Anchor { item: anchor.item - 1, below: 0 };
                }
            }
            self.anchor = Some(anchor);
            self.fill();
        } else {
            while left > 0 {
                let step = left.min(anchor.below);
                anchor.below -= step;
                left -= step;
                if left > 0 {
                    if anchor.item + 1 >= self.items.len() {
                        break;
                    }
                    let item = anchor.item + 1;
                    anchor = Anchor { item, below: self.height_of(item) };
                }
            }
            self.anchor = (anchor != self.end()).then_some(anchor);
        }
    }

    /// Follows the end again.
    pub(crate) fn follow(&mut self) {
        self.anchor = None;
    }

    /// Shows the begin of the loaded part.
    pub(crate) fn go_to_begin(&mut self) {
        self.anchor = Some(Anchor { item: 0, below: self.height_of(0) });
        self.fill();
    }

    pub(crate) fn is_following(&self) -> bool {
        self.anchor.is_none()
    }

    /// Returns the lines of a screen of this size, and drops the lines of entries that are far away.
    pub(crate) fn visible(&mut self, width: usize, height: usize) -> Vec<Line> {
        if self.width != width {
            self.width = width;
            // An entry has other lines now.
            if let Some(mut anchor) = self.anchor {
                anchor.below = anchor.below.min(self.height_of(anchor.item).saturating_sub(1));
                self.anchor = Some(anchor);
            }
        }
        self.height = height;
        let anchor = self.anchor.unwrap_or_else(|| self.end());
        let mut visible: Vec<Line> = Vec::with_capacity(height);
        let mut below = anchor.below;
        let mut first = self.items.len();
        for index in (0..=anchor.item.min(self.items.len().saturating_sub(1))).rev() {
            let lines = self.lines_of(index);
            let end = lines.len().saturating_sub(below);
            visible.extend(lines[..end].iter().rev().take(height - visible.len()).cloned());
            below = 0;
            first = index;
            if visible.len() >= height {
                break;
            }
        }
        let kept = first.saturating_sub(KEPT)..anchor.item + KEPT;
        for (index, item) in self.items.iter_mut().enumerate() {
            if item.drawn.is_some() && !kept.contains(&index) {
                item.drawn = None;
            }
        }
        visible.reverse();
        visible
    }

    fn end(&self) -> Anchor {
        Anchor { item: self.items.len().saturating_sub(1), below: 0 }
    }

    /// Moves an anchor that leaves empty lines above the first entry.
    fn fill(&mut self) {
        let Some(anchor) = self.anchor else { return };
        let mut above = 0;
        for index in (0..=anchor.item).rev() {
            let below = if index == anchor.item { anchor.below } else { 0 };
            above += self.height_of(index).saturating_sub(below);
            if above >= self.height {
                return;
            }
        }
        let missing = self.height - above;
        self.scroll(-isize::try_from(missing).unwrap_or(isize::MAX));
    }

    fn height_of(&mut self, index: usize) -> usize {
        if index < self.items.len() { self.lines_of(index).len() } else { 0 }
    }

    fn lines_of(&mut self, index: usize) -> &[Line] {
        let (width, is_open, is_plain) = (self.width, self.is_open, self.is_plain);
        let follows_line = index.checked_sub(1).is_some_and(|before| !self.items[before].entry.is_block());
        let item = &mut self.items[index];
        let is_current = item.drawn.as_ref().is_some_and(|(drawn, _)| *drawn == width);
        if !is_current {
            item.drawn = Some((width, lines_of(&item.entry, width, is_open, is_plain, follows_line)));
        }
        item.drawn.as_ref().map_or(&[], |(_, lines)| lines)
    }
}

fn items_of(messages: &[StoredMessage]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let is_shown = |stored: &&StoredMessage| !stored.summary && stored.hidden != Some(Hidden::Undone);
    for stored in messages.iter().filter(is_shown) {
        for block in &stored.message.blocks {
            let entry = match block {
                Block::Text { text } if stored.message.role == Role::User => Entry::User(text.clone()),
                Block::Text { text } => Entry::Answer(text.clone()),
                Block::Image { media_type, .. } => {
                    Entry::Note(format!("a picture ({media_type})"), Face::DIM)
                }
                Block::ToolCall(call) => Entry::Tool {
                    call: call.id.clone(),
                    label: lines::of_call(call),
                    state: ToolState::Done(None),
                    output: String::new(),
                },
                Block::ToolResult(result) => {
                    let found = items.iter_mut().rev().find_map(|item| match &mut item.entry {
                        Entry::Tool { call, state, output, .. } if *call == result.call_id => {
                            Some((state, output))
                        }
                        _ => None,
                    });
                    if let Some((state, output)) = found {
                        *state =
                            if result.is_error { ToolState::Failed(None) } else { ToolState::Done(None) };
                        output.clone_from(&result.content);
                    }
                    continue;
                }
                Block::Reasoning { .. } | Block::Opaque(_) => continue,
            };
            items.push(Item { entry, drawn: None });
        }
        if stored.interrupted {
            let entry = Entry::Note("interrupted".to_owned(), Face::DIM);
            items.push(Item { entry, drawn: None });
        }
    }
    items
}

/// Returns the lines of an entry. A blank line ends a block, and stands before one that follows a line.
fn lines_of(entry: &Entry, width: usize, is_open: bool, is_plain: bool, follows_line: bool) -> Vec<Line> {
    let width = width.max(1);
    let style = if is_plain { Style::Plain } else { Style::Coloured };
    let lines = match entry {
        Entry::User(text) => {
            let bar = Line::of("› ", Face { bold: true, ..Face::default() });
            let text = printable_lines(text, Face { bold: true, ..Face::default() });
            indented(&text, &bar, width)
        }
        Entry::Answer(text) => {
            let place = markdown::Place { width, style, next_number: None };
            let text: String = text.split_inclusive('\n').map(cleaned).collect();
            markdown::chunk(&text, place).lines
        }
        Entry::Tool { label, state, output, .. } => {
            let (sign, face, took) = match state {
                ToolState::Running(_) => ("…", Face::DIM, None),
                ToolState::Done(took) => ("✓", Face::DIM, *took),
                ToolState::Failed(took) => ("✗", Face::ALARM, *took),
            };
            let took = took.map(|took| format!("  {}", seconds(took))).unwrap_or_default();
            let head = Line::of(format!("{sign} {label}{took}"), face);
            let mut lines = vec![head];
            if is_open {
                let shown = printable_lines(output, Face::DIM);
                let rest = shown.len().saturating_sub(OUTPUT_LINES);
                let bar = Line::of("  │ ", Face::DIM);
                lines.extend(indented(&shown[..shown.len() - rest], &bar, width));
                if rest > 0 {
                    lines.push(Line::of(format!("  │ … {rest} more lines"), Face::DIM));
                }
            }
            lines
        }
        Entry::Note(text, face) => printable_lines(text, *face),
    };
    let mut all: Vec<Line> = Vec::new();
    if entry.is_block() && follows_line {
        all.push(Line::default());
    }
    all.extend(lines.iter().flat_map(|line| broken(line, width)));
    if entry.is_block() {
        all.push(Line::default());
    }
    all
}

/// Returns a duration for a person, as `0.3 s`.
fn seconds(took: Duration) -> String {
    if took.as_secs() < 10 { format!("{:.1} s", took.as_secs_f64()) } else { format!("{} s", took.as_secs()) }
}

/// Returns a line without escape sequences: the parser would take `[` of one as the begin of a link.
fn cleaned(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(line) => printable(line.as_bytes()) + "\n",
        None => printable(line.as_bytes()),
    }
}

fn printable_lines(text: &str, face: Face) -> Vec<Line> {
    text.lines().map(|line| Line::of(printable(line.as_bytes()), face)).collect()
}

/// Breaks lines at words, and puts `bar` before each: the first as it is, the others as white space if it is no rule.
fn indented(lines: &[Line], bar: &Line, width: usize) -> Vec<Line> {
    let inner = width.saturating_sub(bar.width()).max(1);
    let is_rule = bar.spans().iter().any(|span| span.text.contains('│'));
    let space = Line::of(" ".repeat(bar.width()), Face::default());
    let mut all = Vec::new();
    for line in lines {
        let wrapped = if is_rule { vec![line.clone()] } else { markdown::wrap(line.spans(), inner) };
        let wrapped = if wrapped.is_empty() { vec![Line::default()] } else { wrapped };
        for part in wrapped.iter().flat_map(|line| broken(line, inner)) {
            let before = if all.is_empty() || is_rule { bar } else { &space };
            all.push(joined(before, &part));
        }
    }
    all
}

fn joined(one: &Line, other: &Line) -> Line {
    let spans: Vec<Span> = one.spans().iter().chain(other.spans()).cloned().collect();
    Line::from_spans(spans)
}

/// Breaks a line that is wider than the screen: a long word, a line of code.
fn broken(line: &Line, width: usize) -> Vec<Line> {
    if line.width() <= width { vec![line.clone()] } else { markdown::cut(line, width) }
}
