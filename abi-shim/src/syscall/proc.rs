//! The texts of proc(5), made when they are read.

use std::fmt::Write;
use std::rc::Rc;

use crate::fs::File;
use crate::fs::procfs::{ProcText, Text};
use crate::kernel::Kernel;
use crate::mm::{Backing, PAGE, Prot, TASK_SIZE};
use crate::task::State;
use crate::{limits, user, wasi};

use super::system::{RELEASE, VERSION};

/// Clock ticks in a second, sysconf(_SC_CLK_TCK), and nanoseconds in one.
const TICKS: u64 = 100;
const TICK: u64 = 1_000_000_000 / TICKS;
/// CAP_LAST_CAP.
const LAST_CAP: u32 = 40;

/// Makes the text of a file of `/proc` that is about to be read at this offset; other files need nothing.
pub fn refresh_text(k: &Kernel, file: &Rc<File>, offset: u64) {
    if let Some(text) = file.as_object::<ProcText>().filter(|text| text.is_stale(offset)) {
        text.set(render(k, text.text));
    }
}

/// The text as it is now.
fn render(k: &Kernel, text: Text) -> Vec<u8> {
    match text {
        Text::System(path) => system(k, path),
        Text::Process(_, name) => process(k, name),
        Text::FdInfo(_, fd) => fdinfo(k, fd),
    }
}

// ---- The machine

fn system(k: &Kernel, path: &str) -> Vec<u8> {
    let line = |text: &str| format!("{text}\n").into_bytes();
    let uptime = wasi::clock::monotonic().saturating_sub(k.booted);
    match path {
        "cgroups" => line("#subsys_name\thierarchy\tnum_cgroups\tenabled"),
        "cpuinfo" => CPUINFO.into(),
        "devices" => {
            b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n".to_vec()
        }
        "filesystems" => b"nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\toverlay\n".to_vec(),
        "loadavg" => format!("0.00 0.00 0.00 1/1 {}\n", k.process.pid).into_bytes(),
        "meminfo" => meminfo(k),
        "partitions" => line("major minor  #blocks  name\n"),
        "swaps" => line("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"),
        "stat" => stat(k),
        "uptime" => format!("{0}.{1:02} {0}.{1:02}\n", uptime / 1_000_000_000, uptime / 10_000_000 % 100).into_bytes(),
        "version" => {
            let (release, version) = (String::from_utf8_lossy(RELEASE), String::from_utf8_lossy(VERSION));
            format!("Linux version {release} (hoist) {version}\n").into_bytes()
        }
        "sys/fs/file-max" => line("9223372036854775807"),
        "sys/fs/inotify/max_user_watches" => line("0"),
        "sys/fs/nr_open" => line(&crate::fs::fd_table::NR_OPEN.to_string()),
        "sys/fs/pipe-max-size" => line(&crate::fs::pipe::PIPE_MAX_SIZE.to_string()),
        "sys/kernel/cap_last_cap" => line(&LAST_CAP.to_string()),
        "sys/kernel/core_pattern" => line("core"),
        "sys/kernel/domainname" => line("(none)"),
        "sys/kernel/hostname" => [&k.hostname[..], b"\n"].concat(),
        "sys/kernel/ngroups_max" => line("65536"),
        "sys/kernel/osrelease" => [RELEASE, b"\n"].concat(),
        "sys/kernel/ostype" => line("Linux"),
        "sys/kernel/pid_max" => line("4194304"),
        "sys/kernel/random/boot_id" => uuid(Some(k.booted)),
        "sys/kernel/random/entropy_avail" | "sys/kernel/random/poolsize" => line("256"),
        "sys/kernel/random/uuid" => uuid(None),
        "sys/kernel/randomize_va_space" => line("0"),
        "sys/kernel/seccomp/actions_avail" => line("allow"),
        "sys/kernel/threads-max" => line("30000"),
        "sys/kernel/version" => [VERSION, b"\n"].concat(),
        "sys/net/core/somaxconn" => line("4096"),
        "sys/vm/max_map_count" => line("65530"),
        "sys/vm/mmap_min_addr" => line(&hoist_x86::boundary::MMAP_MIN_ADDR.to_string()),
        "sys/vm/overcommit_memory" => line("0"),
        _ if path.starts_with("pressure/") => PRESSURE.into(),
        // Nothing to tell: cmdline, diskstats, interrupts, modules.
        _ => Vec::new(),
    }
}

const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

/// What CPUID tells, in the words of /proc/cpuinfo.
const CPUINFO: &str = "\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 26
model name\t: hoist x86-64-v2
stepping\t: 0
cpu MHz\t\t: 1000.000
cache size\t: 0 KB
physical id\t: 0
siblings\t: 1
core id\t\t: 0
cpu cores\t: 1
apicid\t\t: 0
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 7
wp\t\t: yes
flags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm constant_tsc rep_good nopl cpuid pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm
bugs\t\t:
bogomips\t: 2000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 32 bits physical, 32 bits virtual
power management:

";

fn meminfo(k: &Kernel) -> Vec<u8> {
    let total = TASK_SIZE / 1024;
    let free = total - (k.process.mm.total().min(TASK_SIZE) / 1024);
    let mut text = String::new();
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", total - free),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", total - free),
        ("Mapped", 0),
        ("Shmem", 0),
        ("Slab", 0),
        ("CommitLimit", total),
        ("Committed_AS", total - free),
        ("VmallocTotal", 0),
        ("VmallocUsed", 0),
    ];
    for (name, kilobytes) in rows {
        let _ = writeln!(text, "{:<16}{kilobytes:>8} kB", format!("{name}:"));
    }
    text += "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n";
    text.into_bytes()
}

fn stat(k: &Kernel) -> Vec<u8> {
    let used = k.cpu_time() / TICK;
    let idle = k.slept / TICK;
    let (secs, _) = wasi::clock::realtime();
    let booted = secs.saturating_sub(wasi::clock::monotonic().saturating_sub(k.booted) / 1_000_000_000);
    let cpu = format!("{used} 0 0 {idle} 0 0 0 0 0 0");
    format!("cpu  {cpu}\ncpu0 {cpu}\nintr 0\nctxt 0\nbtime {booted}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n")
        .into_bytes()
}

/// A UUID of version 4: from the random bytes of the host, or the same each time for a seed.
fn uuid(seed: Option<u64>) -> Vec<u8> {
    let mut bytes = [0; 16];
    match seed {
        None => wasi::random::fill(&mut bytes),
        Some(seed) => {
            let mixed = [seed, seed.rotate_left(32)].map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            bytes.copy_from_slice(&mixed.concat());
        }
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (index, byte) in bytes.into_iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&index) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text.push('\n');
    text.into_bytes()
}

// ---- The process

fn process(k: &Kernel, name: &str) -> Vec<u8> {
    let line = |text: &str| format!("{text}\n").into_bytes();
    match name {
        "auxv" => memory(k.process.auxv),
        "cgroup" => line("0::/"),
        "cmdline" => memory(k.process.arguments),
        "environ" => memory(k.process.environment),
        "comm" => [&k.task.name[..], b"\n"].concat(),
        "coredump_filter" => line("00000033"),
        "io" => line("rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0"),
        "limits" => limits_text(k),
        "loginuid" | "sessionid" => b"4294967295".to_vec(),
        "maps" => maps(k, false),
        "smaps" => maps(k, true),
        "mounts" => mounts(k),
        "mountinfo" => mountinfo(k),
        "oom_adj" | "oom_score" | "oom_score_adj" => line("0"),
        "personality" => line("00000000"),
        "schedstat" => line(&format!("{} 0 1", k.cpu_time())),
        "setgroups" => line("allow"),
        "stat" => process_stat(k),
        "statm" => {
            let pages = k.process.mm.total() / PAGE;
            line(&format!("{pages} {pages} 0 0 0 {pages} 0"))
        }
        "status" => status(k),
        "timerslack_ns" => line("50000"),
        "uid_map" | "gid_map" => line("         0          0 4294967295"),
        "wchan" => b"0".to_vec(),
        // Nothing to tell: clear_refs, sched.
        _ => Vec::new(),
    }
}

/// Strings of the process, as they are now in its memory.
fn memory((addr, len): (u64, u64)) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    match user::copy_from_user(addr, &mut bytes) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

fn state(k: &Kernel) -> char {
    if k.task.state == State::Ended { 'Z' } else { 'R' }
}

fn process_stat(k: &Kernel) -> Vec<u8> {
    let process = &k.process;
    let name = String::from_utf8_lossy(&k.task.name);
    let utime = k.cpu_time() / TICK;
    let started = process.started.saturating_sub(k.booted) / TICK;
    let size = process.mm.total();
    let (args, env) = (process.arguments, process.environment);
    let nice = process.nice;
    let start = format!("{} ({name}) {} {} {} {}", process.pid, state(k), process.parent, process.group, process.session);
    // tty_nr tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime priority nice num_threads itrealvalue starttime
    let middle = format!("0 -1 4194304 0 0 0 0 {utime} 0 0 0 {} {nice} 1 0 {started}", 20 + nice);
    // vsize rss rsslim startcode endcode startstack kstkesp kstkeip signal blocked sigignore sigcatch wchan nswap cnswap
    let memory = format!("{size} {} {} 1 1 0 0 0 0 0 0 0 0 0 0", size / PAGE, limits::INFINITY);
    // exit_signal processor rt_priority policy delayacct_blkio_ticks guest_time cguest_time start_data end_data start_brk
    let [arg_start, arg_end, env_start, env_end] = [args.0, args.0 + args.1, env.0, env.0 + env.1];
    let end = format!("17 0 0 0 0 0 0 0 0 0 {arg_start} {arg_end} {env_start} {env_end} 0");
    format!("{start} {middle} {memory} {end}\n").into_bytes()
}

fn status(k: &Kernel) -> Vec<u8> {
    let process = &k.process;
    let cred = &process.cred;
    let name = String::from_utf8_lossy(&k.task.name);
    let umask = process.fs.borrow().umask;
    let descriptors = process.files.borrow().open().last().map_or(64, |last| (last as u32 + 1).next_multiple_of(64));
    let ids = |ids: crate::cred::Ids, fs: u32| format!("{}\t{}\t{}\t{fs}", ids.real, ids.effective, ids.saved);
    let groups: Vec<String> = cred.fs.groups.iter().map(u32::to_string).collect();
    let kilobytes = process.mm.total() / 1024;
    let mut text = String::new();
    let word = if state(k) == 'Z' { "Z (zombie)" } else { "R (running)" };
    let _ = writeln!(text, "Name:\t{name}\nUmask:\t{umask:04o}\nState:\t{word}");
    let _ = writeln!(text, "Tgid:\t{0}\nNgid:\t0\nPid:\t{0}\nPPid:\t{1}\nTracerPid:\t0", process.pid, process.parent);
    let _ = writeln!(text, "Uid:\t{}\nGid:\t{}", ids(cred.uid, cred.fs.fsuid), ids(cred.gid, cred.fs.fsgid));
    let _ = writeln!(text, "FDSize:\t{descriptors}\nGroups:\t{} ", groups.join(" "));
    let _ = writeln!(text, "NStgid:\t{0}\nNSpid:\t{0}\nNSpgid:\t{1}\nNSsid:\t{2}", process.pid, process.group, process.session);
    for (name, value) in
        [("VmPeak", kilobytes), ("VmSize", kilobytes), ("VmLck", 0), ("VmHWM", kilobytes), ("VmRSS", kilobytes), ("VmSwap", 0)]
    {
        let _ = writeln!(text, "{name}:\t{value:>8} kB");
    }
    let _ = writeln!(
        text,
        "Threads:\t1\nSigQ:\t0/15000\nSigPnd:\t{0:016x}\nShdPnd:\t{0:016x}\nSigBlk:\t{1:016x}",
        0, k.task.blocked.0
    );
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

fn limits_text(k: &Kernel) -> Vec<u8> {
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    let shown = |value: u64| if value == limits::INFINITY { "unlimited".to_owned() } else { value.to_string() };
    for ((name, unit), limit) in LIMITS.into_iter().zip(k.process.limits.0) {
        let _ = writeln!(text, "{name:<25} {:<20} {:<20} {unit:<10}", shown(limit.soft), shown(limit.hard));
    }
    text.into_bytes()
}

/// `/proc/PID/maps`; with `smaps` a few lines on each.
fn maps(k: &Kernel, smaps: bool) -> Vec<u8> {
    let root = k.fs_info().borrow().root.clone();
    let mut text = Vec::new();
    for (start, area) in k.process.mm.areas() {
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
        text.extend_from_slice(if name.is_empty() { line.into_bytes() } else { format!("{line:<73}").into_bytes() }.as_slice());
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
        let access = if mount.read_only { "ro" } else { "rw" };
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
        let access = if mount.read_only { "ro" } else { "rw" };
        let above = mount.at.as_ref().map_or(1, |at| at.mount.id);
        let dev = mount.root.inode().stat().map(|stat| (stat.dev.major, stat.dev.minor)).unwrap_or_default();
        let (source, at) = (escaped(&mount.source), escaped(&at));
        let start = format!("{} {above} {}:{} / {at} {access},{}", mount.id, dev.0, dev.1, mount.options);
        let _ = writeln!(text, "{start} - {} {source} {access}", mount.fs_type);
    }
    text.into_bytes()
}

fn fdinfo(k: &Kernel, fd: i32) -> Vec<u8> {
    let table = k.files();
    let table = table.borrow();
    let Ok(file) = table.get(fd) else {
        return Vec::new();
    };
    let cloexec = if table.cloexec(fd) == Ok(true) { crate::fs::OpenFlags::CLOEXEC } else { 0 };
    let more = file.any_object().map(|object| object.fdinfo()).unwrap_or_default();
    let (flags, mount) = (file.flags().0 | cloexec, file.location.mount.id);
    format!("pos:\t{}\nflags:\t{flags:07o}\nmnt_id:\t{mount}\n{more}", file.offset()).into_bytes()
}
