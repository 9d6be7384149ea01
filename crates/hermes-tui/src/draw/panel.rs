//! The panels: sessions, agents, log, usage, keys.

use hermes_operations::Gateway;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::text::{alarm, dim, selected, shortened};
use crate::state::{Agents, KEYS, Log, Panel, Sessions};

/// Draws a panel with its frame and title.
pub(super) fn draw(frame: &mut Frame<'_>, panel: &Panel, area: Rect, is_plain: bool) {
    let title = match panel {
        Panel::Sessions(_) => " Sessions ".to_owned(),
        Panel::Agents(_) => " Agents ".to_owned(),
        Panel::Log(log) => format!(" Log of {} ", log.profile),
        Panel::Usage(_) => " Tokens and budget ".to_owned(),
        Panel::Keys => " Keys ".to_owned(),
    };
    let block = Block::bordered().border_style(dim()).title(title).title_bottom(" Esc closes ");
    let inner = block.inner(area);
    let lines = match panel {
        Panel::Sessions(sessions) => sessions_lines(sessions, inner),
        Panel::Agents(agents) => agents_lines(agents, inner, is_plain),
        Panel::Log(log) => log_lines(log, inner),
        Panel::Usage(lines) => lines.iter().map(|line| Line::from(shortened(line, inner.width))).collect(),
        Panel::Keys => keys_lines(inner.width),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn sessions_lines(sessions: &Sessions, area: Rect) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(shortened(&format!("search: {}▏", sessions.query), area.width))];
    let Some(found) = &sessions.found else { return lines };
    if found.is_empty() {
        lines.push(Line::styled("no session has these words", dim()));
    }
    let rows = found.iter().map(|session| {
        let name = session.title.as_ref().or(session.preview.as_ref());
        let name = name.map_or("(no message)", String::as_str);
        format!("{:>4}  {}", session.messages, name.replace('\n', " "))
    });
    lines.extend(list(rows, sessions.selected, area.width, area.height.saturating_sub(1)));
    lines
}

fn agents_lines(agents: &Agents, area: Rect, is_plain: bool) -> Vec<Line<'static>> {
    let Some(rows) = &agents.rows else { return vec![Line::styled("loading …", dim())] };
    let name_width = rows.iter().map(|(gateway, _)| gateway.profile.len()).max().unwrap_or(0).min(24);
    let texts = rows.iter().map(|(gateway, memory)| row_of(gateway, *memory, name_width));
    let mut lines = list(texts, agents.selected, area.width, area.height.saturating_sub(3));
    lines.push(Line::default());
    let problem = rows.get(agents.selected).and_then(|(gateway, _)| gateway.problem.clone());
    match agents.pending.clone().or(problem) {
        Some(text) => lines.push(Line::styled(shortened(&text, area.width), alarm(is_plain))),
        None => lines.push(Line::styled("s start   x stop   r restart   Enter log", dim())),
    }
    lines
}

fn row_of(gateway: &Gateway, memory: Option<u64>, name_width: usize) -> String {
    let memory = memory.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
    let since = gateway.for_seconds.map(span).unwrap_or_default();
    format!("{:<name_width$}  {:<12} {since:>8} {memory:>9}", gateway.profile, gateway.state.word())
}

/// Returns a time for a narrow column, as `3 min`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn log_lines(log: &Log, area: Rect) -> Vec<Line<'static>> {
    if log.lines.is_empty() {
        return vec![Line::styled("the log is empty", dim())];
    }
    let end = log.lines.len() - log.below.min(log.lines.len());
    let start = end.saturating_sub(usize::from(area.height));
    log.lines[start..end].iter().map(|line| Line::from(shortened(line, area.width))).collect()
}

fn keys_lines(width: u16) -> Vec<Line<'static>> {
    let widest = KEYS.iter().map(|(keys, _)| keys.len()).max().unwrap_or(0);
    KEYS.iter()
        .map(|(keys, effect)| Line::from(shortened(&format!("{keys:<widest$}  {effect}"), width)))
        .collect()
}

/// Returns the rows around the selected one.
fn list(rows: impl Iterator<Item = String>, chosen: usize, width: u16, height: u16) -> Vec<Line<'static>> {
    let height = usize::from(height).max(1);
    let first = (chosen + 1).saturating_sub(height);
    let rows = rows.enumerate().skip(first).take(height);
    rows.map(|(index, row)| {
        let text = shortened(&row, width);
        if index == chosen { Line::styled(text, selected()) } else { Line::from(text) }
    })
    .collect()
}
