//! Secrets: where they are read from, where they may stand, that a rotation shows, and that none is ever shown or kept.

use std::io::{Read as _, Write as _};
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Space, canary, product, server};

pub const CANARY: &str = "canary-1-5f2a";
const ROTATED: &str = "canary-2-77c0";
const KEY: (&str, &str) = ("UPA_FINGERPRINT_KEY", "0123456789abcdef0123456789abcdef");

/// A product whose assistant proves to the webhook who it is, and the tenants `ana` and `bo`.
pub fn space(source: &str) -> Space {
    with_secrets(Space::with(&[]), source, |_| {})
}

/// Likewise, with rules for secrets in upa.toml; `{tenant}` and `{TENANT}` in the source are each tenant's name.
fn with_secrets(space: Space, source: &str, rules: impl Fn(&Space)) -> Space {
    rules(&space);
    let mut assistant = product::assistant();
    assistant["server"]["headers"] = serde_json::json!({
        "X-Auth": "Bearer <%= inputs.hook_secret %>",
        "X-Plain": "a",
        "X-Secret": "<%= inputs.hook_secret %>",
    });
    product::template(&space, "assistant.json", &assistant);
    space.edit(
        product::VERSION_FILE,
        "properties.minutes",
        "properties.hook_secret = { type = \"string\", description = \"What the webhook asks for\", writeOnly = true }\nproperties.minutes",
    );
    product::release(&space);
    space.edit(
        "upa.toml",
        "name = \"tests\"\n",
        "name = \"tests\"\nfingerprint_key = { env = \"UPA_FINGERPRINT_KEY\" }\n",
    );
    for tenant in ["ana", "bo"] {
        space.write(
            &format!("tenants/{tenant}.toml"),
            format!(
                "{}hook_secret = {}\n",
                product::tenant(tenant),
                source
                    .replace("{tenant}", tenant)
                    .replace("{TENANT}", &tenant.to_uppercase())
            ),
        );
    }
    space.commit("secrets");
    space
}

pub fn from_environment() -> Space {
    space("{ env = \"UPA_TENANT_{TENANT}_HOOK_SECRET\" }")
}

/// What the platform was sent, as its store holds it.
fn sent(space: &Space, text: &str) -> bool {
    holds(&std::fs::read(space.path(".upa/sandbox.redb")).unwrap(), text)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Asserts that no file of the workspace and nothing in its Git repository holds a text, the platform itself excepted.
#[track_caller]
fn kept_nowhere(space: &Space, text: &str) {
    fn look(folder: &Path, text: &str, seen: &mut usize) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, text, seen);
            } else if !path.ends_with("sandbox.redb") {
                *seen += 1;
                assert!(!holds(&std::fs::read(&path).unwrap(), text), "{}", path.display());
            }
        }
    }
    let mut seen = 0;
    look(&space.root(), text, &mut seen);
    assert!(seen > 10, "only {seen} files");
    let objects = std::process::Command::new("git")
        .current_dir(space.root())
        .args(["cat-file", "--batch-all-objects", "--batch"])
        .output()
        .unwrap();
    assert!(holds(&objects.stdout, "tenants") && !holds(&objects.stdout, text));
}

#[test]
fn a_secret_is_sent_and_neither_shown_nor_kept() {
    let space = from_environment();
    let variables = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        KEY,
        ("UPA_LOG", "trace"),
    ];
    // Who reviews need not have any secret: the plan is the same.
    space.upa_with(&["plan", "--out", "plan.json"], &[]).exits(0);
    let mut seen = String::new();
    for args in [
        &["validate"][..],
        &["plan"],
        &["plan", "--format", "json"],
        &["apply", "--yes", "--plan", "plan.json"],
        &["plan", "--detailed-exitcode"],
        &["status"],
        &["show", "ana"],
        &["show", "ana", "--json"],
    ] {
        let run = space.upa_with(args, &variables);
        if !args.contains(&"--json") {
            assert_eq!(run.status, 0, "{args:?} {run}");
        }
        seen.push_str(&format!("{}{}", run.stdout, run.stderr));
    }
    assert!(sent(&space, CANARY) && sent(&space, &format!("Bearer {CANARY}")));
    assert!(!seen.contains(CANARY) && !seen.contains(KEY.1), "{seen}");
    kept_nowhere(&space, CANARY);
    kept_nowhere(&space, KEY.1);
    let lock = space.lock("ana");
    let applied = &lock["resources"]["ana@v1/assistant"]["applied"];
    let prints = applied["secrets"].as_table().unwrap();
    assert_eq!(
        prints.keys().collect::<Vec<_>>(),
        ["server.headers.X-Auth", "server.headers.X-Secret"]
    );
    // One value, two places, two tenants: nobody sees that it is the same.
    let other = space.lock("bo");
    let other = &other["resources"]["bo@v1/assistant"]["applied"]["secrets"];
    assert_ne!(prints["server.headers.X-Secret"], other["server.headers.X-Secret"]);
    assert_ne!(prints["server.headers.X-Secret"], prints["server.headers.X-Auth"]);
    assert_eq!(applied["unread"].as_table().unwrap().len(), 3);
}

#[test]
fn a_rotation_is_one_small_change() {
    let space = from_environment();
    let first = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        KEY,
    ];
    let second = [
        ("UPA_TENANT_ANA_HOOK_SECRET", ROTATED),
        ("UPA_TENANT_BO_HOOK_SECRET", ROTATED),
        KEY,
    ];
    space.upa_with(&["apply", "--yes"], &first).exits(0);
    space.upa_with(&["plan", "--detailed-exitcode"], &first).exits(0);
    let run = space
        .upa_with(&["plan", "ana", "--detailed-exitcode"], &second)
        .exits(2);
    assert_snapshot!(run, @r#"
    exit 2
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/assistant  vapi.assistant  a secret was rotated
          server.headers.X-Auth
            - "(secret, fingerprint 4e1046ac…)"
            + "(secret, fingerprint 8dcdbbfa…)"
          server.headers.X-Secret
            - "(secret, fingerprint 484cb097…)"
            + "(secret, fingerprint 0c7fc7cc…)"
      secret inputs.hook_secret: env UPA_TENANT_ANA_HOOK_SECRET

    Plan: 1 to update in 1 of 1 tenant
          about 3 API calls
    digest sha256:[DIGEST]
    "#);
    let json = space.upa_with(&["plan", "ana", "--format", "json"], &second).exits(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["changes"].as_array().unwrap().len(), 1);
    assert_eq!(
        json["secrets"]["ana"]["inputs.hook_secret"],
        "env UPA_TENANT_ANA_HOOK_SECRET"
    );
    assert_eq!(json["changes"][0]["reason"], "rotated");
    assert_eq!(json["changes"][0]["drift"], false);
    assert_eq!(json["changes"][0]["steps"], serde_json::json!(["fill"]));
    // What was reviewed is what is applied, and another rotation meanwhile is another plan.
    space.upa_with(&["plan", "ana", "--out", "plan.json"], &second).exits(0);
    space
        .upa_with(
            &["apply", "ana", "--plan", "plan.json"],
            &[
                ("UPA_TENANT_ANA_HOOK_SECRET", "canary-3"),
                ("UPA_TENANT_BO_HOOK_SECRET", "canary-3"),
                KEY,
            ],
        )
        .exits(12);
    space
        .upa_with(&["apply", "ana", "--plan", "plan.json"], &second)
        .exits(0);
    assert!(sent(&space, ROTATED));
    space
        .upa_with(&["plan", "ana", "--detailed-exitcode"], &second)
        .exits(0);
    // `bo` was not applied, so the other secret is still due there.
    space.upa_with(&["plan", "--detailed-exitcode"], &second).exits(2);
}

#[test]
fn what_cannot_be_compared_is_said_and_is_no_change() {
    let space = from_environment();
    let first = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        KEY,
    ];
    space.upa_with(&["apply", "--yes"], &first).exits(0);
    let plan = |variables: &[(&str, &str)]| space.upa_with(&["plan", "--detailed-exitcode"], variables).exits(0);
    // Without the value, as whoever only plans.
    assert_snapshot!(plan(&[KEY]), @r#"
    exit 0
    --- stdout
    Nothing to do: all 2 tenants are as Git says.
    --- stderr
    warning: tenant `ana`: not compared, so a rotation would not show: inputs.hook_secret (the environment variable UPA_TENANT_ANA_HOOK_SECRET is not set)
     |
    help: nothing is held back; it is compared again once it can be read here and was written with this key
    warning: tenant `bo`: not compared, so a rotation would not show: inputs.hook_secret (the environment variable UPA_TENANT_BO_HOOK_SECRET is not set)
     |
    help: nothing is held back; it is compared again once it can be read here and was written with this key
    "#);
    // Without the key.
    assert_snapshot!(plan(&[("UPA_TENANT_ANA_HOOK_SECRET", CANARY), ("UPA_TENANT_BO_HOOK_SECRET", CANARY)]), @r#"
    exit 0
    --- stdout
    Nothing to do: all 2 tenants are as Git says.
    --- stderr
    warning: the secrets of 2 tenants are not compared, so a rotation does not show: the environment variable UPA_FINGERPRINT_KEY is not set
    --> upa.toml
     |
    help: `fingerprint_key` in `[workspace]` names it: set it in the environment of this command
    "#);
    let run = plan(&[
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        ("UPA_FINGERPRINT_KEY", "short"),
    ]);
    assert!(run.stderr.contains("fewer than 16 characters"), "{run}");
    // With another key: not even another value is taken for a rotation.
    let other = ("UPA_FINGERPRINT_KEY", "another-key-another-key");
    assert_snapshot!(plan(&[("UPA_TENANT_ANA_HOOK_SECRET", ROTATED), ("UPA_TENANT_BO_HOOK_SECRET", ROTATED), other]), @r#"
    exit 0
    --- stdout
    Nothing to do: all 2 tenants are as Git says.
    --- stderr
    warning: tenant `ana`: not compared, so a rotation would not show: inputs.hook_secret (it was last written with another fingerprint key, or with none)
     |
    help: nothing is held back; it is compared again once it can be read here and was written with this key
    warning: tenant `bo`: not compared, so a rotation would not show: inputs.hook_secret (it was last written with another fingerprint key, or with none)
     |
    help: nothing is held back; it is compared again once it can be read here and was written with this key
    "#);
    // The next write records it with that key.
    space.edit("tenants/ana.toml", "Hello from ana", "Good day from ana");
    space.commit("another greeting");
    let now = [
        ("UPA_TENANT_ANA_HOOK_SECRET", ROTATED),
        ("UPA_TENANT_BO_HOOK_SECRET", ROTATED),
        other,
    ];
    space.upa_with(&["apply", "--yes", "ana"], &now).exits(0);
    let run = space.upa_with(&["plan", "--detailed-exitcode", "ana"], &now).exits(0);
    assert!(!run.stderr.contains("not compared"), "{run}");
    space
        .upa_with(
            &["plan", "--detailed-exitcode", "ana"],
            &[
                ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
                ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
                other,
            ],
        )
        .exits(2);
    // Nobody asked for fingerprints.
    space.edit("upa.toml", "fingerprint_key", "# fingerprint_key");
    assert_snapshot!(space.upa(&["validate"]).exits(0), @r#"
    exit 0
    --- stdout
    Valid: 2 tenants, 1 version, 6 resources.
    --- stderr
    warning: the secrets of 2 tenants are not compared, so a rotation does not show: `[workspace]` names no `fingerprint_key`
    --> upa.toml
     |
    help: add `fingerprint_key = { env = "UPA_FINGERPRINT_KEY" }`, and make a key with `openssl rand -hex 32`
    "#);
}

#[test]
fn without_a_key_a_secret_is_written_with_something_else() {
    let space = from_environment();
    space.edit("upa.toml", "fingerprint_key", "# fingerprint_key");
    space.commit("no key");
    let variables = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
    ];
    space.upa_with(&["apply", "--yes"], &variables).exits(0);
    let lock = space.lock("ana");
    assert!(
        lock["resources"]["ana@v1/assistant"]["applied"]
            .get("secrets")
            .is_none()
    );
    space.upa_with(&["plan", "--detailed-exitcode"], &[]).exits(0);
    // An unread field that Git changes is a change, key or not, and only that field.
    let text = space.read("templates/bot/v1/assistant.json");
    space.write(
        "templates/bot/v1/assistant.json",
        text.replace("\"X-Plain\": \"a\"", "\"X-Plain\": \"b\""),
    );
    product::release(&space);
    space.commit("another header");
    assert_snapshot!(space.upa(&["plan", "ana"]).exits(0), @r#"
    exit 0
    --- stdout
    ana  bot v1 revision 1 · active
      ~ update  ana@v1/assistant  vapi.assistant  Git changed
          server.headers.X-Plain
            - "(written before, not returned by the platform)"
            + "b"
      secret inputs.hook_secret: env UPA_TENANT_ANA_HOOK_SECRET

    Plan: 1 to update in 1 of 1 tenant
          about 3 API calls
    digest sha256:[DIGEST]
    --- stderr
    warning: the secrets of 1 tenant are not compared, so a rotation does not show: `[workspace]` names no `fingerprint_key`
    --> upa.toml
     |
    help: add `fingerprint_key = { env = "UPA_FINGERPRINT_KEY" }`, and make a key with `openssl rand -hex 32`
    "#);
    space
        .upa_with(
            &["apply", "--yes"],
            &[
                ("UPA_TENANT_ANA_HOOK_SECRET", ROTATED),
                ("UPA_TENANT_BO_HOOK_SECRET", ROTATED),
            ],
        )
        .exits(0);
    assert!(sent(&space, ROTATED));
    // Another field is no reason to think that an unread one is another.
    space.edit("tenants/ana.toml", "Hello from ana", "Good day from ana");
    space.commit("another greeting");
    let run = space.upa(&["plan", "ana", "--detailed-exitcode"]).exits(2);
    assert!(!run.stdout.contains("server."), "{run}");
}

#[test]
fn a_secret_that_is_missing_holds_back_its_tenant() {
    let space = from_environment();
    space.edit("tenants/bo.toml", "HOOK_SECRET", "OWN");
    space.commit("another variable");
    let run = space.upa_with(&["apply", "--yes", "ana"], &[KEY]).exits(6);
    assert_snapshot!(run.stderr, @r#"
    error: `inputs.hook_secret`: the environment variable UPA_TENANT_ANA_HOOK_SECRET is not set; nothing was written for tenant `ana`
     --> tenants/ana.toml:9:1
      |
    9 | hook_secret = { env = "UPA_TENANT_ANA_HOOK_SECRET" }
      | ^^^^^^^^^^^
      |
    help: set it in the environment of this command
    "#);
    assert!(!space.exists("tenants/ana.lock"));
    space
        .upa_with(&["apply", "--yes"], &[KEY, ("UPA_TENANT_BO_OWN", CANARY)])
        .exits(4);
    assert!(space.exists("tenants/bo.lock") && !space.exists("tenants/ana.lock"));
    // An empty one is a missing one.
    space
        .upa_with(
            &["apply", "--yes", "ana"],
            &[
                KEY,
                ("UPA_TENANT_ANA_HOOK_SECRET", " "),
                ("UPA_TENANT_BO_HOOK_SECRET", " "),
            ],
        )
        .exits(6);
    space
        .upa_with(
            &["apply", "--yes"],
            &[
                KEY,
                ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
                ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
                ("UPA_TENANT_BO_OWN", CANARY),
            ],
        )
        .exits(0);
}

#[test]
fn a_file_that_is_mounted() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().display();
    for tenant in ["ana", "bo"] {
        std::fs::create_dir(outside.path().join(tenant)).unwrap();
        std::fs::write(outside.path().join(tenant).join("secret"), format!("{CANARY}\n")).unwrap();
    }
    let path = outside.path().join("ana/secret");
    let space = Space::with(&[]);
    let space = with_secrets(
        space,
        &format!("{{ file = \"{folder}/{{tenant}}/secret\" }}"),
        |space| {
            let rules = format!(
                "[secrets]\nfiles = [\"{folder}\"]\ntenants.file = [\"{folder}/{{tenant}}/*\"]\n\n[accounts.n8n]"
            );
            space.edit("upa.toml", "[accounts.n8n]", &rules);
        },
    );
    space.upa_with(&["apply", "--yes"], &[KEY]).exits(0);
    assert!(sent(&space, CANARY) && !sent(&space, &format!("{CANARY}\\n")));
    kept_nowhere(&space, CANARY);
    std::fs::write(&path, ROTATED).unwrap();
    space.upa_with(&["plan", "--detailed-exitcode"], &[KEY]).exits(2);
    std::fs::remove_file(&path).unwrap();
    // A link from outside into the workspace leads inside.
    space.plants_a_secret();
    space.write("inside", CANARY);
    std::os::unix::fs::symlink(space.path("inside"), &path).unwrap();
    space.edit("tenants/ana.toml", "Hello from ana", "Good day from ana");
    space.commit("another greeting");
    let run = space.upa_with(&["apply", "--yes", "ana"], &[KEY]).exits(6);
    assert!(run.stderr.contains("is inside the workspace"), "{run}");
    std::fs::remove_file(&path).unwrap();
    let run = space.upa_with(&["apply", "--yes", "ana"], &[KEY]).exits(6);
    assert!(run.stderr.contains("cannot be read: No such file"), "{run}");
    // One that is named plainly is in no folder of secrets.
    let inside = space.path("inside");
    space.edit("tenants/ana.toml", &format!("{path:?}"), &format!("{inside:?}"));
    space.commit("inside");
    let run = space.upa_with(&["apply", "--yes", "ana"], &[KEY]).exits(5);
    assert!(run.stderr.contains("is in no folder where secrets may lie"), "{run}");
}

/// A program that is called as sops 3.13 was seen to want it, and answers as it did.
fn fake_sops(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let text = format!(
        "#!/bin/sh\n\
         [ \"$#\" = 4 ] && [ \"$1 $2 $3\" = 'decrypt --output-type json' ] || exit 99\n\
         case \"$4\" in /*) ;; *) exit 98 ;; esac\n\
         [ -f \"$4\" ] || exit 2\n\
         [ -n \"$SOPS_AGE_KEY\" ] || {{ echo 'canary-of-stderr: no identity' >&2; exit 128; }}\n\
         echo asked >> \"$ASKED\"\n\
         printf '{{\"tenants\": {{\"ana\": {{\"hook\": \"{CANARY}\", \"list\": []}}, \"bo\": {{\"hook\": \"{ROTATED}\\\\n\"}}}}}}'\n"
    );
    let program = folder.join("sops");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_that_sops_encrypted() {
    let space = space("{ sops = \"secrets/hooks.enc.yaml\", key = \"tenants.{tenant}.hook\" }");

    space.write("secrets/hooks.enc.yaml", "hook: ENC[…]\nsops: {}\n");
    space.commit("encrypted");
    let tools = tempfile::tempdir().unwrap();
    let path = tools.path().to_str().unwrap().to_owned();
    let run = space
        .upa_with(&["apply", "--yes", "ana"], &[KEY, ("PATH", &path)])
        .exits(6);
    assert_snapshot!(run.stderr, @r#"
    error: `inputs.hook_secret`: secrets/hooks.enc.yaml is encrypted, and the program `sops` is not installed; nothing was written for tenant `ana`
     --> tenants/ana.toml:9:1
      |
    9 | hook_secret = { sops = "secrets/hooks.enc.yaml", key = "tenants.ana.hook" }
      | ^^^^^^^^^^^
      |
    help: install sops 3.9 or newer (https://getsops.io), or give the secret as `{ env = "…" }`
    "#);
    fake_sops(tools.path());
    let run = space
        .upa_with(&["apply", "--yes", "ana"], &[KEY, ("PATH", &path)])
        .exits(6);
    assert!(!run.to_string().contains("canary"), "{run}");
    assert_snapshot!(run.stderr, @r#"
    error: `inputs.hook_secret`: `sops` cannot decrypt secrets/hooks.enc.yaml: no key that it found here opens it; nothing was written for tenant `ana`
     --> tenants/ana.toml:9:1
      |
    9 | hook_secret = { sops = "secrets/hooks.enc.yaml", key = "tenants.ana.hook" }
      | ^^^^^^^^^^^
      |
    help: to see why: sops decrypt --output-type json secrets/hooks.enc.yaml > /dev/null
    "#);
    let asked = tools.path().join("asked");
    // What is applied is committed, also where it is encrypted.
    let committed = space.read("secrets/hooks.enc.yaml");
    space.write("secrets/hooks.enc.yaml", "hook: ENC[another]\nsops: {}\n");
    let run = space.upa_with(&["apply", "--yes"], &[KEY, ("PATH", &path)]).exits(5);
    assert!(
        run.stderr.contains("`secrets/hooks.enc.yaml` is not committed"),
        "{run}"
    );
    space.write("secrets/hooks.enc.yaml", committed);
    let with = [
        KEY,
        ("PATH", path.as_str()),
        ("SOPS_AGE_KEY", "k"),
        ("ASKED", asked.to_str().unwrap()),
    ];
    space.upa_with(&["apply", "--yes"], &with).exits(0);
    // Two tenants, a plan before and a plan after: the file was decrypted once.
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "asked\n");
    assert!(sent(&space, CANARY) && sent(&space, ROTATED));
    kept_nowhere(&space, CANARY);
    for (key, why) in [
        ("tenants.ana.other", "secrets/hooks.enc.yaml has no `tenants.ana.other`"),
        (
            "tenants.ana.list",
            "`tenants.ana.list` in secrets/hooks.enc.yaml is not a text",
        ),
    ] {
        let text = space.read("tenants/ana.toml");
        space.edit("tenants/ana.toml", "tenants.ana.hook", key);
        let run = space.upa_with(&["plan", "ana"], &with).exits(0);
        assert!(run.stderr.contains(why), "{run}");
        space.write("tenants/ana.toml", text);
    }
    space.remove("secrets/hooks.enc.yaml");
    std::os::unix::fs::symlink("/etc/hostname", space.path("secrets/hooks.enc.yaml")).unwrap();
    let run = space.upa_with(&["plan", "ana"], &with).exits(0);
    assert!(run.stderr.contains("is not a file of the workspace"), "{run}");
}

#[test]
fn a_key_of_an_account_may_be_anywhere_too() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("key");
    let space = Space::with(&["ana"]);
    let account = format!("base_url = \"http://127.0.0.1:9\"\ncredentials.api_key = {{ file = {path:?} }}\n");
    let folder = outside.path().display();
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true\n",
        &format!("[secrets]\nfiles = [\"{folder}\"]\n\n[accounts.vapi]\n{account}"),
    );
    space.commit("a mounted key");
    let run = space.upa(&["plan"]).exits(6);
    assert!(
        run.stderr.contains("cannot be read")
            && run
                .stderr
                .contains("`accounts.vapi.credentials` in upa.toml names it: mount it there"),
        "{run}"
    );
    std::fs::write(&path, "k\n").unwrap();
    // The key is there, nobody listens.
    space.upa(&["plan"]).exits(7);
}

#[test]
fn a_platform_that_repeats_what_it_refuses_is_not_quoted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                while let Some((head, body)) = request(&mut stream) {
                    let (status, answer) = if head.starts_with("GET") {
                        ("200 OK", "[]".to_owned())
                    } else {
                        let message = format!("not acceptable: {body}");
                        ("400 Bad Request", serde_json::json!({ "message": message }).to_string())
                    };
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                        answer.len()
                    );
                }
            });
        }
    });
    let space = from_environment();
    let account = format!("base_url = {url:?}\ncredentials.api_key = {{ env = \"VAPI_KEY\" }}\n");
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true\n",
        &format!("[accounts.vapi]\n{account}"),
    );
    space.commit("a platform that talks");
    let variables = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        KEY,
        ("VAPI_KEY", "k"),
        ("UPA_LOG", "trace"),
    ];
    let run = space.upa_with(&["apply", "--yes", "ana"], &variables).exits(7);
    assert!(
        run.stderr.contains("not acceptable") && run.stderr.contains("Bearer (secret inputs.hook_secret)"),
        "{run}"
    );
    assert!(!run.stderr.contains(CANARY) && !run.stdout.contains(CANARY), "{run}");
    assert!(space.read("tenants/ana.lock").contains("(secret inputs.hook_secret)"));
    kept_nowhere(&space, CANARY);
}

/// The head and the body of the next request.
fn request(stream: &mut std::net::TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        bytes.extend(byte);
    }
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some((head.replacen("get", "GET", 1), String::from_utf8(body).unwrap()))
}

#[test]
fn a_run_that_was_cut_off_leaves_no_secret_unrecorded() {
    let space = from_environment();
    let variables = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_TENANT_BO_HOOK_SECRET", CANARY),
        KEY,
    ];
    server::on(&space, |server| {
        let fault = serde_json::json!({"account": "vapi", "method": "POST", "times": 1, "kind": "drop_after_write"});
        server.fault(&fault);
        let run = space.upa_with(&["apply", "--yes", "ana"], &variables);
        assert_ne!(run.status, 0, "{run}");
    });
    let run = space.upa_with(&["apply", "--yes", "ana"], &variables).exits(0);
    assert!(run.stdout.contains("an earlier run did not finish it"), "{run}");
    space
        .upa_with(&["plan", "ana", "--detailed-exitcode"], &variables)
        .exits(0);
    space
        .upa_with(
            &["plan", "ana", "--detailed-exitcode"],
            &[
                ("UPA_TENANT_ANA_HOOK_SECRET", ROTATED),
                ("UPA_TENANT_BO_HOOK_SECRET", ROTATED),
                KEY,
            ],
        )
        .exits(2);
    kept_nowhere(&space, CANARY);
}

/// What searches every workspace of these tests finds a secret wherever it is kept.
#[test]
fn a_secret_that_is_kept_is_found() {
    let space = Space::with(&["ana"]);
    space.plants_a_secret();
    let root = space.root();
    let is_found = || std::panic::catch_unwind(|| canary::refuse_in(&root)).is_err();
    assert!(!is_found());
    for path in ["tenants/ana.lock", ".git/upa/run.journal", "plan.json"] {
        space.write(path, format!("x = \"{CANARY}\"\n"));
        assert!(is_found(), "{path}");
        space.remove(path);
        assert!(!is_found());
    }
    space.write("tenants/ana.lock", upa::sandbox::key::PREFIX);
    space.commit("a secret in Git");
    space.remove("tenants/ana.lock");
    assert!(is_found(), "in an object of Git");
    assert!(std::panic::catch_unwind(|| canary::refuse(CANARY)).is_err());
}
