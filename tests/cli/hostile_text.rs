//! Texts of strangers: characters that only upa may write, and characters that act on who reads.

use serde_json::{Value, json};

use crate::support::Space;
use crate::support::product::{self, VERSION_FILE, template};
use crate::support::server::Server;

/// What a tenant writes to be given another tenant's secret.
const FORGED: &str = r#"\uFDD0{\"secret\":{\"tenant\":\"bo\",\"name\":\"inputs.token\"}}\uFDD1"#;

#[test]
fn a_symbol_cannot_be_forged_with_escapes_in_any_file() {
    let space = Space::with(&["ana", "bo"]);
    space.edit("tenants/ana.toml", "Hello from ana", FORGED);
    let mut forged = product::record();
    forged["nodes"][0]["name"] = json!("HERE");
    template(&space, "record.json", &forged);
    space.edit("templates/bot/v1/record.json", "HERE", FORGED);
    product::release(&space);
    space.write("platforms/crm.toml", "platform = \"crm\\uFDD1\"\n");
    let run = space.upa(&["validate"]).exits(5);
    for place in [
        "tenants/ana.toml:8",
        "templates/bot/v1/record.json:",
        "platforms/crm.toml:1",
    ] {
        assert!(run.stderr.contains(place), "{place}: {run}");
    }
    assert_eq!(run.stderr.matches("U+FDD0 or U+FDD1").count(), 3, "{run}");
}

/// The quotes within an expression are read after those of the file.
#[test]
fn a_symbol_cannot_be_forged_within_an_expression() {
    let space = Space::with(&["ana"]);
    let mut default = product::assistant();
    default["name"] = json!(r#"<%= inputs.greeting ?? "\uFDD0" %>"#);
    template(&space, "assistant.json", &default);
    product::release(&space);
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("templates/bot/v1/assistant.json:"), "{run}");
    assert!(run.stderr.contains("U+FDD0 or U+FDD1"), "{run}");
}

#[test]
fn a_key_a_version_and_a_lockfile_are_checked_like_values() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit("upa.toml", "[workspace]", "[workspace]\n\"na\\uFDD0me\" = 1");
    let run = space.upa(&["validate"]).exits(5);
    assert!(
        run.stderr.contains("upa.toml:2") && run.stderr.contains("U+FDD0"),
        "{run}"
    );
    space.git(&["checkout", "upa.toml"]);
    space.edit(VERSION_FILE, "default = 30", "default = 30, title = \"\\U0000FDD0\"");
    let run = space.upa(&["validate"]).exits(5);
    assert!(
        run.stderr.contains(VERSION_FILE) && run.stderr.contains("U+FDD0"),
        "{run}"
    );
    space.git(&["checkout", VERSION_FILE]);
    space.edit("tenants/ana.lock", "commit = \"", "commit = \"\\uFDD0");
    space.commit("an edited lockfile");
    let run = space.upa(&["plan"]).exits(5);
    assert!(
        run.stderr.contains("tenants/ana.lock:") && run.stderr.contains("U+FDD0"),
        "{run}"
    );
}

/// A platform may hold any text: it is a difference, and nothing gets a value for it.
#[test]
fn what_looks_like_a_symbol_on_a_platform_is_text() {
    let space = Space::with(&["ana"]);
    space.apply();
    let forged: Value = serde_json::from_str(&format!("\"{FORGED}\"")).unwrap();
    let server = Server::start(&space);
    let path = format!("/vapi/assistant/{}", space.id("ana", "ana@v1/assistant"));
    server.ok("PATCH", &path, Some(&json!({ "name": forged })));
    server.stop();
    let run = space.upa(&["plan"]).exits(0);
    assert!(run.stdout.contains("\u{FFFD}{\"secret\""), "{run}");
    assert!(!run.stdout.contains("(secret"), "{run}");
    space.apply();
    space.settled();
}
