//! One compose file over another, and one service over the one that it extends (compose-spec 13, "Merge").

use crate::error::{At, Error, Problem};
use crate::yaml::{Entry, Node, Tag, Value, string_of};

/// Brings the forms of a file's services to those that merge and read alike: lists of `K=V` become mappings, a single text a list,
/// `depends_on` and `networks` their long forms.
///
/// # Errors
/// `At`, with `Type`.
pub fn normalize(file: &mut Node) -> Result<(), Error> {
    let Some(services) = file.get_mut("services") else { return Ok(()) };
    services.entries_mut().iter_mut().try_for_each(|entry| normalize_service(&entry.key, &mut entry.value))
}

/// The same for one service.
fn normalize_service(name: &str, service: &mut Node) -> Result<(), Error> {
    for entry in service.entries_mut() {
        let path = || format!("services.{name}.{}", entry.key);
        match entry.key.as_str() {
            "environment" | "labels" | "annotations" | "sysctls" => to_map(&mut entry.value, '=', &path())?,
            "extra_hosts" => hosts_to_map(&mut entry.value, &path())?,
            "depends_on" => {
                names_to_map(&mut entry.value, &path(), |at| {
                    let value = Node { value: Value::String("service_started".into()), at: at.clone(), tag: None };
                    Value::Map(vec![Entry { key: "condition".into(), key_at: at.clone(), value }])
                })?;
            }
            "networks" => names_to_map(&mut entry.value, &path(), |_| Value::Null)?,
            "env_file" | "label_file" | "tmpfs" | "dns" | "dns_search" => to_list(&mut entry.value),
            "build" => {
                if let Some(text) = string_of(&entry.value) {
                    let at = entry.value.at.clone();
                    let context = Node { value: Value::String(text), at: at.clone(), tag: None };
                    entry.value.value = Value::Map(vec![Entry { key: "context".into(), key_at: at, value: context }]);
                }
                if let Some(args) = entry.value.get_mut("args") {
                    to_map(args, '=', &path())?;
                }
            }
            "deploy" => {
                if let Some(labels) = entry.value.get_mut("labels") {
                    to_map(labels, '=', &path())?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn wrong(path: &str, message: &str, at: &At) -> Error {
    Problem::Type { path: path.to_owned(), message: message.to_owned() }.at(at)
}

/// A list of `NAME=VALUE` → a mapping; of two with the same name the last counts, as in a container's environment.
fn to_map(node: &mut Node, separator: char, path: &str) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    let mut entries: Vec<Entry> = Vec::new();
    for item in std::mem::take(items) {
        let text = string_of(&item).ok_or_else(|| wrong(path, "a list of NAME=VALUE is expected", &item.at))?;
        let (key, value) = match text.split_once(separator) {
            Some((key, value)) => (key.to_owned(), Value::String(value.to_owned())),
            None => (text, Value::Null),
        };
        entries.retain(|entry| entry.key != key);
        let key_at = item.at.clone();
        entries.push(Entry { key, key_at, value: Node { value, at: item.at, tag: None } });
    }
    node.value = Value::Map(entries);
    Ok(())
}

/// `NAME=ADDRESS` or `NAME:ADDRESS`; a name may have several addresses.
fn hosts_to_map(node: &mut Node, path: &str) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    let mut entries: Vec<Entry> = Vec::new();
    for item in std::mem::take(items) {
        let text = string_of(&item).unwrap_or_default();
        let split = text.split_once(['=', ':']).map(|(name, address)| (name.to_owned(), address.to_owned()));
        let (key, address) = split.ok_or_else(|| wrong(path, "HOST=ADDRESS is expected", &item.at))?;
        let address = Node { value: Value::String(address), ..item };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(Entry { value: Node { value: Value::List(addresses), .. }, .. }) => addresses.push(address),
            _ => {
                let at = address.at.clone();
                let value = Node { value: Value::List(vec![address]), at: at.clone(), tag: None };
                entries.push(Entry { key, key_at: at, value });
            }
        }
    }
    node.value = Value::Map(entries);
    Ok(())
}

/// A list of names → a mapping of names to `value`.
fn names_to_map(node: &mut Node, path: &str, value: impl Fn(&At) -> Value) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    let mut entries: Vec<Entry> = Vec::new();
    for item in std::mem::take(items) {
        let key = string_of(&item).ok_or_else(|| wrong(path, "a list of names is expected", &item.at))?;
        entries.retain(|entry| entry.key != key);
        let value = Node { value: value(&item.at), at: item.at.clone(), tag: None };
        entries.push(Entry { key, key_at: item.at, value });
    }
    node.value = Value::Map(entries);
    Ok(())
}

fn to_list(node: &mut Node) {
    if let Some(text) = string_of(node) {
        let item = Node { value: Value::String(text), at: node.at.clone(), tag: None };
        node.value = Value::List(vec![item]);
    }
}

/// Merges `over` into `base`; both are normalized. Paths are those of the file.
pub fn merge(base: &mut Node, over: Node, path: &[&str]) {
    if over.tag == Some(Tag::Override) || replaces(path) {
        if over.value != Value::Null {
            *base = over;
        }
        return;
    }
    match (&mut base.value, over.value) {
        (_, Value::Null) => {}
        (Value::Map(_), Value::Map(entries)) => {
            for entry in entries {
                if entry.value.tag == Some(Tag::Reset) {
                    base.remove(&entry.key);
                    continue;
                }
                let mut below = path.to_vec();
                below.push(&entry.key);
                match base.get_mut(&entry.key) {
                    Some(old) => merge(old, entry.value, &below),
                    None => {
                        let key = entry.key.clone();
                        base.set(&key, entry.value);
                    }
                }
            }
        }
        (Value::List(old), Value::List(new)) => append(old, new, path),
        (old, new) => {
            *old = new;
            base.at = over.at;
        }
    }
}

/// Takes out what is tagged `!reset` in a file that is merged over nothing.
pub fn drop_resets(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            entries.retain(|entry| entry.value.tag != Some(Tag::Reset));
            entries.iter_mut().for_each(|entry| drop_resets(&mut entry.value));
        }
        Value::List(items) => items.iter_mut().for_each(drop_resets),
        _ => {}
    }
}

/// Lists that are one value.
fn replaces(path: &[&str]) -> bool {
    matches!(path, ["services", _, "command" | "entrypoint"] | ["services", _, "healthcheck", "test"])
}

/// Further items, each in the place of the one that it replaces, if there is one.
fn append(old: &mut Vec<Node>, new: Vec<Node>, path: &[&str]) {
    let [.., key] = path else { return old.extend(new) };
    for item in new {
        let identity = identity(key, &item);
        match old.iter_mut().find(|old| self::identity(key, old) == identity) {
            Some(old) => *old = item,
            None => old.push(item),
        }
    }
}

/// What makes two items of a list the same one.
fn identity(list: &str, item: &Node) -> String {
    let text = |node: Option<&Node>| node.and_then(string_of).unwrap_or_default();
    let of_map = |keys: &[&str]| keys.iter().map(|key| text(item.get(key))).collect::<Vec<_>>().join("\0");
    let is_map = matches!(item.value, Value::Map(_));
    match list {
        "volumes" if is_map => of_map(&["target"]),
        "volumes" => {
            let text = string_of(item).unwrap_or_default();
            super::short::volume(&text).ok().and_then(|volume| volume.target).unwrap_or(text)
        }
        "configs" | "secrets" if is_map && item.get("target").is_some() => of_map(&["target"]),
        "configs" | "secrets" if is_map => of_map(&["source"]),
        "ports" if is_map => of_map(&["host_ip", "target", "published", "protocol"]),
        "devices" => {
            string_of(item).and_then(|text| text.split(':').nth(1).map(str::to_owned)).unwrap_or_else(|| of_map(&["target"]))
        }
        "env_file" if is_map => of_map(&["path"]),
        _ => string_of(item).unwrap_or_else(|| item.to_json().to_string()),
    }
}
