//! An n8n whose answers nobody can understand: a create is looked for and never sent again, a list or a read is no absence,
//! and reading ends, in bounded memory, however much there is.

use serde_json::{Value, json};

use crate::support::{Server, Space, product, server};

const WORKFLOWS: &str = "/api/v1/workflows$";

fn fault(server: &Server, method: &str, path: &str, kind: &str, further: &Value) {
    let mut fault = json!({"account": "n8n", "method": method, "path": path, "kind": kind, "times": 1_000_000});
    let further = further.as_object().unwrap().clone();
    fault.as_object_mut().unwrap().extend(further);
    server.fault(&fault);
}

fn calls(server: &Server, method: &str) -> usize {
    let answer = server.ok("GET", "/_sandbox/calls", None);
    let calls = answer["calls"].as_array().unwrap().iter();
    let meant = calls.filter(|call| call["method"] == method && call["path"] == "/api/v1/workflows");
    meant.count()
}

#[test]
fn a_create_that_was_not_understood_is_sent_once_and_found() {
    let long = "x".repeat(300);
    let page = |status: u16, body: &str| ("status_after_write", json!({"status": status, "body": body}));
    let mut lies = vec![
        page(200, "n8n is starting up. Please wait"),
        page(200, "Welcome. Something is starting up."),
        page(404, "<pre>Cannot POST /api/v1/workflows</pre>"),
        page(403, "<h1>Blocked</h1>"),
        page(302, "<a href='/signin'>Found</a>"),
        (
            "status_after_write",
            json!({"status": 200, "body": "<p>wait", "retry_after": 1}),
        ),
        ("status_after_write", json!({"status": 200})),
        ("status_after_write", json!({"status": 303})),
        ("cut_answer", json!({})),
        ("flood", json!({"count": 40})),
        ("flood", json!({"count": 30})),
    ];
    for id in ["a\nb", "a b", "../x", "", &long] {
        lies.push(("odd_id", json!({ "body": id })));
    }
    let space = Space::with(&[]);
    for (number, (kind, further)) in lies.iter().enumerate() {
        let tenant = format!("t{number}");
        space.write(&format!("tenants/{tenant}.toml"), product::tenant(&tenant));
        space.commit("one more");
        server::on(&space, |server: &Server| {
            let context = format!("{kind} {further}");
            fault(server, "POST", WORKFLOWS, kind, further);
            let first = space.upa(&["apply", "--yes"]);
            assert_ne!(first.status, 0, "{context}: {first}");
            assert_eq!(
                calls(server, "POST"),
                2,
                "one for each of two workflows, {context}: {first}"
            );
            server.ok("DELETE", "/_sandbox/faults", None);
            let second = space.apply();
            assert_eq!(calls(server, "POST"), 2, "they were found, {context}: {second}");
            space.settled();
            assert_eq!(server.workflows().len(), 2 * (number + 1), "{context}");
        });
    }
}

/// Two tenants are recorded, a third is new. Because of what lists and reads say nothing is created or forgotten.
fn nothing_comes_of(path: &str, kind: &str, further: &Value) -> usize {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    space.write("tenants/cy.toml", product::tenant("cy"));
    space.commit("one comes");
    server::on(&space, |server: &Server| {
        let context = format!("{path} {kind} {further}");
        fault(server, "GET", path, kind, further);
        let plan = space.upa(&["plan", "--detailed-exitcode", "--format", "json"]);
        assert!(![0, 2].contains(&plan.status), "{context}: {plan}");
        assert_eq!(plan.json()["changes"], json!([]), "{context}: {plan}");
        let made = calls(server, "GET");
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{context}: {run}");
        assert_eq!(server.writes(), 0, "{context}: {run}");
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
        assert_eq!(server.workflows().len(), 6, "{context}");
        made
    })
}

#[test]
fn a_list_that_never_ends_is_left() {
    for (count, most) in [(0, 30), (1, 1_010), (50, 1_010)] {
        let made = nothing_comes_of(WORKFLOWS, "endless", &json!({ "count": count }));
        assert!((20..=most).contains(&made), "{count} on each page: {made} calls");
    }
}

#[test]
fn a_list_that_is_no_list_is_not_believed() {
    for (kind, further) in [
        ("status", json!({"status": 200})),
        ("status", json!({"status": 200, "body": "Something is starting up"})),
        ("status", json!({"status": 302, "body": "<h1>Sign in</h1>"})),
        ("status", json!({"status": 404})),
        ("status", json!({"status": 200, "body": {"data": null}})),
        ("cut_answer", json!({})),
        ("odd_id", json!({"body": "a b"})),
    ] {
        nothing_comes_of(WORKFLOWS, kind, &further);
    }
}

#[test]
fn a_workflow_that_cannot_be_read_is_not_gone() {
    let space = Space::with(&["ana"]);
    space.apply();
    let ids = [space.id("ana", "ana@v1/answer"), space.id("ana", "ana@v1/record")];
    server::on(&space, |server: &Server| {
        for further in [
            json!({"status": 404}),
            json!({"status": 200}),
            json!({"status": 200, "body": {}}),
            json!({"status": 404, "body": "<h1>Not found</h1>"}),
            json!({"status": 410, "body": "<h1>Gone</h1>"}),
            json!({"status": 200, "body": {"id": "AnotherAnother01", "nodes": []}}),
        ] {
            fault(server, "GET", WORKFLOWS, "hidden", &json!({"ids": [ids[0]]}));
            fault(server, "GET", "/api/v1/workflows/", "status", &further);
            let plan = space.upa(&["plan", "--format", "json"]);
            assert_ne!(plan.status, 0, "{further}: {plan}");
            assert_eq!(plan.json()["changes"], json!([]), "{further}: {plan}");
            server.ok("DELETE", "/_sandbox/faults", None);
            space.settled();
        }
    });
}

/// Runs upa with so much address space at most, in MiB.
fn within(space: &Space, most: usize, args: &[&str]) -> (Option<i32>, String) {
    let upa = space.command(args);
    let mut shell = space.clean(std::process::Command::new("bash"));
    shell
        .current_dir(space.root())
        .args(["-c", &format!("ulimit -v {} && exec \"$@\"", most << 10), "bash"])
        .arg(upa.get_program())
        .args(args);
    let output = shell.output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn little_that_becomes_much_is_not_read() {
    let space = Space::with(&["ana"]);
    space.apply();
    server::on(&space, |server: &Server| {
        for count in [30, 60, 400] {
            let most = 1_000;
            let (status, said) = within(&space, most, &["plan"]);
            assert_eq!(status, Some(0), "{most} MiB are enough: {said}");
            fault(server, "GET", WORKFLOWS, "flood", &json!({ "count": count }));
            let (status, said) = within(&space, most, &["plan"]);
            server.ok("DELETE", "/_sandbox/faults", None);
            assert_eq!(status, Some(7), "{count} MiB: {said}");
            assert!(said.contains("MiB"), "{count} MiB: {said}");
        }
        space.settled();
    });
}

/// Fewer workflows are asked for where a page of them is more than is read.
#[test]
fn a_page_that_is_too_large_is_asked_for_in_parts() {
    let space = Space::with(&["ana"]);
    space.apply();
    server::on(&space, |server: &Server| {
        fault(server, "GET", WORKFLOWS, "flood", &json!({"count": 40, "times": 1}));
        space.settled();
        let answer = server.ok("GET", "/_sandbox/calls", None);
        let calls = answer["calls"].as_array().unwrap().iter();
        let lists = calls.filter(|call| call["path"] == "/api/v1/workflows");
        let queries: Vec<&str> = lists.map(|call| call["query"].as_str().unwrap()).collect();
        assert!(
            queries[0].contains("limit=250") && queries[1].contains("limit=50"),
            "{queries:?}"
        );
    });
}

#[test]
fn a_probe_does_not_read_all_that_it_is_answered() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        let flood = json!({"account": "n8n", "method": "OPTIONS", "kind": "flood", "count": 400, "times": 2});
        server.fault(&flood);
        let (_, said) = within(&space, 1_000, &["apply", "--yes"]);
        server.ok("DELETE", "/_sandbox/faults", None);
        assert!(!said.contains("memory"), "{said}");
        space.apply();
        space.settled();
    });
}
