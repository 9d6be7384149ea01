//! A table in columns. If the terminal is too narrow for them, each row becomes lines of "head: cell".

use pulldown_cmark::Alignment;

use super::face::{Face, Style};
use super::wrap::{Line, Span, wrap};

/// A cell is never narrower, in columns of the terminal.
const MIN_CELL: usize = 6;
/// Between two cells.
const GAP: &str = "  ";

/// The cells of a table.
pub(super) struct Table {
    alignments: Vec<Alignment>,
    /// The first row is the head.
    rows: Vec<Vec<Vec<Span>>>,
}

impl Table {
    pub(super) fn new(alignments: Vec<Alignment>) -> Self {
        Self { alignments, rows: Vec::new() }
    }

    pub(super) fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(super) fn put_cell(&mut self, mut cell: Vec<Span>) {
        if self.rows.len() == 1 {
            cell.iter_mut().for_each(|span| span.face.bold = true);
        }
        self.rows.iter_mut().last().into_iter().for_each(|row| row.push(cell.clone()));
    }

    /// Returns the lines of the table.
    pub(super) fn lines(&self, width: usize, style: Style) -> Vec<String> {
        match self.widths(width) {
            Some(widths) => self.columns(&widths, style),
            None => self.records(width, style),
        }
    }

    /// Returns the width of each column, or `None` if they do not fit.
    fn widths(&self, width: usize) -> Option<Vec<usize>> {
        let count = self.rows.iter().map(Vec::len).max()?;
        let natural = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.flat_map(|cell| wrap(cell, usize::MAX)).map(|line| line.width()).max().unwrap_or(0)
        };
        let mut widths: Vec<_> = (0..count).map(natural).collect();
        let room = width.checked_sub(GAP.len() * count.saturating_sub(1))?;
        let mut excess = widths.iter().sum::<usize>().saturating_sub(room);
        // The widest column gives first.
        while excess > 0 {
            let widest = widths.iter_mut().max().filter(|widest| **widest > MIN_CELL)?;
            *widest -= 1;
            excess -= 1;
        }
        Some(widths)
    }

    fn columns(&self, widths: &[usize], style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            for number in 0..height {
                let parts = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
                    self.aligned(cell.get(number).unwrap_or(&Line::default()), column, width, style)
                });
                lines.push(parts.collect::<Vec<_>>().join(GAP).trim_end().to_owned());
            }
            if index == 0 {
                let rules: Vec<_> =
                    widths.iter().map(|width| style.paint(&"─".repeat(*width), Face::DIM)).collect();
                lines.push(rules.join(GAP));
            }
        }
        lines
    }

    fn aligned(&self, line: &Line, column: usize, width: usize, style: Style) -> String {
        let space = width.saturating_sub(line.width());
        let left = match self.alignments.get(column) {
            Some(Alignment::Right) => space,
            Some(Alignment::Center) => space / 2,
            _ => 0,
        };
        format!("{}{}{}", " ".repeat(left), line.paint(style), " ".repeat(space - left))
    }

    fn records(&self, width: usize, style: Style) -> Vec<String> {
        let Some((head, rows)) = self.rows.split_first() else { return Vec::new() };
        let mut lines = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                lines.push(String::new());
            }
            for (name, cell) in head.iter().zip(row) {
                let colon = Span { text: ": ".into(), face: Face::default() };
                let spans: Vec<_> = name.iter().chain([&colon]).chain(cell).cloned().collect();
                lines.extend(wrap(&spans, width).iter().map(|line| line.paint(style)));
            }
        }
        lines
    }
}
