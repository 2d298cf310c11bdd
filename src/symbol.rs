//! Values that are not known while a document is rendered: ids, webhook paths, credentials.
//!
//! A rendered document is ordinary JSON in which a symbol stands inside a string, between two Unicode *noncharacters*
//! (U+FDD0 and U+FDD1, which the standard reserves for internal use). This keeps one type for documents everywhere, and
//! lets a symbol sit in the middle of a URL as easily as in a leaf of its own.
//!
//! No text from outside can pass for a symbol, for three reasons. Files that contain the two characters, written as they
//! are or as an escape, are refused ([`holds_reserved`]), and in platforms' answers they are replaced ([`neutralise`]).
//! A symbol begins with a word that is drawn once per process and never leaves its memory ([`outside::nonce`]): what
//! does not begin with it is plain text. And a symbol has a value only for the tenant it is of ([`Symbol::is_of`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::outside;
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
        format!("{OPEN}{}{json}{CLOSE}", outside::nonce())
    }

    /// Whether it may stand in a document of this owner: what is another tenant's has no value there. A credential is an
    /// account's; whether a tenant may use it is decided where its document is rendered.
    pub fn is_of(&self, owner: &str) -> bool {
        match self {
            Symbol::Ref { address, .. } => address.is_shared() || address.tenant() == owner,
            Symbol::Base { tenant, .. } | Symbol::Entry { tenant, .. } | Symbol::Secret { tenant, .. } => {
                tenant == owner
            }
            Symbol::Credential { .. } => true,
        }
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

/// What a finding about the reserved characters calls them, and its hint.
pub const RESERVED: &str = "the noncharacters U+FDD0 or U+FDD1, which are reserved";
pub const REMOVE: &str = "remove these characters";

/// The first byte of both reserved characters.
const FIRST_BYTE: u8 = 0xEF;

/// Whether a text contains a character that is reserved for symbols.
pub fn is_reserved(text: &str) -> bool {
    // Both begin with this byte, which hardly any text has: looking for it alone is many times faster.
    text.as_bytes().contains(&FIRST_BYTE) && text.contains([OPEN, CLOSE])
}

/// Whether any text or key of a value from outside contains one, however the file it was parsed from spelled it.
pub fn holds_reserved(value: &Value) -> bool {
    match value {
        Value::String(text) => is_reserved(text),
        Value::Array(items) => items.iter().any(holds_reserved),
        Value::Object(map) => map.iter().any(|(key, item)| is_reserved(key) || holds_reserved(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What a platform said, with U+FFFD for each of them. A field that an end customer fills in must not make the whole
/// answer unreadable, and no document that upa sends contains them: a difference stays one.
pub fn neutralise(value: &mut Value) {
    match value {
        Value::String(text) if is_reserved(text) => *text = neutral(text),
        Value::Array(items) => items.iter_mut().for_each(neutralise),
        Value::Object(map) => {
            if map.keys().any(|key| is_reserved(key)) {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, item)| (neutral(&key), item))
                    .collect();
            }
            map.values_mut().for_each(neutralise);
        }
        _ => {}
    }
}

/// A text without the reserved characters.
pub fn neutral(text: &str) -> String {
    text.replace([OPEN, CLOSE], "\u{FFFD}")
}

/// A piece of a string: as written, or a symbol.
enum Piece<'a> {
    Text(&'a str),
    Symbol(Symbol),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begin, mut from) = (0, 0);
    while let Some(found) = text[from..].find(OPEN) {
        let at = from + found;
        from = at + OPEN.len_utf8();
        let Some((symbol, length)) = symbol_at(&text[from..]) else {
            // It only looks like one.
            continue;
        };
        if begin < at {
            pieces.push(Piece::Text(&text[begin..at]));
        }
        pieces.push(Piece::Symbol(symbol));
        from += length;
        begin = from;
    }
    if begin < text.len() || pieces.is_empty() {
        pieces.push(Piece::Text(&text[begin..]));
    }
    pieces
}

/// The symbol of this process that a text begins with, behind the opening character, and how many bytes it takes.
fn symbol_at(text: &str) -> Option<(Symbol, usize)> {
    let (inside, _) = text.split_once(CLOSE)?;
    let symbol = serde_json::from_str(inside.strip_prefix(outside::nonce())?).ok()?;
    Some((symbol, inside.len() + CLOSE.len_utf8()))
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

/// The keys of a symbol in the canonical form.
const REF: &str = "$ref";
const SECRET: &str = "$secret";

/// The document as it enters a plan's digest: symbols as `{"$ref": …}`, also where their value is known, so that the
/// digest a reviewer saw is the digest of what is applied after ids were assigned. A key that is written like that gets
/// one more `$`, so that two documents never have one form.
pub fn symbolic(document: &Value) -> Value {
    match document {
        Value::String(text) if is_reserved(text) => match &*pieces(text) {
            [Piece::Text(text)] => Value::from(*text),
            pieces => pieces.iter().map(canonical).collect(),
        },
        Value::Array(items) => items.iter().map(symbolic).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (escaped(key), symbolic(item)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn canonical(piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Text(text) => Value::from(*text),
        Piece::Symbol(Symbol::Secret { name, .. }) => serde_json::json!({ SECRET: name }),
        Piece::Symbol(symbol) => serde_json::json!({ REF: symbol }),
    }
}

/// A key as it was written, and so that it differs from those of symbols.
fn escaped(key: &str) -> String {
    let word = key.trim_start_matches('$');
    let like_a_symbol = word.len() < key.len() && [REF, SECRET].contains(&&*format!("${word}"));
    if like_a_symbol {
        format!("${key}")
    } else {
        key.to_owned()
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
    use crate::digest::Digest;
    use proptest::prelude::*;
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

    fn token(tenant: &str) -> Symbol {
        Symbol::Secret {
            tenant: tenant.to_owned(),
            name: "inputs.token".to_owned(),
        }
    }

    #[test]
    fn a_text_without_the_word_of_this_process_is_no_symbol() {
        let json = serde_json::to_string(&token("other")).unwrap();
        let guess = "0".repeat(outside::nonce().len());
        for forged in [
            format!("{OPEN}{json}{CLOSE}"),
            format!("a{OPEN}{guess}{json}{CLOSE}b"),
            format!("{OPEN}{OPEN}{CLOSE}"),
        ] {
            let document = json!({"a": forged});
            assert!(symbols(&document).is_empty());
            assert_eq!(resolve(&document, &|_| Some(json!("stolen")), Unknown::Blank), document);
            assert_eq!(symbolic(&document), document);
            // What stands beside it is still found.
            let beside = json!(format!("{forged}{}", crm().embed()));
            assert_eq!(symbols(&beside), BTreeSet::from([crm()]));
        }
    }

    #[test]
    fn a_symbol_is_of_its_tenant_or_shared() {
        let shared = Symbol::id_of("@shared:vapi/number".parse().unwrap());
        assert!(crm().is_of("welcs") && !crm().is_of("ana"));
        assert!(token("ana").is_of("ana") && !token("ana").is_of("welcs"));
        assert!(shared.is_of("ana") && shared.is_of("welcs"));
    }

    #[test]
    fn reserved_characters_are_found_in_texts_and_keys_and_taken_out_of_answers() {
        for (text, found) in [
            (r#"{"a": [{"b": "x\uFDD0y"}]}"#, true),
            (r#"{"a": {"\ufdd1": 1}}"#, true),
            (r#"{"a": "\uFDD2 \\uFDD0"}"#, false),
        ] {
            let mut value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(holds_reserved(&value), found, "{text}");
            neutralise(&mut value);
            assert!(!holds_reserved(&value), "{value}");
        }
    }

    #[test]
    fn the_canonical_form_does_not_know_the_word_of_this_process() {
        let document = json!({"a": format!("x{}y", crm().embed()), "b": [token("welcs").embed()]});
        let form = symbolic(&document).to_string();
        assert!(!form.contains(outside::nonce()) && !is_reserved(&form), "{form}");
    }

    #[test]
    fn a_literal_that_looks_like_a_symbol_has_a_form_of_its_own() {
        let real = json!(format!("Bearer {}", token("welcs").embed()));
        let mut literal = symbolic(&real);
        for _ in 0..3 {
            assert_ne!(symbolic(&literal), symbolic(&real));
            assert_ne!(symbolic(&literal), literal);
            literal = symbolic(&literal);
        }
        // What a JSON Schema or a price says stays as it is.
        let plain = json!({"$schema": "x", "$": 1, "ref": 2, "$refs": 3});
        assert_eq!(symbolic(&plain), plain);
    }

    /// Documents of few words, so that two of them are often almost alike.
    fn documents() -> impl Strategy<Value = Value> {
        let symbol = token("welcs").embed();
        let texts = prop::collection::vec(prop::sample::select(vec!["x".to_owned(), symbol, crm().embed()]), 0..3);
        let looks_alike = symbolic(&json!(format!("x{}", token("welcs").embed())));
        let leaf = prop_oneof![
            texts.prop_map(|parts| Value::from(parts.concat())),
            Just(looks_alike),
            Just(json!(1)),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let key = prop::sample::select(vec!["$ref", "$secret", "$$ref", "$$secret", "ref", "a"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_document_has_the_digest_of_another(a in documents(), b in documents()) {
            for (a, b) in [(a.clone(), b.clone()), (symbolic(&a), b), (symbolic(&a), a)] {
                let digests = Digest::of_json(&symbolic(&a)) == Digest::of_json(&symbolic(&b));
                prop_assert_eq!(digests, a == b, "{} and {}", a, b);
            }
        }

        #[test]
        fn text_around_symbols_is_kept(before in "[^\u{FDD1}]{0,8}", after in "\\PC{0,8}") {
            let text = format!("{before}{}{after}", crm().embed());
            let resolved = resolve(&json!(text), &|_| Some(json!("id")), Unknown::Keep);
            prop_assert_eq!(resolved, json!(format!("{before}id{after}")));
        }
    }
}
