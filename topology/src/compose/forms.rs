//! Values that compose files write in several ways.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

use super::short;

/// A text, or a list of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts(pub Vec<String>);

/// A command: nothing, a line that is split as a shell does, or a list. `None` if the file says `null`, which is as if it said nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command(pub Option<Vec<String>>);

/// Pairs: a mapping, or a list of `NAME=VALUE`. A name without a value has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs(pub Vec<(String, Option<String>)>);

/// A struct, or its short form.
#[derive(Clone, Debug, PartialEq)]
pub struct Either<T>(pub T);

/// What has a short form.
pub trait Short: DeserializeOwned {
    /// # Errors
    /// What is wrong with the text.
    fn from_short(text: &str) -> Result<Self, String>;
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration(pub u64);

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

/// A name, or `true`/`false`, or a mapping with a name: `external`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct External {
    pub external: bool,
    pub name: Option<String>,
}

/// Text from any scalar.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        String::deserialize(deserializer).map(Text)
    }
}

/// The visits of a scalar, which all end in `$of`.
macro_rules! scalars {
    ($of:ident) => {
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            self.$of(text.to_owned())
        }
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            self.$of(value.to_string())
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
            self.$of(value.to_string())
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
            self.$of(value.to_string())
        }
    };
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct V;
        impl V {
            fn one<E>(self, text: String) -> Result<Texts, E> {
                Ok(Texts(vec![text]))
            }
        }
        impl<'de> Visitor<'de> for V {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            scalars!(one);
            fn visit_unit<E>(self) -> Result<Texts, E> {
                Ok(Texts::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = items.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Command, D::Error> {
        struct V;
        impl V {
            fn line<E: de::Error>(self, text: String) -> Result<Command, E> {
                let words = shlex::split(&text);
                let words = words.ok_or_else(|| E::custom(format!("{text:?} has a quote that is not closed")))?;
                Ok(Command(Some(words)))
            }
        }
        impl<'de> Visitor<'de> for V {
            type Value = Command;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            scalars!(line);
            fn visit_unit<E>(self) -> Result<Command, E> {
                Ok(Command(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Command, A::Error> {
                let texts = Texts::deserialize(de::value::SeqAccessDeserializer::new(items))?;
                Ok(Command(Some(texts.0)))
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping or a list of NAME=VALUE")
            }
            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Text(text)) = items.next_element()? {
                    pairs.push(match text.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    });
                }
                Ok(Pairs(pairs))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = entries.next_entry::<String, Option<Text>>()? {
                    pairs.push((name, value.map(|Text(text)| text)));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(V)
    }
}

impl<'de, T: Short> Deserialize<'de> for Either<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Either<T>, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<T: Short> V<T> {
            fn short<E: de::Error>(self, text: String) -> Result<Either<T>, E> {
                T::from_short(&text).map(Either).map_err(E::custom)
            }
        }
        impl<'de, T: Short> Visitor<'de> for V<T> {
            type Value = Either<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a mapping")
            }
            scalars!(short);
            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Either<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(entries)).map(Either)
            }
        }
        // As a struct, so that its extensions are left out.
        deserializer.deserialize_struct("", &[], V(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || de::Error::custom(format!("{text:?} is no duration, such as 1m30s"));
        short::duration(&text).map(Duration).ok_or_else(invalid)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || de::Error::custom(format!("{text:?} is no size, such as 64m"));
        short::size(&text).map(Size).ok_or_else(invalid)
    }
}

impl<'de> Deserialize<'de> for External {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<External, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = External;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }
            fn visit_bool<E>(self, external: bool) -> Result<External, E> {
                Ok(External { external, name: None })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<External, E> {
                let external = text.parse().map_err(|_| E::custom(format!("{text:?} is neither true nor false")))?;
                Ok(External { external, name: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<External, A::Error> {
                let mut name = None;
                while let Some(key) = entries.next_key::<String>()? {
                    match key.as_str() {
                        "name" => name = Some(entries.next_value::<String>()?),
                        _ => return Err(de::Error::unknown_field(&key, &["name"])),
                    }
                }
                Ok(External { external: true, name })
            }
        }
        deserializer.deserialize_any(V)
    }
}
