//! The door of a sandbox that listens: what a browser, or a name that was pointed at this machine, can send is refused, the
//! switches want the key, and a request that does not arrive is not waited for.
//!
//! | what comes | why it is refused |
//! |---|---|
//! | another `Host` than this address | a name of a stranger resolves to 127.0.0.1 (DNS rebinding) |
//! | any `Origin`, but with `OPTIONS` | a page in a browser of this machine; `OPTIONS` runs nothing, and upa probes with it |
//! | `/_sandbox/…` without the key | the switches and the editor change what upa sees |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::Semaphore;

use super::http::{Answer, READ_AT_MOST};
use super::wire::Scissors;
use crate::secret::Secret;

/// How long a request may take to arrive: its head, and then its body.
pub const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// How many bodies are read at a time.
const READ_AT_ONCE: usize = 16;

/// What the door knows.
#[derive(Debug, Clone)]
pub struct Door {
    pub address: SocketAddr,
    pub key: Secret,
    /// A turn to read a body.
    pub reading: Arc<Semaphore>,
}

impl Door {
    pub fn new(address: SocketAddr, key: Secret) -> Self {
        Self {
            address,
            key,
            reading: Arc::new(Semaphore::new(READ_AT_ONCE)),
        }
    }
}

pub async fn enter(
    State(door): State<Door>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
    next: Next,
) -> Response {
    scissors.arrived();
    if let Some(why) = door.refuses(request.method(), request.uri().path(), request.headers()) {
        return Answer::json(403, &json!({ "message": why })).into_response();
    }
    // What is large costs memory before it is known whose it is.
    let turn = door.reading.acquire().await.ok();
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, READ_AT_MOST);
    let read = tokio::time::timeout(ARRIVES_WITHIN, read).await;
    drop(turn);
    match read {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(_)) => Answer::json(413, &json!({ "message": "the body is too large, or was cut" })).into_response(),
        Err(_) => {
            scissors.cut();
            Answer::empty(408).into_response()
        }
    }
}

impl Door {
    fn refuses(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let port = self.address.port();
        let is_here = |host: &str| {
            ["127.0.0.1", "localhost"]
                .iter()
                .any(|name| host.eq_ignore_ascii_case(&format!("{name}:{port}")))
        };
        let hosts = headers.get_all(header::HOST).iter().count();
        if hosts != 1 || !text(header::HOST).is_some_and(is_here) {
            return Some("the sandbox answers at its own address only: another `Host` was asked for");
        }
        if text(header::ORIGIN).is_some() && method != Method::OPTIONS {
            return Some("the sandbox answers no page of a browser: the request has an `Origin`");
        }
        let key = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if path.starts_with("/_sandbox") && key != Some(self.key.expose()) {
            return Some("the sandbox's switches want its key: `Authorization: Bearer` and what `sandbox.key` holds");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn refused(method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let door = Door::new(([127, 0, 0, 1], 4000).into(), Secret::new("right"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let method = method.parse().unwrap();
        door.refuses(&method, path, &map).is_some()
    }

    #[test]
    fn only_its_own_address_is_answered() {
        for host in ["127.0.0.1:4000", "localhost:4000", "LocalHost:4000"] {
            assert!(!refused("GET", "/n8n/x", &[("host", host)]), "{host}");
        }
        for host in [
            "127.0.0.1",
            "evil.example:4000",
            "127.0.0.1:4001",
            "127.0.0.1.evil.example:4000",
            "",
        ] {
            assert!(refused("GET", "/n8n/x", &[("host", host)]), "{host}");
        }
        assert!(refused("GET", "/n8n/x", &[]));
        let both = [("host", "localhost:4000"), ("host", "evil.example")];
        assert!(refused("GET", "/n8n/x", &both));
    }

    #[test]
    fn no_page_of_a_browser_is_answered() {
        let from = |method, origin| refused(method, "/n8n/x", &[("host", "localhost:4000"), ("origin", origin)]);
        assert!(from("POST", "https://evil.example") && from("GET", "null") && from("GET", "http://localhost:4000"));
        assert!(!from("OPTIONS", "https://probe.invalid"));
    }

    #[test]
    fn the_switches_want_the_key() {
        let with = |key| {
            refused(
                "POST",
                "/_sandbox/faults",
                &[("host", "localhost:4000"), ("authorization", key)],
            )
        };
        assert!(!with("Bearer right"));
        assert!(with("Bearer wrong") && with("right") && with(""));
    }
}
