//! Publishing lockfiles: onto the remote's branch, wherever it has moved, and nothing of the user's with them.
//!
//! What the remote was last seen to hold is kept under `refs/upa/remote/`, so that the user's own branches and
//! remote-tracking branches are not disturbed. A commit that could not be pushed stays under `refs/upa/unpublished`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use git2::{Commit, ErrorCode, Oid};

use super::remote::{LOCKED, Pushed};
use super::{Remote, Repo, RepoError, branch_ref};
use crate::outside;

/// How often a branch that others push to is tried again.
const MOST_TRIES: u32 = 12;
/// Where a commit stays that the remote did not take.
const UNPUBLISHED: &str = "refs/upa/unpublished";

/// A branch of a remote.
#[derive(Debug, Clone)]
pub struct Target {
    pub remote: Remote,
    pub branch: String,
}

impl Target {
    /// A branch whose name can be one.
    pub fn new(remote: Remote, branch: &str) -> Result<Self, RepoError> {
        branch_ref(branch)?;
        Ok(Self {
            remote,
            branch: branch.to_owned(),
        })
    }

    /// The branch's full name on the remote.
    pub fn there(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Where what it was last seen to hold is kept.
    pub(super) fn here(&self) -> String {
        format!("refs/upa/remote/{}/{}", self.remote.name(), self.branch)
    }

    fn refused(&self, why: String) -> RepoError {
        RepoError::Refused {
            remote: self.remote.name().to_owned(),
            reference: self.branch.clone(),
            why,
        }
    }
}

impl Repo {
    /// Brings what is kept of some branches up to date with their remote, and only fetches what has moved.
    pub fn fetch(&self, targets: &[&Target]) -> Result<(), RepoError> {
        let Some(first) = targets.first() else {
            return Ok(());
        };
        let names: Vec<String> = targets.iter().map(|target| target.there()).collect();
        let tips = first
            .remote
            .tips(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        for target in targets {
            match tips.get(&target.there()) {
                Some(tip) if self.seen(target).as_ref() == Some(tip) => {}
                Some(_) => target.remote.fetch(&target.there(), &target.here())?,
                None => self.set(&target.here(), None)?,
            }
            self.fetched.borrow_mut().insert(target.here());
        }
        Ok(())
    }

    /// The commit a branch of the remote was last seen to hold.
    fn seen(&self, target: &Target) -> Option<String> {
        let reference = self.git.find_reference(&target.here()).ok()?;
        Some(reference.peel_to_commit().ok()?.id().to_string())
    }

    /// The newest commit of a remote's branch that is known here, also by the user's own `git fetch`. Once the remote was
    /// asked only its answer counts: `git push` moves the user's remote-tracking branch also to what the remote then lost.
    pub fn known_tip(&self, target: &Target) -> Option<String> {
        if self.fetched.borrow().contains(&target.here()) {
            return self.seen(target);
        }
        let tracking = format!("refs/remotes/{}/{}", target.remote.name(), target.branch);
        let tracking = self
            .git
            .find_reference(&tracking)
            .and_then(|reference| reference.peel_to_commit())
            .map(|commit| commit.id().to_string())
            .ok();
        match (self.seen(target), tracking) {
            (Some(seen), Some(tracking)) if self.contains(&tracking, &seen) => Some(tracking),
            (Some(seen), _) => Some(seen),
            (None, tracking) => tracking,
        }
    }

    /// How many commits of one line of history another does not have.
    pub fn behind(&self, commit: &str, tip: &str) -> Result<usize, RepoError> {
        let (_, behind) = self
            .git
            .graph_ahead_behind(Oid::from_str(commit)?, Oid::from_str(tip)?)?;
        Ok(behind)
    }

    /// Whether a branch was fetched since this was opened.
    pub fn is_fresh(&self, target: &Target) -> bool {
        self.fetched.borrow().contains(&target.here())
    }

    /// Whether a commit is another, or comes after it.
    pub fn contains(&self, later: &str, earlier: &str) -> bool {
        let (Ok(later), Ok(earlier)) = (Oid::from_str(later), Oid::from_str(earlier)) else {
            return false;
        };
        later == earlier || self.git.graph_descendant_of(later, earlier).unwrap_or(false)
    }

    /// Pushes files (paths within the workspace) onto a branch of the remote, which was fetched before. They were made
    /// from what commit `base` holds, or from nothing where the branch was not there: whoever changed one of them since
    /// is not written over. What else the branch holds by now `lands` may refuse, given the tip they would land on.
    /// Returns the commit that holds them; `None` when they are there already.
    pub fn publish(
        &self,
        target: &Target,
        base: Option<&str>,
        files: &BTreeMap<String, String>,
        message: &str,
        lands: &dyn Fn(&str) -> Result<(), RepoError>,
    ) -> Result<Option<String>, RepoError> {
        let (mut last, mut locked) = (None, None);
        let first = self.seen(target);
        for tries in 0..MOST_TRIES {
            let tip = self.seen(target);
            if let (Some(base), Some(tip)) = (base, &tip) {
                self.refuse_overtaken(target, (base, tip), files)?;
                if base != tip {
                    lands(tip)?;
                }
            }
            let start = match &tip {
                Some(tip) => tip.clone(),
                None => self.head()?,
            };
            let parent = self.git.find_commit(Oid::from_str(&start)?)?;
            let Some((id, _)) = self.compose(&parent, files, message)? else {
                return self.already(target, tip.as_deref());
            };
            let id = id.to_string();
            let pushed = match target.remote.push_surely(&target.there(), &id, tip.as_deref()) {
                Ok(pushed) => pushed,
                Err(error) => {
                    self.keep_unpublished(Some(&id))?;
                    return Err(error);
                }
            };
            match pushed {
                Pushed::Done => {
                    self.verify(target, &id)?;
                    self.keep_unpublished(None)?;
                    return Ok(Some(id));
                }
                Pushed::Moved(why) => {
                    locked = why.or(locked);
                    last = Some(id);
                    let most = Duration::from_millis(u64::from(120 + 60 * tries));
                    self.outside.pause(outside::between(Duration::from_millis(20), most));
                    if let Err(error) = self.fetch(&[target]) {
                        self.keep_unpublished(last.as_deref())?;
                        return Err(error);
                    }
                }
                Pushed::Refused(why) => {
                    self.keep_unpublished(Some(&id))?;
                    return Err(target.refused(why));
                }
                Pushed::Unknown(why) => {
                    self.keep_unpublished(Some(&id))?;
                    return Err(target.remote.unreachable(&why));
                }
            }
        }
        self.keep_unpublished(last.as_deref())?;
        if self.seen(target) == first {
            return Err(RepoError::RemoteLocked {
                remote: target.remote.name().to_owned(),
                branch: target.branch.clone(),
                why: locked.unwrap_or_else(|| LOCKED.to_owned()),
            });
        }
        Err(RepoError::Busy(target.branch.clone()))
    }

    /// The remote holds everything: nothing is left to publish.
    fn already(&self, target: &Target, tip: Option<&str>) -> Result<Option<String>, RepoError> {
        if let Some(tip) = tip {
            self.verify(target, tip)?;
        }
        self.keep_unpublished(None)?;
        Ok(None)
    }

    /// Asks the remote whether it holds a commit: a server may say yes and lose it.
    fn verify(&self, target: &Target, id: &str) -> Result<(), RepoError> {
        let there = target.there();
        let tips = target.remote.tips(&[&there])?;
        if tips.get(&there).is_some_and(|tip| tip == id) {
            return self.set(&target.here(), Some(id));
        }
        // Somebody may have pushed on top of it already.
        self.fetch(&[target])?;
        match self.seen(target) {
            Some(tip) if self.contains(&tip, id) => Ok(()),
            _ => {
                self.keep_unpublished(Some(id))?;
                Err(RepoError::Lost {
                    remote: target.remote.name().to_owned(),
                    branch: target.branch.clone(),
                })
            }
        }
    }

    /// Stops where a file is no longer as it was in the commit ours was made from.
    fn refuse_overtaken(
        &self,
        target: &Target,
        (base, tip): (&str, &str),
        files: &BTreeMap<String, String>,
    ) -> Result<(), RepoError> {
        if base == tip {
            return Ok(());
        }
        let (before, now) = (
            self.git.find_commit(Oid::from_str(base)?)?,
            self.git.find_commit(Oid::from_str(tip)?)?,
        );
        for (path, ours) in files {
            let there = self.committed(&now, path)?;
            if there.as_ref() != Some(ours) && there != self.committed(&before, path)? {
                // No other run wrote it: the branch was forced back behind what this one built upon.
                if self.taken_back(base, tip, path)? {
                    return Err(RepoError::TakenBack {
                        remote: target.remote.name().to_owned(),
                        branch: target.branch.clone(),
                        path: path.clone(),
                        commit: base.get(..10).unwrap_or(base).to_owned(),
                    });
                }
                return Err(RepoError::Overtaken {
                    path: path.clone(),
                    commit: tip.get(..10).unwrap_or(tip).to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Of files, those that are the same in two commits.
    pub fn unchanged(&self, before: &str, after: &str, path: &str) -> Result<bool, RepoError> {
        let (Ok(before), Ok(after)) = (
            self.git.find_commit(Oid::from_str(before)?),
            self.git.find_commit(Oid::from_str(after)?),
        ) else {
            // A commit that is not here any more says nothing.
            return Ok(false);
        };
        Ok(self.committed(&before, path)? == self.committed(&after, path)?)
    }

    /// A commit that could not be published once, if there is one.
    pub fn unpublished(&self) -> Option<String> {
        self.git.refname_to_id(UNPUBLISHED).ok().map(|id| id.to_string())
    }

    /// Whether a commit is no longer part of the branch whose tip is given, and a file there is as it was before that commit
    /// and its kind: somebody forced the branch back, and nobody wrote the file since.
    pub fn taken_back(&self, gone: &str, tip: &str, path: &str) -> Result<bool, RepoError> {
        if self.contains(tip, gone) {
            return Ok(false);
        }
        match self.merge_base(gone, tip) {
            Ok(Some(parted)) => self.unchanged(&parted, tip, path),
            // A commit that is not here any more says nothing.
            Ok(None) | Err(_) => Ok(false),
        }
    }

    /// No journal is left: what could not be published once is on the remote by now, or was never begun.
    pub fn forget_unpublished(&self) -> Result<(), RepoError> {
        self.keep_unpublished(None)
    }

    fn keep_unpublished(&self, id: Option<&str>) -> Result<(), RepoError> {
        self.set(UNPUBLISHED, id)
    }

    /// Fast-forwards the branch that is checked out to what the remote holds, if nothing but lockfiles changed on the way
    /// and it is that branch. Lockfiles in index and work tree follow; those that somebody edited are returned.
    pub fn follow(&self, target: &Target) -> Result<Vec<String>, RepoError> {
        let Some(tip) = self.known_tip(target) else {
            return Ok(Vec::new());
        };
        let reference = target.there();
        let head = self.git.find_reference("HEAD")?;
        if head.symbolic_target().ok().flatten() != Some(reference.as_str()) {
            return Ok(Vec::new());
        }
        let before = self.git.head()?.peel_to_commit()?;
        let after = self.git.find_commit(Oid::from_str(&tip)?)?;
        if before.id() == after.id() || !self.contains(&tip, &before.id().to_string()) {
            return Ok(Vec::new());
        }
        if !self.only_locks_changed(&before, &after)? {
            return Ok(Vec::new());
        }
        let changed = self.changed_locks(&before, &after)?;
        let clean = self.clean(&before, &changed)?;
        let mut files = BTreeMap::new();
        for path in &changed {
            if let Some(text) = self.committed(&after, path)? {
                files.insert(path.clone(), text);
            }
        }
        self.about_to_move(&reference)?;
        match self
            .git
            .reference_matching(&reference, after.id(), true, before.id(), "upa apply")
        {
            Ok(_) => self.refresh(&reference, &files, &changed, &clean),
            // Somebody works in this clone: their branch is theirs, and `git pull` brings the lockfiles.
            Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::Locked) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn only_locks_changed(&self, before: &Commit<'_>, after: &Commit<'_>) -> Result<bool, RepoError> {
        let diff = self
            .git
            .diff_tree_to_tree(Some(&before.tree()?), Some(&after.tree()?), None)?;
        let ours = format!("{}tenants/", self.prefix);
        Ok(diff.deltas().all(|delta| {
            let path = delta.new_file().path().and_then(Path::to_str).unwrap_or_default();
            delta.status() != git2::Delta::Deleted && path.starts_with(&ours) && path.ends_with(".lock")
        }))
    }

    /// The workspace's files, without lockfiles, in which two commits differ.
    pub fn differing(&self, before: &str, after: &str) -> Result<Vec<String>, RepoError> {
        let (before, after) = (self.at(before)?.entries, self.at(after)?.entries);
        let mut paths: Vec<String> = before
            .iter()
            .filter(|(path, entry)| after.get(*path) != Some(entry))
            .map(|(path, _)| path.clone())
            .chain(after.keys().filter(|path| !before.contains_key(*path)).cloned())
            .filter(|path| !path.ends_with(".lock"))
            .collect();
        paths.sort();
        Ok(paths)
    }

    /// A commit that holds nothing but a message and follows none: it can never fast-forward another.
    pub fn note(&self, message: &str) -> Result<String, RepoError> {
        let tree = self.git.find_tree(self.git.treebuilder(None)?.write()?)?;
        let who = self.signature()?;
        Ok(self.git.commit(None, &who, &who, message, &tree, &[])?.to_string())
    }

    /// The message of a commit; `None` if it is not here.
    pub fn message(&self, id: &str) -> Option<String> {
        let commit = self.git.find_commit(Oid::from_str(id).ok()?).ok()?;
        commit.message().ok().map(str::to_owned)
    }
}
