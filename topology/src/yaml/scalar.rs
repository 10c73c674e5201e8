//! What a plain scalar is.

use super::Value;

/// A plain scalar by the core schema (YAML 1.2, 10.3.2), and the old octal and separated numbers that Go's parsers know.
pub fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// An `Int` or a `Float`, if the text is one.
pub fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |prefix: &str, radix| {
        let digits = digits.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))
    };
    let octal = || {
        let is_octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| (b'0'..b'8').contains(&byte));
        is_octal.then(|| i64::from_str_radix(digits, 8).ok()).flatten()
    };
    let whole = || (digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten();
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).or_else(octal).or_else(whole) {
        return Some(Value::Int(sign * value));
    }
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(Value::Float(f64::INFINITY * sign as f64)),
        _ => {}
    }
    let is_float = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    is_float.then(|| plain.parse().ok().map(Value::Float)).flatten()
}
