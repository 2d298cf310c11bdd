//! A recorded resource that Git says is gone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Pass, listening};
use crate::lockfile::{Locked, Lockfile};
use crate::plan::change::{Action, Change, Reason, Work};
use crate::plan::decide::{self, Decision, Found};
use crate::plan::originals;
use crate::platform::{KindFacts, Reading, Step};
use crate::problem::{Class, Problem};
use crate::resource::{Address, Kind, Owner};
use crate::workspace::Status;

impl<'a> Pass<'a> {
    /// A recorded resource that Git says is gone.
    pub(super) fn plan_gone(&mut self, address: &Address, locked: &Locked) {
        if self.tenant.status != Status::Deprovisioned
            && matches!(&address.owner, Owner::Version { version, .. } if *version != self.tenant.version)
        {
            // Said by `check_version` already.
            return;
        }
        let reading = match locked.id() {
            Some(id) => self.basis.observed.reading(&locked.account, &locked.kind, id),
            None => self.search(&locked.account, &locked.kind, address, Some(locked)),
        };
        if let (Reading::Unreadable(_), Some(answer)) = (&reading, self.basis.observed.accounts.get(&locked.account))
            && answer.failure.is_some()
        {
            self.out.failed_accounts.insert(locked.account.clone());
            return self.account_failed(&locked.account);
        }
        let mark = address.mark(self.basis.workspace);
        let facts = self.facts(&locked.kind).unwrap_or_default();
        let recorded = self.is_ours_by_record(&locked.kind, Some(locked), &reading);
        let ours = recorded || matches!(&reading, Reading::Present(object) if object.mark.as_deref() == Some(&*mark));
        let deleting = locked
            .pending
            .as_ref()
            .is_some_and(|pending| pending.step == Step::Delete);
        // A mark that a second call brings, or none at all: what is there may not say that it is ours.
        let lost = tells_nothing(&facts, locked);
        let found = match &reading {
            Reading::Present(_) => Found::Same,
            Reading::Absent if lost && !self.basis.rules.recreate.contains(address) => Found::Unreadable,
            Reading::Absent => Found::Absent,
            Reading::Unreadable(_) if self.basis.rules.recreate.contains(address) => Found::Absent,
            // An earlier run was cut off while it deleted just this object.
            Reading::Unreadable(_) if deleting && reading.is_said_missing() => Found::Absent,
            Reading::Unreadable(_) => Found::Unreadable,
        };
        // Nothing is there of a gate but the record that it was passed.
        let found = if facts.gate { Found::Absent } else { found };
        let action = match decide::decide(false, Self::lock_state(Some(locked)), found, ours, false) {
            Decision::Delete => Action::Delete,
            // What it replaced is still to be deleted.
            Decision::Forget if !locked.retiring.is_empty() => Action::Delete,
            Decision::Forget if !deleting && self.original(address, locked).is_some() => {
                return self.stop_gone(address, &reading);
            }
            Decision::Forget => Action::Forget,
            Decision::Stop(_) if lost => return self.stop_at_lost(address, &locked.kind),
            Decision::Stop(_) => return self.stop_gone(address, &reading),
            Decision::Nothing | Decision::Create | Decision::Adopt | Decision::Update => return,
        };
        if action == Action::Delete && self.stop_at_keep(address, &facts, "delete") {
            return;
        }
        let object = match &reading {
            Reading::Present(object) => Some(&**object),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let runs = object.is_some_and(|object| object.activity.is_published());
        let mut steps = Vec::new();
        if action == Action::Delete && !locked.retiring.is_empty() {
            steps.push(Step::Retire);
        }
        if runs {
            steps.push(Step::Unpublish);
        }
        if action == Action::Delete && object.is_some() {
            steps.push(Step::Delete);
        }
        let platform = self.platform(&locked.kind);
        let listening = object
            .zip(platform)
            .map(|(object, platform)| listening(platform, &locked.kind, object));
        let reason = match self.tenant.status {
            _ if address.is_shared() => Reason::Unused,
            Status::Deprovisioned => Reason::Deprovisioned,
            _ if self.tenant.known.contains(&address.resource) => Reason::NotWanted,
            _ => Reason::NoLongerInVersion,
        };
        self.out.changes.push(Change {
            address: address.clone(),
            kind: locked.kind.clone(),
            account: locked.account.clone(),
            action,
            reason,
            mover: None,
            steps,
            id: object.map(|object| object.id.clone()),
            moved_from: None,
            fields: Vec::new(),
            place: Some(self.tenant.place.clone()),
            revision: self.tenant.revision,
            costs: false,
            left_behind: facts.left_behind && action == Action::Delete,
            work: Work {
                fingerprint: locked.fingerprint.clone(),
                owner: locked.owner.clone(),
                document: Value::Null,
                marked: true,
                listening: listening.unwrap_or_default(),
                out: locked.out(),
                retiring: locked.retiring.clone(),
                calls: self.goes_before(address),
                ..Work::default()
            },
        });
    }

    /// An object whose loss must be confirmed by name.
    pub(super) fn stop_at_keep(&mut self, address: &Address, facts: &KindFacts, verb: &str) -> bool {
        let Some(why) = facts
            .keep
            .as_ref()
            .filter(|_| !self.basis.rules.confirmed.contains(address))
        else {
            return false;
        };
        let problem = Problem::error(Class::Decision, format!("this plan would {verb} {address}: {why}"));
        self.refuse(
            problem
                .at(self.tenant.place.clone())
                .hint(format!("if that is what you want: --confirm {address}")),
        );
        true
    }

    /// A creation nobody knows the outcome of, and nobody wants it any more.
    fn stop_at_lost(&mut self, address: &Address, kind: &Kind) {
        let problem = Problem::error(
            Class::Decision,
            format!(
                "{address} should go, and an earlier run tried to create it and was cut off: nothing on the platform tells whether it is there"
            ),
        );
        self.refuse(problem.at(self.tenant.place.clone()).hint(format!(
            "look for a {kind} of this tenant, and delete it there if there is one; then: --recreate {address}"
        )));
    }

    pub(super) fn stop_gone(&mut self, address: &Address, reading: &Reading) {
        let locked = self.lock.resources.get(address);
        if let Some(object) = locked.and_then(|locked| self.original(address, locked)) {
            let recorded = locked.and_then(Locked::id).unwrap_or_default();
            let why = format!(
                "{address} should go, but the recorded object ({recorded}) is not the one that carries its mark, which is \"{}\" ({})",
                object.title, object.id
            );
            let problem = Problem::error(Class::Decision, why).at(self.tenant.place.clone());
            return self.refuse(problem.hint(originals::command(address, object)));
        }
        let problem = match reading {
            Reading::Present(object) => Problem::error(
                Class::Decision,
                format!(
                    "{address} should go, but object {} does not carry its mark: it is not deleted",
                    object.id
                ),
            )
            .hint("if it is a stranger's, remove the block from the lockfile in a commit of your own"),
            Reading::Unreadable(why) => Problem::error(
                Class::Platform,
                format!("{address} should go, but it could not be read: {why}"),
            )
            .hint(format!("if it is really gone: --recreate {address}")),
            Reading::Absent => return,
        };
        self.refuse(problem);
    }

    /// What the lockfile says an object refers to, which goes after it. Where two refer to each other neither waits.
    fn goes_before(&self, own: &Address) -> BTreeSet<Address> {
        let needed = self.lock.resources.get(own).into_iter().flat_map(Locked::needs);
        let needed = needed.filter(|address| !reaches(self.lock, address, own));
        needed.cloned().collect()
    }
}

/// Whether an object refers to another, as it is recorded, directly or through others.
fn reaches<'a>(lock: &'a Lockfile, start: &'a Address, end: &Address) -> bool {
    let mut seen = BTreeSet::from([start]);
    let mut left = vec![start];
    while let Some(address) = left.pop() {
        let needs = lock.resources.get(address).into_iter().flat_map(Locked::needs);
        left.extend(needs.filter(|next| seen.insert(*next)));
    }
    seen.contains(end)
}

/// Whether an object may be there that nothing tells from a stranger's: a run tried to create it, and nobody knows its id.
fn tells_nothing(facts: &KindFacts, locked: &Locked) -> bool {
    let tried = locked
        .pending
        .as_ref()
        .is_some_and(|pending| pending.step == Step::Create && pending.id.is_none());
    tried && locked.id().is_none() && !facts.gate && (facts.marked_by_call || !facts.marked)
}
