//! Sockets of the internet domains, over loopback: names, connections, datagrams. Other machines are unreachable, as with `--network none`.

use std::rc::Rc;

use crate::errno::Errno::{
    EADDRINUSE, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EDESTADDRREQ, EINPROGRESS, EINVAL, EISCONN, EMSGSIZE, ENETUNREACH, EPIPE,
};
use crate::errno::SysResult;
use crate::fs::inet::{Endpoint, ONLY_V6};
use crate::fs::socket::{Ancillary, Domain, Name, Socket, Type};
use crate::fs::uio::{Feed, Piece, UserPieces};
use crate::fs::{File, Result};
use crate::heap::Claim;
use crate::kernel::Kernel;
use crate::task::For;
use crate::{heap, user};

use super::socket::own_peer;

/// The largest datagram of udp(7).
const DATAGRAM_MAX: usize = 65_507;
/// The longest address that the kernel copies: `struct sockaddr_storage`.
const ADDRESS_MAX: u64 = 128;
const AF_UNSPEC: u16 = 0;

/// The family and the rest of an address in user memory.
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub fn read_name(addr: u64, len: u64) -> Result<(u16, Vec<u8>)> {
    let len = len as i32;
    if !(2..=ADDRESS_MAX as i32).contains(&len) {
        return Err(EINVAL);
    }
    let mut bytes = vec![0; len as usize];
    user::copy_from_user(addr, &mut bytes)?;
    let name = bytes.split_off(2);
    Ok((u16::from_le_bytes([bytes[0], bytes[1]]), name))
}

/// Where a socket has an address of its own, from now on if not yet.
fn own_end(k: &mut Kernel, socket: &Rc<Socket>) -> Result<Endpoint> {
    if socket.name().is_empty() {
        k.ports.bind(socket, Endpoint::any(socket.domain))?;
    }
    Ok(Endpoint::of(socket.domain, &socket.name()).unwrap_or_default())
}

/// bind(2).
///
/// # Errors
/// `EINVAL` if it has an address, `EADDRINUSE`, `EADDRNOTAVAIL`, `EAFNOSUPPORT`.
pub fn bind(k: &mut Kernel, socket: &Rc<Socket>, addr: u64, len: u64) -> SysResult {
    let (family, name) = read_name(addr, len)?;
    // Old programs bind to any address of no family.
    let family = if family == AF_UNSPEC && socket.domain == Domain::V4 { Domain::V4 as u16 } else { family };
    let at = Endpoint::parse(socket.domain, family, &name)?;
    if !socket.name().is_empty() {
        return Err(EINVAL);
    }
    k.ports.bind(socket, at).map(|()| 0)
}

/// listen(2).
///
/// # Errors
/// `EADDRINUSE`, and of [`Socket::listen`].
pub fn listen(k: &mut Kernel, socket: &Rc<Socket>, backlog: i32) -> SysResult {
    if socket.ty == Type::Stream {
        let own = own_end(k, socket)?;
        if !socket.is_listening()
            && k.ports.find(Type::Stream, own.destination()).is_some_and(|other| other.name() == socket.name())
        {
            return Err(EADDRINUSE);
        }
    }
    socket.listen(backlog).map(|()| 0)
}

/// The endpoint of an address, checked: one of this machine's.
fn reachable(domain: Domain, family: u16, name: &[u8]) -> Result<Endpoint> {
    let to = Endpoint::parse(domain, family, name)?.destination();
    if to.is_loopback() { Ok(to) } else { Err(ENETUNREACH) }
}

/// connect(2).
///
/// # Errors
/// `ECONNREFUSED`, `ENETUNREACH`, `EISCONN`, `EINPROGRESS`.
pub fn connect(k: &mut Kernel, file: &Rc<File>, socket: &Rc<Socket>, addr: u64, len: u64) -> SysResult {
    let (family, name) = read_name(addr, len)?;
    if family == AF_UNSPEC {
        socket.disconnect();
        return Ok(0);
    }
    if socket.ty == Type::Stream && socket.connecting.take() {
        return socket.error.take().map_or(Ok(0), Err);
    }
    if socket.ty == Type::Stream && socket.peer().is_ok() {
        return Err(EISCONN);
    }
    let to = reachable(socket.domain, family, &name)?;
    if socket.ty == Type::Stream && socket.is_listening() {
        return Err(EISCONN);
    }
    let own = own_end(k, socket)?;
    let source = if own.is_any() { Endpoint { ip: to.source(), ..own } } else { own };
    if socket.ty == Type::Datagram {
        socket.set_name(&source.name(socket.domain));
        socket.connect_nowhere(to.name(socket.domain));
        return Ok(0);
    }
    match connect_stream(k, socket, source, to) {
        Err(EAGAIN) if !file.nonblocking() => Err(k.block_forever(For::Anything)),
        Ok(()) if file.nonblocking() => {
            socket.connecting.set(true);
            Err(EINPROGRESS)
        }
        Err(ECONNREFUSED) if file.nonblocking() => {
            socket.connecting.set(true);
            socket.error.set(Some(ECONNREFUSED));
            Err(EINPROGRESS)
        }
        result => result.map(|()| 0),
    }
}

fn connect_stream(k: &mut Kernel, socket: &Rc<Socket>, source: Endpoint, to: Endpoint) -> Result<()> {
    let listener = k.ports.find(Type::Stream, to).ok_or(ECONNREFUSED)?;
    socket.owner.set(own_peer(k));
    socket.connect_as(&listener, &to.name(listener.domain))?;
    socket.set_name(&source.name(socket.domain));
    socket.set_peer_name(to.name(socket.domain));
    if let Some(served) = listener.last_waiting() {
        served.set_peer_name(source.name(served.domain));
    }
    Ok(())
}

/// Sends a datagram of udp(7); `to`: family and name, if not to the peer.
pub fn send_datagram(k: &mut Kernel, socket: &Rc<Socket>, pieces: &[Piece], to: Option<(u16, Vec<u8>)>) -> SysResult {
    let domain = socket.domain;
    if let Some(error) = socket.error.take() {
        return Err(error);
    }
    let mut feed = UserPieces::new(pieces);
    if feed.left() > DATAGRAM_MAX {
        return Err(EMSGSIZE);
    }
    let to = match to {
        Some((AF_UNSPEC, _)) if domain == Domain::V6 => return Err(EAFNOSUPPORT),
        Some((family, name)) => {
            let family = if family == AF_UNSPEC { domain as u16 } else { family };
            Endpoint::parse(domain, family, &name)?
        }
        None => Endpoint::of(domain, &socket.peer().map_err(|_| EDESTADDRREQ)?.0).ok_or(EDESTADDRREQ)?,
    };
    if to.port == 0 {
        return Err(EINVAL);
    }
    let to = to.destination();
    if !to.is_loopback() {
        return Err(ENETUNREACH);
    }
    let own = own_end(k, socket)?;
    let source = if own.is_any() { Endpoint { ip: to.source(), ..own } } else { own };
    let mut bytes = heap::zeroed(Claim::Process, feed.left())?;
    feed.take(&mut bytes)?;
    let count = bytes.len() as u64;
    let accepts = |other: &Rc<Socket>| match other.peer() {
        Ok((peer, _)) => peer == source.name(other.domain),
        Err(_) => true,
    };
    match k.ports.find(Type::Datagram, to).filter(accepts) {
        Some(other) => {
            let from = Name::new(source.name(other.domain).into());
            // As of any network, what there is no room for is lost.
            let _ = other.deliver(bytes, Ancillary { from, sender: own_peer(k), files: Vec::new() });
        }
        // The answer that nobody is there comes back to a socket that is connected.
        None if socket.peer().is_ok() => socket.error.set(Some(ECONNREFUSED)),
        None => {}
    }
    Ok(count)
}

/// A stream of these domains is written to without a connection.
pub fn not_connected(k: &mut Kernel, quiet: bool) -> SysResult {
    if !quiet {
        k.raise_sigpipe();
    }
    Err(EPIPE)
}

// ---- Options

const SOL_SOCKET: u64 = 1;
const IP: u64 = 0;
const TCP: u64 = 6;
const IPV6: u64 = 41;

/// Options that hold a number, and what it is at first: socket(7), tcp(7), ip(7), ipv6(7).
const NUMBERS: &[(u64, u64, i32)] = &[
    (SOL_SOCKET, 1, 0),   // SO_DEBUG
    (SOL_SOCKET, 2, 0),   // SO_REUSEADDR
    (SOL_SOCKET, 5, 0),   // SO_DONTROUTE
    (SOL_SOCKET, 6, 0),   // SO_BROADCAST
    (SOL_SOCKET, 9, 0),   // SO_KEEPALIVE
    (SOL_SOCKET, 10, 0),  // SO_OOBINLINE
    (SOL_SOCKET, 12, 0),  // SO_PRIORITY
    (SOL_SOCKET, 15, 0),  // SO_REUSEPORT
    (SOL_SOCKET, 18, 1),  // SO_RCVLOWAT
    (SOL_SOCKET, 29, 0),  // SO_TIMESTAMP
    (SOL_SOCKET, 35, 0),  // SO_TIMESTAMPNS
    (TCP, 1, 0),          // TCP_NODELAY
    (TCP, 3, 0),          // TCP_CORK
    (TCP, 4, 7200),       // TCP_KEEPIDLE
    (TCP, 5, 75),         // TCP_KEEPINTVL
    (TCP, 6, 9),          // TCP_KEEPCNT
    (TCP, 7, 6),          // TCP_SYNCNT
    (TCP, 8, 60),         // TCP_LINGER2
    (TCP, 9, 0),          // TCP_DEFER_ACCEPT
    (TCP, 12, 1),         // TCP_QUICKACK
    (TCP, 18, 0),         // TCP_USER_TIMEOUT
    (TCP, 23, 0),         // TCP_FASTOPEN
    (IP, 1, 0),           // IP_TOS
    (IP, 2, 64),          // IP_TTL
    (IP, 8, 0),           // IP_PKTINFO
    (IP, 10, 1),          // IP_MTU_DISCOVER
    (IP, 11, 0),          // IP_RECVERR
    (IP, 12, 0),          // IP_RECVTTL
    (IP, 13, 0),          // IP_RECVTOS
    (IP, 15, 0),          // IP_FREEBIND
    (IP, 24, 0),          // IP_BIND_ADDRESS_NO_PORT
    (IP, 33, 1),          // IP_MULTICAST_TTL
    (IP, 34, 1),          // IP_MULTICAST_LOOP
    (IPV6, 16, 64),       // IPV6_UNICAST_HOPS
    (IPV6, 18, 1),        // IPV6_MULTICAST_HOPS
    (IPV6, 19, 1),        // IPV6_MULTICAST_LOOP
    (IPV6, 23, 1),        // IPV6_MTU_DISCOVER
    (IPV6, 25, 0),        // IPV6_RECVERR
    (IPV6, ONLY_V6.1, 0), // IPV6_V6ONLY
    (IPV6, 49, 0),        // IPV6_RECVPKTINFO
    (IPV6, 67, 0),        // IPV6_TCLASS
];

/// Whether a socket's domain and type have options of a level.
pub fn has_level(socket: &Socket, level: u64) -> bool {
    match level {
        SOL_SOCKET => true,
        TCP => socket.domain.is_internet() && socket.ty == Type::Stream,
        IP => socket.domain.is_internet(),
        IPV6 => socket.domain == Domain::V6,
        _ => false,
    }
}

/// What an option holds at first, if it holds a number; a set one is in [`Socket::options`].
pub fn first_value(level: u64, name: u64) -> Option<i32> {
    NUMBERS.iter().find(|&&(its, option, _)| (its, option) == (level, name)).map(|&(_, _, value)| value)
}
