//! Finishing what a run that was killed right after its commit could not: bringing index and work tree to it.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Commit, ObjectType};

use super::{Repo, RepoError};

/// The trailer that says that a commit was made by a run.
const TRAILER: &str = "\nUpa-Run: ";
/// How far back a work tree may be behind.
const MOST_COMMITS: usize = 32;
/// How many of those commits may be made by runs: a run makes two at most, one before its first call and one after its last.
const MOST_OF_RUNS: usize = 4;

impl Repo {
    /// Lockfiles that are still as they were before the last commits, if those were made by a run, are brought to the
    /// last. Anything else somebody has edited, and stays.
    pub fn finish_last_commit(&self) -> Result<(), RepoError> {
        let head = self.git.head()?;
        let Ok(name) = head.name().map(str::to_owned) else {
            return Ok(());
        };
        let last = head.peel_to_commit()?;
        let mut files = BTreeMap::new();
        let mut ours = Vec::new();
        let mut commit = last.clone();
        let mut runs = 0;
        // People may have pushed since, and this clone have pulled.
        for _ in 0..MOST_COMMITS {
            let Ok(parent) = commit.parent(0) else { break };
            let by_a_run = commit.message().is_ok_and(|message| message.contains(TRAILER));
            if !by_a_run {
                commit = parent;
                continue;
            }
            if runs == MOST_OF_RUNS {
                break;
            }
            runs += 1;
            for path in self.changed_locks(&parent, &last)? {
                if let Some(text) = self.committed(&last, &path)? {
                    files.insert(path, text);
                }
            }
            let changed: Vec<String> = files.keys().cloned().collect();
            ours.extend(self.clean(&parent, &changed)?);
            commit = parent;
        }
        if files.is_empty() {
            return Ok(());
        }
        let changed: Vec<String> = files.keys().cloned().collect();
        ours.extend(self.clean(&last, &changed)?);
        ours.sort();
        ours.dedup();
        self.refresh(&name, &files, &ours, &ours)?;
        Ok(())
    }

    /// The lockfiles that differ between two commits, as paths within the workspace.
    pub(super) fn changed_locks(&self, before: &Commit<'_>, after: &Commit<'_>) -> Result<Vec<String>, RepoError> {
        let diff = self
            .git
            .diff_tree_to_tree(Some(&before.tree()?), Some(&after.tree()?), None)?;
        let paths = diff.deltas().filter_map(|delta| {
            let path = delta
                .new_file()
                .path()?
                .to_str()?
                .strip_prefix(&self.prefix)?
                .to_owned();
            path.ends_with(".lock").then_some(path)
        });
        Ok(paths.collect())
    }

    pub(super) fn committed(&self, commit: &Commit<'_>, path: &str) -> Result<Option<String>, RepoError> {
        match commit.tree()?.get_path(Path::new(&format!("{}{path}", self.prefix))) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => {
                let blob = self.git.find_blob(entry.id())?;
                Ok(Some(String::from_utf8_lossy(blob.content()).into_owned()))
            }
            _ => Ok(None),
        }
    }
}
