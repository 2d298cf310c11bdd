//! The Git repository: the only place that names `git2`.
//!
//! Reading is done from objects or from the work tree; writing makes a commit object directly and moves the branch by
//! compare-and-swap. The user's index and work tree are touched only at the lockfiles that were written, and only where
//! the user had not changed them.

mod commit;
mod default;
mod init;
mod lock;
mod mend;
mod merge;
mod place;
mod publish;
mod read;
mod remote;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ErrorCode, Reference, Repository};

use crate::outside::{self, Deed, Outside};

pub use commit::Committed;
pub use merge::Merged;
pub use publish::Target;
pub use remote::{LOCKED, Pushed, Remote};

/// Something about the repository that stops a run.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    #[error("there is no folder `{0}`")]
    NoFolder(String),
    #[error("`{0}` is not in a Git repository")]
    NotARepository(String),
    #[error("the repository has no commit yet")]
    NoCommit,
    #[error("there is no revision `{0}`")]
    NoRevision(String),
    #[error("no branch is checked out (detached HEAD), so there is nowhere to commit lockfiles")]
    Detached,
    #[error("branch `{0}` was moved by somebody else again and again")]
    Busy(String),
    #[error("`{0}` cannot be the name of a branch")]
    NotABranch(String),
    #[error("the `git` program, which talks to the remote, cannot be run: {0}")]
    NoGit(String),
    #[error("this clone has no remote `{0}`, which `git.remote` in upa.toml names")]
    NoRemote(String),
    #[error("the remote `{remote}` cannot be reached: {why}")]
    Unreachable { remote: String, why: String },
    #[error("the remote `{remote}` does not let anybody push to `{reference}`: {why}")]
    Refused {
        remote: String,
        reference: String,
        why: String,
    },
    #[error("`{branch}` of the remote `{remote}` cannot be written: {why}")]
    RemoteLocked {
        remote: String,
        branch: String,
        why: String,
    },
    #[error("the remote `{remote}` took the lockfiles onto `{branch}`, and does not hold them")]
    Lost { remote: String, branch: String },
    #[error("`{path}` was changed on the remote while this run worked (commit {commit}); nothing was written over it")]
    Overtaken { path: String, commit: String },
    #[error(
        "commit {commit}, which this run built upon, is not in `{branch}` of the remote `{remote}` any more: the branch was forced back, and `{path}` was not recorded there since"
    )]
    TakenBack {
        remote: String,
        branch: String,
        path: String,
        commit: String,
    },
    #[error("another run recorded the same object meanwhile: {0}")]
    PlaceTaken(String),
    #[error("the commit that is checked out is not in `{branch}` of the remote `{remote}`")]
    Unpushed { remote: String, branch: String },
    #[error(
        "`{0}` is there: another git command is at work in this clone, or was killed in it; nothing was changed on any platform"
    )]
    IndexLocked(String),
    #[error("`{0}` is there: another git command is at work in this clone, or was killed in it")]
    RefLocked(String),
    #[error("`{path}` {why}, and what upa keeps for the sandbox is read and written there")]
    Foreign { path: String, why: &'static str },
    #[error("git: {}", .0.message())]
    Git(#[from] git2::Error),
    #[error("`{path}`: {error}")]
    Io { path: String, error: std::io::Error },
}

impl RepoError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            RepoError::NoFolder(_) => "name the workspace's folder: `-C DIR`",
            RepoError::NotARepository(_) => "change to the workspace's folder (`-C DIR`), or make one: `git init`",
            RepoError::NoCommit => "commit the workspace first: `git add . && git commit`",
            RepoError::Detached => "check out a branch, or set `git.lock_branch` in upa.toml",
            RepoError::NotABranch(_) => "mend `[git]` in upa.toml",
            RepoError::NoGit(_) => "install git, or take `git.remote` out of upa.toml to work in this clone alone",
            RepoError::NoRemote(_) => "`git remote -v` lists them; `git remote add` makes one",
            RepoError::Unreachable { .. } => "`git fetch` must work here without asking anything; then run again",
            RepoError::Refused { reference, .. } if reference.starts_with("refs/upa/") => {
                "let the remote accept pushes to `refs/upa/*`: runs exclude each other there"
            }
            RepoError::Refused { .. } => {
                "if the branch is protected, set `git.lock_branch` in upa.toml to one that upa may push to"
            }
            RepoError::RemoteLocked { .. } => {
                "run again in a moment; if it stays so, a `git` was killed on the remote's machine: remove the `.lock` file that it left there"
            }
            RepoError::Lost { .. } => {
                "somebody forces pushes onto that branch, or a hook of the server undoes them; mend that, then run again"
            }
            RepoError::Overtaken { .. } => "another run took over: `upa plan` shows what is left",
            RepoError::TakenBack { .. } => {
                "run `upa apply` in this clone, which holds the only record; where it is lost: `upa recover TENANT`"
            }
            RepoError::PlaceTaken(_) => "`upa plan` shows whose it is",
            RepoError::Unpushed { .. } => "push it first, and have it merged: only what the remote holds is applied",
            RepoError::Busy(_) => "run again when the other run is done",
            RepoError::NoRevision(_) => "name a branch, a tag or a commit: `git log --oneline` lists them",
            RepoError::RefLocked(_) => "run again when it is done; if none is at work, remove that file",
            RepoError::IndexLocked(_) => {
                "run again when it is done; if none is at work, remove that file; then `git status` shows what it left"
            }
            RepoError::Git(error) if error.code() == ErrorCode::Locked => {
                "another git command is running; if none is, remove `.git/index.lock`; then `git status` shows what it left, and `upa apply` settles the rest"
            }
            RepoError::Foreign { .. } => {
                "take it away (`git rm -r --cached .upa`, `rm -r .upa`): upa makes the folder itself, and Git ignores it"
            }
            RepoError::Git(_) | RepoError::Io { .. } => return None,
        })
    }
}

/// The repository a workspace is in.
pub struct Repo {
    git: Repository,
    outside: Arc<dyn Outside>,
    /// The workspace's folder.
    root: PathBuf,
    /// The workspace's path within the repository: empty, or ending in `/`.
    prefix: String,
    /// The refs under which is kept what a remote has said since this was opened.
    fetched: RefCell<BTreeSet<String>>,
}

impl Repo {
    /// Opens the repository around a folder.
    pub fn open(root: &Path) -> Result<Self, RepoError> {
        Self::open_in(root, outside::real())
    }

    /// Likewise, by a process that reaches its remote and its disk so.
    pub fn open_in(root: &Path, outside: Arc<dyn Outside>) -> Result<Self, RepoError> {
        let not = || RepoError::NotARepository(root.display().to_string());
        let root = root
            .canonicalize()
            .map_err(|_| RepoError::NoFolder(root.display().to_string()))?;
        let git = place::real_git(&root).ok_or_else(not)?;
        let top = git.workdir().ok_or_else(not)?.canonicalize().map_err(|_| not())?;
        let inside = root.strip_prefix(&top).map_err(|_| not())?;
        let mut prefix = inside.to_string_lossy().replace('\\', "/");
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Ok(Self {
            git,
            outside,
            root,
            prefix,
            fetched: RefCell::default(),
        })
    }

    /// Whether Git tracks something of the workspace at or below a path, in any spelling that a file system may take for it.
    fn tracks(&self, path: &str) -> Result<bool, RepoError> {
        let path = format!("{}{path}", self.prefix).to_ascii_lowercase();
        let below = format!("{path}/");
        let is_it = |entry: git2::IndexEntry| {
            let entry = String::from_utf8_lossy(&entry.path).to_ascii_lowercase();
            entry == path || entry.starts_with(&below)
        };
        Ok(self.git.index()?.iter().any(is_it))
    }

    /// Where upa keeps what belongs to the sandbox of this work tree, and must not be committed: a folder `.upa` of its own.
    /// What Git tracks there could be a pull request's, and through a link it could lead anywhere: both are refused.
    pub fn sandbox_dir(&self) -> Result<PathBuf, RepoError> {
        let folder = self.root.join(SANDBOX);
        let refused = |path: &Path, why| RepoError::Foreign {
            path: path.strip_prefix(&self.root).unwrap_or(path).display().to_string(),
            why,
        };
        if self.tracks(SANDBOX)? {
            return Err(refused(&folder, "is tracked by Git"));
        }
        match place::not_plain(&folder) {
            Some((path, why)) => Err(refused(&path, why)),
            None => Ok(folder),
        }
    }

    /// The workspace's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How it reaches its remote and its disk.
    pub fn outside(&self) -> &Arc<dyn Outside> {
        &self.outside
    }

    /// Asked before a ref is moved.
    fn about_to_move(&self, reference: &str) -> Result<(), RepoError> {
        let asked = self.outside.about_to(Deed::Ref(reference));
        asked.map_err(|error| RepoError::Io {
            path: reference.to_owned(),
            error,
        })
    }

    /// Where upa keeps what must not be committed: shared by all work trees of the repository.
    pub fn private_dir(&self) -> PathBuf {
        self.git.commondir().join("upa")
    }

    /// The hex id of the commit a revision names.
    pub fn resolve(&self, revision: &str) -> Result<String, RepoError> {
        // Without any commit no revision exists, and that is what must be said.
        self.head()?;
        let object = self
            .git
            .revparse_single(revision)
            .map_err(|_| RepoError::NoRevision(revision.to_owned()))?;
        let commit = object
            .peel_to_commit()
            .map_err(|_| RepoError::NoRevision(revision.to_owned()))?;
        Ok(commit.id().to_string())
    }

    /// The commit where two lines of history parted, if they ever were one.
    pub fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, RepoError> {
        match self
            .git
            .merge_base(git2::Oid::from_str(one)?, git2::Oid::from_str(other)?)
        {
            Ok(base) => Ok(Some(base.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The commit that is checked out.
    pub fn head(&self) -> Result<String, RepoError> {
        match self.git.head() {
            Ok(head) => Ok(head.peel_to_commit()?.id().to_string()),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                Err(RepoError::NoCommit)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The full name of what holds the lockfiles: the named branch, or what is checked out. Where CI has checked out a
    /// commit and no branch that is `HEAD`, which can be read and not written.
    pub fn lock_ref(&self, branch: Option<&str>) -> Result<String, RepoError> {
        if let Some(branch) = branch {
            return branch_ref(branch);
        }
        let head = self.git.find_reference("HEAD")?;
        Ok(match head.symbolic_target() {
            Ok(Some(target)) => target.to_owned(),
            _ => "HEAD".to_owned(),
        })
    }

    /// The short name of the branch that is checked out; `None` where a commit is.
    pub fn checked_out(&self) -> Result<Option<String>, RepoError> {
        let name = self.lock_ref(None)?;
        Ok(name.strip_prefix("refs/heads/").map(str::to_owned))
    }

    /// The tip of a branch; of one that only the remote has so far, the remote's.
    fn branch_tip(&self, reference: &str) -> Option<Reference<'_>> {
        let here = self.git.find_reference(reference).ok();
        here.or_else(|| {
            let branch = reference.strip_prefix("refs/heads/")?;
            self.git.find_reference(&format!("refs/remotes/origin/{branch}")).ok()
        })
    }

    /// Who makes commits here, for records: the configured address, else the name of the tool.
    pub fn operator(&self) -> String {
        self.git
            .signature()
            .ok()
            .and_then(|signature| signature.email().ok().map(str::to_owned))
            .unwrap_or_else(|| "upa".to_owned())
    }
}

/// The full name of a branch, if it can be one and no program takes it for an option.
fn branch_ref(branch: &str) -> Result<String, RepoError> {
    let reference = format!("refs/heads/{branch}");
    match Reference::is_valid_name(&reference) && !branch.starts_with('-') {
        true => Ok(reference),
        false => Err(RepoError::NotABranch(branch.to_owned())),
    }
}

/// The folder of the sandbox's state, within the workspace.
const SANDBOX: &str = ".upa";
