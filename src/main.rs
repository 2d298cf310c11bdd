//! The process: tracing, the command line, the exit status.

use std::fs::{File, OpenOptions};
use std::process::ExitCode;
use std::sync::Mutex;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};
use upa::cli::output::{self, Guarded};

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("UPA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // Libraries log what they handle as it is, keys included, whatever is asked for: what upa logs itself is redacted.
    let own = filter_fn(|event| event.target().split("::").next() == Some("upa"));
    let (writer, colours) = match log_file() {
        Some(file) => (BoxMakeWriter::new(Mutex::new(Guarded::new(file))), false),
        None => (BoxMakeWriter::new(output::stderr), output::coloured_log()),
    };
    let log = fmt::layer().with_ansi(colours).with_writer(writer);
    registry().with(log.with_filter(filter.and(own))).init();
    ExitCode::from(upa::cli::main().code())
}

/// Where the log goes instead of the terminal, if `UPA_LOG_FILE` names a file that can be written.
fn log_file() -> Option<File> {
    let path = std::env::var_os("UPA_LOG_FILE")?;
    OpenOptions::new().create(true).append(true).open(path).ok()
}
