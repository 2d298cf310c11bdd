//! Taking a tenant down: one plan that shows everything, and one statement, in Git, that lets it go.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::transcript::seen;
use crate::support::{Run, Server, Space, server};

const TENANT: &str = "tenants/welcs.toml";

fn status(space: &Space, tenant: &str, from: &str, to: &str) {
    let path = format!("tenants/{tenant}.toml");
    let text = space.read(&path);
    let line = text.lines().find(|line| line.starts_with("status")).unwrap();
    space.edit(&path, line, &line.replacen(from, to, 1));
}

/// The shipped product, applied, of which one tenant is to go.
fn leaving(server: &Server, space: &Space) {
    server.shipped_credentials();
    space.apply();
    status(space, "welcs", "active", "deprovisioned");
    space.commit("goodbye");
}

/// What is to be written, and what may be typed instead, as the one finding about a tenant says.
#[track_caller]
fn told(run: &Run, tenant: &str) -> (String, Vec<String>) {
    let plan: Value = serde_json::from_str(&run.stdout).unwrap();
    let problems = plan["problems"].as_array().unwrap();
    let own: Vec<&Value> = problems.iter().filter(|one| one["tenant"] == tenant).collect();
    assert_eq!(own.len(), 1, "{run}");
    let hint = own[0]["hint"].as_str().unwrap();
    let (_, rest) = hint.split_once(":\n").unwrap();
    let (toml, typed) = rest.split_once("or, for one run: upa apply welcs ").unwrap();
    (toml.to_owned(), typed.split(' ').map(str::to_owned).collect())
}

/// Adds what a plan said that is to be added.
fn confirm(space: &Space, tenant: &str, toml: &str) {
    let path = format!("tenants/{tenant}.toml");
    let text = space.read(&path);
    space.write(&path, format!("{text}\n{toml}"));
    space.commit("it may go");
}

#[test]
fn it_is_shown_whole_and_stated_once_in_git() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        leaving(server, &space);
        let run = space.upa(&["plan"]).exits(0);
        let lines: Vec<&str> = run.stdout.lines().map(str::trim_end).collect();
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("  - delete")).count(),
            19,
            "{run}"
        );
        assert!(
            lines.contains(&"Nothing to do yet: 19 to delete await confirmation."),
            "{run}"
        );
        assert_snapshot!(seen(&run.stderr), @r#"
        warning: the goodbye of `welcs` awaits confirmation: of the objects that go (19), what 4 hold is lost for good
         --> tenants/welcs.toml:6:1
          |
        6 | status   = "deprovisioned"             # active | suspended (stops answering, keeps everything) | deprovisioned (removed)
          | ^^^^^^
          |
        help: if that is what you want, add at the end of tenants/welcs.toml:
              [confirm]
              "welcs/calendar" = "[UUID]"  # a calendar is deleted with all its events, and there is no trash
              "welcs/calls-tab" = "[UUID]/[UUID]"  # what stands in the tab is deleted with it
              "welcs/sheet" = "[UUID]"  # what people wrote into the spreadsheet goes into the trash with it, and after 30 days it is gone
              "@shared:hubspot/hubspot-call-reason" = "contacts/recepcion_motivo_llamada"  # what the records hold in this property goes with it
              or, for one run: upa apply welcs --confirm welcs/calendar --confirm welcs/calls-tab --confirm welcs/sheet --confirm @shared:hubspot/hubspot-call-reason --approve sha256:[DIGEST]
        "#);
        // Who names it is told that it cannot be done; nothing of it is done by either.
        space.upa(&["plan", "welcs"]).exits(10);
        let lock = space.read("tenants/welcs.lock");
        let (workflows, assistants) = (server.workflows().len(), server.assistants().len());
        space.upa(&["apply", "--yes", "welcs"]).exits(10);
        space.upa(&["apply", "--yes"]).exits(0);
        space.upa(&["apply", "--yes", "--require-complete"]).exits(15);
        assert_eq!(space.read("tenants/welcs.lock"), lock);
        assert_eq!(
            (server.workflows().len(), server.assistants().len()),
            (workflows, assistants)
        );
        let (toml, _) = told(&space.upa(&["plan", "--format", "json"]), "welcs");
        confirm(&space, "welcs", &toml);
        // Reviewed with the rest, it is no matter for the thresholds either: there is one wall.
        let run = space.upa(&["plan"]).exits(0);
        assert!(run.stdout.contains("Plan: 19 to delete in 1 of 3 tenants"), "{run}");
        assert_eq!(run.stderr, "");
        space.upa(&["apply", "--yes"]).exits(0);
        assert!(!space.lock("welcs").contains_key("resources"));
        assert_eq!(server.workflows().len(), workflows - 7);
        assert_eq!(server.assistants().len(), assistants - 1);
        // What is left over of it harms nothing.
        space.settled();
        space.upa(&["validate"]).exits(0);
        // Neither does it speak for what is made anew.
        status(&space, "welcs", "deprovisioned", "active");
        space.commit("back");
        space.apply();
        space.settled();
        status(&space, "welcs", "deprovisioned", "active");
        status(&space, "welcs", "active", "deprovisioned");
        space.commit("goodbye again");
        let run = space.upa(&["plan", "--format", "json"]).exits(0);
        let (again, _) = told(&run, "welcs");
        assert!(
            again.contains("\"welcs/calendar\" = ") && !again.contains("[confirm]"),
            "{again}"
        );
        assert!(!toml.contains(again.lines().next().unwrap()), "{toml}{again}");
    });
}

#[test]
fn it_is_typed_at_once() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        leaving(server, &space);
        let (_, typed) = told(&space.upa(&["plan", "--format", "json"]), "welcs");
        let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
        assert!(typed.contains(&"--approve"), "{typed:?}");
        let (words, _) = typed.split_at(typed.len() - 2);
        space.upa(&[&["apply", "--yes"], words].concat()).exits(14);
        let run = space.upa(&[&["apply", "--yes"], &*typed].concat()).exits(0);
        assert!(run.stdout.contains("Plan: 19 to delete"), "{run}");
        space.settled();
    });
}

#[test]
fn the_others_go_on_meanwhile() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        leaving(server, &space);
        space.edit("tenants/demo.toml", "Clínica Demo", "Clínica Otra");
        space.commit("another name");
        let run = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        assert!(run.stdout.contains("      19 to delete await confirmation\n"), "{run}");
        let run = space.upa(&["apply", "--yes"]).exits(0);
        assert!(
            run.stdout.contains("in 1 tenant.") && run.stderr.contains("awaits confirmation"),
            "{run}"
        );
        assert!(!run.stderr.contains("  deleted  "), "{run}");
    });
}

/// Part of it is gone, and the same words go on counting.
#[test]
fn a_goodbye_that_failed_half_way_is_finished_by_the_same_words() {
    let space = Space::shipped();
    server::on(&space, |server: &Server| {
        leaving(server, &space);
        let (toml, _) = told(&space.upa(&["plan", "--format", "json"]), "welcs");
        confirm(&space, "welcs", &toml);
        let fault = json!({"account": "google", "method": "DELETE", "path": "/calendar/v3/calendars", "times": 1,
            "kind": "status", "status": 400, "body": {"error": {"message": "not today"}}});
        server.fault(&fault);
        let run = space.upa(&["apply", "--yes"]);
        assert_ne!(run.status, 0, "{run}");
        assert!(run.stderr.contains("not today"), "{run}");
        let left = space.lock("welcs");
        assert!(left.contains_key("resources") && !left["resources"].as_table().unwrap().contains_key("welcs/sheet"));
        space.upa(&["validate"]).exits(0);
        space.upa(&["apply", "--yes"]).exits(0);
        space.settled();
    });
}

#[test]
fn what_it_names_must_be_there_and_must_need_it() {
    let space = Space::shipped();
    status(&space, "welcs", "active", "deprovisioned");
    confirm(
        &space,
        "welcs",
        "[confirm]\n\"welcs/calender\" = \"c\"\n\"welcs@v2.0/booking\" = \"b\"\n\"demo/calendar\" = \"d\"\ncalendar = \"c\"\n\"welcs/sheet\" = \"\"\n",
    );
    // Its lockfile is gone, so all of it may be left over; but what is no address, is another's or says nothing never was right.
    let run = space.upa(&["validate"]).exits(5);
    assert!(!run.stderr.contains("calender"), "{run}");
    status(&space, "welcs", "deprovisioned", "active");
    space.commit("active");
    assert_snapshot!(space.upa(&["validate"]).exits(5).stderr, @r#"
    error: `[confirm]`: `calendar` is not an address: expected `tenant@version/resource`, `tenant/resource` or `@shared:account/resource`
      --> tenants/welcs.toml:45:1
       |
    45 | calendar = "c"
       | ^^^^^^^^
       |
    help: `upa plan` prints the lines that are to stand here
    error: `[confirm]`: `demo/calendar` is not of tenant `welcs`
      --> tenants/welcs.toml:44:1
       |
    44 | "demo/calendar" = "d"
       | ^^^^^^^^^^^^^^^
       |
    help: each tenant's file speaks for what is its own, and for what tenants share
    error: `[confirm]`: there is no `welcs/calender`
      --> tenants/welcs.toml:42:1
       |
    42 | "welcs/calender" = "c"
       | ^^^^^^^^^^^^^^^^
       |
    help: did you mean `welcs/calendar`?
    error: `[confirm]`: the id of the object at `welcs/sheet` is empty
      --> tenants/welcs.toml:46:1
       |
    46 | "welcs/sheet" = ""
       | ^^^^^^^^^^^^^
       |
    help: `upa plan` prints the lines that are to stand here
    error: `[confirm]`: `welcs@v2.0/booking` needs no confirmation: nothing is lost for good with it (n8n.workflow)
      --> tenants/welcs.toml:43:1
       |
    43 | "welcs@v2.0/booking" = "b"
       | ^^^^^^^^^^^^^^^^^^^^
       |
    help: remove this line
    5 errors
    "#);
    space.edit(TENANT, "\"welcs/sheet\" = \"\"", "\"welcs/sheet\" = 3");
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("\"welcs/sheet\" = 3"), "{run}");
    let schema = space.upa(&["schema", "tenant"]).exits(0).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["properties"]["confirm"].is_object(), "{schema}");
}

/// Nothing of it must be named, so the table alone says that all of it may go.
#[test]
fn an_empty_table_is_enough_where_nothing_is_lost() {
    let space = Space::with(&["ana", "bo", "cy", "di"]);
    space.apply();
    for tenant in ["ana", "bo"] {
        status(&space, tenant, "active", "deprovisioned");
    }
    space.commit("two leave");
    let run = space.upa(&["plan"]).exits(14);
    assert!(
        run.stderr.contains("[confirm]` in tenants/ana.toml, tenants/bo.toml"),
        "{run}"
    );
    confirm(&space, "ana", "[confirm]\n");
    // One of two is stated: the rest still counts, as much as it is.
    let run = space.upa(&["plan"]).exits(14);
    assert!(run.stderr.contains("would delete 3 of 12"), "{run}");
    confirm(&space, "bo", "[confirm]\n");
    space.upa(&["apply", "--yes"]).exits(0);
    assert_eq!(space.objects(), 6);
    space.settled();
}
