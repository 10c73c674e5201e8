//! Sockets of the UNIX domain: unix(7).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::file::{File, FileObject};
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{
    EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, ENOTTY, EOPNOTSUPP, EPIPE, EPROTOTYPE,
};
use crate::user;

/// Bytes under way to one end: `net.core.wmem_default`.
pub const BUFFER: usize = 212_992;
/// The most connections that wait for accept(2): `net.core.somaxconn`.
const BACKLOG_MAX: usize = 4096;

const FIONREAD: u32 = 0x541b;

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

struct Message {
    bytes: VecDeque<u8>,
    with: Ancillary,
}

/// What comes in at one socket.
#[derive(Default)]
struct Channel {
    /// In a stream their borders mean nothing, unless files go with them.
    messages: RefCell<VecDeque<Message>>,
    bytes: Cell<usize>,
    /// Nobody writes any more, nobody reads any more; and the socket is gone.
    no_writer: Cell<bool>,
    no_reader: Cell<bool>,
    closed: Cell<bool>,
    /// It was closed with bytes that nobody had read.
    reset: Cell<bool>,
    moves: Cell<u64>,
}

impl Channel {
    fn moved(&self, bytes: usize) {
        self.bytes.set(bytes);
        self.moves.set(self.moves.get() + 1);
    }

    fn has_room(&self) -> bool {
        self.bytes.get() < BUFFER
    }
}

enum State {
    Fresh,
    /// Connections that wait for accept(2), and how many may.
    Listening {
        queue: VecDeque<Rc<UnixSocket>>,
        backlog: usize,
    },
    Connected {
        outgoing: Rc<Channel>,
        peer_name: Vec<u8>,
        peer: Peer,
    },
}

/// A socket.
pub struct UnixSocket {
    pub ty: Type,
    /// Who made it.
    pub owner: Cell<Peer>,
    /// SO_PASSCRED.
    pub pass_credentials: Cell<bool>,
    state: RefCell<State>,
    incoming: Rc<Channel>,
    name: Name,
}

/// What a call of recvmsg(2) got.
#[derive(Default)]
pub struct Received {
    pub count: usize,
    /// How long the message was, where messages are kept apart.
    pub len: usize,
    pub with: Ancillary,
}

impl UnixSocket {
    /// One that is not connected.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(ty: Type, owner: Peer) -> Rc<UnixSocket> {
        Rc::new(UnixSocket {
            ty,
            owner: Cell::new(owner),
            pass_credentials: Cell::new(false),
            state: RefCell::new(State::Fresh),
            incoming: Rc::default(),
            name: Name::default(),
        })
    }

    /// Two that are connected to each other: socketpair(2).
    pub fn pair(ty: Type, owner: Peer) -> (Rc<UnixSocket>, Rc<UnixSocket>) {
        let (one, other) = (UnixSocket::new(ty, owner), UnixSocket::new(ty, owner));
        one.attach(&other);
        other.attach(&one);
        (one, other)
    }

    fn attach(&self, peer: &UnixSocket) {
        let (peer_name, owner) = (peer.name.borrow().clone(), peer.owner.get());
        *self.state.borrow_mut() = State::Connected { outgoing: peer.incoming.clone(), peer_name, peer: owner };
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
        if self.name.borrow().is_empty() {
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
    pub fn connect(&self, to: &Rc<UnixSocket>) -> Result<()> {
        if to.ty != self.ty {
            return Err(EPROTOTYPE);
        }
        if self.ty == Type::Datagram {
            self.attach(to);
            return Ok(());
        }
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
        let served = UnixSocket::new(self.ty, to.owner.get());
        served.set_name(&to.name.borrow());
        served.attach(self);
        self.attach(&served);
        queue.push_back(served);
        to.incoming.moved(0);
        Ok(())
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
    pub fn accept(&self) -> Result<Rc<UnixSocket>> {
        if self.ty == Type::Datagram {
            return Err(EOPNOTSUPP);
        }
        match &mut *self.state.borrow_mut() {
            State::Listening { queue, .. } => queue.pop_front().ok_or(EAGAIN),
            _ => Err(EINVAL),
        }
    }

    /// Receives; with `peek` the message stays. Of a message that does not fit the rest is lost.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET`.
    pub fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<Received> {
        if self.ty != Type::Datagram && !matches!(&*self.state.borrow(), State::Connected { .. }) {
            return Err(if self.ty == Type::Stream { EINVAL } else { ENOTCONN });
        }
        let channel = &self.incoming;
        let mut messages = channel.messages.borrow_mut();
        if messages.is_empty() {
            if channel.reset.take() {
                return Err(ECONNRESET);
            }
            let ended = channel.no_reader.get() || channel.no_writer.get() && self.ty != Type::Datagram;
            return if ended { Ok(Received::default()) } else { Err(EAGAIN) };
        }
        let mut received = Received::default();
        let mut at = 0;
        while let Some(message) = messages.get_mut(at) {
            let part = message.bytes.len().min(sink.room());
            let (front, back) = message.bytes.as_slices();
            let first = front.len().min(part);
            sink.put(&front[..first])?;
            sink.put(&back[..part - first])?;
            received.count += part;
            received.len += message.bytes.len();
            let whole = part == message.bytes.len();
            let has_files = !message.with.files.is_empty();
            if peek {
                received.with = message.with.clone();
                at += 1;
            } else {
                received.with = Ancillary { files: std::mem::take(&mut message.with.files), ..message.with.clone() };
                let bytes = channel.bytes.get();
                if whole || self.ty != Type::Stream {
                    channel.moved(bytes - message.bytes.len());
                    messages.pop_front();
                } else {
                    message.bytes.drain(..part);
                    channel.moved(bytes - part);
                }
            }
            if self.ty != Type::Stream || !whole || has_files || sink.room() == 0 {
                break;
            }
        }
        Ok(received)
    }

    /// Sends, to the peer or to another socket.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `EMSGSIZE`, `ENOTCONN`, `ECONNREFUSED`.
    pub fn send(&self, feed: &mut dyn Feed, with: Ancillary, to: Option<&UnixSocket>) -> Result<usize> {
        let channel = match (to, &*self.state.borrow()) {
            (Some(to), _) if to.ty != self.ty => return Err(EPROTOTYPE),
            (Some(to), _) => to.incoming.clone(),
            (None, State::Connected { outgoing, .. }) => outgoing.clone(),
            (None, _) => return Err(ENOTCONN),
        };
        if self.ty == Type::Datagram && channel.closed.get() {
            return Err(ECONNREFUSED);
        }
        if channel.no_reader.get() || channel.no_writer.get() {
            return Err(EPIPE);
        }
        let free = BUFFER.saturating_sub(channel.bytes.get());
        let len = feed.left();
        let part = match self.ty {
            Type::Stream => len.min(free),
            _ if len > BUFFER => return Err(EMSGSIZE),
            _ if len > free => return Err(EAGAIN),
            _ => len,
        };
        if part == 0 && len > 0 {
            return Err(EAGAIN);
        }
        let mut bytes = vec![0; part];
        feed.take(&mut bytes)?;
        if part > 0 || self.ty != Type::Stream {
            channel.messages.borrow_mut().push_back(Message { bytes: bytes.into(), with });
            channel.moved(channel.bytes.get() + part);
        }
        Ok(part)
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

impl Drop for UnixSocket {
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

impl FileObject for UnixSocket {
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
                if incoming.no_writer.get() && outgoing.no_reader.get() {
                    events |= poll::HUP;
                }
                if outgoing.has_room() || outgoing.no_reader.get() {
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
pub type Bound = RefCell<Weak<UnixSocket>>;
