//! Finding the commit that is trusted: what a pull request may not change is read from it.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::Global;
use super::report::Failure;
use super::session::Fetch;
use crate::exit::Exit;
use crate::outside::naming;
use crate::problem::Problem;
use crate::repo::{Remote, Repo, RepoError, Target};
use crate::trust;
use crate::workspace::{Files, Workspace, load};

/// The commit that is trusted.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub commit: String,
    /// What it is called in messages.
    pub name: String,
    /// The remote's default branch, if it was found by that.
    pub default: Option<Target>,
    /// Whether the head is part of it, or is a person's own on their own machine: then its tenants are trusted too.
    pub merged: bool,
}

const HINT: &str = "name it: `--trusted-ref origin/main`, after `git fetch` of that branch";

/// The trusted commit: the named one, else the tip of the remote's default branch as it is now. `None` is a person who works
/// without a remote, or only looks at files. `head` is the commit of the files, or `None` for the work tree.
pub fn find(
    global: &Global,
    repo: &Repo,
    files: &Files,
    head: Option<&str>,
    fetch: Fetch,
) -> Result<Option<Trusted>, Failure> {
    let found = match &global.trusted_ref {
        Some(revision) if names_head(revision) => {
            let why = format!("`--trusted-ref {revision}` is whatever is checked out, which a pull request chooses");
            return Err(
                Failure::new(Exit::Configuration, why).hint("name a protected branch: `--trusted-ref origin/main`")
            );
        }
        Some(revision) => Some((repo.resolve(revision)?, format!("`{revision}`"), None)),
        None if fetch == Fetch::No => None,
        None if global.ci => by_ci(global, repo, files, fetch)?,
        None => by_remote(global, repo, load::remote(files), fetch)?,
    };
    let Some((commit, name, default)) = found else {
        return Ok(None);
    };
    let strict = global.ci || global.trusted_ref.is_some();
    let merged = !strict || {
        let at = match head {
            Some(head) => head.to_owned(),
            None => repo.head()?,
        };
        repo.contains(&commit, &at) && (head.is_some() || repo.uncommitted(&BTreeSet::new())?.is_empty())
    };
    if repo.text_at(&commit, "upa.toml")?.is_none() {
        return match strict {
            true => Err(Failure::new(
                Exit::Configuration,
                format!("{name}, which is trusted, has no `upa.toml`"),
            )
            .hint("have it merged first: it says where keys go")),
            false => Ok(None),
        };
    }
    Ok(Some(Trusted {
        commit,
        name,
        default,
        merged,
    }))
}

/// Whether a revision starts from what is checked out: `HEAD~1`, `@^2`.
fn names_head(revision: &str) -> bool {
    let start = revision.split(['~', '^', '@', ':']).next().unwrap_or_default();
    start == "HEAD" || start.is_empty()
}

type Found = (String, String, Option<Target>);

/// In CI the head is believed nothing, not even which remote counts.
fn by_ci(global: &Global, repo: &Repo, files: &Files, fetch: Fetch) -> Result<Option<Found>, Failure> {
    let remotes = repo.remotes()?;
    let remote = match remotes.as_slice() {
        [only] => Some(only.clone()),
        several => several.iter().find(|name| *name == "origin").cloned(),
    };
    let unknown = |why: String| {
        Failure::new(
            Exit::Configuration,
            format!("this runs in CI, and which commit is trusted cannot be known: {why}"),
        )
        .hint(HINT)
    };
    let why = match remote {
        None => "this clone has no remote, or several".to_owned(),
        Some(_) if global.offline => "`--offline` asks no remote".to_owned(),
        Some(remote) => match by_remote(global, repo, Some(remote.clone()), fetch) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => format!("the remote `{remote}` has no default branch"),
            Err(failure) => failure.message.unwrap_or_default().to_string(),
        },
    };
    // What is all in the sandbox needs no key and reaches nothing.
    match load::is_all_sandbox(files) {
        true => Ok(None),
        false => Err(unknown(why)),
    }
}

fn by_remote(global: &Global, repo: &Repo, remote: Option<String>, fetch: Fetch) -> Result<Option<Found>, Failure> {
    let Some(remote) = remote else { return Ok(None) };
    let remote = Remote::new(repo, &remote)?;
    let asks = fetch != Fetch::Fetched && (!global.offline || fetch == Fetch::Always);
    let default = match asks {
        true => match (repo.fetch_default(&remote), fetch) {
            (Err(RepoError::Unreachable { .. }), Fetch::Try) if !global.ci => repo.known_default(&remote)?,
            (Err(error @ RepoError::Unreachable { .. }), Fetch::Usually) => {
                return Err(Failure::from(error).hint("to go by what was fetched last: `--offline`"));
            }
            (answer, _) => answer?,
        },
        false => repo.known_default(&remote)?,
    };
    let Some(default) = default else { return Ok(None) };
    let Some(tip) = repo.known_tip(&default) else {
        return Ok(None);
    };
    let name = format!("`{}` of the remote `{}`", default.branch, remote.name());
    Ok(Some((tip, name, Some(default))))
}

/// The files to plan, and what is told of those that are not believed.
pub fn files(repo: &Repo, trusted: &Trusted, head: Files, at: Option<&str>) -> Result<(Files, Vec<Problem>), Failure> {
    let base = base(repo, trusted, at)?;
    let base = base.map(|base| repo.at(&base)).transpose()?;
    let theirs = repo.at(&trusted.commit)?;
    Ok(trust::believed(head, base.as_ref(), &theirs, &trusted.name))
}

fn base(repo: &Repo, trusted: &Trusted, at: Option<&str>) -> Result<Option<String>, RepoError> {
    let at = match at {
        Some(at) => at.to_owned(),
        None => repo.head()?,
    };
    repo.merge_base(&at, &trusted.commit)
}

/// The encrypted files as they are in the trusted commit, with their configuration: what encrypted them names the hosts
/// that open them. What the head changed of them is told.
#[expect(
    clippy::disallowed_methods,
    reason = "edge: this is where trusted files are put for `sops`"
)]
pub fn encrypted(
    repo: &Repo,
    trusted: &Trusted,
    workspace: &Workspace,
    at: Option<&str>,
) -> Result<(Option<TempDir>, Vec<Problem>), Failure> {
    let mut paths = workspace.encrypted_files();
    if paths.is_empty() {
        return Ok((None, Vec::new()));
    }
    paths.insert(".sops.yaml".to_owned());
    let base = base(repo, trusted, at)?;
    let head = match at {
        Some(at) => at.to_owned(),
        None => repo.head()?,
    };
    let folder = tempfile::tempdir()?;
    let mut told = Vec::new();
    for path in paths {
        let theirs = repo.text_at(&trusted.commit, &path)?;
        let ours = repo.text_at(&head, &path)?;
        let before = base.as_deref().map(|base| repo.text_at(base, &path)).transpose()?;
        if ours != theirs && before.as_ref() != Some(&ours) {
            told.push(trust::changed(&path, &trusted.name));
        }
        if let Some(text) = theirs {
            let whole = folder.path().join(&path);
            if let Some(parent) = whole.parent() {
                std::fs::create_dir_all(parent).map_err(naming(parent))?;
            }
            std::fs::write(&whole, text).map_err(naming(&whole))?;
        }
    }
    Ok((Some(folder), told))
}
