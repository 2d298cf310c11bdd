//! What is not as it should be by what is recorded: runs that died, requests that are open, gates that wait.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::apply;
use crate::cli::claim;
use crate::cli::session::Session;
use crate::gates::Awaited;
use crate::lease::Claim;
use crate::lease::local::{Lease, Taken};
use crate::lease::remote;
use crate::lockfile::{Lockfile, RequestState};
use crate::outside;
use crate::plan::Reason;
use crate::problem::{Class, Problem, listed};
use crate::resource::Address;

/// Who is at work, and the claims of those who are not any more.
pub(super) fn claims(session: &Session) -> (Vec<Claim>, Vec<Problem>) {
    let Some(remote) = session.remote() else {
        return (Vec::new(), Vec::new());
    };
    let claims = match remote::claims(&session.repo, remote) {
        Ok(claims) => claims.claims,
        Err(why) => {
            let failure = claim::failure(why);
            return (
                Vec::new(),
                failure.message.map(Problem::configuration).into_iter().collect(),
            );
        }
    };
    let now = outside::now();
    let (stale, alive): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.is_over(now));
    let findings = stale.iter().map(|claim| {
        let (holder, run, until) = (&claim.holder, claim.run, claim::time(claim.expires));
        Problem::warning(format!(
            "the claim of {holder} (run {run}) expired at {until}: that run died, and the next `upa apply` takes it over"
        ))
        .hint(format!("upa lease --steal {run}"))
    });
    let findings = findings.collect();
    (alive, findings)
}

/// Runs of this clone that were cut off.
pub(super) fn interrupted(session: &Session) -> Vec<Problem> {
    // A run that is at work has a journal, too.
    if matches!(Lease::take(&session.repo.private_dir()), Err(Taken::ByAnother(_))) {
        return Vec::new();
    }
    let mut findings: Vec<Problem> = Vec::new();
    for leftover in &session.leftovers {
        let tenants: BTreeSet<&str> = leftover.entries.iter().map(|entry| entry.tenant.as_str()).collect();
        let run = leftover.run().map(|run| run.to_string()).unwrap_or_default();
        let whose = match tenants.is_empty() {
            true => "before it began anything".to_owned(),
            false => format!("while it worked on {}", listed(tenants.into_iter())),
        };
        findings.push(
            Problem::warning(format!("run {run}{} was cut off in this clone {whose}", began(&run))).hint(apply(None)),
        );
    }
    if let (Some(commit), true) = (session.repo.unpublished(), session.leftovers.is_empty()) {
        let commit = commit.get(..10).unwrap_or(&commit).to_owned();
        findings.push(
            Problem::warning(format!(
                "commit {commit} of this clone could not be published once; the next run publishes what is left of it"
            ))
            .hint(apply(None)),
        );
    }
    findings
}

/// When a run began, which its id tells.
fn began(run: &str) -> String {
    let time = run.parse::<Uuid>().ok().and_then(|run| run.get_timestamp());
    let time = time.and_then(|time| Timestamp::from_second(i64::try_from(time.to_unix().0).ok()?).ok());
    time.map(|time| format!(" of {time}")).unwrap_or_default()
}

/// A gate that waits for a person.
pub(super) fn unapproved(awaited: &Awaited) -> Problem {
    let tenant = awaited.tenants.first().map_or("TENANT", String::as_str);
    let prompt = awaited.prompt.trim_end_matches('.');
    // Whoever types it says that it was done.
    let finding = Problem::warning(format!("{}, which says that this was done: {prompt}", awaited.words()))
        .hint(format!("upa approve {tenant} {}", awaited.gate));
    match awaited.tenants.first() {
        Some(tenant) if awaited.tenants.len() == 1 => finding.tenant(&**tenant),
        _ => finding,
    }
}

/// Requests that are open, and changes that were begun, of runs that are not at work.
pub(super) fn unsettled(session: &Session, claims: &[Claim]) -> Vec<Problem> {
    let is_alive = |run: &Uuid| claims.iter().any(|claim| claim.run == *run);
    let works_on = |tenant: &str| {
        let all = crate::lease::claims::EVERYBODY;
        claims
            .iter()
            .any(|claim| claim.tenants.contains(all) || claim.tenants.contains(tenant))
    };
    let now = outside::now();
    let mut findings = Vec::new();
    for (tenant, lock) in &session.locks {
        let pending = lock
            .resources
            .iter()
            .filter(|(_, locked)| locked.pending.as_ref().is_some_and(|pending| !is_alive(&pending.run)));
        let pending: BTreeSet<&Address> = pending.map(|(address, _)| address).collect();
        findings.extend(unfinished(tenant, lock, &pending));
        findings.extend(unproven(tenant, lock));
        for (version, known) in &lock.versions {
            let missed = known.reopened.iter().filter(|(_, deadline)| now > **deadline);
            findings.extend(missed.map(|(gate, deadline)| {
                let message = format!(
                    "`{gate}` of tenant `{tenant}` was to be approved again by {deadline}, and is not; the next run says that its request has failed"
                );
                Problem::warning(message).tenant(&**tenant).hint(apply(Some(tenant)))
            }));
            let request = &known.request;
            if let Some(deadline) = request.deadline.filter(|_| request.is_overdue(now)) {
                let message = format!(
                    "the request of tenant `{tenant}` on {version} was to be done by {deadline}, and is {}",
                    request.state.as_str()
                );
                let message = format!("{message}; the next run finishes it, or says that it has failed");
                findings.push(Problem::warning(message).tenant(&**tenant).hint(apply(Some(tenant))));
            } else if matches!(request.state, RequestState::Pending | RequestState::Provisioning) && !works_on(tenant) {
                let message = format!(
                    "the request of tenant `{tenant}` on {version} is {} since {}, and nobody is at work on it",
                    request.state.as_str(),
                    request.created_at
                );
                findings.push(Problem::warning(message).tenant(&**tenant).hint(apply(Some(tenant))));
            }
        }
    }
    findings
}

/// Objects that a tenant uses and that nothing proves to be upa's.
fn unproven(tenant: &str, lock: &Lockfile) -> Vec<Problem> {
    let found = lock.unproven().map(|(address, locked)| {
        let (kind, id) = (&locked.kind, locked.id().unwrap_or_default());
        let message = format!(
            "{address}: {kind} {id} is used: {}; look at it, and take it over if it is this tenant's alone",
            Reason::Unproven.words()
        );
        let hint = format!("upa recover {tenant} --take {address}={id}");
        Problem::warning(message).tenant(tenant).hint(hint)
    });
    found.collect()
}

/// Changes of a tenant that were begun and are not finished: those that failed, each with why, and those that were cut off.
fn unfinished(tenant: &str, lock: &Lockfile, pending: &BTreeSet<&Address>) -> Vec<Problem> {
    let logged = || lock.versions.values().flat_map(|known| &known.request.error_log);
    let mut cut_off = Vec::new();
    let mut findings = Vec::new();
    for address in pending {
        let name = address.to_string();
        match logged()
            .filter(|error| error.address == name)
            .max_by_key(|error| &error.at)
        {
            Some(error) => findings.push(
                Problem::error(
                    Class::Failure,
                    format!(
                        "{address}: its last {} failed at {}: {}",
                        error.step, error.at, error.message
                    ),
                )
                .tenant(tenant)
                .hint(apply(Some(tenant))),
            ),
            None => cut_off.push(name),
        }
    }
    if !cut_off.is_empty() {
        let which = listed(cut_off.iter().map(String::as_str));
        let message = format!("a run was cut off before it was done with {which}");
        findings.push(Problem::warning(message).tenant(tenant).hint(apply(Some(tenant))));
    }
    findings
}
