//! `upa show`: what is recorded of a tenant.

use std::collections::BTreeSet;
use std::io::Write as _;

use clap::Args;
use serde_json::{Map, Value, json};

use super::output;
use super::plan::Format;
use super::report::Failure;
use super::session::{At, Session};
use super::{Global, survey};
use crate::desired::DesiredTenant;
use crate::exit::Exit;
use crate::lockfile::Lockfile;
use crate::problem::listed;
use crate::record;
use crate::render::{BOLD, styled};
use crate::resource::{Address, SHARED};
use crate::visible::{self, on_one_line};

/// Show what is recorded of a tenant: its provisioning request and its configuration.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its name; `@shared` for what several tenants share
    tenant: String,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub fn run(global: &Global, args: &ShowArgs) -> Result<Exit, Failure> {
    if args.tenant == SHARED {
        return shared(global, args.format);
    }
    let selected = [args.tenant.clone()];
    let session = Session::open(global, At::WorkTree, &selected)?;
    let desired = survey::wanted(&session, &selected)?;
    let tenant = survey::of_tenant(&desired, &args.tenant)?;
    let empty = Lockfile::new(&*args.tenant);
    let lock = session.locks.get(&args.tenant).unwrap_or(&empty);
    let records = record::records(tenant, lock, session.locks.get(SHARED));
    let mut out = output::stdout();
    match args.format {
        Format::Json => writeln!(out, "{}", visible::json(&records))?,
        Format::Text => {
            for (title, key, order) in [
                ("Provisioning request", "provisioning_request", &record::REQUEST[..]),
                (
                    "Tenant configuration",
                    "tenant_configuration",
                    &record::CONFIGURATION[..],
                ),
            ] {
                writeln!(out, "{}", styled(BOLD, title))?;
                match records.get(key) {
                    Some(Value::Object(record)) => write_record(&mut out, record, order)?,
                    _ => writeln!(out, "  {}", nothing_yet(tenant, lock))?,
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Why there is no request of the version that Git names.
fn nothing_yet(tenant: &DesiredTenant, lock: &Lockfile) -> String {
    let others = lock
        .versions
        .iter()
        .map(|(version, known)| format!("{} {version}", known.product));
    let others: Vec<String> = others.collect();
    if others.is_empty() {
        return format!("none yet: run `upa apply {}`", tenant.name);
    }
    format!(
        "none yet for {} {}: what is recorded is of {}",
        tenant.product,
        tenant.version,
        listed(others.iter().map(String::as_str))
    )
}

/// What tenants share, each with its users.
fn shared(global: &Global, format: Format) -> Result<Exit, Failure> {
    let session = Session::open(global, At::WorkTree, &[])?;
    let desired = survey::wanted(&session, &[])?;
    let lock = session.locks.get(SHARED);
    let recorded = lock.into_iter().flat_map(|lock| lock.resources.keys());
    let addresses: BTreeSet<&Address> = recorded.chain(desired.shared.users.keys()).collect();
    let records: Map<String, Value> = addresses
        .into_iter()
        .map(|address| {
            let locked = lock.and_then(|lock| lock.resources.get(address));
            let record = json!({
                "kind": locked.map(|locked| &locked.kind),
                "id": locked.and_then(|locked| locked.id()),
                "used_by": desired.shared.users.get(address).into_iter().flatten().collect::<Vec<_>>(),
            });
            (address.to_string(), record)
        })
        .collect();
    let mut out = output::stdout();
    match format {
        Format::Json => writeln!(out, "{}", visible::json(&Value::Object(records)))?,
        Format::Text if records.is_empty() => writeln!(out, "Tenants share nothing.")?,
        Format::Text => {
            writeln!(out, "{}", styled(BOLD, "Shared by tenants"))?;
            write_fields(&mut out, &records, 2)?;
        }
    }
    Ok(Exit::Done)
}

/// The fields in their order, then any others.
fn write_record(
    out: &mut dyn std::io::Write,
    record: &serde_json::Map<String, Value>,
    order: &[&str],
) -> std::io::Result<()> {
    let known = order.iter().filter_map(|key| record.get_key_value(*key));
    let others = record.iter().filter(|(key, _)| !order.contains(&key.as_str()));
    let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    let said = known
        .chain(others)
        .filter(|(key, value)| !(*key == "failures" && empty(value)));
    for (key, value) in said {
        write_field(out, key, value, 2)?;
    }
    Ok(())
}

fn write_fields(
    out: &mut dyn std::io::Write,
    record: &serde_json::Map<String, Value>,
    indent: usize,
) -> std::io::Result<()> {
    record
        .iter()
        .try_for_each(|(key, value)| write_field(out, key, value, indent))
}

fn write_field(out: &mut dyn std::io::Write, key: &str, value: &Value, indent: usize) -> std::io::Result<()> {
    match value {
        Value::Object(inner) if !inner.is_empty() => {
            writeln!(out, "{:indent$}{key}", "")?;
            write_fields(out, inner, indent + 2)
        }
        Value::Array(items) if !items.is_empty() => {
            writeln!(out, "{:indent$}{key}", "")?;
            items
                .iter()
                .try_for_each(|item| writeln!(out, "{:indent$}  {}", "", plain(item)))
        }
        other => writeln!(
            out,
            "{:indent$}{key:<width$} {}",
            "",
            plain(other),
            width = 24usize.saturating_sub(indent)
        ),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => on_one_line(text),
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Object(map) if map.is_empty() => "-".to_owned(),
        Value::Object(map) => map.values().map(plain).collect::<Vec<_>>().join("  "),
        other => other.to_string(),
    }
}
