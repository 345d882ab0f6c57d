//! What keeper and init say to each other: one socket pair that keeps messages whole.
//!
//! The keeper says one byte, "go". Init and the task say [`FromInit`], at most [`MESSAGE_BYTES_MAX`] long.
//! Both hold only what they wrote themselves before the program started; the task never has the socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::egress::PORTS_MAX;
use crate::setup::SetupError;

/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 160 * 1024;

/// How many descriptors travel with one message: the listeners of a run.
const DESCRIPTORS_MAX: usize = PORTS_MAX + 2;

/// How the program ended, as the kernel told init.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// What init tells the keeper.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum FromInit {
    /// The jail stands; the directory for files that come back travels along as a descriptor.
    Ready {
        /// What the record shall say of the walls.
        notes: Vec<(String, String)>,
        /// Openings that could not be made, by their places in the recipe, and why.
        not_opened: Vec<(usize, String)>,
    },
    /// Somebody listens at what was granted of the network: at DNS, then at each port, as descriptors that travel along.
    Listening,
    /// The task is about to start; where its refused calls are told of travels along as a descriptor.
    Tells,
    /// A step failed; the program did not start.
    Failed(SetupError),
    /// The program ended.
    Ended(Exit),
}

/// Two sockets that keep messages whole on their way from one to the other.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    );
    Ok(pair?)
}

/// One end of the socket pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// A pair of ends.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socket_pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Says `message`, with the descriptors that go along, at most [`DESCRIPTORS_MAX`].
    pub(crate) fn say(&self, message: &FromInit, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        rustix::net::sendmsg(
            &self.0,
            &[IoSlice::new(&text)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// The next message and its descriptors; nothing when the other end is closed.
    pub(crate) fn hear(&self) -> io::Result<Option<(FromInit, Vec<OwnedFd>)>> {
        // Its length first: room for the longest would cost more to make than most messages take.
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
        let peek = || rustix::net::recv(&self.0, &mut [0u8; 0][..], flags);
        let (_, length) = though_closed(peek)?;
        if length > MESSAGE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut text = vec![0; length];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let hear = || rustix::net::recvmsg(&self.0, &mut slices, &mut ancillary, flags);
        let received = though_closed(hear)?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        match text.get(..received.bytes) {
            None | Some([]) => Ok(None),
            Some(text) => Ok(Some((serde_json::from_slice(text)?, descriptors))),
        }
    }

    /// Lets init go on.
    pub(crate) fn go(&self) -> io::Result<()> {
        rustix::net::send(&self.0, b"g", SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits to be let go; an error when the keeper is gone.
    pub(crate) fn await_go(&self) -> io::Result<()> {
        let mut byte = [0u8; 1];
        let (heard, _) = rustix::net::recv(&self.0, &mut byte[..], RecvFlags::empty())?;
        if heard == 1 {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Receives again where the other end was closed with something of ours unread, which is said once, at any moment and before
/// what it said itself.
fn though_closed<T>(mut receive: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match receive() {
        Err(Errno::CONNRESET) => receive(),
        received => received,
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
