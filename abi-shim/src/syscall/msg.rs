//! Message queues of System V: msgget, msgsnd, msgrcv, msgctl.

use crate::cred::CAP_SYS_RESOURCE;
use crate::errno::Errno::{E2BIG, EAGAIN, EFAULT, EINVAL, ENOMSG, ENOSYS, EPERM};
use crate::errno::SysResult;
use crate::heap::{self, Claim};
use crate::ipc::{IPC_NOWAIT, Message, Perm, Queue, WaitsFor, now};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user::{self, Pod};

use super::shm::{command, set_owner};

/// kernel.msgmax, kernel.msgmnb: bytes of a message, of a queue.
const MESSAGE_MAX: u64 = 8192;
const QUEUE_MAX: u64 = 16_384;

/// `struct msqid64_ds`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Status {
    perm: Perm,
    stime: u64,
    rtime: u64,
    ctime: u64,
    bytes: u64,
    count: u64,
    bytes_max: u64,
    last_sender: i32,
    last_receiver: i32,
    unused: [u64; 2],
}
unsafe impl Pod for Status {}

/// Implements Linux syscall msgget(2).
pub fn sys_msgget(k: &mut Kernel, [key, flags, ..]: [u64; 6]) -> SysResult {
    let cred = k.process.cred.clone();
    let make =
        || Ok(Queue { messages: Default::default(), bytes_max: QUEUE_MAX, stime: 0, rtime: 0, last_sender: 0, last_receiver: 0 });
    k.ipc.queues.get(key as i32, flags as u32, &cred, |_| Ok(()), make).map(|id| id as u64)
}

/// Waits until somebody has sent or received.
fn wait(k: &mut Kernel, id: i32) -> SysResult {
    k.ipc.waiting.insert(k.task.tid, WaitsFor { id, semaphore: usize::MAX, zero: false });
    Err(k.block_once(&[], None, For::Anything))
}

/// Whether the call has waited for this queue already.
fn has_waited(k: &mut Kernel, id: i32) -> bool {
    k.ipc.waiting.remove(&k.task.tid).is_some_and(|before| before.id == id) && k.task.has_waited()
}

/// Implements Linux syscall msgsnd(2).
pub fn sys_msgsnd(k: &mut Kernel, [id, message, size, flags, ..]: [u64; 6]) -> SysResult {
    let id = id as i32;
    let waited = has_waited(k, id);
    let ty: i64 = user::read(message)?;
    if size > MESSAGE_MAX || id < 0 || ty < 1 {
        return Err(EINVAL);
    }
    let mut text = heap::zeroed(Claim::Process, size as usize)?;
    user::copy_from_user(message + 8, &mut text)?;
    let (cred, pid) = (k.process.cred.clone(), k.process.pid);
    let object = k.ipc.queues.find(id, waited)?;
    object.perm.check(&cred, 2)?;
    let queue = &mut object.what;
    let has_room = queue.bytes() + size <= queue.bytes_max && (queue.messages.len() as u64) < queue.bytes_max;
    match has_room {
        false if flags as u32 & IPC_NOWAIT != 0 => Err(EAGAIN),
        false => wait(k, id),
        true => {
            queue.messages.push_back(Message { ty, text });
            (queue.stime, queue.last_sender) = (now(), pid);
            Ok(0)
        }
    }
}

/// Which message a call gets.
fn pick(queue: &Queue, ty: i64, except: bool) -> Option<usize> {
    let mut messages = queue.messages.iter();
    match ty {
        0 => messages.next().map(|_| 0),
        ty if ty < 0 => {
            let lowest = queue.messages.iter().map(|message| message.ty).filter(|&its| its <= ty.saturating_neg()).min()?;
            messages.position(|message| message.ty == lowest)
        }
        ty => messages.position(|message| (message.ty == ty) != except),
    }
}

/// Implements Linux syscall msgrcv(2), without MSG_COPY, as in a kernel without CONFIG_CHECKPOINT_RESTORE.
pub fn sys_msgrcv(k: &mut Kernel, [id, message, size, ty, flags, _]: [u64; 6]) -> SysResult {
    const NOERROR: u32 = 0o10000;
    const EXCEPT: u32 = 0o20000;
    const COPY: u32 = 0o40000;
    let (id, flags) = (id as i32, flags as u32);
    let waited = has_waited(k, id);
    if id < 0 || (size as i64) < 0 {
        return Err(EINVAL);
    }
    if flags & COPY != 0 {
        return Err(if flags & EXCEPT != 0 || flags & IPC_NOWAIT == 0 { EINVAL } else { ENOSYS });
    }
    let (cred, pid) = (k.process.cred.clone(), k.process.pid);
    let object = k.ipc.queues.find(id, waited)?;
    object.perm.check(&cred, 4)?;
    let queue = &mut object.what;
    let Some(at) = pick(queue, ty as i64, flags & EXCEPT != 0) else {
        return if flags & IPC_NOWAIT != 0 { Err(ENOMSG) } else { wait(k, id) };
    };
    if queue.messages[at].text.len() as u64 > size && flags & NOERROR == 0 {
        return Err(E2BIG);
    }
    let found = queue.messages.remove(at).ok_or(EFAULT)?;
    (queue.rtime, queue.last_receiver) = (now(), pid);
    let count = found.text.len().min(size as usize);
    user::write(message, &found.ty)?;
    user::copy_to_user(message + 8, &found.text[..count])?;
    Ok(count as u64)
}

/// Implements Linux syscall msgctl(2), without MSG_STAT_ANY.
pub fn sys_msgctl(k: &mut Kernel, [id, cmd, buffer, ..]: [u64; 6]) -> SysResult {
    const MSG_STAT: u64 = 11;
    const MSG_INFO: u64 = 12;
    let (cred, id) = (k.process.cred.clone(), id as i32);
    match cmd {
        command::INFO | MSG_INFO => {
            user::write(buffer, &[0u32, 0, MESSAGE_MAX as u32, QUEUE_MAX as u32, 32_000, 16, 16, 0xffff])?;
            return Ok(k.ipc.queues.highest() as u64);
        }
        command::RMID | command::SET | command::STAT | MSG_STAT => {}
        _ => return Err(EINVAL),
    }
    let object = k.ipc.queues.find(id, false)?;
    let queue = &object.what;
    match cmd {
        command::STAT | MSG_STAT => {
            object.perm.check(&cred, 4)?;
            let status = Status {
                perm: object.perm,
                stime: queue.stime,
                rtime: queue.rtime,
                ctime: object.ctime,
                bytes: queue.bytes(),
                count: queue.messages.len() as u64,
                bytes_max: queue.bytes_max,
                last_sender: queue.last_sender,
                last_receiver: queue.last_receiver,
                unused: [0; 2],
            };
            user::write(buffer, &status)?;
            return Ok(if cmd == MSG_STAT { id as u64 } else { 0 });
        }
        _ => object.perm.owner(&cred)?,
    }
    if cmd == command::RMID {
        k.ipc.queues.objects.remove(&id);
        return Ok(0);
    }
    let wanted: Status = user::read(buffer)?;
    if wanted.bytes_max > QUEUE_MAX && !cred.capable(CAP_SYS_RESOURCE) {
        return Err(EPERM);
    }
    object.what.bytes_max = wanted.bytes_max;
    set_owner(&mut k.ipc.queues, id, buffer)?;
    Ok(0)
}
