//! `upa platform`: definitions held against contracts, and what kinds can do.

use insta::assert_snapshot;

use crate::support::Space;

const DEFINITION: &str = r#"platform = "notes"
usual_base = "https://api.notes.test/v1"
auth = { bearer = "{cred.key}" }

[resource.note]
list   = { call = "GET /notes", items = "notes" }
create = { call = "POST /notes", idempotency = "Idempotency-Key" }
read   = "GET /notes/{id}"
delete = "DELETE /notes/{id}"
marker = { field = "tag" }
"#;

const CONTRACT: &str = r##"openapi: 3.1.0
servers: [{ url: https://api.notes.test/v1 }]
paths:
  /notes:
    get:
      responses:
        200: { content: { application/json: { schema: { properties: { notes: { type: array, items: { $ref: "#/components/schemas/Note" } } } } } } }
    post:
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Note" } } } }
      responses:
        201: { content: { application/json: { schema: { $ref: "#/components/schemas/Note" } } } }
  /notes/{note}:
    get:
      responses:
        200: { content: { application/json: { schema: { $ref: "#/components/schemas/Note" } } } }
    delete:
      responses:
        204: { description: gone }
components:
  schemas:
    Note:
      type: object
      properties: { id: { type: string, readOnly: true }, text: { type: string }, tag: { type: [string, "null"] } }
"##;

fn space() -> Space {
    let space = Space::bare();
    space.write("notes.toml", DEFINITION);
    space.write("notes.yaml", CONTRACT);
    space
}

#[test]
fn a_definition_is_held_against_a_contract() {
    let space = space();
    let file = space.path("notes.toml").display().to_string();
    let contract = space.path("notes.yaml").display().to_string();
    space
        .upa(&["platform", "check", &file, "--contract", &contract])
        .exits(0);
    space.edit("notes.toml", "items = \"notes\"", "items = \"note\"");
    space.edit("notes.toml", "field = \"tag\"", "field = \"tags\"");
    let run = space
        .upa(&["platform", "check", &file, "--contract", &contract])
        .exits(5);
    let said = run.to_string();
    for part in [
        "the contract's answer has no `note`",
        "did you mean `notes`?",
        "`tags` is not taken",
        "notes.toml:6",
        "notes.toml:7",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Without a contract the definition itself is fine.
    space.upa(&["platform", "check", &file]).exits(0);
    space.write("notes.yaml", "swagger: '2.0'\n");
    let run = space
        .upa(&["platform", "check", &file, "--contract", &contract])
        .exits(5);
    assert!(run.to_string().contains("Swagger 2.0"));
}

#[test]
fn what_is_built_in_fits_the_vendors_contract() {
    let space = Space::bare();
    for (platform, contract) in [
        ("vapi", "vapi.mock"),
        ("google", "google.mock"),
        ("hubspot", "hubspot.2026-09"),
        ("gohighlevel", "gohighlevel.v2"),
    ] {
        let spec = format!("{}/tests/contracts/{contract}.openapi.json", env!("CARGO_MANIFEST_DIR"));
        space
            .upa(&["platform", "check", platform, "--contract", &spec])
            .exits(0);
    }
    assert_eq!(
        upa::platform::definition::CATALOG.len(),
        4,
        "each of them is checked here"
    );
}

#[test]
fn kinds_and_what_they_can_do() {
    let space = space();
    let definition = space.read("notes.toml");
    space.write("platforms/notes.toml", definition);
    let list = space.upa(&["platform", "list"]).exits(0);
    assert!(list.to_string().contains("vapi.assistant"), "{list}");
    assert_snapshot!(space.upa(&["platform", "show", "notes"]), @r#"
    exit 0
    --- stdout
    KIND        LIST  MARK    LOST CREATE  READ  CHANGE   END     SUSPEND
    notes.note  all   object  repeat       call  replace  delete  keeps

    notes.note
      outputs  id
      suspend  keeps running: its definition does not say how it is suspended
    "#);
    assert_snapshot!(space.upa(&["platform", "show", "note"]), @r#"
    exit 64
    --- stderr
    error: there is no platform `note`
    hint: did you mean `notes`?
    "#);
    assert_snapshot!(space.upa(&["platform", "show", "vapi.phone_number"]), @r#"
    exit 0
    --- stdout
    KIND               LIST  MARK    LOST CREATE  READ  CHANGE  END     SUSPEND
    vapi.phone_number  all   object  look         call  update  delete  write

    vapi.phone_number: a phone number, and who answers it
      outputs  id, number
      fixed    provider, number, numberDesiredAreaCode
      unread   numberDesiredAreaCode, server.headers
      secret   twilioAuthToken, twilioApiKey, twilioApiSecret, authentication.password
      confirm  the number is given up, and nobody can ask for the same digits again
      suspend  clears assistantId, squadId, workflowId, server; callers reach its `fallbackDestination`, or are hung up; where the organisation has a server URL of its own, that is asked who answers
      costs    money
      waits    for `status`, 600 s at most in one run
    "#);
    assert_snapshot!(space.upa(&["platform", "show", "vapi.fone_number"]), @r#"
    exit 64
    --- stderr
    error: vapi has no kind `fone_number`
    hint: did you mean `vapi.phone_number`?
    "#);
}
