//! A parsed configuration: the text and the position of each value.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::key::Key;
use super::scalar::meaning_of_plain;

/// The deepest nesting that is accepted.
const DEPTH_MAX: usize = 64;

/// The largest number of values with aliases expanded. A few lines of nested aliases would make billions.
const VALUES_MAX: usize = 100_000;

/// The deepest nesting with aliases expanded. Each level of a merge key adds one.
const HEIGHT_MAX: usize = 4 * DEPTH_MAX;

/// The number of bytes of text that count as one more value, since an alias repeats the text.
const BYTES_OF_A_VALUE: usize = 32;

/// A configuration. The default is empty.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) text: String,
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

/// The place and description of a syntax error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// The description.
    pub what: String,
}

/// A value that a configuration holds.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    config: &'a Config,
    node: NodeId,
}

/// The place of a node in `Config::nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(usize);

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The position in the text, in bytes. For a block collection, only the start is exact.
    pub(super) span: Range<usize>,
    /// The line of the start, from 1.
    line: usize,
    /// The column of the start, in characters, from 0.
    pub(super) column: usize,
    /// The number of values in it, counting itself and the targets of its aliases.
    values: usize,
    /// The depth of nesting, with aliases expanded.
    height: usize,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar { text: String, plain: bool, merge: bool },
    Sequence { items: Vec<NodeId> },
    Mapping { entries: Vec<(NodeId, NodeId)> },
    Alias(NodeId),
}

impl Config {
    /// Parses a text. A text of comments alone is an empty configuration.
    ///
    /// # Errors
    /// Fails if the text is not YAML, holds more than one document, or exceeds the limits of size and depth.
    pub fn parse(text: impl Into<String>) -> Result<Self, SyntaxError> {
        let text = text.into();
        let mut builder = Builder::new(&text);
        let root = builder.document()?;
        let nodes = builder.nodes;
        Ok(Self { text, nodes, root })
    }

    /// Returns the text of the configuration.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the value at `key`; `None` if there is none. The last of duplicate names counts.
    pub fn get(&self, key: &Key) -> Option<Setting<'_>> {
        let mut node = self.root?;
        for name in key.names() {
            node = self.merged_child(node, name)?;
        }
        Some(Setting { config: self, node })
    }

    /// Returns every scalar and every empty collection with its key, in the order of the file. Values that a
    /// later duplicate replaces are left out.
    pub fn list(&self) -> Vec<(Key, Setting<'_>)> {
        let mut found = Vec::new();
        if let Some(root) = self.root
            && self.json(root) != Value::Null
        {
            self.collect(Key::root(), root, &mut found);
        }
        found
    }

    /// Returns the whole configuration as JSON.
    pub fn to_json(&self) -> Value {
        self.root.map_or(Value::Null, |root| self.json(root))
    }

    pub(super) fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns the key node and the value node under `name`, without those of merge keys. For a list, both
    /// are the item.
    pub(super) fn child(&self, parent: NodeId, name: &str) -> Option<(NodeId, NodeId)> {
        match &self.target(parent).content {
            Content::Mapping { entries } => {
                entries.iter().rev().copied().find(|&(key, _)| self.name(key) == name && !self.is_merge(key))
            }
            Content::Sequence { items } => {
                let item = *items.get(name.parse::<usize>().ok()?)?;
                Some((item, item))
            }
            Content::Scalar { .. } | Content::Alias(_) => None,
        }
    }

    /// Returns the value under `name`: the node's own, else that of the mappings that it merges.
    fn merged_child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        if let Some((_, value)) = self.child(parent, name) {
            return Some(value);
        }
        self.merges(parent).into_iter().find_map(|mapping| self.merged_child(mapping, name))
    }

    /// Returns the mappings that the merge keys (`<<`) of a node name. The first that holds a name takes
    /// precedence, as in PyYAML.
    fn merges(&self, parent: NodeId) -> Vec<NodeId> {
        let Content::Mapping { entries } = &self.target(parent).content else { return Vec::new() };
        let mut found = Vec::new();
        for &(_, value) in entries.iter().filter(|&&(key, _)| self.is_merge(key)) {
            match &self.target(value).content {
                Content::Sequence { items } => found.extend(items),
                _ => found.push(value),
            }
        }
        found
    }

    fn is_merge(&self, key: NodeId) -> bool {
        is_merge(&self.nodes, key)
    }

    /// Returns the names and values of a mapping, those of its merge keys included. The last of duplicate
    /// names counts.
    fn entries(&self, mapping: NodeId) -> Vec<(&str, NodeId)> {
        let Content::Mapping { entries } = &self.target(mapping).content else { return Vec::new() };
        let merged = self.merges(mapping).into_iter().rev().flat_map(|merged| self.entries(merged));
        let own = entries.iter().filter(|&&(key, _)| !self.is_merge(key));
        merged.chain(own.map(|&(key, value)| (self.name(key), value))).collect()
    }

    fn target(&self, id: NodeId) -> &Node {
        target(&self.nodes, id)
    }

    /// Returns the name of a key. For a collection, the name is its text.
    fn name(&self, key: NodeId) -> &str {
        match &self.target(key).content {
            Content::Scalar { text, .. } => text,
            _ => self.text.get(self.node(key).span.clone()).unwrap_or_default(),
        }
    }

    fn json(&self, id: NodeId) -> Value {
        match &self.target(id).content {
            Content::Scalar { text, plain: true, .. } => meaning_of_plain(text),
            Content::Scalar { text, plain: false, .. } => Value::String(text.clone()),
            Content::Sequence { items } => items.iter().map(|&item| self.json(item)).collect(),
            Content::Mapping { .. } => self
                .entries(id)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), self.json(value)))
                .collect::<Map<_, _>>()
                .into(),
            Content::Alias(_) => Value::Null,
        }
    }

    fn collect<'a>(&'a self, key: Key, node: NodeId, found: &mut Vec<(Key, Setting<'a>)>) {
        match &self.target(node).content {
            Content::Mapping { entries } if !entries.is_empty() => {
                let entries = self.entries(node);
                let last: HashMap<&str, usize> =
                    entries.iter().enumerate().map(|(place, &(name, _))| (name, place)).collect();
                for (place, &(name, value)) in entries.iter().enumerate() {
                    // A later duplicate replaces the value.
                    if last.get(name) == Some(&place) {
                        self.collect(key.child(name), value, found);
                    }
                }
            }
            Content::Sequence { items } if !items.is_empty() => {
                for (place, &item) in items.iter().enumerate() {
                    self.collect(key.child(&place.to_string()), item, found);
                }
            }
            _ => found.push((key, Setting { config: self, node })),
        }
    }
}

impl<'a> Setting<'a> {
    /// Returns the text of a scalar without its quotes; `None` for a collection.
    pub fn text(&self) -> Option<&'a str> {
        match &self.config.target(self.node).content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns `true` for a null value: `key:`, `key: ~`, `key: null`.
    pub fn is_null(&self) -> bool {
        self.json().is_null()
    }

    /// Returns the value with its type.
    pub fn json(&self) -> Value {
        self.config.json(self.node)
    }

    /// Returns the line of the value, from 1.
    pub fn line(&self) -> usize {
        self.config.node(self.node).line
    }
}

/// Returns the target of an alias, and any other node itself.
fn target(nodes: &[Node], id: NodeId) -> &Node {
    let mut node = &nodes[id.0];
    // An alias refers to an earlier node, so the loop ends.
    while let Content::Alias(target) = node.content {
        node = &nodes[target.0];
    }
    node
}

/// Returns `true` if the key is a merge key, `<<`.
fn is_merge(nodes: &[Node], key: NodeId) -> bool {
    matches!(target(nodes, key).content, Content::Scalar { merge: true, .. })
}

/// Builds nodes from the events of the parser.
struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    text: &'t str,
    /// The byte offset of each character; `None` for ASCII text.
    starts: Option<Vec<usize>>,
    nodes: Vec<Node>,
    anchors: HashMap<usize, NodeId>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let starts = (!text.is_ascii()).then(|| text.char_indices().map(|(start, _)| start).collect());
        Self { parser: Parser::new_from_str(text), text, starts, nodes: Vec::new(), anchors: HashMap::new() }
    }

    fn document(&mut self) -> Result<Option<NodeId>, SyntaxError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => return Err(error_at(span.start, "a second document begins here")),
                event => root = Some(self.value(event, span, 0)?),
            }
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<NodeId, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(error_at(span.start, "this is nested too deeply"));
        }
        let mut bytes = self.byte(span.start)..self.byte(span.end);
        let (mut values, mut height) = (1, 1);
        let (anchor, content) = match event {
            Event::Alias(anchor) => {
                let target = *self.anchors.get(&anchor).ok_or_else(|| {
                    error_at(span.start, "this alias stands for something that it is a part of")
                })?;
                (values, height) = (self.nodes[target.0].values, self.nodes[target.0].height);
                (0, Content::Alias(target))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let has_tag =
                    |name| tag.as_ref().is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == name);
                let is_plain = style == ScalarStyle::Plain;
                let plain = is_plain && !has_tag("str");
                let merge = has_tag("merge") || is_plain && tag.is_none() && text == "<<";
                values += text.len() / BYTES_OF_A_VALUE;
                (anchor, Content::Scalar { text: text.into_owned(), plain, merge })
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, span) => break span.end,
                        (event, span) => items.push(self.value(event, span, depth + 1)?),
                    }
                };
                bytes.end = self.byte(end);
                values += items.iter().map(|item| self.nodes[item.0].values).sum::<usize>();
                height += items.iter().map(|item| self.nodes[item.0].height).max().unwrap_or(0);
                (anchor, Content::Sequence { items })
            }
            Event::MappingStart(anchor, _) => {
                let mut entries = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::MappingEnd, span) => break span.end,
                        (event, span) => {
                            let key = self.value(event, span, depth + 1)?;
                            if self.is_collection(key) {
                                // The text of a collection is its name.
                                values += self.nodes[key.0].span.len() / BYTES_OF_A_VALUE;
                            }
                            let (event, span) = self.next()?;
                            let value = self.value(event, span, depth + 1)?;
                            if is_merge(&self.nodes, key) && !self.is_mergeable(value) {
                                return Err(error_at(
                                    span.start,
                                    "a merge key (<<) needs a mapping or a list of mappings",
                                ));
                            }
                            entries.push((key, value));
                        }
                    }
                };
                bytes.end = self.byte(end);
                values += entries
                    .iter()
                    .map(|(key, value)| self.nodes[key.0].values + self.nodes[value.0].values)
                    .sum::<usize>();
                let heights = entries.iter().flat_map(|&(key, value)| [key, value]);
                height += heights.map(|node| self.nodes[node.0].height).max().unwrap_or(0);
                (anchor, Content::Mapping { entries })
            }
            _ => return Err(error_at(span.start, "a value is missing here")),
        };
        if values > VALUES_MAX {
            return Err(error_at(span.start, "this holds too much, perhaps by its aliases"));
        }
        if height > HEIGHT_MAX {
            return Err(error_at(span.start, "this is nested too deeply, perhaps by its aliases"));
        }
        let id = NodeId(self.nodes.len());
        let (line, column) = (span.start.line(), span.start.col());
        self.nodes.push(Node { span: bytes, line, column, values, height, content });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }

    fn is_collection(&self, id: NodeId) -> bool {
        !matches!(self.nodes[id.0].content, Content::Scalar { .. } | Content::Alias(_))
    }

    fn is_mergeable(&self, value: NodeId) -> bool {
        let is_mapping = |id: NodeId| matches!(target(&self.nodes, id).content, Content::Mapping { .. });
        match &target(&self.nodes, value).content {
            Content::Sequence { items } => items.iter().all(|&item| is_mapping(item)),
            _ => is_mapping(value),
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(error_at(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn byte(&self, marker: Marker) -> usize {
        let index = marker.index();
        match &self.starts {
            Some(starts) => starts.get(index).copied().unwrap_or(self.text.len()),
            None => index.min(self.text.len()),
        }
    }
}

fn error_at(place: Marker, what: impl Into<String>) -> SyntaxError {
    SyntaxError { line: place.line(), column: place.col() + 1, what: what.into() }
}
