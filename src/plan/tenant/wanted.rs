//! A resource that Git wants: compared with what was found, decided by the table, and put into a change.

use std::collections::BTreeSet;

use super::{Pass, Seen, listening};
use crate::desired::Resource;
use crate::digest::Digest;
use crate::lockfile::Locked;
use crate::plan::change::{Action, Change, Mover, Reason, Work};
use crate::plan::decide::{self, Decision, Found, Lock, Why};
use crate::platform::{Activity, FieldChange, Object, Platform, Reading, Step};
use crate::problem::{Class, Problem};
use crate::symbol;
use crate::workspace::Status;

impl<'a> Pass<'a> {
    pub(super) fn plan_desired(&mut self, resource: &Resource, seen: Seen<'a>) {
        let Some(platform) = self.platform(&resource.kind) else {
            return;
        };
        let recreate = self.basis.rules.recreate.contains(&resource.address);
        let reading = match seen.reading {
            Reading::Unreadable(_) if recreate => Reading::Absent,
            other => other,
        };
        let mut compared = match &reading {
            Reading::Present(object) => Some(self.compare(platform, resource, seen.locked, object)),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let fields = compared.as_mut().map(|compared| std::mem::take(&mut compared.fields));
        let (found, fields, steps) = match &reading {
            Reading::Present(object) => {
                let fields = fields.unwrap_or_default();
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
        let action = match decision {
            Decision::Nothing | Decision::Delete | Decision::Forget => return,
            Decision::Stop(why) => return self.stop(resource, why, &reading),
            Decision::Create if seen.lock == Lock::Applied && self.stop_at_double(resource, seen.locked) => return,
            Decision::Create => Action::Create,
            Decision::Adopt => Action::Adopt,
            Decision::Update => Action::Update,
        };
        if action == Action::Update && self.stop_at_fixed(platform, resource, &fields) {
            return;
        }
        let object = match &reading {
            Reading::Present(object) => Some(&**object),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let steps = match action {
            Action::Create => create_steps(platform, resource),
            // An object that was adopted still needs the mark, so it is written even when nothing else differs.
            _ if !seen.ours && !steps.contains(&Step::Fill) => [vec![Step::Fill], steps].concat(),
            _ => steps,
        };
        let keeps = compared.as_ref().is_some_and(|compared| compared.keeps);
        let mover = compared.as_ref().and_then(|compared| compared.mover);
        let mover = mover.filter(|_| action == Action::Update);
        let document = compared.map_or_else(|| resource.document.clone(), |compared| compared.document);
        let observed = object.map(|object| platform.owned_part(&resource.kind, &document, &object.document));
        let expected = observed.as_ref().map(Digest::of_json);
        let applied = seen.locked.and_then(|locked| locked.applied.as_ref());
        let reason = self.reason(action, &seen.lock, &fields, resource, seen.locked, mover);
        let pending = seen.locked.and_then(|locked| locked.pending.as_ref());
        let written = applied.map(|applied| applied.keys.clone()).unwrap_or_default();
        let keys: BTreeSet<String> = platform.owned(&resource.kind, &resource.document).into_iter().collect();
        self.out.changes.push(Change {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            account: resource.account.clone(),
            action,
            reason,
            mover,
            steps,
            id: object.map(|object| object.id.clone()),
            fields,
            place: Some(resource.place.clone()),
            revision: self.tenant.revision,
            work: Work {
                fingerprint: resource.fingerprint.clone(),
                document,
                asked: keeps.then(|| Digest::of_json(&symbol::symbolic(&resource.document))),
                expected,
                dropped: written.difference(&keys).cloned().collect(),
                keys,
                marked: seen.ours,
                attempt: pending.filter(|_| object.is_some()).map(|pending| pending.attempt),
                entries: resource.entries.clone(),
                listening: object
                    .map(|object| listening(platform, &resource.kind, object))
                    .unwrap_or_default(),
                drafts: platform.facts(&resource.kind).is_some_and(|facts| facts.drafts),
                needs: resource.needs.clone(),
                calls: resource.calls.clone(),
            },
        });
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
        if !fields.is_empty()
            || object.activity == Activity::Archived
            || self.unread_changed(platform, resource, locked)
        {
            steps.push(Step::Fill);
        }
        let unproved = locked
            .and_then(|locked| locked.pending.as_ref())
            .is_some_and(|pending| pending.step == Step::Publish);
        match (resource.runs, object.activity) {
            (_, Activity::NotApplicable) => {}
            (true, Activity::Running) => {
                if unproved || fields.iter().any(|change| platform.needs_publish(&change.field)) {
                    steps.push(Step::Publish);
                }
            }
            (true, Activity::Outdated | Activity::Stopped | Activity::Archived) => steps.push(Step::Publish),
            (false, Activity::Running | Activity::Outdated) => steps.insert(0, Step::Unpublish),
            (false, Activity::Stopped | Activity::Archived) => {}
        }
        steps
    }

    /// A field that is not returned shows only by what was sent.
    pub(super) fn unread_changed(&self, platform: &dyn Platform, resource: &Resource, locked: Option<&Locked>) -> bool {
        let unread = platform
            .facts(&resource.kind)
            .map(|facts| facts.unread)
            .unwrap_or_default();
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let has_unread = unread
            .iter()
            .any(|path| crate::platform::definition::at(&resource.document, path).is_some());
        has_unread
            && applied.is_some_and(|applied| applied.sent != Digest::of_json(&symbol::symbolic(&resource.document)))
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
        match action {
            Action::Create if *lock == Lock::Applied => Reason::DeletedOnPlatform,
            Action::Create if *lock == Lock::Pending => Reason::Unfinished,
            Action::Create => Reason::New,
            Action::Adopt if *lock == Lock::Empty => Reason::AdoptionAsked,
            Action::Adopt => Reason::Unfinished,
            _ if unfinished => Reason::Unfinished,
            _ if !fields.is_empty() && mover.is_none() => Reason::ReferenceChanged,
            _ if !fields.is_empty() => Reason::Changed,
            _ if !resource.runs && self.tenant.status == Status::Suspended => Reason::Suspended,
            _ if mover == Some(Mover::Git) => Reason::Changed,
            _ if resource.runs && stopped => Reason::Resumed,
            _ => Reason::NotRunning,
        }
    }

    /// A field that only a new object can have otherwise: writing it would be refused, or worse, ignored.
    fn stop_at_fixed(&mut self, platform: &dyn Platform, resource: &Resource, fields: &[FieldChange]) -> bool {
        let fixed = platform
            .facts(&resource.kind)
            .map(|facts| facts.fixed)
            .unwrap_or_default();
        let is_fixed = |change: &&FieldChange| {
            let top = change.field.split('.').next();
            fixed.iter().any(|field| field == "*" || Some(field.as_str()) == top)
        };
        let Some(change) = fields.iter().find(is_fixed) else {
            return false;
        };
        let problem = Problem::configuration(format!(
            "{}: `{}` cannot be changed once a {} exists, and this upa does not replace objects yet",
            resource.address, change.field, resource.kind
        ));
        self.refuse(
            problem
                .at(resource.place.clone())
                .hint("change it back; to have another object, remove the resource, apply, and add it again"),
        );
        true
    }

    /// The recorded object is gone and another carries its mark: a copy made by hand, or a lockfile with a wrong id.
    /// Creating a third would be wrong in both cases.
    fn stop_at_double(&mut self, resource: &Resource, locked: Option<&Locked>) -> bool {
        let mark = resource.address.mark(self.basis.workspace);
        let Some([first, ..]) = self
            .marked
            .get(&(resource.account.as_str(), mark.as_str()))
            .map(Vec::as_slice)
        else {
            return false;
        };
        let recorded = locked.and_then(Locked::id).unwrap_or_default();
        let tenant = &self.tenant.name;
        let problem = Problem::error(
            Class::Decision,
            format!(
                "{}: the recorded object ({recorded}) does not exist, but \"{}\" ({}) carries its mark",
                resource.address, first.title, first.id
            ),
        );
        self.refuse(problem.at(resource.place.clone()).hint(format!(
            "if tenants/{tenant}.lock was changed, restore it with git; if {} is a copy made by hand, delete it on the platform",
            first.id
        )));
        true
    }

    pub(super) fn stop(&mut self, resource: &Resource, why: Why, reading: &Reading) {
        let address = &resource.address;
        let problem = match (why, reading) {
            (Why::Unowned, Reading::Present(object)) if resource.adopt.as_ref() == Some(&object.id) => Problem::error(
                Class::Decision,
                format!(
                    "{address}: object {}, which `[adopt]` names, carries the mark `{}`: it belongs to somebody else",
                    object.id,
                    object.mark.as_deref().unwrap_or_default()
                ),
            )
            .hint(format!("remove `{}` from `[adopt]`, or name another object", address.resource)),
            (Why::Unowned, Reading::Present(object)) => Problem::error(
                Class::Decision,
                format!(
                    "{address}: an object with its mark exists ({}), but no lockfile records it",
                    object.id
                ),
            )
            .hint(format!(
                "if tenants/{}.lock was deleted, restore it with git; to take the object over add `{} = \"{}\"` to `[adopt]` of the tenant; else delete it there",
                address.tenant(),
                address.resource,
                object.id
            )),
            (Why::NotMarked, Reading::Present(object)) => Problem::error(
                Class::Decision,
                format!(
                    "{address}: object {} is recorded as ours, but it carries {}",
                    object.id,
                    object
                        .mark
                        .as_ref()
                        .map_or_else(|| "no mark".to_owned(), |mark| format!("the mark `{mark}`"))
                ),
            )
            .hint(match object.mark {
                Some(_) => format!(
                    "it belongs to somebody else: restore tenants/{}.lock as upa wrote it (`git log -- FILE` names the commits)",
                    address.tenant()
                ),
                None => format!(
                    "if it is ours, add `{} = \"{}\"` to `[adopt]` of the tenant",
                    address.resource, object.id
                ),
            }),
            (_, Reading::Unreadable(why)) => {
                let class = if why.contains("carry its mark") {
                    Class::Decision
                } else {
                    Class::Platform
                };
                Problem::error(
                    class,
                    format!("{address} could not be read, so nothing is done about it: {why}"),
                )
                .hint(match &resource.adopt {
                    Some(id) => format!("check the id `{id}` in `[adopt]` of tenants/{}.toml", address.tenant()),
                    None => format!("if it is really gone: --recreate {address}"),
                })
            }
            (_, Reading::Absent | Reading::Present(_)) => Problem::error(
                Class::Configuration,
                format!(
                    "{address}: the object `{}` that is to be adopted does not exist",
                    resource.adopt.as_deref().unwrap_or_default()
                ),
            )
            .hint("correct its id in `[adopt]`, or remove it"),
        };
        self.refuse(problem.at(resource.place.clone()));
    }
}

fn create_steps(platform: &dyn Platform, resource: &Resource) -> Vec<Step> {
    let drafts = platform.facts(&resource.kind).is_some_and(|facts| facts.drafts);
    match (drafts, resource.runs) {
        (true, true) => vec![Step::Create, Step::Fill, Step::Publish],
        (true, false) => vec![Step::Create, Step::Fill],
        // Filling reads back what was created, and writes only if the platform kept something different.
        (false, _) => vec![Step::Create, Step::Fill],
    }
}
