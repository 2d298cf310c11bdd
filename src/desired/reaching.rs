//! What a rendered document may reach: what is its own tenant's, what is shared, and siblings that the tenant has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::values::{Values, only_if};
use crate::problem::Problem;
use crate::symbol::{Symbol, symbols};
use crate::workspace::toml::pointer;
use crate::workspace::{Tenant, Version};

/// A document holds symbols of its own tenant, of what is shared, and of the credentials that the tenant names: whatever
/// else it holds was not made by rendering.
pub(super) fn refuse_foreign(
    tenant: &Tenant,
    version: &Version,
    scope: &Values<'_>,
    document: &Value,
) -> Result<(), Vec<Problem>> {
    let named: Vec<Symbol> = version
        .file
        .credentials
        .keys()
        .filter_map(|slot| scope.credential_symbol(slot))
        .collect();
    let allowed = |symbol: &Symbol| match symbol {
        Symbol::Credential { .. } => named.contains(symbol),
        other => other.is_of(&tenant.name),
    };
    let foreign = symbols(document).into_iter().filter(|symbol| !allowed(symbol));
    let problems: Vec<Problem> = foreign
        .map(|symbol| {
            let what = symbol.describe();
            Problem::configuration(format!(
                "{} refers to {what}, which is not this tenant's",
                scope.own_address()
            ))
            .at(tenant.toml.key("/inputs"))
            .hint("this is a bug in upa or an attack; nothing was sent")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A workflow cannot call a sibling that its tenant does not have.
pub(super) fn check_calls(
    tenant: &Tenant,
    version: &Version,
    name: &str,
    calls: &BTreeSet<String>,
) -> Result<(), Vec<Problem>> {
    let resources = &version.file.resources;
    let missing = calls.iter().filter_map(|callee| Some((callee, resources.get(callee)?)));
    let problems: Vec<Problem> = missing
        .filter(|(_, spec)| !spec.is_for(&tenant.file.inputs))
        .map(|(callee, spec)| {
            let input = spec.when.as_ref().map_or("", |condition| &condition.input);
            Problem::configuration(format!(
                "`{name}` calls `{callee}`, which this tenant does not have{}",
                only_if(spec)
            ))
            .at(tenant.toml.value_place(&pointer(["inputs", input])))
            .hint(format!(
                "give `{name}` the same `when` in {}, or let it call something every tenant has",
                version.toml.file
            ))
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
