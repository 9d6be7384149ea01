//! The channel from the confined child to its supervisor: a pair of Unix sockets, closed before the task runs.
//!
//! It carries the listener of the filter, and the failure of a step.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use thiserror::Error;

use super::request::Ended;

/// The bytes of a message at most.
const LARGEST: usize = 16 << 10;

/// A failure to pass the listener on.
#[derive(Debug, Error)]
#[error("failed to pass the listener of the filter to the supervisor")]
pub(super) struct ChannelError(#[from] rustix::io::Errno);

/// One message of the child.
pub(super) enum Message {
    /// The listener of the filter.
    Listener(OwnedFd),
    /// The call ended before the task started.
    Ended(Ended),
    /// The channel is closed: the task runs.
    Closed,
}

/// Makes a channel: the end of the supervisor, the end of the child.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends the listener of the filter.
pub(super) fn send_listener(channel: BorrowedFd<'_>, listener: BorrowedFd<'_>) -> Result<(), ChannelError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(channel, &[IoSlice::new(b"listener")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Sends the failure of a step. Returns the exit code of the child.
pub(super) fn report(channel: BorrowedFd<'_>, ended: &Ended) -> i32 {
    let text = serde_json::to_vec(ended).unwrap_or_default();
    // Without a supervisor nobody reads the report.
    let _ = rustix::net::send(channel, text.get(..LARGEST).unwrap_or(&text), SendFlags::NOSIGNAL);
    1
}

/// Receives one message, if one is there.
///
/// # Errors
/// No message is there, or the channel fails.
pub(super) fn receive(channel: BorrowedFd<'_>) -> io::Result<Message> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; LARGEST];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
            && let Some(listener) = descriptors.next()
        {
            return Ok(Message::Listener(listener));
        }
    }
    match bytes.get(..received.bytes) {
        None | Some([]) => Ok(Message::Closed),
        Some(text) => Ok(Message::Ended(serde_json::from_slice(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn the_channel_carries_a_listener_and_a_failure() {
        let (supervisor, child) = pair().unwrap();
        assert!(receive(supervisor.as_fd()).is_err(), "nothing was sent");
        send_listener(child.as_fd(), io::stdin().as_fd()).unwrap();
        assert!(matches!(receive(supervisor.as_fd()), Ok(Message::Listener(_))));
        let failure = Ended::NotStarted { cause: "failed to execute nothing".to_owned() };
        assert_eq!(report(child.as_fd(), &failure), 1);
        assert!(matches!(receive(supervisor.as_fd()), Ok(Message::Ended(found)) if found == failure));
        drop(child);
        assert!(matches!(receive(supervisor.as_fd()), Ok(Message::Closed)));
    }
}
