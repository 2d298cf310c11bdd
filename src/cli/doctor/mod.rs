//! `upa doctor`: what is not as it should be, and what to type. It looks and changes nothing.

mod planned;
mod recorded;

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::Global;
use super::orphans;
use super::output;
use super::plan::Format;
use super::progress::Live;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey;
use crate::exit::Exit;
use crate::gates;
use crate::lockstore;
use crate::orphans::{Origin, Orphan};
use crate::outside;
use crate::plan::{Rules, clocks};
use crate::problem::Problem;
use crate::render::counted;
use crate::resource::Address;
use crate::visible;

/// Look for everything that is not as it should be: interrupted runs, stale claims, failed and open requests, drift, objects
/// that no lockfile records or two do, webhooks that do not answer. Says of each what to type; changes nothing.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Do not ask the webhooks whether they answer
    #[arg(long)]
    pub quick: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub async fn run(global: &Global, args: &DoctorArgs) -> Result<Exit, Failure> {
    let live = Live::start("looking at what is recorded");
    let session = Session::look_with(global, At::WorkTree, &[], Fetch::Try)?;
    let mut findings: Vec<Problem> = session.errors();
    findings.extend(session.unfetched.clone());
    let (claims, claimed) = recorded::claims(&session);
    findings.extend(claimed);
    findings.extend(recorded::interrupted(&session));
    findings.extend(recorded::unsettled(&session, &claims));
    let awaited = gates::awaited(&survey::wanted(&session, &[])?, &session.locks);
    findings.extend(awaited.iter().map(recorded::unapproved));
    live.says("asking every account");
    match observed(&session, args.quick).await {
        Ok(found) => findings.extend(found),
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
    findings.retain(|problem| seen.insert(problem.message.to_string()));
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

/// What is found by asking the platforms.
async fn observed(session: &Session, quick: bool) -> Result<Vec<Problem>, Failure> {
    let (found, unknown) = orphans::found(session).await?;
    let mut findings = unknown;
    for orphan in &found {
        findings.push(nobodys(session, orphan)?);
    }
    let desired = survey::wanted(session, &[])?;
    let accounts = survey::open_accounts(session, &desired).await?;
    let rules = Rules {
        policy: session.workspace.settings.policy.clone(),
        now_ms: outside::now().as_millisecond(),
        ..Rules::default()
    };
    let observers = accounts.observers().asking_webhooks(!quick);
    let survey = survey::survey(session, desired, &observers, &rules).await;
    accounts.close().await;
    findings.extend(survey.observed.deaf());
    findings.extend(clocks::findings(&survey.observed));
    findings.extend(planned::findings(&survey.plan, &survey.desired, &session.locks));
    Ok(findings)
}

/// An object that no lockfile records, with what brings its record back, or takes the object away where there is none.
fn nobodys(session: &Session, orphan: &Orphan) -> Result<Problem, Failure> {
    let finding = orphans::finding(orphan);
    let delete = format!("upa orphans --delete {} --yes", orphan.id);
    let last = |path: &str| session.repo.last_with(path, session.base.as_deref());
    Ok(finding.hint(match &orphan.origin {
        Origin::Copy { .. } => delete,
        Origin::Original { .. } => orphan.origin.hint(&orphan.id),
        Origin::Unrecorded { tenant, .. } if session.texts.contains_key(tenant) => format!("upa recover {tenant}"),
        Origin::Unrecorded { tenant, .. } => {
            let lock = lockstore::path(tenant);
            match last(&lock)? {
                Some(commit) => restored(&[(lock, commit)], tenant),
                None => format!("upa recover {tenant}"),
            }
        }
        Origin::Masterless => {
            let address = orphan.address.parse::<Address>().ok();
            let tenant = address.as_ref().map_or("", Address::tenant);
            let (file, lock) = (format!("tenants/{tenant}.toml"), lockstore::path(tenant));
            match (last(&file)?, last(&lock)?) {
                (Some(with_file), Some(with_lock)) => restored(&[(file, with_file), (lock, with_lock)], tenant),
                _ => delete,
            }
        }
    }))
}

/// What brings files back that were removed.
fn restored(files: &[(String, String)], tenant: &str) -> String {
    let checkouts = files.iter().map(|(path, commit)| {
        let commit = commit.get(..10).unwrap_or(commit);
        format!("git checkout {commit} -- {path} && ")
    });
    let checkouts: String = checkouts.collect();
    format!("{checkouts}git commit -m 'Restore what is recorded of {tenant}'")
}

/// What applies one tenant, or everything.
fn apply(tenant: Option<&str>) -> String {
    match tenant {
        Some(tenant) => format!("upa apply {tenant} --yes"),
        None => "upa apply --yes".to_owned(),
    }
}

/// Likewise, with a look at its webhooks.
fn probe(tenant: &str) -> String {
    format!("upa apply {tenant} --probe --yes")
}
