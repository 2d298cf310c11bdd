//! `upa apply`: make the platforms as Git says, and commit the lockfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::accounts::Accounts;
use super::claim::Hold;
use super::plan::{Format, RuleArgs, print};
use super::progress::{self, Above, Lines, Live};
use super::publish::{self, Kept};
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey::{self, Survey};
use super::{Global, wait_for_signal};
use crate::apply::{self, Begun, Context, Outcome};
use crate::exit::Exit;
use crate::journal::{self, Journal};
use crate::lockfile::Lockfile;
use crate::lockstore::LockStore;
use crate::outside;
use crate::plan::{Action, Change, Plan, unseen};
use crate::problem::{Class, Place, Problem, listed};
use crate::render::{self, BOLD, counted, styled, tenants_and};
use crate::repo::RepoError;
use crate::resource::{Address, SHARED};

/// Make the platforms as Git says, and commit the lockfiles. Works from the commit that is checked out.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The tenants to apply; all of them by default
    pub tenants: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Apply only if the plan is the one in this file (from `upa plan --out`)
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub rules: RuleArgs,
}

pub async fn run(global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    let approved = args.plan.as_deref().map(read_plan).transpose()?;
    // What is only tried in the sandbox need not be committed.
    let at = if global.sandbox {
        At::WorkTree
    } else {
        At::Revision("HEAD")
    };
    if global.offline {
        return Err(
            Failure::new(Exit::Usage, "`--offline` is for looking: apply needs the remote")
                .hint("`upa plan --offline` shows what it would do"),
        );
    }
    let live = Live::start("reading the workspace");
    let session = Session::open_with(global, at, &args.tenants, Fetch::Always)?;
    if matches!(&session.store, LockStore::Branch(reference) if reference == "HEAD") {
        return Err(RepoError::Detached.into());
    }
    let run = outside::run_id();
    let hold = Hold::take(&session, run, claimed(&session, &args.tenants)?)?;
    session.repo.finish_last_commit()?;
    if let LockStore::Remote(target) = &session.store {
        session.repo.follow(target)?;
    }
    refuse_uncommitted(&session, global)?;
    // Somebody may have finished a run between reading the lockfiles and taking the lease.
    let mut session = Session::open_with(global, at, &args.tenants, Fetch::Always)?;
    let commit = session.repo.head()?;
    session.warnings.extend(refuse_unpushed(&session, &commit)?);
    let desired = survey::wanted(&session, &args.tenants)?;
    args.rules.check(&session, &desired)?;
    let accounts = survey::open_accounts(&session, &desired).await?;
    live.says("observing");
    live.counts(&accounts);
    let survey = survey::survey(&session, desired, &accounts.observers(), &args.rules.rules(&session)).await;
    drop(live);
    let work = Work {
        run,
        commit: &commit,
        hold: &hold,
    };
    let result = proceed(args, &mut session, survey, &accounts, approved, &work).await;
    let tallies = accounts.tallies();
    accounts.close().await;
    if result.is_ok() {
        progress::print_ledger(global, Format::Text, &tallies)?;
    }
    result
}

/// What a run goes by.
struct Work<'a> {
    run: Uuid,
    /// What is applied.
    commit: &'a str,
    hold: &'a Hold,
}

async fn proceed(
    args: &ApplyArgs,
    session: &mut Session,
    mut survey: Survey,
    accounts: &Accounts,
    approved: Option<Approved>,
    work: &Work<'_>,
) -> Result<Exit, Failure> {
    print(session, &survey, Format::Text)?;
    let before = Exit::of_problems(&survey.plan.problems);
    // A wrong file, a threshold or a stranger's hand concerns the whole run; a platform that is down only its tenants.
    if matches!(before, Exit::Configuration | Exit::Threshold) {
        return Ok(before);
    }
    if let Some(approved) = approved {
        approved.check(&survey.plan)?;
    }
    if survey.plan.is_empty() && session.leftovers.is_empty() {
        return Ok(before);
    }
    if !survey.plan.changes.is_empty() {
        confirm(args, &survey.plan)?;
    }
    let documents = survey.plan.changes.iter().map(|change| &change.work.document);
    let needed: BTreeSet<(String, String)> = documents.flat_map(unseen::names).collect();
    session
        .resolver
        .read(&mut survey.secrets, &survey.desired, &needed)
        .await;
    let live = Live::start("applying");
    live.counts(accounts);
    let interrupted = listen_for_interrupts(live.above());
    let outcomes = execute(session, &survey, accounts, work, &interrupted, &live).await?;
    let unfinished = outcomes
        .iter()
        .any(|outcome| outcome.failed() || outcome.interrupted || !outcome.waiting.is_empty());
    for outcome in &outcomes {
        session.locks.insert(outcome.tenant.clone(), outcome.lock.clone());
    }
    live.says("recording");
    let made = match publish::keep(session, (work.run, work.hold), &survey.plan, unfinished) {
        Ok(made) => made,
        Err(failure) => {
            drop(live);
            report_outcomes(&outcomes, &Kept::default(), &[])?;
            return Err(failure);
        }
    };
    live.says("checking what is there now");
    let left = leftover(session, args, accounts, &outcomes).await?;
    drop(live);
    report_outcomes(&outcomes, &made, &left)?;
    Ok(exit(before, &outcomes, &left))
}

/// Runs the plan with a journal; the journal stays until the lockfiles are committed.
async fn execute(
    session: &mut Session,
    survey: &Survey,
    accounts: &Accounts,
    work: &Work<'_>,
    interrupted: &AtomicBool,
    live: &Live,
) -> Result<Vec<Outcome>, Failure> {
    let folder = session.journals.clone();
    let journal = Journal::start(&folder, work.run, session.repo.outside().clone()).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot write the journal in `{}`: {error}", folder.display()),
        )
    })?;
    let name = session.name().to_owned();
    let mut context = Context {
        workspace: &name,
        run: work.run,
        commit: work.commit,
        desired: &survey.desired.tenants,
        observed: &survey.observed,
        secrets: &survey.secrets,
        executors: &accounts.executors(),
        journal: &journal,
        interrupted,
        permit: work.hold.permit(),
        begun: Begun::default(),
        now,
        progress: &Lines::new(live),
    };
    context.begun = apply::begun(&context, &survey.plan, &session.locks);
    let announced: Vec<&Lockfile> = context.begun.locks.values().collect();
    let published = publish::begin(session, (work.run, work.hold), &survey.plan, &announced, &journal);
    match published {
        Ok(published) => context.begun.published = published,
        Err(failure) => {
            drop(context);
            // Where nobody knows whether it arrived, the journal says that nothing of it was begun.
            if failure.exit != Exit::Platform {
                journal.finish()?;
            }
            return Err(failure);
        }
    }
    let outcomes = apply::apply(&context, &survey.plan, &session.locks).await;
    session
        .leftovers
        .extend(journal::leftovers(&folder)?.into_iter().filter(|leftover| {
            leftover
                .path
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy() == work.run.to_string())
        }));
    Ok(outcomes)
}

fn now() -> String {
    let now = outside::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Whom a run claims. What tenants share comes with those who use it.
fn claimed(session: &Session, tenants: &[String]) -> Result<BTreeSet<String>, Failure> {
    if tenants.is_empty() || session.remote().is_none() {
        return Ok(BTreeSet::new());
    }
    let wanted = survey::wanted(session, tenants)?.tenants;
    Ok(tenants.iter().cloned().chain(wanted.into_keys()).collect())
}

/// Where there is a remote only what it holds is applied; that it holds something newer is said.
fn refuse_unpushed(session: &Session, commit: &str) -> Result<Option<Problem>, Failure> {
    let Some(wanted) = &session.wanted else {
        return Ok(None);
    };
    let (remote, branch) = (wanted.remote.name().to_owned(), wanted.branch.clone());
    let Some(tip) = session.repo.known_tip(wanted) else {
        return Err(RepoError::Unpushed { remote, branch }.into());
    };
    if !session.repo.contains(&tip, commit) {
        return Err(RepoError::Unpushed { remote, branch }.into());
    }
    let newer = session.repo.differing(commit, &tip)?;
    Ok((!newer.is_empty()).then(|| {
        let paths = listed(newer.iter().take(5).map(String::as_str));
        Problem::warning(format!(
            "`{branch}` of the remote `{remote}` holds newer files ({paths}); what is checked out is applied"
        ))
        .hint("git pull")
    }))
}

/// Only what is committed can be applied, or nobody could say later what was.
fn refuse_uncommitted(session: &Session, global: &Global) -> Result<(), Failure> {
    let uncommitted = session.repo.uncommitted(&session.workspace.encrypted_files())?;
    if uncommitted.is_empty() || global.sandbox {
        return Ok(());
    }
    let problems = uncommitted.iter().map(|path| {
        let problem = match path
            .strip_prefix("tenants/")
            .and_then(|name| name.strip_suffix(".lock"))
        {
            Some(tenant) if session.texts.contains_key(tenant) => {
                Problem::configuration(format!("`{path}` was edited by hand; upa alone writes lockfiles"))
                    .hint(format!("git checkout HEAD -- {path}"))
            }
            Some(_) => Problem::configuration(format!("`{path}` was made by hand; upa alone writes lockfiles"))
                .hint(format!("remove {path}")),
            None => Problem::configuration(format!("`{path}` is not committed"))
                .hint("commit it, or put it aside with `git stash -u`; `upa plan` shows what it would change"),
        };
        problem.at(Place::file(&**path))
    });
    Err(Failure::problems(problems.collect()))
}

fn confirm(args: &ApplyArgs, plan: &Plan) -> Result<(), Failure> {
    if args.yes || args.plan.is_some() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "nobody is there to ask")
            .hint("say `--yes`, or `--plan FILE` to apply a plan that was reviewed"));
    }
    let deletes = plan.count(Action::Delete);
    let warning = if deletes > 0 {
        format!(" and delete {}", counted(deletes, "object"))
    } else {
        String::new()
    };
    write!(
        anstream::stderr(),
        "\nApply {}{warning}? Only `yes` does: ",
        counted(plan.changes.len(), "change")
    )?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "not confirmed, nothing was changed"))
}

/// A plan that was reviewed.
struct Approved {
    digest: String,
    changes: BTreeSet<String>,
}

impl Approved {
    /// What is left to do must be part of what was approved: a run that was cut off may be finished.
    fn check(&self, plan: &Plan) -> Result<(), Failure> {
        if plan.digest().as_str() == self.digest {
            return Ok(());
        }
        let other: Vec<String> = plan
            .changes
            .iter()
            .filter(|change| !self.changes.contains(change.digest().as_str()))
            .map(|change| change.address.to_string())
            .collect();
        if other.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Stale,
            format!(
                "this is not the plan that was reviewed: {} {} not in it ({})",
                counted(other.len(), "change"),
                if other.len() == 1 { "is" } else { "are" },
                other.join(", ")
            ),
        )
        .hint("plan again and have it reviewed"))
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where a reviewed plan is read")]
fn read_plan(file: &Path) -> Result<Approved, Failure> {
    let wrong = |why: String| {
        Failure::new(
            Exit::Configuration,
            format!("`{}` is not a plan: {why}", file.display()),
        )
        .hint("make one with `upa plan --out FILE`")
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("cannot read the plan `{}`: {error}", file.display()),
        )
        .hint("make one with `upa plan --out FILE`")
    })?;
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if value.get("format").and_then(Value::as_u64) != Some(u64::from(render::json::FORMAT)) {
        return Err(wrong("its format is not known to this upa".to_owned()));
    }
    let digest = value
        .get("digest")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong("it has no digest".to_owned()))?;
    let changes = value
        .get("changes")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("it has no changes".to_owned()))?;
    Ok(Approved {
        digest: digest.to_owned(),
        changes: changes
            .iter()
            .filter_map(|change| change.get("digest")?.as_str().map(str::to_owned))
            .collect(),
    })
}

/// First Ctrl-C (or SIGTERM, as CI cancels): finish what is in flight. Second: stop now.
fn listen_for_interrupts(above: Above) -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        flag.store(true, Ordering::Relaxed);
        above.line("\nstopping: calls in flight are finished and recorded; once more to stop now");
        wait_for_signal().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    interrupted
}

/// Observes and plans once more: what is left of tenants that reported no failure is a bug in upa.
async fn leftover(
    session: &Session,
    args: &ApplyArgs,
    accounts: &Accounts,
    outcomes: &[Outcome],
) -> Result<Vec<Problem>, Failure> {
    let clean: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.failed() && !outcome.interrupted && outcome.waiting.is_empty())
        .map(|outcome| outcome.tenant.clone())
        .collect();
    if clean.is_empty() {
        return Ok(Vec::new());
    }
    // What is shared comes with those who use it: with those of this run, and not with everybody.
    let mut whose: Vec<String> = clean.iter().filter(|tenant| *tenant != SHARED).cloned().collect();
    if whose.is_empty() {
        whose.clone_from(&args.tenants);
    }
    let desired = survey::wanted(session, &whose)?;
    let again = survey::survey(session, desired, &accounts.observers(), &args.rules.rules(session)).await;
    let skipped: BTreeSet<&Address> = outcomes.iter().flat_map(|outcome| &outcome.skipped).collect();
    let applied = |change: &&Change| {
        clean.iter().any(|tenant| tenant == change.address.tenant()) && !skipped.contains(&change.address)
    };
    let changes = again.plan.changes.iter().filter(applied).map(|change| {
        let fields: Vec<&str> = change.fields.iter().take(3).map(|field| field.field.as_str()).collect();
        Problem::error(
            Class::Failure,
            format!(
                "bug: {} was applied, and the plan still wants to {} it ({})",
                change.address,
                change.action.verb(),
                fields.join(", ")
            ),
        )
        .tenant(change.address.tenant())
        .hint("run `upa plan`; if nobody changed it meanwhile, please report this")
    });
    Ok(changes.collect())
}

fn report_outcomes(outcomes: &[Outcome], kept: &Kept, left: &[Problem]) -> Result<(), Failure> {
    let mut problems: Vec<Problem> = outcomes
        .iter()
        .flat_map(|outcome| outcome.problems.iter().cloned())
        .collect();
    problems.extend(left.iter().cloned());
    for path in &kept.left_alone {
        problems.push(
            Problem::warning(format!(
                "`{path}` in the work tree was edited by somebody and was left as it is"
            ))
            .hint(format!("git checkout -- {path}")),
        );
    }
    write!(anstream::stderr(), "{}", report::problems(&problems))?;
    let mut out = anstream::stdout().lock();
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.failed())
        .map(|outcome| outcome.tenant.as_str())
        .collect();
    let interrupted: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.interrupted)
        .map(|outcome| outcome.tenant.as_str())
        .collect();
    let steps: usize = outcomes.iter().map(|outcome| outcome.done).sum();
    let tenants = outcomes.iter().filter(|outcome| outcome.tenant != SHARED).count();
    let tenants = tenants_and(tenants, tenants < outcomes.len());
    let head = match (failed.len(), interrupted.len()) {
        (0, 0) if outcomes.is_empty() => "What an earlier run did is recorded.".to_owned(),
        (0, 0) => format!("Applied: {} in {tenants}.", counted(steps, "step")),
        (0, _) => format!(
            "Interrupted after {}; unfinished: {}.",
            counted(steps, "step"),
            interrupted.join(", ")
        ),
        _ => format!("Applied {}; failed: {}.", counted(steps, "step"), failed.join(", ")),
    };
    writeln!(out, "{}", styled(BOLD, head))?;
    if let Some(commit) = &kept.commit {
        writeln!(out, "Recorded in commit {}.", commit.get(..10).unwrap_or(commit))?;
    }
    for address in outcomes.iter().flat_map(|outcome| &outcome.waiting) {
        writeln!(out, "{address} is not ready yet: the next `upa apply` goes on waiting.")?;
    }
    if !interrupted.is_empty() || !failed.is_empty() {
        writeln!(
            out,
            "What is unfinished is recorded as pending: run `upa apply` again to settle it."
        )?;
    }
    Ok(())
}

fn exit(before: Exit, outcomes: &[Outcome], left: &[Problem]) -> Exit {
    if outcomes.iter().any(|outcome| outcome.interrupted) {
        return Exit::Interrupted;
    }
    let by_tenant: BTreeMap<&str, Exit> = outcomes
        .iter()
        .map(|outcome| (outcome.tenant.as_str(), Exit::of_problems(&outcome.problems)))
        .collect();
    let mut exits: BTreeSet<u8> = by_tenant.values().map(|exit| exit.code()).collect();
    if before != Exit::Done {
        exits.insert(before.code());
    }
    if !left.is_empty() {
        return Exit::Failed;
    }
    if by_tenant.values().any(|exit| *exit == Exit::Decision) || before == Exit::Decision {
        return Exit::Decision;
    }
    let waiting = outcomes.iter().any(|outcome| !outcome.waiting.is_empty());
    match exits.len() {
        0 | 1 if waiting && by_tenant.values().all(|exit| *exit == Exit::Done) => Exit::Platform,
        0 => Exit::Done,
        1 => by_tenant.values().next().copied().unwrap_or(before),
        _ => Exit::SomeTenantsFailed,
    }
}
