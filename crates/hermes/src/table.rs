//! A table for a person: columns as wide as what is in them.

use hermes_os::printable::printable;

use crate::output::say;

/// The lines of a table. The last column is not padded. A cell that a terminal shows as something else is as wide as that.
pub(crate) fn lines<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| printable(row[column].as_bytes()).chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            line.push_str(&format!("{cell:<width$}  ", width = widths[column]));
        }
        line.trim_end().to_owned()
    };
    let body = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(line(head)).chain(body).collect()
}

/// Prints it.
pub(crate) fn print<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    for line in lines(head, rows) {
        say!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["a", "long"], ["longer", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(lines(["NAME", "X"], &rows), ["NAME    X", "a       long", "longer"]);
    }
}
