//! Takes secrets, and what URLs carry besides their place, out of every text that may be shown.

mod layer;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::{Captures, Regex};
use serde_json::Value;

use layer::Layer;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";
/// Shorter texts are no secrets: taking them out would only make messages unreadable.
const SHORTEST: usize = 8;
/// How often what escapes letters may be escaped again.
const LAYERS: usize = 6;

static URL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?#"'<>@]*@)?([^\s?#"'<>]*)([?#][^\s"'<>]*)?"#).ok()
});

/// The secrets of an account: they are found in whatever way a text writes them.
#[derive(Default)]
pub struct Redactor {
    forms: RwLock<BTreeSet<String>>,
}

impl Redactor {
    /// Adds a secret; one that is a document (a key file) counts with each of its secret parts.
    pub fn learn(&self, secret: &str) {
        let known = |forms: &BTreeSet<String>| forms.contains(secret);
        if secret.len() < SHORTEST || known(&self.forms.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let found = parts(secret).into_iter().flat_map(|part| forms(&part));
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        forms.extend(found);
    }

    /// The text without secrets, and its URLs without user, password and query.
    pub fn clean(&self, text: &str) -> String {
        let forms = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        let mut spans = Vec::new();
        let mut layer = Layer::of(text);
        for _ in 0..LAYERS {
            for form in forms.iter() {
                layer.find(form, &mut spans);
            }
            let Some(next) = layer.decoded() else { break };
            layer = next;
        }
        bare_urls(&without(text, spans)).into_owned()
    }
}

/// A text without these parts of it.
fn without(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_by_key(|span| span.start);
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for span in spans {
        // A part that goes on in another one is taken out with it.
        if span.start >= shown {
            out.push_str(text.get(shown..span.start).unwrap_or_default());
            out.push_str(REDACTED);
        }
        shown = shown.max(span.end);
    }
    out.push_str(text.get(shown..).unwrap_or_default());
    out
}

/// URLs without user, password and query.
fn bare_urls(text: &str) -> Cow<'_, str> {
    let Some(pattern) = URL.as_ref() else {
        return Cow::Borrowed(text);
    };
    pattern.replace_all(text, |url: &Captures<'_>| {
        let query = if url.get(3).is_some() { "?…" } else { "" };
        format!("{}{}{query}", &url[1], &url[2])
    })
}

/// A secret, and what is secret inside it.
fn parts(secret: &str) -> Vec<String> {
    let mut parts = vec![secret.to_owned()];
    if let Ok(document @ Value::Object(_)) = serde_json::from_str(secret) {
        secret_values(&document, &mut parts);
    }
    // A key in PEM is printed line by line, and its lines are as secret as the whole.
    let lines: Vec<String> = parts
        .iter()
        .filter(|part| part.contains("-----BEGIN"))
        .flat_map(|part| part.lines())
        .filter(|line| !line.starts_with("-----"))
        .map(str::to_owned)
        .collect();
    parts.extend(lines);
    parts.retain(|part| part.len() >= SHORTEST);
    parts
}

fn secret_values(document: &Value, parts: &mut Vec<String>) {
    let Value::Object(fields) = document else { return };
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let secret = ["key", "secret", "token", "password"]
            .iter()
            .any(|word| name.contains(word));
        match value {
            Value::String(text) if secret && !text.contains("://") => parts.push(text.clone()),
            other => secret_values(other, parts),
        }
    }
}

/// A text as it is, in hexadecimal digits and in base64. What only escapes some of its letters is decoded by [`Layer`].
fn forms(text: &str) -> Vec<String> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![text.to_owned(), hex.to_ascii_uppercase(), hex];
    for shift in 0..3 {
        forms.extend(inside_base64(text, shift));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// How a text looks inside the base64 of a longer one (`user:secret`), when it starts at this place of a group of three
/// bytes: the letters that depend on it alone.
fn inside_base64(text: &str, shift: usize) -> [String; 2] {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(text.as_bytes());
    let from = (shift * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)]
        .map(|encoded| encoded.get(from..to).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;
    use crate::platform::http::call::encode;

    fn knowing(secret: &str) -> Redactor {
        let redactor = Redactor::default();
        redactor.learn(secret);
        redactor
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = "caña/ry+\"key? 99";
        let redactor = knowing(secret);
        let upper = encode(secret);
        let each = |write: &dyn Fn(char) -> String| secret.chars().map(write).collect::<String>();
        let texts = [
            secret.to_owned(),
            upper.clone(),
            upper.to_ascii_lowercase(),
            upper.replace("%20", "+"),
            // Escaped in part, twice, and in two ways at once.
            secret.replace('/', "%2f"),
            secret.replace(' ', "+"),
            encode(&upper),
            encode(&Value::from(secret).to_string()),
            Value::from(secret).to_string(),
            Value::from(secret).to_string().replace('/', "\\/"),
            Value::from(Value::from(secret).to_string()).to_string(),
            each(&|letter| format!("\\u{:04X}", u32::from(letter))),
            each(&|letter| format!("&#x{:x};", u32::from(letter))),
            each(&|letter| format!("&#{};", u32::from(letter))),
            secret
                .replace('"', "&quot;")
                .replace('/', "&#x2F;")
                .replace('+', "&plus;"),
            secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            secret.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
            secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
            secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
            encode(&STANDARD.encode(secret)),
            STANDARD.encode(secret),
            URL_SAFE.encode(secret),
            STANDARD.encode(format!("u:{secret}")),
            STANDARD.encode(format!("us:{secret}")),
            STANDARD.encode(format!("user:{secret}:x")),
        ];
        for text in texts {
            let cleaned = redactor.clean(&format!("before {text} after"));
            assert!(cleaned.contains(REDACTED), "{text} → {cleaned}");
            assert!(
                cleaned.starts_with("before ") && cleaned.ends_with(" after"),
                "{cleaned}"
            );
            // Of base64 at most the letters remain that the neighbours share.
            let left = cleaned
                .replace("before ", "")
                .replace(" after", "")
                .replace(REDACTED, "");
            assert!(left.len() <= 18 && !left.contains("ry"), "{text} → {cleaned}");
        }
    }

    /// Whoever cuts a text does not know of the secret in it.
    #[test]
    fn the_beginning_of_a_secret_is_a_secret() {
        let redactor = knowing("sk-live-0123456789abcdef-canary");
        assert_eq!(redactor.clean("key sk-live-0123456789ab… is"), "key [redacted]… is");
        assert_eq!(
            redactor.clean("sk-live- is what keys begin with"),
            "sk-live- is what keys begin with"
        );
        assert_eq!(
            redactor.clean("100 % of \\ and & are %zz \\u12 &#; &nothing; left"),
            "100 % of \\ and & are %zz \\u12 &#; &nothing; left"
        );
    }

    #[test]
    fn a_key_file_is_as_secret_in_parts() {
        let file = serde_json::json!({
            "type": "service_account",
            "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQcanaryline\nsecondcanary\n-----END PRIVATE KEY-----\n",
            "client_email": "upa@project.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        let redactor = knowing(&file.to_string());
        let text = "bad key secondcanary of upa@project.iam.gserviceaccount.com at https://oauth2.googleapis.com/token";
        assert_eq!(
            redactor.clean(text),
            "bad key [redacted] of upa@project.iam.gserviceaccount.com at https://oauth2.googleapis.com/token"
        );
        let escaped = file["private_key"].to_string();
        assert!(
            !redactor.clean(&escaped).contains("canary"),
            "{}",
            redactor.clean(&escaped)
        );
    }

    #[test]
    fn urls_show_their_place_only() {
        let redactor = Redactor::default();
        let table = [
            ("see https://a.example/b?key=1#c now", "see https://a.example/b?… now"),
            ("https://a.example/b#access_token=1", "https://a.example/b?…"),
            ("(https://ana:pw@a.example/b)", "(https://a.example/b)"),
            ("postgres://u:p@db/x", "postgres://db/x"),
            (
                "https://a.example/@handle is taken",
                "https://a.example/@handle is taken",
            ),
            ("no url at all? yes", "no url at all? yes"),
        ];
        for (text, cleaned) in table {
            assert_eq!(redactor.clean(text), cleaned);
        }
    }

    #[test]
    fn a_longer_secret_goes_first_and_short_words_stay() {
        let redactor = knowing("canary-canary");
        redactor.learn("canary-canary-long");
        redactor.learn("upa");
        assert_eq!(redactor.clean("upa: canary-canary-long"), "upa: [redacted]");
    }
}
