//! Sockets of the UNIX domain, as far as one process needs them: pairs, and addresses at which nobody listens.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::file::FileObject;
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EAGAIN, EINVAL, EMSGSIZE, ENOTCONN, ENOTTY, EPIPE};
use crate::user;

/// Bytes under way to one end: `net.core.wmem_default`.
pub const BUFFER: usize = 212_992;

const FIONREAD: u32 = 0x541b;

/// The types of sockets: socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Stream = 1,
    Datagram = 2,
    SeqPacket = 5,
}

/// What goes one way.
#[derive(Default)]
struct Channel {
    /// Messages; in a stream their borders mean nothing.
    messages: RefCell<VecDeque<VecDeque<u8>>>,
    bytes: Cell<usize>,
    /// Nobody writes any more, nobody reads any more.
    no_writer: Cell<bool>,
    no_reader: Cell<bool>,
    moves: Cell<u64>,
}

impl Channel {
    fn moved(&self, bytes: usize) {
        self.bytes.set(bytes);
        self.moves.set(self.moves.get() + 1);
    }
}

/// A socket; with no channels it is not connected.
pub struct UnixSocket {
    pub ty: Type,
    channels: Option<(Rc<Channel>, Rc<Channel>)>,
}

impl UnixSocket {
    /// One that is not connected.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(ty: Type) -> Rc<UnixSocket> {
        Rc::new(UnixSocket { ty, channels: None })
    }

    /// Two that are connected to each other: socketpair(2).
    pub fn pair(ty: Type) -> (Rc<UnixSocket>, Rc<UnixSocket>) {
        let (there, back) = (Rc::<Channel>::default(), Rc::<Channel>::default());
        let one = UnixSocket { ty, channels: Some((back.clone(), there.clone())) };
        let other = UnixSocket { ty, channels: Some((there, back)) };
        (Rc::new(one), Rc::new(other))
    }

    pub fn is_connected(&self) -> bool {
        self.channels.is_some()
    }

    /// What comes in.
    fn incoming(&self) -> Result<&Rc<Channel>> {
        self.channels.as_ref().map(|(incoming, _)| incoming).ok_or(if self.ty == Type::Stream { EINVAL } else { ENOTCONN })
    }

    fn outgoing(&self) -> Result<&Rc<Channel>> {
        self.channels.as_ref().map(|(_, outgoing)| outgoing).ok_or(ENOTCONN)
    }

    /// Receives; with `peek` the bytes stay. Of a message that does not fit the rest is lost.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`.
    pub fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<usize> {
        let channel = self.incoming()?;
        let mut messages = channel.messages.borrow_mut();
        if messages.is_empty() {
            let ended = channel.no_writer.get() || channel.no_reader.get();
            return if ended && self.ty != Type::Datagram { Ok(0) } else { Err(EAGAIN) };
        }
        let mut count = 0;
        let mut at = 0;
        while let Some(message) = messages.get_mut(at) {
            let part = message.len().min(sink.room());
            let (front, back) = message.as_slices();
            let first = front.len().min(part);
            sink.put(&front[..first])?;
            sink.put(&back[..part - first])?;
            count += part;
            let whole = part == message.len();
            if peek {
                at += 1;
            } else if whole || self.ty != Type::Stream {
                channel.moved(channel.bytes.get() - message.len());
                messages.pop_front();
            } else {
                message.drain(..part);
                channel.moved(channel.bytes.get() - part);
            }
            if self.ty != Type::Stream || !whole || sink.room() == 0 {
                break;
            }
        }
        Ok(count)
    }

    /// Sends.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `EMSGSIZE`, `ENOTCONN`.
    pub fn send(&self, feed: &mut dyn Feed) -> Result<usize> {
        let channel = self.outgoing()?;
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
            channel.messages.borrow_mut().push_back(bytes.into());
            channel.moved(channel.bytes.get() + part);
        }
        Ok(part)
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shut_down(&self, reading: bool, writing: bool) -> Result<()> {
        let (incoming, outgoing) = self.channels.as_ref().ok_or(ENOTCONN)?;
        if reading {
            incoming.no_reader.set(true);
        }
        if writing {
            outgoing.no_writer.set(true);
        }
        Ok(())
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Without channels there is nobody to be told.
        let _ = self.shut_down(true, true);
    }
}

impl FileObject for UnixSocket {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.receive(sink, false)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.send(feed)
    }

    fn poll(&self) -> u32 {
        let Some((incoming, outgoing)) = &self.channels else {
            // As Linux reports of a stream that was never connected.
            return poll::OUT | poll::WRNORM | poll::HUP;
        };
        let mut events = 0;
        let ended = incoming.no_writer.get() || incoming.no_reader.get();
        if ended || !incoming.messages.borrow().is_empty() {
            events |= poll::IN | poll::RDNORM;
        }
        if ended {
            events |= poll::RDHUP;
        }
        if incoming.no_writer.get() && outgoing.no_reader.get() {
            events |= poll::HUP;
        }
        if outgoing.bytes.get() < BUFFER {
            events |= poll::OUT | poll::WRNORM;
        }
        events
    }

    fn waits_for_room(&self) -> bool {
        true
    }

    fn activity(&self) -> u64 {
        self.channels.as_ref().map_or(0, |(incoming, outgoing)| incoming.moves.get() + outgoing.moves.get())
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        let channel = self.incoming()?;
        match request {
            FIONREAD => user::write(arg, &(channel.bytes.get() as i32)).map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}
