//! What may be believed before it is merged: which accounts may be contacted, and what a head that is not trusted may ask.
//! Decisions over values; [`crate::cli`] acts on them.

use std::collections::BTreeMap;

use crate::lockfile::Lockfile;
use crate::workspace::Workspace;

/// Why an account may not be contacted: objects are recorded at another place than the one it points to now.
pub fn moved_away(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>, account: &str) -> Option<String> {
    workspace.settings.accounts.get(account)?;
    let now = workspace.fingerprint_of(account);
    let recorded = locks.values().flat_map(|lock| &lock.resources);
    let mut elsewhere = recorded.filter(|(_, locked)| locked.account == account && locked.fingerprint != now);
    let (address, _) = elsewhere.next()?;
    let more = match elsewhere.count() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(format!(
        "it points to another place than the one {address}{more} is recorded at; no key was read for it, and nothing was asked"
    ))
}
