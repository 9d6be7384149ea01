//! The order and the filter of the overview. `assets/order.js` sorts rows that change in the same way.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::Chars;

use crate::board::Row;

/// The columns with an order, each with the word in `?sort=` and the title.
pub(super) const COLUMNS: &[(&str, &str)] = &[
    ("name", "Agent"),
    ("state", "State"),
    ("for", "For"),
    ("restarts", "Restarts, last hour"),
    ("port", "Port"),
    ("memory", "Memory"),
    ("cpu", "CPU"),
];

/// The tones, the most urgent first.
const TONES: &[&str] = &["bad", "busy", "good", "quiet"];

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The column. `None` puts the agents in trouble first.
    column: Option<&'static str>,
    /// `true` for the largest first.
    down: bool,
}

/// A title of a column: a link to the page in the order of the column.
pub(super) struct Title {
    pub(super) title: &'static str,
    /// The value of `?sort=` that the link has.
    pub(super) sort: String,
    /// The value of `aria-sort`, if this is the order of the page.
    pub(super) sorted: Option<&'static str>,
}

impl Order {
    /// Returns the order of a value of `?sort=`. An unknown value is the default one.
    pub(super) fn of(text: &str) -> Self {
        let (down, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let column = COLUMNS.iter().map(|(column, _)| *column).find(|column| *column == name);
        Self { column, down: down && column.is_some() }
    }

    /// Returns the value of `?sort=`.
    pub(super) fn word(self) -> String {
        format!("{}{}", if self.down { "-" } else { "" }, self.column.unwrap_or_default())
    }

    /// Returns the titles of the columns. The link of the sorted column reverses the order.
    pub(super) fn titles(self) -> Vec<Title> {
        let title = |&(column, title): &(&'static str, &'static str)| {
            let is_this = self.column == Some(column);
            let sorted = is_this.then_some(if self.down { "descending" } else { "ascending" });
            let sort = Self { column: Some(column), down: is_this && !self.down }.word();
            Title { title, sort, sorted }
        };
        COLUMNS.iter().map(title).collect()
    }

    pub(super) fn sort(self, rows: &mut [&Row]) {
        rows.sort_by(|one, other| self.compare(one, other));
    }

    fn compare(self, one: &Row, other: &Row) -> Ordering {
        let by_name = by_name(one.name(), other.name());
        let by_key = match self.column {
            None => is_bad(other).cmp(&is_bad(one)),
            Some("name") => return if self.down { by_name.reverse() } else { by_name },
            Some(column) => match (key(one, column), key(other, column)) {
                (Some(one), Some(other)) if self.down => other.total_cmp(&one),
                (Some(one), Some(other)) => one.total_cmp(&other),
                // Agents without the value come last in both directions.
                (one, other) => one.is_none().cmp(&other.is_none()),
            },
        };
        by_key.then(by_name)
    }
}

/// Returns `true` if an agent is in trouble.
pub(super) fn is_bad(row: &Row) -> bool {
    row.view.tone == "bad"
}

/// Returns the value of a row in a column.
fn key(row: &Row, column: &str) -> Option<f64> {
    let view = &row.view;
    match column {
        "state" => TONES.iter().position(|tone| *tone == view.tone).map(|place| place as f64),
        "for" => view.since.map(|since| -(since as f64)),
        "restarts" => Some(view.spark.total as f64),
        "port" => view.port.map(f64::from),
        "memory" => row.profile.memory_bytes.map(|bytes| bytes as f64),
        _ => row.profile.cpu_percent,
    }
}

/// Compares names. The default profile comes first, and `agent-2` before `agent-10`.
pub(super) fn by_name(one: &str, other: &str) -> Ordering {
    let is_default = |name: &str| name == "default";
    is_default(other).cmp(&is_default(one)).then_with(|| natural(one, other))
}

fn natural(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.chars().peekable(), other.chars().peekable());
    loop {
        let apart = match (ones.peek().copied(), others.peek().copied()) {
            (None, None) => return one.cmp(other),
            (a, b) if a.is_some_and(is_digit) && b.is_some_and(is_digit) => {
                let (a, b) = (number(&mut ones), number(&mut others));
                a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
            }
            _ => ones.next().cmp(&others.next()),
        };
        if apart.is_ne() {
            return apart;
        }
    }
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// Takes the digits of a number, without the zeros at its beginning.
fn number(characters: &mut Peekable<Chars<'_>>) -> String {
    let mut digits = String::new();
    while let Some(digit) = characters.next_if(|character| is_digit(*character)) {
        digits.push(digit);
    }
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_a_person_counts() {
        let mut names =
            ["agent-10", "b", "agent-2", "agent-02", "default", "agent", "agent-2b", "a_1", "a-1", "c"];
        names.sort_by(|one, other| by_name(one, other));
        assert_eq!(
            names,
            ["default", "a-1", "a_1", "agent", "agent-02", "agent-2", "agent-2b", "agent-10", "b", "c"]
        );
    }

    #[test]
    fn the_title_of_the_sorted_column_reverses_the_order() {
        let titles = |sort: &str| {
            let shown = |title: &Title| (title.sort.clone(), title.sorted);
            Order::of(sort).titles().iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(titles("cpu")[6], ("-cpu".to_owned(), Some("ascending")));
        assert_eq!(titles("-cpu")[6], ("cpu".to_owned(), Some("descending")));
        assert_eq!(titles("-cpu")[0], ("name".to_owned(), None));
        assert_eq!(Order::of("-<b>"), Order::default());
    }
}
