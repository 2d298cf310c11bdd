//! The process: tracing, the command line, the exit status.

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

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
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    ExitCode::from(upa::cli::main().code())
}
