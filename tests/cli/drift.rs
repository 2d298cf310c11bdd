//! Drift: who moved which field, and what the rules of a version say about it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::product::{self, TEMPLATES, VERSION_FILE, template};
use crate::support::transcript::seen;
use crate::support::{Server, Space, server};

/// Somebody edits the assistant of a tenant on Vapi.
fn edit_assistant(space: &Space, tenant: &str, change: &Value) {
    let id = space.id(tenant, &format!("{tenant}@v1/assistant"));
    server::on(space, |server: &Server| {
        server.ok("PATCH", &format!("/vapi/assistant/{id}"), Some(change));
    });
}

fn assistant_now(space: &Space) -> Value {
    server::on(space, |server: &Server| server.assistants()[0].clone())
}

/// Somebody edits a workflow in n8n.
fn edit_workflow(space: &Space, address: &str, edit: impl Fn(&mut Value)) {
    let id = space.id("ana", address);
    server::on(space, |server: &Server| {
        let path = format!("/n8n/api/v1/workflows/{id}");
        let now = server.ok("GET", &path, None);
        let mut body = json!({});
        for key in ["name", "nodes", "connections", "settings"] {
            body[key] = now[key].clone();
        }
        edit(&mut body);
        server.ok("PUT", &path, Some(&body));
        server.ok("POST", &format!("{path}/activate"), None);
    });
}

/// The workspace with a rule, released and applied.
fn ruled(rule: &str) -> Space {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "\n[files]\n", &format!("\n{rule}\n[files]\n"));
    space.commit("a rule");
    space.apply();
    space
}

fn release(space: &Space) {
    space.upa(&["release", "bot", "v1"]).exits(0);
    space.commit("released");
}

const IGNORED: &str = "\
[[drift]]
resource = \"assistant\"
path = \"firstMessage\"
rule = \"ignore\"
until = 2999-12-31
reason = \"the clinic tries greetings\"
";

#[test]
fn who_moved_is_told_by_field_when_both_did() {
    let space = Space::with(&["ana"]);
    space.apply();
    edit_assistant(&space, "ana", &json!({"name": "My helper", "firstMessage": "Buy now"}));
    space.edit("tenants/ana.toml", "Hello from ana", "Good morning");
    let mut assistant = product::assistant();
    assistant["endCallMessage"] = json!("Goodbye");
    template(&space, "assistant.json", &assistant);
    release(&space);
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 2 · active
      ~ update  ana@v1/answer     n8n.workflow    Git changed, publishes
          node "Greeting" · parameters.assignments.assignments.0.value
            - "Hello from ana"
            + "Good morning"
      ~ update  ana@v1/assistant  vapi.assistant  changed in Git and on the platform
          endCallMessage  (Git)
            + "Goodbye"
          firstMessage  (both)
            - "Buy now"
            + "Good morning"
          name  (the platform)
            - "My helper"
            + "ana assistant"

    Plan: 2 to update in 1 of 1 tenant
          1 live webhook affected
          about 10 API calls
    digest sha256:[DIGEST]
    "#);
    let json = space.upa(&["plan", "--format", "json"]).json();
    let movers: Vec<String> = json["changes"][1]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            format!(
                "{} {}",
                field["field"].as_str().unwrap(),
                field["mover"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(movers, ["endCallMessage git", "firstMessage both", "name platform"]);
    space.apply();
    space.settled();
}

#[test]
fn a_release_that_adds_a_field_is_not_taken_for_drift() {
    let space = Space::with(&["ana"]);
    space.apply();
    let mut assistant = product::assistant();
    assistant["endCallMessage"] = json!("Goodbye");
    template(&space, "assistant.json", &assistant);
    release(&space);
    let run = space.upa(&["plan"]).exits(0);
    assert!(
        run.stdout.contains("Git changed") && !run.stdout.contains("platform"),
        "{run}"
    );
}

#[test]
fn without_history_nobody_guesses() {
    let space = Space::with(&["ana"]);
    space.apply();
    edit_assistant(&space, "ana", &json!({"name": "My helper"}));
    let lock = space.read("tenants/ana.lock");
    let commit = space.lock("ana")["resources"]["ana@v1/assistant"]["applied"]["commit"]
        .as_str()
        .unwrap()
        .to_owned();
    space.write("tenants/ana.lock", lock.replace(&commit, &"1".repeat(40)));
    space.edit("tenants/ana.toml", "Hello from ana", "Good morning");
    space.commit("another greeting, in a shallow clone");
    let run = space.upa(&["plan"]).exits(0);
    assert_snapshot!(seen(&run.stderr), @r#"
    warning: who moved what is not known field by field: commit [COMMIT], from which it was written, is not here (ana@v1/assistant)
     |
    help: if this is a shallow clone: `git fetch --unshallow`
    "#);
    assert!(run.stdout.contains("changed in Git and on the platform"), "{run}");
    space.apply();
    space.settled();
}

/// What cannot be told apart is not overwritten where a rule asks for it: that could not be undone.
#[test]
fn without_history_a_rule_protects_all_the_same() {
    let space = ruled(IGNORED);
    edit_assistant(&space, "ana", &json!({"firstMessage": "Buy now", "name": "My helper"}));
    let applied = &space.lock("ana")["resources"]["ana@v1/assistant"]["applied"];
    let commit = applied["commit"].as_str().unwrap().to_owned();
    space.edit(
        "tenants/ana.lock",
        &format!("commit = \"{commit}\"\nrevision = 1\n\n[resources.\"ana@v1/record\""),
        &format!(
            "commit = \"{}\"\nrevision = 1\n\n[resources.\"ana@v1/record\"",
            "1".repeat(40)
        ),
    );
    let mut assistant = product::assistant();
    assistant["endCallMessage"] = json!("Goodbye");
    template(&space, "assistant.json", &assistant);
    release(&space);
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stderr.contains("is not here (ana@v1/assistant)"), "{run}");
    space.apply();
    let now = assistant_now(&space);
    assert_eq!(
        (&now["firstMessage"], &now["name"], &now["endCallMessage"]),
        (&json!("Buy now"), &json!("ana assistant"), &json!("Goodbye"))
    );
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn what_a_rule_ignores_is_left_and_counted() {
    let space = ruled(IGNORED);
    edit_assistant(&space, "ana", &json!({"firstMessage": "Buy now"}));
    assert_snapshot!(space.upa(&["plan", "--detailed-exitcode"]), @r#"
    exit 0
    --- stdout
    Nothing to do: 1 tenant is as Git says.
          1 difference on the platform ignored by rule until 2999-12-31
    "#);
    let head = space.head();
    space.upa(&["apply", "--yes"]).exits(0);
    assert_eq!(space.head(), head, "nothing was done");
    assert_eq!(assistant_now(&space)["firstMessage"], "Buy now");
}

/// An update for another reason leaves the field alone, now and at every later update.
#[test]
fn an_update_leaves_what_is_ignored() {
    let space = ruled(IGNORED);
    edit_assistant(&space, "ana", &json!({"firstMessage": "Buy now", "name": "My helper"}));
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/assistant  vapi.assistant  drift: changed on the platform
          name
            - "My helper"
            + "ana assistant"

    Plan: 1 to update in 1 of 1 tenant
          1 of them because of changes made on the platform
          1 difference on the platform ignored by rule until 2999-12-31
          about 3 API calls
    digest sha256:[DIGEST]
    "#);
    space.apply();
    let now = assistant_now(&space);
    assert_eq!(
        (&now["firstMessage"], &now["name"]),
        (&json!("Buy now"), &json!("ana assistant"))
    );
    let run = space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(
        run.stdout
            .contains("1 difference on the platform ignored by rule until 2999-12-31"),
        "{run}"
    );
    for goodbye in ["Goodbye", "See you"] {
        let mut assistant = product::assistant();
        assistant["endCallMessage"] = json!(goodbye);
        template(&space, "assistant.json", &assistant);
        release(&space);
        let run = space.upa(&["plan"]).exits(0);
        assert!(
            run.stdout.contains("Git changed") && !run.stdout.contains("Buy now"),
            "{run}"
        );
        space.apply();
        let now = assistant_now(&space);
        assert_eq!(
            (&now["firstMessage"], &now["endCallMessage"]),
            (&json!("Buy now"), &json!(goodbye))
        );
        space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    }
    // Without the rule Git wins again.
    let version = space.read(VERSION_FILE);
    space.write(VERSION_FILE, version.replace(IGNORED, ""));
    space.commit("no rule");
    let run = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(run.stdout.contains("drift: changed on the platform"), "{run}");
    space.apply();
    assert_eq!(assistant_now(&space)["firstMessage"], "Hello from ana");
    space.settled();
}

/// What Git changes is written, whatever the rule says.
#[test]
fn a_rule_never_holds_back_git() {
    let space = ruled(IGNORED);
    edit_assistant(&space, "ana", &json!({"firstMessage": "Buy now"}));
    space.edit("tenants/ana.toml", "Hello from ana", "Good morning");
    space.commit("another greeting");
    space.apply();
    assert_eq!(assistant_now(&space)["firstMessage"], "Good morning");
    space.settled();
}

#[test]
fn what_a_rule_warns_of_is_left_and_said_each_time() {
    let space = ruled(
        "[[drift]]\nresource = \"*\"\npath = 'node \"Greeting\" · parameters.*'\nrule = \"warn\"\nreason = \"being tuned\"\n",
    );
    edit_workflow(&space, "ana@v1/answer", |body| {
        body["nodes"][1]["parameters"]["assignments"]["assignments"][0]["value"] = json!("Tuned");
        body["settings"]["timezone"] = json!("Europe/Madrid");
    });
    assert_snapshot!(space.upa(&["plan", "--detailed-exitcode"]), @r#"
    exit 0
    --- stdout
    Nothing to do: 1 tenant is as Git says.
          1 difference on the platform left by rule (see the warnings)
    --- stderr
    warning: ana@v1/answer: somebody changed `node "Greeting" · parameters.assignments.assignments.0.value` on the platform: "Tuned" instead of "Hello from ana"; it is left so (being tuned)
      --> versions/bot/v1.toml:31:8
       |
    31 | path = 'node "Greeting" · parameters.*'
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
    help: to take it over into Git: `upa adopt ana ana@v1/answer`; to bring it back, remove the rule
    "#);
    // A node that somebody switches off is another matter.
    edit_workflow(&space, "ana@v1/answer", |body| {
        body["nodes"][2]["disabled"] = json!(true)
    });
    let run = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
    assert!(run.stdout.contains("node \"Record it\" · disabled"), "{run}");
    space.apply();
    let id = space.id("ana", "ana@v1/answer");
    server::on(&space, |server: &Server| {
        let now = server.ok("GET", &format!("/n8n/api/v1/workflows/{id}"), None);
        let node = |name: &str| {
            let nodes = now["nodes"].as_array().unwrap();
            nodes.iter().find(|node| node["name"] == name).unwrap().clone()
        };
        assert_eq!(
            node("Greeting")["parameters"]["assignments"]["assignments"][0]["value"],
            "Tuned"
        );
        assert_ne!(node("Record it")["disabled"], true);
    });
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_rule_ends_on_its_day() {
    let space = ruled(&IGNORED.replace("2999", "2001"));
    edit_assistant(&space, "ana", &json!({"firstMessage": "Buy now"}));
    assert_snapshot!(space.upa(&["plan", "--detailed-exitcode"]), @r#"
    exit 2
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/assistant  vapi.assistant  drift: changed on the platform
          firstMessage
            - "Buy now"
            + "Hello from ana"

    Plan: 1 to update in 1 of 1 tenant
          1 of them because of changes made on the platform
          about 3 API calls
    digest sha256:[DIGEST]
    --- stderr
    warning: the rule for `firstMessage` ended on 2001-12-31: the field is enforced again
      --> versions/bot/v1.toml:31:8
       |
    31 | path = "firstMessage"
       |        ^^^^^^^^^^^^^^
       |
    help: remove the rule, or give it another `until`
    "#);
}

#[test]
fn rules_that_say_too_little_are_refused() {
    let space = Space::with(&["ana"]);
    space.edit(
        VERSION_FILE,
        "\n[files]\n",
        "\n[[drift]]\nresource = \"asistant\"\npath = \"name\"\nrule = \"ignore\"\n\n[[drift]]\nresource = \"*\"\npath = \"name\"\nrule = \"forget\"\nuntil = \"tomorrow\"\n[files]\n",
    );
    assert_snapshot!(space.upa(&["validate"]), @r#"
    exit 5
    --- stderr
    error: `drift.1.rule` must be one of enforce, warn, ignore, not "forget"
      --> versions/bot/v1.toml:37:8
       |
    37 | rule = "forget"
       |        ^^^^^^^^
       |
    help: choose one of them
    error: `drift.1.until`: "tomorrow" does not match "^\d{4}-\d\d-\d\d$"
      --> versions/bot/v1.toml:38:9
       |
    38 | until = "tomorrow"
       |         ^^^^^^^^^^
       |
    help: A date, such as 2026-12-31: the last day on which it counts. Afterwards the field is enforced again.
    2 errors
    "#);
    space.edit(VERSION_FILE, "\"forget\"\nuntil = \"tomorrow\"", "\"enforce\"");
    assert_snapshot!(space.upa(&["validate"]), @r#"
    exit 5
    --- stderr
    error: `[[drift]]`: there is no resource `asistant`
      --> versions/bot/v1.toml:30:12
       |
    30 | resource = "asistant"
       |            ^^^^^^^^^^
       |
    help: did you mean `assistant`?
    error: `[[drift]]`: a rule that leaves a change on the platform says why
      --> versions/bot/v1.toml:32:8
       |
    32 | rule = "ignore"
       |        ^^^^^^^^
       |
    help: add `reason = "…"`
    error: `[[drift]]`: what is ignored is ignored until some day
      --> versions/bot/v1.toml:32:8
       |
    32 | rule = "ignore"
       |        ^^^^^^^^
       |
    help: add `until = 2026-12-31` (a date), or say `rule = "warn"`
    3 errors
    "#);
}

/// A key that is taken out of a template is a change, however deep it stood.
#[test]
fn a_key_that_leaves_a_template_leaves_the_object() {
    let space = Space::with(&["ana"]);
    let mut assistant = product::assistant();
    assistant["voice"] = json!({"provider": "azure", "voiceId": "x", "speed": 2});
    template(&space, "assistant.json", &assistant);
    release(&space);
    space.apply();
    space.edit(&format!("{TEMPLATES}/assistant.json"), "    \"speed\": 2,\n", "");
    release(&space);
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stdout.contains("voice.speed\n        - 2"), "{run}");
    space.apply();
    assert_eq!(
        assistant_now(&space)["voice"],
        json!({"provider": "azure", "voiceId": "x"})
    );
    space.settled();
}
