//! `upa doctor`: what is not as it should be, and what to type. It looks and changes nothing.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::Global;
use super::orphans;
use super::output;
use super::plan::Format;
use super::progress::Live;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey;
use crate::exit::Exit;
use crate::gates::{self, Awaited};
use crate::lease::local::{Lease, Taken};
use crate::lease::{Claim, remote};
use crate::lockfile::RequestState;
use crate::outside;
use crate::plan::{Action, Reason, Rules};
use crate::problem::{Class, Problem, listed};
use crate::render::counted;
use crate::visible;
use crate::workspace::Status;

/// Look for everything that is not as it should be: interrupted runs, stale claims, open requests, objects nobody records,
/// webhooks that do not answer. Says of each what to type; changes nothing.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub async fn run(global: &Global, args: &DoctorArgs) -> Result<Exit, Failure> {
    let live = Live::start("looking at what is recorded");
    let session = Session::look_with(global, At::WorkTree, &[], Fetch::Try)?;
    let mut findings: Vec<Problem> = session.errors();
    findings.extend(session.unfetched.clone());
    let (claims, claimed) = claims(&session);
    findings.extend(claimed);
    findings.extend(interrupted(&session));
    findings.extend(unsettled(&session, &claims));
    let awaited = gates::awaited(&survey::wanted(&session, &[])?, &session.locks);
    findings.extend(awaited.iter().map(unapproved));
    live.says("asking every account");
    match orphans::found(&session).await {
        Ok((found, unknown)) => {
            findings.extend(unknown);
            findings.extend(found.iter().map(orphans::finding));
            findings.extend(webhooks(&session).await?);
        }
        Err(failure) => findings.extend(
            failure
                .problems
                .into_iter()
                .chain(failure.message.map(Problem::configuration)),
        ),
    }
    drop(live);
    // What files say of themselves may come up twice.
    let mut seen = BTreeSet::new();
    findings.retain(|problem| seen.insert(problem.message.clone()));
    let mut out = output::stdout();
    if let Format::Json = args.format {
        report::heard(writeln!(out, "{}", visible::json(&json!({ "findings": findings }))))?;
    } else if findings.is_empty() {
        report::heard(writeln!(out, "Nothing is wrong."))?;
    } else {
        report::heard(write!(out, "{}", report::problems(&findings)))?;
        let count = counted(findings.len(), "finding");
        report::heard(writeln!(out, "{count}."))?;
    }
    if findings.is_empty() {
        return Ok(Exit::Done);
    }
    Ok(match Exit::of_problems(&findings) {
        Exit::Done => Exit::Failed,
        exit => exit,
    })
}

/// Who is at work, and the claims of those who are not any more.
fn claims(session: &Session) -> (Vec<Claim>, Vec<Problem>) {
    let Some(remote) = session.remote() else {
        return (Vec::new(), Vec::new());
    };
    let claims = match remote::claims(&session.repo, remote) {
        Ok(claims) => claims.claims,
        Err(why) => {
            let failure = super::claim::failure(why);
            return (
                Vec::new(),
                failure.message.map(Problem::configuration).into_iter().collect(),
            );
        }
    };
    let now = outside::now();
    let (stale, alive): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| claim.is_over(now));
    let findings = stale.iter().map(|claim| {
        let (holder, run, until) = (&claim.holder, claim.run, super::claim::time(claim.expires));
        Problem::warning(format!(
            "the claim of {holder} (run {run}) expired at {until}: that run died"
        ))
        .hint(format!(
            "the next `upa apply` takes it over; to be rid of it now: `upa lease --steal {run}`"
        ))
    });
    let findings = findings.collect();
    (alive, findings)
}

/// Runs of this clone that were cut off.
fn interrupted(session: &Session) -> Vec<Problem> {
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
            Problem::warning(format!("run {run}{} was cut off in this clone {whose}", began(&run)))
                .hint("`upa apply` settles it"),
        );
    }
    if let (Some(commit), true) = (session.repo.unpublished(), session.leftovers.is_empty()) {
        let commit = commit.get(..10).unwrap_or(&commit).to_owned();
        findings.push(
            Problem::warning(format!("commit {commit} of this clone could not be published once"))
                .hint("`upa apply` publishes what is left of it"),
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
fn unapproved(awaited: &Awaited) -> Problem {
    let finding = Problem::warning(awaited.words()).hint(awaited.hint());
    match awaited.tenants.first() {
        Some(tenant) if awaited.tenants.len() == 1 => finding.tenant(&**tenant),
        _ => finding,
    }
}

/// Requests that are open, and changes that were begun, of runs that are not at work.
fn unsettled(session: &Session, claims: &[Claim]) -> Vec<Problem> {
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
        let pending: Vec<String> = lock
            .resources
            .iter()
            .filter(|(_, locked)| locked.pending.as_ref().is_some_and(|pending| !is_alive(&pending.run)))
            .map(|(address, _)| address.to_string())
            .collect();
        if !pending.is_empty() {
            let which = listed(pending.iter().map(String::as_str));
            let message = format!("a run was cut off before it was done with {which}");
            findings.push(
                Problem::warning(message)
                    .tenant(&**tenant)
                    .hint(format!("upa apply {tenant}")),
            );
        }
        for (version, known) in &lock.versions {
            let missed = known.reopened.iter().filter(|(_, deadline)| now > **deadline);
            findings.extend(missed.map(|(gate, deadline)| {
                let message =
                    format!("`{gate}` of tenant `{tenant}` was to be approved again by {deadline}, and is not");
                let hint = format!("approve it, or `upa apply {tenant}` says that its request has failed");
                Problem::warning(message).tenant(&**tenant).hint(hint)
            }));
            let request = &known.request;
            if let Some(deadline) = request.deadline.filter(|_| request.is_overdue(now)) {
                let message = format!(
                    "the request of tenant `{tenant}` on {version} was to be done by {deadline}, and is {}",
                    request.state.as_str()
                );
                let hint = format!("`upa apply {tenant}` finishes it, or says that it has failed");
                findings.push(Problem::warning(message).tenant(&**tenant).hint(hint));
            } else if matches!(request.state, RequestState::Pending | RequestState::Provisioning) && !works_on(tenant) {
                let message = format!(
                    "the request of tenant `{tenant}` on {version} is {} since {}, and nobody is at work on it",
                    request.state.as_str(),
                    request.created_at
                );
                findings.push(
                    Problem::warning(message)
                        .tenant(&**tenant)
                        .hint(format!("upa apply {tenant}")),
                );
            }
        }
    }
    findings
}

/// Recorded ways in of active tenants at which nobody listens.
async fn webhooks(session: &Session) -> Result<Vec<Problem>, Failure> {
    let desired = survey::wanted(session, &[])?;
    let accounts = survey::open_accounts(session, &desired).await?;
    let rules = Rules {
        policy: session.workspace.settings.policy.clone(),
        now_ms: outside::now().as_millisecond(),
        ..Rules::default()
    };
    let survey = survey::survey(session, desired, &accounts.observers(), &rules).await;
    accounts.close().await;
    let mut findings = Vec::new();
    for change in &survey.plan.changes {
        let tenant = survey.desired.tenants.get(change.address.tenant());
        let active = tenant.is_some_and(|tenant| tenant.status == Status::Active);
        let dead = matches!(
            (change.action, change.reason),
            (Action::Create, Reason::DeletedOnPlatform) | (Action::Update, Reason::NotRunning)
        );
        if active && dead && !change.work.entries.is_empty() {
            let names: Vec<&str> = change.work.entries.iter().map(|entry| entry.name.as_str()).collect();
            let message = format!(
                "{}: its webhooks do not answer ({}), because {}",
                change.address,
                listed(names.into_iter()),
                change.reason.words()
            );
            let tenant = change.address.tenant();
            findings.push(
                Problem::error(Class::Platform, message)
                    .tenant(tenant)
                    .hint(format!("upa apply {tenant}")),
            );
        }
    }
    Ok(findings)
}
