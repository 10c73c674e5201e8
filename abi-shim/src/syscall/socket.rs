//! Sockets of the UNIX domain: making them, names, connections, options. Messages are in [`super::message`].

use std::rc::{Rc, Weak};

use hoist_vfs::{Device, Kind};

use crate::errno::Errno::{
    EACCES, EADDRINUSE, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINVAL, ENOPROTOOPT, ENOTSOCK, EOPNOTSUPP, EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
};
use crate::errno::{Errno, SysResult};
use crate::fs::anon::magic;
use crate::fs::socket::{BUFFER, Peer, Type, UnixSocket};
use crate::fs::types::{MAY_WRITE, NewInode, OpenFlags, poll};
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user;

use super::path::{AT_FDCWD, PathArg, done, file, or_wait, table, vfs};

pub const AF_UNIX: u64 = 1;
const AF_UNSPEC: u16 = 0;
/// `sun_family` and `struct sockaddr_un`.
const FAMILY: usize = 2;
const ADDRESS_MAX: u64 = 110;

/// Type and flags of socket(2).
fn decode(ty: u64) -> Result<(Type, u32)> {
    const TYPE_MASK: u64 = 0xf;
    let flags = (ty & !TYPE_MASK) as u32;
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(EINVAL);
    }
    let ty = match ty & TYPE_MASK {
        1 => Type::Stream,
        // A raw socket of this domain is a datagram socket, unix(7).
        2 | 3 => Type::Datagram,
        5 => Type::SeqPacket,
        _ => return Err(ESOCKTNOSUPPORT),
    };
    Ok((ty, flags))
}

fn check_domain(domain: u64, protocol: u64) -> Result<()> {
    match domain {
        AF_UNIX if protocol > 1 => Err(EPROTONOSUPPORT),
        AF_UNIX => Ok(()),
        _ => Err(EAFNOSUPPORT),
    }
}

/// The open file of a socket.
pub fn open(k: &Kernel, socket: Rc<UnixSocket>, flags: u32) -> Rc<File> {
    let reopen = Box::new(|_| Err(Errno::ENXIO));
    let at = vfs(k).anonymous(Kind::Socket, 0o777, "socket:[{}]", magic::SOCKFS, reopen);
    File::object(at, OpenFlags(OpenFlags::RDWR | flags & OpenFlags::NONBLOCK), socket)
}

/// Who the current process is to its peers.
pub fn own_peer(k: &Kernel) -> Peer {
    let cred = &k.process.cred;
    Peer { pid: k.process.pid, uid: cred.uid.effective, gid: cred.gid.effective }
}

/// Implements Linux syscall socket(2) for AF_UNIX; other domains are not there.
pub fn sys_socket(k: &mut Kernel, [domain, ty, protocol, ..]: [u64; 6]) -> SysResult {
    let (ty, flags) = decode(ty)?;
    check_domain(domain, protocol)?;
    let file = open(k, UnixSocket::new(ty, own_peer(k)), flags);
    let fd = table(k).borrow_mut().add(file, flags & OpenFlags::CLOEXEC != 0)?;
    Ok(fd as u64)
}

/// Implements Linux syscall socketpair(2).
pub fn sys_socketpair(k: &mut Kernel, [domain, ty, protocol, fds_at, ..]: [u64; 6]) -> SysResult {
    let (ty, flags) = decode(ty)?;
    check_domain(domain, protocol)?;
    user::check(fds_at, 8)?;
    let (one, other) = UnixSocket::pair(ty, own_peer(k));
    let (one, other) = (open(k, one, flags), open(k, other, flags));
    let fds = table(k).borrow_mut().add_pair(one, other, flags & OpenFlags::CLOEXEC != 0)?;
    done(user::write(fds_at, &fds))
}

/// The socket of a descriptor.
pub fn socket(k: &Kernel, fd: u64) -> Result<(Rc<File>, Rc<UnixSocket>)> {
    let file = file(k, fd)?;
    let socket = file.as_object::<UnixSocket>().ok_or(ENOTSOCK)?;
    Ok((file, socket))
}

// ---- Addresses

/// What a `struct sockaddr_un` names.
pub enum Address {
    /// AF_UNSPEC.
    Nothing,
    /// A path, or a name that begins with a NUL and is in no tree; empty: any that is free.
    Name(Vec<u8>),
}

/// Reads an address.
///
/// # Errors
/// `EINVAL` if it is none of the UNIX domain.
pub fn read_address(addr: u64, len: u64) -> Result<Address> {
    if !(FAMILY as u64..=ADDRESS_MAX).contains(&len) {
        return Err(EINVAL);
    }
    let mut bytes = vec![0; len as usize];
    user::copy_from_user(addr, &mut bytes)?;
    let name = bytes.split_off(FAMILY);
    match u16::from_le_bytes([bytes[0], bytes[1]]) {
        AF_UNSPEC => Ok(Address::Nothing),
        family if u64::from(family) != AF_UNIX => Err(EINVAL),
        _ if name.first() == Some(&0) => Ok(Address::Name(name)),
        _ => {
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            Ok(Address::Name(name[..end].to_vec()))
        }
    }
}

/// Writes a `struct sockaddr_un`, as much of it as the caller has room for; `room`: how much that is, and then how long it would be.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub fn write_address(name: &[u8], addr: u64, room: u64) -> Result<()> {
    let space: i32 = user::read(room)?;
    let space = usize::try_from(space).map_err(|_| EINVAL)?;
    let bytes = address_bytes(name);
    user::copy_to_user(addr, &bytes[..space.min(bytes.len())])?;
    user::write(room, &(bytes.len() as u32))
}

/// A `struct sockaddr_un`; paths end in a NUL.
pub fn address_bytes(name: &[u8]) -> Vec<u8> {
    let end: &[u8] = if name.first().is_some_and(|&byte| byte != 0) { &[0] } else { &[] };
    [&(AF_UNIX as u16).to_le_bytes()[..], name, end].concat()
}

/// The socket that is bound to a name.
///
/// # Errors
/// `ECONNREFUSED` if it is closed, or the file is none; what looking a path up gives.
pub fn find(k: &Kernel, name: &[u8]) -> Result<Rc<UnixSocket>> {
    if name.first() == Some(&0) {
        return k.abstract_sockets.get(name).and_then(Weak::upgrade).ok_or(ECONNREFUSED);
    }
    let arg = PathArg::of(k, AT_FDCWD as u64, name.to_vec())?;
    let found = arg.resolve(true)?;
    arg.cred().permission(&found.inode().stat()?, MAY_WRITE).map_err(|_| EACCES)?;
    found.inode().bound().and_then(|bound| bound.borrow().upgrade()).ok_or(ECONNREFUSED)
}

/// Implements Linux syscall bind(2).
pub fn sys_bind(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    let Address::Name(name) = read_address(addr, len)? else { return Err(EINVAL) };
    if !socket.name().is_empty() {
        return Err(EINVAL);
    }
    if name.is_empty() || name[0] == 0 {
        return bind_abstract(k, &socket, name);
    }
    let arg = PathArg::of(k, AT_FDCWD as u64, name.clone())?;
    let mode = arg.masked(0o777);
    let new = NewInode { kind: Kind::Socket, mode, uid: 0, gid: 0, rdev: Device::default(), target: Vec::new() };
    let made = vfs(k).create(&arg.walker(), &name, new).map_err(|error| match error {
        Errno::EEXIST => EADDRINUSE,
        error => error,
    })?;
    if let Some(bound) = made.inode().bound() {
        *bound.borrow_mut() = Rc::downgrade(&socket);
    }
    socket.set_name(&name);
    Ok(0)
}

/// Binds to a name that is in no tree; to any if it is empty.
fn bind_abstract(k: &mut Kernel, socket: &Rc<UnixSocket>, name: Vec<u8>) -> SysResult {
    let sockets = &mut k.abstract_sockets;
    sockets.retain(|_, socket| socket.strong_count() > 0);
    let name = match name.is_empty() {
        // unix(7): a NUL and five hexadecimal digits.
        true => (0..)
            .map(|number| format!("\0{number:05x}").into_bytes())
            .find(|name| !sockets.contains_key(name))
            .ok_or(EADDRINUSE)?,
        false if sockets.contains_key(&name) => return Err(EADDRINUSE),
        false => name,
    };
    socket.set_name(&name);
    sockets.insert(name, Rc::downgrade(socket));
    Ok(0)
}

/// Implements Linux syscall getsockname(2).
pub fn sys_getsockname(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    done(write_address(&socket.name(), addr, len))
}

/// Implements Linux syscall getpeername(2).
pub fn sys_getpeername(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    let (name, _) = socket(k, fd)?.1.peer()?;
    done(write_address(&name, addr, len))
}

// ---- Connections

/// Implements Linux syscall listen(2).
pub fn sys_listen(k: &mut Kernel, [fd, backlog, ..]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    socket.owner.set(own_peer(k));
    done(socket.listen(backlog as i32))
}

/// Implements Linux syscall connect(2).
pub fn sys_connect(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    let (file, socket) = socket(k, fd)?;
    let name = match read_address(addr, len)? {
        Address::Nothing => {
            socket.disconnect();
            return Ok(0);
        }
        Address::Name(name) if name.is_empty() => return Err(EINVAL),
        Address::Name(name) => name,
    };
    let to = find(k, &name)?;
    socket.owner.set(own_peer(k));
    match socket.connect(&to) {
        // Room comes when others accept.
        Err(EAGAIN) if !file.nonblocking() => Err(k.block_forever(For::Anything)),
        result => done(result),
    }
}

/// Implements Linux syscall accept(2).
pub fn sys_accept(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    sys_accept4(k, [fd, addr, len, 0, 0, 0])
}

/// Implements Linux syscall accept4(2).
pub fn sys_accept4(k: &mut Kernel, [fd, addr, len, flags, ..]: [u64; 6]) -> SysResult {
    let flags = flags as u32;
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(EINVAL);
    }
    let (file, socket) = socket(k, fd)?;
    let result = socket.accept();
    let accepted = or_wait(k, &file, poll::IN, result)?;
    if addr != 0 {
        let (name, _) = accepted.peer().unwrap_or_default();
        write_address(&name, addr, len)?;
    }
    let file = open(k, accepted, flags);
    let fd = table(k).borrow_mut().add(file, flags & OpenFlags::CLOEXEC != 0)?;
    Ok(fd as u64)
}

/// Implements Linux syscall shutdown(2).
pub fn sys_shutdown(k: &mut Kernel, [fd, how, ..]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    done(match how {
        0 => socket.shut_down(true, false),
        1 => socket.shut_down(false, true),
        2 => socket.shut_down(true, true),
        _ => Err(EINVAL),
    })
}

// ---- Options

const SOL_SOCKET: u64 = 1;
const SO_PASSCRED: u64 = 16;

/// Implements Linux syscall setsockopt(2): SO_PASSCRED; other options of the socket level are accepted and change nothing.
pub fn sys_setsockopt(k: &mut Kernel, [fd, level, name, value, len, _]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    if level != SOL_SOCKET {
        return Err(EOPNOTSUPP);
    }
    if name == SO_PASSCRED {
        if len < 4 {
            return Err(EINVAL);
        }
        socket.pass_credentials.set(user::read::<i32>(value)? != 0);
    }
    Ok(0)
}

/// Implements Linux syscall getsockopt(2): what programs ask every socket for, and SO_PEERCRED.
pub fn sys_getsockopt(k: &mut Kernel, [fd, level, name, value, len_at, _]: [u64; 6]) -> SysResult {
    const SO_TYPE: u64 = 3;
    const SO_ERROR: u64 = 4;
    const SO_SNDBUF: u64 = 7;
    const SO_RCVBUF: u64 = 8;
    const SO_PEERCRED: u64 = 17;
    const SO_ACCEPTCONN: u64 = 30;
    const SO_PROTOCOL: u64 = 38;
    const SO_DOMAIN: u64 = 39;
    let (_, socket) = socket(k, fd)?;
    if level != SOL_SOCKET {
        return Err(EOPNOTSUPP);
    }
    let answer: Vec<i32> = match name {
        SO_TYPE => vec![socket.ty as i32],
        SO_ERROR | SO_PROTOCOL => vec![0],
        SO_ACCEPTCONN => vec![socket.is_listening().into()],
        SO_SNDBUF | SO_RCVBUF => vec![BUFFER as i32],
        SO_PASSCRED => vec![socket.pass_credentials.get().into()],
        SO_DOMAIN => vec![AF_UNIX as i32],
        // Of a socket without a peer: process 0, and nobody.
        SO_PEERCRED => match socket.peer() {
            Ok((_, peer)) => vec![peer.pid, peer.uid as i32, peer.gid as i32],
            Err(_) => vec![0, -1, -1],
        },
        _ => return Err(ENOPROTOOPT),
    };
    let bytes: Vec<u8> = answer.into_iter().flat_map(i32::to_le_bytes).collect();
    let room = usize::try_from(user::read::<i32>(len_at)?).map_err(|_| EINVAL)?.min(bytes.len());
    user::copy_to_user(value, &bytes[..room])?;
    done(user::write(len_at, &(room as u32)))
}
