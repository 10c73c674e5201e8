//! A tree → serde's types, with the place and the path of what does not fit.
//!
//! As docker compose reads its files: a number or a truth may be written as text, and the other way round; a mapping that
//! becomes a struct may have keys that begin with `x-` (compose-spec, "Extension") or have no value; one that becomes a map keeps them.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::{Entry, Node, Value, scalar};
use crate::error::{At, Error, Problem};

/// What a tree is as a type.
///
/// # Errors
/// `At`, with `UnknownKey` or `Type`. `path` is where the tree is in its document.
pub fn from_node<T: DeserializeOwned>(node: &Node, path: &str) -> Result<T, Error> {
    read(Tree { node, strict: false }, path)
}

/// The same as JSON has it, as Kubernetes reads manifests: a number is no text, and no key is special.
///
/// # Errors
/// `At`, with `UnknownKey` or `Type`.
pub fn from_node_strictly<T: DeserializeOwned>(node: &Node) -> Result<T, Error> {
    read(Tree { node, strict: true }, "")
}

fn read<T: DeserializeOwned>(tree: Tree<'_>, path: &str) -> Result<T, Error> {
    let node = tree.node;
    T::deserialize(tree).map_err(|error| {
        let mut keys: Vec<String> = error.path.into_iter().rev().collect();
        if !path.is_empty() {
            keys.insert(0, path.to_owned());
        }
        let path = if keys.is_empty() { "top level".to_owned() } else { keys.join(".") };
        let problem = match error.kind {
            Kind::UnknownKey(key) => Problem::UnknownKey { path, key },
            Kind::Other(message) => Problem::Type { path, message },
        };
        problem.at(error.at.as_ref().unwrap_or(&node.at))
    })
}

/// A scalar as text; `None` for lists, mappings and null.
pub fn string_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// What serde says is wrong.
#[derive(Debug)]
pub struct Misfit {
    at: Option<At>,
    /// Innermost first.
    path: Vec<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    UnknownKey(String),
    Other(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::UnknownKey(key) => write!(f, "unknown key {key:?}"),
            Kind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Misfit {
        Misfit { at: None, path: Vec::new(), kind: Kind::Other(message.to_string()) }
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Misfit {
        Misfit { at: None, path: Vec::new(), kind: Kind::UnknownKey(field.to_owned()) }
    }
}

impl Misfit {
    fn within(mut self, at: &At, key: Option<&str>) -> Misfit {
        self.at.get_or_insert_with(|| at.clone());
        self.path.extend(key.map(str::to_owned));
        self
    }
}

/// A number that is written as text too.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            let found = self.text().and_then(|text| scalar::number(text.trim()));
            match found {
                Some(Value::Int(value)) => visitor.visit_i64(value),
                Some(Value::Float(value)) => visitor.visit_f64(value),
                _ => self.deserialize_any(visitor),
            }.map_err(|error| error.within(&self.node.at, None))
        })*
    };
}

/// A tree, and how it is read.
#[derive(Clone, Copy)]
struct Tree<'de> {
    node: &'de Node,
    strict: bool,
}

impl Tree<'_> {
    /// The text that may stand for a number or a truth.
    fn text(&self) -> Option<&str> {
        self.node.as_str().filter(|_| !self.strict)
    }
}

impl<'de> de::Deserializer<'de> for Tree<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate(), strict: self.strict }),
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), current: None, skip_extensions: false, strict: self.strict })
            }
        };
        result.map_err(|error| error.within(&self.node.at, None))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text() {
            Some("true" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "1") => visitor.visit_bool(true),
            Some("false" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "0") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
    deserialize_u64 deserialize_f32 deserialize_f64 }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match string_of(self.node) {
            Some(text) if !self.strict => visitor.visit_string(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Map(entries) => {
                let entries =
                    Entries { entries: entries.iter(), current: None, skip_extensions: !self.strict, strict: self.strict };
                visitor.visit_map(entries).map_err(|error| error.within(&self.node.at, None))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let text = string_of(self.node).ok_or_else(|| de::Error::custom("a word is expected"));
        let result = text.and_then(|text| visitor.visit_enum(IntoDeserializer::<Misfit>::into_deserializer(text)));
        result.map_err(|error| error.within(&self.node.at, None))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    strict: bool,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        let tree = Tree { node: item, strict: self.strict };
        seed.deserialize(tree).map(Some).map_err(|error| error.within(&item.at, Some(&index.to_string())))
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
    skip_extensions: bool,
    strict: bool,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let skip = self.skip_extensions;
        let counts = |entry: &&Entry| !skip || !(entry.key.starts_with("x-") || entry.value.value == Value::Null);
        let Some(entry) = self.entries.by_ref().find(counts) else { return Ok(None) };
        self.current = Some(entry);
        let key: de::value::StrDeserializer<'_, Misfit> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.within(&entry.key_at, None))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        let entry = self.current.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        let tree = Tree { node: &entry.value, strict: self.strict };
        seed.deserialize(tree).map_err(|error| error.within(&entry.value.at, Some(&entry.key)))
    }
}
