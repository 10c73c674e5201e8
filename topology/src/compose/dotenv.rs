//! `.env` and `env_file` files (compose-spec 05, "env_file", "Env_file format").

use std::collections::BTreeSet;

use super::interpolate::substitute;
use crate::error::{At, Error, Problem};

/// Variables in the order of the file; one without `=` has no value here.
pub type Variables = Vec<(String, Option<String>)>;

/// Reads a file's text. `lookup` gives variables that its values use and it does not set itself.
///
/// # Errors
/// `At`, with `Value`, `Interpolation` or `Required`.
pub fn parse(file: &str, text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Variables, Error> {
    let mut variables = Variables::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 0;
    while !rest.is_empty() {
        let (start, after) = rest.split_once('\n').unwrap_or((rest, ""));
        line += 1;
        let at = At { file: file.into(), line, column: 1 };
        let statement = start.trim_start();
        if statement.trim_end().is_empty() || statement.starts_with('#') {
            rest = after;
            continue;
        }
        let statement = statement.strip_prefix("export ").map(str::trim_start).unwrap_or(statement);
        let Some(split) = statement.find(['=', ':']) else {
            variables.push((key(statement, &at)?, None));
            rest = after;
            continue;
        };
        let name = key(&statement[..split], &at)?;
        // The value begins here, and may go on over further lines if it is quoted.
        let offset = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let begin = rest[offset..].find(['=', ':']).map_or(rest.len(), |found| offset + found + 1);
        let (value, used) = value(&rest[begin..], &at)?;
        let end = begin + used;
        line += rest[..end].matches('\n').count() as u32;
        let known = |name: &str| {
            let own = variables.iter().rev().find(|(own, _)| own == name).and_then(|(_, value)| value.clone());
            own.or_else(|| lookup(name))
        };
        let value = match value {
            Raw::Literal(text) => text,
            Raw::Expand(text) => substitute(&text, &known, &mut BTreeSet::new()).map_err(|problem| problem.at(&at))?,
        };
        variables.push((name, Some(value)));
        // What stands after a value is a comment.
        rest = rest[end..].split_once('\n').map_or("", |(_, after)| after);
    }
    Ok(variables)
}

/// Reads a file of `NAME=VALUE` lines in which nothing is special (compose-spec: `format: raw`).
pub fn parse_raw(text: &str) -> Variables {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines
        .map(|line| match line.split_once('=') {
            Some((name, value)) => (name.trim().to_owned(), Some(value.to_owned())),
            None => (line.trim().to_owned(), None),
        })
        .collect()
}

fn key(text: &str, at: &At) -> Result<String, Error> {
    let name = text.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'));
    if is_name { Ok(name.to_owned()) } else { Err(Problem::Value { value: name.into(), what: "a variable's name" }.at(at)) }
}

enum Raw {
    Literal(String),
    Expand(String),
}

/// A value, and how much of the text it is.
fn value(text: &str, at: &At) -> Result<(Raw, usize), Error> {
    let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
    let body = &text[blank..];
    let open = |what| Problem::Value { value: body.lines().next().unwrap_or_default().into(), what }.at(at);
    if let Some(inside) = body.strip_prefix('\'') {
        let end = inside.find('\'').ok_or_else(|| open("a text whose quote is closed"))?;
        return Ok((Raw::Literal(inside[..end].to_owned()), blank + end + 2));
    }
    if let Some(inside) = body.strip_prefix('"') {
        let (value, used) = double_quoted(inside).ok_or_else(|| open("a text whose quote is closed"))?;
        return Ok((Raw::Expand(value), blank + used + 1));
    }
    let line = body.split('\n').next().unwrap_or_default();
    let comment = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t'])).map(|(at, _)| at);
    let value = line[..comment.unwrap_or(line.len())].trim_end();
    Ok((Raw::Expand(value.to_owned()), blank + line.len()))
}

/// The text up to the closing quote with its escapes resolved, and how long that was with the quote.
fn double_quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                // `\$` is no variable.
                '$' => value.push_str("$$"),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let lookup = |name: &str| (name == "HOST").then(|| "h".to_owned());
        let variables = parse("f", text, &lookup).map_err(|error| error.to_string());
        match variables {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" "),
            Err(error) => error,
        }
    }

    #[test]
    fn forms() {
        assert_eq!(read("A=1\n# c\n\nexport B = two words # c\nC"), r#"A=Some("1") B=Some("two words") C=None"#);
        assert_eq!(read("A='$x # y'\nB=\"a\\n$HOST \\$z\" # c\nC=a#b"), r#"A=Some("$x # y") B=Some("a\nh $z") C=Some("a#b")"#);
        assert_eq!(read("A=1\nB=${A}2\nC=${NO:-3}"), r#"A=Some("1") B=Some("12") C=Some("3")"#);
        assert_eq!(read("A=\"x\ny\"\nB=2\nC:3\nD="), r#"A=Some("x\ny") B=Some("2") C=Some("3") D=Some("")"#);
        assert_eq!(read("A=\r\nB=1\r\n"), r#"A=Some("") B=Some("1")"#);
        assert!(read("A=1\nB=\"x").starts_with("f:2:1:"));
        assert!(read("a b=1").contains("is not a variable's name"));
        assert_eq!(parse_raw("A='x'\nB=$y\n"), [("A".into(), Some("'x'".into())), ("B".into(), Some("$y".into()))]);
    }
}
