//! `upa orphans`: what carries our mark and is in no lockfile.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::Global;
use super::accounts::Accounts;
use super::output;
use super::plan::Format;
use super::progress::Live;
use super::report::{self, Failure};
use super::run::Run;
use super::session::{At, Fetch, Session};
use super::survey;
use crate::desired::DesiredState;
use crate::exit::Exit;
use crate::orphans::{Orphan, orphans};
use crate::platform::{Executor, Job, PlatformError, Step};
use crate::problem::{Class, Problem};
use crate::render::counted;
use crate::render::table::table;
use crate::resource::{Address, Owner};
use crate::visible;

/// List the objects that carry this workspace's mark and that no lockfile records. Deletes only what is named.
#[derive(Debug, Args)]
pub struct OrphansArgs {
    /// Delete these of them, by id
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub delete: Vec<String>,
    /// Do not ask before deleting
    #[arg(long, short, requires = "delete")]
    pub yes: bool,
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "delete")]
    pub format: Format,
}

pub async fn run(global: &Global, args: &OrphansArgs) -> Result<Exit, Failure> {
    if !args.delete.is_empty() {
        return delete(global, args).await;
    }
    let live = Live::start("asking every account");
    let session = Session::look_with(global, At::WorkTree, &[], Fetch::Usually)?;
    let (found, unknown) = found(&session).await?;
    drop(live);
    write!(output::stderr(), "{}", report::problems(&unknown))?;
    let mut out = output::stdout();
    let written = match args.format {
        Format::Json => writeln!(
            out,
            "{}",
            visible::json(&json!({ "orphans": found, "problems": unknown }))
        ),
        Format::Text => write(&mut out, &found),
    };
    report::heard(written)?;
    Ok(Exit::of_problems(&unknown))
}

fn write(out: &mut dyn Write, found: &[Orphan]) -> std::io::Result<()> {
    if found.is_empty() {
        return writeln!(out, "No object carries this workspace's mark without being recorded.");
    }
    let rows = found.iter().map(|orphan| {
        vec![
            orphan.account.clone(),
            orphan.kind.to_string(),
            orphan.id.clone(),
            orphan.title.clone(),
            orphan.address.clone(),
            orphan.origin.words(),
        ]
    });
    let text = table(&["account", "kind", "id", "title", "address", "what it is"], rows);
    write!(out, "{text}")?;
    found.iter().try_for_each(|orphan| {
        let hint = orphan.origin.hint(&orphan.id);
        writeln!(out, "{} {}: {hint}", orphan.kind, orphan.id)
    })
}

/// Deletes what is named, as the only run there is: what another is about to record looks like nobody's.
async fn delete(global: &Global, args: &OrphansArgs) -> Result<Exit, Failure> {
    let live = Live::start("asking every account");
    let (run, desired) = Run::open_everywhere(global, &[]).await?;
    let (found, unknown) = look(&run.session, &desired, &run.accounts).await;
    drop(live);
    let result = match chosen(args, &found, &unknown) {
        Ok(chosen) => delete_all(&run, args, &chosen).await,
        Err(failure) => Err(failure),
    };
    run.close().await;
    result
}

/// The orphans that are named.
fn chosen<'a>(args: &OrphansArgs, found: &'a [Orphan], unknown: &[Problem]) -> Result<Vec<&'a Orphan>, Failure> {
    let mut chosen = Vec::new();
    for id in &args.delete {
        let named: Vec<&Orphan> = found.iter().filter(|orphan| orphan.id == *id).collect();
        match named.as_slice() {
            [orphan] => chosen.push(*orphan),
            [] => {
                let failure = Failure::new(
                    Exit::Usage,
                    format!("no object {id} carries this workspace's mark without being recorded"),
                );
                return Err(match unknown.is_empty() {
                    true => failure.hint("`upa orphans` lists those that do"),
                    false => failure.hint("not everything could be looked at: `upa orphans` says what"),
                });
            }
            _ => {
                return Err(Failure::new(
                    Exit::Decision,
                    format!("several objects have the id {id}: delete it on its platform"),
                ));
            }
        }
    }
    Ok(chosen)
}

async fn delete_all(run: &Run, args: &OrphansArgs, chosen: &[&Orphan]) -> Result<Exit, Failure> {
    for orphan in chosen {
        let facts = run.session.workspace.registry.of_kind(&orphan.kind);
        let facts = facts
            .and_then(|platform| platform.facts(&orphan.kind))
            .unwrap_or_default();
        if facts.left_behind {
            let message = format!("{} {}: its platform cannot delete it", orphan.kind, orphan.id);
            return Err(Failure::new(Exit::Decision, message));
        }
        let keep = facts.keep.map(|why| format!(" ({why})")).unwrap_or_default();
        let line = format!("{} {} \"{}\"{keep}", orphan.kind, orphan.id, orphan.title);
        report::heard(writeln!(output::stdout(), "{line}"))?;
    }
    let question = format!("Delete {}", counted(chosen.len(), "object"));
    super::confirm(args.yes, &question, "say `--yes`")?;
    let executors = run.accounts.executors();
    let mut problems = Vec::new();
    for orphan in chosen {
        let Some(executor) = executors.get(&orphan.account) else {
            continue;
        };
        match take_away(&**executor, orphan).await {
            Ok(()) => {
                let line = format!("  deleted     {} {}", orphan.kind, orphan.id);
                report::heard(writeln!(output::stdout(), "{line}"))?;
            }
            Err(error) => {
                let problem = error.problem(&orphan.account);
                let message = format!("{} {}: {}", orphan.kind, orphan.id, problem.message);
                problems.push(Problem {
                    message: message.into(),
                    ..problem
                });
            }
        }
    }
    report::heard(write!(output::stderr(), "{}", report::problems(&problems)))?;
    Ok(Exit::of_problems(&problems))
}

async fn take_away(executor: &dyn Executor, orphan: &Orphan) -> Result<(), PlatformError> {
    let nobodys = || {
        Address::new(
            Owner::Shared {
                account: orphan.account.clone(),
            },
            "orphan",
        )
    };
    let job = |step| Job {
        // A long mark is cut, and is no address.
        address: orphan.address.parse().unwrap_or_else(|_| nobodys()),
        kind: orphan.kind.clone(),
        step,
        id: orphan.id.clone(),
        document: Value::Null,
        mark: orphan.mark.clone(),
        attempt: String::new(),
        replaces: BTreeSet::new(),
        marked: true,
        fresh: false,
        expected: None,
        seen: None,
        dropped: Vec::new(),
        // The original of a copy goes on answering at the same address.
        probes: Vec::new(),
        label: String::new(),
        out: BTreeMap::new(),
        again: false,
        gentle: false,
        left: false,
        operations: Vec::new(),
    };
    if orphan.runs {
        executor.execute(&job(Step::Unpublish)).await?;
    }
    executor.execute(&job(Step::Delete)).await?;
    Ok(())
}

/// What was found, and what could not be looked at.
pub async fn found(session: &Session) -> Result<(Vec<Orphan>, Vec<Problem>), Failure> {
    let desired = survey::wanted(session, &[])?;
    let accounts = survey::open_all_accounts(session, session.repo.outside()).await?;
    let found = look(session, &desired, &accounts).await;
    accounts.close().await;
    Ok(found)
}

async fn look(session: &Session, desired: &DesiredState, accounts: &Accounts) -> (Vec<Orphan>, Vec<Problem>) {
    let (observed, questions) = survey::everything(session, desired, accounts, &BTreeMap::new()).await;
    let mut unknown = Vec::new();
    for (account, answer) in &observed.accounts {
        if let Some(failure) = &answer.failure {
            unknown.push(failure.problem(account));
            continue;
        }
        let kinds = questions.get(account).into_iter().flat_map(|question| &question.kinds);
        for kind in kinds.filter(|kind| !answer.complete.contains(*kind)) {
            let marked = session
                .workspace
                .registry
                .of_kind(kind)
                .and_then(|platform| platform.facts(kind));
            // What cannot carry a mark is no orphan that anybody could tell.
            if marked.is_some_and(|facts| facts.marked) {
                let message = format!("account `{account}` shows no whole list of {kind}: there may be more of them");
                unknown.push(Problem::warning(message));
            }
        }
    }
    let found = orphans(session.name(), desired, &observed, &session.locks);
    (found, unknown)
}

/// One of them as a finding.
pub fn finding(orphan: &Orphan) -> Problem {
    let message = format!(
        "{} \"{}\" ({}) in account `{}` carries the mark of {}, and no lockfile records it: {}",
        orphan.kind,
        orphan.title,
        orphan.id,
        orphan.account,
        orphan.address,
        orphan.origin.words()
    );
    Problem::error(Class::Decision, message).hint(orphan.origin.hint(&orphan.id))
}
