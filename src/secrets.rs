//! Reading secrets: from the environment, from files that CI mounts, and from files that `sops` decrypts. The only place
//! that does, as late as possible; what it finds is a [`Secret`] and nothing of it is ever part of an error.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::desired::DesiredState;
use crate::fingerprint::{Key, SHORTEST_KEY};
use crate::secret::{FingerprintKey, Secret, Secrets, Unavailable};
use crate::symbol;
use crate::workspace::Settings;
use crate::workspace::secret::{InEnvironment, InFile, InSops, SecretRef};
use crate::workspace::secret_rules::{self, CREDENTIALS, SecretRules};

/// How long `sops` may take: it may ask a key service in a cloud.
const SOPS_DEADLINE: Duration = Duration::from_secs(30);
/// The largest file that holds a secret, in bytes.
const LARGEST: u64 = 64 << 10;

type Decrypted = Result<Arc<Value>, Unavailable>;

/// Reads secrets for one run; what `sops` decrypted is kept for as long.
pub struct Resolver {
    /// The workspace's folder.
    root: PathBuf,
    /// Where encrypted files are as they are trusted, if not there.
    encrypted: Option<TempDir>,
    rules: SecretRules,
    /// What upa.toml itself uses.
    own: BTreeSet<SecretRef>,
    decrypted: Mutex<BTreeMap<String, Decrypted>>,
    /// What decrypts, and how long it may take.
    sops: (PathBuf, Duration),
}

fn unavailable(why: impl Into<String>, hint: impl Into<String>) -> Unavailable {
    Unavailable {
        why: why.into(),
        hint: hint.into(),
    }
}

impl Resolver {
    pub fn new(root: &Path, settings: &Settings) -> Self {
        Self {
            root: root.to_owned(),
            encrypted: None,
            rules: settings.secrets.clone(),
            own: secret_rules::own(settings),
            decrypted: Mutex::default(),
            sops: (PathBuf::from("sops"), SOPS_DEADLINE),
        }
    }

    /// With a folder of encrypted files that count instead of the workspace's.
    #[must_use]
    pub fn with_encrypted(mut self, folder: TempDir) -> Self {
        self.encrypted = Some(folder);
        self
    }

    /// The secret at a place, without white space around it: one of upa.toml's own.
    pub async fn resolve(&self, source: &SecretRef) -> Result<Secret, Unavailable> {
        self.resolve_for(source, None).await
    }

    async fn resolve_for(&self, source: &SecretRef, tenant: Option<&str>) -> Result<Secret, Unavailable> {
        match source {
            SecretRef::Env(InEnvironment { env }) => variable(env),
            SecretRef::File(InFile { file }) => self.mounted(file, tenant),
            SecretRef::Sops(InSops { sops, key }) => {
                let decrypted = self.decrypted(sops).await?;
                picked(&decrypted, sops, key)
            }
        }
    }

    /// The key of fingerprints, if the workspace names one.
    pub async fn fingerprint_key(&self, source: Option<&SecretRef>) -> FingerprintKey {
        let Some(source) = source else {
            return FingerprintKey::Unset;
        };
        match self.resolve(source).await {
            Ok(secret) => match Key::new(&secret) {
                Some(key) => FingerprintKey::Known(key),
                None => FingerprintKey::Unavailable(unavailable(
                    format!("the fingerprint key has fewer than {SHORTEST_KEY} characters, so it could be guessed"),
                    "make a longer one: `openssl rand -hex 32`",
                )),
            },
            Err(unavailable) => FingerprintKey::Unavailable(unavailable),
        }
    }

    /// Reads the secrets of these tenants that are not known yet; those that cannot be had are remembered as such.
    pub async fn read(&self, secrets: &mut Secrets, desired: &DesiredState, wanted: &BTreeSet<(String, String)>) {
        for (tenant, name) in wanted {
            let source = desired.tenants.get(tenant).and_then(|tenant| tenant.secrets.get(name));
            if let (Some(input), None) = (source, secrets.get(tenant, name)) {
                let found = self.resolve_for(&input.source, Some(tenant)).await;
                secrets.insert(tenant, name, found);
            }
        }
    }

    fn mounted(&self, path: &str, tenant: Option<&str>) -> Result<Secret, Unavailable> {
        let cannot = |error: std::io::Error| {
            unavailable(
                format!("the file {path} cannot be read: {error}"),
                "mount it there, or say where it is",
            )
        };
        let root = self.root.canonicalize().map_err(cannot)?;
        // Links are followed: that is how mounted secrets are swapped. Where they lead must be outside too.
        let real = expanded(path)?.canonicalize().map_err(cannot)?;
        if real.starts_with(&root) {
            return Err(unavailable(
                format!("the file {path} is inside the workspace, where a secret never stands"),
                "move it out of the repository, or encrypt it with sops: `{ sops = \"…\", key = \"…\" }`",
            ));
        }
        self.refuse_elsewhere(path, &real, tenant)?;
        if !real.metadata().map_err(cannot)?.is_file() {
            return Err(unavailable(
                format!("{path} is not a file"),
                "name the file that holds the secret and nothing else",
            ));
        }
        let mut text = Zeroizing::new(String::new());
        let mut file = std::fs::File::open(&real).map_err(cannot)?.take(LARGEST + 1);
        file.read_to_string(&mut text).map_err(cannot)?;
        if text.len() as u64 > LARGEST {
            return Err(unavailable(
                format!("the file {path} is larger than {} KiB", LARGEST >> 10),
                "name the file that holds the secret and nothing else",
            ));
        }
        trimmed(&text, || {
            unavailable(format!("the file {path} is empty"), "write the secret into it")
        })
    }

    /// Stops where a path leads out of the folder it begins in, or to what is not its tenant's.
    fn refuse_elsewhere(&self, path: &str, real: &Path, tenant: Option<&str>) -> Result<(), Unavailable> {
        let refused = |why: String| {
            let hint = "name a file in a folder that `[secrets]` of upa.toml allows, and no link out of it";
            unavailable(format!("the file {path} {why}"), hint)
        };
        if let Some(why) = self.rules.never(&real.to_string_lossy()) {
            return Err(refused(format!("leads to one that {why}")));
        }
        let folder = self.rules.folder(path, tenant);
        let folder = folder.and_then(|folder| expanded(&folder).ok()?.canonicalize().ok());
        if !folder.is_some_and(|folder| real.starts_with(folder)) {
            return Err(refused("is not in a folder where this secret may lie".to_owned()));
        }
        let is_own = |source: &SecretRef| match source {
            SecretRef::File(InFile { file }) => {
                expanded(file).is_ok_and(|file| file.canonicalize().is_ok_and(|file| file == real))
            }
            SecretRef::Env(_) | SecretRef::Sops(_) => false,
        };
        if tenant.is_some() && self.own.iter().any(is_own) {
            return Err(refused("is one that upa.toml itself uses".to_owned()));
        }
        Ok(())
    }

    /// Everything a file holds; `sops` is asked once, whatever it answers.
    async fn decrypted(&self, path: &str) -> Decrypted {
        let mut known = self.decrypted.lock().await;
        if let Some(decrypted) = known.get(path) {
            return decrypted.clone();
        }
        let decrypted = self.decrypt(path).await;
        known.insert(path.to_owned(), decrypted.clone());
        decrypted
    }

    async fn decrypt(&self, path: &str) -> Decrypted {
        let missing = || {
            unavailable(
                format!("there is no file {path} in the workspace"),
                format!("make it with `sops edit {path}` and commit it"),
            )
        };
        let root = self.encrypted.as_ref().map_or(self.root.as_path(), TempDir::path);
        let root = root.canonicalize().map_err(|_| missing())?;
        let real = root.join(path).canonicalize().map_err(|_| missing())?;
        if !real.starts_with(&root) || !real.is_file() {
            return Err(unavailable(
                format!("{path} is not a file of the workspace"),
                "name a file that is, and no link out of it",
            ));
        }
        let (program, deadline) = &self.sops;
        let child = Command::new(program)
            .args(["decrypt", "--output-type", "json"])
            .arg(&real)
            .current_dir(&root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it says may quote what it read.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => unavailable(
                format!("{path} is encrypted, and the program `sops` is not installed"),
                "install sops 3.9 or newer (https://getsops.io), or give the secret as `{ env = \"…\" }`",
            ),
            _ => unavailable(
                format!("the program `sops` cannot be run: {error}"),
                "try `sops --version`",
            ),
        })?;
        let look = format!("to see why: sops decrypt --output-type json {path} > /dev/null");
        let output = match tokio::time::timeout(*deadline, child.wait_with_output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(unavailable(format!("`sops` cannot be waited for: {error}"), look)),
            Err(_) => {
                let why = format!("`sops` did not decrypt {path} within {} s", deadline.as_secs());
                return Err(unavailable(why, look));
            }
        };
        let text = Zeroizing::new(output.stdout);
        if !output.status.success() {
            // The codes are those of sops 3 (cmd/sops/codes).
            let why = match output.status.code() {
                Some(128) => "no key that it found here opens it".to_owned(),
                Some(24 | 25 | 51 | 52) => "the file was changed after it was encrypted".to_owned(),
                Some(1) => "it did not encrypt this file, or the file is damaged".to_owned(),
                Some(code) => format!("status {code}"),
                None => "it was killed".to_owned(),
            };
            return Err(unavailable(format!("`sops` cannot decrypt {path}: {why}"), look));
        }
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Arc::new(value)),
            Err(_) => Err(unavailable(
                format!("`sops` decrypted {path} to something that is not JSON"),
                "install sops 3.9 or newer (https://getsops.io)",
            )),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: this is where secrets are read")]
fn variable(name: &str) -> Result<Secret, Unavailable> {
    let unset = || {
        unavailable(
            format!("the environment variable {name} is not set"),
            "set it in the environment of this command",
        )
    };
    let value = Zeroizing::new(std::env::var(name).map_err(|_| unset())?);
    trimmed(&value, unset)
}

/// A path as it is on this machine.
fn expanded(path: &str) -> Result<PathBuf, Unavailable> {
    let Some(rest) = path.strip_prefix(CREDENTIALS) else {
        return Ok(PathBuf::from(path));
    };
    match std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Ok(folder.join(rest.trim_start_matches('/'))),
        _ => Err(unavailable(
            format!("the file {path} cannot be read: CREDENTIALS_DIRECTORY names no folder"),
            "run it as a unit of systemd with `LoadCredential=`, or name another file",
        )),
    }
}

fn trimmed(text: &str, empty: impl FnOnce() -> Unavailable) -> Result<Secret, Unavailable> {
    match text.trim() {
        "" => Err(empty()),
        text if symbol::is_reserved(text) => {
            Err(unavailable(format!("it contains {}", symbol::RESERVED), symbol::REMOVE))
        }
        text => Ok(Secret::new(text)),
    }
}

/// One value of a decrypted file: by its whole key, or step by step.
fn picked(decrypted: &Value, file: &str, key: &str) -> Result<Secret, Unavailable> {
    let found = decrypted
        .get(key)
        .or_else(|| key.split('.').try_fold(decrypted, |at, segment| at.get(segment)));
    let look = || format!("to see what it holds: sops edit {file}");
    match found {
        Some(Value::String(text)) => trimmed(text, || unavailable(format!("`{key}` in {file} is empty"), look())),
        Some(Value::Number(number)) => Ok(Secret::new(number.to_string())),
        Some(_) => Err(unavailable(format!("`{key}` in {file} is not a text"), look())),
        None => Err(unavailable(format!("{file} has no `{key}`"), look())),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that are read")]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn sops_is_not_waited_for_forever_and_asked_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("slow");
        let text = "#!/bin/sh\necho x >> asked\nexec sleep 60\n";
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("s.yaml"), "").unwrap();
        let settings = serde_json::from_value(json!({"workspace": {"name": "tests"}})).unwrap();
        let resolver = Resolver {
            sops: (program, Duration::from_secs(1)),
            ..Resolver::new(folder.path(), &settings)
        };
        let source = SecretRef::Sops(InSops {
            sops: "s.yaml".to_owned(),
            key: "a".to_owned(),
        });
        for _ in 0..2 {
            let error = resolver.resolve(&source).await.unwrap_err();
            assert!(error.why.to_string().contains("within 1 s"), "{error:?}");
        }
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "x\n");
    }

    #[test]
    fn a_value_is_picked_by_its_key() {
        let file = json!({"a.b": "dotted\n", "a": {"b": "nested", "c": 5, "d": {}, "e": " "}});
        let pick = |key| picked(&file, "f", key).map(|secret| secret.expose().to_owned());
        assert_eq!(pick("a.b").as_deref(), Ok("dotted"));
        assert_eq!(pick("a.c").as_deref(), Ok("5"));
        for key in ["a", "a.d", "a.e", "b", "a.c.d"] {
            assert!(pick(key).is_err(), "{key}");
        }
    }
}
