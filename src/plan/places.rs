//! Places: where an object is, whatever it is called. A place belongs to one address, over all lockfiles and everything
//! that Git wants; otherwise two tenants would write to one object in turn, and the end of one would be the other's.

use std::collections::{BTreeMap, BTreeSet};

use super::Values;
use crate::desired::{DesiredState, Resource};
use crate::digest::Digest;
use crate::lockfile::{Locked, Lockfile};
use crate::platform::{Natural, Registry};
use crate::problem::{Class, Place, Problem, listed};
use crate::resource::{Address, Kind, SHARED};
use crate::symbol::{self, Unknown};

/// Shorter ids, such as numbers that each kind counts by itself, are not told from other values, in bytes.
const SHORTEST_ID: usize = 8;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectPlace {
    /// What its id is unique in: one address on the network, or one account there where ids are names that people give.
    scope: Scope,
    kind: Kind,
    at: At,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// By fingerprint. Ids that a platform assigns are unique in it.
    Network(String),
    /// By the first name of the account, see [`DesiredState::accounts`].
    Account(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// The id as lockfiles hold it.
    Id(String),
    /// What only one object of the kind can have.
    NaturalKey(String),
}

/// Who has a place.
#[derive(Debug, Default)]
struct Claims<'a> {
    /// The addresses whose lockfile records it.
    recorded: BTreeSet<&'a Address>,
    /// The addresses that a run began to make there.
    begun: BTreeSet<&'a Address>,
    /// The resources that Git wants there.
    wanted: BTreeMap<&'a Address, &'a Resource>,
}

/// Every place that is recorded or wanted.
#[derive(Debug, Default)]
pub struct Places<'a> {
    claims: BTreeMap<ObjectPlace, Claims<'a>>,
    /// What is wanted in an object of another tenant.
    within: BTreeMap<&'a Address, (&'a Resource, &'a Address, String)>,
    /// What is wanted where only one object can be, as far as it is known before anything is made.
    natural: BTreeMap<&'a Address, Natural>,
    accounts: BTreeMap<&'a str, &'a str>,
}

impl<'a> Places<'a> {
    /// The places that the lockfiles record and that `desired` wants. `owners`: whose each account was found to be, by its
    /// name, where its platform told it.
    pub fn of(
        desired: &'a DesiredState,
        locks: impl IntoIterator<Item = (&'a String, &'a Lockfile)>,
        owners: &'a BTreeMap<String, String>,
        registry: &Registry,
    ) -> Self {
        let locks: BTreeMap<&str, &Lockfile> = locks
            .into_iter()
            .map(|(tenant, lock)| (tenant.as_str(), lock))
            .collect();
        let mut places = Self {
            claims: BTreeMap::new(),
            within: BTreeMap::new(),
            natural: BTreeMap::new(),
            accounts: same_accounts(desired, &locks, owners),
        };
        let mut parents: BTreeMap<(&str, String), BTreeSet<&Address>> = BTreeMap::new();
        for (address, locked) in locks.values().flat_map(|lock| &lock.resources) {
            if registry.facts(&locked.kind).is_some_and(|facts| facts.gate) {
                continue;
            }
            for id in locked.ids() {
                if !registry.facts(&locked.kind).is_some_and(|facts| facts.natural_id) {
                    let own = crate::platform::definition::ids::own(id);
                    parents.entry((&locked.fingerprint, own)).or_default().insert(address);
                }
                let place = places.by_id(registry, (&locked.account, &locked.fingerprint), &locked.kind, id);
                places.claims.entry(place).or_default().recorded.insert(address);
            }
            let pending = locked.pending.as_ref();
            if let Some(natural) = pending.and_then(|pending| pending.natural.clone()) {
                let place = places.at_natural(&locked.account, &locked.kind, natural);
                places.claims.entry(place).or_default().begun.insert(address);
            }
        }
        let shared = locks.get(SHARED).copied().map(recorded_values).unwrap_or_default();
        for tenant in desired.tenants.values() {
            let mut values = locks
                .get(tenant.name.as_str())
                .copied()
                .map(recorded_values)
                .unwrap_or_default();
            values.ids.extend(shared.ids.clone());
            values.outs.extend(shared.outs.clone());
            for resource in tenant.resources.values() {
                let found = within(registry, resource, &values, &parents);
                places.within.extend(found.map(|found| (&resource.address, found)));
                let lock = locks.get(tenant.name.as_str());
                let locked = lock.and_then(|lock| lock.resources.get(&resource.address));
                for place in places.wanted(registry, resource, &values) {
                    // No lockfile holds a natural key, but whether the object was written with this one.
                    let by_key = matches!(place.at, At::NaturalKey(_));
                    let claims = places.claims.entry(place).or_default();
                    claims.wanted.insert(&resource.address, resource);
                    if by_key && locked.is_some_and(|locked| is_written(locked, resource)) {
                        claims.recorded.insert(&resource.address);
                    }
                }
            }
        }
        places
    }

    /// The address, other than `own`, whose lockfile records an object of an account.
    pub fn recorded_by_other(
        &self,
        registry: &Registry,
        resource: &Resource,
        own: &Address,
        id: &str,
    ) -> Option<&'a Address> {
        let account = (resource.account.as_str(), resource.fingerprint.as_str());
        self.recorded(registry, account, &resource.kind, own, id)
    }

    /// The same of an object of an account, by its name and fingerprint.
    pub fn recorded(
        &self,
        registry: &Registry,
        account: (&str, &str),
        kind: &Kind,
        own: &Address,
        id: &str,
    ) -> Option<&'a Address> {
        let place = self.by_id(registry, account, kind, id);
        let claims = self.claims.get(&place)?;
        claims.recorded.iter().find(|address| **address != own).copied()
    }

    /// Every place that more than one address has, as findings of the tenants that may not have it. An address that is
    /// recorded keeps its place; the same place under another name of the same tenant is a move.
    pub fn conflicts(&self) -> Vec<(Address, Problem)> {
        let mut problems = BTreeMap::new();
        for (place, claims) in &self.claims {
            let holders: BTreeSet<&Address> = claims.recorded.union(&claims.begun).copied().collect();
            let all: BTreeSet<&Address> = holders.iter().copied().chain(claims.wanted.keys().copied()).collect();
            for address in &all {
                let rivals = all.iter().filter(|other| *other != address);
                let is_settled = |other: &Address| {
                    let keeps = holders.len() == 1 && holders.contains(address);
                    let moves = other.tenant() == address.tenant() && !claims.wanted.contains_key(other)
                        || address.tenant() == other.tenant() && !claims.wanted.contains_key(address);
                    keeps || moves
                };
                let rivals: Vec<&Address> = rivals.filter(|other| !is_settled(other)).copied().collect();
                if rivals.is_empty() {
                    continue;
                }
                let is_open = |other: &&Address| !claims.recorded.contains(other) && !claims.wanted.contains_key(other);
                let problem = match claims.wanted.contains_key(address) && rivals.iter().all(is_open) {
                    true => undecided(place, address, claims, &rivals),
                    false => conflict(place, address, claims, &rivals),
                };
                problems.entry((*address).clone()).or_insert(problem);
            }
        }
        for (address, (resource, other, id)) in &self.within {
            let problem = Problem::configuration(format!("{address} lies in `{id}`, which is {other}"))
                .at(resource.place.clone());
            let problem = problem.tenant(address.tenant()).hint(
                "an object belongs to one tenant, and so does what lies in it: give this tenant another value in `[inputs]`, or share the object with `scope = \"account\"` in the version",
            );
            problems.entry((*address).clone()).or_insert(problem);
        }
        problems.into_iter().collect()
    }

    /// Takes it that nothing was made of what these addresses began: a person says so.
    pub fn forget_begun(&mut self, addresses: &BTreeSet<Address>) {
        for claims in self.claims.values_mut() {
            claims.begun.retain(|address| !addresses.contains(*address));
        }
    }

    /// The place that a wanted resource is to have, where only one object can be and nothing of it is still to be made.
    pub fn natural(&self, address: &Address) -> Option<&Natural> {
        self.natural.get(address)
    }

    /// The objects of a tenant that Git calls otherwise now: each new address with the one that records the object and
    /// does not want it any more. What carries a mark says by itself whose it is, and is not moved.
    pub fn moves(&self, registry: &Registry, tenant: &str) -> BTreeMap<Address, Address> {
        let of_tenant = |address: &&Address| address.tenant() == tenant;
        let is_markless = |resource: &&Resource| registry.facts(&resource.kind).is_some_and(|facts| !facts.marked);
        let claims = self.claims.values().filter(|claims| claims.recorded.len() == 1);
        let moves = claims.filter_map(|claims| {
            let from = claims.recorded.iter().copied().find(of_tenant)?;
            let (to, _) = claims
                .wanted
                .iter()
                .find(|(address, resource)| of_tenant(address) && is_markless(resource))?;
            let stays = claims.wanted.contains_key(from) || *to == from;
            (!stays).then(|| ((*to).clone(), from.clone()))
        });
        moves.collect()
    }

    /// The places that a resource claims. What is natural of them is kept, unless it hangs on what is still to be made.
    fn wanted(&mut self, registry: &Registry, resource: &'a Resource, values: &Values<'_>) -> Vec<ObjectPlace> {
        let here = (resource.account.as_str(), resource.fingerprint.as_str());
        let adopted = resource.adopt.as_deref();
        let mut places: Vec<ObjectPlace> = adopted
            .map(|id| self.by_id(registry, here, &resource.kind, id))
            .into_iter()
            .collect();
        let document = symbol::resolve(&resource.document, &|symbol| values.of(symbol), Unknown::Keep);
        let natural = registry
            .of_kind(&resource.kind)
            .and_then(|platform| platform.natural(&resource.kind, &document));
        if let Some(natural) = natural {
            places.push(self.at_natural(here.0, &resource.kind, natural.clone()));
            if !natural.is_open() {
                self.natural.insert(&resource.address, natural);
            }
        }
        places
    }

    fn at_natural(&self, account: &str, kind: &Kind, natural: Natural) -> ObjectPlace {
        ObjectPlace {
            scope: self.account(account),
            kind: kind.clone(),
            at: match natural {
                Natural::Id(id) => At::Id(id),
                Natural::Key(key) => At::NaturalKey(key),
            },
        }
    }

    fn by_id(&self, registry: &Registry, (account, fingerprint): (&str, &str), kind: &Kind, id: &str) -> ObjectPlace {
        let named = registry.facts(kind).is_some_and(|facts| facts.natural_id);
        ObjectPlace {
            scope: match named {
                true => self.account(account),
                false => Scope::Network(fingerprint.to_owned()),
            },
            kind: kind.clone(),
            at: At::Id(match registry.of_kind(kind) {
                Some(platform) => platform.canonical_id(kind, id),
                None => id.to_owned(),
            }),
        }
    }

    fn account(&self, name: &str) -> Scope {
        Scope::Account(self.accounts.get(name).copied().unwrap_or(name).to_owned())
    }
}

/// The recorded object of another tenant that a wanted one lies in, with its id.
fn within<'a>(
    registry: &Registry,
    resource: &'a Resource,
    values: &Values<'_>,
    parents: &BTreeMap<(&str, String), BTreeSet<&'a Address>>,
) -> Option<(&'a Resource, &'a Address, String)> {
    let inputs = registry.facts(&resource.kind)?.inputs;
    let document = symbol::resolve(&resource.document, &|symbol| values.of(symbol), Unknown::Keep);
    inputs.iter().find_map(|name| {
        let id = document.get(name)?.as_str().filter(|id| id.len() >= SHORTEST_ID)?;
        let holders = parents.get(&(resource.fingerprint.as_str(), id.to_owned()))?;
        let is_own = |holder: &&Address| holder.is_shared() || holder.tenant() == resource.address.tenant();
        let other = holders.first().filter(|_| !holders.iter().any(is_own))?;
        Some((resource, *other, id.to_owned()))
    })
}

/// By the name of each account the first name of the same one: those that upa.toml shows to be one, and those that have one
/// owner at one place.
fn same_accounts<'a>(
    desired: &'a DesiredState,
    locks: &BTreeMap<&str, &'a Lockfile>,
    owners: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, &'a str> {
    let stated = desired.accounts.iter();
    let mut first: BTreeMap<&str, &str> = stated.map(|(name, first)| (name.as_str(), first.as_str())).collect();
    let recorded = locks.values().flat_map(|lock| lock.resources.values());
    let recorded = recorded.filter_map(|locked| {
        let place = (locked.kind.platform(), locked.fingerprint.as_str());
        Some((place, locked.account.as_str(), locked.owner.as_deref()?))
    });
    let wanted = desired.tenants.values().flat_map(|tenant| tenant.resources.values());
    let wanted = wanted.filter_map(|resource| {
        let place = (resource.kind.platform(), resource.fingerprint.as_str());
        let owner = owners.get(&resource.account)?;
        Some((place, resource.account.as_str(), owner.as_str()))
    });
    let mut owned: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (place, account, owner) in recorded.chain(wanted) {
        owned.entry((place, owner)).or_default().insert(account);
    }
    for names in owned.into_values().filter(|names| names.len() > 1) {
        let one: BTreeSet<&str> = names
            .iter()
            .map(|name| first.get(name).copied().unwrap_or(name))
            .collect();
        let Some(least) = one.first().copied() else { continue };
        for known in first.values_mut().filter(|known| one.contains(*known)) {
            *known = least;
        }
        first.extend(names.into_iter().map(|name| (name, least)));
    }
    first
}

/// Whether the recorded object was written as Git wants it, so that it has the natural key that Git wants.
fn is_written(locked: &Locked, resource: &Resource) -> bool {
    let is_same = locked.kind == resource.kind && locked.account == resource.account;
    let applied = locked.applied.as_ref().filter(|_| is_same);
    applied.is_some_and(|applied| applied.sent == Digest::of_json(&symbol::symbolic(&resource.document)))
}

fn recorded_values(lock: &Lockfile) -> Values<'static> {
    let known = super::Known::of(lock);
    Values {
        ids: known.ids,
        outs: known.outs,
        ..Values::default()
    }
}

fn what(place: &ObjectPlace) -> String {
    match &place.at {
        At::Id(id) => format!("{} `{id}`", place.kind),
        At::NaturalKey(key) => format!("the {} with {key}", place.kind),
    }
}

/// Another address began to make it, was cut off, and Git does not want it there any more: whether it was made its own plan
/// finds out.
fn undecided(place: &ObjectPlace, address: &Address, claims: &Claims<'_>, rivals: &[&Address]) -> Problem {
    let names: Vec<String> = rivals.iter().map(ToString::to_string).collect();
    let names = listed(names.iter().map(String::as_str));
    let why = format!(
        "{address} is to be {}, which an earlier run may have made for {names}",
        what(place)
    );
    let problem = Problem::error(Class::Platform, why).tenant(address.tenant());
    let tenants: BTreeSet<&str> = rivals.iter().map(|rival| rival.tenant()).collect();
    let tenants: Vec<&str> = tenants.into_iter().filter(|tenant| *tenant != SHARED).collect();
    let answers: Vec<String> = rivals.iter().map(|rival| format!("--recreate {rival}")).collect();
    let hint = format!(
        "`upa apply {}` finds out; once it is known that nothing of that is left: {}",
        tenants.join(" "),
        answers.join(" ")
    );
    match claims.wanted.get(address) {
        Some(resource) => problem.at(resource.place.clone()).hint(hint),
        None => problem
            .at(Place::file(format!("tenants/{}.lock", address.tenant())))
            .hint(hint),
    }
}

fn conflict(place: &ObjectPlace, address: &Address, claims: &Claims<'_>, rivals: &[&Address]) -> Problem {
    let rivals: Vec<String> = rivals.iter().map(ToString::to_string).collect();
    let rivals = listed(rivals.iter().map(String::as_str));
    let what = what(place);
    let resource = claims.wanted.get(address);
    let adopts =
        resource.is_some_and(|resource| matches!(&place.at, At::Id(id) if resource.adopt.as_ref() == Some(id)));
    let problem = Problem::configuration(format!("{address} and {rivals} are the same object: {what}"));
    let problem = match resource {
        Some(resource) => problem.at(resource.place.clone()),
        None => problem.at(Place::file(format!("tenants/{}.lock", address.tenant()))),
    };
    problem.tenant(address.tenant()).hint(match resource {
        Some(_) if adopts => format!(
            "an object belongs to one address: remove `{}` from `[adopt]` of tenants/{}.toml",
            address.adopt_key(),
            address.tenant()
        ),
        Some(_) => "an object belongs to one address: give this tenant another value in `[inputs]`, or share the resource with `scope = \"account\"` in the version".to_owned(),
        None => format!(
            "tenants/{}.lock records another's object: restore it as upa wrote it (`git log -- FILE` names the commits)",
            address.tenant()
        ),
    })
}
