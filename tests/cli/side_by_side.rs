//! Runs for different tenants at once, on one remote, where the tenants share an object: it is claimed only while it is
//! changed, and to begin or to cease to use it is to change it.

use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::origin::Origin;
use crate::support::{Run, Server, Space, duo, server};

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";
/// How long a call takes beside which another run goes on, in milliseconds.
const LONG: u64 = 9_000;

/// The product whose tenants share a voice, on a remote, with what it is served by.
fn first(origin: &Origin, tenants: &[&str]) -> Space {
    let space = duo::space(tenants);
    space.edit(
        "upa.toml",
        "[accounts.vapi]",
        &format!("[git]\n{GIT}\n\n[accounts.vapi]"),
    );
    space.commit("remote");
    space.git(&["remote", "add", "origin", &origin.url()]);
    space.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
    origin.equip(&space);
    space
}

fn push(space: &Space, message: &str) {
    space.commit(message);
    space.git(&["pull", "--quiet", "--rebase"]);
    space.git(&["push", "--quiet"]);
}

/// Starts a run, and waits until it is at its first call of a method, which takes long.
fn at_work(server: &Server, space: &Space, method: &str, args: &[&str]) -> Child {
    let long = json!({"account": "vapi", "method": method, "times": 1, "kind": "latency", "ms": LONG});
    server.fault(&long);
    let child = space.start(&[&["apply", "--yes"], args].concat());
    struck(server);
    child
}

/// Waits until a call has met the fault that is on.
fn struck(server: &Server) {
    for _ in 0..4_000 {
        let faults = server.ok("GET", "/_sandbox/faults", None);
        if faults["faults"].as_array().unwrap().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no such call came");
}

/// One voice, and for each of these tenants one object that refers to it.
#[track_caller]
fn whole(server: &Server, tenants: &[&str]) {
    let known = server.assistants();
    let voices: Vec<&Value> = known.iter().filter(|one| one["name"] == "the voice").collect();
    assert_eq!(voices.len(), usize::from(!tenants.is_empty()), "{known:?}");
    assert_eq!(known.len(), voices.len() + tenants.len(), "{known:?}");
    for tenant in tenants {
        let of_tenant = known.iter().find(|one| one["name"] == *tenant);
        assert_eq!(of_tenant.unwrap()["firstMessage"], voices[0]["id"], "{known:?}");
    }
}

/// What the lease holds now.
fn claims(space: &Space) -> String {
    space.upa(&["lease"]).exits(0).stdout
}

#[track_caller]
fn is_held_up_by(run: &Run, whose: &str) {
    assert_eq!(run.status, 11, "{run}");
    assert!(
        run.stderr
            .contains(&format!("working on {whose}: ana@example.test on ")),
        "{run}"
    );
}

#[test]
fn whoever_only_uses_what_is_shared_claims_nothing_of_it() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana", "bo"]);
    ana.apply();
    duo::template(
        &ana,
        "main.json",
        &json!({"name": "<%= tenant.name %>", "firstMessage": "<%= resources.voice.id ?? \"\" %>", "endCallMessage": "Bye"}),
    );
    duo::release(&ana);
    push(&ana, "bye");
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "PATCH", &["ana"]);
        assert!(!claims(&bo).contains("@shared"), "{}", claims(&bo));
        let run = bo.upa(&["apply", "--yes", "bo"]).exits(0);
        assert!(run.stdout.contains("Applied:"), "{run}");
        let run = ana.finish(child).exits(0);
        assert!(run.stdout.contains("Applied:"), "{run}");
        whole(server, &["ana", "bo"]);
        // What is shared is changed: that is one run's, and it says so.
        duo::template(&ana, "voice.json", &json!({"name": "the voice", "firstMessage": "Hi"}));
        duo::release(&ana);
        push(&ana, "hi");
        bo.git(&["pull", "--quiet"]);
        let child = at_work(server, &ana, "PATCH", &["ana"]);
        assert!(claims(&bo).contains("@shared, ana"), "{}", claims(&bo));
        is_held_up_by(&bo.upa(&["apply", "--yes", "bo"]), "@shared, ana");
        let run = bo.upa(&["apply", "--yes", "--wait", "1m", "bo"]).exits(0);
        // The other has done it, and what it waited for was read again.
        assert!(
            run.stderr.contains("waiting: another apply is working on @shared, ana"),
            "{run}"
        );
        assert!(!run.stdout.contains("~ update  @shared"), "{run}");
        ana.finish(child).exits(0);
        whole(server, &["ana", "bo"]);
    });
    ana.settled();
    bo.settled();
}

#[test]
fn whoever_makes_it_is_alone_and_the_next_finds_it() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana", "bo"]);
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "POST", &["ana"]);
        is_held_up_by(&bo.upa(&["apply", "--yes", "bo"]), "@shared, ana");
        assert!(claims(&bo).lines().count() == 2, "{}", claims(&bo));
        bo.upa(&["apply", "--yes", "--wait", "1m", "bo"]).exits(0);
        ana.finish(child).exits(0);
        whole(server, &["ana", "bo"]);
    });
    ana.settled();
}

#[test]
fn new_users_of_what_is_there_are_told_and_then_work_side_by_side() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana"]);
    ana.apply();
    for tenant in ["cy", "dy"] {
        duo::tenant(&ana, tenant, "shared");
    }
    push(&ana, "two more");
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "POST", &["cy"]);
        let held = claims(&bo);
        assert!(held.contains("cy") && !held.contains("@shared"), "{held}");
        bo.upa(&["apply", "--yes", "dy"]).exits(0);
        ana.finish(child).exits(0);
        whole(server, &["ana", "cy", "dy"]);
    });
    ana.settled();
    bo.settled();
}

/// The last user leaves from a commit that does not know of the new one.
fn last_and_next(origin: &Origin) -> (Space, Space) {
    let ana = first(origin, &["ana"]);
    ana.apply();
    duo::status(&ana, "ana", "active", "deprovisioned");
    push(&ana, "goodbye");
    let bo = origin.clone(&[]);
    duo::tenant(&bo, "cy", "shared");
    push(&bo, "welcome");
    (ana, bo)
}

#[test]
fn it_is_not_deleted_under_a_new_user() {
    let origin = Origin::daemon();
    let (ana, bo) = last_and_next(&origin);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &bo, "POST", &["cy"]);
        // The new user is known by what was announced.
        let run = ana.upa(&["apply", "--yes", "ana"]).exits(0);
        assert!(run.stdout.contains("- delete  ana@v1/main"), "{run}");
        assert!(!run.stdout.contains("- delete  @shared"), "{run}");
        bo.finish(child).exits(0);
        whole(server, &["cy"]);
    });
    bo.settled();
}

#[test]
fn a_new_user_finds_that_the_last_one_deletes_it() {
    let origin = Origin::daemon();
    let (ana, bo) = last_and_next(&origin);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "DELETE", &["ana"]);
        is_held_up_by(&bo.upa(&["apply", "--yes", "cy"]), "@shared, ana");
        let run = bo.upa(&["apply", "--yes", "--wait", "1m", "cy"]).exits(0);
        assert!(run.stdout.contains("+ create  @shared:vapi/voice"), "{run}");
        ana.finish(child).exits(0);
        whole(server, &["cy"]);
    });
    bo.settled();
}

/// It was there when the new user planned, and is gone when it claims it: that is planned again.
#[test]
fn what_was_deleted_between_the_plan_and_the_claim_is_made_again() {
    let origin = Origin::daemon();
    let (ana, bo) = last_and_next(&origin);
    let [met, hold] = ["met", "hold"].map(|name| origin.bare().join(name));
    std::fs::write(&hold, "").unwrap();
    // The server keeps the new user's claim of what is shared waiting.
    origin.hook(&format!(
        "while read old new ref; do if git log -1 --format=%B $new | grep -A1 '\"@shared\"' | grep -q '\"cy\"'; \
         then touch {}; while [ -e {} ]; do sleep 0.1; done; fi; done",
        met.display(),
        hold.display()
    ));
    server::on(&ana, |server: &Server| {
        let child = bo.start(&["apply", "--yes", "cy"]);
        for _ in 0..4_000 {
            if met.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(met.exists(), "a new user did not claim what is shared");
        ana.upa(&["apply", "--yes", "ana"]).exits(0);
        std::fs::remove_file(&hold).unwrap();
        let run = bo.finish(child).exits(0);
        assert!(
            run.stdout
                .contains("+ create  @shared:vapi/voice  vapi.assistant  new in Git"),
            "{run}"
        );
        whole(server, &["cy"]);
    });
    bo.settled();
}

#[test]
fn of_two_that_leave_the_last_takes_it_along() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana", "bo"]);
    ana.apply();
    for tenant in ["ana", "bo"] {
        duo::status(&ana, tenant, "active", "deprovisioned");
    }
    push(&ana, "goodbye");
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "DELETE", &["ana"]);
        is_held_up_by(&bo.upa(&["apply", "--yes", "bo"]), "@shared, ana");
        let run = bo.upa(&["apply", "--yes", "--wait", "1m", "bo"]).exits(0);
        assert!(run.stdout.contains("- delete  @shared:vapi/voice"), "{run}");
        ana.finish(child).exits(0);
        whole(server, &[]);
    });
    ana.settled();
}

/// A run that has claimed what is shared dies: whoever comes next settles what it began, once, when the claim is taken away.
#[test]
fn whoever_dies_with_it_is_settled_by_the_next() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana", "bo"]);
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let mut child = at_work(server, &ana, "POST", &["ana"]);
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bo.upa(&["apply", "--yes", "bo"]);
        is_held_up_by(&run, "@shared, ana");
        let (_, dead) = run.stderr.split_once("--steal ").unwrap();
        bo.upa(&["lease", "--steal", dead.trim().trim_end_matches('`')])
            .exits(0);
        bo.upa(&["apply", "--yes", "bo"]).exits(0);
        whole(server, &["bo"]);
        ana.upa(&["apply", "--yes"]).exits(0);
        whole(server, &["ana", "bo"]);
    });
    ana.settled();
    bo.settled();
}

#[test]
fn who_waits_says_for_whom_and_for_how_long_at_most() {
    let origin = Origin::daemon();
    let ana = first(&origin, &["ana"]);
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let child = at_work(server, &ana, "POST", &[]);
        // From another clone it waits for a claim, from the same one for its lock.
        let run = bo.upa(&["apply", "--yes", "--wait", "600ms"]).exits(11);
        let said: Vec<&str> = run.stderr.lines().collect();
        assert!(
            said[0].starts_with("waiting: another apply is working on every tenant: ana@example.test on "),
            "{run}"
        );
        assert!(
            said[0].contains(", until ") && said[0].ends_with("Z if it is not renewed"),
            "{run}"
        );
        assert!(
            said[1].starts_with("error: another apply is working on every tenant"),
            "{run}"
        );
        assert_eq!(
            said.iter().filter(|line| line.starts_with("waiting")).count(),
            1,
            "{run}"
        );
        let run = ana.upa(&["apply", "--yes", "--wait", "1s"]).exits(11);
        assert!(
            run.stderr
                .starts_with("waiting: another apply is working here (process "),
            "{run}"
        );
        // Whoever is stopped while it waits has nothing in hand.
        let mut waiting = bo.start(&["apply", "--yes", "--wait", "1h"]);
        std::thread::sleep(Duration::from_millis(1000));
        assert!(waiting.try_wait().unwrap().is_none());
        server::signal(&waiting, "INT");
        assert_ne!(waiting.wait().unwrap().code(), Some(0));
        assert_eq!(claims(&bo).lines().count(), 2, "{}", claims(&bo));
        let run = bo.upa(&["apply", "--yes", "--wait", "1m"]).exits(0);
        assert!(run.stdout.contains("Nothing to do"), "{run}");
        ana.finish(child).exits(0);
        whole(server, &["ana"]);
    });
    let run = bo.upa(&["apply", "--wait", "soon"]).exits(64);
    assert!(run.stderr.contains("write `90s`, `10m` or `1h`"), "{run}");
}
