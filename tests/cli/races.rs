//! Races on one remote: two runs at once, and everything that can happen to its refs while a run works.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;
use upa::lease::Claims;

use crate::support::origin::{Origin, slowly, until};
use crate::support::{Run, Server, Space, server};

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";

#[track_caller]
fn whole(server: &Server, tenants: usize) {
    assert_eq!(
        (server.workflows().len(), server.assistants().len()),
        (2 * tenants, tenants),
        "a twin, or something is missing"
    );
}

/// What the lease has held, oldest first. Where it was taken or given back nobody else was in between: it is moved by
/// compare-and-swap, and every state of it is in its reflog.
fn leases(origin: &Origin) -> Vec<Claims> {
    let log = origin.git(&["log", "--walk-reflogs", "--format=%H", "refs/upa/lease"]);
    let claims = |id: &str| Claims::parse(&origin.git(&["log", "-1", "--format=%B", id])).unwrap();
    let mut states: Vec<Claims> = log.lines().map(claims).collect();
    states.reverse();
    states
}

/// The run and the fence that a commit of upa's names.
fn of_run(origin: &Origin, commit: &str) -> (String, u64) {
    let trailer = |name: &str| {
        let format = format!("--format=%(trailers:key={name},valueonly)");
        origin.git(&["log", "-1", &format, commit]).trim().to_owned()
    };
    (trailer("Upa-Run"), trailer("Upa-Fence").parse().unwrap())
}

#[test]
fn two_at_once_fifty_times_over_a_path() {
    two_at_once(&Origin::path(), 50);
}

#[test]
fn two_at_once_fifty_times_through_a_server() {
    two_at_once(&Origin::daemon(), 50);
}

/// Again and again two applies of one tenant: a new one, or a change of it. One of them does it, at a time when the other
/// does nothing, and nothing is done twice.
fn two_at_once(origin: &Origin, rounds: usize) {
    let mut met = 0;
    origin.git(&["config", "core.logAllRefUpdates", "always"]);
    let ana = origin.first(&[], GIT);
    let bo = origin.clone(&[]);
    server::on(&ana, |server: &Server| {
        let mut tenants = 0;
        for round in 0..rounds {
            // Something new is announced first, a change is not.
            let is_new = round % 5 == 0;
            if is_new {
                tenants += 1;
                origin.add(&ana, &format!("t{tenants}"));
            } else {
                ana.git(&["pull", "--quiet", "--rebase"]);
                let path = format!("tenants/t{tenants}.toml");
                let text = ana.read(&path);
                let line = text.lines().find(|line| line.starts_with("greeting")).unwrap();
                ana.edit(&path, line, &format!("greeting = \"Hello {round}\""));
                ana.commit("a change");
                ana.git(&["push", "--quiet"]);
            }
            bo.git(&["pull", "--quiet"]);
            let before = origin.git(&["rev-parse", "main"]);
            server.ok("DELETE", "/_sandbox/calls", None);
            let (one, other) = (ana.start(&["apply", "--yes"]), bo.start(&["apply", "--yes"]));
            let (one, other) = (ana.finish(one), bo.finish(other));
            met += usize::from(the_one_that_worked(&one, &other));
            whole(server, tenants);
            // Two workflows are created and published, and an assistant; or one is written and published, and an assistant.
            let calls = if is_new { 5 } else { 3 };
            assert_eq!(server.writes(), calls, "round {round}: {one}\n{other}");
            let new = origin.git(&["log", "--format=%H", &format!("{before}..main")]);
            let runs: BTreeSet<(String, u64)> = new.lines().map(|commit| of_run(origin, commit)).collect();
            assert_eq!(new.lines().count(), if is_new { 2 } else { 1 }, "round {round}");
            assert_eq!(runs.len(), 1, "round {round}: {runs:?}");
        }
    });
    one_at_a_time(origin);
    ana.settled();
    bo.settled();
    assert!(met * 10 >= rounds, "they met only {met} times");
}

/// Asserts that one of two runs did it, and that the other was kept out or found nothing to do; whether they met.
#[track_caller]
fn the_one_that_worked(one: &Run, other: &Run) -> bool {
    let worked = |run: &Run| run.status == 0 && run.stdout.contains("Applied:");
    let idle = |run: &Run| run.status == 0 && run.stdout.contains("Nothing to do");
    assert!(worked(one) != worked(other), "{one}\n{other}");
    let rest = if worked(one) { other } else { one };
    assert!(rest.status == 11 || idle(rest), "{one}\n{other}");
    rest.status == 11
}

/// The lease never held two runs, fences only rise, and every commit of a run names the fence under which it held the lease.
fn one_at_a_time(origin: &Origin) {
    let states = leases(origin);
    assert!(states.len() > 50, "only {} states", states.len());
    assert!(states.iter().all(|state| state.claims.len() <= 1), "two at a time");
    assert!(
        states.windows(2).all(|pair| pair[0].fence <= pair[1].fence),
        "a fence was given twice"
    );
    let held: BTreeSet<(String, u64)> = states
        .iter()
        .flat_map(|state| &state.claims)
        .map(|claim| (claim.run.to_string(), claim.fence))
        .collect();
    let fences: BTreeSet<u64> = held.iter().map(|(_, fence)| *fence).collect();
    assert_eq!(fences.len(), held.len(), "two runs had one fence");
    let commits = origin.git(&["log", "--reverse", "--format=%H", "--grep=^Upa-Run:", "main"]);
    let by: Vec<(String, u64)> = commits.lines().map(|commit| of_run(origin, commit)).collect();
    assert!(
        by.iter().all(|run| held.contains(run)),
        "a run wrote that did not hold the lease"
    );
    assert!(
        by.windows(2).all(|pair| pair[0].1 <= pair[1].1),
        "a run wrote after a later one"
    );
}

/// A hook that takes pushes to main and loses those whose commit is, or is not, an announcement.
fn lose(origin: &Origin, announcements: bool) {
    let is_it = if announcements { "" } else { "! " };
    let script = format!(
        "while read old new ref; do case $ref in refs/heads/main) \
         if {is_it}git log -1 --format=%s $new | grep -q begin; then git update-ref $ref $old; fi;; esac; done"
    );
    origin.hook_named("post-receive", &script);
}

#[test]
fn a_server_that_takes_the_announcement_and_loses_it() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    let head = origin.git(&["rev-parse", "main"]);
    lose(&origin, true);
    let run = space.upa(&["apply", "--yes"]).exits(7);
    assert_snapshot!(run.stderr, @r"
    error: the remote `origin` took the lockfiles onto `main`, and does not hold them; nothing was changed on any platform
    hint: somebody forces pushes onto that branch, or a hook of the server undoes them; mend that, then run again
    ");
    assert_eq!(space.objects(), 0);
    assert_eq!(origin.git(&["rev-parse", "main"]), head);
    assert!(space.upa(&["lease"]).stdout.contains("Nobody"));
    origin.unhook_named("post-receive");
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 3);
    origin.clone(&[]).settled();
}

#[test]
fn a_server_that_takes_the_result_and_loses_it() {
    for same_clone in [true, false] {
        let origin = Origin::daemon();
        let space = origin.first(&["ana"], GIT);
        lose(&origin, false);
        let run = space.upa(&["apply", "--yes"]).exits(7);
        assert!(run.stdout.contains("Applied:"), "{run}");
        assert!(
            run.stderr.contains("recorded in this clone only") && run.stderr.contains("does not hold them"),
            "{run}"
        );
        origin.unhook_named("post-receive");
        let other = origin.clone(&[]);
        let next = if same_clone { &space } else { &other };
        next.apply();
        next.settled();
        assert!(!origin.lock("main", "ana").contains("pending"));
        assert_eq!(space.objects(), 3, "a twin");
        for clone in [&space, &other] {
            clone.upa(&["apply", "--yes"]).exits(0);
            clone.settled();
        }
    }
}

/// Somebody forces the branch back to before the announcement, while the run is at its calls: what it did is known in its
/// clone alone, and is published from there.
#[test]
fn a_branch_that_is_forced_back_while_apply_works() {
    for with_a_commit in [false, true] {
        let origin = Origin::daemon();
        let space = origin.first(&["ana"], GIT);
        let human = origin.clone(&[]);
        let before = origin.git(&["rev-parse", "main"]);
        server::on(&space, |server: &Server| {
            slowly(server, 100);
            let child = space.start(&["apply", "--yes"]);
            until(server, 1);
            let announced = origin.lock("main", "ana");
            if with_a_commit {
                human.write("notes.txt", "mine");
                human.commit("a note");
                human.git(&["push", "--quiet", "--force"]);
            } else {
                origin.git(&["update-ref", "refs/heads/main", &before]);
            }
            let forced = origin.git(&["rev-parse", "main"]);
            let run = space.finish(child).exits(12);
            assert!(run.stdout.contains("Applied:"), "{run}");
            assert!(run.stderr.contains("is recorded only in this clone"), "{run}");
            assert_eq!(origin.git(&["rev-parse", "main"]), forced);
            server.ok("DELETE", "/_sandbox/faults", None);
            // Elsewhere nobody knows what it did: a person is asked, and nothing is made twice.
            let other = origin.clone(&[]);
            let run = other.upa(&["apply", "--yes"]).exits(10);
            assert!(run.stderr.contains("no lockfile records it"), "{run}");
            assert_eq!(origin.git(&["rev-parse", "main"]), forced);
            space.git(&["fetch", "--quiet"]);
            space.git(&["reset", "--quiet", "--hard", "origin/main"]);
            space.apply();
            space.settled();
            whole(server, 1);
            other.settled();
            let base = |lock: &str| lock.parse::<toml::Table>().unwrap()["versions"]["v1"]["base"].clone();
            let now = origin.lock("main", "ana");
            assert_eq!(base(&now), base(&announced), "the webhooks moved");
            assert!(!now.contains("pending"), "{now}");
        });
    }
}

#[test]
fn an_index_that_is_locked_in_a_clone_stops_before_the_announcement() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    let head = origin.git(&["rev-parse", "main"]);
    space.write(".git/index.lock", "");
    let run = space.upa(&["apply", "--yes"]).exits(1);
    assert!(run.stderr.contains("`.git/index.lock` is there"), "{run}");
    assert_eq!((origin.git(&["rev-parse", "main"]), space.objects()), (head, 0));
    // It holds nobody up elsewhere.
    assert!(space.upa(&["lease"]).stdout.contains("Nobody"));
    origin.clone(&[]).apply();
    space.remove(".git/index.lock");
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 3);
}

/// The clone's own branch is locked: the work is published all the same, and pulled when Git is free.
#[test]
fn the_lock_of_a_branch_left_behind_in_a_clone_hinders_nobody() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    space.write(".git/refs/heads/main.lock", "");
    space.apply();
    space.settled();
    space.remove(".git/refs/heads/main.lock");
    space.git(&["pull", "--quiet", "--ff-only"]);
    assert_eq!(space.head(), origin.git(&["rev-parse", "main"]));
    assert_eq!(space.git(&["status", "--porcelain"]), "");
}

/// What was said, without the place of the remote.
fn nowhere(said: &str, origin: &Origin) -> String {
    said.replace(&origin.bare().canonicalize().unwrap().display().to_string(), "[REMOTE]")
}

/// A lock that a killed process left at a ref that is upa's own: nobody else would ever remove it.
fn left_behind(space: &Space, reference: &str, age: Duration) -> String {
    let lock = format!(".git/{reference}.lock");
    space.write(&lock, "");
    let file = std::fs::File::options().write(true).open(space.path(&lock)).unwrap();
    file.set_modified(std::time::SystemTime::now() - age).unwrap();
    lock
}

#[test]
fn the_locks_of_upas_own_refs_left_behind_in_a_clone_hinder_nobody() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    let other = origin.clone(&[]);
    space.apply();
    // Everything is fetched for the first time. One was left a moment ago.
    let locks = [
        left_behind(&other, "refs/upa/seen-lease", Duration::from_secs(60)),
        left_behind(&other, "refs/upa/remote/origin/main", Duration::ZERO),
    ];
    other.apply();
    other.settled();
    for lock in locks {
        assert!(!other.exists(&lock), "{lock}");
    }
}

/// Nobody can remove it, so a person is told where it is.
#[test]
fn a_lock_that_stays_is_named() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    let lock = space.path(".git/refs/upa/remote/origin/main.lock");
    std::fs::create_dir_all(lock.join("something")).unwrap();
    let run = space.upa(&["apply", "--yes"]).exits(1);
    let said = run
        .stderr
        .replace(&space.root().canonicalize().unwrap().display().to_string(), "[CLONE]");
    assert_snapshot!(said, @r"
    error: `[CLONE]/.git/refs/upa/remote/origin/main.lock` is there: another git command is at work in this clone, or was killed in it
    hint: run again when it is done; if none is at work, remove that file
    ");
    assert_eq!(space.objects(), 0);
    std::fs::remove_dir_all(lock).unwrap();
    space.apply();
}

/// Where the lock may be held by somebody who lives, it is respected.
#[test]
fn a_young_lock_of_upas_own_refs_is_waited_for() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    let other = origin.clone(&[]);
    space.apply();
    let lock = left_behind(&other, "refs/upa/remote/origin/main", Duration::ZERO);
    let child = other.start(&["apply", "--yes"]);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(other.exists(&lock));
    other.remove(&lock);
    other.finish(child).exits(0);
}

#[test]
fn the_lock_of_a_branch_left_behind_on_the_remote_stops_before_the_first_call() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    let lock = origin.bare().join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let run = space.upa(&["apply", "--yes"]).exits(7);
    assert_snapshot!(nowhere(&run.stderr, &origin), @r"
    error: `main` of the remote `origin` cannot be written: cannot lock ref 'refs/heads/main': Unable to create '[REMOTE]/./refs/heads/main.lock': File exists; nothing was changed on any platform
    hint: run again in a moment; if it stays so, a `git` was killed on the remote's machine: remove the `.lock` file that it left there
    ");
    assert_eq!(space.objects(), 0);
    assert!(space.upa(&["lease"]).stdout.contains("Nobody"));
    std::fs::remove_file(&lock).unwrap();
    space.apply();
    space.settled();
    assert_eq!(space.objects(), 3);
}

/// The lease's own: it is not told as somebody who is faster.
#[test]
fn the_lock_of_the_lease_left_behind_on_the_remote_is_named() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    let folder = origin.bare().join("refs/upa");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = folder.join("lease.lock");
    std::fs::write(&lock, "").unwrap();
    let run = space.upa(&["apply", "--yes"]).exits(7);
    assert_snapshot!(nowhere(&run.stderr, &origin), @r"
    error: `refs/upa/lease` of the remote `origin` cannot be written: cannot lock ref 'refs/upa/lease': Unable to create '[REMOTE]/./refs/upa/lease.lock': File exists
    hint: run again in a moment; if it stays so, a `git` was killed on the remote's machine: remove the `.lock` file that it left there
    ");
    assert_eq!(space.objects(), 0);
    std::fs::remove_file(&lock).unwrap();
    space.apply();
    space.settled();
}

/// Likewise, once the calls are made: what was done is published later.
#[test]
fn the_lock_of_a_branch_left_behind_on_the_remote_half_way() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    let lock = origin.bare().join("refs/heads/main.lock");
    server::on(&space, |server: &Server| {
        slowly(server, 100);
        let child = space.start(&["apply", "--yes"]);
        until(server, 1);
        std::fs::write(&lock, "").unwrap();
        left_behind(&space, "refs/upa/unpublished", Duration::from_secs(60));
        let run = space.finish(child).exits(7);
        assert!(run.stderr.contains("recorded in this clone only"), "{run}");
        assert!(run.stderr.contains("refs/heads/main.lock': File exists"), "{run}");
        std::fs::remove_file(&lock).unwrap();
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        space.settled();
        whole(server, 1);
    });
    origin.clone(&[]).settled();
}

/// The remote does not take the lease: nothing is begun.
#[test]
fn a_remote_that_refuses_the_lease() {
    let origin = Origin::daemon();
    let space = origin.first(&["ana"], GIT);
    origin
        .hook("while read old new ref; do case $ref in refs/upa/*) echo 'no such refs here' >&2; exit 1;; esac; done");
    let run = space.upa(&["apply", "--yes"]).exits(5);
    assert!(run.stderr.contains("no such refs here"), "{run}");
    assert!(run.stderr.contains("refs/upa/*"), "{run}");
    assert_eq!(space.objects(), 0);
    origin.unhook();
    space.apply();
    assert_eq!(space.objects(), 3);
}
