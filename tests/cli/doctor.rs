//! `upa doctor` says what is wrong, and what it says to type helps: every hint is run as it stands, in the situation that
//! caused it, and the finding must be gone.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::{Run, Server, Space, product, server, server::signal};

/// What `upa doctor` finds.
#[track_caller]
fn findings(space: &Space, args: &[&str]) -> Vec<Value> {
    let run = space.upa(&[&["doctor", "--format", "json"][..], args].concat());
    let found = run.json()["findings"].as_array().unwrap().clone();
    assert_eq!(run.status == 0, found.is_empty(), "{run}");
    found
}

fn message(finding: &Value) -> &str {
    finding["message"].as_str().unwrap()
}

/// Runs a hint as it stands, with `upa` on the path.
fn types(space: &Space, hint: &str) -> Run {
    let upa = std::path::Path::new(env!("CARGO_BIN_EXE_upa"));
    let mut shell = space.clean(Command::new("sh"));
    let path = std::env::var("PATH").unwrap();
    shell
        .env("PATH", format!("{}:{path}", upa.parent().unwrap().display()))
        .current_dir(space.root())
        .args(["-c", hint])
        .stdin(Stdio::null());
    Run::of(shell.output().unwrap(), &space.root())
}

/// Asserts that a finding says this, that each hint is a command, and that each finding is gone once its hint was run.
#[track_caller]
fn heals(space: &Space, expected: &[&str]) {
    let found = findings(space, &[]);
    for one in expected {
        assert!(
            found.iter().any(|finding| message(finding).contains(one)),
            "`{one}`: {found:#?}"
        );
    }
    for _ in 0..6 {
        let found = findings(space, &[]);
        let Some(first) = found.first() else { return };
        let hint = first["hint"].as_str().unwrap_or_default();
        assert!(hint.starts_with("upa ") || hint.starts_with("git "), "{first:#}");
        let run = types(space, hint);
        assert_eq!(run.status, 0, "{hint}\n{run}\n{first:#}");
        let left = findings(space, &[]);
        assert!(
            left.iter().all(|other| message(other) != message(first)),
            "{hint}\n{left:#?}"
        );
    }
    panic!("there is always another finding: {:#?}", findings(space, &[]));
}

/// Two tenants that are applied, a running sandbox, and a situation.
fn in_situation(expected: &[&str], situation: impl FnOnce(&Space, &Server)) {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        assert!(findings(&space, &[]).is_empty());
        situation(&space, server);
        heals(&space, expected);
        space.settled();
    });
}

fn workflow(space: &Space, address: &str, verb: &str) -> String {
    let id = space.id("ana", address);
    format!("/n8n/api/v1/workflows/{id}{verb}")
}

fn lock_edit(space: &Space, tenant: &str, from: &str, to: &str) {
    let path = format!("tenants/{tenant}.lock");
    let text = space.read(&path);
    assert!(text.contains(from), "{from}: {text}");
    space.write(&path, text.replace(from, to));
    space.commit("by hand");
}

fn deafen(space: &Space, server: &Server) {
    let id = space.id("ana", "ana@v1/answer");
    server.fault(&json!({"account": "n8n", "kind": "deaf", "ids": [id]}));
}

#[test]
fn a_workflow_that_was_unpublished() {
    in_situation(
        &["ana@v1/answer: its webhooks do not answer (inbound)"],
        |space, server| {
            server.ok("POST", &workflow(space, "ana@v1/answer", "/unpublish"), None);
        },
    );
}

#[test]
fn a_webhook_that_is_published_and_dead_on_the_wire() {
    in_situation(
        &["ana@v1/answer: its webhooks do not answer (inbound), because it is published, and does not answer"],
        |space, server| {
            deafen(space, server);
            // Plans do not probe, and who wants no probe has none.
            space.settled();
            assert!(findings(space, &["--quick"]).is_empty());
        },
    );
}

#[test]
fn a_dead_webhook_is_drift_that_is_planned_and_repaired_by_publishing_again() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        deafen(&space, server);
        let url = format!("/n8n/webhook/{}/inbound", base(&space));
        assert_eq!(server.send("POST", &url, &server.key, Some(&json!({}))).0, 404);
        let written = server.writes();
        let plan = space
            .upa(&["plan", "--probe", "--detailed-exitcode", "--out", "p.json"])
            .exits(2);
        assert_eq!(server.writes(), written, "a plan writes nothing");
        assert!(plan.stdout.contains("it is published, and does not answer"), "{plan}");
        let change = plan_of(&space, "p.json")["changes"][0].clone();
        assert_eq!(change["address"], "ana@v1/answer");
        assert_eq!((&change["reason"], &change["drift"]), (&json!("silent"), &json!(true)));
        assert_eq!(change["steps"], json!(["unpublish", "publish"]));
        // The reviewed plan is applied: what webhooks answered is part of it.
        let run = space.upa(&["apply", "--plan", "p.json"]).exits(0);
        assert!(run.stdout.contains("Applied: 2 steps"), "{run}");
        assert_eq!(server.send("POST", &url, &server.key, Some(&json!({}))).0, 200);
        space.upa(&["plan", "--probe", "--detailed-exitcode"]).exits(0);
        assert!(findings(&space, &[]).is_empty());
    });
}

fn base(space: &Space) -> String {
    let lock = space.lock("ana");
    lock["versions"]["v1"]["webhook_base_path"].as_str().unwrap().to_owned()
}

fn plan_of(space: &Space, path: &str) -> Value {
    serde_json::from_str(&space.read(path)).unwrap()
}

#[test]
fn what_stands_before_the_platform_is_not_taken_for_a_dead_webhook() {
    for status in [200, 403, 429, 500, 502, 503] {
        let space = Space::with(&["ana"]);
        server::on(&space, |server: &Server| {
            space.apply();
            server.fault(&json!({
                "account": "n8n", "method": "OPTIONS", "times": 1000, "kind": "status", "status": status, "body": "page"
            }));
            let plan = space.upa(&["plan", "--probe", "--detailed-exitcode"]).exits(0);
            assert!(
                plan.stderr.contains("whether its webhooks answer is not known"),
                "{plan}"
            );
            let found = findings(&space, &[]);
            assert_eq!(found.len(), 1, "{found:#?}");
            assert!(
                message(&found[0]).contains("whether its webhooks answer is not known"),
                "{found:#?}"
            );
        });
    }
}

#[test]
fn a_workflow_that_was_deleted() {
    in_situation(&["because it was deleted on the platform"], |space, server| {
        server.ok("POST", &workflow(space, "ana@v1/answer", "/unpublish"), None);
        server.ok("DELETE", &workflow(space, "ana@v1/answer", ""), None);
    });
}

#[test]
fn drift() {
    in_situation(
        &["1 object of `ana`: drift", "ana@v1/assistant (it differs)"],
        |space, server| {
            let id = space.id("ana", "ana@v1/assistant");
            let body = json!({"firstMessage": "something else"});
            server.ok("PATCH", &format!("/vapi/assistant/{id}"), Some(&body));
        },
    );
}

#[test]
fn what_was_never_applied() {
    in_situation(
        &["of `zoe`: Git says otherwise, and that was not applied"],
        |space, _| {
            space.write("tenants/zoe.toml", product::tenant("zoe"));
            space.edit("tenants/ana.toml", "Hello from ana", "Good day");
            space.commit("news");
        },
    );
}

#[test]
fn an_apply_that_failed() {
    in_situation(&["zoe@v1/assistant", "failed at"], |space, server| {
        space.write("tenants/zoe.toml", product::tenant("zoe"));
        space.commit("news");
        server.fault(&json!({
            "account": "vapi", "method": "POST", "path": "/assistant", "times": 50, "kind": "status", "status": 400,
            "body": {"message": "no such voice"}
        }));
        assert_ne!(space.upa(&["apply", "--yes"]).status, 0);
        let found = findings(space, &["--quick"]);
        assert!(
            found.iter().any(
                |one| message(one).contains("the request of tenant `zoe` on v1 failed at")
                    && message(one).contains("no such voice")
            ),
            "{found:#?}"
        );
        server.ok("DELETE", "/_sandbox/faults", None);
    });
}

#[test]
fn a_run_that_was_cut_off() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        crate::support::origin::slowly(server, 60);
        let mut child = space.start(&["apply", "--yes"]);
        crate::support::origin::until(server, 2);
        signal(&child, "KILL");
        child.wait().unwrap();
        server.ok("DELETE", "/_sandbox/faults", None);
        heals(
            &space,
            &[
                "was cut off in this clone while it worked on ana",
                "is PROVISIONING since",
            ],
        );
        space.settled();
    });
}

#[test]
fn a_copy_that_was_made_by_hand() {
    in_situation(
        &["carries the mark of ana@v1/record, and no lockfile records it"],
        |space, server| {
            let original = server.ok("GET", &workflow(space, "ana@v1/record", ""), None);
            let mut body = json!({});
            for key in ["name", "nodes", "connections", "settings"] {
                body[key] = original[key].clone();
            }
            server.ok("POST", "/n8n/api/v1/workflows", Some(&body));
        },
    );
}

#[test]
fn a_lockfile_that_was_removed() {
    in_situation(
        &["and no lockfile records it: wanted, and in no lockfile"],
        |space, _| {
            space.remove("tenants/ana.lock");
            space.commit("lost");
        },
    );
}

#[test]
fn a_tenant_of_whom_every_file_was_removed() {
    in_situation(
        &["and no lockfile records it: no tenant has this address"],
        |space, _| {
            space.remove("tenants/ana.lock");
            space.remove("tenants/ana.toml");
            space.commit("lost");
        },
    );
}

#[test]
fn a_block_of_a_lockfile_that_was_removed() {
    in_situation(
        &["carries the mark of ana@v1/record, and no lockfile records it"],
        |space, _| {
            let mut lock = space.lock("ana");
            lock["resources"].as_table_mut().unwrap().remove("ana@v1/record");
            space.write("tenants/ana.lock", lock.to_string());
            space.commit("by hand");
        },
    );
}

#[test]
fn an_id_that_was_edited_by_hand() {
    for address in ["ana@v1/assistant", "ana@v1/record"] {
        in_situation(&["is not the one that carries its mark"], |space, server| {
            let (id, before) = (
                space.id("ana", address),
                (server.workflows().len(), server.assistants().len()),
            );
            lock_edit(space, "ana", &id, &id.replace(|c: char| c.is_ascii_alphanumeric(), "0"));
            let plan = space.upa(&["plan"]).exits(10);
            assert!(
                plan.stderr.contains(&format!("upa recover ana --take {address}={id}")),
                "{plan}"
            );
            assert!(!plan.stderr.contains("--recreate"), "{plan}");
            space.upa(&["apply", "--yes"]).exits(10);
            assert_eq!((server.workflows().len(), server.assistants().len()), before);
        });
    }
}

#[test]
fn an_id_that_was_edited_by_hand_of_a_tenant_who_is_taken_down() {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let id = space.id("ana", "ana@v1/assistant");
        space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
        lock_edit(
            &space,
            "ana",
            &id,
            &id.replace(|c: char| c.is_ascii_alphanumeric(), "0"),
        );
        heals(&space, &["ana@v1/assistant should go, but the recorded object"]);
        assert_eq!(server.assistants().len(), 1);
    });
}

#[test]
fn one_id_in_two_lockfiles() {
    for address in ["assistant", "record"] {
        in_situation(&["are the same object"], |space, _| {
            let (ana, bo) = (format!("ana@v1/{address}"), format!("bo@v1/{address}"));
            lock_edit(space, "bo", &space.id("bo", &bo), &space.id("ana", &ana));
        });
    }
}

#[test]
fn a_lockfile_that_was_copied() {
    // Whatever their names: the marks say which is the copy.
    for (original, copy) in [("ana", "zoe"), ("bo", "abel")] {
        in_situation(&[&format!("so the one of `{copy}` is a copy")], |space, _| {
            space.write(&format!("tenants/{copy}.toml"), product::tenant(copy));
            let lock = space.read(&format!("tenants/{original}.lock"));
            let renamed = lock.replace(&format!("{original}@"), &format!("{copy}@"));
            let renamed = renamed.replace(&format!("\"{original}"), &format!("\"{copy}"));
            space.write(&format!("tenants/{copy}.lock"), renamed);
            space.commit("copied");
        });
    }
}

#[test]
fn a_request_whose_time_is_up() {
    in_situation(
        &["was to be done by 2026-01-01T00:00:00Z, and is PROVISIONING"],
        |space, _| {
            let mut lock = space.lock("ana");
            let request = lock["versions"]["v1"]["request"].as_table_mut().unwrap();
            request.insert("state".to_owned(), "PROVISIONING".into());
            request.insert("deadline".to_owned(), "2026-01-01T00:00:00Z".into());
            space.write("tenants/ana.lock", lock.to_string());
            space.commit("long ago");
        },
    );
}

#[test]
fn a_gate_that_waits() {
    let space = Space::with(&["ana"]);
    let gate = "[gates.called]\ncovers = [\"assistant\"]\nprompt = \"Call it\"\n\n[resources.answer]";
    space.edit(product::VERSION_FILE, "[resources.answer]", gate);
    product::release(&space);
    space.commit("gate");
    space.apply();
    heals(&space, &["ana awaits approval of `called`"]);
}

#[test]
fn a_claim_of_a_run_that_died() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"\nlease_seconds = 4");
    server::on(&space, |server: &Server| {
        space.apply();
        space.edit("tenants/ana.toml", "Hello from ana", "Good day");
        space.commit("news");
        space.git(&["push", "--quiet", "origin", "HEAD"]);
        crate::support::origin::slowly(server, 1_200);
        let written = server.writes();
        let mut child = space.start(&["apply", "--yes"]);
        crate::support::origin::until(server, written + 1);
        signal(&child, "KILL");
        child.wait().unwrap();
        server.ok("DELETE", "/_sandbox/faults", None);
        while !findings(&space, &[])
            .iter()
            .any(|one| message(one).contains("expired at"))
        {
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        heals(&space, &["that run died"]);
        space.settled();
    });
}
