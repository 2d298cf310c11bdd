//! What must be true of a world that is quiet, by what the platform and the remote hold; nothing that upa says is believed.

use std::collections::{BTreeMap, BTreeSet};

use upa::lockfile::{Lockfile, RequestState};

use crate::life::{Status, Wanted};
use crate::place::Thing;
use crate::world::World;

/// Everything that is wrong; nothing if all is well.
pub fn check(world: &mut World) -> Vec<String> {
    let mut wrong = Vec::new();
    let things = world.place.things(world.server.as_ref(), &world.name);
    let locks = world.locks();
    let wanted = wanted(world);
    let mut there: BTreeMap<&str, Vec<&Thing>> = BTreeMap::new();
    for thing in &things {
        match &thing.mark {
            Some(mark) => there.entry(mark).or_default().push(thing),
            None => wrong.push(format!("{} carries no mark: nobody will find it", thing.id)),
        }
    }
    let recorded: BTreeMap<String, &str> = locks
        .values()
        .flat_map(|lock| &lock.resources)
        .filter_map(|(address, locked)| Some((address.to_string(), &*locked.applied.as_ref()?.id)))
        .collect();
    for (address, things) in &there {
        let ids: Vec<&str> = things.iter().map(|thing| &*thing.id).collect();
        if ids.len() > 1 {
            wrong.push(format!("twins of {address}: {ids:?}"));
        }
        if recorded.get(*address) != ids.first() {
            wrong.push(format!(
                "{address} is {ids:?}, and recorded is {:?}",
                recorded.get(*address)
            ));
        }
        if !wanted.contains_key(*address) {
            wrong.push(format!("{address} is an orphan: nobody wants it"));
        }
    }
    for address in recorded.keys().filter(|address| !wanted.contains_key(*address)) {
        wrong.push(format!("{address} is recorded, and nobody wants it"));
    }
    for (address, tenant) in &wanted {
        match there.get(address.as_str()).and_then(|things| things.first()) {
            None => wrong.push(format!("{address} is missing")),
            Some(thing) => wrong.extend(as_wanted(world, address, tenant, thing)),
        }
    }
    for (tenant, lock) in &locks {
        wrong.extend(settled(tenant, lock));
    }
    let known: BTreeSet<&String> = locks.keys().collect();
    wrong.extend(
        world
            .tenants
            .keys()
            .filter(|tenant| !known.contains(tenant))
            .filter(|tenant| world.tenants[*tenant].status != Status::Deprovisioned)
            .map(|tenant| format!("{tenant} has no lockfile")),
    );
    for (at, clone) in world.clones.iter().enumerate() {
        wrong.extend(of_clone(world, at));
        let plan = world.upa(clone, &["plan", "--detailed-exitcode"]);
        if plan.status != 0 {
            wrong.push(format!("a second plan in clone {at} is not empty: {plan}"));
        }
        let lease = world.upa(clone, &["lease"]);
        if !lease.stdout.contains("Nobody is applying") {
            wrong.push(format!("somebody still holds the lease: {lease}"));
        }
    }
    wrong
}

/// What Git wants, by address.
fn wanted(world: &World) -> BTreeMap<String, Wanted> {
    let mut names = vec!["answer", "record"];
    names.extend((!world.place.is_real()).then_some("assistant"));
    names.extend(world.extra.then_some("extra"));
    let tenants = world.tenants.iter();
    tenants
        .filter(|(_, wanted)| wanted.status != Status::Deprovisioned)
        .flat_map(|(tenant, wanted)| {
            let address = move |name| (format!("{tenant}@v1/{name}"), wanted.clone());
            names.clone().into_iter().map(address)
        })
        .collect()
}

/// No update is lost, and what runs is what shall run.
fn as_wanted(world: &World, address: &str, wanted: &Wanted, thing: &Thing) -> Vec<String> {
    let mut wrong = Vec::new();
    let tenant = address.split('@').next().unwrap();
    let name = address.rsplit('/').next().unwrap();
    let mut holds = |text: &str| {
        if !thing.text.contains(text) {
            wrong.push(format!("{address} does not hold `{text}`: {}", thing.text));
        }
    };
    match name {
        "answer" => {
            holds(&wanted.greeting);
            holds(&world.bases[tenant]);
        }
        "assistant" => {
            // It says another sentence while its tenant is suspended.
            holds(match wanted.status {
                Status::Suspended => "This service is suspended",
                _ => &wanted.greeting,
            });
            holds(&world.bases[tenant]);
        }
        "record" if world.fixes > 0 => holds(&format!("\"{}\"", world.note())),
        _ => {}
    }
    let runs = wanted.status == Status::Active && name != "extra";
    if thing.active.is_some_and(|active| active != runs) {
        wrong.push(format!("{address}: published is {:?}, wanted {runs}", thing.active));
    }
    wrong
}

/// Nothing is under way, and every request has ended.
fn settled(tenant: &str, lock: &Lockfile) -> Vec<String> {
    let mut wrong = Vec::new();
    for (address, locked) in &lock.resources {
        if locked.pending.is_some() || !locked.retiring.is_empty() || locked.applied.is_none() {
            wrong.push(format!("{address} is not settled: {locked:?}"));
        }
    }
    for (version, known) in &lock.versions {
        if !matches!(known.request.state, RequestState::Completed | RequestState::Failed) {
            wrong.push(format!(
                "the request of {tenant} on {version} is {:?}",
                known.request.state
            ));
        }
    }
    wrong
}

/// The clone is as the remote, and no journal is left.
fn of_clone(world: &World, at: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let clone = &world.clones[at];
    clone.git(&["pull", "--quiet", "--ff-only"]);
    let (head, tip) = (clone.head(), world.origin.git(&["rev-parse", "main"]));
    if head != tip {
        wrong.push(format!("clone {at} is at {head}, and the remote at {tip}"));
    }
    let status = clone.git(&["status", "--porcelain"]);
    if !status.is_empty() {
        wrong.push(format!("clone {at} is not clean: {status}"));
    }
    let private = std::fs::read_dir(clone.path(".git/upa"))
        .into_iter()
        .flatten()
        .flatten();
    let names = private.map(|file| file.file_name().to_string_lossy().into_owned());
    let journals: Vec<String> = names.filter(|name| name.ends_with(".journal")).collect();
    if !journals.is_empty() {
        wrong.push(format!("journals are left in clone {at}: {journals:?}"));
    }
    wrong
}
