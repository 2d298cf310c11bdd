//! A journal: what is read is written, and read again as the same; and whatever it says, the lockfile it is folded into
//! can be kept.

use std::collections::BTreeMap;

use upa::journal::{self, Entry};
use upa::lockfile::{Event, Lockfile};
use upa::resource::Address;

use super::lockfile;

pub fn look(bytes: &[u8]) {
    // What no upa wrote is refused.
    let Ok((base, entries)) = journal::read(bytes) else {
        return;
    };
    let mut text = base.iter().fold(String::new(), |text, base| {
        text + &serde_json::json!({ "base": base }).to_string() + "\n"
    });
    for entry in &entries {
        text += &(serde_json::to_string(entry).expect("what was read can be written") + "\n");
    }
    assert_eq!(journal::read(text.as_bytes()), Ok((base, entries.clone())), "{text}");
    let mut locks: BTreeMap<&str, Lockfile> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_own(entry)) {
        let lock = locks
            .entry(&entry.tenant)
            .or_insert_with(|| Lockfile::new(&*entry.tenant));
        lock.record(&entry.event);
    }
    locks.values().for_each(lockfile::holds);
}

/// upa notes nothing of one tenant under another's name.
fn is_own(entry: &Entry) -> bool {
    addresses(&entry.event)
        .iter()
        .all(|address| address.tenant() == entry.tenant)
}

fn addresses(event: &Event) -> Vec<&Address> {
    match event {
        Event::Begin { address, .. }
        | Event::Created { address, .. }
        | Event::Superseded { address }
        | Event::Retired { address, .. }
        | Event::Applied { address, .. }
        | Event::Gone { address }
        | Event::Failed { address, .. } => vec![address],
        Event::Version { .. } | Event::VersionGone { .. } => Vec::new(),
        Event::Moved { moves } => moves.iter().flat_map(|(to, from)| [to, from]).collect(),
    }
}
