//! Sockets: pairs within the UNIX domain, and the errors of a machine without a network and without servers.

use std::rc::Rc;

use hoist_vfs::Kind;

use crate::errno::Errno::{
    EACCES, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE,
    EPROTONOSUPPORT, ESOCKTNOSUPPORT,
};
use crate::errno::SysResult;
use crate::fs::anon::magic;
use crate::fs::socket::{BUFFER, Type, UnixSocket};
use crate::fs::types::{MAY_WRITE, OpenFlags, poll};
use crate::fs::uio::{Piece, UserPieces};
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::user;

use super::path::{AT_FDCWD, PathArg, count, done, file, or_wait, table, vfs};
use super::read_write::pieces;

const AF_UNIX: u64 = 1;

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

fn open(k: &Kernel, socket: Rc<UnixSocket>, flags: u32) -> Rc<File> {
    let reopen = Box::new(|_| Err(crate::errno::Errno::ENXIO));
    let at = vfs(k).anonymous(Kind::Socket, 0o777, "socket:[{}]", magic::SOCKFS, reopen);
    File::object(at, OpenFlags(OpenFlags::RDWR | flags & OpenFlags::NONBLOCK), socket)
}

/// Implements Linux syscall socket(2) for AF_UNIX; other domains are not there.
pub fn sys_socket(k: &mut Kernel, [domain, ty, protocol, ..]: [u64; 6]) -> SysResult {
    let (ty, flags) = decode(ty)?;
    match domain {
        AF_UNIX if protocol > 1 => return Err(EPROTONOSUPPORT),
        AF_UNIX => {}
        _ => return Err(EAFNOSUPPORT),
    }
    let file = open(k, UnixSocket::new(ty), flags);
    let fd = table(k).borrow_mut().add(file, flags & OpenFlags::CLOEXEC != 0)?;
    Ok(fd as u64)
}

/// Implements Linux syscall socketpair(2).
pub fn sys_socketpair(k: &mut Kernel, [domain, ty, protocol, fds_at, ..]: [u64; 6]) -> SysResult {
    let (ty, flags) = decode(ty)?;
    match domain {
        AF_UNIX if protocol > 1 => return Err(EPROTONOSUPPORT),
        AF_UNIX => {}
        _ => return Err(EAFNOSUPPORT),
    }
    user::check(fds_at, 8)?;
    let (one, other) = UnixSocket::pair(ty);
    let (one, other) = (open(k, one, flags), open(k, other, flags));
    let fds = table(k).borrow_mut().add_pair(one, other, flags & OpenFlags::CLOEXEC != 0)?;
    done(user::write(fds_at, &fds))
}

fn socket(k: &Kernel, fd: u64) -> Result<(Rc<File>, Rc<UnixSocket>)> {
    let file = file(k, fd)?;
    let socket = file.as_object::<UnixSocket>().ok_or(ENOTSOCK)?;
    Ok((file, socket))
}

/// The path in a `struct sockaddr_un`; `None` for an abstract address.
fn address(addr: u64, len: u64) -> Result<Option<Vec<u8>>> {
    const FAMILY: u64 = 2;
    const SIZE: u64 = 110;
    if !(FAMILY + 1..=SIZE).contains(&len) {
        return Err(EINVAL);
    }
    let mut bytes = vec![0; len as usize];
    user::copy_from_user(addr, &mut bytes)?;
    if u16::from_le_bytes([bytes[0], bytes[1]]) != AF_UNIX as u16 {
        return Err(EINVAL);
    }
    let path = bytes.split_off(FAMILY as usize);
    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
    Ok((end > 0).then(|| path[..end].to_vec()))
}

/// Implements Linux syscall connect(2): nobody listens, at any address.
pub fn sys_connect(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    let Some(path) = address(addr, len)? else {
        return Err(ECONNREFUSED);
    };
    if socket.is_connected() {
        return Err(EISCONN);
    }
    let arg = PathArg::of(k, AT_FDCWD as u64, path)?;
    let found = arg.resolve(true)?;
    arg.cred().permission(&found.inode().stat()?, MAY_WRITE).map_err(|_| EACCES)?;
    Err(ECONNREFUSED)
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

const MSG_PEEK: u64 = 2;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_NOSIGNAL: u64 = 0x4000;

fn send(k: &mut Kernel, fd: u64, pieces: &[Piece], flags: u64) -> SysResult {
    let (file, socket) = socket(k, fd)?;
    match socket.send(&mut UserPieces::new(pieces)) {
        Err(EAGAIN) if flags & MSG_DONTWAIT != 0 => Err(EAGAIN),
        Err(EPIPE) => {
            if flags & MSG_NOSIGNAL == 0 {
                k.raise_sigpipe();
            }
            Err(EPIPE)
        }
        result => count(or_wait(k, &file, poll::OUT, result)),
    }
}

fn receive(k: &mut Kernel, fd: u64, pieces: &[Piece], flags: u64) -> SysResult {
    let (file, socket) = socket(k, fd)?;
    match socket.receive(&mut UserPieces::new(pieces), flags & MSG_PEEK != 0) {
        Err(EAGAIN) if flags & MSG_DONTWAIT != 0 => Err(EAGAIN),
        result => count(or_wait(k, &file, poll::IN, result)),
    }
}

/// Implements Linux syscall sendto(2), to the peer only.
pub fn sys_sendto(k: &mut Kernel, [fd, buf, len, flags, addr, _]: [u64; 6]) -> SysResult {
    let (_, socket) = socket(k, fd)?;
    if addr != 0 {
        return Err(if socket.ty == Type::Datagram { ECONNREFUSED } else { EOPNOTSUPP });
    }
    send(k, fd, &[Piece { addr: buf, len: len as usize }], flags)
}

/// Implements Linux syscall recvfrom(2): the peer of a pair has no address.
pub fn sys_recvfrom(k: &mut Kernel, [fd, buf, len, flags, addr, addrlen]: [u64; 6]) -> SysResult {
    let received = receive(k, fd, &[Piece { addr: buf, len: len as usize }], flags)?;
    if addr != 0 {
        user::write(addrlen, &0u32)?;
    }
    Ok(received)
}

/// `struct msghdr`: name and its length, pieces and their number, control data and its length, flags.
fn message(addr: u64) -> Result<[u64; 7]> {
    user::read(addr)
}

/// Implements Linux syscall sendmsg(2), without control data.
pub fn sys_sendmsg(k: &mut Kernel, [fd, msg, flags, ..]: [u64; 6]) -> SysResult {
    let [_, _, iov, iovlen, control, control_len, _] = message(msg)?;
    if control != 0 && control_len != 0 {
        return Err(EOPNOTSUPP);
    }
    send(k, fd, &pieces(iov, iovlen)?, flags)
}

/// Implements Linux syscall recvmsg(2).
pub fn sys_recvmsg(k: &mut Kernel, [fd, msg, flags, ..]: [u64; 6]) -> SysResult {
    let [_, _, iov, iovlen, ..] = message(msg)?;
    let received = receive(k, fd, &pieces(iov, iovlen)?, flags)?;
    // No name, no control data, no flags.
    user::write(msg + 8, &0u32)?;
    user::write(msg + 40, &[0u64; 2])?;
    Ok(received)
}

/// Implements Linux syscall bind(2): with one process nobody could connect, so there is nothing to bind for.
pub fn sys_bind(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    address(addr, len)?;
    Err(EOPNOTSUPP)
}

/// Implements Linux syscall listen(2), of a socket without an address.
pub fn sys_listen(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    socket(k, fd).and(Err(EINVAL))
}

/// Implements Linux syscall accept(2), of a socket that does not listen.
pub fn sys_accept(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    socket(k, fd).and(Err(EINVAL))
}

/// Implements Linux syscall accept4(2), likewise.
pub fn sys_accept4(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    sys_accept(k, args)
}

/// A `struct sockaddr_un` without a path, as much of it as the caller has room for.
fn give_address(addr: u64, len_at: u64) -> SysResult {
    let room: i32 = user::read(len_at)?;
    let room = usize::try_from(room).map_err(|_| EINVAL)?;
    let family = (AF_UNIX as u16).to_le_bytes();
    user::copy_to_user(addr, &family[..room.min(2)])?;
    done(user::write(len_at, &(family.len() as u32)))
}

/// Implements Linux syscall getsockname(2).
pub fn sys_getsockname(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    give_address(addr, len)
}

/// Implements Linux syscall getpeername(2).
pub fn sys_getpeername(k: &mut Kernel, [fd, addr, len, ..]: [u64; 6]) -> SysResult {
    match socket(k, fd)?.1.is_connected() {
        true => give_address(addr, len),
        false => Err(ENOTCONN),
    }
}

const SOL_SOCKET: u64 = 1;

/// Implements Linux syscall setsockopt(2): options of the socket level are accepted and change nothing.
pub fn sys_setsockopt(k: &mut Kernel, [fd, level, ..]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    if level == SOL_SOCKET { Ok(0) } else { Err(EOPNOTSUPP) }
}

/// Implements Linux syscall getsockopt(2): the integers that programs ask every socket for.
pub fn sys_getsockopt(k: &mut Kernel, [fd, level, name, value, len_at, _]: [u64; 6]) -> SysResult {
    const SO_TYPE: u64 = 3;
    const SO_ERROR: u64 = 4;
    const SO_SNDBUF: u64 = 7;
    const SO_RCVBUF: u64 = 8;
    const SO_ACCEPTCONN: u64 = 30;
    const SO_PROTOCOL: u64 = 38;
    const SO_DOMAIN: u64 = 39;
    let (_, socket) = socket(k, fd)?;
    if level != SOL_SOCKET {
        return Err(EOPNOTSUPP);
    }
    let answer = match name {
        SO_TYPE => socket.ty as i32,
        SO_ERROR | SO_ACCEPTCONN | SO_PROTOCOL => 0,
        SO_SNDBUF | SO_RCVBUF => BUFFER as i32,
        SO_DOMAIN => AF_UNIX as i32,
        _ => return Err(ENOPROTOOPT),
    };
    let room = usize::try_from(user::read::<i32>(len_at)?).map_err(|_| EINVAL)?.min(4);
    user::copy_to_user(value, &answer.to_le_bytes()[..room])?;
    done(user::write(len_at, &(room as u32)))
}
