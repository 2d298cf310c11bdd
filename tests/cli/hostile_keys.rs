//! Pull requests that are after keys: nothing but what is trusted is contacted, and no key leaves for anything else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::secrets;
use crate::support::Space;
use crate::support::origin::Origin;

/// Every key of a run: whoever sees one of these has been sent a key.
const CANARY: &str = "canary-of-a-key";

/// A host that nobody should contact: it remembers everything it is sent, and answers as if all were well.
struct Stranger {
    url: String,
    calls: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Stranger {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stranger = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            heard: Arc::default(),
        };
        let (calls, heard) = (stranger.calls.clone(), stranger.heard.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                calls.fetch_add(1, Ordering::SeqCst);
                let mut bytes = [0; 8192];
                let size = stream.read(&mut bytes).unwrap_or_default();
                heard.lock().unwrap().extend(&bytes[..size]);
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]",
                );
            }
        });
        stranger
    }

    /// What it was sent so far.
    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn was_left_alone(&self) {
        assert_eq!(self.calls.load(Ordering::SeqCst), 0, "{}", self.heard());
    }
}

/// An account that is elsewhere, with the key that an environment variable holds.
fn elsewhere(space: &Space, account: &str, url: &str) {
    space.edit(
        "upa.toml",
        &format!("[accounts.{account}]\nsandbox = true\n"),
        &format!("[accounts.{account}]\nbase_url = \"{url}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n"),
    );
}

#[test]
fn a_recorded_account_that_points_elsewhere_is_not_contacted() {
    let space = Space::with(&["ana"]);
    space.apply();
    let stranger = Stranger::listen();
    elsewhere(&space, "n8n", &stranger.url);
    space.commit("elsewhere");
    let variables = [("THE_KEY", CANARY)];
    for args in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["apply", "--yes"],
        &["doctor"],
        &["orphans"],
        &["recover", "ana"],
        &["export", "n8n", "n8n.workflow", "x"],
    ] {
        let run = space.upa_with(args, &variables);
        assert_ne!(run.status, 0, "{args:?}: {run}");
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains("points to another place"),
            "{args:?}: {run}"
        );
        stranger.was_left_alone();
    }
    space.upa_with(&["plan"], &variables).exits(5);
    space.upa_with(&["apply", "--yes"], &variables).exits(5);
    // The same address as an account that is recorded nowhere is asked: nothing else held it back.
    let fresh = Space::with(&["ana"]);
    elsewhere(&fresh, "n8n", &stranger.url);
    fresh.upa_with(&["plan"], &variables);
    assert!(stranger.heard().contains(CANARY), "{}", stranger.heard());
}

/// The product whose assistant is given a secret, and a tenant `ana` who says that it is there.
fn naming(source: &str, rules: &str) -> Space {
    let space = secrets::from_environment();
    space.edit("tenants/ana.toml", "{ env = \"UPA_TENANT_ANA_HOOK_SECRET\" }", source);
    if !rules.is_empty() {
        space.edit("upa.toml", "[accounts.n8n]", &format!("{rules}\n\n[accounts.n8n]"));
    }
    space.commit("names another");
    space
}

#[test]
fn a_secret_file_lies_in_a_folder_of_secrets() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().display().to_string();
    let rules = format!("[secrets]\nfiles = [\"{folder}/keys\"]\ntenants.file = [\"{folder}/keys/{{tenant}}/*\"]");
    for path in [
        "/proc/self/environ",
        "//proc/./self/environ",
        "/dev/stdin",
        "/sys/kernel/uevent_seqnum",
        "/etc/passwd",
        "/home/ana/.netrc",
        &format!("{folder}/keys/ana/.git/config"),
        &format!("{folder}/keysx/ana/key"),
    ] {
        let source = format!("{{ file = \"{path}\" }}");
        let space = naming(&source, &rules);
        for args in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let run = space.upa(args).exits(5);
            assert!(run.stderr.contains("--> tenants/ana.toml:9"), "{path}: {run}");
        }
        // Nor may an account or the workspace.
        let space = Space::with(&["ana"]);
        space.edit("upa.toml", "[accounts.n8n]", &format!("{rules}\n\n[accounts.n8n]"));
        space.edit(
            "upa.toml",
            "name = \"tests\"\n",
            &format!("name = \"tests\"\nfingerprint_key = {source}\n"),
        );
        let run = space.upa(&["validate"]).exits(5);
        assert!(run.stderr.contains("--> upa.toml:3"), "{path}: {run}");
    }
}

#[test]
fn a_folder_of_secrets_is_not_the_whole_disk() {
    for folder in [
        "/",
        "/etc",
        "/proc/self",
        "/home/ana/.git",
        "keys",
        "/srv/../proc",
        "/dev",
    ] {
        let space = Space::with(&["ana"]);
        space.edit(
            "upa.toml",
            "[accounts.n8n]",
            &format!("[secrets]\nfiles = [\"{folder}\"]\n\n[accounts.n8n]"),
        );
        let run = space.upa(&["validate"]).exits(5);
        assert!(run.stderr.contains("cannot be a folder of secrets"), "{folder}: {run}");
    }
}

/// What stands there is known only when it is read.
#[test]
fn no_link_leads_out_of_a_folder_of_secrets() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().display().to_string();
    let rules = format!("[secrets]\nfiles = [\"{folder}/keys\"]\ntenants.file = [\"{folder}/keys/{{tenant}}/*\"]");
    for tenant in ["ana", "bo"] {
        std::fs::create_dir_all(outside.path().join("keys").join(tenant)).unwrap();
    }
    std::fs::write(outside.path().join("keys/bo/key"), CANARY).unwrap();
    std::fs::write(outside.path().join("elsewhere"), CANARY).unwrap();
    let space = naming(&format!("{{ file = \"{folder}/keys/ana/key\" }}"), &rules);
    let key = outside.path().join("keys/ana/key");
    for target in ["/proc/self/environ", "../bo/key", "../../elsewhere", "/etc/hostname"] {
        std::os::unix::fs::symlink(target, &key).unwrap();
        let run = space.upa(&["apply", "--yes", "ana"]).exits(6);
        let told = run.stderr.contains("no secret is ever read")
            || run.stderr.contains("is not in a folder where this secret may lie")
            || run.stderr.contains("in no folder that `[secrets]` lists");
        assert!(told && !run.to_string().contains(CANARY), "{target}: {run}");
        std::fs::remove_file(&key).unwrap();
    }
    // A mounted secret is swapped by a link within its folder.
    std::fs::write(outside.path().join("keys/ana/..data"), "fine").unwrap();
    std::os::unix::fs::symlink("..data", &key).unwrap();
    space.upa(&["apply", "--yes", "ana"]).exits(0);
}

#[test]
fn a_tenant_names_its_own_secrets_only() {
    for (source, why) in [
        ("{ env = \"UPA_FINGERPRINT_KEY\" }", "upa.toml uses it"),
        ("{ env = \"N8N_API_KEY\" }", "may not name env N8N_API_KEY"),
        ("{ env = \"GITHUB_TOKEN\" }", "may not name env GITHUB_TOKEN"),
        ("{ env = \"UPA_TENANT_BO_HOOK_SECRET\" }", "is tenant `bo`'s"),
        ("{ env = \"UPA_TENANT_ANA_B_KEY\" }", "is tenant `ana-b`'s"),
        ("{ file = \"/run/secrets/n8n\" }", "may not name file /run/secrets/n8n"),
        ("{ file = \"/run/secrets/tenants/bo/hook\" }", "is tenant `bo`'s"),
        ("{ file = \"$CREDENTIALS_DIRECTORY/n8n\" }", "may not name file"),
        (
            "{ sops = \"secrets/keys.enc.yaml\", key = \"n8n.key\" }",
            "may not name sops",
        ),
        (
            "{ sops = \"secrets/keys.enc.yaml\", key = \"tenants.bo.hook\" }",
            "is tenant `bo`'s",
        ),
    ] {
        let space = naming(source, "");
        let other = secrets_of(&space, "ana-b");
        space.write("tenants/ana-b.toml", other);
        space.commit("another name that begins like it");
        for args in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let run = space.upa(args).exits(5);
            assert!(
                run.stderr.contains(why) && run.stderr.contains("--> tenants/ana.toml:9"),
                "{source}: {run}"
            );
        }
    }
}

fn secrets_of(space: &Space, tenant: &str) -> String {
    let name = tenant.to_uppercase().replace('-', "_");
    space
        .read("tenants/bo.toml")
        .replace("UPA_TENANT_BO_", &format!("UPA_TENANT_{name}_"))
}

/// Where two tenants are told apart by nothing, a pattern tells none apart.
#[test]
fn a_pattern_names_its_tenant() {
    for pattern in ["KEY_*", "{TENANT}*", "*", "{TENANT}_{TENANT}_*"] {
        let space = naming(
            "{ env = \"KEY_A\" }",
            &format!("[secrets]\ntenants.env = [\"{pattern}\"]"),
        );
        let run = space.upa(&["validate"]).exits(5);
        assert!(
            run.stderr.contains("does not say which of it is whose"),
            "{pattern}: {run}"
        );
    }
    let space = naming(
        "{ env = \"HOOK_OF_ANA\" }",
        "[secrets]\ntenants.env = [\"HOOK_OF_{TENANT}\", \"UPA_TENANT_{TENANT}_*\"]",
    );
    space.upa(&["validate"]).exits(0);
}

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";
const CI: (&str, &str) = ("CI", "true");

/// A pull request: a branch of the clone that is in CI.
fn pull_request(space: &Space, change: impl Fn(&Space)) {
    space.git(&["checkout", "--quiet", "-B", "theirs"]);
    change(space);
    space.commit("theirs");
}

/// Every way of a pull request to send a key of the runner elsewhere.
#[test]
fn a_pull_request_does_not_say_where_keys_go() {
    let stranger = Stranger::listen();
    let vapi = format!(
        "[accounts.vapi]\nbase_url = \"{}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n",
        stranger.url
    );
    let to = |space: &Space, git: &str| {
        space.edit("upa.toml", "[accounts.vapi]\nsandbox = true\n", &vapi);
        space.edit("upa.toml", GIT, git);
    };
    let origin = Origin::path();
    let space = origin.first(&["ana"], GIT);
    for git in [
        GIT,
        "remote = \"origin\"\nbranch = \"theirs\"",
        "remote = \"origin\"\nbranch = \"main\"\nlock_branch = \"theirs\"",
        "# none",
    ] {
        pull_request(&space, |space| to(space, git));
        let git_dir = space.git(&["push", "--quiet", "--force", "origin", "theirs"]);
        assert_eq!(git_dir, "");
        let variables = [CI, ("THE_KEY", CANARY), ("GITHUB_TOKEN", CANARY)];
        for args in [
            &["plan"][..],
            &["plan", "--at", "HEAD"],
            &["plan", "--trusted-ref", "origin/main"],
            &["doctor"],
            &["orphans"],
            &["export", "vapi", "vapi.assistant", "x"],
        ] {
            let run = space.upa_with(args, &variables);
            stranger.was_left_alone();
            assert!(!run.to_string().contains(CANARY), "{args:?}: {run}");
        }
        let run = space.upa_with(&["plan"], &variables).exits(0);
        assert!(
            run.stderr
                .contains("`upa.toml` is not as in `main` of the remote `origin`")
                && run.stdout.contains("+ create"),
            "{run}"
        );
        space.git(&["checkout", "--quiet", "main"]);
    }
    // What applies is merged.
    space.git(&["checkout", "--quiet", "theirs"]);
    space.upa_with(&["apply", "--yes"], &[CI, ("THE_KEY", CANARY)]).exits(5);
    stranger.was_left_alone();
    // A definition says where keys go as much.
    space.git(&["checkout", "--quiet", "main"]);
    pull_request(&space, |space| space.write("platforms/vapi.toml", "name = \"vapi\"\n"));
    let run = space.upa_with(&["plan"], &[CI]).exits(0);
    assert!(run.stderr.contains("`platforms/vapi.toml` is not as in"), "{run}");
}

#[test]
fn without_a_trusted_commit_ci_plans_nothing_of_a_foreign_head() {
    let stranger = Stranger::listen();
    let space = Space::with(&["ana"]);
    elsewhere(&space, "n8n", &stranger.url);
    space.commit("elsewhere");
    for name in ["CI", "GITHUB_ACTIONS"] {
        let run = space
            .upa_with(&["plan"], &[(name, "true"), ("THE_KEY", CANARY)])
            .exits(5);
        assert!(run.stderr.contains("--trusted-ref"), "{run}");
        stranger.was_left_alone();
    }
    // A person on their own machine is asked nothing.
    space.upa_with(&["plan"], &[("THE_KEY", CANARY)]);
    assert!(stranger.heard().contains(CANARY));
}

#[test]
fn a_head_that_is_not_merged_has_none_of_its_secrets_read() {
    let space = secrets::from_environment();
    space.git(&["branch", "trusted"]);
    pull_request(&space, |space| {
        space.edit("tenants/ana.toml", "Hello from ana", "Hi");
    });
    let variables = [
        ("UPA_TENANT_ANA_HOOK_SECRET", CANARY),
        ("UPA_FINGERPRINT_KEY", "0123456789abcdef"),
    ];
    let plan = |reference: &str| {
        space
            .upa_with(&["plan", "--trusted-ref", reference], &variables)
            .exits(0)
    };
    let run = plan("trusted");
    assert!(
        run.stderr.contains("not compared") && run.stderr.contains("is not merged"),
        "{run}"
    );
    assert!(
        run.stdout
            .contains("secret inputs.hook_secret: env UPA_TENANT_ANA_HOOK_SECRET"),
        "{run}"
    );
    let run = plan("theirs");
    assert!(!run.stderr.contains("is not merged"), "{run}");
}

#[test]
fn what_only_a_foreign_head_adopts_is_not_read() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    space.git(&["branch", "trusted"]);
    let id = space.id("bo", "bo@v1/assistant");
    space.remove("tenants/ana.lock");
    space.git(&["rm", "--quiet", "--cached", "tenants/ana.lock"]);
    space.commit("nothing is recorded of ana");
    space.git(&["branch", "--force", "trusted"]);
    pull_request(&space, |space| {
        let text = space.read("tenants/ana.toml");
        space.write("tenants/ana.toml", format!("{text}\n[adopt]\nassistant = \"{id}\"\n"));
    });
    let run = space.upa(&["plan", "ana", "--trusted-ref", "trusted"]);
    assert!(
        run.stderr.contains(&format!(
            "adopts the vapi.assistant `{id}` as `assistant`: it is looked at after the merge"
        )),
        "{run}"
    );
    assert!(!run.to_string().contains("Hello from bo"), "{run}");
    assert!(!run.stdout.contains("ana@v1/assistant"), "{run}");
}

#[test]
fn an_older_commit_is_applied_only_as_a_rollback() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"");
    space.apply();
    let before = space.head();
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.commit("changed");
    space.git(&["push", "--quiet"]);
    space.apply();
    let tip = origin.git(&["rev-parse", "main"]);
    space.git(&["checkout", "--quiet", "--detach", &before]);
    let run = space.upa(&["apply", "--yes"]).exits(12);
    assert!(
        run.stderr.contains(&before[..10]) && run.stderr.contains("ana") && run.stderr.contains("--rollback"),
        "{run}"
    );
    assert_eq!(origin.git(&["rev-parse", "main"]), tip);
    space.upa(&["apply", "--yes", "--rollback"]).exits(0);
    // The tip is newer than that again.
    space.git(&["checkout", "--quiet", "main"]);
    space.git(&["pull", "--quiet"]);
    space.apply();
    space.settled();
}

#[test]
fn a_pushed_branch_that_is_not_merged_is_not_applied() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"");
    pull_request(&space, |space| space.edit("tenants/ana.toml", "Hello", "Hi"));
    space.git(&["push", "--quiet", "origin", "theirs"]);
    let run = space.upa(&["apply", "--yes"]).exits(5);
    assert!(run.stderr.contains("is not in `main` of the remote `origin`"), "{run}");
    assert_eq!(space.objects(), 0);
}

/// What encrypts a file names the hosts that open it, and these are sent tokens.
#[test]
fn encrypted_files_of_a_pull_request_are_not_opened() {
    use std::os::unix::fs::PermissionsExt as _;
    let tools = tempfile::tempdir().unwrap();
    let program = tools.path().join("sops");
    let seen = tools.path().join("seen");
    let text = format!(
        "#!/bin/sh\n/bin/cat \"$4\" >> {}\necho '{{\"vapi\": \"k\"}}'\n",
        seen.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true\n",
        "[accounts.vapi]\nbase_url = \"http://127.0.0.1:9\"\ncredentials.api_key = { sops = \"secrets/keys.yaml\", key = \"vapi\" }\n",
    );
    space.write("secrets/keys.yaml", "ours\n");
    space.commit("encrypted");
    space.git(&["branch", "trusted"]);
    pull_request(&space, |space| space.write("secrets/keys.yaml", "theirs\n"));
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let run = space.upa_with(&["plan", "--trusted-ref", "trusted"], &[("PATH", &path)]);
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), "ours\n", "{run}");
    assert!(
        run.stderr.contains("`secrets/keys.yaml` is not as in `trusted`"),
        "{run}"
    );
}

/// What others refer to is withheld with a plan all the same.
#[test]
fn what_refers_to_a_withheld_object_is_planned() {
    let space = Space::with(&["ana"]);
    space.git(&["branch", "trusted"]);
    pull_request(&space, |space| {
        let text = space.read("tenants/ana.toml");
        space.write(
            "tenants/ana.toml",
            format!("{text}\n[adopt]\nrecord = \"someone-elses\"\n"),
        );
    });
    let run = space.upa(&["plan", "--trusted-ref", "trusted"]).exits(0);
    assert!(
        run.stderr
            .contains("adopts the n8n.workflow `someone-elses` as `record`"),
        "{run}"
    );
    assert!(
        run.stdout.contains("ana@v1/answer") && !run.stdout.contains("ana@v1/record "),
        "{run}"
    );
}
