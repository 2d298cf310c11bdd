//! Somebody changes an object between plan and write: it is not written over, not published and not deleted; what does not
//! depend on it goes on, and the next plan shows what they did.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Run, Server, Space, server};

/// Applies, and does something between the moment of the plan and that of the write: while the object is looked at for the
/// last time, which is after it was looked at so many times.
fn apply_while(space: &Space, server: &Server, account: &str, path: &str, looks: u32, edit: impl FnOnce()) -> Run {
    let look = |times: u32, ms: u32| {
        let fault = json!({"account": account, "method": "GET", "path": format!("{path}$"), "times": times, "kind": "latency", "ms": ms});
        server.fault(&fault);
    };
    if looks > 0 {
        look(looks, 0);
    }
    look(1, 1_500);
    let mut child = space.start(&["apply", "--yes"]);
    let left = || {
        let faults = server.ok("GET", "/_sandbox/faults", None);
        faults["faults"].as_array().unwrap().len()
    };
    while left() > 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the write");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    edit();
    space.finish(child)
}

/// What a person is told in the end, without what was said on the way.
fn told(run: &Run) -> &str {
    run.stderr.find("error:").map_or("", |at| &run.stderr[at..])
}

/// Somebody saves a workflow with another text, and does not publish it.
fn edit_workflow(server: &Server, id: &str, text: &str) {
    let path = format!("/n8n/api/v1/workflows/{id}");
    let now = server.ok("GET", &path, None);
    let mut body = json!({});
    for key in ["name", "nodes", "connections", "settings"] {
        body[key] = now[key].clone();
    }
    let nodes = body["nodes"].as_array_mut().unwrap();
    let node = nodes
        .iter_mut()
        .find(|node| node["type"] == "n8n-nodes-base.set")
        .unwrap();
    node["parameters"]["assignments"]["assignments"][0]["value"] = json!(text);
    server.ok("PUT", &format!("{path}?publishIfActive=false"), Some(&body));
}

fn workflow(server: &Server, id: &str) -> Value {
    server.ok("GET", &format!("/n8n/api/v1/workflows/{id}"), None)
}

/// What a workflow says in a version of it.
fn says(version: &Value, text: &str) -> bool {
    version["nodes"].to_string().contains(text)
}

/// A tenant that is there, and a change of it in Git.
fn changed(tenants: &[&str], from: &str, to: &str) -> Space {
    let space = Space::with(tenants);
    space.apply();
    for tenant in tenants {
        space.edit(&format!("tenants/{tenant}.toml"), from, to);
    }
    space.commit("changed");
    space
}

#[test]
fn a_workflow_that_somebody_edits_meanwhile_is_not_overwritten() {
    let space = changed(&["ana"], "Hello", "Hi");
    let id = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let path = format!("/api/v1/workflows/{id}");
        let run = apply_while(&space, server, "n8n", &path, 0, || {
            edit_workflow(server, &id, "by hand")
        });
        assert_snapshot!(told(&run), @r#"
        error: ana@v1/answer: fill: account `n8n`: GET /workflows: Sandbox Owner changed node "Greeting" · parameters.assignments.assignments.0.value on the platform after the plan was made; it was not overwritten
         |
        help: run `upa plan` again and read what changed
        "#);
        assert_eq!(run.status, 12, "{run}");
        let now = workflow(server, &id);
        assert!(says(&now, "by hand"), "{now}");
        assert!(says(&now["activeVersion"], "Hello from ana"), "{now}");
        // What does not depend on it went on.
        assert_eq!(server.assistants()[0]["firstMessage"], "Hi from ana");
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        assert!(plan.stdout.contains("changed in Git and on the platform"), "{plan}");
        assert!(plan.stdout.contains("by hand"), "{plan}");
        // Who has read that may go on.
        space.apply();
        assert!(says(&workflow(server, &id)["activeVersion"], "Hi from ana"));
    });
    space.settled();
}

#[test]
fn an_assistant_that_somebody_edits_meanwhile_is_not_overwritten() {
    let space = changed(&["ana"], "Hello", "Hi");
    let id = space.id("ana", "ana@v1/assistant");
    let path = format!("/assistant/{id}");
    server::on(&space, |server: &Server| {
        // It is the only one, so the plan reads it and no list.
        let run = apply_while(&space, server, "vapi", &path, 1, || {
            server.ok(
                "PATCH",
                &format!("/vapi{path}"),
                Some(&json!({"firstMessage": "by hand"})),
            );
        });
        assert_snapshot!(told(&run), @r"
        error: ana@v1/assistant: fill: account `vapi`: read: somebody changed firstMessage on the platform after the plan was made; it was not overwritten
         |
        help: run `upa plan` again and read what changed
        ");
        assert_eq!(run.status, 12, "{run}");
        assert_eq!(server.assistants()[0]["firstMessage"], "by hand");
        let answer = workflow(server, &space.id("ana", "ana@v1/answer"));
        assert!(says(&answer["activeVersion"], "Hi from ana"), "{answer}");
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        assert!(plan.stdout.contains("changed in Git and on the platform"), "{plan}");
        space.apply();
        assert_eq!(server.assistants()[0]["firstMessage"], "Hi from ana");
    });
    space.settled();
}

#[test]
fn what_somebody_changes_stops_only_its_tenant() {
    let space = changed(&["ana", "bo"], "Hello", "Hi");
    let id = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let path = format!("/api/v1/workflows/{id}");
        let run = apply_while(&space, server, "n8n", &path, 0, || {
            edit_workflow(server, &id, "by hand")
        });
        assert_eq!(run.status, 4, "{run}");
        assert!(run.stdout.contains("failed: ana."), "{run}");
        let bo = workflow(server, &space.id("bo", "bo@v1/answer"));
        assert!(says(&bo["activeVersion"], "Hi from bo"), "{bo}");
    });
    space.upa(&["plan", "--detailed-exitcode", "bo"]).exits(0);
    space.apply();
    space.settled();
}

/// Between what upa saved and its publication somebody saves something else: that is not published.
#[test]
fn what_somebody_saves_before_the_publication_is_not_published() {
    let space = changed(&["ana"], "Hello", "Hi");
    let id = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let path = format!("/api/v1/workflows/{id}");
        // Looked at before it is saved, and after.
        let run = apply_while(&space, server, "n8n", &path, 2, || {
            edit_workflow(server, &id, "by hand")
        });
        assert_eq!(run.status, 12, "{run}");
        assert!(run.stderr.contains("it was not published"), "{run}");
        let now = workflow(server, &id);
        assert!(says(&now, "by hand"), "{now}");
        assert!(!says(&now["activeVersion"], "by hand"), "{now}");
        space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        space.apply();
        assert!(says(&workflow(server, &id)["activeVersion"], "Hi from ana"));
    });
    space.settled();
}

#[test]
fn a_workflow_that_somebody_edits_meanwhile_is_not_deleted() {
    let space = changed(&["ana"], "\"active\"", "\"deprovisioned\"");
    let id = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let path = format!("/api/v1/workflows/{id}");
        // Before it is stopped; then, in the next run, before it is deleted, which is after a look before and one after.
        for (looks, stopped) in [(0, false), (2, true)] {
            let text = format!("by hand {looks}");
            let run = apply_while(&space, server, "n8n", &path, looks, || {
                edit_workflow(server, &id, &text)
            });
            assert_eq!(run.status, 12, "{run}");
            assert!(run.stderr.contains("it was not deleted"), "{run}");
            let now = workflow(server, &id);
            assert!(says(&now, &text), "{now}");
            assert_eq!(now["active"], !stopped, "{now}");
            assert!(server.assistants().is_empty(), "what does not depend on it goes on");
            let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
            assert!(plan.stdout.contains("delete  ana@v1/answer"), "{plan}");
        }
    });
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 0);
}

#[test]
fn an_assistant_that_somebody_edits_meanwhile_is_not_deleted() {
    let space = changed(&["ana"], "\"active\"", "\"deprovisioned\"");
    let path = format!("/assistant/{}", space.id("ana", "ana@v1/assistant"));
    server::on(&space, |server: &Server| {
        let run = apply_while(&space, server, "vapi", &path, 1, || {
            server.ok(
                "PATCH",
                &format!("/vapi{path}"),
                Some(&json!({"firstMessage": "by hand"})),
            );
        });
        assert_eq!(run.status, 12, "{run}");
        assert!(
            run.stderr
                .contains("changed firstMessage on the platform after the plan was made; it was not deleted"),
            "{run}"
        );
        assert_eq!(server.assistants()[0]["firstMessage"], "by hand");
        assert!(server.workflows().is_empty(), "what does not depend on it goes on");
    });
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 0);
}
