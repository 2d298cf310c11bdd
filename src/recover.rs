//! A lost lockfile, rebuilt from the marks: decided from what Git wants and what was observed.
//!
//! What is found is recorded as begun and not finished, so that the next apply settles it as it settles any run that was
//! cut off: it compares, writes what differs, and asks where nothing tells.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::desired::{DesiredTenant, Resource};
use crate::lockfile::{Locked, Lockfile, Pending, Provisioned, Request};
use crate::plan::{ObservedState, base_path};
use crate::platform::{Object, Reading, Registry, Step};
use crate::problem::{Class, Problem, listed};
use crate::resource::{Address, Kind};

/// What a lockfile is rebuilt from.
pub struct Ground<'a> {
    pub workspace: &'a str,
    pub registry: &'a Registry,
    pub tenant: &'a DesiredTenant,
    /// What is recorded; it stays as it is.
    pub lock: &'a Lockfile,
    pub observed: &'a ObservedState,
    /// Which object is meant where several carry one mark.
    pub taken: &'a BTreeMap<Address, String>,
    /// The account an object is in, by its name: how it is told from others of that name.
    pub fingerprints: &'a BTreeMap<String, String>,
    pub run: Uuid,
    /// The base of webhooks that nobody knows any more.
    pub base: Uuid,
    /// The request that the next apply ends.
    pub request: Request,
}

/// What came of it.
pub struct Recovery {
    pub lock: Lockfile,
    pub found: Vec<Found>,
    pub problems: Vec<Problem>,
}

/// One address that is recorded again.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub address: Address,
    pub kind: Kind,
    pub account: String,
    /// `None` where an object may be there that carries no mark: apply looks for it, and asks.
    pub id: Option<String>,
    pub title: String,
    /// Whether Git still wants it.
    pub wanted: bool,
}

/// An object that carries our mark, and where it is.
struct Marked<'a> {
    account: &'a str,
    kind: &'a Kind,
    object: &'a Object,
}

/// Rebuilds what is missing.
pub fn recover(ground: Ground<'_>) -> Recovery {
    let mut recovery = Recovery {
        lock: ground.lock.clone(),
        found: Vec::new(),
        problems: Vec::new(),
    };
    let marked = marked(&ground);
    for resource in ground.tenant.resources.values() {
        let locked = ground.lock.resources.get(&resource.address);
        // Of what was begun and never found a person may know which it is.
        let open = |locked: &Locked| {
            let is_there = |id: &str| {
                matches!(
                    ground.observed.reading(&locked.account, &locked.kind, id),
                    Reading::Present(_)
                )
            };
            let facts = ground.registry.facts(&locked.kind).unwrap_or_default();
            let wrong = !facts.marked && locked.id().is_some_and(|id| !is_there(id));
            locked.id().is_none() || locked.is_unproven() || wrong
        };
        let named = || ground.taken.contains_key(&resource.address) && locked.is_some_and(open);
        if locked.is_none() || named() || is_wrong(&ground, &marked, &resource.address) {
            recovery.wanted(&ground, &marked, resource);
        } else {
            recovery.not_taken(&ground, resource);
        }
    }
    recovery.unwanted(&ground, &marked);
    // Of a tenant that has nothing, nothing was lost.
    if ground.lock.is_empty() && recovery.found.iter().all(|one| one.id.is_none()) {
        recovery.found.clear();
        recovery.lock = ground.lock.clone();
    }
    recovery.version(&ground);
    recovery
}

/// Whether a person names an object that carries the mark of an address, and what is recorded for it does not.
fn is_wrong(ground: &Ground<'_>, marked: &BTreeMap<&str, Vec<Marked<'_>>>, address: &Address) -> bool {
    let mark = address.mark(ground.workspace);
    let carries = |id: &str| {
        let mut all = marked.get(&*mark).into_iter().flatten();
        all.any(|found| found.object.id == id)
    };
    let recorded = ground.lock.resources.get(address).and_then(Locked::id);
    let named = ground.taken.get(address);
    named
        .zip(recorded)
        .is_some_and(|(named, recorded)| named != recorded && carries(named) && !carries(recorded))
}

/// Everything that carries a mark of this workspace, by mark.
fn marked<'a>(ground: &Ground<'a>) -> BTreeMap<&'a str, Vec<Marked<'a>>> {
    let mut marked: BTreeMap<&str, Vec<Marked<'_>>> = BTreeMap::new();
    for (account, answer) in &ground.observed.accounts {
        for ((kind, _), reading) in &answer.objects {
            if let Reading::Present(object) = reading
                && let Some(mark) = &object.mark
            {
                let found = Marked { account, kind, object };
                marked.entry(mark).or_default().push(found);
            }
        }
    }
    marked
}

impl Recovery {
    /// Something Git wants and nobody records.
    fn wanted(&mut self, ground: &Ground<'_>, marked: &BTreeMap<&str, Vec<Marked<'_>>>, resource: &Resource) {
        let address = &resource.address;
        let mark = address.mark(ground.workspace);
        let its = |found: &&Marked<'_>| found.account == resource.account && *found.kind == resource.kind;
        let candidates: Vec<&Marked<'_>> = marked.get(&*mark).into_iter().flatten().filter(its).collect();
        let taken = ground.taken.get(address);
        let meant = |found: &&&Marked<'_>| taken.is_none_or(|id| *id == found.object.id);
        let chosen: Vec<&&Marked<'_>> = candidates.iter().filter(meant).collect();
        match (chosen.as_slice(), taken) {
            ([found], _) => self.record(
                ground,
                address,
                &resource.kind,
                &resource.account,
                Some(found.object),
                true,
            ),
            ([], Some(id)) => self.unmarked(ground, resource, id),
            ([], None) => self.unseen(ground, resource),
            (several, _) => {
                let ids: Vec<String> = several
                    .iter()
                    .map(|found| format!("\"{}\" ({})", found.object.title, found.object.id))
                    .collect();
                let first = several.first().map_or("", |found| found.object.id.as_str());
                let message = format!(
                    "{address}: {} objects carry its mark, and nothing tells the original from its copies: {}",
                    ids.len(),
                    listed(ids.iter().map(String::as_str))
                );
                self.problems
                    .push(Problem::error(Class::Decision, message).hint(format!(
                        "delete the copies on the platform, or say which it is: --take {address}={first}"
                    )));
            }
        }
    }

    /// An object that carries no mark, because its kind cannot, or not yet: somebody says that it is this one.
    fn unmarked(&mut self, ground: &Ground<'_>, resource: &Resource, id: &str) {
        let address = &resource.address;
        let facts = ground.registry.of_kind(&resource.kind);
        let facts = facts
            .and_then(|platform| platform.facts(&resource.kind))
            .unwrap_or_default();
        let reading = ground.observed.reading(&resource.account, &resource.kind, id);
        match reading {
            Reading::Present(object) if object.mark.is_none() && (!facts.marked || facts.marked_later) => {
                self.record(ground, address, &resource.kind, &resource.account, Some(&object), true);
            }
            Reading::Present(_) => self.problems.push(
                Problem::error(
                    Class::Decision,
                    format!("{address}: object {id} does not carry its mark"),
                )
                .hint("`upa orphans` lists those that do"),
            ),
            Reading::Absent | Reading::Unreadable(_) => self.problems.push(
                Problem::error(
                    Class::Decision,
                    format!("{address}: there is no {} {id}", resource.kind),
                )
                .hint("look for its id on the platform"),
            ),
        }
    }

    /// A person names another object than is recorded, and nothing says that the record is wrong.
    fn not_taken(&mut self, ground: &Ground<'_>, resource: &Resource) {
        let address = &resource.address;
        let recorded = ground.lock.resources.get(address).and_then(Locked::id);
        let Some((id, recorded)) = ground
            .taken
            .get(address)
            .zip(recorded)
            .filter(|(id, known)| id != known)
        else {
            return;
        };
        let message =
            format!("{address}: {recorded} is recorded, and nothing shows that this is wrong: {id} is not taken");
        let hint = match ground.registry.facts(&resource.kind).is_some_and(|facts| facts.marked) {
            true => "only an object that carries the mark of this address is taken instead of a recorded one",
            false => "delete the recorded one on its platform first, if it is not this tenant's",
        };
        self.problems.push(Problem::error(Class::Decision, message).hint(hint));
    }

    /// Nothing carries its mark: it is not there, or it could not carry one, or not everything was seen.
    fn unseen(&mut self, ground: &Ground<'_>, resource: &Resource) {
        let address = &resource.address;
        let platform = ground.registry.of_kind(&resource.kind);
        let Some(facts) = platform.and_then(|platform| platform.facts(&resource.kind)) else {
            return;
        };
        if facts.gate {
            return;
        }
        if !facts.marked || facts.marked_later {
            return self.record(ground, address, &resource.kind, &resource.account, None, true);
        }
        let answer = ground.observed.accounts.get(&resource.account);
        let searched = answer.is_some_and(|answer| answer.searches.contains_key(address));
        if !ground.observed.is_complete(&resource.account, &resource.kind) && !searched {
            let message = format!(
                "{address}: account `{}` shows no whole list of {}: it may be there",
                resource.account, resource.kind
            );
            self.problems
                .push(Problem::error(Class::Platform, message).hint("run it again"));
        }
    }

    /// Objects of the tenant that Git does not want any more: the next apply takes them away.
    fn unwanted(&mut self, ground: &Ground<'_>, marked: &BTreeMap<&str, Vec<Marked<'_>>>) {
        let prefix = format!("upa:{}/", ground.workspace);
        for (mark, found) in marked {
            let Some(address) = mark.strip_prefix(&prefix).and_then(|text| text.parse::<Address>().ok()) else {
                continue;
            };
            let known = ground.tenant.resources.contains_key(&address)
                || ground.lock.resources.contains_key(&address) && !is_wrong(ground, marked, &address)
                || ground.tenant.kept.contains(&address);
            // A long mark is cut, and is nobody's address.
            if address.tenant() != ground.tenant.name || known || address.mark(ground.workspace) != **mark {
                continue;
            }
            match found.as_slice() {
                [one] => self.record(ground, &address, one.kind, one.account, Some(one.object), false),
                several => self.problems.push(
                    Problem::error(
                        Class::Decision,
                        format!(
                            "{address}: {} objects carry its mark, and Git wants none of them",
                            several.len()
                        ),
                    )
                    .hint("delete them on the platform; `upa orphans` lists them"),
                ),
            }
        }
    }

    fn record(
        &mut self,
        ground: &Ground<'_>,
        address: &Address,
        kind: &Kind,
        account: &str,
        object: Option<&Object>,
        wanted: bool,
    ) {
        let attempt = object.and_then(|object| object.attempt.as_ref()?.parse().ok());
        let pending = Pending {
            run: ground.run,
            attempt: attempt.unwrap_or(ground.run),
            step: if object.is_some() { Step::Fill } else { Step::Create },
            id: object.map(|object| object.id.clone()),
            needs: BTreeSet::new(),
            natural: None,
            out: BTreeMap::new(),
            look: None,
            operations: Vec::new(),
        };
        let locked = Locked {
            kind: kind.clone(),
            account: account.to_owned(),
            fingerprint: ground.fingerprints.get(account).cloned().unwrap_or_default(),
            owner: ground.observed.owner(account).map(str::to_owned),
            pending: Some(pending),
            applied: None,
            retiring: BTreeMap::new(),
        };
        self.lock.resources.insert(address.clone(), locked);
        self.found.push(Found {
            address: address.clone(),
            kind: kind.clone(),
            account: account.to_owned(),
            id: object.map(|object| object.id.clone()),
            title: object.map(|object| object.title.clone()).unwrap_or_default(),
            wanted,
        });
    }

    /// The version the tenant is on: the base of its webhooks stands in the paths of what is there.
    fn version(&mut self, ground: &Ground<'_>) {
        let tenant = ground.tenant;
        if tenant.is_shared() || self.found.is_empty() || self.lock.versions.contains_key(&tenant.version) {
            return;
        }
        let bases = bases(ground, &self.found);
        let base = match bases.iter().copied().collect::<Vec<_>>()[..] {
            [] => ground.base,
            [base] => base,
            ref several => {
                let several: Vec<String> = several.iter().map(Uuid::to_string).collect();
                let message = format!(
                    "the webhooks of tenant `{}` are at several bases ({}): they are not all of one version",
                    tenant.name,
                    listed(several.iter().map(String::as_str))
                );
                self.problems
                    .push(Problem::error(Class::Decision, message).hint("delete what is not the tenant's any more"));
                return;
            }
        };
        let provisioned = Provisioned {
            product: tenant.product.clone(),
            revision: tenant.revision,
            webhook_base_path: base_path(&tenant.name, base, tenant.named_paths),
            base,
            provisioned_at: None,
            reopened: BTreeMap::new(),
            suspended: false,
            request: ground.request.clone(),
        };
        self.lock.versions.insert(tenant.version.clone(), provisioned);
    }
}

/// The bases in the paths on which the found objects listen.
fn bases(ground: &Ground<'_>, found: &[Found]) -> BTreeSet<Uuid> {
    let mut bases = BTreeSet::new();
    for one in found {
        let (Some(id), Some(platform)) = (&one.id, ground.registry.of_kind(&one.kind)) else {
            continue;
        };
        let Reading::Present(object) = ground.observed.reading(&one.account, &one.kind, id) else {
            continue;
        };
        for (_, path) in platform.listening(&one.kind, &object.document) {
            let named = format!("{}-", ground.tenant.name);
            let segments = path.split('/');
            bases.extend(segments.filter_map(|segment| {
                let base: Uuid = segment.strip_prefix(&named).unwrap_or(segment).parse().ok()?;
                // Others are derived from it.
                let random = base.get_version_num() == 4;
                let tenants = base_path(&ground.tenant.name, base, segment.starts_with(&named)) == segment;
                (random && tenants).then_some(base)
            }));
        }
    }
    bases
}
