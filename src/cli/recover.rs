//! `upa recover`: a lost lockfile, rebuilt from the marks that objects carry.

use std::collections::BTreeMap;
use std::io::Write as _;

use clap::Args;

use super::Global;
use super::output;
use super::progress::Live;
use super::publish;
use super::report::{self, Failure};
use super::run::{self, Run};
use super::survey;
use crate::desired::DesiredState;
use crate::exit::Exit;
use crate::lockfile::{Lockfile, Purpose, Request};
use crate::lockstore;
use crate::outside;
use crate::plan::{ObservedState, Places};
use crate::problem::Problem;
use crate::recover::{Found, Ground, Recovery, recover};
use crate::render::table::table;
use crate::render::{BOLD, counted, styled};
use crate::resource::{Address, SHARED};
use crate::workspace::{Version, Workspace};

/// Rebuild a lost lockfile, or what is missing in one, from the marks that objects carry. Writes nothing but the lockfile.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The tenant; `@shared` for what several tenants share
    pub tenant: String,
    /// Which object it is, where copies carry the same mark or it carries none
    #[arg(long, value_name = "ADDRESS=ID", value_parser = taken)]
    pub take: Vec<(Address, String)>,
    /// Also when a commit still holds the lockfile, which says more
    #[arg(long)]
    pub from_marks: bool,
}

fn taken(text: &str) -> Result<(Address, String), String> {
    let (address, id) = text
        .split_once('=')
        .filter(|(_, id)| !id.is_empty())
        .ok_or("say `ADDRESS=ID`")?;
    let address = address.parse::<Address>().map_err(|error| error.to_string())?;
    Ok((address, id.to_owned()))
}

pub async fn run(global: &Global, args: &RecoverArgs) -> Result<Exit, Failure> {
    let live = Live::start("reading the workspace");
    // What is shared comes with its users.
    let selected = match args.tenant.as_str() {
        SHARED => Vec::new(),
        tenant => vec![tenant.to_owned()],
    };
    let (mut run, desired) = Run::open_everywhere(global, &selected).await?;
    let result = proceed(args, &mut run, &desired, live).await;
    run.close().await;
    result
}

async fn proceed(args: &RecoverArgs, run: &mut Run, desired: &DesiredState, live: Live) -> Result<Exit, Failure> {
    if !args.from_marks {
        refuse_known(args, run)?;
    }
    let taken: BTreeMap<Address, String> = args.take.iter().cloned().collect();
    live.says("asking every account");
    let (observed, asked) = survey::everything(&run.session, desired, &run.accounts, &taken).await;
    drop(live);
    let failed = failures(&observed, |account| asked.contains_key(account));
    if !failed.is_empty() {
        return Err(Failure::problems(failed));
    }
    // Where the tenant has nothing now, something that is wanted no longer may be.
    let unknown = failures(&observed, |account| !asked.contains_key(account));
    let unknown = unknown.into_iter().map(Problem::into_warning).collect::<Vec<_>>();
    report::heard(write!(output::stderr(), "{}", report::problems(&unknown)))?;
    let recovery = recovered(args, run, desired, (&observed, &taken))?;
    if !recovery.problems.is_empty() {
        return Err(Failure::problems(recovery.problems));
    }
    let mut out = output::stdout();
    if recovery.found.is_empty() {
        let line = format!(
            "Nothing that carries the mark of `{}` is missing in its lockfile.",
            args.tenant
        );
        report::heard(writeln!(out, "{line}"))?;
        return Ok(Exit::Done);
    }
    report::heard(write!(out, "{}", listing(&recovery.found)))?;
    run.session.locks.insert(args.tenant.clone(), recovery.lock);
    refuse_taken(args, run, desired, &observed.owners())?;
    let kept = publish::recover(&mut run.session, (run.id, &run.hold), &args.tenant)?;
    let count = counted(recovery.found.len(), "resource");
    let line = format!("Recorded {count} as unfinished.");
    report::heard(writeln!(out, "{}", styled(BOLD, line)))?;
    if let Some(commit) = &kept.commit {
        let commit = commit.get(..10).unwrap_or(commit);
        report::heard(writeln!(out, "Recorded in commit {commit}."))?;
    }
    let next = match args.tenant.as_str() {
        SHARED => "upa plan".to_owned(),
        tenant => format!("upa plan {tenant}"),
    };
    report::heard(writeln!(
        out,
        "`{next}` shows what is left to do; `upa apply` settles it."
    ))?;
    Ok(Exit::Done)
}

/// A commit that holds the lockfile says more than the marks do.
fn refuse_known(args: &RecoverArgs, run: &Run) -> Result<(), Failure> {
    let session = &run.session;
    if session.texts.contains_key(&args.tenant) {
        return Ok(());
    }
    let path = lockstore::path(&args.tenant);
    let Some(commit) = session.repo.last_with(&path, session.base.as_deref())? else {
        return Ok(());
    };
    let commit = commit.get(..10).unwrap_or(&commit).to_owned();
    Err(Failure::new(
        Exit::Decision,
        format!("`{path}` is not lost: commit {commit} holds it"),
    )
    .hint(format!(
        "git checkout {commit} -- {path}, and commit it; to go by the marks all the same: --from-marks"
    )))
}

/// An object that another address has is not recorded a second time.
fn refuse_taken(
    args: &RecoverArgs,
    run: &Run,
    desired: &DesiredState,
    owners: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let conflicts = Places::of(desired, &run.session.locks, owners, &run.session.workspace.registry).conflicts();
    let own = conflicts
        .into_iter()
        .filter(|(address, _)| address.tenant() == args.tenant);
    let problems: Vec<Problem> = own.map(|(_, problem)| problem).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::problems(problems)),
    }
}

/// Accounts that could not be read.
fn failures(observed: &ObservedState, which: impl Fn(&str) -> bool) -> Vec<Problem> {
    let answers = observed.accounts.iter().filter(|(account, _)| which(account));
    answers
        .filter_map(|(account, answer)| Some(answer.failure.as_ref()?.problem(account)))
        .collect()
}

fn recovered(
    args: &RecoverArgs,
    run: &Run,
    desired: &DesiredState,
    (observed, taken): (&ObservedState, &BTreeMap<Address, String>),
) -> Result<Recovery, Failure> {
    let session = &run.session;
    let tenant = survey::of_tenant(desired, &args.tenant)?;
    let empty = Lockfile::new(&*args.tenant);
    let recorded = |address: &Address| {
        let lock = session.locks.get(&args.tenant);
        lock.is_some_and(|lock| lock.resources.contains_key(address))
    };
    let known = |address: &Address| tenant.resources.contains_key(address) || recorded(address);
    if let Some(address) = taken.keys().find(|address| !known(address)) {
        return Err(Failure::new(
            Exit::Usage,
            format!("tenant `{}` has no `{address}`", args.tenant),
        ));
    }
    let version = Version::path(&tenant.product, &tenant.version);
    let request = Request::opened(
        (outside::run_id(), Purpose::Provision),
        run::now(),
        session.workspace.settings.policy.request_hours,
        (format!("{version}@{}", run.commit), tenant.operator.clone()),
    );
    Ok(recover(Ground {
        workspace: session.name(),
        registry: &session.workspace.registry,
        tenant,
        lock: session.locks.get(&args.tenant).unwrap_or(&empty),
        observed,
        taken,
        fingerprints: &fingerprints(&session.workspace),
        run: run.id,
        base: outside::random_id(),
        request,
    }))
}

fn fingerprints(workspace: &Workspace) -> BTreeMap<String, String> {
    let accounts = workspace.settings.accounts.keys();
    accounts
        .map(|name| (name.clone(), workspace.fingerprint_of(name)))
        .collect()
}

fn listing(found: &[Found]) -> String {
    let rows = found.iter().map(|one| {
        let what = match (&one.id, one.wanted) {
            (None, _) => "carries no mark: apply looks for it, and asks",
            (Some(_), true) => "found",
            (Some(_), false) => "found; Git does not want it any more",
        };
        vec![
            one.address.to_string(),
            one.kind.to_string(),
            one.id.clone().unwrap_or_else(|| "-".to_owned()),
            one.title.clone(),
            what.to_owned(),
        ]
    });
    table(&["address", "kind", "id", "title", "what it is"], rows)
}
