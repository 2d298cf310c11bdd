//! Finishing what a run that was killed right after its commit could not: bringing index and work tree to it.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Commit, ObjectType};

use super::{Repo, RepoError};

/// The trailer that says that a commit was made by a run.
const TRAILER: &str = "\nUpa-Run: ";

impl Repo {
    /// Lockfiles that are still as they were before the last commit, if that commit was made by a run, are brought to
    /// it. Anything else somebody has edited, and stays.
    pub fn finish_last_commit(&self) -> Result<(), RepoError> {
        let head = self.git.head()?;
        let Ok(name) = head.name().map(str::to_owned) else {
            return Ok(());
        };
        let commit = head.peel_to_commit()?;
        let by_a_run = commit.message().is_ok_and(|message| message.contains(TRAILER));
        let (true, Ok(parent)) = (by_a_run, commit.parent(0)) else {
            return Ok(());
        };
        let mut files = BTreeMap::new();
        for path in self.changed_locks(&parent, &commit)? {
            if let Some(text) = self.committed(&commit, &path)? {
                files.insert(path, text);
            }
        }
        let changed: Vec<String> = files.keys().cloned().collect();
        let mut ours = self.clean(&parent, &changed)?;
        ours.extend(self.clean(&commit, &changed)?);
        self.refresh(&name, &files, &ours, &ours)?;
        Ok(())
    }

    /// The lockfiles that differ between two commits, as paths within the workspace.
    fn changed_locks(&self, before: &Commit<'_>, after: &Commit<'_>) -> Result<Vec<String>, RepoError> {
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

    fn committed(&self, commit: &Commit<'_>, path: &str) -> Result<Option<String>, RepoError> {
        match commit.tree()?.get_path(Path::new(&format!("{}{path}", self.prefix))) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => {
                let blob = self.git.find_blob(entry.id())?;
                Ok(Some(String::from_utf8_lossy(blob.content()).into_owned()))
            }
            _ => Ok(None),
        }
    }
}
