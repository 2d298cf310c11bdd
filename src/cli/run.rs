//! One run of apply, without its terminal: what `upa apply` does between asking and telling. A simulation does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use uuid::Uuid;

use super::Global;
use super::accounts::Accounts;
use super::claim::{Hold, Patience};
use super::publish::{self, Kept};
use super::report::{Failure, disk};
use super::session::{At, Fetch, Session};
use super::sharing;
use super::survey::{self, Survey};
use crate::apply::{self, Begun, Context, Outcome, Progress};
use crate::desired::DesiredState;
use crate::exit::Exit;
use crate::journal::{self, Journal};
use crate::lease::Guarded;
use crate::lockfile::Lockfile;
use crate::lockstore::LockStore;
use crate::outside::{self, Outside};
use crate::plan::{Change, Plan, Rules, Touched, held, unseen};
use crate::platform::http::ledger::Tally;
use crate::problem::{Class, Place, Problem, listed};
use crate::repo::RepoError;
use crate::resource::{Address, SHARED};

/// A run under way. It excludes others until it is dropped.
pub struct Run {
    pub session: Session,
    pub accounts: Accounts,
    pub hold: Hold,
    pub id: Uuid,
    /// What is applied.
    pub commit: String,
    /// Whether webhooks are asked on the wire whether they answer.
    pub probes: bool,
}

/// Whether what was found before anything is written concerns the whole run: a wrong file, or a threshold. A platform that
/// is down, or a stranger's hand, concerns only its tenants.
pub fn stops(before: Exit) -> bool {
    matches!(before, Exit::Configuration | Exit::Threshold)
}

/// What a run is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// None are all.
    pub tenants: &'a [String],
    /// Whether what is checked out may be older than what was applied last.
    pub rollback: bool,
}

/// A run that holds its lease and has not opened any account.
pub(super) struct Opening {
    session: Session,
    hold: Hold,
    id: Uuid,
    commit: String,
    desired: DesiredState,
}

/// What is applied. What is only tried in the sandbox need not be committed.
pub(super) fn applied(global: &Global) -> At<'static> {
    match global.sandbox {
        true => At::WorkTree,
        false => At::Revision("HEAD"),
    }
}

impl Opening {
    async fn new(global: &Global, wanted: Wanted<'_>, patience: &Patience<'_>) -> Result<Self, Failure> {
        let session = Session::open_with(global, applied(global), wanted.tenants, Fetch::Always)?;
        if let Some(trusted) = session.trusted.as_ref().filter(|trusted| !trusted.merged) {
            let why = format!("what is checked out is not part of {}, which is trusted", trusted.name);
            return Err(Failure::new(Exit::Configuration, why).hint("only what is merged and committed is applied"));
        }
        if matches!(&session.store, LockStore::Branch(reference) if reference == "HEAD") {
            return Err(RepoError::Detached.into());
        }
        let id = outside::run_id();
        let tenants: BTreeSet<String> = wanted.tenants.iter().cloned().collect();
        let hold = patience.take(|| Hold::take(&session, id, tenants.clone())).await?;
        Self::held(global, wanted, session, hold, id)
    }

    /// Reads what is applied, while no other run works on it.
    pub(super) fn held(
        global: &Global,
        wanted: Wanted<'_>,
        session: Session,
        hold: Hold,
        id: Uuid,
    ) -> Result<Self, Failure> {
        let Wanted {
            tenants: selected,
            rollback,
        } = wanted;
        match &session.store {
            LockStore::Branch(reference) => session.repo.refuse_locked_index(reference)?,
            LockStore::Remote(target) => session.repo.refuse_locked_index(&target.there())?,
            LockStore::Commit(_) | LockStore::Folder(_) => {}
        }
        session.repo.finish_last_commit()?;
        if let LockStore::Remote(target) = &session.store {
            session.repo.follow(target)?;
        }
        if session.leftovers.is_empty() {
            session.repo.forget_unpublished()?;
        }
        refuse_uncommitted(&session, global)?;
        // Somebody may have finished a run between reading the lockfiles and taking the lease.
        let (mut session, _) = session.again(global, applied(global), selected)?;
        let (commit, told) = refuse_unpushed(&session, session.repo.head()?)?;
        session.warnings.extend(told);
        let desired = survey::wanted(&session, selected)?;
        if !rollback {
            refuse_older(&session, &commit, &desired)?;
        }
        Ok(Self {
            session,
            hold,
            id,
            commit,
            desired,
        })
    }

    /// How the platforms are reached: only as long as the lease is held.
    fn outside(&self) -> Arc<dyn Outside> {
        let outside = self.session.repo.outside().clone();
        Arc::new(Guarded::new(outside, self.hold.permit().clone()))
    }

    /// With the accounts that the selected tenants touch.
    pub(super) async fn reached(self) -> Result<(Run, DesiredState), Failure> {
        let accounts = survey::open_accounts_by(&self.session, &self.outside(), &self.desired).await?;
        Ok(self.with(accounts))
    }

    fn with(self, accounts: Accounts) -> (Run, DesiredState) {
        let run = Run {
            session: self.session,
            accounts,
            hold: self.hold,
            id: self.id,
            commit: self.commit,
            probes: false,
        };
        (run, self.desired)
    }
}

impl Run {
    /// Takes the lease and opens everything; what Git wants of the selected tenants comes beside it.
    /// Unless it is a `rollback`, what is checked out is not older than what was applied last.
    pub async fn open(global: &Global, selected: &[String], rollback: bool) -> Result<(Self, DesiredState), Failure> {
        let wanted = Wanted {
            tenants: selected,
            rollback,
        };
        Self::open_when_free(global, wanted, &Patience::none()).await
    }

    /// Likewise; other runs that are in the way are waited for.
    pub async fn open_when_free(
        global: &Global,
        wanted: Wanted<'_>,
        patience: &Patience<'_>,
    ) -> Result<(Self, DesiredState), Failure> {
        let opening = Opening::new(global, wanted, patience).await?;
        opening.reached().await
    }

    /// Likewise, with every account of the workspace.
    pub async fn open_everywhere(global: &Global, selected: &[String]) -> Result<(Self, DesiredState), Failure> {
        // What it does follows from marks and lockfiles, whatever is checked out.
        let wanted = Wanted {
            tenants: selected,
            rollback: true,
        };
        let opening = Opening::new(global, wanted, &Patience::none()).await?;
        let accounts = survey::open_all_accounts(&opening.session, &opening.outside()).await?;
        Ok(opening.with(accounts))
    }

    /// Asks and plans.
    pub async fn survey(&self, desired: DesiredState, rules: &Rules) -> Survey {
        let observers = self.accounts.observers().asking_webhooks(self.probes);
        survey::survey_with_patience(&self.session, desired, &observers, rules).await
    }

    /// Carries a plan out, with a journal that stays until the lockfiles are committed.
    pub async fn execute(
        &mut self,
        survey: &mut Survey,
        interrupted: &AtomicBool,
        progress: &(dyn Progress + Sync),
    ) -> Result<Vec<Outcome>, Failure> {
        let documents = survey.plan.changes.iter().map(|change| &change.work.document);
        let needed: BTreeSet<(String, String)> = documents.flat_map(unseen::names).collect();
        let resolver = &self.session.resolver;
        resolver.read(&mut survey.secrets, &survey.desired, &needed).await;
        let folder = self.session.journals.clone();
        let outside = self.session.repo.outside().clone();
        let journal = Journal::start(&folder, self.id, outside).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write the journal: {error}")).hint(disk(error.kind()))
        })?;
        let name = self.session.name().to_owned();
        let registry = self.session.workspace.registry.clone();
        let touched = Touched::by(&survey.plan, &survey.desired, &self.session.locks);
        let permit = self.hold.permit().clone();
        let mut context = Context {
            workspace: &name,
            run: self.id,
            commit: &self.commit,
            desired: &survey.desired.tenants,
            registry: &registry,
            observed: &survey.observed,
            secrets: &survey.secrets,
            executors: &self.accounts.executors(),
            journal: &journal,
            interrupted,
            permit: &permit,
            begun: Begun::default(),
            now,
            request_hours: self.session.workspace.settings.policy.request_hours,
            progress,
        };
        context.begun = apply::begun(&context, &survey.plan, &self.session.locks);
        let announced: Vec<&Lockfile> = context.begun.locks.values().collect();
        let published = publish::begin(
            &mut self.session,
            (self.id, &self.hold),
            &survey.plan,
            &announced,
            &journal,
        );
        match published {
            Ok(published) => {
                context.begun.published = published;
                sharing::unclaim(&self.session, &mut self.hold, &touched, &context.begun.locks);
            }
            Err(failure) => {
                drop(context);
                // Where nobody knows whether it arrived, the journal says that nothing of it was begun.
                if failure.exit != Exit::Platform {
                    journal.finish()?;
                }
                return Err(failure);
            }
        }
        let outcomes = apply::apply(&context, &survey.plan, &self.session.locks).await;
        let own = journal::leftovers(&folder)?
            .into_iter()
            .filter(|leftover| leftover.run() == Some(self.id));
        self.session.leftovers.extend(own);
        for outcome in &outcomes {
            self.session.locks.insert(outcome.tenant.clone(), outcome.lock.clone());
        }
        Ok(outcomes)
    }

    /// Keeps the lockfiles, and removes the journals they hold.
    pub fn record(&mut self, plan: &Plan, outcomes: &[Outcome]) -> Result<Kept, Failure> {
        let unfinished = outcomes
            .iter()
            .any(|outcome| outcome.failed() || outcome.interrupted || !outcome.waiting.is_empty());
        publish::keep(&mut self.session, (self.id, &self.hold), plan, unfinished)
    }

    /// Observes and plans once more: what is left of tenants that reported no failure is a bug in upa.
    pub async fn leftover(
        &self,
        selected: &[String],
        outcomes: &[Outcome],
        rules: &Rules,
    ) -> Result<Vec<Problem>, Failure> {
        let clean: Vec<String> = outcomes
            .iter()
            .filter(|outcome| !outcome.failed() && !outcome.interrupted && outcome.waiting.is_empty())
            .map(|outcome| outcome.tenant.clone())
            .collect();
        if clean.is_empty() {
            return Ok(Vec::new());
        }
        // What is shared comes with those who use it: with those of this run, and not with everybody.
        let mut whose: Vec<String> = clean.iter().filter(|tenant| *tenant != SHARED).cloned().collect();
        if whose.is_empty() {
            whose = selected.to_vec();
        }
        let desired = survey::wanted(&self.session, &whose)?;
        let again = self.survey(desired, rules).await;
        // What was in doubt was left as it is, and what waits for it.
        let left_out = outcomes.iter().flat_map(|outcome| {
            let doubts = outcome.doubts.iter().chain(&outcome.skipped).cloned();
            let lock = self.session.locks.get(&outcome.tenant);
            lock.map_or_else(BTreeSet::new, |lock| held(doubts, &again.plan.changes, lock))
        });
        let left_out: BTreeSet<Address> = left_out.collect();
        let applied = |change: &&Change| {
            clean.iter().any(|tenant| tenant == change.address.tenant()) && !left_out.contains(&change.address)
        };
        // What other runs do meanwhile to what tenants share is no bug of this one.
        let others = !self.hold.covers(SHARED)
            && again.plan.changes.iter().any(|change| applied(&change))
            && !self.hold.is_alone(&self.session, SHARED);
        let concerned = |change: &&Change| {
            let tenant = again.desired.tenants.get(change.address.tenant());
            others && tenant.is_some_and(|tenant| !tenant.uses().is_empty())
        };
        let left = again
            .plan
            .changes
            .iter()
            .filter(applied)
            .filter(|change| !concerned(change));
        let changes = left.map(|change| {
            let fields: Vec<&str> = change.fields.iter().take(3).map(|field| field.field.as_str()).collect();
            Problem::error(
                Class::Failure,
                format!(
                    "bug: {} was applied, and the plan still wants to {} it ({})",
                    change.address,
                    change.action.verb(),
                    fields.join(", ")
                ),
            )
            .tenant(change.address.tenant())
            .hint("run `upa plan`; if nobody changed it meanwhile, please report this")
        });
        Ok(changes.collect())
    }

    /// Closes the accounts: what each of them was asked.
    pub async fn close(self) -> BTreeMap<String, Tally> {
        let tallies = self.accounts.tallies();
        self.accounts.close().await;
        tallies
    }
}

/// To the second, as it is recorded.
pub fn now() -> Timestamp {
    let now = outside::now();
    now.round(jiff::Unit::Second).unwrap_or(now)
}

/// Where there is a remote only what it holds is applied; that it holds something newer is said. The commit it is then is
/// the one that is checked out, or the remote's where the branch was forced back and nothing but records is different.
fn refuse_unpushed(session: &Session, commit: String) -> Result<(String, Option<Problem>), Failure> {
    let Some(wanted) = &session.wanted else {
        return Ok((commit, None));
    };
    let (remote, branch) = (wanted.remote.name().to_owned(), wanted.branch.clone());
    let Some(tip) = session.repo.known_tip(wanted) else {
        return Err(RepoError::Unpushed { remote, branch }.into());
    };
    let newer = session.repo.differing(&commit, &tip)?;
    if !session.repo.contains(&tip, &commit) {
        if newer.is_empty() && session.repo.merge_base(&commit, &tip)?.is_some() {
            let why =
                format!("`{branch}` here holds records that `{remote}` does not: the remote's branch was forced back");
            let hint = format!("git reset --keep {remote}/{branch}");
            return Ok((tip, Some(Problem::warning(why).hint(hint))));
        }
        return Err(RepoError::Unpushed { remote, branch }.into());
    }
    let told = (!newer.is_empty()).then(|| {
        let paths = listed(newer.iter().take(5).map(String::as_str));
        Problem::warning(format!(
            "`{branch}` of the remote `{remote}` holds newer files ({paths}); what is checked out is applied"
        ))
        .hint("git pull")
    });
    Ok((commit, told))
}

/// What was applied from a commit that comes after the one to apply would be undone.
fn refuse_older(session: &Session, commit: &str, desired: &DesiredState) -> Result<(), Failure> {
    let Some(wanted) = &session.wanted else {
        return Ok(());
    };
    let (repo, tip) = (&session.repo, session.repo.known_tip(wanted));
    let mut newer: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut judged: BTreeMap<&str, bool> = BTreeMap::new();
    let locks = desired
        .tenants
        .keys()
        .filter_map(|name| Some((name, session.locks.get(name)?)));
    for (tenant, lock) in locks {
        let applied = lock.resources.values().filter_map(|locked| locked.applied.as_ref());
        for from in applied.map(|applied| applied.commit.as_str()) {
            // A commit that a shallow clone does not have lies before those that it has.
            let later = *judged.entry(from).or_insert_with(|| {
                let merged = tip.as_ref().is_some_and(|tip| repo.contains(tip, from));
                !repo.contains(commit, from) && (merged || repo.contains(from, commit))
            });
            if later {
                newer.entry(from).or_default().insert(tenant);
            }
        }
    }
    if newer.is_empty() {
        return Ok(());
    }
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    let problems = newer.into_iter().map(|(from, tenants)| {
        Problem::error(
            Class::Stale,
            format!(
                "commit {} is older than {}, from which {} was applied: nothing was changed",
                short(commit),
                short(from),
                listed(tenants.into_iter())
            ),
        )
        .hint("git pull; to go back on purpose: `upa apply --rollback`")
    });
    Err(Failure::problems(problems.collect()))
}

/// Only what is committed can be applied, or nobody could say later what was.
fn refuse_uncommitted(session: &Session, global: &Global) -> Result<(), Failure> {
    let uncommitted = session.repo.uncommitted(&session.workspace.encrypted_files())?;
    if uncommitted.is_empty() || global.sandbox {
        return Ok(());
    }
    let problems = uncommitted.iter().map(|path| {
        let problem = match path
            .strip_prefix("tenants/")
            .and_then(|name| name.strip_suffix(".lock"))
        {
            Some(tenant) if session.texts.contains_key(tenant) => {
                Problem::configuration(format!("`{path}` was edited by hand; upa alone writes lockfiles"))
                    .hint(format!("git checkout HEAD -- {path}"))
            }
            Some(_) => Problem::configuration(format!("`{path}` was made by hand; upa alone writes lockfiles"))
                .hint(format!("remove {path}")),
            None => Problem::configuration(format!("`{path}` is not committed"))
                .hint("commit it, or put it aside with `git stash -u`; `upa plan` shows what it would change"),
        };
        problem.at(Place::file(&**path))
    });
    Err(Failure::problems(problems.collect()))
}

/// The exit status of a run, by what was found before it, how its tenants came out, and what is left.
pub fn exit(before: Exit, outcomes: &[Outcome], left: &[Problem]) -> Exit {
    if outcomes.iter().any(|outcome| outcome.interrupted) {
        return Exit::Interrupted;
    }
    let by_tenant: BTreeMap<&str, Exit> = outcomes
        .iter()
        .map(|outcome| (outcome.tenant.as_str(), Exit::of_problems(&outcome.problems)))
        .collect();
    let mut exits: BTreeSet<u8> = by_tenant.values().map(|exit| exit.code()).collect();
    if before != Exit::Done {
        exits.insert(before.code());
    }
    if !left.is_empty() {
        return Exit::Failed;
    }
    if by_tenant.values().any(|exit| *exit == Exit::Decision) || before == Exit::Decision {
        return Exit::Decision;
    }
    let waiting = outcomes.iter().any(|outcome| !outcome.waiting.is_empty());
    match exits.len() {
        0 | 1 if waiting && by_tenant.values().all(|exit| *exit == Exit::Done) => Exit::Platform,
        0 => Exit::Done,
        1 => by_tenant.values().next().copied().unwrap_or(before),
        _ => Exit::SomeTenantsFailed,
    }
}
