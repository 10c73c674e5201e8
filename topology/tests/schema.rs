//! `docs/topology.schema.json` and the tables of `docs/topology.md` are what the model's types and their comments say. `BLESS=1` writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hoist_topology::Topology;
use serde_json::{Map, Value};

/// What is above it in the page is written by hand.
const MARK: &str =
    "<!-- Below: written from topology/src/model.rs by BLESS=1 cargo test --release -p hoist-topology --test schema -->";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn schema() -> Value {
    schemars::schema_for!(Topology).to_value()
}

fn check(path: &Path, expected: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, expected).expect("a file that can be written");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is not what the model says; BLESS=1 writes it", path.display());
}

#[test]
fn the_schema_is_the_model_s() {
    let text = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    check(&docs().join("topology.schema.json"), &text);
}

#[test]
fn the_page_has_every_field() {
    let schema = schema();
    let mut text = String::new();
    section(&mut text, "Topology", &schema);
    let definitions = schema["$defs"].as_object().expect("definitions");
    definitions.iter().for_each(|(name, definition)| section(&mut text, name, definition));
    let page = docs().join("topology.md");
    let old = fs::read_to_string(&page).unwrap_or_default();
    let (hand, _) = old.split_once(MARK).expect("the mark in docs/topology.md");
    check(&page, &format!("{hand}{MARK}\n{text}"));
}

/// A type: its description, and a row for each field or variant.
fn section(text: &mut String, name: &str, definition: &Value) {
    let _ = writeln!(text, "\n### {name}\n\n{}\n", describe(definition));
    let variants = definition["oneOf"].as_array();
    let rows: Vec<String> = match (definition["properties"].as_object(), variants) {
        (Some(fields), _) => rows(fields, "").collect(),
        (None, Some(variants)) => variants.iter().flat_map(variant).collect(),
        (None, None) => Vec::new(),
    };
    if !rows.is_empty() {
        let _ = writeln!(text, "| field | type | meaning |\n| --- | --- | --- |\n{}", rows.join("\n"));
    }
}

/// A variant of an enum: a word, or an object with one field, whose fields follow.
fn variant(variant: &Value) -> Vec<String> {
    if let Some(words) = variant["enum"].as_array() {
        return words
            .iter()
            .map(|word| format!("| `{}` | word | {} |", word.as_str().unwrap_or_default(), describe(variant)))
            .collect();
    }
    if let Some(word) = variant["const"].as_str() {
        return vec![format!("| `{word}` | word | {} |", describe(variant))];
    }
    let fields = variant["properties"].as_object().into_iter().flatten();
    let row = |(name, inner): (&String, &Value)| {
        let below = inner["properties"].as_object().map(|fields| rows(fields, &format!("{name}.")).collect::<Vec<_>>());
        let head = format!("| `{name}` | one of the kinds | {} |", describe(variant));
        [vec![head], below.unwrap_or_default()].concat()
    };
    fields.flat_map(row).collect()
}

fn rows<'s>(fields: &'s Map<String, Value>, prefix: &'s str) -> impl Iterator<Item = String> + 's {
    fields.iter().map(move |(name, field)| format!("| `{prefix}{name}` | {} | {} |", kind(field), describe(field)))
}

fn describe(definition: &Value) -> String {
    definition["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

/// A field's type in a word or two.
fn kind(field: &Value) -> String {
    let reference = |field: &Value| {
        field["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(|name| format!("[{name}](#{})", name.to_lowercase()))
    };
    if let Some(name) = reference(field) {
        return name;
    }
    if let Some(any) = field["anyOf"].as_array() {
        return any.iter().filter(|one| one["type"] != "null").map(kind).collect::<Vec<_>>().join(" or ");
    }
    let types = match &field["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).find(|one| *one != "null").unwrap_or_default(),
        one => one.as_str().unwrap_or_default(),
    };
    match types {
        "array" => format!("list of {}", kind(&field["items"])),
        "object" => format!("map to {}", kind(&field["additionalProperties"])),
        other => other.to_owned(),
    }
}
