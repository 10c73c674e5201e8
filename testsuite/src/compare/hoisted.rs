//! Commands through the `hoist` command that cargo built.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::image::{output_dir, profile_dir};
use super::{Image, Invocation, Outcome, volume};

/// No command of the tests takes this long, hoisted or not, on a machine with much else to do.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(300);
/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(2);

/// `--lift`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lift {
    All,
    None,
}

impl Lift {
    pub fn name(self) -> &'static str {
        match self {
            Lift::All => "all",
            Lift::None => "none",
        }
    }
}

/// The `hoist` command, with a cache of its own.
#[derive(Clone)]
pub struct Hoist {
    program: PathBuf,
    dir: PathBuf,
    /// `--cpu`
    cpu: String,
}

impl Hoist {
    /// The command named by `$HOIST`, else the one that cargo built with the test's profile; images are converted for the processor that
    /// `$HOIST_CPU` names.
    ///
    /// # Errors
    /// There is none.
    pub fn find() -> Result<Hoist> {
        let program = match std::env::var_os("HOIST") {
            Some(program) => PathBuf::from(program),
            None => profile_dir()?.join("hoist"),
        };
        ensure!(program.is_file(), "{}: no such file; build it first: cargo build --release", program.display());
        let cpu = std::env::var("HOIST_CPU").unwrap_or_else(|_| "v2".into());
        Ok(Hoist { program, dir: output_dir()?, cpu })
    }

    /// The same command for another processor.
    pub fn with_cpu(self, cpu: &str) -> Hoist {
        Hoist { cpu: cpu.into(), ..self }
    }

    /// `hoist` with arguments to come.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("XDG_CACHE_HOME", self.dir.join("cache"));
        command
    }

    /// Converts an image, unless this very `hoist` has done so before.
    ///
    /// # Errors
    /// The conversion fails, with its messages.
    pub fn convert(&self, image: &Image, lift: Lift) -> Result<PathBuf> {
        let dir = self.dir.join("components");
        fs::create_dir_all(&dir)?;
        let component = dir.join(format!("{}-{}-{}.wasm", image.name, lift.name(), self.cpu));
        let inputs = [self.program.as_path(), &image.layout.join("index.json")];
        if is_newer(&component, &inputs) {
            return Ok(component);
        }
        let mut command = self.command();
        command.args(["convert", "--quiet", "--lift", lift.name(), "--cpu", &self.cpu, "-o"]).arg(&component);
        command.arg(format!("oci:{}", image.layout.display()));
        let output = command.output()?;
        ensure!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        // Compiling takes its time, and its message would be in the first command's output.
        let output = self.command().args(["compile", "-o"]).arg(component.with_extension("cwasm")).arg(&component).output()?;
        ensure!(output.status.success(), "hoist compile: {}", String::from_utf8_lossy(&output.stderr));
        Ok(component)
    }

    /// Runs a command in a converted image.
    ///
    /// # Errors
    /// hoist does not start, or the command takes too long.
    pub fn run(&self, image: &Image, component: &Path, invocation: &Invocation) -> Result<Outcome> {
        let (command, volume) = self.run_command(image, component, invocation, &["--interactive"])?;
        finish(command, &invocation.stdin, volume)
    }

    /// The command that [`Hoist::run`] runs, with options of `hoist run`, and its volume.
    ///
    /// # Errors
    /// The volume cannot be made.
    pub fn run_command(
        &self,
        image: &Image,
        component: &Path,
        invocation: &Invocation,
        options: &[&str],
    ) -> Result<(Command, Option<TempDir>)> {
        let mut command = self.command();
        command.arg("run").args(options);
        for (name, value) in &invocation.env {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        if let Some(dir) = &invocation.workdir {
            command.arg("--workdir").arg(dir);
        }
        let volume = invocation.volume.then(|| volume::create(&image.rootfs)).transpose()?;
        if let Some(volume) = &volume {
            command.arg("--volume").arg(format!("{}:{}", volume.path().display(), volume::TARGET));
        }
        let (program, args) = invocation.argv.split_first().context("a command has a name")?;
        command.arg("--entrypoint").arg(program).arg(component.with_extension("cwasm")).args(args);
        Ok((command, volume))
    }
}

fn is_newer(file: &Path, than: &[&Path]) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    file.with_extension("cwasm").exists() && than.iter().all(|other| time(other) < time(file))
}

/// Runs a command to its end with this standard input; what is in its volume then is part of the outcome.
pub(super) fn finish(mut command: Command, stdin: &[u8], volume: Option<TempDir>) -> Result<Outcome> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A command that does not read its input closes the pipe: not an error.
        scope.spawn(move || input.map(|mut pipe| pipe.write_all(stdin)));
        let stdout = scope.spawn(move || read(out));
        let stderr = scope.spawn(move || read(err));
        let status = wait(&mut child).with_context(|| format!("{command:?}"));
        let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("reading does not panic"));
        let status = status?;
        let status = status.code().or(status.signal().map(|signal| 128 + signal)).context("the command has ended")?;
        let files = volume.map(|volume| volume::contents(volume.path())).transpose()?.unwrap_or_default();
        Ok(Outcome { stdout: stdout?, stderr: stderr?, status, files })
    })
}

fn read(pipe: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > TIME_LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("not finished after {} s", TIME_LIMIT.as_secs());
        }
        thread::sleep(POLL);
    }
}
