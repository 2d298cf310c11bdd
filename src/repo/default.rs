//! The branch that a remote says is its default one. What it said last is kept in `refs/upa/default/`.

use super::{Remote, Repo, RepoError, Target};

impl Repo {
    /// The remotes this clone knows.
    pub fn remotes(&self) -> Result<Vec<String>, RepoError> {
        let names = self.git.remotes()?;
        Ok(names.iter().flatten().flatten().map(str::to_owned).collect())
    }

    /// Asks a remote which branch is its default one, and fetches it; `None` where it has none.
    pub fn fetch_default(&self, remote: &Remote) -> Result<Option<Target>, RepoError> {
        let Some(branch) = remote.default_branch()? else {
            return Ok(None);
        };
        let target = Target::new(remote.clone(), &branch)?;
        self.fetch(&[&target])?;
        let known = self.symbolic(&kept(remote));
        if known.as_deref() != Some(&target.here()) {
            self.about_to_move(&kept(remote))?;
            self.git
                .reference_symbolic(&kept(remote), &target.here(), true, "upa")?;
        }
        Ok(Some(target))
    }

    /// The default branch of a remote as it was told last, also to the user's own `git clone`.
    pub fn known_default(&self, remote: &Remote) -> Result<Option<Target>, RepoError> {
        let told = [
            (kept(remote), format!("refs/upa/remote/{}/", remote.name())),
            (
                format!("refs/remotes/{}/HEAD", remote.name()),
                format!("refs/remotes/{}/", remote.name()),
            ),
        ];
        let mut branches = told
            .iter()
            .filter_map(|(name, folder)| Some(self.symbolic(name)?.strip_prefix(folder)?.to_owned()));
        let branch = branches.next();
        branch.map(|branch| Target::new(remote.clone(), &branch)).transpose()
    }

    fn symbolic(&self, name: &str) -> Option<String> {
        let reference = self.git.find_reference(name).ok()?;
        reference.symbolic_target().ok().flatten().map(str::to_owned)
    }
}

fn kept(remote: &Remote) -> String {
    format!("refs/upa/default/{}", remote.name())
}
