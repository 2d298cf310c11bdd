//! Where everything is printed: stdout and stderr behind a [`Barrier`], with colours where they are wanted.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};

use crate::visible::Barrier;

/// A stream on which no text of a stranger acts.
pub struct Guarded<W: Write> {
    to: W,
    barrier: Barrier,
}

/// The output of a command.
pub fn stdout() -> Guarded<AutoStream<io::Stdout>> {
    Guarded::new(AutoStream::auto(io::stdout()))
}

/// Findings, questions and progress.
pub fn stderr() -> Guarded<AutoStream<io::Stderr>> {
    Guarded::new(AutoStream::auto(io::stderr()))
}

/// Whether a log on stderr may be coloured: on a terminal, and where nothing forbids it (`NO_COLOR`, `TERM=dumb`).
pub fn coloured_log() -> bool {
    io::stderr().is_terminal() && AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

impl<W: Write> Guarded<W> {
    /// A guarded stream at the beginning of a line.
    pub fn new(to: W) -> Self {
        Self {
            to,
            barrier: Barrier::default(),
        }
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.barrier.pass(&String::from_utf8_lossy(bytes));
        self.to.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// As one text, so that no character is cut into two writes.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let text = self.barrier.pass(&text.to_string());
        self.to.write_all(text.as_bytes())
    }
}
