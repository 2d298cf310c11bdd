//! `upa sandbox`, and `--sandbox`: trying things out can never touch what is real.

use std::time::Duration;

use insta::assert_snapshot;

use crate::support::server::{self, newest_journal, signal};
use crate::support::{Server, Space};

/// The small product on accounts that are real (and dead).
fn real() -> Space {
    let space = Space::with(&["ana"]);
    space.write(
        "upa.toml",
        "[workspace]\nname = \"tests\"\n\n\
         [accounts.n8n]\nbase_url = \"http://127.0.0.1:9\"\ncredentials.api_key = { env = \"N8N_KEY\" }\n\n\
         [accounts.vapi]\nbase_url = \"http://127.0.0.1:9\"\ncredentials.api_key = { env = \"VAPI_KEY\" }\n",
    );
    space.commit("real accounts");
    space
}

#[test]
fn trying_out_never_commits() {
    let space = real();
    let head = space.head();
    space.upa(&["plan", "--sandbox", "--detailed-exitcode"]).exits(2);
    space.upa(&["apply", "--sandbox", "--yes"]).exits(0);
    space.upa(&["plan", "--sandbox", "--detailed-exitcode"]).exits(0);
    assert!(space.exists(".upa/rehearsal/locks/ana.lock"));
    assert!(!space.exists("tenants/ana.lock"));
    space.unmoved(&head);
    // What is not committed can be tried too.
    space.edit("tenants/ana.toml", "Hello", "Hi");
    let run = space.upa(&["plan", "--sandbox"]).exits(0);
    assert!(run.stdout.contains("Hi from ana"), "{run}");
    space.upa(&["apply", "--sandbox", "--yes"]).exits(0);
    space.upa(&["plan", "--sandbox", "--detailed-exitcode"]).exits(0);
    assert_eq!(space.head(), head);
}

#[test]
fn a_trial_that_was_killed_leaves_nothing_to_the_real_one() {
    let space = Space::with(&["ana"]);
    let mut child = space.start(&["apply", "--sandbox", "--yes"]);
    let journals = [space.path(".git/upa"), space.path(".upa")];
    for _ in 0..2_000 {
        if journals.iter().any(|folder| newest_journal(folder) > 1_000) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The real one starts from nothing: whatever the trial began is none of its business.
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stdout.contains("Plan: 3 to create"), "{run}");
    let status = space.upa(&["status"]).exits(0);
    assert!(status.stdout.contains("none yet"), "{status}");
}

/// Accounts that live in the sandbox anyway are rehearsed in another one: with the tenants that are there, and with what
/// operators have connected.
#[test]
fn a_rehearsal_is_apart_from_the_sandbox_that_accounts_live_in() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        server.shipped_credentials();
        space.apply();
        let made = server.workflows().len();
        let head = space.head();
        let plan = space.upa(&["plan", "--sandbox"]).exits(0);
        assert!(plan.stdout.contains("to create in 3 of 3 tenants"), "{plan}");
        // While the other one is served.
        space.upa(&["apply", "--sandbox", "--yes"]).exits(0);
        space.upa(&["plan", "--sandbox", "--detailed-exitcode"]).exits(0);
        assert_eq!(server.workflows().len(), made);
        assert_eq!(space.head(), head);
        space.settled();
    });
}

#[test]
fn a_sandbox_that_runs_is_used() {
    let space = Space::with(&["ana"]);
    server::on(&space, |server: &Server| {
        space.apply();
        assert_eq!(server.workflows().len(), 2);
        assert_eq!(server.assistants().len(), 1);
        let second = space.upa(&["sandbox"]);
        assert_snapshot!(second, @r#"
        exit 11
        --- stderr
        error: the sandbox is in use by another process
        hint: stop the other one first
        "#);
    });
    assert!(!space.exists(".upa/sandbox.url"));
    space.settled();
}

#[test]
fn a_sandbox_that_was_stopped_in_any_way_leaves_no_address() {
    let space = Space::with(&["ana"]);
    for name in ["TERM", "KILL"] {
        let mut child = space.start(&["sandbox"]);
        for _ in 0..500 {
            if space.exists(".upa/sandbox.url") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(&child, name);
        child.wait().unwrap();
        space.upa(&["plan"]).exits(0);
    }
    // The address of the killed one is still there, and another upa has the store: that is not taken for a server.
    assert!(space.exists(".upa/sandbox.url"));
    let server = Server::start(&space);
    let address = space.read(".upa/sandbox.url");
    space.write(".upa/sandbox.url", "http://127.0.0.1:9");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 11
    --- stderr
    error: another upa is using the sandbox of this workspace
    hint: run again when it is done
    "#);
    space.write(".upa/sandbox.url", address);
    server.stop();
}

#[test]
fn it_says_where_it_listens() {
    let space = Space::with(&["ana"]);
    let child = space.start(&["sandbox"]);
    for _ in 0..500 {
        if space.exists(".upa/sandbox.url") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, "INT");
    assert_snapshot!(space.finish(child), @r#"
    exit 0
    --- stdout
    The sandbox listens on http://127.0.0.1:[PORT]. Its key is in .upa/sandbox.key. Ctrl-C stops it.
      n8n          n8n          http://127.0.0.1:[PORT]/n8n
      vapi         vapi         http://127.0.0.1:[PORT]/vapi
    "#);
}
