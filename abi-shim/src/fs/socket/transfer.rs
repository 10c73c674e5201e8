//! How bytes, and what goes with them, get from one socket to another.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::{Ancillary, BUFFER, Domain, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, Socket, State, Type};
use crate::errno::Errno::{EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EMSGSIZE, ENOTCONN, EPIPE, EPROTOTYPE};
use crate::fs::{Feed, Result, Sink};
use crate::heap::{self, Claim};
use crate::user;

pub(super) struct Message {
    pub(super) bytes: VecDeque<u8>,
    pub(super) with: Ancillary,
}

/// What comes in at one socket.
#[derive(Default)]
pub(super) struct Channel {
    /// In a stream their borders mean nothing, unless files go with them.
    pub(super) messages: RefCell<VecDeque<Message>>,
    pub(super) bytes: Cell<usize>,
    /// Nobody writes any more, nobody reads any more; and the socket is gone.
    pub(super) no_writer: Cell<bool>,
    pub(super) no_reader: Cell<bool>,
    pub(super) closed: Cell<bool>,
    /// It was closed with bytes that nobody had read.
    pub(super) reset: Cell<bool>,
    pub(super) moves: Cell<u64>,
    /// The reader's SO_RCVBUF, if it was set: bytes of data.
    pub(super) window: Cell<Option<usize>>,
}

impl Channel {
    pub(super) fn moved(&self, bytes: usize) {
        self.bytes.set(bytes);
        self.moves.set(self.moves.get() + 1);
    }
}

/// What a call of recvmsg(2) got.
#[derive(Default)]
pub struct Received {
    pub count: usize,
    /// How long the message was, where messages are kept apart.
    pub len: usize,
    pub with: Ancillary,
}

impl Socket {
    /// Keeps SO_SNDBUF or SO_RCVBUF as it was asked for. Linux doubles it for what it keeps itself: socket(7).
    pub fn set_buffer(&self, option: u64, bytes: i32) {
        let least = if option == SO_SNDBUF { 4608 } else { 2304 };
        let kept = (bytes.clamp(0, BUFFER as i32) * 2).max(least);
        self.options.borrow_mut().insert((SOL_SOCKET, option), kept.to_le_bytes().to_vec());
        self.open_window();
    }

    /// SO_SNDBUF or SO_RCVBUF, if it was set: bytes of data.
    fn buffer(&self, option: u64) -> Option<usize> {
        let options = self.options.borrow();
        user::from_bytes::<u32>(options.get(&(SOL_SOCKET, option))?).map(|kept| kept as usize / 2)
    }

    /// Tells the peer how much may come.
    pub(super) fn open_window(&self) {
        self.incoming.window.set(self.buffer(SO_RCVBUF));
    }

    /// How much more the peer and the way to it take. TCP's buffers are as large as was asked for.
    pub(super) fn room(&self, channel: &Channel) -> usize {
        const HALF: usize = BUFFER / 2;
        let both = match (self.domain.is_internet(), self.ty) {
            (true, Type::Stream) => self.buffer(SO_SNDBUF).unwrap_or(HALF) + channel.window.get().unwrap_or(HALF),
            _ => BUFFER,
        };
        both.saturating_sub(channel.bytes.get())
    }

    /// Puts a datagram into its buffer; false if there is no room.
    pub fn deliver(&self, bytes: Vec<u8>, with: Ancillary) -> bool {
        let channel = &self.incoming;
        if self.room(channel) == 0 || channel.no_reader.get() {
            return false;
        }
        channel.moved(channel.bytes.get() + bytes.len());
        channel.messages.borrow_mut().push_back(Message { bytes: bytes.into(), with });
        true
    }

    /// Receives; with `peek` the message stays. Of a message that does not fit the rest is lost.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET`.
    pub fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<Received> {
        if self.ty != Type::Datagram && !matches!(&*self.state.borrow(), State::Connected { .. }) {
            return Err(if self.ty == Type::Stream && self.domain == Domain::Unix { EINVAL } else { ENOTCONN });
        }
        if let Some(error) = self.error.take() {
            return Err(error);
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
    pub fn send(&self, feed: &mut dyn Feed, with: Ancillary, to: Option<&Socket>) -> Result<usize> {
        let channel = match (to, &*self.state.borrow()) {
            (Some(to), _) if to.ty != self.ty => return Err(EPROTOTYPE),
            (Some(to), _) => to.incoming.clone(),
            (None, State::Connected { outgoing, .. }) => outgoing.clone(),
            (None, _) if self.domain.is_internet() && self.ty == Type::Stream => return Err(EPIPE),
            (None, _) => return Err(ENOTCONN),
        };
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.domain.is_internet() && !channel.no_writer.get() {
            // The peer takes bytes as long as it is there, read or not; of its end one learns by the answer.
            if channel.closed.get() && !self.told.replace(true) {
                let mut lost = heap::zeroed(Claim::Process, feed.left())?;
                feed.take(&mut lost)?;
                return Ok(lost.len());
            }
            if !channel.closed.get() {
                return self.put(&channel, feed, with);
            }
        }
        if self.ty == Type::Datagram && channel.closed.get() {
            return Err(ECONNREFUSED);
        }
        if channel.no_reader.get() || channel.no_writer.get() {
            return Err(EPIPE);
        }
        self.put(&channel, feed, with)
    }

    fn put(&self, channel: &Channel, feed: &mut dyn Feed, with: Ancillary) -> Result<usize> {
        let free = self.room(channel);
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
        let mut bytes = heap::zeroed(Claim::Process, part)?;
        feed.take(&mut bytes)?;
        if part > 0 || self.ty != Type::Stream {
            channel.messages.borrow_mut().push_back(Message { bytes: bytes.into(), with });
            channel.moved(channel.bytes.get() + part);
        }
        Ok(part)
    }
}
