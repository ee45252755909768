//! Somebody who wants to be told what happens, and whom a test can flip: takes notices, refuses them, hangs up, keeps
//! them waiting.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::wire::{Arrived, read_message};

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// With a header of its own.
    With(u16, &'static str),
    HangUp,
    /// Taken, but only once the test releases it.
    Late,
}

pub const TAKE: Answer = Answer::Status(204);

/// A notice as it came.
#[derive(Debug, Clone)]
pub struct Told {
    pub request: Arrived,
    pub notice: Value,
    pub answer: Answer,
}

impl Told {
    pub fn id(&self) -> &str {
        self.request.header("webhook-id").expect("an id")
    }

    pub fn kind(&self) -> &str {
        self.notice["type"].as_str().expect("a type")
    }

    pub fn instance(&self) -> i64 {
        self.notice["data"]["instanceId"].as_i64().expect("an instance")
    }
}

type Behaviour = Box<dyn Fn(&Value) -> Answer + Send>;

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    told: Arc<Mutex<Vec<Told>>>,
    released: watch::Sender<bool>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let receiver = Self {
            address: listener.local_addr().expect("an address"),
            behaviour: Arc::new(Mutex::new(Box::new(|_| TAKE))),
            told: Arc::default(),
            released: watch::Sender::new(false),
        };
        let shared = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = shared.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/notices?key=receivers-own", self.address)
    }

    /// From now on, by the notice.
    pub fn behaves(&self, behaviour: impl Fn(&Value) -> Answer + Send + 'static) {
        *self.behaviour.lock().expect("no test panicked here") = Box::new(behaviour);
    }

    /// From now on, whatever comes.
    pub fn answers(&self, answer: Answer) {
        self.behaves(move |_| answer.clone());
    }

    /// Answers what was kept waiting, and no longer keeps anything waiting.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// Every attempt, in the order in which they came.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().expect("no test panicked here").clone()
    }

    /// What was taken, or will be.
    pub fn taken(&self) -> Vec<Told> {
        let taken = |told: &Told| matches!(told.answer, Answer::Status(200..=299) | Answer::Late);
        self.told().into_iter().filter(taken).collect()
    }

    /// The kinds that were taken about an instance, in their order.
    pub fn taken_about(&self, instance: i64) -> Vec<String> {
        let about = |told: &Told| (told.instance() == instance).then(|| told.kind().to_owned());
        self.taken().iter().filter_map(about).collect()
    }

    /// Waits until so many attempts came, for work that nobody here awaits.
    pub async fn hears(&self, attempts: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.told().len() < attempts {
            assert!(Instant::now() < deadline, "{} of {attempts} attempts came", self.told().len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn serve(&self, mut stream: TcpStream) {
        while let Some(request) = read_message(&mut stream).await {
            let notice: Value = serde_json::from_slice(&request.body).expect("a notice is JSON");
            let answer = (self.behaviour.lock().expect("no test panicked here"))(&notice);
            self.told.lock().expect("no test panicked here").push(Told { request, notice, answer: answer.clone() });
            let head = match answer {
                Answer::Status(status) => format!("HTTP/1.1 {status} -\r\n"),
                Answer::With(status, header) => format!("HTTP/1.1 {status} -\r\n{header}\r\n"),
                Answer::HangUp => return,
                Answer::Late => {
                    let _ = self.released.subscribe().wait_for(|released| *released).await;
                    "HTTP/1.1 200 -\r\n".to_owned()
                }
            };
            let body = if head.contains(" 204 ") { "" } else { "content-length: 0\r\n" };
            if stream.write_all(format!("{head}{body}\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
