//! `upa help exit-codes`.

use std::io::Write as _;

use super::output;
use super::report::Failure;
use crate::exit::Exit;

pub fn run() -> Result<Exit, Failure> {
    let mut out = output::stdout();
    for exit in Exit::ALL {
        writeln!(out, "{:>3}  {}", exit.code(), exit.meaning())?;
    }
    Ok(Exit::Done)
}
