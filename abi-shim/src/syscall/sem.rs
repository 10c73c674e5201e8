//! Semaphores of System V: semget, semop, semtimedop, semctl.

use crate::errno::Errno::{E2BIG, EAGAIN, EFAULT, EFBIG, EINVAL, ERANGE};
use crate::errno::{Errno, SysResult};
use crate::ipc::{IPC_NOWAIT, Perm, Semaphore, SemaphoreSet, WaitsFor, now};
use crate::kernel::Kernel;
use crate::task::{For, State};
use crate::user::{self, Pod};
use crate::wasi::{Nanos, clock};

use super::shm::{command, set_owner};
use super::time::read_timespec;

/// kernel.sem: semaphores of a set, operations of a call, the highest value.
const SET_MAX: u64 = 32_000;
const OPERATIONS_MAX: u64 = 500;
const VALUE_MAX: i32 = 32_767;

/// `struct sembuf`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Operation {
    semaphore: u16,
    change: i16,
    flags: u16,
}
unsafe impl Pod for Operation {}

const UNDO: u16 = 0o10000;

/// `struct semid64_ds`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Status {
    perm: Perm,
    otime: u64,
    unused1: u64,
    ctime: u64,
    unused2: u64,
    count: u64,
    unused: [u64; 2],
}
unsafe impl Pod for Status {}

/// Implements Linux syscall semget(2).
pub fn sys_semget(k: &mut Kernel, [key, count, flags, ..]: [u64; 6]) -> SysResult {
    let count = count as i32 as i64 as u64;
    if count > SET_MAX {
        return Err(EINVAL);
    }
    let cred = k.process.cred.clone();
    let fits = |set: &SemaphoreSet| if count as usize > set.semaphores.len() { Err(EINVAL) } else { Ok(()) };
    let make = || match count {
        0 => Err(EINVAL),
        _ => Ok(SemaphoreSet { semaphores: vec![Semaphore::default(); count as usize], otime: 0, undo: Default::default() }),
    };
    k.ipc.semaphores.get(key as i32, flags as u32, &cred, fits, make).map(|id| id as u64)
}

/// Tries all operations: the new values, or which semaphore is in the way and whether for being not zero.
fn attempt(set: &SemaphoreSet, operations: &[Operation]) -> Result<Result<Vec<u16>, (usize, bool, u16)>, Errno> {
    let mut values: Vec<u16> = set.semaphores.iter().map(|semaphore| semaphore.value).collect();
    for operation in operations {
        let at = usize::from(operation.semaphore);
        let value = i32::from(values[at]);
        match operation.change {
            0 if value != 0 => return Ok(Err((at, true, operation.flags))),
            0 => {}
            change if value + i32::from(change) < 0 => return Ok(Err((at, false, operation.flags))),
            change if value + i32::from(change) > VALUE_MAX => return Err(ERANGE),
            change => values[at] = (value + i32::from(change)) as u16,
        }
    }
    Ok(Ok(values))
}

fn operate(k: &mut Kernel, id: u64, operations: u64, count: u64, timeout: Option<Nanos>) -> SysResult {
    let (id, pid, tid) = (id as i32, k.process.pid, k.task.tid);
    let waited = k.ipc.waiting.remove(&tid).is_some_and(|before| before.id == id) && k.task.has_waited();
    if count == 0 {
        return Err(EINVAL);
    }
    if count > OPERATIONS_MAX {
        return Err(E2BIG);
    }
    let operations: Vec<Operation> = user::read_array(operations, count as usize)?;
    let deadline = timeout.map(|nanos| k.task.deadline_after(nanos));
    let cred = k.process.cred.clone();
    let object = k.ipc.semaphores.find(id, waited)?;
    if operations.iter().any(|operation| usize::from(operation.semaphore) >= object.what.semaphores.len()) {
        return Err(EFBIG);
    }
    let changes = operations.iter().any(|operation| operation.change != 0);
    object.perm.check(&cred, if changes { 2 } else { 4 })?;
    let set = &mut object.what;
    match attempt(set, &operations)? {
        Ok(values) => {
            for operation in &operations {
                let at = usize::from(operation.semaphore);
                set.semaphores[at] = Semaphore { value: values[at], pid };
                if operation.flags & UNDO != 0 {
                    *set.undo.entry((pid, at)).or_default() -= i32::from(operation.change);
                }
            }
            set.otime = now();
            Ok(0)
        }
        Err((_, _, flags)) if u32::from(flags) & IPC_NOWAIT != 0 => Err(EAGAIN),
        Err(_) if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) => Err(EAGAIN),
        Err((semaphore, zero, _)) => {
            k.ipc.waiting.insert(tid, WaitsFor { id, semaphore, zero });
            Err(k.block_once(&[], deadline, For::Anything))
        }
    }
}

/// Implements Linux syscall semop(2).
pub fn sys_semop(k: &mut Kernel, [id, operations, count, ..]: [u64; 6]) -> SysResult {
    operate(k, id, operations, count, None)
}

/// Implements Linux syscall semtimedop(2).
pub fn sys_semtimedop(k: &mut Kernel, [id, operations, count, timeout, ..]: [u64; 6]) -> SysResult {
    let timeout = if timeout == 0 { None } else { Some(read_timespec(timeout)?) };
    operate(k, id, operations, count, timeout)
}

/// How many tasks wait for a semaphore to grow, or to become zero.
fn waiting(k: &Kernel, id: i32, semaphore: usize, zero: bool) -> u64 {
    let waits = |tid: i32| k.tasks().any(|task| task.tid == tid && task.state == State::Waiting);
    let wanted = WaitsFor { id, semaphore, zero };
    k.ipc.waiting.iter().filter(|&(&tid, &what)| what == wanted && waits(tid)).count() as u64
}

/// Implements Linux syscall semctl(2), without SEM_STAT_ANY.
pub fn sys_semctl(k: &mut Kernel, [id, number, cmd, arg, ..]: [u64; 6]) -> SysResult {
    const GETPID: u64 = 11;
    const GETVAL: u64 = 12;
    const GETALL: u64 = 13;
    const GETNCNT: u64 = 14;
    const GETZCNT: u64 = 15;
    const SETVAL: u64 = 16;
    const SETALL: u64 = 17;
    const SEM_STAT: u64 = 18;
    const SEM_INFO: u64 = 19;
    let (cred, id, pid) = (k.process.cred.clone(), id as i32, k.process.pid);
    if matches!(cmd, command::INFO | SEM_INFO) {
        let sets = k.ipc.semaphores.objects.len() as u32;
        let all: u32 = k.ipc.semaphores.objects.values().map(|object| object.what.semaphores.len() as u32).sum();
        let used = if cmd == SEM_INFO { [sets, all] } else { [20, 32_767] };
        user::write(arg, &[1_024_000_000u32, 32_000, 1_024_000_000, 1_024_000_000, 32_000, 500, 500, used[0], 32_767, used[1]])?;
        return Ok(k.ipc.semaphores.highest() as u64);
    }
    let object = k.ipc.semaphores.find(id, false)?;
    match cmd {
        command::RMID | command::SET => object.perm.owner(&cred)?,
        SETVAL | SETALL => object.perm.check(&cred, 2)?,
        command::STAT | SEM_STAT | GETALL | GETPID | GETVAL | GETNCNT | GETZCNT => object.perm.check(&cred, 4)?,
        _ => return Err(EINVAL),
    }
    let count = object.what.semaphores.len();
    let at = number as u32 as usize;
    if matches!(cmd, GETPID | GETVAL | GETNCNT | GETZCNT | SETVAL) && at >= count {
        return Err(EINVAL);
    }
    let set = &mut object.what;
    let valid = |value: i32| if (0..=VALUE_MAX).contains(&value) { Ok(value as u16) } else { Err(ERANGE) };
    match cmd {
        command::RMID => _ = k.ipc.semaphores.objects.remove(&id),
        command::SET => set_owner(&mut k.ipc.semaphores, id, arg)?,
        command::STAT | SEM_STAT => {
            let otime = set.otime;
            let (perm, ctime, count) = (object.perm, object.ctime, count as u64);
            user::write(arg, &Status { perm, otime, unused1: 0, ctime, unused2: 0, count, unused: [0; 2] })?;
            return Ok(if cmd == SEM_STAT { id as u64 } else { 0 });
        }
        GETALL => {
            let bytes: Vec<u8> = set.semaphores.iter().flat_map(|semaphore| semaphore.value.to_le_bytes()).collect();
            user::copy_to_user(arg, &bytes)?;
        }
        GETPID => return Ok(set.semaphores[at].pid as u64),
        GETVAL => return Ok(set.semaphores[at].value.into()),
        GETNCNT | GETZCNT => return Ok(waiting(k, id, at, cmd == GETZCNT)),
        SETVAL => {
            set.semaphores[at] = Semaphore { value: valid(arg as i32)?, pid };
            set.undo.retain(|&(_, place), _| place != at);
            object.ctime = now();
        }
        _ => {
            let values: Vec<u16> = user::read_array(arg, count).map_err(|_| EFAULT)?;
            let values = values.into_iter().map(|value| valid(value.into())).collect::<Result<Vec<u16>, Errno>>()?;
            set.semaphores = values.into_iter().map(|value| Semaphore { value, pid }).collect();
            set.undo.clear();
            object.ctime = now();
        }
    }
    Ok(0)
}
