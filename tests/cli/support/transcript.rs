//! What a person sees of a run, with everything replaced that differs from run to run.

use std::fmt;
use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;

use regex::Regex;

use super::canary;

/// What became of one command.
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    /// 128 + signal when it was killed.
    pub status: i32,
    temporary: String,
}

impl Run {
    pub fn of(output: Output, temporary: &Path) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        canary::refuse(&stdout);
        canary::refuse(&stderr);
        Self {
            stdout,
            stderr,
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            temporary: temporary.canonicalize().unwrap().display().to_string(),
        }
    }

    /// Asserts the exit status, and goes on.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The digest of a plan that was printed as text.
    #[track_caller]
    pub fn digest(&self) -> String {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix("digest "));
        line.unwrap_or_else(|| panic!("no digest:\n{self}")).to_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }
}

static FILTERS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[UUID]",
        ),
        (r"sha256:[0-9a-f]{64}", "sha256:[DIGEST]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r"\b[0-9a-f]{40}\b", "[COMMIT]"),
        (r"commit [0-9a-f]{10}\b", "commit [COMMIT]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
        (r"process \d+", "process [PID]"),
        // n8n's ids: sixteen letters and digits, both kinds of letters or a digit among them.
        (r"\b[A-Za-z0-9]{16}\b", "[ID]"),
    ]
    .into_iter()
    .map(|(pattern, by)| (Regex::new(pattern).unwrap(), by))
    .collect()
});

/// Replaces what differs from run to run.
pub fn filtered(text: &str, temporary: &str) -> String {
    let mut text = text.replace(temporary, "[TMP]");
    for (pattern, by) in FILTERS.iter() {
        text = pattern.replace_all(&text, *by).into_owned();
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// A text by itself, filtered.
pub fn seen(text: &str) -> String {
    filtered(text, "[TMP]")
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit {}", self.status)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", filtered(text, &self.temporary).trim_end())?;
            }
        }
        Ok(())
    }
}

/// Every error must say what, where and what next: a title, a file (with the line, where there is one) and help.
#[track_caller]
pub fn complete(stderr: &str) {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in stderr.lines() {
        if line.starts_with("error: ") || line.starts_with("warning: ") {
            blocks.push(Vec::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push(line);
        }
    }
    assert!(!blocks.is_empty(), "no finding:\n{stderr}");
    for block in blocks {
        let has = |what: &str| block.iter().any(|line| line.trim_start().starts_with(what));
        assert!(has("-->"), "no place:\n{}", block.join("\n"));
        // One step may be common to all findings; it stands at the end.
        assert!(
            has("help: ") || stderr.contains("\nhint: "),
            "no next step:\n{}",
            block.join("\n")
        );
    }
}
