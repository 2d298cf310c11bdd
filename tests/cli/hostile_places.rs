//! Places that lie: addresses that only look like this machine, a proxy that listens, repositories and links that a pull
//! request brings along, pages that talk to the sandbox.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::Space;
use crate::support::origin::Origin;

/// Something that remembers what it is sent, and answers 502.
struct Recorder {
    url: String,
    heard: Arc<Mutex<String>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(String::new()));
        let written = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream: TcpStream = stream;
                let mut bytes = [0; 8192];
                let read = stream.read(&mut bytes).unwrap_or_default();
                written
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// One tenant, whose n8n is at `url`.
fn n8n_at(url: &str) -> Space {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]\nsandbox = true\n",
        &format!("[accounts.n8n]\nbase_url = '{url}'\ncredentials.api_key = {{ env = \"N8N_KEY\" }}\n"),
    );
    space.commit("elsewhere");
    space
}

#[test]
fn a_proxy_is_sent_nothing_that_is_for_this_machine() {
    let (proxy, server) = (Recorder::start(), Recorder::start());
    let port = server.url.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "127.1", "localhost"] {
        let space = n8n_at(&format!("http://{host}:{port}"));
        for variable in ["http_proxy", "ALL_PROXY"] {
            space
                .upa_with(&["plan"], &[("N8N_KEY", "n8n-key-to-lose"), (variable, &proxy.url)])
                .exits(7);
        }
    }
    assert_eq!(proxy.heard(), "");
    assert!(
        server.heard().contains("n8n-key-to-lose"),
        "the platform itself is asked"
    );
    // The sandbox, and the demo, are on this machine too.
    let everything = [("http_proxy", &*proxy.url), ("ALL_PROXY", &*proxy.url)];
    Space::with(&["ana"])
        .upa_with(&["apply", "--yes"], &everything)
        .exits(0);
    Space::bare().upa_with(&["demo", "here"], &everything).exits(0);
    assert_eq!(proxy.heard(), "");
}

#[test]
fn a_platform_elsewhere_is_reached_through_the_proxy() {
    let proxy = Recorder::start();
    let space = n8n_at("https://n8n.invalid");
    let variables = [("N8N_KEY", "n8n-key-to-keep"), ("https_proxy", &*proxy.url)];
    space.upa_with(&["plan"], &variables).exits(7);
    let heard = proxy.heard();
    assert!(heard.contains("CONNECT n8n.invalid:443"), "{heard}");
    assert!(!heard.contains("n8n-key-to-keep"), "{heard}");
}

#[test]
fn what_only_looks_like_loopback_is_refused_for_every_address_of_an_account() {
    let proxy = Recorder::start();
    for address in [
        "http://127.evil.example",
        "http://127.0.0.1.nip.invalid",
        r"http://127.0.0.1\.evil.invalid/",
        r"https://n8n.example\@evil.invalid",
        "http://localhost.evil.invalid",
        "http://127.0.0.1:80@evil.invalid",
    ] {
        for (key, line) in [
            ("base_url", format!("base_url = '{address}'")),
            (
                "webhook_url",
                format!("base_url = 'https://n8n.invalid'\nwebhook_url = '{address}'"),
            ),
        ] {
            let space = n8n_at("https://n8n.invalid");
            space.edit("upa.toml", "base_url = 'https://n8n.invalid'", &line);
            space.commit("an address");
            let variables = [("N8N_KEY", "k"), ("ALL_PROXY", &*proxy.url)];
            for command in [&["validate"][..], &["plan"]] {
                let run = space.upa_with(command, &variables).exits(5);
                assert!(
                    run.stderr.contains(&format!("account `n8n`: `{key}` ")),
                    "{address}: {run}"
                );
                crate::support::transcript::complete(&run.stderr);
            }
        }
    }
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]",
        "[accounts.google]\nbase_url = 'https://sheets.invalid'\nhosts.token = 'http://127.0.0.1.nip.invalid'\n\n[accounts.n8n]",
    );
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("`hosts."), "{run}");
    assert_eq!(proxy.heard(), "");
}

/// A program that leaves a trace when it is run.
fn trap(space: &Space) -> (String, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let (program, trace) = (space.root().join("../trap"), space.root().join("../sprung"));
    let script = format!("#!/bin/sh\ntouch '{}'\nexec git-upload-pack \"$@\"\n", trace.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (program.canonicalize().unwrap().display().to_string(), trace)
}

/// What makes a folder look like a bare repository, with a remote that runs a program.
fn bare_looking(space: &Space, folder: &str, program: &str, remote: &str) {
    space.write(&format!("{folder}HEAD"), "ref: refs/heads/main\n");
    space.write(&format!("{folder}objects/keep"), "");
    space.write(&format!("{folder}refs/.keep"), "");
    let work = space.path(folder).display().to_string();
    space.write(
        &format!("{folder}config"),
        format!(
            "[core]\nrepositoryformatversion = 0\nbare = false\nworktree = {work}\nfsmonitor = {program}\n\
             [remote \"origin\"]\nurl = {remote}\nuploadpack = {program}\nreceivepack = {program}\n"
        ),
    );
}

#[test]
fn a_folder_that_looks_like_a_repository_is_none() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"\nbranch = \"main\"");
    // The workspace is a folder of the repository.
    let root = space.root();
    std::fs::create_dir(root.join("fleet")).unwrap();
    for name in ["upa.toml", "tenants", "versions", "templates"] {
        std::fs::rename(root.join(name), root.join("fleet").join(name)).unwrap();
    }
    let (program, trace) = trap(&space);
    bare_looking(&space, "fleet/", &program, &origin.url());
    space.commit("a fleet");
    space.git(&["push", "--quiet", "origin", "main"]);
    for command in [
        &["plan"][..],
        &["status"],
        &["validate"],
        &["apply", "--yes"],
        &["doctor"],
    ] {
        let run = space.upa(&[&["-C", "fleet"], command].concat());
        assert!(!trace.exists(), "{command:?} ran a program of the tree: {run}");
        assert_eq!(run.status, 0, "{command:?}: {run}");
    }
    // The lockfile is in the commit of the real repository.
    assert!(origin.git(&["show", "main:fleet/tenants/ana.lock"]).contains("ana"));
    // Without a repository around it, such a folder is none.
    let alone = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .arg("-r")
        .arg(root.join("fleet"))
        .arg(alone.path().join("fleet"))
        .status()
        .unwrap();
    assert!(status.success());
    let run = space
        .upa(&["-C", &alone.path().join("fleet").display().to_string(), "plan"])
        .exits(5);
    assert!(run.stderr.contains("is not in a Git repository"), "{run}");
    assert!(!trace.exists());
}

#[test]
fn the_clones_own_configuration_names_no_program_that_a_push_or_fetch_runs() {
    let origin = Origin::path();
    let space = origin.first(&["ana"], "remote = \"origin\"\nbranch = \"main\"");
    let (program, trace) = trap(&space);
    space.git(&["config", "remote.origin.uploadpack", &program]);
    space.git(&["config", "remote.origin.receivepack", &program]);
    space.git(&["config", "core.fsmonitor", &program]);
    space.write(
        ".git/hooks-of-mine/reference-transaction",
        std::fs::read(&program).unwrap(),
    );
    std::fs::set_permissions(
        space.path(".git/hooks-of-mine/reference-transaction"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    space.git(&["config", "core.hooksPath", ".git/hooks-of-mine"]);
    let _ = std::fs::remove_file(&trace);
    space.upa(&["plan"]).exits(0);
    space.upa(&["apply", "--yes"]).exits(0);
    assert!(!trace.exists(), "a program was run");
    // A remote that is a program is refused, also where the configuration allows it.
    space.git(&["config", "protocol.ext.allow", "always"]);
    space.git(&["remote", "set-url", "origin", &format!("ext::{program} %S")]);
    let run = space.upa(&["plan"]).exits(7);
    assert!(run.stderr.contains("transport 'ext' not allowed"), "{run}");
    assert!(!trace.exists());
}

#[test]
fn a_linked_work_tree_and_a_file_for_git_are_real() {
    let space = Space::with(&["ana"]);
    space.git(&["worktree", "add", "--quiet", "../linked", "-b", "other"]);
    let linked = space.root().join("../linked").display().to_string();
    space.upa(&["-C", &linked, "apply", "--yes"]).exits(0);
    // The same with a `.git` that is elsewhere; but not where a pull request could put one.
    space.git(&["worktree", "remove", "--force", "../linked"]);
    std::fs::rename(space.path(".git"), space.root().join("../apart")).unwrap();
    space.write(".git", "gitdir: ../apart\n");
    space.upa(&["plan"]).exits(0);
    std::fs::rename(space.root().join("../apart"), space.path("inside")).unwrap();
    space.write(".git", "gitdir: inside\n");
    space.upa(&["plan"]).exits(5);
    std::fs::rename(space.path("inside"), space.root().join("../apart")).unwrap();
    space.write(".git", "gitdir: ../apart\n");
}

#[test]
fn nothing_is_read_or_written_through_a_link_of_the_sandboxs_folder() {
    let bait = |space: &Space| -> std::path::PathBuf {
        let victim = space.root().join("../victim");
        std::fs::create_dir_all(&victim).unwrap();
        victim.canonicalize().unwrap()
    };
    type Trick = fn(&Space, &Path);
    let tricks: [(&str, Trick); 8] = [
        (".upa", |space, victim| symlink(victim, space.path(".upa")).unwrap()),
        (".upa/locks", |space, victim| {
            std::fs::create_dir(space.path(".upa")).unwrap();
            symlink(victim, space.path(".upa/locks")).unwrap();
        }),
        (".upa/rehearsal/locks", |space, victim| {
            std::fs::create_dir_all(space.path(".upa/rehearsal")).unwrap();
            symlink(victim, space.path(".upa/rehearsal/locks")).unwrap();
        }),
        (".upa/sandbox.url", |space, victim| {
            std::fs::create_dir(space.path(".upa")).unwrap();
            symlink(victim.join("url"), space.path(".upa/sandbox.url")).unwrap();
        }),
        (".upa/sandbox.redb", |space, victim| {
            std::fs::create_dir(space.path(".upa")).unwrap();
            symlink(victim.join("store"), space.path(".upa/sandbox.redb")).unwrap();
        }),
        (".upa/sandbox.key", |space, victim| {
            std::fs::create_dir(space.path(".upa")).unwrap();
            symlink(victim.join("key"), space.path(".upa/sandbox.key")).unwrap();
        }),
        (".upa/.gitignore", |space, victim| {
            std::fs::create_dir(space.path(".upa")).unwrap();
            symlink(victim.join("ignore"), space.path(".upa/.gitignore")).unwrap();
        }),
        (".upa", |space, _| space.write(".upa", "a file")),
    ];
    for (name, trick) in tricks {
        let space = Space::with(&["ana"]);
        let victim = bait(&space);
        trick(&space, &victim);
        for command in [&["plan"][..], &["--sandbox", "apply", "--yes"], &["sandbox"]] {
            let run = space.upa(command).exits(5);
            assert!(run.stderr.contains(&format!("`{name}` is ")), "{name}: {run}");
        }
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_sandbox_that_git_tracks_is_a_pull_requests_and_refused() {
    let space = Space::with(&["ana"]);
    space.write(".upa/sandbox.url", "http://evil.invalid:80");
    space.git(&["add", "--force", ".upa/sandbox.url"]);
    space.commit("a sandbox");
    let run = space.upa(&["plan"]).exits(5);
    assert!(run.stderr.contains("`.upa` is tracked by Git"), "{run}");
    let run = space.upa(&["--sandbox", "apply", "--yes"]).exits(5);
    assert!(run.stderr.contains("`.upa` is tracked by Git"), "{run}");
}

#[test]
fn names_that_begin_with_a_dash_are_no_options_of_git() {
    let origin = Origin::path();
    for (key, value) in [
        ("remote", "--upload-pack=touch sprung"),
        ("branch", "--upload-pack=touch sprung"),
        ("lock_branch", "--receive-pack=touch sprung"),
    ] {
        let space = Space::with(&["ana"]);
        space.git(&["remote", "add", "origin", &origin.url()]);
        let git = match key {
            "remote" => format!("remote = \"{value}\""),
            _ => format!("remote = \"origin\"\n{key} = \"{value}\""),
        };
        space.edit("upa.toml", "[accounts.n8n]", &format!("[git]\n{git}\n\n[accounts.n8n]"));
        space.commit("a name");
        space.upa(&["plan"]).exits(5);
        space.upa(&["apply", "--yes"]).exits(5);
        assert!(!space.exists("sprung"), "{key}");
    }
}
