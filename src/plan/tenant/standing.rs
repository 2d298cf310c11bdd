//! What an object is that was found by its natural key alone, after a creation whose answer was lost: made by that creation,
//! where something proves it; else used as it is, for it may be a stranger's.
//!
//! Proof is a webhook address in the object that only this tenant can have, or the platform's own time of creation between
//! the recorded look and the end of the call, together with equality.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Pass, Seen};
use crate::desired::Resource;
use crate::lockfile::{Locked, Lockfile, Look};
use crate::plan::change::{Action, Change, Reason, Work};
use crate::platform::definition::path;
use crate::platform::{KindFacts, Object, Platform, Reading, Rival, Search, Step};
use crate::problem::{Problem, listed};
use crate::resource::Address;
use crate::symbol::{Symbol, symbols};

/// What webhook addresses are made of.
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    let text = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    #[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
    Regex::new(text).expect("a pattern")
});

impl<'a> Pass<'a> {
    /// The one object with the natural key of a resource that a creation of unknown outcome may have made.
    pub(super) fn lone(&self, resource: &Resource, locked: Option<&'a Locked>) -> Option<&'a Rival> {
        let facts = self.facts(&resource.kind)?;
        let locked = locked.filter(|locked| locked.applied.is_none())?;
        let pending = locked.pending.as_ref()?;
        // Without a look nothing tells it from what was there before.
        let tried = (pending.step == Step::Create || pending.id.is_some()) && pending.look.is_some();
        let costly = facts.costs || facts.asks_when_lost;
        // What is made with its mark in it, and has none, was made by another.
        let born_marked = facts.marked && !facts.marked_by_call;
        if !tried || costly || born_marked || self.basis.rules.recreate.contains(&resource.address) {
            return None;
        }
        let searched: &'a Search = self.searched(&resource.account, &resource.address)?;
        let rivals = self.strangers(resource, Some(searched));
        let [rival] = rivals.as_slice() else { return None };
        let recorded =
            self.places
                .recorded_by_other(self.basis.registry, resource, &resource.address, &rival.object.id);
        let foreign = self.is_of_another(&rival.object) || self.leads_elsewhere(&facts, resource, &rival.object);
        let free = recorded.is_none() && rival.object.mark.is_none() && !foreign;
        free.then_some(*rival)
    }

    /// Whether an object holds the webhook address of another tenant.
    fn is_of_another(&self, object: &Object) -> bool {
        let text = object.document.to_string();
        let others = self.basis.locks.values().filter(|lock| lock.tenant != self.tenant.name);
        let mut bases = others.flat_map(|lock| lock.versions.values());
        bases.any(|version| text.contains(&version.webhook_base_path) || text.contains(&version.base.to_string()))
    }

    /// Whether an object holds a webhook address where Git wants one of this tenant, and it is not this tenant's.
    fn leads_elsewhere(&self, facts: &KindFacts, resource: &Resource, object: &Object) -> bool {
        let Some(at) = &facts.proof_address else { return false };
        let wanted = self.resolved(&resource.document, &self.values);
        let (wanted, found) = (path::at(&wanted, at), path::at(&object.document, at));
        let is_address = found.is_some_and(|found| UUID.is_match(&found.to_string()));
        is_address && wanted != found
    }

    /// The resources whose object nothing proves to be upa's; what is proven is ours from here on.
    pub(super) fn not_proven(
        &self,
        seen: &mut BTreeMap<&Address, Seen<'a>>,
        desired: &[&Resource],
    ) -> BTreeSet<Address> {
        let mut unproven = BTreeSet::new();
        for resource in desired {
            let Some(found) = seen.get_mut(&resource.address) else {
                continue;
            };
            let recorded = found.locked.is_some_and(Locked::is_unproven) && !found.adopted;
            let look = found.locked.and_then(|locked| locked.pending.as_ref()?.look.as_ref());
            let proven = match (found.lone, look) {
                (Some(rival), Some(look)) => self.is_proven(resource, rival, look),
                _ => true,
            };
            found.ours |= found.lone.is_some() && proven;
            if recorded || !proven {
                unproven.insert(resource.address.clone());
            }
        }
        unproven
    }

    fn is_proven(&self, resource: &Resource, rival: &Rival, look: &Look) -> bool {
        let Some(platform) = self.platform(&resource.kind) else {
            return false;
        };
        let facts = platform.facts(&resource.kind).unwrap_or_default();
        let wanted = self.resolved(&resource.document, &self.values);
        let by_address = facts.proof_address.as_ref().is_some_and(|at| {
            let holds = path::at(&resource.document, at).is_some_and(|text| {
                let own = |symbol: &Symbol| {
                    matches!(symbol, Symbol::Base { tenant, .. } | Symbol::Entry { tenant, .. } if *tenant == self.tenant.name)
                };
                symbols(text).iter().any(own)
            });
            holds && path::at(&wanted, at) == path::at(&rival.object.document, at)
        });
        let within = |created| {
            look.at
                .zip(look.until)
                .is_some_and(|(at, until)| (at..=until).contains(&created))
        };
        by_address
            || rival.created.is_some_and(within)
                && platform
                    .compare(&resource.kind, &wanted, &rival.object.document, &[])
                    .is_empty()
    }

    /// Whether creating this writes into an object that may be a stranger's.
    pub(super) fn is_gentle(&self, facts: &KindFacts, resource: &Resource) -> bool {
        facts.setting && !resource.needs.is_disjoint(&self.unproven)
    }

    /// What is done with an object that nothing proves to be upa's: it is recorded and left as it is. Whether that is all;
    /// else Git wants another object than this.
    pub(super) fn plan_unproven(&mut self, platform: &dyn Platform, resource: &Resource, seen: &Seen<'a>) -> bool {
        let Reading::Present(object) = &seen.reading else {
            return false;
        };
        let wanted = self.resolved(&resource.document, &self.values);
        let natural = platform.natural(&resource.kind, &wanted);
        if natural.is_some() && natural != platform.natural(&resource.kind, &self.placed_as(platform, resource, object))
        {
            let problem = Problem::warning(format!(
                "{}: Git wants another than \"{}\" ({}), which stays on the platform: {}",
                resource.address,
                object.title,
                object.id,
                Reason::Unproven.words()
            ));
            self.refuse(
                problem
                    .at(resource.place.clone())
                    .hint("look at it there, and delete it if it is this tenant's"),
            );
            return false;
        }
        let fields = platform.compare(&resource.kind, &wanted, &object.document, &[]);
        if !fields.is_empty() {
            let names: Vec<&str> = fields.iter().map(|change| change.field.as_str()).collect();
            let problem = Problem::warning(format!(
                "{}: \"{}\" ({}) differs from Git in {}, and is left as it is: {}",
                resource.address,
                object.title,
                object.id,
                listed(names),
                Reason::Unproven.words()
            ));
            self.refuse(problem.at(resource.place.clone()).hint(format!(
                "if it is upa's to change, add `{} = \"{}\"` to `[adopt]` of the tenant",
                resource.address.adopt_key(),
                object.id
            )));
        }
        let settled = seen
            .locked
            .is_some_and(|locked| locked.is_unproven() && locked.pending.is_none());
        if settled && !self.moves.contains_key(&resource.address) {
            return true;
        }
        let observed = platform.owned_part(&resource.kind, &resource.document, &object.document);
        let mut out = seen.locked.map(Locked::out).unwrap_or_default();
        out.extend(object.out.clone());
        self.out.changes.push(Change {
            address: resource.address.clone(),
            kind: resource.kind.clone(),
            account: resource.account.clone(),
            action: Action::Use,
            reason: Reason::Unproven,
            mover: None,
            steps: Vec::new(),
            id: Some(object.id.clone()),
            moved_from: self.moves.get(&resource.address).cloned(),
            fields: Vec::new(),
            place: Some(resource.place.clone()),
            revision: self.tenant.revision,
            costs: false,
            left_behind: false,
            loss: None,
            work: Work {
                fingerprint: resource.fingerprint.clone(),
                owner: self.basis.observed.owner(&resource.account).map(str::to_owned),
                document: resource.document.clone(),
                expected: Some(crate::digest::Digest::of_json(&observed)),
                unproven: true,
                keys: platform.owned(&resource.kind, &resource.document).into_iter().collect(),
                out,
                natural: self.places.natural(&resource.address).cloned(),
                needs: resource.needs.clone(),
                calls: resource.calls.clone(),
                ..Work::default()
            },
        });
        true
    }

    /// An object's document with the values that place it, which platforms seldom repeat.
    fn placed_as(&self, platform: &dyn Platform, resource: &Resource, object: &Object) -> serde_json::Value {
        let facts = platform.facts(&resource.kind).unwrap_or_default();
        let mut document = object.document.clone();
        let wanted = self.resolved(&resource.document, &self.values);
        for input in &facts.inputs {
            if let Some(value) = path::at(&wanted, input) {
                path::put(&mut document, input, value.clone());
            }
        }
        document
    }
}

/// These resources, and what has to wait for them: what refers to one of them and is to be written, and what one of them
/// refers to and is to go.
pub fn held(doubts: impl Iterator<Item = Address>, changes: &[Change], lock: &Lockfile) -> BTreeSet<Address> {
    let mut held: BTreeSet<Address> = doubts.collect();
    let goes = |change: &Change| matches!(change.action, Action::Delete | Action::Forget | Action::Replace);
    let comes = |change: &Change| !matches!(change.action, Action::Delete | Action::Forget);
    while !held.is_empty() {
        let recorded = held.iter().filter_map(|address| lock.resources.get(address));
        let needed: BTreeSet<&Address> = recorded.flat_map(Locked::needs).collect();
        let next = changes.iter().find(|change| {
            let is_needed = goes(change) && needed.contains(&change.address);
            let waits = is_needed || comes(change) && !change.work.all_needs().is_disjoint(&held);
            !held.contains(&change.address) && waits
        });
        let Some(next) = next.map(|change| change.address.clone()) else {
            break;
        };
        held.insert(next);
    }
    held
}
