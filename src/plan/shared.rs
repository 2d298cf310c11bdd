//! What several tenants share: made before those who refer to it, and deleted only once nobody can refer to it any more.

use std::collections::{BTreeMap, BTreeSet};

use super::tenant::Outcome;
use super::{Action, Basis, Change, Known, Plan};
use crate::desired::DesiredTenant;
use crate::lockfile::Lockfile;
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
        outcome.due = false;
    }
}

/// Deletes of shared objects wait for every tenant that may still use them, and are put off where one of those is not part
/// of this plan.
pub fn withhold(basis: &Basis<'_>, plan: &mut Plan) {
    let blocked: BTreeSet<String> = plan.blocked().into_iter().map(str::to_owned).collect();
    let mut held: BTreeMap<Address, Vec<&str>> = BTreeMap::new();
    let deletes = plan.changes.iter_mut();
    for change in deletes.filter(|change| change.action == Action::Delete && change.address.is_shared()) {
        for (name, lock) in basis.locks.iter().filter(|(name, _)| *name != SHARED) {
            let understood = basis.desired.shared.understood.contains(name);
            if !may_use(lock, understood, &change.address) {
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
    keep_what_others_need(basis, plan);
    plan.problems.extend(held.into_iter().map(|(address, tenants)| {
        Problem::warning(format!(
            "{address} is used by no tenant any more; it is deleted once those are applied that may have used it: {}",
            listed(tenants.iter().copied())
        ))
        .hint("`upa apply` without names applies all of them")
    }));
}

/// A shared object stays as long as another one that stays refers to it.
fn keep_what_others_need(basis: &Basis<'_>, plan: &mut Plan) {
    let recorded = basis.locks.get(SHARED).map(|lock| &lock.resources);
    loop {
        let goes =
            |change: &Change| matches!(change.action, Action::Delete | Action::Forget) && change.address.is_shared();
        let going: BTreeSet<Address> = plan
            .changes
            .iter()
            .filter(|change| goes(change))
            .map(|change| change.address.clone())
            .collect();
        let staying = recorded
            .into_iter()
            .flatten()
            .filter(|(address, _)| !going.contains(*address));
        let needed: BTreeSet<&Address> = staying.flat_map(|(_, locked)| locked.needs()).collect();
        let before = plan.changes.len();
        plan.changes
            .retain(|change| !goes(change) || !needed.contains(&change.address));
        if plan.changes.len() == before {
            return;
        }
    }
}

/// Whether a tenant may need it: by what its lockfile says its objects refer to, or because nobody knows what it wants.
fn may_use(lock: &Lockfile, understood: bool, address: &Address) -> bool {
    lock.resources.values().any(|locked| match &locked.applied {
        Some(applied) => !understood || applied.needs.contains(address),
        // What was begun and is not known to be there may hold anything.
        None => true,
    })
}
