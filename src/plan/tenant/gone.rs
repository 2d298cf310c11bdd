//! A recorded resource that Git says is gone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::undecided::recreating;
use super::{Pass, listening};
use crate::lockfile::{Locked, Lockfile};
use crate::plan::change::{Action, Change, Door, Reason, Work};
use crate::plan::decide::{self, Decision, Found};
use crate::plan::losses::{self, Loss};
use crate::plan::originals;
use crate::platform::{KindFacts, Reading, Rival, Search, Step};
use crate::problem::{Class, Problem, listed};
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
        if locked.is_unproven() {
            // It is used again when the tenant is active again.
            if !self.stands_still(address) {
                self.leave(address, locked);
            }
            return;
        }
        let facts = self.facts(&locked.kind).unwrap_or_default();
        let made = self.made_by_us(address, &facts, locked);
        let reading = match (locked.id(), made) {
            (Some(id), _) => self.basis.observed.reading(&locked.account, &locked.kind, id),
            (None, Some(rival)) => Reading::Present(Box::new(rival.object.clone())),
            (None, None) => self.search(&locked.account, &locked.kind, address, Some(locked)),
        };
        if let (Reading::Unreadable(_), Some(answer)) = (&reading, self.basis.observed.accounts.get(&locked.account))
            && answer.failure.is_some()
        {
            return self.account_failed(&locked.account);
        }
        let mark = address.mark(self.basis.workspace);
        let recorded = self.is_ours_by_record(&locked.kind, Some(locked), &reading);
        let ours = recorded
            || made.is_some()
            || matches!(&reading, Reading::Present(object) if object.mark.as_deref() == Some(&*mark));
        let deleting = locked
            .pending
            .as_ref()
            .is_some_and(|pending| pending.step == Step::Delete);
        // A mark that a second call brings, or none at all: what is there may not say that it is ours.
        let lost = tells_nothing(&facts, locked) && !matches!(reading, Reading::Present(_));
        let recreate = self.basis.rules.recreate.contains(address);
        if lost && !recreate && self.leave_what_was_made(address, &facts, locked) {
            return;
        }
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
        let object = match &reading {
            Reading::Present(object) => Some(&**object),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let runs = object.is_some_and(|object| object.activity.is_published());
        let mut steps = Vec::new();
        if action == Action::Delete && !locked.retiring.is_empty() {
            steps.push(Step::Retire);
        }
        if runs && facts.drafts {
            steps.push(Step::Unpublish);
        }
        if action == Action::Delete && object.is_some() {
            steps.push(Step::Delete);
        }
        let platform = self.platform(&locked.kind);
        let listening = object
            .zip(platform)
            .map(|(object, platform)| listening(platform, &locked.kind, object));
        let reason = self.why_gone(address);
        self.lose(
            &facts,
            Change {
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
                loss: None,
                work: Work {
                    fingerprint: locked.fingerprint.clone(),
                    owner: locked.owner.clone(),
                    document: Value::Null,
                    marked: true,
                    listening: listening.unwrap_or_default(),
                    out: locked.out(),
                    retiring: locked.retiring.clone(),
                    calls: self.goes_before(address),
                    door: match reason {
                        Reason::Suspended => Door::Closes(locked.needs().cloned().collect()),
                        _ => Door::Neither,
                    },
                    ..Work::default()
                },
            },
        );
    }

    /// Whether it is not wanted only as long as its tenant is suspended.
    fn stands_still(&self, address: &Address) -> bool {
        self.tenant.status == Status::Suspended && self.tenant.standstill.contains_key(address)
    }

    fn why_gone(&self, address: &Address) -> Reason {
        match self.tenant.status {
            _ if address.is_shared() => Reason::Unused,
            Status::Deprovisioned => Reason::Deprovisioned,
            _ if self.stands_still(address) => Reason::Suspended,
            _ if self.tenant.known.contains(&address.resource) => Reason::NotWanted,
            _ => Reason::NoLongerInVersion,
        }
    }

    /// The record of an object that nothing proves to be upa's goes, and the object stays.
    fn leave(&mut self, address: &Address, locked: &Locked) {
        let id = locked.id().unwrap_or_default();
        let reading = self.basis.observed.reading(&locked.account, &locked.kind, id);
        let is_gone = matches!(reading, Reading::Absent);
        let lies_in = self.facts(&locked.kind).is_some_and(|facts| !facts.inputs.is_empty());
        // What it lies in is upa's, and goes with everything in it.
        let parent = locked.needs().find(|needed| {
            let is_ours = |parent: &Locked| !parent.is_unproven() && parent.id().is_some();
            let goes = !self.tenant.resources.contains_key(*needed) && !needed.is_shared();
            lies_in && goes && self.lock.resources.get(*needed).is_some_and(is_ours)
        });
        if !is_gone {
            let kind = &locked.kind;
            let stays = match parent {
                Some(parent) => format!("is not deleted by itself, and goes with {parent}"),
                None => "stays on the platform".to_owned(),
            };
            let problem = Problem::warning(format!("{address}: {kind} {id} {stays}: {}", Reason::Unproven.words()));
            self.refuse(problem.at(self.tenant.place.clone()).hint(format!(
                "if it is this tenant's, delete it there, or first take it over: `{} = \"{id}\"` in `[adopt]` of the tenant",
                address.adopt_key()
            )));
        }
        self.forget(address, locked, !is_gone);
    }

    /// An object that an earlier run may have made, that carries no mark, and that is not wanted any more: what is there at
    /// its place stays, and is named. Whether that is all there is to say.
    fn leave_what_was_made(&mut self, address: &Address, facts: &KindFacts, locked: &Locked) -> bool {
        let pending = locked.pending.as_ref();
        let natural = pending.and_then(|pending| pending.natural.as_ref());
        let looked = pending.is_some_and(|pending| pending.look.is_some());
        if !looked || facts.costs || facts.asks_when_lost || !locked.retiring.is_empty() {
            return false;
        }
        let searched = self.searched(&locked.account, address);
        if self.stands_still(address) && matches!(searched, Some(Search::Rivals(_))) {
            // Which of them it is, or whether none, is found out when the tenant is active again.
            return true;
        }
        let there = match (searched, natural) {
            (Some(Search::Nothing), Some(_)) => String::new(),
            (Some(Search::Rivals(rivals)), _) => {
                let ids = rivals.iter().map(|rival| rival.object.id.as_str());
                format!("{} is there: ", listed(ids))
            }
            // It could be looked for, and the answer was no answer.
            (_, Some(_)) => return false,
            (_, None) => "whether it is there cannot be told: ".to_owned(),
        };
        if !there.is_empty() {
            let problem = Problem::warning(format!(
                "{address}: an earlier run may have made this {}, and was cut off; {there}{}",
                locked.kind,
                Reason::Unproven.words()
            ));
            let problem = problem.at(self.tenant.place.clone());
            self.refuse(problem.hint("look for it there, and delete it if it is this tenant's"));
        }
        self.forget(address, locked, !there.is_empty());
        true
    }

    /// The only object of the place that a lost creation was to fill, if it holds this tenant's own webhook address.
    fn made_by_us(&self, address: &Address, facts: &KindFacts, locked: &Locked) -> Option<&'a Rival> {
        if !tells_nothing(facts, locked) {
            return None;
        }
        let at = facts.proof_address.as_ref()?;
        let parts = locked.pending.as_ref()?.natural.as_ref()?.parts()?;
        let (_, told) = parts.into_iter().find(|(path, _)| path == at)?;
        let mut bases = self.lock.versions.values().map(|version| version.base.to_string());
        let holds = bases.any(|base| told.to_string().contains(&base));
        let Some(Search::Rivals(rivals)) = self.searched(&locked.account, address).filter(|_| holds) else {
            return None;
        };
        let [rival] = rivals.as_slice() else { return None };
        let place = (&*locked.account, &*locked.fingerprint);
        let id = &rival.object.id;
        let other = self
            .places
            .recorded(self.basis.registry, place, &locked.kind, address, id);
        (rival.object.mark.is_none() && other.is_none()).then_some(rival)
    }

    fn forget(&mut self, address: &Address, locked: &Locked, stays: bool) {
        let reason = match stays {
            true => Reason::Unproven,
            false => self.why_gone(address),
        };
        self.out.changes.push(Change {
            address: address.clone(),
            kind: locked.kind.clone(),
            account: locked.account.clone(),
            action: Action::Forget,
            reason,
            mover: None,
            steps: Vec::new(),
            id: None,
            moved_from: None,
            fields: Vec::new(),
            place: Some(self.tenant.place.clone()),
            revision: self.tenant.revision,
            costs: false,
            left_behind: false,
            loss: None,
            work: Work {
                fingerprint: locked.fingerprint.clone(),
                owner: locked.owner.clone(),
                marked: true,
                ..Work::default()
            },
        });
    }

    /// A change that may take away what must not be lost unless it is confirmed.
    pub(super) fn lose(&mut self, facts: &KindFacts, change: Change) {
        let takes = match change.action {
            Action::Delete => true,
            Action::Replace => change.reason != Reason::Expires,
            _ => false,
        };
        let why = losses::why(facts, change.action).filter(|_| takes);
        let stated = match self.tenant.is_shared() {
            true => Some(&self.basis.desired.shared.confirmed),
            false => self.tenant.confirmed.as_ref(),
        };
        let loss = why.map(|why| Loss::of(&change, why, stated, self.basis.rules));
        self.out.changes.push(Change { loss, ..change });
    }

    /// A creation nobody knows the outcome of, and nobody wants it any more.
    fn stop_at_lost(&mut self, address: &Address, kind: &Kind) {
        let problem = Problem::error(
            Class::Decision,
            format!(
                "{address} should go, and an earlier run tried to create it and was cut off: nothing on the platform tells whether it is there"
            ),
        );
        let problem = problem.at(self.tenant.place.clone()).hint(format!(
            "look for a {kind} of this tenant, and delete it there if there is one; then: `{}`",
            recreating(address)
        ));
        self.doubt(address, problem);
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
            .hint(format!("if it is really gone: `{}`", recreating(address))),
            Reading::Absent => return,
        };
        self.doubt(address, problem);
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
