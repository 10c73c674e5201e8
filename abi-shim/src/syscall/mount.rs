//! Mounts: a container's processes may not change them.

use crate::errno::Errno::EPERM;
use crate::errno::SysResult;
use crate::kernel::Kernel;

/// Implements Linux syscall mount(2), as for a process without CAP_SYS_ADMIN.
pub fn sys_mount(_k: &mut Kernel, _args: [u64; 6]) -> SysResult {
    Err(EPERM)
}

/// Implements Linux syscall umount2(2), likewise.
pub fn sys_umount2(_k: &mut Kernel, _args: [u64; 6]) -> SysResult {
    Err(EPERM)
}

/// Implements Linux syscall pivot_root(2), likewise.
pub fn sys_pivot_root(_k: &mut Kernel, _args: [u64; 6]) -> SysResult {
    Err(EPERM)
}
