//! From the host's arguments and the image's config to the first process, as docker does it.

use std::rc::Rc;

use hoist_vfs::Kind;
use hoist_x86::manifest::{Config, Error as ManifestError};
use hoist_x86::processor;
use hoist_x86::run_options::OptionError;

use crate::code_map;
use crate::cred::{Credentials, User, UserError};
use crate::errno::Errno;
use crate::exec::{self, ExecError, Request};
use crate::fs::boot::{self, FsInfo};
use crate::fs::types::MAY_EXEC;
use crate::fs::uio::Buffer;
use crate::fs::{Cred, Location, Vfs};
use crate::kernel::Kernel;
use crate::mm::{AddressSpace, frames};
use crate::nans;
use crate::options::Options;
use crate::process::Process;
use crate::task::Task;
use crate::user::access;
use crate::wasi;

/// Docker's exit code for what went wrong before the program: its own trouble, not executable, not found.
const FAILED: u32 = 125;
const NOT_EXECUTABLE: u32 = 126;
const NOT_FOUND: u32 = 127;

/// The PATH of an image that sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the machine is called if nobody says.
const DEFAULT_HOSTNAME: &str = "hoist";

/// Why the program could not be started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BootError {
    #[error("the component is damaged: {0}")]
    Manifest(#[from] ManifestError),
    #[error("the root filesystem cannot be read: {}", .0.message())]
    Root(Errno),
    #[error("{0}")]
    User(#[from] UserError),
    #[error("{0}")]
    Option(#[from] OptionError),
    #[error("cannot mount a tmpfs at {path:?}: {}", .errno.message())]
    Tmpfs { path: String, errno: Errno },
    #[error("working directory {path:?}: {}", .errno.message())]
    WorkingDirectory { path: String, errno: Errno },
    #[error("the image names no program and no arguments were given")]
    NoCommand,
    #[error("exec: {0:?}: executable file not found in $PATH")]
    NotInPath(String),
    #[error("exec: {program:?}: {error}")]
    Exec { program: String, error: ExecError },
}

impl BootError {
    /// As docker run would exit.
    pub fn code(&self) -> u32 {
        match self {
            BootError::NotInPath(_) => NOT_FOUND,
            BootError::Exec { error, .. } if matches!(error.errno(), Errno::ENOENT | Errno::ENOTDIR) => NOT_FOUND,
            BootError::Exec { .. } => NOT_EXECUTABLE,
            _ => FAILED,
        }
    }
}

/// Builds the machine and loads the program; the task goes on at its entry.
///
/// # Errors
/// Says what is wrong with the image or the command.
pub fn boot(options: Options) -> Result<Kernel, BootError> {
    let manifest = match code_map::manifest() {
        Ok(manifest) => Some(manifest),
        // Nothing was said: a ROM alone, as tests have it.
        Err(ManifestError::Truncated { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let config = manifest.as_ref().map(|manifest| manifest.config()).transpose()?.unwrap_or_default();
    processor::set_level(config.cpu);
    let first_free = manifest.map_or(0, |manifest| manifest.first_free());

    if options.signals {
        wasi::stdio::expect_signals();
    }
    let terminals = [0, 1, 2].map(wasi::stdio::is_terminal);
    let vfs = Rc::new(boot::boot(terminals, options.terminal).map_err(BootError::Root)?);
    boot::mount_volumes(&vfs, &options.volumes).map_err(BootError::Root)?;
    let spec = options.user.as_deref().unwrap_or(&config.user);
    let user = User::find(spec, &text(&vfs, b"/etc/passwd"), &text(&vfs, b"/etc/group"))?;
    let files = boot::open_stdio(&vfs, terminals).map_err(BootError::Root)?;
    let mut fs = FsInfo::new(&vfs);
    let cwd = options.cwd.as_deref().unwrap_or(&config.working_dir);
    let hostname = [options.hostname.as_deref(), Some(&config.hostname)].into_iter().flatten().find(|name| !name.is_empty());
    let hostname = hostname.unwrap_or(DEFAULT_HOSTNAME).to_owned();
    boot::name_machine(&vfs, &hostname, &options.hosts, &options.resolver).map_err(BootError::Root)?;
    for (number, tmpfs) in options.tmpfs.iter().enumerate() {
        let failed = |errno| BootError::Tmpfs { path: tmpfs.path.clone(), errno };
        boot::mount_tmpfs(&vfs, number as u32, tmpfs).map_err(failed)?;
    }
    fs.cwd = working_directory(&vfs, cwd)?;
    vfs.root().mount.read_only.set(options.read_only);
    let env = environment(&config, &options, &user, &hostname, terminals.contains(&true));
    let argv = command(&config, &options).ok_or(BootError::NoCommand)?;

    let now = wasi::clock::monotonic();
    frames::reset();
    let mut process = Process::first(files, fs, AddressSpace::new(first_free), Credentials::of(&user));
    access::set_space(Some(&process.mm));
    process.tty = vfs.devices().console.clone();
    process.limits.0[crate::limits::NOFILE].soft = process.files.borrow().limit.into();
    let mut k = Kernel {
        vfs,
        process,
        processes: Default::default(),
        task: Task::new(1, 1),
        others: Default::default(),
        next_tid: 2,
        end: None,
        signal_fds: Vec::new(),
        abstract_sockets: Default::default(),
        ipc: Default::default(),
        ports: Default::default(),
        next_timer: None,
        turn_began: 0,
        activity: 0,
        looked_at_terminal: 0,
        turn: 0,
        turn_ends: 0,
        rounds: 1 << 16,
        rounds_began: None,
        memory: options.memory,
        host_signals: options.signals,
        hostname: hostname.into_bytes(),
        domain_name: b"(none)".to_vec(),
        booted: now,
        slept: 0,
        exact_floats: options.exact_floats,
        backtraces: options.backtrace,
        foreign_nans: nans::are_foreign(),
        trace: options.trace_syscalls,
    };
    start(&mut k, argv, env)?;
    Ok(k)
}

/// Looks the program up as docker does, and executes it.
fn start(k: &mut Kernel, argv: Vec<String>, env: Vec<String>) -> Result<(), BootError> {
    let program = argv[0].clone();
    let path = env.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let file = find(k, &program, path)?;
    let bytes = |texts: Vec<String>| texts.into_iter().map(String::into_bytes).collect();
    let request = Request { path: file.into_bytes(), argv: bytes(argv), envp: bytes(env) };
    if k.trace {
        let shown: Vec<String> = request.argv.iter().map(|text| format!("{:?}", String::from_utf8_lossy(text))).collect();
        k.say(&format!("execve({:?}, [{}]) = 0", String::from_utf8_lossy(&request.path), shown.join(", ")));
    }
    exec::execve(k, request).map_err(|error| BootError::Exec { program, error })
}

/// A name without a slash is looked for in the directories of PATH.
fn find(k: &Kernel, program: &str, path: &str) -> Result<String, BootError> {
    if program.contains('/') {
        return Ok(program.to_owned());
    }
    let (info, cred) = (k.process.fs.borrow(), &k.process.cred.fs);
    let walker = info.walker(cred, None);
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let file = format!("{dir}/{program}");
        let stat = walker.resolve(file.as_bytes(), true).and_then(|location| location.inode().stat());
        if stat.is_ok_and(|stat| stat.kind == Kind::Regular && cred.permission(&stat, MAY_EXEC).is_ok()) {
            return Ok(file);
        }
    }
    Err(BootError::NotInPath(program.to_owned()))
}

/// The program and its arguments: entry point, then arguments or else the image's command; an entry point from outside drops the command.
fn command(config: &Config, options: &Options) -> Option<Vec<String>> {
    let mut argv = match &options.entrypoint {
        Some(entrypoint) if entrypoint.is_empty() => Vec::new(),
        Some(entrypoint) => vec![entrypoint.clone()],
        None => config.entrypoint.clone(),
    };
    match &options.args {
        Some(args) => argv.extend_from_slice(args),
        None if options.entrypoint.is_none() => argv.extend_from_slice(&config.cmd),
        None => {}
    }
    Some(argv).filter(|argv| argv.first().is_some_and(|program| !program.is_empty()))
}

/// What docker sets, the image's variables over it, the host's over those.
fn environment(config: &Config, options: &Options, user: &User, hostname: &str, terminal: bool) -> Vec<String> {
    let mut env: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value.to_owned(),
        None => env.push((name.to_owned(), value.to_owned())),
    };
    set("PATH", DEFAULT_PATH);
    set("HOSTNAME", hostname);
    if terminal {
        set("TERM", "xterm");
    }
    for variable in &config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        set(name, value);
    }
    for (name, value) in &options.env {
        set(name, value);
    }
    if !env.iter().any(|(name, _)| name == "HOME") {
        env.push(("HOME".into(), user.home.clone()));
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The directory, made with those above it if it is not there.
fn working_directory(vfs: &Vfs, path: &str) -> Result<Location, BootError> {
    let mut at = vfs.root();
    let mut so_far = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        so_far = format!("{so_far}/{name}");
        let made = boot::directory(vfs, so_far.as_bytes());
        at = made.map_err(|errno| BootError::WorkingDirectory { path: path.to_owned(), errno })?;
    }
    Ok(at)
}

/// A text file of the image, empty if it cannot be read.
fn text(vfs: &Vfs, path: &[u8]) -> String {
    const LIMIT: u64 = 1 << 20;
    let cred = Cred::root();
    let read = || {
        let location = boot::walker(vfs, &cred).resolve(path, true)?;
        let mut bytes = vec![0; location.inode().stat()?.size.min(LIMIT) as usize];
        let count = location.inode().read_at(0, &mut Buffer::new(&mut bytes))?;
        bytes.truncate(count);
        Ok::<_, Errno>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            entrypoint: vec!["/entry".into()],
            cmd: vec!["a".into(), "b".into()],
            env: vec!["PATH=/x".into(), "A=1".into()],
            ..Config::default()
        }
    }

    #[test]
    fn the_command_is_docker_s() {
        let with = |entrypoint: Option<&str>, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|&text| text.into()).collect();
            let args = Some(args).filter(|args| !args.is_empty());
            let options = Options { entrypoint: entrypoint.map(Into::into), args, ..Options::default() };
            command(&config(), &options).map(|argv| argv.join(" "))
        };
        assert_eq!(with(None, &[]).as_deref(), Some("/entry a b"));
        assert_eq!(with(None, &["c"]).as_deref(), Some("/entry c"));
        assert_eq!(with(Some("sh"), &[]).as_deref(), Some("sh"));
        assert_eq!(with(Some("sh"), &["-c", "d"]).as_deref(), Some("sh -c d"));
        assert_eq!(with(Some(""), &["e"]).as_deref(), Some("e"));
        assert_eq!(with(Some(""), &[]), None);
    }

    #[test]
    fn the_environment_is_docker_s() {
        let options = Options { env: vec![("A".into(), "2".into()), ("B".into(), "3".into())], ..Options::default() };
        let user = User { home: "/root".into(), ..User::default() };
        let env = environment(&config(), &options, &user, "box", false);
        assert_eq!(env, ["PATH=/x", "HOSTNAME=box", "A=2", "B=3", "HOME=/root"]);
    }
}
