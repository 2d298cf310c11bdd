//! Runs that are cut off, at any moment and in any way: the next one settles everything, and there are no twins.

use std::process::Child;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use crate::support::server::{self, newest_journal, signal};
use crate::support::{Server, Space};

/// Every writing call takes a while, so that there is a middle.
fn slowly(server: &Server, milliseconds: u64) {
    for account in ["n8n", "vapi"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let fault =
                json!({"account": account, "method": method, "times": 1000, "kind": "latency", "ms": milliseconds});
            server.fault(&fault);
        }
    }
}

/// Waits until the sandbox has answered so many writing calls.
fn until(server: &Server, writes: usize, child: &mut Child) {
    for _ in 0..2_000 {
        if server.writes() >= writes || child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("only {} writes", server.writes());
}

fn reset(server: &Server) {
    server.ok("DELETE", "/_sandbox/faults", None);
    server.ok("DELETE", "/_sandbox/calls", None);
}

#[test]
fn a_signal_finishes_what_is_in_flight_and_records_it() {
    for (name, tenants) in [("TERM", &["ana"][..]), ("INT", &["ana", "bo"])] {
        let space = Space::with(tenants);
        server::on(&space, |server: &Server| {
            slowly(server, 150);
            let mut child = space.start(&["apply", "--yes"]);
            until(server, 2, &mut child);
            signal(&child, name);
            let run = space.finish(child);
            assert_eq!(run.status, 8, "{run}");
            assert!(
                run.stderr
                    .contains("stopping: calls in flight are finished and recorded"),
                "{run}"
            );
            assert!(run.stdout.contains("Interrupted after"), "{run}");
            assert!(run.stdout.contains("run `upa apply` again"), "{run}");
            assert_eq!(space.commits(), 2, "what was done is recorded");
            assert_eq!(space.git(&["status", "--porcelain"]), "");
            reset(server);
            let status = space.upa(&["status"]);
            assert!(status.stdout.contains("PROVISIONING"), "{status}");
        });
        space.apply();
        space.settled();
        assert_eq!(space.objects(), 3 * tenants.len());
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        slowly(server, 6_000);
        let child = space.start(&["apply", "--yes"]);
        // The first call has been announced, so somebody listens for signals.
        for _ in 0..1_000 {
            if newest_journal(&space.path(".git/upa")) > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, "INT");
        std::thread::sleep(Duration::from_millis(500));
        let started = std::time::Instant::now();
        signal(&child, "INT");
        let run = space.finish(child);
        assert_eq!(run.status, 8, "{run}");
        assert!(started.elapsed() < Duration::from_secs(4));
        reset(server);
        // What the first had in flight may arrive later.
        std::thread::sleep(Duration::from_millis(6_000));
        space.apply();
        space.settled();
        assert_eq!(server.workflows().len(), 2);
        assert_eq!(server.assistants().len(), 1);
    });
}

#[test]
fn killed_after_any_number_of_calls() {
    for writes in [1, 2, 3, 4, 6, 8] {
        let space = Space::with(&["ana"]);
        server::on(&space, |server: &Server| {
            slowly(server, 30);
            let mut child = space.start(&["apply", "--yes"]);
            until(server, writes, &mut child);
            let _ = child.kill();
            child.wait().unwrap();
            reset(server);
            std::thread::sleep(Duration::from_millis(100));
            space.apply();
            space.settled();
            assert_eq!(
                (server.workflows().len(), server.assistants().len()),
                (2, 1),
                "twins after {writes}"
            );
        });
        assert_eq!(space.commits(), 2, "one commit, of the run that ended");
        space.unmoved(&space.head());
    }
}

/// The platform is still at work on the call of a run that is dead: what comes of it is found, and not made twice.
#[test]
fn what_a_killed_run_had_in_flight_makes_no_twin() {
    for (account, path) in [("n8n", "/api/v1/workflows$"), ("vapi", "/assistant$")] {
        let space = Space::with(&["ana"]);
        server::on(&space, |server: &Server| {
            let slow =
                json!({"account": account, "method": "POST", "path": path, "times": 1, "kind": "latency", "ms": 2_500});
            server.fault(&slow);
            let mut child = space.start(&["apply", "--yes"]);
            // A fault is gone from the list once its call has arrived.
            let waiting = || {
                server.ok("GET", "/_sandbox/faults", None)["faults"]
                    .as_array()
                    .unwrap()
                    .len()
            };
            while waiting() > 0 {
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "{account}: it ended before the call"
                );
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            child.wait().unwrap();
            space.apply();
            // Whatever was under way has arrived.
            std::thread::sleep(Duration::from_millis(2_500));
            assert_eq!(
                (server.workflows().len(), server.assistants().len()),
                (2, 1),
                "a twin at {account}"
            );
            space.settled();
        });
    }
}

#[test]
fn killed_together_with_the_embedded_sandbox() {
    for milliseconds in [40, 90, 160, 250, 400] {
        let space = Space::with(&["ana", "bo"]);
        let mut child = space.start(&["apply", "--yes"]);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        space.apply();
        space.settled();
        assert_eq!(space.objects(), 6, "after {milliseconds} ms");
    }
}

/// The commit is made, and index and work tree are as they were before it.
#[test]
fn killed_right_after_the_commit() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    space.git(&["rm", "-q", "--cached", "tenants/ana.lock", "tenants/bo.lock"]);
    for tenant in ["ana", "bo"] {
        std::fs::remove_file(space.path(&format!("tenants/{tenant}.lock"))).unwrap();
    }
    space.apply();
    space.settled();
    assert_eq!(space.git(&["status", "--porcelain"]), "");
    // What somebody wrote into a lockfile is not overwritten, also not after a run.
    space.write("tenants/ana.lock", "mine");
    space.upa(&["apply", "--yes"]).exits(5);
}

#[test]
fn killed_in_the_middle_of_a_change_and_of_a_deletion() {
    for (from, to, objects) in [
        ("Hello", "Hi", 3),
        ("\"active\"", "\"suspended\"", 3),
        ("\"active\"", "\"deprovisioned\"", 0),
    ] {
        for writes in [1, 2] {
            let space = Space::with(&["ana"]);
            space.apply();
            space.edit("tenants/ana.toml", from, to);
            space.commit("changed");
            server::on(&space, |server: &Server| {
                slowly(server, 30);
                let mut child = space.start(&["apply", "--yes"]);
                until(server, writes, &mut child);
                let _ = child.kill();
                child.wait().unwrap();
            });
            space.apply();
            space.settled();
            assert_eq!(space.objects(), objects, "{to} after {writes}");
        }
    }
}

#[test]
fn an_answer_that_was_lost_makes_no_twin() {
    for (method, path) in [
        ("POST", "/api/v1/workflows"),
        ("PUT", "/api/v1/workflows/"),
        ("POST", "/api/v1/workflows/*/"),
    ] {
        let space = Space::with(&["ana"]);
        server::on(&space, |server: &Server| {
            server.fault(
                &json!({"account": "n8n", "method": method, "path": path, "times": 1, "kind": "drop_after_write"}),
            );
            let run = space.upa(&["apply", "--yes"]);
            assert!([0, 4, 7].contains(&run.status), "{run}");
            space.upa(&["apply", "--yes"]).exits(0);
            space.settled();
            assert_eq!((server.workflows().len(), server.assistants().len()), (2, 1));
        });
    }
}

#[test]
fn an_answer_that_was_lost_leaves_nothing_undeleted() {
    for (account, path) in [("vapi", "/assistant/"), ("n8n", "/api/v1/workflows/")] {
        let space = Space::with(&["ana"]);
        space.apply();
        space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
        space.commit("deprovisioned");
        server::on(&space, |server: &Server| {
            let fault =
                json!({"account": account, "method": "DELETE", "path": path, "times": 9, "kind": "drop_after_write"});
            server.fault(&fault);
            let run = space.upa(&["apply", "--yes"]);
            assert!([0, 4, 7].contains(&run.status), "{run}");
            reset(server);
        });
        space.apply();
        space.settled();
        assert_eq!(space.objects(), 0);
    }
}

#[test]
fn killed_between_a_deletion_and_its_answer() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("deprovisioned");
    server::on(&space, |server: &Server| {
        // The answer is lost, and looking what became of it takes long enough to be killed meanwhile.
        server.fault(&json!({"account": "vapi", "method": "DELETE", "times": 9, "kind": "drop_after_write"}));
        let slow = json!({"account": "vapi", "method": "GET", "path": "/assistant/", "times": 99, "kind": "latency", "ms": 1000});
        server.fault(&slow);
        let mut child = space.start(&["apply", "--yes"]);
        for _ in 0..1_000 {
            if server.assistants().is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        child.wait().unwrap();
        reset(server);
    });
    // It was the only object of its kind: nothing else can prove that the key sees such objects.
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 0);
}

#[test]
fn one_at_a_time() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        slowly(server, 200);
        let mut first = space.start(&["apply", "--yes"]);
        until(server, 1, &mut first);
        let second = space.upa(&["apply", "--yes"]);
        assert_eq!(second.status, 11, "{second}");
        assert_snapshot!(second, @r#"
        exit 11
        --- stderr
        error: another apply is working here (process [PID])
        hint: run again when it is done, or wait for it with `--wait 10m`
        "#);
        // Looking is allowed.
        space.upa(&["plan"]).exits(0);
        assert_eq!(space.finish(first).status, 0);
        reset(server);
    });
    space.settled();
    assert_eq!(space.objects(), 3);
}

#[test]
fn the_lock_of_a_branch_that_a_killed_process_left_behind_is_removed() {
    let space = Space::with(&["ana"]);
    let branch = space.git(&["symbolic-ref", "HEAD"]).trim().to_owned();
    let path = format!(".git/{branch}.lock");
    space.write(&path, "");
    let minute_ago = std::time::SystemTime::now() - Duration::from_secs(60);
    let file = std::fs::File::options().append(true).open(space.path(&path)).unwrap();
    file.set_modified(minute_ago).unwrap();
    space.apply();
    assert!(!space.exists(&path));
    space.settled();
}

#[test]
fn the_lock_of_a_branch_that_git_holds_is_waited_for() {
    let space = Space::with(&["ana"]);
    let branch = space.git(&["symbolic-ref", "HEAD"]).trim().to_owned();
    let path = format!(".git/{branch}.lock");
    space.write(&path, "");
    let child = space.start(&["apply", "--yes"]);
    // It was written a moment ago, so it is somebody's.
    std::thread::sleep(Duration::from_secs(3));
    assert!(space.exists(&path));
    space.remove(&path);
    assert_eq!(space.finish(child).status, 0);
    space.settled();
}
