//! What is known about one resource: what the lockfile remembers, and what was found.

use super::{Pass, Seen};
use crate::desired::Resource;
use crate::lockfile::{Locked, Look};
use crate::plan::decide::Lock;
use crate::platform::{Cause, Clock, Object, Reading, Search, Unread};
use crate::problem::{Class, Code, Problem, listed};
use crate::resource::{Address, Kind};

impl<'a> Pass<'a> {
    /// Everything that is known about a desired resource; `None` after a problem.
    pub(super) fn look(&mut self, resource: &Resource) -> Option<Seen<'a>> {
        let locked = self.lock.resources.get(&resource.address);
        if let Some(locked) = locked
            && (locked.account != resource.account
                || locked.fingerprint != resource.fingerprint
                || locked.kind != resource.kind)
        {
            let moved = locked.kind == resource.kind && locked.account == resource.account;
            let problem = Problem::error(
                // An account that points elsewhere was not even asked: what names it is wrong.
                if moved { Class::Configuration } else { Class::Decision },
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
        // An id that a run only heard of may be none.
        let heard = |locked: &Locked, id: &str| {
            let reading = self.basis.observed.reading(&resource.account, &resource.kind, id);
            locked.applied.is_none() && !matches!(reading, Reading::Present(_))
        };
        if let Some((recorded, asked)) = other_adopted(resource, locked)
            && !locked.is_some_and(|locked| heard(locked, recorded))
        {
            let problem = Problem::configuration(format!(
                "{} is recorded as object {recorded}, and `[adopt]` names {asked}",
                resource.address
            ));
            self.refuse(problem.at(resource.place.clone()).hint(format!(
                "remove `{}` from `[adopt]`, or name {recorded}; to take over another object deprovision the recorded one first",
                resource.address.adopt_key()
            )));
            return None;
        }
        let mark = resource.address.mark(self.basis.workspace);
        let only_heard = locked
            .and_then(Locked::id)
            .filter(|id| locked.is_some_and(|locked| heard(locked, id)));
        let adopts = resource.adopt.as_deref().filter(|_| only_heard.is_some());
        let (reading, lock) = match adopts.or_else(|| locked.and_then(|locked| locked.id())) {
            Some(id) => (
                self.basis.observed.reading(&resource.account, &resource.kind, id),
                Self::lock_state(locked),
            ),
            None => match &resource.adopt {
                Some(id) => (
                    self.basis.observed.reading(&resource.account, &resource.kind, id),
                    Self::lock_state(locked),
                ),
                _ => (
                    self.search(&resource.account, &resource.kind, &resource.address, locked),
                    Self::lock_state(locked),
                ),
            },
        };
        let reading = self.believed(resource, locked, reading);
        let lone = match &reading {
            Reading::Absent => self.lone(resource, locked),
            Reading::Present(_) | Reading::Unreadable(_) => None,
        };
        let reading = match lone {
            Some(rival) => Reading::Present(Box::new(rival.object.clone())),
            None => reading,
        };
        let recorded = self.is_ours_by_record(&resource.kind, locked, &reading);
        let ours = recorded || matches!(&reading, Reading::Present(object) if object.mark.as_deref() == Some(&*mark));
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
            self.account_failed(&resource.account);
            return None;
        }
        Some(Seen {
            lock,
            locked,
            reading,
            ours,
            adopted,
            lone,
        })
    }

    /// What cannot carry a mark, or does not carry it yet, is ours because the lockfile says so.
    pub(super) fn is_ours_by_record(&self, kind: &Kind, locked: Option<&Locked>, reading: &Reading) -> bool {
        let Some(facts) = self.facts(kind) else { return false };
        let bare = matches!(reading, Reading::Present(object) if object.mark.is_none());
        locked.is_some_and(|locked| locked.id().is_some()) && (!facts.marked || facts.marked_later && bare)
    }

    pub(super) fn lock_state(locked: Option<&Locked>) -> Lock {
        match locked {
            None => Lock::Empty,
            Some(locked) if locked.applied.is_some() => Lock::Applied,
            Some(_) => Lock::Pending,
        }
    }

    pub(super) fn account_failed(&mut self, account: &str) {
        let why = self
            .basis
            .observed
            .accounts
            .get(account)
            .and_then(|answer| answer.failure.as_ref());
        let class = why.map_or(Class::Platform, |failure| failure.problem(account).class);
        let who = if self.tenant.is_shared() {
            "what tenants share".to_owned()
        } else {
            format!("tenant `{}`", self.tenant.name)
        };
        let message = format!("{who} was not planned: account `{account}` could not be read");
        if self.out.failed_accounts.insert(account.to_owned()) {
            self.refuse(Problem::error(class, message).code(Code::AccountNotRead));
        }
    }

    /// The look that a creation is recorded with: nothing was there, and everything was seen.
    pub(super) fn looked(&self, resource: &Resource) -> Option<(Look, Option<Clock>)> {
        let answer = self.basis.observed.accounts.get(&resource.account)?;
        let clock = answer.clock;
        let look = Look {
            at: clock.map(|clock| clock.platform),
            until: None,
        };
        let nothing = matches!(answer.searches.get(&resource.address), Some(Search::Nothing));
        nothing.then_some((look, clock))
    }

    /// An id that a creation was answered with, and that no object has, is no id: where a look for the object's natural key
    /// saw everything, the creation is as one whose answer was lost.
    fn believed(&self, resource: &Resource, locked: Option<&Locked>, reading: Reading) -> Reading {
        let only_begun = locked.is_some_and(|locked| locked.applied.is_none() && locked.id().is_some());
        let searched = self.searched(&resource.account, &resource.address);
        let seen = matches!(searched, Some(Search::Nothing | Search::Rivals(_)));
        match reading {
            Reading::Unreadable(_) if reading.is_said_missing() && only_begun && seen => Reading::Absent,
            other => other,
        }
    }

    /// What looking for an object found besides marks, where its platform could tell.
    pub(super) fn searched(&self, account: &str, address: &Address) -> Option<&'a Search> {
        self.basis.observed.accounts.get(account)?.searches.get(address)
    }

    /// An object whose id nobody knows: by its mark, and by the attempt that was to create it.
    pub(super) fn search(&self, account: &str, kind: &Kind, address: &Address, locked: Option<&Locked>) -> Reading {
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
                // Not every platform has room for the attempt; then the mark alone says whose it is.
                .filter(|object| object.attempt.as_ref().is_none_or(|found| found == attempt))
                .collect(),
            None => candidates.iter().collect(),
        };
        match matching.as_slice() {
            [object] => Reading::Present(Box::new((**object).clone())),
            [] if self.searched(account, address).is_some() => match self.searched(account, address) {
                Some(Search::Unknown(why)) => Reading::Unreadable(Unread::because(why.to_string())),
                _ => Reading::Absent,
            },
            [] if self.basis.observed.is_complete(account, kind) => Reading::Absent,
            [] => Reading::Unreadable(Unread::because("the list of objects could not be read to its end")),
            several => Reading::Unreadable(Unread::new(
                Cause::SeveralMarked,
                format!(
                    "{} objects carry its mark ({}), and nothing tells which is the one upa made",
                    several.len(),
                    listed(several.iter().map(|object| object.id.as_str()))
                ),
            )),
        }
    }
}

/// The recorded id and the one that `[adopt]` names, where that is neither this nor the one that was adopted: an object
/// that was adopted and later replaced keeps its line in `[adopt]`.
fn other_adopted<'a>(resource: &'a Resource, locked: Option<&'a Locked>) -> Option<(&'a str, &'a str)> {
    let asked = resource.adopt.as_deref()?;
    let locked = locked?;
    let adopted = locked.applied.as_ref().and_then(|applied| applied.adopted.as_deref());
    let recorded = locked.id()?;
    (asked != recorded && adopted != Some(asked)).then_some((recorded, asked))
}
