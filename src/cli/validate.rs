//! `upa validate`: every file, without asking any platform.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use clap::Args;

use super::output;
use super::report::{self, Failure};
use super::session::{At, Session};
use super::{Global, survey};
use crate::exit::Exit;
use crate::lockstore::LockStore;
use crate::plan::{Places, unseen};
use crate::problem::{Place, Problem};
use crate::render::counted;
use crate::secret::FingerprintKey;
use crate::workspace::files::{Entry, Files};

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
    // No platform is asked.
    let owners = BTreeMap::new();
    let places = Places::of(&desired, &session.locks, &owners, &session.workspace.registry).conflicts();
    if !places.is_empty() {
        return Err(Failure::problems(
            places.into_iter().map(|(_, problem)| problem).collect(),
        ));
    }
    let mut warnings = session.warnings;
    if session.workspace.settings.workspace.fingerprint_key.is_none() {
        warnings.extend(unseen::without_key(&desired, &FingerprintKey::Unset));
    }
    write!(output::stderr(), "{}", report::problems(&warnings))?;
    let resources: usize = desired.tenants.values().map(|tenant| tenant.resources.len()).sum();
    writeln!(
        output::stdout(),
        "Valid: {}, {}, {}.",
        counted(desired.count(), "tenant"),
        counted(session.workspace.versions.len(), "version"),
        counted(resources, "resource")
    )?;
    Ok(Exit::Done)
}

/// Lockfiles that are not as upa wrote them: a pull request may not edit them. It may hold older ones, because others
/// are applied while it is open, so what counts is where it branched off.
fn edited_locks(session: &Session, at: At<'_>) -> Result<Vec<Problem>, Failure> {
    let (tip, branch) = match &session.store {
        LockStore::Branch(reference) => (
            session.repo.resolve(reference).ok(),
            reference.trim_start_matches("refs/heads/").to_owned(),
        ),
        LockStore::Remote(target) => (
            session.repo.known_tip(target),
            format!("{}/{}", target.remote.name(), target.branch),
        ),
        LockStore::Commit(commit) => (Some(commit.clone()), commit.clone()),
        LockStore::Folder(_) => (None, String::new()),
    };
    let Some(tip) = tip else {
        return Ok(Vec::new());
    };
    let (files, commit) = match at.revision() {
        None => (session.repo.work_tree()?, session.repo.head()?),
        Some(revision) => {
            let commit = session.repo.resolve(revision)?;
            (session.repo.at(&commit)?, commit)
        }
    };
    let Some(base) = session.repo.merge_base(&commit, &tip)? else {
        return Ok(Vec::new());
    };
    let before = session.repo.at(&base)?;
    let locks =
        |files: &Files| -> BTreeSet<String> { files.in_folder("tenants/", ".lock").map(str::to_owned).collect() };
    let mut problems = Vec::new();
    for path in locks(&files).union(&locks(&before)) {
        let tenant = path.trim_start_matches("tenants/").trim_end_matches(".lock");
        let newest = session.texts.get(tenant);
        let as_kept =
            matches!((files.entries.get(path), newest), (Some(Entry::Text(text)), Some(newest)) if text == newest);
        if as_kept || files.entries.get(path) == before.entries.get(path) {
            continue;
        }
        problems.push(
            Problem::configuration(format!("`{path}` is not as upa wrote it"))
                .at(Place::file(&**path))
                .hint(if newest.is_some() {
                    format!("git checkout {branch} -- {path}")
                } else {
                    format!("remove {path}: `upa apply` writes lockfiles")
                }),
        );
    }
    Ok(problems)
}
