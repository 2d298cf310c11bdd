//! Keeping lockfiles: before the first call what is announced, after the last what was done.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::claim::Hold;
use super::report::Failure;
use super::session::Session;
use crate::desired::DesiredState;
use crate::exit::Exit;
use crate::journal::{self, Journal, Leftover};
use crate::lockfile::{self, Lockfile};
use crate::lockstore::LockStore;
use crate::plan::{Action, Places, Plan};
use crate::render::tenants_and;
use crate::repo::RepoError;
use crate::resource::{Address, SHARED};

/// What was kept.
#[derive(Default)]
pub struct Kept {
    pub commit: Option<String>,
    pub left_alone: Vec<String>,
}

/// Publishes what is announced, where a remote holds the lockfiles and anything is made, replaced or deleted. Without a
/// remote the journal alone is enough. Returns whether it was published.
pub fn begin(
    session: &mut Session,
    (run, hold): (Uuid, &Hold),
    plan: &Plan,
    announced: &[&Lockfile],
    journal: &Journal,
) -> Result<bool, Failure> {
    if !matches!(session.store, LockStore::Remote(_)) {
        return Ok(false);
    }
    // Should the machine stop while the announcement is on its way, then this says that nothing of it was begun.
    if let Some(base) = &session.base {
        journal.based_on(base)?;
    }
    let published = !announced.is_empty();
    if published {
        hold.confirm(session)?;
        // With what earlier runs left behind, so that their journals need not be folded into this.
        let mut locks: Vec<Lockfile> = changed(session, hold).into_iter().cloned().collect();
        locks.retain(|lock| announced.iter().all(|other| other.tenant != lock.tenant));
        locks.extend(announced.iter().map(|lock| (*lock).clone()));
        let message = format!("upa apply: begin {}", message(session, (run, hold), plan, &locks));
        session
            .store
            .keep(&session.repo, &locks, session.base.as_deref(), &message, &|there| {
                place_taken(session, there, &locks)
            })
            .map_err(|error| not_begun(&error))?;
        settled(session, hold)?;
        if let Some(base) = &session.base {
            journal.based_on(base)?;
        }
    }
    Ok(published)
}

/// Another run may have recorded an object meanwhile that this one is about to take over or to write.
fn place_taken(session: &Session, there: &BTreeMap<String, Lockfile>, ours: &[Lockfile]) -> Option<String> {
    let desired = DesiredState {
        accounts: session.workspace.same_accounts(),
        ..DesiredState::default()
    };
    let is_ours = |address: &Address| ours.iter().any(|lock| lock.tenant == address.tenant());
    // Whose the accounts are is recorded.
    let owners = BTreeMap::new();
    let conflicts = Places::of(&desired, there, &owners, &session.workspace.registry).conflicts();
    let mut found = conflicts.into_iter().filter(|(address, _)| is_ours(address));
    found.next().map(|(_, problem)| problem.message.to_string())
}

fn not_begun(error: &RepoError) -> Failure {
    let exit = match error {
        RepoError::Overtaken { .. } | RepoError::TakenBack { .. } | RepoError::PlaceTaken(_) => Exit::Stale,
        RepoError::Refused { .. } => Exit::Configuration,
        _ => Exit::Platform,
    };
    let failure = Failure::new(exit, format!("{error}; nothing was changed on any platform"));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Commits every lockfile that changed, in one commit, and removes the journals it holds.
pub fn keep(session: &mut Session, (run, hold): (Uuid, &Hold), plan: &Plan, unfinished: bool) -> Result<Kept, Failure> {
    commit(session, hold, |session, changed| {
        let unfinished = if unfinished { ", unfinished" } else { "" };
        let message = message(session, (run, hold), plan, changed);
        let (head, trailers) = message.split_once('\n').unwrap_or((&message, ""));
        format!("upa apply: {head}{unfinished}\n{trailers}")
    })
}

/// Commits the lockfile of a tenant that was rebuilt.
pub fn recover(session: &mut Session, (run, hold): (Uuid, &Hold), tenant: &str) -> Result<Kept, Failure> {
    commit(session, hold, |session, _| {
        format!("upa recover: {tenant}\n\n{}", trailers(session, (run, hold)))
    })
}

fn commit(
    session: &mut Session,
    hold: &Hold,
    message: impl FnOnce(&Session, &[Lockfile]) -> String,
) -> Result<Kept, Failure> {
    let changed: Vec<Lockfile> = changed(session, hold).into_iter().cloned().collect();
    let mut kept = Kept::default();
    if !changed.is_empty() {
        hold.confirm(session)?;
        let message = message(session, &changed);
        let made = session
            .store
            .keep(&session.repo, &changed, session.base.as_deref(), &message, &|_| None);
        if let Some(made) = made.map_err(|error| not_published(session, error))? {
            kept.commit = Some(made.id);
            kept.left_alone = made.left_alone;
        }
    }
    settled(session, hold)?;
    Ok(kept)
}

/// After a commit: its journals are not needed any more.
fn settled(session: &mut Session, hold: &Hold) -> Result<(), Failure> {
    let (done, rest): (Vec<Leftover>, Vec<Leftover>) = session
        .leftovers
        .drain(..)
        .partition(|leftover| leftover.entries.iter().all(|entry| hold.covers(&entry.tenant)));
    session.leftovers = rest;
    for leftover in &done {
        journal::remove(leftover, &**session.repo.outside())?;
    }
    session.base = session.store.base(&session.repo);
    session.texts = session.store.texts(&session.repo)?;
    Ok(())
}

/// Lockfiles that say something else than what is kept, and that are this run's to write.
fn changed<'a>(session: &'a Session, hold: &Hold) -> Vec<&'a Lockfile> {
    let differs = |lock: &&Lockfile| match (session.texts.get(&lock.tenant), lockfile::write(lock)) {
        (Some(kept), Ok(text)) => **kept != *text,
        (None, _) => !lock.is_empty(),
        (Some(_), Err(_)) => true,
    };
    session
        .locks
        .values()
        .filter(|lock| hold.covers(&lock.tenant))
        .filter(differs)
        .collect()
}

/// What was done stays in this clone until the remote takes it.
fn not_published(session: &Session, error: RepoError) -> Failure {
    if !matches!(session.store, LockStore::Remote(_)) || matches!(error, RepoError::Overtaken { .. }) {
        return error.into();
    }
    if let RepoError::TakenBack { .. } = error {
        let recorded = format!("what this run did is recorded only in this clone: {error}");
        return Failure::from(error).with_message(recorded);
    }
    let mend = error.hint().unwrap_or("mend that");
    Failure::new(
        Exit::Platform,
        format!("what this run did is recorded in this clone only: {error}"),
    )
    .hint(format!("{mend}; the next `upa apply` in this clone publishes it"))
}

fn message(session: &Session, (run, hold): (Uuid, &Hold), plan: &Plan, changed: &[Lockfile]) -> String {
    let tenants = changed.iter().filter(|lock| lock.tenant != SHARED).count();
    let whose = tenants_and(tenants, tenants < changed.len());
    let counts: Vec<String> = Action::ALL
        .iter()
        .filter(|action| plan.count(**action) > 0)
        .map(|action| format!("{} {}", action.verb(), plan.count(*action)))
        .collect();
    let what = if counts.is_empty() {
        "record an earlier run".to_owned()
    } else {
        counts.join(", ")
    };
    format!(
        "{what} ({whose})\n\n{}Upa-Plan: {}\n",
        trailers(session, (run, hold)),
        plan.digest()
    )
}

/// Who did it, and under which claim.
fn trailers(session: &Session, (run, hold): (Uuid, &Hold)) -> String {
    let fence = hold
        .fence()
        .map(|fence| format!("Upa-Fence: {fence}\n"))
        .unwrap_or_default();
    format!("Upa-Run: {run}\nUpa-Operator: {}\n{fence}", session.repo.operator())
}
