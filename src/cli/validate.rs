//! `upa validate`: every file, without asking any platform.

use std::io::Write as _;

use clap::Args;

use super::report::{self, Failure};
use super::session::{At, Session};
use super::{Global, survey};
use crate::exit::Exit;
use crate::lockstore;
use crate::problem::{Place, Problem};
use crate::render::counted;
use crate::workspace::files::Entry;

/// Check every file of the workspace, without asking any platform.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Check this commit instead of the work tree
    #[arg(long, value_name = "REV")]
    at: Option<String>,
}

pub fn run(global: &Global, args: &ValidateArgs) -> Result<Exit, Failure> {
    let at = args.at.as_deref().map_or(At::WorkTree, At::Revision);
    let session = Session::open(global, at, &[])?;
    let desired = survey::wanted(&session, &[])?;
    let edited = edited_locks(&session, at)?;
    if !edited.is_empty() {
        return Err(Failure::problems(edited));
    }
    write!(anstream::stderr(), "{}", report::problems(&session.warnings))?;
    let resources: usize = desired.tenants.values().map(|tenant| tenant.resources.len()).sum();
    writeln!(
        anstream::stdout(),
        "Valid: {}, {}, {}.",
        counted(desired.tenants.len(), "tenant"),
        counted(session.workspace.versions.len(), "version"),
        counted(resources, "resource")
    )?;
    Ok(Exit::Done)
}

/// Lockfiles that are not as upa wrote them: a pull request may not edit them.
fn edited_locks(session: &Session, at: At<'_>) -> Result<Vec<Problem>, Failure> {
    if !matches!(session.store, lockstore::LockStore::Branch(_)) {
        return Ok(Vec::new());
    }
    let files = match at {
        At::WorkTree => session.repo.work_tree()?,
        At::Revision(revision) => session.repo.at(&session.repo.resolve(revision)?)?,
    };
    let mut problems = Vec::new();
    for path in files.in_folder("tenants/", ".lock") {
        let tenant = path.trim_start_matches("tenants/").trim_end_matches(".lock");
        let kept = session.texts.get(tenant);
        let same = matches!((files.entries.get(path), kept), (Some(Entry::Text(text)), Some(kept)) if text == kept);
        if !same {
            problems.push(
                Problem::configuration(format!("`{path}` is not as upa wrote it"))
                    .at(Place::file(path))
                    .hint(if kept.is_some() {
                        format!("git checkout HEAD -- {path}")
                    } else {
                        format!("remove {path}: `upa apply` writes lockfiles")
                    }),
            );
        }
    }
    Ok(problems)
}
