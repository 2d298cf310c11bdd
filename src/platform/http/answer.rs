//! What an answer, or its absence, means.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderName, LINK, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::call::Call;
use super::ledger::Ledger;
use super::retry::{self, Happened};
use super::{Booting, Manners};
use crate::outside::Silence;
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::limits;
use crate::symbol;

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
    /// About how many bytes of memory the body takes.
    pub memory: usize,
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

/// What is in the body of an answer.
enum Content {
    Json(Value),
    /// Anything else, or no end of it: not the platform's language.
    Page,
}

/// Reads an answer to its end.
pub async fn read(
    call: &Call,
    expected: Expected,
    mut response: Response,
    manners: &Manners,
    deadline: Duration,
    ledger: &Ledger,
) -> Result<Answer, Box<Mishap>> {
    let status = response.status();
    let after = header(&response, &RETRY_AFTER)
        .and_then(|value| retry::retry_after(&value, header(&response, &DATE).as_deref()));
    let link = header(&response, &LINK);
    let is_json = header(&response, &CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let read = bytes(&mut response, limits::ANSWER, ledger).await;
    let (bytes, mut wrong) = match read {
        Ok(Some(bytes)) => (bytes, None),
        Ok(None) => (Vec::new(), Some(too_large(limits::ANSWER))),
        Err(error) => return Err(Box::new(silent(call, deadline, broken(error)))),
    };
    let memory = limits::memory(&bytes);
    if memory > limits::MEMORY && is_json {
        wrong = Some((
            ErrorKind::TooLarge,
            format!("the values of the answer take more than {} MiB", limits::MEMORY >> 20),
        ));
    }
    let content = match (is_json || bytes.is_empty()) && wrong.is_none() {
        false => Content::Page,
        true => match super::json(&bytes) {
            Ok(body) => Content::Json(body),
            Err(error) => {
                wrong = Some((ErrorKind::Unexpected, format!("the answer is not valid JSON: {error}")));
                Content::Page
            }
        },
    };
    if status.is_success() {
        match (content, expected) {
            (Content::Json(body), Expected::Json) => {
                return Ok(Answer {
                    status,
                    link,
                    body,
                    memory,
                    text: String::new(),
                });
            }
            (_, Expected::Text) if wrong.as_ref().is_none_or(|(kind, _)| *kind != ErrorKind::TooLarge) => {
                return Ok(Answer {
                    status,
                    link,
                    body: Value::Null,
                    memory: bytes.len(),
                    text: symbol::neutral(&String::from_utf8_lossy(&bytes)),
                });
            }
            _ => return Err(page(call, status, &bytes, wrong, manners.booting)),
        }
    }
    let mut mishap = match content {
        Content::Json(body) => refused(call, status, body, after, manners),
        // Whoever limits calls need not speak the platform's language.
        Content::Page if status.as_u16() == 429 => Box::new(Mishap {
            happened: Happened::Page(429),
            after: None,
            error: PlatformError::new(ErrorKind::Throttled(after), call.name(), "too many calls (429)")
                .answered(429, None),
        }),
        Content::Page => page(call, status, &bytes, wrong, manners.booting),
    };
    mishap.after = after;
    Err(mishap)
}

/// The body of an answer, after decompression; `None`: it is larger than that many bytes, and was not read to its end.
pub async fn bytes(response: &mut Response, most: usize, ledger: &Ledger) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        ledger.received(chunk.len());
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn header(response: &Response, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

fn too_large(most: usize) -> (ErrorKind, String) {
    let why = format!("the answer is larger than {} MiB", most >> 20);
    (ErrorKind::TooLarge, why)
}

/// An answer that was not understood. A write has happened then, or has not: only looking tells.
fn not_understood(call: &Call, (kind, why): (ErrorKind, String)) -> PlatformError {
    let kind = if call.reads { kind } else { ErrorKind::Unclear };
    PlatformError::new(kind, call.name(), why)
}

/// An answer that is not the platform's, or cannot be read: a proxy's page, or a platform that is starting up. What it says
/// about a write proves nothing: it may come from before the platform or from behind its work.
fn page(
    call: &Call,
    status: StatusCode,
    bytes: &[u8],
    wrong: Option<(ErrorKind, String)>,
    booting: Booting,
) -> Box<Mishap> {
    let code = status.as_u16();
    let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
    if wrong.is_none() && booting(code, &text) {
        let found = (ErrorKind::Unreachable, "the platform is starting up".to_owned());
        return Box::new(Mishap {
            happened: Happened::Starting,
            after: None,
            error: not_understood(call, found).answered(code, None),
        });
    }
    let error = match (code, wrong) {
        (413, _) => {
            let why = "the document is larger than the platform accepts (413)";
            PlatformError::new(ErrorKind::Refused, call.name(), why)
        }
        (401 | 403, _) => {
            let why = format!("something before the API answered {status}");
            let error = PlatformError::new(ErrorKind::Forbidden, call.name(), why);
            if call.reads { error } else { error.after_write() }
        }
        (408 | 500.., _) => PlatformError::new(failure(call), call.name(), format!("the platform failed ({status})")),
        (200..300, Some(wrong)) => not_understood(call, wrong),
        _ => {
            let why = format!("expected JSON, got {status} and something else; is this the API?");
            not_understood(call, (ErrorKind::Unexpected, why))
        }
    };
    Box::new(Mishap {
        happened: Happened::Page(code),
        after: None,
        error: error.answered(code, None),
    })
}

/// A platform that broke while it carried out a write may have carried it out.
fn failure(call: &Call) -> ErrorKind {
    if call.repeatable {
        ErrorKind::Broken
    } else {
        ErrorKind::Unclear
    }
}

/// What the platform says itself, and is no yes. An empty answer is taken for its own, but proves no absence.
fn refused(call: &Call, status: StatusCode, body: Value, after: Option<Duration>, manners: &Manners) -> Box<Mishap> {
    let code = status.as_u16();
    let said = message(&body);
    let (kind, why) = if retry::means_later(code, &manners.retry) {
        let why = match (said, code) {
            (Some(said), code) => format!("{said} ({code})"),
            (None, 429) => "too many calls (429)".to_owned(),
            (None, code) => format!("the platform says it is not the time ({code})"),
        };
        (ErrorKind::Throttled(after), why)
    } else {
        let why = match said {
            Some(message) => format!("{message} ({code})"),
            None => format!("status {status}"),
        };
        let kind = match code {
            401 => ErrorKind::Unauthorised,
            403 => ErrorKind::Forbidden,
            404 | 410 if body.is_null() && call.reads => ErrorKind::Unexpected,
            404 | 410 => ErrorKind::Missing,
            409 => ErrorKind::Conflict,
            408 | 500.. => failure(call),
            // 1xx and 3xx are neither yes nor no.
            100..=399 if call.reads => ErrorKind::Unexpected,
            100..=399 => ErrorKind::Unclear,
            _ => ErrorKind::Refused,
        };
        (kind, why)
    };
    Box::new(Mishap {
        happened: Happened::Answered(code),
        after: None,
        error: PlatformError::new(kind, call.name(), why).answered(code, Some(body)),
    })
}

/// An answer that broke off: the call was read.
fn broken(error: reqwest::Error) -> Silence {
    match Silence::from(error) {
        Silence::NotConnected(reason) | Silence::Unsendable(reason) => Silence::Broke(reason),
        other => other,
    }
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
