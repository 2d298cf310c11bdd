//! Secrets in memory: a text that cannot be printed, and everything one run could find out about the secrets of its
//! tenants. Nothing here reads anything; [`crate::secrets`] does.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::fingerprint::Key;
use crate::symbol::Symbol;

/// A secret: it cannot be printed, and its memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had, and what to do about it. Never holds any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    pub why: String,
    pub hint: String,
}

/// The key of the fingerprints by which write-only values are compared.
#[derive(Debug, Clone, Default)]
pub enum FingerprintKey {
    /// `[workspace]` names none.
    #[default]
    Unset,
    Unavailable(Unavailable),
    Known(Key),
}

/// What is known of the secrets of the tenants of one run, by tenant and name.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    pub key: FingerprintKey,
    known: BTreeMap<(String, String), Result<Secret, Unavailable>>,
}

impl Secrets {
    pub fn new(key: FingerprintKey) -> Self {
        Self {
            key,
            known: BTreeMap::new(),
        }
    }

    /// Remembers a secret of a tenant, or why it could not be had.
    pub fn insert(&mut self, tenant: &str, name: &str, found: Result<Secret, Unavailable>) {
        self.known.insert((tenant.to_owned(), name.to_owned()), found);
    }

    /// What was found out about a secret; `None` if nobody asked.
    pub fn get(&self, tenant: &str, name: &str) -> Option<&Result<Secret, Unavailable>> {
        self.known.get(&(tenant.to_owned(), name.to_owned()))
    }

    /// The value of a symbol that stands for a secret, in a document of this owner; none of another tenant's.
    pub fn value(&self, owner: &str, symbol: &Symbol) -> Option<Value> {
        let Symbol::Secret { tenant, name } = symbol else {
            return None;
        };
        if tenant != owner {
            return None;
        }
        let secret = self.get(tenant, name)?.as_ref().ok()?;
        Some(Value::from(secret.expose()))
    }

    /// The key, if it could be had.
    pub fn fingerprint_key(&self) -> Option<&Key> {
        match &self.key {
            FingerprintKey::Known(key) => Some(key),
            FingerprintKey::Unset | FingerprintKey::Unavailable(_) => None,
        }
    }

    /// A text from outside without the secrets of a tenant: a platform may repeat what it was sent when it refuses it.
    pub fn redacted(&self, tenant: &str, text: &str) -> String {
        let mut secrets: Vec<(&str, &str)> = self
            .known
            .iter()
            .filter(|((owner, _), _)| owner == tenant)
            .filter_map(|((_, name), found)| Some((found.as_ref().ok()?.expose(), name.as_str())))
            .filter(|(secret, _)| !secret.is_empty())
            .collect();
        // One secret may be the beginning of another.
        secrets.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        let mut text = text.to_owned();
        for (secret, name) in secrets {
            text = text.replace(secret, &format!("(secret {name})"));
            let quoted = Value::from(secret).to_string();
            let quoted = quoted.trim_matches('"');
            if quoted != secret {
                text = text.replace(quoted, &format!("(secret {name})"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let mut secrets = Secrets::new(FingerprintKey::Known(
            Key::new(&Secret::new("canary-key-0123456789")).unwrap(),
        ));
        secrets.insert("ana", "inputs.a", Ok(Secret::new("canary")));
        let printed = format!(
            "{secrets:?} {:#?}",
            BTreeMap::from([("api_key", Secret::new("canary"))])
        );
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn a_secret_has_a_value_only_in_its_own_tenants_documents() {
        let mut secrets = Secrets::default();
        secrets.insert("ana", "inputs.a", Ok(Secret::new("abc")));
        let symbol = Symbol::Secret {
            tenant: "ana".to_owned(),
            name: "inputs.a".to_owned(),
        };
        assert_eq!(secrets.value("ana", &symbol), Some(Value::from("abc")));
        assert_eq!(secrets.value("bo", &symbol), None);
    }

    #[test]
    fn a_text_from_outside_loses_every_secret_of_its_tenant() {
        let mut secrets = Secrets::default();
        secrets.insert("ana", "inputs.a", Ok(Secret::new("abc")));
        secrets.insert("ana", "inputs.b", Ok(Secret::new("abc\"def")));
        secrets.insert("bo", "inputs.a", Ok(Secret::new("refused")));
        assert_eq!(
            secrets.redacted("ana", r#"refused: "abc\"def", abc"def and abc"#),
            r#"refused: "(secret inputs.b)", (secret inputs.b) and (secret inputs.a)"#
        );
    }
}
