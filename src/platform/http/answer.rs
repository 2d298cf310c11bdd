//! What an answer, or its absence, means.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderName, LINK, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::call::Call;
use super::ledger::Ledger;
use super::retry::{self, Happened};
use crate::outside::Silence;
use crate::platform::error::{ErrorKind, PlatformError};
use crate::symbol;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 256 << 20;

/// What the caller can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Json,
    Text,
}

/// A 2xx in the form that was expected.
pub struct Answer {
    pub status: StatusCode,
    pub link: Option<String>,
    /// When JSON was expected; `null` when there was none.
    pub body: Value,
    /// When text was expected.
    pub text: String,
}

/// An attempt that failed.
pub struct Mishap {
    pub happened: Happened,
    /// When the platform asked to be asked again.
    pub after: Option<Duration>,
    pub error: PlatformError,
}

impl Mishap {
    fn answered(status: StatusCode, error: PlatformError) -> Box<Self> {
        Box::new(Self {
            happened: Happened::Answered(status.as_u16()),
            after: None,
            error: error.answered(status.as_u16(), None),
        })
    }
}

/// Reads an answer to its end.
pub async fn read(
    call: &Call,
    expected: Expected,
    mut response: Response,
    later: &BTreeSet<u16>,
    deadline: Duration,
    ledger: &Ledger,
) -> Result<Answer, Box<Mishap>> {
    let status = response.status();
    let after = header(&response, &RETRY_AFTER)
        .and_then(|value| retry::retry_after(&value, header(&response, &DATE).as_deref()));
    let link = header(&response, &LINK);
    let is_json = header(&response, &CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                ledger.received(chunk.len());
                bytes.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            Err(error) => return Err(Box::new(silent(call, deadline, error.into()))),
        }
        if bytes.len() > LARGEST {
            let why = format!("the answer is larger than {} MiB", LARGEST >> 20);
            return Err(Mishap::answered(status, unreadable(call, status, why)));
        }
    }
    let wrong = |mut mishap: Box<Mishap>| {
        mishap.after = after;
        mishap
    };
    let body = match (is_json || bytes.is_empty()).then(|| super::json(&bytes)) {
        Some(Ok(body)) => Some(body),
        // What the status says does not depend on the body.
        Some(Err(_)) if !status.is_success() => None,
        Some(Err(error)) if expected == Expected::Json => {
            let why = format!("the answer is not valid JSON: {error}");
            return Err(Mishap::answered(status, unreadable(call, status, why)));
        }
        Some(Err(_)) | None => None,
    };
    if status.is_success() && (body.is_some() || expected == Expected::Text) {
        let text = match expected {
            Expected::Text => symbol::neutral(&String::from_utf8_lossy(&bytes)),
            Expected::Json => String::new(),
        };
        return Ok(Answer {
            status,
            link,
            body: body.unwrap_or_default(),
            text,
        });
    }
    if retry::means_later(status.as_u16(), later) {
        let said = body.as_ref().and_then(message);
        let why = match (said, status.as_u16()) {
            (Some(said), code) => format!("{said} ({code})"),
            (None, 429) => "too many calls (429)".to_owned(),
            (None, code) => format!("the platform says it is not the time ({code})"),
        };
        let error = PlatformError::new(ErrorKind::Throttled(after), call.name(), why);
        return Err(wrong(Box::new(Mishap {
            happened: Happened::Answered(status.as_u16()),
            after,
            error: error.answered(status.as_u16(), body),
        })));
    }
    Err(wrong(match body {
        Some(body) => Box::new(Mishap {
            happened: Happened::Answered(status.as_u16()),
            after,
            error: refusal(call, status, &body).answered(status.as_u16(), Some(body)),
        }),
        None => not_json(call, status, &bytes),
    }))
}

fn header(response: &Response, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

/// A success nobody can read. A write has happened then, or has not: nobody can tell.
fn unreadable(call: &Call, status: StatusCode, why: String) -> PlatformError {
    let kind = if call.method.is_safe() || !status.is_success() {
        ErrorKind::Unexpected
    } else {
        ErrorKind::Unclear
    };
    PlatformError::new(kind, call.name(), why)
}

/// An answer in another language: a proxy's page, or a platform that is starting up.
fn not_json(call: &Call, status: StatusCode, bytes: &[u8]) -> Box<Mishap> {
    let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
    let starting = match status.as_u16() {
        200..300 => text.contains("starting up"),
        // n8n before its routes are mounted. While it boots it has not looked at the call, so even a write may be sent
        // again.
        404 => text.contains("Cannot "),
        _ => false,
    };
    if starting {
        let error = PlatformError::new(ErrorKind::Unreachable, call.name(), "the platform is starting up");
        return Box::new(Mishap {
            happened: Happened::Starting,
            after: None,
            error: error.answered(status.as_u16(), None),
        });
    }
    let (kind, why) = match status.as_u16() {
        413 => (
            ErrorKind::Refused,
            "the document is larger than the platform accepts (413)".to_owned(),
        ),
        401 | 403 => (
            ErrorKind::Forbidden,
            format!("something before the API answered {status}"),
        ),
        500.. => (failure(call), format!("the platform failed ({status})")),
        _ => {
            let why = format!("expected JSON, got {status} and something else; is this the API?");
            return Mishap::answered(status, unreadable(call, status, why));
        }
    };
    Mishap::answered(status, PlatformError::new(kind, call.name(), why))
}

/// A platform that broke while it carried out a write may have carried it out.
fn failure(call: &Call) -> ErrorKind {
    if call.repeatable {
        ErrorKind::Broken
    } else {
        ErrorKind::Unclear
    }
}

fn refusal(call: &Call, status: StatusCode, body: &Value) -> PlatformError {
    let why = match message(body) {
        Some(message) => format!("{message} ({})", status.as_u16()),
        None => format!("status {status}"),
    };
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorised,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::Missing,
        409 => ErrorKind::Conflict,
        408 | 500.. => failure(call),
        _ => ErrorKind::Refused,
    };
    PlatformError::new(kind, call.name(), why)
}

/// The platform's own words.
fn message(body: &Value) -> Option<String> {
    let message = match body.get("message").or_else(|| body.pointer("/error/message"))? {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        _ => return None,
    };
    Some(message).filter(|message| !message.is_empty())
}

/// An account that asked to be left alone for longer than a call has time.
pub fn closed(call: &Call, time: Duration) -> PlatformError {
    let why = format!(
        "the platform asked to be left alone for another {}",
        retry::spoken(time)
    );
    PlatformError::new(ErrorKind::Throttled(Some(time)), call.name(), why)
}

/// No answer. Only who was not reached is sure not to have done anything.
pub fn silent(call: &Call, deadline: Duration, silence: Silence) -> Mishap {
    let (happened, kind, why) = match silence {
        Silence::Unsendable(reason) => {
            let why = format!("the call cannot be made: {reason}");
            (Happened::Unsendable, ErrorKind::Refused, why)
        }
        Silence::NotConnected(reason) => {
            let why = format!("cannot connect: {reason}");
            (Happened::NotConnected, ErrorKind::Unreachable, why)
        }
        Silence::Late => {
            let why = format!("no answer within {}", retry::spoken(deadline));
            (Happened::Broke, ErrorKind::Unclear, why)
        }
        Silence::Broke(reason) => {
            let why = format!("the connection broke: {reason}");
            (Happened::Broke, ErrorKind::Unclear, why)
        }
    };
    Mishap {
        happened,
        after: None,
        error: PlatformError::new(kind, call.name(), why),
    }
}
