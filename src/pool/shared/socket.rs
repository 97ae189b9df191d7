//! Bytes over a Unix socket, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The most descriptors that come with one message.
const MAX_DESCRIPTORS: usize = 2;

/// Sends bytes and descriptors, and answers how many bytes were taken; the descriptors go with the first one.
pub(super) fn send_with(
    socket: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags))
        .map_err(io::Error::from)
}

/// Appends what has come to `buffer` and to `descriptors`, which are closed on exec; answers how many bytes came, 0 at
/// the end of the stream.
pub(super) fn receive_with(
    socket: &UnixStream,
    buffer: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 4096];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    buffer.extend_from_slice(bytes.get(..received.bytes).unwrap_or(&[]));
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::{receive_with, send_with};

    #[test]
    fn descriptors_arrive_and_are_closed_on_exec() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(
            send_with(&ours, b"two", &[writer.as_fd(), writer.as_fd()]).unwrap(),
            3
        );
        drop(writer);
        let (mut bytes, mut descriptors) = (Vec::new(), Vec::new());
        assert_eq!(
            receive_with(&theirs, &mut bytes, &mut descriptors).unwrap(),
            3
        );
        assert_eq!(
            (bytes.as_slice(), descriptors.len()),
            (b"two".as_slice(), 2)
        );
        for descriptor in descriptors {
            let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            File::from(descriptor).write_all(b"x").unwrap();
        }
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(written, "xx");
        drop(ours);
        assert_eq!(
            receive_with(&theirs, &mut bytes, &mut Vec::new()).unwrap(),
            0
        );
    }
}
