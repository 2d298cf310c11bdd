//! Workspaces for tests, and what a person sees of a run.

#[path = "../../support/canary.rs"]
pub mod canary;
pub mod duo;
pub mod origin;
pub mod product;
pub mod server;
pub mod transcript;
mod untouched;
pub mod wiretap;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub use server::Server;
pub use transcript::Run;

/// A workspace in a Git repository of its own.
pub struct Space {
    folder: TempDir,
    /// Whether a test itself has put a secret where none may be.
    planted: std::cell::Cell<bool>,
}

impl Drop for Space {
    fn drop(&mut self) {
        if !self.planted.get() {
            canary::refuse_in(self.folder.path());
        }
    }
}

impl Space {
    /// A repository without a commit, and without a workspace.
    pub fn bare() -> Self {
        let space = Self {
            folder: tempfile::tempdir().unwrap(),
            planted: false.into(),
        };
        std::fs::create_dir(space.root()).unwrap();
        std::fs::create_dir(space.folder.path().join("home")).unwrap();
        space.git(&["init", "--quiet", "--initial-branch=main"]);
        space.git(&["config", "user.name", "Ana"]);
        space.git(&["config", "user.email", "ana@example.test"]);
        space
    }

    /// The small product with these tenants, committed.
    pub fn with(tenants: &[&str]) -> Self {
        let space = Self::bare();
        product::write(&space);
        for tenant in tenants {
            space.write(&format!("tenants/{tenant}.toml"), product::tenant(tenant));
        }
        space.commit("workspace");
        space
    }

    /// The workspace that is shipped with upa, committed.
    pub fn shipped() -> Self {
        let space = Self::bare();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        space.write(".gitignore", ".upa/\n");
        space.write("upa.toml", std::fs::read_to_string(here.join("upa.toml")).unwrap());
        for folder in ["tenants", "versions", "templates"] {
            copy(&here.join(folder), &space.path(folder));
        }
        space.commit("workspace");
        space
    }

    /// A test puts a secret into a file of the workspace: it is not searched for when all is over.
    pub fn plants_a_secret(&self) {
        self.planted.set(true);
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let whole = self.path(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path(path)).unwrap();
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        self.write(path, text.replacen(from, to, 1));
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = self
            .clean(Command::new("git"))
            .current_dir(self.root())
            .args(args)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Commits everything there is.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "HEAD"]).parse().unwrap()
    }

    /// A command with an environment of its own: nothing of the machine or of the CI that runs the tests.
    pub fn clean(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("NO_COLOR", "1")
            .env("TERM", "dumb")
            .env("TZ", "UTC")
            // What upa does is logged as closely as can be, and searched for secrets.
            .env("UPA_LOG", "upa=trace")
            .env("UPA_LOG_FILE", self.folder.path().join("log"));
        command
    }

    /// `upa` with arguments, in the workspace's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.clean(Command::new(env!("CARGO_BIN_EXE_upa")));
        command.current_dir(self.root()).args(args).stdin(Stdio::null());
        command
    }

    pub fn upa(&self, args: &[&str]) -> Run {
        self.upa_with(args, &[])
    }

    /// With environment variables besides.
    pub fn upa_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        if variables.iter().any(|(name, _)| *name == "UPA_LOG") {
            command.env_remove("UPA_LOG_FILE");
        }
        Run::of(command.output().unwrap(), self.folder.path())
    }

    /// Starts `upa` and does not wait.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub fn finish(&self, child: Child) -> Run {
        Run::of(child.wait_with_output().unwrap(), self.folder.path())
    }

    /// Applies, and expects that to work.
    pub fn apply(&self) -> Run {
        let run = self.upa(&["apply", "--yes"]);
        assert_eq!(run.status, 0, "{run}");
        run
    }

    /// Asserts that there is nothing left to do.
    pub fn settled(&self) {
        let run = self.upa(&["plan", "--detailed-exitcode"]);
        assert_eq!(run.status, 0, "{run}");
        assert!(run.stdout.contains("Nothing to do"), "{run}");
    }

    /// The lockfile of a tenant, parsed.
    pub fn lock(&self, tenant: &str) -> toml::Table {
        self.read(&format!("tenants/{tenant}.lock")).parse().unwrap()
    }

    /// The recorded id of a resource.
    pub fn id(&self, tenant: &str, address: &str) -> String {
        let lock = self.lock(tenant);
        let applied = &lock["resources"][address]["applied"];
        applied["id"].as_str().unwrap().to_owned()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "lock") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
