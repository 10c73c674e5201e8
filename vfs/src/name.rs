//! Which bytes may be a file name, a link target, an extended attribute. Limits of Linux's limits.h.

/// The longest file name in bytes: `NAME_MAX`.
pub const NAME_MAX: usize = 255;

/// The longest target of a symlink in bytes: `PATH_MAX` without its NUL.
pub const TARGET_MAX: usize = 4095;

/// The longest name of an extended attribute in bytes, `user.` and the like included: `XATTR_NAME_MAX`.
pub const XATTR_NAME_MAX: usize = 255;

/// The longest value of an extended attribute in bytes: `XATTR_SIZE_MAX`.
pub const XATTR_SIZE_MAX: usize = 65536;

/// The symlinks that one lookup follows before it gives up with ELOOP, as path_resolution(7) says.
pub const SYMLINKS_MAX: usize = 40;

/// True if `name` can stand in a directory: 1 to 255 bytes, not `.` or `..`, without `/` and NUL.
pub fn is_file_name(name: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && name != b"." && name != b".." && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

/// True if `target` can be what a symlink points to: 1 to 4095 bytes without NUL.
pub fn is_target(target: &[u8]) -> bool {
    (1..=TARGET_MAX).contains(&target.len()) && !target.contains(&0)
}

/// True if `name` and `value` can be an extended attribute, as setxattr(2) limits them.
pub fn is_xattr(name: &[u8], value: &[u8]) -> bool {
    (1..=XATTR_NAME_MAX).contains(&name.len()) && !name.contains(&0) && value.len() <= XATTR_SIZE_MAX
}

/// The components of a path as archives write them (`./usr/bin/`, `/usr/bin`): empty ones and `.` are
/// dropped, `..` and whatever else is no file name comes through for the caller to refuse.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|component| !component.is_empty() && *component != b".")
}
