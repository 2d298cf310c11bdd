//! The process: tracing, the command line, the exit status.

use std::fs::{File, OpenOptions};
use std::process::ExitCode;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// What speaks HTTP below upa. It logs what it handles as it is, so that asking for more from upa (`UPA_LOG=debug`) must
/// not make it speak: what upa logs itself is redacted.
const SILENCED: [&str; 6] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tower"];

fn main() -> ExitCode {
    let mut filter = EnvFilter::try_from_env("UPA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    for directive in SILENCED
        .iter()
        .filter_map(|name| format!("{name}=warn").parse::<Directive>().ok())
    {
        filter = filter.add_directive(directive);
    }
    let (writer, colours) = match log_file() {
        Some(file) => (BoxMakeWriter::new(Mutex::new(file)), false),
        None => (BoxMakeWriter::new(std::io::stderr), true),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(writer)
        .init();
    ExitCode::from(upa::cli::main().code())
}

/// Where the log goes instead of the terminal, if `UPA_LOG_FILE` names a file that can be written.
fn log_file() -> Option<File> {
    let path = std::env::var_os("UPA_LOG_FILE")?;
    OpenOptions::new().create(true).append(true).open(path).ok()
}
