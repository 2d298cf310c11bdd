//! Who may name which secret: below which folders secret files lie, and what of all that the environment, these folders
//! and encrypted files hold is a tenant's own.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Settings;
use super::secret::{InEnvironment, InFile, InSops, SecretRef};
use super::toml::{Toml, pointer};
use crate::problem::{Problem, listed};

/// Where secret files lie without being listed. A path below the second is written with the variable's name.
pub const USUAL_FOLDERS: [&str; 2] = ["/run/secrets", CREDENTIALS];
/// The folder that systemd hands a unit's credentials over in.
pub const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY";
/// Never a folder of secrets: what the kernel makes up, the environment of this very process among it.
const NEVER: [&str; 3] = ["/proc", "/sys", "/dev"];

/// `[secrets]` of upa.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretRules {
    /// The folders below which secret files may lie, besides `/run/secrets` and `$CREDENTIALS_DIRECTORY`.
    pub files: Vec<String>,
    /// What a tenant may name.
    pub tenants: TenantPatterns,
}

/// What a tenant may name: patterns with `{tenant}`, or `{TENANT}` in capitals with `_` for `-`, and `*` at the end for the
/// rest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantPatterns {
    /// Environment variables.
    pub env: Vec<String>,
    /// Files.
    pub file: Vec<String>,
    /// Keys of encrypted files.
    pub sops: Vec<String>,
}

impl Default for TenantPatterns {
    fn default() -> Self {
        Self {
            env: vec!["UPA_TENANT_{TENANT}_*".to_owned()],
            file: vec!["/run/secrets/tenants/{tenant}/*".to_owned()],
            sops: vec!["tenants.{tenant}.*".to_owned()],
        }
    }
}

/// A pattern, taken apart at the tenant's name.
struct Pattern<'a> {
    before: &'a str,
    capitals: bool,
    after: &'a str,
    /// Whether any text may follow.
    open: bool,
}

impl<'a> Pattern<'a> {
    /// `None` where it could not tell one tenant's from another's.
    fn of(text: &'a str) -> Option<Self> {
        let (capitals, (before, after)) = match text.split_once("{tenant}") {
            Some(parts) => (false, parts),
            None => (true, text.split_once("{TENANT}")?),
        };
        let (after, open) = match after.strip_suffix('*') {
            Some(after) => (after, true),
            None => (after, false),
        };
        let plain = |part: &str| !part.contains(['*', '{', '}']) && !part.split('/').any(|part| part == "..");
        (plain(before) && plain(after) && !(open && after.is_empty())).then_some(Self {
            before,
            capitals,
            after,
            open,
        })
    }

    fn spelled(&self, tenant: &str) -> String {
        match self.capitals {
            true => tenant.to_ascii_uppercase().replace('-', "_"),
            false => tenant.to_owned(),
        }
    }

    /// With a tenant's name, up to where any text may follow.
    fn begin(&self, tenant: &str) -> String {
        format!("{}{}{}", self.before, self.spelled(tenant), self.after)
    }

    fn matches(&self, tenant: &str, value: &str) -> bool {
        match value.strip_prefix(&self.begin(tenant)) {
            Some(rest) => rest.is_empty() != self.open,
            None => false,
        }
    }

    /// The tenants whose own a value could be: wherever what follows a name begins, a name may have ended.
    fn owners<'b>(&self, value: &str, tenants: &BTreeSet<&'b str>) -> Vec<&'b str> {
        let Some(rest) = value.strip_prefix(self.before) else {
            return Vec::new();
        };
        let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let names = ends.map(|end| match self.capitals {
            true => rest[..end].to_ascii_lowercase().replace('_', "-"),
            false => rest[..end].to_owned(),
        });
        let known = names.filter_map(|name| tenants.get(name.as_str()).copied());
        known.filter(|name| self.matches(name, value)).collect()
    }
}

impl SecretRules {
    /// The patterns for the form of a reference, and what of it they are about.
    fn about<'a>(&'a self, source: &SecretRef) -> (&'a [String], String) {
        match source {
            SecretRef::Env(InEnvironment { env }) => (&self.tenants.env, env.clone()),
            SecretRef::File(InFile { file }) => (&self.tenants.file, plain(file)),
            SecretRef::Sops(InSops { key, .. }) => (&self.tenants.sops, key.clone()),
        }
    }

    /// The tenant whose own a secret is. Where several names fit it is the longest: `UPA_TENANT_A_B_KEY` is `a-b`'s and
    /// not `a`'s.
    pub fn owner<'a>(&self, source: &SecretRef, tenants: &BTreeSet<&'a str>) -> Option<&'a str> {
        let (patterns, value) = self.about(source);
        let patterns = patterns.iter().filter_map(|text| Pattern::of(text));
        let owners = patterns.flat_map(|pattern| pattern.owners(&value, tenants));
        owners.max_by_key(|name| name.len())
    }

    /// The first pattern for environment variables, for one of this name: what a new tenant's file proposes.
    pub fn variable(&self, tenant: &str, name: &str) -> String {
        let pattern = self.tenants.env.iter().find_map(|text| Pattern::of(text));
        let begin = pattern.map_or_else(String::new, |pattern| pattern.begin(tenant));
        let name = name.chars().map(|sign| match sign.is_ascii_alphanumeric() {
            true => sign.to_ascii_uppercase(),
            false => '_',
        });
        format!("{begin}{}", name.collect::<String>())
    }

    /// The folder that a secret file must not lead out of: the tenant's own, or the one that is listed.
    pub fn folder(&self, path: &str, tenant: Option<&str>) -> Option<String> {
        let path = plain(path);
        let allowed = self.allowed().find(|folder| below(&path, folder))?;
        let Some(tenant) = tenant else { return Some(allowed) };
        let patterns = self.tenants.file.iter().filter_map(|text| Pattern::of(text));
        let mut fitting = patterns.filter(|pattern| pattern.matches(tenant, &path));
        let begin = fitting.next()?.begin(tenant);
        Some(
            begin
                .rsplit_once('/')
                .map_or(begin.clone(), |(folder, _)| folder.to_owned()),
        )
    }

    fn allowed(&self) -> impl Iterator<Item = String> {
        let listed = self.files.iter().map(|folder| plain(folder));
        USUAL_FOLDERS.into_iter().map(str::to_owned).chain(listed)
    }

    /// Why no secret is ever read from a path, written out or as it is on disk.
    pub fn never(&self, path: &str) -> Option<String> {
        let path = plain(path);
        if let Some(folder) = NEVER.iter().find(|folder| below(&path, folder)) {
            return Some(format!("is below `{folder}`, where no secret is ever read"));
        }
        if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
            return Some("is part of a Git repository, where no secret is ever read".to_owned());
        }
        let listed = || self.files.iter().any(|folder| below(&path, &plain(folder)));
        (below(&path, "/etc") && !listed())
            .then(|| "is below `/etc`, and in no folder that `[secrets]` lists".to_owned())
    }

    fn outside(&self, path: &str) -> Option<String> {
        let none = self.folder(path, None).is_none();
        none.then(|| "is in no folder where secrets may lie".to_owned())
    }

    /// What is wrong with where a file is.
    pub(super) fn misplaced(&self, source: &SecretRef, toml: &Toml, at: &str) -> Option<Problem> {
        let SecretRef::File(InFile { file }) = source else {
            return None;
        };
        let why = self.never(file).or_else(|| self.outside(file))?;
        let folders = self.allowed().collect::<Vec<_>>();
        Some(
            Problem::configuration(format!("`file` {why}"))
                .at(toml.value_place(&format!("{at}{}", pointer(["file"]))))
                .hint(format!(
                    "folders of secrets: {}; upa.toml lists further ones: `[secrets]` `files = [\"/…\"]`",
                    listed(folders.iter().map(String::as_str))
                )),
        )
    }

    /// What is wrong with the rules themselves.
    pub(super) fn check(&self, toml: &Toml) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, folder) in self.files.iter().enumerate() {
            let whole = plain(folder);
            let never = NEVER.iter().any(|never| below(&whole, never));
            let repository = whole.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
            let wide = ["", "/", "/etc", "/run", "/home", "/root", "/var", "/tmp"].contains(&whole.as_str());
            if folder.starts_with('/') && !folder.contains("..") && !never && !repository && !wide {
                continue;
            }
            problems.push(
                Problem::configuration(format!("`{folder}` cannot be a folder of secrets"))
                    .at(toml.value_place(&pointer(["secrets", "files", &index.to_string()])))
                    .hint("name a folder that holds secrets and nothing else: `/etc/upa/keys`"),
            );
        }
        let patterns = [
            ("env", &self.tenants.env),
            ("file", &self.tenants.file),
            ("sops", &self.tenants.sops),
        ];
        for (form, patterns) in patterns {
            for (index, text) in patterns
                .iter()
                .enumerate()
                .filter(|(_, text)| Pattern::of(text).is_none())
            {
                problems.push(
                    Problem::configuration(format!("`{text}` does not say which of it is whose"))
                        .at(toml.value_place(&pointer(["secrets", "tenants", form, &index.to_string()])))
                        .hint("write `{tenant}` or `{TENANT}` once, a sign after it, and `*` only at the end: `UPA_TENANT_{TENANT}_*`"),
                );
            }
        }
        problems
    }

    /// Why a tenant may not name a secret, and what to name instead.
    pub(super) fn foreign(
        &self,
        source: &SecretRef,
        tenant: &str,
        tenants: &BTreeSet<&str>,
        own: &BTreeSet<SecretRef>,
    ) -> Option<(String, String)> {
        let what = described(source);
        let why = match self.owner(source, tenants) {
            _ if own.contains(&normal(source)) => format!("{what} is a key of the workspace itself: upa.toml uses it"),
            Some(owner) if owner == tenant => return None,
            Some(owner) => format!("{what} is tenant `{owner}`'s"),
            None => format!("tenant `{tenant}` may not name {what}"),
        };
        let (patterns, _) = self.about(source);
        let patterns = patterns.iter().filter_map(|text| Pattern::of(text));
        let allowed: Vec<String> = patterns
            .map(|pattern| format!("{}{}", pattern.begin(tenant), if pattern.open { "*" } else { "" }))
            .collect();
        let allowed = match allowed.is_empty() {
            true => "none of this form".to_owned(),
            false => listed(allowed.iter().map(String::as_str)),
        };
        Some((
            why,
            format!("it may name {allowed}; `[secrets]` of upa.toml says what tenants may name"),
        ))
    }
}

/// What a secret is called where it is, never what it is: `env NAME`, `file /run/secrets/name`, `sops FILE key`.
pub fn described(source: &SecretRef) -> String {
    match source {
        SecretRef::Env(InEnvironment { env }) => format!("env {env}"),
        SecretRef::File(InFile { file }) => format!("file {file}"),
        SecretRef::Sops(InSops { sops, key }) => format!("sops {sops} {key}"),
    }
}

/// Everything that upa.toml itself uses, each spelled in one way.
pub fn own(settings: &Settings) -> BTreeSet<SecretRef> {
    let credentials = settings
        .accounts
        .values()
        .flat_map(|account| account.credentials.values());
    credentials
        .chain(&settings.workspace.fingerprint_key)
        .map(normal)
        .collect()
}

fn normal(source: &SecretRef) -> SecretRef {
    match source {
        SecretRef::File(InFile { file }) => SecretRef::File(InFile { file: plain(file) }),
        other => other.clone(),
    }
}

/// A path in one spelling: without `//`, `/./` and a `/` at its end.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !["", "."].contains(part)).collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn source(value: serde_json::Value) -> SecretRef {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_longest_name_owns_a_secret() {
        let rules = SecretRules::default();
        let tenants = BTreeSet::from(["a", "a-b", "c"]);
        for (value, owner) in [
            (json!({"env": "UPA_TENANT_A_KEY"}), Some("a")),
            (json!({"env": "UPA_TENANT_A_B_KEY"}), Some("a-b")),
            (json!({"env": "UPA_TENANT_A_B"}), Some("a")),
            (json!({"env": "UPA_TENANT_A_"}), None),
            (json!({"env": "UPA_TENANT_a_KEY"}), None),
            (json!({"env": "N8N_API_KEY"}), None),
            (json!({"file": "/run/secrets/tenants/a-b/x"}), Some("a-b")),
            (json!({"file": "/run//secrets/./tenants/a/x"}), Some("a")),
            (json!({"file": "/run/secrets/tenants/a"}), None),
            (json!({"sops": "s.yaml", "key": "tenants.c.x"}), Some("c")),
            (json!({"sops": "s.yaml", "key": "tenants.cc.x"}), None),
        ] {
            assert_eq!(rules.owner(&source(value.clone()), &tenants), owner, "{value}");
        }
    }

    #[test]
    fn a_secret_file_lies_in_a_folder_of_secrets() {
        let rules = SecretRules {
            files: vec!["/etc/upa/keys".to_owned(), "/srv/keys/".to_owned()],
            ..SecretRules::default()
        };
        for (path, fine) in [
            ("/run/secrets/n8n", true),
            ("$CREDENTIALS_DIRECTORY/n8n", true),
            ("/etc/upa/keys/n8n", true),
            ("/srv//keys/n8n", true),
            ("/srv/keys2/n8n", false),
            ("/run/secretsx", false),
            ("/etc/passwd", false),
            ("/proc/self/environ", false),
            ("/sys/x", false),
            ("//proc/self/environ", false),
            ("/dev/stdin", false),
            ("/srv/keys/.git/config", false),
            ("/srv/keys/.GIT/config", false),
            ("/home/ana/.netrc", false),
        ] {
            let refused = rules.never(path).or_else(|| rules.outside(path));
            assert_eq!(refused.is_none(), fine, "{path}: {refused:?}");
        }
    }

    #[test]
    fn a_pattern_tells_tenants_apart() {
        for (text, fine) in [
            ("UPA_TENANT_{TENANT}_*", true),
            ("/run/secrets/{tenant}", true),
            ("{tenant}*", false),
            ("KEY_*", false),
            ("*_{TENANT}_KEY", false),
            ("{tenant}.{TENANT}.*", false),
            ("/run/secrets/{tenant}/../*", false),
        ] {
            assert_eq!(Pattern::of(text).is_some(), fine, "{text}");
        }
    }
}
