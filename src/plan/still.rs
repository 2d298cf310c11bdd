//! What a plan says of a tenant that is suspended or resumed: what happens to each of its objects, also to those that it does
//! not change.

use serde::Serialize;

use crate::desired::DesiredTenant;
use crate::lockfile::{Locked, Lockfile};
use crate::plan::Reason;
use crate::platform::suspension::Effect;
use crate::resource::{Address, Kind};
use crate::workspace::Status;

/// What suspending or resuming its tenant does to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Still {
    pub address: Address,
    pub kind: Kind,
    /// What the tenant comes to be: suspended, or active again.
    pub suspends: bool,
    pub effect: Effect,
    /// For people.
    pub words: String,
}

/// Whether a tenant's suspension, or its end, is still to be recorded.
pub fn is_due(tenant: &DesiredTenant, lock: &Lockfile) -> bool {
    let recorded = lock.versions.get(&tenant.version);
    tenant.status != Status::Deprovisioned
        && recorded.is_some_and(|known| known.suspended != (tenant.status == Status::Suspended))
}

/// What happens to every object of a tenant that is about to be suspended or resumed; of any other tenant nothing.
pub fn stills(tenant: &DesiredTenant, lock: &Lockfile) -> Vec<Still> {
    let suspends = tenant.status == Status::Suspended;
    let is_new = suspends && !tenant.is_shared() && !lock.versions.contains_key(&tenant.version);
    if !is_due(tenant, lock) && !is_new {
        return Vec::new();
    }
    let all = tenant.standstill.iter();
    all.map(|(address, still)| {
        let unproven = lock.resources.get(address).is_some_and(Locked::is_unproven);
        let (effect, words) = match unproven {
            true => (Effect::Keeps, Reason::Unproven.words().to_owned()),
            false => (still.suspension.effect(), still.suspension.words(suspends)),
        };
        Still {
            address: address.clone(),
            kind: still.kind.clone(),
            suspends,
            effect,
            words,
        }
    })
    .collect()
}
