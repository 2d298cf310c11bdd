//! Objects that carry our mark and that no lockfile records: named, with what to do; never touched.

use crate::support::server::{self, signal};
use crate::support::{Server, Space};

/// Somebody duplicates a workflow in the editor: the copy carries the mark.
fn copy(server: &Server, id: &str) -> String {
    let made = server.ok("POST", &format!("/_sandbox/editor/n8n/workflows/{id}/duplicate"), None);
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_no_lockfile_records_is_named_and_left_alone() {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let run = space.upa(&["orphans"]).exits(0);
        assert!(run.stdout.contains("No object carries"), "{run}");

        let recorded = space.id("ana", "ana@v1/record");
        let copied = copy(server, &recorded);
        let run = space.upa(&["orphans"]).exits(0);
        let row = run
            .stdout
            .lines()
            .find(|line| line.contains(&copied))
            .unwrap_or_default();
        assert!(
            row.contains("ana@v1/record") && row.contains(&format!("a copy of {recorded}")),
            "{run}"
        );
        assert!(run.stdout.contains(&format!("upa orphans --delete {copied}")), "{run}");

        // The lockfile is lost: everything of hers is named, with what to type.
        space.remove("tenants/ana.lock");
        space.commit("lost");
        let run = space.upa(&["orphans"]).exits(0);
        for resource in ["answer", "record", "assistant"] {
            assert!(run.stdout.contains(&format!("ana@v1/{resource}")), "{run}");
        }
        assert!(run.stdout.contains("wanted, and in no lockfile"), "{run}");
        assert!(run.stdout.contains("to `[adopt]` of tenants/ana.toml"), "{run}");
        assert!(!run.stdout.contains("bo@v1"), "{run}");

        // And so is her file.
        space.remove("tenants/ana.toml");
        space.commit("gone");
        let run = space.upa(&["orphans"]).exits(0);
        assert!(run.stdout.contains("no tenant has this address"), "{run}");
        assert_eq!(server.workflows().len(), 5);
        assert_eq!(server.assistants().len(), 2);
    });
}

#[test]
fn what_could_not_be_looked_at_is_said() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        server.fault(&serde_json::json!({"account": "n8n", "method": "GET", "times": 20, "kind": "status", "status": 500, "body": {"message": "no"}}));
        let run = space.upa(&["orphans"]).exits(7);
        assert!(run.stderr.contains("account `n8n`"), "{run}");
    });
}

#[test]
fn a_doctor_finds_what_is_wrong_and_says_what_to_type() {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let run = space.upa(&["doctor"]).exits(0);
        assert_eq!(run.stdout, "Nothing is wrong.\n");

        // A webhook is dead.
        let answer = space.id("ana", "ana@v1/answer");
        server.ok("POST", &format!("/n8n/api/v1/workflows/{answer}/unpublish"), None);
        let run = space.upa(&["doctor"]).exits(7);
        assert!(
            run.stdout
                .contains("ana@v1/answer: its webhooks do not answer (inbound)"),
            "{run}"
        );
        assert!(run.stdout.contains("upa apply ana"), "{run}");
        space.apply();

        // A copy.
        let copied = copy(server, &space.id("bo", "bo@v1/record"));
        let run = space.upa(&["doctor"]).exits(10);
        assert!(
            run.stdout.contains(&copied) && run.stdout.contains("1 finding."),
            "{run}"
        );
        server.ok("DELETE", &format!("/n8n/api/v1/workflows/{copied}"), None);
        space.upa(&["doctor"]).exits(0);
    });
}

#[test]
fn a_doctor_names_the_run_that_was_cut_off() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        crate::support::origin::slowly(server, 60);
        let mut child = space.start(&["apply", "--yes"]);
        crate::support::origin::until(server, 2);
        signal(&child, "KILL");
        child.wait().unwrap();
        server.ok("DELETE", "/_sandbox/faults", None);
        let before = server.writes();
        let run = space.upa(&["doctor"]);
        assert_ne!(run.status, 0, "{run}");
        assert!(
            run.stdout.contains("was cut off in this clone while it worked on ana"),
            "{run}"
        );
        assert!(
            run.stdout.contains("the request of tenant `ana` on v1 is PROVISIONING"),
            "{run}"
        );
        assert!(run.stdout.contains("before it was done with ana@v1/"), "{run}");
        assert_eq!(server.writes(), before, "it looks and changes nothing");
        space.apply();
        space.upa(&["doctor"]).exits(0);
    });
}

#[test]
fn only_what_is_named_is_deleted_and_only_if_nobody_records_it() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let recorded = space.id("ana", "ana@v1/record");
        let (one, other) = (copy(server, &recorded), copy(server, &recorded));
        let commits = space.commits();
        // What is recorded, what does not exist, and what nobody confirms.
        for wrong in [&*recorded, "nothing-like-it"] {
            let run = space.upa(&["orphans", "--delete", wrong, "--yes"]).exits(64);
            assert!(run.stderr.contains("without being recorded"), "{run}");
        }
        let run = space.upa(&["orphans", "--delete", &one]).exits(64);
        assert!(run.stderr.contains("nobody is there to ask"), "{run}");
        assert_eq!(server.workflows().len(), 4);
        space.upa(&["orphans", "--delete", &one, "--yes"]).exits(0);
        assert_eq!(server.workflows().len(), 3);
        let listed = space.upa(&["orphans", "--format", "json"]).exits(0).json();
        let listed = listed["orphans"].as_array().unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(
            (&listed[0]["id"], &listed[0]["kind"]),
            (&other.into(), &"n8n.workflow".into())
        );
        assert_eq!(space.commits(), commits);
        space.settled();
        let doctor = space.upa(&["doctor", "--format", "json"]).exits(10).json();
        assert_eq!(doctor["findings"].as_array().unwrap().len(), 1, "{doctor}");
    });
}
