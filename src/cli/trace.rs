//! `upa trace`: whose an object or a webhook is, and where it comes from.

use std::io::Write as _;

use clap::Args;
use serde_json::Value;

use super::Global;
use super::output;
use super::report::{self, Failure};
use super::session::{At, Session};
use crate::desired::desired;
use crate::exit::Exit;
use crate::lockfile::{Locked, Lockfile};
use crate::problem::listed;
use crate::record;
use crate::resource::{Address, Owner};
use crate::symbol::{self, Unknown};

/// Find whose an object or a webhook is: tenant, resource, request, version, commit and operator.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// An id on a platform, an address, a webhook URL or its path, or the URL of an object's page
    #[arg(value_name = "ID-OR-URL")]
    what: String,
}

/// One thing that was found.
struct Found<'a> {
    address: &'a Address,
    locked: &'a Locked,
    /// The webhook by which it was found.
    webhook: Option<String>,
}

pub fn run(global: &Global, args: &TraceArgs) -> Result<Exit, Failure> {
    let session = Session::look(global, At::WorkTree, &[])?;
    report::heard(write!(output::stderr(), "{}", report::problems(&session.errors())))?;
    // A URL from a log has a query; whose it is does not depend on that.
    let what = args.what.split(['?', '#']).next().unwrap_or_default();
    let mut found = Vec::new();
    for lock in session.locks.values() {
        let by_id = lock.resources.iter().filter(|(address, locked)| {
            let last = what.trim_end_matches('/').rsplit('/').next();
            locked.id().is_some_and(|id| id == what || Some(id) == last) || address.to_string() == what
        });
        found.extend(by_id.map(|(address, locked)| Found {
            address,
            locked,
            webhook: None,
        }));
        found.extend(by_webhook(&session, lock, what));
    }
    if found.is_empty() {
        return Err(
            Failure::new(Exit::Failed, format!("no lockfile records `{}`", args.what))
                .hint("give the id as the platform shows it, or the webhook's URL"),
        );
    }
    let mut out = output::stdout();
    for (index, one) in found.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        print(&mut out, &session, one)?;
    }
    Ok(Exit::Done)
}

/// The webhooks of a tenant that a URL or path names.
fn by_webhook<'a>(session: &Session, lock: &'a Lockfile, what: &str) -> Vec<Found<'a>> {
    let base_is_named = lock
        .versions
        .values()
        .any(|version| what.contains(&version.webhook_base_path));
    // Form and chat addresses hold a derived id and not the base, so everything with a UUID in it is compared.
    if !base_is_named && !what.contains('-') {
        return Vec::new();
    }
    let (state, _) = desired(&session.workspace, |tenant| tenant == lock.tenant);
    let values = record::values(lock);
    let text =
        |symbolic: &str| match symbol::resolve(&Value::from(symbolic), &|symbol| values.of(symbol), Unknown::Blank) {
            Value::String(text) => text,
            other => other.to_string(),
        };
    let mut found = Vec::new();
    for resource in state.tenants.values().flat_map(|tenant| tenant.resources.values()) {
        for entry in &resource.entries {
            let (path, url) = (text(&entry.path), text(&entry.url));
            let what = what.trim_end_matches('/');
            // A base alone names everything below it.
            let named = what.ends_with(&path) || what.ends_with(&url) || path.starts_with(&format!("{what}/"));
            if let (true, Some((address, locked))) = (named, lock.resources.get_key_value(&resource.address)) {
                found.push(Found {
                    address,
                    locked,
                    webhook: Some(format!("{} {} ({})", entry.method, url, entry.name)),
                });
            }
        }
    }
    found
}

fn print(out: &mut dyn std::io::Write, session: &Session, found: &Found<'_>) -> Result<(), Failure> {
    let Found {
        address,
        locked,
        webhook,
    } = found;
    let lock = session.locks.get(address.tenant());
    let version = match &address.owner {
        Owner::Version { version, .. } => lock.and_then(|lock| lock.versions.get_key_value(version)),
        Owner::Tenant { .. } => lock.and_then(|lock| lock.versions.iter().next()),
        Owner::Shared { .. } => None,
    };
    let mut row = |key: &str, value: &str| writeln!(out, "{key:<10} {value}");
    if address.is_shared() {
        let (state, _) = desired(&session.workspace, |_| false);
        let users = state.shared.users.get(*address).into_iter().flatten();
        row("used by", &listed(users.map(String::as_str)))?;
    } else {
        row("tenant", address.tenant())?;
    }
    row("resource", &address.to_string())?;
    row("kind", locked.kind.as_str())?;
    row("account", &locked.account)?;
    row("id", locked.id().unwrap_or("-"))?;
    if let Some(webhook) = webhook {
        row("webhook", webhook)?;
    }
    if let Some((version, provisioned)) = version {
        let request = &provisioned.request;
        let revision = locked
            .applied
            .as_ref()
            .map_or(provisioned.revision, |applied| applied.revision);
        row(
            "version",
            &format!("{} {version} revision {revision}", provisioned.product),
        )?;
        row(
            "request",
            &format!(
                "{} ({}, {})",
                request.request_id,
                request.state.as_str(),
                request.created_at
            ),
        )?;
        row("operator", &request.operator)?;
    }
    if let Some(applied) = &locked.applied {
        row("commit", &applied.commit)?;
    }
    if let Some(pending) = &locked.pending {
        row(
            "pending",
            &format!("{} since run {}", pending.step.as_str(), pending.run),
        )?;
    }
    Ok(())
}
