//! Setting one value: the characters that it is about are replaced, and nothing else.

use std::ops::Range;

use serde_json::{Map, Value};

use super::document::{Config, Content, NodeId};
use super::key::Key;
use super::scalar::{written, written_name};

/// How far a mapping that we begin stands in from the one around it.
const STEP: usize = 2;

/// Bytes that are replaced, and by what.
struct Splice {
    range: Range<usize>,
    new: String,
}

impl Splice {
    fn at(place: usize, new: String) -> Self {
        Self { range: place..place, new }
    }
}

/// Why a value cannot be set. The configuration is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A value stands on the way where a mapping would have to.
    #[error("{key} is no mapping, so nothing can be set in it")]
    NotAMapping {
        /// The key of that value.
        key: Key,
    },
    /// A mapping or a list stands there; one value in its place would lose it.
    #[error("{key} holds more than one value; edit the file to replace it")]
    Collection {
        /// The key.
        key: Key,
    },
    /// The way it is written, an alias for instance, leaves no place for that one change.
    #[error("{key} cannot be set without changing something else; edit the file")]
    NotAlone {
        /// The key.
        key: Key,
    },
}

impl Config {
    /// Sets the value at `key`. What leads there is made where it is missing; a text that reads as a number or a boolean is set
    /// as one. Comments, order and all other values stay as they are.
    ///
    /// # Errors
    /// There is no place for it. The configuration is as it was.
    pub fn set(&mut self, key: &Key, value: &str) -> Result<(), SetError> {
        let (written, meaning) = written(value);
        if self.get(key).is_some_and(|setting| setting.text() == Some(value) && setting.json() == meaning) {
            return Ok(());
        }
        let mut expected = self.to_json();
        put(&mut expected, key.names(), meaning);
        for Splice { range, new } in self.splices(key, &written)? {
            let mut text = self.text.clone();
            text.replace_range(range, &new);
            if let Ok(changed) = Self::parse(text)
                && changed.to_json() == expected
            {
                *self = changed;
                return Ok(());
            }
        }
        Err(SetError::NotAlone { key: key.clone() })
    }

    /// The ways to make the change, the one that a person would choose first. Each may change more than it should; that is seen when
    /// it was made.
    fn splices(&self, key: &Key, value: &str) -> Result<Vec<Splice>, SetError> {
        let names = key.names();
        let Some(root) = self.root().filter(|&root| !self.is_nothing(root)) else {
            return Ok(self.begin(names, value));
        };
        let mut node = root;
        for (depth, name) in names.iter().enumerate() {
            match self.child(node, name) {
                Some((_, child)) if depth + 1 == names.len() && !self.is_nothing(child) => {
                    return match &self.node(child).content {
                        Content::Scalar { .. } => {
                            Ok(vec![Splice { range: self.node(child).span.clone(), new: value.to_owned() }])
                        }
                        Content::Alias(_) => Err(SetError::NotAlone { key: key.clone() }),
                        _ => Err(SetError::Collection { key: key.clone() }),
                    };
                }
                Some((name, child)) if self.is_nothing(child) => {
                    return self
                        .fill(node, name, child, &names[depth + 1..], value)
                        .map(|splice| vec![splice])
                        .ok_or_else(|| SetError::NotAlone { key: key.clone() });
                }
                Some((_, child)) => node = child,
                None => {
                    return match &self.node(node).content {
                        Content::Mapping { entries } => Ok(vec![
                            self.insert(node, entries, &names[depth..], value),
                            self.insert_first(node, entries, &names[depth..], value),
                        ]),
                        Content::Alias(_) => Err(SetError::NotAlone { key: key.clone() }),
                        _ => Err(SetError::NotAMapping { key: key.first(depth) }),
                    };
                }
            }
        }
        Err(SetError::NotAlone { key: key.clone() })
    }

    /// A text that says nothing yet says something.
    fn begin(&self, names: &[String], value: &str) -> Vec<Splice> {
        let newline = self.newline();
        let lines = block(names, value, 0, newline);
        let begins_a_line = |place: usize| place == 0 || self.text[..place].ends_with('\n');
        let at = |place: usize| {
            let begin = if begins_a_line(place) { "" } else { newline };
            Splice::at(place, format!("{begin}{lines}{newline}"))
        };
        // The document may be closed, by `...`.
        let marker =
            self.text.match_indices("---").map(|(place, _)| place).find(|&place| begins_a_line(place));
        let after =
            |place: usize| self.text[place..].find('\n').map_or(self.text.len(), |length| place + length + 1);
        [self.text.len()].into_iter().chain(marker.map(after)).map(at).collect()
    }

    /// `name:` with nothing behind it gets its value.
    fn fill(
        &self,
        parent: NodeId,
        name: NodeId,
        nothing: NodeId,
        rest: &[String],
        value: &str,
    ) -> Option<Splice> {
        if name == nothing {
            return None;
        }
        let after_name = self.node(name).span.end;
        let colon = after_name + self.text.get(after_name..)?.find(':')? + 1;
        if rest.is_empty() {
            return Some(Splice::at(colon, format!(" {value}")));
        }
        if self.is_flow(parent) {
            return Some(Splice::at(colon, format!(" {}", flow(rest, value))));
        }
        let end = self.line_end(colon);
        let newline = self.newline();
        let lines = block(rest, value, self.node(name).column + STEP, newline);
        Some(Splice::at(end, format!("{newline}{lines}")))
    }

    /// A mapping gets an entry, after its last.
    fn insert(&self, mapping: NodeId, entries: &[(NodeId, NodeId)], names: &[String], value: &str) -> Splice {
        if self.is_flow(mapping) {
            let span = &self.node(mapping).span;
            let inside = self.text.get(span.start..span.end.saturating_sub(1)).unwrap_or_default().trim_end();
            let place = span.start + inside.len();
            let comma = if inside.ends_with(['{', ',']) { "" } else { "," };
            let space = if inside.ends_with('{') { "" } else { " " };
            return Splice::at(place, format!("{comma}{space}{}", flow_entry(names, value)));
        }
        let column = entries.first().map_or(0, |&(first, _)| self.node(first).column);
        let end = self.comments_end(self.line_end(self.content_end(mapping)), column);
        let newline = self.newline();
        let lines = block(names, value, column, newline);
        Splice::at(end, format!("{newline}{lines}"))
    }

    /// A mapping gets an entry, before its first: where something after the last one, a comment within braces or a text that keeps
    /// its blank lines, leaves no place there.
    fn insert_first(
        &self,
        mapping: NodeId,
        entries: &[(NodeId, NodeId)],
        names: &[String],
        value: &str,
    ) -> Splice {
        let begin = self.node(mapping).span.start;
        // A tag or an anchor may stand before the brace, and there is none in them.
        let first = entries.first().map_or(self.text.len(), |&(first, _)| self.node(first).span.start);
        if let Some(brace) = self.text.get(begin..first).and_then(|head| head.find('{')) {
            let place = begin + brace + 1;
            let comma = match self.text[place..].starts_with(char::is_whitespace) {
                _ if entries.is_empty() => "",
                true => ",",
                false => ", ",
            };
            return Splice::at(place, format!("{}{comma}", flow_entry(names, value)));
        }
        let before = self.text.get(..first).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        // A mark of the byte order stays the first thing in the file.
        let line = line + self.text[line..].len() - self.text[line..].trim_start_matches('\u{feff}').len();
        let column = self.text[line..].len() - self.text[line..].trim_start_matches(' ').len();
        let newline = self.newline();
        Splice::at(line, format!("{}{newline}", block(names, value, column, newline)))
    }

    /// Whether there is a place for a value and no value.
    pub(super) fn is_nothing(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.content, Content::Scalar { text, plain: true, .. } if text.is_empty())
    }

    pub(super) fn is_flow(&self, id: NodeId) -> bool {
        self.text.get(self.node(id).span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Where the last thing that belongs to a node ends, comments and blank lines after it left out.
    pub(super) fn content_end(&self, id: NodeId) -> usize {
        let node = self.node(id);
        let last = match &node.content {
            Content::Mapping { entries } if !self.is_flow(id) => entries.last().map(|&(key, value)| {
                if self.is_nothing(value) {
                    let after = self.node(key).span.end;
                    after
                        + self.text.get(after..).and_then(|text| text.find(':')).map_or(0, |colon| colon + 1)
                } else {
                    self.content_end(value)
                }
            }),
            Content::Sequence { items } if !self.is_flow(id) => items.last().map(|&item| {
                if self.is_nothing(item) { self.node(item).span.start } else { self.content_end(item) }
            }),
            _ => None,
        };
        last.unwrap_or_else(|| {
            self.text.get(..node.span.end).map_or(node.span.end, |text| text.trim_end().len())
        })
    }

    /// The end of the comments below the line that ends at `end`, as far as they stand further in than `column`: they belong to what
    /// is above them.
    fn comments_end(&self, mut end: usize, column: usize) -> usize {
        let mut place = end;
        while let Some(after) = self.text.get(place..).and_then(|rest| rest.find('\n')) {
            let line = &self.text[place + after + 1..];
            let inside = line.trim_start_matches(' ');
            let is_comment = inside.starts_with('#') && line.len() - inside.len() > column;
            place = self.line_end(place + after + 1);
            if is_comment {
                end = place;
            } else if !inside.starts_with(['\n', '\r']) {
                break;
            }
        }
        end
    }

    /// The end of the line that `place` is in, before what ends it.
    pub(super) fn line_end(&self, place: usize) -> usize {
        let rest = self.text.get(place..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        place + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// `a:` and, a step further in each, the rest; no newline at the end.
fn block(names: &[String], value: &str, column: usize, newline: &str) -> String {
    let lines: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(depth, name)| format!("{:indent$}{}:", "", written_name(name), indent = column + depth * STEP))
        .collect();
    format!("{} {value}", lines.join(newline))
}

/// `a: value`, or `a: {b: value}`.
fn flow_entry(names: &[String], value: &str) -> String {
    match names.split_first() {
        Some((name, [])) => format!("{}: {value}", written_name(name)),
        Some((name, rest)) => format!("{}: {}", written_name(name), flow(rest, value)),
        None => value.to_owned(),
    }
}

/// `{a: {b: value}}`.
fn flow(names: &[String], value: &str) -> String {
    names.iter().rev().fold(value.to_owned(), |inner, name| format!("{{{}: {inner}}}", written_name(name)))
}

/// What the configuration means once it is changed.
fn put(tree: &mut Value, names: &[String], value: Value) {
    let Some((name, rest)) = names.split_first() else {
        *tree = value;
        return;
    };
    if tree.is_null() {
        *tree = Value::Object(Map::new());
    }
    let child = match tree {
        Value::Object(entries) => entries.entry(name.as_str()).or_insert(Value::Null),
        Value::Array(items) => match name.parse::<usize>().ok().and_then(|place| items.get_mut(place)) {
            Some(item) => item,
            None => return,
        },
        // The change is refused for a reason of its own.
        _ => return,
    };
    put(child, rest, value);
}
