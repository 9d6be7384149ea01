//! Full text search over the messages of users and assistants.

use rusqlite::{Row, params_from_iter};
use serde::Serialize;

use super::words::value;
use super::{SessionId, Store, StoreError};
use crate::message::Role;

/// A found message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Its session.
    pub session: SessionId,
    /// The title of the session.
    pub title: Option<String>,
    /// The number of the message.
    pub message: i64,
    /// Its time, in milliseconds since 1970.
    pub at: i64,
    /// Its sender.
    pub role: Role,
    /// The text around the found words, on one line.
    pub snippet: String,
}

/// The order of the hits of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest message first.
    #[default]
    Newest,
    /// The best match first, among the newest [`RANKED`] matches. A search without the index has no such order.
    Relevance,
}

/// The newest matches that are ranked. A ranking of all takes seconds for a common word in a million messages.
const RANKED: u32 = 2_000;

/// The columns of a hit before its snippet.
const COLUMNS: &str = "m.session, s.title, m.id, m.at, m.role";

/// The characters of a snippet without the index.
const SNIPPET: u32 = 120;

/// The most words of a search without the index. SQLite limits the depth of a condition.
const TERMS_MAX: usize = 100;

/// The least characters of the begin of a word.
const BEGIN_MIN: usize = 3;

impl Store {
    /// Returns the newest messages that hold all words of `query`. The last word may be the begin of one, from three characters on.
    /// Words in double quotes must follow each other. There is no other syntax.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn search(&self, query: &str, limit: u32) -> Result<Vec<Hit>, StoreError> {
        self.search_in_order(query, limit, Order::Newest).await
    }

    /// Returns messages as [`Store::search`] does, in this order.
    ///
    /// # Errors
    /// Fails if the database fails.
    pub async fn search_in_order(
        &self,
        query: &str,
        limit: u32,
        order: Order,
    ) -> Result<Vec<Hit>, StoreError> {
        let query: String = query.replace('\0', " ").trim().to_owned();
        if query.is_empty() {
            return Ok(Vec::new());
        }
        self.read("search the messages", move |transaction| {
            let (sql, patterns) = match expression(&query) {
                Some(expression) => (indexed(limit, order), vec![expression]),
                None => {
                    let terms: Vec<String> = terms(&query).take(TERMS_MAX).map(str::to_owned).collect();
                    if terms.is_empty() {
                        return Ok(Vec::new());
                    }
                    let holds: String = (1..=terms.len()).map(|n| format!(" AND instr(m.text, ?{n}) > 0")).collect();
                    (
                        format!(
                            "SELECT {COLUMNS}, substr(m.text, max(1, instr(m.text, ?1) - {SNIPPET} / 3), {SNIPPET})
                             FROM messages m JOIN sessions s ON s.id = m.session
                             WHERE m.text IS NOT NULL{holds} ORDER BY m.id DESC LIMIT {limit}"
                        ),
                        terms,
                    )
                }
            };
            let mut statement = transaction.prepare_cached(&sql)?;
            let hits = statement.query_map(params_from_iter(patterns), hit_of)?;
            Ok(hits.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }
}

/// Returns the statement of a search with the index.
fn indexed(limit: u32, order: Order) -> String {
    let (condition, order) = match order {
        Order::Newest => (String::new(), "f.rowid DESC"),
        Order::Relevance => (
            format!(
                " AND f.rowid IN (SELECT id FROM (SELECT rowid AS id, rank AS place FROM messages_fts
                    WHERE messages_fts MATCH ?1 ORDER BY rowid DESC LIMIT {RANKED}) ORDER BY place LIMIT {limit})"
            ),
            "f.rank, f.rowid DESC",
        ),
    };
    format!(
        "SELECT {COLUMNS}, snippet(messages_fts, 0, '', '', '…', 16)
         FROM messages_fts f JOIN messages m ON m.id = f.rowid JOIN sessions s ON s.id = m.session
         WHERE messages_fts MATCH ?1{condition} ORDER BY {order} LIMIT {limit}"
    )
}

fn hit_of(row: &Row<'_>) -> rusqlite::Result<Hit> {
    let role: String = row.get(4)?;
    let snippet: String = row.get(5)?;
    Ok(Hit {
        session: SessionId::from(row.get::<_, String>(0)?),
        title: row.get(1)?,
        message: row.get(2)?,
        at: row.get(3)?,
        role: value(&role).unwrap_or(Role::Assistant),
        snippet: snippet.split_whitespace().collect::<Vec<_>>().join(" "),
    })
}

/// Returns the query in the syntax of FTS5 (<https://sqlite.org/fts5.html>, 3), each term quoted. `None` if the index cannot answer it: it
/// holds no symbols, and it does not divide a script without spaces into words.
fn expression(query: &str) -> Option<String> {
    if query.chars().any(is_without_spaces) {
        return None;
    }
    let terms: Vec<&str> = terms(query).filter(|term| term.chars().any(char::is_alphanumeric)).collect();
    let quoted: Vec<String> = terms.iter().map(|term| format!("\"{term}\"")).collect();
    let begin = if may_be_a_begin(terms.last()?) { "*" } else { "" };
    Some(quoted.join(" ") + begin)
}

/// Returns the words of a query, and its phrases without their quotes.
fn terms(query: &str) -> impl Iterator<Item = &str> {
    // The parts with an odd index are in quotes.
    let parts = query.split('"').enumerate().flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part.trim()],
    });
    parts.filter(|term| !term.is_empty())
}

/// Returns `true` if the last word of a term may be the begin of a longer one. A shorter begin has so many words that a search takes
/// seconds on a million messages.
fn may_be_a_begin(term: &str) -> bool {
    let words = term.rsplit(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    let mut lengths = words.map(|word| word.chars().filter(|c| c.is_alphanumeric()).count());
    lengths.find(|length| *length > 0).is_some_and(|length| length >= BEGIN_MIN)
}

/// Returns `true` for a character of a script that puts no spaces between words: Thai to Khmer, and those of East Asia.
fn is_without_spaces(character: char) -> bool {
    matches!(u32::from(character),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF
        | 0x2_0000..=0x3_FFFF)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("deploy the serv", Some(r#""deploy" "the" "serv"*"#))]
    #[case("NEAR(a b) OR -c^ AND col:x*", Some(r#""NEAR(a" "b)" "OR" "-c^" "AND" "col:x*""#))]
    #[case(r#"say "good morning" now"#, Some(r#""say" "good morning" "now"*"#))]
    #[case(r#"an "open quote"#, Some(r#""an" "open quote"*"#))]
    #[case("the lo", Some(r#""the" "lo""#))]
    #[case("the log", Some(r#""the" "log"*"#))]
    #[case("\"the lo\"", Some(r#""the lo""#))]
    #[case("grüß", Some(r#""grüß"*"#))]
    #[case("?? …", None)]
    #[case("你好", None)]
    fn query_is_quoted_for_the_index(#[case] query: &str, #[case] expected: Option<&str>) {
        assert_eq!(expression(query).as_deref(), expected);
    }
}
