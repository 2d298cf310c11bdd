//! Lockfiles on a remote: runs of several clones exclude each other, nothing is pushed over, and what a machine that
//! vanished had begun is settled by the next.

use std::time::Duration;

use insta::assert_snapshot;

use crate::support::origin::{Origin, slowly, until};
use crate::support::server::{self, signal};
use crate::support::{Server, Space, product};

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";

#[track_caller]
fn whole(server: &Server, tenants: usize) {
    assert_eq!(
        (server.workflows().len(), server.assistants().len()),
        (2 * tenants, tenants),
        "a twin, or something is missing"
    );
}

#[track_caller]
fn as_on_the_remote(origin: &Origin, space: &Space) {
    assert_eq!(space.head(), origin.git(&["rev-parse", "main"]));
    assert_eq!(space.git(&["status", "--porcelain"]), "");
}

#[test]
fn two_clones_know_of_each_other() {
    for origin in [Origin::path(), Origin::daemon()] {
        let ana = origin.first(&["ana"], GIT);
        let bo = origin.clone(&[]);
        let run = ana.apply();
        assert!(run.stdout.contains("Recorded in commit"), "{run}");
        as_on_the_remote(&origin, &ana);
        let subjects = origin.subjects("main");
        assert_eq!(
            subjects[..2],
            ["upa apply: create 3 (1 tenant)", "upa apply: begin create 3 (1 tenant)"]
        );
        // What stood there before the first call is what was made.
        let begun: toml::Table = origin.lock("main~1", "ana").parse().unwrap();
        let ended: toml::Table = origin.lock("main", "ana").parse().unwrap();
        assert_eq!(begun["versions"]["v1"]["base"], ended["versions"]["v1"]["base"]);
        assert_eq!(
            begun["versions"]["v1"]["request"]["request_id"],
            ended["versions"]["v1"]["request"]["request_id"]
        );
        let resources = begun["resources"].as_table().unwrap();
        assert_eq!(resources.len(), 3);
        assert!(
            resources
                .values()
                .all(|of| of["pending"]["step"].as_str() == Some("create"))
        );
        assert!(
            ended["resources"]
                .as_table()
                .unwrap()
                .values()
                .all(|of| of.get("pending").is_none())
        );
        // The other has not pulled.
        bo.settled();
        assert!(bo.upa(&["status"]).exits(0).stdout.contains("COMPLETED"));
        let run = bo.upa(&["apply", "--yes"]).exits(0);
        assert!(run.stdout.contains("Nothing to do"), "{run}");
        assert_eq!(
            origin.subjects("main").len(),
            subjects.len(),
            "nothing to do is nothing to commit"
        );
        as_on_the_remote(&origin, &bo);
        assert_eq!(bo.objects(), 3);
        assert_eq!(bo.upa(&["lease"]).exits(0).stdout, "Nobody is applying.\n");
    }
}

/// A change that makes nothing and deletes nothing needs no announcement.
#[test]
fn an_update_is_one_commit() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    space.apply();
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.commit("changed");
    space.git(&["push", "--quiet"]);
    space.apply();
    assert_eq!(
        origin.subjects("main")[..2],
        ["upa apply: update 2 (1 tenant)", "changed"]
    );
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("gone");
    space.git(&["push", "--quiet"]);
    space.apply();
    assert_eq!(
        origin.subjects("main")[..2],
        ["upa apply: delete 3 (1 tenant)", "upa apply: begin delete 3 (1 tenant)"]
    );
    assert_eq!(space.objects(), 0);
    space.settled();
}

#[test]
fn a_protected_branch_stops_before_the_first_call() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    origin.hook(
        "while read old new ref; do case $ref in refs/heads/main) echo 'main is protected' >&2; exit 1;; esac; done",
    );
    assert_snapshot!(space.upa(&["apply", "--yes"]).exits(5).stderr, @r"
    error: the remote `origin` does not let anybody push to `main`: pre-receive hook declined: main is protected; nothing was changed on any platform
    hint: if the branch is protected, set `git.lock_branch` in upa.toml to one that upa may push to
    ");
    assert_eq!(space.objects(), 0);
    assert!(space.upa(&["lease"]).stdout.contains("Nobody"));
    // What the hint says works.
    origin.unhook();
    space.edit(
        "upa.toml",
        "branch = \"main\"",
        "branch = \"main\"\nlock_branch = \"locks\"",
    );
    space.commit("elsewhere");
    space.git(&["push", "--quiet"]);
    origin.hook("while read old new ref; do case $ref in refs/heads/main) exit 1;; esac; done");
    let head = space.head();
    space.apply();
    space.settled();
    assert_eq!(space.head(), head);
    assert!(!space.exists("tenants/ana.lock"));
    assert!(origin.lock("locks", "ana").contains("tenant = \"ana\""));
    origin.clone(&[]).settled();
}

#[test]
fn what_could_not_be_published_is_published_by_the_next_run() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    let other = origin.clone(&[]);
    // The announcement is taken, the result is not.
    origin.hook(
        "while read old new ref; do case $ref in refs/heads/main) \
         git log -1 --format=%s $new | grep -q begin || { echo 'not today' >&2; exit 1; };; esac; done",
    );
    let run = space.upa(&["apply", "--yes"]).exits(7);
    assert!(run.stdout.contains("Applied:"), "{run}");
    assert!(
        run.stderr.contains("recorded in this clone only") && run.stderr.contains("not today"),
        "{run}"
    );
    let unpublished = space.git(&["show", "refs/upa/unpublished:tenants/ana.lock"]);
    assert!(unpublished.contains("applied"), "{unpublished}");
    origin.unhook();
    let run = space.upa(&["apply", "--yes"]).exits(0);
    assert!(run.stdout.contains("What an earlier run did is recorded."), "{run}");
    assert_eq!(origin.lock("main", "ana"), unpublished);
    assert!(space.git(&["for-each-ref", "refs/upa/unpublished"]).is_empty());
    as_on_the_remote(&origin, &space);
    other.settled();
    assert_eq!(space.objects(), 3);
}

#[test]
fn what_another_run_wrote_meanwhile_counts() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    origin.hook("while read old new ref; do case $ref in refs/heads/main) git log -1 --format=%s $new | grep -q begin || exit 1;; esac; done");
    space.upa(&["apply", "--yes"]).exits(7);
    origin.unhook();
    // Somebody else settles what was announced, from the marks alone.
    let other = origin.clone(&[]);
    other.apply();
    let lock = origin.lock("main", "ana");
    let run = space.upa(&["apply", "--yes"]).exits(0);
    assert!(run.stderr.contains("another has written it since"), "{run}");
    assert_eq!(origin.lock("main", "ana"), lock);
    let again = space.upa(&["apply", "--yes"]).exits(0);
    assert!(!again.stderr.contains("since"), "{again}");
    space.settled();
    assert_eq!(space.objects(), 3);
}

#[test]
fn a_branch_that_moves_meanwhile_keeps_what_others_pushed() {
    for origin in [Origin::path(), Origin::daemon()] {
        let space = origin.first(&["ana"], GIT);
        let human = origin.clone(&[]);
        server::on(&space, |server: &Server| {
            slowly(server, 150);
            let child = space.start(&["apply", "--yes"]);
            until(server, 1);
            human.write("notes.txt", "mine");
            human.commit("a note");
            human.git(&["pull", "--quiet", "--rebase"]);
            human.git(&["push", "--quiet"]);
            space.finish(child).exits(0);
        });
        let subjects = origin.subjects("main");
        assert_eq!(
            subjects[..3],
            [
                "upa apply: create 3 (1 tenant)",
                "a note",
                "upa apply: begin create 3 (1 tenant)"
            ]
        );
        assert_eq!(origin.git(&["show", "main:notes.txt"]), "mine");
        // What came with it is the user's to pull.
        assert_eq!(space.git(&["status", "--porcelain"]), "");
        space.git(&["pull", "--quiet"]);
        as_on_the_remote(&origin, &space);
        space.settled();
    }
}

#[test]
fn a_remote_that_goes_away_half_way() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    let away = origin.bare().with_extension("away");
    server::on(&space, |server: &Server| {
        slowly(server, 100);
        let child = space.start(&["apply", "--yes"]);
        until(server, 1);
        std::fs::rename(origin.bare(), &away).unwrap();
        let run = space.finish(child).exits(7);
        assert!(run.stdout.contains("Applied:"), "{run}");
        // Nobody is asked anything, and nothing is guessed.
        let plan = space.upa(&["plan"]).exits(7);
        assert!(plan.stderr.contains("--offline"), "{plan}");
        space.upa(&["plan", "--offline", "--detailed-exitcode"]).exits(0);
        let status = space.upa(&["status"]).exits(0);
        assert!(status.stderr.contains("what was fetched last"), "{status}");
        space.upa(&["apply", "--yes"]).exits(7);
        space.upa(&["apply", "--yes", "--offline"]).exits(64);
        std::fs::rename(&away, origin.bare()).unwrap();
        // This clone knows that the claim it left there is its own.
        space.apply();
        whole(server, 1);
    });
    as_on_the_remote(&origin, &space);
    origin.clone(&[]).settled();
}

/// The run that a message or the list of claims names.
fn run_in(text: &str) -> String {
    let mut words = text.split(|sign: char| !sign.is_ascii_hexdigit() && sign != '-');
    words.find(|word| word.len() == 36).unwrap().to_owned()
}

#[test]
fn a_machine_that_vanishes_with_its_disk() {
    for writes in [0, 1, 2, 3, 4] {
        let origin = Origin::daemon();
        let space = origin.first(&["ana"], GIT);
        server::on(&space, |server: &Server| {
            slowly(server, 60);
            let runner = origin.clone(&[]);
            let mut child = runner.start(&["apply", "--yes"]);
            if writes == 0 {
                while !origin.subjects("main")[0].contains("begin") {
                    std::thread::sleep(Duration::from_millis(2));
                }
            } else {
                until(server, writes);
            }
            let _ = child.kill();
            child.wait().unwrap();
            drop(runner);
            server.ok("DELETE", "/_sandbox/faults", None);
            std::thread::sleep(Duration::from_millis(150));
            let next = origin.clone(&[]);
            let run = next.upa(&["apply", "--yes"]).exits(11);
            assert!(run.stderr.contains("bo@example.test on "), "{run}");
            let listed = next.upa(&["lease"]).exits(0);
            let id = run_in(&listed.stdout);
            assert!(
                run.stderr.contains(&format!("upa lease --steal {id}")),
                "{run}\n{listed}"
            );
            next.upa(&["lease", "--steal", &id]).exits(0);
            next.upa(&["lease", "--steal", &id]).exits(64);
            next.apply();
            next.settled();
            whole(server, 1);
            let lock = origin.lock("main", "ana");
            assert!(!lock.contains("pending"), "after {writes}: {lock}");
        });
    }
}

#[test]
fn killed_and_run_again_in_the_same_clone() {
    for writes in [1, 3, 6] {
        let origin = Origin::path();
        let space = origin.first(&["ana", "bo"], GIT);
        server::on(&space, |server: &Server| {
            slowly(server, 30);
            let mut child = space.start(&["apply", "--yes"]);
            until(server, writes);
            let _ = child.kill();
            child.wait().unwrap();
            server.ok("DELETE", "/_sandbox/faults", None);
            std::thread::sleep(Duration::from_millis(100));
            space.apply();
            space.settled();
            whole(server, 2);
        });
        as_on_the_remote(&origin, &space);
    }
}

#[test]
fn who_was_away_for_too_long_starts_nothing_and_writes_nothing() {
    let origin = Origin::daemon();
    // A look at the claim counts for 1.5 s.
    let space = origin.first(&["ana"], &format!("{GIT}\nlease_seconds = 30"));
    let other = origin.clone(&[]);
    server::on(&space, |server: &Server| {
        slowly(server, 200);
        let child = space.start(&["apply", "--yes"]);
        until(server, 1);
        signal(&child, "STOP");
        server.ok("DELETE", "/_sandbox/faults", None);
        std::thread::sleep(Duration::from_millis(300));
        let id = run_in(&other.upa(&["lease"]).stdout);
        other.upa(&["lease", "--steal", &id]).exits(0);
        other.apply();
        whole(server, 1);
        std::thread::sleep(Duration::from_secs(2));
        let (tip, written) = (origin.git(&["rev-parse", "main"]), server.writes());
        signal(&child, "CONT");
        let run = space.finish(child).exits(11);
        assert!(run.stderr.contains("another run took over"), "{run}");
        assert_eq!(origin.git(&["rev-parse", "main"]), tip);
        whole(server, 1);
        // At most the rest of the steps it was in when it was stopped.
        assert!(
            server.writes() <= written + 1,
            "{} writes after {written}",
            server.writes()
        );
        space.apply();
        space.settled();
        whole(server, 1);
    });
}

#[test]
fn a_claim_that_expired_is_taken_over() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], &format!("{GIT}\nlease_seconds = 6"));
    let other = origin.clone(&[]);
    server::on(&space, |server: &Server| {
        slowly(server, 1_200);
        let child = space.start(&["apply", "--yes"]);
        until(server, 1);
        signal(&child, "STOP");
        let run = other.upa(&["apply", "--yes"]).exits(11);
        assert!(run.stderr.contains("if it is not renewed"), "{run}");
        server.ok("DELETE", "/_sandbox/faults", None);
        std::thread::sleep(Duration::from_secs(23));
        let doctor = other.upa(&["doctor"]);
        assert!(
            doctor.stdout.contains("expired at") && doctor.stdout.contains("the next `upa apply` takes it over"),
            "{doctor}"
        );
        other.apply();
        let (tip, written) = (origin.git(&["rev-parse", "main"]), server.writes());
        signal(&child, "CONT");
        space.finish(child).exits(11);
        assert_eq!(origin.git(&["rev-parse", "main"]), tip);
        // At most the step it was in when it was stopped.
        assert!(
            server.writes() <= written + 1,
            "{} writes after {written}",
            server.writes()
        );
        whole(server, 1);
    });
}

#[test]
fn a_run_that_takes_longer_than_its_lease_renews_it() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], &format!("{GIT}\nlease_seconds = 4"));
    let other = origin.clone(&[]);
    server::on(&space, |server: &Server| {
        slowly(server, 2_500);
        let child = space.start(&["apply", "--yes"]);
        until(server, 3);
        other.upa(&["apply", "--yes"]).exits(11);
        space.finish(child).exits(0);
        whole(server, 1);
    });
    other.settled();
}

#[test]
fn disjoint_tenants_are_applied_side_by_side() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana", "bo"], GIT);
    let other = origin.clone(&[]);
    server::on(&space, |server: &Server| {
        slowly(server, 150);
        let child = space.start(&["apply", "--yes", "ana"]);
        until(server, 1);
        other.upa(&["apply", "--yes", "ana"]).exits(11);
        other.upa(&["apply", "--yes"]).exits(11);
        other.upa(&["apply", "--yes", "bo"]).exits(0);
        space.finish(child).exits(0);
        whole(server, 2);
    });
    space.settled();
    other.settled();
}

#[test]
fn a_detached_head_at_an_older_commit_and_a_shallow_clone() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    space.apply();
    origin.add(&space, "bo");
    // CI checks out the commit it was started for.
    let runner = origin.clone(&["--depth=1"]);
    runner.git(&["checkout", "--quiet", "--detach"]);
    let head = runner.head();
    origin.add(&space, "cy");
    let run = runner.upa(&["apply", "--yes"]).exits(0);
    assert!(run.stderr.contains("tenants/cy.toml"), "{run}");
    assert_eq!(runner.head(), head);
    assert_eq!(runner.objects(), 6);
    assert!(origin.lock("main", "bo").contains("applied"));
    assert_eq!(
        origin.git(&["show", "main:tenants/cy.toml"]),
        product::tenant("cy").trim_end()
    );
    space.git(&["pull", "--quiet"]);
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 9);
    // A work tree of a clone shares what the clone knows.
    let tree = space.root().with_file_name("tree");
    space.git(&["worktree", "add", "--quiet", "--detach", tree.to_str().unwrap()]);
    server::share(&origin.sandbox(), &tree.join(".upa"));
    let tree = tree.to_str().unwrap();
    space.upa(&["plan", "--detailed-exitcode", "-C", tree]).exits(0);
    space.edit("tenants/cy.toml", "Hello", "Hi");
    space.commit("changed");
    space.git(&["push", "--quiet"]);
    space.git(&["-C", tree, "checkout", "--quiet", "main~0"]);
    space.upa(&["apply", "--yes", "-C", tree]).exits(0);
    space.settled();
}

#[test]
fn what_is_not_pushed_is_not_applied_and_nothing_of_the_users_is_touched() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    space.write("tenants/bo.toml", product::tenant("bo"));
    space.commit("not pushed");
    assert_snapshot!(space.upa(&["apply", "--yes"]).exits(5), @r"
    exit 5
    --- stderr
    error: the commit that is checked out is not in `main` of the remote `origin`
    hint: push it first, and have it merged: only what the remote holds is applied
    ");
    assert_eq!(space.objects(), 0);
    space.upa(&["plan", "--detailed-exitcode"]).exits(2);
    space.git(&["push", "--quiet"]);
    space.write("staged.txt", "staged");
    space.git(&["add", "staged.txt"]);
    space.write("README.md", "mine\n");
    let before = space.git(&["status", "--porcelain"]);
    space.apply();
    assert_eq!(space.git(&["status", "--porcelain"]), before);
    assert_eq!(space.head(), origin.git(&["rev-parse", "main"]));
    let files = origin.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert!(!files.contains("staged.txt") && !files.contains("README.md"), "{files}");
    space.settled();
}

#[test]
fn a_remote_that_is_not_there() {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]",
        "[git]\nremote = \"upstream\"\n\n[accounts.n8n]",
    );
    space.commit("remote");
    assert_snapshot!(space.upa(&["plan"]).exits(5), @r"
    exit 5
    --- stderr
    error: this clone has no remote `upstream`, which `git.remote` in upa.toml names
    hint: `git remote -v` lists them; `git remote add` makes one
    ");
    // What is only tried needs no remote.
    space.upa(&["plan", "--sandbox"]).exits(0);
}
