//! One HTTP client per account: its hosts, key, deadlines, budget, retries, and errors a caller can act on.
//!
//! [`retry`] decides what is sent again, [`budget`] when anything is sent, [`redact`] what may be said about it, and
//! [`ledger`] counts it. Here is what waits and sends.

mod answer;
pub mod budget;
pub mod call;
pub mod ledger;
pub mod redact;
pub mod retry;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, ORIGIN};
use reqwest::{Method, Request, Url};
use serde_json::Value;
use tokio::time::Instant;

use super::clock::Clock;
use super::error::{ErrorKind, PlatformError};
use super::{Account, limits};
use crate::outside::{self, Silence};
use crate::symbol;
use answer::{Answer, Expected, Mishap};
use budget::Budget;
pub use call::{Body, Call, Reply, encode};
use call::{form, leads_elsewhere};
use ledger::Ledger;
use redact::Redactor;
use retry::{Next, Patience};

/// Whether a page with this status and beginning is what a platform answers while it starts up.
pub type Booting = fn(u16, &str) -> bool;

/// How a platform likes to be asked.
#[derive(Debug, Clone)]
pub struct Manners {
    /// Statuses that mean "later, nothing happened", besides 429.
    pub retry: BTreeSet<u16>,
    /// Calls started per second; an account's own limit counts when it is smaller.
    pub per_second: Option<f64>,
    /// Reads are sent again while it starts up.
    pub booting: Booting,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            retry: BTreeSet::new(),
            per_second: None,
            booting: |_, _| false,
        }
    }
}

/// The client of one account.
pub struct Client {
    account: Account,
    headers: HeaderMap,
    budget: Arc<Budget>,
    manners: Manners,
    /// How long one attempt may take.
    deadline: Duration,
    redactor: Redactor,
    ledger: Arc<Ledger>,
}

/// A call made ready: everything that is the same in each attempt.
struct Ready<'a> {
    call: &'a Call,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
    expected: Expected,
}

impl Client {
    /// A client for an account; `headers` carry its key.
    pub fn new(account: &Account, headers: HeaderMap) -> Self {
        let redactor = Redactor::default();
        for secret in account.credentials.values() {
            redactor.learn(secret.expose());
        }
        for value in headers.values() {
            learn_header(&redactor, value);
        }
        Self {
            budget: account.budget.clone(),
            ledger: account.ledger.clone(),
            account: account.clone(),
            headers,
            manners: Manners::default(),
            deadline: retry::ATTEMPT_DEADLINE,
            redactor,
        }
    }

    /// With what is known of the platform about being asked.
    #[must_use]
    pub fn with_manners(mut self, manners: Manners) -> Self {
        if let Some(per_second) = manners.per_second {
            self.budget.slow_down(per_second);
        }
        self.manners = manners;
        self
    }

    /// Keeps a secret that came up later (a session's token) out of every message.
    pub fn learn_secret(&self, secret: &str) {
        self.redactor.learn(secret);
    }

    /// A text without the account's secrets, for messages made of what a platform said.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.clean(text)
    }

    /// Sends a call and reads its JSON answer. Anything but a 2xx in JSON is an error; it carries the answer, where that
    /// was JSON.
    pub async fn send(&self, call: &Call) -> Result<Reply, PlatformError> {
        let answer = self.ask(call, Expected::Json).await?;
        Ok(Reply {
            status: answer.status,
            body: answer.body,
            memory: answer.memory,
            link: answer.link,
        })
    }

    /// The text of a document that is not JSON.
    pub async fn text(&self, path: &str) -> Result<String, PlatformError> {
        let answer = self.ask(&Call::get(path), Expected::Text).await?;
        Ok(answer.text)
    }

    /// Status and allowed methods of an answer to a CORS preflight; never retried.
    ///
    /// It names no method on purpose: a preflight that does, while n8n is taking the webhook down, puts it back into
    /// n8n's cache, where it keeps the path for up to an hour and answers 404 for the workflow that should have it
    /// (8 of 14 tries on 2.41.1, November 2026; 0 of 150 without the method).
    pub async fn preflight(&self, url: &str) -> Result<(u16, String), PlatformError> {
        let call = Call::new(Method::OPTIONS, "webhook", None);
        let _slot = self
            .budget
            .turn(retry::CALL_DEADLINE, &self.ledger)
            .await
            .map_err(|closed| answer::closed(&call, closed))?;
        self.ledger.called(0);
        let origin = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://probe.invalid"))]);
        let answered = match request(Method::OPTIONS, url, origin, Vec::new(), self.deadline) {
            Ok(request) => self.account.outside.exchange(request).await,
            Err(silence) => Err(silence),
        };
        let mut response =
            answered.map_err(|silence| self.clean(answer::silent(&call, self.deadline, silence).error))?;
        let allowed = response.headers().get("access-control-allow-methods");
        let allowed = allowed
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let status = response.status().as_u16();
        // Read to its end, or the connection cannot be used again; but it says nothing, so it is not worth much.
        let _ = answer::bytes(&mut response, limits::PROBE, &self.ledger).await;
        Ok((status, allowed))
    }

    async fn ask(&self, call: &Call, expected: Expected) -> Result<Answer, PlatformError> {
        for (_, value) in &call.headers {
            learn_header(&self.redactor, value);
        }
        let answer = match self.ready(call, expected) {
            Ok(ready) => self.persist(&ready).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| self.clean(error))
    }

    /// Sends until there is an answer, or no sense in sending again.
    async fn persist(&self, ready: &Ready<'_>) -> Result<Answer, PlatformError> {
        let call = ready.call;
        let mut patience = Patience::default();
        loop {
            let rest = retry::CALL_DEADLINE.saturating_sub(patience.spent);
            let slot = self
                .budget
                .turn(rest, &self.ledger)
                .await
                .map_err(|closed| answer::closed(call, closed))?;
            patience.tries += 1;
            let began = Instant::now();
            let attempt = self.attempt(ready, rest).await;
            drop(slot);
            patience.spent += began.elapsed();
            let Mishap {
                happened,
                after,
                mut error,
            } = match attempt {
                Ok(answer) => return Ok(answer),
                Err(mishap) => *mishap,
            };
            if let (Some(status), Some(after)) = (happened.status(), after)
                && (status == 503 || retry::means_later(status, &self.manners.retry))
            {
                // Whoever asks for a pause asks for it from all of us.
                self.budget.close_for(after);
            }
            let class = retry::class(call.repeatable, happened, &self.manners.retry);
            let (pause, cause) = match patience.next(class, happened, after, outside::chance()) {
                Next::Wait(pause, cause) => (pause, cause),
                Next::Stop => return Err(error),
                Next::TooLong(time) => {
                    error.why = format!("{}; it asks to wait {}", error.why, retry::spoken(time)).into();
                    return Err(error);
                }
            };
            let name = self.redact(&call.name());
            tracing::debug!(
                account = self.account.name,
                call = name,
                tries = patience.tries,
                ?pause,
                kind = ?error.kind,
                "trying again"
            );
            self.ledger.retried();
            let waiting = self.ledger.wait(cause);
            tokio::time::sleep(pause).await;
            drop(waiting);
            patience.spent += pause;
        }
    }

    /// What is the same in each attempt.
    fn ready<'a>(&self, call: &'a Call, expected: Expected) -> Result<Ready<'a>, PlatformError> {
        let refused = |why: String| PlatformError::new(ErrorKind::Refused, call.name(), why);
        let base = match &call.host {
            None => &self.account.base_url,
            Some(host) => self.account.hosts.get(host).ok_or_else(|| {
                let known: Vec<&str> = self.account.hosts.keys().map(String::as_str).collect();
                refused(format!(
                    "the account has no host `{host}`; it has: {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ))
            })?,
        };
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (body, kind) = match &call.body {
            Body::None => (Vec::new(), None),
            Body::Json(value) => {
                let text =
                    serde_json::to_vec(value).map_err(|error| refused(format!("the body is not JSON: {error}")))?;
                (text, Some("application/json"))
            }
            Body::Form(fields) => (form(fields).into_bytes(), Some("application/x-www-form-urlencoded")),
        };
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in &call.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(Ready {
            call,
            url: format!("{}/{}", base.trim_end_matches('/'), call.path.trim_start_matches('/')),
            headers,
            body,
            expected,
        })
    }

    /// Sends once. `rest` is what the call has left of its time.
    async fn attempt(&self, ready: &Ready<'_>, rest: Duration) -> Result<Answer, Box<Mishap>> {
        let call = ready.call;
        let began = Instant::now();
        let deadline = rest.max(Duration::from_secs(1)).min(self.deadline);
        self.ledger.called(ready.body.len());
        let (headers, body) = (ready.headers.clone(), ready.body.clone());
        let answered = match request(call.method.clone(), &ready.url, headers, body, deadline) {
            Ok(request) => self.account.outside.exchange(request).await,
            Err(silence) => Err(silence),
        };
        let answer = match answered {
            Ok(response) => {
                self.hear_time(&response);
                answer::read(
                    ready.call,
                    ready.expected,
                    response,
                    &self.manners,
                    deadline,
                    &self.ledger,
                )
                .await
            }
            Err(silence) => Err(Box::new(answer::silent(call, deadline, silence))),
        };
        let name = self.redact(&call.name());
        let ms = began.elapsed().as_millis() as u64;
        match &answer {
            Ok(answer) => {
                tracing::debug!(
                    account = self.account.name,
                    call = name,
                    status = answer.status.as_u16(),
                    ms,
                    "answered"
                );
            }
            Err(mishap) => {
                // The platform's words are not logged: it may repeat what it was sent, and secrets of tenants are not known
                // here.
                let (kind, status) = (mishap.error.kind, mishap.error.status);
                tracing::debug!(account = self.account.name, call = name, ms, ?kind, status, "failed");
            }
        }
        answer
    }

    fn hear_time(&self, response: &reqwest::Response) {
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        if let Some(clock) = date.and_then(|date| Clock::read(date, outside::now())) {
            self.ledger.told(clock);
        }
    }

    /// What the platform's clock said since a look began.
    pub fn clock(&self) -> Option<Clock> {
        self.ledger.clock()
    }

    /// A look begins: it goes by what it hears itself.
    pub fn forget_clock(&self) {
        self.ledger.forget_clock();
    }

    fn clean(&self, error: PlatformError) -> PlatformError {
        PlatformError {
            call: self.redact(&error.call),
            why: self.redact(&error.why.to_string()).into(),
            ..error
        }
    }
}

fn request(
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Request, Silence> {
    if leads_elsewhere(url) {
        let why = "a part of its path is `.` or `..`, so it would be another call";
        return Err(Silence::Unsendable(why.to_owned()));
    }
    let mut url = Url::parse(url).map_err(|error| Silence::Unsendable(error.to_string()))?;
    // No account has any, and what speaks HTTP would log it.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut request = Request::new(method, url);
    *request.headers_mut() = headers;
    *request.timeout_mut() = Some(deadline);
    if !body.is_empty() {
        *request.body_mut() = Some(body.into());
    }
    Ok(request)
}

/// A header that is a secret, with and without the word before it (`Bearer`).
fn learn_header(redactor: &Redactor, value: &HeaderValue) {
    if !value.is_sensitive() {
        return;
    }
    if let Ok(text) = value.to_str() {
        redactor.learn(text);
        if let Some((_, secret)) = text.split_once(' ') {
            redactor.learn(secret);
        }
    }
}

/// An empty answer is `null`; what only upa may write is taken out.
fn json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let mut value = serde_json::from_slice(bytes)?;
    symbol::neutralise(&mut value);
    Ok(value)
}
