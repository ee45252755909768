//! The port of `serve`: taken at the start, open when calls can be served, and closed to newcomers before it goes.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the system accepts ahead of the server.
const BACKLOG: i32 = 1024;

/// A port that nobody else can take and that is not open yet: who connects is refused, so a proxy asks another server, and
/// nothing that was sent can be lost.
pub struct Port(Socket);

/// A handle to an open port, for its end.
pub struct Door(Socket);

impl Port {
    pub fn reserve(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier process that still end do not keep the port from the next.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        Ok(Self(socket))
    }

    /// As the system gave it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    pub fn open(self) -> io::Result<(TcpListener, Door)> {
        self.0.listen(BACKLOG)?;
        let door = Door(self.0.try_clone()?);
        Ok((self.0.into(), door))
    }
}

impl Door {
    /// Lets nobody in any more who has not knocked yet. A port that closes resets what the system has accepted and the server
    /// has not; so newcomers must end first. Their first packet (SYN) is dropped: they send it again after a second, find the
    /// port closed, and have lost nothing. Who has already begun to connect gets in.
    #[cfg(target_os = "linux")]
    pub fn close_to_newcomers(self) -> io::Result<()> {
        use socket2::SockFilter;
        // The flags of a TCP header are its byte 13, and SYN is their second bit (RFC 9293 section 3.1).
        // A filter is a little program: load that byte; if the bit is set go on, else skip one; drop; pass all.
        let (load_byte, jump_if_set, result) = (0x30, 0x45, 0x06);
        let drop_syn = [
            SockFilter::new(load_byte, 0, 0, 13),
            SockFilter::new(jump_if_set, 0, 1, 0x02),
            SockFilter::new(result, 0, 0, 0),
            SockFilter::new(result, 0, 0, u32::MAX),
        ];
        self.0.attach_filter(&drop_syn)
    }

    /// Elsewhere nobody is held off.
    #[cfg(not(target_os = "linux"))]
    pub fn close_to_newcomers(self) -> io::Result<()> {
        drop(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    fn loopback() -> Port {
        Port::reserve("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_port_is_taken_before_it_is_open() {
        let port = loopback();
        let address = port.0.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let (listener, _door) = port.open().unwrap();
        assert_eq!(Port::reserve(address).err().unwrap().kind(), ErrorKind::AddrInUse);
        TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_door_that_closes_lets_in_who_has_knocked_and_nobody_else() {
        let (listener, door) = loopback().open().unwrap();
        let address = listener.local_addr().unwrap();
        let mut before = TcpStream::connect(address).unwrap();
        door.close_to_newcomers().unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        before.write_all(b"here").unwrap();
        let mut read = [0; 4];
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.read_exact(&mut read).unwrap();
        accepted.write_all(&read).unwrap();
        before.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"here");
    }
}
