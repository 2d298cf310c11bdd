//! n8n's cache of webhook lookups, which can outlive the webhook.
//!
//! While an unpublication is under way, n8n drops the cached lookup first and the registration a moment later; a
//! lookup in between puts the entry back, where it stays for an hour. The path then belongs to nobody and yet is
//! taken: a preflight that names a method says 204, a call says 404 "Published version not found", and every *other*
//! workflow with that path is refused with 409 (seen on 2.41.1: 8 of 14 times with a probe polling meanwhile; 0 of 150
//! with a preflight that names no method, since it looks nothing up).
//!
//! The sandbox is stricter than luck: *every* preflight that names a method poisons the cache while its workflow is on
//! its way down. Lookups by `:param` addresses are not cached, and calls are left out, being no fault of upa's.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::super::clock::Moment;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::hook;
use super::hook::Hook;
use super::workflow::Workflow;

/// n8n's `N8N_CACHE_MEMORY_TTL`.
const KEPT: Duration = Duration::from_secs(3600);

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    hook: Hook,
    since: Moment,
}

fn key(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

/// The hook a lookup finds: a live one, or one that only the cache remembers.
pub fn find(rows: &Rows, method: &str, path: &str, now: Moment) -> Result<Option<Hook>, StoreError> {
    let live = hook::find(rows, method, path)?;
    if live.is_some() {
        return Ok(live);
    }
    let entry: Option<Entry> = rows.get("cache", &key(method, path))?;
    let fresh = entry.filter(|entry| now <= entry.since.plus(KEPT));
    Ok(fresh.map(|entry| entry.hook))
}

/// The lookup of a preflight that names a method, with its side effect.
pub fn find_for_preflight(rows: &Rows, method: &str, path: &str, now: Moment) -> Result<Option<Hook>, StoreError> {
    let found = find(rows, method, path, now)?;
    if let Some(hook) = found.as_ref().filter(|hook| hook.webhook_id.is_none()) {
        let workflow = Workflow::load(rows, &hook.workflow)?;
        if workflow.is_some_and(|workflow| workflow.index.active_version.is_none()) {
            let entry = Entry {
                hook: hook.clone(),
                since: now,
            };
            rows.put("cache", &key(method, path), &entry)?;
        }
    }
    Ok(found)
}

/// A new registration replaces what the cache remembers.
pub fn forget(rows: &Rows, hook: &Hook) -> Result<(), StoreError> {
    rows.remove("cache", &key(&hook.method, &hook.path))
}
