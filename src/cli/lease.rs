//! `upa lease`: who is applying now.

use std::io::Write as _;

use clap::Args;
use uuid::Uuid;

use super::Global;
use super::claim::{failure, time};
use super::output;
use super::report::{self, Failure};
use super::session::{At, Session};
use crate::exit::Exit;
use crate::lease::local::{Lease, Taken};
use crate::lease::remote;
use crate::render::table::table;

/// Show who is applying now, and until when; or take a claim away from a run that is dead.
#[derive(Debug, Args)]
pub struct LeaseArgs {
    /// Take the claim of this run away. If it still works it stops before its next call, and writes no lockfile
    #[arg(long, value_name = "RUN")]
    steal: Option<Uuid>,
}

pub fn run(global: &Global, args: &LeaseArgs) -> Result<Exit, Failure> {
    let session = Session::look(global, At::WorkTree, &[])?;
    let mut out = output::stdout();
    let Some(remote) = session.remote() else {
        if args.steal.is_some() {
            return Err(
                Failure::new(Exit::Usage, "there is no remote, so there is no lease to take")
                    .hint("a run in this clone holds a lock as long as it lives: end its process"),
            );
        }
        let line = match Lease::take(&session.repo.private_dir()) {
            Ok(_) => "Nobody is applying in this clone.".to_owned(),
            Err(Taken::ByAnother(who)) => format!("Somebody is applying in this clone ({who})."),
            Err(Taken::Failed(error)) => return Err(error.into()),
        };
        report::heard(writeln!(out, "{line}"))?;
        return Ok(Exit::Done);
    };
    if let Some(run) = args.steal {
        if !remote::steal(&session.repo, remote, run).map_err(failure)? {
            return Err(
                Failure::new(Exit::Usage, format!("run {run} holds nothing")).hint("`upa lease` lists who does")
            );
        }
        report::heard(writeln!(out, "Run {run} holds nothing any more."))?;
        return Ok(Exit::Done);
    }
    let claims = remote::claims(&session.repo, remote).map_err(failure)?;
    if claims.claims.is_empty() {
        report::heard(writeln!(out, "Nobody is applying."))?;
        return Ok(Exit::Done);
    }
    let rows = claims.claims.iter().map(|claim| {
        let tenants: Vec<&str> = claim.tenants.iter().map(String::as_str).collect();
        vec![
            claim.run.to_string(),
            claim.holder.clone(),
            tenants.join(", "),
            claim.fence.to_string(),
            time(claim.expires),
        ]
    });
    let text = table(&["run", "holder", "tenants", "fence", "expires"], rows);
    report::heard(write!(out, "{text}"))?;
    Ok(Exit::Done)
}
