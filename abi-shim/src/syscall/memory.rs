//! Memory: brk, mmap and its relatives.

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::limits;
use crate::mm::{FileMap, PAGE, Place, Prot, page_up};
use crate::user;

/// Flags of mmap(2).
mod map {
    pub const SHARED: u64 = 1;
    pub const PRIVATE: u64 = 2;
    pub const SHARED_VALIDATE: u64 = 3;
    pub const TYPE: u64 = 0xf;
    pub const FIXED: u64 = 0x10;
    pub const ANONYMOUS: u64 = 0x20;
    pub const HUGETLB: u64 = 0x4_0000;
    pub const FIXED_NOREPLACE: u64 = 0x10_0000;
}

/// PROT_READ | PROT_WRITE | PROT_EXEC.
const PROT: u64 = 7;
/// PROT_SEM, PROT_GROWSDOWN, PROT_GROWSUP: accepted, without effect.
const PROT_IGNORED: u64 = 8 | 0x100_0000 | 0x200_0000;

/// Whether the process may have `more` bytes of memory, of data if they are its own to write: RLIMIT_AS, RLIMIT_DATA.
///
/// # Errors
/// `ENOMEM`.
fn check_limits(k: &Kernel, more: u64, data: bool) -> Result<(), Errno> {
    let limit = |resource: usize| k.process.limits.0[resource].soft;
    let mm = k.process.mm.borrow();
    let exceeds = |used: u64, limit: u64| limit != limits::INFINITY && used.saturating_add(page_up(more)) > limit;
    if data && k.memory.is_some_and(|memory| exceeds(k.data(), memory)) {
        return Err(Errno::ENOMEM);
    }
    match exceeds(mm.total(), limit(limits::AS)) || data && exceeds(mm.data(), limit(limits::DATA)) {
        true => Err(Errno::ENOMEM),
        false => Ok(()),
    }
}

/// Implements Linux syscall mmap(2).
///
/// MAP_HUGETLB is ENOMEM, as where no huge pages are reserved. A file that is mapped again with MAP_SHARED is mapped at the same address, unless that is
/// taken or MAP_FIXED asks for another: maps of a file at two addresses see each other's stores when the file is read and when processes change.
pub fn sys_mmap(k: &mut Kernel, [addr, len, prot, flags, fd, offset]: [u64; 6]) -> SysResult {
    let shared = match flags & map::TYPE {
        map::PRIVATE => false,
        map::SHARED | map::SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    if offset % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & map::HUGETLB != 0 {
        return Err(Errno::ENOMEM);
    }
    let place = match addr {
        _ if flags & map::FIXED_NOREPLACE != 0 => Place::Free(addr),
        _ if flags & map::FIXED != 0 => Place::Fixed(addr),
        _ => Place::Hint(addr),
    };
    let prot = Prot((prot & PROT) as u32);
    check_limits(k, len, !shared && prot.has(Prot::WRITE))?;
    if flags & map::ANONYMOUS != 0 {
        return k.process.mm.borrow_mut().map_anonymous(place, len, prot, shared);
    }
    let file = k.files().borrow().get(fd as i32)?.clone();
    let open = file.flags();
    if !open.readable() || shared && prot.has(Prot::WRITE) && !open.writable() {
        return Err(Errno::EACCES);
    }
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    if offset.checked_add(page_up(len)).is_none() {
        return Err(Errno::EOVERFLOW);
    }
    let map = FileMap::new(&file)?;
    k.process.mm.borrow_mut().map_file(place, len, prot, shared, &map, offset)
}

/// Implements Linux syscall mprotect(2). Protections other than execution are noted, not enforced.
pub fn sys_mprotect(k: &mut Kernel, [addr, len, prot, ..]: [u64; 6]) -> SysResult {
    if prot & !(PROT | PROT_IGNORED) != 0 {
        return Err(Errno::EINVAL);
    }
    if k.memory.is_some() && Prot(prot as u32).has(Prot::WRITE) {
        let new = k.process.mm.borrow().not_writable(addr, addr.saturating_add(page_up(len)));
        check_limits(k, new, true)?;
    }
    k.process.mm.borrow_mut().protect(addr, len, Prot((prot & PROT) as u32)).map(|()| 0)
}

/// Implements Linux syscall munmap(2).
pub fn sys_munmap(k: &mut Kernel, [addr, len, ..]: [u64; 6]) -> SysResult {
    k.process.mm.borrow_mut().unmap(addr, len).map(|()| 0)
}

/// Implements Linux syscall brk(2): the new break, or the old one if it cannot be moved.
pub fn sys_brk(k: &mut Kernel, [addr, ..]: [u64; 6]) -> SysResult {
    let now = k.process.mm.borrow().heap().1;
    if addr > now && check_limits(k, addr - now, true).is_err() {
        return Ok(now);
    }
    Ok(k.process.mm.borrow_mut().set_brk(addr))
}

/// Implements Linux syscall mremap(2). The old length 0, a second map of shared pages, is EFAULT.
pub fn sys_mremap(k: &mut Kernel, [old, old_len, new_len, flags, new, _]: [u64; 6]) -> SysResult {
    if new_len > old_len {
        check_limits(k, new_len - old_len, true)?;
    }
    k.process.mm.borrow_mut().remap(old, old_len, new_len, flags as u32, new)
}

/// Implements Linux syscall msync(2).
pub fn sys_msync(k: &mut Kernel, [addr, len, flags, ..]: [u64; 6]) -> SysResult {
    const ASYNC: u64 = 1;
    const INVALIDATE: u64 = 2;
    const SYNC: u64 = 4;
    let both = ASYNC | SYNC;
    if flags & !(ASYNC | INVALIDATE | SYNC) != 0 || flags & both == both || addr % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    k.process.mm.borrow_mut().sync(addr, len).map(|()| 0)
}

/// Implements Linux syscall mincore(2): everything that is mapped is in memory.
pub fn sys_mincore(k: &mut Kernel, [addr, len, vec, ..]: [u64; 6]) -> SysResult {
    if addr % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    let end = addr.checked_add(page_up(len)).ok_or(Errno::ENOMEM)?;
    if !k.process.mm.borrow().is_mapped(addr, end) {
        return Err(Errno::ENOMEM);
    }
    user::copy_to_user(vec, &vec![1; ((end - addr) / PAGE) as usize])?;
    Ok(0)
}

/// Implements Linux syscall madvise(2): MADV_DONTNEED discards; other advice that Linux knows is taken without effect.
pub fn sys_madvise(k: &mut Kernel, [addr, len, advice, ..]: [u64; 6]) -> SysResult {
    const DONTNEED: u64 = 4;
    const REMOVE: u64 = 9;
    if addr % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    match advice {
        DONTNEED => k.process.mm.borrow_mut().discard(addr, len).map(|()| 0),
        REMOVE => Err(Errno::EOPNOTSUPP),
        0..=3 | 8 | 10..=25 => {
            let end = addr.checked_add(page_up(len)).ok_or(Errno::EINVAL)?;
            if k.process.mm.borrow().is_mapped(addr, end) { Ok(0) } else { Err(Errno::ENOMEM) }
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Whether a range is mapped: what locking it needs.
fn lock(k: &Kernel, addr: u64, len: u64) -> SysResult {
    let start = addr & !(PAGE - 1);
    let end = addr.checked_add(len).map(page_up).ok_or(Errno::EINVAL)?;
    if k.process.mm.borrow().is_mapped(start, end) { Ok(0) } else { Err(Errno::ENOMEM) }
}

/// Implements Linux syscall mlock(2): memory is never paged out.
pub fn sys_mlock(k: &mut Kernel, [addr, len, ..]: [u64; 6]) -> SysResult {
    lock(k, addr, len)
}

/// Implements Linux syscall mlock2(2).
pub fn sys_mlock2(k: &mut Kernel, [addr, len, flags, ..]: [u64; 6]) -> SysResult {
    const ONFAULT: u64 = 1;
    if flags & !ONFAULT != 0 { Err(Errno::EINVAL) } else { lock(k, addr, len) }
}

/// Implements Linux syscall munlock(2).
pub fn sys_munlock(k: &mut Kernel, [addr, len, ..]: [u64; 6]) -> SysResult {
    lock(k, addr, len)
}

/// Implements Linux syscall mlockall(2).
pub fn sys_mlockall(_: &mut Kernel, [flags, ..]: [u64; 6]) -> SysResult {
    if matches!(flags, 1..=7) { Ok(0) } else { Err(Errno::EINVAL) }
}

/// Implements Linux syscall munlockall(2).
pub fn sys_munlockall(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Ok(0)
}

/// Implements Linux syscall pkey_mprotect(2), as on a processor without protection keys.
pub fn sys_pkey_mprotect(k: &mut Kernel, [addr, len, prot, key, ..]: [u64; 6]) -> SysResult {
    match key as i32 {
        -1 => sys_mprotect(k, [addr, len, prot, 0, 0, 0]),
        _ => Err(Errno::EINVAL),
    }
}

/// Implements Linux syscall pkey_alloc(2), likewise.
pub fn sys_pkey_alloc(_: &mut Kernel, [flags, rights, ..]: [u64; 6]) -> SysResult {
    if flags != 0 || rights & !3 != 0 { Err(Errno::EINVAL) } else { Err(Errno::ENOSPC) }
}

/// Implements Linux syscall pkey_free(2), likewise.
pub fn sys_pkey_free(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(Errno::EINVAL)
}
