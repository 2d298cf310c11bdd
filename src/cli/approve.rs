//! `upa approve`: somebody has checked what a gate covers, and says so in the tenant's file.

use std::io::Write as _;

use clap::Args;
use jiff::{Timestamp, Unit};

use super::output;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use super::{Global, survey};
use crate::desired::DesiredTenant;
use crate::exit::Exit;
use crate::export::edit;
use crate::gates::{Gate, Standing};
use crate::lockfile::Lockfile;
use crate::outside;
use crate::problem::{did_you_mean, listed};
use crate::render::{BOLD, styled};
use crate::workspace::gates::Approval;

/// Write into a tenant's file that somebody has checked what a gate of its version covers. Commits nothing.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    pub tenant: String,
    /// The gate, as the version names it; may be left out when one is open
    pub gate: Option<String>,
    /// Who checked it; by default who Git says you are (user.email)
    #[arg(long, value_name = "WHO")]
    pub by: Option<String>,
}

pub fn run(global: &Global, args: &ApproveArgs) -> Result<Exit, Failure> {
    let selected = [args.tenant.clone()];
    let session = Session::open_with(global, At::WorkTree, &selected, Fetch::Usually)?;
    let desired = survey::wanted(&session, &selected)?;
    let tenant = survey::of_tenant(&desired, &args.tenant)?;
    let empty = Lockfile::new(&*args.tenant);
    let lock = session.locks.get(&args.tenant).unwrap_or(&empty);
    let gate = chosen(tenant, lock, args.gate.as_deref())?;
    let mut out = output::stdout();
    match gate.standing(&tenant.version, lock) {
        Standing::Open | Standing::Outdated(_) => {}
        Standing::Passed(approval) => {
            let line = format!(
                "Gate `{}` was passed already: {} on {}.",
                gate.name, approval.by, approval.at
            );
            report::heard(writeln!(out, "{line}"))?;
            return Ok(Exit::Done);
        }
        Standing::Nothing => {
            return Err(Failure::new(
                Exit::Decision,
                format!(
                    "there is nothing to approve yet: {} of tenant `{}` is not there",
                    listed(gate.spec.covers.iter().map(String::as_str)),
                    args.tenant
                ),
            )
            .hint(format!("upa apply {}", args.tenant)));
        }
    }
    unfinished(gate, tenant, lock)?;
    let approval = Approval {
        by: who(&session, args)?,
        at: now(),
        of: gate.digest(&tenant.version, lock).to_string(),
    };
    let path = format!("tenants/{}.toml", args.tenant);
    let text = session
        .workspace
        .tenants
        .get(&args.tenant)
        .and_then(|tenant| edit::approval(&tenant.toml.text, &gate.name, &approval));
    let text = text.ok_or_else(|| Failure::new(Exit::Failed, format!("cannot write an approval into `{path}`")))?;
    session.write(&path, &text)?;
    let what = format!("{} · {}: {}", tenant.name, gate.name, gate.spec.prompt);
    report::heard(writeln!(out, "{}", styled(BOLD, what)))?;
    for (address, applied) in gate.covered(&tenant.version, lock) {
        report::heard(writeln!(out, "  {address}  {}", applied.id))?;
    }
    let line = format!(
        "Approved by {}, in {path}; nothing is committed. Commit it; then `upa apply {}`.",
        approval.by, args.tenant
    );
    report::heard(writeln!(out, "{line}"))?;
    Ok(Exit::Done)
}

/// The gate that is meant.
fn chosen<'a>(tenant: &'a DesiredTenant, lock: &Lockfile, name: Option<&str>) -> Result<&'a Gate, Failure> {
    let known = || tenant.gates.iter().map(|gate| gate.name.as_str());
    let version = format!("{} {}", tenant.product, tenant.version);
    if known().next().is_none() {
        return Err(Failure::new(Exit::Usage, format!("{version} has no gates")));
    }
    let Some(name) = name else {
        return match crate::gates::open(tenant, lock)[..] {
            [gate] => Ok(gate),
            [] => Err(
                Failure::new(Exit::Usage, format!("no gate of tenant `{}` is open", tenant.name))
                    .hint(format!("{version} has: {}", listed(known()))),
            ),
            _ => {
                Err(Failure::new(Exit::Usage, "several gates are open").hint(format!("say which: {}", listed(known()))))
            }
        };
    };
    tenant.gates.iter().find(|gate| gate.name == name).ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, format!("{version} has no gate `{name}`"));
        match did_you_mean(name, known()) {
            Some(word) => failure.hint(format!("did you mean `{word}`?")),
            None => failure.hint(format!("it has: {}", listed(known()))),
        }
    })
}

/// What is about to change, or is changed half way, is not what was checked.
fn unfinished(gate: &Gate, tenant: &DesiredTenant, lock: &Lockfile) -> Result<(), Failure> {
    let covered = gate.covered(&tenant.version, lock);
    let pending: Vec<String> = covered
        .filter(|(address, _)| {
            let locked = lock.resources.get(*address);
            locked.is_some_and(|locked| locked.pending.is_some())
        })
        .map(|(address, _)| address.to_string())
        .collect();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Decision,
        format!(
            "a run was cut off while it changed {}",
            listed(pending.iter().map(String::as_str))
        ),
    )
    .hint(format!("upa apply {}; then check again", tenant.name)))
}

fn who(session: &Session, args: &ApproveArgs) -> Result<String, Failure> {
    let by = args.by.clone().or_else(|| session.repo.user());
    by.map(|by| by.trim().to_owned())
        .filter(|by| !by.is_empty())
        .ok_or_else(|| {
            Failure::new(Exit::Usage, "nobody says who approves it")
                .hint("--by ana@example.com, or `git config user.email ana@example.com`")
        })
}

/// To the second.
fn now() -> Timestamp {
    let now = outside::now();
    now.round(Unit::Second).unwrap_or(now)
}
