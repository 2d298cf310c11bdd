//! Others on the same accounts: another workspace, whose objects are like ours in everything but the mark, and people who make
//! by hand what an earlier run tried to make. What is theirs stays as they made it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use upa::platform::Step;

use super::check::locks;
use super::world::World;

/// What another workspace has.
pub async fn settle(world: &World) {
    for tenant in ["ana", "bob"] {
        let mark = |resource: &str| format!("upa:other/{tenant}@v1/{resource}");
        let label = json!({"spec": {"name": format!("{tenant} label"), "colours": ["red"], "code": "ES", "meta": {"upa": mark("label")}}});
        let form = json!({"spec": {"title": tenant, "questions": [{"name": "q", "text": "?"}], "ref": mark("form")}});
        for (kind, made) in [("label", label), ("form", form)] {
            world
                .look("POST", &format!("_sandbox/editor/pine/{kind}"), Some(&made))
                .await;
        }
    }
    let theirs = theirs(world).await;
    world.theirs.lock().unwrap().extend(theirs);
}

/// A person makes a sign by hand, where an earlier run tried to make one and did not.
pub async fn make(world: &World, tenant: &str) {
    let address = format!("{tenant}@v1/sign").parse().unwrap();
    let locks = locks(world);
    let locked = locks.get(tenant).and_then(|lock| lock.resources.get(&address));
    let tried = locked
        .and_then(|locked| locked.pending.as_ref())
        .is_some_and(|pending| pending.step == Step::Create && pending.id.is_none());
    let name = format!("{tenant}-sign");
    if tried
        && signs(world)
            .await
            .iter()
            .all(|sign| sign["spec"]["name"] != name.as_str())
    {
        world.note(format!("a person makes {name} by hand"));
        let made = json!({"spec": {"name": name, "words": "by hand"}});
        world.look("POST", "_sandbox/editor/pine/sign", Some(&made)).await;
        let theirs = theirs(world).await;
        world.theirs.lock().unwrap().extend(theirs);
    }
}

/// Whoever made a sign by hand takes it away again.
pub async fn give_way(world: &World, id: &str) {
    world.note(format!("a person takes the sign {id} away"));
    world
        .look("DELETE", &format!("_sandbox/editor/pine/sign?id={id}"), None)
        .await;
    world.theirs.lock().unwrap().retain(|object| !object.contains(id));
}

async fn signs(world: &World) -> Vec<Value> {
    let signs = world.look("GET", "_sandbox/editor/pine/sign", None).await;
    signs.as_array().unwrap().clone()
}

/// Everything that is there and not ours, as it is.
async fn theirs(world: &World) -> BTreeSet<String> {
    let mut theirs = BTreeSet::new();
    for kind in ["label", "form", "sign"] {
        let objects = world.look("GET", &format!("_sandbox/editor/pine/{kind}"), None).await;
        for object in objects.as_array().unwrap() {
            let text = json!([kind, object["id"], object["spec"]]).to_string();
            if text.contains("upa:other/") || text.contains("by hand") {
                theirs.insert(text);
            }
        }
    }
    theirs
}

/// What is wrong about what is theirs, and about the signs.
pub async fn wronged(world: &World, wanted: &BTreeSet<String>) -> Vec<String> {
    let now = theirs(world).await;
    let before = world.theirs.lock().unwrap().clone();
    let mut wrong: Vec<String> = before
        .difference(&now)
        .map(|object| format!("it was another's, and is gone or another: {object}"))
        .collect();
    let mut recorded = BTreeSet::new();
    for (address, locked) in locks(world).values().flat_map(|lock| &lock.resources) {
        if address.resource == "sign" {
            recorded.extend(locked.id().map(str::to_owned));
            if !wanted.contains(&address.to_string()) {
                wrong.push(format!("{address} is recorded, and nobody wants it"));
            }
        }
    }
    let signs = signs(world).await;
    let there: BTreeSet<String> = signs
        .iter()
        .map(|sign| sign["id"].as_str().unwrap().to_owned())
        .collect();
    wrong.extend(
        recorded
            .difference(&there)
            .map(|id| format!("sign {id} is recorded, and is not there")),
    );
    for sign in signs {
        let id = sign["id"].as_str().unwrap();
        if !recorded.contains(id) && sign["spec"]["words"] != "by hand" {
            wrong.push(format!("sign {id} is there, and nobody records it"));
        }
    }
    wrong
}

/// How many objects are recorded that nothing proves to be ours.
pub fn unproven(world: &World) -> usize {
    locks(world).values().map(|lock| lock.unproven().count()).sum()
}
