//! What is announced before the first call: the attempts that will stand in new objects, the requests, and the bases of
//! webhooks. Where a remote holds the lockfiles it is pushed first, so that a machine that vanishes with its disk leaves
//! enough behind to settle everything.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Context, by_tenant, request, walk};
use crate::lockfile::{Event, Lockfile};
use crate::outside;
use crate::plan::{Action, Change, Plan, change};
use crate::platform::Step;
use crate::resource::Address;

/// The announcement.
#[derive(Debug, Default)]
pub struct Begun {
    attempts: BTreeMap<Address, Uuid>,
    requests: BTreeMap<String, Vec<Event>>,
    /// The lockfiles with everything announced in them: only those that say more than before.
    pub locks: BTreeMap<String, Lockfile>,
    /// Whether they are on the remote.
    pub published: bool,
}

/// Announces a plan. The walk follows it; what it does not come to is not in the lockfiles it ends with.
pub fn begun(context: &Context<'_>, plan: &Plan, locks: &BTreeMap<String, Lockfile>) -> Begun {
    let mut begun = Begun::default();
    for (tenant, changes) in by_tenant(plan) {
        let Some(desired) = context.desired.get(tenant) else {
            continue;
        };
        // The walk does not begin it either.
        if !walk::missing_secrets(context, desired, &changes).is_empty() {
            continue;
        }
        let before = locks.get(tenant).cloned().unwrap_or_else(|| Lockfile::new(tenant));
        let mut lock = before.clone();
        if let Some(moved) = change::moved(&changes) {
            lock.record(&moved);
        }
        let requests = request::begin(context, desired, &lock, &changes);
        requests.iter().for_each(|event| lock.record(event));
        begun.requests.insert(tenant.to_owned(), requests);
        for change in &changes {
            let attempt = change.work.attempt.unwrap_or_else(outside::random_id);
            begun.attempts.insert(change.address.clone(), attempt);
            announced(change, &lock, context.run, attempt)
                .iter()
                .for_each(|event| lock.record(event));
        }
        if lock != before {
            begun.locks.insert(tenant.to_owned(), lock);
        }
    }
    begun
}

/// What makes an object or takes one away.
fn announced(change: &Change, lock: &Lockfile, run: Uuid, attempt: Uuid) -> Vec<Event> {
    let begin = |step, id| Event::Begin {
        address: change.address.clone(),
        kind: change.kind.clone(),
        account: change.account.clone(),
        fingerprint: change.work.fingerprint.clone(),
        owner: change.work.owner.clone(),
        run,
        attempt,
        step,
        id,
        needs: change.work.all_needs(),
        natural: change.work.natural.clone(),
        look: change.work.look.as_ref().map(|(look, _)| look.clone()),
    };
    let takes = change.steps.contains(&Step::Delete);
    match change.action {
        Action::Delete | Action::Replace if takes => vec![begin(Step::Delete, change.id.clone())],
        Action::Replace => vec![begin(Step::Create, None)],
        Action::Create if change.steps.contains(&Step::Create) => {
            let recorded = lock.resources.get(&change.address);
            // The recorded object is gone: its record must not hide its successor.
            let gone = recorded.is_some_and(|locked| locked.applied.is_some() && locked.retiring.is_empty());
            let gone = gone.then(|| Event::Gone {
                address: change.address.clone(),
            });
            gone.into_iter().chain([begin(Step::Create, None)]).collect()
        }
        // Two runs that take over one object must not both come to its first write.
        Action::Adopt | Action::Use if !lock.resources.contains_key(&change.address) => {
            vec![begin(Step::Fill, change.id.clone())]
        }
        _ => Vec::new(),
    }
}

impl Begun {
    /// The requests of a tenant that are opened.
    pub(super) fn requests(&self, tenant: &str) -> &[Event] {
        self.requests.get(tenant).map(Vec::as_slice).unwrap_or_default()
    }

    /// The attempt that stands in what a change creates.
    pub(super) fn attempt(&self, change: &Change) -> Uuid {
        let announced = self.attempts.get(&change.address).copied();
        announced.or(change.work.attempt).unwrap_or_else(outside::random_id)
    }

    /// The lockfile of a tenant who was announced and not come to: a request that others have seen stays open.
    pub(super) fn opened(&self, mut lock: Lockfile) -> Lockfile {
        if self.published {
            let requests = self.requests(&lock.tenant).to_vec();
            requests.iter().for_each(|event| lock.record(event));
        }
        lock
    }
}
