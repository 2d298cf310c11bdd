//! What a request says of each integration: complete, failed and why, not finished, not asked for.

use serde_json::{Value, json};

use crate::support::product::{self, VERSION_FILE};
use crate::support::{Server, Space};

/// The small product, whose version names integrations.
fn space(integrations: &str) -> Space {
    let space = Space::with(&["ana"]);
    space.edit(
        VERSION_FILE,
        "\n[resources.answer]",
        &format!("\n{integrations}\n[resources.answer]"),
    );
    product::release(&space);
    space.commit("integrations");
    space
}

const THREE: &str = "\
[integrations]
n8n = [\"answer\"]
voice = [\"assistant\"]
webhooks = [\"webhooks.inbound\"]
";

/// The request as `upa show` prints it, which is what the lockfile says.
#[track_caller]
fn request(space: &Space, tenant: &str) -> Value {
    let run = space.upa(&["show", tenant, "--format", "json"]).exits(0);
    let shown: Value = serde_json::from_str(&run.stdout).unwrap();
    let request = shown["provisioning_request"].clone();
    let versions = &space.lock(tenant)["versions"];
    let recorded = &versions.as_table().unwrap().values().next().unwrap()["request"];
    let recorded = serde_json::to_value(recorded).unwrap();
    let failures = recorded.get("failures").cloned().unwrap_or_else(|| json!({}));
    assert_eq!(request["integrations"], recorded["integrations"]);
    assert_eq!(request["failures"], failures);
    request
}

/// One call is refused.
fn refuse(account: &str, method: &str, path: &str) -> Value {
    json!({"account": account, "method": method, "path": path, "times": 1, "kind": "status", "status": 400,
        "body": {"message": "not today"}})
}

#[test]
fn one_fails_and_the_others_are_complete() {
    let space = space(THREE);
    let server = Server::start(&space);
    server.fault(&refuse("vapi", "POST", "/assistant"));
    space.upa(&["apply", "--yes"]).exits(7);
    let first = request(&space, "ana");
    assert_eq!(first["state"], "FAILED");
    // `record` is in none of them.
    let all = |voice: &str| json!({"n8n": "COMPLETED", "other": "COMPLETED", "voice": voice, "webhooks": "COMPLETED"});
    assert_eq!(first["integrations"], all("FAILED"));
    let why = &first["failures"];
    assert_eq!(why.as_object().unwrap().len(), 1, "{why}");
    let voice = why["voice"].as_str().unwrap();
    assert!(
        voice.starts_with("ana@v1/assistant: create:") && voice.contains("not today"),
        "{why}"
    );
    let shown = space.upa(&["show", "ana"]).exits(0);
    for line in [
        "    voice                FAILED\n",
        "    voice                ana@v1/assistant: create:",
    ] {
        assert!(shown.stdout.contains(line), "{shown}");
    }
    let status = space.upa(&["status"]).exits(0);
    assert!(
        status.stdout.contains("INTEGRATIONS") && status.stdout.contains("voice FAILED"),
        "{status}"
    );
    // The next run makes what is missing, as another request.
    space.apply();
    let again = request(&space, "ana");
    assert_ne!(again["request_id"], first["request_id"]);
    assert_eq!(
        (&again["state"], &again["integrations"]),
        (&json!("COMPLETED"), &all("COMPLETED"))
    );
    assert_eq!(again["failures"], json!({}));
    assert!(space.upa(&["status"]).exits(0).stdout.contains("4 of 4"));
    space.settled();
}

#[test]
fn what_waits_for_a_failure_is_not_finished_and_a_repair_that_fails_shows() {
    let space = space(THREE);
    let server = Server::start(&space);
    // `record` is made first, and `answer` calls it.
    server.fault(&refuse("n8n", "POST", "/api/v1/workflows"));
    space.upa(&["apply", "--yes"]).exits(7);
    let first = request(&space, "ana");
    let states = first["integrations"].as_object().unwrap();
    let failed: Vec<&String> = states
        .iter()
        .filter(|(_, state)| *state == "FAILED")
        .map(|(name, _)| name)
        .collect();
    let said: Vec<&String> = first["failures"].as_object().unwrap().keys().collect();
    assert!(!failed.is_empty() && failed == said, "{first}");
    for unfinished in ["n8n", "webhooks"] {
        assert_ne!(states[unfinished], "COMPLETED", "{first}");
    }
    assert!(states.values().any(|state| state == "PENDING"), "{first}");
    space.apply();
    // A change that fails later is no request; how its integration stands shows all the same.
    let completed = request(&space, "ana");
    space.edit("tenants/ana.toml", "Hello from ana", "Good morning");
    space.commit("another greeting");
    server.fault(&refuse("vapi", "PATCH", "/assistant"));
    space.upa(&["apply", "--yes"]).exits(7);
    let later = request(&space, "ana");
    assert_eq!(later["request_id"], completed["request_id"]);
    assert_eq!(
        (&later["state"], &later["integrations"]["voice"]),
        (&json!("COMPLETED"), &json!("FAILED"))
    );
    assert_eq!(later["integrations"]["webhooks"], "COMPLETED");
    space.apply();
    assert_eq!(request(&space, "ana")["integrations"]["voice"], "COMPLETED");
    space.settled();
}

/// The shipped product: what tenants share fails and is mended without a change of theirs.
#[test]
fn all_six_of_the_receptionist() {
    let space = Space::shipped();
    let server = Server::start(&space);
    server.shipped_credentials();
    // HubSpot's property, which is no tenant's own, and a value of demo's at GoHighLevel.
    server.fault(&refuse("hubspot", "POST", "/crm/properties/2026-09/contacts$"));
    server.fault(&refuse("gohighlevel", "POST", "/locations/*/customValues"));
    space.upa(&["apply", "--yes"]).exits(4);
    let all = |crm: &str| {
        json!({"n8n": "COMPLETED", "voice": "COMPLETED", "sheet": "COMPLETED", "crm": crm, "calendar": "COMPLETED",
            "webhooks": "COMPLETED"})
    };
    for (tenant, crm, state, why) in [
        ("plantilla", "NOT_ASKED", "COMPLETED", ""),
        ("demo", "FAILED", "FAILED", "demo@v2.0/ghl-booking-url: create:"),
        (
            "welcs",
            "FAILED",
            "FAILED",
            "@shared:hubspot/hubspot-call-reason: create:",
        ),
    ] {
        let request = request(&space, tenant);
        assert_eq!(
            (&request["integrations"], &request["state"]),
            (&all(crm), &json!(state)),
            "{tenant}"
        );
        let said = request["failures"]["crm"].as_str().unwrap_or_default();
        assert!(said.starts_with(why), "{said}");
    }
    space.apply();
    for (tenant, crm) in [
        ("plantilla", "NOT_ASKED"),
        ("demo", "COMPLETED"),
        ("welcs", "COMPLETED"),
    ] {
        let request = request(&space, tenant);
        assert_eq!(
            (&request["integrations"], &request["state"]),
            (&all(crm), &json!("COMPLETED")),
            "{tenant}"
        );
    }
    let status = space.upa(&["status"]).exits(0);
    assert!(
        status.stdout.matches("6 of 6").count() == 2 && status.stdout.contains("5 of 5"),
        "{status}"
    );
    space.settled();
    // What the voice says changes, and Vapi refuses it; the workflows have it.
    space.edit(
        "tenants/demo.toml",
        "appointment_minutes = 45",
        "appointment_minutes = 50",
    );
    space.commit("longer appointments");
    server.fault(&refuse("vapi", "PATCH", "/assistant"));
    space.upa(&["apply", "--yes"]).exits(7);
    let failed = request(&space, "demo");
    let mut expected = all("COMPLETED");
    expected["voice"] = json!("FAILED");
    assert_eq!(failed["integrations"], expected);
    space.apply();
    assert_eq!(request(&space, "demo")["integrations"], all("COMPLETED"));
}

#[test]
fn a_tenant_that_goes_has_none() {
    let space = space(THREE);
    space.apply();
    space.edit("tenants/ana.toml", "\"active\"", "\"deprovisioned\"");
    space.commit("goodbye");
    space.apply();
    let run = space.upa(&["show", "ana", "--format", "json"]).exits(0);
    assert!(!run.stdout.contains("integrations"), "{run}");
}

#[test]
fn what_the_version_does_not_have_is_refused_at_its_line() {
    let space =
        space("[integrations]\nn8n = [\"answer\", \"asistant\"]\nvoice = []\nwebhooks = [\"webhooks.inbond\"]\n");
    let run = space.upa(&["validate"]).exits(5);
    let line = |text: &str| {
        1 + space
            .read(VERSION_FILE)
            .lines()
            .position(|line| line.contains(text))
            .unwrap()
    };
    for (problem, line, hint) in [
        (
            "integration `n8n`: there is no resource `asistant`",
            line("asistant"),
            "did you mean `assistant`?",
        ),
        (
            "integration `voice` consists of nothing",
            line("voice = []"),
            "name the resources it consists of",
        ),
        (
            "integration `webhooks`: there is no webhook `webhooks.inbond`",
            line("inbond"),
            "did you mean `webhooks.inbound`?",
        ),
    ] {
        let report = run.stderr.split("error: ").find(|report| report.contains(problem));
        let report = report.unwrap_or_else(|| panic!("`{problem}` is not in\n{run}"));
        assert!(
            report.contains(&format!("{VERSION_FILE}:{line}:")) && report.contains(hint),
            "{report}"
        );
    }
}
