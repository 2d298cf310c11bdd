//! What every command starts from: the repository, the workspace at some moment, and the lockfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::Global;
use super::report::Failure;
use crate::exit::Exit;
use crate::journal::{self, Leftover};
use crate::lockfile::Lockfile;
use crate::lockstore::{self, LockStore};
use crate::problem::{Problem, did_you_mean};
use crate::repo::Repo;
use crate::resource::SHARED;
use crate::secrets::Resolver;
use crate::workspace::{self, Files, Loaded, Workspace};

/// Which files count.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    WorkTree,
    Revision(&'a str),
}

/// The state a command starts from.
pub struct Session {
    pub repo: Repo,
    pub workspace: Workspace,
    /// Reads secrets, when they are needed.
    pub resolver: Resolver,
    pub store: LockStore,
    /// The lockfiles with everything folded in that earlier runs left in journals.
    pub locks: BTreeMap<String, Lockfile>,
    /// Their texts as they are kept.
    pub texts: BTreeMap<String, Arc<str>>,
    pub leftovers: Vec<Leftover>,
    /// Where runs keep their journals. What was only tried in the sandbox is never read by a run that is not.
    pub journals: PathBuf,
    /// Whether every account is in the sandbox, whatever the files say.
    only_sandbox: bool,
    /// What loading found: with `open` warnings only.
    pub warnings: Vec<Problem>,
}

impl Session {
    /// Opens a workspace. Errors that concern only tenants outside `selected` do not count; an empty selection is all.
    pub fn open(global: &Global, at: At<'_>, selected: &[String]) -> Result<Self, Failure> {
        let mut session = Self::look(global, at, selected)?;
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

    /// Opens a workspace to look at what is recorded: errors in files are told and stop nothing.
    pub fn look(global: &Global, at: At<'_>, selected: &[String]) -> Result<Self, Failure> {
        let repo = Repo::open(&global.dir)?;
        let files = match at {
            At::WorkTree => repo.work_tree()?,
            At::Revision(revision) => repo.at(&repo.resolve(revision)?)?,
        };
        let Loaded {
            workspace,
            mut problems,
        } = workspace::load(&files);
        let Some(mut workspace) = workspace else {
            return Err(Failure::problems(problems));
        };
        if global.sandbox {
            all_in_sandbox(&mut workspace);
        }
        let store = if global.sandbox {
            LockStore::Folder(repo.root().join(".upa/locks"))
        } else {
            LockStore::Branch(repo.lock_ref(workspace.settings.git.lock_branch.as_deref())?)
        };
        let texts = store.texts(&repo)?;
        let (mut locks, wrong) = lockstore::parse(&texts);
        problems.extend(wrong);
        problems.extend(vanished(&files, &locks));
        let journals = if global.sandbox {
            repo.root().join(".upa/journals")
        } else {
            repo.private_dir()
        };
        let leftovers = journal::leftovers(&journals)?;
        for entry in leftovers.iter().flat_map(|leftover| &leftover.entries) {
            let lock = locks
                .entry(entry.tenant.clone())
                .or_insert_with(|| Lockfile::new(&*entry.tenant));
            lock.record(&entry.event);
        }
        unknown_tenants(&workspace, &locks, selected)?;
        let notes = workspace
            .versions
            .values()
            .flat_map(|version| version.warnings.iter().cloned());
        problems.extend(notes);
        Ok(Self {
            resolver: Resolver::new(repo.root()),
            repo,
            workspace,
            store,
            locks,
            texts,
            leftovers,
            journals,
            only_sandbox: global.sandbox,
            warnings: problems,
        })
    }

    /// Puts the accounts of another moment's workspace where those of this session are.
    pub fn place(&self, workspace: &mut Workspace) {
        if self.only_sandbox {
            all_in_sandbox(workspace);
        }
    }

    /// The errors among what loading found.
    pub fn errors(&self) -> Vec<Problem> {
        self.warnings
            .iter()
            .filter(|problem| problem.is_error())
            .cloned()
            .collect()
    }

    /// The name that stands in marks.
    pub fn name(&self) -> &str {
        &self.workspace.settings.workspace.name
    }
}

/// `--sandbox`: whatever the files say, every account lives there.
fn all_in_sandbox(workspace: &mut Workspace) {
    for account in workspace.settings.accounts.values_mut() {
        account.sandbox = true;
    }
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
    let failure = Failure::new(Exit::Configuration, format!("there is no tenant `{tenant}`"));
    Err(match did_you_mean(tenant, known.iter().copied()) {
        Some(word) => failure.hint(format!("did you mean `{word}`?")),
        None => failure.hint(format!(
            "make it with `upa new {tenant}`, or list the tenants with `upa status`"
        )),
    })
}
