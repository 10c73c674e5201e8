//! What the services of a Pod say together: names in its `/etc/hosts`, and its annotations.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::Ledgers;
use super::Member;

/// The names of all, once. Docker's `host-gateway` is no address, and nothing else than one can stand here.
pub(super) fn host_aliases(members: &[Member<'_>], ledgers: &mut Ledgers) -> Value {
    let mut aliases = Vec::new();
    for (name, service, _) in members {
        let ledger = ledgers.of(name);
        for (index, host) in service.hosts.iter().enumerate() {
            let field = format!("hosts[{index}]");
            if host.address.parse::<IpAddr>().is_err() {
                ledger.lost(&field, "a Pod's hostAliases have addresses only");
                continue;
            }
            ledger.done(&field);
            let alias = json!({ "ip": host.address, "hostnames": [host.name] });
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
    }
    json!(aliases)
}

/// Labels and annotations of all, as annotations: what labels of Kubernetes may say is narrower, and selectors see them.
pub(super) fn annotations(members: &[Member<'_>], ledgers: &mut Ledgers) -> Value {
    let mut all = Map::new();
    for (name, service, _) in members {
        let ledger = ledgers.of(name);
        for (field, stated) in [("labels", &service.labels), ("annotations", &service.annotations)] {
            for (key, value) in stated {
                let path = format!("{field}.{key}");
                if !is_qualified(key) {
                    ledger.lost(&path, "no annotation can have this name");
                } else if all.get(key).is_some_and(|other| other != value) {
                    ledger.lost(&path, "its Pod has another value for it");
                } else {
                    ledger.done(&path);
                    all.insert(key.clone(), json!(value));
                }
            }
        }
    }
    Value::Object(all)
}

/// Kubernetes' qualified names: `[PREFIX/]NAME`, the prefix a domain.
fn is_qualified(key: &str) -> bool {
    let is_word = |word: &str, more: &[u8], most: usize| {
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        word.len() <= most && word.bytes().all(is_inside) && is_end(word.as_bytes().first()) && is_end(word.as_bytes().last())
    };
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    is_word(name, b"-_.", 63)
        && prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(|part| is_word(part, b"-", 63)))
}
