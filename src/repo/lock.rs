//! The locks of refs: waited for, and removed where a killed process left them behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{ErrorCode, Oid};

use super::{Repo, RepoError};
use crate::outside::Outside;

/// Git holds a ref's lock for milliseconds: one as old as this was left by a process that was killed.
const OLDEST: Duration = Duration::from_secs(5);
/// How often a ref is tried again. With the pauses between, that is longer than a lock gets old.
const MOST_TRIES: u32 = 25;

/// Waits for the lock of one ref of the clone that only upa writes, or that only the holder of the lease does.
pub(super) struct Patience<'a> {
    outside: &'a dyn Outside,
    lock: PathBuf,
    tries: u32,
}

impl<'a> Patience<'a> {
    /// For a ref (full name) of the repository with this common folder.
    pub(super) fn with(outside: &'a dyn Outside, common: &Path, reference: &str) -> Self {
        Self {
            outside,
            lock: common.join(format!("{reference}.lock")),
            tries: 0,
        }
    }

    /// The ref was locked: waits a little before the next try. An error when that was tried for long enough.
    pub(super) fn again(&mut self) -> Result<(), RepoError> {
        self.tries += 1;
        if self.tries > MOST_TRIES {
            return Err(RepoError::RefLocked(self.lock.display().to_string()));
        }
        self.remove_if_old();
        self.outside
            .pause(Duration::from_millis(25 * u64::from(self.tries.min(12))));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "edge: Git's lock is a file")]
    fn remove_if_old(&self) {
        let age = std::fs::metadata(&self.lock)
            .and_then(|about| about.modified())
            .ok()
            .and_then(|modified| modified.elapsed().ok());
        if age.is_some_and(|age| age > OLDEST) {
            tracing::warn!(lock = %self.lock.display(), "removing a lock that a killed process left behind");
            let _ = std::fs::remove_file(&self.lock);
        }
    }
}

impl Repo {
    pub(super) fn patience(&self, reference: &str) -> Patience<'_> {
        Patience::with(self.outside.as_ref(), self.git.commondir(), reference)
    }

    /// Lets a ref that only upa writes point to a commit, or removes it.
    pub(super) fn set(&self, reference: &str, to: Option<&str>) -> Result<(), RepoError> {
        let there = self.git.refname_to_id(reference).ok();
        let to = to.map(Oid::from_str).transpose()?;
        if there == to {
            return Ok(());
        }
        self.about_to_move(reference)?;
        let mut patience = self.patience(reference);
        loop {
            let done = match to {
                Some(id) => self.git.reference(reference, id, true, "upa").map(|_| ()),
                None => self.git.find_reference(reference).and_then(|mut found| found.delete()),
            };
            match done {
                Err(error) if error.code() == ErrorCode::Locked => patience.again()?,
                // Another command of this clone was faster.
                Err(error) if error.code() == ErrorCode::NotFound && to.is_none() => return Ok(()),
                done => return Ok(done?),
            }
        }
    }
}
