//! What is remembered of a change: in the journal before it counts, then in the lockfile.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Unwritable, Walk};
use crate::digest::Digest;
use crate::lockfile::{Applied, Event, Look};
use crate::outside;
use crate::plan::order::Node;
use crate::plan::{Action, Change, unseen};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::http::retry::CALL_DEADLINE;
use crate::platform::{Clock, Natural, Receipt, Step};
use crate::symbol;

/// Platforms tell the time to the second.
const ROUNDED: Duration = Duration::from_secs(1);

impl Walk<'_> {
    pub(super) fn record(&mut self, event: Event) -> Result<(), Unwritable> {
        self.context
            .journal
            .append(&self.desired.name, &event)
            .map_err(Unwritable)?;
        self.outcome.lock.record(&event);
        Ok(())
    }

    /// Only the record changes.
    pub(super) fn without_steps(&mut self, change: &Change) -> Result<(), Unwritable> {
        match (change.action, &change.id) {
            (Action::Forget, _) => self.record(Event::Gone {
                address: change.address.clone(),
            }),
            (Action::Adopt | Action::Use | Action::Update | Action::Move, Some(id)) => {
                // What is not in the lockfile yet must be begun before it can be recorded as done.
                if !self.outcome.lock.resources.contains_key(&change.address) {
                    self.begin(
                        change,
                        Step::Fill,
                        outside::random_id(),
                        Some(id.clone()),
                        change.work.natural.clone(),
                    )?;
                }
                let read = change
                    .work
                    .expected
                    .clone()
                    .unwrap_or_else(|| Digest::of_json(&Value::Null));
                let applied = self.applied(change, (id.clone(), None), read, change.work.out.clone(), false);
                self.record(applied)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn begin(
        &mut self,
        change: &Change,
        step: Step,
        attempt: Uuid,
        id: Option<String>,
        natural: Option<Natural>,
    ) -> Result<(), Unwritable> {
        self.supersede(change)?;
        self.record(Event::Begin {
            address: change.address.clone(),
            kind: change.kind.clone(),
            account: change.account.clone(),
            fingerprint: change.work.fingerprint.clone(),
            owner: change.work.owner.clone(),
            run: self.context.run,
            attempt,
            step,
            id,
            needs: change.work.all_needs(),
            natural,
            look: change
                .work
                .look
                .as_ref()
                .map(|(look, clock)| until(look, *clock, CALL_DEADLINE)),
        })
    }

    /// The call of a creation has ended, and what came of it is not known: what is created from now on is not its object.
    /// One that ran out of time may still be at work.
    pub(super) fn ended(&mut self, change: &Change, error: &PlatformError) -> Result<(), Unwritable> {
        let Some((look, clock)) = &change.work.look else {
            return Ok(());
        };
        let resources = &self.outcome.lock.resources;
        let Some(pending) = resources.get(&change.address).and_then(|locked| locked.pending.clone()) else {
            return Ok(());
        };
        if error.is_harmless() || error.kind == ErrorKind::Deadline || pending.step != Step::Create {
            return Ok(());
        }
        self.record(Event::Begin {
            address: change.address.clone(),
            kind: change.kind.clone(),
            account: change.account.clone(),
            fingerprint: change.work.fingerprint.clone(),
            owner: change.work.owner.clone(),
            run: pending.run,
            attempt: pending.attempt,
            step: pending.step,
            id: pending.id,
            needs: pending.needs,
            natural: pending.natural,
            look: Some(until(look, *clock, ROUNDED)),
        })
    }

    fn applied(
        &self,
        change: &Change,
        (id, owner): (String, Option<String>),
        read: Digest,
        out: BTreeMap<String, Value>,
        left: bool,
    ) -> Event {
        let wanted = self.desired.resources.get(&change.address);
        let before = self.outcome.lock.resources.get(&change.address);
        let before = before.and_then(|locked| locked.applied.as_ref());
        let wrote = change
            .steps
            .iter()
            .any(|step| matches!(step, Step::Create | Step::Fill));
        let unseen = match before {
            Some(before) if !wrote => unseen::Record {
                unread: before.unread.clone(),
                secrets: before.secrets.clone(),
            },
            _ => {
                let (document, paths) = (&change.work.document, &change.work.hidden);
                unseen::record(&change.address, document, paths, self.context.secrets)
            }
        };
        // Something of the platform's own was kept: to the next plan it is still what the platform moved.
        let (sent, read) = match &change.work.asked {
            Some(asked) => (asked.clone(), Digest::of_json(&json!({ "kept": read }))),
            None => (Digest::of_json(&symbol::symbolic(&change.work.document)), read),
        };
        Event::Applied {
            address: change.address.clone(),
            owner: owner.or_else(|| change.work.owner.clone()),
            applied: Applied {
                id,
                sent,
                read,
                keys: change.work.keys.clone(),
                commit: self.context.commit.to_owned(),
                revision: change.revision,
                needs: change.work.all_needs(),
                adopted: wanted.and_then(|resource| resource.adopt.clone()),
                stopped: wanted.is_some_and(|resource| !resource.runs),
                unproven: change.work.unproven || left,
                out,
                unread: unseen.unread,
                secrets: unseen.secrets,
            },
        }
    }

    pub(super) fn succeeded(
        &mut self,
        change: &Change,
        (index, step): Node,
        receipt: Receipt,
    ) -> Result<(), Unwritable> {
        let address = &change.address;
        if let Some(read) = &receipt.read {
            self.reads.insert(index, Digest::of_json(read));
        }
        let told = self.told.entry(index).or_default();
        told.out.extend(receipt.out.clone());
        if step == Step::Create {
            told.operations.clone_from(&receipt.operations);
        }
        told.left |= receipt.left;
        let left = told.left;
        let out = told.out.clone();
        let outs = self.values.outs.entry(address.clone()).or_default();
        outs.extend(receipt.out.clone());
        let secrets = receipt.secrets.iter();
        outs.extend(secrets.map(|(name, secret)| (name.clone(), Value::from(secret.expose()))));
        if step == Step::Create {
            self.values.ids.insert(address.clone(), receipt.id.clone());
            self.record(Event::Created {
                address: address.clone(),
                id: receipt.id.clone(),
                out: receipt.out,
                operations: receipt.operations,
            })?;
        } else if step == Step::Delete {
            // What is replaced is gone before its successor is begun.
            self.record(Event::Gone {
                address: address.clone(),
            })?;
            self.values.ids.remove(address);
            self.values.outs.remove(address);
        } else if step == Step::Wait {
            self.values.ids.insert(address.clone(), receipt.id.clone());
        }
        let last = change.steps.iter().rfind(|step| **step != Step::Retire);
        if last != Some(&step) || step == Step::Delete {
            return Ok(());
        }
        let read = self
            .reads
            .get(&index)
            .cloned()
            .unwrap_or_else(|| Digest::of_json(&Value::Null));
        let mut known = match change.action {
            Action::Create | Action::Replace => BTreeMap::new(),
            _ => change.work.out.clone(),
        };
        known.extend(out);
        let applied = self.applied(change, (receipt.id, receipt.owner), read, known, left);
        self.record(applied)
    }
}

/// The look of a creation, with when its call has ended at the latest: so long from now on.
fn until(look: &Look, clock: Option<Clock>, longest: Duration) -> Look {
    let now = clock.and_then(|clock| clock.platform_at(outside::now()));
    Look {
        at: look.at,
        until: now.and_then(|now| now.checked_add(longest).ok()),
    }
}
