//! Terminals: what stands between a keyboard and programs (drivers/tty of Linux).
//!
//! | module | what |
//! | --- | --- |
//! | [`termios`] | what a terminal is set to |
//! | [`line`] | the line discipline: editing, echo, output processing |
//! | [`host`] | what the host's terminal sends |
//! | [`pty`] | pseudo-terminals: `/dev/ptmx` and `/dev/pts` |
//! | this one | a terminal: its settings, its line, its session; and the file that opening it gives |
//!
//! A terminal does not know processes. Signals that it sends are put into [`Posted`]; the kernel delivers them at the end of the call.

mod host;
pub mod line;
pub mod pty;
pub mod termios;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use hoist_vfs::Device;

use super::file::FileObject;
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EAGAIN, EIO};
use crate::signal::number;
use crate::wasi::{Event, Nanos, Output, clock, poll as host_poll, stdio};
use line::{Ask, Line};
use termios::{Termios, input, local};

/// Bytes of output that wait for a pseudo-terminal's master, and of input that wait for room in the line.
const QUEUE: usize = 8192;
/// Bytes of a write that are processed at once.
const CHUNK: usize = 2048;

/// Signals that terminals send.
#[derive(Default)]
pub struct Posted(RefCell<Vec<(To, u8)>>);

/// To whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    Group(i32),
    Process(i32),
    /// A session whose terminal is gone, and the group that was in its foreground.
    Session {
        session: i32,
        group: i32,
    },
}

impl Posted {
    /// Adds one; a terminal that is nobody's has nobody to send it to.
    pub fn add(&self, to: To, signal: u8) {
        if !matches!(to, To::Group(0) | To::Process(0) | To::Session { session: 0, .. }) {
            self.0.borrow_mut().push((to, signal));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes all.
    pub fn take(&self) -> Vec<(To, u8)> {
        self.0.take()
    }
}

/// What is on the other side of a terminal.
enum Other {
    /// The host's terminal.
    Host(host::Host),
    /// The master of a pseudo-terminal, and what it has not read yet.
    Master(pty::Output),
}

/// A terminal.
pub struct Tty {
    /// As in `/dev/pts`.
    pub number: u32,
    termios: RefCell<Termios>,
    line: RefCell<Line>,
    /// Input for which the line has no room.
    typed: RefCell<VecDeque<u8>>,
    other: Other,
    /// Rows, columns, two sizes in pixels: `struct winsize`.
    size: Cell<[u16; 4]>,
    /// Whose controlling terminal it is, and its foreground group; 0: nobody's.
    session: Cell<i32>,
    group: Cell<i32>,
    /// Output waits: ^S, or TCOOFF.
    stopped: Cell<bool>,
    /// Nobody is on the other side any more.
    hung_up: Cell<bool>,
    /// The host's terminal does all that a line discipline does.
    host_cooks: bool,
    /// How many files are open.
    opens: Cell<usize>,
    /// Counts bytes that went either way.
    moves: Cell<u64>,
    last_typed: Cell<Nanos>,
    posted: Rc<Posted>,
}

impl Tty {
    /// The host's terminal. `size`: rows and columns, if its bytes come as they are typed; otherwise the host puts lines together.
    pub fn of_host(output: Output, size: Option<[u16; 2]>, posted: &Rc<Posted>) -> Rc<Tty> {
        let tty = Tty::new(0, Other::Host(host::Host::new(output)), size.is_none(), posted);
        tty.termios.borrow_mut().input |= input::IUTF8;
        let [rows, columns] = size.unwrap_or([24, 80]);
        tty.size.set([rows, columns, 0, 0]);
        Rc::new(tty)
    }

    /// The slave of a pseudo-terminal.
    fn slave(number: u32, posted: &Rc<Posted>) -> Rc<Tty> {
        Rc::new(Tty::new(number, Other::Master(pty::Output::default()), false, posted))
    }

    fn new(number: u32, other: Other, host_cooks: bool, posted: &Rc<Posted>) -> Tty {
        Tty {
            number,
            termios: RefCell::new(Termios::STANDARD),
            line: RefCell::default(),
            typed: RefCell::default(),
            other,
            size: Cell::default(),
            session: Cell::new(0),
            group: Cell::new(0),
            stopped: Cell::new(false),
            hung_up: Cell::new(false),
            host_cooks,
            opens: Cell::new(0),
            moves: Cell::new(0),
            last_typed: Cell::new(0),
            posted: posted.clone(),
        }
    }

    /// `st_rdev`, and tty_nr of proc(5).
    pub fn device(&self) -> Device {
        Device { major: 136, minor: self.number }
    }

    // ---- Settings

    pub fn termios(&self) -> Termios {
        *self.termios.borrow()
    }

    /// TCSETS of ioctl_tty(2).
    pub fn set_termios(&self, new: Termios) {
        let before = self.termios.replace(new);
        self.line.borrow_mut().settings_changed(&before, &new);
        if before.input(input::IXON) && !new.input(input::IXON) {
            self.start();
        }
        self.take_typed();
        self.moved();
    }

    pub fn size(&self) -> [u16; 4] {
        self.size.get()
    }

    /// TIOCSWINSZ of ioctl_tty(2): the foreground group is told, if it is another size.
    pub fn set_size(&self, size: [u16; 4]) {
        if self.size.replace(size) != size {
            self.posted.add(To::Group(self.group.get()), number::SIGWINCH);
        }
    }

    // ---- Whose it is

    pub fn session(&self) -> i32 {
        self.session.get()
    }

    /// The foreground process group.
    pub fn group(&self) -> i32 {
        self.group.get()
    }

    /// Gives it to a session, with this group in the foreground.
    pub fn give_to(&self, session: i32, group: i32) {
        self.session.set(session);
        self.group.set(group);
    }

    pub fn set_group(&self, group: i32) {
        self.group.set(group);
    }

    pub fn is_hung_up(&self) -> bool {
        self.hung_up.get()
    }

    /// Nobody is on the other side any more: reads are at their end, and the leader of the session is told.
    pub fn hang_up(&self) {
        if !self.hung_up.replace(true) {
            self.leave_session();
        }
    }

    // ---- Input

    /// Takes bytes that were typed, at most [`Tty::input_room`] of them.
    pub fn type_in(&self, bytes: &[u8]) {
        self.last_typed.set(clock::monotonic());
        self.typed.borrow_mut().extend(bytes);
        self.take_typed();
        self.moved();
    }

    /// When something was typed last, on the monotonic clock.
    pub fn last_typed(&self) -> Nanos {
        self.last_typed.get()
    }

    /// How many bytes of input can be taken.
    pub fn input_room(&self) -> usize {
        QUEUE.saturating_sub(self.typed.borrow().len())
    }

    /// Takes what the host has for its terminal; true if it was anything.
    pub fn pump(&self) -> bool {
        let Other::Host(host) = &self.other else { return false };
        let mut any = false;
        while !host.ended.get() && self.input_room() > 0 {
            let mut bytes = vec![0; self.input_room().min(CHUNK)];
            match stdio::read(&mut bytes) {
                Ok(0) => self.end_input(host),
                Ok(count) => host.decode(&bytes[..count], self),
                Err(_) => break,
            }
            any = true;
        }
        any
    }

    /// The host's input has ended: so do reads, and the session learns that its terminal is gone.
    fn end_input(&self, host: &host::Host) {
        host.ended.set(true);
        match self.host_cooks {
            true => self.moved(),
            false => self.leave_session(),
        }
    }

    fn leave_session(&self) {
        let (session, group) = (self.session.take(), self.group.take());
        self.posted.add(To::Session { session, group }, number::SIGHUP);
        self.moved();
    }

    /// Sends a signal to whom it concerns.
    pub fn post(&self, to: To, signal: u8) {
        self.posted.add(to, signal);
    }

    fn has_ended(&self) -> bool {
        self.hung_up.get() || matches!(&self.other, Other::Host(host) if host.ended.get())
    }

    /// What of the host's may bring input, and that the kernel waits for whoever waits for it.
    pub fn host_event(&self) -> Option<Event> {
        (matches!(self.other, Other::Host(_)) && !self.has_ended() && self.input_room() > 0).then_some(Event::Stdin)
    }

    /// Whether the kernel has to look for input even if nobody reads: ^C may be in it.
    pub fn wants_pump(&self) -> bool {
        !self.host_cooks && self.host_event().is_some()
    }

    /// Likewise if somebody waits for the file.
    pub fn waits_for_host(&self) -> bool {
        self.host_cooks && self.host_event().is_some()
    }

    fn take_typed(&self) {
        loop {
            let termios = self.termios();
            if !self.line.borrow().has_room(&termios) {
                return;
            }
            let Some(byte) = self.typed.borrow_mut().pop_front() else { return };
            self.receive(&termios, byte);
        }
    }

    fn receive(&self, termios: &Termios, byte: u8) {
        if self.host_cooks {
            // The host has echoed it, and has put the line together.
            let as_it_is = Termios { input: 0, local: 0, ..*termios };
            self.line.borrow_mut().receive(&as_it_is, byte, &mut Vec::new());
            return;
        }
        let mut echo = Vec::new();
        let ask = self.line.borrow_mut().receive(termios, byte, &mut echo);
        let signals = matches!(ask, Ask::Signal(_));
        if signals && !termios.local(local::NOFLSH) {
            self.flush_output();
        }
        match ask {
            Ask::Start => self.start(),
            Ask::Stop => self.stop(),
            Ask::Signal(signal) => {
                self.posted.add(To::Group(self.group.get()), signal);
                if termios.input(input::IXON) {
                    self.start();
                }
            }
            Ask::Nothing if self.stopped.get() && termios.input(input::IXON) && termios.input(input::IXANY) => self.start(),
            Ask::Nothing => {}
        }
        self.emit(&echo);
    }

    /// Whether poll(2) says that there is something to read.
    fn is_readable(&self) -> bool {
        if self.has_ended() || self.waits_for_host() && host_poll::ready(Event::Stdin) {
            return true;
        }
        let termios = self.termios();
        let (min, time) = termios.min_and_time();
        self.as_read(&termios, |line, termios| line.is_readable(termios, if time == 0 { min } else { 1 }))
    }

    /// What reads go by: where the host cooks, whatever is there.
    fn as_read<R>(&self, termios: &Termios, f: impl FnOnce(&mut Line, &Termios) -> R) -> R {
        let mut termios = *termios;
        if self.host_cooks {
            termios.local &= !local::ICANON;
            (termios.cc[termios::cc::VMIN], termios.cc[termios::cc::VTIME]) = (1, 0);
        }
        f(&mut self.line.borrow_mut(), &termios)
    }

    /// Bytes that wait to be read.
    pub fn readable_bytes(&self) -> usize {
        self.as_read(&self.termios(), |line, termios| line.count(termios))
    }

    /// Whether a read that has room for so many bytes has what it waits for: termios(3) on MIN.
    pub fn has_enough(&self, room: usize) -> bool {
        self.as_read(&self.termios(), |line, termios| line.is_readable(termios, termios.min_and_time().0.min(room)))
    }

    /// Takes what a read gets, whether or not it is as much as VMIN asks for.
    ///
    /// # Errors
    /// Of the sink.
    pub fn take(&self, sink: &mut dyn Sink) -> Result<usize> {
        let bytes = self.as_read(&self.termios(), |line, termios| line.take(termios, sink.room()));
        sink.put(&bytes)?;
        self.take_typed();
        self.moved();
        Ok(bytes.len())
    }

    /// TCIFLUSH.
    pub fn flush_input(&self) {
        self.line.borrow_mut().flush_input();
        self.typed.borrow_mut().clear();
        self.tell(pty::packet::FLUSH_READ);
    }

    // ---- Output

    /// TCOFLUSH.
    pub fn flush_output(&self) {
        if let Other::Master(output) = &self.other {
            output.clear();
        }
    }

    pub fn stop(&self) {
        if !self.stopped.replace(true) {
            self.tell(pty::packet::STOP);
        }
    }

    pub fn start(&self) {
        if self.stopped.replace(false) {
            self.tell(pty::packet::START);
            self.moved();
        }
    }

    fn tell(&self, what: u8) {
        if let Other::Master(output) = &self.other {
            output.tell(what);
        }
    }

    /// Gives a byte to the other side as it is: TCIOFF and TCION.
    pub fn send(&self, byte: u8) {
        self.emit(&[byte]);
    }

    /// Gives bytes to the other side. What is echoed is never kept from it.
    fn emit(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &self.other {
            // Of a terminal that is gone nobody sees an echo.
            Other::Host(host) => drop(stdio::write(host.output, bytes)),
            Other::Master(output) => output.put(bytes),
        }
        self.moved();
    }

    fn room(&self) -> usize {
        match &self.other {
            _ if self.stopped.get() => 0,
            Other::Host(_) => usize::MAX,
            Other::Master(output) => QUEUE.saturating_sub(output.len()),
        }
    }

    /// Writes bytes as the settings say, as many as there is room for.
    ///
    /// # Errors
    /// `EIO` if nobody is on the other side, `EAGAIN`.
    fn write_out(&self, feed: &mut dyn Feed) -> Result<usize> {
        if self.hung_up.get() {
            return Err(EIO);
        }
        let total = feed.left();
        let mut done = 0;
        while done < total {
            // A byte may become eight: a tab.
            let room = if self.host_cooks { CHUNK } else { (self.room() / 8).min(CHUNK) };
            if room == 0 {
                return if done > 0 { Ok(done) } else { Err(EAGAIN) };
            }
            let mut bytes = vec![0; room.min(total - done)];
            feed.take(&mut bytes)?;
            done += bytes.len();
            match self.host_cooks {
                true => self.emit(&bytes),
                false => self.emit(&self.processed(&bytes)),
            }
        }
        Ok(done)
    }

    fn processed(&self, bytes: &[u8]) -> Vec<u8> {
        let termios = self.termios();
        let mut out = Vec::with_capacity(bytes.len());
        let mut line = self.line.borrow_mut();
        bytes.iter().for_each(|&byte| line.write_byte(&termios, byte, &mut out));
        out
    }

    fn moved(&self) {
        self.moves.set(self.moves.get() + 1);
    }
}

/// A terminal, open.
pub struct TtyFile {
    pub tty: Rc<Tty>,
}

impl TtyFile {
    /// Opens a terminal.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(tty: &Rc<Tty>) -> Rc<TtyFile> {
        tty.opens.set(tty.opens.get() + 1);
        if let Other::Master(output) = &tty.other {
            output.connect();
        }
        Rc::new(TtyFile { tty: tty.clone() })
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        self.tty.opens.set(self.tty.opens.get() - 1);
        if let (0, Other::Master(output)) = (self.tty.opens.get(), &self.tty.other) {
            output.disconnect();
        }
    }
}

impl FileObject for TtyFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let tty = &self.tty;
        tty.pump();
        match () {
            () if sink.room() == 0 => Ok(0),
            () if tty.has_enough(sink.room()) => tty.take(sink),
            () if tty.has_ended() => Ok(0),
            () if !tty.termios().local(local::ICANON) && tty.termios().min_and_time() == (0, 0) => Ok(0),
            () => Err(EAGAIN),
        }
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.tty.write_out(feed)
    }

    fn poll(&self) -> u32 {
        if self.tty.is_hung_up() {
            return poll::ALWAYS | poll::ERR | poll::HUP;
        }
        let readable = if self.tty.is_readable() { poll::IN | poll::RDNORM } else { 0 };
        let writable = if self.tty.room() > 256 { poll::OUT | poll::WRNORM } else { 0 };
        readable | writable
    }

    fn activity(&self) -> u64 {
        self.tty.moves.get()
    }

    fn waits_for_room(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
