//! A table in columns. If the terminal is too narrow for them, each row becomes lines of "head: cell".

use pulldown_cmark::Alignment;

use super::face::Face;
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
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        match self.widths(width) {
            Some(widths) => self.columns(&widths),
            None => self.records(width),
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

    fn columns(&self, widths: &[usize]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
            for number in 0..height {
                let mut line = Line::default();
                for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
                    put_gap(&mut line, column);
                    self.put_aligned(&mut line, cell.get(number).cloned().unwrap_or_default(), column, width);
                }
                line.trim_end();
                lines.push(line);
            }
            if index == 0 {
                let mut line = Line::default();
                for (column, &width) in widths.iter().enumerate() {
                    put_gap(&mut line, column);
                    line.push("─".repeat(width), Face::DIM);
                }
                lines.push(line);
            }
        }
        lines
    }

    fn put_aligned(&self, line: &mut Line, cell: Line, column: usize, width: usize) {
        let space = width.saturating_sub(cell.width());
        let left = match self.alignments.get(column) {
            Some(Alignment::Right) => space,
            Some(Alignment::Center) => space / 2,
            _ => 0,
        };
        line.push(" ".repeat(left), Face::default());
        line.append(cell);
        line.push(" ".repeat(space - left), Face::default());
    }

    fn records(&self, width: usize) -> Vec<Line> {
        let Some((head, rows)) = self.rows.split_first() else { return Vec::new() };
        let mut lines = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                lines.push(Line::default());
            }
            for (name, cell) in head.iter().zip(row) {
                let colon = Span { text: ": ".into(), face: Face::default() };
                let spans: Vec<_> = name.iter().chain([&colon]).chain(cell).cloned().collect();
                lines.extend(wrap(&spans, width));
            }
        }
        lines
    }
}

fn put_gap(line: &mut Line, column: usize) {
    if column > 0 {
        line.push(GAP.to_owned(), Face::default());
    }
}
