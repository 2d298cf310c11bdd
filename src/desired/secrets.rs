//! Secrets in what Git asks for: where they may stand, and where they are.

use std::collections::BTreeMap;

use super::DesiredTenant;
use crate::platform::hidden;
use crate::problem::{Place, Problem};
use crate::symbol::{Symbol, places, symbols};
use crate::workspace::secret::SecretRef;
use crate::workspace::{Tenant, Version, Workspace, inputs};

/// A secret that a tenant gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInput {
    pub source: SecretRef,
    pub place: Place,
}

/// A secret may stand only where its platform shows it to nobody, and never in what upa shows itself.
pub(super) fn check(workspace: &Workspace, version: &Version, desired: &DesiredTenant) -> Vec<Problem> {
    let mut problems = Vec::new();
    for resource in desired.resources.values() {
        let facts = workspace
            .registry
            .of_kind(&resource.kind)
            .and_then(|platform| platform.facts(&resource.kind));
        let allowed = facts.map(|facts| facts.hidden()).unwrap_or_default();
        for (field, symbol) in places(&resource.document) {
            if let Symbol::Secret { name, .. } = symbol
                && !hidden::covers(&allowed, &field)
            {
                let problem = inputs::misplaced(&resource.address.to_string(), &field, &name, &allowed);
                problems.push(problem.at(resource.place.clone()));
            }
        }
    }
    for (field, symbol) in places(&desired.record) {
        if let Symbol::Secret { name, .. } = symbol {
            let problem = Problem::configuration(format!(
                "`[record]` is what `upa show` prints, and `{name}` in `{field}` is secret"
            ));
            problems.push(
                problem
                    .at(version.toml.key("/record"))
                    .hint("leave it out of `[record]`"),
            );
        }
    }
    problems
}

/// Where the secrets are that the resources need.
pub(super) fn inputs_of(tenant: &Tenant, version: &Version, desired: &DesiredTenant) -> BTreeMap<String, SecretInput> {
    let documents = desired.resources.values().map(|resource| &resource.document);
    let found = documents.flat_map(symbols).filter_map(|symbol| {
        let Symbol::Secret { name, .. } = symbol else {
            return None;
        };
        let input = name.strip_prefix("inputs.")?;
        let input = SecretInput {
            source: inputs::reference(tenant, &version.file, input)?,
            place: tenant.toml.key(&crate::workspace::toml::pointer(["inputs", input])),
        };
        Some((name, input))
    });
    found.collect()
}
