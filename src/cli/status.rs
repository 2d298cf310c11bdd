//! `upa status`: the fleet as a table.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;

use super::Global;
use super::output;
use super::report::{self, Failure};
use super::session::{At, Fetch, Session};
use crate::exit::Exit;
use crate::lockfile::{Integration, Lockfile, Request};
use crate::plan::Reason;
use crate::render::table::table;
use crate::resource::SHARED;
use crate::workspace::{Status, Tenant};

/// Show the fleet as a table: what Git wants and what the lockfiles record. Asks no platform; `upa plan` does.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these tenants
    pub tenants: Vec<String>,
}

const INTEGRATIONS: &str = "integrations";

pub fn run(global: &Global, args: &StatusArgs) -> Result<Exit, Failure> {
    let session = Session::look_with(global, At::WorkTree, &args.tenants, Fetch::Try)?;
    let names: BTreeSet<&String> = session.workspace.tenants.keys().chain(session.locks.keys()).collect();
    let wanted = names
        .into_iter()
        .filter(|name| args.tenants.is_empty() || args.tenants.contains(name));
    let rows = wanted.map(|name| {
        row(
            &session,
            name,
            session.workspace.tenants.get(name),
            session.locks.get(name),
        )
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let mut columns = vec![
        "tenant",
        "tier",
        "status",
        "version",
        "revision",
        "request",
        INTEGRATIONS,
        "objects",
        "since",
    ];
    // Not every version names integrations.
    let at = columns
        .iter()
        .position(|column| *column == INTEGRATIONS)
        .unwrap_or_default();
    if rows.iter().all(|row| row.get(at).is_some_and(|text| text == "-")) {
        columns.remove(at);
        rows.iter_mut().for_each(|row| drop(row.remove(at)));
    }
    let text = table(&columns, rows);
    let mut findings = session.errors();
    findings.extend(session.unfetched.clone());
    report::heard(write!(output::stderr(), "{}", report::problems(&findings)))?;
    let mut out = output::stdout();
    write!(out, "{text}")?;
    let locks = session.locks.iter();
    for (_, lock) in locks.filter(|(name, _)| args.tenants.is_empty() || args.tenants.contains(name)) {
        for (address, locked) in lock.unproven() {
            let (kind, id) = (&locked.kind, locked.id().unwrap_or_default());
            writeln!(out, "unproven: {address} ({kind} {id}): {}", Reason::Unproven.words())?;
        }
    }
    Ok(Exit::Done)
}

fn row(session: &Session, name: &str, tenant: Option<&Tenant>, lock: Option<&Lockfile>) -> Vec<String> {
    let none = || "-".to_owned();
    let recorded = lock.and_then(|lock| match tenant {
        Some(tenant) => lock.provisioned(&tenant.file.product, &tenant.file.version),
        None => lock.versions.values().next(),
    });
    let newest = tenant
        .and_then(|tenant| session.workspace.version_of(tenant))
        .map(|version| version.file.revision);
    let revision = match (recorded.map(|recorded| recorded.revision), newest) {
        (Some(there), Some(newest)) if there < newest => format!("{there} (newest {newest})"),
        (Some(there), _) => there.to_string(),
        (None, _) => none(),
    };
    let (objects, pending) = lock.map_or((0, 0), |lock| {
        (
            lock.objects(),
            lock.resources
                .values()
                .filter(|locked| locked.pending.is_some())
                .count(),
        )
    });
    let objects = if pending > 0 {
        format!("{objects} ({pending} pending)")
    } else {
        objects.to_string()
    };
    vec![
        name.to_owned(),
        tenant.map_or_else(none, |tenant| tenant.file.tier.to_string()),
        tenant.map_or_else(
            || if name == SHARED { "shared" } else { "no file" }.to_owned(),
            |tenant| status(tenant, lock),
        ),
        tenant.map_or_else(none, |tenant| {
            format!("{} {}", tenant.file.product, tenant.file.version)
        }),
        revision,
        recorded.map_or_else(
            || if name == SHARED { "-" } else { "none yet" }.to_owned(),
            |recorded| recorded.request.state.as_str().to_owned(),
        ),
        recorded.map_or_else(none, |recorded| integrations(&recorded.request)),
        objects,
        recorded
            .and_then(|recorded| recorded.provisioned_at)
            .map_or_else(none, |at| at.to_string()),
    ]
}

/// How many of the integrations that were asked for are complete; those that are not, by name.
fn integrations(request: &Request) -> String {
    let asked = request
        .integrations
        .iter()
        .filter(|(_, state)| **state != Integration::NotAsked);
    let (complete, others): (Vec<_>, Vec<_>) = asked.partition(|(_, state)| **state == Integration::Completed);
    if others.is_empty() {
        return match complete.len() {
            0 => "-".to_owned(),
            all => format!("{all} of {all}"),
        };
    }
    let others: Vec<String> = others
        .iter()
        .map(|(name, state)| format!("{name} {}", state.as_str()))
        .collect();
    others.join(", ")
}

/// What Git wants, and whether the lockfile says that it is so.
fn status(tenant: &Tenant, lock: Option<&Lockfile>) -> String {
    let wanted = tenant.file.status;
    let there = lock.is_some_and(|lock| lock.objects() > 0);
    let recorded = lock.and_then(|lock| lock.versions.get(&tenant.file.version));
    let suspended = recorded.is_some_and(|known| known.suspended);
    let differs = match wanted {
        Status::Active => suspended,
        Status::Suspended => there && !suspended,
        Status::Deprovisioned => there,
    };
    if differs {
        format!("{wanted} (not applied)")
    } else {
        wanted.to_string()
    }
}
