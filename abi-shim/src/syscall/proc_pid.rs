//! The texts of proc(5) that tell of one process.

use std::fmt::Write;

use crate::fs::types::encode_device;
use crate::kernel::Kernel;
use crate::limits;
use crate::mm::{Backing, PAGE, Prot};
use crate::process::Process;
use crate::signal::{Action, SignalSet};
use crate::task::State;
use crate::wasi::Nanos;

use super::proc::TICK;

/// The process that is told of, and what its first task adds.
pub struct Subject<'a> {
    k: &'a Kernel,
    process: &'a Process,
    name: &'a [u8],
    /// As ps(1) shows it.
    state: char,
    blocked: SignalSet,
    pending: SignalSet,
    threads: usize,
}

/// Names and units of the limits, in the order of their numbers, as fs/proc/base.c has them.
const LIMITS: [(&str, &str); limits::COUNT] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

impl<'a> Subject<'a> {
    /// The process with a number, or that of the task with the number.
    pub fn find(k: &'a Kernel, pid: i32) -> Option<Subject<'a>> {
        let process = k.process(pid)?;
        let first = k.tasks().find(|task| task.tid == pid);
        let state = match first.map(|task| task.state) {
            _ if process.end.is_some() => 'Z',
            _ if process.stopped.is_some() => 'T',
            Some(State::Waiting) => 'S',
            _ => 'R',
        };
        let name = first.map_or(&process.name[..], |task| &task.name);
        let blocked = first.map_or(SignalSet::EMPTY, |task| task.blocked);
        let threads = k.tasks().filter(|task| task.pid == pid).count();
        let pending = first.map_or(SignalSet::EMPTY, |task| task.pending.set);
        Some(Subject { k, process, name, state, blocked, pending, threads })
    }

    fn cpu_time(&self) -> Nanos {
        if self.process.pid == self.k.process.pid { self.k.cpu_time() } else { self.process.cpu_time }
    }

    /// The text with this name.
    pub fn text(&self, name: &str) -> Vec<u8> {
        let line = |text: &str| format!("{text}\n").into_bytes();
        match name {
            "auxv" => self.memory(self.process.auxv),
            "cgroup" => line("0::/"),
            "cmdline" => self.memory(self.process.arguments),
            "environ" => self.memory(self.process.environment),
            "comm" => [self.name, b"\n"].concat(),
            "coredump_filter" => line("00000033"),
            "io" => line("rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0"),
            "limits" => self.limits(),
            "loginuid" | "sessionid" => b"4294967295".to_vec(),
            "maps" => self.maps(false),
            "smaps" => self.maps(true),
            "mounts" => mounts(self.k),
            "mountinfo" => mountinfo(self.k),
            "oom_adj" | "oom_score" | "oom_score_adj" => line("0"),
            "personality" => line("00000000"),
            "schedstat" => line(&format!("{} 0 1", self.cpu_time())),
            "setgroups" => line("allow"),
            "stat" => self.stat(),
            "statm" => {
                let pages = self.process.mm.borrow().total() / PAGE;
                line(&format!("{pages} {pages} 0 0 0 {pages} 0"))
            }
            "status" => self.status(),
            "timerslack_ns" => line("50000"),
            "uid_map" | "gid_map" => line("         0          0 4294967295"),
            "wchan" => b"0".to_vec(),
            // Nothing to tell: clear_refs, sched.
            _ => Vec::new(),
        }
    }

    /// Strings of the process, as they are now in its memory.
    fn memory(&self, (addr, len): (u64, u64)) -> Vec<u8> {
        self.process.mm.borrow().peek(addr, len)
    }

    fn stat(&self) -> Vec<u8> {
        let process = self.process;
        let name = String::from_utf8_lossy(self.name);
        let utime = self.cpu_time() / TICK;
        let started = process.started.saturating_sub(self.k.booted) / TICK;
        let size = process.mm.borrow().total();
        let (args, env) = (process.arguments, process.environment);
        let nice = process.nice;
        let start = format!("{} ({name}) {} {} {} {}", process.pid, self.state, process.parent, process.group, process.session);
        // tty_nr tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime priority nice num_threads itrealvalue starttime
        let terminal = self.terminal();
        let middle = format!("{terminal} 4194304 0 0 0 0 {utime} 0 0 0 {} {nice} {} 0 {started}", 20 + nice, self.threads);
        // vsize rss rsslim startcode endcode startstack kstkesp kstkeip signal blocked sigignore sigcatch wchan nswap cnswap
        let memory = format!("{size} {} {} 1 1 0 0 0 0 0 0 0 0 0 0", size / PAGE, limits::INFINITY);
        // exit_signal processor rt_priority policy delayacct_blkio_ticks guest_time cguest_time start_data end_data start_brk
        let [arg_start, arg_end, env_start, env_end] = [args.0, args.0 + args.1, env.0, env.0 + env.1];
        let end = format!("17 0 0 0 0 0 0 0 0 0 {arg_start} {arg_end} {env_start} {env_end} 0");
        format!("{start} {middle} {memory} {end}\n").into_bytes()
    }

    /// tty_nr and tpgid.
    fn terminal(&self) -> String {
        match &self.process.tty {
            Some(tty) => format!("{} {}", encode_device(tty.device()), tty.group()),
            None => "0 -1".into(),
        }
    }

    fn status(&self) -> Vec<u8> {
        let process = self.process;
        let cred = &process.cred;
        let name = String::from_utf8_lossy(self.name);
        let umask = process.fs.borrow().umask;
        let descriptors = process.files.borrow().open().last().map_or(64, |last| (last as u32 + 1).next_multiple_of(64));
        let ids = |ids: crate::cred::Ids, fs: u32| format!("{}\t{}\t{}\t{fs}", ids.real, ids.effective, ids.saved);
        let groups: Vec<String> = cred.fs.groups.iter().map(u32::to_string).collect();
        let kilobytes = process.mm.borrow().total() / 1024;
        let mut text = String::new();
        let word = match self.state {
            'R' => "R (running)",
            'S' => "S (sleeping)",
            'T' => "T (stopped)",
            _ => "Z (zombie)",
        };
        let _ = writeln!(text, "Name:\t{name}\nUmask:\t{umask:04o}\nState:\t{word}");
        let _ = writeln!(text, "Tgid:\t{0}\nNgid:\t0\nPid:\t{0}\nPPid:\t{1}\nTracerPid:\t0", process.pid, process.parent);
        let _ = writeln!(text, "Uid:\t{}\nGid:\t{}", ids(cred.uid, cred.fs.fsuid), ids(cred.gid, cred.fs.fsgid));
        let _ = writeln!(text, "FDSize:\t{descriptors}\nGroups:\t{} ", groups.join(" "));
        let _ =
            writeln!(text, "NStgid:\t{0}\nNSpid:\t{0}\nNSpgid:\t{1}\nNSsid:\t{2}", process.pid, process.group, process.session);
        for (name, value) in [
            ("VmPeak", kilobytes),
            ("VmSize", kilobytes),
            ("VmLck", 0),
            ("VmHWM", kilobytes),
            ("VmRSS", kilobytes),
            ("VmSwap", 0),
        ] {
            let _ = writeln!(text, "{name}:\t{value:>8} kB");
        }
        let _ = writeln!(text, "Threads:\t{}\nSigQ:\t0/15000", self.threads);
        for (name, set) in [
            ("SigPnd", self.pending),
            ("ShdPnd", process.pending.set),
            ("SigBlk", self.blocked),
            ("SigIgn", process.actions.with_handler(Some(Action::IGNORE))),
            ("SigCgt", process.actions.with_handler(None)),
        ] {
            let _ = writeln!(text, "{name}:\t{:016x}", set.0);
        }
        for (name, set) in
            [("CapInh", cred.inheritable), ("CapPrm", cred.permitted), ("CapEff", cred.fs.caps), ("CapBnd", cred.bounding)]
        {
            let _ = writeln!(text, "{name}:\t{set:016x}");
        }
        let _ = writeln!(text, "CapAmb:\t{:016x}\nNoNewPrivs:\t{}\nSeccomp:\t0", 0, u8::from(process.no_new_privs));
        text += "Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n";
        text += "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n";
        text.into_bytes()
    }

    fn limits(&self) -> Vec<u8> {
        let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
        let shown = |value: u64| if value == limits::INFINITY { "unlimited".to_owned() } else { value.to_string() };
        for ((name, unit), limit) in LIMITS.into_iter().zip(self.process.limits.0) {
            let _ = writeln!(text, "{name:<25} {:<20} {:<20} {unit:<10}", shown(limit.soft), shown(limit.hard));
        }
        text.into_bytes()
    }

    /// `/proc/PID/maps`; with `smaps` a few lines on each.
    fn maps(&self, smaps: bool) -> Vec<u8> {
        let root = self.k.fs_info().borrow().root.clone();
        let mut text = Vec::new();
        for (start, area) in self.process.mm.borrow().areas() {
            let letter = |prot, letter| if area.prot.has(prot) { letter } else { '-' };
            let prot: String = [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x')].iter().collect();
            let sharing = if area.shared { 's' } else { 'p' };
            let (offset, device, ino, name) = match &area.backing {
                Backing::File { file, offset } => {
                    let stat = file.inode().stat().ok();
                    let device = stat.map_or((0, 0), |stat| (stat.dev.major, stat.dev.minor));
                    (*offset, device, stat.map_or(0, |stat| stat.ino), file.location().shown(&root))
                }
                Backing::Stack => (0, (0, 0), 0, b"[stack]".to_vec()),
                Backing::Heap => (0, (0, 0), 0, b"[heap]".to_vec()),
                Backing::Anonymous => (0, (0, 0), 0, Vec::new()),
            };
            let (major, minor) = device;
            let line = format!("{start:08x}-{:08x} {prot}{sharing} {offset:08x} {major:02x}:{minor:02x} {ino} ", area.end);
            // Names stand in column 73, where there is one.
            text.extend_from_slice(
                if name.is_empty() { line.into_bytes() } else { format!("{line:<73}").into_bytes() }.as_slice(),
            );
            text.extend_from_slice(&name);
            text.push(b'\n');
            if smaps {
                let kilobytes = (area.end - start) / 1024;
                for (name, value) in
                    [("Size", kilobytes), ("KernelPageSize", 4), ("MMUPageSize", 4), ("Rss", kilobytes), ("Pss", kilobytes)]
                {
                    text.extend_from_slice(format!("{:<16}{value:>8} kB\n", format!("{name}:")).as_bytes());
                }
            }
        }
        text
    }

    /// `/proc/PID/fdinfo/FD`.
    pub fn fdinfo(&self, fd: i32) -> Vec<u8> {
        let table = self.process.files.borrow();
        let Ok(file) = table.get(fd) else {
            return Vec::new();
        };
        let cloexec = if table.cloexec(fd) == Ok(true) { crate::fs::OpenFlags::CLOEXEC } else { 0 };
        let more = file.any_object().map(|object| object.fdinfo()).unwrap_or_default();
        let (flags, mount) = (file.flags().0 | cloexec, file.location.mount.id);
        format!("pos:\t{}\nflags:\t{flags:07o}\nmnt_id:\t{mount}\n{more}", file.offset()).into_bytes()
    }
}

/// A path or name in a table of mounts: blanks and backslashes as octal numbers.
fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for &byte in name {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            _ => text.push(byte as char),
        }
    }
    text
}

fn mounts(k: &Kernel) -> Vec<u8> {
    let root = k.fs_info().borrow().root.clone();
    let mut text = String::new();
    for mount in k.vfs().mounts() {
        let at = crate::fs::Location::root_of(&mount).path(&root).bytes;
        let access = if mount.read_only.get() { "ro" } else { "rw" };
        let (source, at) = (escaped(&mount.source), escaped(&at));
        let _ = writeln!(text, "{source} {at} {} {access},{} 0 0", mount.fs_type, mount.options);
    }
    text.into_bytes()
}

fn mountinfo(k: &Kernel) -> Vec<u8> {
    let root = k.fs_info().borrow().root.clone();
    let mut text = String::new();
    for mount in k.vfs().mounts() {
        let at = crate::fs::Location::root_of(&mount).path(&root).bytes;
        let access = if mount.read_only.get() { "ro" } else { "rw" };
        let above = mount.at.as_ref().map_or(1, |at| at.mount.id);
        let dev = mount.root.inode().stat().map(|stat| (stat.dev.major, stat.dev.minor)).unwrap_or_default();
        let (source, at) = (escaped(&mount.source), escaped(&at));
        let start = format!("{} {above} {}:{} / {at} {access},{}", mount.id, dev.0, dev.1, mount.options);
        let _ = writeln!(text, "{start} - {} {source} {access}", mount.fs_type);
    }
    text.into_bytes()
}
