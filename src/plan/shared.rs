//! What several tenants share: made before those who refer to it, and deleted only once nobody can refer to it any more.

use std::collections::{BTreeMap, BTreeSet};

use super::tenant::Outcome;
use super::{Action, Basis, Change, Known, Plan};
use crate::desired::{DesiredState, DesiredTenant};
use crate::lockfile::{Locked, Lockfile};
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, SHARED};

/// What became of planning what is shared.
#[derive(Default)]
pub struct Planned {
    /// The objects that are there.
    pub known: Known,
    /// Those that cannot be planned.
    failed: BTreeMap<Address, Class>,
}

impl Planned {
    pub fn of(outcome: &mut Outcome) -> Self {
        Self {
            known: std::mem::take(&mut outcome.known),
            failed: std::mem::take(&mut outcome.failed),
        }
    }

    /// A tenant is not touched while something it refers to cannot be planned.
    pub fn hinder(&self, tenant: &DesiredTenant, outcome: &mut Outcome) {
        let uses = tenant.uses();
        let broken: Vec<(&Address, &Class)> = self
            .failed
            .iter()
            .filter(|(address, _)| uses.contains(address))
            .collect();
        let Some((_, class)) = broken.first() else { return };
        let names: Vec<String> = broken.iter().map(|(address, _)| address.to_string()).collect();
        let problem = Problem::error(
            **class,
            format!(
                "tenant `{}` was not planned: it uses {}, which could not be planned",
                tenant.name,
                listed(names.iter().map(String::as_str))
            ),
        );
        outcome.problems.push(problem.tenant(&*tenant.name));
        outcome.changes.clear();
        outcome.withheld.clear();
        outcome.due = false;
    }
}

/// Deletes of shared objects wait for every tenant that may still use them, and are put off where one of those is not part
/// of this plan.
pub fn withhold(basis: &Basis<'_>, plan: &mut Plan) {
    let mut blocked: BTreeSet<String> = plan.blocked().into_iter().map(str::to_owned).collect();
    let waiting: BTreeSet<String> = plan.unconfirmed().into_iter().map(str::to_owned).collect();
    let leaving: BTreeSet<String> = waiting
        .iter()
        .filter(|name| plan.waits_to_leave(name))
        .cloned()
        .collect();
    blocked.extend(waiting.difference(&leaving).cloned());
    let mut held: BTreeMap<Address, Vec<&str>> = BTreeMap::new();
    let deletes = plan.changes.iter_mut().chain(&mut plan.withheld);
    for change in deletes.filter(|change| change.action == Action::Delete && change.address.is_shared()) {
        for (name, lock) in basis.locks.iter().filter(|(name, _)| *name != SHARED) {
            let understood = basis.desired.shared.understood.contains(name);
            // Git says that it goes, and it is not gone yet.
            let left = basis.desired.shared.left.get(&change.address);
            let leaves = left.is_some_and(|left| left.contains(name)) && lock.objects() > 0;
            if !leaves && !may_use(lock, understood, &change.address) {
                continue;
            }
            if basis.desired.tenants.contains_key(name) && !blocked.contains(name) {
                change.work.after.insert(name.clone());
            } else {
                held.entry(change.address.clone()).or_default().push(name);
            }
        }
    }
    plan.changes.retain(|change| !held.contains_key(&change.address));
    plan.withheld.retain(|change| !held.contains_key(&change.address));
    keep_what_others_need(basis, plan);
    // It goes along with those whose goodbye is not confirmed.
    wait(plan, |change| {
        let left = basis.desired.shared.left.get(&change.address);
        !change.work.after.is_disjoint(&leaving) || left.is_some_and(|left| !left.is_disjoint(&leaving))
    });
    wait_for_what_waits(basis, plan);
    plan.problems.extend(held.into_iter().map(|(address, tenants)| {
        Problem::warning(format!(
            "{address} is used by no tenant any more; it is deleted once those are applied that may have used it: {}",
            listed(tenants.iter().copied())
        ))
        .hint("`upa apply` without names applies all of them")
    }));
}

/// Whether a change takes away what tenants share.
fn goes(change: &Change) -> bool {
    matches!(change.action, Action::Delete | Action::Forget) && change.address.is_shared()
}

/// Withholds what goes and meets a condition; whether there was any.
fn wait(plan: &mut Plan, waits: impl Fn(&Change) -> bool) -> bool {
    let (later, now): (Vec<Change>, Vec<Change>) = std::mem::take(&mut plan.changes)
        .into_iter()
        .partition(|change| goes(change) && waits(change));
    plan.changes = now;
    let any = !later.is_empty();
    plan.withheld.extend(later);
    any
}

/// What goes after a shared object that waits, waits too.
fn wait_for_what_waits(basis: &Basis<'_>, plan: &mut Plan) {
    loop {
        let waiting = plan.withheld.iter().filter(|change| goes(change));
        let recorded = waiting.filter_map(|change| basis.locks.get(SHARED)?.resources.get(&change.address));
        let needed: BTreeSet<Address> = recorded.flat_map(Locked::needs).cloned().collect();
        if !wait(plan, |change| needed.contains(&change.address)) {
            return;
        }
    }
}

/// A shared object stays as long as another one that stays refers to it.
fn keep_what_others_need(basis: &Basis<'_>, plan: &mut Plan) {
    let recorded = basis.locks.get(SHARED).map(|lock| &lock.resources);
    loop {
        let going: BTreeSet<Address> = plan
            .changes
            .iter()
            .chain(&plan.withheld)
            .filter(|change| goes(change))
            .map(|change| change.address.clone())
            .collect();
        let staying = recorded
            .into_iter()
            .flatten()
            .filter(|(address, _)| !going.contains(*address));
        let needed: BTreeSet<&Address> = staying.flat_map(|(_, locked)| locked.needs()).collect();
        let stays = |change: &Change| !goes(change) || !needed.contains(&change.address);
        let before = plan.changes.len() + plan.withheld.len();
        plan.changes.retain(stays);
        plan.withheld.retain(stays);
        if plan.changes.len() + plan.withheld.len() == before {
            return;
        }
    }
}

/// What a plan does to what tenants share. To begin or to cease to use a shared object is to change it: it must not be
/// deleted under a new user, and its last user must know that it is the last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// A shared object itself is made, changed or deleted, or a tenant ceases to use one; or it could not be planned, which
    /// may be because another run is at work on it.
    lasting: bool,
    /// What each tenant begins to use.
    begun: BTreeMap<String, BTreeSet<Address>>,
}

impl Touched {
    /// What the changes of a plan do.
    pub fn by(plan: &Plan, desired: &DesiredState, locks: &BTreeMap<String, Lockfile>) -> Self {
        let mut touched = Self::default();
        let undecided = |problem: &Problem| problem.is_error() && problem.tenant.as_deref() == Some(SHARED);
        touched.lasting = plan.problems.iter().any(undecided);
        let owners: BTreeSet<&str> = plan.changes.iter().map(|change| change.address.tenant()).collect();
        for owner in owners {
            if owner == SHARED {
                touched.lasting = true;
                continue;
            }
            let Some(tenant) = desired.tenants.get(owner) else {
                continue;
            };
            let recorded = locks.get(owner).into_iter().flat_map(|lock| lock.resources.values());
            let before: BTreeSet<&Address> = recorded
                .flat_map(Locked::needs)
                .filter(|address| address.is_shared())
                .collect();
            let after = tenant.resources.values();
            let after: BTreeSet<&Address> = after
                .flat_map(|resource| resource.needs.union(&resource.calls))
                .filter(|address| address.is_shared())
                .collect();
            touched.lasting |= before.difference(&after).next().is_some();
            let begun: BTreeSet<Address> = after.difference(&before).map(|address| (*address).clone()).collect();
            if !begun.is_empty() {
                touched.begun.insert(owner.to_owned(), begun);
            }
        }
        touched
    }

    /// Whether nothing that is shared is touched.
    pub fn is_nothing(&self) -> bool {
        !self.lasting && self.begun.is_empty()
    }

    /// Whether all of it is that tenants begin to use what is there, and lockfiles that others can read say so.
    pub fn is_told_by(&self, published: &BTreeMap<String, Lockfile>) -> bool {
        let told = |(tenant, addresses): (&String, &BTreeSet<Address>)| {
            let lock = published.get(tenant);
            lock.is_some_and(|lock| addresses.iter().all(|address| may_use(lock, true, address)))
        };
        !self.lasting && self.begun.iter().all(told)
    }
}

/// Whether a tenant may need it: by what its lockfile says its objects refer to, or because nobody knows what it wants.
fn may_use(lock: &Lockfile, understood: bool, address: &Address) -> bool {
    lock.resources.values().any(|locked| match &locked.applied {
        Some(_) => !understood || locked.needs().any(|needed| needed == address),
        // What was begun and is not known to be there may hold anything.
        None => true,
    })
}
