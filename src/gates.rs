//! Gates: what a person must have checked, and whether somebody did. Decided from what Git says and what the lockfile
//! records, so that everybody who reads both comes to the same answer, without asking a platform.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::desired::{DesiredState, DesiredTenant};
use crate::digest::Digest;
use crate::lockfile::{Applied, Lockfile, Purpose, RequestState, later};
use crate::resource::{Address, Owner};
use crate::workspace::gates::{Approval, GateSpec, Per, Reopen};
use crate::workspace::{Status, Tenant, Version};

/// A gate of one tenant, with what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub name: String,
    pub spec: GateSpec,
    /// The revision of the version that demands it.
    pub revision: u32,
    /// What the tenant's own file says.
    pub approval: Option<Approval>,
    /// What the files of others on the same version say, where one approval counts for all.
    pub elsewhere: BTreeMap<String, Approval>,
    /// One of those that counts. Known once the lockfiles were looked at.
    pub granted: Option<Approval>,
}

/// How a gate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The tenant has nothing that it covers, or not yet.
    Nothing,
    /// Somebody checked what is there now.
    Passed(Approval),
    /// Nobody did.
    Open,
    /// Somebody did, and what is there now is not what was checked.
    Outdated(Approval),
}

/// The gates of a tenant, in the order of their names.
pub fn of_tenant<'a>(
    tenant: &Tenant,
    version: &Version,
    others: impl Iterator<Item = &'a Tenant> + Clone,
) -> Vec<Gate> {
    let on_it = |other: &&Tenant| {
        other.name != tenant.name
            && other.file.status == Status::Active
            && other.file.product == tenant.file.product
            && other.file.version == tenant.file.version
    };
    let gates = version.file.gates.iter();
    gates
        .map(|(name, spec)| Gate {
            name: name.clone(),
            spec: spec.clone(),
            revision: version.file.revision,
            approval: tenant.file.approvals.get(name).cloned(),
            elsewhere: match spec.per {
                Per::Tenant => BTreeMap::new(),
                Per::Revision => others
                    .clone()
                    .filter(on_it)
                    .filter_map(|other| Some((other.name.clone(), other.file.approvals.get(name)?.clone())))
                    .collect(),
            },
            granted: None,
        })
        .collect()
}

/// Finds out which approvals of others count, by what is recorded of them.
pub fn grant(state: &mut DesiredState, locks: &BTreeMap<String, Lockfile>) {
    for tenant in state.tenants.values_mut() {
        let version = tenant.version.clone();
        for gate in &mut tenant.gates {
            let valid = |(other, approval): (&String, &Approval)| {
                let lock = locks.get(other)?;
                // An approval is of what is there, and that must be of this revision.
                let current = lock.versions.get(&version)?.revision == gate.revision;
                (current && gate.digest(&version, lock).as_str() == approval.of).then(|| approval.clone())
            };
            gate.granted = gate.elsewhere.iter().find_map(valid);
        }
    }
}

impl Gate {
    /// What it covers of a tenant's objects: those that are there and finished.
    pub fn covered<'a>(
        &'a self,
        version: &'a str,
        lock: &'a Lockfile,
    ) -> impl Iterator<Item = (&'a Address, &'a Applied)> {
        let covers = move |address: &Address| {
            let its = match &address.owner {
                Owner::Version { version: own, .. } => own == version,
                Owner::Tenant { .. } => true,
                Owner::Shared { .. } => false,
            };
            its && self.spec.covers.contains(&address.resource)
        };
        lock.resources
            .iter()
            .filter(move |(address, _)| covers(address))
            .filter_map(|(address, locked)| Some((address, locked.applied.as_ref()?)))
    }

    /// The digest of what is there to be checked: what an approval is `of`.
    pub fn digest(&self, version: &str, lock: &Lockfile) -> Digest {
        let covered: Vec<Value> = self
            .covered(version, lock)
            .map(|(address, applied)| match self.spec.reopen {
                Reopen::Change => json!([address, applied.id, applied.sent]),
                Reopen::Replace => json!([address, applied.id]),
            })
            .collect();
        let mut what = json!({ "gate": self.name, "prompt": self.spec.prompt, "covers": covered });
        if let (Per::Revision, Some(what)) = (self.spec.per, what.as_object_mut()) {
            what.insert("revision".to_owned(), Value::from(self.revision));
        }
        Digest::of_json(&what)
    }

    /// How it stands, by what is recorded.
    pub fn standing(&self, version: &str, lock: &Lockfile) -> Standing {
        if self.covered(version, lock).next().is_none() {
            return Standing::Nothing;
        }
        let now = self.digest(version, lock);
        match (&self.approval, &self.granted) {
            (Some(approval), _) if approval.of == now.as_str() => Standing::Passed(approval.clone()),
            (_, Some(granted)) => Standing::Passed(granted.clone()),
            (Some(approval), None) => Standing::Outdated(approval.clone()),
            (None, None) => Standing::Open,
        }
    }

    /// Whether a person is asked for.
    pub fn is_open(&self, version: &str, lock: &Lockfile) -> bool {
        matches!(self.standing(version, lock), Standing::Open | Standing::Outdated(_))
    }
}

/// The gates of a tenant that nobody has passed.
pub fn open<'a>(tenant: &'a DesiredTenant, lock: &Lockfile) -> Vec<&'a Gate> {
    let gates = tenant.gates.iter();
    gates.filter(|gate| gate.is_open(&tenant.version, lock)).collect()
}

/// When a request must have been approved, if it waits from now on: the first of its gates to run out counts.
pub fn deadline(open: &[&Gate], now: Timestamp) -> Timestamp {
    let patience = open.iter().filter_map(|gate| gate.spec.patience()).min();
    let patience = SignedDuration::try_from(patience.unwrap_or(Duration::ZERO));
    later(now, patience.unwrap_or(SignedDuration::MAX))
}

/// Whether the last request failed for want of an approval that is there now: another one can be completed.
pub fn is_released(tenant: &DesiredTenant, lock: &Lockfile) -> bool {
    let Some(known) = lock.versions.get(&tenant.version) else {
        return false;
    };
    let request = &known.request;
    let waited = || {
        let waiting = |transition: &crate::lockfile::Transition| transition.state == RequestState::AwaitingApproval;
        request.history.iter().rev().nth(1).is_some_and(waiting)
    };
    tenant.status != Status::Deprovisioned
        && request.purpose == Purpose::Provision
        && request.state == RequestState::Failed
        && waited()
        && open(tenant, lock).is_empty()
}

/// Whether it is still to be recorded that gates are open, or open no more, although the request is complete; or whether
/// the time to approve one of them is up, where the time is known.
pub fn is_review_due(tenant: &DesiredTenant, version: &str, lock: &Lockfile, now: Option<Timestamp>) -> bool {
    let Some(known) = lock.versions.get(version).filter(|_| version == tenant.version) else {
        return false;
    };
    if tenant.status == Status::Deprovisioned || known.request.purpose != Purpose::Provision {
        return false;
    }
    let open: BTreeSet<&str> = open(tenant, lock).iter().map(|gate| gate.name.as_str()).collect();
    open != known.reopened.keys().map(String::as_str).collect()
        || now.is_some_and(|now| known.reopened.values().any(|deadline| now > *deadline))
}

/// A gate that waits for a person, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Awaited {
    pub gate: String,
    pub prompt: String,
    /// The tenants whose approval would pass it: one, unless one approval counts for all.
    pub tenants: BTreeSet<String>,
    /// Until when a request waits for it.
    pub deadline: Option<Timestamp>,
    /// Somebody approved what was there before.
    pub outdated: bool,
}

/// Everything that waits for a person, where all that can be done without one is done.
pub fn awaited(state: &DesiredState, locks: &BTreeMap<String, Lockfile>) -> Vec<Awaited> {
    let mut found: Vec<Awaited> = Vec::new();
    let mut everybody: BTreeMap<(&str, &str, &str), Awaited> = BTreeMap::new();
    for tenant in state.tenants.values() {
        let Some((lock, known)) = locks
            .get(&tenant.name)
            .and_then(|lock| Some((lock, lock.versions.get(&tenant.version)?)))
        else {
            continue;
        };
        let request = &known.request;
        // What is not brought about yet is not to be checked yet.
        if matches!(request.state, RequestState::Pending | RequestState::Provisioning)
            || tenant.status == Status::Deprovisioned
        {
            continue;
        }
        let waits = request.state == RequestState::AwaitingApproval;
        for gate in open(tenant, lock) {
            let one = Awaited {
                gate: gate.name.clone(),
                prompt: gate.spec.prompt.clone(),
                tenants: BTreeSet::from([tenant.name.clone()]),
                deadline: match waits {
                    true => request.deadline,
                    false => known.reopened.get(&gate.name).copied(),
                },
                outdated: matches!(gate.standing(&tenant.version, lock), Standing::Outdated(_)),
            };
            match gate.spec.per {
                Per::Tenant => found.push(one),
                Per::Revision => {
                    let all = everybody
                        .entry((tenant.product.as_str(), tenant.version.as_str(), gate.name.as_str()))
                        .or_insert_with(|| one.clone());
                    all.tenants.extend(one.tenants);
                    all.outdated |= one.outdated;
                    all.deadline = match (all.deadline.take(), one.deadline) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
    }
    found.extend(everybody.into_values());
    found
}

impl Awaited {
    /// In a line: who waits, for what, until when.
    pub fn words(&self) -> String {
        let mut words = match self.tenants.len() {
            0 | 1 => format!(
                "{} awaits approval of `{}`",
                self.tenants.first().map_or("nobody", String::as_str),
                self.gate
            ),
            several => format!("{several} tenants await one approval of `{}`", self.gate),
        };
        if self.outdated {
            words.push_str(" again: what it covers has changed");
        }
        if let Some(deadline) = &self.deadline {
            words.push_str(&format!(", until {deadline}"));
        }
        words
    }

    /// What to do and to type.
    pub fn hint(&self) -> String {
        let tenant = self.tenants.first().map_or("TENANT", String::as_str);
        format!(
            "{}; then `upa approve {tenant} {}`",
            self.prompt.trim_end_matches('.'),
            self.gate
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: &str = "covers = [\"assistant\"]\nprompt = \"Call it\"\n";

    fn gate(further: &str) -> Gate {
        Gate {
            name: "called".to_owned(),
            spec: ::toml::from_str(&format!("{GATE}{further}")).unwrap(),
            revision: 3,
            approval: None,
            elsewhere: BTreeMap::new(),
            granted: None,
        }
    }

    fn lock(id: &str, sent: &str) -> Lockfile {
        let mut lock = Lockfile::new("welcs");
        let applied = json!({
            "id": id, "sent": sent, "read": "sha256:0", "keys": [], "commit": "c", "revision": 3,
        });
        let locked = json!({ "kind": "vapi.assistant", "account": "vapi", "fingerprint": "f", "applied": applied });
        let address: Address = "welcs@v2.0/assistant".parse().unwrap();
        lock.resources.insert(address, serde_json::from_value(locked).unwrap());
        lock
    }

    fn approval(of: &Digest) -> Approval {
        Approval {
            by: "ana".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            of: of.to_string(),
        }
    }

    #[test]
    fn an_approval_is_of_what_was_there() {
        let before = lock("a1", "sha256:1");
        for (further, after_a_change) in [("", true), ("reopen = \"replace\"\n", false)] {
            let mut gate = gate(further);
            assert_eq!(gate.standing("v2.0", &Lockfile::new("welcs")), Standing::Nothing);
            assert_eq!(gate.standing("v2.0", &before), Standing::Open);
            gate.approval = Some(approval(&gate.digest("v2.0", &before)));
            assert!(!gate.is_open("v2.0", &before));
            assert_eq!(gate.is_open("v2.0", &lock("a1", "sha256:2")), after_a_change);
            assert!(gate.is_open("v2.0", &lock("a2", "sha256:1")));
            // Another version's object is not covered.
            assert_eq!(gate.standing("v3.0", &before), Standing::Nothing);
        }
    }

    #[test]
    fn who_changes_the_prompt_asks_again() {
        let there = lock("a1", "sha256:1");
        let mut gate = gate("");
        gate.approval = Some(approval(&gate.digest("v2.0", &there)));
        gate.spec.prompt = "Call it twice".to_owned();
        assert!(matches!(gate.standing("v2.0", &there), Standing::Outdated(_)));
    }

    #[test]
    fn the_first_gate_to_run_out_counts() {
        let (long, short) = (gate(""), gate("deadline = \"2h\"\n"));
        let until = deadline(&[&long, &short], Timestamp::UNIX_EPOCH);
        assert_eq!(until.to_string(), "1970-01-01T02:00:00Z");
    }

    #[test]
    fn one_approval_counts_for_all_on_its_revision() {
        let per = "per = \"revision\"\n";
        let one = gate(per);
        let other = Gate {
            revision: 4,
            ..gate(per)
        };
        let there = lock("a1", "sha256:1");
        assert_ne!(one.digest("v2.0", &there), other.digest("v2.0", &there));
        assert_eq!(gate("").digest("v2.0", &there), {
            let of_any_revision = Gate {
                revision: 4,
                ..gate("")
            };
            of_any_revision.digest("v2.0", &there)
        });
    }
}
