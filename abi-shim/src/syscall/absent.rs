//! Calls that Linux has on x86-64 and this kernel has not: each is ENOSYS, and why.

/// A call without a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Absent {
    /// In rax (arch/x86/entry/syscalls/syscall_64.tbl).
    pub number: u16,
    /// As section 2 of the manual calls it.
    pub name: &'static str,
    pub why: &'static str,
}

const LINUX: &str = "Linux has no code for it either.";
const DEVICES: &str = "There are no devices that it could be about.";
const RARE: &str = "Not done: nothing that was tried asks for it.";
const NEW: &str = "Not done: newer than the kernel that this one says it is; C libraries fall back.";
const MODULES: &str = "The kernel has no modules.";
const SWAP: &str = "There is no swap space.";
const QUOTA: &str = "No filesystem here has quotas.";
const MACHINE: &str = "The machine is the host's.";
const LONG_MODE: &str = "Linux has it for 32-bit programs only.";
const SEGMENTS: &str = "Segments of 16 and 32 bits have no translation.";
const NUMA: &str = "Memory is in one place.";
const PRIORITY: &str = "There are no disks whose order of work it could change.";
const AIO: &str = "Not done: asynchronous input and output of io(7); glibc's aio(7) uses threads.";
const URING: &str = "Not done: programs fall back to the calls that it stands for.";
const MOUNTS: &str = "Not done: mounts are made when the machine starts; mount(8) falls back to mount(2).";
const KEYS: &str = "Not done: keys in the kernel.";
const LANDLOCK: &str = "Not done: landlock(7) and other security modules.";
const WATCHING: &str = "Not done: one process watching another, or the kernel.";
const HANDLES: &str = "Not done: names of files that outlive them.";
const CLOCK: &str = "The clock is the host's.";
const FILTERS: &str = "Not done: filters of system calls; runtimes of containers take the error as a kernel without them.";
const FUTEXES: &str = "Not done: the futex calls of Linux 6.7, and several futexes at once; glibc uses futex(2).";

macro_rules! absent {
    ($($why:ident: $($number:literal $name:ident),*;)*) => {
        &[$($(Absent { number: $number, name: stringify!($name), why: $why }),*),*]
    };
}

/// All of them, by reason.
pub const ABSENT: &[Absent] = absent! {
    WATCHING: 101 ptrace, 298 perf_event_open, 321 bpf, 300 fanotify_init, 301 fanotify_mark, 323 userfaultfd, 440 process_madvise,
        448 process_mrelease, 103 syslog, 163 acct;
    LINUX: 134 uselib, 156 _sysctl, 174 create_module, 177 get_kernel_syms, 178 query_module, 180 nfsservctl, 181 getpmsg, 182 putpmsg,
        183 afs_syscall, 184 tuxcall, 185 security, 212 lookup_dcookie, 214 epoll_ctl_old, 215 epoll_wait_old, 236 vserver;
    LONG_MODE: 205 set_thread_area, 211 get_thread_area;
    SEGMENTS: 154 modify_ldt;
    DEVICES: 172 iopl, 173 ioperm;
    RARE: 136 ustat, 139 sysfs, 153 vhangup, 216 remap_file_pages, 447 memfd_secret;
    NEW: 451 cachestat, 452 fchmodat2, 453 map_shadow_stack;
    CLOCK: 159 adjtimex, 305 clock_adjtime;
    SWAP: 167 swapon, 168 swapoff;
    MACHINE: 169 reboot, 246 kexec_load, 320 kexec_file_load;
    MODULES: 175 init_module, 176 delete_module, 313 finit_module;
    QUOTA: 179 quotactl, 443 quotactl_fd;
    AIO: 206 io_setup, 207 io_destroy, 208 io_getevents, 209 io_submit, 210 io_cancel, 333 io_pgetevents;
    URING: 425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register;
    NUMA: 237 mbind, 238 set_mempolicy, 239 get_mempolicy, 256 migrate_pages, 279 move_pages, 450 set_mempolicy_home_node;
    KEYS: 248 add_key, 249 request_key, 250 keyctl;
    PRIORITY: 251 ioprio_set, 252 ioprio_get;
    HANDLES: 304 open_by_handle_at;
    FILTERS: 317 seccomp;
    MOUNTS: 428 open_tree, 429 move_mount, 430 fsopen, 431 fsconfig, 432 fsmount, 433 fspick, 442 mount_setattr;
    LANDLOCK: 444 landlock_create_ruleset, 445 landlock_add_rule, 446 landlock_restrict_self;
    FUTEXES: 449 futex_waitv, 454 futex_wake, 455 futex_wait, 456 futex_requeue;
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::table::ROWS;
    use super::ABSENT;

    #[test]
    fn each_number_of_linux_is_either_here_or_in_the_table() {
        let absent: BTreeSet<u16> = ABSENT.iter().map(|call| call.number).collect();
        let present: BTreeSet<u16> = ROWS.iter().map(|row| row.number).collect();
        assert_eq!(absent.len(), ABSENT.len());
        assert_eq!(absent.intersection(&present).collect::<Vec<_>>(), Vec::<&u16>::new());
        let missing: Vec<u16> =
            (0..=334).chain(424..=456).filter(|number| !absent.contains(number) && !present.contains(number)).collect();
        assert_eq!(missing, Vec::<u16>::new());
    }
}
