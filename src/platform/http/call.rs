//! What is asked of a platform, and what it answered.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// What a call carries.
#[derive(Clone, Default)]
pub enum Body {
    #[default]
    None,
    Json(Value),
    /// `application/x-www-form-urlencoded`, in this order.
    Form(Vec<(String, String)>),
}

/// Bodies may hold secrets: only their form is printed.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Json(_) => "Json(…)",
            Self::Form(_) => "Form(…)",
        })
    }
}

/// One call.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// Below the base URL, with query.
    pub path: String,
    /// Another host of the account, by the name it has in [`crate::platform::Account::hosts`]; `None` = its base URL.
    pub host: Option<String>,
    pub body: Body,
    /// Besides the client's own headers, and instead of those of the same name. A value that is a secret must be marked
    /// as sensitive: then it is kept out of every message.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether it changes nothing, whatever its method.
    pub reads: bool,
    /// Whether sending it twice does the same as sending it once: a read, or a write that the platform recognises by an
    /// idempotency key.
    pub repeatable: bool,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// A call with a body in JSON, or none. Only reads may be repeated.
    pub fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self::with_body(method, path, body.map_or(Body::None, Body::Json))
    }

    /// A call with any body. Only reads may be repeated.
    pub fn with_body(method: Method, path: impl Into<String>, body: Body) -> Self {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&method);
        Self {
            reads,
            repeatable: reads,
            method,
            path: path.into(),
            host: None,
            body,
            headers: Vec::new(),
        }
    }

    /// Method and path without the query: what stands in a log or an error, once [`super::Client::redact`] has seen it.
    pub fn name(&self) -> String {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        format!("{} /{}", self.method, path.trim_start_matches('/'))
    }
}

/// The path, the body and the headers may hold secrets: they are not printed.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("body", &self.body)
            .field("repeatable", &self.repeatable)
            .finish_non_exhaustive()
    }
}

/// An answer in JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    /// `null` when the answer had no body.
    pub body: Value,
    /// About how many bytes of memory the body takes.
    pub memory: usize,
    /// The `Link` header, which names the next page on some platforms.
    pub link: Option<String>,
}

/// Percent-encodes what goes into a path segment, a query value or a form.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Whether the path of a URL has a part that every client takes for a step, also percent-encoded: an id or an input that is
/// `..` would make another call of it.
pub fn leads_elsewhere(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split(['/', '\\']);
    parts.any(|part| matches!(part.to_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// The text of a form.
pub fn form(fields: &[(String, String)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    fields.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_path_is_a_step() {
        let of = |id: &str| format!("https://api.vapi.ai/assistant/{id}?limit=1");
        for id in ["..", ".", "%2e%2E", ".%2E", "a/../b", "..\\b"] {
            assert!(leads_elsewhere(&of(id)), "{id}");
            let parsed = url::Url::parse(&of(id)).unwrap();
            assert!(!parsed.as_str().contains(&format!("/{id}?")), "{id}: {parsed}");
        }
        // What is encoded is no step, and neither is what only looks like one.
        for id in ["../b", "%2e%2e", "a..b", "...", ".a", "x?y=/../z"] {
            assert!(!leads_elsewhere(&of(&encode(id))), "{id}");
            let parsed = url::Url::parse(&of(&encode(id))).unwrap();
            assert!(parsed.as_str().contains(&format!("/{}?", encode(id))), "{id}: {parsed}");
        }
        assert!(!leads_elsewhere("https://api.vapi.ai/assistant?next=/../x"));
    }

    #[test]
    fn a_call_prints_nothing_that_may_be_secret() {
        let mut call = Call::with_body(
            Method::POST,
            "/token?key=canary",
            Body::Form(vec![("client_secret".to_owned(), "canary".to_owned())]),
        );
        call.headers
            .push((reqwest::header::AUTHORIZATION, HeaderValue::from_static("canary")));
        let text = format!("{call:?} {}", call.name());
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("POST /token"), "{text}");
    }

    #[test]
    fn only_reads_may_be_repeated_unless_the_caller_knows_better() {
        assert!(Call::get("/a").repeatable);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!Call::new(method, "/a", None).repeatable);
        }
    }

    #[test]
    fn a_form_is_encoded() {
        let fields = [("a b".to_owned(), "ñ&=+".to_owned()), ("c".to_owned(), String::new())];
        assert_eq!(form(&fields), "a%20b=%C3%B1%26%3D%2B&c=");
    }
}
