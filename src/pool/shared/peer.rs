//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// The process and the user that made the connection, as this process sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// 0 where the process is in another namespace, as in another container of the pod.
    pub(super) process: u32,
    pub(super) user: u32,
}

/// Asks the kernel.
#[allow(unsafe_code)]
pub(super) fn peer(socket: &UnixStream) -> io::Result<Peer> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: libc::uid_t::MAX,
        gid: libc::gid_t::MAX,
    };
    let expected = size_of::<libc::ucred>() as libc::socklen_t;
    let mut length = expected;
    // SAFETY: the kernel writes at most `length` bytes, the size of the value it is pointed to, and any bytes are a
    // value of that type. (rustix has a process number there that must not be 0, but it is for an invisible process.)
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    if length != expected {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Peer {
        process: u32::try_from(credentials.pid).unwrap_or(0),
        user: credentials.uid,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::{Peer, peer};

    #[test]
    fn the_peer_of_our_own_socket_is_us() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let us = Peer {
            process: std::process::id(),
            user: rustix::process::geteuid().as_raw(),
        };
        assert_eq!(peer(&ours).unwrap(), us);
    }
}
