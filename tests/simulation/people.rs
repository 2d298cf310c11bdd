//! What a person answers when a run asks.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use regex::Regex;
use upa::lockfile::{Provisioned, RequestState};
use upa::workspace::gates::Approval;

use super::world::World;

static ONE_LIKE_IT: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?P<tenant>[a-z]+)@v1/(?P<resource>[a-z]+): an earlier run tried to create it and was cut off, and there is one like it: "[^"]*" \((?P<id>[^)]+)\)"#;
    Regex::new(text).unwrap()
});

static UNWANTED: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?P<address>(?P<tenant>[a-z]+)@v1/(?P<resource>[a-z]+)) should go, and an earlier run tried to create it and was cut off";
    Regex::new(text).unwrap()
});

static ALREADY: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?P<tenant>[a-z]+)@v1/sign: there is one like it already, and nothing says that it is upa's: "[^"]*" \((?P<id>[^)]+)\)"#;
    Regex::new(text).unwrap()
});

static LEFT: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?P<tenant>[a-z]+)@v1/(?P<resource>[a-z]+): (an earlier run may have made this pine|pine\.[a-z]+ [^ ]+ stays)";
    Regex::new(text).unwrap()
});

/// Reads what a run says that it leaves on the platform.
pub fn hear(world: &World, said: &str) {
    for left in LEFT.captures_iter(said) {
        let it = (left["tenant"].to_owned(), left["resource"].to_owned());
        world.named.fetch_add(1, Ordering::Relaxed);
        world.left.lock().unwrap().insert(it);
    }
}

/// Looks for what was left, and takes it away.
pub async fn tidy(world: &World) {
    let left = std::mem::take(&mut *world.left.lock().unwrap());
    for (tenant, resource) in left {
        match super::studios::is_limits(&format!("{tenant}@v1/{resource}")) {
            true => super::studios::free(world, &tenant).await,
            false => delete_unmarked(world, &resource, &tenant).await,
        }
    }
}

/// The tenant of an address.
pub fn tenant(address: &str) -> &str {
    address.split(['@', '/']).next().unwrap()
}

/// Looks at the platform, sees that it is theirs, and types what the hint says. The tenants that were asked about.
pub async fn answer(world: &World, said: &str) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for question in ONE_LIKE_IT.captures_iter(said) {
        let path = format!("tenants/{}.toml", &question["tenant"]);
        let text = world.files.lock().unwrap()[&path].clone();
        let line = format!("{} = \"{}\"", &question["resource"], &question["id"]);
        assert!(
            said.contains(&format!("add `{line}` to `[adopt]`")),
            "what to type is not said: {said}"
        );
        let text = match text.contains("[adopt]") {
            true => text.replace("[adopt]", &format!("[adopt]\n{line}")),
            false => format!("{text}\n[adopt]\n{line}\n"),
        };
        world.write(&path, text);
        asked.insert(question["tenant"].to_owned());
    }
    if !asked.is_empty() {
        world.commit("what was asked is answered");
    }
    for question in ALREADY.captures_iter(said) {
        super::strangers::give_way(world, &question["id"]).await;
        asked.insert(question["tenant"].to_owned());
    }
    for question in UNWANTED.captures_iter(said) {
        let address = &question["address"];
        assert!(
            said.contains(&format!("--recreate {address}")),
            "what to type is not said: {said}"
        );
        match super::studios::is_limits(address) {
            true => super::studios::free(world, &question["tenant"]).await,
            false => delete_unmarked(world, &question["resource"], &question["tenant"]).await,
        }
        world.recreate.lock().unwrap().insert(address.parse().unwrap());
        asked.insert(question["tenant"].to_owned());
    }
    world.asked.fetch_add(asked.len(), Ordering::Relaxed);
    asked
}

/// The gates that are waited for: tenant, gate, and the digest of what is there.
pub fn awaited(world: &World) -> Vec<(String, String, String)> {
    let locks = super::check::locks(world);
    let waits = |known: &Provisioned| known.request.state == RequestState::AwaitingApproval;
    if !locks.values().flat_map(|lock| lock.versions.values()).any(waits) {
        return Vec::new();
    }
    let mut state = super::check::desired(world);
    upa::gates::grant(&mut state, &locks);
    let waiting = state.tenants.values().filter_map(|tenant| {
        let lock = locks.get(&tenant.name)?;
        let request = &lock.versions.get(&tenant.version)?.request;
        (request.state == RequestState::AwaitingApproval).then_some((tenant, lock))
    });
    waiting
        .flat_map(|(tenant, lock)| {
            let open = upa::gates::open(tenant, lock).into_iter();
            open.map(|gate| {
                let digest = gate.digest(&tenant.version, lock).to_string();
                (tenant.name.clone(), gate.name.clone(), digest)
            })
        })
        .collect()
}

/// Looks, and says that all is well; whether anybody was waited for.
pub fn approve(world: &World) -> bool {
    let awaited = awaited(world);
    for (tenant, gate, of) in &awaited {
        let path = format!("tenants/{tenant}.toml");
        let text = world.files.lock().unwrap()[&path].clone();
        let approval = Approval {
            by: "Ana".to_owned(),
            at: world.now(),
            of: of.clone(),
        };
        world.write(&path, upa::export::edit::approval(&text, gate, &approval).unwrap());
    }
    if !awaited.is_empty() {
        world.commit("looked at");
    }
    !awaited.is_empty()
}

/// What has the tenant's name and no mark.
async fn delete_unmarked(world: &World, kind: &str, tenant: &str) {
    let path = format!("_sandbox/editor/pine/{kind}");
    let objects = world.look("GET", &path, None).await;
    for object in objects.as_array().unwrap() {
        let text = object.to_string();
        let theirs = text.contains("upa:sim/") || text.contains("by hand");
        if text.contains(&format!("{tenant}-{kind}")) && !theirs {
            world.note(format!("a person deletes {}", object["id"]));
            let id = object["id"].as_str().unwrap();
            world.look("DELETE", &format!("{path}?id={id}"), None).await;
        }
    }
}
