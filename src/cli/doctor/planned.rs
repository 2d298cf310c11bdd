//! What is not as it should be by what was observed: webhooks that do not answer, drift, what was never applied, and what
//! stops a tenant. Decided from the plan that `upa apply --probe` would carry out.

use std::collections::{BTreeMap, BTreeSet};

use super::{apply, probe};
use crate::desired::DesiredState;
use crate::lockfile::{Lockfile, RequestState};
use crate::plan::{Action, Change, Plan, Reason};
use crate::problem::{Class, Code, Problem, listed};
use crate::render::counted;
use crate::workspace::Status;

/// The findings about everything that a plan would change, and everything that stops it.
pub(super) fn findings(plan: &Plan, desired: &DesiredState, locks: &BTreeMap<String, Lockfile>) -> Vec<Problem> {
    let mut by_tenant: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &plan.changes {
        by_tenant.entry(change.address.tenant()).or_default().push(change);
    }
    let due = plan.due.iter().map(String::as_str);
    let blocked = plan.blocked();
    let concerned: BTreeSet<&str> = by_tenant.keys().copied().chain(due).chain(blocked).collect();
    let mut findings: Vec<Problem> = plan
        .problems
        .iter()
        .filter(|problem| problem.is_error() || problem.code == Some(Code::Unconfirmed))
        .cloned()
        .collect();
    for tenant in concerned {
        findings.extend(failed(tenant, locks.get(tenant), stopped_by(plan, tenant)));
    }
    for (tenant, changes) in by_tenant {
        let active = desired
            .tenants
            .get(tenant)
            .is_some_and(|tenant| tenant.status == Status::Active);
        let (dead, others): (Vec<&Change>, Vec<&Change>) =
            changes.into_iter().partition(|change| active && is_dead(change));
        findings.extend(dead.into_iter().map(|change| silent(tenant, change)));
        let (drift, asked): (Vec<&Change>, Vec<&Change>) = others.into_iter().partition(|change| change.is_drift());
        let begun = |change: &&&Change| {
            let locked = locks.get(tenant).and_then(|lock| lock.resources.get(&change.address));
            locked.is_some_and(|locked| locked.pending.is_some())
        };
        // What a run began has a finding of its own.
        let asked: Vec<&Change> = asked.iter().filter(|change| !begun(change)).copied().collect();
        findings.extend(several(
            tenant,
            &drift,
            "drift: not as Git says, and Git did not change",
        ));
        findings.extend(several(tenant, &asked, "Git says otherwise, and that was not applied"));
    }
    findings
}

/// Whether a change mends webhooks at which nothing answers.
fn is_dead(change: &Change) -> bool {
    let dead = matches!(
        (change.action, change.reason),
        (Action::Create, Reason::DeletedOnPlatform) | (Action::Update, Reason::NotRunning | Reason::Silent)
    );
    dead && !change.work.entries.is_empty()
}

fn silent(tenant: &str, change: &Change) -> Problem {
    let names = change.work.entries.iter().map(|entry| entry.name.as_str());
    let message = format!(
        "{}: its webhooks do not answer ({}), because {}",
        change.address,
        listed(names),
        change.reason.words()
    );
    let hint = match change.reason {
        // Only who asks the webhooks sees that.
        Reason::Silent => probe(tenant),
        _ => apply(Some(tenant)),
    };
    Problem::error(Class::Platform, message).tenant(tenant).hint(hint)
}

/// One finding about several changes of a tenant.
fn several(tenant: &str, changes: &[&Change], what: &str) -> Option<Problem> {
    if changes.is_empty() {
        return None;
    }
    let each: Vec<String> = changes
        .iter()
        .map(|change| format!("{} ({})", change.address, change.reason.words()))
        .collect();
    let message = format!(
        "{} of `{tenant}`: {what}: {}",
        counted(changes.len(), "object"),
        listed(each.iter().map(String::as_str))
    );
    let whose = desired_name(tenant);
    Some(Problem::warning(message).tenant(tenant).hint(apply(whose)))
}

/// What tenants share is applied with those who use it.
fn desired_name(tenant: &str) -> Option<&str> {
    (tenant != crate::resource::SHARED).then_some(tenant)
}

/// The first thing that stops a tenant.
fn stopped_by<'p>(plan: &'p Plan, tenant: &str) -> Option<&'p Problem> {
    let mut errors = plan.problems.iter().filter(|problem| problem.is_error());
    errors.find(|problem| problem.tenant.as_deref() == Some(tenant))
}

/// A request that has failed, of a tenant of whom something is left to do. Where something stops the tenant that comes first.
fn failed(tenant: &str, lock: Option<&Lockfile>, stopped: Option<&Problem>) -> Vec<Problem> {
    let requests = lock.into_iter().flat_map(|lock| &lock.versions);
    let failed = requests.filter(|(_, known)| known.request.state == RequestState::Failed);
    failed
        .map(|(version, known)| {
            let request = &known.request;
            let why = match request.error_log.last() {
                Some(error) => format!("{}: {}: {}", error.address, error.step, error.message),
                None => "nothing is recorded of why".to_owned(),
            };
            let message = format!(
                "the request of tenant `{tenant}` on {version} failed at {}: {why}",
                request.updated_at
            );
            let finding = Problem::error(Class::Failure, message).tenant(tenant);
            match stopped {
                Some(problem) => Problem {
                    hint: problem.hint.clone(),
                    ..finding
                },
                None => finding.hint(apply(Some(tenant))),
            }
        })
        .collect()
}
