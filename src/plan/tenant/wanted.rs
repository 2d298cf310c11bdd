//! A resource that Git wants: compared with what was found, decided by the table, and put into a change.

use std::collections::BTreeSet;

use serde_json::Value;

use super::placed::Placed;
use super::{Pass, Seen, listening};
use crate::desired::Resource;
use crate::digest::Digest;
use crate::lockfile::Locked;
use crate::plan::change::{Action, Change, Door, Mover, Reason, Work};
use crate::plan::decide::{self, Decision, Found, Lock};
use crate::plan::unseen::{self, Difference};
use crate::platform::suspension::Effect;
use crate::platform::{Activity, FieldChange, KindFacts, Object, Platform, Reading, Step, hidden};
use crate::problem::{Class, Problem};
use crate::symbol;
use crate::workspace::Status;

impl<'a> Pass<'a> {
    pub(super) fn plan_desired(&mut self, resource: &Resource, seen: Seen<'a>) {
        let Some(platform) = self.platform(&resource.kind) else {
            return;
        };
        let recreate = self.basis.rules.recreate.contains(&resource.address);
        let facts = platform.facts(&resource.kind).unwrap_or_default();
        let placed = self.placed(platform, resource, seen.locked);
        let unproven = self.unproven.contains(&resource.address);
        if unproven && placed == Placed::Right && self.plan_unproven(platform, resource, &seen) {
            return;
        }
        let reading = match seen.reading {
            // Git wants another one; this one is left as it is.
            Reading::Present(_) if unproven => Reading::Absent,
            // Said by a person, or its parent is not there, so that it is not there either.
            Reading::Unreadable(_) if self.absent.contains(&resource.address) => Reading::Absent,
            other => other,
        };
        let mut unseen = Difference::default();
        let mut compared = None;
        let (found, fields, steps) = match &reading {
            Reading::Present(object) => {
                unseen = self.unseen(platform, resource, seen.locked);
                let mut now = self.compare(platform, resource, seen.locked, object, &unseen);
                let fields = std::mem::take(&mut now.fields);
                compared = Some(now);
                let steps = self.steps(platform, resource, seen.locked, object, &fields);
                let found = if fields.is_empty() && steps.is_empty() {
                    Found::Same
                } else {
                    Found::Different
                };
                (found, fields, steps)
            }
            Reading::Absent => (Found::Absent, Vec::new(), Vec::new()),
            Reading::Unreadable(_) => (Found::Unreadable, Vec::new(), Vec::new()),
        };
        let decision = decide::decide(true, seen.lock, found, seen.ours, seen.adopted);
        let replaced = match &reading {
            Reading::Present(_) => {
                self.doubt_expiry(&facts, resource, seen.locked);
                self.replacement(&facts, seen.locked, &fields, placed)
            }
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let mut retiring = seen.locked.map(|locked| locked.retiring.clone()).unwrap_or_default();
        let action = match decision {
            Decision::Update | Decision::Nothing if replaced.is_some() => Action::Replace,
            // A run was cut off after it had made it, and Git wants it elsewhere now.
            Decision::Adopt if replaced == Some(Reason::Moved) => Action::Replace,
            Decision::Nothing if !retiring.is_empty() => Action::Update,
            // It is there already as it is to be while its tenant is suspended, or after: that remains to be recorded.
            Decision::Nothing if stands_otherwise(resource, seen.locked) => Action::Update,
            // A run was cut off right after it was done: that is what remains to be recorded.
            Decision::Nothing if seen.locked.is_some_and(|locked| locked.pending.is_some()) => Action::Update,
            Decision::Nothing if self.moves.contains_key(&resource.address) => Action::Move,
            // A person says that it is upa's.
            Decision::Nothing if seen.locked.is_some_and(Locked::is_unproven) => Action::Adopt,
            Decision::Nothing | Decision::Delete | Decision::Forget => return,
            Decision::Stop(why) => return self.stop(resource, why, &reading),
            Decision::Create if seen.lock == Lock::Applied && self.stop_at_double(resource, seen.locked) => return,
            Decision::Create if !unproven && self.stop_at_rivals(&facts, resource, seen.locked, recreate) => return,
            Decision::Create if facts.gate => Action::Wait,
            Decision::Create => Action::Create,
            Decision::Adopt => Action::Adopt,
            Decision::Update => Action::Update,
        };
        let object = match &reading {
            Reading::Present(object) => Some(&**object),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        // The new one is made before the old one is deleted.
        let overlaps = matches!(replaced, Some(Reason::Expires | Reason::Unfinished));
        let mut steps = match action {
            Action::Create | Action::Wait => create_steps(&facts, resource),
            Action::Replace if overlaps => create_steps(&facts, resource),
            Action::Replace => [vec![Step::Delete], create_steps(&facts, resource)].concat(),
            // An object that was adopted still needs the mark, so it is written even when nothing else differs.
            _ if (!seen.ours || seen.lone.is_some()) && !steps.contains(&Step::Fill) => {
                // What was taken over is read once more before it is recorded.
                [vec![Step::Fill], steps].concat()
            }
            _ => steps,
        };
        if let (Action::Replace, true, Some(locked)) = (action, overlaps, seen.locked) {
            let before = locked.applied.iter();
            retiring.extend(before.map(|applied| (applied.id.clone(), applied.out.clone())));
        }
        if !retiring.is_empty() {
            // A successor that was found is recorded before what it replaces is deleted.
            if seen.lock == Lock::Pending && steps.is_empty() {
                steps.push(Step::Fill);
            }
            steps.push(Step::Retire);
        }
        let keeps = compared.as_ref().is_some_and(|compared| compared.keeps);
        let mover = compared.as_ref().and_then(|compared| compared.mover);
        let mover = mover.filter(|_| action == Action::Update);
        // What is made anew keeps nothing.
        let document = compared.filter(|_| matches!(action, Action::Update | Action::Adopt | Action::Move));
        let keeps = keeps && document.is_some();
        let document = document.map_or_else(|| resource.document.clone(), |compared| compared.document);
        let observed = object.map(|object| platform.owned_part(&resource.kind, &document, &object.document));
        let expected = observed.as_ref().map(Digest::of_json);
        let applied = seen.locked.and_then(|locked| locked.applied.as_ref());
        let reason = match replaced.filter(|_| action == Action::Replace) {
            Some(reason) => reason,
            None if steps == [Step::Retire] => Reason::Superseded,
            None if unproven => Reason::CannotChange,
            None => match self.reason(action, &seen.lock, &fields, resource, seen.locked, mover) {
                Reason::Changed if !fields.is_empty() && fields.len() == unseen.rotated.len() => Reason::Rotated,
                Reason::NotRunning if object.is_some_and(|object| object.activity == Activity::NotApplicable) => {
                    Reason::Unmarked
                }
                Reason::NotRunning if object.is_some_and(|object| object.activity == Activity::Silent) => {
                    Reason::Silent
                }
                reason => reason,
            },
        };
        let pending = seen.locked.and_then(|locked| locked.pending.as_ref());
        // A platform that recognises an attempt answers with what that attempt has made: never with what is deleted now.
        let goes_on = match action {
            Action::Replace => replaced == Some(Reason::Expires) && applied.is_some(),
            _ => object.is_some() || facts.repeats_create && pending.is_some_and(|pending| pending.id.is_none()),
        };
        let written = applied.map(|applied| applied.keys.clone()).unwrap_or_default();
        let door = self.door(action, &facts, resource, seen.locked);
        let keys: BTreeSet<String> = platform.owned(&resource.kind, &resource.document).into_iter().collect();
        let gentle = seen.lock != Lock::Applied && self.is_gentle(&facts, resource);
        let lost = facts.clone();
        self.lose(
            &lost,
            Change {
                address: resource.address.clone(),
                kind: resource.kind.clone(),
                account: resource.account.clone(),
                action,
                reason,
                mover,
                steps,
                id: object.map(|object| object.id.clone()),
                moved_from: self.moves.get(&resource.address).cloned(),
                fields,
                place: Some(resource.place.clone()),
                revision: self.tenant.revision,
                costs: facts.costs && matches!(action, Action::Create | Action::Replace),
                left_behind: facts.left_behind && action == Action::Replace,
                loss: None,
                work: Work {
                    fingerprint: resource.fingerprint.clone(),
                    owner: self.basis.observed.owner(&resource.account).map(str::to_owned),
                    document,
                    asked: keeps.then(|| Digest::of_json(&symbol::symbolic(&resource.document))),
                    expected,
                    dropped: written.difference(&keys).cloned().collect(),
                    keys,
                    marked: seen.ours,
                    attempt: pending.filter(|_| goes_on).map(|pending| pending.attempt),
                    entries: resource.entries.clone(),
                    listening: object
                        .map(|object| listening(platform, &resource.kind, object))
                        .unwrap_or_default(),
                    drafts: facts.drafts,
                    out: seen.locked.map(Locked::out).unwrap_or_default(),
                    retiring,
                    hidden: facts.hidden(),
                    create_only: facts.create_only,
                    rotated: unseen.rotated,
                    natural: self.places.natural(&resource.address).cloned(),
                    look: self.looked(resource),
                    unproven: false,
                    gentle,
                    needs: resource.needs.clone(),
                    calls: resource.calls.clone(),
                    after: BTreeSet::new(),
                    door,
                },
            },
        );
    }

    /// The steps that would make it as Git wants it.
    fn steps(
        &self,
        platform: &dyn Platform,
        resource: &Resource,
        locked: Option<&Locked>,
        object: &Object,
        fields: &[FieldChange],
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let facts = platform.facts(&resource.kind).unwrap_or_default();
        // A run that was cut off between the creation and the call that brings the mark.
        let bare = facts.marked_by_call && object.mark.is_none();
        if !fields.is_empty() || bare || object.activity == Activity::Archived {
            steps.push(Step::Fill);
        }
        let unproved = locked
            .and_then(|locked| locked.pending.as_ref())
            .is_some_and(|pending| pending.step == Step::Publish);
        let waits = facts.waits && !facts.gate;
        let pending = locked.and_then(|locked| locked.pending.as_ref());
        if waits && (!steps.is_empty() || pending.is_some()) {
            steps.push(Step::Wait);
        }
        match (resource.runs, object.activity) {
            (_, Activity::NotApplicable) => {}
            (true, Activity::Running) => {
                if unproved || fields.iter().any(|change| platform.needs_publish(&change.field)) {
                    steps.push(Step::Publish);
                }
            }
            // Publishing what is published already need not bring its webhooks back.
            (true, Activity::Silent) => steps.extend([Step::Unpublish, Step::Publish]),
            (true, Activity::Outdated | Activity::Stopped | Activity::Archived) => steps.push(Step::Publish),
            (false, Activity::Running | Activity::Silent | Activity::Outdated) => steps.insert(0, Step::Unpublish),
            (false, Activity::Stopped | Activity::Archived) => {}
        }
        steps
    }

    /// A field that is not returned shows only by what was sent.
    fn unseen(&mut self, platform: &dyn Platform, resource: &Resource, locked: Option<&Locked>) -> Difference {
        let facts = platform.facts(&resource.kind).unwrap_or_default();
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let mut difference = unseen::difference(
            &resource.address,
            &resource.document,
            &facts.hidden(),
            applied,
            self.basis.secrets,
        );
        if applied.is_none() {
            // An earlier run was cut off, or somebody else made it: what is there is not known to differ, and only what
            // can be written may be written to be sure.
            let writable =
                |field: &str| !hidden::covers(&facts.create_only, field) && !hidden::covers(&facts.fixed, field);
            difference.fields.retain(|change| writable(&change.field));
        }
        self.not_compared.extend(difference.not_compared.clone());
        difference
    }

    pub(super) fn reason(
        &self,
        action: Action,
        lock: &Lock,
        fields: &[FieldChange],
        resource: &Resource,
        locked: Option<&Locked>,
        mover: Option<Mover>,
    ) -> Reason {
        let unfinished = locked.is_some_and(|locked| locked.pending.is_some());
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let stopped = applied.is_some_and(|applied| applied.stopped);
        let switched = match (resource.runs, stopped) {
            (false, false) if self.tenant.status == Status::Suspended => Some(Reason::Suspended),
            (true, true) => Some(Reason::Resumed),
            _ => None,
        };
        let written = self.facts(&resource.kind).is_some_and(|facts| !facts.drafts);
        match action {
            Action::Move => Reason::Renamed,
            Action::Wait => Reason::Awaited,
            Action::Create if *lock == Lock::Applied => Reason::DeletedOnPlatform,
            Action::Create if *lock == Lock::Pending => Reason::Unfinished,
            Action::Create if self.was_removed(resource) => Reason::Resumed,
            Action::Create => Reason::New,
            Action::Adopt if *lock == Lock::Empty => Reason::AdoptionAsked,
            Action::Adopt => Reason::Unfinished,
            _ if unfinished => Reason::Unfinished,
            _ if written && mover != Some(Mover::Platform) && switched.is_some() => switched.unwrap_or(Reason::Changed),
            _ if !fields.is_empty() && mover.is_none() => Reason::ReferenceChanged,
            _ if !fields.is_empty() => Reason::Changed,
            _ if switched == Some(Reason::Suspended) => Reason::Suspended,
            _ if mover == Some(Mover::Git) => Reason::Changed,
            _ if switched == Some(Reason::Resumed) => Reason::Resumed,
            _ if !resource.runs && stopped => Reason::Restarted,
            _ => Reason::NotRunning,
        }
    }

    /// Whether it is created because its tenant is active again: it was removed while the tenant was suspended.
    fn was_removed(&self, resource: &Resource) -> bool {
        let recorded = self.lock.versions.get(&self.tenant.version);
        let still = self.tenant.standstill.get(&resource.address);
        recorded.is_some_and(|known| known.suspended)
            && still.is_some_and(|still| still.suspension.effect() == Effect::Removes)
    }

    /// Whether a change closes or opens a way in: workflows are published in an order of their own.
    fn door(&self, action: Action, facts: &KindFacts, resource: &Resource, locked: Option<&Locked>) -> Door {
        let suspended = self.tenant.status == Status::Suspended && !resource.runs;
        match action {
            _ if facts.drafts => Door::Neither,
            Action::Create if self.was_removed(resource) => Door::Opens,
            Action::Update if stands_otherwise(resource, locked) && suspended => {
                let led_to = locked.into_iter().flat_map(Locked::needs);
                Door::Closes(led_to.cloned().collect())
            }
            Action::Update if stands_otherwise(resource, locked) && resource.runs => Door::Opens,
            _ => Door::Neither,
        }
    }

    /// Why an object that is there must make way for a new one, if so.
    fn replacement(
        &self,
        facts: &KindFacts,
        locked: Option<&Locked>,
        fields: &[FieldChange],
        placed: Placed,
    ) -> Option<Reason> {
        if placed != Placed::Right {
            return Some(Reason::Moved);
        }
        let is_fixed = |change: &FieldChange| {
            let top = change.field.split('.').next();
            !facts.updates
                || facts
                    .fixed
                    .iter()
                    .any(|field| field == "*" || Some(field.as_str()) == top)
        };
        if fields.iter().any(is_fixed) {
            return Some(Reason::CannotChange);
        }
        let deleting = locked.and_then(|locked| {
            let (applied, pending) = (locked.applied.as_ref()?, locked.pending.as_ref()?);
            Some(pending.step == Step::Delete && pending.id.as_ref() == Some(&applied.id))
        });
        // A run was cut off while it deleted it, and no call shows whether it is there.
        if deleting == Some(true) && hidden::covers(&facts.unread, "*") {
            return Some(Reason::Unfinished);
        }
        let (out, before) = facts.renew.as_ref()?;
        let expires = locked?.out().get(out).and_then(milliseconds)?;
        let before = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        let is_due = self.basis.rules.now_ms.saturating_add(before) >= expires;
        (is_due && !self.basis.observed.is_apart(&locked?.account)).then_some(Reason::Expires)
    }
}

impl Pass<'_> {
    /// What is recorded of when it expires, and is no time, never falls due: that is said.
    fn doubt_expiry(&mut self, facts: &KindFacts, resource: &Resource, locked: Option<&Locked>) {
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let (Some((out, _)), Some(applied)) = (&facts.renew, applied) else {
            return;
        };
        let Some(told) = applied.out.get(out).filter(|told| milliseconds(told).is_none()) else {
            return;
        };
        let mut told = told.to_string();
        told.truncate(told.char_indices().nth(40).map_or(told.len(), |(end, _)| end));
        let message = format!(
            "{}: when it expires is not known, so that it is not replaced in time: its recorded `{out}` is {told}, which is \
             no time",
            resource.address
        );
        let hint = format!("delete {} there: the next `upa apply` makes another", applied.id);
        self.out.problems.push(
            Problem::error(Class::Platform, message)
                .into_warning()
                .tenant(&*self.tenant.name)
                .hint(hint),
        );
    }
}

/// A time an output tells: RFC 3339, or milliseconds since 1970.
fn milliseconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text
            .parse::<i64>()
            .ok()
            .or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())),
        _ => None,
    }
}

/// Whether it is recorded as it is while its tenant is suspended and is not to be so any more, or the other way round.
fn stands_otherwise(resource: &Resource, locked: Option<&Locked>) -> bool {
    let applied = locked.and_then(|locked| locked.applied.as_ref());
    applied.is_some_and(|applied| applied.stopped == resource.runs)
}

fn create_steps(facts: &KindFacts, resource: &Resource) -> Vec<Step> {
    if facts.gate {
        return vec![Step::Wait];
    }
    // Filling reads back what was created, and writes only if the platform kept something different.
    let mut steps = vec![Step::Create, Step::Fill];
    if facts.waits {
        steps.push(Step::Wait);
    }
    match (facts.drafts, resource.runs) {
        (true, true) => steps.push(Step::Publish),
        // What is created runs.
        (false, false) if facts.suspension.effect() == Effect::Stops => steps.push(Step::Unpublish),
        _ => {}
    }
    steps
}
