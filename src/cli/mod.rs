//! The command line: one file per subcommand, each of them the pipeline in a few lines.

pub mod accounts;
mod adopt;
mod apply;
mod approve;
pub mod approved;
pub mod behind;
pub mod claim;
mod demo;
mod doctor;
mod exit_codes;
mod export;
mod history;
mod lease;
mod new;
mod orphans;
pub mod output;
mod plan;
mod platform;
mod progress;
pub mod publish;
mod recover;
mod rehearsal;
mod release;
pub mod report;
pub mod run;
mod sandbox;
mod schema;
pub mod session;
mod sharing;
mod show;
mod signals;
mod status;
pub mod survey;
mod trace;
mod trusted;
mod validate;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;
use crate::outside::{self, Outside};
use report::Failure;

/// Keeps the tenants of a product exactly as Git says they are.
///
/// A tenant is a file in `tenants/`. `plan` shows what would change on the platforms, `apply` does it and commits the
/// lockfile with every id it created. Start with `upa demo`.
#[derive(Debug, Parser)]
#[command(name = "upa", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The workspace's folder
    #[arg(short = 'C', long = "dir", value_name = "DIR", default_value = ".", global = true)]
    pub dir: PathBuf,
    /// Rehearse: serve every account from a sandbox of its own, keep its state and lockfiles in `.upa/rehearsal/`, never
    /// commit
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// Let the sandbox tell lies from this seed, as platforms do on bad days: answers that are lost, cut, old, refused, of a
    /// proxy, or of something else. The same seed tells the same lies
    #[arg(long, global = true, value_name = "SEED", requires = "sandbox")]
    pub chaos_seed: Option<u64>,
    /// Look at the lockfiles that were fetched last instead of asking the remote of `[git]`
    #[arg(long, global = true)]
    pub offline: bool,
    /// Read upa.toml, `platforms/`, encrypted files and lockfiles as this commit says, and only tenants, versions and
    /// templates of what is planned. By default the tip of the remote's default branch
    #[arg(long, global = true, value_name = "REF")]
    pub trusted_ref: Option<String>,
    /// Whether this runs in CI, where what is checked out may be anybody's
    #[arg(skip = in_ci())]
    pub ci: bool,
    /// End a run with what it asked of each account, even where nobody looks on
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// What it can reach
    #[arg(skip = outside::real())]
    pub outside: Arc<dyn Outside>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an example workspace on the embedded sandbox, and walk through it
    Demo(demo::DemoArgs),
    /// Write a new tenant file
    New(new::NewArgs),
    /// Check every file of the workspace, without asking any platform
    Validate(validate::ValidateArgs),
    /// Show what apply would do, and why
    Plan(plan::PlanArgs),
    /// Make the platforms as Git says, and commit the lockfiles
    Apply(apply::ApplyArgs),
    /// Write into a tenant's file that somebody has checked what a gate covers
    Approve(approve::ApproveArgs),
    /// Look for everything that is not as it should be, and say what to type
    Doctor(doctor::DoctorArgs),
    /// List what carries this workspace's mark and is in no lockfile
    Orphans(orphans::OrphansArgs),
    /// Rebuild a lost lockfile from the marks that objects carry
    Recover(recover::RecoverArgs),
    /// Show who is applying now, or take a claim away
    Lease(lease::LeaseArgs),
    /// Show the fleet as a table
    Status(status::StatusArgs),
    /// Show what is recorded of a tenant
    Show(show::ShowArgs),
    /// Find whose an object or a webhook is
    Trace(trace::TraceArgs),
    /// Turn a running workflow or object into a template
    Export(export::ExportArgs),
    /// Write what was changed on the platform back into Git's files
    Adopt(adopt::AdoptArgs),
    /// Make edited templates the next revision of their version
    Release(release::ReleaseArgs),
    /// Serve the sandbox on a loopback port until it is stopped
    Sandbox(sandbox::SandboxArgs),
    /// Show what is known about platforms, and check a definition against the vendor's contract
    Platform(platform::PlatformArgs),
    /// Print the JSON Schema of a file people write
    Schema(schema::SchemaArgs),
    /// Print what each exit status means (also: `upa help exit-codes`)
    #[command(name = "exit-codes", hide = true)]
    ExitCodes,
}

/// Whether this runs in CI.
#[expect(clippy::disallowed_methods, reason = "edge: this is where CI is noticed")]
fn in_ci() -> bool {
    ["CI", "GITHUB_ACTIONS"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true") || value == "1"))
}

/// Runs the command line; the exit status is the process's.
pub fn main() -> Exit {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|word| word == "help") && arguments.get(2).is_some_and(|word| word == "exit-codes")
    {
        return finish(exit_codes::run());
    }
    match Cli::try_parse_from(arguments) {
        Ok(cli) => finish(run(&cli)),
        Err(error) => {
            let text = error.render();
            // Arguments may be a stranger's too: the name of a branch.
            let _ = match error.use_stderr() {
                true => write!(output::stderr(), "{}", text.ansi()),
                false => write!(output::stdout(), "{}", text.ansi()),
            };
            if error.use_stderr() { Exit::Usage } else { Exit::Done }
        }
    }
}

fn finish(result: Result<Exit, Failure>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            let _ = write!(output::stderr(), "{}", report::failure(&failure));
            failure.exit
        }
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(args) => block_on(demo::run(args)),
        Command::New(args) => new::run(global, args),
        Command::Validate(args) => validate::run(global, args),
        Command::Plan(args) => block_on(plan::run(global, args)),
        Command::Apply(args) => block_on(apply::run(global, args)),
        Command::Approve(args) => approve::run(global, args),
        Command::Doctor(args) => block_on(doctor::run(global, args)),
        Command::Orphans(args) => block_on(orphans::run(global, args)),
        Command::Recover(args) => block_on(recover::run(global, args)),
        Command::Lease(args) => lease::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Show(args) => show::run(global, args),
        Command::Trace(args) => trace::run(global, args),
        Command::Export(args) => block_on(export::run(global, args)),
        Command::Adopt(args) => block_on(adopt::run(global, args)),
        Command::Release(args) => release::run(global, args),
        Command::Sandbox(args) => block_on(sandbox::run(global, args)),
        Command::Platform(args) => platform::run(global, args),
        Command::Schema(args) => schema::run(args),
        Command::ExitCodes => exit_codes::run(),
    }
}

/// The one runtime.
fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Asks a person, unless they have said yes already; where nobody is, `else_say` is what they could have said.
fn confirm(yes: bool, question: &str, else_say: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "nobody is there to ask").hint(else_say));
    }
    write!(output::stderr(), "\n{question}? Only `yes` does: ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "not confirmed, nothing was changed"))
}
