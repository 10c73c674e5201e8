//! The tables of commands, `tests/table/IMAGE.txt`: a row is a command as one would type it after `docker run`.
//!
//! ```text
//! # a comment
//! [--on-request] [-e NAME=VALUE] [-w DIR] [-v] PROGRAM ARGUMENT... [< STDIN]
//! ```
//! A word is bare; or in single quotes, and then everything up to the next one belongs to it; or in double quotes, with Rust's escapes
//! `\n \t \r \\ \" \0 \xNN`. Quoted words may go over several lines. STDIN is a word: the text itself.
//! With `-v`, `/mnt` is a directory of the host, a copy of `/work/tree`, and what is in it at the end is compared, too.
//! `--on-request` rows take minutes, or their image does to be prepared.

use anyhow::{Context, Result, bail, ensure};
use hoist_testsuite::compare::Invocation;

/// A row and the line it begins on.
pub struct Row {
    pub line: usize,
    /// Only run with `--ignored` or `--include-ignored`.
    pub on_request: bool,
    pub invocation: Invocation,
}

/// Reads a table.
///
/// # Errors
/// A row is not of the form above; says which.
pub fn parse(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut lexer = Lexer { rest: text, line: 1 };
    while !lexer.rest.is_empty() {
        let line = lexer.line;
        let mut words = lexer.row().with_context(|| format!("line {line}"))?;
        if !words.is_empty() {
            let on_request = words[0].bytes == b"--on-request";
            if on_request {
                words.remove(0);
            }
            let invocation = invocation(words).with_context(|| format!("line {line}"))?;
            rows.push(Row { line, on_request, invocation });
        }
    }
    Ok(rows)
}

fn invocation(words: Vec<Word>) -> Result<Invocation> {
    let mut result = Invocation::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut argument = || words.next().map(|word| text(word.bytes)).context("an option without its argument")?;
        match word.bytes.as_slice() {
            b"<" if !word.quoted => {
                result.stdin = words.next().context("`<` without a text")?.bytes;
                ensure!(words.next().is_none(), "words after the standard input");
            }
            b"-e" if result.argv.is_empty() => {
                let variable = argument()?;
                let (name, value) = variable.split_once('=').context("-e wants NAME=VALUE")?;
                result.env.push((name.to_owned(), value.to_owned()));
            }
            b"-v" if result.argv.is_empty() => result.volume = true,
            b"-w" if result.argv.is_empty() => result.workdir = Some(argument()?),
            _ => result.argv.push(text(word.bytes)?),
        }
    }
    ensure!(!result.argv.is_empty(), "no command");
    Ok(result)
}

/// Standard input may be any bytes, arguments are text.
fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("an argument is not UTF-8")
}

struct Word {
    bytes: Vec<u8>,
    quoted: bool,
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    /// The words up to the end of the line.
    fn row(&mut self) -> Result<Vec<Word>> {
        let mut words: Vec<Word> = Vec::new();
        // Quoted and bare parts without a blank between them are one word.
        let mut within = false;
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                ' ' | '\t' => within = false,
                '#' if words.is_empty() => {
                    while self.next().is_some_and(|c| c != '\n') {}
                    break;
                }
                _ => {
                    if !within {
                        words.push(Word { bytes: Vec::new(), quoted: false });
                    }
                    within = true;
                    let word = words.last_mut().context("a word was begun")?;
                    self.part(c, word)?;
                }
            }
        }
        Ok(words)
    }

    fn part(&mut self, first: char, word: &mut Word) -> Result<()> {
        let push = |bytes: &mut Vec<u8>, c: char| bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        if first != '\'' && first != '"' {
            push(&mut word.bytes, first);
            return Ok(());
        }
        word.quoted = true;
        loop {
            match self.next().with_context(|| format!("{first} is not closed"))? {
                c if c == first => return Ok(()),
                '\\' if first == '"' => word.bytes.extend(self.escape()?),
                c => push(&mut word.bytes, c),
            }
        }
    }

    /// What stands behind a backslash: one byte, or nothing for an escaped end of line.
    fn escape(&mut self) -> Result<Option<u8>> {
        Ok(Some(match self.next().context("a backslash at the end")? {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            '0' => 0,
            '\n' => return Ok(None),
            c @ ('\\' | '"') => c as u8,
            'x' => {
                let mut digit = || self.next().and_then(|c| c.to_digit(16)).context("\\x wants two digits");
                (digit()? << 4 | digit()?) as u8
            }
            c => bail!("no escape: \\{c}"),
        }))
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }
}
