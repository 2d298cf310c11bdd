//! A suspended tenant: what is wanted of each of its objects meanwhile, by what its kind says about it.
//!
//! What tenants share is nobody's to suspend: others use it.

use std::collections::{BTreeMap, BTreeSet};

use super::{DesiredTenant, Resource};
use crate::platform::Suspension;
use crate::platform::suspension::How;
use crate::resource::{Address, Kind};
use crate::symbol::{Symbol, symbols};
use crate::workspace::{Status, Workspace};

/// What suspending the tenant means for one of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standstill {
    pub kind: Kind,
    pub suspension: Suspension,
}

/// Notes what suspending means for every resource; of a suspended tenant, makes each of them what it is meanwhile.
pub(super) fn apply(workspace: &Workspace, tenant: &mut DesiredTenant) {
    tenant.standstill = standstill(workspace, &tenant.resources);
    if tenant.status != Status::Suspended {
        return;
    }
    let standstill = &tenant.standstill;
    let how = |address: &Address| standstill.get(address).map(|still| &still.suspension.how);
    tenant
        .resources
        .retain(|address, _| how(address) != Some(&How::Removes));
    for resource in tenant.resources.values_mut() {
        if let Some(still) = standstill.get(&resource.address) {
            still_stands(resource, &still.suspension);
        }
    }
}

fn still_stands(resource: &mut Resource, suspension: &Suspension) {
    match suspension.how {
        How::Keeps(_) | How::Removes => {}
        How::Stops => resource.runs = false,
        How::Writes { .. } => {
            resource.runs = false;
            resource.document = suspension.overlay(std::mem::take(&mut resource.document));
            let needs = symbols(&resource.document)
                .into_iter()
                .filter_map(|symbol| match symbol {
                    Symbol::Ref { address, .. } => Some(address),
                    _ => None,
                });
            let left: BTreeSet<Address> = needs.collect();
            resource.needs.retain(|address| left.contains(address));
        }
    }
}

/// What each kind says; but what another object refers to, which stays, cannot be removed meanwhile.
fn standstill(workspace: &Workspace, resources: &BTreeMap<Address, Resource>) -> BTreeMap<Address, Standstill> {
    let said = |resource: &Resource| {
        let platform = workspace.registry.of_kind(&resource.kind);
        let facts = platform.and_then(|platform| platform.facts(&resource.kind));
        Standstill {
            kind: resource.kind.clone(),
            suspension: facts.unwrap_or_default().suspension,
        }
    };
    let mut all: BTreeMap<Address, Standstill> = resources
        .iter()
        .map(|(address, resource)| (address.clone(), said(resource)))
        .collect();
    while let Some((needed, by)) = needed_by_what_stays(&all, resources) {
        if let Some(still) = all.get_mut(&needed) {
            still.suspension = Suspension::keeps(format!("{by} refers to it"));
        }
    }
    all
}

/// An object that would be removed although one that stays refers to it.
fn needed_by_what_stays(
    all: &BTreeMap<Address, Standstill>,
    resources: &BTreeMap<Address, Resource>,
) -> Option<(Address, Address)> {
    let goes = |address: &Address| {
        all.get(address)
            .is_some_and(|still| still.suspension.how == How::Removes)
    };
    let staying = resources.values().filter(|resource| !goes(&resource.address));
    staying
        .flat_map(|resource| resource.needs.iter().map(|needed| (needed, &resource.address)))
        .find(|(needed, _)| goes(needed))
        .map(|(needed, by)| (needed.clone(), by.clone()))
}
