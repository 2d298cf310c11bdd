//! A lockfile is lost: it is rebuilt from what stands on the platforms, and nothing is made twice.

use crate::support::server::{self};
use crate::support::{Server, Space};

fn lose(space: &Space, tenant: &str) {
    space.remove(&format!("tenants/{tenant}.lock"));
    space.commit("lost");
}

fn ids(space: &Space) -> Vec<String> {
    let resources = ["answer", "assistant", "record"];
    let ids = resources.map(|name| space.id("ana", &format!("ana@v1/{name}")));
    ids.to_vec()
}

fn base(space: &Space) -> String {
    let base = &space.lock("ana")["versions"]["v1"]["webhook_base_path"];
    base.as_str().unwrap().to_owned()
}

#[test]
fn a_lost_lockfile_is_rebuilt_and_the_next_apply_finds_everything_in_place() {
    let space = Space::with(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let (ids_before, base_before) = (ids(&space), base(&space));
        let run = space.upa(&["recover", "ana"]).exits(0);
        assert!(
            run.stdout
                .contains("Nothing that carries the mark of `ana` is missing in its lockfile."),
            "{run}"
        );
        let known = space.head();
        lose(&space, "ana");
        let plan = space.upa(&["plan", "ana"]).exits(10);
        assert!(plan.stderr.contains("rebuild it with `upa recover ana`"), "{plan}");

        // Git has it: that is better.
        let run = space.upa(&["recover", "ana"]).exits(10);
        let hint = format!("git checkout {} -- tenants/ana.lock", &known[..10]);
        assert!(run.stderr.contains(&hint), "{run}");
        assert!(!space.exists("tenants/ana.lock"));

        let run = space.upa(&["recover", "ana", "--from-marks"]).exits(0);
        for id in &ids_before {
            assert!(run.stdout.contains(id.as_str()), "{run}");
        }
        assert!(!run.stdout.contains("bo@v1"), "{run}");
        assert!(space.git(&["log", "-1", "--format=%B"]).contains("upa recover: ana"));
        assert_eq!(base(&space), base_before);
        let shown = space.upa(&["show", "ana"]).exits(0);
        assert!(shown.stdout.contains("PENDING"), "{shown}");
        let plan = space.upa(&["plan"]).exits(0);
        assert!(plan.stdout.contains("Plan: 3 to adopt in 1 of 2 tenants"), "{plan}");
        space.apply();
        assert_eq!((ids(&space), base(&space)), (ids_before, base_before));
        assert_eq!((server.workflows().len(), server.assistants().len()), (4, 2));
        assert!(space.upa(&["show", "ana"]).exits(0).stdout.contains("COMPLETED"));
        space.settled();
        let doctor = space.upa(&["doctor"]).exits(0);
        assert_eq!(doctor.stdout, "Nothing is wrong.\n");
    });
}

#[test]
fn a_part_that_is_missing_is_found_and_what_nobody_wants_goes() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let before = ids(&space);
        let lock = space.read("tenants/ana.lock");
        // One block is cut out, and the version has lost a resource meanwhile.
        let block = lock.find("[resources.\"ana@v1/assistant\"").unwrap();
        let end = lock[block..].find("[resources.\"ana@v1/record\"").unwrap() + block;
        space.write("tenants/ana.lock", format!("{}{}", &lock[..block], &lock[end..]));
        space.edit(
            crate::support::product::VERSION_FILE,
            "[resources.assistant]\nkind = \"vapi.assistant\"\ntemplate = \"assistant.json\"\n",
            "",
        );
        space.remove("templates/bot/v1/assistant.json");
        crate::support::product::release(&space);
        space.commit("torn");
        let run = space.upa(&["recover", "ana"]).exits(0);
        assert!(
            run.stdout.contains(&before[1]) && run.stdout.contains("Git does not want it any more"),
            "{run}"
        );
        let plan = space.upa(&["plan"]).exits(0);
        assert!(plan.stdout.contains("Plan: 1 to delete"), "{plan}");
        space.apply();
        assert_eq!((server.workflows().len(), server.assistants().len()), (2, 0));
        space.settled();
    });
}

#[test]
fn copies_are_asked_about_and_a_platform_that_is_down_writes_nothing() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        let (before, commits) = (ids(&space), space.commits());
        let path = format!("/_sandbox/editor/n8n/workflows/{}/duplicate", before[2]);
        let copy = server.ok("POST", &path, None)["id"].as_str().unwrap().to_owned();
        lose(&space, "ana");
        let run = space.upa(&["recover", "ana", "--from-marks"]).exits(10);
        assert!(run.stderr.contains("ana@v1/record: 2 objects carry its mark"), "{run}");
        assert!(run.stderr.contains(&copy) && run.stderr.contains(&before[2]), "{run}");
        let take = |address: &str, id: &str| {
            let take = format!("{address}={id}");
            space.upa(&["recover", "ana", "--from-marks", "--take", &take])
        };
        take("ana@v1/record", "nothing-like-it").exits(10);
        take("ana@v1/recrod", &before[2]).exits(64);
        server.fault(&serde_json::json!({"account": "vapi", "method": "GET", "times": 20, "kind": "status", "status": 500, "body": {"message": "no"}}));
        take("ana@v1/record", &before[2]).exits(7);
        server.send("DELETE", "/_sandbox/faults", &server.key, None);
        assert_eq!(space.commits(), commits + 1);
        take("ana@v1/record", &before[2]).exits(0);
        space.upa(&["apply", "--yes"]).exits(0);
        assert_eq!(ids(&space), before);
        let run = space.upa(&["orphans", "--delete", &copy, "--yes"]).exits(0);
        assert!(
            run.stdout.contains(&format!("deleted     n8n.workflow {copy}")),
            "{run}"
        );
        assert_eq!(server.workflows().len(), 2);
        space.settled();
    });
}

/// What carries no mark is asked about by name, in the tenant's file or, where several tenants share it, on the command line.
#[test]
fn what_carries_no_mark_is_asked_about_and_taken_by_name() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        server.shipped_credentials();
        // Who never had anything has lost nothing.
        let run = space.upa(&["recover", "welcs"]).exits(0);
        assert!(run.stdout.contains("Nothing that carries the mark of `welcs`"), "{run}");
        assert!(!space.exists("tenants/welcs.lock"));
        space.apply();
        let ids = |tenant: &str| {
            let lock = space.lock(tenant);
            let resources = lock["resources"].as_table().unwrap().iter();
            let ids = resources.map(|(address, locked)| (address.clone(), locked["applied"]["id"].to_string()));
            ids.collect::<Vec<_>>()
        };
        let before = [ids("welcs"), ids("@shared")];
        let writes = server.writes();
        lose(&space, "welcs");
        lose(&space, "@shared");
        space.upa(&["recover", "welcs", "--from-marks"]).exits(0);
        let run = space.upa(&["recover", "@shared", "--from-marks"]).exits(0);
        assert!(
            run.stdout.contains("carries no mark: apply looks for it, and asks"),
            "{run}"
        );
        // What is asked is answered with what the questions say.
        let plan = space.upa(&["plan"]).exits(10);
        let mut adopt = String::new();
        for hint in plan
            .stderr
            .lines()
            .filter(|line| line.starts_with("help: to take it over"))
        {
            let typed = hint.split('`').nth(1).unwrap();
            match typed.strip_prefix("upa ") {
                Some(command) => {
                    let words: Vec<&str> = command.split(' ').collect();
                    let slip = words[3].replace('=', "=not-");
                    space.upa(&[words[0], words[1], words[2], &slip]).exits(10);
                    space.upa(&words).exits(0);
                }
                None => adopt.push_str(&format!("{typed}\n")),
            }
        }
        let file = space.read("tenants/welcs.toml");
        assert!(!file.contains("[adopt]"), "{file}");
        space.write("tenants/welcs.toml", format!("{file}\n[adopt]\n{adopt}"));
        space.commit("what it is");
        space.apply();
        space.settled();
        // Only a subscription, which cannot be looked up, is made anew.
        let there = |ids: &[Vec<(String, String)>]| {
            let all = ids.iter().flatten().cloned();
            all.filter(|(address, _)| !address.ends_with("calendar-watch"))
                .collect::<Vec<_>>()
        };
        assert_eq!(there(&[ids("welcs"), ids("@shared")]), there(&before));
        assert!(server.writes() > writes);
    });
}
