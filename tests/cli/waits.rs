//! What a platform said it is still doing is waited for until it is done, also by the next run.

use serde_json::{Value, json};

use crate::support::server;
use crate::support::{Server, Space};

const FORGE: &str = "\
platform   = \"forge\"
usual_base = \"https://forge.invalid/v1\"
auth       = { bearer = \"{cred.key}\" }

[resource.branch]
list   = { call = \"GET /branches\", items = \"branches\" }
create = { call = \"POST /branches\", live = \"branch\", body = { branch = \"{spec}\", about = \"{marker}\" } }
read   = { call = \"GET /branches/{id}\", live = \"branch\" }
update = { call = \"PATCH /branches/{id}\", body = { branch = \"{spec}\" } }
delete = \"DELETE /branches/{id}\"
marker = { value = { upa = \"{owner}\" }, at = \"about.upa\" }
wait   = { each = \"operations\", call = \"GET /operations/{item.id}\", at = \"state\", ok = [\"done\"], fail = [\"failed\"], every = \"10ms\", max = \"100ms\" }
";

const ADDRESS: &str = "ana@v1/branch";

fn space() -> Space {
    let space = Space::bare();
    space.write(".gitignore", ".upa/\n");
    space.write("platforms/forge.toml", FORGE);
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n[accounts.forge]\nsandbox = true\n",
    );
    space.write(
        "versions/work/v1.toml",
        "product = \"work\"\nversion = \"v1\"\nrevision = 0\nstage = \"released\"\n\n\
         [resources.branch]\nkind = \"forge.branch\"\ntemplate = \"branch.json\"\n",
    );
    space.write(
        "templates/work/v1/branch.json",
        format!("{:#}\n", json!({"name": "<%= tenant.name %>"})),
    );
    space.write(
        "tenants/ana.toml",
        "product = \"work\"\nversion = \"v1\"\ntier = \"client\"\nstatus = \"active\"\noperator = \"ana@example.test\"\n",
    );
    space.commit("before the release");
    space.upa(&["release", "work", "v1"]).exits(0);
    space.commit("a branch");
    space
}

/// Whatever operation is asked for is in this state.
fn states(server: &Server, state: &str) {
    server.ok("DELETE", "/_sandbox/faults", None);
    server.fault(
        &json!({"account": "forge", "method": "GET", "path": "/operations/", "times": 100_000, "kind": "status",
        "status": 200, "body": {"state": state}}),
    );
}

/// The operations that were asked for since this was asked last.
fn asked(server: &Server) -> Vec<String> {
    let answer = server.ok("GET", "/_sandbox/calls", None);
    server.ok("DELETE", "/_sandbox/calls", None);
    let calls = answer["calls"].as_array().unwrap().clone();
    let path = |call: &Value| Some(call["path"].as_str()?.split_once("/operations/")?.1.to_owned());
    let mut found: Vec<String> = calls.iter().filter_map(path).collect();
    found.dedup();
    found
}

/// The operations that the lockfile records. Of each an id is enough.
fn recorded(space: &Space) -> Vec<String> {
    let pending = space.lock("ana")["resources"][ADDRESS]["pending"].clone();
    let operations = pending["operations"].as_array().unwrap().clone();
    let id = |operation: &toml::Value| {
        assert_eq!(operation.as_table().unwrap().len(), 1, "{pending}");
        operation["id"].as_str().unwrap().to_owned()
    };
    operations.iter().map(id).collect()
}

fn branches(server: &Server) -> usize {
    let found = server.ok("GET", "/_sandbox/editor/forge/branch", None);
    found.as_array().unwrap().len()
}

fn state(space: &Space) -> String {
    let lock = space.lock("ana");
    lock["versions"]["v1"]["request"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn operations_are_waited_for_by_the_next_run_too() {
    let space = space();
    server::on(&space, |server: &Server| {
        states(server, "running");
        let run = space.upa(&["apply", "--yes"]).exits(7);
        assert!(run.stdout.contains("ana@v1/branch is not ready yet"), "{run}");
        let first = asked(server);
        assert_eq!(first.len(), 1, "{first:?}");
        let all = recorded(&space);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0], first[0]);
        for _ in 0..2 {
            let run = space.upa(&["apply", "--yes"]).exits(7);
            assert!(run.stdout.contains("ana@v1/branch is not ready yet"), "{run}");
            assert_eq!(asked(server), first);
            assert_eq!(state(&space), "PROVISIONING");
        }
        // A plan says so too.
        let plan = space.upa(&["plan"]).exits(0);
        assert!(plan.stdout.contains(ADDRESS), "{plan}");
        states(server, "done");
        space.apply();
        assert_eq!(asked(server), all);
        assert_eq!(state(&space), "COMPLETED");
        assert!(!space.read("tenants/ana.lock").contains("operations"));
        space.settled();
        assert_eq!(branches(server), 1);
    });
}

#[test]
fn an_operation_that_failed_is_not_ready_in_the_next_run_either() {
    let space = space();
    server::on(&space, |server: &Server| {
        states(server, "running");
        space.upa(&["apply", "--yes"]).exits(7);
        states(server, "failed");
        for _ in 0..2 {
            let run = space.upa(&["apply", "--yes"]);
            assert_ne!(run.status, 0, "{run}");
            assert!(run.stderr.contains("the platform says `state` is failed"), "{run}");
            assert_eq!(state(&space), "FAILED");
        }
    });
}

#[test]
fn a_run_that_is_cut_off_while_it_waits_has_not_forgotten_for_what() {
    let space = space();
    space.edit("platforms/forge.toml", "max = \"100ms\"", "max = \"1m\"");
    space.commit("patience");
    server::on(&space, |server: &Server| {
        states(server, "running");
        let mut child = space.start(&["apply", "--yes"]);
        for _ in 0..2_000 {
            let calls = server.ok("GET", "/_sandbox/calls", None).to_string();
            if calls.contains("/operations/") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let first = asked(server);
        assert_eq!(first.len(), 1, "{first:?}");
        states(server, "failed");
        let run = space.upa(&["apply", "--yes"]);
        assert!(run.stderr.contains("the platform says `state` is failed"), "{run}");
        assert_eq!(asked(server), first);
        let all = recorded(&space);
        states(server, "done");
        space.apply();
        assert_eq!(asked(server), all);
        space.settled();
        assert_eq!(branches(server), 1);
    });
}
