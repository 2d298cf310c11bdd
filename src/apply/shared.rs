//! What several tenants share: made before them, deleted after them.

use std::collections::BTreeSet;

use super::{Context, Outcome, Work, walk};
use crate::desired::DesiredTenant;
use crate::lockfile::Lockfile;
use crate::plan::{Change, Known};
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, SHARED};

/// What tenants need to know of it.
#[derive(Debug, Default)]
pub struct Common {
    /// What they may refer to.
    pub known: Known,
    /// What is there and as Git wants it.
    pub settled: BTreeSet<Address>,
    /// What failed, in the order of time.
    pub failures: Vec<(Address, String)>,
}

/// How making it came out.
pub struct Made {
    outcome: Outcome,
    /// Whether there was anything to do.
    touched: bool,
}

/// Carries out everything but the deletions.
pub async fn make(context: &Context<'_>, lock: Lockfile, changes: Vec<Change>) -> Made {
    let touched = !changes.is_empty();
    let outcome = match context.desired.get(SHARED) {
        Some(desired) if touched => walk::walk(context, &Common::default(), Work::new(desired, lock, changes)).await,
        _ => Outcome::untouched(lock),
    };
    Made { outcome, touched }
}

impl Made {
    /// What tenants need to know of it.
    pub fn common(&self) -> Common {
        let recorded = self.outcome.lock.resources.keys();
        let settled = recorded.filter(|address| self.outcome.is_settled(address));
        Common {
            known: Known::of(&self.outcome.lock),
            settled: settled.cloned().collect(),
            failures: self.outcome.failures.clone(),
        }
    }

    /// Why a tenant cannot be worked on, if so: something it uses was not made.
    pub fn hinders(&self, tenant: &DesiredTenant) -> Option<Problem> {
        let uses = tenant.uses();
        let missing: Vec<String> = self
            .outcome
            .broken
            .union(&self.outcome.skipped)
            .filter(|address| uses.contains(address))
            .map(Address::to_string)
            .collect();
        // An interruption is said once, and not as anybody's failure.
        if missing.is_empty() || self.outcome.interrupted {
            return None;
        }
        let problem = Problem::error(
            Class::Platform,
            format!(
                "tenant `{}` was not touched: it uses {}, which failed",
                tenant.name,
                listed(missing.iter().map(String::as_str))
            ),
        );
        Some(
            problem
                .tenant(&*tenant.name)
                .hint("mend that first, then run `upa apply` again"),
        )
    }

    /// Deletes what nobody uses any more, unless a tenant that may still refer to it is not through; `None` when there was
    /// nothing to do at all.
    pub async fn finish(self, context: &Context<'_>, tenants: &[Outcome], changes: Vec<Change>) -> Option<Outcome> {
        let Made { mut outcome, touched } = self;
        if changes.is_empty() {
            return touched.then_some(outcome);
        }
        let through = |name: &String| {
            let of_tenant = tenants.iter().find(|outcome| outcome.tenant == *name);
            of_tenant.is_none_or(|outcome| !outcome.failed() && !outcome.interrupted)
        };
        let (ready, waiting): (Vec<Change>, Vec<Change>) = changes
            .into_iter()
            .partition(|change| change.work.after.iter().all(through));
        for change in &waiting {
            let users: BTreeSet<&str> = change
                .work
                .after
                .iter()
                .filter(|name| !through(name))
                .map(String::as_str)
                .collect();
            let problem = Problem::warning(format!(
                "{} was not deleted: {} may still use it",
                change.address,
                listed(users.iter().copied())
            ));
            outcome
                .problems
                .push(problem.tenant(SHARED).hint("run `upa apply` again"));
            outcome.skipped.insert(change.address.clone());
        }
        let Some(desired) = context.desired.get(SHARED) else {
            return Some(outcome);
        };
        let lock = outcome.lock.clone();
        let after = walk::walk(context, &Common::default(), Work::new(desired, lock, ready)).await;
        Some(Outcome {
            tenant: outcome.tenant,
            lock: after.lock,
            done: outcome.done + after.done,
            problems: [outcome.problems, after.problems].concat(),
            broken: &outcome.broken | &after.broken,
            failures: [outcome.failures, after.failures].concat(),
            skipped: &outcome.skipped | &after.skipped,
            waiting: &outcome.waiting | &after.waiting,
            doubts: after.doubts,
            interrupted: outcome.interrupted || after.interrupted,
        })
    }
}
