//! What processes share by number: sysvipc(7). Segments, sets of semaphores and queues are kept alike; what is in them is their own.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::cred::{CAP_SYS_ADMIN, Credentials};
use crate::errno::Errno::{self, EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC, EPERM};
use crate::fs::InodeRef;
use crate::fs::mqueue::MessageQueue;
use crate::user::Pod;

/// The most objects of one kind: kernel.shmmni and its kin.
const OBJECTS_MAX: usize = 4096;
/// CAP_IPC_OWNER.
const CAP_IPC_OWNER: u32 = 15;

/// Flags of shmget(2) and its relatives.
pub const IPC_CREAT: u32 = 0o1000;
pub const IPC_EXCL: u32 = 0o2000;
pub const IPC_NOWAIT: u32 = 0o4000;
pub const IPC_PRIVATE: i32 = 0;

/// `struct ipc64_perm`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Perm {
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub cuid: u32,
    pub cgid: u32,
    pub mode: u32,
    seq: u32,
    padding: u32,
    unused: [u64; 2],
}
unsafe impl Pod for Perm {}

impl Perm {
    /// Whether a process may read (4) or write (2).
    ///
    /// # Errors
    /// `EACCES`.
    pub fn check(&self, cred: &Credentials, wanted: u32) -> Result<(), Errno> {
        let euid = cred.uid.effective;
        let shift = match () {
            () if euid == self.uid || euid == self.cuid => 6,
            () if cred.fs.in_group(self.gid) || cred.fs.in_group(self.cgid) => 3,
            () => 0,
        };
        let missing = wanted & !(self.mode >> shift) & 7;
        if missing == 0 || cred.capable(CAP_IPC_OWNER) { Ok(()) } else { Err(EACCES) }
    }

    /// Whether a process may change or remove the object.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn owner(&self, cred: &Credentials) -> Result<(), Errno> {
        let euid = cred.uid.effective;
        let is = euid == self.uid || euid == self.cuid || cred.capable(CAP_SYS_ADMIN);
        if is { Ok(()) } else { Err(EPERM) }
    }
}

/// An object with its owner and the time of its last change, in seconds.
pub struct Object<T> {
    pub perm: Perm,
    pub ctime: u64,
    pub what: T,
}

/// All objects of a kind, by identifier.
pub struct Registry<T> {
    next: i32,
    pub objects: BTreeMap<i32, Object<T>>,
}

impl<T> Default for Registry<T> {
    fn default() -> Registry<T> {
        Registry { next: 0, objects: BTreeMap::new() }
    }
}

impl<T> Registry<T> {
    /// shmget(2), semget(2), msgget(2): the object with a key, after `fits` has looked at it, or a new one.
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `EACCES`, `ENOSPC`, and of `fits` and `make`.
    pub fn get(
        &mut self,
        key: i32,
        flags: u32,
        cred: &Credentials,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
        make: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<i32, Errno> {
        let found = self.objects.iter().find(|(_, object)| key != IPC_PRIVATE && object.perm.key == key);
        match found {
            Some(_) if flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 => return Err(EEXIST),
            Some((&id, object)) => {
                object.perm.check(cred, (flags >> 6 | flags >> 3 | flags) & 7)?;
                return fits(&object.what).map(|()| id);
            }
            None if key != IPC_PRIVATE && flags & IPC_CREAT == 0 => return Err(ENOENT),
            None => {}
        }
        let what = make()?;
        if self.objects.len() >= OBJECTS_MAX {
            return Err(ENOSPC);
        }
        let (uid, gid) = (cred.uid.effective, cred.gid.effective);
        let perm = Perm { key, uid, gid, cuid: uid, cgid: gid, mode: flags & 0o777, ..Perm::default() };
        let id = self.next;
        self.next += 1;
        self.objects.insert(id, Object { perm, ctime: now(), what });
        Ok(id)
    }

    /// The object with an identifier.
    ///
    /// # Errors
    /// `EINVAL` if there is none, `EIDRM` if there was and the caller has `waited` for it.
    pub fn find(&mut self, id: i32, waited: bool) -> Result<&mut Object<T>, Errno> {
        self.objects.get_mut(&id).ok_or(if waited { EIDRM } else { EINVAL })
    }

    /// The place and object with an index in the order of identifiers: SHM_STAT and its kin, and what /proc/sysvipc shows.
    pub fn highest(&self) -> i32 {
        self.objects.keys().next_back().copied().unwrap_or(0)
    }
}

/// Seconds of the clock.
pub fn now() -> u64 {
    crate::wasi::clock::realtime().0
}

/// A segment of shared memory.
pub struct Segment {
    /// What is mapped: a file without a name.
    pub inode: InodeRef,
    pub size: u64,
    pub atime: u64,
    pub dtime: u64,
    pub creator: i32,
    pub last: i32,
    /// It goes when nobody has it mapped any more.
    pub removed: bool,
}

/// A semaphore: its value, and who changed it last.
#[derive(Clone, Copy, Default)]
pub struct Semaphore {
    pub value: u16,
    pub pid: i32,
}

/// A set of semaphores.
pub struct SemaphoreSet {
    pub semaphores: Vec<Semaphore>,
    pub otime: u64,
    /// SEM_UNDO: what to add when a process ends, by process and semaphore.
    pub undo: BTreeMap<(i32, usize), i32>,
}

/// A message.
pub struct Message {
    pub ty: i64,
    pub text: Vec<u8>,
}

/// A message queue.
pub struct Queue {
    pub messages: VecDeque<Message>,
    pub bytes_max: u64,
    pub stime: u64,
    pub rtime: u64,
    pub last_sender: i32,
    pub last_receiver: i32,
}

impl Queue {
    /// Bytes of all messages.
    pub fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.text.len() as u64).sum()
    }
}

/// What a task waits for that waits for a semaphore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitsFor {
    pub id: i32,
    pub semaphore: usize,
    pub zero: bool,
}

/// Everything.
#[derive(Default)]
pub struct Ipc {
    pub segments: Registry<Segment>,
    pub semaphores: Registry<SemaphoreSet>,
    pub queues: Registry<Queue>,
    /// Those of POSIX that have a name.
    pub message_queues: BTreeMap<Vec<u8>, Rc<MessageQueue>>,
    /// Tasks in semop(2), msgsnd(2) and msgrcv(2) that wait.
    pub waiting: BTreeMap<i32, WaitsFor>,
}

impl Ipc {
    /// A process ends: what it asked to have undone is.
    pub fn end_of(&mut self, pid: i32) {
        for set in self.semaphores.objects.values_mut() {
            let set = &mut set.what;
            let mine: Vec<((i32, usize), i32)> =
                set.undo.range((pid, 0)..=(pid, usize::MAX)).map(|(&place, &change)| (place, change)).collect();
            for (place, change) in mine {
                set.undo.remove(&place);
                if let Some(semaphore) = set.semaphores.get_mut(place.1) {
                    semaphore.value = (i32::from(semaphore.value) + change).clamp(0, 32767) as u16;
                    semaphore.pid = pid;
                }
            }
        }
    }
}
