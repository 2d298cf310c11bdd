//! What several tenants share: one object on an account, wanted as long as one of them uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::confirmed::{self, Confirmed};
use super::values::Values;
use super::{DesiredTenant, Resource, resource};
use crate::problem::Problem;
use crate::resource::{Address, SHARED};
use crate::workspace::toml::pointer;
use crate::workspace::version::Scope as Lifetime;
use crate::workspace::{Status, Tenant, Version, Workspace};

/// Who shares what, in the whole workspace, whoever is selected.
#[derive(Debug, Default)]
pub struct Shared {
    /// The tenants that use each shared object.
    pub users: BTreeMap<Address, BTreeSet<String>>,
    /// The tenants whose files say what they use. Of any other nobody knows what it still needs.
    pub understood: BTreeSet<String>,
    /// The deprovisioned tenants that asked for each shared object.
    pub left: BTreeMap<Address, BTreeSet<String>>,
    /// Of shared objects, those that the file of any tenant says may be lost.
    pub confirmed: Confirmed,
}

/// One tenant that asks for a shared object, and what its version calls it.
type Asking<'a> = (&'a Tenant, &'a Version, &'a str);

/// Everything tenants share: who uses it, and those objects that the selected ones use, rendered.
pub fn shared(workspace: &Workspace, wanted: &impl Fn(&str) -> bool) -> (Shared, Option<DesiredTenant>, Vec<Problem>) {
    let mut shared = Shared::default();
    let mut asked: BTreeMap<Address, Vec<Asking<'_>>> = BTreeMap::new();
    for tenant in workspace.tenants.values() {
        let confirmed = confirmed::of(tenant).unwrap_or_default().into_iter();
        shared
            .confirmed
            .extend(confirmed.filter(|(address, _)| address.is_shared()));
        let version = workspace.version_of(tenant);
        let gone = tenant.file.status == Status::Deprovisioned;
        if gone || version.is_some() {
            shared.understood.insert(tenant.name.clone());
        }
        let Some(version) = version else {
            continue;
        };
        for (name, spec) in &version.file.resources {
            if spec.scope != Lifetime::Account || !spec.is_for(&tenant.file.inputs) {
                continue;
            }
            let address = Values::new(workspace, tenant, version, name).own_address();
            let users = if gone { &mut shared.left } else { &mut shared.users };
            users.entry(address.clone()).or_default().insert(tenant.name.clone());
            if !gone {
                asked.entry(address).or_default().push((tenant, version, name));
            }
        }
    }
    let mut problems = Vec::new();
    let mut resources = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for (address, asking) in asked {
        if !wanted(SHARED) && !asking.iter().any(|(tenant, ..)| wanted(&tenant.name)) {
            kept.insert(address);
            continue;
        }
        match agreed(workspace, &address, &asking) {
            Ok(Some(resource)) => {
                resources.insert(address, resource);
            }
            // Its template has problems of its own.
            Ok(None) => {}
            Err(found) => problems.extend(found),
        }
    }
    let everybody = (!resources.is_empty() || !kept.is_empty()).then(|| DesiredTenant::everybody(resources, kept));
    (shared, everybody, problems)
}

/// The one document all of them ask for.
fn agreed(workspace: &Workspace, address: &Address, asking: &[Asking<'_>]) -> Result<Option<Resource>, Vec<Problem>> {
    let mut first: Option<(Resource, &Asking<'_>)> = None;
    // What is shared can differ only by the version, and by the accounts a tenant chose.
    let mut seen = BTreeSet::new();
    for one in asking {
        let (tenant, version, name) = one;
        if !seen.insert((&version.toml.file, &tenant.file.accounts)) {
            continue;
        }
        let Some(found) = resource(workspace, tenant, version, name, None)? else {
            continue;
        };
        match &first {
            None => first = Some((found, one)),
            Some((agreed, _)) if agreed.kind == found.kind && agreed.document == found.document => {}
            Some((_, (other, theirs, _))) => {
                let who = if theirs.toml.file == version.toml.file {
                    format!("tenants `{}` and `{}`, whose accounts differ,", other.name, tenant.name)
                } else {
                    format!("{} and {}", theirs.toml.file, version.toml.file)
                };
                let problem = Problem::configuration(format!(
                    "{who} ask for different objects at `{address}`, which is one for all"
                ));
                return Err(vec![
                    problem
                        .at(version.toml.key(&pointer(["resources", name])))
                        .hint("make them alike, or give one of them another name"),
                ]);
            }
        }
    }
    let Some((mut agreed, _)) = first else { return Ok(None) };
    agreed.adopt = adopted(address, asking)?;
    Ok(Some(agreed))
}

/// The object to take over, which any of its users may name.
fn adopted(address: &Address, asking: &[Asking<'_>]) -> Result<Option<String>, Vec<Problem>> {
    let mut named: Option<(&String, &str)> = None;
    for (tenant, _, name) in asking {
        let Some(id) = tenant.file.adopt.get(*name) else {
            continue;
        };
        match named {
            Some((first, other)) if first != id => {
                let problem = Problem::configuration(format!(
                    "`{address}` is one object, and tenant `{other}` adopts `{first}`"
                ));
                return Err(vec![
                    problem
                        .at(tenant.toml.value_place(&pointer(["adopt", name])))
                        .tenant(&*tenant.name)
                        .hint("name the same object, or remove one of the two"),
                ]);
            }
            _ => named = Some((id, &tenant.name)),
        }
    }
    Ok(named.map(|(id, _)| id.clone()))
}
