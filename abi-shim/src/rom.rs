//! The ROM and the manifest, both in passive data segments of the component (DESIGN §3).

use hoist_vfs::{OutOfRange, Source};
use hoist_x86::manifest;

use crate::errno::Errno;
use crate::{machine, user};

/// The packed root filesystem.
#[derive(Clone, Copy, Debug)]
pub struct RomSource;

impl Source for RomSource {
    fn len(&self) -> u64 {
        machine::rom_len().into()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        let len = buffer.len();
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len()) {
            return Err(OutOfRange { offset, len });
        }
        if len != 0 {
            machine::rom_to_kernel(buffer, offset as u32);
        }
        Ok(())
    }
}

/// Copies `len` bytes at `offset` of the ROM to guest memory, not through the kernel's.
///
/// # Errors
/// EFAULT for the guest's address, EIO if the ROM has no such bytes.
pub fn rom_to_user(addr: u64, offset: u64, len: u64) -> Result<(), Errno> {
    let at = user::check(addr, len, user::Access::Write)?;
    if offset.checked_add(len).is_none_or(|end| end > RomSource.len()) {
        return Err(Errno::EIO);
    }
    if len != 0 {
        machine::rom_to_user(at, offset as u32, len as u32);
    }
    Ok(())
}

/// The segment of the manifest.
#[derive(Clone, Copy, Debug)]
pub struct LiftedSource;

impl manifest::Source for LiftedSource {
    fn len(&self) -> u32 {
        machine::lifted_len()
    }

    fn read_at(&self, offset: u32, buffer: &mut [u8]) {
        if !buffer.is_empty() {
            machine::lifted_read(buffer, offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rom_is_read_within_its_bounds() {
        machine::install(b"0123456789".to_vec(), vec![]);
        let mut buffer = [0; 3];
        RomSource.read_at(7, &mut buffer).unwrap();
        assert_eq!(&buffer, b"789");
        assert!(RomSource.read_at(8, &mut buffer).is_err());
        assert!(RomSource.read_at(u64::MAX, &mut buffer).is_err());
        let addr = u64::from(hoist_x86::boundary::MMAP_MIN_ADDR);
        user::grow_to(addr + 16).unwrap();
        rom_to_user(addr, 2, 8).unwrap();
        assert_eq!(user::read::<[u8; 8]>(addr).unwrap(), *b"23456789");
        assert_eq!(rom_to_user(addr, 3, 8), Err(Errno::EIO));
        assert_eq!(rom_to_user(0, 3, 1), Err(Errno::EFAULT));
    }
}
