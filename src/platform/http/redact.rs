//! Takes secrets, and what URLs carry besides their place, out of every text that may be shown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{LazyLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::{Captures, Regex};
use serde_json::Value;

use super::call::encode;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";
/// Shorter texts are no secrets: taking them out would only make messages unreadable.
const SHORTEST: usize = 8;

static URL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?#"'<>@]*@)?([^\s?#"'<>]*)([?#][^\s"'<>]*)?"#).ok()
});

/// The secrets of an account in every form they may appear in.
#[derive(Default)]
pub struct Redactor {
    /// Longest first, so that a part never uncovers the whole.
    forms: RwLock<Vec<String>>,
}

impl Redactor {
    /// Adds a secret; one that is a document (a key file) counts with each of its secret parts.
    pub fn learn(&self, secret: &str) {
        let known = |forms: &[String]| forms.iter().any(|form| form == secret);
        if secret.len() < SHORTEST || known(&self.forms.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut found = BTreeSet::new();
        for part in parts(secret) {
            found.extend(forms(&part));
        }
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        found.extend(forms.drain(..));
        forms.extend(found);
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without secrets, and its URLs without user, password and query.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in self.forms.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), REDACTED);
            }
        }
        bare_urls(&text).into_owned()
    }
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

/// A text as it is, in a URL, in a form, in JSON and in base64.
fn forms(text: &str) -> Vec<String> {
    let encoded = encode(text);
    let json = Value::from(text).to_string();
    let mut forms = vec![
        text.to_owned(),
        encoded.replace("%20", "+"),
        lower_escapes(&encoded).replace("%20", "+"),
        lower_escapes(&encoded),
        encoded,
        json.trim_matches('"').to_owned(),
        // As PHP writes JSON.
        json.trim_matches('"').replace('/', "\\/"),
        json.trim_matches('"').replace("\\\"", "\\u0022"),
    ];
    for shift in 0..3 {
        forms.extend(inside_base64(text, shift));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// `%2F` as `%2f`: both are in use.
fn lower_escapes(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut escaped = 0;
    for letter in encoded.chars() {
        if escaped > 0 {
            escaped -= 1;
            out.push(letter.to_ascii_lowercase());
        } else {
            out.push(letter);
        }
        if letter == '%' {
            escaped = 2;
        }
    }
    out
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
        let texts = [
            secret.to_owned(),
            upper.clone(),
            lower_escapes(&upper),
            upper.replace("%20", "+"),
            Value::from(secret).to_string(),
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
