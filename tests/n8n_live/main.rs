//! Nine workflows as designers draw them, for two tenants, on a real n8n: their whole life, and everything people do to
//! them by hand. Named by `UPA_TEST_N8N_URL` and `UPA_TEST_N8N_KEY`; skipped without, required by `UPA_TEST_REQUIRE_N8N`.

#![expect(clippy::disallowed_methods, reason = "tests are an edge of their own")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may end, and says when it is skipped"
)]

#[path = "../support/canary.rs"]
mod canary;
mod exports;
mod place;

use place::{Place, TENANTS, node};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn any_workflow_lives_for_two_tenants() {
    let Some(n8n) = Place::open(&format!("live-{}", std::process::id())) else {
        return;
    };
    for tenant in TENANTS {
        let body = json!({"name": n8n.credential(tenant), "type": "openAiApi", "data": {"apiKey": "x"}});
        n8n.api("POST", "/credentials", Some(&body)).await;
    }
    assert_eq!(n8n.changes().len(), 18);
    n8n.apply();
    nothing_is_shared(&n8n).await;
    every_entrance_answers_at_its_own_address_only(&n8n).await;
    what_is_exported_renders_to_the_same(&n8n).await;
    drift_is_seen_by_node_and_field(&n8n).await;
    settings_that_leave_the_template_are_reset(&n8n).await;
    what_people_do_by_hand(&n8n).await;
    a_deleted_callee_comes_back(&n8n).await;
    credentials_that_change(&n8n).await;
    let copy = a_duplicate_is_left_alone(&n8n).await;
    goodbye(&n8n, &copy).await;
}

/// No id, path, webhook id or credential of the designer or of the other tenant is in any document.
async fn nothing_is_shared(n8n: &Place) {
    let mut documents = Vec::new();
    for tenant in TENANTS {
        let ids = n8n.show(tenant)["workflow_ids"].clone();
        let mut text = String::new();
        for id in ids.as_object().unwrap().values() {
            text.push_str(&Place::body(&n8n.workflow(id.as_str().unwrap()).await).to_string());
        }
        for designers in [
            "DESIGNER",
            "designer-",
            "99999999-0000",
            "11111111-2222",
            "left-over",
            "of the designer",
            "upa:else",
        ] {
            assert!(!text.contains(designers), "{tenant} holds {designers}");
        }
        documents.push((tenant, ids, text));
    }
    for (tenant, ids, _) in &documents {
        let (other, _, text) = documents.iter().find(|(other, ..)| other != tenant).unwrap();
        for id in ids.as_object().unwrap().values() {
            assert!(!text.contains(id.as_str().unwrap()), "{other} holds {id} of {tenant}");
        }
        assert!(
            !text.contains(&n8n.base(tenant)) && !text.contains(&n8n.credential(tenant)),
            "{other} holds something of {tenant}"
        );
    }
}

async fn webhook_id(n8n: &Place, tenant: &str, resource: &str, name: &str) -> String {
    let mut workflow = n8n.workflow(&n8n.id(tenant, resource)).await;
    node(&mut workflow, name)["webhookId"].as_str().unwrap().to_owned()
}

async fn every_entrance_answers_at_its_own_address_only(n8n: &Place) {
    let mut chats = Vec::new();
    for tenant in TENANTS {
        let base = n8n.base(tenant);
        let client = webhook_id(n8n, tenant, "hooks", "Cliente").await;
        let chat = webhook_id(n8n, tenant, "agent", "Chat").await;
        let form = webhook_id(n8n, tenant, "forms", "Por id").await;
        for (method, path, status) in [
            ("POST", format!("/webhook/{base}/big"), 200),
            ("GET", format!("/webhook/{client}/{base}/cliente/7"), 200),
            ("GET", format!("/webhook/{base}/dos"), 200),
            ("PUT", format!("/webhook/{base}/dos"), 200),
            ("POST", format!("/webhook/{base}/dos"), 404),
            ("POST", format!("/webhook/{base}/una"), 200),
            ("GET", format!("/webhook/{base}/apagada"), 404),
            ("GET", format!("/form/{base}/cita"), 200),
            ("GET", format!("/form/{base}/antigua"), 200),
            ("GET", format!("/form/{form}"), 200),
            ("GET", format!("/webhook/{chat}/chat"), 200),
        ] {
            let body = (method != "GET").then(|| json!({}));
            assert_eq!(
                n8n.call(method, &path, body.as_ref()).await.0,
                status,
                "{tenant}: {method} {path}"
            );
        }
        for (path, key) in [("llamar", "lib"), ("responder", "kinds")] {
            let (status, text) = n8n
                .call("POST", &format!("/webhook/{base}/{path}"), Some(&json!({})))
                .await;
            assert!(
                status == 200 && text.contains(tenant),
                "{tenant} {key}: {status} {text}"
            );
        }
        chats.push(chat);
    }
    assert_ne!(chats[0], chats[1]);
    for (method, path) in [
        ("POST", "/webhook/una".to_owned()),
        (
            "POST",
            "/webhook/ana-11111111-2222-4333-8444-555555555555/big".to_owned(),
        ),
        ("GET", "/form/cita".to_owned()),
        ("GET", "/form/left-over".to_owned()),
        ("GET", "/form/99999999-0000-4000-8000-000000000022".to_owned()),
        ("GET", "/webhook/99999999-0000-4000-8000-000000000011/chat".to_owned()),
        ("GET", format!("/webhook/{}/cliente/7", n8n.base("ana"))),
    ] {
        let body = (method == "POST").then(|| json!({}));
        assert_eq!(n8n.call(method, &path, body.as_ref()).await.0, 404, "{method} {path}");
    }
}

/// Of what upa made, and of what somebody drew there afterwards.
async fn what_is_exported_renders_to_the_same(n8n: &Place) {
    let ids = n8n.show("ana")["workflow_ids"].clone();
    let templates: Vec<(String, String)> = ids
        .as_object()
        .unwrap()
        .keys()
        .map(|resource| {
            (
                format!("templates/p/v1/{resource}.json"),
                n8n.read(&format!("templates/p/v1/{resource}.json")),
            )
        })
        .collect();
    let untouched = n8n.workflow(&n8n.id("ana", "calls")).await;
    let mut drawn = untouched.clone();
    let mut another = node(&mut drawn, "Por lista").clone();
    another["name"] = json!("Otra vez");
    another["id"] = json!("11111111-0000-4000-8000-0000000000aa");
    drawn["nodes"].as_array_mut().unwrap().push(another);
    drawn["connections"]["Por id"] = json!({"main": [[{"node": "Otra vez", "type": "main", "index": 0}]]});
    n8n.put(&drawn, true).await;
    for (resource, id) in ids.as_object().unwrap() {
        let file = format!("templates/p/v1/{resource}.json");
        let (status, out, err) = n8n.upa(&["export", "n8n", "n8n.workflow", id.as_str().unwrap(), "--out", &file]);
        assert_eq!(status, 0, "{out}{err}");
    }
    n8n.release();
    let changes = n8n.changes();
    assert!(
        changes.len() == 1 && changes[0].starts_with("update bea@v1/calls: node \"Otra vez\""),
        "what ana has is what Git says: {changes:?}"
    );
    for (file, text) in templates {
        n8n.write(&file, &text);
    }
    n8n.put(&untouched, true).await;
    n8n.release();
    assert_eq!(n8n.changes(), Vec::<String>::new());
}

async fn drift_is_seen_by_node_and_field(n8n: &Place) {
    let id = n8n.id("ana", "calls");
    let mut drifted = n8n.workflow(&id).await;
    node(&mut drifted, "Entrar")["parameters"]["options"] = json!({"rawBody": true});
    node(&mut drifted, "Por id")["position"] = json!([7, 7]);
    drifted["settings"]["timezone"] = json!("America/Lima");
    drifted["connections"]["Por lista"]["main"] = json!([[]]);
    n8n.put(&drifted, true).await;
    assert_eq!(
        n8n.changes(),
        [
            "update ana@v1/calls: node \"Entrar\" · parameters.options.rawBody, edge \"Por lista\" → \"Por id\", settings.timezone"
        ]
    );
    n8n.apply();
    let repaired = n8n.workflow(&id).await;
    assert_eq!(repaired["settings"]["timezone"], "Europe/Madrid");
    assert!(!repaired["activeVersion"]["nodes"].to_string().contains("rawBody"));
}

async fn settings_that_leave_the_template_are_reset(n8n: &Place) {
    n8n.edit_export("calls", |calls| {
        for key in ["timezone", "executionTimeout", "errorWorkflow"] {
            calls["settings"].as_object_mut().unwrap().remove(key).unwrap();
        }
    });
    n8n.edit_export("big", |big| {
        big.as_object_mut().unwrap().remove("nodeGroups").unwrap();
    });
    n8n.release();
    let fields = "settings.errorWorkflow, settings.executionTimeout, settings.timezone";
    let expected: Vec<String> = TENANTS
        .iter()
        .flat_map(|tenant| {
            [
                format!("update {tenant}@v1/big: nodeGroups"),
                format!("update {tenant}@v1/calls: {fields}"),
            ]
        })
        .collect();
    assert_eq!(n8n.changes(), expected);
    n8n.apply();
    let settings = n8n.workflow(&n8n.id("bea", "calls")).await["settings"].take();
    for (key, gone) in [("timezone", json!("Europe/Madrid")), ("executionTimeout", json!(120))] {
        assert_ne!(settings[key], gone, "{settings}");
    }
    assert!(
        matches!(&settings["errorWorkflow"], Value::Null) || settings["errorWorkflow"] == "DEFAULT",
        "{settings}"
    );
}

/// Archived, unpublished, and a draft on top of what is live.
async fn what_people_do_by_hand(n8n: &Place) {
    n8n.api("POST", &format!("/workflows/{}/archive", n8n.id("ana", "errors")), None)
        .await;
    n8n.api(
        "POST",
        &format!("/workflows/{}/unpublish", n8n.id("ana", "hooks")),
        None,
    )
    .await;
    let mut draft = n8n.workflow(&n8n.id("bea", "big")).await;
    node(&mut draft, "Start")["notes"] = json!("mine");
    n8n.put(&draft, false).await;
    // A draft that is what Git wants on top of a live version that is not.
    let lib = n8n.workflow(&n8n.id("bea", "lib")).await;
    let mut wrong = lib.clone();
    node(&mut wrong, "Poner")["notes"] = json!("wrong");
    n8n.put(&wrong, true).await;
    n8n.put(&lib, false).await;
    assert_eq!(
        n8n.changes(),
        [
            "update ana@v1/errors: ",
            "update ana@v1/hooks: ",
            "update bea@v1/big: node \"Start\" · notes",
            "update bea@v1/lib: "
        ]
    );
    n8n.apply();
    assert_eq!(
        n8n.call("POST", &format!("/webhook/{}/una", n8n.base("ana")), Some(&json!({})))
            .await
            .0,
        200
    );
    for (tenant, resource) in [("bea", "big"), ("bea", "lib")] {
        let live = n8n.workflow(&n8n.id(tenant, resource)).await["activeVersion"]["nodes"].to_string();
        assert!(!live.contains("mine") && !live.contains("wrong"), "{tenant} {resource}");
    }
}

async fn a_deleted_callee_comes_back(n8n: &Place) {
    let gone = n8n.id("ana", "lib");
    n8n.delete(&gone).await;
    let changes = n8n.changes();
    let heads: Vec<&str> = changes.iter().map(|change| change.split(':').next().unwrap()).collect();
    assert_eq!(
        heads,
        ["update ana@v1/agent", "update ana@v1/calls", "create ana@v1/lib"],
        "{changes:?}"
    );
    n8n.apply();
    for caller in ["agent", "calls"] {
        let live = n8n.workflow(&n8n.id("ana", caller)).await["activeVersion"]["nodes"].to_string();
        assert!(
            live.contains(&n8n.id("ana", "lib")) && !live.contains(&gone),
            "{caller}"
        );
    }
    let (status, text) = n8n
        .call(
            "POST",
            &format!("/webhook/{}/llamar", n8n.base("ana")),
            Some(&json!({})),
        )
        .await;
    assert!(status == 200 && text.contains("ana"), "{status} {text}");
}

/// Renamed or deleted, a credential is missing; nothing is bound to another of the same type.
async fn credentials_that_change(n8n: &Place) {
    let name = n8n.credential("bea");
    let list = n8n.api("GET", "/credentials?limit=250", None).await;
    let found = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|found| found["name"] == *name)
        .unwrap();
    let path = format!("/credentials/{}", found["id"].as_str().unwrap());
    n8n.api("PATCH", &path, Some(&json!({"name": "somebody renamed it"})))
        .await;
    let missing = |(status, _, err): (i32, String, String)| {
        assert!(
            status == 5 && err.contains(&name) && err.contains("there is no credential"),
            "{status} {err}"
        );
    };
    missing(n8n.upa(&["plan"]));
    n8n.api("DELETE", &path, None).await;
    missing(n8n.upa(&["plan"]));
    n8n.api(
        "POST",
        "/credentials",
        Some(&json!({"name": name, "type": "openAiApi", "data": {"apiKey": "y"}})),
    )
    .await;
    assert_eq!(
        n8n.changes(),
        ["update bea@v1/agent: node \"Modelo\" · credentials.openAiApi"]
    );
    n8n.apply();
}

async fn a_duplicate_is_left_alone(n8n: &Place) -> String {
    let mut copy = n8n.workflow(&n8n.id("ana", "hooks")).await;
    copy["name"] = json!("Copia");
    let copy = n8n.api("POST", "/workflows", Some(&Place::body(&copy))).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = n8n.workflow(&copy).await;
    let (status, out, err) = n8n.upa(&["plan"]);
    assert!(
        status == 0 && out.contains("Nothing to do") && err.contains(&copy) && err.contains("copy made by hand"),
        "{out}{err}"
    );
    n8n.apply();
    assert_eq!(n8n.workflow(&copy).await, before);
    copy
}

async fn goodbye(n8n: &Place, copy: &str) {
    let (base, chat) = (n8n.base("ana"), webhook_id(n8n, "ana", "agent", "Chat").await);
    n8n.write_tenant("ana", "suspended");
    n8n.commit();
    n8n.apply();
    for path in [
        format!("/webhook/{base}/dos"),
        format!("/form/{base}/cita"),
        format!("/webhook/{chat}/chat"),
    ] {
        assert_eq!(n8n.call("GET", &path, None).await.0, 404, "{path}");
    }
    let ids: Vec<String> = TENANTS
        .iter()
        .flat_map(|tenant| {
            n8n.show(tenant)["workflow_ids"]
                .as_object()
                .unwrap()
                .values()
                .map(|id| id.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(ids.len(), 18);
    for tenant in TENANTS {
        n8n.write_tenant(tenant, "deprovisioned");
    }
    n8n.commit();
    n8n.apply();
    for id in ids {
        assert_eq!(n8n.call("GET", &format!("/api/v1/workflows/{id}"), None).await.0, 404);
    }
    n8n.workflow(copy).await;
}
