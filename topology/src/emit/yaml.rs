//! JSON values as YAML in block style.
//!
//! serde-saphyr does it too, but asks for serde_core's default features; with those, wasmtime and all that it is made of would be built
//! anew. What is written here is the part of YAML that is JSON in another layout, and a test reads it back.

use std::fmt::Write as _;

use serde_json::Value;

use crate::yaml::number;

/// Documents, with `---` between them.
pub fn documents(documents: &[Value]) -> String {
    let texts = documents.iter().map(|document| {
        let mut text = String::new();
        node(&mut text, document, 0, false);
        text
    });
    texts.collect::<Vec<_>>().join("---\n")
}

/// Writes a node where a line begins; `inline`: behind `- `, where the first line has its indentation.
fn node(out: &mut String, value: &Value, indent: usize, inline: bool) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, value)) in fields.iter().enumerate() {
                pad(out, if inline && index == 0 { 0 } else { indent });
                let _ = write!(out, "{}:", string(key));
                below(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                pad(out, if inline && index == 0 { 0 } else { indent });
                out.push_str("- ");
                node(out, item, indent + 2, true);
            }
        }
        scalar => {
            pad(out, if inline { 0 } else { indent });
            let _ = writeln!(out, "{}", self::scalar(scalar));
        }
    }
}

/// Writes a value behind its key.
fn below(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            node(out, value, indent + 2, false);
        }
        // Items stand below their key's first letter, as kubectl writes them.
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            node(out, value, indent, false);
        }
        scalar => {
            let _ = writeln!(out, " {}", self::scalar(scalar));
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        // `{}`, `[]`, `null`, `true` and numbers are the same in YAML.
        other => other.to_string(),
    }
}

/// A text: plain if no version of YAML takes it for something else, and otherwise with JSON's quotes and escapes, which YAML has too.
fn string(text: &str) -> String {
    const WORDS: [&str; 11] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | ':' | '@' | '+' | '='))
        && !text.ends_with(':')
        && number(text).is_none()
        // Numbers to base 60, and dates.
        && !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'-' | b'.' | b'_'))
        && !WORDS.contains(&text.trim_start_matches('.').to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// With JSON's quotes and escapes, and escapes for DEL and the controls behind it, which JSON takes as they are and YAML does not (1.2.2, §5.1).
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let texts =
            ["", "a", "a: b", "a #b", "- a", "true", "No", "~", "1", "1e3", "0x1", "22:22", "2001-01-01", ".5", "-", "*a", "&a"];
        let more = [
            "!a",
            "a\nb\n",
            " a",
            "a ",
            "\t",
            "\u{1f600}\u{7f}",
            "'",
            "\"\\",
            "{}",
            "[",
            "%a",
            "@a",
            "`",
            "|",
            "a:",
            ".inf",
            "=",
            "/a:b",
        ];
        let strings: Vec<Value> = texts.iter().chain(&more).map(|text| json!(text)).collect();
        let nested =
            json!({"a": [[1, [2]], {"b": {"c": []}, "d": [{}]}, null, 1.5, -3], "x": {"no": false}, "1": "1", "list": strings});
        let all = [nested.clone(), json!("text"), json!([[], {}])];
        let parsed = crate::yaml::parse("f", &documents(&all)).expect("YAML");
        let parsed: Vec<Value> = parsed.iter().map(crate::yaml::Node::to_json).collect();
        assert_eq!(parsed, all);
        assert_eq!(documents(&[json!({"a": {"b": ["c", {"d": 1, "e": [2]}]}})]), "a:\n  b:\n  - c\n  - d: 1\n    e:\n    - 2\n");
    }
}
