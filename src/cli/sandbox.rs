//! `upa sandbox`: the embedded sandbox as a server, for a look with other tools.

use std::io::Write as _;

use clap::{Args, ValueEnum};

use super::Global;
use super::accounts::{start_sandbox, url_file};
use super::output;
use super::rehearsal;
use super::report::Failure;
use super::session::{At, Session};
use super::signals::Signals;
use crate::exit::Exit;
use crate::sandbox::SandboxError;
use crate::sandbox::n8n::{Endpoints, Options, Publication};

/// Serve the sandbox on a loopback port until it is stopped. Other commands use it while it runs.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// The port; a free one by default
    #[arg(long)]
    port: Option<u16>,
    /// Which n8n to imitate
    #[arg(long, value_enum, default_value_t = Age::Newest)]
    n8n: Age,
}

/// How n8n behaved over time.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Age {
    /// Publication takes effect some time after the answer
    Newest,
    /// Publication takes effect before the answer
    Synchronous,
    /// Besides, publishing is called `/activate`
    Old,
}

impl Age {
    fn options(self) -> Options {
        let publication = match self {
            Age::Newest => Publication::default(),
            Age::Synchronous | Age::Old => Publication::Synchronous,
        };
        let endpoints = match self {
            Age::Newest | Age::Synchronous => Endpoints::New,
            Age::Old => Endpoints::Old,
        };
        Options { publication, endpoints }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where the address of the server is left for others"
)]
pub async fn run(global: &Global, args: &SandboxArgs) -> Result<Exit, Failure> {
    let session = Session::open(global, At::WorkTree, &[])?;
    // Whoever reads the address may stop it at once.
    let mut stopped = Signals::listen()?;
    let folder = rehearsal::folder(&session.repo, session.rehearses)?;
    let sandbox = match start_sandbox(&session.workspace, &folder, args.port, &args.n8n.options()).await {
        Ok(sandbox) => sandbox,
        Err(error @ SandboxError::InUse) => {
            return Err(Failure::new(Exit::Leased, error.to_string()).hint("stop the other one first"));
        }
        Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
    };
    if session.rehearses {
        rehearsal::connect(&session.workspace, &sandbox).await?;
    }
    if let Some(seed) = session.chaos {
        sandbox.lie(seed);
    }
    let file = url_file(&folder);
    std::fs::write(&file, sandbox.url()).map_err(crate::outside::naming(&file))?;
    let mut out = output::stdout();
    writeln!(
        out,
        "The sandbox listens on {}. Its key is in {}. Ctrl-C stops it.",
        sandbox.url(),
        folder
            .strip_prefix(session.repo.root())
            .unwrap_or(&folder)
            .join("sandbox.key")
            .display()
    )?;
    for (name, _) in session
        .workspace
        .settings
        .accounts
        .iter()
        .filter(|(_, settings)| settings.sandbox)
    {
        writeln!(
            out,
            "  {name:<12} {:<12} {}",
            session.workspace.platform_of(name),
            sandbox.account_url(name)
        )?;
    }
    out.flush()?;
    stopped.next().await;
    let _ = std::fs::remove_file(&file);
    sandbox.stop().await;
    Ok(Exit::Done)
}
