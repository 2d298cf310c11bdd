//! Where lockfiles are kept: on a branch of the repository, or, while everything is tried in the sandbox, in a folder
//! that is never committed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::lockfile::{self, Lockfile};
use crate::problem::Problem;
use crate::repo::{Committed, Repo, RepoError, Target};

/// The place.
#[derive(Debug, Clone)]
pub enum LockStore {
    /// The tip of a branch, by its full name.
    Branch(String),
    /// A commit that is trusted: nothing is ever written there.
    Commit(String),
    /// The tip of a branch of a remote, as it was last fetched.
    Remote(Target),
    /// A folder outside Git.
    Folder(PathBuf),
}

impl LockStore {
    /// The texts, by tenant.
    #[expect(
        clippy::disallowed_methods,
        reason = "edge: this is where uncommitted lockfiles are read"
    )]
    pub fn texts(&self, repo: &Repo) -> Result<BTreeMap<String, Arc<str>>, RepoError> {
        match self {
            LockStore::Branch(reference) => repo.lockfiles(reference),
            LockStore::Commit(commit) => repo.lockfiles_at(commit),
            LockStore::Remote(target) => match repo.known_tip(target) {
                Some(tip) => repo.lockfiles_at(&tip),
                // The remote does not have the branch yet.
                None => repo.lockfiles("HEAD"),
            },
            LockStore::Folder(folder) => {
                let mut texts = BTreeMap::new();
                let listing = std::fs::read_dir(folder).into_iter().flatten().flatten();
                for entry in listing {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if let (Some(tenant), Ok(text)) =
                        (name.strip_suffix(".lock"), std::fs::read_to_string(entry.path()))
                    {
                        texts.insert(tenant.to_owned(), Arc::from(text));
                    }
                }
                Ok(texts)
            }
        }
    }

    /// The commit the lockfiles are read from, if they come from a remote.
    pub fn base(&self, repo: &Repo) -> Option<String> {
        match self {
            LockStore::Remote(target) => repo.known_tip(target).or_else(|| repo.head().ok()),
            LockStore::Branch(_) | LockStore::Commit(_) | LockStore::Folder(_) => None,
        }
    }

    /// Keeps lockfiles, which were made from those of commit `base`, if they come from a remote. On a branch that is one
    /// commit; `None` when they are there already.
    #[expect(
        clippy::disallowed_methods,
        reason = "edge: this is where uncommitted lockfiles are written"
    )]
    pub fn keep(
        &self,
        repo: &Repo,
        locks: &[Lockfile],
        base: Option<&str>,
        message: &str,
        refuses: Refuses<'_>,
    ) -> Result<Option<Committed>, RepoError> {
        let mut files = BTreeMap::new();
        for lock in locks {
            let text = lockfile::write(lock).map_err(|error| RepoError::Io {
                path: path(&lock.tenant),
                error: std::io::Error::other(error),
            })?;
            files.insert(path(&lock.tenant), text);
        }
        match self {
            LockStore::Branch(reference) => repo.commit(reference, &files, message),
            LockStore::Commit(_) => Err(RepoError::Detached),
            LockStore::Remote(target) => {
                let lands = |tip: &str| {
                    let (mut there, _) = parse(&repo.lockfiles_at(tip)?);
                    there.extend(locks.iter().map(|lock| (lock.tenant.clone(), lock.clone())));
                    refuses(&there).map_or(Ok(()), |why| Err(RepoError::PlaceTaken(why)))
                };
                let Some(id) = repo.publish(target, base, &files, message, &lands)? else {
                    return Ok(None);
                };
                let left_alone = repo.follow(target)?;
                Ok(Some(Committed { id, left_alone }))
            }
            LockStore::Folder(folder) => {
                for lock in locks {
                    let io = |error| RepoError::Io {
                        path: folder.display().to_string(),
                        error,
                    };
                    std::fs::create_dir_all(folder).map_err(io)?;
                    let text = files.get(&path(&lock.tenant)).map(String::as_str).unwrap_or_default();
                    std::fs::write(folder.join(format!("{}.lock", lock.tenant)), text).map_err(io)?;
                }
                Ok(None)
            }
        }
    }
}

/// Why lockfiles may not stand beside those that others have pushed meanwhile, given all of them; `None`: they may.
pub type Refuses<'a> = &'a dyn Fn(&BTreeMap<String, Lockfile>) -> Option<String>;

/// The path of a tenant's lockfile in the workspace.
pub fn path(tenant: &str) -> String {
    format!("tenants/{tenant}.lock")
}

/// Reads every lockfile; all that are wrong are reported.
pub fn parse(texts: &BTreeMap<String, Arc<str>>) -> (BTreeMap<String, Lockfile>, Vec<Problem>) {
    let mut locks = BTreeMap::new();
    let mut problems = Vec::new();
    for (tenant, text) in texts {
        match lockfile::parse(&path(tenant), tenant, text) {
            Ok(lock) => {
                locks.insert(tenant.clone(), lock);
            }
            Err(found) => problems.extend(found),
        }
    }
    (locks, problems)
}
