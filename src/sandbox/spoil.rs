//! Answers that are spoiled on their way, after what was asked for has been done: a proxy's page, half a body, none, or the
//! id of something else; and a `Date` of another time.

use std::io;
use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::faults;
use super::http::READ_AT_MOST;
use crate::outside;

/// How.
#[derive(Debug, Clone, PartialEq)]
pub enum Spoil {
    /// A page of a proxy with this status, in the place of the answer.
    Page(u16),
    Empty,
    /// The second half is missing.
    Half,
    /// The connection breaks in the middle.
    Cut,
    /// The first id in it is another.
    WrongId,
    /// Every id in it is this.
    Ids(Value),
    /// It is so many MiB of small tables, compressed.
    Flood(usize),
}

pub async fn spoil(response: Response, how: Spoil) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, READ_AT_MOST).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let half = bytes.slice(..bytes.len() / 2);
    let body = match how {
        Spoil::Page(status) => {
            let text = StatusCode::from_u16(status).map_or_else(|_| String::new(), |status| status.to_string());
            return faults::page(status, &text).into_response();
        }
        Spoil::Empty => Body::empty(),
        Spoil::Half => Body::from(half),
        Spoil::Cut => {
            let broken = io::Error::from(io::ErrorKind::ConnectionReset);
            Body::from_stream(futures::stream::iter([Ok(half), Err(broken)]))
        }
        Spoil::WrongId => changed(&bytes, |answer| {
            mistake(answer);
        }),
        Spoil::Ids(id) => changed(&bytes, |answer| rename(answer, &id)),
        Spoil::Flood(size) => {
            let gzip = HeaderValue::from_static("gzip");
            parts.headers.insert(header::CONTENT_ENCODING, gzip);
            Body::from(flood(size))
        }
    };
    Response::from_parts(parts, body)
}

/// An answer after a change, where it is JSON.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Body {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut answer) => {
            change(&mut answer);
            Body::from(answer.to_string())
        }
        Err(_) => Body::from(bytes.to_vec()),
    }
}

fn flood(size: usize) -> Vec<u8> {
    let piece = "{\"a\":{}},".repeat((1 << 20) / 9);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let pieces = std::iter::repeat_n(&*piece, size);
    for text in ["["].into_iter().chain(pieces).chain(["0]"]) {
        // Memory takes everything.
        let _ = packed.write_all(text.as_bytes());
    }
    packed.finish().unwrap_or_default()
}

fn rename(value: &mut Value, id: &Value) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| match key.as_str() {
            "id" => *value = id.clone(),
            _ => rename(value, id),
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, id)),
        _ => {}
    }
}

/// Makes the first id another of the same form; whether there was one.
fn mistake(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            if let Some(id) = map.get_mut("id") {
                let other = match &*id {
                    Value::String(text) => Value::from(text.chars().rev().collect::<String>()),
                    Value::Number(number) => Value::from(number.as_i64().unwrap_or_default().saturating_add(1)),
                    other => other.clone(),
                };
                *id = other;
                return true;
            }
            map.values_mut().any(mistake)
        }
        Value::Array(items) => items.iter_mut().any(mistake),
        _ => false,
    }
}

/// What the platform says of the time: so many seconds ahead, or a text that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Ahead(i64),
    Text(String),
}

/// Puts another `Date` on an answer.
pub fn date(headers: &mut HeaderMap, said: &Said) {
    let text = match said {
        Said::Text(text) => text.clone(),
        Said::Ahead(seconds) => {
            let said = outside::now().saturating_add(SignedDuration::from_secs(*seconds));
            httpdate::fmt_http_date(said.unwrap_or(Timestamp::MAX).into())
        }
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(header::DATE, value);
    }
}
