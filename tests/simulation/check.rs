//! What must be true of a world that has come to rest, whatever happened to it: the promises of upa, by what the platforms
//! and the remote hold. It asks them itself, and believes nothing that upa says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;
use upa::desired::DesiredState;
use upa::lockfile::{self, Lockfile, Request, RequestState};
use upa::workspace::{Entry, Status};

use super::fate::Fate;
use super::process::Process;
use super::product::CANARY;
use super::run::Clone;
use super::world::World;

static MARK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"upa:sim/([^"\\\s]+)"#).unwrap());

/// An object on a platform.
#[derive(Debug)]
pub struct Thing {
    pub kind: &'static str,
    pub id: String,
    text: String,
}

impl Thing {
    /// The address its mark names.
    pub fn mark(&self) -> Option<String> {
        Some(MARK.captures(&self.text)?[1].to_owned())
    }

    /// Whether another workspace has marked it.
    pub fn is_anothers(&self) -> bool {
        self.text.contains("upa:other/")
    }
}

/// The kinds whose objects carry a mark as text.
const KINDS: [&str; 4] = ["label", "site", "token", "form"];

/// Everything there is.
pub async fn things(world: &World) -> Vec<Thing> {
    let mut things = Vec::new();
    let workflows = world.look("GET", "n8n/api/v1/workflows?limit=250", None).await;
    for workflow in workflows["data"].as_array().unwrap() {
        things.push(Thing {
            kind: "n8n.workflow",
            id: workflow["id"].as_str().unwrap().to_owned(),
            text: workflow.to_string(),
        });
    }
    for kind in KINDS {
        let objects = world.look("GET", &format!("_sandbox/editor/pine/{kind}"), None).await;
        for object in objects.as_array().unwrap() {
            if object["object"]["status"] == "cancelled" {
                continue;
            }
            things.push(Thing {
                kind,
                id: object["id"].as_str().unwrap().to_owned(),
                text: object.to_string(),
            });
        }
    }
    things
}

pub fn locks(world: &World) -> BTreeMap<String, Lockfile> {
    let texts = world.locks();
    let read = |(tenant, text): (String, String)| {
        let lock = lockfile::parse(&format!("tenants/{tenant}.lock"), &tenant, &Arc::from(text.as_str()));
        (tenant, lock.unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    texts.into_iter().map(read).collect()
}

/// What Git asks for: address → whether it must run.
fn wanted(world: &World) -> BTreeMap<String, bool> {
    let state = desired(world);
    let resources = state.tenants.values().flat_map(|tenant| tenant.resources.values());
    resources
        .map(|resource| (resource.address.to_string(), resource.runs))
        .collect()
}

/// What Git asks for.
pub fn desired(world: &World) -> DesiredState {
    let files = world.files.lock().unwrap().clone();
    let entries = files
        .into_iter()
        .map(|(path, text)| (path, Entry::Text(Arc::from(text))))
        .collect();
    let loaded = upa::workspace::load(&upa::workspace::Files {
        origin: upa::workspace::Origin::WorkTree,
        entries,
    });
    let (state, problems) = upa::desired::desired(&loaded.workspace.unwrap(), |_| true);
    assert!(problems.is_empty(), "{problems:?}");
    state
}

/// What is wanted and not recorded as done.
pub fn unsettled(world: &World) -> Vec<String> {
    let locks = locks(world);
    let done = |address: &str| {
        let locked = locks
            .values()
            .find_map(|lock| lock.resources.get(&address.parse().unwrap()));
        locked.is_some_and(|locked| locked.applied.is_some() && locked.pending.is_none())
    };
    wanted(world).into_keys().filter(|address| !done(address)).collect()
}

/// Everything that is wrong; nothing if all is well.
pub async fn check(world: &Arc<World>, clone: &Clone) -> Vec<String> {
    let mut wrong = Vec::new();
    let (things, locks, wanted) = (things(world).await, locks(world), wanted(world));

    let unproven: BTreeMap<String, String> = locks
        .values()
        .flat_map(Lockfile::unproven)
        .filter_map(|(address, locked)| Some((address.to_string(), locked.id()?.to_owned())))
        .collect();
    // One object for each address, and it is the recorded one; none that nobody records.
    let mut by_mark: BTreeMap<String, Vec<&Thing>> = BTreeMap::new();
    for thing in &things {
        let marks: BTreeSet<&str> = MARK
            .captures_iter(&thing.text)
            .map(|found| found.get(1).unwrap().as_str())
            .collect();
        match marks.into_iter().collect::<Vec<_>>()[..] {
            // Made by hand or by another workspace, and nothing of ours.
            [] if thing.text.contains("by hand") || thing.is_anothers() => {}
            // It is used, and nothing proves that it is ours: it gets no mark either.
            [] if unproven.values().any(|id| *id == thing.id) => {}
            [] => wrong.push(format!("orphan without a mark: {} {}", thing.kind, thing.id)),
            [mark] => by_mark.entry(mark.to_owned()).or_default().push(thing),
            _ => wrong.push(format!("several marks: {} {}", thing.kind, thing.id)),
        }
    }
    let recorded: BTreeMap<String, String> = locks
        .values()
        .flat_map(|lock| &lock.resources)
        .filter_map(|(address, locked)| Some((address.to_string(), locked.applied.as_ref()?.id.clone())))
        .collect();
    for (mark, things) in &by_mark {
        let ids: Vec<&str> = things.iter().map(|thing| thing.id.as_str()).collect();
        if things.len() > 1 {
            wrong.push(format!("twins of {mark}: {ids:?}"));
        }
        if !things.iter().any(|thing| recorded.get(mark) == Some(&thing.id)) {
            wrong.push(format!("orphan {ids:?} of {mark}, recorded {:?}", recorded.get(mark)));
        }
        if !wanted.contains_key(mark) {
            wrong.push(format!("{mark} is there, and nobody wants it"));
        }
    }
    wrong.extend(super::studios::unlike(world).await);
    wrong.extend(super::strangers::wronged(world, &wanted.keys().cloned().collect()).await);
    let carries_mark = |address: &str| {
        let markless = super::studios::is_limits(address) || address.ends_with("/sign");
        !markless && !unproven.contains_key(address)
    };
    for (address, runs) in wanted.iter().filter(|(address, _)| carries_mark(address)) {
        match by_mark.get(address).and_then(|things| things.first()) {
            None => wrong.push(format!("{address} is wanted, and is not there")),
            Some(thing) if thing.kind == "n8n.workflow" => {
                let workflow: Value = serde_json::from_str(&thing.text).unwrap();
                if workflow["active"].as_bool() != Some(*runs) {
                    wrong.push(format!("{address}: runs is {}, wanted {runs}", workflow["active"]));
                }
            }
            Some(_) => {}
        }
    }
    // Nothing pending, nothing retiring, every request ended.
    for (tenant, lock) in &locks {
        for (address, locked) in &lock.resources {
            if locked.pending.is_some() || !locked.retiring.is_empty() {
                wrong.push(format!(
                    "{address} is not settled: {:?} {:?}",
                    locked.pending, locked.retiring
                ));
            }
        }
        for (version, known) in &lock.versions {
            if let Some(why) = misled(&known.request) {
                wrong.push(format!("the request of {tenant} on {version}: {why}"));
            }
            if !matches!(known.request.state, RequestState::Completed | RequestState::Failed) {
                wrong.push(format!(
                    "the request of {tenant} on {version} is {:?}",
                    known.request.state
                ));
            }
        }
    }
    // No tenant's document holds an id, a path or a credential of another.
    let private: Vec<(&str, String)> = locks
        .iter()
        .filter(|(tenant, _)| !tenant.starts_with('@'))
        .flat_map(|(tenant, lock)| {
            let ids = lock
                .resources
                .values()
                .filter_map(|locked| Some(locked.applied.as_ref()?.id.clone()));
            let bases = lock.versions.values().map(|version| version.webhook_base_path.clone());
            ids.chain(bases)
                .map(move |text| (tenant.as_str(), text))
                .collect::<Vec<_>>()
        })
        .collect();
    for (mark, things) in &by_mark {
        let owner = mark.split(['@', '/']).next().unwrap();
        for (tenant, text) in &private {
            if *tenant != owner && things.iter().any(|thing| thing.text.contains(text.as_str())) {
                wrong.push(format!("{mark} holds `{text}` of {tenant}"));
            }
        }
    }
    wrong.extend(standing(world, &by_mark));
    wrong.extend(lost(world, &locks, &by_mark));
    wrong.extend(secrets(world));
    let process = Process::new(world, "second plan", Fate::calm(), false);
    match clone.plan(&process).await {
        Ok(plan) if plan.is_empty() => {}
        Ok(plan) => wrong.push(format!("a second plan is not empty: {plan}")),
        Err(failure) => wrong.push(format!("a second plan cannot be made: {failure}")),
    }
    if process.points.lock().unwrap().contains(&super::fate::Point::Write) {
        wrong.push("plan wrote something".to_owned());
    }
    wrong
}

/// Labels and sites of suspended tenants stand still, and no others do.
fn standing(world: &World, by_mark: &BTreeMap<String, Vec<&Thing>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for tenant in desired(world).tenants.values() {
        let suspended = tenant.status == Status::Suspended;
        for address in tenant.resources.keys() {
            let things = by_mark.get(&address.to_string());
            let Some(thing) = things.and_then(|things| things.first()) else {
                continue;
            };
            let object: Value = serde_json::from_str(&thing.text).unwrap();
            let stands = match thing.kind {
                "label" => object["spec"]["code"] == "XX",
                "site" => object["object"]["suspended"] == true,
                _ => continue,
            };
            if stands != suspended {
                wrong.push(format!(
                    "{address} stands still: {stands}, its tenant is suspended: {suspended}"
                ));
            }
        }
        let token = by_mark.keys().any(|mark| *mark == format!("{}@v1/token", tenant.name));
        if suspended && token {
            wrong.push(format!("{} has a token although it is suspended", tenant.name));
        }
    }
    wrong
}

/// What is wrong with the way a request has come, if anything.
fn misled(request: &Request) -> Option<String> {
    use RequestState::{AwaitingApproval, Completed, Failed, Pending, Provisioning};
    let states: Vec<RequestState> = request.history.iter().map(|one| one.state).collect();
    if states.first() != Some(&Pending) || states.last() != Some(&request.state) {
        return Some(format!("it is {:?} after {states:?}", request.state));
    }
    let wrong = states.windows(2).find(|pair| {
        !matches!(
            pair,
            [Pending, Provisioning | Failed]
                | [Provisioning, AwaitingApproval | Completed | Failed]
                | [AwaitingApproval, Completed | Failed]
        )
    });
    let times: Vec<&jiff::Timestamp> = request.history.iter().map(|one| &one.at).collect();
    match wrong {
        Some(pair) => Some(format!("{pair:?}")),
        None if !times.is_sorted() => Some(format!("{times:?}")),
        None if request.error_log.len() > 20 => Some("a long error log".to_owned()),
        None => None,
    }
}

/// What was recorded on the remote before is still what is recorded, unless its object was taken away.
fn lost(world: &World, locks: &BTreeMap<String, Lockfile>, by_mark: &BTreeMap<String, Vec<&Thing>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let known = world.recorded.lock().unwrap();
    for (what, before) in &*known {
        if let Some(tenant) = what.strip_prefix("base of ") {
            let now = locks
                .get(tenant)
                .and_then(|lock| lock.versions.get("v1"))
                .map(|version| version.base.to_string());
            if now.as_ref() != Some(before) {
                wrong.push(format!("the webhooks of {tenant} moved from {before} to {now:?}"));
            }
        } else if let Some(things) = by_mark.get(what)
            && things.iter().all(|thing| thing.id != *before)
        {
            wrong.push(format!("{what} was {before} and is another object now"));
        }
    }
    wrong
}

/// Remembers what the remote records now.
pub fn remember(world: &World) {
    for (tenant, lock) in locks(world) {
        for (address, locked) in &lock.resources {
            if let Some(applied) = &locked.applied {
                world.remember(address.to_string(), applied.id.clone());
            }
        }
        if let Some(version) = lock.versions.get("v1") {
            world.remember(format!("base of {tenant}"), version.base.to_string());
        }
    }
}

/// Secrets in anything that is kept: every object of Git, and every journal.
fn secrets(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let remote = world.remote();
    let odb = remote.odb().unwrap();
    odb.foreach(|id| {
        let object = odb.read(*id).unwrap();
        let text = String::from_utf8_lossy(object.data());
        if text.contains(CANARY) {
            wrong.push(format!("a secret in Git object {id}"));
        }
        true
    })
    .unwrap();
    for entry in std::fs::read_dir(world.folder.path()).unwrap().flatten() {
        let journals = std::fs::read_dir(entry.path().join(".git/upa"))
            .into_iter()
            .flatten()
            .flatten();
        for journal in journals {
            if std::fs::read(journal.path()).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(CANARY)) {
                wrong.push(format!("a secret in {}", journal.path().display()));
            }
        }
    }
    if world.trace().contains(CANARY) {
        wrong.push("a secret in what was said".to_owned());
    }
    wrong
}
