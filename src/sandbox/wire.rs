//! The TCP side: connections that close when idle or half open, and connections that can be cut without an answer.
//!
//! n8n closes a connection that was idle for five seconds (`Keep-Alive: timeout=5`; one idle for 4.5 s worked, after
//! 6.5 s it was gone), which breaks clients with a longer pool timeout. Hyper offers neither this nor "answer
//! nothing", so both happen here, below it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use axum::serve::Listener;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::Sleep;

use super::door::ARRIVES_WITHIN;

const IDLE: Duration = Duration::from_secs(5);

/// Hands out connections of the kind described above.
#[derive(Debug)]
pub struct Wires {
    listener: TcpListener,
}

impl Wires {
    pub fn new(listener: TcpListener) -> Wires {
        Wires { listener }
    }
}

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        (Wire::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Given to each request of a connection, to cut it.
#[derive(Debug, Clone, Default)]
pub struct Scissors {
    cut: Arc<AtomicBool>,
    /// The head of a request has arrived, and it is not answered yet.
    arrived: Arc<AtomicBool>,
}

impl Scissors {
    /// From now on nothing is written to this connection, and it ends with the current answer.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// The head of a request has arrived: from here on its answer may take its time.
    pub fn arrived(&self) {
        self.arrived.store(true, Ordering::Release);
    }

    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

impl Connected<IncomingStream<'_, Wires>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Scissors {
        stream.io().scissors.clone()
    }
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    scissors: Scissors,
    /// Runs between an answer and the next request, and from the first byte of that until its head is there; so a slow
    /// answer is never taken for an idle caller.
    timer: Pin<Box<Sleep>>,
    /// No byte of a request has come since the last answer.
    answered: bool,
}

impl Wire {
    fn new(stream: TcpStream) -> Wire {
        Wire {
            stream,
            scissors: Scissors::default(),
            timer: Box::pin(tokio::time::sleep(IDLE)),
            answered: true,
        }
    }

    /// It is the caller's turn.
    fn waits(&self) -> bool {
        self.answered || !self.scissors.arrived.load(Ordering::Acquire)
    }

    fn wrote(&mut self) {
        self.answered = true;
        self.scissors.arrived.store(false, Ordering::Release);
        self.timer.as_mut().reset(Instant::now() + IDLE);
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut by a sandbox fault")
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let read = Pin::new(&mut wire.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(_) => {
                if wire.answered {
                    wire.answered = false;
                    wire.timer.as_mut().reset(Instant::now() + ARRIVES_WITHIN);
                }
                read
            }
            // Nothing read and no error is the end of the stream: hyper closes.
            Poll::Pending if wire.waits() && wire.timer.as_mut().poll(context).is_ready() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.scissors.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        wire.wrote();
        Pin::new(&mut wire.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.scissors.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        wire.wrote();
        Pin::new(&mut wire.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        // Hyper may be waiting for the next request already: the timer has to wake it by itself.
        let _ = wire.timer.as_mut().poll(context);
        Pin::new(&mut wire.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
