//! Remotes: a bare repository, reached over a path or through `git daemon`, and the clones that work with it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{Server, Space, canary, product};

/// A bare repository, and one sandbox for all its clones.
pub struct Origin {
    folder: TempDir,
    daemon: Option<(Child, u16)>,
}

impl Origin {
    pub fn path() -> Self {
        let origin = Self {
            folder: tempfile::tempdir().unwrap(),
            daemon: None,
        };
        for folder in ["origin.git", "sandbox"] {
            std::fs::create_dir(origin.folder.path().join(folder)).unwrap();
        }
        let key = format!("upa-sandbox-{}\n", "f".repeat(32));
        std::fs::write(origin.sandbox().join(super::server::STORE), "").unwrap();
        std::fs::write(origin.sandbox().join(super::server::KEY), key).unwrap();
        origin.git(&["init", "--quiet", "--bare", "--initial-branch=main"]);
        origin
    }

    pub fn daemon() -> Self {
        let mut origin = Self::path();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("git")
            .args([
                "daemon",
                "--reuseaddr",
                "--export-all",
                "--enable=receive-pack",
                "--listen=127.0.0.1",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", origin.folder.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        origin.daemon = Some((child, port));
        for _ in 0..400 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return origin;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("git daemon does not listen on {port}");
    }

    pub fn bare(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    /// The folder of the sandbox that all clones use.
    pub fn sandbox(&self) -> PathBuf {
        self.folder.path().join("sandbox")
    }

    pub fn url(&self) -> String {
        match &self.daemon {
            Some((_, port)) => format!("git://127.0.0.1:{port}/origin.git"),
            None => self.bare().display().to_string(),
        }
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.bare())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What is kept of a tenant on a branch.
    pub fn lock(&self, branch: &str, tenant: &str) -> String {
        self.git(&["show", &format!("{branch}:tenants/{tenant}.lock")])
    }

    /// The subjects of a branch's commits, newest first.
    pub fn subjects(&self, branch: &str) -> Vec<String> {
        let log = self.git(&["log", "--format=%s", branch]);
        log.lines().map(str::to_owned).collect()
    }

    /// A hook that the server runs before it takes anything.
    pub fn hook(&self, script: &str) {
        self.hook_named("pre-receive", script);
    }

    pub fn unhook(&self) {
        self.unhook_named("pre-receive");
    }

    pub fn hook_named(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.bare().join("hooks").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn unhook_named(&self, name: &str) {
        std::fs::remove_file(self.bare().join("hooks").join(name)).unwrap();
    }

    /// The small product with these tenants, pushed; `git` is what `[git]` of upa.toml says.
    pub fn first(&self, tenants: &[&str], git: &str) -> Space {
        let space = Space::with(tenants);
        space.edit("upa.toml", "[accounts.n8n]", &format!("[git]\n{git}\n\n[accounts.n8n]"));
        space.commit("remote");
        space.git(&["remote", "add", "origin", &self.url()]);
        space.git(&["push", "--quiet", "--set-upstream", "origin", "main"]);
        self.equip(&space);
        space
    }

    pub fn clone(&self, args: &[&str]) -> Space {
        let space = Space::bare();
        std::fs::remove_dir_all(space.root()).unwrap();
        // Over a path, `--depth` counts only in a URL.
        let url = match &self.daemon {
            None if !args.is_empty() => format!("file://{}", self.url()),
            _ => self.url(),
        };
        let done = space
            .clean(Command::new("git"))
            .args(["clone", "--quiet"])
            .args(args)
            .arg(url)
            .arg(space.root())
            .status()
            .unwrap();
        assert!(done.success());
        space.git(&["config", "user.name", "Bo"]);
        space.git(&["config", "user.email", "bo@example.test"]);
        self.equip(&space);
        space
    }

    /// All clones use the same sandbox.
    pub fn equip(&self, space: &Space) {
        super::server::share(&self.sandbox(), &space.path(".upa"));
        let exclude = space.path(".git/info/exclude");
        std::fs::create_dir_all(exclude.parent().unwrap()).unwrap();
        std::fs::write(exclude, ".upa\n").unwrap();
    }

    /// Adds a tenant by a commit of somebody's.
    pub fn add(&self, space: &Space, tenant: &str) {
        space.git(&["pull", "--quiet", "--rebase"]);
        space.write(&format!("tenants/{tenant}.toml"), product::tenant(tenant));
        space.commit(tenant);
        space.git(&["push", "--quiet"]);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.daemon {
            let _ = child.kill();
            let _ = child.wait();
        }
        canary::refuse_in(self.folder.path());
    }
}

/// Every writing call takes a while, so that there is a middle.
pub fn slowly(server: &Server, milliseconds: u64) {
    for account in ["n8n", "vapi"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            server.fault(
                &json!({"account": account, "method": method, "times": 1000, "kind": "latency", "ms": milliseconds}),
            );
        }
    }
}

/// Waits until the sandbox has answered so many writing calls.
pub fn until(server: &Server, writes: usize) {
    for _ in 0..4_000 {
        if server.writes() >= writes {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("only {} writes", server.writes());
}
