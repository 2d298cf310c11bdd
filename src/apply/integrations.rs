//! How each integration of a tenant came out of a run.

use std::collections::{BTreeMap, BTreeSet};

use super::Outcome;
use super::shared::Common;
use crate::desired::DesiredTenant;
use crate::lockfile::Integration;
use crate::resource::Address;

/// How the integrations stand, and what went wrong first in those that failed.
#[derive(Debug, Default)]
pub struct Standing {
    pub states: BTreeMap<String, Integration>,
    pub failures: BTreeMap<String, String>,
}

impl Standing {
    pub fn failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

/// Before anything is done.
pub fn pending(desired: &DesiredTenant) -> BTreeMap<String, Integration> {
    let integrations = desired.integrations.iter();
    integrations
        .map(|(name, members)| {
            let state = if members.is_empty() {
                Integration::NotAsked
            } else {
                Integration::Pending
            };
            (name.clone(), state)
        })
        .collect()
}

/// After a run: a failure of one part fails it, and it is complete when all of its parts are.
pub fn standing(desired: &DesiredTenant, outcome: &Outcome, common: &Common) -> Standing {
    let mut standing = Standing::default();
    for (name, members) in &desired.integrations {
        let state = match first_failure(members, outcome, common) {
            Some(why) => {
                standing.failures.insert(name.clone(), why.to_owned());
                Integration::Failed
            }
            None if members.is_empty() => Integration::NotAsked,
            None if members.iter().all(|member| is_settled(member, outcome, common)) => Integration::Completed,
            None => Integration::Pending,
        };
        standing.states.insert(name.clone(), state);
    }
    standing
}

fn first_failure<'a>(members: &BTreeSet<Address>, outcome: &'a Outcome, common: &'a Common) -> Option<&'a str> {
    // What is shared is made first.
    let mut failures = common.failures.iter().chain(&outcome.failures);
    let (_, why) = failures.find(|(address, _)| members.contains(address))?;
    Some(why)
}

fn is_settled(member: &Address, outcome: &Outcome, common: &Common) -> bool {
    if member.is_shared() {
        common.settled.contains(member)
    } else {
        outcome.is_settled(member)
    }
}
