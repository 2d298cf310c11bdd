//! Answers that nobody can understand. After a create they are neither yes nor no: it is looked for, and never sent again.
//! From a list or a read they are no absence, and reading ends however much there is.

use serde_json::{Value, json};
use upa::platform::definition::call::{Call, Read};

use super::lies::{LISTS, fault, nothing_comes_of, pine};
use super::world::World;

const ELM: &str = include_str!("definitions/elm.toml");

/// More calls than any of these runs has reason to make, and far fewer than one without an end makes.
const MOST_CALLS: usize = 5_000;

/// What comes back although the call was carried out.
fn lies() -> Vec<(&'static str, Value)> {
    let page = |status: u16, body: &str| ("status_after_write", json!({"status": status, "body": body}));
    let later = json!({"status": 200, "body": "<p>Please wait", "retry_after": 1});
    let mut lies = vec![
        page(200, "The service is starting up, please wait"),
        page(200, "<h1>Sign in</h1>"),
        page(404, "<pre>Cannot POST /</pre>"),
        page(400, "<h1>Bad request</h1>"),
        page(403, "<h1>Blocked</h1>"),
        page(423, "<h1>Locked</h1>"),
        page(302, "<a href='/'>here</a>"),
        page(502, "<h1>Bad gateway</h1>"),
        ("status_after_write", later),
        ("status_after_write", json!({"status": 200})),
        ("status_after_write", json!({"status": 303})),
        (
            "status_after_write",
            json!({"status": 307, "body": {"message": "over there"}}),
        ),
        (
            "status_after_write",
            json!({"status": 408, "body": {"message": "late"}}),
        ),
        ("cut_answer", json!({})),
        ("flood", json!({"count": 40})),
        ("flood", json!({"count": 30})),
    ];
    let long = "x".repeat(300);
    for id in ["a\nb", "a b", "../../x", "", " ", "\u{1b}[2J", &long] {
        lies.push(("odd_id", json!({ "body": id })));
    }
    lies
}

fn calls(world: &World) -> Vec<Value> {
    let answer = world.server.ok("GET", "/_sandbox/calls", None);
    answer["calls"].as_array().unwrap().clone()
}

/// A call that creates, and how many calls at the same path come before it.
struct Create<'a> {
    call: &'a Call,
    before: usize,
}

impl Create<'_> {
    /// Lets every answer to it be a lie: where others share its path, the first.
    fn lie(&self, world: &World, lie: &str, mut further: Value) {
        let path = match self.call.graphql {
            Some(_) => "/graphql".to_owned(),
            None => format!("{}$", self.call.path.shape().replace("{}", "*")),
        };
        if self.before > 0 {
            fault(world, "latency", "POST", &path, json!({"ms": 0, "times": self.before}));
        }
        further["times"] = json!(if self.call.graphql.is_some() { 1 } else { 100 });
        fault(world, lie, &self.call.method, &path, further);
    }
}

/// One more tenant, whose object is created once, whatever is answered; then there are so many objects.
fn one_create(world: &World, tenant: &str, (lie, further): (&str, Value), create: &Create<'_>, objects: usize) {
    world.tenant(tenant, "active", None);
    world.server.ok("DELETE", "/_sandbox/calls", None);
    create.lie(world, lie, further.clone());
    let first = world.space.upa(&["apply", "--yes"]);
    let written = calls(world).into_iter().filter(|call| call["wrote"] == true).count();
    let context = format!("{tenant} {lie} {further}: {first}");
    assert_eq!(written, 1, "{context}");
    world.server.ok("DELETE", "/_sandbox/faults", None);
    let second = world.space.upa(&["apply", "--yes"]);
    assert_eq!(second.status, 0, "{context}{second}");
    assert_eq!(world.objects().len(), objects, "{context}{second}");
    world.settled("found again");
}

fn one_create_each(kind: &str) {
    let world = pine(kind, &[]);
    let call = world.kind.create.clone().unwrap();
    let create = Create { call: &call, before: 0 };
    for (number, lie) in lies().into_iter().enumerate() {
        one_create(&world, &format!("t{number}"), lie, &create, number + 1);
    }
}

#[test]
fn a_create_that_was_not_understood_is_sent_once_where_lists_have_cursors() {
    one_create_each("label");
}

#[test]
fn a_create_that_was_not_understood_is_sent_once_where_lists_have_pages() {
    one_create_each("note");
}

/// There is one for all, and it has no id.
#[test]
fn a_setting_that_was_not_understood_is_sent_once() {
    for lie in lies().into_iter().filter(|(lie, _)| *lie != "odd_id").step_by(2) {
        let world = pine("region", &[]);
        let call = world.kind.create.clone().unwrap();
        one_create(&world, "ana", lie, &Create { call: &call, before: 0 }, 1);
    }
}

#[test]
fn a_create_that_was_not_understood_is_sent_once_over_graphql() {
    let world = World::new(ELM, "elm.service");
    world.tenant("ana", "active", None);
    world.space.apply();
    let calls = calls(&world);
    let at_graphql = calls.iter().filter(|call| call["path"] == "/graphql");
    let before = at_graphql.take_while(|call| call["wrote"] == false).count();
    let call = world.kind.create.clone().unwrap();
    for lie in lies().into_iter().step_by(2) {
        let world = World::new(ELM, "elm.service");
        one_create(&world, "ana", lie, &Create { call: &call, before }, 1);
    }
}

#[test]
fn a_list_that_never_ends_is_left_and_nothing_comes_of_it() {
    for (kind, list) in LISTS {
        for count in [0, 2] {
            // Where pages are counted, or go by the last object, an empty one is the end.
            if count == 0 && !["label", "form"].contains(&kind) {
                continue;
            }
            nothing_comes_of(kind, "endless", |world| {
                world.server.ok("DELETE", "/_sandbox/calls", None);
                fault(
                    world,
                    "endless",
                    "GET",
                    list,
                    json!({"count": count, "times": 1_000_000}),
                );
            });
        }
    }
}

#[test]
fn a_list_that_never_ends_costs_so_many_calls_at_most() {
    for (kind, list) in LISTS {
        let world = pine(kind, &["ana"]);
        world.tenant("bob", "active", None);
        world.server.ok("DELETE", "/_sandbox/calls", None);
        fault(&world, "endless", "GET", list, json!({"count": 2, "times": 1_000_000}));
        let plan = world.plan();
        assert_ne!(plan.status, 0, "{kind}: {plan}");
        let made = calls(&world).len();
        assert!((500..MOST_CALLS).contains(&made), "{kind}: {made} calls: {plan}");
    }
}

#[test]
fn a_list_that_is_no_list_creates_deletes_and_forgets_nothing() {
    let page = |status: u16, body: &str| json!({"status": status, "body": body, "times": 50});
    for (name, lie, further) in [
        ("empty", "status", json!({"status": 200, "times": 50})),
        ("a page", "status", page(200, "The service is starting up, please wait")),
        (
            "a page of another",
            "status",
            page(404, "<pre>Cannot GET /labels</pre>"),
        ),
        ("nothing there", "status", json!({"status": 404, "times": 50})),
        ("elsewhere", "status", json!({"status": 302, "times": 50})),
        (
            "another thing",
            "status",
            json!({"status": 200, "body": {}, "times": 50}),
        ),
        ("cut", "cut_answer", json!({"times": 50})),
        ("large", "flood", json!({"count": 40, "times": 50})),
        ("many", "flood", json!({"count": 30, "times": 50})),
        ("odd ids", "odd_id", json!({"body": "a b", "times": 50})),
    ] {
        for (kind, list) in [LISTS[0], LISTS[1]] {
            nothing_comes_of(kind, name, |world| fault(world, lie, "GET", list, further.clone()));
        }
    }
}

/// Of a setting nothing is listed: what is there is read.
#[test]
fn a_read_that_was_not_understood_is_no_absence() {
    for kind in ["label", "region"] {
        let world = pine(kind, &["ana"]);
        let Read::Call(read) = &world.kind.read else {
            panic!("{kind}")
        };
        let path = read.path.shape().replace("{}", "*");
        let hidden = match kind {
            "label" => vec![world.id("ana")],
            _ => Vec::new(),
        };
        for further in [
            json!({"status": 404, "body": "<pre>Cannot GET /</pre>"}),
            json!({"status": 404}),
            json!({"status": 410, "body": "<h1>Gone</h1>"}),
            json!({"status": 200}),
            json!({"status": 200, "body": "starting up"}),
            json!({"status": 302, "body": "<h1>Sign in</h1>"}),
        ] {
            let mut lie = further.clone();
            lie["times"] = json!(50);
            if !hidden.is_empty() {
                fault(&world, "hidden", "GET", "/labels$", json!({"ids": hidden, "times": 50}));
            }
            fault(&world, "status", "GET", &path, lie);
            let writes = world.writes();
            let plan = world.plan();
            let run = world.space.upa(&["apply", "--yes"]);
            world.server.ok("DELETE", "/_sandbox/faults", None);
            assert!(![0, 2].contains(&plan.status), "{kind} {further}: {plan}");
            assert_ne!(run.status, 0, "{kind} {further}: {run}");
            assert_eq!(world.writes(), writes, "{kind} {further}: {run}");
            world.settled("after the lie");
        }
    }
}

/// A platform that keeps integers of 64 bits is given them as they are, and another one next to it is another number.
#[test]
fn integers_are_kept_exactly_where_the_platform_keeps_them() {
    let world = pine("label", &[]);
    let mut document = world.sample.document.clone();
    document.insert("code".to_owned(), json!(9_007_199_254_740_993_u64));
    world.template(&document);
    world.tenant("ana", "active", None);
    world.apply("a large number");
    let object = world.object("ana").unwrap();
    assert_eq!(object["spec"]["code"], json!(9_007_199_254_740_993_u64));
    let id = world.id("ana");
    world.editor("PATCH", &id, Some(&json!({"code": 9_007_199_254_740_992_u64})));
    assert_eq!(world.changes(), ["update ana@v1/thing"]);
    world.apply("repaired");
    assert_eq!(
        world.object("ana").unwrap()["spec"]["code"],
        json!(9_007_199_254_740_993_u64)
    );
}
