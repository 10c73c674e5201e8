//! `hoist run -it IMAGE bash` on a pseudo-terminal, beside bash itself on one: every byte that appears is the same.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use hoist_testsuite::compare::{Hoist, Image, Invocation, Lift, native_command};
use hoist_testsuite::pty::{Screen, Session, Step};

/// The window when bash starts.
const SIZE: (u16, u16) = (24, 80);
/// What bash prints when it waits for a line. Its end, since readline says before it that pasted text is to be marked.
const PROMPT: &str = "% ";

/// The image, and the component that it became, for all tests.
fn subject() -> Result<&'static (Hoist, Image, PathBuf)> {
    static SUBJECT: OnceLock<Result<(Hoist, Image, PathBuf), String>> = OnceLock::new();
    let prepare = || -> Result<_> {
        let (hoist, image) = (Hoist::find()?, Image::build("shell")?);
        let component = hoist.convert(&image, Lift::All)?;
        Ok((hoist, image, component))
    };
    let subject = SUBJECT.get_or_init(|| prepare().map_err(|error| format!("{error:#}")));
    subject.as_ref().map_err(|error| anyhow!("{error}"))
}

/// Steps, one after the other.
#[derive(Default)]
struct Script(Vec<Step>);

impl Script {
    /// Presses keys and waits for the end of what they do.
    fn keys(mut self, keys: &str, until: &str) -> Script {
        self.0.push(Step::Type { keys: keys.into(), until: until.into() });
        self
    }

    /// Types a text that appears as it is typed.
    fn text(self, text: &str) -> Script {
        text.chars().map(String::from).fold(self, |script, key| script.keys(&key, &key))
    }

    /// Types a command, which ends.
    fn line(self, text: &str) -> Script {
        self.text(text).keys("\r", PROMPT)
    }

    /// Types a command and waits until it has written something.
    fn start(self, text: &str, until: &str) -> Script {
        self.text(text).keys("\r", until)
    }

    fn resize(mut self, rows: u16, columns: u16, until: &str) -> Script {
        self.0.push(Step::Resize { rows, columns, until: until.into() });
        self
    }

    /// Plays it natively and hoisted.
    fn check(self) -> Result<()> {
        let (hoist, image, component) = subject()?;
        let steps = Script::default().keys("", PROMPT).0.into_iter().chain(self.0).chain(Script::default().keys("\x04", "").0);
        let steps: Vec<Step> = steps.collect();
        let native = natively(image, &steps).context("natively")?;
        let hoisted = hoisted(hoist, image, component, &steps).context("hoisted")?;
        ensure!(hoisted == native, "natively {}, {}\nhoisted  {}, {}", native.0, native.1, hoisted.0, hoisted.1);
        Ok(())
    }
}

fn bash() -> Invocation {
    let env = [("PS1", PROMPT), ("TERM", "xterm"), ("HISTFILE", "")];
    Invocation {
        argv: ["bash", "--norc", "--noprofile", "-i"].map(String::from).into(),
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Invocation::default()
    }
}

/// What appeared, and how it ended.
fn natively(image: &Image, steps: &[Step]) -> Result<(String, String)> {
    let (command, _volume) = native_command(&image.rootfs, &bash())?;
    let (text, status) = Screen::start(command, Session::Its, SIZE.0, SIZE.1)?.play(steps)?;
    Ok((text.escape_ascii().to_string(), status.to_string()))
}

fn hoisted(hoist: &Hoist, image: &Image, component: &Path, steps: &[Step]) -> Result<(String, String)> {
    let (command, _volume) = hoist.run_command(image, component, &bash(), &["--interactive", "--tty"])?;
    let (text, status) = Screen::start(command, Session::New, SIZE.0, SIZE.1)?.play(steps)?;
    Ok((text.escape_ascii().to_string(), status.to_string()))
}

/// A command that says when it is there, and then sleeps.
const SLEEPER: &str = "sh -c 'echo go; exec sleep 1000'";
const CONTROL_C: &str = "\x03";
const CONTROL_Z: &str = "\x1a";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

#[test]
fn lines_are_edited() -> Result<()> {
    let script = Script::default().text("echo abd").keys(LEFT, "\x08").keys("c", "cd\x08").keys("\r", PROMPT);
    let script = script.keys(UP, "echo abcd").keys("\x7f", "\x08 \x08").text("e").keys("\x01", "\r% ").keys("\x0b", "\x1b[K");
    let script = script.line("true").text("echo one two").keys("\x17", "\x08\x1b[K").keys("\x19", "two").keys("\r", PROMPT);
    let script = script.text("cat /etc/pass").keys("\t", "wd ").keys(CONTROL_C, PROMPT);
    script.keys("\x12", "`': ").keys("on", "\x1b[27me two\x08\x08\x08\x08\x08\x08\x08").keys("\r", PROMPT).check()
}

#[test]
fn programs_read_lines_that_the_terminal_edits() -> Result<()> {
    let script =
        Script::default().start("cat", "\x1b[?2004l\r").text("abx").keys("\x7f", "\x08 \x08").keys("c\r", "c\r\nabc\r\n");
    let script = script
        .text("one two")
        .keys("\x17", "\x08 \x08\x08 \x08\x08 \x08")
        .text("x")
        .keys("\x15", "\x08 \x08")
        .keys("y\r", "y\r\ny\r\n");
    script
        .keys("\x16\x01\r", "^A\r\n\x01\r\n")
        .keys("\x04", PROMPT)
        .line("stty -a")
        .start("stty -echo; echo go; read x; stty echo", "go\r\n")
        .keys("secret\r", PROMPT)
        .line("echo $x")
        .check()
}

#[test]
fn keys_send_signals() -> Result<()> {
    let script = Script::default().start(SLEEPER, "go\r\n").keys(CONTROL_C, PROMPT).line("echo $?");
    let script = script
        .start("cat", "\x1b[?2004l\r")
        .keys("a\r", "a\r\na\r\n")
        .keys("\x1c", PROMPT)
        .line("echo $?")
        .text("echo never")
        .keys(CONTROL_C, PROMPT);
    script
        .start("trap 'echo caught' INT; echo go; read x", "go\r\n")
        .keys(CONTROL_C, "caught\r\n")
        .keys("y\r", PROMPT)
        .line("echo $x")
        .check()
}

#[test]
fn jobs_stop_and_go_on() -> Result<()> {
    let script = Script::default().start(SLEEPER, "go\r\n").keys(CONTROL_Z, PROMPT).line("echo $?");
    let script = script.start("cat", "\x1b[?2004l\r").keys("a\r", "a\r\na\r\n").keys(CONTROL_Z, PROMPT).line("jobs");
    let script = script.start("fg", "cat\r\n").keys("b\r", "b\r\nb\r\n").keys(CONTROL_C, PROMPT);
    let script = script.line("bg %1").line("jobs").line("kill %1; wait %1").line("echo $?; jobs");
    script.line("{ sleep 1000 & } 2> /dev/null").line("jobs").line("kill -9 %1; wait %1").check()
}

#[test]
fn the_window_changes() -> Result<()> {
    let trap = "bash -c 'trap \"stty size; exit\" WINCH; echo go; while :; do sleep 0.01; done'";
    let script = Script::default().line("stty size; echo $LINES $COLUMNS").start(trap, "go\r\n");
    let script = script.resize(30, 40, PROMPT).line("stty size").line("echo $LINES $COLUMNS");
    script
        .text("echo 45678901234567890123456789012345")
        .keys("6", "6 \r")
        .keys("7", "7")
        .keys("8", "8")
        .keys("9", "9")
        .keys("\r", PROMPT)
        .check()
}
