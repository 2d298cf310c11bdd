//! The plan of one tenant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::{Action, Change, Mover, Reason, Work};
use super::decide::{self, Decision, Found, Lock, Why};
use super::{Basis, Marked, Values, order};
use crate::desired::{DesiredTenant, Resource};
use crate::digest::Digest;
use crate::lockfile::{Locked, Lockfile, RequestState};
use crate::platform::{Activity, FieldChange, Object, Platform, Reading, Step};
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, Kind, Owner};
use crate::symbol::{self, Symbol, Unknown};
use crate::workspace::Status;

/// What became of planning one tenant.
#[derive(Default)]
pub struct Outcome {
    pub changes: Vec<Change>,
    pub problems: Vec<Problem>,
    /// Accounts it needs and that could not be read.
    pub failed_accounts: BTreeSet<String>,
    /// Nothing is left to change, but its request is still open.
    pub due: bool,
}

/// Plans one tenant. With an error among its problems it has no changes: a tenant is brought about whole or not at all.
pub fn plan_tenant(basis: &Basis<'_>, marked: &Marked<'_>, tenant: &DesiredTenant, lock: &Lockfile) -> Outcome {
    let mut pass = Pass {
        basis,
        marked,
        tenant,
        lock,
        values: Values {
            bases: Values::bases_of(&lock.versions),
            ..Values::default()
        },
        out: Outcome::default(),
    };
    pass.run();
    let mut out = pass.out;
    for problem in &mut out.problems {
        problem.tenant.get_or_insert_with(|| tenant.name.clone());
    }
    if out.problems.iter().any(Problem::is_error) {
        out.changes.clear();
    } else if let Err(circle) = order::order(&out.changes) {
        out.problems.push(
            Problem::configuration(format!("these steps wait for each other: {}", circle.join(" → ")))
                .tenant(&*tenant.name)
                .at(tenant.place.clone())
                .hint("let one of the resources do without the other's id"),
        );
        out.changes.clear();
    }
    let open = lock.versions.values().any(|version| {
        matches!(
            version.request.state,
            RequestState::Pending | RequestState::Provisioning
        )
    });
    let left_over = tenant.status == Status::Deprovisioned && !lock.versions.is_empty() && lock.resources.is_empty();
    let blocked = out.problems.iter().any(Problem::is_error);
    out.due = out.changes.is_empty() && !blocked && (open || left_over) && !is_finished(tenant, lock);
    out
}

/// A deprovisioned tenant keeps the record of its last request.
fn is_finished(tenant: &DesiredTenant, lock: &Lockfile) -> bool {
    let deprovisioned = |version: &crate::lockfile::Provisioned| {
        version.request.purpose == crate::lockfile::Purpose::Deprovision
            && version.request.state == RequestState::Completed
    };
    tenant.status == Status::Deprovisioned && lock.versions.values().all(deprovisioned)
}

struct Pass<'a> {
    basis: &'a Basis<'a>,
    marked: &'a Marked<'a>,
    tenant: &'a DesiredTenant,
    lock: &'a Lockfile,
    values: Values<'a>,
    out: Outcome,
}

/// What is known about one address.
struct Seen<'a> {
    lock: Lock,
    locked: Option<&'a Locked>,
    reading: Reading,
    /// The object carries the mark of this address.
    ours: bool,
    adopted: bool,
}

impl<'a> Pass<'a> {
    fn run(&mut self) {
        for (account, answer) in &self.basis.observed.accounts {
            self.values.credentials.insert(account, &answer.credentials);
        }
        self.check_version();
        let desired: Vec<&Resource> = self.tenant.resources.values().collect();
        let gone: Vec<(&Address, &Locked)> = self
            .lock
            .resources
            .iter()
            .filter(|(address, _)| !self.tenant.resources.contains_key(*address))
            .collect();
        let mut seen = BTreeMap::new();
        for resource in &desired {
            if let Some(found) = self.look(resource) {
                if let Reading::Present(object) = &found.reading {
                    self.values.ids.insert(resource.address.clone(), object.id.clone());
                }
                seen.insert(&resource.address, found);
            }
        }
        for resource in &desired {
            self.check_credentials(resource);
        }
        for resource in desired {
            if let Some(found) = seen.remove(&resource.address) {
                self.warn_about_copies(&resource.address, &resource.account, &found.reading);
                self.plan_desired(resource, found);
            }
        }
        for (address, locked) in gone {
            self.plan_gone(address, locked);
        }
        self.check_listeners();
    }

    fn refuse(&mut self, problem: Problem) {
        self.out.problems.push(problem);
    }

    fn platform(&self, resource_kind: &Kind) -> Option<&'a dyn Platform> {
        self.basis.registry.of_kind(resource_kind)
    }

    /// Moving a tenant to another version is an upgrade, which is more than a change of files.
    fn check_version(&mut self) {
        let others: Vec<&str> =
            self.lock
                .versions
                .keys()
                .map(String::as_str)
                .filter(|version| {
                    *version != self.tenant.version && self.lock.resources.keys().any(|address| {
                matches!(&address.owner, Owner::Version { version: owner, .. } if owner == version)
            })
                })
                .collect();
        if !others.is_empty() && self.tenant.status != Status::Deprovisioned {
            let problem = Problem::configuration(format!(
                "tenant `{}` is provisioned on {}, and this upa cannot upgrade it to {} yet",
                self.tenant.name,
                listed(others.iter().copied()),
                self.tenant.version
            ));
            self.refuse(
                problem
                    .at(self.tenant.version_place.clone())
                    .hint(format!("set `version = \"{}\"` again", others.first().unwrap_or(&""))),
            );
        }
    }

    /// Everything that is known about a desired resource; `None` after a problem.
    fn look(&mut self, resource: &Resource) -> Option<Seen<'a>> {
        let locked = self.lock.resources.get(&resource.address);
        if let Some(locked) = locked
            && (locked.account != resource.account
                || locked.fingerprint != resource.fingerprint
                || locked.kind != resource.kind)
        {
            let problem = Problem::error(
                Class::Decision,
                if locked.kind != resource.kind {
                    format!(
                        "{} is recorded as a {}, and Git wants a {}",
                        resource.address, locked.kind, resource.kind
                    )
                } else if locked.account != resource.account {
                    format!(
                        "{} is recorded in account `{}`, and Git wants it in account `{}`",
                        resource.address, locked.account, resource.account
                    )
                } else {
                    format!(
                        "{} is recorded in account `{}`, which points to another place now",
                        resource.address, locked.account
                    )
                },
            );
            self.refuse(
                problem
                    .at(resource.place.clone())
                    .hint("point the account to where the objects are; to move a tenant, deprovision it there first"),
            );
            return None;
        }
        let mark = resource.address.mark(self.basis.workspace);
        let (reading, lock) = match locked.and_then(|locked| locked.id()) {
            Some(id) => (
                self.basis.observed.reading(&resource.account, &resource.kind, id),
                Self::lock_state(locked),
            ),
            None => match &resource.adopt {
                Some(id) if locked.is_none() => (
                    self.basis.observed.reading(&resource.account, &resource.kind, id),
                    Lock::Empty,
                ),
                _ => (
                    self.search(&resource.account, &resource.kind, &resource.address, locked),
                    Self::lock_state(locked),
                ),
            },
        };
        let ours = matches!(&reading, Reading::Present(object) if object.mark.as_deref() == Some(&*mark));
        let adopted = match (&reading, &resource.adopt) {
            (Reading::Present(object), Some(id)) => {
                object.id == *id && object.mark.as_ref().is_none_or(|found| *found == mark)
            }
            (_, adopt) => adopt.is_some() && lock == Lock::Empty,
        };
        if let Reading::Unreadable(_) = &reading
            && self
                .basis
                .observed
                .accounts
                .get(&resource.account)
                .is_some_and(|answer| answer.failure.is_some())
        {
            // One finding per account says it for all its objects.
            self.out.failed_accounts.insert(resource.account.clone());
            self.account_failed(&resource.account);
            return None;
        }
        Some(Seen {
            lock,
            locked,
            reading,
            ours,
            adopted,
        })
    }

    fn lock_state(locked: Option<&Locked>) -> Lock {
        match locked {
            None => Lock::Empty,
            Some(locked) if locked.applied.is_some() => Lock::Applied,
            Some(_) => Lock::Pending,
        }
    }

    fn account_failed(&mut self, account: &str) {
        let why = self
            .basis
            .observed
            .accounts
            .get(account)
            .and_then(|answer| answer.failure.as_ref());
        let class = why.map_or(Class::Platform, |failure| failure.problem(account).class);
        let message = format!(
            "tenant `{}` was not planned: account `{account}` could not be read",
            self.tenant.name
        );
        if !self.out.problems.iter().any(|problem| problem.message == message) {
            self.refuse(Problem::error(class, message));
        }
    }

    /// An object whose id nobody knows: by its mark, and by the attempt that was to create it.
    fn search(&self, account: &str, kind: &Kind, address: &Address, locked: Option<&Locked>) -> Reading {
        let mark = address.mark(self.basis.workspace);
        let candidates = self
            .marked
            .get(&(account, mark.as_str()))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let attempt = locked
            .and_then(|locked| locked.pending.as_ref())
            .map(|pending| pending.attempt.to_string());
        let matching: Vec<&&Object> = match &attempt {
            Some(attempt) => candidates
                .iter()
                .filter(|object| object.attempt.as_ref() == Some(attempt))
                .collect(),
            None => candidates.iter().collect(),
        };
        match matching.as_slice() {
            [object] => Reading::Present(Box::new((**object).clone())),
            [] if self.basis.observed.is_complete(account, kind) => Reading::Absent,
            [] => Reading::Unreadable("the list of objects could not be read to its end".to_owned()),
            several => Reading::Unreadable(format!(
                "{} objects carry its mark ({}), and nothing tells which is the one upa made",
                several.len(),
                listed(several.iter().map(|object| object.id.as_str()))
            )),
        }
    }

    /// Every credential it names must be exactly one.
    fn check_credentials(&mut self, resource: &Resource) {
        for symbol in symbol::symbols(&resource.document) {
            let Symbol::Credential { account, name, kind } = &symbol else {
                continue;
            };
            if self
                .basis
                .observed
                .accounts
                .get(account)
                .is_none_or(|answer| answer.failure.is_some())
            {
                self.out.failed_accounts.insert(account.clone());
                self.account_failed(&account.clone());
                continue;
            }
            let found = self.values.matching(account, name, kind);
            if found.len() == 1 {
                continue;
            }
            let same_type: Vec<String> = self
                .values
                .credentials
                .get(account.as_str())
                .copied()
                .unwrap_or_default()
                .iter()
                .filter(|credential| credential.kind == *kind)
                .map(|credential| format!("\"{}\" ({})", credential.name, credential.id))
                .collect();
            let what = if found.is_empty() {
                "there is no".to_owned()
            } else {
                format!("{} are called", found.len())
            };
            let message = if found.is_empty() {
                format!("account `{account}`: {what} credential \"{name}\" of type `{kind}`")
            } else {
                let ids = listed(found.iter().map(|credential| credential.id.as_str()));
                format!("account `{account}`: {what} \"{name}\" (type `{kind}`): {ids}")
            };
            let hint = if same_type.is_empty() {
                format!("create it there: the account has no credential of type `{kind}` that this key sees")
            } else {
                let candidates = listed(same_type.iter().map(String::as_str));
                format!("create it there, or name one of those of this type: {candidates}")
            };
            let place = self.tenant.credentials.get(name).unwrap_or(&self.tenant.place).clone();
            let problem = Problem::configuration(message)
                .tenant(&*self.tenant.name)
                .at(place)
                .hint(hint);
            if !self.out.problems.contains(&problem) {
                self.refuse(problem);
            }
        }
    }

    /// Copies made by hand carry the mark too. They are reported and left alone.
    fn warn_about_copies(&mut self, address: &Address, account: &str, reading: &Reading) {
        let Reading::Present(ours) = reading else { return };
        let mark = address.mark(self.basis.workspace);
        let others = self
            .marked
            .get(&(account, mark.as_str()))
            .map(Vec::as_slice)
            .unwrap_or_default();
        for copy in others.iter().filter(|object| object.id != ours.id) {
            let runs = if copy.activity == Activity::Running {
                ", and it runs"
            } else {
                ""
            };
            self.refuse(
                Problem::warning(format!(
                    "\"{}\" ({}) in account `{account}` carries the mark of {address} and is not the recorded object ({}): probably a copy made by hand{runs}",
                    copy.title, copy.id, ours.id
                ))
                .hint("upa does not touch it: delete it there, or remove its telemetry tag `upa.owner`"),
            );
        }
    }

    fn plan_desired(&mut self, resource: &Resource, seen: Seen<'a>) {
        let Some(platform) = self.platform(&resource.kind) else {
            return;
        };
        let recreate = self.basis.rules.recreate.contains(&resource.address);
        let reading = match seen.reading {
            Reading::Unreadable(_) if recreate => Reading::Absent,
            other => other,
        };
        let (found, fields, steps) = match &reading {
            Reading::Present(object) => {
                let (fields, steps) = self.difference(platform, resource, seen.locked, object);
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
            Decision::Create => Action::Create,
            Decision::Adopt => Action::Adopt,
            Decision::Update => Action::Update,
        };
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
        let observed = object.map(|object| platform.owned_part(&resource.kind, &resource.document, &object.document));
        let expected = observed.as_ref().map(Digest::of_json);
        let applied = seen.locked.and_then(|locked| locked.applied.as_ref());
        let mover = applied.filter(|_| action == Action::Update).and_then(|applied| {
            let git = applied.sent != Digest::of_json(&symbol::symbolic(&resource.document));
            let there = expected.as_ref() != Some(&applied.read);
            match (git, there) {
                (true, true) => Some(Mover::Both),
                (true, false) => Some(Mover::Git),
                (false, true) => Some(Mover::Platform),
                (false, false) => None,
            }
        });
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
                document: resource.document.clone(),
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

    /// What differs, and the steps that would make it the same.
    fn difference(
        &self,
        platform: &dyn Platform,
        resource: &Resource,
        locked: Option<&Locked>,
        object: &Object,
    ) -> (Vec<FieldChange>, Vec<Step>) {
        let document = symbol::resolve(&resource.document, &|symbol| self.values.of(symbol), Unknown::Keep);
        let applied = locked.and_then(|locked| locked.applied.as_ref());
        let written: Vec<String> = applied
            .map(|applied| applied.keys.iter().cloned().collect())
            .unwrap_or_default();
        let fields = platform.compare(&resource.kind, &document, &object.document, &written);
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
        (fields, steps)
    }

    /// A field that is not returned shows only by what was sent.
    fn unread_changed(&self, platform: &dyn Platform, resource: &Resource, locked: Option<&Locked>) -> bool {
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

    fn reason(
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

    fn stop(&mut self, resource: &Resource, why: Why, reading: &Reading) {
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

    /// A recorded resource that Git says is gone.
    fn plan_gone(&mut self, address: &Address, locked: &Locked) {
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
        let ours = matches!(&reading, Reading::Present(object) if object.mark.as_deref() == Some(&*mark));
        let deleting = locked
            .pending
            .as_ref()
            .is_some_and(|pending| pending.step == Step::Delete);
        let found = match &reading {
            Reading::Present(_) => Found::Same,
            Reading::Absent => Found::Absent,
            Reading::Unreadable(_) if self.basis.rules.recreate.contains(address) => Found::Absent,
            // An earlier run was cut off while it deleted just this object.
            Reading::Unreadable(_) if deleting && reading.is_said_missing() => Found::Absent,
            Reading::Unreadable(_) => Found::Unreadable,
        };
        let action = match decide::decide(false, Self::lock_state(Some(locked)), found, ours, false) {
            Decision::Delete => Action::Delete,
            Decision::Forget => Action::Forget,
            Decision::Stop(_) => return self.stop_gone(address, &reading),
            Decision::Nothing | Decision::Create | Decision::Adopt | Decision::Update => return,
        };
        let object = match &reading {
            Reading::Present(object) => Some(&**object),
            Reading::Absent | Reading::Unreadable(_) => None,
        };
        let runs = object.is_some_and(|object| matches!(object.activity, Activity::Running | Activity::Outdated));
        let steps = match (action, runs) {
            (Action::Delete, true) => vec![Step::Unpublish, Step::Delete],
            (Action::Delete, false) => vec![Step::Delete],
            _ => Vec::new(),
        };
        let platform = self.platform(&locked.kind);
        let listening = object
            .zip(platform)
            .map(|(object, platform)| listening(platform, &locked.kind, object));
        let reason = if self.tenant.status == Status::Deprovisioned {
            Reason::Deprovisioned
        } else {
            Reason::NoLongerInVersion
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
            fields: Vec::new(),
            place: Some(self.tenant.place.clone()),
            revision: self.tenant.revision,
            work: Work {
                fingerprint: locked.fingerprint.clone(),
                document: Value::Null,
                marked: true,
                listening: listening.unwrap_or_default(),
                calls: object
                    .map(|object| self.mentioned(&object.document, address))
                    .unwrap_or_default(),
                ..Work::default()
            },
        });
    }

    fn stop_gone(&mut self, address: &Address, reading: &Reading) {
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

    /// The other recorded objects of the tenant whose ids stand in a document.
    fn mentioned(&self, document: &Value, own: &Address) -> BTreeSet<Address> {
        let ids: BTreeMap<&str, &Address> = self
            .lock
            .resources
            .iter()
            .filter(|(address, _)| *address != own)
            .filter_map(|(address, locked)| Some((locked.id()?, address)))
            .collect();
        let mut found = BTreeSet::new();
        collect_mentioned(document, &ids, &mut found);
        found
    }

    /// Nobody else may listen where this tenant will.
    fn check_listeners(&mut self) {
        let mut problems = Vec::new();
        for change in self
            .out
            .changes
            .iter()
            .filter(|change| change.steps.contains(&Step::Publish))
        {
            let listeners = self
                .basis
                .observed
                .accounts
                .get(&change.account)
                .map(|answer| answer.listeners.as_slice());
            for entry in change.work.entries.iter().filter(|entry| entry.exclusive) {
                let path = symbol::resolve(
                    &Value::from(&*entry.path),
                    &|symbol| self.values.of(symbol),
                    Unknown::Keep,
                );
                let taken = listeners.unwrap_or_default().iter().find(|listener| {
                    path == *listener.path
                        && entry.method.split(',').any(|method| method == listener.method)
                        && Some(&listener.object) != change.id.as_ref()
                });
                if let Some(taken) = taken {
                    problems.push(
                        Problem::error(
                            Class::Decision,
                            format!(
                                "{}: \"{}\" ({}) in account `{}` listens at its webhook `{}` already, so calls would reach the wrong workflow",
                                change.address, taken.title, taken.object, change.account, entry.name
                            ),
                        )
                        .hint("unpublish that workflow; if it is a copy made by hand, delete it"),
                    );
                }
            }
        }
        self.out.problems.extend(problems);
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

/// Where an object answers now.
fn listening(platform: &dyn Platform, kind: &Kind, object: &Object) -> Vec<(String, String)> {
    match object.activity {
        Activity::Running | Activity::Outdated => platform.listening(kind, &object.document),
        Activity::Stopped | Activity::Archived | Activity::NotApplicable => Vec::new(),
    }
}

fn collect_mentioned(document: &Value, ids: &BTreeMap<&str, &Address>, found: &mut BTreeSet<Address>) {
    match document {
        Value::String(text) => {
            if let Some(address) = ids.get(text.as_str()) {
                found.insert((*address).clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_mentioned(item, ids, found)),
        Value::Object(map) => map.values().for_each(|item| collect_mentioned(item, ids, found)),
        _ => {}
    }
}
