//! Where a secret is read from when it is needed. Secrets never stand in the workspace, only these references.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::toml::{Toml, pointer};
use crate::problem::{Problem, did_you_mean};

/// The mark in a schema that says that a value there is a [`SecretRef`], so that what stands there instead is worded as
/// what it probably is: a secret.
pub const MARK: &str = "x-upa-secret";

const FORMS: &str =
    "write `{ env = \"NAME\" }`, `{ file = \"/run/secrets/name\" }` or `{ sops = \"secrets.yaml\", key = \"name\" }`";

/// Where a secret is: `{ env = "NAME" }`, `{ file = "/run/secrets/name" }` or `{ sops = "secrets.yaml", key = "name" }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-upa-secret" = true))]
pub enum SecretRef {
    Env(InEnvironment),
    File(InFile),
    Sops(InSops),
}

/// In an environment variable of the command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InEnvironment {
    pub env: String,
}

/// In a file outside the workspace, as CI mounts them; its whole text is the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InFile {
    /// An absolute path, or one below `$CREDENTIALS_DIRECTORY`.
    pub file: String,
}

/// In a file of the workspace that `sops` encrypted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InSops {
    /// A path within the workspace.
    pub sops: String,
    /// Which of its values; in a nested table `outer.inner`.
    pub key: String,
}

impl SecretRef {
    /// Why it cannot be used, as far as its own words tell.
    fn wrong(&self) -> Option<String> {
        match self {
            SecretRef::Env(InEnvironment { env }) => {
                let first = |c: char| c.is_ascii_alphabetic() || c == '_';
                let rest = |c: char| first(c) || c.is_ascii_digit();
                (!env.starts_with(first) || !env.chars().all(rest))
                    .then(|| "is not the name of an environment variable".to_owned())
            }
            SecretRef::File(InFile { file }) if !file.starts_with(['/', '$']) => Some(
                "is not an absolute path: a secret is in no file of the workspace, unless sops encrypted it".to_owned(),
            ),
            SecretRef::File(InFile { file }) => leaves(file).then(|| "must not contain `..`".to_owned()),
            SecretRef::Sops(InSops { sops, .. }) if !is_plain(sops) => {
                Some("is not the path of a file within the workspace".to_owned())
            }
            SecretRef::Sops(InSops { key, .. }) => key.is_empty().then(|| "names no key of it".to_owned()),
        }
    }

    /// Likewise, at its place in a file: `at` is the pointer to the whole reference.
    pub(super) fn problem(&self, toml: &Toml, at: &str) -> Option<Problem> {
        let why = self.wrong()?;
        let (key, hint) = match self {
            SecretRef::Env(_) => ("env", "letters, digits and `_`, as in `N8N_API_KEY`"),
            SecretRef::File(_) => ("file", "name a file outside the workspace: `/run/secrets/…`"),
            SecretRef::Sops(source) if source.key.is_empty() => ("key", "name one: `key = \"…\"`"),
            SecretRef::Sops(_) => ("sops", "name a file that sops encrypted: `secrets/….yaml`"),
        };
        let at = format!("{at}{}", pointer([key]));
        Some(
            Problem::configuration(format!("`{key}` {why}"))
                .at(toml.value_place(&at))
                .hint(hint),
        )
    }
}

fn leaves(path: &str) -> bool {
    path.contains('\\') || path.split('/').any(|part| part == "..")
}

/// Whether a path stays where it begins, and is written in the one way Git writes it.
fn is_plain(path: &str) -> bool {
    !path.contains('\\') && path.split('/').all(|part| !["", ".", ".."].contains(&part))
}

/// What a value that stands where a reference should is wrong with. The value itself is not repeated.
pub fn wrong_form(name: &str, found: &Value) -> Problem {
    let Some(table) = found.as_object() else {
        return Problem::configuration(format!(
            "`{name}`: a secret never stands in the workspace, only where it is"
        ))
        .hint(format!(
            "{FORMS}; if it is a real one, it is known now: replace it where it came from"
        ));
    };
    let known = ["env", "file", "sops", "key"];
    let has = |key: &str| table.contains_key(key);
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        let problem = Problem::configuration(format!("`{name}`: a secret has no `{key}`"));
        return match did_you_mean(key, known) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None => problem.hint(FORMS),
        };
    }
    if has("sops") && !has("key") {
        return Problem::configuration(format!("`{name}` does not say which value of the encrypted file it is"))
            .hint("add `key = \"…\"`");
    }
    let sources = known.iter().take(3).filter(|key| has(key)).count();
    Problem::configuration(match sources {
        0 => format!("`{name}` does not say where the secret is"),
        1 => format!("`{name}` has none of the forms of a secret"),
        _ => format!("`{name}`: a secret is in one place"),
    })
    .hint(FORMS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<SecretRef, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn three_forms_and_no_other() {
        for (value, fine) in [
            (json!({"env": "A_KEY"}), true),
            (json!({"env": ""}), false),
            (json!({"env": "A KEY"}), false),
            (json!({"env": "1A"}), false),
            (json!({"file": "/run/secrets/a"}), true),
            (json!({"file": "secrets/a"}), false),
            (json!({"file": "/run/../x/a"}), false),
            (json!({"sops": "secrets/a.yaml", "key": "a.b"}), true),
            (json!({"sops": "../a.yaml", "key": "a"}), false),
            (json!({"sops": "/a.yaml", "key": "a"}), false),
            (json!({"sops": "./a.yaml", "key": "a"}), false),
            (json!({"sops": "", "key": "a"}), false),
            (json!({"sops": "a.yaml", "key": ""}), false),
        ] {
            assert_eq!(read(value.clone()).unwrap().wrong().is_none(), fine, "{value}");
        }
        for value in [
            json!("canary"),
            json!({}),
            json!({"env": "A", "file": "/b"}),
            json!({"sops": "a"}),
            json!({"env": "A", "default": "canary"}),
            json!({"value": "canary"}),
        ] {
            assert!(read(value.clone()).is_err(), "{value}");
            let problem = wrong_form("x", &value);
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
    }

    #[test]
    fn what_was_probably_meant_is_said() {
        let hint = |value| wrong_form("x", &value).hint.unwrap_or_default();
        assert_eq!(hint(json!({"enw": "A"})), "did you mean `env`?");
        assert_eq!(hint(json!({"sops": "a"})), "add `key = \"…\"`");
        assert!(hint(json!("canary")).contains("it is known now"));
    }
}
