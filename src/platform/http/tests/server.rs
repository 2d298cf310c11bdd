//! A server on loopback that does what it is told, and remembers what arrived.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is done with a request.
pub enum Act {
    /// Status, more headers (each with its line end), body.
    Answer(u16, String, Vec<u8>),
    /// The same, after a while.
    Slowly(Duration, u16),
    /// The connection is closed without an answer.
    Cut,
    /// The connection is closed in the middle of the answer.
    CutInside,
    /// Never an answer.
    Hang,
}

pub fn json(status: u16, body: &str) -> Act {
    Act::Answer(status, "content-type: application/json\r\n".to_owned(), body.into())
}

pub fn after(status: u16, value: &str) -> Act {
    let headers = format!("content-type: application/json\r\nretry-after: {value}\r\n");
    Act::Answer(status, headers, b"{}".to_vec())
}

/// A request as it arrived.
#[derive(Clone)]
pub struct Seen {
    pub at: Instant,
    /// Request line and headers, in lower case.
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

pub struct Server {
    pub url: String,
    state: Arc<State>,
}

impl Server {
    /// Does `act` for each request; it is given the request's number, from 0.
    pub async fn start(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let (act, shared) = (Arc::new(act), state.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, shared.clone(), act.clone()));
            }
        });
        Self { url, state }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were in work at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>, act: Arc<impl Fn(usize) -> Act>) -> Option<()> {
    loop {
        let seen = request(&mut stream).await?;
        let number = {
            let mut all = state.seen.lock().unwrap();
            all.push(seen);
            all.len() - 1
        };
        let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(now, Ordering::SeqCst);
        let answer = match act(number) {
            Act::Answer(status, headers, body) => Some((status, headers, body)),
            Act::Slowly(time, status) => {
                tokio::time::sleep(time).await;
                Some((status, "content-type: application/json\r\n".to_owned(), b"{}".to_vec()))
            }
            Act::Cut => None,
            Act::CutInside => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\":";
                stream.write_all(half).await.ok()?;
                None
            }
            Act::Hang => std::future::pending().await,
        };
        state.at_once.fetch_sub(1, Ordering::SeqCst);
        let (status, headers, body) = answer?;
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
    }
}

async fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            while bytes.len() < end + 4 + length {
                more(stream, &mut bytes).await?;
            }
            return Some(Seen {
                at: Instant::now(),
                head,
                body: String::from_utf8(bytes[end + 4..].to_vec()).unwrap(),
            });
        }
        more(stream, &mut bytes).await?;
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4096];
    let read = stream.read(&mut part).await.ok()?;
    bytes.extend_from_slice(&part[..read]);
    (read > 0).then_some(())
}
