//! The line discipline: what becomes of bytes between a keyboard and a program (drivers/tty/n_tty.c of Linux). Bytes in, bytes
//! out; signals and flow control are told to who called.

use std::collections::VecDeque;

use super::termios::{DISABLED, Termios, cc, input, local, output};
use crate::signal::number;

/// Bytes that wait to be read: N_TTY_BUF_SIZE.
pub const BUFFER: usize = 4096;

/// What a byte that came in asks for besides what stands in the buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    Nothing,
    /// A signal to the foreground group.
    Signal(u8),
    /// Output is to stop, or to go on.
    Stop,
    Start,
}

/// What was typed and not yet read, and where the cursor is.
#[derive(Default)]
pub struct Line {
    /// Bytes, and whether a line ends with this one.
    bytes: VecDeque<(u8, bool)>,
    /// How many of them belong to lines that are complete.
    complete: usize,
    /// The column of the cursor, and that at which the line being typed begins.
    column: usize,
    start_column: usize,
    /// The next byte has no meaning of its own: VLNEXT.
    literal: bool,
    /// Within what ECHOPRT writes between \ and /.
    erasing: bool,
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Which of the kinds of erasing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    All,
}

impl Line {
    // ---- Input

    /// Takes a byte from the keyboard; what is echoed goes to `echo`.
    pub fn receive(&mut self, t: &Termios, byte: u8, echo: &mut Vec<u8>) -> Ask {
        let mut byte = byte;
        if t.input(input::ISTRIP) {
            byte &= 0x7f;
        }
        if t.input(input::IUCLC) && t.local(local::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if std::mem::take(&mut self.literal) {
            self.echo_typed(t, byte, echo);
            self.put(t, byte, false);
            return Ask::Nothing;
        }
        if t.input(input::IXON) && t.is(byte, cc::VSTART) {
            return Ask::Start;
        }
        if t.input(input::IXON) && t.is(byte, cc::VSTOP) {
            return Ask::Stop;
        }
        if t.local(local::ISIG)
            && let Some(signal) = signal_of(t, byte)
        {
            if !t.local(local::NOFLSH) {
                self.flush_input();
            }
            if t.local(local::ECHO) {
                self.echo(t, byte, echo);
            }
            return Ask::Signal(signal);
        }
        match byte {
            b'\r' if t.input(input::IGNCR) => return Ask::Nothing,
            b'\r' if t.input(input::ICRNL) => byte = b'\n',
            b'\n' if t.input(input::INLCR) => byte = b'\r',
            _ => {}
        }
        match t.local(local::ICANON) && self.receive_editing(t, byte, echo) {
            true => {}
            false => {
                self.echo_typed(t, byte, echo);
                self.put(t, byte, false);
            }
        }
        Ask::Nothing
    }

    /// Bytes that edit or end a line; false if this one does not.
    fn receive_editing(&mut self, t: &Termios, byte: u8, echo: &mut Vec<u8>) -> bool {
        let extended = t.local(local::IEXTEN);
        let echoes = t.local(local::ECHO);
        match byte {
            _ if t.is(byte, cc::VERASE) => self.erase(t, Erase::Character, echo),
            _ if t.is(byte, cc::VKILL) => self.kill(t, echo),
            _ if extended && t.is(byte, cc::VWERASE) => self.erase(t, Erase::Word, echo),
            _ if extended && t.is(byte, cc::VLNEXT) => {
                self.literal = true;
                if echoes {
                    self.finish_erasing(t, echo);
                    if t.local(local::ECHOCTL) {
                        echo.extend(b"^\x08");
                    }
                }
            }
            _ if extended && echoes && t.is(byte, cc::VREPRINT) => {
                self.finish_erasing(t, echo);
                self.echo(t, byte, echo);
                self.write_byte(t, b'\n', echo);
                let typed: Vec<u8> = self.bytes.iter().skip(self.complete).map(|&(byte, _)| byte).collect();
                typed.into_iter().for_each(|byte| self.echo(t, byte, echo));
            }
            b'\n' => {
                if echoes || t.local(local::ECHONL) {
                    self.write_byte(t, b'\n', echo);
                }
                self.put(t, byte, true);
            }
            _ if t.is(byte, cc::VEOF) => self.put(t, DISABLED, true),
            _ if t.is(byte, cc::VEOL) || extended && t.is(byte, cc::VEOL2) => {
                if echoes {
                    self.note_start();
                    self.echo(t, byte, echo);
                }
                self.put(t, byte, true);
            }
            _ => return false,
        }
        true
    }

    /// Echoes a byte that goes into the line.
    fn echo_typed(&mut self, t: &Termios, byte: u8, echo: &mut Vec<u8>) {
        if !t.local(local::ECHO) {
            return;
        }
        self.finish_erasing(t, echo);
        if byte == b'\n' {
            self.write_byte(t, byte, echo);
        } else {
            self.note_start();
            self.echo(t, byte, echo);
        }
    }

    /// Before the first byte of a line: where it begins.
    fn note_start(&mut self) {
        if self.bytes.len() == self.complete {
            self.start_column = self.column;
        }
    }

    fn put(&mut self, t: &Termios, byte: u8, ends: bool) {
        if self.bytes.len() >= BUFFER {
            // Of a line that is too long the last byte is replaced, so that it can be ended.
            self.bytes.pop_back();
        }
        // A byte 377 of the line's own, where 377 announces a parity error.
        if t.input(input::PARMRK) && byte == 0xff && !ends {
            self.bytes.push_back((byte, false));
        }
        self.bytes.push_back((byte, ends));
        if ends {
            self.complete = self.bytes.len();
        }
    }

    /// Whether a byte more can be taken: a line without an end takes what comes and drops it.
    pub fn has_room(&self, t: &Termios) -> bool {
        self.bytes.len() < BUFFER - 1 || t.local(local::ICANON) && self.complete == 0
    }

    // ---- Erasing

    fn kill(&mut self, t: &Termios, echo: &mut Vec<u8>) {
        if self.bytes.len() == self.complete {
            return;
        }
        let all = local::ECHOK | local::ECHOKE | local::ECHOE;
        match t.local & (local::ECHO | all) {
            flags if flags & local::ECHO == 0 => self.bytes.truncate(self.complete),
            flags if flags & all == all => self.erase(t, Erase::All, echo),
            _ => {
                self.bytes.truncate(self.complete);
                self.finish_erasing(t, echo);
                self.echo(t, t.cc[cc::VKILL], echo);
                if t.local(local::ECHOK) {
                    self.write_byte(t, b'\n', echo);
                }
            }
        }
    }

    fn is_continuation(t: &Termios, byte: u8) -> bool {
        t.input(input::IUTF8) && byte & 0xc0 == 0x80
    }

    fn erase(&mut self, t: &Termios, how: Erase, echo: &mut Vec<u8>) {
        let mut seen_word = false;
        while self.bytes.len() > self.complete {
            // One character, perhaps of several bytes.
            let mut head = self.bytes.len();
            let first = loop {
                head -= 1;
                let byte = self.bytes[head].0;
                if !Line::is_continuation(t, byte) || head == self.complete {
                    break byte;
                }
            };
            if Line::is_continuation(t, first) {
                break;
            }
            if how == Erase::Word {
                match first.is_ascii_alphanumeric() || first == b'_' || first >= 0xc0 {
                    true => seen_word = true,
                    false if seen_word => break,
                    false => {}
                }
            }
            let erased: Vec<u8> = self.bytes.drain(head..).map(|(byte, _)| byte).collect();
            if t.local(local::ECHO) {
                self.echo_erased(t, how, first, &erased, echo);
            }
            if how == Erase::Character {
                break;
            }
        }
        if self.bytes.len() == self.complete && t.local(local::ECHO) {
            self.finish_erasing(t, echo);
        }
    }

    fn echo_erased(&mut self, t: &Termios, how: Erase, first: u8, erased: &[u8], echo: &mut Vec<u8>) {
        if t.local(local::ECHOPRT) {
            if !std::mem::replace(&mut self.erasing, true) {
                self.write_byte(t, b'\\', echo);
            }
            self.echo(t, first, echo);
            erased[1..].iter().for_each(|&byte| self.write_byte(t, byte, echo));
        } else if how == Erase::Character && !t.local(local::ECHOE) {
            self.echo(t, t.cc[cc::VERASE], echo);
        } else if first == b'\t' {
            self.erase_tab(t, echo);
        } else {
            let width = match (is_control(first), t.local(local::ECHOCTL)) {
                (true, true) => 2,
                (true, false) => 0,
                (false, _) => 1,
            };
            for _ in 0..width {
                b"\x08 \x08".iter().for_each(|&byte| self.write_byte(t, byte, echo));
            }
        }
    }

    /// Goes back over a tab that is no longer in the line: as far as the column before it says.
    fn erase_tab(&mut self, t: &Termios, echo: &mut Vec<u8>) {
        let mut columns = 0;
        let mut from_start = true;
        for &(byte, _) in self.bytes.range(self.complete..).rev() {
            match byte {
                b'\t' => {
                    from_start = false;
                    break;
                }
                _ if is_control(byte) => columns += if t.local(local::ECHOCTL) { 2 } else { 0 },
                _ => columns += usize::from(!Line::is_continuation(t, byte)),
            }
        }
        if from_start {
            columns += self.start_column;
        }
        for _ in 0..8 - columns % 8 {
            echo.push(8);
            self.column = self.column.saturating_sub(1);
        }
    }

    fn finish_erasing(&mut self, t: &Termios, echo: &mut Vec<u8>) {
        if std::mem::take(&mut self.erasing) {
            self.write_byte(t, b'/', echo);
        }
    }

    // ---- Output

    /// A byte as it is echoed: control characters as ^X, if ECHOCTL says so.
    fn echo(&mut self, t: &Termios, byte: u8, out: &mut Vec<u8>) {
        if t.local(local::ECHOCTL) && is_control(byte) && byte != b'\t' {
            out.extend([b'^', byte ^ 0o100]);
            self.column += 2;
        } else {
            self.write_byte(t, byte, out);
        }
    }

    /// A byte that a program writes, or that is echoed.
    pub fn write_byte(&mut self, t: &Termios, byte: u8, out: &mut Vec<u8>) {
        if !t.output(output::OPOST) {
            out.push(byte);
            return;
        }
        match byte {
            b'\n' => {
                if t.output(output::ONLRET) {
                    self.column = 0;
                }
                if t.output(output::ONLCR) {
                    (self.column, self.start_column) = (0, 0);
                    out.push(b'\r');
                } else {
                    self.start_column = self.column;
                }
                out.push(b'\n');
            }
            b'\r' if t.output(output::ONOCR) && self.column == 0 => {}
            b'\r' if t.output(output::OCRNL) => {
                if t.output(output::ONLRET) {
                    (self.column, self.start_column) = (0, 0);
                }
                out.push(b'\n');
            }
            b'\r' => {
                (self.column, self.start_column) = (0, 0);
                out.push(byte);
            }
            b'\t' => {
                let spaces = 8 - self.column % 8;
                self.column += spaces;
                match t.output & output::TABDLY == output::XTABS {
                    true => out.extend(std::iter::repeat_n(b' ', spaces)),
                    false => out.push(byte),
                }
            }
            8 => {
                self.column = self.column.saturating_sub(1);
                out.push(byte);
            }
            _ => {
                let byte = if t.output(output::OLCUC) { byte.to_ascii_uppercase() } else { byte };
                if !is_control(byte) && !Line::is_continuation(t, byte) {
                    self.column += 1;
                }
                out.push(byte);
            }
        }
    }

    // ---- Reading

    /// Whether a read gets something; `at_least`: bytes that have to be there, where lines are not put together.
    pub fn is_readable(&self, t: &Termios, at_least: usize) -> bool {
        match t.local(local::ICANON) {
            true => self.complete > 0,
            false => self.bytes.len() >= at_least.max(1),
        }
    }

    /// Bytes that are there to read: FIONREAD of ioctl_tty(2). The end of the file is none.
    pub fn count(&self, t: &Termios) -> usize {
        match t.local(local::ICANON) {
            true => self.bytes.iter().take(self.complete).filter(|&&(byte, ends)| !(ends && byte == DISABLED)).count(),
            false => self.bytes.len(),
        }
    }

    /// Takes what one read gets: of a line that is complete no more than the line; at the end of the file nothing.
    pub fn take(&mut self, t: &Termios, room: usize) -> Vec<u8> {
        if !t.local(local::ICANON) {
            let taken = self.bytes.len().min(room);
            self.complete = self.complete.saturating_sub(taken);
            return self.bytes.drain(..taken).map(|(byte, _)| byte).collect();
        }
        let mut taken = Vec::new();
        while self.complete > 0 {
            let (byte, ends) = self.bytes[0];
            let is_end = ends && byte == DISABLED;
            // An end of the file right behind what fits goes with it.
            if taken.len() == room && !is_end {
                break;
            }
            self.bytes.pop_front();
            self.complete -= 1;
            if !is_end {
                taken.push(byte);
            }
            if ends {
                break;
            }
        }
        taken
    }

    /// Forgets what was typed: TCIFLUSH.
    pub fn flush_input(&mut self) {
        self.bytes.clear();
        self.complete = 0;
        self.literal = false;
        self.erasing = false;
    }

    /// The settings have changed: where lines begin to be put together, what is there is one; where they no longer are, all can be read.
    pub fn settings_changed(&mut self, before: &Termios, now: &Termios) {
        if (before.local ^ now.local) & (local::ICANON | local::EXTPROC) == 0 {
            return;
        }
        self.bytes.iter_mut().for_each(|(_, ends)| *ends = false);
        self.complete = 0;
        if let (true, Some(last)) = (now.local(local::ICANON), self.bytes.back_mut()) {
            last.1 = true;
            self.complete = self.bytes.len();
        }
        (self.erasing, self.literal) = (false, false);
    }
}

/// The signal that a byte sends.
fn signal_of(t: &Termios, byte: u8) -> Option<u8> {
    let signals = [(cc::VINTR, number::SIGINT), (cc::VQUIT, number::SIGQUIT), (cc::VSUSP, number::SIGTSTP)];
    signals.into_iter().find(|&(place, _)| t.is(byte, place)).map(|(_, signal)| signal)
}
