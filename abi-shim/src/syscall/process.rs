//! Processes: who they are, how they begin and end, and what concerns a task alone (futex, arch_prctl, prctl).

use crate::cpu;
use crate::cred::{self, Credentials, Ids};
use crate::errno::{Errno, SysResult};
use crate::exec::{self, Request};
use crate::kernel::Kernel;
use crate::process::{End, Process};
use crate::user::{self, Pod};

/// Arguments and environment of execve(2) at most take: a quarter of the stack.
const ARG_MAX: usize = 2 << 20;

// ---- Identity

/// Implements Linux syscall getpid(2).
pub fn sys_getpid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.pid as u64)
}

/// Implements Linux syscall getppid(2).
pub fn sys_getppid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.parent as u64)
}

/// Implements Linux syscall gettid(2).
pub fn sys_gettid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.task.tid as u64)
}

/// The process that a pid names; 0 is the caller's.
fn named(k: &Kernel, pid: u64) -> Result<&Process, Errno> {
    match pid as i32 {
        0 => Ok(&k.process),
        pid => k.process(pid).ok_or(Errno::ESRCH),
    }
}

/// Implements Linux syscall getpgid(2).
pub fn sys_getpgid(k: &mut Kernel, [pid, ..]: [u64; 6]) -> SysResult {
    named(k, pid).map(|process| process.group as u64)
}

/// Implements Linux syscall getpgrp(2).
pub fn sys_getpgrp(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.group as u64)
}

/// Implements Linux syscall getsid(2).
pub fn sys_getsid(k: &mut Kernel, [pid, ..]: [u64; 6]) -> SysResult {
    named(k, pid).map(|process| process.session as u64)
}

/// Implements Linux syscall setpgid(2), of the caller and of its children before they execute a program.
pub fn sys_setpgid(k: &mut Kernel, [pid, group, ..]: [u64; 6]) -> SysResult {
    let own = k.process.pid;
    let pid = if pid as i32 == 0 { own } else { pid as i32 };
    let group = if group as i32 == 0 { pid } else { group as i32 };
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    let session = k.process.session;
    let process = k.process(pid).filter(|process| process.pid == own || process.parent == own).ok_or(Errno::ESRCH)?;
    if process.pid != own && process.has_executed {
        return Err(Errno::EACCES);
    }
    if process.session != session || process.session == process.pid {
        return Err(Errno::EPERM);
    }
    let exists = k.all_processes().any(|process| process.group == group && process.session == session);
    if group != pid && !exists {
        return Err(Errno::EPERM);
    }
    if let Some(process) = k.process_mut(pid) {
        process.group = group;
    }
    Ok(0)
}

/// Implements Linux syscall setsid(2): a group's leader cannot.
pub fn sys_setsid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    let pid = k.process.pid;
    if k.all_processes().any(|process| process.group == pid) {
        return Err(Errno::EPERM);
    }
    (k.process.session, k.process.group) = (pid, pid);
    k.process.tty = None;
    Ok(pid as u64)
}

/// Implements Linux syscall getuid(2).
pub fn sys_getuid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.cred.uid.real.into())
}

/// Implements Linux syscall geteuid(2).
pub fn sys_geteuid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.cred.uid.effective.into())
}

/// Implements Linux syscall getgid(2).
pub fn sys_getgid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.cred.gid.real.into())
}

/// Implements Linux syscall getegid(2).
pub fn sys_getegid(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(k.process.cred.gid.effective.into())
}

fn write_ids(ids: Ids, addresses: [u64; 6]) -> SysResult {
    for (addr, id) in addresses.into_iter().zip([ids.real, ids.effective, ids.saved]) {
        user::write(addr, &id)?;
    }
    Ok(0)
}

/// Implements Linux syscall getresuid(2).
pub fn sys_getresuid(k: &mut Kernel, addresses: [u64; 6]) -> SysResult {
    write_ids(k.process.cred.uid, addresses)
}

/// Implements Linux syscall getresgid(2).
pub fn sys_getresgid(k: &mut Kernel, addresses: [u64; 6]) -> SysResult {
    write_ids(k.process.cred.gid, addresses)
}

/// Which IDs a call may set: with the capability any, else those that it has.
fn check_ids(ids: Ids, privileged: bool, wanted: &[u32]) -> Result<(), Errno> {
    let may = |id: &u32| privileged || *id == u32::MAX || ids.contains(*id);
    if wanted.iter().all(may) { Ok(()) } else { Err(Errno::EPERM) }
}

/// `id`, unless it is -1, which leaves `old`.
fn or_old(id: u64, old: u32) -> u32 {
    if id as u32 == u32::MAX { old } else { id as u32 }
}

fn change_uids(k: &mut Kernel, uids: Ids) -> SysResult {
    let keep_caps = k.process.keep_caps;
    let cred = &mut k.process.cred;
    let old = std::mem::replace(&mut cred.uid, uids);
    cred.after_uids_changed(old, keep_caps);
    Ok(0)
}

fn change_gids(k: &mut Kernel, gids: Ids) -> SysResult {
    k.process.cred.gid = gids;
    k.process.cred.after_gids_changed();
    Ok(0)
}

/// What setuid(2) and setgid(2) make of `ids`.
fn set_one(ids: Ids, privileged: bool, id: u64) -> Result<Ids, Errno> {
    let id = id as u32;
    match () {
        () if id == u32::MAX => Err(Errno::EINVAL),
        () if privileged => Ok(Ids::all(id)),
        () if ids.real == id || ids.saved == id => Ok(Ids { effective: id, ..ids }),
        () => Err(Errno::EPERM),
    }
}

/// What setreuid(2) and setregid(2) make of `ids`.
fn set_two(ids: Ids, privileged: bool, real: u64, effective: u64) -> Result<Ids, Errno> {
    let may_real = privileged || real as u32 == u32::MAX || [ids.real, ids.effective].contains(&(real as u32));
    check_ids(ids, privileged, &[effective as u32])?;
    if !may_real {
        return Err(Errno::EPERM);
    }
    let new = Ids { real: or_old(real, ids.real), effective: or_old(effective, ids.effective), saved: ids.saved };
    let saved = if real as u32 != u32::MAX || new.effective != ids.real { new.effective } else { ids.saved };
    Ok(Ids { saved, ..new })
}

/// What setresuid(2) and setresgid(2) make of `ids`.
fn set_three(ids: Ids, privileged: bool, wanted: [u64; 3]) -> Result<Ids, Errno> {
    let [real, effective, saved] = wanted;
    check_ids(ids, privileged, &[real as u32, effective as u32, saved as u32])?;
    Ok(Ids { real: or_old(real, ids.real), effective: or_old(effective, ids.effective), saved: or_old(saved, ids.saved) })
}

fn may_set_uids(k: &Kernel) -> (Ids, bool) {
    (k.process.cred.uid, k.process.cred.capable(cred::CAP_SETUID))
}

fn may_set_gids(k: &Kernel) -> (Ids, bool) {
    (k.process.cred.gid, k.process.cred.capable(cred::CAP_SETGID))
}

/// Implements Linux syscall setuid(2).
pub fn sys_setuid(k: &mut Kernel, [uid, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_uids(k);
    change_uids(k, set_one(ids, privileged, uid)?)
}

/// Implements Linux syscall setgid(2).
pub fn sys_setgid(k: &mut Kernel, [gid, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_gids(k);
    change_gids(k, set_one(ids, privileged, gid)?)
}

/// Implements Linux syscall setreuid(2).
pub fn sys_setreuid(k: &mut Kernel, [real, effective, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_uids(k);
    change_uids(k, set_two(ids, privileged, real, effective)?)
}

/// Implements Linux syscall setregid(2).
pub fn sys_setregid(k: &mut Kernel, [real, effective, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_gids(k);
    change_gids(k, set_two(ids, privileged, real, effective)?)
}

/// Implements Linux syscall setresuid(2).
pub fn sys_setresuid(k: &mut Kernel, [real, effective, saved, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_uids(k);
    change_uids(k, set_three(ids, privileged, [real, effective, saved])?)
}

/// Implements Linux syscall setresgid(2).
pub fn sys_setresgid(k: &mut Kernel, [real, effective, saved, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_gids(k);
    change_gids(k, set_three(ids, privileged, [real, effective, saved])?)
}

/// Implements Linux syscall setfsuid(2): the ID before, whether or not it was changed.
pub fn sys_setfsuid(k: &mut Kernel, [uid, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_uids(k);
    let before = k.process.cred.fs.fsuid;
    if uid as u32 != u32::MAX && (privileged || ids.contains(uid as u32) || uid as u32 == before) {
        k.process.cred.set_fsuid(uid as u32);
    }
    Ok(before.into())
}

/// Implements Linux syscall setfsgid(2).
pub fn sys_setfsgid(k: &mut Kernel, [gid, ..]: [u64; 6]) -> SysResult {
    let (ids, privileged) = may_set_gids(k);
    let before = k.process.cred.fs.fsgid;
    if gid as u32 != u32::MAX && (privileged || ids.contains(gid as u32) || gid as u32 == before) {
        k.process.cred.fs.fsgid = gid as u32;
    }
    Ok(before.into())
}

/// Implements Linux syscall getgroups(2).
pub fn sys_getgroups(k: &mut Kernel, [size, list, ..]: [u64; 6]) -> SysResult {
    let groups = &k.process.cred.fs.groups;
    match size as i32 {
        0 => {}
        size if size < 0 || (size as usize) < groups.len() => return Err(Errno::EINVAL),
        _ => {
            let bytes: Vec<u8> = groups.iter().flat_map(|gid| gid.to_le_bytes()).collect();
            user::copy_to_user(list, &bytes)?;
        }
    }
    Ok(groups.len() as u64)
}

/// Implements Linux syscall setgroups(2).
pub fn sys_setgroups(k: &mut Kernel, [size, list, ..]: [u64; 6]) -> SysResult {
    const NGROUPS_MAX: u64 = 65536;
    if !k.process.cred.capable(cred::CAP_SETGID) {
        return Err(Errno::EPERM);
    }
    if size > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    k.process.cred.fs.groups = user::read_array(list, size as usize)?;
    Ok(0)
}

// ---- Capabilities

/// `struct __user_cap_header_struct`.
#[derive(Clone, Copy)]
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}
unsafe impl Pod for CapHeader {}

/// _LINUX_CAPABILITY_VERSION_1 and _3; the first has sets of 32 bits.
const CAP_VERSION_1: u32 = 0x1998_0330;
const CAP_VERSION_3: u32 = 0x2008_0522;

/// How many `struct __user_cap_data_struct` there are; EINVAL, and the version to use written, if the version is unknown.
fn cap_words(k: &Kernel, header: u64) -> Result<usize, Errno> {
    let CapHeader { version, pid } = user::read(header)?;
    match version {
        CAP_VERSION_1 => {}
        CAP_VERSION_3 | 0x2007_1026 => {}
        _ => {
            user::write(header, &CAP_VERSION_3)?;
            return Err(Errno::EINVAL);
        }
    }
    named(k, pid as u64)?;
    Ok(if version == CAP_VERSION_1 { 1 } else { 2 })
}

/// Implements Linux syscall capget(2).
pub fn sys_capget(k: &mut Kernel, [header, data, ..]: [u64; 6]) -> SysResult {
    let words = match cap_words(k, header) {
        Err(Errno::EINVAL) if data == 0 => return Ok(0),
        words => words?,
    };
    if data != 0 {
        let Credentials { fs, permitted, inheritable, .. } = &k.process.cred;
        for word in 0..words {
            let half = |set: u64| (set >> (32 * word)) as u32;
            user::write(data + 12 * word as u64, &[half(fs.caps), half(*permitted), half(*inheritable)])?;
        }
    }
    Ok(0)
}

/// Implements Linux syscall capset(2).
pub fn sys_capset(k: &mut Kernel, [header, data, ..]: [u64; 6]) -> SysResult {
    let words = cap_words(k, header)?;
    let mut sets = [0u64; 3];
    for word in 0..words {
        let halves: [u32; 3] = user::read(data + 12 * word as u64)?;
        sets.iter_mut().zip(halves).for_each(|(set, half)| *set |= u64::from(half) << (32 * word));
    }
    let [effective, permitted, inheritable] = sets;
    let cred = &mut k.process.cred;
    if permitted & !cred.permitted != 0 || effective & !permitted != 0 {
        return Err(Errno::EPERM);
    }
    (cred.fs.caps, cred.permitted, cred.inheritable) = (effective, permitted, inheritable);
    Ok(0)
}

// ---- Beginning and ending

/// Implements Linux syscall execve(2).
pub fn sys_execve(k: &mut Kernel, [path, argv, envp, ..]: [u64; 6]) -> SysResult {
    let request = Request {
        path: user::read_path(path)?,
        argv: user::read_strings(argv, ARG_MAX)?,
        envp: user::read_strings(envp, ARG_MAX)?,
    };
    exec::execve(k, request).map(|()| 0).map_err(|error| error.errno())
}

/// Implements Linux syscall execveat(2): paths that are absolute or relative to the working directory, and AT_EMPTY_PATH.
pub fn sys_execveat(k: &mut Kernel, [fd, path, argv, envp, flags, _]: [u64; 6]) -> SysResult {
    const AT_FDCWD: i32 = -100;
    const AT_EMPTY_PATH: u64 = 0x1000;
    let path = user::read_path(path)?;
    let from = fd as i32;
    if from != AT_FDCWD && path.first() != Some(&b'/') {
        k.files().borrow().get(from)?;
    }
    let path = match path.first() {
        None if flags & AT_EMPTY_PATH == 0 => return Err(Errno::ENOENT),
        Some(b'/') => path,
        Some(_) if from == AT_FDCWD => path,
        // What Linux shows as the program's name, too.
        None => format!("/dev/fd/{from}").into_bytes(),
        Some(_) => [format!("/dev/fd/{from}/").as_bytes(), &path].concat(),
    };
    let request = Request { path, argv: user::read_strings(argv, ARG_MAX)?, envp: user::read_strings(envp, ARG_MAX)? };
    exec::execve(k, request).map(|()| 0).map_err(|error| error.errno())
}

/// Implements Linux syscall exit(2).
pub fn sys_exit(k: &mut Kernel, [status, ..]: [u64; 6]) -> SysResult {
    k.exit_task(status as u8);
    Ok(0)
}

/// Implements Linux syscall exit_group(2).
pub fn sys_exit_group(k: &mut Kernel, [status, ..]: [u64; 6]) -> SysResult {
    k.exit(End::Exit(status as u8));
    Ok(0)
}

// ---- What concerns the task

/// Implements Linux syscall set_tid_address(2).
pub fn sys_set_tid_address(k: &mut Kernel, [addr, ..]: [u64; 6]) -> SysResult {
    k.task.clear_child_tid = addr;
    Ok(k.task.tid as u64)
}

/// `sizeof(struct robust_list_head)`.
const ROBUST_LIST_SIZE: u64 = 24;

/// Implements Linux syscall set_robust_list(2).
pub fn sys_set_robust_list(k: &mut Kernel, [head, len, ..]: [u64; 6]) -> SysResult {
    if len != ROBUST_LIST_SIZE {
        return Err(Errno::EINVAL);
    }
    k.task.robust_list = head;
    Ok(0)
}

/// Implements Linux syscall get_robust_list(2).
pub fn sys_get_robust_list(k: &mut Kernel, [tid, head, len, ..]: [u64; 6]) -> SysResult {
    if tid as i32 != 0 && tid as i32 != k.task.tid {
        return Err(Errno::ESRCH);
    }
    user::write(len, &ROBUST_LIST_SIZE)?;
    user::write(head, &k.task.robust_list)?;
    Ok(0)
}

/// Implements Linux syscall rseq(2): ENOSYS, as in a kernel without it; programs do without.
pub fn sys_rseq(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(Errno::ENOSYS)
}

/// Implements Linux syscall restart_syscall(2): nothing was interrupted.
pub fn sys_restart_syscall(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(Errno::EINTR)
}

/// Implements Linux syscall umask(2).
pub fn sys_umask(k: &mut Kernel, [mask, ..]: [u64; 6]) -> SysResult {
    let info = k.fs_info();
    let before = std::mem::replace(&mut info.borrow_mut().umask, mask as u32 & 0o777);
    Ok(before.into())
}

/// Implements Linux syscall personality(2): PER_LINUX, whose flags have no effect here.
pub fn sys_personality(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(0)
}

/// Implements Linux syscall arch_prctl(2).
pub fn sys_arch_prctl(_: &mut Kernel, [code, addr, ..]: [u64; 6]) -> SysResult {
    match code {
        0x1001 => cpu::set_register(cpu::GS_BASE, addr),
        0x1002 => cpu::set_register(cpu::FS_BASE, addr),
        0x1003 => user::write(addr, &cpu::get_register(cpu::FS_BASE))?,
        0x1004 => user::write(addr, &cpu::get_register(cpu::GS_BASE))?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// Implements Linux syscall prctl(2): names, and the attributes of a process that only matter to others; those are kept.
pub fn sys_prctl(k: &mut Kernel, [option, arg, ..]: [u64; 6]) -> SysResult {
    const NAME: usize = 16;
    match option {
        // PDEATHSIG, TIMERSLACK, THP_DISABLE, SET_VMA: nothing to see.
        1 | 29 | 41 | 0x5356_4d41 => {}
        2 => user::write(arg, &0u32)?,
        36 => k.process.is_subreaper = arg != 0,
        37 => user::write(arg, &u32::from(k.process.is_subreaper))?,
        3 => return Ok(k.process.dumpable.into()),
        4 if arg <= 1 => k.process.dumpable = arg == 1,
        7 => return Ok(k.process.keep_caps.into()),
        8 if arg <= 1 => k.process.keep_caps = arg == 1,
        15 => {
            k.task.name = user::strncpy_from_user(arg, NAME - 1, Errno::EINVAL).or_else(|_| {
                let mut name = vec![0; NAME - 1];
                user::copy_from_user(arg, &mut name)?;
                Ok(name)
            })?
        }
        16 => {
            let mut name = [0; NAME];
            name[..k.task.name.len()].copy_from_slice(&k.task.name);
            user::copy_to_user(arg, &name)?;
        }
        21 | 27 | 42 => return Ok(0),
        23 if arg < 41 => return Ok(k.process.cred.bounding >> arg & 1),
        24 if arg < 41 => k.process.cred.bounding &= !(1 << arg),
        30 => return Ok(50_000),
        38 if arg == 1 => k.process.no_new_privs = true,
        39 => return Ok(k.process.no_new_privs.into()),
        40 => user::write(arg, &k.task.clear_child_tid)?,
        47 => return if arg == 1 { Ok(0) } else { Err(Errno::EPERM) },
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
