//! `upa plan`: what apply would do, and why.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Global;
use super::output;
use super::progress::{self, Live};
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey::{self, Survey};
use crate::desired::DesiredState;
use crate::exit::Exit;
use crate::outside;
use crate::plan::Rules;
use crate::problem::did_you_mean;
use crate::render;
use crate::resource::Address;
use crate::visible;
use crate::workspace::Status;

/// Show what apply would do, and why. Reads only: keys that cannot write are enough.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The tenants to plan; all of them by default
    pub tenants: Vec<String>,
    /// Plan this commit instead of the work tree
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Plan a commit that is behind as it is, not as merged: what `upa apply --rollback` would do
    #[arg(long)]
    pub rollback: bool,
    /// Exit with 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write the plan to a file, for `upa apply --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub rules: RuleArgs,
}

/// What may be allowed beyond the workspace's rules.
#[derive(Debug, Clone, Default, Args)]
pub struct RuleArgs {
    /// Take an object for gone that could not be read
    #[arg(long, value_name = "ADDRESS")]
    pub recreate: Vec<Address>,
    /// Allow an object to be deleted or replaced whose loss must be confirmed
    #[arg(long, value_name = "ADDRESS")]
    pub confirm: Vec<Address>,
    /// Ask every webhook on the wire: one that is published and does not answer is drift
    #[arg(long)]
    pub probe: bool,
    /// Allow the plan with this digest to exceed the thresholds of `[policy]`
    #[arg(long, value_name = "DIGEST")]
    pub approve: Option<String>,
}

/// How the plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

impl RuleArgs {
    /// An address that nobody has is a slip of the pen, which must not go unnoticed.
    pub fn check(&self, session: &Session, desired: &DesiredState) -> Result<(), Failure> {
        let wanted = desired.tenants.values().flat_map(|tenant| tenant.resources.keys());
        let recorded = session.locks.values().flat_map(|lock| lock.resources.keys());
        let known: BTreeSet<String> = wanted.chain(recorded).map(Address::to_string).collect();
        // What was confirmed may be gone by now: the same command finishes what it began.
        let was = |address: &&Address| {
            let tenant = desired.tenants.get(address.tenant());
            let is_left = session
                .locks
                .get(address.tenant())
                .is_none_or(|lock| lock.resources.is_empty());
            tenant.is_some_and(|tenant| {
                tenant.knew(address) || tenant.status == Status::Deprovisioned && (is_left || tenant.known.is_empty())
            })
        };
        let is_unknown = |address: &&Address| !known.contains(&address.to_string());
        let confirmed = self.confirm.iter().filter(|address| !was(address));
        let Some(unknown) = self.recreate.iter().chain(confirmed).find(is_unknown) else {
            return Ok(());
        };
        let failure = Failure::new(Exit::Usage, format!("there is no `{unknown}`"));
        Err(
            match did_you_mean(&unknown.to_string(), known.iter().map(String::as_str)) {
                Some(word) => failure.hint(format!("did you mean `{word}`?")),
                None => failure.hint("`upa plan` names the addresses it could not read"),
            },
        )
    }

    /// Together with the workspace's own.
    pub fn rules(&self, session: &Session, tenants: &[String]) -> Rules {
        Rules {
            policy: session.workspace.settings.policy.clone(),
            recreate: self.recreate.iter().cloned().collect(),
            confirmed: self.confirm.iter().cloned().collect(),
            now_ms: outside::now().as_millisecond(),
            approved: self.approve.clone(),
            named: tenants.iter().cloned().collect(),
        }
    }
}

pub async fn run(global: &Global, args: &PlanArgs) -> Result<Exit, Failure> {
    let result = plan(global, args).await;
    // A program that reads the plan is told in its own language why there is none.
    if let (Format::Json, Err(failure)) = (args.format, &result) {
        let document = render::json::no_plan(&failure.problems, failure.message.as_ref());
        report::heard(writeln!(output::stdout(), "{}", visible::json(&document)))?;
    }
    result
}

async fn plan(global: &Global, args: &PlanArgs) -> Result<Exit, Failure> {
    let at = match (args.rollback, args.at.as_deref()) {
        (true, Some(revision)) => At::Revision(revision),
        (true, None) => At::WorkTree,
        (false, head) => At::Merged(head),
    };
    let live = Live::start("reading the workspace");
    let mut session = Session::open_with(global, at, &args.tenants, Fetch::Usually)?;
    if args.rollback {
        session.stands()?;
    }
    let desired = survey::wanted(&session, &args.tenants)?;
    args.rules.check(&session, &desired)?;
    let accounts = survey::open_accounts(&session, &desired).await?;
    live.says("observing");
    live.counts(&accounts);
    let observers = accounts.observers().asking_webhooks(args.rules.probe);
    let rules = args.rules.rules(&session, &args.tenants);
    let survey = survey::survey(&session, desired, &observers, &rules).await;
    let tallies = accounts.tallies();
    accounts.close().await;
    drop(live);
    print(&session, &survey, args.format)?;
    if let Format::Text = args.format {
        report::heard(render::plan::awaited(&mut output::stdout(), &survey.plan.awaited))?;
    }
    progress::print_ledger(global, args.format, &tallies)?;
    if let Some(file) = &args.out {
        write(file, document(&session, &survey), args.rules.probe)?;
    }
    let changes = !survey.plan.changes.is_empty() || !survey.plan.withheld.is_empty();
    let exit = Exit::of_problems(&survey.plan.problems);
    Ok(match exit {
        Exit::Done if args.detailed_exitcode && changes => Exit::Changes,
        other => other,
    })
}

/// The plan to stdout, findings to stderr.
pub fn print(session: &Session, survey: &Survey, format: Format) -> Result<(), Failure> {
    let mut findings = session.warnings.clone();
    findings.extend(survey.plan.problems.iter().cloned());
    report::heard(write!(output::stderr(), "{}", report::problems(&findings)))?;
    let mut out = output::stdout();
    let written = match format {
        Format::Text => render::plan::write(&mut out, &survey.plan, &survey.desired),
        Format::Json => writeln!(out, "{}", visible::json(&document(session, survey))),
    };
    report::heard(written.and_then(|()| out.flush()))
}

fn document(session: &Session, survey: &Survey) -> Value {
    let mut document = render::json::plan(&survey.plan, &survey.desired);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("behind".to_owned(), json!(session.behind));
    }
    document
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where a plan is written")]
fn write(file: &std::path::Path, mut document: Value, probed: bool) -> Result<(), Failure> {
    // What webhooks answered is part of what the plan was made from: apply asks them, too.
    if let (true, Some(fields)) = (probed, document.as_object_mut()) {
        fields.insert("probed".to_owned(), json!(true));
    }
    let text = format!("{document:#}\n");
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", file.display())))
}
