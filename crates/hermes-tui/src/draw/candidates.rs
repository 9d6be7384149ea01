//! The list of completions over the input field.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::text::{dim, selected, shortened};
use crate::state::Candidates;

/// The completions that are shown.
const SHOWN: usize = 8;

pub(super) fn draw(frame: &mut Frame<'_>, candidates: &Candidates, field: Rect) {
    if candidates.words.is_empty() {
        return;
    }
    let words: Vec<_> = candidates.words.iter().take(SHOWN).collect();
    let rows = u16::try_from(words.len()).unwrap_or(0) + 2;
    let widest = words.iter().map(|word| word.chars().count()).max().unwrap_or(0);
    let width = u16::try_from(widest + 4).unwrap_or(field.width).min(field.width);
    let height = rows.min(field.y);
    let area = Rect { x: field.x, y: field.y - height, width, height };
    let lines: Vec<_> = words
        .iter()
        .enumerate()
        .map(|(index, word)| {
            let text = shortened(&format!(" {word} "), width.saturating_sub(2));
            if index == candidates.selected { Line::styled(text, selected()) } else { Line::from(text) }
        })
        .collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().border_style(dim())), area);
}
