//! The table of system calls, by number. A call without a row is ENOSYS.
//!
//! `row!(0, sys_read, [Fd, Buf, Size])`: number, function, and for strace's notation the kinds of its arguments.

use super::strace::Arg::*;
use super::strace::flags;
use super::Row;
use super::{attr::*, copy::*, dir::*, fd::*, ioctl::*, link::*, mount::*, open::*, pipe::*, read_write::*, stat::*, xattr::*};
use super::{memory::*, process::*, signal::*, system::*, time::*};

macro_rules! row {
    ($number:literal, $function:ident, [$($arg:expr),*]) => {
        Row { number: $number, name: stringify!($function).split_at("sys_".len()).1, function: $function, args: &[$($arg),*] }
    };
}

/// All of them; by number.
pub const ROWS: &[Row] = &[
    row!(0, sys_read, [Fd, Buf, Size]),
    row!(1, sys_write, [Fd, Data, Size]),
    row!(2, sys_open, [Path, OpenFlags, Mode]),
    row!(3, sys_close, [Fd]),
    row!(4, sys_stat, [Path, Ptr]),
    row!(5, sys_fstat, [Fd, Ptr]),
    row!(6, sys_lstat, [Path, Ptr]),
    row!(8, sys_lseek, [Fd, Long, Value(flags::SEEK)]),
    row!(9, sys_mmap, [Ptr, Size, Flags(flags::PROT), Flags(flags::MAP), Fd, Hex]),
    row!(10, sys_mprotect, [Ptr, Size, Flags(flags::PROT)]),
    row!(11, sys_munmap, [Ptr, Size]),
    row!(12, sys_brk, [Ptr]),
    row!(13, sys_rt_sigaction, [Signal, Ptr, Ptr, Size]),
    row!(14, sys_rt_sigprocmask, [Value(flags::SIG_HOW), SigSet, Ptr, Size]),
    row!(15, sys_rt_sigreturn, []),
    row!(16, sys_ioctl, [Fd, Value(flags::IOCTL), Hex]),
    row!(17, sys_pread64, [Fd, Buf, Size, Long]),
    row!(18, sys_pwrite64, [Fd, Data, Size, Long]),
    row!(19, sys_readv, [Fd, Ptr, Int]),
    row!(20, sys_writev, [Fd, Ptr, Int]),
    row!(21, sys_access, [Path, Flags(flags::ACCESS)]),
    row!(22, sys_pipe, [Ptr]),
    row!(24, sys_sched_yield, []),
    row!(25, sys_mremap, [Ptr, Size, Size, Flags(flags::MREMAP), Ptr]),
    row!(26, sys_msync, [Ptr, Size, Hex]),
    row!(27, sys_mincore, [Ptr, Size, Ptr]),
    row!(28, sys_madvise, [Ptr, Size, Value(flags::MADV)]),
    row!(32, sys_dup, [Fd]),
    row!(33, sys_dup2, [Fd, Fd]),
    row!(34, sys_pause, []),
    row!(35, sys_nanosleep, [Timespec, Ptr]),
    row!(36, sys_getitimer, [Int, Ptr]),
    row!(37, sys_alarm, [Int]),
    row!(38, sys_setitimer, [Int, Ptr, Ptr]),
    row!(39, sys_getpid, []),
    row!(40, sys_sendfile, [Fd, Fd, Ptr, Size]),
    row!(56, sys_clone, [Flags(flags::CLONE), Ptr, Ptr, Ptr, Ptr]),
    row!(57, sys_fork, []),
    row!(58, sys_vfork, []),
    row!(59, sys_execve, [Path, Strings, Ptr]),
    row!(60, sys_exit, [Int]),
    row!(61, sys_wait4, [Int, Ptr, Hex, Ptr]),
    row!(62, sys_kill, [Int, Signal]),
    row!(63, sys_uname, [Ptr]),
    row!(72, sys_fcntl, [Fd, Value(flags::FCNTL), Hex]),
    row!(73, sys_flock, [Fd, Flags(flags::LOCK)]),
    row!(74, sys_fsync, [Fd]),
    row!(75, sys_fdatasync, [Fd]),
    row!(76, sys_truncate, [Path, Long]),
    row!(77, sys_ftruncate, [Fd, Long]),
    row!(78, sys_getdents, [Fd, Ptr, Size]),
    row!(79, sys_getcwd, [Ptr, Size]),
    row!(80, sys_chdir, [Path]),
    row!(81, sys_fchdir, [Fd]),
    row!(82, sys_rename, [Path, Path]),
    row!(83, sys_mkdir, [Path, Mode]),
    row!(84, sys_rmdir, [Path]),
    row!(85, sys_creat, [Path, Mode]),
    row!(86, sys_link, [Path, Path]),
    row!(87, sys_unlink, [Path]),
    row!(88, sys_symlink, [Path, Path]),
    row!(89, sys_readlink, [Path, Buf, Size]),
    row!(90, sys_chmod, [Path, Mode]),
    row!(91, sys_fchmod, [Fd, Mode]),
    row!(92, sys_chown, [Path, Int, Int]),
    row!(93, sys_fchown, [Fd, Int, Int]),
    row!(94, sys_lchown, [Path, Int, Int]),
    row!(96, sys_gettimeofday, [Ptr, Ptr]),
    row!(97, sys_getrlimit, [Value(flags::RLIMIT), Ptr]),
    row!(98, sys_getrusage, [Int, Ptr]),
    row!(99, sys_sysinfo, [Ptr]),
    row!(100, sys_times, [Ptr]),
    row!(102, sys_getuid, []),
    row!(104, sys_getgid, []),
    row!(105, sys_setuid, [Int]),
    row!(106, sys_setgid, [Int]),
    row!(107, sys_geteuid, []),
    row!(108, sys_getegid, []),
    row!(109, sys_setpgid, [Int, Int]),
    row!(110, sys_getppid, []),
    row!(111, sys_getpgrp, []),
    row!(112, sys_setsid, []),
    row!(113, sys_setreuid, [Int, Int]),
    row!(114, sys_setregid, [Int, Int]),
    row!(115, sys_getgroups, [Int, Ptr]),
    row!(116, sys_setgroups, [Int, Ptr]),
    row!(117, sys_setresuid, [Int, Int, Int]),
    row!(118, sys_getresuid, [Ptr, Ptr, Ptr]),
    row!(119, sys_setresgid, [Int, Int, Int]),
    row!(120, sys_getresgid, [Ptr, Ptr, Ptr]),
    row!(121, sys_getpgid, [Int]),
    row!(122, sys_setfsuid, [Int]),
    row!(123, sys_setfsgid, [Int]),
    row!(124, sys_getsid, [Int]),
    row!(125, sys_capget, [Ptr, Ptr]),
    row!(126, sys_capset, [Ptr, Ptr]),
    row!(127, sys_rt_sigpending, [Ptr, Size]),
    row!(128, sys_rt_sigtimedwait, [SigSet, Ptr, Timespec, Size]),
    row!(130, sys_rt_sigsuspend, [SigSet, Size]),
    row!(131, sys_sigaltstack, [Ptr, Ptr]),
    row!(132, sys_utime, [Path, Ptr]),
    row!(133, sys_mknod, [Path, Mode, Hex]),
    row!(135, sys_personality, [Hex]),
    row!(137, sys_statfs, [Path, Ptr]),
    row!(138, sys_fstatfs, [Fd, Ptr]),
    row!(140, sys_getpriority, [Int, Int]),
    row!(141, sys_setpriority, [Int, Int, Int]),
    row!(142, sys_sched_setparam, [Int, Ptr]),
    row!(143, sys_sched_getparam, [Int, Ptr]),
    row!(144, sys_sched_setscheduler, [Int, Int, Ptr]),
    row!(145, sys_sched_getscheduler, [Int]),
    row!(146, sys_sched_get_priority_max, [Int]),
    row!(147, sys_sched_get_priority_min, [Int]),
    row!(149, sys_mlock, [Ptr, Size]),
    row!(150, sys_munlock, [Ptr, Size]),
    row!(151, sys_mlockall, [Hex]),
    row!(152, sys_munlockall, []),
    row!(155, sys_pivot_root, [Path, Path]),
    row!(157, sys_prctl, [Value(flags::PRCTL), Hex, Hex, Hex, Hex]),
    row!(158, sys_arch_prctl, [Value(flags::ARCH), Ptr]),
    row!(160, sys_setrlimit, [Value(flags::RLIMIT), Ptr]),
    row!(161, sys_chroot, [Path]),
    row!(162, sys_sync, []),
    row!(165, sys_mount, [Str, Path, Str, Hex, Ptr]),
    row!(166, sys_umount2, [Path, Hex]),
    row!(170, sys_sethostname, [Str, Size]),
    row!(186, sys_gettid, []),
    row!(187, sys_readahead, [Fd, Long, Size]),
    row!(188, sys_setxattr, [Path, Str, Data, Size, Hex]),
    row!(189, sys_lsetxattr, [Path, Str, Data, Size, Hex]),
    row!(190, sys_fsetxattr, [Fd, Str, Data, Size, Hex]),
    row!(191, sys_getxattr, [Path, Str, Buf, Size]),
    row!(192, sys_lgetxattr, [Path, Str, Buf, Size]),
    row!(193, sys_fgetxattr, [Fd, Str, Buf, Size]),
    row!(194, sys_listxattr, [Path, Buf, Size]),
    row!(195, sys_llistxattr, [Path, Buf, Size]),
    row!(196, sys_flistxattr, [Fd, Buf, Size]),
    row!(197, sys_removexattr, [Path, Str]),
    row!(198, sys_lremovexattr, [Path, Str]),
    row!(199, sys_fremovexattr, [Fd, Str]),
    row!(200, sys_tkill, [Int, Signal]),
    row!(201, sys_time, [Ptr]),
    row!(202, sys_futex, [Ptr, Futex, Int, Timespec, Ptr, Hex]),
    row!(203, sys_sched_setaffinity, [Int, Size, Ptr]),
    row!(204, sys_sched_getaffinity, [Int, Size, Ptr]),
    row!(217, sys_getdents64, [Fd, Ptr, Size]),
    row!(218, sys_set_tid_address, [Ptr]),
    row!(219, sys_restart_syscall, []),
    row!(221, sys_fadvise64, [Fd, Long, Size, Int]),
    row!(222, sys_timer_create, [Value(flags::CLOCK), Ptr, Ptr]),
    row!(227, sys_clock_settime, [Value(flags::CLOCK), Ptr]),
    row!(228, sys_clock_gettime, [Value(flags::CLOCK), Ptr]),
    row!(229, sys_clock_getres, [Value(flags::CLOCK), Ptr]),
    row!(230, sys_clock_nanosleep, [Value(flags::CLOCK), Int, Timespec, Ptr]),
    row!(231, sys_exit_group, [Int]),
    row!(234, sys_tgkill, [Int, Int, Signal]),
    row!(235, sys_utimes, [Path, Ptr]),
    row!(247, sys_waitid, [Int, Int, Ptr, Hex, Ptr]),
    row!(257, sys_openat, [Fd, Path, OpenFlags, Mode]),
    row!(258, sys_mkdirat, [Fd, Path, Mode]),
    row!(259, sys_mknodat, [Fd, Path, Mode, Hex]),
    row!(260, sys_fchownat, [Fd, Path, Int, Int, Flags(flags::AT)]),
    row!(261, sys_futimesat, [Fd, Path, Ptr]),
    row!(262, sys_newfstatat, [Fd, Path, Ptr, Flags(flags::AT)]),
    row!(263, sys_unlinkat, [Fd, Path, Flags(flags::UNLINK)]),
    row!(264, sys_renameat, [Fd, Path, Fd, Path]),
    row!(265, sys_linkat, [Fd, Path, Fd, Path, Flags(flags::AT)]),
    row!(266, sys_symlinkat, [Path, Fd, Path]),
    row!(267, sys_readlinkat, [Fd, Path, Buf, Size]),
    row!(268, sys_fchmodat, [Fd, Path, Mode]),
    row!(269, sys_faccessat, [Fd, Path, Flags(flags::ACCESS)]),
    row!(273, sys_set_robust_list, [Ptr, Size]),
    row!(274, sys_get_robust_list, [Int, Ptr, Ptr]),
    row!(275, sys_splice, [Fd, Ptr, Fd, Ptr, Size, Hex]),
    row!(276, sys_tee, [Fd, Fd, Size, Hex]),
    row!(277, sys_sync_file_range, [Fd, Long, Long, Hex]),
    row!(280, sys_utimensat, [Fd, Path, Ptr, Flags(flags::AT)]),
    row!(284, sys_eventfd, [Int]),
    row!(285, sys_fallocate, [Fd, Hex, Long, Long]),
    row!(290, sys_eventfd2, [Int, Hex]),
    row!(292, sys_dup3, [Fd, Fd, OpenFlags]),
    row!(293, sys_pipe2, [Ptr, OpenFlags]),
    row!(295, sys_preadv, [Fd, Ptr, Int, Long]),
    row!(296, sys_pwritev, [Fd, Ptr, Int, Long]),
    row!(302, sys_prlimit64, [Int, Value(flags::RLIMIT), Ptr, Ptr]),
    row!(303, sys_name_to_handle_at, [Fd, Path, Ptr, Ptr, Hex]),
    row!(306, sys_syncfs, [Fd]),
    row!(309, sys_getcpu, [Ptr, Ptr]),
    row!(314, sys_sched_setattr, [Int, Ptr, Hex]),
    row!(315, sys_sched_getattr, [Int, Ptr, Size, Hex]),
    row!(316, sys_renameat2, [Fd, Path, Fd, Path, Flags(flags::RENAME)]),
    row!(318, sys_getrandom, [Ptr, Size, Flags(flags::GRND)]),
    row!(319, sys_memfd_create, [Str, Hex]),
    row!(322, sys_execveat, [Fd, Path, Strings, Ptr, Hex]),
    row!(324, sys_membarrier, [Int, Hex, Int]),
    row!(325, sys_mlock2, [Ptr, Size, Hex]),
    row!(326, sys_copy_file_range, [Fd, Ptr, Fd, Ptr, Size, Hex]),
    row!(327, sys_preadv2, [Fd, Ptr, Int, Long, Hex, Hex]),
    row!(328, sys_pwritev2, [Fd, Ptr, Int, Long, Hex, Hex]),
    row!(332, sys_statx, [Fd, Path, Flags(flags::AT), Hex, Ptr]),
    row!(334, sys_rseq, [Ptr, Size, Hex, Hex]),
    row!(435, sys_clone3, [Ptr, Size]),
    row!(436, sys_close_range, [Int, Int, Hex]),
    row!(437, sys_openat2, [Fd, Path, Ptr, Size]),
    row!(439, sys_faccessat2, [Fd, Path, Flags(flags::ACCESS), Flags(flags::AT)]),
];

/// One more than the highest number of a call that Linux 6.1 has.
const NUMBERS: usize = 451;
/// In [`INDEX`]: no row.
const NONE: u16 = u16::MAX;

/// Call number → place in [`ROWS`].
pub static INDEX: [u16; NUMBERS] = {
    let mut index = [NONE; NUMBERS];
    let mut at = 0;
    while at < ROWS.len() {
        let slot = &mut index[ROWS[at].number as usize];
        assert!(*slot == NONE, "two rows have one number");
        *slot = at as u16;
        at += 1;
    }
    index
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_found() {
        assert!(ROWS.windows(2).all(|pair| pair[0].number < pair[1].number));
        for row in ROWS {
            assert_eq!(super::super::row(row.number.into()).unwrap().name, row.name);
            assert!(row.args.len() <= 6);
        }
        assert!(super::super::row(u64::MAX).is_none());
        assert!(super::super::row(450).is_none());
    }
}
