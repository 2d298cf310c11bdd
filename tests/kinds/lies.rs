//! Platforms that fail at the worst moment, and lists and reads that lie: noticed, not believed; nothing is made twice.

use serde_json::{Value, json};
use upa::platform::Platform as _;
use upa::platform::definition::Definition;
use upa::platform::definition::call::Read;
use upa::platform::definition::file::Lost;

use super::world::World;

const PINE: &str = include_str!("definitions/pine.toml");

pub fn pine(kind: &str, tenants: &[&str]) -> World {
    let kind = format!("pine.{kind}");
    let world = World::new(PINE, &kind);
    for tenant in tenants {
        world.tenant(tenant, "active", None);
    }
    if !tenants.is_empty() {
        world.apply("create");
    }
    world
}

pub fn fault(world: &World, kind: &str, method: &str, path: &str, further: Value) {
    let mut fault = json!({"account": world.platform, "kind": kind, "method": method, "path": path});
    if let (Some(fault), Value::Object(further)) = (fault.as_object_mut(), further) {
        fault.extend(further);
    }
    world.server.fault(&fault);
}

/// Asserts that what lists say leads to nothing: nothing is planned for what is recorded, and what is new is not created
/// before the truth is known.
fn not_believed(kind: &str, list: &str, lie: &str, further: Value) {
    let world = pine(kind, &["ana", "bob", "cyd"]);
    let several = |mut further: Value| {
        further["times"] = json!(50);
        further
    };
    fault(&world, lie, "GET", list, several(further.clone()));
    world.tenant("dan", "active", None);
    let writes = world.writes();
    let run = world.space.upa(&["apply", "--yes"]);
    assert_ne!(run.status, 0, "{kind} {lie}: {run}");
    assert_eq!(world.writes(), writes, "{kind} {lie}: {run}");
    world.server.ok("DELETE", "/_sandbox/faults", None);
    world.apply("after the lie");
    assert_eq!(world.objects().len(), 4, "{kind} {lie}");
}

#[test]
fn a_short_list_creates_nothing() {
    for (kind, list) in [
        ("label", "/labels$"),
        ("note", "/notes$"),
        ("event", "/events$"),
        ("form", "/forms$"),
        ("token", "/tokens$"),
    ] {
        not_believed(kind, list, "short_list", json!({"count": 2}));
    }
}

#[test]
fn a_list_that_repeats_itself_creates_nothing() {
    not_believed("label", "/labels$", "repeat", json!({}));
    not_believed("note", "/notes$", "repeat", json!({}));
}

#[test]
fn a_list_that_does_not_end_creates_nothing() {
    for (kind, list) in [
        ("label", "/labels$"),
        ("note", "/notes$"),
        ("event", "/events$"),
        ("form", "/forms$"),
        ("token", "/tokens$"),
    ] {
        not_believed(kind, list, "cursor_loop", json!({}));
    }
}

/// The lists of every style of paging, each of two objects a page.
pub const LISTS: [(&str, &str); 5] = [
    ("label", "/labels$"),
    ("note", "/notes$"),
    ("event", "/events$"),
    ("form", "/forms$"),
    ("token", "/tokens$"),
];

/// Two objects are recorded and wanted, one is recorded and to go, one is new; others were made by hand. Because of a list
/// that lies nothing is created, deleted or forgotten, whatever `lie` makes it say.
pub fn nothing_comes_of(kind: &str, name: &str, lie: impl Fn(&World)) {
    let world = pine(kind, &["ana", "bob", "cyd"]);
    let strangers = ["eve", "fay", "gus"].map(|tenant| world.by_hand(tenant));
    let (kept, going) = (["ana", "bob"].map(|tenant| world.id(tenant)), world.id("cyd"));
    world.tenant("cyd", "deprovisioned", None);
    world.tenant("dan", "active", None);
    let ids = || -> Vec<String> {
        let objects = world.objects();
        objects
            .iter()
            .map(|object| object["id"].as_str().unwrap().to_owned())
            .collect()
    };
    // Some kinds show what was deleted as cancelled, or leave it behind.
    let is_gone = |id: &str| {
        let objects = world.objects();
        let there = objects.iter().find(|object| object["id"] == *id);
        there.is_none_or(|object| object["object"]["status"] == "cancelled" || world.kind.delete.is_none())
    };
    let before = ids();
    lie(&world);
    let plan = world.plan();
    assert_ne!(plan.status, 0, "{kind} {name}: {plan}");
    for change in plan.json()["changes"].as_array().unwrap() {
        // What is to go was read by itself, and is there.
        let what = (change["action"].as_str().unwrap(), change["address"].as_str().unwrap());
        assert_eq!(what, ("delete", "cyd@v1/thing"), "{kind} {name}: {plan}");
    }
    world.server.ok("DELETE", "/_sandbox/faults", None);
    lie(&world);
    let run = world.space.upa(&["apply", "--yes"]);
    world.server.ok("DELETE", "/_sandbox/faults", None);
    assert_ne!(run.status, 0, "{kind} {name}: {run}");
    let after = ids();
    assert!(
        after.iter().all(|id| before.contains(id)),
        "{kind} {name}: created: {run}"
    );
    for id in kept.iter().chain(&strangers) {
        assert!(after.contains(id), "{kind} {name}: deleted: {run}");
    }
    let remembered = world.space.read("tenants/cyd.lock").contains(&going);
    assert!(remembered || is_gone(&going), "{kind} {name}: forgotten: {run}");
    world.apply("after the lie");
    assert!(is_gone(&going), "{kind} {name}: not deleted");
    // Two that stayed, one that is new, and those of others.
    let others = ids().into_iter().filter(|id| *id != going).count();
    assert_eq!(others, 3 + strangers.len(), "{kind} {name}");
}

#[test]
fn an_empty_list_creates_deletes_and_forgets_nothing() {
    for (kind, list) in LISTS {
        nothing_comes_of(kind, "empty", |world| {
            fault(world, "short_list", "GET", list, json!({"count": 1000, "times": 50}));
        });
    }
}

#[test]
fn a_list_that_lacks_a_page_creates_deletes_and_forgets_nothing() {
    for (kind, list) in LISTS {
        nothing_comes_of(kind, "a page is missing", |world| {
            // Each listing takes up as many as it has pages left.
            for _ in 0..20 {
                fault(world, "skip_page", "GET", list, json!({"times": 3}));
            }
        });
    }
}

#[test]
fn a_list_that_hides_objects_creates_deletes_and_forgets_nothing() {
    for (kind, list) in LISTS {
        nothing_comes_of(kind, "hidden", |world| {
            let ids = ["ana", "cyd"].map(|tenant| world.id(tenant));
            let own = ids.map(|id| id.rsplit('/').next().unwrap().to_owned());
            fault(world, "hidden", "GET", list, json!({"ids": own, "times": 50}));
        });
    }
}

#[test]
fn a_list_whose_third_page_is_forbidden_creates_deletes_and_forgets_nothing() {
    for (kind, list) in LISTS {
        nothing_comes_of(kind, "403 on page 3", |world| {
            for _ in 0..10 {
                fault(world, "latency", "GET", list, json!({"ms": 0, "times": 2}));
                fault(
                    world,
                    "status",
                    "GET",
                    list,
                    json!({"status": 403, "body": {"message": "Forbidden"}}),
                );
            }
        });
    }
}

#[test]
fn a_list_that_repeats_itself_or_does_not_end_creates_deletes_and_forgets_nothing() {
    for lie in ["repeat", "cursor_loop"] {
        for (kind, list) in LISTS {
            // Where pages follow each other by time the same object twice is a tie.
            if (lie, kind) == ("repeat", "event") || (lie, kind) == ("repeat", "token") {
                continue;
            }
            nothing_comes_of(kind, lie, |world| fault(world, lie, "GET", list, json!({"times": 50})));
        }
    }
}

#[test]
fn what_is_hidden_from_lists_is_read() {
    let world = pine("label", &["ana", "bob", "cyd"]);
    let ids: Vec<String> = ["ana", "bob"].map(|tenant| world.id(tenant)).into();
    fault(&world, "hidden", "GET", "/labels", json!({"ids": ids, "times": 100}));
    world.settled("hidden");
    // What reading says is gone, to a key that sees everything, is gone.
    world.server.ok("DELETE", "/_sandbox/faults", None);
    fault(&world, "vanished", "GET", "/labels", json!({"ids": ids, "times": 100}));
    let mut changes = world.changes();
    changes.sort();
    assert_eq!(changes, ["create ana@v1/thing", "create bob@v1/thing"]);
}

#[test]
fn a_stale_list_does_not_lose_what_was_just_created() {
    let world = pine("label", &["ana", "bob"]);
    fault(&world, "stale_read", "GET", "/labels$", json!({"times": 100}));
    world.settled("stale list");
}

#[test]
fn a_stale_read_after_a_write_is_not_taken_for_the_truth() {
    let world = pine("label", &["ana"]);
    let mut document = world.sample.document.clone();
    document.insert("code".to_owned(), Value::from("PT"));
    world.template(&document);
    // The list, then reading before the write, then reading back.
    fault(&world, "latency", "GET", "/labels/*", json!({"ms": 1}));
    fault(&world, "stale_read", "GET", "/labels/*", json!({}));
    let run = world.space.upa(&["apply", "--yes"]);
    world.server.ok("DELETE", "/_sandbox/faults", None);
    assert!([0, 7].contains(&run.status), "{run}");
    world.apply("once more");
    assert_eq!(world.object("ana").unwrap()["spec"]["code"], "PT");
    assert_eq!(world.objects().len(), 1);
}

#[test]
fn a_session_that_ends_is_opened_again() {
    for (definition, kind) in [
        (PINE, "pine.label"),
        (include_str!("definitions/oak.toml"), "oak.contact"),
        (include_str!("definitions/elm.toml"), "elm.service"),
    ] {
        let world = World::new(definition, kind);
        world
            .server
            .fault(&json!({"account": world.platform, "kind": "expire", "times": 3}));
        world.tenant("ana", "active", None);
        world.apply("with sessions that end");
        assert_eq!(world.objects().len(), 1, "{kind}");
    }
}

#[test]
fn what_was_put_off_is_sent_again() {
    let world = pine("label", &[]);
    fault(
        &world,
        "status",
        "POST",
        "/labels$",
        json!({"status": 429, "retry_after": 0, "times": 2}),
    );
    fault(&world, "status", "GET", "/labels", json!({"status": 503, "times": 2}));
    fault(&world, "latency", "GET", "/labels", json!({"ms": 50}));
    world.tenant("ana", "active", None);
    world.apply("put off");
    assert_eq!(world.objects().len(), 1);
}

/// The answer of every kind's create gets lost, in three ways. The next run finds what is there, or sends it again with the
/// same key, or asks; nothing is ever there twice.
fn lost_creates(text: &str) {
    let definition = Definition::parse("p.toml", &text.into()).unwrap();
    for name in definition.kinds() {
        let kind = &definition.kinds[name.split_once('.').unwrap().1];
        let Some(create) = kind.create.as_ref().filter(|create| create.graphql.is_none()) else {
            continue;
        };
        // What no call shows cannot be found again: a definition that says so says what ends it instead (it expires).
        if matches!(kind.read, Read::Nothing) {
            assert!(kind.lost == Lost::Stop || kind.renew.is_some(), "{name}");
            continue;
        }
        for lie in ["drop_after_write", "status_after_write", "drop_before"] {
            let world = World::new(text, &name);
            let path = format!("{}$", create.path.shape().replace("{}", "*"));
            world.tenant("ana", "active", None);
            fault(&world, lie, &create.method, &path, json!({}));
            let first = world.space.upa(&["apply", "--yes"]);
            let second = world.space.upa(&["apply", "--yes"]);
            let there = world.objects().len();
            let asks = second.status == 10;
            let may_ask = kind.lost == Lost::Stop || !kind.is_born_marked();
            assert!(second.status == 0 || (asks && may_ask), "{name} {lie}: {first}{second}");
            assert!(
                there == 1 || (asks && there == 0),
                "{name} {lie}: {there} objects: {first}{second}"
            );
            if second.status == 0 {
                world.settled("found again");
            }
        }
    }
}

#[test]
fn a_lost_create_is_never_repeated_blindly() {
    lost_creates(PINE);
}

#[test]
fn a_lost_create_of_a_form_is_never_repeated_blindly() {
    lost_creates(include_str!("definitions/oak.toml"));
}

#[test]
fn a_lost_create_of_a_built_in_kind_is_never_repeated_blindly() {
    for (_, text) in upa::platform::definition::CATALOG {
        lost_creates(text);
    }
}
