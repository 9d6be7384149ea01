//! Text in the terminal's own colours, so that light and dark terminals both fit.

use hermes_os::printable::printable;
use hermes_terminal::lines;
use hermes_terminal::markdown::{self, Face};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Returns the style of secondary text.
pub(super) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Returns the style of a failure.
pub(super) fn alarm(is_plain: bool) -> Style {
    if is_plain { Style::new().add_modifier(Modifier::BOLD) } else { Style::new().fg(Color::Red) }
}

/// Returns the style of what is selected.
pub(super) fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// Returns the style of a face. Without colours, code keeps its signs and a failure is bold.
fn style_of(face: Face, is_plain: bool) -> Style {
    let modifiers = [
        (face.bold, Modifier::BOLD),
        (face.dim, Modifier::DIM),
        (face.italic, Modifier::ITALIC),
        (face.underlined, Modifier::UNDERLINED),
        (face.struck, Modifier::CROSSED_OUT),
    ];
    let modifiers = modifiers.into_iter().filter(|(is_set, _)| *is_set).map(|(_, modifier)| modifier);
    let style = if face.alarm { alarm(is_plain) } else { Style::new() };
    let style = if face.code && !is_plain { style.fg(Color::Cyan) } else { style };
    style.add_modifier(modifiers.collect())
}

/// Returns lines for the screen.
pub(super) fn lines_of(lines: &[markdown::Line], is_plain: bool) -> Vec<Line<'static>> {
    let span = |span: &markdown::Span| Span::styled(span.text.clone(), style_of(span.face, is_plain));
    lines.iter().map(|line| Line::from(line.spans().iter().map(span).collect::<Vec<_>>())).collect()
}

/// Returns the begin of a text in `width` columns, as one printable line.
pub(super) fn shortened(text: &str, width: u16) -> String {
    lines::shortened(&printable(text.as_bytes()), usize::from(width))
}
