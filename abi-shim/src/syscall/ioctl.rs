//! ioctl(2): what concerns every file, then the file's own requests.

use crate::errno::Errno::{EBADF, ENOTTY};
use crate::errno::SysResult;
use crate::fs::types::{BLOCK_SIZE, OpenFlags};
use crate::kernel::Kernel;
use crate::user;

use hoist_vfs::Kind;

use super::path::{done, file, table};

const FIGETBSZ: u32 = 2;
const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FIOASYNC: u32 = 0x5452;
/// `FICLONE`, `FICLONERANGE`: sharing blocks, which programs try before they copy.
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;

/// Implements Linux syscall ioctl(2). Of terminals, locks of settings, modem lines and packets about flow control are not there.
pub fn sys_ioctl(k: &mut Kernel, [fd, request, arg, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    let request = request as u32;
    let set = |flag: u32| {
        let on = user::read::<i32>(arg)? != 0;
        let flags = file.flags().0;
        file.set_flags(if on { flags | flag } else { flags & !flag });
        Ok(0)
    };
    match request {
        FIOCLEX => return done(table(k).borrow_mut().set_cloexec(fd as i32, true)),
        FIONCLEX => return done(table(k).borrow_mut().set_cloexec(fd as i32, false)),
        FIONBIO => return set(OpenFlags::NONBLOCK),
        FIOASYNC => return set(OpenFlags::ASYNC),
        FICLONE | FICLONERANGE => {
            super::path::file(k, arg)?;
            return if file.flags().writable() { Err(crate::errno::Errno::EOPNOTSUPP) } else { Err(EBADF) };
        }
        _ => {}
    }
    if let Some(result) = super::tty::ioctl(k, &file, request, arg) {
        return result;
    }
    match (file.any_object(), file.inode().kind(), request) {
        (Some(object), ..) => object.ioctl(request, arg),
        (None, Kind::Regular, FIONREAD) => {
            let left = file.inode().stat()?.size.saturating_sub(file.offset());
            done(user::write(arg, &(left.min(i32::MAX as u64) as i32)))
        }
        (None, _, FIGETBSZ) => done(user::write(arg, &(BLOCK_SIZE as i32))),
        _ => Err(ENOTTY),
    }
}
