//! Standard input, output and error: the terminal, or the streams, that the host gives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::file::FileObject;
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::ENOTTY;
use crate::user;
use crate::wasi::{Event, Output, poll as host, stdio};

/// One of the three streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    In,
    Out,
    Err,
}

/// Bytes that go to the host in one piece.
const CHUNK: usize = 64 * 1024;

/// Requests of ioctl_tty(2).
mod request {
    pub const TCGETS: u32 = 0x5401;
    pub const TCSETS: u32 = 0x5402;
    pub const TCSETSW: u32 = 0x5403;
    pub const TCSETSF: u32 = 0x5404;
    pub const TCSBRK: u32 = 0x5409;
    pub const TCXONC: u32 = 0x540a;
    pub const TCFLSH: u32 = 0x540b;
    pub const TIOCSCTTY: u32 = 0x540e;
    pub const TIOCGPGRP: u32 = 0x540f;
    pub const TIOCSPGRP: u32 = 0x5410;
    pub const TIOCOUTQ: u32 = 0x5411;
    pub const TIOCGWINSZ: u32 = 0x5413;
    pub const TIOCSWINSZ: u32 = 0x5414;
    pub const FIONREAD: u32 = 0x541b;
    pub const TIOCNOTTY: u32 = 0x5422;
    pub const TIOCGSID: u32 = 0x5429;
    pub const TCGETS2: u32 = 0x802c_542a;
}

/// `struct termios` of the kernel (asm-generic/termbits.h): four words of flags, the line discipline, 19 control characters.
const TERMIOS_SIZE: usize = 36;
/// `struct termios2`: the same and two speeds.
const TERMIOS2_SIZE: usize = 44;

/// What a terminal is set to when a session starts: `stty sane`, 38400 baud, 8 bits.
const SANE: [u8; TERMIOS_SIZE] = {
    let mut termios = [0; TERMIOS_SIZE];
    // ICRNL | IXON | IUTF8, OPOST | ONLCR, B38400 | CS8 | CREAD, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
    let flags: [u32; 4] = [0x4500, 0x5, 0xbf, 0x8a3b];
    let mut index = 0;
    while index < 4 {
        let bytes = flags[index].to_le_bytes();
        let mut byte = 0;
        while byte < 4 {
            termios[index * 4 + byte] = bytes[byte];
            byte += 1;
        }
        index += 1;
    }
    // VINTR ^C, VQUIT ^\, VERASE DEL, VKILL ^U, VEOF ^D, VTIME 0, VMIN 1, VSWTC 0, VSTART ^Q, VSTOP ^S, VSUSP ^Z, VEOL 0,
    // VREPRINT ^R, VDISCARD ^O, VWERASE ^W, VLNEXT ^V, VEOL2 0
    let characters = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0];
    let mut index = 0;
    while index < characters.len() {
        termios[17 + index] = characters[index];
        index += 1;
    }
    termios
};

/// What the three streams share: which of them are the terminal, and its settings.
pub struct Terminal {
    /// By stream.
    terminals: [bool; 3],
    termios: RefCell<[u8; TERMIOS_SIZE]>,
    /// Rows, columns, two sizes in pixels: `struct winsize`.
    size: Cell<[u16; 4]>,
    /// The foreground process group.
    group: Cell<i32>,
    /// Whose controlling terminal it is.
    session: Cell<i32>,
}

impl Terminal {
    /// `terminals`: whether standard input, output, error are the terminal.
    pub fn new(terminals: [bool; 3]) -> Rc<Terminal> {
        let termios = RefCell::new(SANE);
        Rc::new(Terminal { terminals, termios, size: Cell::new([24, 80, 0, 0]), group: Cell::new(1), session: Cell::new(1) })
    }

    /// True if the stream is the terminal.
    pub fn is_terminal(&self, stream: Stdio) -> bool {
        self.terminals[stream as usize]
    }

    /// True if any of the three streams is one.
    pub fn any_terminal(&self) -> bool {
        self.terminals.contains(&true)
    }

    /// The session whose terminal it is, and its foreground process group; 0: none.
    pub fn session(&self) -> i32 {
        self.session.get()
    }

    pub fn group(&self) -> i32 {
        self.group.get()
    }

    /// The session's leader has ended.
    pub fn forget_session(&self) {
        self.session.set(0);
        self.group.set(0);
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            request::TCGETS => user::copy_to_user(arg, &*self.termios.borrow())?,
            request::TCGETS2 => {
                let mut termios = [0; TERMIOS2_SIZE];
                termios[..TERMIOS_SIZE].copy_from_slice(&*self.termios.borrow());
                for speed in [36, 40] {
                    termios[speed..speed + 4].copy_from_slice(&38400u32.to_le_bytes());
                }
                user::copy_to_user(arg, &termios)?;
            }
            request::TCSETS | request::TCSETSW | request::TCSETSF => {
                user::copy_from_user(arg, &mut *self.termios.borrow_mut())?;
            }
            request::TIOCGWINSZ => user::write(arg, &self.size.get())?,
            request::TIOCSWINSZ => self.size.set(user::read(arg)?),
            request::TIOCGPGRP => user::write(arg, &self.group.get())?,
            request::TIOCGSID => user::write(arg, &self.session.get())?,
            request::TIOCSPGRP => self.group.set(user::read(arg)?),
            request::FIONREAD | request::TIOCOUTQ => user::write(arg, &0i32)?,
            request::TCSBRK | request::TCXONC | request::TCFLSH | request::TIOCSCTTY | request::TIOCNOTTY => {}
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

/// A stream, open.
pub struct ConsoleFile {
    terminal: Rc<Terminal>,
    /// Where writes go.
    output: Output,
    is_terminal: bool,
}

impl ConsoleFile {
    /// Standard input, output or error.
    pub fn stream(terminal: &Rc<Terminal>, stream: Stdio) -> Rc<ConsoleFile> {
        let is_terminal = terminal.is_terminal(stream);
        // A program may write to a terminal through its standard input.
        let output = if stream == Stdio::Err { Output::Stderr } else { Output::Stdout };
        Rc::new(ConsoleFile { terminal: terminal.clone(), output, is_terminal })
    }

    /// The terminal itself: `/dev/tty`, `/dev/console`. `None` if no stream is one.
    pub fn terminal(terminal: &Rc<Terminal>) -> Option<Rc<ConsoleFile>> {
        let only_error = terminal.is_terminal(Stdio::Err) && !terminal.is_terminal(Stdio::Out);
        let output = if only_error { Output::Stderr } else { Output::Stdout };
        terminal.any_terminal().then(|| Rc::new(ConsoleFile { terminal: terminal.clone(), output, is_terminal: true }))
    }
}

impl FileObject for ConsoleFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut buffer = vec![0; sink.room().min(CHUNK)];
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = stdio::read(&mut buffer)?;
        sink.put(&buffer[..count])?;
        Ok(count)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        let total = feed.left();
        let mut buffer = vec![0; total.min(CHUNK)];
        let mut done = 0;
        while done < total {
            let part = &mut buffer[..(total - done).min(CHUNK)];
            let result = feed.take(part).and_then(|()| stdio::write(self.output, part));
            match result {
                Ok(()) => done += part.len(),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn poll(&self) -> u32 {
        let readable = if host::ready(Event::Stdin) { poll::IN | poll::RDNORM } else { 0 };
        poll::OUT | poll::WRNORM | readable
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match (self.is_terminal, request) {
            (true, _) => self.terminal.ioctl(request, arg),
            (false, request::FIONREAD) => user::write(arg, &0i32).map(|()| 0),
            (false, _) => Err(ENOTTY),
        }
    }
}
