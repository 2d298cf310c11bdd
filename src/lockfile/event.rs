//! What happened, as values: written to the journal before and after every call, and folded into lockfiles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Applied, Locked, Lockfile, LoggedError, Look, Pending, Provisioned, kept};
use crate::platform::{Natural, Step};
use crate::resource::{Address, Kind};

/// One thing that happened to one tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A version of a tenant is being worked on: its request, and the webhook base it was given.
    Version { version: String, provisioned: Provisioned },
    /// A step is about to be sent.
    Begin {
        address: Address,
        kind: Kind,
        account: String,
        fingerprint: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        run: Uuid,
        attempt: Uuid,
        step: Step,
        id: Option<String>,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        needs: BTreeSet<Address>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        natural: Option<Natural>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look: Option<Look>,
    },
    /// The platform answered with an id.
    Created {
        address: Address,
        id: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        out: BTreeMap<String, Value>,
        /// What the platform is still doing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        operations: Vec<Value>,
    },
    /// Objects are called otherwise in Git: each new address with the one that recorded its object until now. All of them at
    /// once, so that two addresses may change places.
    Moved { moves: BTreeMap<Address, Address> },
    /// The object that is there gets a successor: it is remembered until it is deleted.
    Superseded { address: Address },
    /// An object that was replaced is deleted.
    Retired { address: Address, id: String },
    /// Every step of a change is done.
    Applied {
        address: Address,
        /// Whose account it is, where the platform told it by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        applied: Applied,
    },
    /// The object is gone.
    Gone { address: Address },
    /// A step failed; what was begun stays pending.
    Failed {
        address: Address,
        step: Step,
        at: Timestamp,
        message: String,
        /// Whether the platform cannot have done anything.
        harmless: bool,
    },
    /// Nothing is left of a version.
    VersionGone { version: String },
}

impl Event {
    /// The resource of which a step is about to be sent.
    pub fn begins(&self) -> Option<&Address> {
        match self {
            Event::Begin { address, .. } => Some(address),
            _ => None,
        }
    }
}

/// Outputs without what no lockfile can hold, or it could not be written at all.
fn kept_all(out: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    out.iter()
        .filter_map(|(name, value)| Some((name.clone(), kept(value)?)))
        .collect()
}

impl Lockfile {
    /// Folds an event in. The same events give the same lockfile, whenever they are read.
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::Version { version, provisioned } => {
                self.versions.insert(version.clone(), provisioned.clone());
            }
            Event::Begin {
                address,
                kind,
                account,
                fingerprint,
                owner,
                run,
                attempt,
                step,
                id,
                needs,
                natural,
                look,
            } => {
                let locked = self.resources.entry(address.clone()).or_insert_with(|| Locked {
                    kind: kind.clone(),
                    account: account.clone(),
                    fingerprint: fingerprint.clone(),
                    owner: None,
                    pending: None,
                    applied: None,
                    retiring: BTreeMap::new(),
                });
                // Records of before it was told have none.
                if owner.is_some() {
                    locked.owner.clone_from(owner);
                }
                let kept = locked.pending.take().filter(|pending| pending.attempt == *attempt);
                let (out, operations) = kept
                    .map(|pending| (pending.out, pending.operations))
                    .unwrap_or_default();
                locked.pending = Some(Pending {
                    run: *run,
                    attempt: *attempt,
                    step: *step,
                    id: id.clone(),
                    needs: needs.clone(),
                    natural: natural.clone(),
                    look: look.clone(),
                    out,
                    operations,
                });
            }
            Event::Created {
                address,
                id,
                out,
                operations,
            } => {
                if let Some(pending) = self.pending(address) {
                    pending.id = Some(id.clone());
                    pending.out = kept_all(out);
                    pending.operations = operations.iter().filter_map(kept).collect();
                }
            }
            Event::Moved { moves } => self.moved(moves),
            Event::Superseded { address } => {
                if let Some(locked) = self.resources.get_mut(address)
                    && let Some(applied) = locked.applied.as_ref().filter(|applied| !applied.unproven)
                {
                    locked.retiring.insert(applied.id.clone(), applied.out.clone());
                }
            }
            Event::Retired { address, id } => {
                if let Some(locked) = self.resources.get_mut(address) {
                    locked.retiring.remove(id);
                }
            }
            Event::Applied {
                address,
                owner,
                applied,
            } => {
                if let Some(locked) = self.resources.get_mut(address) {
                    locked.owner = owner.clone().or(locked.owner.take());
                    locked.pending = None;
                    locked.applied = Some(Applied {
                        out: kept_all(&applied.out),
                        ..applied.clone()
                    });
                }
            }
            Event::Gone { address } => {
                self.resources.remove(address);
            }
            Event::Failed {
                address,
                step,
                at,
                message,
                harmless,
            } => self.failed(address, *step, *at, message, *harmless),
            Event::VersionGone { version } => {
                self.versions.remove(version);
            }
        }
    }

    /// What was recorded at the new address and is moved nowhere else is an object that is left: it is to be deleted.
    fn moved(&mut self, moves: &BTreeMap<Address, Address>) {
        let taken: Vec<(&Address, Locked)> = moves
            .iter()
            .filter_map(|(to, from)| Some((to, self.resources.remove(from)?)))
            .collect();
        for (to, mut locked) in taken {
            if let Some(left) = self.resources.remove(to) {
                locked.retiring.extend(left.retiring);
                let left = left.applied.filter(|applied| !applied.unproven);
                locked.retiring.extend(left.map(|applied| (applied.id, applied.out)));
            }
            self.resources.insert(to.clone(), locked);
        }
    }

    /// Forgets what a run announced and never began: it was cut off before, and its journal says so.
    pub fn forget_announced(&mut self, run: Uuid, began: &BTreeSet<&Address>) {
        self.resources.retain(|address, locked| {
            let announced = locked.pending.as_ref().is_some_and(|pending| pending.run == run);
            let applied = locked.applied.as_ref().map(|applied| &applied.id);
            // An object that an earlier run made and could not finish is known by this alone.
            let known = locked.pending.as_ref().and_then(|pending| pending.id.as_ref());
            if !announced || began.contains(address) || known.is_some_and(|id| Some(id) != applied) {
                return true;
            }
            locked.pending = None;
            locked.applied.is_some() || !locked.retiring.is_empty()
        });
    }

    fn pending(&mut self, address: &Address) -> Option<&mut Pending> {
        self.resources.get_mut(address)?.pending.as_mut()
    }

    fn failed(&mut self, address: &Address, step: Step, at: Timestamp, message: &str, harmless: bool) {
        if let Some(locked) = self.resources.get_mut(address) {
            let created = locked.pending.as_ref().is_some_and(|pending| pending.id.is_some());
            // A first call that cannot have done anything leaves nothing to settle.
            if harmless && step == Step::Create && !created {
                locked.pending = None;
            }
            // Publishing must be proved again; any other step shows by what is observed, unless it is of a successor.
            let of_applied = |applied: &Applied| {
                let pending = locked.pending.as_ref();
                pending.is_none_or(|pending| pending.id.as_ref().is_none_or(|id| *id == applied.id))
            };
            if harmless && step != Step::Publish && locked.applied.as_ref().is_some_and(of_applied) {
                locked.pending = None;
            }
            if locked.pending.is_none() && locked.applied.is_none() {
                self.resources.remove(address);
            }
        }
        let version = match &address.owner {
            crate::resource::Owner::Version { version, .. } => self.versions.get_mut(version),
            crate::resource::Owner::Tenant { .. } => self.versions.values_mut().next(),
            // Nobody requested it alone.
            crate::resource::Owner::Shared { .. } => None,
        };
        if let Some(version) = version {
            version.request.log(LoggedError {
                at,
                address: address.to_string(),
                step: step.as_str().to_owned(),
                message: message.to_owned(),
            });
        }
    }
}
