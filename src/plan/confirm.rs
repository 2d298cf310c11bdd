//! What `[confirm]` of a tenant's file may name: objects of its own, or shared ones, whose loss must be confirmed.
//!
//! Once such an object is gone, and with it the record of it, the statement says nothing any more and harms nothing.

use std::collections::BTreeMap;

use super::change::Action;
use super::losses;
use crate::lockfile::{Lockfile, Purpose};
use crate::problem::{Place, Problem, did_you_mean};
use crate::resource::{Address, Kind, Owner};
use crate::workspace::toml::pointer;
use crate::workspace::version::Scope;
use crate::workspace::{Status, Tenant, Version, Workspace};

/// What is wrong with the statements of all tenants.
pub fn check(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for tenant in workspace.tenants.values() {
        for (named, id) in tenant.file.confirm.iter().flatten() {
            let place = tenant.toml.key(&pointer(["confirm", named]));
            let found = wrong(workspace, locks, tenant, (named, id), place);
            problems.extend(found.map(|problem| problem.tenant(&*tenant.name)));
        }
    }
    problems
}

fn wrong(
    workspace: &Workspace,
    locks: &BTreeMap<String, Lockfile>,
    tenant: &Tenant,
    (named, id): (&str, &str),
    place: Place,
) -> Option<Problem> {
    let hint = "`upa plan` prints the lines that are to stand here";
    let refuse = |why: String| Some(Problem::configuration(format!("`[confirm]`: {why}")).at(place.clone()));
    let address: Address = match named.parse() {
        Ok(address) => address,
        Err(error) => return Some(refuse(format!("{error}"))?.hint(hint)),
    };
    if !address.is_shared() && address.tenant() != tenant.name {
        let why = format!("`{address}` is not of tenant `{}`", tenant.name);
        return Some(refuse(why)?.hint("each tenant's file speaks for what is its own, and for what tenants share"));
    }
    if id.is_empty() {
        return Some(refuse(format!("the id of the object at `{address}` is empty"))?.hint(hint));
    }
    let recorded = locks
        .get(address.tenant())
        .and_then(|lock| lock.resources.get(&address));
    let kind = match recorded {
        Some(locked) => Some(locked.kind.clone()),
        None => kind_in_git(workspace, tenant, &address),
    };
    let Some(kind) = kind else {
        if is_left_over(workspace, locks, tenant, &address) {
            return None;
        }
        let known = known(workspace, locks, tenant);
        return Some(refuse(format!("there is no `{address}`"))?.hint(
            match did_you_mean(named, known.iter().map(String::as_str)) {
                Some(word) => format!("did you mean `{word}`?"),
                None => hint.to_owned(),
            },
        ));
    };
    let facts = workspace.registry.of_kind(&kind)?.facts(&kind)?;
    match losses::why(&facts, Action::Replace) {
        Some(_) => None,
        None => Some(
            refuse(format!(
                "`{address}` needs no confirmation: nothing is lost for good with it ({kind})"
            ))?
            .hint("remove this line"),
        ),
    }
}

/// The kind of the resource at an address, as the files of the version say.
fn kind_in_git(workspace: &Workspace, tenant: &Tenant, address: &Address) -> Option<Kind> {
    let versions: Vec<&Version> = match &address.owner {
        // Any tenant's version may have it.
        Owner::Shared { .. } => workspace
            .tenants
            .values()
            .filter_map(|tenant| workspace.version_of(tenant))
            .collect(),
        Owner::Version { version, .. } if *version != tenant.file.version => {
            let path = Version::path(&tenant.file.product, version);
            workspace
                .versions
                .values()
                .filter(|version| version.toml.file == path)
                .collect()
        }
        Owner::Version { .. } | Owner::Tenant { .. } => workspace.version_of(tenant).into_iter().collect(),
    };
    let specs = versions
        .into_iter()
        .filter_map(|version| version.file.resources.get(&address.resource));
    let lives = match &address.owner {
        Owner::Shared { .. } => Scope::Account,
        Owner::Version { .. } => Scope::Version,
        Owner::Tenant { .. } => Scope::Tenant,
    };
    let spec = specs.into_iter().find(|spec| spec.scope == lives)?;
    Some(Kind::new(&*spec.kind))
}

/// Whether what is not known may be something that was known once: a tenant leaves and part of it is gone, or its version.
fn is_left_over(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>, tenant: &Tenant, address: &Address) -> bool {
    let begun = |lock: &Lockfile| {
        let mut requests = lock.versions.values().map(|version| &version.request);
        lock.resources.is_empty() || requests.any(|request| request.purpose == Purpose::Deprovision)
    };
    let leaves = tenant.file.status == Status::Deprovisioned;
    address.is_shared()
        || leaves && (locks.get(&tenant.name).is_none_or(begun) || workspace.version_of(tenant).is_none())
}

/// The addresses of a tenant, as they are recorded or as Git names them.
fn known(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>, tenant: &Tenant) -> Vec<String> {
    let recorded = locks.get(&tenant.name);
    let recorded = recorded.into_iter().flat_map(|lock| lock.resources.keys());
    let version = workspace.version_of(tenant);
    let specs = version.into_iter().flat_map(|version| &version.file.resources);
    let in_git = specs.filter_map(|(name, spec)| match spec.scope {
        Scope::Tenant => Some(format!("{}/{name}", tenant.name)),
        Scope::Version => Some(format!("{}@{}/{name}", tenant.name, tenant.file.version)),
        Scope::Account => None,
    });
    recorded.map(Address::to_string).chain(in_git).collect()
}
