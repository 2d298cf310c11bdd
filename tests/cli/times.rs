//! Times: one that is recorded and is none is refused where it stands, and a deadline falls due. What depends on the date
//! is not done while this clock and the platforms' are apart.

use serde_json::json;

use crate::support::origin::Origin;
use crate::support::product::{self, VERSION_FILE};
use crate::support::server;
use crate::support::{Run, Server, Space};

/// Refused with the line of a file, and nothing is written.
#[track_caller]
fn refused(space: &Space, args: &[&str], place: &str) -> Run {
    let head = space.head();
    let run = space.upa(args).exits(5);
    assert!(run.stderr.contains(place), "{place}\n{run}");
    assert_eq!(space.head(), head);
    run
}

#[test]
fn a_time_in_a_lockfile_that_is_none_is_refused_with_its_line() {
    let space = Space::with(&["ana"]);
    space.apply();
    let whole = space.read("tenants/ana.lock");
    let times: Vec<usize> = whole
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("= \"20") && line.ends_with("Z\""))
        .map(|(index, _)| index)
        .collect();
    // Of the version, of its request, and of every state that came to.
    assert_eq!(times.len(), 7, "{whole}");
    for index in times {
        for wrong in ["\"soon\"", "\"2026-13-41T00:00:00Z\"", "\"\"", "7", "\"2026-11-29\""] {
            let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            let key = lines[index].split('=').next().unwrap().to_owned();
            lines[index] = format!("{key}= {wrong}");
            space.write("tenants/ana.lock", lines.join("\n") + "\n");
            space.commit("a time that is none");
            refused(&space, &["plan"], &format!("tenants/ana.lock:{}:", index + 1));
        }
        refused(&space, &["apply", "--yes"], &format!("tenants/ana.lock:{}:", index + 1));
    }
}

#[test]
fn a_line_of_a_journal_that_says_nothing_is_refused_and_what_follows_it_is_not_lost() {
    let space = Space::with(&["ana"]);
    space.apply();
    let path = ".git/upa/01990000-0000-7000-8000-000000000000.journal";
    let failed = |at: &str| {
        json!({"tenant": "ana", "event": "failed", "address": "ana@v1/assistant", "step": "fill", "at": at,
            "message": "no", "harmless": true})
        .to_string()
    };
    let gone = json!({"tenant": "ana", "event": "gone", "address": "ana@v1/assistant"}).to_string();
    let good = failed("2026-11-29T00:00:00Z");
    for wrong in [failed("soon"), "{}".to_owned(), "half a li".to_owned()] {
        let text = format!("{good}\n{wrong}\n{gone}\n");
        space.write(path, &text);
        let run = refused(
            &space,
            &["apply", "--yes"],
            "01990000-0000-7000-8000-000000000000.journal:2:",
        );
        assert!(
            run.stderr.contains("this journal of a run that was cut off is damaged"),
            "{run}"
        );
        assert_eq!(space.read(path), text, "it is still there");
    }
    // Only the end may be torn.
    space.write(path, format!("{good}\nhalf a li"));
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_claim_whose_time_is_none_is_no_lease() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"");
    let claim = json!({"format": 1, "fence": 1, "claims": [{
        "run": "01990000-0000-7000-8000-000000000000", "holder": "bo", "clone": "x", "tenants": ["*"], "fence": 1,
        "expires": "soon",
    }]});
    let text = format!("upa lease: 1 at work\n\n{claim:#}\n");
    let tree = space.git(&["mktree", "--missing"]);
    let note = space.git(&["commit-tree", &tree, "-m", &text]);
    space.git(&["push", "--quiet", "origin", &format!("{note}:refs/upa/lease")]);
    let run = space.upa(&["apply", "--yes"]).exits(5);
    assert!(run.stderr.contains("is not a lease that this upa understands"), "{run}");
    assert!(
        run.stderr.contains("line 7 column") || run.stderr.contains(" at line "),
        "{run}"
    );
    space.git(&["push", "--quiet", "origin", ":refs/upa/lease"]);
    space.apply();
}

const CALLED: &str = "[gates.called]\ncovers = [\"assistant\"]\nprompt = \"Call the number.\"\n";

fn demand(space: &Space, gate: &str) {
    space.edit(
        VERSION_FILE,
        "\n[resources.answer]",
        &format!("\n{gate}\n[resources.answer]"),
    );
    product::release(space);
    space.commit("a gate");
}

#[test]
fn the_time_of_an_approval_that_is_none_is_refused_with_its_line() {
    let space = Space::with(&["ana"]);
    demand(&space, CALLED);
    let digest = "0".repeat(64);
    for wrong in ["\"soon\"", "2026-11-20", "7"] {
        let text = format!(
            "{}\n[approvals.called]\nby = \"ana\"\nat = {wrong}\nof = \"sha256:{digest}\"\n",
            product::tenant("ana")
        );
        let line = text.lines().position(|line| line.starts_with("at = ")).unwrap() + 1;
        space.write("tenants/ana.toml", text);
        space.commit("approved");
        refused(&space, &["plan"], &format!("tenants/ana.toml:{line}:"));
    }
}

fn fix(space: &Space, word: &str) {
    let mut assistant = product::assistant();
    assistant["firstMessage"] = word.into();
    product::template(space, "assistant.json", &assistant);
    product::release(space);
    space.commit("a fix");
}

fn state(space: &Space) -> (String, String) {
    let lock = space.lock("ana");
    let request = &lock["versions"]["v1"]["request"];
    let text = |key: &str| request[key].as_str().unwrap().to_owned();
    (text("request_id"), text("state"))
}

#[test]
fn a_gate_that_opens_again_has_a_deadline() {
    let space = Space::with(&["ana"]);
    demand(&space, CALLED);
    space.apply();
    space.upa(&["approve", "ana"]).exits(0);
    space.commit("called");
    space.apply();
    fix(&space, "another word");
    let run = space.apply();
    assert!(
        run.stdout
            .contains("ana awaits approval of `called` again: what it covers has changed, until 20"),
        "{run}"
    );
    let (first, done) = state(&space);
    assert_eq!(done, "COMPLETED", "a fix is no request");
    space.settled();
    let commits = space.commits();
    space.apply();
    assert_eq!(space.commits(), commits);

    // Its time is up.
    let text = space.read("tenants/ana.lock");
    let table = text
        .split("[versions.\"v1\".reopened]\n")
        .nth(1)
        .or_else(|| text.split("reopened]\n").nth(1));
    let line = table
        .and_then(|table| table.lines().next())
        .unwrap_or_else(|| panic!("{text}"));
    space.write(
        "tenants/ana.lock",
        text.replace(line, "called = \"2026-11-01T00:00:00Z\""),
    );
    space.commit("weeks pass");
    let doctor = space.upa(&["doctor"]).exits(1);
    assert!(
        doctor
            .stdout
            .contains("was to be approved again by 2026-11-01T00:00:00Z"),
        "{doctor}"
    );
    let plan = space.upa(&["plan"]).exits(0);
    assert!(
        plan.stdout.contains("apply has something to record of 1 tenant"),
        "{plan}"
    );
    space.apply();
    let (failed, lapsed) = state(&space);
    assert_eq!(lapsed, "FAILED");
    assert_ne!(first, failed);
    let lock = space.read("tenants/ana.lock");
    assert!(
        lock.contains("it was to be done by 2026-11-01T00:00:00Z, and nobody approved called again"),
        "{lock}"
    );
    space.settled();
    // Better late than never.
    space.upa(&["approve", "ana"]).exits(0);
    space.commit("called at last");
    space.apply();
    assert_eq!(state(&space).1, "COMPLETED");
    assert!(!space.read("tenants/ana.lock").contains("reopened"));
    space.settled();
}

#[test]
fn a_gate_that_is_passed_again_in_time_leaves_no_deadline() {
    let space = Space::with(&["ana"]);
    space.apply();
    // Of what is complete already somebody demands more.
    demand(&space, CALLED);
    space.apply();
    assert!(space.read("tenants/ana.lock").contains("reopened"));
    space.settled();
    space.upa(&["approve", "ana"]).exits(0);
    space.commit("called");
    space.apply();
    assert!(!space.read("tenants/ana.lock").contains("reopened"));
    assert_eq!(state(&space).1, "COMPLETED");
    space.settled();
}

#[test]
fn a_deadline_beyond_every_calendar_is_still_one() {
    let space = Space::with(&["ana"]);
    demand(&space, &format!("{CALLED}deadline = \"9999999d\"\n"));
    space.apply();
    let lock = space.lock("ana");
    let deadline = lock["versions"]["v1"]["request"]["deadline"].as_str().unwrap();
    assert!(deadline.starts_with("9999-12-30"), "{deadline}");
    space.settled();
}

/// A platform says that it is another time, so many days ahead; or something that is no time.
fn clock(server: &Server, account: &str, days: i64) {
    let seconds = days * 86_400;
    server.fault(&json!({"account": account, "kind": "clock", "ahead": seconds}));
}

fn calm(server: &Server) {
    server.ok("DELETE", "/_sandbox/faults", None);
}

const APART: &str = "nothing that depends on the date is done there";

/// A clock that is 40 days ahead is a platform that is 40 days behind.
#[test]
fn a_clock_that_is_wrong_replaces_no_watch() {
    let space = crate::renewal::space();
    server::on(&space, |server: &Server| {
        space.apply();
        space.settled();
        crate::renewal::expires(&space, 24);
        let before = space.id("ana", crate::renewal::ADDRESS);
        for days in [-40, 40] {
            clock(server, "google", days);
            let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
            assert!(plan.stderr.contains(APART), "{plan}");
            assert!(plan.stderr.contains("account `google`"), "{plan}");
            assert!(plan.stdout.contains("Nothing to do"), "{plan}");
            let json = space.upa(&["plan", "--format", "json"]).exits(0).json();
            assert!(json.to_string().contains(APART), "{json}");
            let run = space.apply();
            assert!(run.stderr.contains(APART), "{run}");
            assert_eq!(space.id("ana", crate::renewal::ADDRESS), before);
            calm(server);
        }
        // All else is done.
        clock(server, "google", -40);
        space.edit(
            "templates/diary/v1/calendar.json",
            "<%= tenant.name %>",
            "<%= tenant.name %>'s",
        );
        space.upa(&["release", "diary", "v1"]).exits(0);
        space.commit("another name");
        let run = space.apply();
        assert!(run.stdout.contains("ana@v1/calendar"), "{run}");
        calm(server);
        // What says nothing of the time says nothing against it, either.
        for odd in ["soon", "", "Sun, 99 Nov 2026 12:00:00 GMT", "2026-11-29T00:00:00Z"] {
            server.fault(&json!({"account": "google", "kind": "clock", "date": odd}));
            let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
            assert!(plan.stdout.contains("it expires soon"), "{plan}");
            assert!(!plan.stderr.contains(APART), "{plan}");
            calm(server);
        }
        space.apply();
        assert_ne!(space.id("ana", crate::renewal::ADDRESS), before);
    });
}

#[test]
fn no_deadline_falls_due_while_clocks_are_apart() {
    let space = Space::with(&["ana"]);
    demand(&space, CALLED);
    server::on(&space, |server: &Server| {
        space.apply();
        let lock = space.read("tenants/ana.lock");
        let line = lock
            .lines()
            .find(|line| line.starts_with("deadline = "))
            .unwrap()
            .to_owned();
        space.write(
            "tenants/ana.lock",
            lock.replace(&line, "deadline = \"2026-11-01T00:00:00Z\""),
        );
        space.commit("weeks pass, by this clock");
        // One of its platforms is enough to doubt it, and a stranger's says nothing.
        clock(server, "vapi", -40);
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(plan.stdout.contains("Nothing to do"), "{plan}");
        assert!(plan.stderr.contains(APART), "{plan}");
        fix(&space, "another word");
        space.apply();
        assert_eq!(state(&space).1, "AWAITING_APPROVAL");
        calm(server);
        space.apply();
        assert_eq!(state(&space).1, "FAILED");
    });
}

#[test]
fn no_rule_ends_while_clocks_are_apart() {
    let space = Space::with(&["ana"]);
    space.edit(
        VERSION_FILE,
        "\n[resources.answer]",
        "\n[[drift]]\nresource = \"assistant\"\npath = \"firstMessage\"\nrule = \"ignore\"\nreason = \"a trial\"\n\
         until = 2026-11-01\n\n[resources.answer]",
    );
    product::release(&space);
    space.commit("a rule");
    server::on(&space, |server: &Server| {
        space.apply();
        let id = space.id("ana", "ana@v1/assistant");
        let changed = json!({"firstMessage": "by hand"});
        server.ok("PATCH", &format!("/vapi/assistant/{id}"), Some(&changed));
        space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        clock(server, "vapi", -40);
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(plan.stderr.contains(APART), "{plan}");
        assert!(!plan.stderr.contains("is enforced again"), "{plan}");
    });
}

#[test]
fn a_time_of_expiry_that_is_none_is_said() {
    let space = crate::renewal::space();
    server::on(&space, |_: &Server| {
        space.apply();
        let lock = space.read("tenants/ana.lock");
        let line = lock
            .lines()
            .find(|line| line.starts_with("expiration = "))
            .unwrap()
            .to_owned();
        space.write("tenants/ana.lock", lock.replace(&line, "expiration = \"soon\""));
        space.commit("no time");
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
        let said = "ana@v1/watch: when it expires is not known";
        assert!(
            plan.stderr.contains(said) && plan.stderr.contains("is \"soon\", which is no time"),
            "{plan}"
        );
    });
}
