//! Setting one value: the characters that it is about are replaced, and nothing else.

use std::ops::Range;

use serde_json::{Map, Value};

use super::document::{Config, Content, NodeId};
use super::key::Key;
use super::scalar::{written, written_name};

/// How far a mapping that we begin stands in from the one around it.
const STEP: usize = 2;

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
        let (range, new) = self.splice(key, &written)?;
        let mut text = self.text.clone();
        text.replace_range(range, &new);
        match Self::parse(text) {
            Ok(changed) if changed.to_json() == expected => {
                *self = changed;
                Ok(())
            }
            _ => Err(SetError::NotAlone { key: key.clone() }),
        }
    }

    /// Which bytes are replaced, by what.
    fn splice(&self, key: &Key, value: &str) -> Result<(Range<usize>, String), SetError> {
        let names = key.names();
        let Some(root) = self.root().filter(|&root| !self.is_nothing(root)) else {
            let newline = self.newline();
            let begin = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { newline };
            let lines = block(names, value, 0, newline);
            return Ok((self.text.len()..self.text.len(), format!("{begin}{lines}{newline}")));
        };
        let mut node = root;
        for (depth, name) in names.iter().enumerate() {
            match self.child(node, name) {
                Some((_, child)) if depth + 1 == names.len() && !self.is_nothing(child) => {
                    return match &self.node(child).content {
                        Content::Scalar { .. } => Ok((self.node(child).span.clone(), value.to_owned())),
                        Content::Alias(_) => Err(SetError::NotAlone { key: key.clone() }),
                        _ => Err(SetError::Collection { key: key.clone() }),
                    };
                }
                Some((name, child)) if self.is_nothing(child) => {
                    return self
                        .fill(node, name, child, &names[depth + 1..], value)
                        .ok_or_else(|| SetError::NotAlone { key: key.clone() });
                }
                Some((_, child)) => node = child,
                None => {
                    return match &self.node(node).content {
                        Content::Mapping { entries } => {
                            Ok(self.insert(node, entries, &names[depth..], value))
                        }
                        Content::Alias(_) => Err(SetError::NotAlone { key: key.clone() }),
                        _ => Err(SetError::NotAMapping { key: key.first(depth) }),
                    };
                }
            }
        }
        Err(SetError::NotAlone { key: key.clone() })
    }

    /// `name:` with nothing behind it gets its value.
    fn fill(
        &self,
        parent: NodeId,
        name: NodeId,
        nothing: NodeId,
        rest: &[String],
        value: &str,
    ) -> Option<(Range<usize>, String)> {
        if name == nothing {
            return None;
        }
        let after_name = self.node(name).span.end;
        let colon = after_name + self.text.get(after_name..)?.find(':')? + 1;
        if rest.is_empty() {
            return Some((colon..colon, format!(" {value}")));
        }
        if self.is_flow(parent) {
            return Some((colon..colon, format!(" {}", flow(rest, value))));
        }
        let end = self.line_end(colon);
        let newline = self.newline();
        let lines = block(rest, value, self.node(name).column + STEP, newline);
        Some((end..end, format!("{newline}{lines}")))
    }

    /// A mapping gets an entry, after its last.
    fn insert(
        &self,
        mapping: NodeId,
        entries: &[(NodeId, NodeId)],
        names: &[String],
        value: &str,
    ) -> (Range<usize>, String) {
        if self.is_flow(mapping) {
            let span = &self.node(mapping).span;
            let inside = self.text.get(span.start..span.end.saturating_sub(1)).unwrap_or_default().trim_end();
            let place = span.start + inside.len();
            let (name, rest) = (written_name(&names[0]), &names[1..]);
            let value = if rest.is_empty() { value.to_owned() } else { flow(rest, value) };
            let comma = if inside.ends_with(['{', ',']) { "" } else { "," };
            let space = if inside.ends_with('{') { "" } else { " " };
            return (place..place, format!("{comma}{space}{name}: {value}"));
        }
        let column = entries.first().map_or(0, |&(first, _)| self.node(first).column);
        let end = self.line_end(self.content_end(mapping));
        let newline = self.newline();
        let lines = block(names, value, column, newline);
        (end..end, format!("{newline}{lines}"))
    }

    /// Whether there is a place for a value and no value.
    fn is_nothing(&self, id: NodeId) -> bool {
        let node = self.node(id);
        matches!(&node.content, Content::Scalar { text, plain: true } if text.is_empty())
    }

    fn is_flow(&self, id: NodeId) -> bool {
        self.text.get(self.node(id).span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Where the last thing that belongs to a node ends, comments and blank lines after it left out.
    fn content_end(&self, id: NodeId) -> usize {
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

    /// The end of the line that `place` is in, before what ends it.
    fn line_end(&self, place: usize) -> usize {
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
