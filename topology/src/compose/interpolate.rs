//! Variables in a compose file (compose-spec 12, "Interpolation").

use std::collections::{BTreeMap, BTreeSet};

use crate::dollars;
use crate::error::{Error, Problem};
use crate::yaml::{Node, Value};

/// Where variables come from: first the environment of whoever runs hoist, then `.env` files.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The environment of the process.
    pub process: BTreeMap<String, String>,
    /// What `.env` files say.
    pub files: BTreeMap<String, String>,
}

impl Environment {
    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.process.get(name).or_else(|| self.files.get(name)).map(String::as_str)
    }
}

/// Replaces variables in all values of a tree; keys stay. Names of variables that are not set, and have no default, go to `unset`.
///
/// # Errors
/// `At`, with `Interpolation` or `Required`.
pub fn interpolate(node: &mut Node, environment: &Environment, unset: &mut BTreeSet<String>) -> Result<(), Error> {
    match &mut node.value {
        Value::String(text) if text.contains('$') => {
            *text = substitute(text, &|name| environment.get(name).map(str::to_owned), unset)
                .map_err(|problem| problem.at(&node.at))?;
        }
        Value::List(items) => items.iter_mut().try_for_each(|item| interpolate(item, environment, unset))?,
        Value::Map(entries) => entries.iter_mut().try_for_each(|entry| interpolate(&mut entry.value, environment, unset))?,
        _ => {}
    }
    Ok(())
}

/// How deep defaults may hold variables.
const MAX_NESTING: usize = 50;

/// Replaces the variables in a text.
///
/// # Errors
/// `Interpolation`, `Required`.
pub fn substitute(text: &str, lookup: &dyn Fn(&str) -> Option<String>, unset: &mut BTreeSet<String>) -> Result<String, Problem> {
    Substitution { whole: text, lookup, unset }.text(text, 0)
}

struct Substitution<'a> {
    /// For messages.
    whole: &'a str,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    unset: &'a mut BTreeSet<String>,
}

impl Substitution<'_> {
    fn invalid(&self) -> Problem {
        Problem::Interpolation(self.whole.to_owned())
    }

    fn text(&mut self, text: &str, depth: usize) -> Result<String, Problem> {
        if depth > MAX_NESTING {
            return Err(self.invalid());
        }
        dollars::replace(text, |rest, out| {
            if let Some(after) = rest.strip_prefix('{') {
                let end = closing(after).ok_or_else(|| self.invalid())?;
                out.push_str(&self.braced(&after[..end], depth)?);
                return Ok(&after[end + 1..]);
            }
            let (name, after) = name(rest);
            if name.is_empty() {
                return Err(self.invalid());
            }
            out.push_str(&self.value(name));
            Ok(after)
        })
    }

    /// What stands between braces.
    fn braced(&mut self, inside: &str, depth: usize) -> Result<String, Problem> {
        let (name, operation) = name(inside);
        if name.is_empty() {
            return Err(self.invalid());
        }
        if operation.is_empty() {
            return Ok(self.value(name));
        }
        let value = (self.lookup)(name);
        let (value, operation) = match operation.strip_prefix(':') {
            Some(operation) => (value.filter(|value| !value.is_empty()), operation),
            None => (value, operation),
        };
        let mut words = operation.chars();
        let (operator, word) = (words.next(), words.as_str());
        match (operator, value) {
            (Some('-'), Some(value)) | (Some('?'), Some(value)) => Ok(value),
            (Some('-'), None) | (Some('+'), Some(_)) => self.text(word, depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => {
                let message = self.text(word, depth + 1)?;
                Err(Problem::Required { name: name.to_owned(), message })
            }
            _ => Err(self.invalid()),
        }
    }

    /// An unset variable is nothing, and worth a warning.
    fn value(&mut self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_else(|| {
            self.unset.insert(name.to_owned());
            String::new()
        })
    }
}

/// The variable's name at the start of a text, and the rest.
fn name(text: &str) -> (&str, &str) {
    let is_start = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(if is_start { end } else { 0 })
}

/// Where the brace closes that is open before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if last == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        last = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        substitute(text, &lookup, &mut BTreeSet::new()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn all_forms() {
        let cases = [
            ("$A-${A}-$$A", "a-a-$A"),
            ("${EMPTY:-x}${EMPTY-x}${NONE:-y}${NONE-z}", "xyz"),
            ("${A:+set}${EMPTY:+set}${EMPTY+set}${NONE+set}", "setset"),
            ("${NONE:-${NONE:-${A}}}", "a"),
            ("${NONE:-a:b/c}", "a:b/c"),
            ("${A?x}${EMPTY?x}", "a"),
            ("${NONE}", ""),
            ("${NONE:-{\"a\": 1}", "{\"a\": 1"),
        ];
        for (text, expected) in cases {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors() {
        assert_eq!(with("${NONE:?must be set}"), Err("required variable NONE is missing a value: must be set".into()));
        assert!(with("${EMPTY:?}").is_err() && with("${EMPTY?}").is_ok());
        for bad in ["$", "${", "${}", "${A", "$1", "${A!b}", "a $ b", "${A:b}"] {
            assert!(with(bad).is_err_and(|message| message.starts_with("invalid interpolation format")), "{bad}");
        }
    }
}
