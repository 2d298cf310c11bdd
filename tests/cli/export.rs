//! `upa export`: a running object becomes the template that renders to it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::product::{self, TEMPLATES, VERSION_FILE, call, node, release, template};
use crate::support::transcript::seen;
use crate::support::{Server, Space, server};

fn export(space: &Space, kind: &str, id: &str, more: &[&str]) -> Value {
    let account = kind.split('.').next().unwrap();
    let arguments = [&["export", account, kind, id], more].concat();
    space.upa(&arguments).exits(0).json()
}

/// The product with a credential, so that every kind of reference stands in one workflow.
fn with_credential() -> Space {
    let space = Space::with(&[]);
    space.edit(
        VERSION_FILE,
        "[webhooks.inbound]",
        "[credentials.crm]\nplatform = \"n8n\"\ntype = \"crmApi\"\ntemplate_name = \"Template · CRM\"\n\n[webhooks.inbound]",
    );
    let mut answer = product::answer();
    let mut ask = node("Ask", "httpRequest", json!({"url": "https://crm.example"}));
    ask["credentials"] = json!({"crmApi": {"id": "DesignersOwn0001", "name": "Template · CRM"}});
    answer["nodes"].as_array_mut().unwrap().push(ask);
    template(&space, "answer.json", &answer);
    release(&space);
    space.write(
        "tenants/ana.toml",
        format!("{}\n[credentials]\ncrm = \"ana · CRM\"\n", product::tenant("ana")),
    );
    space.commit("a credential");
    server::on(&space, |server: &Server| server.credential("ana · CRM", "crmApi"));
    space.apply();
    space
}

/// Exporting every object over its template changes nothing: the next plan is empty for the tenant, and for another one.
#[test]
fn what_is_exported_renders_to_the_same() {
    let space = with_credential();
    for (resource, kind) in [
        ("answer", "n8n.workflow"),
        ("record", "n8n.workflow"),
        ("assistant", "vapi.assistant"),
    ] {
        let id = space.id("ana", &format!("ana@v1/{resource}"));
        let file = format!("{TEMPLATES}/{resource}.json");
        let before: Value = serde_json::from_str(&space.read(&file)).unwrap();
        assert_eq!(export(&space, kind, &id, &[]), before, "{resource}");
        // Without the template to look at, too: everything is inferred.
        let mut blank = json!({});
        if resource != "assistant" {
            // The version names this webhook.
            let nodes: Vec<&Value> = before["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|node| node["name"] == "Call")
                .collect();
            blank = json!({"id": before["id"], "name": "x", "nodes": nodes, "connections": {}});
        }
        space.write(&file, blank.to_string());
        let account = kind.split('.').next().unwrap();
        let run = space.upa(&["export", account, kind, &id, "--out", &file]).exits(0);
        assert!(
            run.stderr.contains(&format!("which is ana@v1/{resource}, to ")),
            "{run}"
        );
        if resource == "assistant" {
            // Nothing says which fields are the template's own.
            assert_eq!(space.read(&file), "{}\n");
            space.write(&file, format!("{before:#}\n"));
        }
    }
    release(&space);
    space.commit("exported");
    space.settled();
    let answer: Value = serde_json::from_str(&space.read(&format!("{TEMPLATES}/answer.json"))).unwrap();
    assert_eq!(answer["name"], "Answer");
    assert_eq!(answer["nodes"][0]["parameters"]["path"], "inbound");
    assert_eq!(
        answer["nodes"][3]["credentials"],
        json!({"crmApi": {"name": "Template · CRM"}})
    );
    assert!(!answer.to_string().contains("ana-"), "{answer:#}");
}

#[test]
fn a_change_made_in_n8n_is_exported_with_expressions() {
    let space = with_credential();
    let (answer, record) = (space.id("ana", "ana@v1/answer"), space.id("ana", "ana@v1/record"));
    server::on(&space, |server: &Server| {
        let path = format!("/n8n/api/v1/workflows/{answer}");
        let now = server.ok("GET", &path, None);
        let mut body = json!({});
        for key in ["name", "nodes", "connections", "settings"] {
            body[key] = now[key].clone();
        }
        let inbound = body["nodes"][0]["parameters"]["path"].as_str().unwrap().to_owned();
        let nodes = body["nodes"].as_array_mut().unwrap();
        nodes.push(call("Again", &record));
        nodes.push(node(
            "Tell",
            "httpRequest",
            json!({"url": format!("https://sandbox.invalid/n8n/webhook/{inbound}"), "id": record}),
        ));
        body["connections"]["Record it"] = json!({"main": [[{"node": "Again", "type": "main", "index": 0}]]});
        body["settings"]["errorWorkflow"] = json!(record);
        server.ok("PUT", &path, Some(&body));
    });
    let exported = export(&space, "n8n.workflow", &answer, &[]);
    assert_eq!(
        exported["nodes"][4]["parameters"]["workflowId"]["value"],
        "RecordRecord0002"
    );
    assert_eq!(
        exported["nodes"][5]["parameters"],
        json!({"url": "<%= webhooks.inbound.url %>", "id": "<%= resources.record.id %>"})
    );
    assert_eq!(
        exported["settings"],
        json!({"executionOrder": "v1", "errorWorkflow": "RecordRecord0002"})
    );
    assert_eq!(
        exported["nodes"][1]["parameters"],
        product::answer()["nodes"][1]["parameters"],
        "inputs stay inputs"
    );
    // As a template it is just what is there.
    template(&space, "answer.json", &exported);
    release(&space);
    space.commit("exported");
    let run = space.upa(&["plan"]).exits(0);
    assert!(
        !run.stdout.contains("node \"") && !run.stdout.contains("settings"),
        "{run}"
    );
    space.apply();
    space.settled();
}

/// What no template can say is told at once, and not by the next plan.
#[test]
fn what_cannot_be_a_template_is_said() {
    let space = Space::with(&["ana"]);
    space.apply();
    let id = space.id("ana", "ana@v1/assistant");
    server::on(&space, |server: &Server| {
        let change = json!({"firstMessage": "<%= tenant.name %> speaking"});
        server.ok("PATCH", &format!("/vapi/assistant/{id}"), Some(&change));
    });
    let run = space.upa(&["export", "vapi", "vapi.assistant", &id]).exits(0);
    assert_snapshot!(seen(&run.stderr), @r#"
    warning: as the template of ana@v1/assistant this does not render to what is there: firstMessage
    "#);
}

#[test]
fn a_strangers_object_is_exported_as_it_is() {
    let space = Space::with(&["ana"]);
    let (workflow, assistant) = server::on(&space, |server: &Server| {
        let body = json!({"name": "Mine", "nodes": [node("A", "noOp", json!({}))], "connections": {}, "settings": {}});
        let workflow = server.ok("POST", "/n8n/api/v1/workflows", Some(&body));
        let assistant = server.ok(
            "POST",
            "/vapi/assistant",
            Some(&json!({"name": "Eva", "metadata": {"upa": "x", "k": 1}})),
        );
        let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
        (id(&workflow), id(&assistant))
    });
    let exported = export(&space, "n8n.workflow", &workflow, &[]);
    assert_eq!((&exported["id"], &exported["name"]), (&json!(workflow), &json!("Mine")));
    assert_eq!(exported["nodes"].as_array().unwrap().len(), 1);
    let keys: Vec<&String> = exported.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["connections", "id", "name", "nodes", "settings"]);
    assert_eq!(
        export(&space, "vapi.assistant", &assistant, &[]),
        json!({"name": "Eva", "metadata": {"k": 1}})
    );
    // It is to become a resource of a tenant.
    let exported = export(
        &space,
        "vapi.assistant",
        &assistant,
        &["--tenant", "ana", "--resource", "assistant"],
    );
    assert_eq!(
        exported,
        json!({"name": "Eva"}),
        "what the template writes, and nothing else"
    );
}

#[test]
fn slips_of_the_pen_are_told() {
    let space = Space::with(&["ana"]);
    let of = |arguments: &[&str]| {
        let run = space.upa(&[&["export"], arguments].concat());
        format!("exit {}\n{}", run.status, seen(&run.stderr))
    };
    assert_snapshot!(of(&["n8m", "n8n.workflow", "1"]), @r#"
    exit 64
    error: upa.toml has no account `n8m`
    hint: did you mean `n8n`?
    "#);
    assert_snapshot!(of(&["n8n", "n8n.workflows", "1"]), @r#"
    exit 64
    error: account `n8n` has no `n8n.workflows`
    hint: did you mean `n8n.workflow`?
    "#);
    assert_snapshot!(of(&["n8n", "n8n.workflow", "1"]), @r#"
    exit 1
    error: n8n.workflow `1` of account `n8n` could not be read: n8n says it does not exist, but this key sees none of the recorded workflows: perhaps it is another user's key
    hint: give the id as the platform shows it in the object's address
    "#);
    assert_snapshot!(of(&["n8n", "n8n.workflow", "1", "--tenant", "ana", "--resource", "anser"]), @r#"
    exit 64
    error: tenant `ana` has no n8n.workflow `anser`
    hint: did you mean `answer`?
    "#);
    assert_snapshot!(of(&["n8n", "n8n.workflow", "1", "--tenant", "anna", "--resource", "answer"]), @r#"
    exit 5
    error: there is no tenant `anna`
    hint: did you mean `ana`?
    "#);
}
