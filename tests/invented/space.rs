//! A workspace made of what the page shows, and `upa` in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::canary;
use crate::mailroom::{SECRET, USER};
use crate::page::{self, Shown};

pub const PIN: &str = "canary-pin-9041-of-welcs";

pub struct Space(TempDir);

impl Drop for Space {
    fn drop(&mut self) {
        canary::refuse_in(self.0.path());
    }
}

/// What a person sees of a run.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}{}", self.status, self.out, self.err)
    }
}

impl Space {
    /// A repository without a file.
    pub fn empty() -> Self {
        let space = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(space.root()).unwrap();
        std::fs::create_dir(space.0.path().join("home")).unwrap();
        space.git(&["init", "--quiet", "--initial-branch=main"]);
        space.git(&["config", "user.name", "Ana"]);
        space.git(&["config", "user.email", "ana@example.test"]);
        space
    }

    /// Every file of the page, with its account at this address, and a second tenant; committed.
    pub fn of_the_page(url: &str) -> Self {
        let space = Self::empty();
        for shown in page::shown() {
            if let Shown::File { path, text } = shown {
                space.write(path, text);
            }
        }
        space.edit("upa.toml", page::USUAL_BASE, url);
        let second = space.read("tenants/welcs.toml").replace("w-17", "n-4");
        space.write("tenants/norte.toml", &second.replace("@welcs", "@norte"));
        space.upa(&["release", "desk", "v1"]).exits(0);
        space.commit();
        space
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().join("work")
    }

    pub fn write(&self, path: &str, text: &str) {
        let whole = self.root().join(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        self.write(path, &text.replacen(from, to, 1));
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=edit"]);
    }

    fn clean(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("NO_COLOR", "1")
            .env("TZ", "UTC")
            .env("MAILROOM_USER", USER)
            .env("MAILROOM_SECRET", SECRET)
            .env("UPA_TENANT_WELCS_PIN", PIN)
            .env("UPA_FINGERPRINT_KEY", "0123456789abcdef0123456789abcdef")
            .current_dir(self.root())
            .stdin(Stdio::null());
        command
    }

    fn git(&self, args: &[&str]) {
        assert!(self.clean("git").args(args).status().unwrap().success());
    }

    /// A command line as a person types it.
    pub fn shell(&self, line: &str) -> Run {
        let here = Path::new(env!("CARGO_BIN_EXE_upa")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = self.clean("sh");
        command
            .args(["-c", line])
            .env("PATH", format!("{}:{path}", here.display()));
        Run::of(command)
    }

    pub fn upa(&self, args: &[&str]) -> Run {
        self.upa_with(args, &[])
    }

    pub fn upa_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.clean(env!("CARGO_BIN_EXE_upa"));
        command.args(args).envs(variables.iter().copied());
        Run::of(command)
    }

    pub fn apply(&self) -> Run {
        self.upa(&["apply", "--yes"]).exits(0)
    }

    /// Asserts that there is nothing left to do, and that nobody warns of anything.
    pub fn settled(&self) {
        let run = self.upa(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(run.out.contains("Nothing to do") && run.err.is_empty(), "{run}");
    }
}

impl Run {
    fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        canary::refuse(&out);
        canary::refuse(&err);
        Self {
            status: output.status.code().unwrap(),
            out,
            err,
        }
    }

    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(format!("{self}").contains(text), "`{text}` is not said: {self}");
        self
    }
}
