//! Wrong files: each finding names the file, the line and the next step, all of them come in one run, and nothing is
//! written. Every workspace here is committed and applied, so that the refusal is apply's own.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::product::{self, TEMPLATES, VERSION_FILE, template};
use crate::support::{Space, transcript};

/// A platform with a misspelt key.
const PLATFORM: &str = "\
platform = \"crm\"
usual_base = \"https://crm.example\"
auth = { bearer = \"{cred.api_key}\" }

[resource.contact]
lisst = \"GET /contacts\"
create = \"POST /contacts\"
read = \"GET /contacts/{id}\"
update = \"PATCH /contacts/{id}\"
delete = \"DELETE /contacts/{id}\"
";

#[test]
fn unknown_keys_in_every_kind_of_file() {
    let space = Space::with(&["ana"]);
    space.edit("upa.toml", "[accounts.vapi]", "[accounts.vapi]\nbase_ur1 = \"x\"");
    space.edit("tenants/ana.toml", "operator =", "oparator =");
    space.edit(VERSION_FILE, "stage =", "stages =");
    space.write("platforms/crm.toml", PLATFORM);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `resource.contact.list` is missing
     --> platforms/crm.toml:5:11
      |
    5 | [resource.contact]
      |           ^^^^^^^
      |
    help: add `list = { … }`
    error: unknown key `lisst` in `resource.contact`
     --> platforms/crm.toml:6:1
      |
    6 | lisst = "GET /contacts"
      | ^^^^^
      |
    help: did you mean `list`?
    error: `operator` is missing
    --> tenants/ana.toml
     |
    help: add `operator = …`
    error: unknown key `oparator`
     --> tenants/ana.toml:5:1
      |
    5 | oparator = "ana@example.test"
      | ^^^^^^^^
      |
    help: did you mean `operator`?
    error: unknown key `base_ur1` in `accounts.vapi`
     --> upa.toml:8:1
      |
    8 | base_ur1 = "x"
      | ^^^^^^^^
      |
    help: did you mean `base_url`?
    error: `stage` is missing
    --> versions/bot/v1.toml
     |
    help: add `stage = …`
    error: unknown key `stages`
     --> versions/bot/v1.toml:4:1
      |
    4 | stages = "released"
      | ^^^^^^
      |
    help: did you mean `stage`?
    7 errors
    "#);
}

#[test]
fn values_of_the_wrong_type() {
    let space = Space::with(&["ana", "bo"]);
    space.edit("tenants/ana.toml", "status = \"active\"", "status = 3");
    space.edit("tenants/bo.toml", "tier = \"client\"", "tier = \"cliente\"");
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true",
        "[accounts.vapi]\nsandbox = \"yes\"",
    );
    space.edit(VERSION_FILE, "revision = 1", "revision = \"one\"");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `status` must be one of active, suspended, deprovisioned, not 3
     --> tenants/ana.toml:4:10
      |
    4 | status = 3
      |          ^
      |
    help: choose one of them
    error: `tier` must be one of template, demo, client, not "cliente"
     --> tenants/bo.toml:3:8
      |
    3 | tier = "cliente"
      |        ^^^^^^^^^
      |
    help: did you mean `client`?
    error: `accounts.vapi.sandbox` must be a boolean, not a string
     --> upa.toml:8:11
      |
    8 | sandbox = "yes"
      |           ^^^^^
      |
    help: write `true` or `false`, without quotes
    error: `revision` must be an integer, not a string
     --> versions/bot/v1.toml:3:12
      |
    3 | revision = "one"
      |            ^^^^^
      |
    help: write a whole number, without quotes
    4 errors
    "#);
}

#[test]
fn inputs_that_do_not_fit_the_schema() {
    let space = Space::with(&["ana", "bo", "cy"]);
    space.edit(
        "tenants/ana.toml",
        "\"Hello from ana\"",
        &format!("\"{}\"", "x".repeat(41)),
    );
    space.edit(
        "tenants/bo.toml",
        "greeting = \"Hello from bo\"",
        "greting = \"Hello\"\nminutes = 2",
    );
    space.edit("tenants/cy.toml", "[inputs]\ngreeting = \"Hello from cy\"\n", "");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `inputs.greeting`: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is longer than 40 characters
     --> tenants/ana.toml:8:12
      |
    8 | greeting = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: give a value that fits
    error: `inputs.greeting` is missing
     --> tenants/bo.toml:7:2
      |
    7 | [inputs]
      |  ^^^^^^
      |
    help: add `greeting = …`
    error: unknown key `greting` in `inputs`
     --> tenants/bo.toml:8:1
      |
    8 | greting = "Hello"
      | ^^^^^^^
      |
    help: did you mean `greeting`?
    error: `inputs.minutes`: 2 is less than the minimum of 5
     --> tenants/bo.toml:9:11
      |
    9 | minutes = 2
      |           ^
      |
    help: give a value that fits
    error: `inputs.greeting` is missing
    --> tenants/cy.toml
     |
    help: add `greeting = …`
    5 errors
    "#);
}

#[test]
fn templates_that_are_missing_or_broken() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "template = \"record.json\"", "template = \"recrd.json\"");
    space.edit(
        VERSION_FILE,
        "template = \"assistant.json\"",
        "template = \"../../../upa.toml\"",
    );
    space.write(
        &format!("{TEMPLATES}/answer.json"),
        "{\n  \"name\": \"Answer\",\n  \"nodes\": [,]\n}\n",
    );
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: not valid JSON: expected value
     --> templates/bot/v1/answer.json:3:13
      |
    3 |   "nodes": [,]
      |             ^
      |
    help: export the document again, or check it with a JSON tool
    error: there is no template `templates/bot/v1/recrd.json`
      --> versions/bot/v1.toml:22:12
       |
    22 | template = "recrd.json"
       |            ^^^^^^^^^^^^
       |
    help: did you mean `record.json`?
    error: `../../../upa.toml` leaves the version's folder `templates/bot/v1/`
      --> versions/bot/v1.toml:27:12
       |
    27 | template = "../../../upa.toml"
       |            ^^^^^^^^^^^^^^^^^^^
       |
    help: a template is a file in that folder
    3 errors
    "#);
}

#[test]
fn names_that_are_not_defined() {
    let space = Space::with(&["ana"]);
    let mut assistant = product::assistant();
    assistant["firstMessage"] = json!("<%= inputs.greting %> <%= tenant.nme %>");
    assistant["endCallMessage"] = json!("<%= webhook.inbound.url %>");
    assistant["idleMessage"] = json!("<%= inputs. %>");
    template(&space, "assistant.json", &assistant);
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `<%= webhook.inbound.url %>`: `webhook.inbound.url` is not defined
     --> templates/bot/v1/assistant.json:2:22
      |
    2 |   "endCallMessage": "<%= webhook.inbound.url %>",
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: did you mean `webhooks`?
    error: `<%= inputs.greting %>`: `inputs.greting` is not defined
     --> templates/bot/v1/assistant.json:3:20
      |
    3 |   "firstMessage": "<%= inputs.greting %> <%= tenant.nme %>",
      |                    ^^^^^^^^^^^^^^^^^^^^^
      |
    help: did you mean `greeting`?
    error: `<%= tenant.nme %>`: `tenant.nme` is not defined
     --> templates/bot/v1/assistant.json:3:42
      |
    3 |   "firstMessage": "<%= inputs.greting %> <%= tenant.nme %>",
      |                                          ^^^^^^^^^^^^^^^^^
      |
    help: did you mean `name`?
    error: `<%= inputs. %>`: expected a path such as `inputs.name` or `files["prompt.md"]`
     --> templates/bot/v1/assistant.json:4:19
      |
    4 |   "idleMessage": "<%= inputs. %>",
      |                   ^^^^^^^^^^^^^^
      |
    help: there are no filters and no logic
    4 errors
    "#);
}

#[test]
fn workflows_that_call_each_other_in_a_circle() {
    let space = Space::with(&["ana"]);
    let mut record = product::record();
    let nodes = record["nodes"].as_array_mut().unwrap();
    nodes.push(product::call("Answer again", "AnswerAnswer0001"));
    template(&space, "record.json", &record);
    product::release(&space);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: these workflows call each other in a circle, and n8n publishes none of them before the others: answer → record → answer
    --> templates/bot/v1/answer.json
     |
    help: break the circle: let one of them answer instead of calling back
    "#);
}

#[test]
fn names_that_nobody_knows() {
    let space = Space::with(&["ana", "bo", "cy", "di", "ed"]);
    space.edit("tenants/ana.toml", "product = \"bot\"", "product = \"bott\"");
    space.edit("tenants/bo.toml", "version = \"v1\"", "version = \"v9\"");
    space.write(
        "tenants/cy.toml",
        format!("{}\n[credentials]\ncrm = \"x\"\n", product::tenant("cy")),
    );
    space.write(
        "tenants/di.toml",
        format!("{}\n[accounts]\nn8n = \"n8n-eu\"\n", product::tenant("di")),
    );
    space.write(
        "tenants/ed.toml",
        format!("{}\n[adopt]\nanswr = \"x\"\n", product::tenant("ed")),
    );
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: there is no product `bott`
     --> tenants/ana.toml:1:11
      |
    1 | product = "bott"
      |           ^^^^^^
      |
    help: did you mean `bot`?
    error: `bot` has no version `v9`
     --> tenants/bo.toml:2:11
      |
    2 | version = "v9"
      |           ^^^^
      |
    help: its versions: v1
    error: the version knows no credential `crm`
      --> tenants/cy.toml:11:1
       |
    11 | crm = "x"
       | ^^^
       |
    help: it needs none: remove the line
    error: there is no account `n8n-eu` in upa.toml
      --> tenants/di.toml:11:7
       |
    11 | n8n = "n8n-eu"
       |       ^^^^^^^^
       |
    help: accounts there: n8n, vapi
    error: cannot adopt `answr`: the version has no such resource
      --> tenants/ed.toml:11:1
       |
    11 | answr = "x"
       | ^^^^^
       |
    help: its resources: answer, assistant, record
    5 errors
    "#);
}

#[test]
fn kinds_and_platforms_that_nobody_knows() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "kind = \"vapi.assistant\"", "kind = \"vapi.asistant\"");
    space.edit(VERSION_FILE, "kind = \"n8n.workflow\"", "kind = \"n8m.workflow\"");
    space.edit(VERSION_FILE, "resource = \"answer\"", "resource = \"anser\"");
    space.edit("upa.toml", "[accounts.vapi]", "[accounts.vapy]");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `<%= webhooks.inbound.url %>`: `webhooks.inbound.url` is not defined
     --> templates/bot/v1/assistant.json:5:13
      |
    5 |     "url": "<%= webhooks.inbound.url %>"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    help: known here: none
    error: upa.toml has no account for `vapi`, which the version uses
     --> tenants/ana.toml:2:11
      |
    2 | version = "v1"
      |           ^^^^
      |
    help: add `[accounts.vapi]` to upa.toml
    error: account `vapy`: there is no platform `vapy`
     --> upa.toml:7:1
      |
    7 | [accounts.vapy]
      | ^^^^^^^^^^^^^^^
      |
    help: did you mean `platform = "vapi"`?
    error: webhook `inbound`: there is no resource `anser`
      --> versions/bot/v1.toml:12:12
       |
    12 | resource = "anser"
       |            ^^^^^^^
       |
    help: resources of this version: answer, assistant, record
    error: there is no platform `n8m`
      --> versions/bot/v1.toml:16:8
       |
    16 | kind = "n8m.workflow"
       |        ^^^^^^^^^^^^^^
       |
    help: did you mean `n8n`?
    error: there is no kind `vapi.asistant`
      --> versions/bot/v1.toml:26:8
       |
    26 | kind = "vapi.asistant"
       |        ^^^^^^^^^^^^^^^
       |
    help: did you mean `vapi.assistant`?
    6 errors
    "#);
}

#[test]
fn tenant_names_against_the_rule() {
    let space = Space::with(&[]);
    for name in ["Ana", "a--b", "-a", "ñu", &"x".repeat(41)] {
        space.write(&format!("tenants/{name}.toml"), product::tenant("x"));
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `-a` is not a tenant's name
    --> tenants/-a.toml
     |
    help: use lower case letters, digits and single hyphens, at most 40 characters, and rename the file
    error: `Ana` is not a tenant's name
    --> tenants/Ana.toml
     |
    help: use lower case letters, digits and single hyphens, at most 40 characters, and rename the file
    error: `a--b` is not a tenant's name
    --> tenants/a--b.toml
     |
    help: use lower case letters, digits and single hyphens, at most 40 characters, and rename the file
    error: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is not a tenant's name
    --> tenants/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.toml
     |
    help: use lower case letters, digits and single hyphens, at most 40 characters, and rename the file
    error: `ñu` is not a tenant's name
    --> tenants/ñu.toml
     |
    help: use lower case letters, digits and single hyphens, at most 40 characters, and rename the file
    5 errors
    "#);
}

#[test]
fn one_object_adopted_by_two_tenants() {
    let space = Space::with(&["ana", "bo"]);
    for tenant in ["ana", "bo"] {
        let text = format!("{}\n[adopt]\nanswer = \"AbCdEfGh12345678\"\n", product::tenant(tenant));
        space.write(&format!("tenants/{tenant}.toml"), text);
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `[ID]` is adopted by tenant `ana` already
      --> tenants/bo.toml:11:10
       |
    11 | answer = "[ID]"
       |          ^^^^^^^^^^^^^^^^^^
       |
    help: an object belongs to one tenant: remove one of the two
    "#);
}

/// The small product with a credential.
fn with_credential(tenants: &[&str]) -> Space {
    let space = Space::with(tenants);
    let mut answer = product::answer();
    let mut request = product::node("Ask", "httpRequest", json!({"url": "https://crm.example"}));
    request["credentials"] = json!({"httpHeaderAuth": {"id": "1", "name": "Template CRM"}});
    answer["nodes"].as_array_mut().unwrap().push(request);
    template(&space, "answer.json", &answer);
    space.edit(
        VERSION_FILE,
        "[webhooks.inbound]",
        "[credentials.crm]\nplatform = \"n8n\"\ntype = \"httpHeaderAuth\"\ntemplate_name = \"Template CRM\"\n\n[webhooks.inbound]",
    );
    product::release(&space);
    space
}

#[test]
fn one_credential_used_by_two_tenants() {
    let space = with_credential(&["ana", "bo"]);
    for tenant in ["ana", "bo"] {
        let text = format!("{}\n[credentials]\ncrm = \"CRM\"\n", product::tenant(tenant));
        space.write(&format!("tenants/{tenant}.toml"), text);
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: credential "CRM" of account `n8n` is used by tenant bo too
      --> tenants/ana.toml:11:7
       |
    11 | crm = "CRM"
       |       ^^^^^
       |
    help: give each tenant its own, or say `crm = { name = "CRM", shared = true }` in all of them
    error: credential "CRM" of account `n8n` is used by tenant ana too
      --> tenants/bo.toml:11:7
       |
    11 | crm = "CRM"
       |       ^^^^^
       |
    help: give each tenant its own, or say `crm = { name = "CRM", shared = true }` in all of them
    2 errors
    "#);
}

#[test]
fn credentials_that_are_not_named_or_not_there() {
    let space = with_credential(&["ana", "bo"]);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: the version needs a credential `crm` (n8n of type `httpHeaderAuth`)
    --> tenants/ana.toml
     |
    help: add `crm = "<its name in n8n>"` to `[credentials]`
    error: the version needs a credential `crm` (n8n of type `httpHeaderAuth`)
    --> tenants/bo.toml
     |
    help: add `crm = "<its name in n8n>"` to `[credentials]`
    2 errors
    "#);
    for tenant in ["ana", "bo"] {
        let text = format!(
            "{}\n[credentials]\ncrm = \"CRM of {tenant}\"\n",
            product::tenant(tenant)
        );
        space.write(&format!("tenants/{tenant}.toml"), text);
    }
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stdout
    No changes; 2 tenants could not be planned.
    --- stderr
    error: account `n8n`: there is no credential "CRM of ana" of type `httpHeaderAuth`
      --> tenants/ana.toml:11:7
       |
    11 | crm = "CRM of ana"
       |       ^^^^^^^^^^^^
       |
    help: create it there: the account has no credential of type `httpHeaderAuth` that this key sees
    error: account `n8n`: there is no credential "CRM of bo" of type `httpHeaderAuth`
      --> tenants/bo.toml:11:7
       |
    11 | crm = "CRM of bo"
       |       ^^^^^^^^^^^
       |
    help: create it there: the account has no credential of type `httpHeaderAuth` that this key sees
    2 errors
    "#);
}

#[test]
fn links_are_not_followed() {
    let space = Space::with(&["ana"]);
    space.remove(&format!("{TEMPLATES}/record.json"));
    std::os::unix::fs::symlink("/etc/hostname", space.path(&format!("{TEMPLATES}/record.json"))).unwrap();
    std::os::unix::fs::symlink("/etc", space.path("tenants/more")).unwrap();
    std::os::unix::fs::symlink("ana.toml", space.path("tenants/bo.toml")).unwrap();
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: choose a workflow of this version from the list in n8n (Answer) and export again
    error: cannot use `templates/bot/v1/record.json`: it is a symbolic link (to `/etc/hostname`), and links are never followed
    --> templates/bot/v1/record.json
     |
    help: replace the link by the file itself
    error: cannot use `tenants/bo.toml`: it is a symbolic link (to `ana.toml`), and links are never followed
    --> tenants/bo.toml
     |
    help: replace the link by the file itself
    error: cannot use `tenants/more`: it is a symbolic link (to `/etc`), and links are never followed
    --> tenants/more
     |
    help: replace the link by the file itself
    4 errors
    "#);
}

#[test]
fn tenants_where_nobody_looks() {
    let space = Space::with(&["ana"]);
    space.write("tenants/eu/bo.toml", product::tenant("bo"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `tenants/eu/bo.toml` is in a folder of its own, where no tenant is looked for
    --> tenants/eu/bo.toml
     |
    help: move it into `tenants/`; use `labels` to tell groups of tenants apart
    "#);
}

#[test]
fn files_that_are_too_large() {
    let space = Space::with(&["ana"]);
    let large = vec![b' '; 50 << 20];
    space.write(&format!("{TEMPLATES}/record.json"), &large);
    space.write("tenants/bo.toml", &large);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: choose a workflow of this version from the list in n8n (Answer) and export again
    error: cannot use `templates/bot/v1/record.json`: it has 52428800 bytes, and upa reads at most 16777216
    --> templates/bot/v1/record.json
     |
    help: keep large data out of the workspace
    error: cannot use `tenants/bo.toml`: it has 52428800 bytes, and upa reads at most 1048576
    --> tenants/bo.toml
     |
    help: keep large data out of the workspace
    3 errors
    "#);
}

#[test]
fn files_that_are_nested_too_deep() {
    let space = Space::with(&["ana"]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    space.write(&format!("{TEMPLATES}/record.json"), &deep);
    product::release(&space);
    space.write("tenants/bo.toml", format!("labels{} = 1\n", ".a".repeat(5_000)));
    space.write("tenants/cy.toml", format!("labels = {deep}\n"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: choose a workflow of this version from the list in n8n (Answer) and export again
    error: not valid JSON: recursion limit exceeded
     --> templates/bot/v1/record.json:1:61
      |
    1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                                             ^
      |
    help: nest it less than 128 deep
    error: not valid TOML: recursion limit
     --> tenants/bo.toml:1:1
      |
    1 | labels.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a
      | ^
      |
    help: nest tables and arrays less deep
    error: not valid TOML: cannot recurse further; max recursion depth met
     --> tenants/cy.toml:1:61
      |
    1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                                             ^
      |
    help: nest tables and arrays less deep
    4 errors
    "#);
}

#[test]
fn files_that_are_not_utf_8() {
    let space = Space::with(&["ana"]);
    space.write(&format!("{TEMPLATES}/record.json"), b"{\"name\": \"Grabaci\xf3n\"}");
    space.write("tenants/bo.toml", b"product = \"\xff\"\n");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: choose a workflow of this version from the list in n8n (Answer) and export again
    error: cannot use `templates/bot/v1/record.json`: it is not UTF-8 text
    --> templates/bot/v1/record.json
     |
    help: save it as UTF-8
    error: cannot use `tenants/bo.toml`: it is not UTF-8 text
    --> tenants/bo.toml
     |
    help: save it as UTF-8
    3 errors
    "#);
}

#[test]
fn a_client_on_a_version_that_is_not_released() {
    let space = Space::with(&["ana"]);
    space.edit(VERSION_FILE, "stage = \"released\"", "stage = \"demo\"");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: `bot` v1 is not released for tier `client`: its stage is `demo`
     --> tenants/ana.toml:2:11
      |
    2 | version = "v1"
      |           ^^^^
      |
    help: use a released version, or promote this one by changing its `stage`
    "#);
}

#[test]
fn templates_that_were_edited_added_or_removed_without_a_release() {
    let space = Space::with(&["ana"]);
    space.edit(&format!("{TEMPLATES}/assistant.json"), "assistant\"", "helper\"");
    space.write(&format!("{TEMPLATES}/notes.md"), "new\n");
    space.remove(&format!("{TEMPLATES}/record.json"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: choose a workflow of this version from the list in n8n (Answer) and export again
    error: `templates/bot/v1/assistant.json` was edited without a release: revision 1 has another
    --> templates/bot/v1/assistant.json
     |
    help: run `upa release bot v1`, then commit
    error: `templates/bot/v1/notes.md` was added without a release: it is not part of revision 1
    --> templates/bot/v1/notes.md
     |
    help: run `upa release bot v1`, then commit
    error: there is no template `templates/bot/v1/record.json`
      --> versions/bot/v1.toml:22:12
       |
    22 | template = "record.json"
       |            ^^^^^^^^^^^^^
       |
    help: files there: answer.json, assistant.json, notes.md
    error: `templates/bot/v1/record.json` is part of revision 1 and is missing
      --> versions/bot/v1.toml:32:1
       |
    32 | "record.json" = "sha256:[DIGEST]"
       | ^^^^^^^^^^^^^
       |
    help: restore it with git, or run `upa release bot v1`, then commit
    5 errors
    "#);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let space = Space::with(&["ana", "bo", "cy", "di"]);
    space.edit("upa.toml", "[accounts.vapi]", "[accounts.vapi]\nx = 1\ny = 2");
    space.edit("tenants/ana.toml", "tier = \"client\"", "tier = 1");
    space.edit("tenants/bo.toml", "product = \"bot\"", "product = = \"bot\"");
    space.edit("tenants/cy.toml", "version = \"v1\"", "version = \"v2\"");
    space.edit(
        "tenants/di.toml",
        "greeting = \"Hello from di\"",
        "greeting = 1\nother = 2",
    );
    space.edit(VERSION_FILE, "template = \"record.json\"", "template = \"gone.json\"");
    let run = space.refused();
    assert!(run.stderr.trim_end().ends_with("10 errors"), "{run}");
}

#[test]
fn a_tenant_that_is_wrong_does_not_stop_another_that_is_named() {
    let space = Space::with(&["ana", "bo"]);
    space.edit("tenants/bo.toml", "tier = \"client\"", "tier = 1");
    space.commit("bo is wrong");
    space.upa(&["apply", "--yes", "bo"]).exits(5);
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    space.upa(&["plan", "--detailed-exitcode", "ana"]).exits(0);
}

#[test]
fn places_that_are_no_workspace() {
    let space = Space::bare();
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 5
    --- stderr
    error: there is no `upa.toml` here, so this is not a workspace
     |
    help: run `upa demo` for an example, or change to the workspace's folder (`-C DIR`)
    "#);
    assert_snapshot!(space.upa(&["apply", "--yes"]), @r#"
    exit 5
    --- stderr
    error: the repository has no commit yet
    hint: commit the workspace first: `git add . && git commit`
    "#);
    space.write("upa.toml", product::SETTINGS);
    assert_snapshot!(space.upa(&["apply", "--yes"]), @r#"
    exit 5
    --- stderr
    error: the repository has no commit yet
    hint: commit the workspace first: `git add . && git commit`
    "#);
    assert_snapshot!(space.upa(&["apply", "-C", "/", "--yes"]), @r#"
    exit 5
    --- stderr
    error: `/` is not in a Git repository
    hint: change to the workspace's folder (`-C DIR`), or make one: `git init`
    "#);
    assert_snapshot!(space.upa(&["apply", "-C", "nowhere", "--yes"]), @r#"
    exit 5
    --- stderr
    error: there is no folder `nowhere`
    hint: name the workspace's folder: `-C DIR`
    "#);
    space.write("upa.toml", "");
    assert_snapshot!(space.upa(&["plan"]), @r#"
    exit 5
    --- stderr
    error: `workspace` is missing
    --> upa.toml
     |
    help: add `[workspace]`
    "#);
    std::fs::create_dir(space.path("sub")).unwrap();
    space.commit("settings");
    assert_snapshot!(space.upa(&["plan", "-C", "sub"]), @r#"
    exit 5
    --- stderr
    error: there is no `upa.toml` here, so this is not a workspace
     |
    help: run `upa demo` for an example, or change to the workspace's folder (`-C DIR`)
    "#);
}

#[test]
fn files_that_are_not_committed_are_not_applied() {
    let space = Space::with(&["ana"]);
    let head = space.head();
    space.write("tenants/bo.toml", product::tenant("bo"));
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.git(&["add", "tenants/ana.toml"]);
    let run = space.upa(&["apply", "--yes"]).exits(5);
    transcript::complete(&run.stderr);
    assert_snapshot!(run, @r#"
    exit 5
    --- stderr
    error: `tenants/ana.toml` is not committed
    --> tenants/ana.toml
     |
    help: commit it, or put it aside with `git stash -u`; `upa plan` shows what it would change
    error: `tenants/bo.toml` is not committed
    --> tenants/bo.toml
     |
    help: commit it, or put it aside with `git stash -u`; `upa plan` shows what it would change
    2 errors
    "#);
    assert_eq!(space.head(), head);
    assert_eq!(space.objects(), 0);
    // Plan may look at them.
    assert!(space.upa(&["plan"]).exits(0).stdout.contains("bo@v1/answer"));
}
