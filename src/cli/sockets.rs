//! What the system is told about sockets: how many there may be, and how long one may take nothing of what it is sent.

use std::any::Any;
use std::io;
use std::num::NonZero;
use std::os::fd::AsFd;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A caller that takes nothing for so long does not read: its connection ends, and with it what waits to be sent. Whoever
/// reads slowly takes something now and then.
const UNREAD_FOR: Duration = Duration::from_secs(60);
/// What the framework takes at most for each worker.
const MOST_OF_A_WORKER: usize = 25_600;

/// Raises the limit of descriptors to what this process may have: the usual one of 1024 is for programs that use `select`.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Connections of callers for each worker. The rest of the descriptors is for vendors, the database and files: without them a
/// connection is of no use.
pub fn of_each_worker() -> usize {
    let workers = available_parallelism().map_or(1, NonZero::get);
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    (limit / 4).saturating_mul(3).checked_div(workers).unwrap_or(1).clamp(1, MOST_OF_A_WORKER)
}

/// For every connection that is accepted.
pub fn accepted(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = end_when_unread(stream, UNREAD_FOR) {
        tracing::debug!(%error, "a connection takes no time limit");
    }
}

fn end_when_unread(stream: impl AsFd, after: Duration) -> io::Result<()> {
    Ok(set_tcp_user_timeout(stream, u32::try_from(after.as_millis()).unwrap_or(u32::MAX))?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_connection_that_nobody_reads_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        end_when_unread(&stream, Duration::from_secs(1)).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        let started = Instant::now();
        let ended = loop {
            if let Err(error) = stream.write_all(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut, "{ended}");
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }

    #[test]
    fn some_descriptors_are_left_for_vendors() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        let all = of_each_worker() * available_parallelism().unwrap().get();
        assert!(limit.current.is_none_or(|limit| u64::try_from(all).unwrap() < limit), "{all} of {limit:?}");
    }
}
