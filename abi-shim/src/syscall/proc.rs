//! The texts of proc(5), made when they are read: those of the machine. Those of a process are in [`super::proc_pid`].

use std::fmt::Write;
use std::rc::Rc;

use hoist_x86::helpers::cpuid::cpuid_eax;
use hoist_x86::processor;

use crate::fs::procfs::{ProcText, Text};
use crate::fs::{File, notify};
use crate::kernel::Kernel;
use crate::mm::TASK_SIZE;
use crate::wasi;

use super::proc_pid::Subject;
use super::system::{RELEASE, VERSION};

/// Clock ticks in a second, sysconf(_SC_CLK_TCK), and nanoseconds in one.
const TICKS: u64 = 100;
pub const TICK: u64 = 1_000_000_000 / TICKS;
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
        Text::Process(pid, name) => Subject::find(k, pid).map(|subject| subject.text(name)).unwrap_or_default(),
        Text::FdInfo(pid, fd) => Subject::find(k, pid).map(|subject| subject.fdinfo(fd)).unwrap_or_default(),
    }
}

// ---- The machine

fn system(k: &Kernel, path: &str) -> Vec<u8> {
    let line = |text: &str| format!("{text}\n").into_bytes();
    let uptime = wasi::clock::monotonic().saturating_sub(k.booted);
    match path {
        "cgroups" => line("#subsys_name\thierarchy\tnum_cgroups\tenabled"),
        "cpuinfo" => cpuinfo().into_bytes(),
        "devices" => {
            b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n".to_vec()
        }
        "filesystems" => b"nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\nnodev\toverlay\n".to_vec(),
        "loadavg" => format!("0.00 0.00 0.00 1/{} {}\n", k.tasks().count(), k.next_tid - 1).into_bytes(),
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
        "sys/fs/inotify/max_queued_events" => line(&notify::MAX_QUEUED_EVENTS.to_string()),
        "sys/fs/inotify/max_user_instances" => line(&notify::MAX_USER_INSTANCES.to_string()),
        "sys/fs/inotify/max_user_watches" => line(&notify::MAX_USER_WATCHES.to_string()),
        "sys/fs/protected_hardlinks" => line("1"),
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

/// What CPUID tells, in the words of /proc/cpuinfo (arch/x86/kernel/cpu/proc.c).
fn cpuinfo() -> String {
    let level = processor::level();
    let signature = processor::signature(level);
    let flags: Vec<&str> = processor::announced(level).map(|feature| feature.name).filter(|name| !name.is_empty()).collect();
    format!(
        "\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: {}
model\t\t: {}
model name\t: {}
stepping\t: {}
cpu MHz\t\t: 1000.000
cache size\t: 8192 KB
physical id\t: 0
siblings\t: 1
core id\t\t: 0
cpu cores\t: 1
apicid\t\t: 0
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: {}
wp\t\t: yes
flags\t\t: {} constant_tsc rep_good nopl cpuid
bugs\t\t:
bogomips\t: 2000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 40 bits physical, 48 bits virtual
power management:

",
        signature >> 8 & 15,
        signature >> 12 & 0xf0 | signature >> 4 & 15,
        processor::model_name(level),
        signature & 15,
        cpuid_eax(0, 0),
        flags.join(" "),
    )
}

fn meminfo(k: &Kernel) -> Vec<u8> {
    let bytes = k.memory.unwrap_or(TASK_SIZE);
    let total = bytes / 1024;
    let used = if k.memory.is_some() { k.data() } else { k.process.mm.borrow().total() };
    let free = total - used.min(bytes) / 1024;
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
    let used = k.busy_time() / TICK;
    let idle = k.slept / TICK;
    let (secs, _) = wasi::clock::realtime();
    let booted = secs.saturating_sub(wasi::clock::monotonic().saturating_sub(k.booted) / 1_000_000_000);
    let cpu = format!("{used} 0 0 {idle} 0 0 0 0 0 0");
    format!(
        "cpu  {cpu}\ncpu0 {cpu}\nintr 0\nctxt 0\nbtime {booted}\nprocesses {}\nprocs_running 1\nprocs_blocked 0\n",
        k.next_tid - 1
    )
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
