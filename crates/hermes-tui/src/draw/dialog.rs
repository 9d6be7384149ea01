//! The dialog of an approval.

use hermes_os::printable::unambiguous;
use hermes_terminal::lines;
use hermes_terminal::markdown::{self, Face};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::text::{dim, lines_of, selected};
use crate::state::Dialog;

/// The widest dialog, in columns.
const WIDTH: u16 = 90;

/// Draws the dialog over the screen. It shows the whole command, or says how much is hidden.
pub(super) fn draw(frame: &mut Frame<'_>, dialog: &Dialog, count: usize, screen: Rect, is_plain: bool) {
    let width = WIDTH.min(screen.width.saturating_sub(4)).max(20).min(screen.width);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let mut body = Vec::new();
    for line in dialog.approval.subject.split('\n') {
        body.extend(markdown::cut(&markdown::Line::of(unambiguous(line), Face::CODE), inner));
    }
    let room = usize::from(screen.height.saturating_sub(10)).max(1);
    let hidden = body.len().saturating_sub(room);
    body.truncate(room);
    let mut lines = lines_of(&body, is_plain);
    if hidden > 0 {
        lines.push(Line::styled(
            format!("… {hidden} more lines: make the terminal higher to read them"),
            dim(),
        ));
    }
    lines.push(Line::default());
    let reason = markdown::Line::of(dialog.approval.reason.sentence(), Face::default());
    lines.extend(lines_of(&markdown::wrap(reason.spans(), inner), is_plain));
    lines.push(Line::default());
    lines.push(choices(dialog));
    let how = if dialog.selected.is_some() {
        "Enter confirms"
    } else {
        "Select with a letter or an arrow, then Enter"
    };
    lines.push(Line::styled(how, dim()));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    let more = if count > 1 { format!(" ({} more wait)", count - 1) } else { String::new() };
    let title = format!(" {} asks to run{more} ", lines::one_line(&dialog.approval.tool));
    let block = Block::bordered().title(title).padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn choices(dialog: &Dialog) -> Line<'static> {
    let spans = crate::state::CHOICES.iter().flat_map(|(key, answer, words)| {
        let text = format!(" [{key}] {words} ");
        let is_selected = dialog.selected == Some(*answer);
        let span = if is_selected { Span::styled(text, selected()) } else { Span::from(text) };
        [span, Span::from(" ")]
    });
    Line::from(spans.collect::<Vec<_>>())
}
