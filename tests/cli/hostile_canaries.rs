//! A whole run in which every secret is a canary and every wire is tapped: what upa sees goes where it belongs, and a pull
//! request with every trick at once moves none of it.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::secrets;
use crate::support::origin::Origin;
use crate::support::wiretap::{self, Canaries, Heard, Proxy};
use crate::support::{Run, Server, Space, canary, product};

/// The only place on another machine that the trusted upa.toml names.
const ABROAD: &str = "n8n.trusted.invalid";

/// What a runner has in its environment and upa is told nothing of.
const OTHERS: [&str; 18] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DATABASE_URL",
    "EDITOR",
    "GITHUB_TOKEN",
    "GIT_ASKPASS",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "HOSTNAME",
    "LANG",
    "LOGNAME",
    "NPM_TOKEN",
    "SOPS_AGE_KEY",
    "SSH_AUTH_SOCK",
    "UPA_TENANT_ANA_SPARE",
    "USER",
    "VAULT_TOKEN",
];

/// What upa.toml and the tenants of the trusted commit name.
const NAMED: [&str; 5] = [
    "N8N_KEY",
    "VAPI_KEY",
    "UPA_FINGERPRINT_KEY",
    "UPA_TENANT_ANA_HOOK_SECRET",
    "UPA_TENANT_CY_HOOK_SECRET",
];
/// Secrets that are no variables: of a file, and of an encrypted one.
const FILED: &str = "the file of bo";
const ENCRYPTED: &str = "the encrypted key of n8n-eu";
/// Part of a variable whose rest is needed.
const PARTS: [&str; 3] = ["PATH", "HOME", "PROXY"];

/// The fleet, its platforms, and everything that listens.
struct Wired {
    origin: Origin,
    space: Space,
    canaries: Canaries,
    variables: Vec<(String, String)>,
    /// `sops`, what it has seen, and files of secrets.
    tools: TempDir,
    proxy: Proxy,
    n8n: (u16, Heard),
    vapi: (u16, Heard),
    stranger: (u16, Heard),
    _server: Server,
    _platforms: Space,
}

impl Wired {
    fn up() -> Self {
        let platforms = Space::with(&["ana"]);
        let server = Server::start(&platforms);
        let mut canaries = Canaries::default();
        for name in OTHERS
            .into_iter()
            .chain(NAMED)
            .chain([FILED, ENCRYPTED, "PATH", "HOME"])
        {
            canaries.add(name);
        }
        canaries.add_as("PROXY", "canary-pw-of-proxy");
        let n8n = wiretap::platform(canaries.get("N8N_KEY"), &server.url, &server.key);
        let vapi = wiretap::platform(canaries.get("VAPI_KEY"), &server.url, &server.key);
        let tools = tools(&canaries);
        let proxy = Proxy::start();
        let space = secrets::from_environment();
        let origin = Origin::path();
        fleet(&space, &tools, (n8n.0, vapi.0));
        space.git(&["remote", "add", "origin", &origin.url()]);
        space.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
        let variables = variables(&canaries, &tools, proxy.port);
        Self {
            origin,
            space,
            canaries,
            variables,
            tools,
            proxy,
            n8n,
            vapi,
            stranger: wiretap::stranger(),
            _server: server,
            _platforms: platforms,
        }
    }

    /// Runs upa with every canary in its environment; nothing may be printed of any.
    fn upa(&self, args: &[&str], besides: &[(&str, &str)]) -> Run {
        let mut command = self.space.command(args);
        command
            .envs(self.variables.iter().cloned())
            .envs(besides.iter().copied());
        let run = Run::of(command.output().unwrap(), self.space.root().parent().unwrap());
        for text in [&run.stdout, &run.stderr] {
            let found = self.canaries.found(text.as_bytes());
            assert_eq!(found, None, "{args:?} printed it: {run}");
        }
        run
    }

    /// Each has been sent its own key and what belongs there, and nothing else was contacted or told anything.
    #[track_caller]
    fn nothing_left(&self, of_tenants: &[&str]) {
        let trusted = format!("CONNECT {ABROAD}:443");
        assert!(
            self.proxy.targets().iter().all(|target| *target == trusted),
            "{:?}",
            self.proxy.targets()
        );
        let others = |own: &[&str]| self.canaries.but(&[own, &PARTS[2..]].concat());
        assert_eq!(others(&[]).found(&self.proxy.heard.bytes()), None, "at the proxy");
        assert_eq!(others(&["N8N_KEY"]).found(&self.n8n.1.bytes()), None, "at n8n");
        let own = [&["VAPI_KEY"], of_tenants].concat();
        assert_eq!(others(&own).found(&self.vapi.1.bytes()), None, "at vapi");
        assert_eq!(self.stranger.1.text(), "", "a stranger was contacted");
        // Files, logs, journals, lockfiles and objects of Git, here and on the remote.
        for folder in [self.space.root().parent().unwrap(), &self.origin.bare()] {
            let kept = canary::search(folder, &|bytes| self.canaries.found(bytes));
            assert!(kept.is_empty(), "{}", kept.join("\n"));
        }
    }
}

/// A `sops` that knows one secret, and files of secrets.
fn tools(canaries: &Canaries) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let tools = tempfile::tempdir().unwrap();
    let program = tools.path().join("sops");
    let script = format!(
        "#!/bin/sh\n/bin/cat \"$4\" >> {}\necho '{{\"n8n-eu\": \"{}\"}}'\n",
        tools.path().join("seen").display(),
        canaries.get(ENCRYPTED)
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(tools.path().join("keys/bo")).unwrap();
    std::fs::write(tools.path().join("keys/bo/hook"), canaries.get(FILED)).unwrap();
    tools
}

/// What upa is given. Those it needs to work at all (`PATH`, `HOME`, the proxies) have a canary in them.
fn variables(canaries: &Canaries, tools: &TempDir, proxy: u16) -> Vec<(String, String)> {
    let named = OTHERS.into_iter().chain(NAMED);
    let mut variables: Vec<(String, String)> = named
        .map(|name| (name.to_owned(), canaries.get(name).to_owned()))
        .collect();
    let (tools, path) = (tools.path().display(), std::env::var("PATH").unwrap());
    let home = format!("{tools}/{}", canaries.get("HOME"));
    std::fs::create_dir_all(&home).unwrap();
    variables.push(("HOME".to_owned(), home));
    variables.push((
        "PATH".to_owned(),
        format!("/nowhere/{}:{tools}:{path}", canaries.get("PATH")),
    ));
    let proxy = format!("http://upa:{}@127.0.0.1:{proxy}", canaries.get("PROXY"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        variables.push((name.to_owned(), proxy.clone()));
        variables.push((name.to_lowercase(), proxy.clone()));
    }
    variables
}

/// `ana` and `bo` on platforms of this machine, `cy` on one elsewhere.
fn fleet(space: &Space, tools: &TempDir, (n8n, vapi): (u16, u16)) {
    let keys = tools.path().join("keys").display().to_string();
    space.write(
        "upa.toml",
        format!(
            "[workspace]\nname = \"tests\"\nfingerprint_key = {{ env = \"UPA_FINGERPRINT_KEY\" }}\n\n\
             [git]\nremote = \"origin\"\n\n\
             [secrets]\nfiles = [\"{keys}\"]\ntenants.file = [\"{keys}/{{tenant}}/*\"]\n\n\
             [accounts.n8n]\nbase_url = \"http://127.0.0.1:{n8n}/n8n\"\ncredentials.api_key = {{ env = \"N8N_KEY\" }}\n\n\
             [accounts.vapi]\nbase_url = \"http://127.0.0.1:{vapi}/vapi\"\ncredentials.api_key = {{ env = \"VAPI_KEY\" }}\n\n\
             [accounts.n8n-eu]\nplatform = \"n8n\"\nbase_url = \"https://{ABROAD}\"\n\
             credentials.api_key = {{ sops = \"secrets/keys.enc.yaml\", key = \"n8n-eu\" }}\n"
        ),
    );
    space.write("secrets/keys.enc.yaml", "ours\n");
    space.edit(
        "tenants/bo.toml",
        "{ env = \"UPA_TENANT_BO_HOOK_SECRET\" }",
        &format!("{{ file = \"{keys}/bo/hook\" }}"),
    );
    tenant(space, "cy", "{ env = \"UPA_TENANT_CY_HOOK_SECRET\" }");
    space.edit(
        "tenants/cy.toml",
        "\n[inputs]",
        "\n[accounts]\nn8n = \"n8n-eu\"\n\n[inputs]",
    );
    space.commit("a fleet");
}

fn tenant(space: &Space, name: &str, source: &str) {
    let text = format!("{}hook_secret = {source}\n", product::tenant(name));
    space.write(&format!("tenants/{name}.toml"), text);
}

/// Everything a pull request may try with files that say where keys go. Nothing in it is wrong: it would be obeyed.
fn governing(space: &Space, stranger: u16) {
    let trusted = space.read("upa.toml");
    let (_, rules) = trusted.split_once("[secrets]").unwrap();
    let (rules, _) = rules.split_once("[accounts").unwrap();
    let mut text = format!(
        "[workspace]\nname = \"tests\"\nfingerprint_key = {{ env = \"SOPS_AGE_KEY\" }}\n\n\
         [git]\nremote = \"origin\"\nbranch = \"theirs\"\nlock_branch = \"theirs\"\n\n\
         [secrets]{rules}\
         [accounts.n8n]\nbase_url = \"https://canary0.invalid\"\ncredentials.api_key = {{ env = \"VAPI_KEY\" }}\n\n\
         [accounts.vapi]\nbase_url = \"http://127.0.0.1:{stranger}\"\ncredentials.api_key = {{ env = \"GITHUB_TOKEN\" }}\n\n\
         [accounts.n8n-eu]\nplatform = \"n8n\"\nbase_url = \"https://canary1.invalid\"\n\
         credentials.api_key = {{ sops = \"secrets/keys.enc.yaml\", key = \"n8n-eu\" }}\n\n\
         [accounts.google]\nbase_url = \"https://canary2.invalid\"\nhosts.token = \"https://canary3.invalid\"\n\
         hosts.sheets = \"https://canary4.invalid\"\n\
         credentials.client_id = {{ env = \"N8N_KEY\" }}\ncredentials.client_secret = {{ env = \"VAULT_TOKEN\" }}\n\
         credentials.refresh_token = {{ env = \"AWS_SECRET_ACCESS_KEY\" }}\n"
    );
    // But those that tenants name, which could not be named twice.
    for (number, name) in OTHERS
        .into_iter()
        .chain(["N8N_KEY", "VAPI_KEY", "UPA_FINGERPRINT_KEY"])
        .enumerate()
    {
        text.push_str(&format!(
            "\n[accounts.a{number}]\nplatform = \"vapi\"\nbase_url = \"https://canary{number}.a.invalid\"\ncredentials.api_key = {{ env = \"{name}\" }}\n"
        ));
    }
    space.write("upa.toml", text);
    space.write("secrets/keys.enc.yaml", "theirs: https://canary4.invalid\n");
    space.write(
        ".sops.yaml",
        "creation_rules: [{ hc_vault_transit_uri: \"https://canary5.invalid\" }]\n",
    );
    let vapi = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platform/catalog/vapi.toml");
    let vapi = std::fs::read_to_string(vapi).unwrap();
    space.write(
        "platforms/vapi.toml",
        vapi.replace("https://api.vapi.ai", "https://canary6.invalid"),
    );
}

/// What it may try with tenants, templates and versions, so that it can be planned all the same.
fn planned(space: &Space, stranger: u16) {
    governing(space, stranger);
    space.edit("tenants/ana.toml", "Hello from ana", "https://canary7.invalid");
    space.edit(
        "tenants/bo.toml",
        "\n[inputs]",
        "\n[adopt]\nrecord = \"https://canary8.invalid\"\n\n[inputs]",
    );
    tenant(space, "eve", "{ env = \"UPA_TENANT_EVE_HOOK_SECRET\" }");
    let mut assistant = product::assistant();
    assistant["server"]["headers"] =
        serde_json::json!({"X-Auth": "<%= inputs.hook_secret %>", "X-To": "https://canary9.invalid"});
    assistant["server"]["url"] = format!("http://127.0.0.1:{stranger}/<%= webhooks.inbound.url %>").into();
    product::template(space, "assistant.json", &assistant);
    product::release(space);
}

/// A reference of a tenant to every variable, to files, and to keys of encrypted files.
fn naming(space: &Space, stranger: u16) {
    governing(space, stranger);
    let variables = OTHERS.into_iter().chain(NAMED).chain(["PATH", "HOME", "HTTPS_PROXY"]);
    let sources = variables.map(|name| format!("{{ env = \"{name}\" }}")).chain([
        "{ file = \"/proc/self/environ\" }".to_owned(),
        "{ file = \"/etc/passwd\" }".to_owned(),
        "{ sops = \"secrets/keys.enc.yaml\", key = \"n8n-eu\" }".to_owned(),
    ]);
    // An account that only this upa.toml has.
    tenant(space, "mallory", "{ env = \"UPA_TENANT_MALLORY_HOOK_SECRET\" }");
    space.edit(
        "tenants/mallory.toml",
        "\n[inputs]",
        "\n[accounts]\nvapi = \"a0\"\n\n[inputs]",
    );
    let wrong = "fingerprint_key = { file = \"/proc/self/environ\" }";
    space.edit("upa.toml", "fingerprint_key = { env = \"SOPS_AGE_KEY\" }", wrong);
    for (number, source) in sources.enumerate() {
        tenant(space, &format!("t{number}"), &source);
    }
}

const COMMANDS: [&[&str]; 17] = [
    &["validate"],
    &["plan"],
    &["plan", "--format", "json"],
    &["plan", "--at", "HEAD"],
    &["plan", "--rollback"],
    &["plan", "--trusted-ref", "origin/main"],
    &["plan", "--out", "../plan.json"],
    &["status"],
    &["show", "ana"],
    &["doctor"],
    &["orphans"],
    &["recover", "bo"],
    &["export", "n8n-eu", "n8n.workflow", "x"],
    &["export", "vapi", "vapi.assistant", "x"],
    &["trace", "https://canary7.invalid"],
    &["adopt", "ana"],
    &["apply", "--yes"],
];

#[test]
fn nothing_but_trusted_hosts_is_contacted_and_no_canary_leaves() {
    let wired = Wired::up();
    // What is merged works, with keys and secrets where they belong.
    for args in [
        &["validate"][..],
        &["plan", "ana", "bo"],
        &["apply", "--yes", "ana", "bo"],
    ] {
        wired.upa(args, &[]).exits(0);
    }
    wired.upa(&["plan", "cy"], &[]).exits(7);
    for args in [&["status"][..], &["show", "ana"], &["doctor"], &["orphans"], &["plan"]] {
        wired.upa(args, &[]);
    }
    let of_tenants = ["UPA_TENANT_ANA_HOOK_SECRET", FILED];
    wired.nothing_left(&of_tenants);
    // They were heard: who is trusted has been asked, with its own key.
    assert!(wired.n8n.1.text().contains(wired.canaries.get("N8N_KEY")));
    assert!(wired.vapi.1.text().contains(wired.canaries.get("VAPI_KEY")));
    for name in of_tenants {
        assert!(wired.vapi.1.text().contains(wired.canaries.get(name)), "{name}");
    }
    let proxied = wired.proxy.heard.text();
    assert!(proxied.contains(&format!("CONNECT {ABROAD}:443")), "{proxied}");
    assert!(
        proxied.matches(ABROAD).count() > 1,
        "the tunnel was opened, and the name asked for in it"
    );

    for (name, trick) in [("planned", planned as fn(&Space, u16)), ("naming", naming)] {
        wired.proxy.forget();
        for (_, heard) in [&wired.n8n, &wired.vapi] {
            heard.forget();
        }
        wired.space.git(&["checkout", "--quiet", "-B", "theirs", "main"]);
        trick(&wired.space, wired.stranger.0);
        wired.space.commit(name);
        wired.space.git(&["push", "--quiet", "--force", "origin", "theirs"]);
        for args in COMMANDS {
            wired.upa(args, &[("CI", "true")]);
        }
        // Not even the secrets of its tenants are read, and so none of them is sent.
        wired.nothing_left(&[]);
        let run = wired.upa(&["plan", "ana", "eve"], &[("CI", "true")]);
        let is_planned = name == "planned";
        // Its files alone say nothing wrong.
        let alone = wired.upa(&["validate"], &[]);
        assert_eq!(alone.status, if is_planned { 0 } else { 5 }, "{alone}");
        assert_eq!(run.status, if is_planned { 0 } else { 5 }, "{run}");
        wired.upa(&["apply", "--yes"], &[("CI", "true")]).exits(5);
        wired.nothing_left(&[]);
        let asked = wired.vapi.1.text().contains(wired.canaries.get("VAPI_KEY"));
        assert!(asked || !is_planned, "the trusted place was asked");
    }
    let seen = std::fs::read_to_string(wired.tools.path().join("seen")).unwrap();
    assert!(seen.lines().all(|line| line == "ours"), "{seen}");
}

/// The tricks are such that would work, and the taps such that would hear it.
#[test]
fn what_the_canaries_are_kept_from_is_real() {
    let wired = Wired::up();
    let alone = Space::with(&["ana"]);
    let stranger = wired.stranger.0;
    alone.write(
        "upa.toml",
        format!(
            "[workspace]\nname = \"tests\"\n\n\
             [accounts.n8n]\nbase_url = \"https://canary0.invalid\"\ncredentials.api_key = {{ env = \"VAPI_KEY\" }}\n\n\
             [accounts.vapi]\nbase_url = \"http://127.0.0.1:{stranger}\"\ncredentials.api_key = {{ env = \"GITHUB_TOKEN\" }}\n"
        ),
    );
    let mut command = alone.command(&["plan"]);
    command.envs(wired.variables.iter().cloned());
    let run = Run::of(command.output().unwrap(), alone.root().parent().unwrap());
    assert_eq!(
        wired.proxy.targets().into_iter().collect::<Vec<_>>(),
        ["CONNECT canary0.invalid:443"],
        "{run}"
    );
    assert_eq!(
        wired.canaries.found(&wired.stranger.1.bytes()),
        Some("GITHUB_TOKEN".to_owned()),
        "{run}"
    );
    // What is kept in a file, a commit or a pack is found.
    let planted = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut command = alone.clean(Command::new("git"));
        let done = command
            .current_dir(planted.path())
            .args(args)
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "{args:?}");
    };
    let search = || canary::search(planted.path(), &|bytes| wired.canaries.found(bytes));
    git(&["init", "--quiet"]);
    assert_eq!(search(), [""; 0]);
    std::fs::write(planted.path().join("kept"), wired.canaries.get("VAULT_TOKEN")).unwrap();
    assert_eq!(search().len(), 1);
    git(&["add", "kept"]);
    std::fs::remove_file(planted.path().join("kept")).unwrap();
    git(&[
        "-c",
        "user.name=Ana",
        "-c",
        "user.email=ana@example.test",
        "commit",
        "--quiet",
        "-m",
        "kept",
    ]);
    git(&["repack", "--quiet", "-a", "-d"]);
    assert!(
        search().iter().any(|found| found.contains("VAULT_TOKEN")),
        "{:?}",
        search()
    );
}
