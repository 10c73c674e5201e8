//! Guest memory: the only way to it. Every function checks its addresses, so that a wrong one is the guest's EFAULT and never a
//! trap.
//!
//! Addresses and lengths come as the guest's 64-bit registers. What the kernel does for a program has to be mapped and allowed there ([`access`]); what it
//! does for itself ([`unchecked`]) has to exist: to lie between [`MMAP_MIN_ADDR`] and the end of the user memory.

pub mod access;

pub use access::{Access, check};

use hoist_x86::boundary::{MMAP_MIN_ADDR, NULL_PAGE};

use crate::errno::Errno;
use crate::machine;

/// The longest path with its NUL (limits.h).
pub const PATH_MAX: usize = 4096;

/// The longest argument or environment string with its NUL (MAX_ARG_STRLEN in binfmts.h).
pub const MAX_ARG_STRLEN: usize = 128 * 1024;

/// The guest address after the last byte of user memory.
pub fn end() -> u64 {
    u64::from(machine::user_pages()) * 0x1_0000 + u64::from(NULL_PAGE)
}

/// Checks that `len` bytes at `addr` exist; gives the address as an index.
///
/// # Errors
/// EFAULT.
pub fn exists(addr: u64, len: u64) -> Result<u32, Errno> {
    match addr.checked_add(len) {
        Some(after) if addr >= u64::from(MMAP_MIN_ADDR) && after <= end() => Ok(addr as u32),
        _ if len == 0 => Ok(addr as u32),
        _ => Err(Errno::EFAULT),
    }
}

/// Makes the user memory reach up to guest address `limit`.
///
/// # Errors
/// ENOMEM if the host gives no more, or the 4 GiB are used up.
pub fn grow_to(limit: u64) -> Result<(), Errno> {
    let now = end();
    if limit <= now {
        return Ok(());
    }
    let pages = u32::try_from((limit - now).div_ceil(0x1_0000)).map_err(|_| Errno::ENOMEM)?;
    if machine::user_grow(pages) >= 0 { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// # Errors
/// EFAULT; likewise for all that follow.
pub fn copy_from_user(addr: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    let at = check(addr, buffer.len() as u64, Access::Read)?;
    if !buffer.is_empty() {
        machine::copy_from_user(buffer, at);
    }
    Ok(())
}

pub fn copy_to_user(addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    let at = check(addr, bytes.len() as u64, Access::Write)?;
    if !bytes.is_empty() {
        machine::copy_to_user(at, bytes);
    }
    Ok(())
}

/// Sets `len` bytes to zero.
pub fn clear(addr: u64, len: u64) -> Result<(), Errno> {
    check(addr, len, Access::Write)?;
    unchecked::clear(addr, len)
}

/// Memory as the kernel reaches it for itself, whoever has mapped it and how: to bring pages in and out, and to load programs.
pub mod unchecked {
    use hoist_x86::boundary::SAME_BLOCK;

    pub use super::{end, grow_to};
    use super::{exists, machine};
    use crate::errno::Errno;

    /// # Errors
    /// EFAULT where there is no memory; likewise for all that follow.
    pub fn copy_from_user(addr: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        let at = exists(addr, buffer.len() as u64)?;
        if !buffer.is_empty() {
            machine::copy_from_user(buffer, at);
        }
        Ok(())
    }

    pub fn copy_to_user(addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        let at = exists(addr, bytes.len() as u64)?;
        if !bytes.is_empty() {
            machine::copy_to_user(at, bytes);
        }
        Ok(())
    }

    /// Whether memory is what these bytes are, whole blocks of [`SAME_BLOCK`]; false where there is none.
    pub fn is_same<const N: usize>(addr: u64, bytes: &[u8; N]) -> bool {
        const { assert!(N > 0 && N.is_multiple_of(SAME_BLOCK as usize)) };
        exists(addr, N as u64).is_ok_and(|at| machine::user_same(at, bytes))
    }

    /// As memmove(3), within user memory.
    pub fn copy_within(to: u64, from: u64, len: u64) -> Result<(), Errno> {
        let (to, from) = (exists(to, len)?, exists(from, len)?);
        if len != 0 {
            machine::user_copy(to, from, len as u32);
        }
        Ok(())
    }

    /// Sets `len` bytes to zero.
    pub fn clear(addr: u64, len: u64) -> Result<(), Errno> {
        let at = exists(addr, len)?;
        if len != 0 {
            machine::user_fill(at, 0, len as u32);
        }
        Ok(())
    }
}

/// A value that is nothing but its bytes.
///
/// # Safety
/// `repr(C)` or a number, without padding, and every pattern of bits is a value.
pub unsafe trait Pod: Copy {}

macro_rules! pod {
    ($($ty:ty),*) => { $(unsafe impl Pod for $ty {})* };
}
pod!(u8, i8, u16, i16, u32, i32, u64, i64, u128);
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

/// A structure's bytes, in the guest's order, which is the kernel's own: both are little-endian.
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // Safety: `Pod` has no padding, so all bytes are initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// The value that these bytes are.
pub fn from_bytes<T: Pod>(bytes: &[u8]) -> Option<T> {
    // Safety: as long as `T` and, as it is `Pod`, a value of it.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Reads a structure or number.
pub fn read<T: Pod>(addr: u64) -> Result<T, Errno> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // Safety: zeroed, and any bytes are a `Pod` value.
    unsafe {
        copy_from_user(addr, std::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()))?;
        Ok(value.assume_init())
    }
}

/// Writes a structure or number.
pub fn write<T: Pod>(addr: u64, value: &T) -> Result<(), Errno> {
    copy_to_user(addr, bytes_of(value))
}

/// Reads `count` structures that stand one after the other.
///
/// # Errors
/// Also EINVAL for a count whose array could not be in memory.
pub fn read_array<T: Pod>(addr: u64, count: usize) -> Result<Vec<T>, Errno> {
    let size = size_of::<T>();
    check(addr, (count as u64).checked_mul(size as u64).ok_or(Errno::EINVAL)?, Access::Read)?;
    (0..count).map(|index| read(addr + (index * size) as u64)).collect()
}

/// Reads a string up to its NUL, which is not in the result.
///
/// # Errors
/// Also `too_long`, if there is no NUL in `limit` bytes.
pub fn strncpy_from_user(addr: u64, limit: usize, too_long: Errno) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    while text.len() < limit {
        let at = addr + text.len() as u64;
        let mut chunk = [0; 256];
        let room = access::reachable(at, ((limit - text.len()) as u64).min(chunk.len() as u64), Access::Read);
        if room == 0 {
            return Err(Errno::EFAULT);
        }
        let chunk = &mut chunk[..room as usize];
        copy_from_user(at, chunk)?;
        match chunk.iter().position(|&byte| byte == 0) {
            Some(len) => {
                text.extend(&chunk[..len]);
                return Ok(text);
            }
            None => text.extend(&*chunk),
        }
    }
    Err(too_long)
}

/// Reads a path.
///
/// # Errors
/// Also ENAMETOOLONG from [`PATH_MAX`] bytes on.
pub fn read_path(addr: u64) -> Result<Vec<u8>, Errno> {
    strncpy_from_user(addr, PATH_MAX, Errno::ENAMETOOLONG)
}

/// Reads a list of strings that a null pointer ends: argv, envp. A null list is an empty one, as in Linux.
///
/// # Errors
/// Also E2BIG, past `limit` bytes in all.
pub fn read_strings(mut addr: u64, limit: usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    let mut total = 0;
    while addr != 0 {
        let pointer: u64 = read(addr)?;
        if pointer == 0 {
            break;
        }
        let text = strncpy_from_user(pointer, MAX_ARG_STRLEN, Errno::E2BIG)?;
        total += text.len() + 1 + size_of::<u64>();
        if total > limit {
            return Err(Errno::E2BIG);
        }
        strings.push(text);
        addr += 8;
    }
    Ok(strings)
}

/// A buffer in guest memory that was checked once, for one kind of access, so what happens inside it cannot fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserSlice {
    addr: u32,
    len: u32,
}

impl UserSlice {
    /// # Errors
    /// EFAULT.
    pub fn new(addr: u64, len: u64, access: Access) -> Result<UserSlice, Errno> {
        Ok(UserSlice { addr: check(addr, len, access)?, len: len as u32 })
    }

    pub fn len(self) -> usize {
        self.len as usize
    }

    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    pub fn addr(self) -> u32 {
        self.addr
    }

    /// The part from `start`, at most `len` bytes, as far as it lies inside.
    pub fn part(self, start: usize, len: usize) -> UserSlice {
        let start = start.min(self.len());
        UserSlice { addr: self.addr.wrapping_add(start as u32), len: len.min(self.len() - start) as u32 }
    }

    /// Fills the kernel's buffer from this one, as far as both go; how much that was.
    pub fn copy_out(self, to: &mut [u8]) -> usize {
        let len = self.len().min(to.len());
        if len != 0 {
            machine::copy_from_user(&mut to[..len], self.addr);
        }
        len
    }

    /// Fills this buffer from the kernel's, as far as both go; how much that was.
    pub fn copy_in(self, from: &[u8]) -> usize {
        let len = self.len().min(from.len());
        if len != 0 {
            machine::copy_to_user(self.addr, &from[..len]);
        }
        len
    }

    /// Its bytes.
    pub fn to_vec(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        self.copy_out(&mut bytes);
        bytes
    }

    /// Sets all of it to zero.
    pub fn clear(self) {
        if !self.is_empty() {
            machine::user_fill(self.addr, 0, self.len);
        }
    }
}

/// User memory as the interpreter reaches it: an access that lifted code would trap at does nothing, and is remembered.
#[derive(Clone, Copy, Debug)]
pub struct CheckedMemory {
    /// Bytes of user memory. It does not grow while the interpreter runs.
    len: u64,
    fault: Option<u32>,
}

impl CheckedMemory {
    pub fn new() -> CheckedMemory {
        CheckedMemory { len: end() - u64::from(NULL_PAGE), fault: None }
    }

    #[inline]
    fn is_good(&mut self, addr: u32, len: u32) -> bool {
        let good = u64::from(addr.wrapping_sub(NULL_PAGE)) + u64::from(len) <= self.len;
        if !good {
            self.fault = self.fault.or(Some(addr));
        }
        good
    }
}

impl hoist_x86::helper::Memory for CheckedMemory {
    #[inline]
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        if self.is_good(addr, N as u32) { UserMemory.load(addr) } else { [0; N] }
    }

    #[inline]
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        if self.is_good(addr, N as u32) {
            UserMemory.store(addr, bytes);
        }
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        if self.is_good(from, len) && self.is_good(to, len) {
            UserMemory.copy(to, from, len);
        }
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        if self.is_good(to, len) {
            UserMemory.fill(to, byte, len);
        }
    }

    #[inline]
    fn take_fault(&mut self) -> Option<u32> {
        self.fault.take()
    }

    /// Code is only looked for where something is mapped; what an instruction at the end of memory lacks is zeros.
    fn fetch(&mut self, addr: u32, into: &mut [u8]) {
        for (i, byte) in into.iter_mut().enumerate() {
            [*byte] = self.load(addr.wrapping_add(i as u32));
        }
        self.fault = None;
    }
}

/// User memory as helpers of lifted code reach it: like that, without checks.
#[derive(Clone, Copy, Default, Debug)]
pub struct UserMemory;

impl hoist_x86::helper::Memory for UserMemory {
    #[inline]
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        let mut bytes = [0; N];
        match N {
            1 => bytes[0] = machine::load8(addr) as u8,
            2 => bytes.copy_from_slice(&(machine::load16(addr) as u16).to_le_bytes()),
            4 => bytes.copy_from_slice(&machine::load32(addr).to_le_bytes()),
            8 => bytes.copy_from_slice(&machine::load64(addr).to_le_bytes()),
            _ => machine::copy_from_user(&mut bytes, addr),
        }
        bytes
    }

    #[inline]
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        match *bytes.as_slice() {
            [a] => machine::store8(addr, a.into()),
            [a, b] => machine::store16(addr, u16::from_le_bytes([a, b]).into()),
            [a, b, c, d] => machine::store32(addr, u32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => machine::store64(addr, u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            _ => machine::copy_to_user(addr, &bytes),
        }
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        machine::user_copy(to, from, len);
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        machine::user_fill(to, byte.into(), len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = MMAP_MIN_ADDR as u64;

    #[test]
    fn bad_addresses_are_efault() {
        machine::install(vec![], vec![]);
        grow_to(A + 0x1_0000).unwrap();
        assert_eq!(end(), A + 0x1_0000);
        assert_eq!(copy_to_user(A, &[1, 2]), Ok(()));
        for (addr, len) in [(0, 1), (A - 1, 1), (end(), 1), (end() - 1, 2), (1 << 32 | A, 1), (u64::MAX, 2), (A, u64::MAX)] {
            assert_eq!(check(addr, len, Access::Read), Err(Errno::EFAULT), "{addr:#x}+{len:#x}");
        }
        assert_eq!(grow_to(1 << 33), Err(Errno::ENOMEM));
    }

    #[test]
    fn strings_end_at_nul_or_are_too_long() {
        machine::install(vec![], vec![]);
        grow_to(A + 0x1_0000).unwrap();
        copy_to_user(A, b"/bin/sh\0").unwrap();
        assert_eq!(read_path(A).unwrap(), b"/bin/sh");
        copy_to_user(A + 0x100, &[b'x'; PATH_MAX]).unwrap();
        assert_eq!(read_path(A + 0x100), Err(Errno::ENAMETOOLONG));
        copy_to_user(end() - 3, b"abc").unwrap();
        assert_eq!(read_path(end() - 3), Err(Errno::EFAULT));
        write(A + 0x2000, &[A, 0u64]).unwrap();
        assert_eq!(read_strings(A + 0x2000, 4096).unwrap(), [b"/bin/sh"]);
        assert_eq!(read_strings(A + 0x2000, 8), Err(Errno::E2BIG));
    }
}
