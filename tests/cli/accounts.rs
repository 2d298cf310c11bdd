//! Platforms that are down, keys that are wrong: who is held back, who is not, and the status.

use insta::assert_snapshot;

use crate::support::product;
use crate::support::{Server, Space, server};

/// `ana` is on a real n8n at `url`, `bo` and everything else in the sandbox.
fn half_real(url: &str) -> Space {
    let space = Space::with(&["ana", "bo"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]\nsandbox = true\n",
        &format!(
            "[accounts.n8n]\nsandbox = true\n\n[accounts.n8n-real]\nplatform = \"n8n\"\nbase_url = \"{url}\"\ncredentials.api_key = {{ env = \"N8N_KEY\" }}\n"
        ),
    );
    space.write(
        "tenants/ana.toml",
        format!("{}\n[accounts]\nn8n = \"n8n-real\"\n", product::tenant("ana")),
    );
    space.commit("ana on a real n8n");
    space
}

#[test]
fn a_platform_that_is_down_holds_back_only_its_tenants() {
    let space = half_real("http://127.0.0.1:9");
    let key = [("N8N_KEY", "secret-key")];
    let run = space.upa_with(&["plan"], &key);
    assert!(
        run.stdout.contains("bo@v1/answer") && !run.stdout.contains("ana@v1/"),
        "{run}"
    );
    assert_snapshot!(run, @r#"
    exit 7
    --- stdout
    bo  bot v1 revision 1 · active
      + create  bo@v1/answer     n8n.workflow    new in Git (versions/bot/v1.toml:15)
      + create  bo@v1/assistant  vapi.assistant  new in Git (versions/bot/v1.toml:25)
      + create  bo@v1/record     n8n.workflow    new in Git (versions/bot/v1.toml:20)

    Plan: 3 to create in 1 of 2 tenants
          about 20 API calls
    digest sha256:[DIGEST]
    --- stderr
    error: account `n8n-real`: GET /api/v1/workflows: cannot connect: Connection refused (os error 111)
     |
    help: check `accounts.n8n-real.base_url` in upa.toml and whether the platform is up, then run again
    error: tenant `ana` was not planned: account `n8n-real` could not be read
    2 errors
    "#);
    let run = space.upa_with(&["apply", "--yes"], &key).exits(4);
    assert!(!run.stderr.contains("secret-key"), "{run}");
    assert!(space.exists("tenants/bo.lock") && !space.exists("tenants/ana.lock"));
    space.upa_with(&["plan", "--detailed-exitcode", "bo"], &key).exits(0);
    // With nothing else to do, the status names the cause.
    space.upa_with(&["apply", "--yes"], &key).exits(7);
    space.upa_with(&["apply", "--yes", "ana"], &key).exits(7);
    assert_eq!(space.objects(), 3);
}

#[test]
fn a_key_that_is_missing_wrong_or_too_weak() {
    let platform = Space::with(&[]);
    server::on(&platform, |real: &Server| {
        let space = half_real(&format!("{}/n8n", real.url));
        let only = |scopes: &str| format!("{}:{scopes}", real.key);
        let scoped = only("workflow:list,workflow:read");
        assert_snapshot!(space.upa(&["plan", "ana"]).exits(6), @r#"
        exit 6
        --- stdout
        No changes; 1 tenant could not be planned.
        --- stderr
        error: account `n8n-real`: connect: the environment variable N8N_KEY is not set
         |
        help: `accounts.n8n-real.credentials` in upa.toml names it: set it in the environment of this command
        error: tenant `ana` was not planned: account `n8n-real` could not be read
        2 errors
        "#);
        assert_snapshot!(space.upa_with(&["plan", "ana"], &[("N8N_KEY", "wrong-key")]).exits(6), @r#"
        exit 6
        --- stdout
        No changes; 1 tenant could not be planned.
        --- stderr
        error: account `n8n-real`: GET /api/v1/workflows: Unauthorized (401)
         |
        help: check the key that `accounts.n8n-real.credentials` in upa.toml names: it is wrong, expired or of another instance
        error: tenant `ana` was not planned: account `n8n-real` could not be read
        2 errors
        "#);
        assert_snapshot!(space.upa_with(&["plan", "ana"], &[("N8N_KEY", &only("tag:list"))]).exits(6), @r#"
        exit 6
        --- stdout
        No changes; 1 tenant could not be planned.
        --- stderr
        error: account `n8n-real`: GET /api/v1/workflows: Forbidden (403)
         |
        help: the key lacks a scope for this call: add the scope, or use a key that has it
        error: tenant `ana` was not planned: account `n8n-real` could not be read
        2 errors
        "#);
        // The others proceed.
        space
            .upa_with(&["apply", "--yes"], &[("N8N_KEY", "wrong-key")])
            .exits(4);
        assert!(space.exists("tenants/bo.lock") && !space.exists("tenants/ana.lock"));
        // A key that may only read can plan, and nothing else.
        space
            .upa_with(&["plan", "--detailed-exitcode", "ana"], &[("N8N_KEY", &scoped)])
            .exits(2);
        let mut run = space.upa_with(&["apply", "--yes", "ana"], &[("N8N_KEY", &scoped)]);
        assert_eq!(run.status, 6, "{run}");
        run.stdout.clear();
        assert_snapshot!(run, @r#"
        exit 6
        --- stderr
          created     ana@v1/assistant
          failed      ana@v1/record: create: POST /api/v1/workflows: Forbidden (403)
          failed      ana@v1/answer: create: POST /api/v1/workflows: Forbidden (403)
          filled      ana@v1/assistant
        error: ana@v1/record: create: account `n8n-real`: POST /api/v1/workflows: Forbidden (403)
         |
        help: the key lacks a scope for this call: add the scope, or use a key that has it
        error: ana@v1/answer: create: account `n8n-real`: POST /api/v1/workflows: Forbidden (403)
         |
        help: the key lacks a scope for this call: add the scope, or use a key that has it
        2 errors
        "#);
        assert_eq!(real.workflows().len(), 0);
        // With the right key everything is settled.
        let right = [("N8N_KEY", real.key.as_str())];
        space.upa_with(&["apply", "--yes"], &right).exits(0);
        space.upa_with(&["plan", "--detailed-exitcode"], &right).exits(0);
        assert_eq!(real.workflows().len(), 2);
    });
}

#[test]
fn no_secret_is_shown_or_kept() {
    let platform = Space::with(&[]);
    server::on(&platform, |real: &Server| {
        let space = half_real(&format!("{}/n8n", real.url));
        let key = format!(
            "{}:workflow:list,workflow:read,workflow:create,workflow:update,workflow:activate,workflow:deactivate,workflow:delete,s3cr3t",
            real.key
        );
        let run = space.upa_with(&["apply", "--yes"], &[("N8N_KEY", key.as_str()), ("UPA_LOG", "trace")]);
        assert!(!run.to_string().contains("s3cr3t"), "{run}");
        assert!(!run.stderr.contains("s3cr3t") && !run.stdout.contains("s3cr3t"));
        for tenant in ["ana", "bo"] {
            let lock = space.read(&format!("tenants/{tenant}.lock"));
            assert!(!lock.contains("s3cr3t") && !lock.contains("127.0.0.1"), "{lock}");
        }
    });
}

#[test]
fn keys_do_not_travel_in_clear() {
    let space = half_real("http://n8n.example");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: account `n8n-real`: `base_url` must be `https://`: a key must not travel in clear (plain HTTP is allowed on loopback)
     --> upa.toml:9:12
      |
    9 | base_url = "http://n8n.example"
      |            ^^^^^^^^^^^^^^^^^^^^
      |
    help: write the address of the platform: `https://…`
    "#);
}

#[test]
fn an_account_that_moved_is_refused() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit(
        "upa.toml",
        "[accounts.n8n]\nsandbox = true\n",
        "[accounts.n8n]\nbase_url = \"http://127.0.0.1:9\"\ncredentials.api_key = { env = \"N8N_KEY\" }\n",
    );
    space.commit("elsewhere");
    let run = space.upa_with(&["plan"], &[("N8N_KEY", "k")]);
    assert_eq!(run.status, 5, "{run}");
    assert_snapshot!(run, @r#"
    exit 5
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: ana@v1/answer is recorded in account `n8n`, which points to another place now
      --> versions/bot/v1.toml:15:12
       |
    15 | [resources.answer]
       |            ^^^^^^
       |
    help: point the account to where the objects are; to move a tenant, deprovision it there first
    error: ana@v1/record is recorded in account `n8n`, which points to another place now
      --> versions/bot/v1.toml:20:12
       |
    20 | [resources.record]
       |            ^^^^^^
       |
    help: point the account to where the objects are; to move a tenant, deprovision it there first
    2 errors
    "#);
}
