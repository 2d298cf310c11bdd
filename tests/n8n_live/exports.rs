//! Workflows as designers draw them: everything n8n allows, in nine files.

use serde_json::{Value, json};

/// The ids they had on the designer's instance.
pub const LIB: &str = "DESIGNERLIB00001";
pub const ERRORS: &str = "DESIGNERERR00001";
const BASE: &str = "11111111-2222-4333-8444-555555555555";

fn node(name: &str, kind: &str, version: f64, parameters: Value) -> Value {
    json!({"id": format!("designer-{name}"), "name": name, "type": kind, "typeVersion": version, "position": [10, 20], "parameters": parameters})
}

fn with(mut node: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        node[key] = value.clone();
    }
    node
}

fn export(name: &str, id: &str, nodes: Vec<Value>, edges: &[(&str, &str, &str)]) -> Value {
    let mut connections = json!({});
    for (from, to, kind) in edges {
        connections[from][kind] = json!([[{"node": to, "type": kind, "index": 0}]]);
    }
    json!({
        "id": id, "name": name, "nodes": nodes, "connections": connections, "settings": {"executionOrder": "v1"}, "active": true,
        "pinData": {nodes[0]["name"].as_str().unwrap(): [{"json": {"secret": "of the designer"}}]}, "tags": [{"id": "TAGTAGTAGTAGTAG1", "name": "x"}],
        "meta": {"instanceId": "d".repeat(64)}, "versionId": BASE, "staticData": {"lastRun": 1},
    })
}

fn webhook(name: &str, id: u8, parameters: Value) -> Value {
    let id = format!("99999999-0000-4000-8000-0000000000{id:02}");
    with(
        node(name, "n8n-nodes-base.webhook", 2.1, parameters),
        json!({"webhookId": id}),
    )
}

/// 200 nodes in a row.
fn big() -> Value {
    let mut nodes = vec![webhook(
        "Start",
        1,
        json!({"path": format!("ana-{BASE}/big"), "httpMethod": "POST", "options": {}}),
    )];
    nodes.extend((1..200).map(|index| node(&format!("Paso {index} ñ"), "n8n-nodes-base.noOp", 1.0, json!({}))));
    let names: Vec<String> = nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap().to_owned())
        .collect();
    let edges: Vec<(&str, &str, &str)> = names.windows(2).map(|pair| (&*pair[0], &*pair[1], "main")).collect();
    let mut big = export("Grande 🤖 \"200\"", "DESIGNERBIG00001", nodes, &edges);
    big["nodeGroups"] =
        json!([{"id": "group-1", "name": "Primeros", "nodeIds": ["designer-Paso 1 ñ", "designer-Paso 2 ñ"]}]);
    big
}

/// A chat, an agent and a tool that is a workflow.
fn agent() -> Value {
    let chat = "@n8n/n8n-nodes-langchain.chatTrigger";
    let chat = with(
        node("Chat", chat, 1.1, json!({"public": true, "options": {}})),
        json!({"webhookId": "99999999-0000-4000-8000-000000000011"}),
    );
    let agent = node(
        "Agente",
        "@n8n/n8n-nodes-langchain.agent",
        2.2,
        json!({"options": {"systemMessage": "Hablas por <%= tenant.name %>"}}),
    );
    let model = with(
        node(
            "Modelo",
            "@n8n/n8n-nodes-langchain.lmChatOpenAi",
            1.2,
            json!({"model": {"__rl": true, "mode": "list", "value": "gpt-4o-mini"}, "options": {}}),
        ),
        json!({"credentials": {"openAiApi": {"id": "DESIGNERCRED0001", "name": "Template · OpenAI"}}}),
    );
    let tool = json!({"description": "d", "workflowId": {"__rl": true, "mode": "list", "value": LIB, "cachedResultName": "Biblioteca", "cachedResultUrl": format!("/workflow/{LIB}")}});
    let tool = node("Herramienta", "@n8n/n8n-nodes-langchain.toolWorkflow", 2.2, tool);
    let edges = [
        ("Chat", "Agente", "main"),
        ("Modelo", "Agente", "ai_languageModel"),
        ("Herramienta", "Agente", "ai_tool"),
    ];
    export("Agente", "DESIGNERAGENT001", vec![chat, agent, model, tool], &edges)
}

fn forms() -> Value {
    let fields = json!({"values": [{"fieldLabel": "Nombre"}]});
    let form = |name: &str, id: &str, version: f64, more: Value| {
        let parameters = with(json!({"formTitle": "Cita", "formFields": fields, "options": {}}), more);
        with(
            node(name, "n8n-nodes-base.formTrigger", version, parameters),
            json!({"webhookId": id}),
        )
    };
    let nodes = vec![
        form(
            "Por ruta",
            "99999999-0000-4000-8000-000000000021",
            2.2,
            json!({"options": {"path": "cita"}, "path": "left-over"}),
        ),
        form("Por id", "99999999-0000-4000-8000-000000000022", 2.2, json!({})),
        form(
            "Antigua",
            "99999999-0000-4000-8000-000000000023",
            2.1,
            json!({"path": "antigua"}),
        ),
        with(
            node(
                "Fin",
                "n8n-nodes-base.form",
                1.0,
                json!({"operation": "completion", "completionTitle": "Listo", "options": {}}),
            ),
            json!({"webhookId": "99999999-0000-4000-8000-000000000024"}),
        ),
    ];
    export(
        "Formularios",
        "DESIGNERFORM0001",
        nodes,
        &[
            ("Por ruta", "Fin", "main"),
            ("Por id", "Fin", "main"),
            ("Antigua", "Fin", "main"),
        ],
    )
}

fn hooks() -> Value {
    let nodes = vec![
        webhook("Cliente", 31, json!({"path": "cliente/:id", "options": {}})),
        webhook(
            "Dos",
            32,
            json!({"path": "/dos/", "multipleMethods": true, "httpMethod": ["GET", "PUT"], "options": {}}),
        ),
        webhook("Una", 33, json!({"path": "una", "httpMethod": "POST", "options": {}})),
        webhook("Apagada", 34, json!({"path": "apagada", "options": {}})),
        node("Hecho", "n8n-nodes-base.noOp", 1.0, json!({})),
        with(
            node(
                "Esperar",
                "n8n-nodes-base.wait",
                1.1,
                json!({"resume": "webhook", "options": {}}),
            ),
            json!({"webhookId": "99999999-0000-4000-8000-000000000035", "disabled": true}),
        ),
        node(
            "Nota",
            "n8n-nodes-base.stickyNote",
            1.0,
            json!({"content": format!("Probar con /webhook-test/una o {LIB}")}),
        ),
    ];
    let mut hooks = export(
        "Entradas",
        "DESIGNERHOOK0001",
        nodes,
        &[
            ("Cliente", "Hecho", "main"),
            ("Dos", "Hecho", "main"),
            ("Una", "Hecho", "main"),
        ],
    );
    hooks["nodes"][3]["disabled"] = json!(true);
    hooks
}

fn lib() -> Value {
    let start = node(
        "Al llamar",
        "n8n-nodes-base.executeWorkflowTrigger",
        1.1,
        json!({"inputSource": "passthrough"}),
    );
    let value = json!({"assignments": {"assignments": [{"id": "a", "name": "de", "value": "<%= tenant.name %>", "type": "string"}]}, "options": {}});
    export(
        "Biblioteca",
        LIB,
        vec![start, node("Poner", "n8n-nodes-base.set", 3.4, value)],
        &[("Al llamar", "Poner", "main")],
    )
}

fn errors() -> Value {
    let code = node(
        "Anotar",
        "n8n-nodes-base.code",
        2.0,
        json!({"jsCode": "return [{json: {de: '<%= tenant.name %>'}}];"}),
    );
    export(
        "Errores",
        ERRORS,
        vec![node("Error", "n8n-nodes-base.errorTrigger", 1.0, json!({})), code],
        &[("Error", "Anotar", "main")],
    )
}

/// Calls in every mode, and every setting n8n keeps without a licence.
fn calls() -> Value {
    let call = |name: &str, id: Value| {
        let parameters = json!({"workflowId": id, "workflowInputs": {"mappingMode": "defineBelow", "value": {}, "schema": []}, "options": {}});
        node(name, "n8n-nodes-base.executeWorkflow", 1.3, parameters)
    };
    let nodes = vec![
        webhook(
            "Entrar",
            41,
            json!({"path": "llamar", "httpMethod": "POST", "responseMode": "lastNode", "options": {}}),
        ),
        call(
            "Por lista",
            json!({"__rl": true, "mode": "list", "value": LIB, "cachedResultName": "Biblioteca"}),
        ),
        call("Por id", json!({"__rl": true, "mode": "id", "value": LIB})),
    ];
    let mut calls = export(
        "Llamadas",
        "DESIGNERCALL0001",
        nodes,
        &[("Entrar", "Por lista", "main"), ("Por lista", "Por id", "main")],
    );
    calls["settings"] = json!({
        "saveExecutionProgress": true, "saveManualExecutions": false, "saveDataErrorExecution": "all", "saveDataSuccessExecution": "all",
        "executionTimeout": 120, "errorWorkflow": ERRORS, "timezone": "Europe/Madrid", "executionOrder": "v1", "callerPolicy": "workflowsFromAList",
        "callerIds": format!("{LIB},{ERRORS}"), "timeSavedMode": "fixed", "timeSavedPerExecution": 3, "availableInMCP": false, "binaryMode": "separate",
        "customTelemetryTags": [{"key": "team", "value": "north"}, {"key": "upa.owner", "value": "upa:else/ana@v1/calls"}],
    });
    calls
}

/// A type nobody has installed: kept, never published.
fn community() -> Value {
    let unheard = node(
        "Rara",
        "n8n-nodes-acme.unheardOf",
        7.0,
        json!({"deep": [{"ñ": null}, 1.5, true]}),
    );
    export(
        "Comunidad",
        "DESIGNERCOMM0001",
        vec![node("A mano", "n8n-nodes-base.manualTrigger", 1.0, json!({})), unheard],
        &[("A mano", "Rara", "main")],
    )
}

/// The other types that are proven to publish.
fn kinds() -> Value {
    let rules = json!({"rules": {"interval": [{"field": "hours", "hoursInterval": 12}]}});
    let condition = json!({"conditions": {"options": {"version": 2}, "combinator": "and", "conditions": [{"id": "c", "leftValue": "={{ $json.a }}", "rightValue": "b", "operator": {"type": "string", "operation": "equals"}}]}});
    let switch = json!({"rules": {"values": [with(condition.clone(), json!({"renameOutput": false}))]}, "options": {}});
    let nodes = vec![
        node("Reloj", "n8n-nodes-base.scheduleTrigger", 1.3, rules.clone()),
        node("Reloj viejo", "n8n-nodes-base.scheduleTrigger", 1.2, rules),
        webhook(
            "Responder a",
            51,
            json!({"path": "responder", "httpMethod": "POST", "responseMode": "responseNode", "options": {}}),
        ),
        node(
            "Responder",
            "n8n-nodes-base.respondToWebhook",
            1.5,
            json!({"respondWith": "json", "responseBody": "={\"de\": \"<%= tenant.name %>\"}", "options": {}}),
        ),
        node("Si", "n8n-nodes-base.if", 2.2, condition),
        node("Según", "n8n-nodes-base.switch", 3.2, switch),
        node("Lotes", "n8n-nodes-base.splitInBatches", 3.0, json!({"options": {}})),
        node(
            "Pedir",
            "n8n-nodes-base.httpRequest",
            4.2,
            json!({"url": "https://example.invalid", "options": {}}),
        ),
        node(
            "Parar",
            "n8n-nodes-base.stopAndError",
            1.0,
            json!({"errorMessage": "no"}),
        ),
    ];
    let edges = [
        ("Responder a", "Responder", "main"),
        ("Reloj", "Si", "main"),
        ("Reloj viejo", "Si", "main"),
        ("Si", "Según", "main"),
        ("Según", "Lotes", "main"),
        ("Lotes", "Pedir", "main"),
        ("Pedir", "Parar", "main"),
    ];
    export("Tipos", "DESIGNERKIND0001", nodes, &edges)
}

/// Resource, export, whether it runs.
pub fn all() -> Vec<(&'static str, Value, bool)> {
    vec![
        ("agent", agent(), true),
        ("big", big(), true),
        ("calls", calls(), true),
        ("community", json!([community()]), false),
        ("errors", errors(), true),
        ("forms", json!({"workflow": forms()}), true),
        ("hooks", hooks(), true),
        ("kinds", kinds(), true),
        ("lib", lib(), true),
    ]
}
