//! The shipped workspace in a Git repository of its own, driven through the real binary.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::canary;

use super::instance::Instance;

/// The tenants of the shipped workspace.
pub const TENANTS: [&str; 3] = ["demo", "plantilla", "welcs"];

const HOME: &str = env!("CARGO_MANIFEST_DIR");

pub struct Workspace {
    folder: TempDir,
    key: String,
    server: Option<Child>,
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        canary::refuse_in(self.folder.path());
    }
}

impl Workspace {
    /// A copy of the shipped workspace; `name` is part of every mark, so that stories do not meet on one instance.
    pub fn new(name: &str, real: Option<&Instance>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["tenants", "templates", "versions"] {
            copy(&Path::new(HOME).join(part), &folder.path().join(part));
        }
        let n8n = match real {
            Some(instance) => format!(
                "base_url = \"{}\"\ncredentials.api_key = {{ env = \"UPA_TEST_N8N_KEY\" }}",
                instance.url
            ),
            None => "sandbox = true".to_owned(),
        };
        // Another name for each run: what a failed run left on a real instance is a stranger's to the next.
        let name = format!("{name}-{}", std::process::id());
        let mut settings = format!("[workspace]\nname = \"{name}\"\n\n[accounts.n8n]\n{n8n}\n");
        for platform in ["vapi", "google", "hubspot", "gohighlevel"] {
            settings.push_str(&format!("\n[accounts.{platform}]\nsandbox = true\n"));
        }
        std::fs::write(folder.path().join("upa.toml"), settings).unwrap();
        std::fs::write(folder.path().join(".gitignore"), ".upa/\n").unwrap();
        let workspace = Self {
            folder,
            key: real.map(|instance| instance.key.clone()).unwrap_or_default(),
            server: None,
        };
        workspace.git(&["init", "-q", "-b", "main"]);
        workspace.commit("a workspace");
        workspace
    }

    /// Starts `upa sandbox`, so that the story can speak to the instance too.
    pub async fn serve(&mut self) -> Instance {
        let server = self
            .command(&["sandbox"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(server);
        let file = self.folder.path().join(".upa/sandbox.url");
        for _ in 0..200 {
            if let Ok(url) = std::fs::read_to_string(&file)
                && !url.is_empty()
            {
                let key = std::fs::read_to_string(self.folder.path().join(".upa/sandbox.key")).unwrap();
                return Instance::sandbox(format!("{url}/n8n"), key.trim_end().to_owned());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the sandbox did not start");
    }

    pub async fn seed_credentials(&self, n8n: &Instance) {
        for tenant in TENANTS {
            n8n.create_credential(&format!("{tenant} · Google Calendar"), "googleCalendarOAuth2Api")
                .await;
            n8n.create_credential(&format!("{tenant} · Google Sheets"), "googleSheetsOAuth2Api")
                .await;
            n8n.create_credential(&format!("{tenant} · CRM"), "httpHeaderAuth")
                .await;
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upa"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("UPA_TEST_N8N_KEY", &self.key)
            .env("NO_COLOR", "1")
            .env("UPA_LOG", "upa=trace")
            .env("UPA_LOG_FILE", self.folder.path().join(".upa/log"))
            .stdin(Stdio::null());
        command
    }

    /// Runs upa: status, stdout, stderr.
    pub fn upa(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            canary::refuse(&text);
            text
        };
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn succeed(&self, args: &[&str]) -> (String, String) {
        let (status, out, err) = self.upa(args);
        assert_eq!(status, 0, "upa {args:?}\n{out}\n{err}");
        (out, err)
    }

    pub fn plan_json(&self, tenants: &[&str]) -> Value {
        let (out, _) = self.succeed(&[&["plan", "--format", "json"], tenants].concat());
        serde_json::from_str(&out).unwrap()
    }

    pub fn plan_text(&self, tenants: &[&str]) -> (String, String) {
        self.succeed(&[&["plan"], tenants].concat())
    }

    pub fn apply(&self) {
        self.succeed(&["apply", "--yes"]);
    }

    /// What a plan asks to be confirmed by name.
    pub fn confirmations(&self) -> Vec<String> {
        let (_, _, error) = self.upa(&["plan"]);
        let words: Vec<&str> = error.split_whitespace().collect();
        let named = words.windows(2).filter(|pair| pair[0] == "--confirm");
        named.map(|pair| pair[1].to_owned()).collect()
    }

    /// Applies a plan that exceeds the thresholds and ends what people put something into, as a person does who has read
    /// it.
    pub fn apply_approved(&self) {
        let confirmed = self.confirmations();
        let confirmed = flags(&confirmed);
        let (status, out, error) = self.upa(&[&["plan", "--format", "json"], &*confirmed].concat());
        assert_eq!(status, 14, "deleting everything needs an approval: {error}");
        let plan: Value = serde_json::from_str(&out).unwrap();
        let digest = plan["digest"].as_str().unwrap();
        self.succeed(&[&["apply", "--yes", "--approve", digest], &*confirmed].concat());
    }

    pub fn assert_nothing_to_do(&self) {
        let (status, out, err) = self.upa(&["plan", "--detailed-exitcode"]);
        assert_eq!(status, 0, "the plan is not empty:\n{out}\n{err}");
        assert!(out.contains("Nothing to do"), "{out}");
    }

    pub fn refused_without_release(&self) {
        let (status, _, err) = self.upa(&["plan"]);
        assert_eq!(status, 5, "{err}");
        assert!(
            err.contains("was edited without a release") && err.contains("upa release recepcionista-ia v2.0"),
            "{err}"
        );
    }

    pub fn release(&self) {
        self.succeed(&["release", "recepcionista-ia", "v2.0"]);
    }

    pub fn edit_template(&self, file: &str, from: &str, to: &str) {
        self.edit(&format!("templates/recepcionista-ia/v2.0/{file}"), from, to);
    }

    pub fn set_status(&self, tenant: &str, status: &str) {
        let path = format!("tenants/{tenant}.toml");
        let text = std::fs::read_to_string(self.folder.path().join(&path)).unwrap();
        let line = text.lines().find(|line| line.starts_with("status")).unwrap().to_owned();
        self.edit(&path, &line, &format!("status = \"{status}\""));
        self.commit(&format!("{tenant} is {status}"));
    }

    pub fn add_account(&mut self, name: &str, table: &str) {
        let path = self.folder.path().join("upa.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n[accounts.{name}]\n{table}\n")).unwrap();
        self.commit("another account");
    }

    pub fn move_to_account(&self, tenant: &str, account: &str) {
        let path = self.folder.path().join(format!("tenants/{tenant}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n[accounts]\nn8n = \"{account}\"\n")).unwrap();
        self.commit("moved");
    }

    pub fn move_back(&self, tenant: &str) {
        let path = format!("tenants/{tenant}.toml");
        self.edit(&path, "\n[accounts]\nn8n = \"n8n-eu\"\n", "");
        self.commit("moved back");
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let file = self.folder.path().join(path);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{path} holds no {from:?}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    }

    fn show(&self, tenant: &str) -> Value {
        let (out, _) = self.succeed(&["show", tenant, "--format", "json"]);
        serde_json::from_str(&out).unwrap()
    }

    pub fn id(&self, tenant: &str, resource: &str) -> String {
        let ids = &self.show(tenant)["tenant_configuration"]["workflow_ids"];
        ids[resource].as_str().unwrap().to_owned()
    }

    pub fn workflow_ids(&self, tenant: &str) -> BTreeSet<String> {
        let show = self.show(tenant);
        let ids = show["tenant_configuration"]["workflow_ids"].as_object().unwrap();
        ids.values().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    pub fn webhook_path(&self, tenant: &str, webhook: &str) -> String {
        let show = self.show(tenant);
        let base = show["tenant_configuration"]["webhook_base_path"].as_str().unwrap();
        assert_eq!(
            base.starts_with(&format!("{tenant}-")),
            tenant == "welcs",
            "only clients have their name in paths: {base}"
        );
        format!("{base}/{webhook}")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@upa.example"])
            .args(args)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    pub fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "HEAD"]).trim().parse().unwrap()
    }

    pub fn uncommitted(&self) -> String {
        self.git(&["status", "--porcelain"])
    }
}

/// As arguments.
pub fn flags(confirmed: &[String]) -> Vec<&str> {
    confirmed.iter().flat_map(|address| ["--confirm", address]).collect()
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
