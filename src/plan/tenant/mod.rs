//! The plan of one tenant: `look` at every resource, decide about those that are `wanted` and those that are `gone`, and mind
//! the `neighbours`.

mod gone;
mod look;
mod moved;
mod neighbours;
mod placed;
mod replaced;
mod standing;
mod undecided;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

pub use standing::held;

use super::change::{Action, Change};
use super::decide::Lock;
use super::drift::Kept;
use super::{Basis, Known, Marked, Places, Values, order, still, unseen};
use crate::desired::{DesiredTenant, Resource};
use crate::gates;
use crate::lockfile::{Event, Locked, Lockfile, RequestState};
use crate::platform::{Activity, KindFacts, Object, Platform, Reading, Rival};
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, Kind, Owner};
use crate::workspace::Status;
use crate::workspace::gates::Per;

/// What became of planning one tenant.
#[derive(Clone, Default)]
pub struct Outcome {
    pub changes: Vec<Change>,
    /// What is not done as long as something may not be lost.
    pub withheld: Vec<Change>,
    pub problems: Vec<Problem>,
    /// Accounts it needs and that could not be read.
    pub failed_accounts: BTreeSet<String>,
    /// Nothing is left to change, but its request is still open.
    pub due: bool,
    /// The objects that are there.
    pub known: Known,
    /// The resources that cannot be planned, and why as a class.
    pub failed: BTreeMap<Address, Class>,
    /// The resources of which nothing is done because what is there is in doubt, and those that wait for them.
    pub doubts: BTreeSet<Address>,
    /// Differences that stay because a rule says so.
    pub kept: Vec<Kept>,
    /// What must be rendered again to say who moved, and the commit it was written from.
    pub wants: BTreeSet<(Address, String)>,
}

impl Outcome {
    /// Takes in which addresses may not have their place: such a tenant has no changes.
    pub fn refuse(&mut self, tenant: &DesiredTenant, conflicts: &[(Address, Problem)]) {
        let own: Vec<&(Address, Problem)> = conflicts
            .iter()
            .filter(|(address, _)| address.tenant() == tenant.name)
            .collect();
        if own.is_empty() {
            return;
        }
        self.problems.extend(own.iter().map(|(_, problem)| problem.clone()));
        if tenant.is_shared() {
            let failed = own.iter().map(|(address, problem)| (address.clone(), problem.class));
            self.failed.extend(failed);
            spread(&mut self.failed, tenant);
            self.changes.retain(|change| !self.failed.contains_key(&change.address));
        } else {
            self.changes.clear();
            self.withheld.clear();
            self.due = false;
        }
    }

    /// Puts aside what must not be lost yet: of a tenant everything, of what tenants share each by itself.
    fn withhold(&mut self, tenant: &DesiredTenant) {
        if !self.changes.iter().any(Change::is_unconfirmed) {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let (later, now): (Vec<Change>, Vec<Change>) = changes
            .into_iter()
            .partition(|change| !tenant.is_shared() || change.is_unconfirmed());
        (self.withheld, self.changes) = (later, now);
        let stays = self
            .withheld
            .iter()
            .filter(|change| tenant.resources.contains_key(&change.address));
        let stays: Vec<Address> = stays.map(|change| change.address.clone()).collect();
        self.failed
            .extend(stays.into_iter().map(|address| (address, Class::Decision)));
    }
}

/// Plans one tenant, who may refer to these `shared` objects. With an error among its problems it has no changes: a tenant
/// is brought about whole or not at all. What tenants share has as many users as objects, so there each stands alone.
pub fn plan_tenant(
    basis: &Basis<'_>,
    marked: &Marked<'_>,
    places: &Places<'_>,
    shared: &Known,
    tenant: &DesiredTenant,
    lock: &Lockfile,
) -> Outcome {
    let mut understood = replaced::understood(basis, marked, tenant, lock);
    let moves = places.moves(basis.registry, &tenant.name);
    if !moves.is_empty() {
        let moves = moves.clone();
        understood.to_mut().record(&Event::Moved { moves });
    }
    let lock = &*understood;
    let mut pass = Pass {
        basis,
        marked,
        places,
        moves: &moves,
        tenant,
        lock,
        values: Values {
            tenant: tenant.name.clone(),
            bases: Values::bases_of(&lock.versions),
            ids: shared.ids.clone(),
            outs: shared.outs.clone(),
            ..Values::default()
        },
        shared,
        absent: BTreeSet::new(),
        replaced: BTreeSet::new(),
        not_compared: BTreeMap::new(),
        unproven: BTreeSet::new(),
        doubts: Vec::new(),
        out: Outcome::default(),
    };
    pass.run();
    let mut out = pass.out;
    let doubts = pass.doubts;
    out.known = Known {
        ids: pass.values.ids,
        outs: pass.values.outs,
        absent: pass.absent,
    };
    for problem in &mut out.problems {
        problem.tenant.get_or_insert_with(|| tenant.name.clone());
    }
    let fails = out.problems.iter().any(Problem::is_error);
    if !tenant.is_shared() && !fails {
        out.doubts = standing::held(doubts.iter().map(|(address, _)| address.clone()), &out.changes, lock);
        out.changes.retain(|change| !out.doubts.contains(&change.address));
    }
    if tenant.is_shared() || !fails {
        out.withhold(tenant);
    }
    if tenant.is_shared() {
        spread(&mut out.failed, tenant);
        out.changes.retain(|change| !out.failed.contains_key(&change.address));
    } else if fails {
        out.changes.clear();
    }
    for (_, problem) in doubts {
        out.problems.push(problem.tenant(&*tenant.name));
    }
    if let Err(circle) = order::order(&out.changes) {
        out.problems.push(
            Problem::configuration(format!("these steps wait for each other: {}", circle.join(" → ")))
                .tenant(&*tenant.name)
                .at(tenant.place.clone())
                .hint("let one of the resources do without the other's id"),
        );
        out.changes.clear();
    }
    // While nobody knows the date, nothing falls due.
    let now = (!basis.observed.is_apart_for(tenant, lock)).then(|| basis.rules.now());
    let open = lock.versions.iter().any(|(name, version)| match version.request.state {
        RequestState::Pending | RequestState::Provisioning => true,
        // A person is waited for, as long as there is time.
        RequestState::AwaitingApproval => {
            tenant.status == Status::Deprovisioned
                || now.is_some_and(|now| version.request.is_overdue(now))
                || gates::open(tenant, lock).is_empty()
        }
        RequestState::Completed => gates::is_review_due(tenant, name, lock, now),
        RequestState::Failed => gates::is_released(tenant, lock),
    });
    // Whose approval counts for all must be known to be on the revision it is for.
    let behind = || {
        let current = lock.versions.get(&tenant.version);
        tenant.status != Status::Deprovisioned
            && tenant.gates.iter().any(|gate| gate.spec.per == Per::Revision)
            && current.is_some_and(|known| known.revision != tenant.revision)
    };
    // An object that tenants share was mended, which is no change of theirs.
    let unsettled = || {
        let current = lock.versions.get(&tenant.version);
        tenant.status != Status::Deprovisioned && current.is_some_and(|version| version.request.is_unsettled())
    };
    let left_over = tenant.status == Status::Deprovisioned && !lock.versions.is_empty() && lock.resources.is_empty();
    let blocked = !out.withheld.is_empty() || out.problems.iter().any(Problem::is_error);
    out.due = out.changes.is_empty()
        && !blocked
        && ((open || left_over) && !is_finished(tenant, lock)
            || unsettled()
            || behind()
            || still::is_due(tenant, lock));
    out
}

/// What refers to something that cannot be planned cannot be planned either.
fn spread(failed: &mut BTreeMap<Address, Class>, tenant: &DesiredTenant) {
    loop {
        let reached = tenant.resources.values().find_map(|resource| {
            let class = resource.needs.iter().find_map(|needed| failed.get(needed))?;
            (!failed.contains_key(&resource.address)).then(|| (resource.address.clone(), *class))
        });
        let Some((address, class)) = reached else { return };
        failed.insert(address, class);
    }
}

/// A deprovisioned tenant keeps the record of its last request.
fn is_finished(tenant: &DesiredTenant, lock: &Lockfile) -> bool {
    let deprovisioned = |version: &crate::lockfile::Provisioned| {
        version.request.purpose == crate::lockfile::Purpose::Deprovision
            && version.request.state == RequestState::Completed
    };
    tenant.status == Status::Deprovisioned && lock.versions.values().all(deprovisioned)
}

struct Pass<'a> {
    basis: &'a Basis<'a>,
    marked: &'a Marked<'a>,
    places: &'a Places<'a>,
    /// What Git calls otherwise now, by the new address. `lock` is as if it had always been so.
    moves: &'a BTreeMap<Address, Address>,
    tenant: &'a DesiredTenant,
    lock: &'a Lockfile,
    values: Values<'a>,
    /// What it shares with others.
    shared: &'a Known,
    /// What is proven not to be there, of its own and of what it shares with others.
    absent: BTreeSet<Address>,
    /// Resources that get a new object.
    replaced: BTreeSet<Address>,
    /// Secrets that could not be compared, and why.
    not_compared: BTreeMap<String, String>,
    /// The resources whose object is not proven to be upa's.
    unproven: BTreeSet<Address>,
    /// What is in doubt about single resources, which stops neither the others nor what is found about them.
    doubts: Vec<(Address, Problem)>,
    out: Outcome,
}

/// What is known about one address.
struct Seen<'a> {
    lock: Lock,
    locked: Option<&'a Locked>,
    reading: Reading,
    /// The object carries the mark of this address.
    ours: bool,
    adopted: bool,
    /// The object was found by its natural key alone, and a creation whose outcome is not known may have made it.
    lone: Option<&'a Rival>,
}
impl<'a> Pass<'a> {
    fn run(&mut self) {
        for (account, answer) in &self.basis.observed.accounts {
            self.values.credentials.insert(account, &answer.credentials);
        }
        self.check_version();
        let gone: Vec<(&Address, &Locked)> = self
            .lock
            .resources
            .iter()
            .filter(|(address, _)| {
                !self.tenant.resources.contains_key(*address) && !self.tenant.kept.contains(*address)
            })
            .collect();
        // What is replaced has no id others could keep: they are planned again until nothing further is replaced.
        let before = self.out.clone();
        loop {
            self.doubts.clear();
            self.plan_resources();
            let replaced = self.out.changes.iter().filter(|change| {
                let another = change.action == Action::Create && self.unproven.contains(&change.address);
                change.action == Action::Replace || another
            });
            let replaced: BTreeSet<Address> = replaced.map(|change| change.address.clone()).collect();
            if replaced.is_subset(&self.replaced) {
                break;
            }
            self.replaced.extend(replaced);
            // Nothing of what was found before is left, also not that it was said already.
            self.out.clone_from(&before);
        }
        for (address, locked) in gone {
            self.plan_gone(address, locked);
        }
        self.check_listeners();
        let not_compared = unseen::not_compared(&self.tenant.name, &self.not_compared);
        self.out.problems.extend(not_compared);
    }

    fn plan_resources(&mut self) {
        let desired: Vec<&Resource> = self.tenant.resources.values().collect();
        let mut seen = BTreeMap::new();
        self.values.ids.clone_from(&self.shared.ids);
        self.values.outs.clone_from(&self.shared.outs);
        for resource in &desired {
            let found = self.watching(&resource.address, |pass| pass.look(resource));
            if found.is_none() {
                // One finding per account is enough for all its objects.
                let last = self.out.problems.iter().rev().find(|problem| problem.is_error());
                let class = last.map_or(Class::Platform, |problem| problem.class);
                self.out.failed.entry(resource.address.clone()).or_insert(class);
            }
            if let Some(found) = found {
                if let Reading::Present(object) = &found.reading
                    && !self.replaced.contains(&resource.address)
                {
                    self.values.ids.insert(resource.address.clone(), object.id.clone());
                    let mut out = found.locked.map(Locked::out).unwrap_or_default();
                    out.extend(object.out.clone());
                    self.values.outs.insert(resource.address.clone(), out);
                }
                seen.insert(&resource.address, found);
            }
        }
        self.absent = self.not_there(&seen);
        self.unproven = self.not_proven(&mut seen, &desired);
        for resource in &desired {
            self.check_credentials(resource);
        }
        for resource in desired {
            if let Some(found) = seen.remove(&resource.address) {
                self.warn_about_copies(&resource.address, &resource.account, &found.reading);
                self.watching(&resource.address, |pass| pass.plan_desired(resource, found));
            }
        }
    }

    /// Does something about one resource, and notes whether that found an error.
    fn watching<T>(&mut self, address: &Address, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.out.problems.len();
        let result = act(self);
        let found = self.out.problems.iter().skip(before).find(|problem| problem.is_error());
        if let Some(problem) = found {
            self.out.failed.insert(address.clone(), problem.class);
        }
        result
    }

    fn refuse(&mut self, problem: Problem) {
        self.out.problems.push(problem);
    }

    /// Notes that nothing can be done about one resource before a person, or another look, has decided.
    fn doubt(&mut self, address: &Address, problem: Problem) {
        let is_one = matches!(problem.class, Class::Decision | Class::Platform);
        // What tenants share stands alone already.
        if self.tenant.is_shared() || !is_one {
            return self.refuse(problem);
        }
        self.doubts.push((address.clone(), problem));
    }

    fn platform(&self, resource_kind: &Kind) -> Option<&'a dyn Platform> {
        self.basis.registry.of_kind(resource_kind)
    }

    fn facts(&self, kind: &Kind) -> Option<KindFacts> {
        self.platform(kind)?.facts(kind)
    }

    /// Moving a tenant to another version is an upgrade, which is more than a change of files.
    fn check_version(&mut self) {
        let others: Vec<&str> =
            self.lock
                .versions
                .keys()
                .map(String::as_str)
                .filter(|version| {
                    *version != self.tenant.version && self.lock.resources.keys().any(|address| {
                matches!(&address.owner, Owner::Version { version: owner, .. } if owner == version)
            })
                })
                .collect();
        if !others.is_empty() && self.tenant.status != Status::Deprovisioned {
            let problem = Problem::configuration(format!(
                "tenant `{}` is provisioned on {}, and this upa cannot upgrade it to {} yet",
                self.tenant.name,
                listed(others.iter().copied()),
                self.tenant.version
            ));
            self.refuse(
                problem
                    .at(self.tenant.version_place.clone())
                    .hint(format!("set `version = \"{}\"` again", others.first().unwrap_or(&""))),
            );
        }
    }
}

/// Where an object answers now.
fn listening(platform: &dyn Platform, kind: &Kind, object: &Object) -> Vec<(String, String)> {
    match object.activity {
        Activity::Running | Activity::Silent | Activity::Outdated => platform.listening(kind, &object.document),
        Activity::Stopped | Activity::Archived | Activity::NotApplicable => Vec::new(),
    }
}
