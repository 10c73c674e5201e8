//! `hoist run`: as `docker run`, of an image or a component.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hoist_oci::{Digest, Reference};
use hoist_runner::{Cache, Invocation, Mount, Profiler, RunError, Runner};
use hoist_topology::Overrides;
use hoist_x86::accesses::SECTION;
use hoist_x86::boundary::environment;

use super::image::ImageOptions;
use super::machine::Machine;
use super::{Failure, cache_dir};
use crate::application::Plan;
use crate::component::Outside;
use crate::pipeline::{self, Conversion};
use crate::progress::Progress;

/// Run a container image, or a component made from one
#[derive(Args)]
#[command(override_usage = "hoist run [OPTIONS] IMAGE [ARGS]...")]
pub struct Run {
    /// IMAGE: a component (FILE.wasm, FILE.cwasm) or an image reference as for `convert`. ARGS replace the image's Cmd
    // One list, so that what follows the image is the guest's, whatever it looks like: `run IMAGE -e x`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "IMAGE [ARGS]...")]
    command: Vec<String>,

    /// Set an environment variable; without a value, the host's
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Working directory in the guest
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,

    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// Program to start instead of the image's
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,

    /// The guest's host name
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,

    #[command(flatten)]
    machine: Machine,

    /// Show a directory of the host in the guest
    #[arg(short, long, value_name = "HOST:GUEST[:ro]")]
    volume: Vec<String>,

    /// Connect standard input
    #[arg(short, long)]
    interactive: bool,

    /// Let the guest see the terminal as one
    #[arg(short, long)]
    tty: bool,

    /// Accepted as docker does: nothing of a run is ever kept
    #[arg(long)]
    rm: bool,

    /// Print at the end, to standard error, what was interpreted, and where
    #[arg(long)]
    stats: bool,

    /// Say who called whom when a process ends by SIGSEGV, SIGABRT and their like
    #[arg(long)]
    backtrace: bool,

    /// Print to standard error what happens
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    trace: Vec<Trace>,

    /// Tell a profiler about compiled functions
    #[arg(long, value_enum, value_name = "HOW")]
    profile: Option<Profile>,

    /// Print how long each stage of a conversion took, to standard error
    #[arg(long)]
    timings: bool,

    #[command(flatten)]
    options: ImageOptions,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Trace {
    /// System calls, in strace's notation
    Syscalls,
    /// Each block that is interpreted, by its address
    Blocks,
}

impl Trace {
    /// As the kernel is told.
    fn name(self) -> &'static str {
        match self {
            Trace::Syscalls => "syscalls",
            Trace::Blocks => "blocks",
        }
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Profile {
    /// For perf(1), as /tmp/perf-PID.map
    Perfmap,
    /// For `perf inject`
    Jitdump,
}

impl Run {
    pub fn run(self) -> Result<ExitCode, Failure> {
        if self.image() == "-" {
            let message = "an archive from standard input is for convert; what runs has standard input itself";
            return Err(Failure::new(super::OWN_FAILURE, message));
        }
        if let Some(option) = self.image().strip_prefix('-') {
            return Err(Failure::new(super::OWN_FAILURE, format!("unknown option -{option}; see hoist run --help")));
        }
        let invocation = self.invocation()?;
        let progress = Progress::new(false);
        let file = self.component(&progress)?;
        let runner = Runner::new(match self.profile {
            None => Profiler::None,
            Some(Profile::Perfmap) => Profiler::PerfMap,
            Some(Profile::Jitdump) => Profiler::JitDump,
        })?;
        let cache = cache_dir().map_or_else(Cache::none, |dir| Cache::at(dir.join("compiled")));
        let load = |announce: &mut dyn FnMut()| runner.load(&file, &cache, announce);
        let component = progress.maybe_long("compile", "compiling for this machine (once)", load)?;
        if self.timings {
            eprint!("{}", progress.timings());
        }
        let accesses = || Outside::read(&file).ok().and_then(|mut outside| outside.custom.remove(SECTION)).unwrap_or_default();
        match runner.run(&component, &invocation, &accesses) {
            Ok(status) => Ok(ExitCode::from(status)),
            Err(RunError::Trap(trap)) => Err(Failure::new(trap.status, trap.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn image(&self) -> &str {
        &self.command[0]
    }

    fn args(&self) -> &[String] {
        &self.command[1..]
    }

    /// What the guest is given.
    fn invocation(&self) -> Result<Invocation, Failure> {
        let mut env: Vec<(String, String)> = self.env.iter().filter_map(|variable| env_variable(variable)).collect();
        let mut set = |name: &str, value: Option<&str>| env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        set(environment::ENTRYPOINT, self.entrypoint.as_deref());
        set(environment::CWD, self.workdir.as_deref());
        set(environment::USER, self.user.as_deref());
        set(environment::HOSTNAME, self.hostname.as_deref());
        let traces: Vec<&str> = self.trace.iter().map(|trace| trace.name()).collect();
        set(environment::TRACE, Some(traces.join(",")).as_deref().filter(|traces| !traces.is_empty()));
        set(environment::STATS, self.stats.then_some("1"));
        set(environment::BACKTRACE, self.backtrace.then_some("1"));
        env.extend(self.machine.variables()?);
        let name = Path::new(self.image()).file_name().map_or(self.image().into(), |name| name.to_string_lossy());
        Ok(Invocation {
            args: std::iter::once(name.into_owned()).chain(self.args().iter().cloned()).collect(),
            env,
            mounts: self.volume.iter().map(|volume| mount(volume)).collect::<Result<_, _>>()?,
            interactive: self.interactive,
            tty: self.tty,
        })
    }

    /// The component's file: the one that was named, or what the image was converted to.
    fn component(&self, progress: &Progress) -> Result<PathBuf, Failure> {
        let file = Path::new(self.image());
        if file.is_file() {
            return Ok(file.to_owned());
        }
        if file.extension().is_some_and(|extension| extension == "wasm" || extension == "cwasm") {
            return Err(Failure::new(super::OWN_FAILURE, format!("{}: no such file", file.display())));
        }
        let reference: Reference = self.image().parse()?;
        let needs_entry = self.args().is_empty() && self.entrypoint.is_none();
        let conversion = self.options.conversion(reference, needs_entry)?;
        let dir = cache_dir().ok_or_else(|| Failure::new(super::OWN_FAILURE, "neither XDG_CACHE_HOME nor HOME is set"))?;
        let dir = dir.join("components");
        std::fs::create_dir_all(&dir).map_err(|error| Failure::new(super::OWN_FAILURE, format!("{}: {error}", dir.display())))?;
        let digest = hoist_oci::resolve(&conversion.reference, &conversion.pull)?;
        let file = dir.join(format!("{}.wasm", key(&conversion, &digest)));
        if !file.exists() {
            let mut plan = Plan::of_image(&conversion.reference, Overrides::default());
            pipeline::convert(&conversion, &mut plan, &file, progress)?;
        }
        Ok(file)
    }
}

/// What a conversion's result depends on.
fn key(conversion: &Conversion, digest: &Digest) -> String {
    let Conversion { reference, lift, cpu, .. } = conversion;
    let hoist = [env!("CARGO_PKG_VERSION"), &pipeline::kernel_digest()].join(" ");
    Digest::of(format!("{digest} {hoist} {lift:?} {cpu:?} {reference}").as_bytes()).hex().to_owned()
}

/// `NAME=VALUE`, or the host's value of `NAME`; as docker, nothing if the host has none.
fn env_variable(variable: &str) -> Option<(String, String)> {
    match variable.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((variable.to_owned(), std::env::var(variable).ok()?)),
    }
}

/// `HOST:GUEST[:ro|:rw]`
fn mount(volume: &str) -> Result<Mount, Failure> {
    let invalid = |why: &str| Failure::new(super::OWN_FAILURE, format!("invalid volume specification {volume:?}: {why}"));
    let mut parts = volume.split(':');
    let (host, guest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let read_only = match parts.next() {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(_) => return Err(invalid("the mode is ro or rw")),
    };
    if host.is_empty() || !guest.starts_with('/') || parts.next().is_some() {
        return Err(invalid("want HOST:GUEST[:ro], GUEST an absolute path"));
    }
    let host = Path::new(host);
    if !host.is_dir() {
        return Err(invalid("the host has no such directory"));
    }
    Ok(Mount { host: host.to_owned(), guest: guest.to_owned(), read_only })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Run;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: Run,
    }

    #[test]
    fn what_follows_the_image_is_the_guest_s() {
        let run = Line::parse_from(["run", "-e", "A=1", "--rm", "oci:dir", "-e", "B=2", "--rm", "--", "-it"]).run;
        assert_eq!((run.env.as_slice(), run.rm, run.image()), (["A=1".to_owned()].as_slice(), true, "oci:dir"));
        assert_eq!(run.args(), ["-e", "B=2", "--rm", "--", "-it"]);
    }
}
