//! Requests that come when their time has come, whether the machine keeps up or not. One thread sends and reads them all,
//! because threads that wake one another would cost more than what is measured; a runtime's timers are too coarse.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;

use crate::load::{BUFFER, Reply};

/// From the moment that each of `rate` requests a second was due, `time` long, to its last byte; ascending. When all of
/// `connections` wait for a reply, what is due waits for the first of them.
pub fn latencies(
    address: SocketAddr,
    connections: u64,
    rate: f64,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8> + Send,
) -> Vec<Duration> {
    // A thread of its own, because it keeps its slack.
    std::thread::scope(|scope| {
        let run = scope.spawn(move || run(address, connections, rate, time, request));
        run.join().expect("a run that ends well")
    })
}

fn run(
    address: SocketAddr,
    connections: u64,
    rate: f64,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8>,
) -> Vec<Duration> {
    set_current_timer_slack(NonZeroU64::new(1)).expect("a timer without slack");
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let mut callers: Vec<_> = (0..connections).map(|number| Caller::open(address, &poll, number)).collect();
    let mut free: VecDeque<_> = (0..callers.len()).collect();
    let mut events = Vec::with_capacity(callers.len());
    let mut taken = Vec::new();
    let interval = Duration::from_secs_f64(1.0 / rate);
    let first = Instant::now();
    let (mut sent, mut due) = (0, first);
    while due < first + time || free.len() < callers.len() {
        while due < first + time && due <= Instant::now() {
            let Some(number) = free.pop_front() else { break };
            callers[number].send(&request(sent), due);
            sent += 1;
            due = first + interval.mul_f64(sent as f64);
        }
        let wait = (due < first + time && !free.is_empty()).then(|| due.saturating_duration_since(Instant::now()));
        let wait = wait.map(|wait| Timespec::try_from(wait).expect("a short time"));
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), wait.as_ref()) {
            // The process was stopped for a while.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("no events: {error}"),
        }
        for event in &events {
            let number = usize::try_from(event.data.u64()).expect("a number");
            if let Some(latency) = callers[number].read() {
                taken.push(latency);
                free.push_back(number);
            }
        }
    }
    taken.sort();
    taken
}

/// One connection, and the request on it.
struct Caller {
    stream: TcpStream,
    due: Instant,
    reply: Reply,
    buffer: Vec<u8>,
}

impl Caller {
    fn open(address: SocketAddr, poll: &OwnedFd, number: u64) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_nonblocking(true).expect("no blocking");
        epoll::add(poll, &stream, epoll::EventData::new_u64(number), epoll::EventFlags::IN).expect("a place");
        Self { stream, due: Instant::now(), reply: Reply::default(), buffer: vec![0; BUFFER] }
    }

    fn send(&mut self, request: &[u8], due: Instant) {
        (self.due, self.reply) = (due, Reply::default());
        self.stream.write_all(request).expect("a sent request");
    }

    /// Once the reply is whole, how long it took.
    fn read(&mut self) -> Option<Duration> {
        match self.stream.read(self.reply.space(&mut self.buffer)) {
            Ok(read) => self.reply.took(read),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("no reply: {error}"),
        }
        self.reply.is_whole(&self.buffer).then(|| self.due.elapsed())
    }
}
