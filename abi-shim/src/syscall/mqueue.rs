//! Message queues of POSIX: mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr.

use std::rc::Rc;

use hoist_vfs::Kind;

use crate::cred::CAP_SYS_RESOURCE;
use crate::errno::Errno::{
    EACCES, EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMFILE, EMSGSIZE, ENAMETOOLONG, ENOENT, ENOSPC, ENOTSOCK, EPERM, ETIMEDOUT,
};
use crate::errno::SysResult;
use crate::fs::mqueue::{COOKIE_LEN, Message, MessageQueue, MessageQueueFile, Notify, REMOVED, Registration, WOKEN_UP};
use crate::fs::socket::{Domain, Socket};
use crate::fs::types::{MAY_READ, MAY_WRITE, NAME_MAX, OpenFlags, SetAttr, poll};
use crate::fs::{File, Result};
use crate::heap::{self, Claim};
use crate::kernel::Kernel;
use crate::limits;
use crate::signal::{self, Info, number};
use crate::task::{For, Restart, State};
use crate::user::{self, Pod};
use crate::wasi::{Nanos, clock};

use super::path::{file, table, vfs};
use super::time::{read_clock, read_timespec};

/// fs.mqueue: queues there are, messages and bytes of a message that anybody may ask for, and those of a queue that says nothing.
const QUEUES_MAX: usize = 256;
const MESSAGES: i64 = 10;
const MESSAGE_SIZE: i64 = 8192;
/// What nobody may exceed.
const HARD_MESSAGES: i64 = 65_536;
const HARD_MESSAGE_SIZE: i64 = 16 << 20;
/// MQ_PRIO_MAX.
const PRIORITIES: u64 = 32_768;
/// MQUEUE_MAGIC.
const MAGIC: u64 = 0x1980_0202;

/// `struct mq_attr`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Attributes {
    flags: i64,
    max_messages: i64,
    message_size: i64,
    messages: i64,
    reserved: [i64; 4],
}
unsafe impl Pod for Attributes {}

/// A queue's name as the C library passes it, without the slash at its beginning.
fn name_from_user(addr: u64) -> Result<Vec<u8>> {
    let name = user::read_path(addr)?;
    match &name[..] {
        b"" => Err(ENOENT),
        b"." | b".." => Err(EACCES),
        name if name.contains(&b'/') => Err(EACCES),
        name if name.len() > NAME_MAX => Err(ENAMETOOLONG),
        _ => Ok(name),
    }
}

/// Implements Linux syscall mq_open(2). Queues are not shown in /dev/mqueue.
pub fn sys_mq_open(k: &mut Kernel, [name, flags, mode, attributes, ..]: [u64; 6]) -> SysResult {
    let asked = match attributes {
        0 => None,
        addr => Some(user::read::<Attributes>(addr)?),
    };
    let name = name_from_user(name)?;
    let flags = OpenFlags(flags as u32);
    let queue = match k.ipc.message_queues.get(&name) {
        Some(_) if flags.has(OpenFlags::CREAT | OpenFlags::EXCL) => return Err(EEXIST),
        Some(queue) => {
            let mask = match flags.0 & OpenFlags::ACCMODE {
                OpenFlags::RDONLY => MAY_READ,
                OpenFlags::WRONLY => MAY_WRITE,
                OpenFlags::RDWR => MAY_READ | MAY_WRITE,
                _ => return Err(EINVAL),
            };
            k.cred().permission(&queue.location.inode().stat()?, mask)?;
            queue.clone()
        }
        None if !flags.has(OpenFlags::CREAT) => return Err(ENOENT),
        None => {
            let queue = Rc::new(create(k, &name, mode, asked)?);
            k.ipc.message_queues.insert(name, queue.clone());
            queue
        }
    };
    let object = Rc::new(MessageQueueFile(queue.clone()));
    let kept = OpenFlags(flags.0 & (OpenFlags::ACCMODE | OpenFlags::NONBLOCK));
    let file = File::object(queue.location.clone(), kept, object);
    let fd = table(k).borrow_mut().add(file, true)?;
    Ok(fd as u64)
}

fn create(k: &Kernel, name: &[u8], mode: u64, asked: Option<Attributes>) -> Result<MessageQueue> {
    /// Bytes of `struct msg_msg` and of a node of the tree by priority.
    const PER_MESSAGE: u64 = 48;
    let privileged = k.process.cred.capable(CAP_SYS_RESOURCE);
    let (messages_max, size_max) = if privileged { (HARD_MESSAGES, HARD_MESSAGE_SIZE) } else { (MESSAGES, MESSAGE_SIZE) };
    if k.ipc.message_queues.len() >= QUEUES_MAX && !privileged {
        return Err(ENOSPC);
    }
    let default = Attributes { max_messages: MESSAGES, message_size: MESSAGE_SIZE, ..Attributes::default() };
    let Attributes { max_messages, message_size, .. } = asked.unwrap_or(default);
    if !(1..=messages_max).contains(&max_messages) || !(1..=size_max).contains(&message_size) {
        return Err(EINVAL);
    }
    let bytes = max_messages as u64 * (message_size as u64 + 2 * PER_MESSAGE);
    let uid = k.process.cred.fs.fsuid;
    let mut of_user = bytes;
    for queue in k.ipc.message_queues.values() {
        of_user += if queue.location.inode().stat()?.uid == uid { queue.bytes } else { 0 };
    }
    if of_user > k.process.limits.0[limits::MSGQUEUE].soft {
        return Err(EMFILE);
    }
    let mode = mode as u32 & 0o777 & !k.fs_info().borrow().umask;
    let shown = format!("/{}", String::from_utf8_lossy(name));
    let location = vfs(k).anonymous(Kind::Regular, mode, &shown, MAGIC, Box::new(|_| Err(EACCES)));
    let cred = k.cred();
    location.inode().set_attr(&SetAttr { uid: Some(cred.fsuid), gid: Some(cred.fsgid), ..SetAttr::default() })?;
    Ok(MessageQueue::new(location, max_messages as usize, message_size as usize, bytes))
}

/// Implements Linux syscall mq_unlink(2).
pub fn sys_mq_unlink(k: &mut Kernel, [name, ..]: [u64; 6]) -> SysResult {
    const CAP_FOWNER: u32 = 3;
    let name = name_from_user(name)?;
    let queue = k.ipc.message_queues.get(&name).ok_or(ENOENT)?;
    // The directory is root's and sticky.
    let cred = &k.process.cred;
    if queue.location.inode().stat()?.uid != cred.fs.fsuid && cred.fs.fsuid != 0 && !cred.capable(CAP_FOWNER) {
        return Err(EPERM);
    }
    k.ipc.message_queues.remove(&name);
    Ok(0)
}

fn queue(k: &Kernel, fd: u64) -> Result<(Rc<File>, Rc<MessageQueue>)> {
    let file = file(k, fd)?;
    let queue = file.as_object::<MessageQueueFile>().ok_or(EBADF)?;
    Ok((file, queue.0.clone()))
}

/// Nanoseconds until the time at a user address; `None`: for ever.
fn timeout(k: &Kernel, addr: u64) -> Result<Option<Nanos>> {
    const REALTIME: u64 = 0;
    match addr {
        0 => Ok(None),
        _ => Ok(Some(read_timespec(addr)?.saturating_sub(read_clock(k, REALTIME)?))),
    }
}

/// Waits until the queue is ready for one of the events.
fn wait(k: &mut Kernel, file: &Rc<File>, events: u32, after: Option<Nanos>) -> SysResult {
    if file.nonblocking() {
        return Err(EAGAIN);
    }
    let deadline = after.map(|nanos| k.task.deadline_after(nanos));
    if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
        return Err(ETIMEDOUT);
    }
    Err(k.block(&[], deadline, For::Files(vec![(file.clone(), events)])))
}

/// Implements Linux syscall mq_timedsend(2).
pub fn sys_mq_timedsend(k: &mut Kernel, [fd, text, len, priority, until, _]: [u64; 6]) -> SysResult {
    let after = timeout(k, until)?;
    if priority as u32 as u64 >= PRIORITIES {
        return Err(EINVAL);
    }
    let (file, queue) = queue(k, fd)?;
    if !file.flags().writable() {
        return Err(EBADF);
    }
    if len > queue.message_size as u64 {
        return Err(EMSGSIZE);
    }
    let mut bytes = heap::zeroed(Claim::Process, len as usize)?;
    user::copy_from_user(text, &mut bytes)?;
    if queue.is_full() {
        return wait(k, &file, poll::OUT, after);
    }
    let was_empty = queue.is_empty();
    queue.put(Message { priority: priority as u32, text: bytes });
    if was_empty && !is_received_from(k, &queue) {
        notify(k, &queue);
    }
    Ok(0)
}

/// Whether a task waits for a message: poll(2) waits too, but is not made again after a handler.
fn is_received_from(k: &Kernel, queue: &Rc<MessageQueue>) -> bool {
    let its = |file: &Rc<File>| file.as_object::<MessageQueueFile>().is_some_and(|object| Rc::ptr_eq(&object.0, queue));
    k.others.iter().any(|task| match &task.wait.what {
        For::Files(files) if task.state == State::Waiting && task.wait.restarts == Restart::IfAsked => {
            files.iter().any(|(file, events)| events & poll::IN != 0 && its(file))
        }
        _ => false,
    })
}

fn notify(k: &mut Kernel, queue: &MessageQueue) {
    const SI_MESGQ: i32 = -3;
    let Some(registration) = queue.registration.take() else { return };
    registration.tell_thread(WOKEN_UP);
    if let Notify::Signal { signal, value } = registration.how {
        let info = Info { code: SI_MESGQ, ..k.info_of_sender(signal, SI_MESGQ) };
        signal::send(k, registration.process, Info { words: [info.words[0], value], ..info });
    }
}

/// Implements Linux syscall mq_timedreceive(2).
pub fn sys_mq_timedreceive(k: &mut Kernel, [fd, text, len, priority, until, _]: [u64; 6]) -> SysResult {
    let after = timeout(k, until)?;
    let (file, queue) = queue(k, fd)?;
    if !file.flags().readable() {
        return Err(EBADF);
    }
    if len < queue.message_size as u64 {
        return Err(EMSGSIZE);
    }
    let Some(message) = queue.take() else { return wait(k, &file, poll::IN, after) };
    if priority != 0 {
        user::write(priority, &message.priority)?;
    }
    user::copy_to_user(text, &message.text)?;
    Ok(message.text.len() as u64)
}

/// `struct sigevent`, as far as the kernel reads it.
#[derive(Clone, Copy)]
#[repr(C)]
struct SigEvent {
    value: u64,
    signal: u32,
    notify: u32,
}
unsafe impl Pod for SigEvent {}

/// Implements Linux syscall mq_notify(2).
pub fn sys_mq_notify(k: &mut Kernel, [fd, event, ..]: [u64; 6]) -> SysResult {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD: u32 = 2;
    let event = if event == 0 { None } else { Some(user::read::<SigEvent>(event)?) };
    let registration = match event {
        None => None,
        Some(SigEvent { value, signal, notify }) => {
            let how = match notify {
                SIGEV_NONE => Notify::Nothing,
                SIGEV_SIGNAL => {
                    Notify::Signal { signal: u8::try_from(signal).ok().filter(|&n| n <= number::MAX).ok_or(EINVAL)?, value }
                }
                SIGEV_THREAD => {
                    let cookie = user::read::<[u8; COOKIE_LEN]>(value)?;
                    let socket = file(k, signal.into())?.as_object::<Socket>().ok_or(ENOTSOCK)?;
                    if socket.domain != Domain::Netlink {
                        return Err(EINVAL);
                    }
                    Notify::Thread { socket, cookie }
                }
                _ => return Err(EINVAL),
            };
            Some(Registration { process: k.process.pid, how })
        }
    };
    let (_, queue) = queue(k, fd)?;
    // That of a process that has ended is nobody's.
    let lives = |held: &Registration| k.process(held.process).is_some_and(|process| process.end.is_none());
    let held = queue.registration.borrow().clone().filter(lives);
    match (held, registration) {
        (Some(held), None) if held.process == k.process.pid => {
            held.tell_thread(REMOVED);
            queue.registration.replace(None);
        }
        (_, None) => {}
        (Some(_), Some(_)) => return Err(EBUSY),
        (None, registration) => _ = queue.registration.replace(registration),
    }
    Ok(0)
}

/// Implements Linux syscall mq_getsetattr(2).
pub fn sys_mq_getsetattr(k: &mut Kernel, [fd, new, old, ..]: [u64; 6]) -> SysResult {
    let new = if new == 0 { None } else { Some(user::read::<Attributes>(new)?) };
    if new.is_some_and(|new| new.flags & !i64::from(OpenFlags::NONBLOCK) != 0) {
        return Err(EINVAL);
    }
    let (file, queue) = queue(k, fd)?;
    if old != 0 {
        let attributes = Attributes {
            flags: i64::from(file.flags().0 & OpenFlags::NONBLOCK),
            max_messages: queue.max_messages as i64,
            message_size: queue.message_size as i64,
            messages: queue.len() as i64,
            reserved: [0; 4],
        };
        user::write(old, &attributes)?;
    }
    if let Some(new) = new {
        file.set_flags(file.flags().0 & !OpenFlags::NONBLOCK | new.flags as u32 & OpenFlags::NONBLOCK);
    }
    Ok(0)
}
