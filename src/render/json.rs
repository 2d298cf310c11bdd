//! A plan for programs.

use serde_json::{Map, Value, json};

use super::plan::Facts;
use crate::desired::DesiredState;
use crate::message::Message;
use crate::plan::{Action, Change, Kept, Plan};
use crate::problem::Problem;
use crate::symbol::{self, Unknown};
use crate::workspace::secret_rules::described;

/// The format of the document.
pub const FORMAT: u32 = 1;

/// The plan as one JSON document. It holds what a reviewer needs, and the digests apply compares.
pub fn plan(plan: &Plan, desired: &DesiredState) -> Value {
    let facts = Facts::of(plan);
    let counts: Map<String, Value> = Action::ALL
        .iter()
        .map(|action| (action.verb().to_owned(), Value::from(plan.count(*action))))
        .collect();
    let mut document = json!({
        "format": FORMAT,
        "digest": plan.digest(),
        "commit": desired.commit,
        "tenants": plan.tenants,
        "secrets": secrets(desired),
        "tenants_changed": facts.tenants,
        "counts": counts,
        "drift": facts.drift,
        "webhooks": facts.webhooks,
        "calls": facts.calls,
        "due": plan.due,
        "awaited": plan.awaited,
        "kept": plan.kept.iter().map(kept).collect::<Vec<_>>(),
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "withheld": plan.withheld.iter().map(change).collect::<Vec<_>>(),
        "problems": plan.problems,
    });
    if let (Some(map), false) = (document.as_object_mut(), plan.standstills.is_empty()) {
        map.insert("standstills".to_owned(), json!(plan.standstills));
    }
    document
}

/// Where the secrets of each tenant are, by its name; never what they are.
fn secrets(desired: &DesiredState) -> Map<String, Value> {
    let tenants = desired.tenants.values().filter(|tenant| !tenant.secrets.is_empty());
    let named = tenants.map(|tenant| {
        let secrets = tenant.secrets.iter();
        let secrets = secrets.map(|(name, secret)| (name.clone(), Value::from(described(&secret.source))));
        (tenant.name.clone(), Value::Object(secrets.collect()))
    });
    named.collect()
}

/// What is printed where no plan could be made.
pub fn no_plan(problems: &[Problem], message: Option<&Message>) -> Value {
    json!({ "format": FORMAT, "digest": null, "problems": problems, "message": message })
}

/// A difference that stays by a rule.
fn kept(kept: &Kept) -> Value {
    let value = json!({
        "address": kept.address,
        "change": kept.change,
        "rule": kept.verdict,
        "until": kept.until,
    });
    symbol::resolve(&value, &|_| None, Unknown::Describe)
}

fn change(change: &Change) -> Value {
    let mut value = serde_json::to_value(change).unwrap_or_default();
    // What is not known yet is said in words; the marks it has inside upa mean nothing outside.
    value = symbol::resolve(&value, &|_| None, Unknown::Describe);
    if let Some(map) = value.as_object_mut() {
        map.insert("tenant".to_owned(), Value::from(change.address.tenant()));
        map.insert("digest".to_owned(), json!(change.digest()));
        map.insert("drift".to_owned(), Value::from(change.is_drift()));
    }
    value
}
