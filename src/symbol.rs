//! Values that are not known while a document is rendered: ids, webhook paths, credentials.
//!
//! A rendered document is ordinary JSON in which a symbol stands inside a string, between two Unicode *noncharacters*
//! (U+FDD0 and U+FDD1, which the standard reserves for internal use). Templates and inputs that contain them are
//! refused at load, so a symbol can never be forged by a file. This keeps one type for documents everywhere, and lets a
//! symbol sit in the middle of a URL as easily as in a leaf of its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::Address;

const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// Something whose value comes from a platform or from the lockfile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symbol {
    /// The id (`path` = `id`) or an output (`path` = `out.x`) of another resource.
    Ref { address: Address, path: String },
    /// The first segment of every webhook path of a tenant: `<tenant>-<uuid>` or `<uuid>`.
    Base { tenant: String, version: String },
    /// The id under which one node is reached from outside; derived from the random base UUID.
    Entry {
        tenant: String,
        version: String,
        resource: String,
        node: String,
    },
    /// The id of an existing credential of the account, by name and type.
    Credential {
        account: String,
        name: String,
        kind: String,
    },
    /// A secret of a tenant (`name` = `inputs.x`): its value is known only where it is sent.
    Secret { tenant: String, name: String },
}

impl Symbol {
    /// The id of another resource.
    pub fn id_of(address: Address) -> Self {
        Symbol::Ref {
            address,
            path: "id".to_owned(),
        }
    }

    /// The symbol as it stands inside a string.
    pub fn embed(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{OPEN}{json}{CLOSE}")
    }

    /// How a person reads it where its value is not known yet.
    pub fn describe(&self) -> String {
        match self {
            Symbol::Ref { address, path } if path == "id" => format!("(id of {address})"),
            Symbol::Ref { address, path } => format!("({path} of {address})"),
            Symbol::Base { .. } => "(webhook base)".to_owned(),
            Symbol::Entry { node, .. } => format!("(webhook id of {node})"),
            Symbol::Credential { name, .. } => format!("(credential {name})"),
            Symbol::Secret { name, .. } => format!("(secret {name})"),
        }
    }
}

/// The first byte of both reserved characters.
const FIRST_BYTE: u8 = 0xEF;

/// Whether a text contains a character that is reserved for symbols.
pub fn is_reserved(text: &str) -> bool {
    // Both begin with this byte, which hardly any text has: looking for it alone is many times faster.
    text.as_bytes().contains(&FIRST_BYTE) && text.contains([OPEN, CLOSE])
}

/// A piece of a string: as written, or a symbol.
enum Piece<'a> {
    Text(&'a str),
    Symbol(Symbol),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (inside, after) = behind.split_once(CLOSE).unwrap_or((behind, ""));
        match serde_json::from_str(inside) {
            Ok(symbol) => pieces.push(Piece::Symbol(symbol)),
            Err(_) => pieces.push(Piece::Text(inside)),
        }
        rest = after;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Every symbol in a document.
pub fn symbols(document: &Value) -> BTreeSet<Symbol> {
    let mut found = BTreeSet::new();
    visit_strings(document, &mut |text| {
        for piece in pieces(text) {
            if let Piece::Symbol(symbol) = piece {
                found.insert(symbol);
            }
        }
    });
    found
}

/// Every symbol in a document with the dotted path of the string it stands in.
pub fn places(document: &Value) -> Vec<(String, Symbol)> {
    let mut found = Vec::new();
    visit_places("", document, &mut found);
    found
}

fn visit_places(at: &str, value: &Value, found: &mut Vec<(String, Symbol)>) {
    let join = |key: &str| {
        if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        }
    };
    match value {
        Value::String(_) => found.extend(symbols(value).into_iter().map(|symbol| (at.to_owned(), symbol))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit_places(&join(&index.to_string()), item, found);
            }
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| visit_places(&join(key), item, found)),
        _ => {}
    }
}

/// Calls `see` for every string that contains a symbol.
fn visit_strings(document: &Value, see: &mut impl FnMut(&str)) {
    match document {
        Value::String(text) if is_reserved(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| visit_strings(item, see)),
        Value::Object(map) => map.values().for_each(|item| visit_strings(item, see)),
        _ => {}
    }
}

/// What stands in for a symbol that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Left as it is, so that it still shows as a symbol.
    Keep,
    /// Nothing: for the first write of a draft, which is filled once everything is known.
    Blank,
    /// Words for people.
    Describe,
}

/// The document with every symbol replaced that `value_of` knows.
pub fn resolve(document: &Value, value_of: &impl Fn(&Symbol) -> Option<Value>, unknown: Unknown) -> Value {
    match document {
        Value::String(text) if is_reserved(text) => resolve_text(text, value_of, unknown),
        Value::Array(items) => items.iter().map(|item| resolve(item, value_of, unknown)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (key.clone(), resolve(item, value_of, unknown)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn resolve_text(text: &str, value_of: &impl Fn(&Symbol) -> Option<Value>, unknown: Unknown) -> Value {
    let pieces = pieces(text);
    // A string that is nothing but a symbol keeps the type of its value.
    if let [Piece::Symbol(symbol)] = &*pieces
        && let Some(value) = value_of(symbol)
    {
        return value;
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Symbol(symbol) => match (value_of(&symbol), unknown) {
                (Some(Value::String(text)), _) => out.push_str(&text),
                (Some(other), _) => out.push_str(&other.to_string()),
                (None, Unknown::Keep) => out.push_str(&symbol.embed()),
                (None, Unknown::Blank) => {}
                (None, Unknown::Describe) => out.push_str(&symbol.describe()),
            },
        }
    }
    Value::String(out)
}

/// The document as it enters a plan's digest: symbols as `{"$ref": …}`, also where their value is known, so that the
/// digest a reviewer saw is the digest of what is applied after ids were assigned.
pub fn symbolic(document: &Value) -> Value {
    match document {
        Value::String(text) if is_reserved(text) => {
            let parts: Vec<Value> = pieces(text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) => Value::from(text),
                    Piece::Symbol(Symbol::Secret { name, .. }) => serde_json::json!({ "$secret": name }),
                    Piece::Symbol(symbol) => serde_json::json!({ "$ref": symbol }),
                })
                .collect();
            Value::Array(parts)
        }
        Value::Array(items) => items.iter().map(symbolic).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (key.clone(), symbolic(item)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The text of a string with its symbols in words.
pub fn described(text: &str) -> String {
    match resolve_text(text, &|_| None, Unknown::Describe) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn crm() -> Symbol {
        Symbol::id_of("welcs@v2.0/crm".parse().unwrap())
    }

    #[test]
    fn a_symbol_in_a_leaf_of_its_own_keeps_the_type_of_its_value() {
        let document = json!({"a": crm().embed(), "b": [format!("x/{}/y", crm().embed())]});
        let resolved = resolve(&document, &|_| Some(json!(7)), Unknown::Keep);
        assert_eq!(resolved, json!({"a": 7, "b": ["x/7/y"]}));
        assert_eq!(symbols(&document), BTreeSet::from([crm()]));
    }

    #[test]
    fn unknown_symbols_stay_vanish_or_speak() {
        let document = json!(format!("x/{}", crm().embed()));
        assert_eq!(resolve(&document, &|_| None, Unknown::Keep), document);
        assert_eq!(resolve(&document, &|_| None, Unknown::Blank), json!("x/"));
        assert_eq!(
            resolve(&document, &|_| None, Unknown::Describe),
            json!("x/(id of welcs@v2.0/crm)")
        );
    }

    #[test]
    fn a_secret_is_known_by_its_name_alone() {
        let token = Symbol::Secret {
            tenant: "welcs".to_owned(),
            name: "inputs.token".to_owned(),
        };
        let document = json!({"headers": [{"value": format!("Bearer {}", token.embed())}]});
        assert_eq!(
            symbolic(&document),
            json!({"headers": [{"value": ["Bearer ", {"$secret": "inputs.token"}]}]})
        );
        assert_eq!(
            described(document["headers"][0]["value"].as_str().unwrap()),
            "Bearer (secret inputs.token)"
        );
        assert_eq!(places(&document), [("headers.0.value".to_owned(), token)]);
    }

    #[test]
    fn the_symbolic_form_shows_no_value() {
        let shown = symbolic(&json!({"a": crm().embed(), "b": "plain"}));
        assert_eq!(
            shown,
            json!({"a": [{"$ref": {"ref": {"address": "welcs@v2.0/crm", "path": "id"}}}], "b": "plain"})
        );
    }
}
