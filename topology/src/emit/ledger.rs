//! What of the model an output has said. It starts with every field, so nothing can be forgotten.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A field that an output does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// `None`: of the whole application.
    pub service: Option<String>,
    /// Path in the model, such as `ports[0].published`.
    pub field: String,
    pub reason: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(f, "{service}: ")?;
        }
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// The fields of a part of the model.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    json: Value,
    done: Vec<String>,
    /// Field → why not.
    lost: BTreeMap<String, String>,
}

impl Ledger {
    /// All that a part of the model states.
    pub fn of<T: Serialize>(part: &T) -> Ledger {
        // Keys are strings; nothing else can fail.
        Ledger { json: serde_json::to_value(part).unwrap_or_default(), ..Ledger::default() }
    }

    /// A field, and all below it, is said.
    pub fn done(&mut self, field: &str) {
        self.done.push(field.to_owned());
    }

    /// A field is not said, and why.
    pub fn lost(&mut self, field: &str, reason: &str) {
        self.lost.insert(field.to_owned(), reason.to_owned());
    }

    /// What is not said, the largest parts of which nothing is.
    pub fn losses(&self, service: Option<&str>, why: &str) -> Vec<Loss> {
        let mut fields = Vec::new();
        if let Value::Object(parts) = &self.json {
            parts.iter().for_each(|(key, value)| self.open(key, value, &mut fields));
        }
        let reason = |field: &str| {
            let stated = self.lost.iter().filter(|(lost, _)| covers(lost, field)).max_by_key(|(lost, _)| lost.len());
            stated.map_or_else(|| why.to_owned(), |(_, reason)| reason.clone())
        };
        let ignored = |field: &str| self.ignored(field).unwrap_or_else(|| (field.to_owned(), reason(field)));
        let loss = |field: String| {
            let (field, reason) = ignored(&field);
            Loss { service: service.map(str::to_owned), field, reason }
        };
        fields.into_iter().map(loss).collect()
    }

    /// An entry of `ignored` tells its field and its reason itself.
    fn ignored(&self, field: &str) -> Option<(String, String)> {
        let index: usize = field.strip_prefix("ignored[")?.split(']').next()?.parse().ok()?;
        let entry = self.json.get("ignored")?.get(index)?;
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("field")?, text("reason")?))
    }

    /// What of a part is not said. The longest path that covers a field decides.
    fn open(&self, path: &str, value: &Value, fields: &mut Vec<String>) {
        let longest = |paths: &mut dyn Iterator<Item = &String>| paths.filter(|one| covers(one, path)).map(String::len).max();
        let (said, lost) = (longest(&mut self.done.iter()), longest(&mut self.lost.keys()));
        let divided = self.done.iter().chain(self.lost.keys()).any(|one| covers(path, one) && one != path) || path == "ignored";
        match value {
            Value::Object(parts) if parts.is_empty() => {}
            Value::Object(parts) if divided => {
                parts.iter().for_each(|(key, value)| self.open(&format!("{path}.{key}"), value, fields));
            }
            Value::Array(items) if divided => {
                items.iter().enumerate().for_each(|(index, item)| self.open(&format!("{path}[{index}]"), item, fields));
            }
            _ if said > lost => {}
            _ => fields.push(path.to_owned()),
        }
    }
}

/// Whether a path is another or leads to it.
fn covers(path: &str, other: &str) -> bool {
    other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_lost() {
        let part = serde_json::json!({"a": {"b": 1, "c": {"d": 2}}, "e": [{"f": 1}, {"f": 2, "g": 3}], "ee": 1});
        let mut ledger = Ledger::of(&part);
        let lost = |ledger: &Ledger| ledger.losses(None, "why").iter().map(Loss::to_string).collect::<Vec<_>>();
        assert_eq!(lost(&ledger), ["a: why", "e: why", "ee: why"]);
        ledger.done("a.b");
        ledger.done("e[0]");
        ledger.lost("e[1].g", "other");
        assert_eq!(lost(&ledger), ["a.c: why", "e[1].f: why", "e[1].g: other", "ee: why"]);
        ledger.done("e");
        assert_eq!(lost(&ledger), ["a.c: why", "e[1].g: other", "ee: why"]);
    }
}
