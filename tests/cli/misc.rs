//! Small commands: validate, new, status, show, trace, schema, help.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::transcript::seen;
use crate::support::{Server, Space, server};

#[test]
fn validate() {
    let space = Space::with(&["ana", "bo"]);
    assert_snapshot!(space.upa(&["validate"]), @r#"
    exit 0
    --- stdout
    Valid: 2 tenants, 1 version, 6 resources.
    "#);
    space.edit("tenants/bo.toml", "\"client\"", "\"klient\"");
    space.upa(&["validate"]).exits(5);
    space.upa(&["validate", "--at", "HEAD"]).exits(0);
}

#[test]
fn new() {
    let space = Space::with(&["ana"]);
    assert_snapshot!(space.upa(&["new", "casa-sol"]), @r#"
    exit 0
    --- stdout
    Wrote tenants/casa-sol.toml. Fill in what is empty or commented out, then: upa validate && upa plan casa-sol
    "#);
    assert_snapshot!(space.read("tenants/casa-sol.toml"), @r#"
    product  = "bot"
    version  = "v1"
    tier     = "client"
    status   = "active"               # active | suspended | deprovisioned
    operator = "ana@example.test"

    [inputs]
    greeting = ""
    # minutes = 30
    "#);
    // It says itself what is still missing.
    space.upa(&["validate"]);
    assert_snapshot!(space.upa(&["new", "casa-sol"]), @r#"
    exit 5
    --- stderr
    error: `tenants/casa-sol.toml` exists already
    hint: edit it, or choose another name than `casa-sol`
    "#);
    assert_snapshot!(space.upa(&["new", "Casa Sol"]), @r#"
    exit 64
    --- stderr
    error: `Casa Sol` is not a tenant's name
    hint: use lower case letters, digits and single hyphens, at most 40 characters
    "#);
    assert_snapshot!(space.upa(&["new", "casa", "--product", "nothing"]), @r#"
    exit 5
    --- stderr
    error: there is no such version for this tier
    hint: versions: bot v1
    "#);
    assert_snapshot!(space.upa(&["new", "casa", "--use-version", "v9"]), @r#"
    exit 5
    --- stderr
    error: there is no such version for this tier
    hint: versions: bot v1
    "#);
}

#[test]
fn status_and_show() {
    let space = Space::with(&["ana", "bo"]);
    space.upa(&["apply", "--yes", "ana"]).exits(0);
    assert_snapshot!(space.upa(&["status"]), @r#"
    exit 0
    --- stdout
    TENANT  TIER    STATUS  VERSION  REVISION  REQUEST    OBJECTS  SINCE
    ana     client  active  bot v1   1         COMPLETED  3        [TIME]
    bo      client  active  bot v1   -         none yet   0        -
    "#);
    assert_snapshot!(space.upa(&["status", "bo"]), @r#"
    exit 0
    --- stdout
    TENANT  TIER    STATUS  VERSION  REVISION  REQUEST   OBJECTS  SINCE
    bo      client  active  bot v1   -         none yet  0        -
    "#);
    assert_snapshot!(space.upa(&["show", "ana"]), @r#"
    exit 0
    --- stdout
    Provisioning request
      request_id             [UUID]
      tenant_name            ana
      product_type           bot
      version                v1
      state                  COMPLETED
      created_at             [TIME]
      updated_at             [TIME]
      schema_ref             versions/bot/v1.toml@[COMMIT]
      operator               ana@example.test
      error_log              -
    Tenant configuration
      tenant_name            ana
      webhook_base_path      ana-[UUID]
      webhooks
        inbound              https://sandbox.invalid/n8n/webhook/ana-[UUID]/inbound
      workflow_ids
        answer               [ID]
        record               [ID]
      version                v1
      provisioned_at         [TIME]
      status                 active
    "#);
    assert_snapshot!(space.upa(&["show", "bo"]), @r#"
    exit 0
    --- stdout
    Provisioning request
      none yet: run `upa apply bo`
    Tenant configuration
      tenant_name            bo
      webhook_base_path      -
      workflow_ids           -
      version                v1
      provisioned_at         -
      status                 active
    "#);
    let json = space.upa(&["show", "ana", "--format", "json"]).exits(0).json();
    assert_eq!(json["provisioning_request"]["tenant_name"], json!("ana"), "{json:#}");
    assert_eq!(json["provisioning_request"]["state"], json!("COMPLETED"), "{json:#}");
    assert_snapshot!(space.upa(&["show", "zoe"]), @r#"
    exit 5
    --- stderr
    error: there is no tenant `zoe`
    hint: make it with `upa new zoe`, or list the tenants with `upa status`
    "#);
}

#[test]
fn trace() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    let id = space.id("ana", "ana@v1/answer");
    assert_snapshot!(space.upa(&["trace", &id]), @r#"
    exit 0
    --- stdout
    tenant     ana
    resource   ana@v1/answer
    kind       n8n.workflow
    account    n8n
    id         [ID]
    version    bot v1 revision 1
    request    [UUID] (COMPLETED, [TIME])
    operator   ana@example.test
    commit     [COMMIT]
    "#);
    let base = space.lock("ana")["versions"]["v1"]["webhook_base_path"]
        .as_str()
        .unwrap()
        .to_owned();
    for what in [
        format!("https://sandbox.invalid/n8n/webhook/{base}/inbound"),
        format!("https://sandbox.invalid/n8n/webhook/{base}/inbound?test=1"),
        format!("{base}/inbound"),
        format!("{base}/inbound/"),
    ] {
        let run = space.upa(&["trace", &what]).exits(0);
        assert!(run.stdout.contains("resource   ana@v1/answer"), "{what}: {run}");
        assert!(run.stdout.contains("webhook    POST"), "{what}: {run}");
        assert!(!run.stdout.contains("bo@v1"), "{what}: {run}");
    }
    let bare = space.upa(&["trace", &base]);
    assert!(bare.stdout.contains("ana"), "{bare}");
    assert_snapshot!(space.upa(&["trace", "AbCdEfGh12345678"]), @r#"
    exit 1
    --- stderr
    error: no lockfile records `[ID]`
    hint: give the id as the platform shows it, or the webhook's URL
    "#);
}

#[test]
fn schemas_are_json() {
    let space = Space::bare();
    for file in ["tenant", "version", "workspace", "platform"] {
        let schema = space.upa(&["schema", file]).exits(0).json();
        assert!(schema["properties"].is_object(), "{file}: {schema:#}");
    }
    space.upa(&["schema", "lockfile"]).exits(64);
}

#[test]
fn help() {
    let space = Space::bare();
    assert_snapshot!(space.upa(&["help", "exit-codes"]), @r#"
    exit 0
    --- stdout
      0  done, or nothing to do
      1  failed; upa doctor: something is not as it should be
      2  plan --detailed-exitcode: there are changes
      3  there is only drift (not used yet)
      4  some tenants failed, others did not
      5  invalid configuration: nothing was written
      6  a platform refused the key, or it lacks a scope
      7  platform error or quota: safe to run again
      8  interrupted: the journal is consistent, run again
     10  a human must decide
     11  another run is working
     12  the plan is stale: what it was made from has moved
     14  a threshold of [policy] was exceeded
     15  apply --require-complete: waiting for an approval or a confirmation
     64  wrong usage of the command line
    "#);
    assert_eq!(
        space.upa(&["exit-codes"]).stdout,
        space.upa(&["help", "exit-codes"]).stdout
    );
    assert_snapshot!(space.upa(&["--help"]), @r#"
    exit 0
    --- stdout
    Keeps the tenants of a product exactly as Git says they are.

    A tenant is a file in `tenants/`. `plan` shows what would change on the platforms, `apply` does it
    and commits the lockfile with every id it created. Start with `upa demo`.

    Usage: upa [OPTIONS] <COMMAND>

    Commands:
      demo      Make an example workspace on the embedded sandbox, and walk through it
      new       Write a new tenant file
      validate  Check every file of the workspace, without asking any platform
      plan      Show what apply would do, and why
      apply     Make the platforms as Git says, and commit the lockfiles
      approve   Write into a tenant's file that somebody has checked what a gate covers
      doctor    Look for everything that is not as it should be, and say what to type
      orphans   List what carries this workspace's mark and is in no lockfile
      recover   Rebuild a lost lockfile from the marks that objects carry
      lease     Show who is applying now, or take a claim away
      status    Show the fleet as a table
      show      Show what is recorded of a tenant
      trace     Find whose an object or a webhook is
      export    Turn a running workflow or object into a template
      adopt     Write what was changed on the platform back into Git's files
      release   Make edited templates the next revision of their version
      sandbox   Serve the sandbox on a loopback port until it is stopped
      platform  Show what is known about platforms, and check a definition against the vendor's contract
      schema    Print the JSON Schema of a file people write
      help      Print this message or the help of the given subcommand(s)

    Options:
      -C, --dir <DIR>
              The workspace's folder

              [default: .]

          --sandbox
              Rehearse: serve every account from a sandbox of its own, keep its state and lockfiles in
              `.upa/rehearsal/`, never commit

          --chaos-seed <SEED>
              Let the sandbox tell lies from this seed, as platforms do on bad days: answers that are
              lost, cut, old, refused, of a proxy, or of something else. The same seed tells the same
              lies

          --offline
              Look at the lockfiles that were fetched last instead of asking the remote of `[git]`

          --trusted-ref <REF>
              Read upa.toml, `platforms/`, encrypted files and lockfiles as this commit says, and only
              tenants, versions and templates of what is planned. By default the tip of the remote's
              default branch

      -v, --verbose
              End a run with what it asked of each account, even where nobody looks on

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version
    "#);
    for command in [
        "demo", "new", "validate", "plan", "apply", "status", "show", "trace", "release", "sandbox", "schema",
    ] {
        assert!(!space.upa(&[command, "--help"]).exits(0).stdout.is_empty());
        space.upa(&["help", command]).exits(0);
    }
}

#[test]
fn the_shipped_workspace() {
    let space = Space::shipped();
    space.upa(&["validate"]).exits(0);
    // Credentials are made by people, on the platform.
    let run = space.upa(&["plan"]).exits(5);
    assert!(run.stderr.contains("there is no credential \"welcs · CRM\""), "{run}");
    server::on(&space, Server::shipped_credentials);
    space.apply();
    space.settled();
    // 21 workflows and 3 assistants.
    assert_eq!(space.objects(), 24);
    assert_eq!(space.commits(), 2);
    let run = space.upa(&["show", "welcs"]).exits(0);
    let sheet = run
        .stdout
        .lines()
        .rfind(|line| line.trim_start().starts_with("url "))
        .unwrap();
    let sheet = sheet.split_whitespace().last().unwrap();
    assert!(sheet.starts_with("https://sandbox.invalid/"), "{run}");
    assert_snapshot!(seen(&run.stdout.replace(sheet, "[SHEET]")), @r#"
    Provisioning request
      request_id             [UUID]
      tenant_name            welcs
      product_type           recepcionista-ia
      version                v2.0
      state                  COMPLETED
      integrations
        calendar             COMPLETED
        crm                  COMPLETED
        n8n                  COMPLETED
        sheet                COMPLETED
        voice                COMPLETED
        webhooks             COMPLETED
      created_at             [TIME]
      updated_at             [TIME]
      schema_ref             versions/recepcionista-ia/v2.0.toml@[COMMIT]
      operator               ana@nexumops.example
      error_log              -
    Tenant configuration
      tenant_name            welcs
      webhook_base_path      welcs-[UUID]
      webhooks
        booking              https://sandbox.invalid/n8n/webhook/welcs-[UUID]/booking
        calendar             https://sandbox.invalid/n8n/webhook/welcs-[UUID]/calendar
        inbound              https://sandbox.invalid/n8n/webhook/welcs-[UUID]/inbound
        reminders            https://sandbox.invalid/n8n/webhook/welcs-[UUID]/reminders
      workflow_ids
        booking              [ID]
        calendar-changes     [ID]
        crm-sync             [ID]
        error-handler        [ID]
        inbound-call         [ID]
        post-call-summary    [ID]
        reminders            [ID]
      version                v2.0
      provisioned_at         [TIME]
      status                 active
      calendar_config
        calendar             [UUID]
        credential           welcs · Google Calendar
        watch                [UUID]
      crm_config
        credential           welcs · CRM
        crm                  hubspot
        field                -
        location             -
        pipeline             [UUID]
        property             recepcion_motivo_llamada
        url                  https://crm.welcs.example/api/eventos
      sheet_config
        credential           welcs · Google Sheets
        sheet                [UUID]
        url                  [SHEET]
      vapi_assistant_id      [UUID]
    "#);
}

/// What depends on a choice is scaffolded with it, and missed where the choice was made.
#[test]
fn a_tenant_of_the_shipped_product_chooses_its_crm() {
    let space = Space::shipped();
    space.upa(&["new", "clinic"]).exits(0);
    let text = space.read("tenants/clinic.toml");
    for lines in [
        "# One of: \"none\", \"hubspot\", \"gohighlevel\"\n",
        "# If crm is \"gohighlevel\", the tenant has `ghl-booking-url`, `ghl-last-call`.\n",
        "# Needed only if crm is \"gohighlevel\":\n# ghl_location_id = \"\"\n",
        "# [adopt]\n# calendar = \"\"   # google.calendar\n",
        "# phone-number = \"\"   # vapi.phone_number; only if phone_number is true\n",
    ] {
        assert!(text.contains(lines), "`{lines}` is not in\n{text}");
    }
    space.edit("tenants/demo.toml", "ghl_location_id = ", "# ghl_location_id = ");
    space.remove("tenants/clinic.toml");
    let run = space.upa(&["validate"]).exits(5);
    assert!(
        run.stderr.contains("ghl_location_id") && run.stderr.contains("tenants/demo.toml:"),
        "{run}"
    );
}
