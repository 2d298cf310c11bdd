//! Rehearsals: the sandbox tells lies from a seed, and what they leave is settled by a run without them.

use serde_json::{Value, json};

use crate::support::server;
use crate::support::{Run, Server, Space};

/// Through how many seeds the tests live.
const SEEDS: std::ops::Range<u64> = 1..9;

fn chaos(space: &Space, seed: u64) -> Run {
    space.upa(&["apply", "--yes", "--sandbox", "--chaos-seed", &seed.to_string()])
}

/// The exit statuses of a run that met lies: it failed, as it says, or it came through.
const ALLOWED: [i32; 7] = [0, 1, 4, 6, 7, 8, 10];

#[test]
fn what_lies_leave_is_settled_by_a_run_without_them() {
    let mut met = 0;
    for seed in SEEDS {
        let space = Space::with(&["ana", "bo"]);
        for round in 0..2 {
            let run = chaos(&space, seed + round * 100);
            assert!(ALLOWED.contains(&run.status), "seed {seed}: {run}");
            assert!(!run.stderr.contains("please report"), "seed {seed}: {run}");
            met += usize::from(run.status != 0);
        }
        let run = space.upa(&["apply", "--yes", "--sandbox"]);
        assert_eq!(run.status, 0, "seed {seed}: {run}");
        let plan = space.upa(&["plan", "--sandbox", "--detailed-exitcode"]);
        assert_eq!(plan.status, 0, "seed {seed}: {plan}");
        assert!(plan.stdout.contains("Nothing to do"), "seed {seed}: {plan}");
        assert_eq!(space.rehearsed(), 6, "seed {seed}: nothing is there twice");
        let orphans = space.upa(&["orphans", "--sandbox"]);
        assert_eq!(orphans.status, 0, "seed {seed}: {orphans}");
        // What was tried in the sandbox is committed nowhere.
        assert_eq!(space.commits(), 1);
    }
    assert!(met > 3, "only {met} runs met a lie that they could not stand");
}

/// The shipped product: objects that lie below others, and seven platforms' worth of lies.
#[test]
fn the_shipped_product_comes_through_a_row_of_bad_days() {
    let space = Space::shipped();
    for seed in SEEDS {
        let run = chaos(&space, seed);
        assert!(!run.stderr.contains("please report"), "seed {seed}: {run}");
    }
    let run = space.upa(&["apply", "--yes", "--sandbox"]);
    assert_eq!(run.status, 0, "{run}");
    space.upa(&["plan", "--sandbox", "--detailed-exitcode"]).exits(0);
    space.upa(&["orphans", "--sandbox"]).exits(0);
}

#[test]
fn a_plan_that_is_lied_to_writes_nothing() {
    let space = Space::with(&["ana"]);
    space.upa(&["apply", "--yes", "--sandbox"]).exits(0);
    for seed in SEEDS {
        let run = space.upa(&["plan", "--sandbox", "--chaos-seed", &seed.to_string()]);
        assert!(ALLOWED.contains(&run.status), "seed {seed}: {run}");
        assert_eq!(space.rehearsed(), 3);
    }
    let plan = space.upa(&["plan", "--sandbox", "--detailed-exitcode"]);
    assert_eq!(plan.status, 0, "{plan}");
}

/// Everything that was asked, and how it was answered, of a sandbox that lies from a seed.
fn answers(seed: u64) -> Vec<Value> {
    let space = Space::with(&["ana"]);
    let seed = seed.to_string();
    let child = space.start(&["sandbox", "--sandbox", "--chaos-seed", &seed]);
    let server = Server::of(&space, child);
    let mut answers = Vec::new();
    for path in ["/n8n/api/v1/workflows?limit=2", "/vapi/assistant?limit=2"] {
        for _ in 0..20 {
            // A connection that is cut is an answer, too.
            let answer = server.try_send("GET", path);
            answers.push(json!([path, answer]));
        }
    }
    server.stop();
    answers
}

#[test]
fn the_same_seed_tells_the_same_lies() {
    let first = answers(5);
    assert_eq!(answers(5), first);
    assert_ne!(answers(6), first);
}

#[test]
fn lies_are_told_by_a_sandbox_only() {
    let space = Space::with(&["ana"]);
    for command in ["apply", "plan"] {
        let run = space.upa(&[command, "--chaos-seed", "1"]).exits(64);
        assert!(run.stderr.contains("--sandbox"), "{run}");
    }
    let run = space.upa(&["apply", "--sandbox", "--chaos-seed", "soon"]).exits(64);
    assert!(run.stderr.contains("chaos-seed"), "{run}");
    // Another's sandbox would tell the truth, and call it a rehearsal.
    let another = Server::of(&space, space.start(&["sandbox", "--sandbox"]));
    let run = chaos(&space, 1).exits(11);
    assert!(run.stderr.contains("tells no lies from this seed"), "{run}");
    another.stop();
    let help = space.upa(&["apply", "--help"]).exits(0);
    assert!(help.stdout.contains("--chaos-seed <SEED>"), "{help}");
}

/// What the answer of a creation calls it is not what it is called: it is found by the mark and the attempt in it.
#[test]
fn an_id_that_was_misheard_makes_no_twin() {
    for (account, path) in [("n8n", "/api/v1/workflows$"), ("vapi", "/assistant$")] {
        for status in ["active", "deprovisioned"] {
            let space = Space::with(&["ana"]);
            server::on(&space, |server: &Server| {
                server.fault(&json!({"account": account, "method": "POST", "path": path, "kind": "wrong_id"}));
                let run = space.upa(&["apply", "--yes"]);
                assert_ne!(run.status, 0, "{run}");
                space.edit("tenants/ana.toml", "\"active\"", &format!("{status:?}"));
                space.commit("and then");
                space.apply();
                space.settled();
            });
            let objects = if status == "active" { 3 } else { 0 };
            assert_eq!(space.objects(), objects, "{account} {status}");
        }
    }
}
