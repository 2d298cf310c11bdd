//! Objects that carry this workspace's mark and that no lockfile records: decided from what was observed and what is
//! recorded. Nothing is done about them; they are named, with what a person can do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::desired::DesiredState;
use crate::lockfile::{Locked, Lockfile};
use crate::plan::ObservedState;
use crate::platform::{Object, Reading};
use crate::resource::{Address, Kind};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    pub account: String,
    pub kind: Kind,
    pub id: String,
    pub title: String,
    pub mark: String,
    /// Whether it works: it is stopped before it is deleted.
    pub runs: bool,
    /// What its mark says behind the workspace's name: an address, or the head of a long one.
    pub address: String,
    pub origin: Origin,
}

/// Where it probably comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Another object is recorded for its address: somebody made a copy.
    Copy { recorded: String },
    /// What is recorded for its address does not carry its mark, as far as is known: the record is wrong, or its original
    /// was deleted.
    Original { at: Address, recorded: String },
    /// Git wants something at its address, and nothing is recorded there: the lockfile was lost, or is another one.
    Unrecorded { tenant: String, adopt: String },
    /// No tenant has such an address.
    Masterless,
}

impl Origin {
    pub fn words(&self) -> String {
        match self {
            Origin::Copy { recorded } => format!("a copy of {recorded}, which is recorded"),
            Origin::Original { recorded, .. } => {
                format!("probably the original, because {recorded}, which is recorded, does not carry its mark")
            }
            Origin::Unrecorded { .. } => "wanted, and in no lockfile".to_owned(),
            Origin::Masterless => "no tenant has this address".to_owned(),
        }
    }

    /// What a person can do about it.
    pub fn hint(&self, id: &str) -> String {
        match self {
            Origin::Copy { .. } => format!("if nobody needs the copy: upa orphans --delete {id}"),
            Origin::Original { at, .. } => format!("upa recover {} --take {at}={id}", at.tenant()),
            Origin::Unrecorded { tenant, adopt } => format!(
                "if tenants/{tenant}.lock was lost, restore it with git, or rebuild it: upa recover {tenant}; to take this alone over add `{adopt} = \"{id}\"` to `[adopt]` of tenants/{tenant}.toml; if nobody needs it: upa orphans --delete {id}"
            ),
            Origin::Masterless => {
                format!(
                    "if the tenant's file and lockfile were removed, restore both with git and set `status = \"deprovisioned\"`; else: upa orphans --delete {id}"
                )
            }
        }
    }
}

/// All of them, by account and address.
pub fn orphans(
    workspace: &str,
    desired: &DesiredState,
    observed: &ObservedState,
    locks: &BTreeMap<String, Lockfile>,
) -> Vec<Orphan> {
    let prefix = format!("upa:{workspace}/");
    let recorded: BTreeSet<(&str, &Kind, &str)> = locks
        .values()
        .flat_map(|lock| lock.resources.values())
        .flat_map(|locked| {
            let applied = locked.applied.iter().map(|applied| applied.id.as_str());
            let pending = locked.pending.iter().filter_map(|pending| pending.id.as_deref());
            let retiring = locked.retiring.keys().map(String::as_str);
            let ids = applied.chain(pending).chain(retiring);
            ids.map(|id| (locked.account.as_str(), &locked.kind, id))
                .collect::<Vec<_>>()
        })
        .collect();
    // What an earlier run was to make, and was cut off from: the next run takes it over.
    let begun = locks.values().flat_map(|lock| lock.resources.iter());
    let begun = begun.filter(|(_, locked)| locked.id().is_none() && locked.pending.is_some());
    let begun: BTreeSet<(&str, String)> = begun
        .map(|(address, locked)| (locked.account.as_str(), address.mark(workspace)))
        .collect();
    let is_begun = |account: &str, mark: &str| begun.iter().any(|one| (one.0, one.1.as_str()) == (account, mark));
    let mut found = Vec::new();
    for (account, answer) in &observed.accounts {
        for ((kind, id), reading) in &answer.objects {
            let Reading::Present(object) = reading else { continue };
            let Some(address) = object.mark.as_deref().and_then(|mark| mark.strip_prefix(&prefix)) else {
                continue;
            };
            let mark = object.mark.as_deref().unwrap_or_default();
            if !recorded.contains(&(account.as_str(), kind, id.as_str())) && !is_begun(account, mark) {
                found.push(orphan(
                    workspace,
                    (desired, observed, locks),
                    (account, kind),
                    object,
                    address,
                ));
            }
        }
    }
    found.sort_by(|a, b| (&a.account, &a.address, &a.id).cmp(&(&b.account, &b.address, &b.id)));
    found
}

fn orphan(
    workspace: &str,
    (desired, observed, locks): (&DesiredState, &ObservedState, &BTreeMap<String, Lockfile>),
    (account, kind): (&str, &Kind),
    object: &Object,
    address: &str,
) -> Orphan {
    // A long mark is cut: it is compared as a mark.
    let mark = format!("upa:{workspace}/{address}");
    let is_its = |other: &&Address| other.mark(workspace) == mark;
    let recorded = locks.values().flat_map(|lock| lock.resources.iter());
    let recorded = recorded
        .into_iter()
        .find(|(other, _)| is_its(other))
        .and_then(|(at, locked)| Some((at, locked.id()?, locked)));
    let carries_it = |id: &str, locked: &Locked| {
        let reading = observed.reading(&locked.account, &locked.kind, id);
        let has_mark = |object: &Object| object.mark.as_ref() == Some(&mark);
        matches!(reading, Reading::Present(object) if has_mark(&object))
    };
    let wanted = desired
        .tenants
        .values()
        .flat_map(|tenant| tenant.resources.keys())
        .find(is_its);
    let origin = match (recorded, wanted) {
        (Some((_, recorded, locked)), _) if carries_it(recorded, locked) => Origin::Copy {
            recorded: recorded.to_owned(),
        },
        (Some((at, recorded, _)), _) => Origin::Original {
            at: at.clone(),
            recorded: recorded.to_owned(),
        },
        (None, Some(wanted)) => Origin::Unrecorded {
            tenant: wanted.tenant().to_owned(),
            adopt: wanted.adopt_key(),
        },
        (None, None) => Origin::Masterless,
    };
    Orphan {
        account: account.to_owned(),
        kind: kind.clone(),
        id: object.id.clone(),
        title: object.title.clone(),
        mark,
        runs: object.activity.is_published(),
        address: address.to_owned(),
        origin,
    }
}
