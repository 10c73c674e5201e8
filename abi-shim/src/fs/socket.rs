//! Sockets: unix(7), and those of ip(7) and netlink(7) as far as bytes are concerned.

mod transfer;

pub use transfer::Received;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use transfer::Channel;

use super::file::{File, FileObject};
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{self, EAGAIN, ECONNREFUSED, EINVAL, EISCONN, ENOTCONN, ENOTTY, EOPNOTSUPP, EPROTOTYPE};
use crate::user;
use crate::wasi::Nanos;

/// Bytes under way to one end: `net.core.wmem_default`.
pub const BUFFER: usize = 212_992;
/// The most connections that wait for accept(2): `net.core.somaxconn`.
const BACKLOG_MAX: usize = 4096;

/// Options that say how long calls wait: socket(7).
const SOL_SOCKET: u64 = 1;
pub const SO_SNDBUF: u64 = 7;
pub const SO_RCVBUF: u64 = 8;
pub const SO_RCVTIMEO: u64 = 20;
pub const SO_SNDTIMEO: u64 = 21;

const FIONREAD: u32 = 0x541b;

/// The domains of sockets: address families of socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    Unix = 1,
    V4 = 2,
    V6 = 10,
    Netlink = 16,
}

impl Domain {
    /// AF_INET and AF_INET6.
    pub fn is_internet(self) -> bool {
        matches!(self, Domain::V4 | Domain::V6)
    }
}

/// The types of sockets: socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Stream = 1,
    Datagram = 2,
    SeqPacket = 5,
}

/// Who made a socket or sent a message: `struct ucred`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// What goes with the bytes of a message.
#[derive(Clone, Default)]
pub struct Ancillary {
    /// The sender's address as it is when the message is received; empty: it has none.
    pub from: Name,
    pub sender: Peer,
    /// SCM_RIGHTS.
    pub files: Vec<Rc<File>>,
}

/// An address without the family; empty: none.
pub type Name = Rc<RefCell<Vec<u8>>>;

enum State {
    Fresh,
    /// Connections that wait for accept(2), and how many may.
    Listening {
        queue: VecDeque<Rc<Socket>>,
        backlog: usize,
    },
    Connected {
        outgoing: Rc<Channel>,
        peer_name: Vec<u8>,
        peer: Peer,
    },
}

/// A socket.
pub struct Socket {
    pub domain: Domain,
    pub ty: Type,
    /// Who made it.
    pub owner: Cell<Peer>,
    /// SO_PASSCRED.
    pub pass_credentials: Cell<bool>,
    /// What happened behind the program's back: SO_ERROR.
    pub error: Cell<Option<Errno>>,
    /// connect(2) has said EINPROGRESS.
    pub connecting: Cell<bool>,
    /// The peer that is gone has been written to: tcp(7) tells the next write.
    told: Cell<bool>,
    /// Values of options that nobody but their setter reads, by level and name.
    pub options: RefCell<BTreeMap<(u64, u64), Vec<u8>>>,
    state: RefCell<State>,
    incoming: Rc<Channel>,
    name: Name,
}

impl Socket {
    /// One that is not connected.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(domain: Domain, ty: Type, owner: Peer) -> Rc<Socket> {
        Rc::new(Socket {
            domain,
            ty,
            owner: Cell::new(owner),
            pass_credentials: Cell::new(false),
            error: Cell::new(None),
            connecting: Cell::new(false),
            told: Cell::new(false),
            options: RefCell::default(),
            state: RefCell::new(State::Fresh),
            incoming: Rc::default(),
            name: Name::default(),
        })
    }

    /// Two that are connected to each other: socketpair(2).
    pub fn pair(ty: Type, owner: Peer) -> (Rc<Socket>, Rc<Socket>) {
        let (one, other) = (Socket::new(Domain::Unix, ty, owner), Socket::new(Domain::Unix, ty, owner));
        one.attach(&other);
        other.attach(&one);
        (one, other)
    }

    fn attach(&self, peer: &Socket) {
        let (peer_name, owner) = (peer.name.borrow().clone(), peer.owner.get());
        *self.state.borrow_mut() = State::Connected { outgoing: peer.incoming.clone(), peer_name, peer: owner };
    }

    /// Whether an option is on.
    pub fn flag(&self, option: (u64, u64)) -> bool {
        self.options.borrow().get(&option).is_some_and(|value| value.iter().any(|&byte| byte != 0))
    }

    /// Whether each message finds its own way: datagrams but those of unix(7).
    pub fn goes_by_address(&self) -> bool {
        self.domain != Domain::Unix && self.ty == Type::Datagram
    }

    /// How long a call may wait for these events of poll(2): SO_RCVTIMEO, SO_SNDTIMEO; `None`: for ever.
    pub fn timeout(&self, events: u32) -> Option<Nanos> {
        let name = if events & poll::IN != 0 { SO_RCVTIMEO } else { SO_SNDTIMEO };
        let options = self.options.borrow();
        let [seconds, micros]: [u64; 2] = user::from_bytes(options.get(&(SOL_SOCKET, name))?)?;
        let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(micros.saturating_mul(1000));
        Some(nanos).filter(|&nanos| nanos != 0)
    }

    /// Its address without the family; empty: none.
    pub fn name(&self) -> Vec<u8> {
        self.name.borrow().clone()
    }

    /// Likewise, for messages: a name that it gets later is theirs, too.
    pub fn shared_name(&self) -> Name {
        self.name.clone()
    }

    pub fn set_name(&self, name: &[u8]) {
        *self.name.borrow_mut() = name.to_vec();
    }

    /// The peer's address and who it is.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn peer(&self) -> Result<(Vec<u8>, Peer)> {
        match &*self.state.borrow() {
            State::Connected { peer_name, peer, .. } => Ok((peer_name.clone(), *peer)),
            _ => Err(ENOTCONN),
        }
    }

    pub fn is_listening(&self) -> bool {
        matches!(&*self.state.borrow(), State::Listening { .. })
    }

    /// listen(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` without an address or if it is connected.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        if self.ty == Type::Datagram {
            return Err(EOPNOTSUPP);
        }
        if self.name.borrow().is_empty() && self.domain == Domain::Unix {
            return Err(EINVAL);
        }
        let wanted = usize::try_from(backlog).unwrap_or(BACKLOG_MAX).min(BACKLOG_MAX);
        let mut state = self.state.borrow_mut();
        match &mut *state {
            State::Connected { .. } => return Err(EINVAL),
            State::Listening { backlog, .. } => *backlog = wanted,
            State::Fresh => *state = State::Listening { queue: VecDeque::new(), backlog: wanted },
        }
        Ok(())
    }

    /// connect(2) to a socket that listens, or that takes datagrams.
    ///
    /// # Errors
    /// `EISCONN`, `EPROTOTYPE`, `ECONNREFUSED`; `EAGAIN` if too many wait already.
    pub fn connect(&self, to: &Rc<Socket>) -> Result<()> {
        if to.ty != self.ty {
            return Err(EPROTOTYPE);
        }
        if self.ty == Type::Datagram {
            self.attach(to);
            return Ok(());
        }
        let name = to.name();
        self.connect_as(to, &name)
    }

    /// Likewise, of a socket that keeps connections; the served end has this address.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub fn connect_as(&self, to: &Rc<Socket>, name: &[u8]) -> Result<()> {
        match &*self.state.borrow() {
            State::Fresh => {}
            State::Connected { .. } => return Err(EISCONN),
            State::Listening { .. } => return Err(EINVAL),
        }
        let mut state = to.state.borrow_mut();
        let State::Listening { queue, backlog } = &mut *state else { return Err(ECONNREFUSED) };
        if queue.len() > *backlog {
            return Err(EAGAIN);
        }
        let served = Socket::new(to.domain, self.ty, to.owner.get());
        served.set_name(name);
        *served.options.borrow_mut() = to.options.borrow().clone();
        served.open_window();
        served.attach(self);
        self.attach(&served);
        queue.push_back(served);
        to.incoming.moved(0);
        Ok(())
    }

    /// Gives the peer another address, as it is written in this socket's domain.
    pub fn set_peer_name(&self, name: Vec<u8>) {
        if let State::Connected { peer_name, .. } = &mut *self.state.borrow_mut() {
            *peer_name = name;
        }
    }

    /// Remembers the peer of datagrams, which go their way by its address.
    pub fn connect_nowhere(&self, peer_name: Vec<u8>) {
        let state = State::Connected { outgoing: Rc::default(), peer_name, peer: Peer::default() };
        *self.state.borrow_mut() = state;
    }

    /// The last connection that waits for accept(2).
    pub fn last_waiting(&self) -> Option<Rc<Socket>> {
        match &*self.state.borrow() {
            State::Listening { queue, .. } => queue.back().cloned(),
            _ => None,
        }
    }

    /// Makes a datagram socket unconnected again: connect(2) to AF_UNSPEC.
    pub fn disconnect(&self) {
        if self.ty == Type::Datagram {
            *self.state.borrow_mut() = State::Fresh;
        }
    }

    /// accept(2).
    ///
    /// # Errors
    /// `EAGAIN` if nobody waits, `EINVAL` if it does not listen, `EOPNOTSUPP` for datagrams.
    pub fn accept(&self) -> Result<Rc<Socket>> {
        if self.ty == Type::Datagram {
            return Err(EOPNOTSUPP);
        }
        match &mut *self.state.borrow_mut() {
            State::Listening { queue, .. } => queue.pop_front().ok_or(EAGAIN),
            _ => Err(EINVAL),
        }
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shut_down(&self, reading: bool, writing: bool) -> Result<()> {
        let state = self.state.borrow();
        let State::Connected { outgoing, .. } = &*state else { return Err(ENOTCONN) };
        if reading {
            self.incoming.no_reader.set(true);
        }
        if writing && self.ty != Type::Datagram {
            outgoing.no_writer.set(true);
        }
        outgoing.moved(outgoing.bytes.get());
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let incoming = &self.incoming;
        incoming.no_reader.set(true);
        incoming.closed.set(true);
        if let State::Connected { outgoing, .. } = &*self.state.borrow()
            && self.ty != Type::Datagram
        {
            outgoing.no_writer.set(true);
            outgoing.reset.set(!incoming.messages.borrow().is_empty());
            outgoing.moved(outgoing.bytes.get());
        }
        // Files that were under way go, perhaps sockets among them.
        let lost = std::mem::take(&mut *incoming.messages.borrow_mut());
        drop(lost);
    }
}

impl FileObject for Socket {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.receive(sink, false).map(|received| received.count)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.send(feed, Ancillary { from: self.shared_name(), sender: self.owner.get(), files: Vec::new() }, None)
    }

    fn poll(&self) -> u32 {
        let incoming = &self.incoming;
        let mut events = 0;
        match &*self.state.borrow() {
            State::Listening { queue, .. } if queue.is_empty() => return 0,
            State::Listening { .. } => return poll::IN | poll::RDNORM,
            // As Linux reports of a stream that was never connected.
            State::Fresh if self.ty != Type::Datagram => return poll::OUT | poll::WRNORM | poll::HUP,
            State::Fresh => events |= poll::OUT | poll::WRNORM,
            State::Connected { outgoing, .. } => {
                let closed = if self.domain.is_internet() { &outgoing.no_writer } else { &outgoing.no_reader };
                if incoming.no_writer.get() && closed.get() {
                    events |= poll::HUP;
                }
                if self.room(outgoing) > 0 || outgoing.no_reader.get() {
                    events |= poll::OUT | poll::WRNORM;
                }
            }
        }
        let ended = incoming.no_writer.get() || incoming.no_reader.get();
        if ended || !incoming.messages.borrow().is_empty() {
            events |= poll::IN | poll::RDNORM;
        }
        if ended {
            events |= poll::RDHUP;
        }
        if self.error.get().is_some() {
            events |= poll::ERR | poll::IN | poll::RDNORM;
        }
        events
    }

    fn waits_for_room(&self) -> bool {
        self.ty == Type::Stream
    }

    fn activity(&self) -> u64 {
        let outgoing = match &*self.state.borrow() {
            State::Connected { outgoing, .. } => outgoing.moves.get(),
            _ => 0,
        };
        self.incoming.moves.get() + outgoing
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            FIONREAD if self.is_listening() => Err(EINVAL),
            FIONREAD => user::write(arg, &(self.incoming.bytes.get() as i32)).map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}

/// The socket that is bound to a file or to an abstract name, while it is open.
pub type Bound = RefCell<Weak<Socket>>;
