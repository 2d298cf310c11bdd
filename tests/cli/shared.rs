//! `scope = "account"`: one object for all tenants that use it, as long as there is one of them.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use crate::support::duo::{self, VERSION_FILE};
use crate::support::{Server, Space, product, server, transcript};

const VOICE: &str = "@shared:vapi/voice";

fn deprovision(space: &Space, tenant: &str) {
    duo::status(space, tenant, "active", "deprovisioned");
    space.commit("goodbye");
}

#[test]
fn it_is_made_once_and_dies_with_its_last_user() {
    let space = duo::space(&["ana", "bo"]);
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    @shared  shared by tenants
      + create  @shared:vapi/voice  vapi.assistant  new in Git (versions/duo/v1.toml:13)

    ana  duo v1 revision 1 · active
      + create  ana@v1/main         vapi.assistant  new in Git (versions/duo/v1.toml:24)

    bo  duo v1 revision 1 · active
      + create  bo@v1/main          vapi.assistant  new in Git (versions/duo/v1.toml:24)

    Plan: 3 to create in 2 of 2 tenants and what tenants share
          about 12 API calls
    digest sha256:[DIGEST]
    "#);
    let run = space.apply();
    // What is shared comes first; the tenants go on side by side.
    let mut steps: Vec<&str> = run.stderr.lines().map(str::trim).collect();
    let shared = ["created     @shared:vapi/voice", "filled      @shared:vapi/voice"];
    assert_eq!(steps[..2], shared, "{run}");
    steps[2..].sort_unstable();
    let tenants = [
        "created     ana@v1/main",
        "created     bo@v1/main",
        "filled      ana@v1/main",
        "filled      bo@v1/main",
    ];
    assert_eq!(steps[2..], tenants, "{run}");
    assert!(
        run.stdout
            .contains("Applied: 6 steps in 2 tenants and what they share."),
        "{run}"
    );
    space.settled();
    assert_eq!(space.objects(), 3);
    let id = space.id("@shared", VOICE);
    server::on(&space, |server: &Server| {
        let known = server.assistants();
        let users = known.iter().filter(|assistant| assistant["firstMessage"] == *id);
        assert_eq!(users.count(), 2, "{known:?}");
    });
    assert_snapshot!(space.upa(&["show", "@shared"]).stdout.replace(&id, "[ID]"), @r#"
    Shared by tenants
      @shared:vapi/voice
        id                   [ID]
        kind                 vapi.assistant
        used_by
          ana
          bo
    "#);
    assert_snapshot!(space.upa(&["status"]), @r#"
    exit 0
    --- stdout
    TENANT   TIER    STATUS  VERSION  REVISION  REQUEST    OBJECTS  SINCE
    @shared  -       shared  -        -         -          1        -
    ana      client  active  duo v1   1         COMPLETED  1        [TIME]
    bo       client  active  duo v1   1         COMPLETED  1        [TIME]
    "#);
    let trace = space.upa(&["trace", VOICE]).exits(0).stdout.replace(&id, "[ID]");
    assert_snapshot!(transcript::seen(&trace), @r#"
    used by    ana, bo
    resource   @shared:vapi/voice
    kind       vapi.assistant
    account    vapi
    id         [ID]
    commit     [COMMIT]
    "#);
    assert_eq!(space.upa(&["trace", &id]).stdout.replace(&id, "[ID]"), trace);
    space.upa(&["validate"]).exits(0);
    // The first goes, and somebody who is only suspended still uses it.
    duo::status(&space, "ana", "active", "suspended");
    deprovision(&space, "bo");
    space.apply();
    assert_eq!(space.objects(), 2);
    assert_eq!(space.id("@shared", VOICE), id);
    space.settled();
    // The last goes, and it goes with it, after it.
    duo::status(&space, "ana", "suspended", "deprovisioned");
    space.commit("goodbye");
    assert_snapshot!(space.upa(&["plan", "ana"]), @r#"
    exit 0
    --- stdout
    @shared  shared by tenants
      - delete  @shared:vapi/voice  vapi.assistant  no tenant uses it any more

    ana  duo v1 revision 1 · deprovisioned
      - delete  ana@v1/main         vapi.assistant  the tenant is deprovisioned (tenants/ana.toml:4)

    Plan: 2 to delete in 1 of 1 tenant and what tenants share
          about 6 API calls
    digest sha256:[DIGEST]
    "#);
    let run = space.upa(&["apply", "ana", "--yes"]).exits(0);
    assert_snapshot!(run, @r#"
    exit 0
    --- stdout
    @shared  shared by tenants
      - delete  @shared:vapi/voice  vapi.assistant  no tenant uses it any more

    ana  duo v1 revision 1 · deprovisioned
      - delete  ana@v1/main         vapi.assistant  the tenant is deprovisioned (tenants/ana.toml:4)

    Plan: 2 to delete in 1 of 1 tenant and what tenants share
          about 6 API calls
    digest sha256:[DIGEST]
    Applied: 2 steps in 1 tenant and what they share.
    Recorded in commit [COMMIT].
    --- stderr
      deleted     ana@v1/main
      deleted     @shared:vapi/voice
    "#);
    assert_eq!(space.objects(), 0);
    assert!(space.lock("@shared").get("resources").is_none());
    space.settled();
    // And comes back with the next.
    duo::status(&space, "bo", "deprovisioned", "active");
    space.commit("welcome");
    space.apply();
    assert_eq!(space.objects(), 2);
    space.settled();
}

#[test]
fn whoever_is_selected_brings_what_it_uses_and_takes_nothing_from_others() {
    let space = duo::space(&["ana", "bo"]);
    space.upa(&["apply", "bo", "--yes"]).exits(0);
    assert_eq!(space.objects(), 2);
    duo::tenant(&space, "cy", "none");
    space.commit("another");
    // Nobody who is selected uses it, so it is not even looked at.
    server::on(&space, |server: &Server| {
        for assistant in server.assistants() {
            if assistant["name"] == "the voice" {
                let path = format!("/vapi/assistant/{}", assistant["id"].as_str().unwrap());
                server.ok("PATCH", &path, Some(&json!({"firstMessage": "by hand"})));
            }
        }
    });
    let run = space.upa(&["apply", "cy", "--yes"]).exits(0);
    assert!(!run.stdout.contains("@shared"), "{run}");
    let plan = space.upa(&["plan", "ana"]).exits(0);
    assert!(plan.stdout.contains("~ update  @shared:vapi/voice"), "{plan}");
    // One that leaves does not take it along; one that might still refer to it must be through first.
    deprovision(&space, "bo");
    let plan = space.upa(&["plan", "bo"]).exits(0);
    assert!(!plan.stdout.contains("- delete  @shared"), "{plan}");
    deprovision(&space, "ana");
    assert_snapshot!(space.upa(&["apply", "ana", "--yes"]), @r#"
    exit 0
    --- stdout
    Nothing to do: 1 tenant is as Git says.
    --- stderr
    warning: @shared:vapi/voice is used by no tenant any more; it is deleted once those are applied that may have used it: bo
     |
    help: `upa apply` without names applies all of them
    "#);
    assert_eq!(space.objects(), 3);
    space.upa(&["apply", "bo", "--yes"]).exits(0);
    assert_eq!(space.objects(), 1);
    space.settled();
}

#[test]
fn an_input_may_decide_about_it() {
    let space = duo::space(&["ana", "bo"]);
    space.apply();
    for (tenant, voice) in [("ana", "own"), ("bo", "none")] {
        space.edit(&format!("tenants/{tenant}.toml"), "\"shared\"", &format!("\"{voice}\""));
    }
    space.commit("other voices");
    // Ana may not have been told yet.
    let run = space.upa(&["apply", "bo", "--yes"]).exits(0);
    assert!(run.stderr.contains("used by no tenant any more"), "{run}");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    @shared  shared by tenants
      - delete  @shared:vapi/voice  vapi.assistant  no tenant uses it any more

    ana  duo v1 revision 1 · active
      ~ update  ana@v1/main         vapi.assistant  Git changed
          firstMessage
            - "[UUID]"
            + "(id of ana@v1/voice-own)"
      + create  ana@v1/voice-own    vapi.assistant  new in Git (versions/duo/v1.toml:19)

    Plan: 1 to delete, 1 to create, 1 to update in 1 of 2 tenants and what tenants share
          about 10 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    assert_eq!(space.objects(), 3);
    space.settled();
}

#[test]
fn only_those_who_need_it_wait_for_it() {
    let space = duo::space(&["ana", "bo"]);
    duo::tenant(&space, "cy", "none");
    space.commit("another");
    server::on(&space, |server: &Server| {
        server.fault(&json!({"account": "vapi", "method": "POST", "path": "/assistant", "kind": "status", "status": 400, "body": {"message": "no voices today"}}));
        assert_snapshot!(space.upa(&["apply", "--yes"]), @r#"
        exit 4
        --- stdout
        @shared  shared by tenants
          + create  @shared:vapi/voice  vapi.assistant  new in Git (versions/duo/v1.toml:13)

        ana  duo v1 revision 1 · active
          + create  ana@v1/main         vapi.assistant  new in Git (versions/duo/v1.toml:24)

        bo  duo v1 revision 1 · active
          + create  bo@v1/main          vapi.assistant  new in Git (versions/duo/v1.toml:24)

        cy  duo v1 revision 1 · active
          + create  cy@v1/main          vapi.assistant  new in Git (versions/duo/v1.toml:24)

        Plan: 4 to create in 3 of 3 tenants and what tenants share
              about 16 API calls
        digest sha256:[DIGEST]
        Applied 2 steps; failed: @shared, ana, bo.
        Recorded in commit [COMMIT].
        What is unfinished is recorded as pending: run `upa apply` again to settle it.
        --- stderr
          failed      @shared:vapi/voice: create: POST /assistant: no voices today (400)
          created     cy@v1/main
          filled      cy@v1/main
        error: @shared:vapi/voice: create: account `vapi`: POST /assistant: no voices today (400)
        error: tenant `ana` was not touched: it uses @shared:vapi/voice, which failed
         |
        help: mend that first, then run `upa apply` again
        error: tenant `bo` was not touched: it uses @shared:vapi/voice, which failed
         |
        help: mend that first, then run `upa apply` again
        3 errors
        "#);
        assert_eq!(server.assistants().len(), 1);
        space.apply();
        assert_eq!(server.assistants().len(), 4);
        // Neither is it deleted while somebody who may use it could not be told.
        for tenant in ["ana", "bo"] {
            duo::status(&space, tenant, "active", "deprovisioned");
        }
        space.commit("goodbye");
        let path = format!("/assistant/{}", space.id("ana", "ana@v1/main"));
        let fault = json!({"account": "vapi", "method": "DELETE", "path": path, "kind": "status", "status": 400, "body": {"message": "not today"}});
        server.fault(&fault);
        assert_snapshot!(space.upa(&["apply", "--yes"]), @r#"
        exit 4
        --- stdout
        @shared  shared by tenants
          - delete  @shared:vapi/voice  vapi.assistant  no tenant uses it any more

        ana  duo v1 revision 1 · deprovisioned
          - delete  ana@v1/main         vapi.assistant  the tenant is deprovisioned (tenants/ana.toml:4)

        bo  duo v1 revision 1 · deprovisioned
          - delete  bo@v1/main          vapi.assistant  the tenant is deprovisioned (tenants/bo.toml:4)

        Plan: 3 to delete in 2 of 3 tenants and what tenants share
              about 9 API calls
        digest sha256:[DIGEST]
        Applied 1 step; failed: ana.
        Recorded in commit [COMMIT].
        What is unfinished is recorded as pending: run `upa apply` again to settle it.
        --- stderr
          failed      ana@v1/main: delete: DELETE /assistant/[UUID]: not today (400)
          deleted     bo@v1/main
        warning: @shared:vapi/voice was not deleted: ana may still use it
         |
        help: run `upa apply` again
        error: ana@v1/main: delete: account `vapi`: DELETE /assistant/[UUID]: not today (400)
        "#);
        assert_eq!(server.assistants().len(), 3);
        space.apply();
        assert_eq!(server.assistants().len(), 1);
    });
    space.settled();
}

#[test]
fn one_that_cannot_be_read_hinders_only_its_users() {
    let space = duo::space(&["ana"]);
    space.apply();
    let id = space.id("@shared", VOICE);
    duo::tenant(&space, "cy", "none");
    // Its lockfile is lost: an object with its mark is there, and nothing says that it is ours.
    space.remove("tenants/@shared.lock");
    duo::add(
        &space,
        "[resources.other]\nkind = \"vapi.assistant\"\nscope = \"account\"\ntemplate = \"other.json\"\n",
        "other.json",
        &json!({"name": "other"}),
    );
    space.commit("lost");
    let run = space.upa(&["plan"]).exits(10);
    assert_snapshot!(run.to_string().replace(&id, "[ID]"), @r#"
    exit 10
    --- stdout
    @shared  shared by tenants
      + create  @shared:vapi/other  vapi.assistant  new in Git (versions/duo/v1.toml:28)

    cy  duo v1 revision 2 · active
      + create  cy@v1/main          vapi.assistant  new in Git (versions/duo/v1.toml:24)

    Plan: 2 to create in 1 of 2 tenants and what tenants share
          about 8 API calls
    digest sha256:[DIGEST]
    --- stderr
    error: @shared:vapi/voice: an object with its mark exists ([UUID]), but no lockfile records it
      --> versions/duo/v1.toml:13:12
       |
    13 | [resources.voice]
       |            ^^^^^
       |
    help: if tenants/@shared.lock was deleted, restore it with git, or rebuild it with `upa recover @shared`; to take the object over add `voice = "[UUID]"` to `[adopt]` of the tenant; else delete it there
    error: tenant `ana` was not planned: it uses @shared:vapi/voice, which could not be planned
    2 errors
    "#);
    // Taken over by name, in any of the files of those who use it.
    let text = space.read("tenants/ana.toml");
    space.write("tenants/ana.toml", format!("{text}\n[adopt]\nvoice = \"{id}\"\n"));
    space.commit("ours");
    space.apply();
    assert_eq!(space.id("@shared", VOICE), id);
    assert_eq!(space.objects(), 4);
    space.settled();
}

#[test]
fn cut_off_after_any_call_the_next_run_settles_it() {
    for writes in [1, 2, 3] {
        let space = duo::space(&["ana"]);
        server::on(&space, |server: &Server| {
            let slow = json!({"account": "vapi", "method": "POST", "times": 1000, "kind": "latency", "ms": 40});
            let kill_after = |writes: usize| {
                server.ok("DELETE", "/_sandbox/calls", None);
                server.fault(&slow);
                let mut child = space.start(&["apply", "--yes"]);
                for _ in 0..2_000 {
                    if server.writes() >= writes || child.try_wait().unwrap().is_some() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                let _ = child.kill();
                child.wait().unwrap();
                server.ok("DELETE", "/_sandbox/faults", None);
                std::thread::sleep(Duration::from_millis(100));
                // Killed in the middle of writing Git's index: upa names the file, and a person removes it.
                if space.exists(".git/index.lock") {
                    space.remove(".git/index.lock");
                }
            };
            kill_after(writes);
            space.apply();
            space.settled();
            assert_eq!(server.assistants().len(), 2, "twins after {writes}");
            deprovision(&space, "ana");
            kill_after(writes);
            space.apply();
            space.settled();
            assert_eq!(server.assistants().len(), 0, "left after {writes}");
        });
    }
}

#[test]
fn two_at_once_make_one() {
    let space = duo::space(&["ana", "bo"]);
    server::on(&space, |server: &Server| {
        server.fault(&json!({"account": "vapi", "method": "POST", "times": 1000, "kind": "latency", "ms": 150}));
        let first = space.start(&["apply", "ana", "--yes"]);
        let second = space.start(&["apply", "bo", "--yes"]);
        let runs = [space.finish(first), space.finish(second)];
        let statuses: Vec<i32> = runs.iter().map(|run| run.status).collect();
        assert!(statuses.contains(&0), "{} {}", runs[0], runs[1]);
        assert!(
            statuses.iter().all(|status| [0, 11].contains(status)),
            "{} {}",
            runs[0],
            runs[1]
        );
        server.ok("DELETE", "/_sandbox/faults", None);
        space.apply();
        assert_eq!(server.assistants().len(), 3);
    });
    space.settled();
}

#[test]
fn what_differs_by_tenant_or_version_cannot_be_shared() {
    let space = duo::space(&["ana"]);
    duo::template(
        &space,
        "voice.json",
        &json!({"name": "<%= tenant.name %>", "a": "<%= resources.main.id %>", "b": "<%= version.version %> <%= accounts.vapi.name %>"}),
    );
    assert_snapshot!(space.upa(&["release", "duo", "v1"]), @r#"
    exit 5
    --- stderr
    error: `<%= resources.main.id %>`: `resources.main.id` differs by tenant, and this is one object for all
     --> templates/duo/v1/voice.json:2:9
      |
    2 |   "a": "<%= resources.main.id %>",
      |         ^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: use `version`, `accounts`, `files` and resources of the scope `account`
    error: `<%= tenant.name %>`: `tenant.name` differs by tenant, and this is one object for all
     --> templates/duo/v1/voice.json:4:12
      |
    4 |   "name": "<%= tenant.name %>"
      |            ^^^^^^^^^^^^^^^^^^
      |
    help: use `version`, `accounts`, `files` and resources of the scope `account`
    2 errors
    "#);
    duo::template(&space, "voice.json", &json!({"name": "<%= version.version %>"}));
    duo::release(&space);
    space.upa(&["validate"]).exits(0);
    // Another version asks for another object at the same address.
    space.write(
        "versions/duo/v2.toml",
        space.read(VERSION_FILE).replace("\"v1\"", "\"v2\""),
    );
    for file in ["voice.json", "own.json", "main.json"] {
        let text = space.read(&format!("{}/{file}", duo::TEMPLATES));
        space.write(&format!("templates/duo/v2/{file}"), text);
    }
    space.upa(&["release", "duo", "v2"]).exits(0);
    duo::tenant(&space, "bo", "shared");
    space.edit("tenants/bo.toml", "\"v1\"", "\"v2\"");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: versions/duo/v1.toml and versions/duo/v2.toml ask for different objects at `@shared:vapi/voice`, which is one for all
      --> versions/duo/v2.toml:13:12
       |
    13 | [resources.voice]
       |            ^^^^^
       |
    help: make them alike, or give one of them another name
    "#);
    // Whoever has nothing to do with it can go on.
    duo::tenant(&space, "cy", "none");
    space.commit("another");
    space.upa(&["apply", "cy", "--yes"]).exits(0);
}

#[test]
fn what_cannot_be_shared_at_all() {
    let space = Space::with(&["ana"]);
    let whole = "template = \"record.json\"";
    space.edit(product::VERSION_FILE, whole, &format!("{whole}\nscope = \"account\""));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `record` works for one tenant, as every n8n.workflow does, so it cannot have the scope `account`
      --> versions/bot/v1.toml:23:9
       |
    23 | scope = "account"
       |         ^^^^^^^^^
       |
    help: remove `scope`, or say `scope = "tenant"`
    "#);
}
