//! Reading a workspace: from the work tree, or from any commit without a checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use git2::{ObjectType, Oid, StatusOptions, TreeWalkMode, TreeWalkResult};

use super::{Repo, RepoError};
use crate::workspace::files::{Entry, Files, Origin};

/// The folders a workspace consists of.
const FOLDERS: [&str; 4] = ["tenants", "versions", "templates", "platforms"];

impl Repo {
    /// The files as they are in the work tree now, committed or not.
    pub fn work_tree(&self) -> Result<Files, RepoError> {
        let mut entries = BTreeMap::new();
        self.read_path(Path::new("upa.toml"), &mut entries)?;
        for folder in FOLDERS {
            self.read_path(Path::new(folder), &mut entries)?;
        }
        Ok(Files {
            origin: Origin::WorkTree,
            entries,
        })
    }

    #[expect(clippy::disallowed_methods, reason = "edge: this is where the work tree is read")]
    fn read_path(&self, path: &Path, entries: &mut BTreeMap<String, Entry>) -> Result<(), RepoError> {
        let whole = self.root.join(path);
        let name = path.to_string_lossy().replace('\\', "/");
        let io = |error| RepoError::Io {
            path: name.clone(),
            error,
        };
        let Ok(facts) = whole.symlink_metadata() else {
            return Ok(());
        };
        if facts.is_symlink() {
            let target = std::fs::read_link(&whole).map_err(io)?;
            entries.insert(name, Entry::Link(target.display().to_string()));
        } else if facts.is_dir() {
            for child in std::fs::read_dir(&whole).map_err(io)? {
                let child = child.map_err(io)?;
                self.read_path(&path.join(child.file_name()), entries)?;
            }
        } else if facts.len() > Files::limit(&name) {
            entries.insert(name, Entry::TooLarge(facts.len()));
        } else {
            let entry = match std::fs::read(&whole) {
                Ok(bytes) => text(bytes),
                Err(error) => Entry::Unreadable(error.to_string()),
            };
            entries.insert(name, entry);
        }
        Ok(())
    }

    /// The files as they are in a commit.
    pub fn at(&self, commit: &str) -> Result<Files, RepoError> {
        let tree = self.git.find_commit(Oid::from_str(commit)?)?.tree()?;
        let mut entries = BTreeMap::new();
        let mut failure = None;
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let Ok(name) = entry.name() else {
                return TreeWalkResult::Ok;
            };
            let path = format!("{folder}{name}");
            let Some(path) = path.strip_prefix(&self.prefix) else {
                // A folder on the way to the workspace is walked into; anything else is not ours.
                let on_the_way = self.prefix.starts_with(&format!("{path}/"));
                return if on_the_way {
                    TreeWalkResult::Ok
                } else {
                    TreeWalkResult::Skip
                };
            };
            let is_folder = entry.kind() == Some(ObjectType::Tree);
            if is_folder {
                let wanted = Files::belongs(&format!("{path}/"));
                return if wanted {
                    TreeWalkResult::Ok
                } else {
                    TreeWalkResult::Skip
                };
            }
            if Files::belongs(path) {
                match self.blob(path, entry.id(), entry.filemode()) {
                    Ok(entry) => {
                        entries.insert(path.to_owned(), entry);
                    }
                    Err(error) => {
                        failure = Some(error);
                        return TreeWalkResult::Abort;
                    }
                }
            }
            TreeWalkResult::Ok
        })
        .or_else(|error| if failure.is_some() { Ok(()) } else { Err(error) })?;
        match failure {
            Some(error) => Err(error),
            None => Ok(Files {
                origin: Origin::Commit(commit.to_owned()),
                entries,
            }),
        }
    }

    fn blob(&self, path: &str, id: Oid, mode: i32) -> Result<Entry, RepoError> {
        let (size, _) = self.git.odb()?.read_header(id)?;
        if size as u64 > Files::limit(path) {
            return Ok(Entry::TooLarge(size as u64));
        }
        let blob = self.git.find_blob(id)?;
        if mode == i32::from(git2::FileMode::Link) {
            return Ok(Entry::Link(String::from_utf8_lossy(blob.content()).into_owned()));
        }
        Ok(text(blob.content().to_vec()))
    }

    /// The lockfiles at the tip of a branch: tenant → text. Empty when the branch does not exist yet.
    pub fn lockfiles(&self, reference: &str) -> Result<BTreeMap<String, Arc<str>>, RepoError> {
        match self.branch_tip(reference) {
            Some(tip) => self.lockfiles_of(&tip.peel_to_tree()?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The newest commit, from one or from the checked out one backwards, that holds a file of the workspace.
    pub fn last_with(&self, path: &str, from: Option<&str>) -> Result<Option<String>, RepoError> {
        let from = match from {
            Some(from) => from.to_owned(),
            None => self.head()?,
        };
        let path = format!("{}{path}", self.prefix);
        let mut walk = self.git.revwalk()?;
        walk.push(Oid::from_str(&from)?)?;
        for id in walk {
            // A shallow clone ends somewhere.
            let Ok(commit) = id.and_then(|id| self.git.find_commit(id)) else {
                break;
            };
            if commit.tree()?.get_path(Path::new(&path)).is_ok() {
                return Ok(Some(commit.id().to_string()));
            }
        }
        Ok(None)
    }

    /// The text of any file of the workspace in a commit, if it is there.
    pub fn text_at(&self, commit: &str, path: &str) -> Result<Option<String>, RepoError> {
        self.committed(&self.git.find_commit(Oid::from_str(commit)?)?, path)
    }

    /// The lockfiles in a commit: tenant → text.
    pub fn lockfiles_at(&self, commit: &str) -> Result<BTreeMap<String, Arc<str>>, RepoError> {
        self.lockfiles_of(&self.git.find_commit(Oid::from_str(commit)?)?.tree()?)
    }

    fn lockfiles_of(&self, tree: &git2::Tree<'_>) -> Result<BTreeMap<String, Arc<str>>, RepoError> {
        let Ok(folder) = tree.get_path(Path::new(&format!("{}tenants", self.prefix))) else {
            return Ok(BTreeMap::new());
        };
        let folder = folder.to_object(&self.git)?.peel_to_tree()?;
        let mut locks = BTreeMap::new();
        for entry in folder.iter() {
            let Ok(name) = entry.name() else { continue };
            if let (Some(tenant), Some(ObjectType::Blob)) = (name.strip_suffix(".lock"), entry.kind()) {
                let blob = self.git.find_blob(entry.id())?;
                locks.insert(tenant.to_owned(), Arc::from(String::from_utf8_lossy(blob.content())));
            }
        }
        Ok(locks)
    }

    /// Files of the workspace, and `also` these, that differ from the commit that is checked out, staged or not, or are
    /// not in Git.
    pub fn uncommitted(&self, also: &BTreeSet<String>) -> Result<Vec<String>, RepoError> {
        let mut options = StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .include_ignored(false);
        let statuses = self.git.statuses(Some(&mut options))?;
        let mut changed: Vec<String> = statuses
            .iter()
            .filter_map(|entry| {
                entry
                    .path()
                    .ok()
                    .and_then(|path| path.strip_prefix(&self.prefix))
                    .map(str::to_owned)
            })
            .filter(|path| Files::belongs(path) || also.contains(path))
            .collect();
        changed.sort();
        Ok(changed)
    }
}

pub(super) fn text(bytes: Vec<u8>) -> Entry {
    match String::from_utf8(bytes) {
        Ok(text) => Entry::Text(Arc::from(text)),
        Err(_) => Entry::Binary,
    }
}
