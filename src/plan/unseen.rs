//! What a platform does not show again: recorded by what was sent, compared by that record alone.
//!
//! A field's digest covers it as Git says it, secrets by their names; a keyed fingerprint covers the secrets themselves,
//! where a key and their values can be had. Without them a secret is written only when something else is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::Mover;
use crate::desired::DesiredState;
use crate::digest::Digest;
use crate::fingerprint;
use crate::lockfile::Applied;
use crate::platform::{FieldChange, definition, hidden};
use crate::problem::{Place, Problem};
use crate::resource::Address;
use crate::secret::{FingerprintKey, Secrets};
use crate::symbol::{self, Symbol, Unknown};

/// What is recorded of a document's unseen fields once they are sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub unread: BTreeMap<String, Digest>,
    /// Only of fields whose secrets are all known, and only with a key.
    pub secrets: BTreeMap<String, String>,
}

/// The record of a document, with its symbols, whose `paths` are not shown.
pub fn record(address: &Address, document: &Value, paths: &[String], secrets: &Secrets) -> Record {
    let mut record = Record::default();
    for (field, leaf) in hidden::leaves(document, paths) {
        if let Some(print) = print(address, &field, &leaf, secrets) {
            record.secrets.insert(field.clone(), print);
        }
        record.unread.insert(field, Digest::of_json(&symbol::symbolic(&leaf)));
    }
    record
}

/// The keyed fingerprint of a field that holds secrets.
fn print(address: &Address, field: &str, leaf: &Value, secrets: &Secrets) -> Option<String> {
    let key = secrets.fingerprint_key()?;
    let mut names = names(leaf).peekable();
    names.peek()?;
    let value = symbol::resolve(leaf, &|symbol| secrets.value(address.tenant(), symbol), Unknown::Keep);
    if self::names(&value).next().is_some() {
        return None;
    }
    // Ids stay symbols, so that only another secret, or other words around it, make another fingerprint.
    Some(key.fingerprint(&format!("{address} {field}"), &symbol::symbolic(&value)))
}

/// The tenant and name of every secret in a value.
pub fn names(value: &Value) -> impl Iterator<Item = (String, String)> {
    symbol::symbols(value).into_iter().filter_map(|symbol| match symbol {
        Symbol::Secret { tenant, name } => Some((tenant, name)),
        _ => None,
    })
}

/// How what Git wants differs from what was sent.
#[derive(Debug, Default)]
pub struct Difference {
    pub fields: Vec<FieldChange>,
    /// The fields of which only the secret is another one, with its fingerprint.
    pub rotated: BTreeMap<String, String>,
    /// Secrets that could not be compared, and why.
    pub not_compared: BTreeMap<String, String>,
}

/// What nobody can read any more.
const WRITTEN: &str = "(written before, not returned by the platform)";

/// Compares with what was recorded when the object was last written; `None` when it never was by upa.
pub fn difference(
    address: &Address,
    document: &Value,
    paths: &[String],
    applied: Option<&Applied>,
    secrets: &Secrets,
) -> Difference {
    let mut difference = Difference::default();
    let wanted = record(address, document, paths, secrets);
    let change = |field: &str, before: Option<String>, after: Option<Value>| FieldChange {
        field: field.to_owned(),
        before: before.map(Value::from),
        after,
        // What the platform does not show, only Git can have changed.
        mover: Some(Mover::Git),
    };
    // A document that is as it was sent holds nothing else than what was sent, also where no field was recorded.
    let same = applied.is_some_and(|applied| applied.sent == Digest::of_json(&symbol::symbolic(document)));
    let leaves = hidden::leaves(document, paths);
    for (field, leaf) in &leaves {
        let recorded = applied.and_then(|applied| applied.unread.get(field));
        if !same && recorded != wanted.unread.get(field) {
            let before = recorded.map(|_| WRITTEN.to_owned());
            difference.fields.push(change(field, before, Some(leaf.clone())));
            continue;
        }
        let before = applied.and_then(|applied| applied.secrets.get(field));
        match (before, wanted.secrets.get(field)) {
            (Some(before), Some(after)) if fingerprint::comparable(before, after) => {
                if before != after {
                    let words = |print| format!("(secret, fingerprint {}…)", fingerprint::short(print));
                    let after_words = Value::from(words(after));
                    difference
                        .fields
                        .push(change(field, Some(words(before)), Some(after_words)));
                    difference.rotated.insert(field.clone(), after.clone());
                }
            }
            (_, Some(_)) => {
                let why = "it was last written with another fingerprint key, or with none";
                let names = names(leaf).map(|(_, name)| (name, why.to_owned()));
                difference.not_compared.extend(names);
            }
            (_, None) => difference.not_compared.extend(unavailable(leaf, secrets)),
        }
    }
    for field in applied.into_iter().flat_map(|applied| applied.unread.keys()) {
        if !leaves.contains_key(field) && definition::path::at(document, field).is_none() {
            difference.fields.push(change(field, Some(WRITTEN.to_owned()), None));
        }
    }
    difference
}

/// The secrets of a value that could not be had.
fn unavailable(value: &Value, secrets: &Secrets) -> BTreeMap<String, String> {
    let missing = names(value).filter_map(|(tenant, name)| match secrets.get(&tenant, &name)? {
        Ok(_) => None,
        Err(unavailable) => Some((name, unavailable.why.clone())),
    });
    missing.collect()
}

/// The finding about secrets of a tenant that were not compared.
pub fn not_compared(tenant: &str, secrets: &BTreeMap<String, String>) -> Option<Problem> {
    if secrets.is_empty() {
        return None;
    }
    let each: Vec<String> = secrets.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    let problem = Problem::warning(format!(
        "tenant `{tenant}`: not compared, so a rotation would not show: {}",
        each.join(", ")
    ));
    Some(
        problem
            .tenant(tenant)
            .hint("nothing is held back; it is compared again once it can be read here and was written with this key"),
    )
}

/// The finding about a workspace whose secrets cannot be compared at all.
pub fn without_key(desired: &DesiredState, key: &FingerprintKey) -> Option<Problem> {
    let tenants = desired.tenants.values().filter(|tenant| !tenant.secrets.is_empty());
    let count = tenants.count();
    let of = if count == 1 {
        "1 tenant".to_owned()
    } else {
        format!("{count} tenants")
    };
    let (why, hint) = match key {
        _ if count == 0 => return None,
        FingerprintKey::Known(_) => return None,
        FingerprintKey::Unset => (
            "`[workspace]` names no `fingerprint_key`".to_owned(),
            "add `fingerprint_key = { env = \"UPA_FINGERPRINT_KEY\" }`, and make a key with `openssl rand -hex 32`"
                .to_owned(),
        ),
        FingerprintKey::Unavailable(unavailable) => (
            unavailable.why.clone(),
            format!("`fingerprint_key` in `[workspace]` names it: {}", unavailable.hint),
        ),
    };
    let problem = Problem::warning(format!(
        "the secrets of {of} are not compared, so a rotation does not show: {why}"
    ));
    Some(problem.at(Place::file("upa.toml")).hint(hint))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use serde_json::json;

    fn address() -> Address {
        "welcs@v2.0/a".parse().unwrap()
    }

    fn paths() -> Vec<String> {
        vec!["server.secret".to_owned(), "headers".to_owned()]
    }

    /// What is recorded once a document was sent.
    fn applied(document: &Value) -> Applied {
        let record = record(&address(), document, &paths(), &Secrets::default());
        Applied {
            id: "1".to_owned(),
            sent: Digest::of_json(&symbol::symbolic(document)),
            read: Digest::of_bytes(b""),
            keys: BTreeSet::new(),
            commit: "c".to_owned(),
            revision: 1,
            unproven: false,
            stopped: false,
            unread: record.unread,
            secrets: record.secrets,
            needs: std::collections::BTreeSet::new(),
            adopted: None,
            out: BTreeMap::new(),
        }
    }

    fn fields(document: &Value, applied: Option<&Applied>) -> Vec<String> {
        let difference = difference(&address(), document, &paths(), applied, &Secrets::default());
        assert!(difference.rotated.is_empty());
        difference.fields.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn only_the_field_that_is_another_one_differs() {
        let before = json!({"name": "x", "server": {"secret": "a", "url": "u"}, "headers": {"A": "1", "B": "2"}});
        let recorded = applied(&before);
        assert!(fields(&before, Some(&recorded)).is_empty());
        for (after, expected) in [
            (
                json!({"name": "y", "server": {"secret": "a", "url": "v"}, "headers": {"A": "1", "B": "2"}}),
                &[][..],
            ),
            (
                json!({"name": "x", "server": {"secret": "b", "url": "u"}, "headers": {"A": "1", "B": "2"}}),
                &["server.secret"],
            ),
            (
                json!({"name": "x", "server": {"secret": "a", "url": "u"}, "headers": {"A": "3", "C": "2"}}),
                &["headers.A", "headers.C", "headers.B"],
            ),
            (
                json!({"name": "x", "server": {"url": "u"}}),
                &["headers.A", "headers.B", "server.secret"],
            ),
        ] {
            assert_eq!(fields(&after, Some(&recorded)), expected, "{after}");
        }
        // Nobody knows what an object holds that upa did not write.
        assert_eq!(fields(&before, None), ["headers.A", "headers.B", "server.secret"]);
    }

    #[test]
    fn a_record_without_fields_is_believed_as_long_as_nothing_else_changed() {
        let document = json!({"name": "x", "headers": {"A": "1"}});
        let mut recorded = applied(&document);
        recorded.unread.clear();
        assert!(fields(&document, Some(&recorded)).is_empty());
        let document = json!({"name": "y", "headers": {"A": "1"}});
        assert_eq!(fields(&document, Some(&recorded)), ["headers.A"]);
    }

    #[test]
    fn a_name_is_no_secret_and_shows_as_another_name() {
        let token = |name: &str| {
            let symbol = Symbol::Secret {
                tenant: "welcs".to_owned(),
                name: name.to_owned(),
            };
            json!({"headers": {"A": format!("Bearer {}", symbol.embed())}})
        };
        let recorded = applied(&token("inputs.a"));
        assert!(recorded.secrets.is_empty() && recorded.unread.len() == 1);
        assert!(fields(&token("inputs.a"), Some(&recorded)).is_empty());
        assert_eq!(fields(&token("inputs.b"), Some(&recorded)), ["headers.A"]);
    }
}
