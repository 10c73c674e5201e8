//! YAML as a tree in which each node knows its place. Compose and Kubernetes files are read through it.

mod de;
mod scalar;

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, options};

pub use de::{from_node, from_node_strictly, string_of};
pub use scalar::number;

use crate::error::{At, Error, Problem};

/// What a file may have with its aliases resolved, so that a small file cannot fill the memory ("billion laughs").
const MAX_NODES: usize = 1_000_000;
const MAX_DEPTH: usize = 200;

/// A node and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: At,
    /// compose: `!reset` and `!override`.
    pub tag: Option<Tag>,
}

/// A node's content, as the core schema of YAML 1.2 resolves it, and the old octal numbers (`0755`), which Go's parsers know.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Node>),
    /// In the order of the file; no key twice.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_at: At,
    pub value: Node,
}

/// What merging a compose file over another does with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Take away what the other file has.
    Reset,
    /// Replace it.
    Override,
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries; none if this is no mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The same, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries_mut().iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// The entries, to change; none if this is no mapping.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        match &mut self.value {
            Value::Map(entries) => entries,
            _ => &mut [],
        }
    }

    /// The text, if it is some.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Sets a key of a mapping.
    pub fn set(&mut self, key: &str, value: Node) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.value = value,
            None => entries.push(Entry { key: key.into(), key_at: value.at.clone(), value }),
        }
    }

    /// Takes a key out of a mapping.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index).value)
    }

    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::String(value) => value.clone().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}

/// The documents of a file; those that are empty are left out.
///
/// # Errors
/// `At`, with `Syntax`, `DuplicateKey`, `Key`, `Tag`, `MergeKey` or `TooLarge`.
pub fn parse(file: &str, text: &str) -> Result<Vec<Node>, Error> {
    let mut builder = Builder { file: file.into(), anchors: Vec::new(), nodes: 0 };
    let options = options! { emit_comments: false };
    // A byte order mark is no content (YAML 1.2, 5.2).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut events = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    while let Some((event, at)) = builder.next(&mut events)? {
        if matches!(event, Event::DocumentStart(..)) {
            builder.anchors.clear();
            continue;
        }
        if event.is_node() {
            let node = builder.node(event, at, &mut events, 0)?;
            if node.value != Value::Null {
                documents.push(node);
            }
        }
    }
    Ok(documents)
}

struct Builder {
    file: Arc<str>,
    /// By number.
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

type Events<'i> = Parser<'i, granit_parser::StrInput<'i>>;

impl Builder {
    fn next<'i>(&self, events: &mut Events<'i>) -> Result<Option<(Event<'i>, At)>, Error> {
        let Some(next) = events.next() else { return Ok(None) };
        let place = |mark: &granit_parser::Marker| At {
            file: self.file.clone(),
            line: mark.line() as u32,
            column: mark.col() as u32 + 1,
        };
        match next {
            Ok((event, span)) => Ok(Some((event, place(&span.start)))),
            Err(error) => Err(Problem::Syntax(error.kind().to_string()).at(&place(error.marker()))),
        }
    }

    /// The node that begins with an event.
    fn node<'i>(&mut self, event: Event<'i>, at: At, events: &mut Events<'i>, depth: usize) -> Result<Node, Error> {
        if depth > MAX_DEPTH {
            return Err(Problem::TooLarge(MAX_NODES, MAX_DEPTH).at(&at));
        }
        let tag = match event.tag() {
            Some(tag) if tag.handle() == "!" && tag.suffix() == "reset" => Some(Tag::Reset),
            Some(tag) if tag.handle() == "!" && tag.suffix() == "override" => Some(Tag::Override),
            Some(tag) if tag.handle() == "tag:yaml.org,2002:" || tag.suffix().is_empty() => None,
            Some(tag) => return Err(Problem::Tag(format!("the tag {}{}", tag.handle(), tag.suffix())).at(&at)),
            None => None,
        };
        let is_text = event.tag().is_some_and(|tag| tag.handle() == "tag:yaml.org,2002:" && tag.suffix() == "str");
        let anchor = event.anchor_id().filter(|id| *id != 0);
        let value = match event {
            Event::Alias(id) => {
                let found = self.anchors.iter().rev().find(|(anchor, _)| *anchor == id).map(|(_, node)| node.clone());
                // An alias within its own anchor's node.
                let node = found.ok_or_else(|| Problem::Circle("an alias".into()).at(&at))?;
                self.count(size(&node), &at)?;
                return Ok(node);
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if !is_text => scalar::resolve(&text),
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(events, depth)?),
            Event::MappingStart(..) => Value::Map(self.map(events, depth)?),
            _ => return Err(Problem::Syntax("unexpected end".into()).at(&at)),
        };
        self.count(1, &at)?;
        let node = Node { value, at, tag };
        if let Some(id) = anchor {
            self.anchors.push((id, node.clone()));
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, at: &At) -> Result<(), Error> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(Problem::TooLarge(MAX_NODES, MAX_DEPTH).at(at)) } else { Ok(()) }
    }

    fn list(&mut self, events: &mut Events<'_>, depth: usize) -> Result<Vec<Node>, Error> {
        let mut items = Vec::new();
        while let Some((event, at)) = self.next(events)? {
            match event {
                Event::SequenceEnd => break,
                event => items.push(self.node(event, at, events, depth + 1)?),
            }
        }
        Ok(items)
    }

    fn map(&mut self, events: &mut Events<'_>, depth: usize) -> Result<Vec<Entry>, Error> {
        let (mut entries, mut merged): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        while let Some((event, key_at)) = self.next(events)? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge = matches!(event.scalar(), Some(("<<", ScalarStyle::Plain)));
            let key = self.node(event, key_at.clone(), events, depth + 1)?;
            let Some((event, at)) = self.next(events)? else { break };
            let value = self.node(event, at, events, depth + 1)?;
            if is_merge {
                self.merge(value, &mut merged)?;
                continue;
            }
            let key = string_of(&key).ok_or_else(|| Problem::Key.at(&key_at))?;
            if entries.iter().any(|entry| entry.key == key) {
                return Err(Problem::DuplicateKey(key).at(&key_at));
            }
            entries.push(Entry { key, key_at, value });
        }
        // What is stated here wins over what is merged in (yaml.org/type/merge.html).
        merged.retain(|entry| !entries.iter().any(|stated| stated.key == entry.key));
        entries.extend(merged);
        Ok(entries)
    }

    /// `<<`: a mapping, or a list of such of which the first wins.
    fn merge(&mut self, value: Node, merged: &mut Vec<Entry>) -> Result<(), Error> {
        let sources = match value.value {
            Value::Map(entries) => vec![entries],
            Value::List(items) => {
                let maps = items.into_iter().map(|item| match item.value {
                    Value::Map(entries) => Ok(entries),
                    _ => Err(Problem::MergeKey.at(&item.at)),
                });
                maps.collect::<Result<_, _>>()?
            }
            _ => return Err(Problem::MergeKey.at(&value.at)),
        };
        for entry in sources.into_iter().flatten() {
            if !merged.iter().any(|old| old.key == entry.key) {
                merged.push(entry);
            }
        }
        Ok(())
    }
}

/// How many nodes a tree has.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let documents = parse("f", text).expect("YAML");
        documents.iter().map(|node| node.to_json().to_string()).collect::<Vec<_>>().join(" ")
    }

    fn error(text: &str) -> String {
        parse("f", text).expect_err("an error").to_string()
    }

    #[test]
    fn scalars_are_what_go_makes_of_them() {
        assert_eq!(
            json("[1, 0755, 0o17, 0x1F, 1_000, 1.5, yes, on, true, ~, '1', 1.2.3, 22:22]"),
            r#"[1,493,15,31,1000,1.5,"yes","on",true,null,"1","1.2.3","22:22"]"#
        );
        assert_eq!(json("!!str 12"), r#""12""#);
        assert_eq!(json("a: 1\n---\n---\nb:\n"), r#"{"a":1} {"b":null}"#);
    }

    #[test]
    fn merge_keys_give_way() {
        assert_eq!(json("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}"), r#"{"x":{"a":1,"b":2},"y":{"a":1,"b":3}}"#);
        assert_eq!(json("- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y]}"), r#"[{"a":1},{"a":2,"b":2},{"a":1,"b":2}]"#);
    }

    #[test]
    fn errors_name_their_place() {
        assert_eq!(error("a: 1\nb: 2\na: 3"), "f:3:1: the key \"a\" is stated twice");
        assert_eq!(error("a: !secret x"), "f:1:12: the tag !secret has no meaning here");
        assert!(error("a: [1\nb: 2").starts_with("f:2:"));
        assert_eq!(error("[1]: 2"), "f:1:1: a key that is not text");
        assert_eq!(error("a: {<<: 3}"), "f:1:9: `<<` merges mappings only");
        let laughs = (1..9).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
            let items = vec![format!("*a{}", n - 1); 10].join(",");
            format!("{text}a{n}: &a{n} [{items}]\n")
        });
        assert!(error(&laughs).contains("more than 1000000 nodes"));
        assert!(error(&"[".repeat(300)).contains("f:1:"));
    }
}
