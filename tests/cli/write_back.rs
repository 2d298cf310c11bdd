//! `upa adopt`: what was changed on the platform becomes what Git says.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::product::{self, TEMPLATES, release, template};
use crate::support::transcript::seen;
use crate::support::{Server, Space, server};

const PROMPT: &str = "# Who you are\nYou answer for <%= tenant.name %>.\n\nBe kind.\n\n<%= tenant.tier %>\n";
const ASSISTANT: &str = r#"{
  "name":         "<%= tenant.name %> assistant",
  "firstMessage": "<%= inputs.greeting %>",
  "endCallMessage": "Goodbye",   "maxDurationSeconds":600,
  "model": { "messages": [ { "role": "system", "content": "<%= files[\"prompt.md\"] %>" } ] },
  "server": { "url": "<%= webhooks.inbound.url %>" }
}
"#;

/// A tenant, applied, with an assistant that has something of every sort.
fn settled() -> Space {
    let space = Space::with(&["ana", "bo"]);
    space.write(&format!("{TEMPLATES}/assistant.json"), ASSISTANT);
    space.write(&format!("{TEMPLATES}/prompt.md"), PROMPT);
    release(&space);
    space.edit(
        "tenants/ana.toml",
        "Hello from ana\"",
        "Hello from ana\"   # as they wish",
    );
    space.commit("more of an assistant");
    space.apply();
    space
}

fn assistant(space: &Space, change: impl Fn(&mut Value)) {
    let id = space.id("ana", "ana@v1/assistant");
    server::on(space, |server: &Server| {
        let path = format!("/vapi/assistant/{id}");
        let mut now = server.ok("GET", &path, None);
        change(&mut now);
        let mut body = json!({});
        for key in [
            "name",
            "firstMessage",
            "endCallMessage",
            "maxDurationSeconds",
            "model",
            "server",
        ] {
            body[key] = now[key].clone();
        }
        server.ok("PATCH", &path, Some(&body));
    });
}

fn workflow(space: &Space, change: impl Fn(&mut Value)) {
    let id = space.id("ana", "ana@v1/answer");
    server::on(space, |server: &Server| {
        let path = format!("/n8n/api/v1/workflows/{id}");
        let now = server.ok("GET", &path, None);
        let mut body = json!({});
        for key in ["name", "nodes", "connections", "settings"] {
            body[key] = now[key].clone();
        }
        change(&mut body);
        server.ok("PUT", &path, Some(&body));
        server.ok("POST", &format!("{path}/activate"), None);
    });
}

/// Nothing is left to do about the object itself.
#[track_caller]
fn as_it_is(space: &Space, address: &str) {
    let run = space.upa(&["plan", "ana"]).exits(0);
    assert!(!run.stdout.contains(address), "{run}");
}

#[test]
fn a_tenants_input() {
    let space = settled();
    assistant(&space, |now| now["firstMessage"] = json!("Good \"morning\""));
    assert_snapshot!(space.upa(&["adopt", "ana"]), @r#"
    exit 0
    --- stdout
    diff --git a/tenants/ana.toml b/tenants/ana.toml
    --- a/tenants/ana.toml
    +++ b/tenants/ana.toml
    @@ -5,4 +5,4 @@
     operator = "ana@example.test"

     [inputs]
    -greeting = "Hello from ana"   # as they wish
    +greeting = 'Good "morning"'   # as they wish
    --- stderr
    note: the same values stand in ana@v1/answer: the next apply changes them too
    Wrote 1 change into 1 file; nothing is committed.
    "#);
    as_it_is(&space, "ana@v1/assistant");
    space.git(&["diff", "--quiet", "HEAD", "--", "templates", "versions"]);
    space.commit("adopted");
    space.apply();
    space.settled();
}

#[test]
fn a_template() {
    let space = settled();
    assistant(&space, |now| {
        now["endCallMessage"] = json!("Bye,\nsee you");
        now["maxDurationSeconds"] = json!(900);
    });
    assert_snapshot!(space.upa(&["adopt", "ana", "ana@v1/assistant"]), @r#"
    exit 0
    --- stdout
    diff --git a/templates/bot/v1/assistant.json b/templates/bot/v1/assistant.json
    --- a/templates/bot/v1/assistant.json
    +++ b/templates/bot/v1/assistant.json
    @@ -1,7 +1,7 @@
     {
       "name":         "<%= tenant.name %> assistant",
       "firstMessage": "<%= inputs.greeting %>",
    -  "endCallMessage": "Goodbye",   "maxDurationSeconds":600,
    +  "endCallMessage": "Bye,\nsee you",   "maxDurationSeconds":900,
       "model": { "messages": [ { "role": "system", "content": "<%= files[\"prompt.md\"] %>" } ] },
       "server": { "url": "<%= webhooks.inbound.url %>" }
     }
    --- stderr
    Wrote 2 changes into 1 file; nothing is committed.
    A template reaches every tenant on bot v1: ana, bo. To go on: `upa release bot v1`, then commit and `upa plan`.
    "#);
    space.upa(&["release", "bot", "v1"]).exits(0);
    as_it_is(&space, "ana@v1/assistant");
    space.commit("adopted");
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stdout.contains("bo@v1/assistant"), "the others follow: {run}");
    space.apply();
    space.settled();
}

#[test]
fn a_prompt() {
    let space = settled();
    assistant(&space, |now| {
        let prompt = now["model"]["messages"][0]["content"].as_str().unwrap().to_owned();
        now["model"]["messages"][0]["content"] = json!(prompt.replace("Be kind.", "Be very kind.\nBe quick."));
    });
    assert_snapshot!(space.upa(&["adopt", "ana"]), @r#"
    exit 0
    --- stdout
    diff --git a/templates/bot/v1/prompt.md b/templates/bot/v1/prompt.md
    --- a/templates/bot/v1/prompt.md
    +++ b/templates/bot/v1/prompt.md
    @@ -1,6 +1,7 @@
     # Who you are
     You answer for <%= tenant.name %>.

    -Be kind.
    +Be very kind.
    +Be quick.

     <%= tenant.tier %>
    --- stderr
    Wrote 1 change into 1 file; nothing is committed.
    A template reaches every tenant on bot v1: ana, bo. To go on: `upa release bot v1`, then commit and `upa plan`.
    "#);
    space.upa(&["release", "bot", "v1"]).exits(0);
    as_it_is(&space, "ana@v1/assistant");
    space.commit("adopted");
    space.apply();
    space.settled();
}

#[test]
fn nodes_settings_and_references_of_a_workflow() {
    let space = settled();
    let record = space.id("ana", "ana@v1/record");
    workflow(&space, |body| {
        body["name"] = json!("ana · Reply");
        body["settings"]["executionOrder"] = json!("v0");
        let nodes = body["nodes"].as_array_mut().unwrap();
        nodes[2]["disabled"] = json!(true);
        nodes[1]["parameters"]["assignments"]["assignments"][0]["name"] = json!(format!("workflow {record}"));
    });
    let run = space.upa(&["adopt", "ana"]).exits(0);
    let answer: Value = serde_json::from_str(&space.read(&format!("{TEMPLATES}/answer.json"))).unwrap();
    assert_eq!(answer["name"], "Reply", "{run}");
    assert_eq!(answer["settings"]["executionOrder"], "v0");
    assert_eq!(answer["nodes"][2]["disabled"], true);
    let assignment = &answer["nodes"][1]["parameters"]["assignments"]["assignments"][0];
    assert_eq!(
        assignment["name"], "workflow <%= resources.record.id %>",
        "nothing of ana's reaches the others"
    );
    assert_eq!(assignment["value"], "<%= inputs.greeting %>");
    space.upa(&["release", "bot", "v1"]).exits(0);
    as_it_is(&space, "ana@v1/answer");
    space.commit("adopted");
    space.apply();
    space.settled();
}

/// What cannot be written back is said, with the reason, and the rest is.
#[test]
fn what_is_left_is_said() {
    let space = settled();
    assistant(&space, |now| {
        now["name"] = json!("Eva");
        now["firstMessage"] = json!("x".repeat(41));
        now["endCallMessage"] = json!("Bye");
        let prompt = now["model"]["messages"][0]["content"].as_str().unwrap().to_owned();
        now["model"]["messages"][0]["content"] = json!(prompt.replace("for ana", "for Eva"));
    });
    workflow(&space, |body| {
        let nodes = body["nodes"].as_array_mut().unwrap();
        nodes[0]["parameters"]["path"] = json!("mine");
        nodes.push(product::node("Note", "stickyNote", json!({"content": "x"})));
    });
    assert_snapshot!(space.upa(&["adopt", "ana"]), @r#"
    exit 10
    --- stdout
    diff --git a/templates/bot/v1/assistant.json b/templates/bot/v1/assistant.json
    --- a/templates/bot/v1/assistant.json
    +++ b/templates/bot/v1/assistant.json
    @@ -1,7 +1,7 @@
     {
       "name":         "<%= tenant.name %> assistant",
       "firstMessage": "<%= inputs.greeting %>",
    -  "endCallMessage": "Goodbye",   "maxDurationSeconds":600,
    +  "endCallMessage": "Bye",   "maxDurationSeconds":600,
       "model": { "messages": [ { "role": "system", "content": "<%= files[\"prompt.md\"] %>" } ] },
       "server": { "url": "<%= webhooks.inbound.url %>" }
     }
    --- stderr
    left: ana@v1/answer `node "Call" · parameters.path`: an edit of templates/bot/v1/answer.json alone would not render to it
    left: ana@v1/answer `node "Note"`: it is no single value of the template; `upa export n8n n8n.workflow [ID] --out templates/bot/v1/answer.json` takes over the whole object
    left: ana@v1/assistant `firstMessage`: tenants/ana.toml would be wrong: `inputs.greeting`: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is longer than 40 characters
    left: ana@v1/assistant `model.messages.0.content`: prompt.md renders the line `You answer for <%= tenant.name %>.`, which was changed on the platform
    left: ana@v1/assistant `name`: the template puts it together: `<%= tenant.name %> assistant`
    Wrote 1 change into 1 file; nothing is committed.
    A template reaches every tenant on bot v1: ana, bo. To go on: `upa release bot v1`, then commit and `upa plan`.
    "#);
}

#[test]
fn two_places_that_share_an_input_cannot_become_two_things() {
    let space = settled();
    assistant(&space, |now| now["firstMessage"] = json!("One"));
    workflow(&space, |body| {
        body["nodes"][1]["parameters"]["assignments"]["assignments"][0]["value"] = json!("Two");
    });
    let run = space.upa(&["adopt", "ana"]);
    assert_eq!(run.status, 10, "{run}");
    assert!(
        space.read("tenants/ana.toml").contains("\"Two\"   # as they wish"),
        "{run}"
    );
    assert!(
        run.stderr.contains("comes from the same place and is something else"),
        "{run}"
    );
    // The same twice is one edit.
    let space = settled();
    assistant(&space, |now| now["firstMessage"] = json!("One"));
    workflow(&space, |body| {
        body["nodes"][1]["parameters"]["assignments"]["assignments"][0]["value"] = json!("One");
    });
    let run = space.upa(&["adopt", "ana"]).exits(0);
    assert!(run.stderr.contains("Wrote 2 changes into 1 file"), "{run}");
    space.commit("adopted");
    let run = space.upa(&["plan", "ana"]).exits(0);
    assert!(!run.stdout.contains("@v1/a"), "{run}");
}

#[test]
fn what_git_changed_too_is_for_a_person() {
    let space = settled();
    assistant(&space, |now| now["firstMessage"] = json!("One"));
    space.edit("tenants/ana.toml", "Hello from ana", "Two");
    let run = space.upa(&["adopt", "ana"]);
    assert_snapshot!(seen(&run.stderr), @r#"
    left: ana@v1/assistant `firstMessage`: Git changed it too: decide which one is right and write that into Git
    "#);
    assert_eq!(run.status, 10, "{run}");
    assert!(space.read("tenants/ana.toml").contains("Two"));
}

#[test]
fn what_a_rule_leaves_can_be_adopted() {
    let space = settled();
    space.edit(
        product::VERSION_FILE,
        "\n[files]\n",
        "\n[[drift]]\nresource = \"assistant\"\npath = \"firstMessage\"\nrule = \"ignore\"\nuntil = 2999-01-01\nreason = \"x\"\n\n[files]\n",
    );
    space.commit("a rule");
    assistant(&space, |now| now["firstMessage"] = json!("One"));
    space.upa(&["adopt", "ana"]).exits(0);
    assert!(
        space
            .read("tenants/ana.toml")
            .contains("greeting = \"One\"   # as they wish")
    );
    space.commit("adopted");
    space.apply();
    let run = space.upa(&["plan"]).exits(0);
    assert!(!run.stdout.contains("ignored"), "{run}");
}

#[test]
fn nothing_to_adopt_and_slips_of_the_pen() {
    let space = settled();
    let of = |arguments: &[&str]| {
        let run = space.upa(&[&["adopt"], arguments].concat());
        format!("exit {}\n{}", run.status, seen(&run.stderr))
    };
    assert_snapshot!(of(&["ana"]), @r#"
    exit 0
    Nothing to adopt: nobody changed anything on the platform.
    "#);
    assert_snapshot!(of(&["anna"]), @r#"
    exit 5
    error: there is no tenant `anna`
    hint: did you mean `ana`?
    "#);
    assert_snapshot!(of(&["ana", "ana@v1/asistant"]), @r#"
    exit 64
    error: tenant `ana` has no `ana@v1/asistant`
    hint: did you mean `ana@v1/assistant`?
    "#);
    // A template that is not released must be so first.
    let mut record = product::record();
    record["name"] = json!("Rec");
    template(&space, "record.json", &record);
    assert!(of(&["ana"]).contains("without a release"));
}
