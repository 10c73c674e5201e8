//! The files of `/proc` whose content the kernel writes when they are read.

use std::cell::RefCell;
use std::rc::Rc;

use crate::fs::file::{FileObject, Seek};
use crate::fs::{Feed, Result, Sink};

/// Which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Of the machine: the path below `/proc`.
    System(&'static str),
    /// Of a process: the path below `/proc/PID`.
    Process(i32, &'static str),
    /// `/proc/PID/fdinfo/FD`.
    FdInfo(i32, i32),
}

/// Files of a process: name, mode.
pub const PROCESS: [(&str, u32); 29] = [
    ("auxv", 0o400),
    ("cgroup", 0o444),
    ("clear_refs", 0o200),
    ("cmdline", 0o444),
    ("comm", 0o644),
    ("coredump_filter", 0o644),
    ("environ", 0o400),
    ("gid_map", 0o644),
    ("io", 0o400),
    ("limits", 0o444),
    ("loginuid", 0o644),
    ("maps", 0o444),
    ("mountinfo", 0o444),
    ("mounts", 0o444),
    ("oom_adj", 0o644),
    ("oom_score", 0o444),
    ("oom_score_adj", 0o644),
    ("personality", 0o400),
    ("sched", 0o644),
    ("schedstat", 0o444),
    ("sessionid", 0o444),
    ("setgroups", 0o644),
    ("smaps", 0o444),
    ("stat", 0o444),
    ("statm", 0o444),
    ("status", 0o444),
    ("timerslack_ns", 0o666),
    ("uid_map", 0o644),
    ("wchan", 0o444),
];

/// Files of the machine: path below `/proc`, mode. Directories are implied.
pub const SYSTEM: [(&str, u32); 45] = [
    ("cgroups", 0o444),
    ("cmdline", 0o444),
    ("cpuinfo", 0o444),
    ("devices", 0o444),
    ("diskstats", 0o444),
    ("filesystems", 0o444),
    ("interrupts", 0o444),
    ("loadavg", 0o444),
    ("meminfo", 0o444),
    ("modules", 0o444),
    ("partitions", 0o444),
    ("pressure/cpu", 0o444),
    ("pressure/io", 0o444),
    ("pressure/memory", 0o444),
    ("stat", 0o444),
    ("swaps", 0o444),
    ("sys/fs/file-max", 0o644),
    ("sys/fs/inotify/max_queued_events", 0o644),
    ("sys/fs/inotify/max_user_instances", 0o644),
    ("sys/fs/inotify/max_user_watches", 0o644),
    ("sys/fs/nr_open", 0o644),
    ("sys/fs/pipe-max-size", 0o644),
    ("sys/fs/protected_hardlinks", 0o600),
    ("sys/kernel/cap_last_cap", 0o444),
    ("sys/kernel/core_pattern", 0o644),
    ("sys/kernel/domainname", 0o644),
    ("sys/kernel/hostname", 0o644),
    ("sys/kernel/ngroups_max", 0o444),
    ("sys/kernel/osrelease", 0o444),
    ("sys/kernel/ostype", 0o444),
    ("sys/kernel/pid_max", 0o644),
    ("sys/kernel/random/boot_id", 0o444),
    ("sys/kernel/random/entropy_avail", 0o444),
    ("sys/kernel/random/poolsize", 0o444),
    ("sys/kernel/random/uuid", 0o444),
    ("sys/kernel/randomize_va_space", 0o644),
    ("sys/kernel/seccomp/actions_avail", 0o444),
    ("sys/kernel/threads-max", 0o644),
    ("sys/kernel/version", 0o444),
    ("sys/net/core/somaxconn", 0o644),
    ("sys/vm/max_map_count", 0o644),
    ("sys/vm/mmap_min_addr", 0o644),
    ("sys/vm/overcommit_memory", 0o644),
    ("uptime", 0o444),
    ("version", 0o444),
];

/// A text that is open. Whoever reads it has it made first: [`crate::syscall::proc::refresh_text`].
pub struct ProcText {
    pub text: Text,
    content: RefCell<Option<Vec<u8>>>,
}

impl ProcText {
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(text: Text) -> Rc<ProcText> {
        Rc::new(ProcText { text, content: RefCell::new(None) })
    }

    /// Whether a read at an offset needs the text made anew: the first does, and each at its beginning.
    pub fn is_stale(&self, offset: u64) -> bool {
        offset == 0 || self.content.borrow().is_none()
    }

    /// What is read from now on.
    pub fn set(&self, content: Vec<u8>) {
        *self.content.borrow_mut() = Some(content);
    }
}

impl FileObject for ProcText {
    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let content = self.content.borrow();
        let rest = usize::try_from(offset).ok().and_then(|offset| content.as_deref()?.get(offset..)).unwrap_or_default();
        let part = &rest[..rest.len().min(sink.room())];
        sink.put(part)?;
        Ok(part.len())
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        // Settings that change nothing here: who writes them wants no more than no error.
        Ok(feed.left())
    }

    fn seek(&self) -> Seek {
        Seek::Offset
    }

    fn pollable(&self) -> bool {
        false
    }
}
