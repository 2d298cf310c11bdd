//! Secrets that stand where they must not, and versions and tenants that get them wrong: refused before anybody is asked.

use insta::assert_snapshot;
use serde_json::Value;

use crate::secrets::{CANARY, from_environment, space as space_with};
use crate::support::product;

#[test]
fn a_secret_that_stands_in_the_workspace_is_refused_and_not_repeated() {
    let space = from_environment();
    space.plants_a_secret();
    space.edit(
        "tenants/ana.toml",
        "{ env = \"UPA_TENANT_ANA_HOOK_SECRET\" }",
        &format!("\"{CANARY}\""),
    );
    space.edit(
        "tenants/bo.toml",
        "{ env = \"UPA_TENANT_BO_HOOK_SECRET\" }",
        "{ file = \"secrets/hook\" }",
    );
    space.edit(
        "upa.toml",
        "{ env = \"UPA_FINGERPRINT_KEY\" }",
        &format!("{{ envv = \"{CANARY}\" }}"),
    );
    let run = space.refused();
    assert!(!run.stderr.contains(CANARY), "{run}");
    assert_snapshot!(run, @r#"
    exit 5
    --- stderr
    error: `workspace.fingerprint_key`: a secret has no `envv`
    --> upa.toml:3
     |
    help: did you mean `env`?
    error: `inputs.hook_secret`: a secret never stands in the workspace, only where it is
    --> tenants/ana.toml:9
     |
    help: write `{ env = "NAME" }`, `{ file = "/run/secrets/name" }` or `{ sops = "secrets.yaml", key = "name" }`; if it is a real one, it is known now: replace it where it came from
    error: `file` is not an absolute path: a secret is in no file of the workspace, unless sops encrypted it
     --> tenants/bo.toml:9:24
      |
    9 | hook_secret = { file = "secrets/hook" }
      |                        ^^^^^^^^^^^^^^
      |
    help: name a file outside the workspace: `/run/secrets/…`
    3 errors
    "#);
    for (form, why) in [
        (
            "{ env = \"A KEY\" }",
            "`env` is not the name of an environment variable",
        ),
        (
            "{ sops = \"../s.yaml\", key = \"a\" }",
            "`sops` is not the path of a file within the workspace",
        ),
        ("{ sops = \"s.yaml\" }", "does not say which value"),
        ("{ env = \"A\", file = \"/b\" }", "a secret is in one place"),
        ("{ file = \"/run/../x/y\" }", "`file` must not contain `..`"),
        ("{}", "does not say where the secret is"),
        ("[\"canary-list\"]", "a secret never stands in the workspace"),
    ] {
        let space = space_with(form);
        space.plants_a_secret();
        let run = space.upa(&["validate"]).exits(5);
        assert!(
            run.stderr.contains(why) && !run.stderr.contains("canary-list"),
            "{form}: {run}"
        );
    }
}

#[test]
fn a_reference_is_no_value_for_another_input() {
    let space = from_environment();
    space.edit("tenants/ana.toml", "\"Hello from ana\"", "{ env = \"GREETING\" }");
    assert_snapshot!(space.upa(&["validate"]).exits(5).stderr, @r#"
    error: `inputs.greeting` must be a string, not a table
     --> tenants/ana.toml:8:12
      |
    8 | greeting = { env = "GREETING" }
      |            ^^^^^^^^^^^^^^^^^^^^
      |
    help: write text in quotes: `"…"`
    "#);
}

#[test]
fn a_secret_where_everybody_would_see_it_is_refused() {
    let space = from_environment();
    let mut assistant = product::assistant();
    assistant["firstMessage"] = Value::from("I know <%= inputs.hook_secret %>");
    product::template(&space, "assistant.json", &assistant);
    let mut answer = product::answer();
    answer["nodes"][1]["parameters"]["assignments"]["assignments"][0]["value"] =
        Value::from("<%= inputs.hook_secret %>");
    product::template(&space, "answer.json", &answer);
    space.edit(
        product::VERSION_FILE,
        "[webhooks.inbound]",
        "[record]\nshown = \"<%= inputs.hook_secret %>\"\n\n[webhooks.inbound]",
    );
    product::release(&space);
    space.remove("tenants/bo.toml");
    space.commit("everywhere");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: ana@v1/answer: `inputs.hook_secret` is secret, and `nodes.1.parameters.assignments.assignments.0.value` is a field that the platform shows to everybody who sees the object
      --> versions/bot/v1.toml:19:12
       |
    19 | [resources.answer]
       |            ^^^^^^
       |
    help: this kind has no field for secrets: use a credential of the platform
    error: ana@v1/assistant: `inputs.hook_secret` is secret, and `firstMessage` is a field that the platform shows to everybody who sees the object
      --> versions/bot/v1.toml:29:12
       |
    29 | [resources.assistant]
       |            ^^^^^^^^^
       |
    help: fields of this kind that may hold a secret: server.headers
    error: `[record]` is what `upa show` prints, and `inputs.hook_secret` in `shown` is secret
      --> versions/bot/v1.toml:12:2
       |
    12 | [record]
       |  ^^^^^^
       |
    help: leave it out of `[record]`
    3 errors
    "#);
}

#[test]
fn a_version_that_asks_what_cannot_be_checked_is_refused() {
    let space = from_environment();
    space.edit(
        product::VERSION_FILE,
        "writeOnly = true }",
        "writeOnly = true, minLength = 8 }",
    );
    space.edit(
        product::VERSION_FILE,
        "properties.minutes",
        "properties.crm.properties.token = { type = \"string\", writeOnly = true }\nproperties.minutes",
    );
    assert_snapshot!(space.upa(&["validate"]).exits(5).stderr, @r#"
    error: only an input as a whole can be secret, not a part of one
     --> versions/bot/v1.toml:6:2
      |
    6 | [inputs]
      |  ^^^^^^
      |
    help: make it an input of its own: `properties.NAME = { type = "string", writeOnly = true }`
    error: input `hook_secret` is secret, and nobody has its value when files are checked: `minLength` cannot be
     --> versions/bot/v1.toml:9:106
      |
    9 | properties.hook_secret = { type = "string", description = "What the webhook asks for", writeOnly = true, minLength = 8 }
      |                                                                                                          ^^^^^^^^^
      |
    help: remove `minLength`
    2 errors
    "#);
}

#[test]
fn a_new_tenant_names_a_variable() {
    let space = from_environment();
    space.edit(
        product::VERSION_FILE,
        "required = [\"greeting\"]",
        "required = [\"greeting\", \"hook_secret\"]",
    );
    product::release(&space);
    space.upa(&["new", "clinic-9"]).exits(0);
    let text = space.read("tenants/clinic-9.toml");
    assert!(
        text.contains("# What the webhook asks for\nhook_secret = { env = \"UPA_TENANT_CLINIC_9_HOOK_SECRET\" }\n"),
        "{text}"
    );
    space.edit("tenants/clinic-9.toml", "greeting = \"\"", "greeting = \"Hi\"");
    space.upa(&["validate"]).exits(0);
    space.edit("tenants/clinic-9.toml", "hook_secret", "# hook_secret");
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("`inputs.hook_secret` is missing"), "{run}");
}
