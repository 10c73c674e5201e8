//! Messages of sockets: send, receive, and what goes with the bytes (SCM_RIGHTS, SCM_CREDENTIALS).

use std::rc::Rc;

use crate::errno::Errno::{self, EAGAIN, EINVAL, EISCONN, EMSGSIZE, EPERM, EPIPE, ETOOMANYREFS};
use crate::errno::SysResult;
use crate::fs::netlink;
use crate::fs::socket::{Ancillary, Domain, Name, Peer, Received, Socket, Type};
use crate::fs::types::poll;
use crate::fs::uio::{Feed, Piece, UserPieces};
use crate::fs::{File, Result};
use crate::heap::{self, Claim};
use crate::kernel::Kernel;
use crate::user::{self, Pod};
use crate::wasi::clock;

use super::inet;
use super::path::{any_file, or_wait, table};
use super::read_write::pieces;
use super::socket::{Address, address_bytes, bind_netlink, find, own_peer, read_address, socket, write_address};

const MSG_PEEK: u64 = 2;
const MSG_CTRUNC: u32 = 8;
const MSG_TRUNC: u64 = 0x20;
const MSG_DONTWAIT: u64 = 0x40;
const MSG_WAITALL: u64 = 0x100;
const MSG_NOSIGNAL: u64 = 0x4000;
const MSG_CMSG_CLOEXEC: u64 = 0x4000_0000;

/// `struct msghdr`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    name: u64,
    name_len: u64,
    iov: u64,
    iov_len: u64,
    control: u64,
    control_len: u64,
    flags: u64,
}
unsafe impl Pod for Header {}
/// Where in it are the lengths that recvmsg(2) writes, and the flags.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const FLAGS: u64 = 48;

const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;
/// `struct cmsghdr`: length with the header, level, type; data follows, and the next begins at a multiple of 8.
const CONTROL_HEADER: usize = 16;
/// Descriptors in one message: SCM_MAX_FD.
const FILES_MAX: usize = 253;
/// Bytes of control data: net.core.optmem_max.
const CONTROL_MAX: u64 = 131_072;

// ---- Sending

/// Sends pieces; where to, if not to the peer, and with what.
pub fn send(k: &mut Kernel, fd: u64, pieces: &[Piece], flags: u64, to: (u64, u64), files: Vec<Rc<File>>) -> SysResult {
    let (file, socket) = socket(k, fd)?;
    let has_target = to.0 != 0 && to.1 != 0;
    if socket.domain.is_internet() && socket.ty == Type::Datagram {
        let to = if has_target { Some(inet::read_name(to.0, to.1)?) } else { None };
        return inet::send_datagram(k, &socket, pieces, to);
    }
    if socket.domain == Domain::Netlink {
        return ask_netlink(k, &socket, pieces);
    }
    if socket.domain.is_internet() && socket.peer().is_err() {
        return inet::not_connected(k, flags & MSG_NOSIGNAL != 0);
    }
    // A stream that is connected does not look at addresses.
    let to = if has_target && !socket.domain.is_internet() { target(to.0, to.1)? } else { None };
    let to = match to {
        Some(_) if socket.ty != Type::Datagram => {
            return Err(if socket.peer().is_ok() { EISCONN } else { Errno::EOPNOTSUPP });
        }
        Some(name) => Some(find(k, &name)?),
        None => None,
    };
    let with = Ancillary { from: socket.shared_name(), sender: own_peer(k), files };
    let mut feed = UserPieces::new(pieces);
    let before = k.task.done;
    feed.skip(before);
    let left = feed.remaining();
    let waits = !file.nonblocking() && flags & MSG_DONTWAIT == 0;
    match socket.send(&mut feed, with, to.as_deref()) {
        Ok(sent) if sent < left && waits && socket.ty == Type::Stream => {
            k.task.done = before + sent;
            Err(k.wait_for_file(&file, poll::OUT))
        }
        Ok(sent) => Ok((before + sent) as u64),
        Err(EAGAIN) if waits => Err(k.wait_for_file(&file, poll::OUT)),
        Err(error) if before > 0 && error != EAGAIN => Ok(before as u64),
        Err(EPIPE) => {
            if flags & MSG_NOSIGNAL == 0 && socket.ty != Type::Datagram {
                k.raise_sigpipe();
            }
            Err(EPIPE)
        }
        Err(error) => Err(error),
    }
}

/// A request to netlink(7): what comes back is there at once.
fn ask_netlink(k: &mut Kernel, socket: &Socket, pieces: &[Piece]) -> SysResult {
    let mut feed = UserPieces::new(pieces);
    let mut request = heap::zeroed(Claim::Process, feed.remaining())?;
    feed.take(&mut request)?;
    if socket.name().is_empty() {
        bind_netlink(k, socket, &[]);
    }
    let name = socket.name();
    let port = u32::from_le_bytes([name[2], name[3], name[4], name[5]]);
    for datagram in netlink::answer(&request, port) {
        // From the kernel, whose number is 0.
        let from = Name::new(vec![0; name.len()].into());
        let _ = socket.deliver(datagram, Ancillary { from, ..Ancillary::default() });
    }
    Ok(request.len() as u64)
}

/// The address that a message is sent to; `None`: the peer's.
fn target(addr: u64, len: u64) -> Result<Option<Vec<u8>>> {
    if addr == 0 || len == 0 {
        return Ok(None);
    }
    match read_address(addr, len)? {
        Address::Name(name) if !name.is_empty() => Ok(Some(name)),
        _ => Err(EINVAL),
    }
}

/// Implements Linux syscall sendto(2).
pub fn sys_sendto(k: &mut Kernel, [fd, buf, len, flags, addr, addr_len]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    send(k, fd, &[Piece { addr: buf, len: len as usize }], flags, (addr, addr_len), Vec::new())
}

/// Implements Linux syscall sendmsg(2), with SCM_RIGHTS; SCM_CREDENTIALS may only say the truth.
pub fn sys_sendmsg(k: &mut Kernel, [fd, msg, flags, ..]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    let header: Header = user::read(msg)?;
    let to = (header.name, header.name_len & u64::from(u32::MAX));
    let files = sent_files(k, &header)?;
    if header.iov_len > 1024 {
        return Err(EMSGSIZE);
    }
    send(k, fd, &pieces(header.iov, header.iov_len)?, flags, to, files)
}

/// The files that go with a message.
fn sent_files(k: &Kernel, header: &Header) -> Result<Vec<Rc<File>>> {
    let mut files = Vec::new();
    if header.control == 0 || header.control_len == 0 {
        return Ok(files);
    }
    if header.control_len > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = vec![0; header.control_len as usize];
    user::copy_from_user(header.control, &mut bytes)?;
    let mut rest = &bytes[..];
    while rest.len() >= CONTROL_HEADER {
        let word = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let (len, level, ty) = (word(0) as usize, word(8), word(12));
        let data = rest.get(CONTROL_HEADER..len).ok_or(EINVAL)?;
        match (level, ty) {
            (SOL_SOCKET, SCM_RIGHTS) => {
                for fd in data.chunks_exact(4) {
                    let fd = i32::from_le_bytes([fd[0], fd[1], fd[2], fd[3]]);
                    files.push(any_file(k, fd as u64)?);
                }
            }
            (SOL_SOCKET, SCM_CREDENTIALS) => {
                let own = own_peer(k);
                if data.len() < 12 || data[..4] != own.pid.to_le_bytes() {
                    return Err(EPERM);
                }
            }
            (SOL_SOCKET, _) => return Err(EINVAL),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    if files.len() > FILES_MAX { Err(ETOOMANYREFS) } else { Ok(files) }
}

// ---- Receiving

fn receive(k: &mut Kernel, fd: u64, pieces: &[Piece], flags: u64) -> Result<Received> {
    let (file, socket) = socket(k, fd)?;
    let mut sink = UserPieces::new(pieces);
    let before = k.task.done;
    sink.skip(before);
    let room = sink.remaining();
    let all = flags & MSG_WAITALL != 0 && flags & (MSG_PEEK | MSG_DONTWAIT) == 0 && socket.ty == Type::Stream;
    match socket.receive(&mut sink, flags & MSG_PEEK != 0) {
        Err(EAGAIN) if flags & MSG_DONTWAIT != 0 => Err(EAGAIN),
        Ok(got) if all && got.count > 0 && got.count < room && got.with.files.is_empty() => {
            k.task.done = before + got.count;
            Err(k.wait_for_file(&file, poll::IN))
        }
        Ok(got) => Ok(Received { count: before + got.count, ..got }),
        result => or_wait(k, &file, poll::IN, result),
    }
}

/// What a call returns: how much was received, or with MSG_TRUNC how much there was.
fn count(k: &Kernel, fd: u64, received: &Received, flags: u64) -> SysResult {
    let keeps_apart = socket(k, fd)?.1.ty != Type::Stream;
    Ok(if flags & MSG_TRUNC != 0 && keeps_apart { received.len } else { received.count } as u64)
}

/// Implements Linux syscall recvfrom(2).
pub fn sys_recvfrom(k: &mut Kernel, [fd, buf, len, flags, addr, addr_len]: [u64; 6]) -> SysResult {
    let received = receive(k, fd, &[Piece { addr: buf, len: len as usize }], flags)?;
    if addr != 0 {
        let (_, socket) = socket(k, fd)?;
        let domain = socket.domain;
        let from = received.with.from.borrow();
        match from.is_empty() || domain.is_internet() && socket.ty == Type::Stream {
            true => user::write(addr_len, &0u32)?,
            false => write_address(domain, &from, addr, addr_len)?,
        }
    }
    count(k, fd, &received, flags)
}

/// Implements Linux syscall recvmsg(2).
pub fn sys_recvmsg(k: &mut Kernel, [fd, msg, flags, ..]: [u64; 6]) -> SysResult {
    let header: Header = user::read(msg)?;
    let received = receive(k, fd, &pieces(header.iov, header.iov_len)?, flags)?;
    let (_, socket) = socket(k, fd)?;
    let from = received.with.from.borrow().clone();
    let name = if from.is_empty() || socket.ty != Type::Datagram { Vec::new() } else { address_bytes(socket.domain, &from) };
    if header.name != 0 {
        let room = (header.name_len as u32 as usize).min(name.len());
        user::copy_to_user(header.name, &name[..room])?;
    }
    user::write(msg + NAME_LEN, &(name.len() as u32))?;
    let sender = socket.pass_credentials.get().then_some(received.with.sender);
    let (written, cut) = give_control(k, &header, sender, &received.with.files, flags)?;
    let truncated = socket.ty != Type::Stream && received.len > received.count;
    user::write(msg + CONTROL_LEN, &written)?;
    user::write(msg + FLAGS, &(if truncated { MSG_TRUNC as u32 } else { 0 } | if cut { MSG_CTRUNC } else { 0 }))?;
    count(k, fd, &received, flags)
}

/// Writes control data: credentials, then the numbers that the files get here. How long it is, and whether there was too little room.
fn give_control(k: &mut Kernel, header: &Header, sender: Option<Peer>, files: &[Rc<File>], flags: u64) -> Result<(u64, bool)> {
    let mut written = 0;
    let mut cut = false;
    let mut put = |ty: u32, data: &[u8]| -> Result<()> {
        let room = header.control_len.saturating_sub(written) as usize;
        let len = CONTROL_HEADER + data.len();
        if header.control == 0 || room < len {
            cut = true;
            return Ok(());
        }
        let head = [&(len as u64).to_le_bytes()[..], &SOL_SOCKET.to_le_bytes(), &ty.to_le_bytes(), data].concat();
        user::copy_to_user(header.control + written, &head)?;
        written += len.next_multiple_of(8).min(room) as u64;
        Ok(())
    };
    if let Some(Peer { pid, uid, gid }) = sender {
        let data = [pid.to_le_bytes(), uid.to_le_bytes(), gid.to_le_bytes()].concat();
        put(SCM_CREDENTIALS, &data)?;
    }
    if files.is_empty() {
        return Ok((written, cut));
    }
    // As many as there is room for; the others are closed.
    let used = if sender.is_some() { 32 } else { 0 };
    let room = if header.control == 0 { 0 } else { header.control_len.saturating_sub(used + CONTROL_HEADER as u64) / 4 };
    let mut numbers = Vec::new();
    for file in files.iter().take(room as usize) {
        match table(k).borrow_mut().add(file.clone(), flags & MSG_CMSG_CLOEXEC != 0) {
            Ok(fd) => numbers.extend(fd.to_le_bytes()),
            Err(_) => break,
        }
    }
    let missing = numbers.len() / 4 < files.len();
    if !numbers.is_empty() {
        put(SCM_RIGHTS, &numbers)?;
    }
    Ok((written, cut || missing))
}

// ---- Several at once

/// `struct mmsghdr`: a header, and how much of it was sent or received.
const MMSGHDR: u64 = 64;
const MMSG_LEN: u64 = 56;
/// UIO_MAXIOV.
const MESSAGES_MAX: u64 = 1024;

/// Sends or receives one message after another, until one fails: then that is only told if it was the first.
fn several(k: &mut Kernel, vec: u64, count: u64, mut one: impl FnMut(&mut Kernel, u64, u64) -> SysResult) -> SysResult {
    let first = k.task.messages;
    for index in first..count.min(MESSAGES_MAX) {
        let at = vec.wrapping_add(index * MMSGHDR);
        match one(k, at, index) {
            Ok(len) => user::write(at.wrapping_add(MMSG_LEN), &(len as u32))?,
            Err(Errno::ERESTARTSYS) => {
                k.task.messages = index;
                return Err(Errno::ERESTARTSYS);
            }
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(index),
        }
    }
    Ok(count.min(MESSAGES_MAX))
}

/// Implements Linux syscall sendmmsg(2).
pub fn sys_sendmmsg(k: &mut Kernel, [fd, vec, count, flags, ..]: [u64; 6]) -> SysResult {
    socket(k, fd)?;
    several(k, vec, count as u32 as u64, |k, msg, _| sys_sendmsg(k, [fd, msg, flags, 0, 0, 0]))
}

/// Implements Linux syscall recvmmsg(2).
pub fn sys_recvmmsg(k: &mut Kernel, [fd, vec, count, flags, timeout, _]: [u64; 6]) -> SysResult {
    const WAITFORONE: u64 = 0x1_0000;
    socket(k, fd)?;
    let deadline = match timeout {
        0 => None,
        _ => {
            let nanos = super::time::read_timespec(timeout)?;
            Some(k.task.deadline_after(nanos))
        }
    };
    several(k, vec, count as u32 as u64, |k, msg, index| {
        // As in Linux, the time is looked at between messages.
        if index > 0 && deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
            return Err(EAGAIN);
        }
        let waits = flags & WAITFORONE == 0 || index == 0;
        let flags = flags & !WAITFORONE | if waits { 0 } else { MSG_DONTWAIT };
        sys_recvmsg(k, [fd, msg, flags, 0, 0, 0])
    })
}
