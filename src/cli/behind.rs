//! A branch that is behind: what was merged since it parted is no change of it, so it is planned as it will be once merged.

use std::collections::BTreeSet;

use serde::Serialize;

use super::report::Failure;
use super::trusted::Trusted;
use crate::exit::Exit;
use crate::problem::{Place, Problem, listed};
use crate::render::counted;
use crate::repo::{Repo, Target};
use crate::trust::is_governing;
use crate::workspace::{self, Files, Loaded, Workspace};

/// How far a head is behind the branch it will be merged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behind {
    /// The commits that it does not have.
    pub commits: usize,
    /// The tip of that branch.
    pub commit: String,
    /// Whether it is planned as merged with that; else as it is.
    pub merged: bool,
    #[serde(skip)]
    base: String,
    /// Files that were changed there meanwhile.
    #[serde(skip)]
    paths: Vec<String>,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    update: String,
    /// Whether there is nothing on top of where it parted.
    #[serde(skip)]
    is_older: bool,
}

/// Where a head stands towards the branch it will be merged into.
#[derive(Debug)]
pub enum Standing {
    /// Nothing of that branch is missing, or there is none.
    UpToDate,
    Behind(Behind),
    /// The clone does not hold the commit where they parted.
    Unknown(Problem),
}

/// Compares a head (`None` = what is checked out) with the branch that says what is wanted, or with the trusted commit.
pub fn standing(
    repo: &Repo,
    head: Option<&str>,
    wanted: Option<&Target>,
    trusted: Option<&Trusted>,
) -> Result<Standing, Failure> {
    let known = wanted.and_then(|wanted| {
        let (branch, remote) = (&wanted.branch, wanted.remote.name());
        let name = format!("`{branch}` of the remote `{remote}`");
        Some((
            repo.known_tip(wanted)?,
            name,
            format!("git pull --rebase {remote} {branch}"),
        ))
    });
    let known = known.or_else(|| {
        let Trusted { commit, name, .. } = trusted?;
        let short = commit.get(..10).unwrap_or(commit);
        Some((commit.clone(), name.clone(), format!("git rebase {short}")))
    });
    let Some((tip, name, update)) = known else {
        return Ok(Standing::UpToDate);
    };
    let is_edited = head.is_none() && !repo.uncommitted(&BTreeSet::new())?.is_empty();
    let head = match head {
        Some(head) => head.to_owned(),
        None => repo.head()?,
    };
    let Some(base) = repo.merge_base(&head, &tip)? else {
        return Ok(Standing::Unknown(
            Problem::warning(format!(
                "how far this is behind {name} cannot be told, because this clone does not hold the commit where they \
                 parted: what was merged there since may be shown as if it were undone"
            ))
            .hint("fetch the history: `git fetch --unshallow` (in GitHub Actions `fetch-depth: 0`)"),
        ));
    };
    // Lockfiles are read from there whatever is checked out.
    let paths = repo.differing(&base, &tip)?;
    if paths.is_empty() {
        return Ok(Standing::UpToDate);
    }
    Ok(Standing::Behind(Behind {
        commits: repo.behind(&head, &tip)?,
        commit: tip,
        merged: false,
        is_older: base == head && !is_edited,
        base,
        paths,
        name,
        update,
    }))
}

/// The files that count, and what they say.
pub struct Seen {
    pub files: Files,
    pub workspace: Workspace,
    /// What loading found, and what was told of them before.
    pub problems: Vec<Problem>,
    told: Vec<Problem>,
}

impl Seen {
    /// Reads them; without a usable `upa.toml` there is nothing to go on with.
    pub fn load(files: Files, told: Vec<Problem>) -> Result<Self, Failure> {
        let Loaded {
            workspace,
            mut problems,
        } = workspace::load(&files);
        problems.extend(told.iter().cloned());
        match workspace {
            Some(workspace) => Ok(Self {
                files,
                workspace,
                problems,
                told,
            }),
            None => Err(Failure::problems(problems)),
        }
    }

    /// Goes on with the files as they will be once the head is merged, where it is behind. Where there is a trusted commit,
    /// the files that say where keys go have been taken from it, and stay so.
    pub fn merge(self, repo: &Repo, standing: Standing, is_trusted: bool) -> Result<(Self, Option<Behind>), Failure> {
        let mut behind = match standing {
            Standing::Behind(behind) => behind,
            other => {
                let mut seen = self;
                seen.problems.extend(other.problem());
                return Ok((seen, None));
            }
        };
        let merged = repo.merged(&behind.base, self.files, &behind.commit, |path| {
            is_trusted && is_governing(path)
        })?;
        let mut seen = Self::load(merged.files, self.told)?;
        behind.merged = true;
        seen.problems
            .extend(merged.conflicts.iter().map(|path| behind.conflict(path)));
        seen.problems.push(behind.problem());
        Ok((seen, Some(behind)))
    }
}

impl Standing {
    /// What is said of it, if anything.
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Standing::UpToDate => None,
            Standing::Behind(behind) => Some(behind.problem()),
            Standing::Unknown(problem) => Some(problem.clone()),
        }
    }

    /// Where no person reads warnings, a plan that may undo what was merged is none.
    pub fn must_be_known(&self) -> Result<(), Failure> {
        let Standing::Unknown(problem) = self else {
            return Ok(());
        };
        let failure = Failure::new(Exit::Configuration, problem.message.clone());
        Err(match &problem.hint {
            Some(hint) => failure.hint(hint.clone()),
            None => failure,
        })
    }

    pub fn behind(self) -> Option<Behind> {
        match self {
            Standing::Behind(behind) => Some(behind),
            Standing::UpToDate | Standing::Unknown(_) => None,
        }
    }
}

impl Behind {
    fn conflict(&self, path: &str) -> Problem {
        let problem = Problem::configuration(format!(
            "`{path}` was changed here and in {} since they parted, and Git cannot merge it: what it will be is not known",
            self.name
        ));
        let problem = problem
            .at(Place::file(path))
            .hint(format!("rebase or merge first: `{}`", self.update));
        let tenant = path
            .strip_prefix("tenants/")
            .and_then(|path| path.strip_suffix(".toml"));
        match tenant {
            Some(tenant) => problem.tenant(tenant),
            None => problem,
        }
    }

    /// What is said of it.
    pub fn problem(&self) -> Problem {
        let paths = listed(self.paths.iter().map(String::as_str));
        let commits = counted(self.commits, "commit");
        let (name, update) = (&self.name, &self.update);
        let behind = format!("what is planned is {commits} behind {name} ({paths})");
        match (self.merged, self.is_older) {
            (true, false) => Problem::warning(format!("{behind}: it is planned as merged with it")).hint(update),
            (true, true) => Problem::warning(format!("{behind}: it is planned as merged with it")).hint(format!(
                "{update}; `upa plan --rollback` shows what it would be to go back"
            )),
            (false, _) => Problem::warning(format!("{behind}: it is planned as it is, and undoes them"))
                .hint("`upa apply --rollback` would do that; without `--rollback` it is planned as merged"),
        }
    }
}
