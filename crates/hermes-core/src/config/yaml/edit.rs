//! Sets one value by a replacement of its characters alone.

use std::ops::Range;

use serde_json::{Map, Value};

use super::document::{Config, Content, NodeId};
use super::key::Key;
use super::scalar::{key_text, scalar_text};

/// The indentation of a new mapping, in columns.
const STEP: usize = 2;

/// A range of bytes and its replacement.
struct Splice {
    range: Range<usize>,
    new: String,
}

impl Splice {
    fn at(place: usize, new: String) -> Self {
        Self { range: place..place, new }
    }
}

/// The reason why a value cannot be set. The configuration is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// A scalar stands in the path of the key, where a mapping must be.
    #[error("{key} is no mapping, so nothing can be set in it")]
    NotAMapping {
        /// The key of the scalar.
        key: Key,
    },
    /// The key holds a mapping or a list. A single value in its place would lose it.
    #[error("{key} holds more than one value; edit the file to replace it")]
    Collection {
        /// The key.
        key: Key,
    },
    /// The form of the text, such as an alias, does not allow to change this value alone.
    #[error("{key} cannot be set without changing something else; edit the file")]
    NotAlone {
        /// The key.
        key: Key,
    },
}

impl Config {
    /// Sets the value at `key` and creates the missing mappings above it. A text that reads as a number or a
    /// boolean is set as one. Comments, order and all other values stay.
    ///
    /// # Errors
    /// Fails if the text has no place for the value. The configuration is then unchanged.
    pub fn set(&mut self, key: &Key, value: &str) -> Result<(), SetError> {
        let (written, meaning) = scalar_text(value);
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

    /// Returns the candidates for the change, the most natural first. A candidate may change more than it
    /// should, so the caller verifies the result.
    fn splices(&self, key: &Key, value: &str) -> Result<Vec<Splice>, SetError> {
        let names = key.names();
        let Some(root) = self.root().filter(|&root| !self.is_missing_value(root)) else {
            return Ok(self.begin(names, value));
        };
        let mut node = root;
        for (depth, name) in names.iter().enumerate() {
            match self.child(node, name) {
                Some((_, child)) if depth + 1 == names.len() && !self.is_missing_value(child) => {
                    return match &self.node(child).content {
                        Content::Scalar { .. } => {
                            Ok(vec![Splice { range: self.node(child).span.clone(), new: value.to_owned() }])
                        }
                        Content::Alias(_) => Err(SetError::NotAlone { key: key.clone() }),
                        _ => Err(SetError::Collection { key: key.clone() }),
                    };
                }
                Some((name, child)) if self.is_missing_value(child) => {
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

    /// Returns the splices that put the first value into a text without values.
    fn begin(&self, names: &[String], value: &str) -> Vec<Splice> {
        let newline = self.newline();
        let lines = block(names, value, 0, newline);
        let begins_a_line = |place: usize| place == 0 || self.text[..place].ends_with('\n');
        let at = |place: usize| {
            let begin = if begins_a_line(place) { "" } else { newline };
            Splice::at(place, format!("{begin}{lines}{newline}"))
        };
        // The document may be closed by `...`.
        let marker =
            self.text.match_indices("---").map(|(place, _)| place).find(|&place| begins_a_line(place));
        let after =
            |place: usize| self.text[place..].find('\n').map_or(self.text.len(), |length| place + length + 1);
        [self.text.len()].into_iter().chain(marker.map(after)).map(at).collect()
    }

    /// Puts the value behind `name:` that has none.
    fn fill(
        &self,
        parent: NodeId,
        name: NodeId,
        missing: NodeId,
        rest: &[String],
        value: &str,
    ) -> Option<Splice> {
        if name == missing {
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

    /// Inserts an entry after the last one of a mapping.
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

    /// Inserts an entry before the first one of a mapping. This is the way out if a comment within braces or
    /// a kept blank line leaves no place at the end.
    fn insert_first(
        &self,
        mapping: NodeId,
        entries: &[(NodeId, NodeId)],
        names: &[String],
        value: &str,
    ) -> Splice {
        let begin = self.node(mapping).span.start;
        // A tag or an anchor may stand before the brace. Neither contains a brace.
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
        // A byte order mark stays at the start of the file.
        let line = line + self.text[line..].len() - self.text[line..].trim_start_matches('\u{feff}').len();
        let column = self.text[line..].len() - self.text[line..].trim_start_matches(' ').len();
        let newline = self.newline();
        Splice::at(line, format!("{}{newline}", block(names, value, column, newline)))
    }

    /// Returns `true` for the place of a missing value.
    pub(super) fn is_missing_value(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.content, Content::Scalar { text, plain: true, .. } if text.is_empty())
    }

    pub(super) fn is_flow(&self, id: NodeId) -> bool {
        self.text.get(self.node(id).span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Returns the end of the last content of a node, without the comments and blank lines after it.
    pub(super) fn content_end(&self, id: NodeId) -> usize {
        let node = self.node(id);
        let last = match &node.content {
            Content::Mapping { entries } if !self.is_flow(id) => entries.last().map(|&(key, value)| {
                if self.is_missing_value(value) {
                    let after = self.node(key).span.end;
                    after
                        + self.text.get(after..).and_then(|text| text.find(':')).map_or(0, |colon| colon + 1)
                } else {
                    self.content_end(value)
                }
            }),
            Content::Sequence { items } if !self.is_flow(id) => items.last().map(|&item| {
                if self.is_missing_value(item) { self.node(item).span.start } else { self.content_end(item) }
            }),
            _ => None,
        };
        last.unwrap_or_else(|| {
            self.text.get(..node.span.end).map_or(node.span.end, |text| text.trim_end().len())
        })
    }

    /// Returns the end of the comments below the line that ends at `end`, as far as they are indented deeper
    /// than `column`. They belong to the lines above.
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

    /// Returns the end of the line that contains `place`, before its line break.
    pub(super) fn line_end(&self, place: usize) -> usize {
        let rest = self.text.get(place..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        place + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// Writes `a:` and each further name one level deeper, without a newline at the end.
fn block(names: &[String], value: &str, column: usize, newline: &str) -> String {
    let lines: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(depth, name)| format!("{:indent$}{}:", "", key_text(name), indent = column + depth * STEP))
        .collect();
    format!("{} {value}", lines.join(newline))
}

/// Writes `a: value` or `a: {b: value}`.
fn flow_entry(names: &[String], value: &str) -> String {
    match names.split_first() {
        Some((name, [])) => format!("{}: {value}", key_text(name)),
        Some((name, rest)) => format!("{}: {}", key_text(name), flow(rest, value)),
        None => value.to_owned(),
    }
}

/// Writes `{a: {b: value}}`.
fn flow(names: &[String], value: &str) -> String {
    names.iter().rev().fold(value.to_owned(), |inner, name| format!("{{{}: {inner}}}", key_text(name)))
}

/// Applies the change to the JSON form of the configuration.
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
        // `splices` refuses this change with its own reason.
        _ => return,
    };
    put(child, rest, value);
}
