//! The two records kept of a tenant, as the product's requirements name them: the provisioning request and the tenant's
//! configuration. Built from Git and the lockfile alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::desired::{DesiredTenant, resolve_record};
use crate::gates;
use crate::lockfile::{Lockfile, Provisioned, RequestState};
use crate::plan::Values;
use crate::platform::n8n::WORKFLOW;
use crate::resource::Address;
use crate::symbol::{self, Unknown};

/// The fields of the provisioning request, in the order of the requirements; what it waits for and how its integrations stand follow its state.
pub const REQUEST: [&str; 14] = [
    "request_id",
    "tenant_name",
    "product_type",
    "version",
    "state",
    "awaits",
    "deadline",
    "integrations",
    "failures",
    "created_at",
    "updated_at",
    "schema_ref",
    "operator",
    "error_log",
];

/// The fields of the tenant configuration; what a version adds follows behind.
pub const CONFIGURATION: [&str; 7] = [
    "tenant_name",
    "webhook_base_path",
    "webhooks",
    "workflow_ids",
    "version",
    "provisioned_at",
    "status",
];

/// Both records of a tenant, who may refer to what is `shared`; fields nobody has a value for are null.
pub fn records(tenant: &DesiredTenant, lock: &Lockfile, shared: Option<&Lockfile>) -> Value {
    let provisioned = lock.provisioned(&tenant.product, &tenant.version);
    json!({
        "provisioning_request": provisioned.map(|provisioned| request(tenant, lock, provisioned)),
        "tenant_configuration": configuration(tenant, lock, shared, provisioned),
    })
}

fn request(tenant: &DesiredTenant, lock: &Lockfile, provisioned: &Provisioned) -> Value {
    let request = &provisioned.request;
    let mut record = json!({
        "request_id": request.request_id,
        "tenant_name": tenant.name,
        "product_type": provisioned.product,
        "version": tenant.version,
        "state": request.state,
        "created_at": request.created_at,
        "updated_at": request.updated_at,
        "schema_ref": request.schema_ref,
        "operator": request.operator,
        "error_log": request.error_log,
    });
    let awaited: Map<String, Value> = match request.state {
        RequestState::AwaitingApproval => {
            let open = gates::open(tenant, lock);
            open.iter()
                .map(|gate| (gate.name.clone(), Value::from(&*gate.spec.prompt)))
                .collect()
        }
        _ => Map::new(),
    };
    if let (Some(record), false) = (record.as_object_mut(), awaited.is_empty()) {
        record.insert("awaits".to_owned(), Value::Object(awaited));
        record.insert("deadline".to_owned(), json!(request.deadline));
    }
    // Not every version names integrations, and not every one of them fails.
    if let (Some(record), false) = (record.as_object_mut(), request.integrations.is_empty()) {
        record.insert("integrations".to_owned(), json!(request.integrations));
        record.insert("failures".to_owned(), json!(request.failures));
    }
    record
}

fn configuration(
    tenant: &DesiredTenant,
    lock: &Lockfile,
    shared: Option<&Lockfile>,
    provisioned: Option<&Provisioned>,
) -> Value {
    let workflows: Map<String, Value> = lock
        .resources
        .iter()
        .filter(|(_, locked)| locked.kind.as_str() == WORKFLOW && provisioned.is_some())
        .filter_map(|(address, locked)| Some((address.name(), Value::from(locked.id()?))))
        .collect();
    let mut record = Map::new();
    record.insert("tenant_name".to_owned(), Value::from(&*tenant.name));
    record.insert(
        "webhook_base_path".to_owned(),
        json!(provisioned.map(|provisioned| &provisioned.webhook_base_path)),
    );
    record.insert("workflow_ids".to_owned(), Value::Object(workflows));
    record.insert("version".to_owned(), Value::from(&*tenant.version));
    record.insert(
        "provisioned_at".to_owned(),
        json!(provisioned.and_then(|provisioned| provisioned.provisioned_at.as_ref())),
    );
    record.insert("status".to_owned(), json!(tenant.status));
    let mut values = values(lock);
    values.ids.extend(shared.into_iter().flat_map(ids));
    if provisioned.is_some() {
        record.insert("webhooks".to_owned(), Value::Object(webhooks(tenant, &values)));
    }
    // What else belongs to it only the version knows.
    record.extend(resolve_record(&tenant.record, &|symbol| values.of(symbol)));
    Value::Object(record)
}

/// The address of every webhook, by name.
fn webhooks(tenant: &DesiredTenant, values: &Values<'_>) -> Map<String, Value> {
    let entries = tenant.resources.values().flat_map(|resource| &resource.entries);
    let known = entries.filter_map(|entry| {
        let address = Value::from(entry.address.as_deref()?);
        let address = symbol::resolve(&address, &|symbol| values.of(symbol), Unknown::Blank);
        Some((entry.name.clone(), address))
    });
    known.collect()
}

fn ids(lock: &Lockfile) -> impl Iterator<Item = (Address, String)> {
    let resources = lock.resources.iter();
    resources.filter_map(|(address, locked)| Some((address.clone(), locked.id()?.to_owned())))
}

/// What a lockfile knows about symbols.
pub fn values(lock: &Lockfile) -> Values<'static> {
    Values {
        tenant: lock.tenant.clone(),
        outs: lock
            .resources
            .iter()
            .map(|(address, locked)| (address.clone(), locked.out()))
            .collect(),
        ids: ids(lock).collect(),
        bases: Values::bases_of(&lock.versions),
        credentials: BTreeMap::new(),
    }
}
