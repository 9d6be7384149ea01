//! A picture of a terminal: SVG, with the colours of the terminal's palette.

use std::fmt::Write as _;

use hermes_harness::vt100::{Cell, Color, Screen};

/// The size of a character, in units of the picture.
const CELL: (u32, u32) = (9, 20);
/// The space around the text.
const MARGIN: u32 = 14;
/// The colours of the characters and of the ground.
const INK: &str = "#d7dae0";
const GROUND: &str = "#16181d";
/// The first eight colours of a terminal.
const PALETTE: [&str; 8] =
    ["#3b4048", "#f07178", "#8bd17c", "#e6c274", "#82aaff", "#c792ea", "#6fd3d6", "#d7dae0"];

/// Returns the picture of a screen.
pub(super) fn svg(screen: &Screen) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let width = u32::from(columns) * CELL.0 + 2 * MARGIN;
    let height = u32::from(rows) * CELL.1 + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"15\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows {
        let y = MARGIN + u32::from(row) * CELL.1;
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column).filter(|cell| is_drawn(cell)) else { continue };
            put(&mut svg, cell, MARGIN + u32::from(column) * CELL.0, y);
        }
    }
    svg + "</svg>\n"
}

fn is_drawn(cell: &Cell) -> bool {
    cell.inverse() || !cell.contents().trim().is_empty()
}

fn put(svg: &mut String, cell: &Cell, x: u32, y: u32) {
    let (ink, ground) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), GROUND));
    let (ink, ground) = if cell.inverse() { (ground, ink) } else { (ink, ground) };
    if ground != GROUND {
        let (width, height) = CELL;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ground}\"/>"
        );
    }
    let mut style = String::new();
    for (is_set, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.dim(), " opacity=\"0.6\""),
        (cell.italic(), " font-style=\"italic\""),
        (cell.underline(), " text-decoration=\"underline\""),
    ] {
        if is_set {
            style.push_str(attribute);
        }
    }
    let text = cell.contents().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" fill=\"{ink}\"{style}>{text}</text>", y + 15);
}

fn colour(colour: Color, default: &'static str) -> &'static str {
    match colour {
        Color::Idx(index) => PALETTE[usize::from(index) % PALETTE.len()],
        Color::Default | Color::Rgb(..) => default,
    }
}
