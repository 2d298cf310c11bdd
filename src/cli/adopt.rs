//! `upa adopt`: what somebody changed on the platform becomes what Git says.

use std::collections::BTreeMap;
use std::io::Write as _;

use clap::Args;
use similar::TextDiff;

use super::output;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::survey::{self, Survey};
use super::{Global, plan};
use crate::exit::Exit;
use crate::export::adopt::{self, Adoption, Drifted, Ground};
use crate::lockfile::Lockfile;
use crate::platform::{Object, Reading};
use crate::problem::{did_you_mean, listed};
use crate::render::{BOLD, CYAN, GREEN, RED, counted, styled};
use crate::resource::Address;
use crate::visible::{on_one_line, shown};
use crate::workspace::{Entry, Files};

/// Write what was changed on the platform back into the tenant's file and the templates. Commits nothing.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    pub tenant: String,
    /// The objects to take changes over from; all of the tenant's by default
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<Address>,
}

pub async fn run(global: &Global, args: &AdoptArgs) -> Result<Exit, Failure> {
    let selected = [args.tenant.clone()];
    let session = Session::open_with(global, At::WorkTree, &selected, Fetch::Usually)?;
    let desired = survey::wanted(&session, &selected)?;
    check(args, &desired)?;
    let accounts = survey::open_accounts(&session, &desired).await?;
    let rules = plan::RuleArgs::default().rules(&session, &[]);
    let survey = survey::survey(&session, desired, &accounts.observers(), &rules).await;
    accounts.close().await;
    report::heard(write!(output::stderr(), "{}", report::problems(&survey.plan.problems)))?;
    let exit = Exit::of_problems(&survey.plan.problems);
    if exit != Exit::Done {
        return Ok(exit);
    }
    let objects = objects(&session, &survey, args);
    let drifted = drifted(&survey, args, &objects);
    let files = session.repo.work_tree()?;
    let empty = Lockfile::new(&*args.tenant);
    let ground = Ground {
        tenant: &args.tenant,
        lock: session.locks.get(&args.tenant).unwrap_or(&empty),
        credentials: survey
            .observed
            .accounts
            .iter()
            .map(|(account, answer)| (account.as_str(), answer.credentials.as_slice()))
            .collect(),
        place: &|workspace| session.place(workspace),
    };
    let adoption = adopt::adopt(&files, &ground, &drifted);
    for path in &adoption.edited {
        session.write(path, text(&adoption.files, path))?;
    }
    report::heard(print(&files, &adoption))?;
    say(&session, args, &adoption)?;
    Ok(if adoption.left.is_empty() {
        Exit::Done
    } else {
        Exit::Decision
    })
}

/// An address that the tenant does not have is a slip of the pen.
fn check(args: &AdoptArgs, desired: &crate::desired::DesiredState) -> Result<(), Failure> {
    let resources = desired.tenants.get(&args.tenant).map(|tenant| &tenant.resources);
    let known: Vec<String> = resources
        .into_iter()
        .flatten()
        .map(|(address, _)| address.to_string())
        .collect();
    let unknown = args
        .addresses
        .iter()
        .map(Address::to_string)
        .find(|address| !known.contains(address));
    let Some(unknown) = unknown else { return Ok(()) };
    let failure = Failure::new(Exit::Usage, format!("tenant `{}` has no `{unknown}`", args.tenant));
    let known = || known.iter().map(String::as_str);
    Err(match did_you_mean(&unknown, known()) {
        Some(word) => failure.hint(format!("did you mean `{word}`?")),
        None => failure.hint(format!("it has: {}", listed(known()))),
    })
}

/// The tenant's objects as they are.
fn objects(session: &Session, survey: &Survey, args: &AdoptArgs) -> BTreeMap<Address, Object> {
    let lock = session.locks.get(&args.tenant);
    let recorded = lock.into_iter().flat_map(|lock| &lock.resources);
    recorded
        .filter(|(address, _)| args.addresses.is_empty() || args.addresses.contains(address))
        .filter_map(
            |(address, locked)| match survey.observed.reading(&locked.account, &locked.kind, locked.id()?) {
                Reading::Present(object) => Some((address.clone(), *object)),
                Reading::Absent | Reading::Unreadable(_) => None,
            },
        )
        .collect()
}

/// The fields that the platform moved, also those that a rule leaves there.
fn drifted<'a>(survey: &'a Survey, args: &AdoptArgs, objects: &'a BTreeMap<Address, Object>) -> Vec<Drifted<'a>> {
    let of_changes = survey.plan.changes.iter().flat_map(|change| {
        let moved = change.fields.iter().filter(|field| {
            let unknown = field.mover.is_none() && change.mover == Some(crate::plan::Mover::Both);
            unknown
                || matches!(
                    field.mover,
                    Some(crate::plan::Mover::Platform | crate::plan::Mover::Both)
                )
        });
        moved.map(move |field| (&change.address, field))
    });
    let kept = survey.plan.kept.iter().map(|kept| (&kept.address, &kept.change));
    of_changes
        .chain(kept)
        .filter(|(address, _)| address.tenant() == args.tenant)
        .filter_map(|(address, change)| {
            Some(Drifted {
                address,
                change,
                object: objects.get(address)?,
            })
        })
        .collect()
}

fn text<'a>(files: &'a Files, path: &str) -> &'a str {
    match files.entries.get(path) {
        Some(Entry::Text(text)) => text,
        _ => "",
    }
}

/// The edits, as `git diff` shows them.
fn print(before: &Files, adoption: &Adoption) -> std::io::Result<()> {
    let mut out = output::stdout();
    for path in &adoption.edited {
        let diff = TextDiff::from_lines(text(before, path), text(&adoption.files, path));
        writeln!(out, "{}", styled(BOLD, format!("diff --git a/{path} b/{path}")))?;
        writeln!(out, "{}", styled(BOLD, format!("--- a/{path}")))?;
        writeln!(out, "{}", styled(BOLD, format!("+++ b/{path}")))?;
        for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
            writeln!(out, "{}", styled(CYAN, hunk.header()))?;
            for change in hunk.iter_changes() {
                let line = shown(change.value().trim_end_matches(['\r', '\n']));
                let line = format!("{}{line}", change.tag());
                match change.tag() {
                    similar::ChangeTag::Delete => writeln!(out, "{}", styled(RED, line))?,
                    similar::ChangeTag::Insert => writeln!(out, "{}", styled(GREEN, line))?,
                    similar::ChangeTag::Equal => writeln!(out, "{line}")?,
                }
                if change.missing_newline() {
                    writeln!(out, "\\ No newline at end of file")?;
                }
            }
        }
    }
    out.flush()
}

/// What was done, what was not, whom it reaches and what to do next.
fn say(session: &Session, args: &AdoptArgs, adoption: &Adoption) -> Result<(), Failure> {
    let mut err = output::stderr();
    for left in &adoption.left {
        writeln!(
            err,
            "left: {} `{}`: {}",
            left.address,
            on_one_line(&left.field),
            on_one_line(&left.why)
        )?;
    }
    if adoption.edited.is_empty() {
        if adoption.left.is_empty() {
            writeln!(err, "Nothing to adopt: nobody changed anything on the platform.")?;
        }
        return Ok(());
    }
    if !adoption.also.is_empty() {
        let also: Vec<String> = adoption.also.iter().map(Address::to_string).collect();
        writeln!(
            err,
            "note: the same values stand in {}: the next apply changes them too",
            also.join(", ")
        )?;
    }
    writeln!(
        err,
        "Wrote {} into {}; nothing is committed.",
        counted(adoption.taken, "change"),
        counted(adoption.edited.len(), "file")
    )?;
    let workspace = &session.workspace;
    let version = workspace
        .tenants
        .get(&args.tenant)
        .and_then(|tenant| workspace.version_of(tenant));
    if let Some(version) = version
        && adoption.edited.iter().any(|path| path.starts_with("templates/"))
    {
        let file = &version.file;
        let on_it = workspace
            .tenants
            .values()
            .filter(|tenant| tenant.file.product == file.product && tenant.file.version == file.version);
        let names: Vec<&str> = on_it.map(|tenant| tenant.name.as_str()).collect();
        writeln!(
            err,
            "A template reaches every tenant on {} {}: {}. To go on: `upa release {} {}`, then commit and `upa plan`.",
            file.product,
            file.version,
            listed(names.iter().copied()),
            file.product,
            file.version
        )?;
    }
    Ok(())
}
