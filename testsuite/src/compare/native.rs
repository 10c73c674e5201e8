//! Commands in a chroot: the real kernel and the real processor say what is right.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::hoisted::finish;
use super::{Invocation, Outcome, volume};

/// What hoist, as docker, sets where an image sets nothing.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOSTNAME", HOSTNAME), ("HOME", "/root")];
const HOSTNAME: &str = "hoist";
const WORKDIR: &str = "/work";
/// Linux's default.
const STACK: libc::rlimit = libc::rlimit { rlim_cur: 8 << 20, rlim_max: libc::RLIM_INFINITY };
const NO_CORE: libc::rlimit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
/// mknod(2): name, major and minor number as in Linux's Documentation/admin-guide/devices.txt.
const DEVICES: [(&str, u32, u32); 7] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0), ("ptmx", 5, 2)];
const DEVICE_LINKS: [(&str, &str); 4] =
    [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")];

/// Runs a command in a root filesystem, which stays as it is: what is written goes to an overlay that ends with the command.
///
/// # Errors
/// We are not root, the command is not there, or it takes too long.
pub fn run(rootfs: &Path, invocation: &Invocation) -> Result<Outcome> {
    let (command, volume) = command(rootfs, invocation)?;
    finish(command, &invocation.stdin, volume).context("natively (this needs root)")
}

/// The command that [`run`] runs, leader of a session, and its volume.
///
/// # Errors
/// The root filesystem is not there.
pub fn command(rootfs: &Path, invocation: &Invocation) -> Result<(Command, Option<TempDir>)> {
    let (program, args) = invocation.argv.split_first().context("a command has a name")?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(ENVIRONMENT);
    command.envs(invocation.env.iter().map(|(name, value)| (name, value)));
    let workdir = invocation.workdir.as_deref().unwrap_or(WORKDIR);
    let volume = invocation.volume.then(|| volume::create(rootfs)).transpose()?;
    let root = Root::new(rootfs, workdir, volume.as_ref().map(TempDir::path))?;
    // SAFETY: between fork and exec, `enter` makes system calls only; all memory it needs was allocated before.
    unsafe { command.pre_exec(move || root.enter()) };
    Ok((command, volume))
}

/// A mount that is to be made: mount(2).
struct Mount {
    source: CString,
    target: CString,
    kind: CString,
    data: CString,
    flags: libc::c_ulong,
}

impl Mount {
    fn new(source: &str, target: &str, kind: &str, data: &str) -> Result<Mount> {
        let [source, target, kind, data] = [source, target, kind, data].map(CString::new);
        Ok(Mount { source: source?, target: target?, kind: kind?, data: data?, flags: 0 })
    }

    /// The same directory at another place as well.
    fn bind(source: &Path, target: &str) -> Result<Mount> {
        Ok(Mount { flags: libc::MS_BIND, ..Mount::new(&source.display().to_string(), target, "none", "")? })
    }

    fn make(&self) -> io::Result<()> {
        // SAFETY: the strings end in zero bytes.
        check(unsafe {
            libc::mount(self.source.as_ptr(), self.target.as_ptr(), self.kind.as_ptr(), self.flags, self.data.as_ptr().cast())
        })
    }
}

/// What a command's root is made of, ready for a process that must not allocate.
struct Root {
    /// Keeps what is written, in memory: mounted first.
    scratch: Mount,
    directories: Vec<CString>,
    mounts: Vec<Mount>,
    /// Pseudo-terminals: mounted in the new root's `/dev`.
    terminals: Mount,
    root: CString,
    devices: Vec<(CString, libc::dev_t)>,
    links: Vec<(CString, CString)>,
    workdir: CString,
}

impl Root {
    fn new(rootfs: &Path, workdir: &str, volume: Option<&Path>) -> Result<Root> {
        let lower = rootfs.canonicalize()?;
        // Every namespace of mounts has its own: they can all use the same directory.
        let scratch = lower.with_file_name("native");
        fs::create_dir_all(&scratch)?;
        let path = |name: &str| scratch.join(name).display().to_string();
        let overlay = format!("lowerdir={},upperdir={},workdir={}", lower.display(), path("upper"), path("work"));
        let root = path("root");
        let directories = ["upper", "work", "root"].map(|name| CString::new(path(name)));
        let device =
            |&(name, major, minor): &(&str, u32, u32)| Ok((CString::new(format!("/dev/{name}"))?, libc::makedev(major, minor)));
        let link = |&(name, to): &(&str, &str)| Ok((CString::new(format!("/dev/{name}"))?, CString::new(to)?));
        let mut mounts = vec![
            Mount::new("root", &root, "overlay", &overlay)?,
            Mount::new("proc", &format!("{root}/proc"), "proc", "")?,
            Mount::new("sysfs", &format!("{root}/sys"), "sysfs", "")?,
            Mount::new("dev", &format!("{root}/dev"), "tmpfs", "mode=0755")?,
        ];
        if let Some(volume) = volume {
            mounts.push(Mount::bind(volume, &format!("{root}{}", volume::TARGET))?);
        }
        Ok(Root {
            scratch: Mount::new("scratch", &path(""), "tmpfs", "mode=0755")?,
            directories: directories.into_iter().collect::<Result<_, _>>()?,
            mounts,
            terminals: Mount::new("devpts", "/dev/pts", "devpts", "newinstance,gid=5,mode=620,ptmxmode=666")?,
            root: CString::new(root)?,
            devices: DEVICES.iter().map(device).collect::<Result<_>>()?,
            links: DEVICE_LINKS.iter().map(link).collect::<Result<_>>()?,
            workdir: CString::new(workdir)?,
        })
    }

    /// Goes on as the first process of namespaces of its own (no network but its loopback, nothing shared) with this root. Nothing else comes from whoever tests:
    /// shells, for one, ignore SIGINT in what runs in the background.
    fn enter(&self) -> io::Result<()> {
        let namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
        let none = std::ptr::null();
        // SAFETY: system calls whose strings end in zero bytes, in a process that has one thread.
        unsafe {
            become_first_process()?;
            // As a container's first process, it leads a session.
            check(libc::setsid())?;
            let default = [0u64; 4];
            for signal in 1..=libc::SIGRTMAX() {
                // The system call, since the C library keeps two signals for itself. SIGKILL and SIGSTOP cannot be set.
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), size_of::<u64>());
            }
            // Whoever tests may have left descriptors open; those of this library are closed by exec in any case.
            check(libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int))?;
            check(libc::setpriority(libc::PRIO_PROCESS, 0, 0))?;
            check(libc::unshare(namespaces))?;
            check(libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))?;
            check(libc::sethostname(HOSTNAME.as_ptr().cast(), HOSTNAME.len()))?;
            bring_loopback_up()?;
            self.scratch.make()?;
            for directory in &self.directories {
                check(libc::mkdir(directory.as_ptr(), 0o755))?;
            }
            self.mounts.iter().try_for_each(Mount::make)?;
            check(libc::chroot(self.root.as_ptr()))?;
            libc::umask(0);
            for (path, number) in &self.devices {
                check(libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, *number))?;
            }
            check(libc::mkdir(c"/dev/shm".as_ptr(), 0o1777))?;
            check(libc::mkdir(c"/dev/pts".as_ptr(), 0o755))?;
            self.terminals.make()?;
            for (path, to) in &self.links {
                check(libc::symlink(to.as_ptr(), path.as_ptr()))?;
            }
            libc::umask(0o022);
            check(libc::setgroups(1, [0].as_ptr()))?;
            check(libc::setrlimit(libc::RLIMIT_STACK, &STACK))?;
            check(libc::setrlimit(libc::RLIMIT_CORE, &NO_CORE))?;
            check(libc::chdir(self.workdir.as_ptr()))
        }
    }
}

/// Brings the interface `lo` of a new network namespace up, which gives it its addresses (netdevice(7)).
fn bring_loopback_up() -> io::Result<()> {
    // SAFETY: system calls; an `ifreq` of zeros is one, and the name that is written to it is shorter than its field.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        check(socket)?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &request));
        check(libc::close(socket))?;
        result
    }
}

/// Goes on as process 1 of a new PID namespace, as a container does. The process that called only waits for it, and ends as a shell would say it did; if
/// it is killed, so are all of them.
///
/// # Safety
/// The process has one thread, and goes on to another program.
unsafe fn become_first_process() -> io::Result<()> {
    // SAFETY: system calls with numbers, and one that fills a number here.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWPID))?;
        let child = libc::fork();
        if check(child).map(|()| child)? == 0 {
            return check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
        }
        // Others wait until nobody has these open any more.
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) < 0 {}
        libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) })
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
