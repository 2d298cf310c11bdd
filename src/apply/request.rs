//! Requests: the record of provisioning or deprovisioning one tenant. Fixes and repairs are runs, not requests.

use std::collections::BTreeMap;

use super::Context;
use super::integrations::{self, Standing};
use crate::desired::DesiredTenant;
use crate::lockfile::{Event, Lockfile, Provisioned, Purpose, Request, RequestState};
use crate::outside;
use crate::plan::{Action, Change, base_path};
use crate::workspace::{Status, Version};

/// What is recorded before the first call: the version with its webhook base, and a request if one is due.
pub fn begin(context: &Context<'_>, desired: &DesiredTenant, lock: &Lockfile, changes: &[Change]) -> Vec<Event> {
    // Nobody requests what several tenants share: it comes with the first of them.
    if desired.is_shared() {
        return Vec::new();
    }
    if desired.status == Status::Deprovisioned {
        return begin_deprovision(context, desired, lock);
    }
    let event = |provisioned| {
        vec![Event::Version {
            version: desired.version.clone(),
            provisioned,
        }]
    };
    let Some(known) = lock.versions.get(&desired.version) else {
        let base = outside::random_id();
        return event(Provisioned {
            product: desired.product.clone(),
            revision: desired.revision,
            webhook_base_path: base_path(&desired.name, base, desired.named_paths),
            base,
            provisioned_at: None,
            request: opened(context, desired, Purpose::Provision),
        });
    };
    let creates = changes
        .iter()
        .any(|change| matches!(change.action, Action::Create | Action::Adopt));
    let again = match (known.request.purpose, known.request.state) {
        // It was taken down and comes back, or the last request failed: that request is closed, this is another.
        (Purpose::Deprovision, _) => true,
        (Purpose::Provision, RequestState::Failed) => !changes.is_empty() || known.request.is_unsettled(),
        // Unfinished: the same request goes on.
        (Purpose::Provision, RequestState::Pending | RequestState::Provisioning) => false,
        (Purpose::Provision, RequestState::Completed) => creates && known.provisioned_at.is_none(),
    };
    if !again {
        return Vec::new();
    }
    event(Provisioned {
        request: opened(context, desired, Purpose::Provision),
        ..known.clone()
    })
}

/// A request that has just been opened.
fn opened(context: &Context<'_>, desired: &DesiredTenant, purpose: Purpose) -> Request {
    let now = (context.now)();
    Request {
        request_id: outside::run_id(),
        purpose,
        state: RequestState::Provisioning,
        created_at: now.clone(),
        updated_at: now,
        schema_ref: format!(
            "{}@{}",
            Version::path(&desired.product, &desired.version),
            context.commit
        ),
        operator: desired.operator.clone(),
        integrations: match purpose {
            Purpose::Provision => integrations::pending(desired),
            Purpose::Deprovision => BTreeMap::new(),
        },
        failures: BTreeMap::new(),
        error_log: Vec::new(),
    }
}

fn begin_deprovision(context: &Context<'_>, desired: &DesiredTenant, lock: &Lockfile) -> Vec<Event> {
    let unfinished = |known: &&Provisioned| {
        known.request.purpose != Purpose::Deprovision || matches!(known.request.state, RequestState::Failed)
    };
    let versions = lock.versions.iter().filter(|(_, known)| unfinished(known));
    versions
        .map(|(version, known)| Event::Version {
            version: version.clone(),
            provisioned: Provisioned {
                request: opened(context, desired, Purpose::Deprovision),
                ..known.clone()
            },
        })
        .collect()
}

/// What is recorded after the last call. An interrupted request stays open: the next run goes on with it.
pub fn end(
    context: &Context<'_>,
    desired: &DesiredTenant,
    lock: &Lockfile,
    standing: &Standing,
    failed: bool,
    interrupted: bool,
) -> Vec<Event> {
    let now = (context.now)();
    let mut events = Vec::new();
    for (version, known) in &lock.versions {
        let mut next = known.clone();
        let current = desired.status != Status::Deprovisioned && *version == desired.version;
        if current {
            next.request.integrations.clone_from(&standing.states);
            next.request.failures.clone_from(&standing.failures);
        }
        // What is shared fails with nobody's own objects.
        let failed = failed || (current && standing.failed());
        let open = !interrupted && matches!(next.request.state, RequestState::Pending | RequestState::Provisioning);
        if open {
            next.request.state = if failed {
                RequestState::Failed
            } else {
                RequestState::Completed
            };
            next.request.updated_at.clone_from(&now);
            if !failed && next.request.purpose == Purpose::Provision {
                next.provisioned_at.get_or_insert_with(|| now.clone());
            }
        }
        if !failed && !interrupted && current {
            next.revision = desired.revision;
        }
        if next != *known {
            events.push(Event::Version {
                version: version.clone(),
                provisioned: next,
            });
        }
    }
    events
}
