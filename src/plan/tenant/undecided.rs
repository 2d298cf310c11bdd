//! Why nothing can be done about a resource that Git wants, until a person has decided.

use std::collections::BTreeSet;

use super::Pass;
use crate::desired::Resource;
use crate::lockfile::Locked;
use crate::plan::decide::Why;
use crate::plan::originals;
use crate::platform::{Cause, KindFacts, Object, Reading, Rival, Search, Step};
use crate::problem::{Class, Problem, listed};
use crate::resource::Address;

impl Pass<'_> {
    /// Objects with the natural key of one that is to be created, or a creation nobody knows the outcome of.
    pub(super) fn stop_at_rivals(
        &mut self,
        facts: &KindFacts,
        resource: &Resource,
        locked: Option<&Locked>,
        recreate: bool,
    ) -> bool {
        if recreate {
            return false;
        }
        let address = &resource.address;
        let tried = locked
            .and_then(|locked| locked.pending.as_ref())
            .is_some_and(|pending| pending.step == Step::Create && pending.id.is_none());
        let searched = self.searched(&resource.account, address);
        let rivals = self.strangers(resource, searched);
        let problem = match searched {
            Some(Search::Rivals(_)) if rivals.is_empty() => return false,
            Some(Search::Rivals(_)) if self.rival_of_another(resource, &rivals).is_some() => {
                let (id, other) = self.rival_of_another(resource, &rivals).unwrap_or_default();
                Problem::configuration(format!("{address}: the one that is there already ({id}) belongs to {other}")).hint(
                    "an object belongs to one address: give this tenant another value in `[inputs]`, or share the resource with `scope = \"account\"` in the version",
                )
            }
            Some(Search::Rivals(_)) => {
                let ids = rivals.iter().map(|rival| format!("\"{}\" ({})", rival.object.title, rival.object.id));
                let ids: Vec<String> = ids.collect();
                let what = if tried {
                    "an earlier run tried to create it and was cut off, and there is one like it"
                } else {
                    "there is one like it already, and nothing says that it is upa's"
                };
                let id = rivals.first().map(|rival| rival.object.id.as_str()).unwrap_or_default();
                let problem = format!("{address}: {what}: {}", listed(ids.iter().map(String::as_str)));
                Problem::error(Class::Decision, problem).hint(format!(
                    "to take it over {}; if it is somebody else's, give ours another name",
                    taking_over(address, id)
                ))
            }
            _ if tried && facts.asks_when_lost => Problem::error(
                Class::Decision,
                format!("{address}: an earlier run tried to create it and was cut off, and nothing on the platform tells whether it is there"),
            )
            .hint(format!(
                "look there: if it is, {}; if it is not: `{}`",
                taking_over(address, "<its id>"),
                recreating(address)
            )),
            _ => return false,
        };
        self.doubt(address, problem.at(resource.place.clone()));
        true
    }

    /// The recorded object is gone and another carries its mark: a copy made by hand, or a lockfile with a wrong id.
    /// Creating a third would be wrong in both cases.
    pub(super) fn stop_at_double(&mut self, resource: &Resource, locked: Option<&Locked>) -> bool {
        let mark = resource.address.mark(self.basis.workspace);
        let Some([first, others @ ..]) = self
            .marked
            .get(&(resource.account.as_str(), mark.as_str()))
            .map(Vec::as_slice)
        else {
            return false;
        };
        if others.is_empty() && self.stop_at_original(resource, locked) {
            return true;
        }
        let recorded = locked.and_then(Locked::id).unwrap_or_default();
        let tenant = &self.tenant.name;
        let problem = Problem::error(
            Class::Decision,
            format!(
                "{}: the recorded object ({recorded}) does not exist, but \"{}\" ({}) carries its mark",
                resource.address, first.title, first.id
            ),
        );
        let problem = problem.at(resource.place.clone()).hint(format!(
            "if tenants/{tenant}.lock was changed, restore it with git; if {} is a copy made by hand, delete it on the platform",
            first.id
        ));
        self.doubt(&resource.address, problem);
        true
    }

    /// The objects found that are not this tenant's by record: its own it replaces or moves.
    pub(super) fn strangers<'s>(&self, resource: &Resource, searched: Option<&'s Search>) -> Vec<&'s Rival> {
        let Some(Search::Rivals(rivals)) = searched else {
            return Vec::new();
        };
        let own = self
            .lock
            .resources
            .values()
            .filter(|locked| locked.kind == resource.kind);
        let own: BTreeSet<&str> = own.flat_map(Locked::ids).collect();
        rivals
            .iter()
            .filter(|rival| !own.contains(rival.object.id.as_str()))
            .collect()
    }

    /// The first of these objects that a lockfile records at another address, and that address.
    fn rival_of_another(&self, resource: &Resource, rivals: &[&Rival]) -> Option<(String, String)> {
        rivals.iter().find_map(|rival| {
            let other =
                self.places
                    .recorded_by_other(self.basis.registry, resource, &resource.address, &rival.object.id)?;
            Some((rival.object.id.clone(), other.to_string()))
        })
    }

    /// The one object that carries the mark of an address, where another one is recorded for it.
    pub(super) fn original(&self, address: &Address, locked: &Locked) -> Option<&Object> {
        originals::original(self.basis.workspace, self.marked, address, Some(locked))
    }

    /// The recorded object cannot be had, or is another's, and the one that carries the mark is there: making a second one
    /// would be wrong.
    pub(super) fn stop_at_original(&mut self, resource: &Resource, locked: Option<&Locked>) -> bool {
        let address = &resource.address;
        let Some(object) = locked.and_then(|locked| self.original(address, locked)) else {
            return false;
        };
        let recorded = locked.and_then(Locked::id).unwrap_or_default();
        let why = format!(
            "{address}: the recorded object ({recorded}) is not the one that carries its mark, which is \"{}\" ({}): the lockfile was changed by hand, or the object is a copy made by hand whose original was deleted",
            object.title, object.id
        );
        let problem = Problem::error(Class::Decision, why).at(resource.place.clone());
        self.refuse(problem.hint(originals::command(address, object)));
        true
    }

    pub(super) fn stop(&mut self, resource: &Resource, why: Why, reading: &Reading) {
        let address = &resource.address;
        let locked = self.lock.resources.get(address);
        if why != Why::Unowned && self.stop_at_original(resource, locked) {
            return;
        }
        if let (Why::Unowned, Reading::Present(object)) = (why, reading)
            && self
                .places
                .recorded_by_other(self.basis.registry, resource, address, &object.id)
                .is_some()
        {
            // The finding about the place says whose it is.
            return;
        }
        let problem = match (why, reading) {
            (Why::Unowned, Reading::Present(object)) if resource.adopt.as_ref() == Some(&object.id) => Problem::error(
                Class::Decision,
                format!(
                    "{address}: object {}, which `[adopt]` names, carries the mark `{}`: it belongs to somebody else",
                    object.id,
                    object.mark.as_deref().unwrap_or_default()
                ),
            )
            .hint(format!("remove `{}` from `[adopt]`, or name another object", address.adopt_key())),
            (Why::Unowned, Reading::Present(object)) => Problem::error(
                Class::Decision,
                format!(
                    "{address}: an object with its mark exists ({}), but no lockfile records it",
                    object.id
                ),
            )
            .hint(format!(
                "if tenants/{}.lock was deleted, restore it with git, or rebuild it with `upa recover {}`; to take the object over add `{} = \"{}\"` to `[adopt]` of the tenant; else delete it there",
                address.tenant(),
                address.tenant(),
                address.adopt_key(),
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
                    address.adopt_key(),
                    object.id
                ),
            }),
            (_, Reading::Unreadable(why)) => {
                let class = match why.cause {
                    Cause::SeveralMarked => Class::Decision,
                    Cause::SaidMissing | Cause::NotRead => Class::Platform,
                };
                Problem::error(
                    class,
                    format!("{address} could not be read, so nothing is done about it: {why}"),
                )
                .hint(match &resource.adopt {
                    Some(id) => format!("check the id `{id}` in `[adopt]` of tenants/{}.toml", address.tenant()),
                    None if self.lock.resources.get(address).is_some_and(|locked| locked.applied.is_some()) => {
                        format!("if it is really gone: `{}`", recreating(address))
                    }
                    None => "run it again: what cannot be read now may be there".to_owned(),
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
        let problem = problem.at(resource.place.clone());
        // What a person says is there is perhaps misspelt, and a list that was not read to its end says nothing of its kind:
        // nothing of a new tenant is made around it.
        let unread = resource.adopt.is_some() || matches!(reading, Reading::Unreadable(_));
        match unread && !self.lock.resources.contains_key(address) {
            true => self.refuse(problem),
            false => self.doubt(address, problem),
        }
    }
}

/// How an object is taken over. Nobody's file speaks for what several tenants share.
fn taking_over(address: &Address, id: &str) -> String {
    if address.is_shared() {
        return format!("type `upa recover {} --take {address}={id}`", address.tenant());
    }
    format!("add `{} = \"{id}\"` to `[adopt]` of the tenant", address.adopt_key())
}

/// What creates an object again of which nothing tells whether it is there.
pub(super) fn recreating(address: &Address) -> String {
    match address.is_shared() {
        true => format!("upa apply --recreate {address}"),
        false => format!("upa apply {} --recreate {address}", address.tenant()),
    }
}
