//! Files: inodes, names, mounts, open files, descriptors.
//!
//! | module | what |
//! | --- | --- |
//! | [`types`] | `struct stat`, credentials, open flags: the vocabulary |
//! | [`uio`] | where reads put bytes and writes take them: user memory or the kernel's |
//! | [`inode`] | what a filesystem implements |
//! | [`dentry`] | names: directory entries, mounts, the path of an entry |
//! | [`walk`] | path → entry, path_resolution(7) |
//! | [`vfs`] | operations on paths: open, mkdir, rename, … |
//! | [`mem`] | the filesystem in memory, over the ROM (`/`) or over nothing (tmpfs) |
//! | [`file`], [`fd_table`] | open file descriptions and the descriptors that name them |
//! | [`device`], [`console`], [`tty`] | character devices, the host's streams, terminals |
//! | [`lock`], [`record_lock`] | flock(2), locks of fcntl(2) |
//! | [`pipe`], [`eventfd`], [`timerfd`], [`signalfd`], [`pidfd`] | pipes and FIFOs, event counters, timers, signals, processes |
//! | [`epoll`], [`socket`], [`inet`], [`netlink`] | sets of files, sockets and their domains |
//! | [`notify`] | who is told what happens to files: inotify(7) |
//! | [`mqueue`] | message queues of POSIX |
//! | [`boot`] | the tree that a container starts with; a process's root, working directory, umask |
//! | [`host`] | directories that the host grants |
//! | [`procfs`], [`sysfs`] | `/proc`, `/sys` |
//! | [`anon`] | inodes without a place in the tree |
//!
//! Invariants: nothing here knows a system call's number or a task; an operation that would block gives
//! `EAGAIN`, and who waits is the system call's business; whatever reaches a guest is in a fixed order.

pub mod anon;
pub mod boot;
pub mod console;
pub mod content;
pub mod dentry;
pub mod device;
pub mod epoll;
pub mod eventfd;
pub mod fd_table;
pub mod file;
pub mod host;
pub mod inet;
pub mod inode;
pub mod lock;
pub mod mem;
pub mod mqueue;
pub mod netlink;
pub mod notify;
pub mod pidfd;
pub mod pipe;
pub mod procfs;
pub mod record_lock;
pub mod signalfd;
pub mod socket;
pub mod sysfs;
pub mod timerfd;
pub mod tty;
pub mod types;
pub mod uio;
pub mod vfs;
pub mod walk;

pub use boot::FsInfo;
pub use dentry::{Dentry, Location, Mount};
pub use fd_table::FdTable;
pub use file::{File, FileObject};
pub use inode::{Identity, Inode, InodeRef};
pub use types::{Cred, OpenFlags, Stat};
pub use uio::{Feed, Sink};
pub use vfs::Vfs;

/// What an operation gives.
pub type Result<T> = core::result::Result<T, crate::errno::Errno>;

#[cfg(test)]
mod tests;
