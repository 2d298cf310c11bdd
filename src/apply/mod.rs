//! Carrying out a plan: tenants side by side, the steps of each in order, everything written down before and after.
//!
//! Apply decides nothing. One tenant's failure never stops another; within a tenant a failed step stops only what waits
//! for it. What several tenants share is made before the first of them is touched, and deleted after the last.

mod begun;
mod integrations;
mod request;
mod shared;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::StreamExt;
use jiff::Timestamp;
use uuid::Uuid;

use crate::desired::DesiredTenant;
use crate::journal::Journal;
use crate::lease::Permit;
use crate::lockfile::Lockfile;
use crate::plan::{Action, Change, ObservedState, Plan};
use crate::platform::{Executor, Registry, Step};
use crate::problem::Problem;
use crate::resource::{Address, SHARED};
use crate::secret::Secrets;

pub use begun::{Begun, begun};

/// How many tenants are worked on at once; each account bounds its own calls besides.
const TENANTS_AT_ONCE: usize = 8;

/// What apply works with.
pub struct Context<'a> {
    pub workspace: &'a str,
    pub run: Uuid,
    /// The commit everything was rendered from.
    pub commit: &'a str,
    pub desired: &'a BTreeMap<String, DesiredTenant>,
    pub registry: &'a Registry,
    pub observed: &'a ObservedState,
    /// Every secret the plan's changes need, or why it could not be had.
    pub secrets: &'a Secrets,
    pub executors: &'a BTreeMap<String, Arc<dyn Executor>>,
    pub journal: &'a Journal,
    /// Set when a person asked to stop: calls in flight are finished, no further one is started.
    pub interrupted: &'a AtomicBool,
    /// Whether a further call may be started.
    pub permit: &'a Permit,
    /// What was announced before the first call.
    pub begun: Begun,
    /// The time of now.
    pub now: fn() -> Timestamp,
    /// How long a request may stay open.
    pub request_hours: u32,
    pub progress: &'a (dyn Progress + Sync),
}

/// Told what happens while it happens.
pub trait Progress {
    fn started(&self, address: &Address, step: Step);
    fn done(&self, address: &Address, step: Step, note: Option<&str>);
    fn failed(&self, address: &Address, step: Step, why: &str);
    /// Its platform is not done with it: nothing failed, and the next run goes on waiting.
    fn waits(&self, address: &Address, step: Step, why: &str);
}

/// How a tenant came out of it.
#[derive(Debug)]
pub struct Outcome {
    pub tenant: String,
    pub lock: Lockfile,
    /// Steps that were carried out.
    pub done: usize,
    pub problems: Vec<Problem>,
    /// Resources of which a step failed.
    pub broken: BTreeSet<Address>,
    /// Why, in the order of time.
    pub failures: Vec<(Address, String)>,
    /// Resources that were left as they are because something they wait for failed, or because of an interruption.
    pub skipped: BTreeSet<Address>,
    /// Resources the platform is not done with: the next run goes on waiting.
    pub waiting: BTreeSet<Address>,
    /// Resources that were not planned, because what is there is in doubt or because they wait for one that is.
    pub doubts: BTreeSet<Address>,
    pub interrupted: bool,
}

impl Outcome {
    /// Nothing was done yet.
    fn untouched(lock: Lockfile) -> Self {
        Self {
            tenant: lock.tenant.clone(),
            lock,
            done: 0,
            problems: Vec::new(),
            broken: BTreeSet::new(),
            failures: Vec::new(),
            skipped: BTreeSet::new(),
            waiting: BTreeSet::new(),
            doubts: BTreeSet::new(),
            interrupted: false,
        }
    }

    /// Whether an object is there and nothing that was to be done with it is left.
    fn is_settled(&self, address: &Address) -> bool {
        let locked = self.lock.resources.get(address);
        let done = locked.is_some_and(|locked| locked.applied.is_some() && locked.pending.is_none());
        done && ![&self.broken, &self.skipped, &self.waiting, &self.doubts]
            .iter()
            .any(|left| left.contains(address))
    }

    pub fn failed(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Carries out a plan. Every tenant with changes, or with a request that is due, has an outcome.
pub async fn apply(context: &Context<'_>, plan: &Plan, locks: &BTreeMap<String, Lockfile>) -> Vec<Outcome> {
    let mut by_tenant = by_tenant(plan);
    let lock_of = |tenant: &str| locks.get(tenant).cloned().unwrap_or_else(|| Lockfile::new(tenant));
    let common = by_tenant.remove(SHARED).unwrap_or_default();
    let (last, first): (Vec<Change>, Vec<Change>) =
        common.into_iter().partition(|change| change.action == Action::Delete);
    let shared = shared::make(context, lock_of(SHARED), first).await;
    let common = shared.common();
    let work = by_tenant.into_iter().filter_map(|(tenant, changes)| {
        let work = Work {
            doubts: plan.doubts.get(tenant).cloned().unwrap_or_default(),
            ..Work::new(context.desired.get(tenant)?, lock_of(tenant), changes)
        };
        Some(tenant_of(context, &shared, &common, work))
    });
    let mut outcomes: Vec<Outcome> = futures::stream::iter(work)
        .buffer_unordered(TENANTS_AT_ONCE)
        .collect()
        .await;
    outcomes.extend(shared.finish(context, &outcomes, last).await);
    outcomes.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    outcomes
}

/// Every tenant with changes, or with a request that is due.
fn by_tenant(plan: &Plan) -> BTreeMap<&str, Vec<Change>> {
    let mut by_tenant: BTreeMap<&str, Vec<Change>> =
        plan.due.iter().map(|tenant| (tenant.as_str(), Vec::new())).collect();
    for change in &plan.changes {
        by_tenant
            .entry(change.address.tenant())
            .or_default()
            .push(change.clone());
    }
    by_tenant
}

/// What is to be done for one tenant.
struct Work<'a> {
    desired: &'a DesiredTenant,
    lock: Lockfile,
    changes: Vec<Change>,
    /// See [`Outcome::doubts`].
    doubts: BTreeSet<Address>,
}

impl<'a> Work<'a> {
    fn new(desired: &'a DesiredTenant, lock: Lockfile, changes: Vec<Change>) -> Self {
        Self {
            desired,
            lock,
            changes,
            doubts: BTreeSet::new(),
        }
    }
}

/// One tenant, unless something it uses could not be made.
async fn tenant_of(context: &Context<'_>, shared: &shared::Made, common: &shared::Common, work: Work<'_>) -> Outcome {
    match shared.hinders(work.desired) {
        Some(problem) => Outcome {
            problems: vec![problem],
            skipped: work.changes.into_iter().map(|change| change.address).collect(),
            ..Outcome::untouched(context.begun.opened(work.lock))
        },
        None => walk::walk(context, common, work).await,
    }
}
