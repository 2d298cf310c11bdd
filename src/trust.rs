//! What may be believed before it is merged: which accounts may be contacted, and what a head that is not trusted may ask.
//! Decisions over values; [`crate::cli`] acts on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::DesiredState;
use crate::lockfile::Lockfile;
use crate::problem::{Place, Problem};
use crate::resource::split_name;
use crate::workspace::toml::{Toml, pointer};
use crate::workspace::{Files, Workspace};

/// Whether a file says where keys go: such a file counts once it is merged, and not before.
pub fn is_governing(path: &str) -> bool {
    path == "upa.toml" || path.starts_with("platforms/")
}

/// The files to plan: the governing ones of the trusted commit, everything else of the head. What the head changed of the
/// former since `base`, where it parted, is told; `trusted` and `name` are that commit, and what it is called.
pub fn believed(mut head: Files, base: Option<&Files>, trusted: &Files, name: &str) -> (Files, Vec<Problem>) {
    let governing: BTreeSet<String> = [&head, trusted]
        .iter()
        .flat_map(|files| files.entries.keys())
        .filter(|path| is_governing(path))
        .cloned()
        .collect();
    let mut told = edited_lockfiles(&head, base, trusted, name);
    for path in governing {
        let (ours, theirs) = (head.entries.get(&path), trusted.entries.get(&path));
        let untouched = base.is_some_and(|base| base.entries.get(&path) == ours);
        if ours != theirs && !untouched {
            told.push(changed(&path, name));
        }
        match theirs.cloned() {
            Some(entry) => head.entries.insert(path, entry),
            None => head.entries.remove(&path),
        };
    }
    (head, told)
}

/// Lockfiles that the head changed: they count for nothing, and only upa changes them.
fn edited_lockfiles(head: &Files, base: Option<&Files>, trusted: &Files, name: &str) -> Vec<Problem> {
    let Some(base) = base else { return Vec::new() };
    let all = head.entries.keys().chain(base.entries.keys());
    let locks: BTreeSet<&String> = all
        .filter(|path| path.starts_with("tenants/") && path.ends_with(".lock"))
        .collect();
    let edited = locks.into_iter().filter(|path| {
        let of = |files: &Files| files.entries.get(*path).cloned();
        of(head) != of(base) && of(head) != of(trusted)
    });
    let say = |path: &String| {
        let why = format!("`{path}` was changed here, and counts as it is in {name}: upa alone writes lockfiles");
        let hint = format!(
            "take the change back: `git log -- {path}` names the commits, `git checkout COMMIT -- {path}` restores it"
        );
        Problem::warning(why).at(Place::file(&**path)).hint(hint)
    };
    edited.map(say).collect()
}

/// What is said of a governing file that a head changed.
pub fn changed(path: &str, name: &str) -> Problem {
    Problem::warning(format!(
        "`{path}` is not as in {name}: until it is merged, everything is planned with the trusted one"
    ))
    .at(Place::file(path))
    .hint("it says where keys go: have it merged by itself first, then plan again")
}

/// An object that only a head which is not trusted takes over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Withheld {
    pub tenant: String,
    pub resource: String,
    pub id: String,
}

/// What tenants adopt that neither their trusted files adopt nor lockfiles record: it is not looked at.
pub fn withheld(workspace: &Workspace, trusted: &Files, locks: &BTreeMap<String, Lockfile>) -> BTreeSet<Withheld> {
    let mut found = BTreeSet::new();
    for tenant in workspace
        .tenants
        .values()
        .filter(|tenant| !tenant.file.adopt.is_empty())
    {
        let path = format!("tenants/{}.toml", tenant.name);
        let text = trusted.text(&path).and_then(Result::ok);
        let theirs = text.and_then(|text| Toml::parse(&path, text).ok());
        for (resource, id) in &tenant.file.adopt {
            let at = pointer(["adopt", resource]);
            let known = theirs.as_ref().and_then(|toml| toml.value.pointer(&at)?.as_str());
            let recorded = locks.get(&tenant.name).is_some_and(|lock| {
                let mut recorded = lock.resources.iter();
                recorded.any(|(address, locked)| address.name() == *resource && locked.id() == Some(id))
            });
            if known != Some(id) && !recorded {
                found.insert(Withheld {
                    tenant: tenant.name.clone(),
                    resource: resource.clone(),
                    id: id.clone(),
                });
            }
        }
    }
    found
}

impl Withheld {
    /// What is said of it: id and kind alone.
    pub fn problem(&self, workspace: &Workspace) -> Problem {
        let tenant = workspace.tenants.get(&self.tenant);
        let spec = tenant.and_then(|tenant| {
            let (name, _) = split_name(&self.resource)?;
            workspace.version_of(tenant)?.file.resources.get(name)
        });
        let kind = spec.map_or("object", |spec| spec.kind.as_str());
        let problem = Problem::warning(format!(
            "tenant `{}` adopts the {kind} `{}` as `{}`: it is looked at after the merge",
            self.tenant, self.id, self.resource
        ));
        let problem = problem.tenant(&*self.tenant);
        match tenant {
            Some(tenant) => problem.at(tenant.toml.value_place(&pointer(["adopt", &self.resource]))),
            None => problem,
        }
    }
}

/// Takes out of what is wanted what is not looked at: neither asked for, nor made anew.
pub fn withhold(desired: &mut DesiredState, withheld: &BTreeSet<Withheld>, locks: &BTreeMap<String, Lockfile>) {
    let ids: BTreeSet<&str> = withheld.iter().map(|one| one.id.as_str()).collect();
    for tenant in desired.tenants.values_mut() {
        let lock = locks.get(&tenant.name);
        for resource in tenant.resources.values_mut() {
            let recorded = lock.is_some_and(|lock| lock.resources.contains_key(&resource.address));
            if recorded && resource.adopt.as_deref().is_some_and(|id| ids.contains(id)) {
                resource.adopt = None;
            }
        }
        tenant
            .resources
            .retain(|_, resource| resource.adopt.as_deref().is_none_or(|id| !ids.contains(id)));
    }
}

/// Whose an account is recorded to be: one owner, unless upa.toml said at some time that it is another's now.
pub fn owners(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>, account: &str) -> BTreeSet<String> {
    let now = workspace.fingerprint_of(account);
    let recorded = locks.values().flat_map(|lock| lock.resources.values());
    let here = recorded.filter(|locked| locked.account == account && locked.fingerprint == now);
    here.filter_map(|locked| locked.owner.clone()).collect()
}

/// Why an account may not be contacted: objects are recorded at another place than the one it points to now.
pub fn moved_away(workspace: &Workspace, locks: &BTreeMap<String, Lockfile>, account: &str) -> Option<String> {
    workspace.settings.accounts.get(account)?;
    let now = workspace.fingerprint_of(account);
    let recorded = locks.values().flat_map(|lock| &lock.resources);
    let mut elsewhere = recorded.filter(|(_, locked)| locked.account == account && locked.fingerprint != now);
    let (address, _) = elsewhere.next()?;
    let more = match elsewhere.count() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(format!(
        "it points to another place than the one {address}{more} is recorded at; no key was read for it, and nothing was asked"
    ))
}
