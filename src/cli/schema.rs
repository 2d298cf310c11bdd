//! `upa schema`: the JSON Schema of a file people write, for editors.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::output;
use super::report::Failure;
use crate::exit::Exit;
use crate::platform::definition;
use crate::visible;
use crate::workspace::load;

/// Print the JSON Schema of a file people write: exactly what `upa validate` checks.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[arg(value_enum)]
    file: File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    /// tenants/<name>.toml
    Tenant,
    /// versions/<product>/<version>.toml
    Version,
    /// upa.toml
    Workspace,
    /// platforms/<name>.toml
    Platform,
}

pub fn run(args: &SchemaArgs) -> Result<Exit, Failure> {
    let schema = match args.file {
        File::Tenant => &load::TENANT,
        File::Version => &load::VERSION,
        File::Workspace => &load::SETTINGS,
        File::Platform => &definition::SCHEMA,
    };
    writeln!(output::stdout(), "{}", visible::json(schema.json()))?;
    Ok(Exit::Done)
}
