use super::line::{Ask, Line};
use super::termios::{Termios, cc, input, local, output};

/// What is echoed for some keys, and what a read gets then.
fn typed(termios: &Termios, keys: &[u8]) -> (String, String) {
    let mut line = Line::default();
    let mut echo = Vec::new();
    keys.iter().for_each(|&key| _ = line.receive(termios, key, &mut echo));
    let mut read = Vec::new();
    while line.is_readable(termios, 1) {
        read.extend(line.take(termios, 100));
        read.push(b'|');
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(echo), text(read))
}

fn both(echo: &str, read: &str) -> (String, String) {
    (echo.into(), read.into())
}

#[test]
fn lines_are_edited() {
    let sane = Termios::STANDARD;
    assert_eq!(typed(&sane, b"ab\x7fc\r"), both("ab\x08 \x08c\r\n", "ac\n|"));
    assert_eq!(typed(&sane, b"one two\x17\x17x\r"), both(&format!("one two{}x\r\n", "\x08 \x08".repeat(7)), "x\n|"));
    assert_eq!(typed(&sane, b"abc\x15\x16\x15\r"), both(&format!("abc{}^\x08^U\r\n", "\x08 \x08".repeat(3)), "\x15\n|"));
    assert_eq!(typed(&sane, b"a\tb\x7f\x7fc\n"), both("a\tb\x08 \x08\x08\x08\x08\x08\x08\x08\x08c\r\n", "ac\n|"));
    assert_eq!(typed(&sane, b"ab\x04\x04c\x12\n"), both("abc^R\r\nc\r\n", "ab||c\n|"));
}

#[test]
fn characters_of_several_bytes_are_erased_as_one() {
    let utf8 = Termios { input: Termios::STANDARD.input | input::IUTF8, ..Termios::STANDARD };
    assert_eq!(typed(&utf8, "aé\x7f\r".as_bytes()), both("aé\x08 \x08\r\n", "a\n|"));
}

#[test]
fn signals_empty_the_line() {
    let (mut line, mut echo) = (Line::default(), Vec::new());
    let sane = Termios::STANDARD;
    assert_eq!(line.receive(&sane, b'x', &mut echo), Ask::Nothing);
    assert_eq!(line.receive(&sane, 3, &mut echo), Ask::Signal(2));
    assert_eq!(line.receive(&sane, 19, &mut echo), Ask::Stop);
    assert_eq!((line.count(&sane), echo.as_slice()), (0, &b"x^C"[..]));
}

#[test]
fn raw_bytes_pass() {
    let mut raw = Termios::STANDARD;
    (raw.input, raw.output, raw.local) = (0, 0, 0);
    raw.cc[cc::VMIN] = 3;
    let mut line = Line::default();
    b"\x03\r".iter().for_each(|&key| _ = line.receive(&raw, key, &mut Vec::new()));
    assert!(!line.is_readable(&raw, 3) && line.is_readable(&raw, 2));
    assert_eq!(line.take(&raw, 10), b"\x03\r");
}

#[test]
fn output_is_processed() {
    let written = |flags: u32, text: &[u8]| {
        let termios = Termios { output: flags, ..Termios::STANDARD };
        let (mut line, mut out) = (Line::default(), Vec::new());
        text.iter().for_each(|&byte| line.write_byte(&termios, byte, &mut out));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(output::OPOST | output::ONLCR, b"a\nb"), "a\r\nb");
    assert_eq!(written(output::OPOST | output::XTABS, b"abc\td"), "abc     d");
    assert_eq!(written(output::OPOST | output::OCRNL | output::OLCUC, b"a\rb"), "A\nB");
    assert_eq!(written(0, b"a\n\t"), "a\n\t");
}

#[test]
fn what_was_typed_before_lines_are_put_together_is_one() {
    let sane = Termios::STANDARD;
    let raw = Termios { local: sane.local & !local::ICANON, ..sane };
    let mut line = Line::default();
    b"ab".iter().for_each(|&key| _ = line.receive(&raw, key, &mut Vec::new()));
    line.settings_changed(&raw, &sane);
    assert!(line.is_readable(&sane, 1));
    assert_eq!(line.take(&sane, 10), b"ab");
}
