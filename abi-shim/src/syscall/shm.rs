//! Shared memory of System V: shmget, shmat, shmdt, shmctl.

use hoist_vfs::{Device, Kind};

use crate::errno::Errno::{EIDRM, EINVAL};
use crate::errno::{Errno, SysResult};
use crate::fs::inode::same;
use crate::fs::mem::{MemFs, magic};
use crate::fs::types::{NewInode, OpenFlags};
use crate::fs::{File, InodeRef};
use crate::ipc::{Perm, Registry, Segment, now};
use crate::kernel::Kernel;
use crate::mm::{FileMap, PAGE, Place, Prot, page_up};
use crate::user::{self, Pod};

/// kernel.shmmax: what guest addresses can name.
const SIZE_MAX: u64 = 1 << 31;
/// SHM_DEST: it goes when nobody has it mapped.
const DEST: u32 = 0o1000;

/// Commands of shmctl(2) and its relatives.
pub(super) mod command {
    pub const RMID: u64 = 0;
    pub const SET: u64 = 1;
    pub const STAT: u64 = 2;
    pub const INFO: u64 = 3;
}

/// `struct shmid64_ds`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Status {
    perm: Perm,
    size: u64,
    atime: u64,
    dtime: u64,
    ctime: u64,
    creator: i32,
    last: i32,
    attached: u64,
    unused: [u64; 2],
}
unsafe impl Pod for Status {}

/// How many maps of a segment there are.
fn attached(k: &Kernel, inode: &InodeRef) -> u64 {
    let mut seen: Vec<*const ()> = Vec::new();
    let mut count = 0;
    for process in k.all_processes().filter(|process| process.end.is_none()) {
        let space = std::rc::Rc::as_ptr(&process.mm).cast::<()>();
        if seen.contains(&space) {
            continue;
        }
        seen.push(space);
        let mm = process.mm.borrow();
        let maps = mm.areas().filter(|(_, area)| area.file().is_some_and(|(map, _)| same(map.inode(), inode)));
        count += maps.map(|(_, area)| 1 + u64::from(area.again)).sum::<u64>();
    }
    count
}

/// Forgets segments that were removed and that nobody has mapped any more.
fn sweep(k: &mut Kernel) {
    let removed = k.ipc.segments.objects.iter().filter(|(_, object)| object.what.removed);
    let unused: Vec<i32> = removed.filter(|(_, object)| attached(k, &object.what.inode) == 0).map(|(&id, _)| id).collect();
    unused.iter().for_each(|id| _ = k.ipc.segments.objects.remove(id));
}

/// Implements Linux syscall shmget(2). No huge pages.
pub fn sys_shmget(k: &mut Kernel, [key, size, flags, ..]: [u64; 6]) -> SysResult {
    sweep(k);
    let (cred, clock, pid) = (k.process.cred.clone(), k.vfs.clock().clone(), k.process.pid);
    let fits = |segment: &Segment| if size > segment.size { Err(EINVAL) } else { Ok(()) };
    let make = || {
        if size == 0 || size > SIZE_MAX {
            return Err(EINVAL);
        }
        let dir = MemFs::empty(0o777, Device { major: 0, minor: 1 }, magic::TMPFS, clock);
        let new = NewInode { kind: Kind::Regular, mode: 0o600, uid: 0, gid: 0, rdev: Device::default(), target: Vec::new() };
        let inode = dir.create_unnamed(&new, false)?;
        inode.truncate(page_up(size))?;
        Ok(Segment { inode, size, atime: 0, dtime: 0, creator: pid, last: 0, removed: false })
    };
    k.ipc.segments.get(key as i32, flags as u32, &cred, fits, make).map(|id| id as u64)
}

/// Implements Linux syscall shmat(2). Processes share what they attach at the same address, which they get unless it is taken there.
pub fn sys_shmat(k: &mut Kernel, [id, addr, flags, ..]: [u64; 6]) -> SysResult {
    const RDONLY: u64 = 0o10000;
    const RND: u64 = 0o20000;
    const REMAP: u64 = 0o40000;
    const EXEC: u64 = 0o100000;
    sweep(k);
    let (cred, pid) = (k.process.cred.clone(), k.process.pid);
    let segment = k.ipc.segments.find(id as i32, false)?;
    let reads_only = flags & RDONLY != 0;
    segment.perm.check(&cred, if reads_only { 4 } else { 6 })?;
    let place = match addr {
        0 if flags & REMAP != 0 => return Err(EINVAL),
        0 => Place::Hint(0),
        addr if addr % PAGE != 0 && flags & RND == 0 => return Err(EINVAL),
        addr if flags & REMAP != 0 => Place::Fixed(addr & !(PAGE - 1)),
        addr => Place::Free(addr & !(PAGE - 1)),
    };
    let write = if reads_only { Prot::NONE } else { Prot::WRITE };
    let prot = Prot::READ | write | if flags & EXEC != 0 { Prot::EXEC } else { Prot::NONE };
    let (inode, size) = (segment.what.inode.clone(), segment.what.size);
    let at = k.vfs.anonymous_inode(inode, &format!("/SYSV{:08x} (deleted)", segment.perm.key));
    let file = File::content(at, OpenFlags(OpenFlags::RDWR));
    let map = FileMap::new(&file)?;
    let start = k.process.mm.borrow_mut().map_file(place, page_up(size), prot, true, &map, 0).map_err(|error| match error {
        Errno::EEXIST => EINVAL,
        error => error,
    })?;
    let segment = k.ipc.segments.find(id as i32, false)?;
    (segment.what.atime, segment.what.last) = (now(), pid);
    Ok(start)
}

/// Implements Linux syscall shmdt(2).
pub fn sys_shmdt(k: &mut Kernel, [addr, ..]: [u64; 6]) -> SysResult {
    let pid = k.process.pid;
    let found = {
        let mm = k.process.mm.borrow();
        let area = mm.area_at(addr).filter(|(start, _)| *start == addr);
        area.and_then(|(start, area)| Some((area.file()?.0.inode().clone(), area.end - start)))
    };
    let (inode, len) = found.ok_or(EINVAL)?;
    let object = k.ipc.segments.objects.values_mut().find(|object| same(&object.what.inode, &inode)).ok_or(EINVAL)?;
    (object.what.dtime, object.what.last) = (now(), pid);
    k.process.mm.borrow_mut().unmap(addr, len)?;
    sweep(k);
    Ok(0)
}

/// Implements Linux syscall shmctl(2), without SHM_STAT_ANY.
pub fn sys_shmctl(k: &mut Kernel, [id, cmd, buffer, ..]: [u64; 6]) -> SysResult {
    const LOCK: u64 = 11;
    const UNLOCK: u64 = 12;
    const SHM_STAT: u64 = 13;
    const SHM_INFO: u64 = 14;
    sweep(k);
    let (cred, id) = (k.process.cred.clone(), id as i32);
    match cmd {
        command::INFO => {
            user::write(buffer, &[SIZE_MAX, 1, 4096, 4096, SIZE_MAX / PAGE, 0, 0, 0, 0])?;
            return Ok(k.ipc.segments.highest() as u64);
        }
        SHM_INFO => {
            let objects = &k.ipc.segments.objects;
            let pages: u64 = objects.values().map(|object| page_up(object.what.size) / PAGE).sum();
            user::write(buffer, &[objects.len() as u64, pages, pages, 0, 0, 0])?;
            return Ok(k.ipc.segments.highest() as u64);
        }
        command::STAT | SHM_STAT => {
            let object = k.ipc.segments.find(id, false)?;
            object.perm.check(&cred, 4)?;
            let inode = object.what.inode.clone();
            let attached = attached(k, &inode);
            let object = k.ipc.segments.find(id, false)?;
            let Segment { size, atime, dtime, creator, last, .. } = object.what;
            let (perm, ctime) = (object.perm, object.ctime);
            user::write(buffer, &Status { perm, size, atime, dtime, ctime, creator, last, attached, unused: [0; 2] })?;
            return Ok(if cmd == SHM_STAT { id as u64 } else { 0 });
        }
        command::RMID | command::SET | LOCK | UNLOCK => {}
        _ => return Err(EINVAL),
    }
    let object = k.ipc.segments.find(id, false)?;
    object.perm.owner(&cred)?;
    match cmd {
        command::RMID => {
            object.what.removed = true;
            object.perm.key = 0;
            object.perm.mode |= DEST;
            sweep(k);
        }
        command::SET => set_owner(&mut k.ipc.segments, id, buffer)?,
        _ => {}
    }
    Ok(0)
}

/// IPC_SET: owner and mode.
pub(super) fn set_owner<T>(registry: &mut Registry<T>, id: i32, buffer: u64) -> Result<(), Errno> {
    let new: Perm = user::read(buffer)?;
    let object = registry.objects.get_mut(&id).ok_or(EIDRM)?;
    (object.perm.uid, object.perm.gid) = (new.uid, new.gid);
    object.perm.mode = object.perm.mode & !0o777 | new.mode & 0o777;
    object.ctime = now();
    Ok(())
}
