//! The internet within the machine: ip(7), tcp(7), udp(7) over the loopback addresses. Bytes never leave it, so a connection is a pair of
//! channels, and what remains of the protocols are ports and addresses.

use std::rc::{Rc, Weak};

use super::Result;
use super::socket::{Domain, Socket, Type};
use crate::errno::Errno::{EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL};

/// An address and a port. Addresses of version 4 are written as those of version 6 that stand for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Endpoint {
    pub ip: [u8; 16],
    pub port: u16,
}

/// `::ffff:0.0.0.0`
const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
/// `::1`
const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

impl Endpoint {
    /// Any address of a domain.
    pub fn any(domain: Domain) -> Endpoint {
        Endpoint { ip: if domain == Domain::V4 { MAPPED } else { [0; 16] }, port: 0 }
    }

    fn is_v4(&self) -> bool {
        self.ip[..12] == MAPPED[..12]
    }

    pub fn is_any(&self) -> bool {
        self.ip == MAPPED || self.ip == [0; 16]
    }

    /// Whether it is this machine's own.
    pub fn is_loopback(&self) -> bool {
        self.ip == LOOPBACK || self.is_v4() && self.ip[12] == 127
    }

    /// Where packets for it go: for no address at all, the machine itself.
    pub fn destination(self) -> Endpoint {
        match self.ip {
            MAPPED => Endpoint { ip: Endpoint::v4([127, 0, 0, 1]), ..self },
            ip if ip == [0; 16] => Endpoint { ip: LOOPBACK, ..self },
            _ => self,
        }
    }

    /// The address from which packets for it come.
    pub fn source(&self) -> [u8; 16] {
        if self.is_v4() { Endpoint::v4([127, 0, 0, 1]) } else { LOOPBACK }
    }

    fn v4(ip: [u8; 4]) -> [u8; 16] {
        let mut mapped = MAPPED;
        mapped[12..].copy_from_slice(&ip);
        mapped
    }

    /// What follows the family in `struct sockaddr_in` and `struct sockaddr_in6`.
    pub fn name(&self, domain: Domain) -> Vec<u8> {
        let port = self.port.to_be_bytes();
        match domain {
            Domain::V4 => [&port[..], &self.ip[12..], &[0; 8]].concat(),
            _ => [&port[..], &[0; 4], &self.ip, &[0; 4]].concat(),
        }
    }

    /// The endpoint that such a name is, whose family was `family`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` for a family that is not the socket's, `EINVAL` if it is too short.
    pub fn parse(domain: Domain, family: u16, name: &[u8]) -> Result<Endpoint> {
        const V4_LEN: usize = 14;
        const V6_LEN: usize = 22;
        let shortest = if domain == Domain::V4 { V4_LEN } else { V6_LEN };
        if name.len() < shortest {
            return Err(EINVAL);
        }
        if family != domain as u16 {
            return Err(EAFNOSUPPORT);
        }
        let port = u16::from_be_bytes([name[0], name[1]]);
        let mut ip = MAPPED;
        match domain {
            Domain::V4 => ip[12..].copy_from_slice(&name[2..6]),
            _ => ip.copy_from_slice(&name[6..22]),
        }
        Ok(Endpoint { ip, port })
    }

    /// Of a name that was made here.
    pub fn of(domain: Domain, name: &[u8]) -> Option<Endpoint> {
        Endpoint::parse(domain, domain as u16, name).ok()
    }
}

/// A socket that has a port.
struct Binding {
    at: Endpoint,
    socket: Weak<Socket>,
}

/// Which sockets have which ports.
#[derive(Default)]
pub struct Ports {
    bound: Vec<Binding>,
    next: u16,
}

/// net.ipv4.ip_local_port_range.
const FIRST: u16 = 32_768;
const LAST: u16 = 60_999;

/// Options that decide who may share a port: SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY.
const REUSE_ADDRESS: (u64, u64) = (1, 2);
const REUSE_PORT: (u64, u64) = (1, 15);
pub const ONLY_V6: (u64, u64) = (41, 26);

impl Ports {
    /// Gives a socket an address; if it asks for no port, one that is free.
    ///
    /// # Errors
    /// `EADDRINUSE`, `EADDRNOTAVAIL` for an address of another machine.
    pub fn bind(&mut self, socket: &Rc<Socket>, mut at: Endpoint) -> Result<()> {
        if !at.is_any() && !at.is_loopback() {
            return Err(EADDRNOTAVAIL);
        }
        self.bound.retain(|binding| binding.socket.strong_count() > 0);
        if at.port == 0 {
            at.port = self.free_port(socket, at).ok_or(EADDRINUSE)?;
        } else if self.is_taken(socket, at) {
            return Err(EADDRINUSE);
        }
        socket.set_name(&at.name(socket.domain));
        self.bound.push(Binding { at, socket: Rc::downgrade(socket) });
        Ok(())
    }

    fn free_port(&mut self, socket: &Socket, at: Endpoint) -> Option<u16> {
        for _ in FIRST..=LAST {
            self.next = if (FIRST..LAST).contains(&self.next) { self.next + 1 } else { FIRST };
            if !self.is_taken(socket, Endpoint { port: self.next, ..at }) {
                return Some(self.next);
            }
        }
        None
    }

    fn is_taken(&self, socket: &Socket, at: Endpoint) -> bool {
        let others = self.bound.iter().filter(|binding| binding.at.port == at.port);
        others.filter_map(|binding| Some((binding.at, binding.socket.upgrade()?))).any(|(theirs, other)| {
            let both = |option| socket.flag(option) && other.flag(option);
            let overlap = theirs.ip == at.ip || meets(theirs, &other, at) || meets(at, socket, theirs);
            let shared = both(REUSE_PORT) || both(REUSE_ADDRESS) && !other.is_listening();
            other.ty == socket.ty && overlap && !shared
        })
    }

    /// The socket that gets what is sent to an endpoint: one with this very address before one with any.
    pub fn find(&self, ty: Type, to: Endpoint) -> Option<Rc<Socket>> {
        let takes = |socket: &Socket| socket.ty == ty && (ty == Type::Datagram || socket.is_listening());
        let at_port = self.bound.iter().filter(|binding| binding.at.port == to.port);
        let found: Vec<(Endpoint, Rc<Socket>)> =
            at_port.filter_map(|binding| Some((binding.at, binding.socket.upgrade()?))).filter(|(_, s)| takes(s)).collect();
        let exact = found.iter().find(|(at, _)| at.ip == to.ip);
        exact.or_else(|| found.iter().find(|(at, socket)| meets(*at, socket, to))).map(|(_, socket)| socket.clone())
    }
}

/// Whether a socket bound to any address gets what is sent to another.
fn meets(at: Endpoint, socket: &Socket, other: Endpoint) -> bool {
    at.is_any() && (at.is_v4() == other.is_v4() || !at.is_v4() && !socket.flag(ONLY_V6))
}
