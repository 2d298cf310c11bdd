//! What every command starts from: the repository, the workspace at some moment, and the lockfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Global;
use super::behind::{self, Behind, Seen};
use super::rehearsal;
use super::report::Failure;
use super::trusted::{self, Trusted};
use crate::exit::Exit;
use crate::journal::{self, Leftover};
use crate::lockfile::Lockfile;
use crate::lockstore::{self, LockStore};
use crate::plan::confirm;
use crate::problem::{Problem, did_you_mean};
use crate::repo::{Remote, Repo, RepoError, Target};
use crate::resource::{Address, SHARED};
use crate::secrets::Resolver;
use crate::trust::{self, Withheld};
use crate::workspace::settings::Git;
use crate::workspace::{self, Files, Workspace};

/// Which files count.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    WorkTree,
    Revision(&'a str),
    /// What a revision (`None` = the work tree) will be once it is merged into the branch that counts.
    Merged(Option<&'a str>),
}

impl<'a> At<'a> {
    /// The revision the files are from; `None` is the work tree.
    pub fn revision(self) -> Option<&'a str> {
        match self {
            At::WorkTree => None,
            At::Revision(revision) => Some(revision),
            At::Merged(revision) => revision,
        }
    }
}

/// Whether the remote of `[git]` is asked for its lockfiles first. Without one there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    No,
    /// If it can be reached.
    Try,
    /// Unless `--offline` says otherwise.
    Usually,
    Always,
    /// It was asked a moment ago.
    Fetched,
}

/// The state a command starts from.
pub struct Session {
    pub repo: Repo,
    pub workspace: Workspace,
    /// Reads secrets, when they are needed.
    pub resolver: Resolver,
    pub store: LockStore,
    /// The commit of the remote the lockfiles are from, if there is one.
    pub base: Option<String>,
    /// The branch of the remote that says what is wanted, if there is one.
    pub wanted: Option<Target>,
    /// Why the lockfiles may be older than the remote's, if they may.
    pub unfetched: Option<Problem>,
    /// The lockfiles with everything folded in that earlier runs left in journals.
    pub locks: BTreeMap<String, Lockfile>,
    /// Their texts as they are kept.
    pub texts: BTreeMap<String, Arc<str>>,
    pub leftovers: Vec<Leftover>,
    /// Where runs keep their journals. What was only tried in the sandbox is never read by a run that is not.
    pub journals: PathBuf,
    /// The commit that says where keys go, if it is another than the files are from.
    pub trusted: Option<Trusted>,
    /// How far the files are behind the branch that counts, if that was asked and they are.
    pub behind: Option<Behind>,
    /// What only a head that is not trusted takes over.
    pub withheld: BTreeSet<Withheld>,
    /// Whether every account is in the sandbox, whatever the files say.
    pub rehearses: bool,
    /// From what the sandbox tells lies, if it is to.
    pub chaos: Option<u64>,
    /// The commit the files are from; `None` = the work tree.
    commit: Option<String>,
    /// What loading found: with `open` warnings only.
    pub warnings: Vec<Problem>,
}

impl Session {
    /// Opens a workspace. Errors that concern only tenants outside `selected` do not count; an empty selection is all.
    pub fn open(global: &Global, at: At<'_>, selected: &[String]) -> Result<Self, Failure> {
        Self::open_with(global, at, selected, Fetch::No)
    }

    /// Opens a workspace with the remote's lockfiles.
    pub fn open_with(global: &Global, at: At<'_>, selected: &[String], fetch: Fetch) -> Result<Self, Failure> {
        let mut session = Self::look_with(global, at, selected, fetch)?;
        let concerns = |problem: &Problem| {
            // What tenants share concerns whoever is selected.
            let tenant = problem.tenant.as_ref().filter(|tenant| *tenant != SHARED);
            selected.is_empty() || tenant.is_none_or(|tenant| selected.contains(tenant))
        };
        session.warnings.retain(concerns);
        if session.warnings.iter().any(Problem::is_error) {
            return Err(Failure::problems(session.warnings));
        }
        Ok(session)
    }

    /// The same, after time has passed: the remote is asked again, and what has not moved is not read again. Whether
    /// anything has moved is beside it.
    pub fn again(self, global: &Global, at: At<'_>, selected: &[String]) -> Result<(Self, bool), Failure> {
        if let Some(wanted) = &self.wanted {
            fetched(global, &self.repo, wanted, &self.store, (Fetch::Always, true))?;
        }
        let unmoved = self.commit.is_some()
            && self.commit == commit(&self.repo, at)?
            && self.base == self.store.base(&self.repo)
            && self.texts == self.store.texts(&self.repo)?
            && self.leftovers == journal::leftovers(&self.journals)?;
        if unmoved {
            return Ok((self, false));
        }
        Ok((Self::open_with(global, at, selected, Fetch::Fetched)?, true))
    }

    /// Opens a workspace to look at what is recorded: errors in files are told and stop nothing.
    pub fn look(global: &Global, at: At<'_>, selected: &[String]) -> Result<Self, Failure> {
        Self::look_with(global, at, selected, Fetch::No)
    }

    /// Likewise, with the remote's lockfiles.
    pub fn look_with(global: &Global, at: At<'_>, selected: &[String], fetch: Fetch) -> Result<Self, Failure> {
        let repo = Repo::open_in(&global.dir, global.outside.clone())?;
        let commit = commit(&repo, at)?;
        let files = match &commit {
            None => repo.work_tree()?,
            Some(commit) => repo.at(commit)?,
        };
        let trusted = match global.sandbox {
            true => None,
            false => trusted::find(global, &repo, &files, commit.as_deref(), fetch)?,
        };
        let (files, told) = match &trusted {
            Some(trusted) => trusted::files(&repo, trusted, files, commit.as_deref())?,
            None => (files, Vec::new()),
        };
        let mut seen = Seen::load(files, told)?;
        let wanted = match &seen.workspace.settings.git.remote {
            Some(name) if !global.sandbox => {
                let asks = (global, fetch);
                Some(wanted(
                    &repo,
                    &seen.workspace.settings.git,
                    name,
                    trusted.as_ref(),
                    asks,
                )?)
            }
            _ => None,
        };
        let store = store(
            global,
            &repo,
            &seen.workspace.settings.git,
            wanted.as_ref(),
            trusted.as_ref(),
        )?;
        let unfetched = match &wanted {
            Some(wanted) => fetched(global, &repo, wanted, &store, (fetch, false))?,
            None => None,
        };
        let mut behind = None;
        if let At::Merged(_) = at {
            let standing = behind::standing(&repo, commit.as_deref(), wanted.as_ref(), trusted.as_ref())?;
            if global.ci {
                standing.must_be_known()?;
            }
            (seen, behind) = seen.merge(&repo, standing, trusted.is_some())?;
        }
        let Seen {
            files,
            mut workspace,
            mut problems,
            ..
        } = seen;
        if global.sandbox {
            all_in_sandbox(&mut workspace);
        }
        let base = store.base(&repo);
        let texts = store.texts(&repo)?;
        let (mut locks, wrong) = lockstore::parse(&texts);
        problems.extend(wrong);
        problems.extend(vanished(&files, &locks));
        let journals = if global.sandbox {
            rehearsal::folder(&repo, true)?.join("journals")
        } else {
            repo.private_dir()
        };
        let mut resolver = Resolver::new(repo.root(), &workspace.settings);
        let mut withheld = BTreeSet::new();
        if let Some(trusted) = &trusted {
            let (folder, told) = trusted::encrypted(&repo, trusted, &workspace, commit.as_deref())?;
            problems.extend(told);
            if let Some(folder) = folder {
                resolver = resolver.with_encrypted(folder);
            }
            if !trusted.merged {
                withheld = trust::withheld(&workspace, &repo.at(&trusted.commit)?, &locks);
                problems.extend(withheld.iter().map(|one| one.problem(&workspace)));
            }
        }
        let leftovers = journal::leftovers(&journals)?;
        for leftover in &leftovers {
            problems.extend(fold(&repo, base.as_deref(), leftover, &mut locks)?);
        }
        problems.extend(confirm::check(&workspace, &locks));
        problems.extend(newcomers(&workspace, &texts, &locks));
        unknown_tenants(&repo, &workspace, &locks, selected)?;
        let notes = workspace
            .versions
            .values()
            .flat_map(|version| version.warnings.iter().cloned());
        problems.extend(notes);
        Ok(Self {
            resolver,
            withheld,
            trusted,
            behind,
            repo,
            workspace,
            store,
            base,
            wanted,
            unfetched,
            locks,
            texts,
            leftovers,
            journals,
            rehearses: global.sandbox,
            chaos: global.chaos_seed,
            commit,
            warnings: problems,
        })
    }

    /// Puts the accounts of another moment's workspace where those of this session are.
    pub fn place(&self, workspace: &mut Workspace) {
        if self.rehearses {
            all_in_sandbox(workspace);
        }
    }

    /// Whether the secrets of tenants may be read: not for a head that anybody may have written.
    pub fn trusts_tenants(&self) -> bool {
        self.trusted.as_ref().is_none_or(|trusted| trusted.merged)
    }

    /// The remote that holds the truth, if there is one.
    pub fn remote(&self) -> Option<&Remote> {
        self.wanted.as_ref().map(|wanted| &wanted.remote)
    }

    /// Finds out how far the files are behind the branch that counts, and tells it.
    pub fn stands(&mut self) -> Result<(), Failure> {
        let (wanted, trusted) = (self.wanted.as_ref(), self.trusted.as_ref());
        let standing = behind::standing(&self.repo, self.commit.as_deref(), wanted, trusted)?;
        self.warnings.extend(standing.problem());
        self.behind = standing.behind();
        Ok(())
    }

    /// The errors among what loading found.
    pub fn errors(&self) -> Vec<Problem> {
        self.warnings
            .iter()
            .filter(|problem| problem.is_error())
            .cloned()
            .collect()
    }

    /// Writes a file that people edit: whole, or not at all.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let written = self.repo.replace(path, text);
        written.map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{path}`: {error}")))
    }

    /// The name that stands in marks.
    pub fn name(&self) -> &str {
        &self.workspace.settings.workspace.name
    }
}

fn commit(repo: &Repo, at: At<'_>) -> Result<Option<String>, RepoError> {
    at.revision().map(|revision| repo.resolve(revision)).transpose()
}

/// The branch of the remote that says what is wanted.
fn wanted(
    repo: &Repo,
    git: &Git,
    name: &str,
    trusted: Option<&Trusted>,
    (global, fetch): (&Global, Fetch),
) -> Result<Target, Failure> {
    let remote = Remote::new(repo, name)?;
    if let Some(branch) = &git.branch {
        return Ok(Target::new(remote, branch)?);
    }
    let found = trusted.and_then(|trusted| trusted.default.clone());
    let asks = fetch == Fetch::Always || fetch == Fetch::Usually && !global.offline;
    let default = match found.filter(|found| found.remote.name() == name) {
        Some(found) => Some(found),
        None if asks => repo.fetch_default(&remote)?,
        None => repo.known_default(&remote)?,
    };
    match (default, repo.checked_out()?) {
        (Some(default), _) => Ok(default),
        // A remote that has nothing yet, or was never asked.
        (None, Some(branch)) => Ok(Target::new(remote, &branch)?),
        (None, None) => {
            Err(Failure::from(RepoError::Detached)
                .hint("say in upa.toml which branch of the remote counts: `git.branch`"))
        }
    }
}

fn store(
    global: &Global,
    repo: &Repo,
    git: &Git,
    wanted: Option<&Target>,
    trusted: Option<&Trusted>,
) -> Result<LockStore, Failure> {
    if global.sandbox {
        return Ok(LockStore::Folder(rehearsal::folder(repo, true)?.join("locks")));
    }
    Ok(match wanted {
        Some(wanted) => {
            let branch = git.lock_branch.as_deref().unwrap_or(&wanted.branch);
            LockStore::Remote(Target::new(wanted.remote.clone(), branch)?)
        }
        None => match trusted {
            // The lockfiles of a head that anybody may have written are its own.
            Some(trusted) if !trusted.merged && git.lock_branch.is_none() => LockStore::Commit(trusted.commit.clone()),
            _ => LockStore::Branch(repo.lock_ref(git.lock_branch.as_deref())?),
        },
    })
}

/// Asks the remote; the finding says why what is here may be older.
fn fetched(
    global: &Global,
    repo: &Repo,
    wanted: &Target,
    store: &LockStore,
    (fetch, again): (Fetch, bool),
) -> Result<Option<Problem>, Failure> {
    if matches!(fetch, Fetch::No | Fetch::Fetched) || global.offline && fetch != Fetch::Always {
        return Ok(None);
    }
    let mut targets = vec![wanted];
    if let LockStore::Remote(target) = store
        && target.branch != wanted.branch
    {
        targets.push(target);
    }
    if !again {
        targets.retain(|target| !repo.is_fresh(target));
    }
    match (repo.fetch(&targets), fetch) {
        (Ok(()), _) => Ok(None),
        (Err(error), Fetch::Try) => Ok(Some(
            Problem::warning(format!("{error}; this is what was fetched last")).hint("say `--offline` not to ask it"),
        )),
        (Err(error @ RepoError::Unreachable { .. }), Fetch::Usually) => {
            Err(Failure::from(error).hint("to go by what was fetched last: `--offline`"))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Folds what an earlier run left behind into the lockfiles it continues. What another run has written since counts more:
/// it settled what this one had announced.
fn fold(
    repo: &Repo,
    now: Option<&str>,
    leftover: &Leftover,
    locks: &mut BTreeMap<String, Lockfile>,
) -> Result<Vec<Problem>, Failure> {
    let mut continues: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in &leftover.entries {
        if !continues.contains_key(&*entry.tenant) {
            let path = lockstore::path(&entry.tenant);
            let same = match (&leftover.base, now) {
                (Some(base), Some(now)) => repo.unchanged(base, now, &path)? || repo.taken_back(base, now, &path)?,
                _ => true,
            };
            continues.insert(&entry.tenant, same);
        }
        if continues.get(&*entry.tenant) == Some(&true) {
            let lock = locks
                .entry(entry.tenant.clone())
                .or_insert_with(|| Lockfile::new(&*entry.tenant));
            lock.record(&entry.event);
        }
    }
    if let (Some(_), Some(run)) = (&leftover.base, leftover.run()) {
        let began: BTreeSet<&Address> = leftover
            .entries
            .iter()
            .filter_map(|entry| entry.event.begins())
            .collect();
        for lock in locks.values_mut() {
            lock.forget_announced(run, &began);
        }
    }
    let overtaken = continues.into_iter().filter(|(_, continues)| !continues);
    Ok(overtaken
        .map(|(tenant, _)| {
            let path = lockstore::path(tenant);
            Problem::warning(format!(
                "a run that was cut off here had not published `{path}`, and another has written it since: that one counts"
            ))
            .tenant(tenant)
        })
        .collect())
}

/// `--sandbox`: whatever the files say, every account lives there.
fn all_in_sandbox(workspace: &mut Workspace) {
    for account in workspace.settings.accounts.values_mut() {
        account.sandbox = true;
    }
}

/// Tenants that would come to a version that takes no new ones. Of one whose lockfile cannot be read that is not known.
fn newcomers(
    workspace: &Workspace,
    texts: &BTreeMap<String, Arc<str>>,
    locks: &BTreeMap<String, Lockfile>,
) -> Vec<Problem> {
    workspace::check::newcomers(workspace, |tenant| match locks.get(&tenant.name) {
        Some(lock) => lock.is_on(&tenant.file.product, &tenant.file.version),
        None => texts.contains_key(&tenant.name),
    })
}

/// Tenants whose file is gone while their objects exist. Nothing is ever deleted because of that.
fn vanished(files: &Files, locks: &BTreeMap<String, Lockfile>) -> Vec<Problem> {
    locks
        .iter()
        // A file that is there and cannot be used has findings of its own.
        .filter(|(tenant, lock)| {
            lock.objects() > 0 && *tenant != SHARED && !files.entries.contains_key(&format!("tenants/{tenant}.toml"))
        })
        .map(|(tenant, lock)| workspace::check::vanished(tenant, lock.objects()))
        .collect()
}

fn unknown_tenants(
    repo: &Repo,
    workspace: &Workspace,
    locks: &BTreeMap<String, Lockfile>,
    selected: &[String],
) -> Result<(), Failure> {
    let known: BTreeSet<&str> = workspace
        .tenants
        .keys()
        .chain(locks.keys())
        .map(String::as_str)
        .collect();
    let Some(tenant) = selected.iter().find(|tenant| !known.contains(tenant.as_str())) else {
        return Ok(());
    };
    let path = format!("tenants/{tenant}.toml");
    if repo.work_tree()?.entries.contains_key(&path) {
        let why = format!("`{path}` is not committed, and what is committed is what counts here");
        return Err(Failure::new(Exit::Configuration, why).hint(format!(
            "git add {path} && git commit; `upa plan {tenant}` shows before that what it would make"
        )));
    }
    let failure = Failure::new(Exit::Configuration, format!("there is no tenant `{tenant}`"));
    Err(match did_you_mean(tenant, known.iter().copied()) {
        Some(word) => failure.hint(format!("did you mean `{word}`?")),
        None => failure.hint(format!(
            "make it with `upa new {tenant}`, or list the tenants with `upa status`"
        )),
    })
}
