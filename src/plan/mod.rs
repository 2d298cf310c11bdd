//! The plan: desired × observed × locked → what to do and why. Total, pure and synchronous: it cannot fail, wait or look
//! anything up, and the same input gives the same plan to the byte.
//!
//! [`decide`] is the table, one resource at a time. [`order`] says which step must wait for which.

pub mod change;
pub mod clocks;
pub mod confirm;
pub mod decide;
pub mod drift;
pub mod losses;
pub mod order;
pub mod originals;
pub mod places;
pub mod policy;
mod shared;
pub mod still;
mod tenant;
pub mod unseen;
mod values;

use std::collections::{BTreeMap, BTreeSet};

pub use change::{Action, Change, Door, Mover, Plan, Reason};
pub use drift::{Base, Bases, Kept};
pub use places::Places;
pub use policy::Rules;
pub use shared::Touched;
pub use still::Still;
pub use tenant::held;
pub use values::{Known, Values, base_path};

use crate::desired::DesiredState;
use crate::gates;
use crate::lockfile::Lockfile;
use crate::platform::{Answer, Object, Reading, Registry, Unread};
use crate::problem::{Class, Place, Problem, listed};
use crate::resource::{Kind, SHARED};
use crate::secret::Secrets;

/// Everything a plan is made from.
pub struct Basis<'a> {
    pub workspace: &'a str,
    pub desired: &'a DesiredState,
    pub observed: &'a ObservedState,
    pub locks: &'a BTreeMap<String, Lockfile>,
    pub registry: &'a Registry,
    pub rules: &'a Rules,
    /// What was written where that must be known; a plan says in [`Plan::wants`] what it lacks.
    pub bases: &'a Bases,
    /// The secrets that could be had, to notice rotations.
    pub secrets: &'a Secrets,
}

/// What the accounts answered.
#[derive(Debug, Default)]
pub struct ObservedState {
    pub accounts: BTreeMap<String, Answer>,
}

impl ObservedState {
    /// What is known about one id.
    pub fn reading(&self, account: &str, kind: &Kind, id: &str) -> Reading {
        let Some(answer) = self.accounts.get(account) else {
            return Reading::Unreadable(Unread::because(format!("account `{account}` was not asked")));
        };
        match answer.objects.get(&(kind.clone(), id.to_owned())) {
            Some(reading) => reading.clone(),
            None => Reading::Unreadable(Unread::because(match &answer.failure {
                Some(failure) => failure.to_string(),
                None => "it was not asked for".to_owned(),
            })),
        }
    }

    /// Whose each account is, where its platform told it.
    pub fn owners(&self) -> BTreeMap<String, String> {
        let accounts = self.accounts.iter();
        accounts
            .filter_map(|(name, answer)| Some((name.clone(), answer.owner.clone()?)))
            .collect()
    }

    /// The accounts of whose webhooks it is not known whether they answer.
    pub fn deaf(&self) -> impl Iterator<Item = Problem> {
        self.accounts.iter().filter_map(|(account, answer)| {
            let why = answer.deaf.as_ref()?;
            Some(
                Problem::warning(format!(
                    "account `{account}`: whether its webhooks answer is not known: {why}"
                ))
                .hint("check `webhook_url` in upa.toml, and what stands before the platform"),
            )
        })
    }

    /// Whose an account is, where its platform told it.
    pub fn owner(&self, account: &str) -> Option<&str> {
        self.accounts.get(account)?.owner.as_deref()
    }

    /// Whether every object of a kind was seen, so that what was not seen is not there.
    pub fn is_complete(&self, account: &str, kind: &Kind) -> bool {
        self.accounts
            .get(account)
            .is_some_and(|answer| answer.failure.is_none() && answer.complete.contains(kind))
    }
}

/// The objects that carry a mark, by account and mark.
pub type Marked<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Object>>;

/// Makes the plan.
pub fn plan(basis: &Basis<'_>) -> Plan {
    let marked = marked(basis.observed);
    let mut plan = Plan {
        // What a run was cut off from may be there, and be deleted.
        objects: basis.locks.values().map(|lock| lock.resources.len()).sum(),
        awaited: gates::awaited(basis.desired, basis.locks),
        ..Plan::default()
    };
    let mut failed_accounts = BTreeSet::new();
    // Whoever has another's lockfile is not planned from it: whatever would be said of its objects would mislead.
    let copied = shared_bases(basis);
    let is_copy = |tenant: &str| copied.iter().any(|problem| problem.tenant.as_deref() == Some(tenant));
    // What tenants refer to comes first; its owner is no tenant.
    let everybody = basis.desired.tenants.get(SHARED);
    let tenants = basis.desired.tenants.values().filter(|tenant| !tenant.is_shared());
    let mut shared = shared::Planned::default();
    let originals = basis.locks.iter().filter(|(tenant, _)| !is_copy(tenant));
    let owners = basis.observed.owners();
    let mut places = Places::of(basis.desired, originals, &owners, basis.registry);
    places.forget_begun(&basis.rules.recreate);
    let conflicts = originals::explained(basis, &marked, places.conflicts());
    for tenant in everybody.into_iter().chain(tenants) {
        plan.tenants += usize::from(!tenant.is_shared());
        if is_copy(&tenant.name) {
            continue;
        }
        let empty = Lockfile::new(&*tenant.name);
        let lock = basis.locks.get(&tenant.name).unwrap_or(&empty);
        let mut outcome = tenant::plan_tenant(basis, &marked, &places, &shared.known, tenant, lock);
        outcome.refuse(tenant, &conflicts);
        if tenant.is_shared() {
            shared = shared::Planned::of(&mut outcome);
        } else {
            shared.hinder(tenant, &mut outcome);
        }
        let blocked = outcome.problems.iter().any(Problem::is_error);
        failed_accounts.extend(outcome.failed_accounts);
        plan.problems.extend(outcome.problems);
        plan.changes.extend(outcome.changes);
        plan.withheld.extend(outcome.withheld);
        plan.kept.extend(outcome.kept);
        plan.wants.extend(outcome.wants);
        if !outcome.doubts.is_empty() {
            plan.doubts.insert(tenant.name.clone(), outcome.doubts);
        }
        if !blocked {
            plan.standstills.extend(still::stills(tenant, lock));
        }
        if outcome.due {
            plan.due.insert(tenant.name.clone());
        }
    }
    // What follows from it is told behind it.
    let causes = failed_accounts.iter().filter_map(|account| {
        let failure = basis.observed.accounts.get(account)?.failure.as_ref()?;
        Some(failure.problem(account))
    });
    plan.problems.splice(..0, causes.collect::<Vec<_>>());
    let rules = basis.desired.tenants.values().flat_map(|tenant| &tenant.drift);
    plan.problems.extend(drift::unknown(basis.bases));
    plan.problems.extend(clocks::findings(basis.observed));
    if !basis.observed.is_anything_apart() {
        plan.problems.extend(drift::expired(rules, basis.rules.today()));
    }
    plan.problems.extend(copied);
    plan.problems.extend(basis.observed.deaf());
    shared::withhold(basis, &mut plan);
    plan.problems.extend(masterless(basis, &marked));
    plan.problems
        .extend(unseen::without_key(basis.desired, &basis.secrets.key));
    plan.changes.sort_by(|a, b| a.address.cmp(&b.address));
    plan.withheld.sort_by(|a, b| a.address.cmp(&b.address));
    plan.problems.extend(losses::findings(basis, &plan));
    plan.problems.extend(policy::check(&plan, basis.desired, basis.rules));
    plan
}

/// Objects that carry this workspace's mark at an address that no tenant has: their tenant's file and lockfile are gone.
fn masterless(basis: &Basis<'_>, marked: &Marked<'_>) -> Vec<Problem> {
    let recorded = basis.locks.values().flat_map(|lock| lock.resources.keys());
    let wanted = basis
        .desired
        .tenants
        .values()
        .flat_map(|tenant| tenant.resources.keys());
    let known: BTreeSet<String> = recorded
        .chain(wanted)
        .map(|address| address.mark(basis.workspace))
        .collect();
    let mut strays: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((account, mark), objects) in marked {
        if !known.contains(*mark) {
            let ids = objects
                .iter()
                .map(|object| format!("\"{}\" ({})", object.title, object.id));
            strays.entry(account).or_default().extend(ids);
        }
    }
    let strays = strays.into_iter();
    strays
        .map(|(account, objects)| {
            Problem::warning(format!(
                "{} in account `{account}` carry this workspace's mark and belong to no tenant: {}",
                objects.len(),
                listed(objects.iter().map(String::as_str))
            ))
            .hint("if a tenant's file and lockfile were removed, restore both with git; to delete its objects set `status = \"deprovisioned\"` and apply")
        })
        .collect()
}

fn marked(observed: &ObservedState) -> Marked<'_> {
    let mut marked: Marked<'_> = BTreeMap::new();
    for (account, answer) in &observed.accounts {
        for reading in answer.objects.values() {
            if let Reading::Present(object) = reading
                && let Some(mark) = &object.mark
            {
                marked.entry((account, mark)).or_default().push(object);
            }
        }
    }
    marked
}

/// Two lockfiles with one base would share every webhook path: somebody copied one.
fn shared_bases(basis: &Basis<'_>) -> Vec<Problem> {
    let mut seen = BTreeMap::new();
    let mut problems = Vec::new();
    for (tenant, lock) in basis.locks {
        for (version, provisioned) in &lock.versions {
            if let Some(other) = seen.insert(provisioned.base, tenant).filter(|other| *other != tenant) {
                // Marks say which of the two is the copy.
                let is_other = originals::has_own(basis, tenant) && !originals::has_own(basis, other);
                let (other, tenant) = if is_other { (tenant, other) } else { (other, tenant) };
                problems.push(
                    Problem::error(
                        Class::Configuration,
                        format!("tenants `{other}` and `{tenant}` would share their webhook paths ({version}): their lockfiles record the same base, so the one of `{tenant}` is a copy; without it `upa apply` assigns new paths"),
                    )
                    .at(Place::file(format!("tenants/{tenant}.lock")))
                    .tenant(&**tenant)
                    .hint(format!(
                        "git rm -q tenants/{tenant}.lock && git commit -m 'Remove a copied lockfile'"
                    )),
                );
            }
        }
    }
    problems
}
