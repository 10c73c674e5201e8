//! The machine and its resources: uname, sysinfo, random bytes, limits, scheduling.

use crate::cred;
use crate::errno::{Errno, SysResult};
use crate::fs::fd_table::NR_OPEN;
use crate::kernel::Kernel;
use crate::limits::{self, Limit};
use crate::user::{self, Access, Pod, UserSlice};
use crate::wasi;

/// The Linux version whose behaviour this kernel follows.
pub const RELEASE: &[u8] = b"6.1.0-hoist";
pub const VERSION: &[u8] = b"#1 SMP PREEMPT_DYNAMIC";

/// Bytes of each string of `struct utsname`.
const NAME: usize = 65;

/// Implements Linux syscall uname(2).
pub fn sys_uname(k: &mut Kernel, [buffer, ..]: [u64; 6]) -> SysResult {
    let mut bytes = [0; 6 * NAME];
    let names: [&[u8]; 6] = [b"Linux", &k.hostname, RELEASE, VERSION, b"x86_64", &k.domain_name];
    for (field, name) in bytes.chunks_exact_mut(NAME).zip(names) {
        let len = name.len().min(NAME - 1);
        field[..len].copy_from_slice(&name[..len]);
    }
    user::copy_to_user(buffer, &bytes)?;
    Ok(0)
}

/// Implements Linux syscall sethostname(2).
pub fn sys_sethostname(k: &mut Kernel, [name, len, ..]: [u64; 6]) -> SysResult {
    if !k.process.cred.capable(cred::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    if len >= NAME as u64 {
        return Err(Errno::EINVAL);
    }
    k.hostname = UserSlice::new(name, len, Access::Read)?.to_vec();
    Ok(0)
}

/// Implements Linux syscall setdomainname(2).
pub fn sys_setdomainname(k: &mut Kernel, [name, len, ..]: [u64; 6]) -> SysResult {
    if !k.process.cred.capable(cred::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    if len >= NAME as u64 {
        return Err(Errno::EINVAL);
    }
    k.domain_name = UserSlice::new(name, len, Access::Read)?.to_vec();
    Ok(0)
}

/// `struct sysinfo`.
#[derive(Clone, Copy)]
#[repr(C)]
struct SysInfo {
    uptime: u64,
    loads: [u64; 3],
    total_ram: u64,
    free_ram: u64,
    shared_ram: u64,
    buffer_ram: u64,
    total_swap: u64,
    free_swap: u64,
    processes: u16,
    padding: [u16; 3],
    total_high: u64,
    free_high: u64,
    unit: u32,
    padding_end: u32,
}
unsafe impl Pod for SysInfo {}

/// Implements Linux syscall sysinfo(2): the memory is the 4 GiB that guest addresses can name.
pub fn sys_sysinfo(k: &mut Kernel, [info, ..]: [u64; 6]) -> SysResult {
    let total = k.memory.unwrap_or(crate::mm::TASK_SIZE);
    let used = k.process.mm.borrow().total().min(total);
    let uptime = wasi::clock::monotonic().saturating_sub(k.booted) / 1_000_000_000;
    let value = SysInfo {
        uptime,
        loads: [0; 3],
        total_ram: total,
        free_ram: total - used,
        shared_ram: 0,
        buffer_ram: 0,
        total_swap: 0,
        free_swap: 0,
        processes: 1,
        padding: [0; 3],
        total_high: 0,
        free_high: 0,
        unit: 1,
        padding_end: 0,
    };
    user::write(info, &value)?;
    Ok(0)
}

/// Implements Linux syscall getrandom(2).
pub fn sys_getrandom(_: &mut Kernel, [buffer, len, flags, ..]: [u64; 6]) -> SysResult {
    const RANDOM: u64 = 2;
    const INSECURE: u64 = 4;
    const KNOWN: u64 = 7;
    let both = RANDOM | INSECURE;
    if flags & !KNOWN != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let buffer = UserSlice::new(buffer, len.min(i32::MAX as u64), Access::Write)?;
    let mut bytes = vec![0; buffer.len().min(1 << 16)];
    let mut done = 0;
    while done < buffer.len() {
        let part = buffer.part(done, bytes.len());
        wasi::random::fill(&mut bytes[..part.len()]);
        done += part.copy_in(&bytes);
    }
    Ok(done as u64)
}

// ---- Limits

/// Whether a number is that of the process or of one of its tasks.
fn is_own(k: &mut Kernel, pid: u64) -> Result<(), Errno> {
    match pid as i32 {
        0 => Ok(()),
        pid if pid == k.process.pid || k.task_mut(pid).is_some() => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}

/// Implements Linux syscall prlimit64(2). RLIMIT_AS, CPU, DATA, FSIZE, MSGQUEUE, NOFILE, NPROC and SIGPENDING are enforced; the others are noted.
pub fn sys_prlimit64(k: &mut Kernel, [pid, resource, new, old, ..]: [u64; 6]) -> SysResult {
    let resource = usize::try_from(resource).ok().filter(|&resource| resource < limits::COUNT).ok_or(Errno::EINVAL)?;
    let pid = match pid as i32 {
        0 => k.process.pid,
        pid => k.task_mut(pid).map(|task| task.pid).ok_or(Errno::ESRCH)?,
    };
    let privileged = k.process.cred.capable(cred::CAP_SYS_RESOURCE);
    let (uid, gid) = (k.process.cred.uid.real, k.process.cred.gid.real);
    let target = k.process(pid).ok_or(Errno::ESRCH)?;
    let same = |ids: cred::Ids, id: u32| ids == cred::Ids::all(id);
    if pid != k.process.pid && !privileged && !(same(target.cred.uid, uid) && same(target.cred.gid, gid)) {
        return Err(Errno::EPERM);
    }
    let before = target.limits.0[resource];
    if new != 0 {
        let limit: Limit = user::read(new)?;
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        let too_many = resource == limits::NOFILE && limit.hard > NR_OPEN.into();
        if limit.hard > before.hard && !privileged || too_many {
            return Err(Errno::EPERM);
        }
        let target = k.process_mut(pid).ok_or(Errno::ESRCH)?;
        target.limits.0[resource] = limit;
        if resource == limits::NOFILE {
            target.files.borrow_mut().limit = limit.soft.min(NR_OPEN.into()) as u32;
        }
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// Implements Linux syscall getrlimit(2).
pub fn sys_getrlimit(k: &mut Kernel, [resource, limit, ..]: [u64; 6]) -> SysResult {
    sys_prlimit64(k, [0, resource, 0, limit, 0, 0])
}

/// Implements Linux syscall setrlimit(2).
pub fn sys_setrlimit(k: &mut Kernel, [resource, limit, ..]: [u64; 6]) -> SysResult {
    user::read::<Limit>(limit)?;
    sys_prlimit64(k, [0, resource, limit, 0, 0, 0])
}

// ---- Scheduling: one processor

/// Implements Linux syscall sched_yield(2).
pub fn sys_sched_yield(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    k.give_up_turn();
    Ok(0)
}

/// Implements Linux syscall getcpu(2).
pub fn sys_getcpu(_: &mut Kernel, [cpu, node, ..]: [u64; 6]) -> SysResult {
    for addr in [cpu, node] {
        if addr != 0 {
            user::write(addr, &0u32)?;
        }
    }
    Ok(0)
}

/// Implements Linux syscall sched_getaffinity(2): processor 0.
pub fn sys_sched_getaffinity(k: &mut Kernel, [pid, len, mask, ..]: [u64; 6]) -> SysResult {
    if len < 8 || len % 8 != 0 {
        return Err(Errno::EINVAL);
    }
    is_own(k, pid)?;
    user::write(mask, &1u64)?;
    Ok(8)
}

/// Implements Linux syscall sched_setaffinity(2).
pub fn sys_sched_setaffinity(k: &mut Kernel, [pid, len, mask, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid)?;
    let mut bytes = [0; 8];
    let len = len.min(8) as usize;
    user::copy_from_user(mask, &mut bytes[..len])?;
    if bytes[0] & 1 != 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// Highest and lowest priority of a policy: SCHED_FIFO and SCHED_RR have 99 and 1, the others none.
fn priorities(policy: u64) -> Result<[u64; 2], Errno> {
    match policy {
        1 | 2 => Ok([99, 1]),
        0 | 3 | 5 | 6 => Ok([0, 0]),
        _ => Err(Errno::EINVAL),
    }
}

/// Implements Linux syscall sched_get_priority_max(2).
pub fn sys_sched_get_priority_max(_: &mut Kernel, [policy, ..]: [u64; 6]) -> SysResult {
    priorities(policy).map(|[max, _]| max)
}

/// Implements Linux syscall sched_get_priority_min(2).
pub fn sys_sched_get_priority_min(_: &mut Kernel, [policy, ..]: [u64; 6]) -> SysResult {
    priorities(policy).map(|[_, min]| min)
}

/// Implements Linux syscall sched_rr_get_interval(2): a tick.
pub fn sys_sched_rr_get_interval(k: &mut Kernel, [pid, interval, ..]: [u64; 6]) -> SysResult {
    const TICK: u64 = 4_000_000;
    if (pid as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    is_own(k, pid)?;
    super::time::write_timespec(interval, TICK)?;
    Ok(0)
}

/// Implements Linux syscall sched_getscheduler(2): SCHED_OTHER.
pub fn sys_sched_getscheduler(k: &mut Kernel, [pid, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid).map(|()| 0)
}

/// Implements Linux syscall sched_setscheduler(2): SCHED_OTHER, SCHED_BATCH and SCHED_IDLE are one here; real-time policies need a
/// privilege that containers have not.
pub fn sys_sched_setscheduler(k: &mut Kernel, [pid, policy, param, ..]: [u64; 6]) -> SysResult {
    const RESET_ON_FORK: u64 = 0x4000_0000;
    is_own(k, pid)?;
    let priority: i32 = user::read(param)?;
    match policy & !RESET_ON_FORK {
        0 | 3 | 5 if priority == 0 => Ok(0),
        1 | 2 if (1..=99).contains(&priority) => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// Implements Linux syscall sched_getparam(2).
pub fn sys_sched_getparam(k: &mut Kernel, [pid, param, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid)?;
    user::write(param, &0i32)?;
    Ok(0)
}

/// Implements Linux syscall sched_setparam(2).
pub fn sys_sched_setparam(k: &mut Kernel, [pid, param, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid)?;
    if user::read::<i32>(param)? == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// `struct sched_attr`, the first version: size, policy, flags, nice, priority, and three times.
const SCHED_ATTR_SIZE: usize = 48;

/// Implements Linux syscall sched_getattr(2).
pub fn sys_sched_getattr(k: &mut Kernel, [pid, attr, size, flags, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid)?;
    if flags != 0 || size < SCHED_ATTR_SIZE as u64 {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; SCHED_ATTR_SIZE];
    bytes[0..4].copy_from_slice(&(SCHED_ATTR_SIZE as u32).to_le_bytes());
    bytes[16..20].copy_from_slice(&k.process.nice.to_le_bytes());
    user::copy_to_user(attr, &bytes)?;
    Ok(0)
}

/// Implements Linux syscall sched_setattr(2).
pub fn sys_sched_setattr(k: &mut Kernel, [pid, attr, flags, ..]: [u64; 6]) -> SysResult {
    is_own(k, pid)?;
    let [_, policy]: [u32; 2] = user::read(attr)?;
    match policy {
        0 | 3 | 5 if flags == 0 => Ok(0),
        1 | 2 | 6 => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// Implements Linux syscall getpriority(2): 20 less the nice value, since negative results are errors.
pub fn sys_getpriority(k: &mut Kernel, [which, who, ..]: [u64; 6]) -> SysResult {
    match which {
        0 => is_own(k, who)?,
        1 | 2 => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok((20 - k.process.nice) as u64)
}

/// Implements Linux syscall setpriority(2).
pub fn sys_setpriority(k: &mut Kernel, [which, who, nice, ..]: [u64; 6]) -> SysResult {
    match which {
        0 => is_own(k, who)?,
        1 | 2 => {}
        _ => return Err(Errno::EINVAL),
    }
    let nice = (nice as i32).clamp(-20, 19);
    if nice < k.process.nice && !k.process.cred.capable(cred::CAP_SYS_NICE) {
        return Err(Errno::EACCES);
    }
    k.process.nice = nice;
    Ok(0)
}

/// Implements Linux syscall membarrier(2): with one processor there is nothing to order.
pub fn sys_membarrier(_: &mut Kernel, [command, flags, ..]: [u64; 6]) -> SysResult {
    /// Every command up to the registration of the private expedited one.
    const SUPPORTED: u64 = 0x1f;
    match command {
        _ if flags != 0 => Err(Errno::EINVAL),
        0 => Ok(SUPPORTED),
        command if command & !SUPPORTED == 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
