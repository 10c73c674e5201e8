//! A command on a pseudo-terminal, and somebody who types: what appears on the screen is kept, byte for byte.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Nothing that is typed is answered so late.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether all who have the terminal are at rest.
const LOOK: Duration = Duration::from_millis(5);

/// What a person does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Presses keys once all who have the terminal wait for something, as somebody would who has watched the screen; then waits until what has
    /// appeared since ends with a text, which is to be the answer. Keys that come earlier may be read by the one before, in the modes before, and a
    /// shell that gets a signal right before it begins to wait may notice only at the next key.
    Type { keys: String, until: String },
    /// The same, once keys no longer appear: a password.
    Hidden { keys: String, until: String },
    /// Makes the window another size, and waits likewise.
    Resize { rows: u16, columns: u16, until: String },
}

/// Whether a command leads a session already when it takes the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    Its,
    New,
}

/// What `/proc/PID/task/TID/status` says of a thread.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Thread {
    number: u64,
    /// It sleeps, is stopped or has ended.
    rests: bool,
    /// How often it has given up the processor.
    switches: u64,
}

impl Thread {
    fn of(status: &str) -> Thread {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let number = |name| field(name).parse().unwrap_or_default();
        let rests = field("State:").starts_with(['S', 'T', 'Z', 'X', 'I']);
        Thread {
            number: number("Pid:"),
            rests,
            switches: number("voluntary_ctxt_switches:") + number("nonvoluntary_ctxt_switches:"),
        }
    }
}

/// A command and the other side of its terminal.
pub struct Screen {
    master: File,
    /// The terminal's device, as proc(5) has it.
    terminal: u64,
    child: Child,
    chunks: Receiver<Vec<u8>>,
    /// All that has appeared.
    text: Vec<u8>,
    /// Where in it the last answer ended.
    seen: usize,
}

impl Screen {
    /// Starts a command whose controlling terminal has this size.
    ///
    /// # Errors
    /// There is no terminal, or the command does not start.
    pub fn start(mut command: Command, session: Session, rows: u16, columns: u16) -> Result<Screen> {
        let (master, slave) = open(rows, columns)?;
        let terminal = slave.try_clone().map(File::from)?.metadata()?.rdev();
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        // SAFETY: between fork and exec these are system calls only.
        unsafe {
            command.pre_exec(move || {
                if session == Session::New {
                    check(libc::setsid())?;
                }
                check(libc::ioctl(0, libc::TIOCSCTTY, 0))
            });
        }
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        // The command has the terminal's last descriptors: when it is gone, reading ends.
        drop(command);
        let mut reader = master.try_clone()?;
        let (sender, chunks) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO says that nobody has the terminal open any more.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Screen { master, terminal, child, chunks, text: Vec::new(), seen: 0 })
    }

    /// Does the steps, then waits for the command's end: what appeared, and the exit status.
    ///
    /// # Errors
    /// An answer does not come: says which and what came instead.
    pub fn play(mut self, steps: &[Step]) -> Result<(Vec<u8>, ExitStatus)> {
        for (number, step) in steps.iter().enumerate() {
            let until = match step {
                Step::Type { keys, until } => {
                    self.wait_for_rest().with_context(|| format!("step {number}, {step:?}"))?;
                    self.master.write_all(keys.as_bytes())?;
                    until
                }
                Step::Hidden { keys, until } => {
                    self.wait_for_silence()?;
                    self.master.write_all(keys.as_bytes())?;
                    until
                }
                Step::Resize { rows, columns, until } => {
                    resize(&self.master, *rows, *columns)?;
                    until
                }
            };
            self.wait(until).with_context(|| format!("step {number}, {step:?}"))?;
        }
        while let Ok(chunk) = self.chunks.recv_timeout(TIME_LIMIT) {
            self.text.extend(chunk);
        }
        let status = self.child.wait()?;
        Ok((std::mem::take(&mut self.text), status))
    }

    /// Waits until nobody who has the terminal runs, nor has run for a while.
    fn wait_for_rest(&self) -> Result<()> {
        let deadline = Instant::now() + TIME_LIMIT;
        let mut before = Vec::new();
        loop {
            let now = self.threads()?;
            if now == before && now.iter().all(|thread| thread.rests) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("those who have the terminal do not come to rest: {now:?}");
            }
            before = now;
            std::thread::sleep(LOOK);
        }
    }

    /// All threads whose controlling terminal this is, by number.
    fn threads(&self) -> Result<Vec<Thread>> {
        let mut threads = Vec::new();
        for process in std::fs::read_dir("/proc")? {
            let process = process?.path();
            // Processes may end meanwhile.
            let Ok(stat) = std::fs::read_to_string(process.join("stat")) else { continue };
            let terminal =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(4)).and_then(|number| number.parse().ok());
            if terminal != Some(self.terminal) {
                continue;
            }
            let Ok(tasks) = std::fs::read_dir(process.join("task")) else { continue };
            for task in tasks.flatten() {
                threads.extend(std::fs::read_to_string(task.path().join("status")).ok().map(|status| Thread::of(&status)));
            }
        }
        threads.sort();
        Ok(threads)
    }

    /// Waits until the terminal does not echo what is typed.
    fn wait_for_silence(&self) -> Result<()> {
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            // SAFETY: all zeros are a termios, which the call fills; of a master it gives the terminal's.
            let modes = unsafe {
                let mut termios: libc::termios = std::mem::zeroed();
                check(libc::tcgetattr(self.master.as_raw_fd(), &mut termios))?;
                termios.c_lflag
            };
            if modes & libc::ECHO == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("what is typed would appear");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for an answer.
    fn wait(&mut self, until: &str) -> Result<()> {
        let deadline = Instant::now() + TIME_LIMIT;
        while !self.text[self.seen..].ends_with(until.as_bytes()) {
            match self.chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.text.extend(chunk),
                Err(error) => {
                    let ended = if error == RecvTimeoutError::Disconnected { "the end" } else { "nothing more" };
                    bail!("{until:?} did not appear but {:?} and {ended}", self.text[self.seen..].escape_ascii().to_string());
                }
            }
        }
        self.seen = self.text.len();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pseudo-terminal: openpty(3).
fn open(rows: u16, columns: u16) -> Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: the numbers live until the call returns, which looks at nothing else.
    check(unsafe { libc::openpty(&mut master, &mut slave, none, none.cast(), &size(rows, columns)) })?;
    // SAFETY: nobody else has these descriptors.
    let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    for fd in [master.as_raw_fd(), slave.as_raw_fd()] {
        // SAFETY: a system call without pointers.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    // As every terminal of today says of itself.
    // SAFETY: all zeros are a termios, which the first call fills and both find where it is.
    unsafe {
        let mut termios: libc::termios = std::mem::zeroed();
        check(libc::tcgetattr(master.as_raw_fd(), &mut termios))?;
        termios.c_iflag |= libc::IUTF8;
        check(libc::tcsetattr(master.as_raw_fd(), libc::TCSANOW, &termios))?;
    }
    Ok((master, slave))
}

fn size(rows: u16, columns: u16) -> libc::winsize {
    libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn resize(master: &File, rows: u16, columns: u16) -> io::Result<()> {
    // SAFETY: the size lives until the call returns.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size(rows, columns)) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
