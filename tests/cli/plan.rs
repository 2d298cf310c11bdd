//! `upa plan`: what is shown, to people and to programs, and which statuses it ends with.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::product::{self, template};
use crate::support::transcript::seen;
use crate::support::{Server, Space, server};

#[test]
fn a_new_tenant() {
    let space = Space::with(&["ana"]);
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      + create  ana@v1/answer     n8n.workflow    new in Git (versions/bot/v1.toml:15)
      + create  ana@v1/assistant  vapi.assistant  new in Git (versions/bot/v1.toml:25)
      + create  ana@v1/record     n8n.workflow    new in Git (versions/bot/v1.toml:20)

    Plan: 3 to create in 1 of 1 tenant
          about 20 API calls
    digest sha256:[DIGEST]
    "#);
    assert_eq!(space.objects(), 0, "plan wrote");
    space.unmoved(&space.head());
}

#[test]
fn statuses_say_whether_there_are_changes() {
    let space = Space::with(&["ana"]);
    space.upa(&["plan", "--detailed-exitcode"]).exits(2);
    space.upa(&["plan"]).exits(0);
    space.apply();
    assert_snapshot!(space.upa(&["plan", "--detailed-exitcode"]), @r#"
    exit 0
    --- stdout
    Nothing to do: 1 tenant is as Git says.
    "#);
    assert_snapshot!(space.upa(&["plan", "--detailed-exitcode", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "awaited": [],
      "behind": null,
      "calls": 0,
      "changes": [],
      "commit": null,
      "counts": {
        "adopt": 0,
        "create": 0,
        "delete": 0,
        "forget": 0,
        "move": 0,
        "replace": 0,
        "update": 0,
        "use": 0,
        "wait": 0
      },
      "digest": "sha256:[DIGEST]",
      "drift": 0,
      "due": [],
      "format": 1,
      "kept": [],
      "problems": [],
      "secrets": {},
      "tenants": 1,
      "tenants_changed": 0,
      "webhooks": 0,
      "withheld": []
    }
    "#);
}

#[test]
fn json_and_text_are_the_same_plan() {
    let space = Space::with(&["ana", "bo"]);
    let text = space.upa(&["plan"]).exits(0);
    let json = space.upa(&["plan", "--format", "json"]).exits(0);
    let value = json.json();
    assert_eq!(value["digest"], json!(text.digest()));
    assert_eq!(value["changes"].as_array().unwrap().len(), 6);
    for change in value["changes"].as_array().unwrap() {
        let address = change["address"].as_str().unwrap();
        assert!(text.stdout.contains(address), "{address} is not in:\n{text}");
    }
    // Twice the same, to the byte.
    assert_eq!(space.upa(&["plan", "--format", "json"]).stdout, json.stdout);
    assert_eq!(space.upa(&["plan"]).stdout, text.stdout);
}

#[test]
fn a_digest_does_not_depend_on_the_commit() {
    let space = Space::with(&["ana"]);
    let before = space.upa(&["plan"]).digest();
    space.write("README.md", "about");
    space.commit("another file");
    assert_eq!(space.upa(&["plan"]).digest(), before);
    space.edit("tenants/ana.toml", "Hello", "Hi");
    assert_ne!(space.upa(&["plan"]).digest(), before);
}

#[test]
fn a_reviewed_plan_is_what_is_applied() {
    let space = Space::with(&["ana"]);
    let planned = space.upa(&["plan", "--out", "../plan.json"]).exits(0);
    let run = space.upa(&["apply", "--plan", "../plan.json"]).exits(0);
    assert_eq!(run.digest(), planned.digest());
    assert!(space.git(&["log", "-1", "--format=%B"]).contains(&planned.digest()));
    // All of it is done: that is no failure.
    let head = space.head();
    assert_snapshot!(space.upa(&["apply", "--plan", "../plan.json"]), @r#"
    exit 0
    --- stdout
    Nothing to do: 1 tenant is as Git says.
    "#);
    assert_eq!(space.head(), head);
}

#[test]
fn a_plan_whose_basis_moved_is_stale() {
    let space = Space::with(&["ana"]);
    space.upa(&["plan", "--out", "../plan.json"]).exits(0);
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.commit("another greeting");
    let head = space.head();
    let run = space.upa(&["apply", "--plan", "../plan.json"]);
    assert_snapshot!(seen(&run.stderr), @r#"
    error: this is not the plan that was reviewed: 2 changes are not in it (ana@v1/answer, ana@v1/assistant)
    hint: plan again and have it reviewed
    "#);
    assert_eq!(run.status, 12, "{run}");
    space.unmoved(&head);
    assert_eq!(space.objects(), 0);
    space.write("../plan.json", "{}");
    assert_snapshot!(space.upa(&["apply", "--plan", "../plan.json"]), @r#"
    exit 5
    --- stderr
    error: `../plan.json` is not a plan: its format is not known to this upa
    hint: make one with `upa plan --out FILE`
    "#);
    assert_snapshot!(space.upa(&["apply", "--plan", "../nothing.json"]), @r#"
    exit 5
    --- stderr
    error: cannot read the plan `../nothing.json`: No such file or directory (os error 2)
    hint: make one with `upa plan --out FILE`
    "#);
}

#[test]
fn another_commit_can_be_planned() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.commit("another greeting");
    space.edit("tenants/ana.toml", "Hi", "Hey");
    let of = |revision: &str| space.upa(&["plan", "--at", revision]).exits(0).stdout;
    assert!(of("HEAD~1").contains("Nothing to do"));
    assert!(of("HEAD").contains("Hi from ana"));
    assert!(space.upa(&["plan"]).stdout.contains("Hey from ana"));
    assert_snapshot!(space.upa(&["plan", "--at", "HEAD~9"]), @r#"
    exit 5
    --- stderr
    error: there is no revision `HEAD~9`
    hint: name a branch, a tag or a commit: `git log --oneline` lists them
    "#);
}

#[test]
fn tenants_can_be_chosen() {
    let space = Space::with(&["ana", "bo", "cy"]);
    let run = space.upa(&["plan", "ana", "cy"]).exits(0);
    assert!(
        run.stdout.contains("ana@v1/answer") && run.stdout.contains("cy@v1/answer"),
        "{run}"
    );
    assert!(!run.stdout.contains("bo@v1"), "{run}");
    assert_snapshot!(space.upa(&["plan", "anna"]), @r#"
    exit 5
    --- stderr
    error: there is no tenant `anna`
    hint: did you mean `ana`?
    "#);
    assert_snapshot!(space.upa(&["plan", "zoe"]), @r#"
    exit 5
    --- stderr
    error: there is no tenant `zoe`
    hint: make it with `upa new zoe`, or list the tenants with `upa status`
    "#);
    assert_snapshot!(space.upa(&["apply", "zoe", "--yes"]), @r#"
    exit 5
    --- stderr
    error: there is no tenant `zoe`
    hint: make it with `upa new zoe`, or list the tenants with `upa status`
    "#);
}

#[test]
fn a_fix_is_read_once_and_planned_for_everybody() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    let mut answer = product::answer();
    answer["nodes"]
        .as_array_mut()
        .unwrap()
        .push(product::node("Note", "stickyNote", json!({"content": "a note"})));
    answer["nodes"][0]["parameters"]["path"] = json!("calls");
    template(&space, "answer.json", &answer);
    space.upa(&["release", "bot", "v1"]).exits(0);
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 2 · active
      ~ update  ana@v1/answer  n8n.workflow    Git changed, publishes
          node "Note"
            + {
            +   "parameters": {
            +     "content": "a note"
            +   },
            +   "type": "n8n-nodes-base.stickyNote",
            +   "typeVersion": 1
            + }

    bo  bot v1 revision 2 · active
      ~ update  bo@v1/answer   n8n.workflow    Git changed, publishes
          the same 1 difference as ana@v1/answer

    Plan: 2 to update in 2 of 2 tenants
          2 live webhooks affected
          about 14 API calls
    digest sha256:[DIGEST]
    "#);
}

#[test]
fn what_was_changed_deleted_or_duplicated_by_hand() {
    let space = Space::with(&["ana"]);
    space.apply();
    let (answer, record) = (space.id("ana", "ana@v1/answer"), space.id("ana", "ana@v1/record"));
    server::on(&space, |server: &Server| {
        server.ok(
            "POST",
            &format!("/_sandbox/editor/n8n/workflows/{answer}/duplicate"),
            None,
        );
        server.ok(
            "PATCH",
            &format!("/vapi/assistant/{}", space.id("ana", "ana@v1/assistant")),
            Some(&json!({"firstMessage": "Buy now"})),
        );
        server.ok("POST", &format!("/n8n/api/v1/workflows/{answer}/deactivate"), None);
    });
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/answer     n8n.workflow    it does not run as it is, publishes
      ~ update  ana@v1/assistant  vapi.assistant  drift: changed on the platform
          firstMessage
            - "Buy now"
            + "Hello from ana"

    Plan: 2 to update in 1 of 1 tenant
          2 of them because of changes made on the platform
          about 7 API calls
    digest sha256:[DIGEST]
    --- stderr
    warning: "ana · Answer copy" ([ID]) in account `n8n` carries the mark of ana@v1/answer and is not the recorded object ([ID]): probably a copy made by hand
     |
    help: upa does not touch it: delete it there, or remove its telemetry tag `upa.owner`
    "#);
    space.apply();
    server::on(&space, |server: &Server| {
        assert_eq!(server.workflows().len(), 3, "the copy is not touched");
        server.ok("POST", &format!("/n8n/api/v1/workflows/{record}/deactivate"), None);
        server.ok("DELETE", &format!("/n8n/api/v1/workflows/{record}"), None);
    });
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/answer  n8n.workflow    what it refers to gets a new id, publishes
          node "Record it" · parameters.workflowId.value
            - "[ID]"
            + "(id of ana@v1/record)"
      + create  ana@v1/record  n8n.workflow    it was deleted on the platform (versions/bot/v1.toml:20)

    Plan: 1 to create, 1 to update in 1 of 1 tenant
          1 of them because of changes made on the platform
          1 live webhook affected
          about 15 API calls
    digest sha256:[DIGEST]
    --- stderr
    warning: "ana · Answer copy" ([ID]) in account `n8n` carries the mark of ana@v1/answer and is not the recorded object ([ID]): probably a copy made by hand
     |
    help: upa does not touch it: delete it there, or remove its telemetry tag `upa.owner`
    "#);
    space.apply();
    let run = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(run.stderr.contains("a copy made by hand"), "{run}");
    assert_ne!(space.id("ana", "ana@v1/record"), record);
}

#[test]
fn a_running_copy_is_a_problem() {
    let space = Space::with(&["ana"]);
    space.apply();
    let answer = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let copy = server.ok(
            "POST",
            &format!("/_sandbox/editor/n8n/workflows/{answer}/duplicate"),
            None,
        );
        server.ok("POST", &format!("/n8n/api/v1/workflows/{answer}/deactivate"), None);
        server.ok(
            "POST",
            &format!("/n8n/api/v1/workflows/{}/activate", copy["id"].as_str().unwrap()),
            None,
        );
    });
    let run = space.upa(&["plan"]);
    assert_snapshot!(run, @r#"
    exit 10
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    warning: "ana · Answer copy" ([ID]) in account `n8n` carries the mark of ana@v1/answer and is not the recorded object ([ID]): probably a copy made by hand, and it runs
     |
    help: upa does not touch it: delete it there, or remove its telemetry tag `upa.owner`
    error: ana@v1/answer: "ana · Answer copy" ([ID]) in account `n8n` listens at its webhook `inbound` already, so calls would reach the wrong workflow
     |
    help: unpublish that workflow; if it is a copy made by hand, delete it
    "#);
    let head = space.head();
    space.upa(&["apply", "--yes"]).exits(10);
    assert_eq!(space.head(), head);
}

#[test]
fn thresholds_hold_a_plan_back_until_its_digest_is_named() {
    let space = Space::with(&["ana", "bo", "cy", "di"]);
    space.apply();
    for tenant in ["ana", "bo"] {
        space.edit(&format!("tenants/{tenant}.toml"), "active", "deprovisioned");
    }
    space.commit("two leave");
    let head = space.head();
    let run = space.upa(&["apply", "--yes"]);
    assert_snapshot!(seen(&run.stderr), @r#"
    error: this plan would delete 6 of 12 recorded objects, more than the 20 % of `policy.max_delete_percent`
     |
    help: if that is what you want: --approve sha256:[DIGEST]; or say in Git that all of a tenant may go, by a table `[confirm]` in tenants/ana.toml, tenants/bo.toml
    "#);
    assert_eq!(run.status, 14);
    space.unmoved(&head);
    assert_eq!(space.objects(), 12);
    let digest = run.digest();
    space.upa(&["apply", "--yes", "--approve", "sha256:0"]).exits(14);
    space.upa(&["apply", "--yes", "--approve", &digest]).exits(0);
    assert_eq!(space.objects(), 6);
}

#[test]
fn wrong_usage_is_64() {
    let space = Space::with(&["ana"]);
    for arguments in [
        &["plan", "--wat"][..],
        &["nonsense"],
        &["plan", "--recreate", "nonsense"],
        &["new"],
        &["release", "bot"],
        &["plan", "--format", "xml"],
    ] {
        let run = space.upa(arguments);
        assert_eq!(run.status, 64, "{run}");
    }
}

#[test]
fn an_address_that_nobody_has_is_not_recreated() {
    let space = Space::with(&["ana"]);
    assert_snapshot!(space.upa(&["plan", "--recreate", "ana@v1/anser"]), @r#"
    exit 64
    --- stderr
    error: there is no `ana@v1/anser`
    hint: did you mean `ana@v1/answer`?
    "#);
    assert_eq!(space.upa(&["apply", "--yes", "--recreate", "zoe@v1/x"]).status, 64);
    assert_eq!(space.objects(), 0);
}

#[test]
fn another_version_is_more_than_a_change() {
    let space = Space::with(&["ana"]);
    space.apply();
    let version = space.read(product::VERSION_FILE);
    space.write(
        "versions/bot/v2.toml",
        product::define(&version.replace("\"v1\"", "\"v2\"")),
    );
    for file in ["answer.json", "record.json", "assistant.json"] {
        space.write(
            &format!("templates/bot/v2/{file}"),
            space.read(&format!("templates/bot/v1/{file}")),
        );
    }
    space.edit("tenants/ana.toml", "\"v1\"", "\"v2\"");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: tenant `ana` is provisioned on v1, and this upa cannot upgrade it to v2 yet
     --> tenants/ana.toml:2:11
      |
    2 | version = "v2"
      |           ^^^^
      |
    help: set `version = "v1"` again
    "#);
}

#[test]
fn a_value_cannot_become_code() {
    let space = Space::with(&["ana"]);
    space.edit("tenants/ana.toml", "Hello from ana", "={{ $env.SECRET }}");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `<%= inputs.greeting %>` in templates/bot/v1/answer.json: the value makes the text start with `=`, which the platform would evaluate
     --> tenants/ana.toml:8:12
      |
    8 | greeting = "={{ $env.SECRET }}"
      |            ^^^^^^^^^^^^^^^^^^^^
      |
    help: give another value in `[inputs]`, or change the template
    error: `<%= inputs.greeting %>` in templates/bot/v1/assistant.json: the value contains `{{`, which the platform would evaluate
     --> tenants/ana.toml:8:12
      |
    8 | greeting = "={{ $env.SECRET }}"
      |            ^^^^^^^^^^^^^^^^^^^^
      |
    help: give another value in `[inputs]`, or change the template
    2 errors
    "#);
    // Nor does it bring expressions of its own.
    space.edit("tenants/ana.toml", "={{ $env.SECRET }}", "<%= tenant.operator %>");
    space.commit("harmless");
    space.apply();
    server::on(&space, |server: &Server| {
        assert_eq!(server.assistants()[0]["firstMessage"], json!("<%= tenant.operator %>"));
    });
    space.settled();
}

/// Whoever stops reading does not change what CI is told.
#[test]
fn the_exit_status_survives_a_closed_pipe() {
    let space = Space::with(&["ana"]);
    let mut child = space
        .command(&["plan", "--detailed-exitcode"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

/// A mistake in a file is that mistake, and nothing else.
#[test]
fn a_file_with_a_mistake_has_not_vanished() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("tenants/ana.toml", "status", "statsu");
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("unknown key `statsu`"), "{run}");
    assert!(!run.stderr.contains("has no file"), "{run}");
    let json = space.upa(&["plan", "--format", "json"]).exits(5).json();
    assert_eq!(json["problems"][0]["message"], "unknown key `statsu`", "{json:#}");
    // What is recorded can still be looked at.
    let id = space.id("ana", "ana@v1/answer");
    space.upa(&["status"]).exits(0);
    let run = space
        .upa(&["trace", &format!("https://n8n.example/workflow/{id}")])
        .exits(0);
    assert!(run.stdout.contains("resource   ana@v1/answer"), "{run}");
}
