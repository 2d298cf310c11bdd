//! Wrong files: each finding names the file, the line and the next step, all of them come in one run, and nothing is
//! written. Every workspace here is committed and applied, so that the refusal is apply's own.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::product::{self, VERSION_FILE, template};
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
    error: unknown key `base_ur1` in `accounts.vapi`
     --> upa.toml:8:1
      |
    8 | base_ur1 = "x"
      | ^^^^^^^^
      |
    help: did you mean `base_url`?
    error: account `vapi`: `base_url` is not a URL: expected `https://…`
     --> upa.toml:8:12
      |
    8 | base_ur1 = "x"
      |            ^^^
      |
    help: write the address of the platform: `https://…`
    error: unknown key `lisst` in `resource.contact`
     --> platforms/crm.toml:6:1
      |
    6 | lisst = "GET /contacts"
      | ^^^^^
      |
    help: did you mean `list`?
    error: a list must say where the objects are in the answer
     --> platforms/crm.toml:6:9
      |
    6 | lisst = "GET /contacts"
      |         ^^^^^^^^^^^^^^^
      |
    help: write `{ call = "GET /things", items = "…" }` (empty: the answer itself)
    error: unknown key `stages`
     --> versions/bot/v1.toml:4:1
      |
    4 | stages = "released"
      | ^^^^^^
      |
    help: did you mean `stage`?
    error: unknown key `oparator`
     --> tenants/ana.toml:5:1
      |
    5 | oparator = "ana@example.test"
      | ^^^^^^^^
      |
    help: did you mean `operator`?
    6 errors
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
    4 errors
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
