//! Committing lockfiles: one commit, made without the index, and nothing of the user's in it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use git2::build::TreeUpdateBuilder;
use git2::{Commit, ErrorCode, FileMode, Oid, Signature, Time};

use super::{Repo, RepoError};
use crate::outside::{self, Deed, naming};

/// How often a branch that somebody else moves is tried again.
const MOST_TRIES: u32 = 40;
/// How long the index may be locked: Git refreshes it in moments, and what takes longer is somebody's commit.
const INDEX_PATIENCE: u32 = 20;

/// A commit that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub id: String,
    /// Lockfiles in the work tree that somebody had edited: they were left as they are.
    pub left_alone: Vec<String>,
}

impl Repo {
    /// Commits files (paths within the workspace) on top of a branch. `None` when they are there already.
    pub fn commit(
        &self,
        reference: &str,
        files: &BTreeMap<String, String>,
        message: &str,
    ) -> Result<Option<Committed>, RepoError> {
        if reference == "HEAD" {
            return Err(RepoError::Detached);
        }
        // Only who holds the lease comes here, so no other upa is at work.
        let mut patience = self.patience(reference);
        for _ in 0..MOST_TRIES {
            let parent = self.tip(reference)?;
            let Some((id, changed)) = self.compose(&parent, files, message)? else {
                return Ok(None);
            };
            let clean = self.clean(&parent, &changed)?;
            let exists = self.git.find_reference(reference).is_ok();
            self.about_to_move(reference)?;
            let moved = if exists {
                self.git
                    .reference_matching(reference, id, true, parent.id(), "upa apply")
            } else {
                self.git.reference(reference, id, false, "upa apply")
            };
            match moved {
                Ok(_) => {
                    let left_alone = self.refresh(reference, files, &changed, &clean)?;
                    return Ok(Some(Committed {
                        id: id.to_string(),
                        left_alone,
                    }));
                }
                // Somebody else moved the branch: the same files go on top of the new tip.
                Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Exists) => {}
                Err(error) if error.code() == ErrorCode::Locked => patience.again()?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RepoError::Busy(reference.to_owned()))
    }

    /// Makes a commit on top of another, and moves nothing: its id and the files that differ. `None` if none does.
    pub(super) fn compose(
        &self,
        parent: &Commit<'_>,
        files: &BTreeMap<String, String>,
        message: &str,
    ) -> Result<Option<(Oid, Vec<String>)>, RepoError> {
        let mut update = TreeUpdateBuilder::new();
        let mut changed = Vec::new();
        let tree = parent.tree()?;
        for (path, text) in files {
            let whole = format!("{}{path}", self.prefix);
            let blob = self.git.blob(text.as_bytes())?;
            if tree.get_path(Path::new(&whole)).ok().map(|entry| entry.id()) != Some(blob) {
                update.upsert(whole, blob, FileMode::Blob);
                changed.push(path.clone());
            }
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let tree = self.git.find_tree(update.create_updated(&self.git, &tree)?)?;
        let who = self.signature()?;
        let id = self.git.commit(None, &who, &who, message, &tree, &[parent])?;
        Ok(Some((id, changed)))
    }

    /// Replaces a file of the work tree.
    pub fn replace(&self, path: &str, text: &str) -> std::io::Result<()> {
        replace(&self.private_dir(), &self.root.join(path), text)
    }

    /// Who Git says is at work here: an address, if there is one.
    pub fn user(&self) -> Option<String> {
        let signature = self.git.signature().ok()?;
        Some(signature.email().ok()?.to_owned())
    }

    pub(super) fn signature(&self) -> Result<Signature<'static>, RepoError> {
        let configured = self
            .git
            .signature()
            .or_else(|_| Signature::now("upa", "upa@localhost"))?;
        let now = Time::new(outside::now().as_second(), configured.when().offset_minutes());
        Ok(Signature::new(configured.name()?, configured.email()?, &now)?)
    }

    /// Lockfiles of the branch that is checked out go into the index too: it must be free before anything is done that is to
    /// be recorded there. Its lock is never removed, because an editor may be open behind it for hours.
    pub fn refuse_locked_index(&self, reference: &str) -> Result<(), RepoError> {
        let head = self.git.find_reference("HEAD")?;
        if head.symbolic_target().ok().flatten() != Some(reference) {
            return Ok(());
        }
        let lock = self.git.path().join("index.lock");
        for _ in 0..INDEX_PATIENCE {
            if !lock.exists() {
                return Ok(());
            }
            self.outside.pause(Duration::from_millis(100));
        }
        let shown = lock
            .strip_prefix(self.git.workdir().unwrap_or(&self.root))
            .unwrap_or(&lock);
        Err(RepoError::IndexLocked(shown.display().to_string()))
    }

    /// The commit a branch points to; a branch that does not exist anywhere starts where HEAD is.
    fn tip(&self, reference: &str) -> Result<Commit<'_>, RepoError> {
        match self.branch_tip(reference) {
            Some(found) => Ok(found.peel_to_commit()?),
            None => Ok(self.git.find_commit(Oid::from_str(&self.head()?)?)?),
        }
    }

    /// Of some paths, those whose file in the work tree is as it is in a commit.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the work tree is read")]
    pub(super) fn clean(&self, commit: &Commit<'_>, paths: &[String]) -> Result<Vec<String>, RepoError> {
        let tree = commit.tree()?;
        let mut clean = Vec::new();
        for path in paths {
            let there = std::fs::read(self.root.join(path)).ok();
            let committed = match tree.get_path(Path::new(&format!("{}{path}", self.prefix))) {
                Ok(entry) => Some(self.git.find_blob(entry.id())?.content().to_vec()),
                Err(_) => None,
            };
            if there == committed {
                clean.push(path.clone());
            }
        }
        Ok(clean)
    }

    /// Brings index and work tree to the new commit, at our files only.
    #[expect(clippy::disallowed_methods, reason = "edge: this is where the work tree is written")]
    pub(super) fn refresh(
        &self,
        reference: &str,
        files: &BTreeMap<String, String>,
        changed: &[String],
        clean: &[String],
    ) -> Result<Vec<String>, RepoError> {
        let checked_out = self
            .git
            .find_reference("HEAD")?
            .symbolic_target()
            .ok()
            .flatten()
            .map(str::to_owned);
        if checked_out.as_deref() != Some(reference) {
            return Ok(Vec::new());
        }
        let mut index = self.git.index()?;
        let mut left_alone = Vec::new();
        for path in changed {
            let Some(text) = files.get(path).filter(|_| clean.contains(path)) else {
                left_alone.push(path.clone());
                continue;
            };
            let whole = self.root.join(path);
            let io = |error| RepoError::Io {
                path: path.clone(),
                error,
            };
            self.outside.about_to(Deed::File(path)).map_err(io)?;
            if let Some(folder) = whole.parent() {
                std::fs::create_dir_all(folder).map_err(io)?;
            }
            replace(&self.private_dir(), &whole, text).map_err(io)?;
            index.add_path(Path::new(&format!("{}{path}", self.prefix)))?;
        }
        let asked = self.outside.about_to(Deed::File("index"));
        asked.map_err(|error| RepoError::Io {
            path: "index".to_owned(),
            error,
        })?;
        index.write()?;
        Ok(left_alone)
    }
}

/// Replaces a file whole or not at all, also when the process is killed. The new file grows where nobody looks.
#[expect(clippy::disallowed_methods, reason = "edge: this is where the work tree is written")]
fn replace(private: &Path, target: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(private).map_err(naming(private))?;
    let mut file = tempfile::NamedTempFile::new_in(private).map_err(naming(private))?;
    file.write_all(text.as_bytes())?;
    let permissions = std::fs::metadata(target).map(|facts| facts.permissions());
    match permissions {
        Ok(permissions) => file.as_file().set_permissions(permissions)?,
        Err(_) => file
            .as_file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?,
    }
    file.persist(target)?;
    Ok(())
}
