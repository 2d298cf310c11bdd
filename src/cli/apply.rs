//! `upa apply`: make the platforms as Git says, and commit the lockfiles.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::Global;
use super::approved::Approved;
use super::claim::Patience;
use super::output;
use super::plan::{Format, RuleArgs, print};
use super::progress::{self, Above, Lines, Live};
use super::publish::Kept;
use super::report::{self, Failure};
use super::run::{self, Run, Wanted};
use super::session::Session;
use super::signals::Signals;
use super::survey::Survey;
use crate::apply::Outcome;
use crate::exit::Exit;
use crate::gates::{self, Awaited};
use crate::plan::{Action, Plan};
use crate::platform::definition::check::duration;
use crate::problem::Problem;
use crate::render::{self, BOLD, counted, styled, tenants_and};
use crate::resource::SHARED;

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
    /// Apply a commit although tenants were applied from a later one: what that one changed is undone
    #[arg(long)]
    pub rollback: bool,
    /// Wait this long for other runs on the same tenants: `90s`, `10m`, `1h`. By default not at all: exit with 11
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub wait: Option<Duration>,
    /// Exit with 15 when all is done and a person's approval is still waited for
    #[arg(long)]
    pub require_complete: bool,
    #[command(flatten)]
    pub rules: RuleArgs,
}

fn length(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write `90s`, `10m` or `1h`".to_owned())
}

pub async fn run(global: &Global, args: &ApplyArgs) -> Result<Exit, Failure> {
    let approved = args.plan.as_deref().map(Approved::read).transpose()?;
    if global.offline {
        return Err(
            Failure::new(Exit::Usage, "`--offline` is for looking: apply needs the remote")
                .hint("`upa plan --offline` shows what it would do"),
        );
    }
    let live = Live::start("reading the workspace");
    let above = live.above();
    let tell = |text: &str| above.line(text);
    let patience = Patience::new(args.wait, &tell);
    let wanted = Wanted {
        tenants: &args.tenants,
        rollback: args.rollback,
    };
    let (mut run, desired) = Run::open_when_free(global, wanted, &patience).await?;
    args.rules.check(&run.session, &desired)?;
    run.probes = args.rules.probe || approved.as_ref().is_some_and(|approved| approved.probed);
    live.says("observing");
    live.counts(&run.accounts);
    let survey = run
        .survey(desired, &args.rules.rules(&run.session, &args.tenants))
        .await;
    let (mut run, survey) = match run::stops(Exit::of_problems(&survey.plan.problems)) {
        true => (run, survey),
        false => {
            let rules = |session: &Session| args.rules.rules(session, &args.tenants);
            run.claim_shared(global, wanted, &rules, survey, &patience).await?
        }
    };
    drop(live);
    let result = proceed(args, &mut run, survey, approved).await;
    let tallies = run.close().await;
    if result.is_ok() {
        progress::print_ledger(global, Format::Text, &tallies)?;
    }
    result
}

async fn proceed(
    args: &ApplyArgs,
    run: &mut Run,
    mut survey: Survey,
    approved: Option<Approved>,
) -> Result<Exit, Failure> {
    print(&run.session, &survey, Format::Text)?;
    let before = Exit::of_problems(&survey.plan.problems);
    if run::stops(before) {
        return Ok(before);
    }
    if let Some(approved) = approved {
        approved.check(&survey.plan)?;
    }
    if survey.plan.is_empty() && run.session.leftovers.is_empty() {
        report::heard(render::plan::awaited(&mut output::stdout(), &survey.plan.awaited))?;
        return Ok(required(args, before, &survey.plan, &survey.plan.awaited));
    }
    if !survey.plan.changes.is_empty() {
        confirm(args, &survey.plan)?;
    }
    let live = Live::start("applying");
    live.counts(&run.accounts);
    let interrupted = listen_for_interrupts(live.above())?;
    let outcomes = run.execute(&mut survey, &interrupted, &Lines::new(&live)).await?;
    live.says("recording");
    let kept = match run.record(&survey.plan, &outcomes) {
        Ok(kept) => kept,
        Err(failure) => {
            drop(live);
            report_outcomes(&survey.plan, &outcomes, &Kept::default(), &[])?;
            return Err(failure);
        }
    };
    live.says("checking what is there now");
    let rules = args.rules.rules(&run.session, &args.tenants);
    let left = run.leftover(&args.tenants, &outcomes, &rules).await?;
    drop(live);
    report_outcomes(&survey.plan, &outcomes, &kept, &left)?;
    let awaited = gates::awaited(&survey.desired, &run.session.locks);
    report::heard(render::plan::awaited(&mut output::stdout(), &awaited))?;
    Ok(required(
        args,
        run::exit(before, &outcomes, &left),
        &survey.plan,
        &awaited,
    ))
}

/// Whether somebody wants to be told that a person is waited for.
fn required(args: &ApplyArgs, exit: Exit, plan: &Plan, awaited: &[Awaited]) -> Exit {
    let waits = !awaited.is_empty() || !plan.withheld.is_empty();
    match exit {
        Exit::Done if args.require_complete && waits => Exit::Waiting,
        other => other,
    }
}

fn confirm(args: &ApplyArgs, plan: &Plan) -> Result<(), Failure> {
    if args.yes || args.plan.is_some() {
        return Ok(());
    }
    let deletes = plan.count(Action::Delete);
    let warning = if deletes > 0 {
        format!(" and delete {}", counted(deletes, "object"))
    } else {
        String::new()
    };
    let question = format!("Apply {}{warning}", counted(plan.changes.len(), "change"));
    super::confirm(
        false,
        &question,
        "say `--yes`, or `--plan FILE` to apply a plan that was reviewed",
    )
}

/// First Ctrl-C (or SIGTERM, as CI cancels): finish what is in flight. Second: stop now.
fn listen_for_interrupts(above: Above) -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        flag.store(true, Ordering::Relaxed);
        above.line("\nstopping: calls in flight are finished and recorded; once more to stop now");
        signals.next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(interrupted)
}

fn report_outcomes(plan: &Plan, outcomes: &[Outcome], kept: &Kept, left: &[Problem]) -> Result<(), Failure> {
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
    write!(output::stderr(), "{}", report::problems(&problems))?;
    let mut out = output::stdout();
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
    let applied = |tenant: &str| outcomes.iter().any(|outcome| outcome.tenant == tenant);
    let left_out: Vec<&str> = plan.blocked().into_iter().filter(|tenant| !applied(tenant)).collect();
    if !left_out.is_empty() {
        writeln!(out, "Left as it is, for what is said above: {}.", left_out.join(", "))?;
    }
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
