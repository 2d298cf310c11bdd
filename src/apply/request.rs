//! Requests: the record of provisioning or deprovisioning one tenant. Fixes and repairs are runs, not requests.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Context;
use super::integrations::{self, Standing};
use crate::desired::DesiredTenant;
use crate::gates::{self, Gate};
use crate::lockfile::{Event, Lockfile, LoggedError, Provisioned, Purpose, Request, RequestState};
use crate::outside;
use crate::plan::{Action, Change, base_path};
use crate::problem::listed;
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
            reopened: BTreeMap::new(),
            suspended: false,
            request: opened(context, desired, Purpose::Provision),
        });
    };
    let creates = changes
        .iter()
        .any(|change| matches!(change.action, Action::Create | Action::Adopt | Action::Use));
    let again = match (known.request.purpose, known.request.state) {
        // It was taken down and comes back, or the last request failed: that request is closed, this is another.
        (Purpose::Deprovision, _) => true,
        (Purpose::Provision, RequestState::Failed) => {
            !changes.is_empty() || known.request.is_unsettled() || gates::is_released(desired, lock)
        }
        // Unfinished: the same request goes on.
        (Purpose::Provision, RequestState::Pending | RequestState::Provisioning | RequestState::AwaitingApproval) => {
            false
        }
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
    let version = Version::path(&desired.product, &desired.version);
    let mut request = Request::opened(
        (outside::run_id(), purpose),
        (context.now)(),
        context.request_hours,
        (format!("{version}@{}", context.commit), desired.operator.clone()),
    );
    if purpose == Purpose::Provision {
        request.integrations = integrations::pending(desired);
    }
    request
}

/// The work on what is open begins: what was announced is being done.
pub fn work(context: &Context<'_>, lock: &Lockfile) -> Vec<Event> {
    let now = (context.now)();
    let announced = lock
        .versions
        .iter()
        .filter(|(_, known)| known.request.state == RequestState::Pending);
    announced
        .map(|(version, known)| {
            let mut provisioned = known.clone();
            provisioned.request.comes_to(RequestState::Provisioning, now);
            Event::Version {
                version: version.clone(),
                provisioned,
            }
        })
        .collect()
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

/// What is recorded after the last call. A request that was interrupted, or waits, stays open until its deadline: the next
/// run goes on with it.
pub fn end(
    context: &Context<'_>,
    desired: &DesiredTenant,
    lock: &Lockfile,
    standing: &Standing,
    failed: bool,
    interrupted: bool,
) -> Vec<Event> {
    let now = (context.now)();
    // While nobody knows the date, nothing falls due.
    let falls_due = !context.observed.is_apart_for(desired, lock);
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
        let awaited = match current && !failed {
            true => gates::open(desired, lock),
            false => Vec::new(),
        };
        if interrupted {
            // What waits is not waited for any longer; what was begun stays pending, and the next request goes on with it.
            if falls_due {
                overdue(&mut next.request, desired, now, "and is not");
            }
        } else if next.request.is_open() && failed {
            next.request.comes_to(RequestState::Failed, now);
        } else if next.request.is_open() && !awaited.is_empty() {
            let names = awaited.iter().map(|gate| gate.name.as_str());
            let why = format!("and nobody approved {}", listed(names));
            await_approval(&mut next.request, &awaited, now);
            if falls_due {
                overdue(&mut next.request, desired, now, &why);
            }
        } else if next.request.is_open() {
            next.request.comes_to(RequestState::Completed, now);
            if next.request.purpose == Purpose::Provision {
                next.provisioned_at.get_or_insert(now);
            }
        }
        if !failed && !interrupted && current {
            next.revision = desired.revision;
            review(&mut next, &awaited, now);
            if falls_due {
                missed(context, desired, &mut next, now);
            }
            next.suspended = desired.status == Status::Suspended;
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

/// All is done that can be done without a person, who has a time of their own for it.
fn await_approval(request: &mut Request, awaited: &[&Gate], now: Timestamp) {
    if request.state != RequestState::AwaitingApproval {
        request.comes_to(RequestState::AwaitingApproval, now);
        request.deadline = Some(gates::deadline(awaited, now));
    }
}

/// What was complete and is to be checked again has a deadline of its own, like a request.
fn review(known: &mut Provisioned, awaited: &[&Gate], now: Timestamp) {
    let before = std::mem::take(&mut known.reopened);
    if known.request.purpose != Purpose::Provision || known.request.state != RequestState::Completed {
        return;
    }
    let until = |gate: &&Gate| {
        let deadline = before.get(&gate.name).copied();
        (
            gate.name.clone(),
            deadline.unwrap_or_else(|| gates::deadline(&[gate], now)),
        )
    };
    known.reopened = awaited.iter().map(until).collect();
}

/// Where the deadline of such a check is missed, another request is opened and fails: the one that was complete stays so.
fn missed(context: &Context<'_>, desired: &DesiredTenant, known: &mut Provisioned, now: Timestamp) {
    let missed = known.reopened.iter().filter(|(_, deadline)| now > **deadline);
    let missed: BTreeMap<String, Timestamp> = missed.map(|(gate, deadline)| (gate.clone(), *deadline)).collect();
    let Some(deadline) = missed.values().min() else { return };
    let integrations = std::mem::take(&mut known.request.integrations);
    known.request = opened(context, desired, Purpose::Provision);
    known.request.integrations = integrations;
    known.request.comes_to(RequestState::Provisioning, now);
    known.request.comes_to(RequestState::AwaitingApproval, now);
    known.request.deadline = Some(*deadline);
    let why = format!(
        "and nobody approved {} again",
        listed(missed.keys().map(String::as_str))
    );
    overdue(&mut known.request, desired, now, &why);
    known.reopened.clear();
}

/// A request whose time is up fails.
fn overdue(request: &mut Request, desired: &DesiredTenant, now: Timestamp, why: &str) {
    if let Some(deadline) = request.deadline.filter(|_| request.is_overdue(now)) {
        request.log(LoggedError {
            at: now,
            address: desired.name.clone(),
            step: "request".to_owned(),
            message: format!("it was to be done by {deadline}, {why}"),
        });
        request.comes_to(RequestState::Failed, now);
    }
}
