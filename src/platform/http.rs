//! One HTTP client per account: base URL, key, deadlines, budget, retries, and errors a caller can act on.
//!
//! What is retried follows from what is known. A read may always be repeated. A write is repeated only when the platform
//! cannot have seen it (nothing listened) or said it did nothing (429). Everything else is the caller's to settle, by
//! looking at what is there.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode, redirect};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Account;
use super::error::{ErrorKind, PlatformError};

/// How long one call may take, from sending to the last byte.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// n8n closes idle connections after 5 s (measured); a shorter pool never meets a closed one.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// How long a platform that is starting up is waited for.
const BOOT_DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 256 << 20;

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// Below the account's base URL, with query.
    pub path: String,
    pub body: Option<Value>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            path: path.into(),
            body,
        }
    }

    /// Method and path without the query: what may stand in a log or an error.
    pub fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} /{}", self.method, path.trim_start_matches('/'))
    }

    fn may_repeat(&self) -> bool {
        self.method == Method::GET || self.method == Method::OPTIONS
    }
}

/// An answer in JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

/// The client of one account.
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: HeaderMap,
    slots: Semaphore,
    budget: Option<DefaultDirectRateLimiter>,
    calls: Arc<AtomicU64>,
}

/// What became of one attempt.
enum Outcome {
    Answered(Result<Reply, PlatformError>),
    /// Not yet: wait and try again, if the call may be repeated.
    Later(PlatformError, Option<Duration>),
}

impl Client {
    /// A client for an account; `headers` carry its key.
    pub fn new(account: &Account, headers: HeaderMap) -> Result<Self, PlatformError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("upa/", env!("CARGO_PKG_VERSION")))
            .timeout(CALL_DEADLINE)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(POOL_IDLE)
            // A redirect could carry the key to another host.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| PlatformError::new(ErrorKind::Unreachable, "connect", error.to_string()))?;
        let budget = account.per_second.and_then(NonZeroU32::new).map(Quota::per_second);
        Ok(Self {
            http,
            base: account.base_url.trim_end_matches('/').to_owned(),
            headers,
            slots: Semaphore::new(account.concurrency),
            budget: budget.map(DefaultDirectRateLimiter::direct),
            calls: account.calls.clone(),
        })
    }

    /// Sends a call and reads its JSON answer. Anything but a 2xx in JSON is an error.
    pub async fn send(&self, call: &Call) -> Result<Reply, PlatformError> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, wait) = match self.attempt(call).await {
                Outcome::Answered(answer) => return answer,
                Outcome::Later(error, wait) => (error, wait),
            };
            let patient = match error.kind {
                // Starting up is the one state that passes by itself within a known time.
                ErrorKind::Unreachable if error.why.contains("starting") => started.elapsed() < BOOT_DEADLINE,
                ErrorKind::Throttled(_) => tries < 8,
                ErrorKind::Unreachable => tries < 3,
                _ => call.may_repeat() && tries < 3,
            };
            if !patient {
                return Err(error);
            }
            let wait = wait.unwrap_or_else(|| Duration::from_millis(200 * (1 << tries.min(4))));
            tracing::debug!(call = call.name(), tries, ?wait, error = error.why, "trying again");
            tokio::time::sleep(wait.min(Duration::from_secs(30))).await;
        }
    }

    /// The text of a document that is not JSON.
    pub async fn text(&self, path: &str) -> Result<String, PlatformError> {
        let call = Call::get(path);
        let response = self.request(&call).await.map_err(|error| broken(&call, &error))?;
        if !response.status().is_success() {
            return Err(PlatformError::new(
                ErrorKind::Missing,
                call.name(),
                format!("status {}", response.status()),
            ));
        }
        response.text().await.map_err(|error| broken(&call, &error))
    }

    /// Status and one header of an answer to a CORS preflight; never retried.
    pub async fn preflight(&self, url: &str, method: &str) -> Result<(u16, String), PlatformError> {
        let call = Call::new(Method::OPTIONS, "webhook", None);
        let _slot = self.slot().await;
        let response = self
            .http
            .request(Method::OPTIONS, url)
            .header("Origin", "https://probe.invalid")
            .header("Access-Control-Request-Method", method)
            .send()
            .await
            .map_err(|error| broken(&call, &error))?;
        let allowed = response.headers().get("access-control-allow-methods");
        let allowed = allowed
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok((response.status().as_u16(), allowed))
    }

    async fn slot(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let slot = self.slots.acquire().await.ok();
        if let Some(budget) = &self.budget {
            budget.until_ready().await;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        slot
    }

    async fn request(&self, call: &Call) -> Result<reqwest::Response, reqwest::Error> {
        let _slot = self.slot().await;
        let mut request = self
            .http
            .request(
                call.method.clone(),
                format!("{}/{}", self.base, call.path.trim_start_matches('/')),
            )
            .headers(self.headers.clone())
            .header(ACCEPT, "application/json");
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        request.send().await
    }

    async fn attempt(&self, call: &Call) -> Outcome {
        let response = match self.request(call).await {
            Ok(response) => response,
            Err(error) => {
                let error = broken(call, &error);
                let again = error.kind == ErrorKind::Unreachable || call.may_repeat();
                return if again {
                    Outcome::Later(error, None)
                } else {
                    Outcome::Answered(Err(error))
                };
            }
        };
        let status = response.status();
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let is_json = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.contains("json"));
        let bytes = match response.bytes().await {
            Ok(bytes) if bytes.len() <= LARGEST_ANSWER => bytes,
            Ok(bytes) => {
                let why = format!("the answer has {} bytes", bytes.len());
                return Outcome::Answered(Err(PlatformError::new(ErrorKind::Unexpected, call.name(), why)));
            }
            Err(error) => {
                let error = broken(call, &error);
                return if call.may_repeat() {
                    Outcome::Later(error, None)
                } else {
                    Outcome::Answered(Err(error))
                };
            }
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            let error = PlatformError::new(ErrorKind::Throttled(after), call.name(), "too many calls (429)");
            return Outcome::Later(error, after);
        }
        if !is_json && !bytes.is_empty() {
            return not_json(call, status, &bytes);
        }
        let body = if bytes.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&bytes)
        };
        let body: Value = match body {
            Ok(body) => body,
            Err(error) => {
                let why = format!("the answer is not valid JSON: {error}");
                let kind = if call.may_repeat() {
                    ErrorKind::Unexpected
                } else {
                    ErrorKind::Unclear
                };
                return Outcome::Answered(Err(PlatformError::new(kind, call.name(), why)));
            }
        };
        if status.is_success() {
            return Outcome::Answered(Ok(Reply { status, body }));
        }
        let error = refusal(call, status, &body);
        if matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ) && call.may_repeat()
        {
            return Outcome::Later(error, after);
        }
        Outcome::Answered(Err(error))
    }
}

/// An answer in another language: a proxy's page, or a platform that is starting up.
fn not_json(call: &Call, status: StatusCode, bytes: &[u8]) -> Outcome {
    let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
    let (kind, why) = match status.as_u16() {
        413 => (
            ErrorKind::Refused,
            "the document is larger than the platform accepts (413)".to_owned(),
        ),
        200..300 if text.contains("starting up") => (ErrorKind::Unreachable, "the platform is starting up".to_owned()),
        404 if text.contains("Cannot ") => (ErrorKind::Unreachable, "the platform is starting up".to_owned()),
        401 | 403 => (
            ErrorKind::Forbidden,
            format!("something before the API answered {status}"),
        ),
        500.. => {
            let kind = if call.may_repeat() {
                ErrorKind::Broken
            } else {
                ErrorKind::Unclear
            };
            (kind, format!("the platform failed ({status})"))
        }
        _ => (
            ErrorKind::Unexpected,
            format!("expected JSON, got {status} and something else; is this the API?"),
        ),
    };
    let error = PlatformError::new(kind, call.name(), why);
    match kind {
        // While it boots n8n has not looked at the request, so even a write may be sent again.
        ErrorKind::Unreachable => Outcome::Later(error, Some(Duration::from_secs(1))),
        ErrorKind::Broken => Outcome::Later(error, None),
        _ => Outcome::Answered(Err(error)),
    }
}

fn refusal(call: &Call, status: StatusCode, body: &Value) -> PlatformError {
    let message = match body.get("message").or_else(|| body.pointer("/error/message")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        _ => String::new(),
    };
    let message: String = message.chars().take(1000).collect();
    let why = if message.is_empty() {
        format!("status {status}")
    } else {
        format!("{message} ({})", status.as_u16())
    };
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorised,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::Missing,
        409 => ErrorKind::Conflict,
        500.. if !call.may_repeat() => ErrorKind::Unclear,
        500.. => ErrorKind::Broken,
        _ => ErrorKind::Refused,
    };
    PlatformError::new(kind, call.name(), why)
}

/// A connection that failed. Only a failure to connect is sure not to have reached the platform.
fn broken(call: &Call, error: &reqwest::Error) -> PlatformError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    let (kind, why) = if error.is_connect() {
        (ErrorKind::Unreachable, format!("cannot connect: {reason}"))
    } else if error.is_timeout() {
        (
            ErrorKind::Unclear,
            format!("no answer within {} s", CALL_DEADLINE.as_secs()),
        )
    } else {
        (ErrorKind::Unclear, format!("the connection broke: {reason}"))
    };
    PlatformError::new(kind, call.name(), why)
}

/// Percent-encodes what goes into a path segment or a query value.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
