//! A version demands that a person checks something: until somebody does, a request waits; then it is complete, and if
//! nobody does in time it fails.

use serde_json::Value;

use crate::support::Space;
use crate::support::product::{self, VERSION_FILE};

const CALLED: &str = "\
[gates.called]
covers = [\"assistant\"]
prompt = \"Call the number and book an appointment.\"
";

fn space(tenants: &[&str], gate: &str) -> Space {
    let space = Space::with(tenants);
    demand(&space, gate);
    space
}

fn demand(space: &Space, gate: &str) {
    space.edit(
        VERSION_FILE,
        "\n[resources.answer]",
        &format!("\n{gate}\n[resources.answer]"),
    );
    product::release(space);
    space.commit("a gate");
}

#[track_caller]
fn request(space: &Space, tenant: &str) -> Value {
    let run = space.upa(&["show", tenant, "--format", "json"]).exits(0);
    let shown: Value = serde_json::from_str(&run.stdout).unwrap();
    shown["provisioning_request"].clone()
}

/// Every state its request came to.
fn history(space: &Space, tenant: &str) -> Vec<String> {
    let lock = space.lock(tenant);
    let states = lock["versions"]["v1"]["request"]["history"].as_array().unwrap();
    let states = states.iter().map(|one| one["state"].as_str().unwrap().to_owned());
    states.collect()
}

fn fix(space: &Space, word: &str) {
    let mut assistant = product::assistant();
    assistant["firstMessage"] = word.into();
    product::template(space, "assistant.json", &assistant);
    product::release(space);
    space.commit("a fix");
}

#[test]
fn a_request_waits_for_a_person_and_is_complete_when_somebody_approved() {
    let space = space(&["ana"], CALLED);
    let early = space.upa(&["approve", "ana", "called"]).exits(10);
    let nothing = "there is nothing to approve yet: assistant of tenant `ana` is not there";
    assert!(early.stderr.contains(nothing), "{early}");
    let run = space.upa(&["apply", "--yes", "--require-complete"]).exits(15);
    assert!(
        run.stdout.contains("ana awaits approval of `called`, until 20"),
        "{run}"
    );
    assert!(
        run.stdout
            .contains("Call the number and book an appointment; then `upa approve ana called`"),
        "{run}"
    );
    let waiting = request(&space, "ana");
    assert_eq!(waiting["state"], "AWAITING_APPROVAL");
    assert_eq!(waiting["awaits"]["called"], "Call the number and book an appointment.");
    assert!(waiting["deadline"].as_str().unwrap() > waiting["created_at"].as_str().unwrap());
    // Nothing is left to do without a person, and everybody is told for whom.
    space.settled();
    let commits = space.commits();
    space.apply();
    assert_eq!(space.commits(), commits);
    let run = space.upa(&["apply", "--yes", "--require-complete"]).exits(15);
    assert!(run.stdout.contains("ana awaits approval of `called`"), "{run}");
    assert!(space.upa(&["status"]).exits(0).stdout.contains("AWAITING_APPROVAL"));
    let doctor = space.upa(&["doctor"]).exits(1);
    assert!(doctor.stdout.contains("ana awaits approval of `called`"), "{doctor}");
    assert!(!doctor.stdout.contains("nobody is at work"), "{doctor}");

    space.edit("tenants/ana.toml", "[inputs]", "# what she wants\n[inputs]");
    let run = space.upa(&["approve", "ana"]).exits(0);
    assert!(run.stdout.contains(&space.id("ana", "ana@v1/assistant")), "{run}");
    assert!(run.stdout.contains("Approved by ana@example.test"), "{run}");
    let file = space.read("tenants/ana.toml");
    assert!(
        file.contains("# what she wants\n")
            && file.contains("\n[approvals.called]\nby = \"ana@example.test\"\nat = 20"),
        "{file}"
    );
    // It is a change of a file like any other: it counts when it is committed.
    space.upa(&["apply", "--yes"]).exits(5);
    space.commit("called");
    let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(
        plan.stdout.contains("apply has something to record of 1 tenant"),
        "{plan}"
    );
    space.upa(&["apply", "--yes", "--require-complete"]).exits(0);
    assert_eq!(request(&space, "ana")["state"], "COMPLETED");
    assert_eq!(
        history(&space, "ana"),
        ["PENDING", "PROVISIONING", "AWAITING_APPROVAL", "COMPLETED"]
    );
    space.settled();
    let run = space.upa(&["approve", "ana", "called"]).exits(0);
    assert!(run.stdout.contains("was passed already: ana@example.test"), "{run}");
}

#[test]
fn a_change_of_what_was_approved_asks_again_unless_only_another_object_counts() {
    for (reopen, again) in [("", true), ("reopen = \"replace\"\n", false)] {
        let space = space(&["ana"], &format!("{CALLED}{reopen}"));
        space.apply();
        space.upa(&["approve", "ana"]).exits(0);
        space.commit("called");
        space.apply();
        fix(&space, "another word");
        let run = space.upa(&["apply", "--yes", "--require-complete"]);
        assert_eq!(run.status, if again { 15 } else { 0 }, "{run}");
        let said = "ana awaits approval of `called` again: what it covers has changed";
        assert_eq!(run.stdout.contains(said), again, "{run}");
        // A fix is no request.
        assert_eq!(request(&space, "ana")["state"], "COMPLETED");
        if again {
            space.upa(&["approve", "ana"]).exits(0);
            assert_eq!(space.read("tenants/ana.toml").matches("[approvals.called]").count(), 1);
            space.commit("called again");
            space.upa(&["apply", "--yes", "--require-complete"]).exits(0);
        }
        space.settled();
    }
}

#[test]
fn whom_nobody_approves_in_time_fails_and_another_request_completes() {
    let space = space(&["ana"], &format!("{CALLED}deadline = \"1s\"\n"));
    space.apply();
    let waiting = request(&space, "ana");
    assert_eq!(waiting["state"], "AWAITING_APPROVAL");
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let doctor = space.upa(&["doctor"]).exits(1);
    assert!(doctor.stdout.contains("was to be done by"), "{doctor}");
    let plan = space.upa(&["plan"]).exits(0);
    assert!(
        plan.stdout.contains("apply has something to record of 1 tenant"),
        "{plan}"
    );
    space.apply();
    let failed = request(&space, "ana");
    assert_eq!(failed["state"], "FAILED");
    let why = failed["error_log"][0].to_string();
    assert!(why.contains("and nobody approved called"), "{why}");
    // It is not tried again and again.
    space.settled();
    let commits = space.commits();
    space.apply();
    assert_eq!(space.commits(), commits);
    // Better late than never.
    space.upa(&["approve", "ana", "called", "--by", "Bo"]).exits(0);
    space.commit("called at last");
    space.apply();
    let done = request(&space, "ana");
    assert_eq!(done["state"], "COMPLETED");
    assert_ne!(done["request_id"], failed["request_id"]);
    space.settled();
}

#[test]
fn one_tenant_can_answer_for_all_on_its_revision() {
    let space = space(&["ana", "bob", "cyd"], &format!("{CALLED}per = \"revision\"\n"));
    let run = space.apply();
    assert!(run.stdout.contains("3 tenants await one approval of `called`"), "{run}");
    space.upa(&["approve", "bob"]).exits(0);
    space.commit("bob was called");
    // Also of those who are not looked at together with bob.
    space.upa(&["apply", "ana", "--yes", "--require-complete"]).exits(0);
    assert_eq!(request(&space, "ana")["state"], "COMPLETED");
    assert_eq!(request(&space, "cyd")["state"], "AWAITING_APPROVAL");
    space.apply();
    assert_eq!(request(&space, "cyd")["state"], "COMPLETED");
    space.settled();
    // A revision that changes nothing they have must be approved, too.
    space.edit(VERSION_FILE, "revision = 1", "revision = 2");
    space.edit(VERSION_FILE, "maxLength = 40", "maxLength = 41");
    product::release(&space);
    space.commit("longer greetings");
    space.upa(&["apply", "--yes", "--require-complete"]).exits(15);
    space.settled();
    space.upa(&["approve", "cyd"]).exits(0);
    space.commit("cyd was called");
    space.upa(&["apply", "--yes", "--require-complete"]).exits(0);
    // The next one is another one.
    space.edit(VERSION_FILE, "revision = 2", "revision = 3");
    fix(&space, "another word");
    let run = space.upa(&["apply", "--yes", "--require-complete"]).exits(15);
    assert!(
        run.stdout
            .contains("3 tenants await one approval of `called` again: what it covers has changed"),
        "{run}"
    );
}

#[test]
fn an_approval_counts_for_its_tenant_alone() {
    let space = space(&["ana", "bob"], CALLED);
    space.apply();
    space.upa(&["approve", "ana"]).exits(0);
    let table = space.read("tenants/ana.toml");
    let approval = table.split("[approvals.called]").nth(1).unwrap();
    let bob = format!("{}\n[approvals.called]{approval}", space.read("tenants/bob.toml"));
    space.write("tenants/bob.toml", bob);
    space.commit("copied");
    space.apply();
    assert_eq!(request(&space, "ana")["state"], "COMPLETED");
    assert_eq!(request(&space, "bob")["state"], "AWAITING_APPROVAL");
}

#[test]
fn gates_that_mean_nothing_are_refused() {
    let space = space(
        &["ana"],
        "[gates.called]\ncovers = [\"asistant\"]\nprompt = \" \"\ndeadline = \"soon\"\n",
    );
    let run = space.upa(&["validate"]).exits(5);
    for said in [
        "gate `called`: there is no resource `asistant`",
        "did you mean `assistant`?",
        "gate `called` does not say what is to be checked",
        "`soon` is no length of time",
    ] {
        assert!(run.stderr.contains(said), "{said}\n{run}");
    }
    let space = self::space(&["ana"], &format!("{CALLED}before = \"cutover\"\n"));
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("cutover"), "{run}");
    let space = self::space(&["ana"], CALLED);
    let mistyped = format!(
        "{}\n[approvals.caled]\nby = \"ana\"\nat = 2026-11-20T10:00:00Z\nof = \"sha256:{}\"\n",
        product::tenant("ana"),
        "0".repeat(64)
    );
    space.write("tenants/ana.toml", mistyped);
    let run = space.upa(&["validate"]).exits(0);
    assert!(
        run.stderr.contains("approval of `caled`") && run.stderr.contains("did you mean `called`?"),
        "{run}"
    );
    let run = space.upa(&["approve", "ana", "caled"]).exits(64);
    assert!(run.stderr.contains("did you mean `called`?"), "{run}");
}
