//! Making a repository and committing everything in it: for the demo, and nowhere else.

use std::path::Path;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

use super::{Repo, RepoError};

impl Repo {
    /// Makes a repository with a branch `main` in a folder.
    pub fn init(folder: &Path) -> Result<Self, RepoError> {
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main");
        Repository::init_opts(folder, &options)?;
        Self::open(folder)
    }

    /// Commits everything that is not ignored; the id of the commit.
    pub fn commit_all(&self, message: &str) -> Result<String, RepoError> {
        let mut index = self.git.index()?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = self.git.find_tree(index.write_tree()?)?;
        let who = self
            .git
            .signature()
            .or_else(|_| Signature::now("upa demo", "demo@upa.invalid"))?;
        let parent = match self.head() {
            Ok(id) => Some(self.git.find_commit(git2::Oid::from_str(&id)?)?),
            Err(RepoError::NoCommit) => None,
            Err(error) => return Err(error),
        };
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        Ok(self
            .git
            .commit(Some("HEAD"), &who, &who, message, &tree, &parents)?
            .to_string())
    }
}
