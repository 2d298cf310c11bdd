//! Lists of n8n that lie: nothing is created, deleted or forgotten because of them, and what was wrong is said.
//!
//! In every world two tenants are recorded and wanted, one is recorded and to go, and one is new.

use serde_json::{Value, json};

use crate::support::{Server, Space, product, server};

const LIST: &str = "/api/v1/workflows$";

fn fault(server: &Server, kind: &str, further: Value) {
    let mut fault = json!({"account": "n8n", "method": "GET", "path": LIST, "kind": kind});
    let further = further.as_object().unwrap().clone();
    fault.as_object_mut().unwrap().extend(further);
    server.fault(&fault);
}

/// A page that is as it should be.
fn honest(server: &Server, times: u32) {
    fault(server, "latency", json!({"times": times, "ms": 0}));
}

fn world() -> Space {
    let space = Space::with(&["ana", "bo", "cy"]);
    space.apply();
    space.edit("tenants/cy.toml", "\"active\"", "\"deprovisioned\"");
    space.write("tenants/dan.toml", product::tenant("dan"));
    space.commit("one goes, one comes");
    space
}

/// Asserts that plan and apply do nothing because of a list that lies: `lie` is told again before each of them.
fn not_believed(space: &Space, server: &Server, words: &str, lie: impl Fn()) {
    let ids = |server: &Server| {
        let workflows = server.workflows();
        let ours = workflows
            .iter()
            .filter(|workflow| !workflow["settings"]["customTelemetryTags"].is_null());
        ours.map(|workflow| workflow["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    server.ok("DELETE", "/_sandbox/faults", None);
    let before = ids(server);
    let of_cy = [space.id("cy", "cy@v1/answer"), space.id("cy", "cy@v1/record")];
    lie();
    let plan = space.upa(&["plan", "--format", "json"]);
    assert_ne!(plan.status, 0, "{words}: {plan}");
    assert!(plan.stderr.contains(words), "{words}: {plan}");
    for change in plan.json()["changes"].as_array().unwrap() {
        let (action, address) = (change["action"].as_str().unwrap(), change["address"].as_str().unwrap());
        // What is to go was read by itself, and is there.
        assert_eq!((action, &address[..2]), ("delete", "cy"), "{words}: {plan}");
    }
    server.ok("DELETE", "/_sandbox/faults", None);
    lie();
    let run = space.upa(&["apply", "--yes"]);
    assert_ne!(run.status, 0, "{words}: {run}");
    assert!(run.stderr.contains(words), "{words}: {run}");
    server.ok("DELETE", "/_sandbox/faults", None);
    let after = ids(server);
    assert!(
        after.iter().all(|id| before.contains(id)),
        "{words}: something was created: {run}"
    );
    assert!(
        before.iter().all(|id| after.contains(id) || of_cy.contains(id)),
        "{words}: something was deleted: {run}"
    );
    // Nothing that is there was forgotten.
    if of_cy.iter().any(|id| after.contains(id)) {
        let lock = space.read("tenants/cy.lock");
        assert!(
            of_cy.iter().all(|id| !after.contains(id) || lock.contains(id)),
            "{words}: {lock}"
        );
    }
    space.apply();
    space.settled();
    let workflows = ids(server);
    assert_eq!((workflows.len(), server.assistants().len()), (6, 3), "{words}");
}

#[test]
fn lists_of_one_page() {
    let cases: [(&str, &str, Value); 4] = [
        ("repeat", "the list shows a workflow twice", json!({})),
        ("cursor_loop", "the list repeats itself", json!({})),
        (
            "short_list",
            "one that is recorded is missing from it",
            json!({"count": 2}),
        ),
        // An empty answer that says it is the end.
        (
            "short_list",
            "one that is recorded is missing from it",
            json!({"count": 1000}),
        ),
    ];
    for (kind, words, further) in cases {
        let space = world();
        server::on(&space, |server: &Server| {
            not_believed(&space, server, words, || {
                let mut further = further.clone();
                further["times"] = json!(100);
                fault(server, kind, further);
            });
        });
    }
}

#[test]
fn a_list_that_hides_workflows() {
    let space = world();
    let ids = [space.id("ana", "ana@v1/answer"), space.id("cy", "cy@v1/record")];
    server::on(&space, |server: &Server| {
        not_believed(&space, server, "one that is recorded is missing from it", || {
            fault(server, "hidden", json!({"ids": ids, "times": 100}));
        });
    });
}

#[test]
fn a_list_that_lacks_a_page() {
    let space = world();
    server::on(&space, |server: &Server| {
        not_believed(&space, server, "one that is recorded is missing from it", || {
            fault(server, "small_pages", json!({"count": 2}));
            // Three pages, of which the second is left out each time.
            for _ in 0..20 {
                honest(server, 1);
                fault(server, "skip_page", json!({}));
            }
        });
    });
}

#[test]
fn a_list_whose_third_page_is_forbidden() {
    let space = world();
    server::on(&space, |server: &Server| {
        not_believed(&space, server, "lacks a scope", || {
            fault(server, "small_pages", json!({"count": 2}));
            for _ in 0..20 {
                honest(server, 2);
                fault(
                    server,
                    "status",
                    json!({"status": 403, "body": {"message": "Forbidden"}}),
                );
            }
        });
    });
}

/// A stranger's workflow on the first page is deleted before the second is read: what stood first there is on no page.
#[test]
fn a_workflow_that_is_deleted_between_two_pages() {
    let space = world();
    server::on(&space, |server: &Server| {
        let stranger = |server: &Server| {
            let body = json!({"name": "a stranger", "nodes": [], "connections": {}, "settings": {}});
            server.ok("POST", "/n8n/api/v1/workflows", Some(&body));
        };
        let is_strange = |workflow: &Value| workflow["name"] == "a stranger";
        // Ids are random, and so is their order: until a stranger stands on the first page, before one of ours.
        let first = loop {
            let workflows = server.workflows();
            if !is_strange(&workflows[2])
                && let Some(first) = workflows[..2].iter().find(|workflow| is_strange(workflow))
            {
                break first["id"].as_str().unwrap().to_owned();
            }
            for strange in workflows.iter().filter(|workflow| is_strange(workflow)) {
                server.ok(
                    "DELETE",
                    &format!("/n8n/api/v1/workflows/{}", strange["id"].as_str().unwrap()),
                    None,
                );
            }
            stranger(server);
        };
        fault(server, "small_pages", json!({"count": 2}));
        honest(server, 1);
        fault(server, "latency", json!({"ms": 1_500}));
        server.ok("DELETE", "/_sandbox/calls", None);
        let child = space.start(&["apply", "--yes"]);
        // Only the pages stand in the list of faults after them.
        while server.ok("GET", "/_sandbox/faults", None)["faults"]
            .as_array()
            .unwrap()
            .len()
            > 1
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        server.ok("DELETE", &format!("/n8n/api/v1/workflows/{first}"), None);
        let run = space.finish(child);
        assert_ne!(run.status, 0, "{run}");
        assert!(run.stderr.contains("one that is recorded is missing from it"), "{run}");
        let calls = server.ok("GET", "/_sandbox/calls", None);
        let mut calls = calls["calls"].as_array().unwrap().iter();
        assert!(
            !calls.any(|call| call["method"] == "POST" && call["path"] == "/api/v1/workflows"),
            "something was created: {run}"
        );
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
        let ours = server.workflows().into_iter().filter(|workflow| !is_strange(workflow));
        assert_eq!(ours.count(), 6);
    });
}
