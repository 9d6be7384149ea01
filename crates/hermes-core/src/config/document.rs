//! A configuration as it was read: the text, and where in it everything stands.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::key::Key;
use super::scalar::meaning_of_plain;

/// Deeper than any configuration that a person keeps.
const DEPTH_MAX: usize = 64;

/// How many values a configuration may hold with its aliases written out. A few lines of aliases of aliases make billions.
const VALUES_MAX: usize = 100_000;

/// A configuration; the default one is empty.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub(super) text: String,
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

/// Where a text stops being YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong there.
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
    /// Where it stands in the text, in bytes. Of a block collection only the beginning is told.
    pub(super) span: Range<usize>,
    /// The line it begins in, from 1.
    line: usize,
    /// The column it begins in, in characters, from 0.
    pub(super) column: usize,
    /// How many values it holds, itself and what its aliases stand for included.
    values: usize,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar { text: String, plain: bool },
    Sequence { items: Vec<NodeId> },
    Mapping { entries: Vec<(NodeId, NodeId)> },
    Alias(NodeId),
}

impl Config {
    /// Reads a text. Nothing but comments is an empty configuration.
    ///
    /// # Errors
    /// It is not YAML, or more than one document, or larger than it has a right to be.
    pub fn parse(text: impl Into<String>) -> Result<Self, SyntaxError> {
        let text = text.into();
        let mut builder = Builder::new(&text);
        let root = builder.document()?;
        let nodes = builder.nodes;
        Ok(Self { text, nodes, root })
    }

    /// The text, as it would be written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value at `key`; nothing where there is none. Of a name that stands there twice the last one counts.
    pub fn get(&self, key: &Key) -> Option<Setting<'_>> {
        let mut node = self.root?;
        for name in key.names() {
            node = self.child(node, name)?.1;
        }
        Some(Setting { config: self, node })
    }

    /// Every value that is no collection, and every empty collection, with its key, in the order of the file.
    pub fn list(&self) -> Vec<(Key, Setting<'_>)> {
        let mut found = Vec::new();
        if let Some(root) = self.root
            && self.json(root) != Value::Null
        {
            self.collect(Key::root(), root, &mut found);
        }
        found
    }

    /// All of it.
    pub fn to_json(&self) -> Value {
        self.root.map_or(Value::Null, |root| self.json(root))
    }

    pub(super) fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The key and the value under `name`; in a list the value twice.
    pub(super) fn child(&self, parent: NodeId, name: &str) -> Option<(NodeId, NodeId)> {
        match &self.target(parent).content {
            Content::Mapping { entries } => {
                entries.iter().rev().copied().find(|&(key, _)| self.name(key) == name)
            }
            Content::Sequence { items } => {
                let item = *items.get(name.parse::<usize>().ok()?)?;
                Some((item, item))
            }
            Content::Scalar { .. } | Content::Alias(_) => None,
        }
    }

    /// What an alias stands for, and everything else itself.
    fn target(&self, id: NodeId) -> &Node {
        let mut node = self.node(id);
        // An alias stands for something before it, so this ends.
        while let Content::Alias(target) = node.content {
            node = self.node(target);
        }
        node
    }

    /// The name that a key stands for; one that is a collection is called as it is written.
    fn name(&self, key: NodeId) -> &str {
        match &self.target(key).content {
            Content::Scalar { text, .. } => text,
            _ => self.text.get(self.node(key).span.clone()).unwrap_or_default(),
        }
    }

    fn json(&self, id: NodeId) -> Value {
        match &self.target(id).content {
            Content::Scalar { text, plain: true } => meaning_of_plain(text),
            Content::Scalar { text, plain: false } => Value::String(text.clone()),
            Content::Sequence { items } => items.iter().map(|&item| self.json(item)).collect(),
            Content::Mapping { entries } => entries
                .iter()
                .map(|&(key, value)| (self.name(key).to_owned(), self.json(value)))
                .collect::<Map<_, _>>()
                .into(),
            Content::Alias(_) => Value::Null,
        }
    }

    fn collect<'a>(&'a self, key: Key, node: NodeId, found: &mut Vec<(Key, Setting<'a>)>) {
        match &self.target(node).content {
            Content::Mapping { entries } if !entries.is_empty() => {
                for &(name, value) in entries {
                    self.collect(key.child(self.name(name)), value, found);
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
    /// The text of a single value, as it was meant and not as it was quoted; nothing for a collection.
    pub fn text(&self) -> Option<&'a str> {
        match &self.config.target(self.node).content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is there and says nothing: `key:`, `key: ~`, `key: null`.
    pub fn is_null(&self) -> bool {
        self.json().is_null()
    }

    /// The value with its type.
    pub fn json(&self) -> Value {
        self.config.json(self.node)
    }

    /// The line it begins in, from 1.
    pub fn line(&self) -> usize {
        self.config.node(self.node).line
    }
}

/// Makes nodes of the parser's events.
struct Builder<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    text: &'t str,
    /// Where each character begins, when they are not one byte each.
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
        let mut values = 1;
        let (anchor, content) = match event {
            Event::Alias(anchor) => {
                let target = *self.anchors.get(&anchor).ok_or_else(|| {
                    error_at(span.start, "this alias stands for something that it is a part of")
                })?;
                values = self.nodes[target.0].values;
                (0, Content::Alias(target))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                (anchor, Content::Scalar { text: text.into_owned(), plain })
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
                (anchor, Content::Sequence { items })
            }
            Event::MappingStart(anchor, _) => {
                let mut entries = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::MappingEnd, span) => break span.end,
                        (event, span) => {
                            let key = self.value(event, span, depth + 1)?;
                            let (event, span) = self.next()?;
                            entries.push((key, self.value(event, span, depth + 1)?));
                        }
                    }
                };
                bytes.end = self.byte(end);
                values += entries
                    .iter()
                    .map(|(key, value)| self.nodes[key.0].values + self.nodes[value.0].values)
                    .sum::<usize>();
                (anchor, Content::Mapping { entries })
            }
            _ => return Err(error_at(span.start, "a value is missing here")),
        };
        if values > VALUES_MAX {
            return Err(error_at(span.start, "this holds too much, perhaps by its aliases"));
        }
        let id = NodeId(self.nodes.len());
        let (line, column) = (span.start.line(), span.start.col());
        self.nodes.push(Node { span: bytes, line, column, values, content });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
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
