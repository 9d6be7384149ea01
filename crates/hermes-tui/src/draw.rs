//! Draws a state on a screen.

mod candidates;
mod dialog;
mod panel;
mod text;

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph};

use crate::state::App;
use text::{dim, lines_of, shortened};

/// The most lines of the input field.
const COMPOSER_MAX: u16 = 8;
/// A panel stands beside the conversation on a screen of at least this width, in columns.
const WIDE: u16 = 110;
/// The empty columns at each side of the conversation.
const MARGIN: u16 = 1;

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App, now: Instant) {
    let area = frame.area();
    let rows = u16::try_from(app.composer.area.lines().len()).unwrap_or(COMPOSER_MAX);
    let composer = rows.clamp(1, COMPOSER_MAX) + 2;
    let [head, middle, status, field, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(composer),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(heading(app, head.width)), head);
    let (conversation, side) = divided(middle, app.panel.is_some());
    if let Some(conversation) = conversation {
        draw_conversation(frame, app, conversation);
    }
    if let (Some(side), Some(panel)) = (side, &app.panel) {
        panel::draw(frame, panel, side, app.is_plain);
    }
    frame.render_widget(Paragraph::new(status_of(app, now, status.width)), status);
    draw_composer(frame, app, field);
    candidates::draw(frame, &app.composer.candidates, field);
    frame.render_widget(Paragraph::new(hints(app, foot.width)).style(dim()), foot);
    if let Some(dialog) = app.approvals.front() {
        dialog::draw(frame, dialog, app.approvals.len(), area, app.is_plain);
    }
}

/// Returns the places of the conversation and of the panel.
fn divided(area: Rect, has_panel: bool) -> (Option<Rect>, Option<Rect>) {
    if !has_panel {
        return (Some(area), None);
    }
    if area.width < WIDE {
        return (None, Some(area));
    }
    let [conversation, side] =
        Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(area);
    (Some(conversation), Some(side))
}

fn heading(app: &App, width: u16) -> Line<'static> {
    let parts = [Some(app.profile.as_str()), Some(app.model.as_str()), app.title.as_deref()];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let text = shortened(&format!(" hermes  {}", parts.join("  ·  ")), width);
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn draw_conversation(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let inner = Rect { x: area.x + MARGIN, width: area.width.saturating_sub(2 * MARGIN), ..area };
    if app.transcript.is_empty() {
        let text = ["Write a message and press Enter.", "? shows the keys, /help the commands."];
        frame.render_widget(Paragraph::new(text.map(Line::from).to_vec()).style(dim()), inner);
        return;
    }
    let visible = app.transcript.visible(usize::from(inner.width), usize::from(inner.height));
    frame.render_widget(Paragraph::new(lines_of(&visible, app.is_plain)), inner);
}

/// Returns the line between the conversation and the field: the work of the agent, or that newer messages are below.
fn status_of(app: &App, now: Instant, width: u16) -> Line<'static> {
    let text = match &app.waiting {
        Some((what, since)) if app.is_running => {
            format!(" {what}, {} s", now.saturating_duration_since(*since).as_secs())
        }
        _ if !app.transcript.is_following() => " newer messages are below; Ctrl+End shows them".to_owned(),
        _ => String::new(),
    };
    Line::styled(shortened(&text, width), dim())
}

fn draw_composer(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let block = Block::new().borders(Borders::TOP | Borders::BOTTOM).border_style(dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [sign, field] = Layout::horizontal([Constraint::Length(2), Constraint::Min(1)]).areas(inner);
    frame.render_widget(Paragraph::new("›").style(Style::new().add_modifier(Modifier::BOLD)), sign);
    frame.render_widget(&app.composer.area, field);
}

fn hints(app: &App, width: u16) -> Line<'static> {
    let usage = app.usage;
    let left = if app.is_running {
        " Enter adds to the answer   Ctrl+C interrupts   F1 keys"
    } else {
        " Enter sends   F1 keys   F2 sessions   F3 agents"
    };
    let right = format!("{} tokens, {}% cached ", usage.total(), cached_share(usage.cached, usage.input));
    let space = usize::from(width).saturating_sub(left.len() + right.len());
    let text = if usage.total() == 0 || space == 0 {
        left.to_owned()
    } else {
        format!("{left}{}{right}", " ".repeat(space))
    };
    Line::from(shortened(&text, width))
}

/// Returns the share of the prompt that came from the cache, in percent.
fn cached_share(cached: u64, input: u64) -> u64 {
    (cached * 100).checked_div(input).unwrap_or(0)
}
