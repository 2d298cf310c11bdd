//! Answers that are spoiled on their way, after what was asked for has been done: a proxy's page, half a body, none, or the
//! id of something else; and a `Date` of another time.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::faults;
use super::http::READ_AT_MOST;
use crate::outside;

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// A page of a proxy with this status, in the place of the answer.
    Page(u16),
    Empty,
    /// The second half is missing.
    Cut,
    /// The first id in it is another.
    WrongId,
}

pub async fn spoil(response: Response, how: Spoil) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, READ_AT_MOST).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let spoiled = match how {
        Spoil::Page(status) => {
            let text = StatusCode::from_u16(status).map_or_else(|_| String::new(), |status| status.to_string());
            return faults::page(status, &text).into_response();
        }
        Spoil::Empty => Vec::new(),
        Spoil::Cut => bytes[..bytes.len() / 2].to_vec(),
        Spoil::WrongId => match serde_json::from_slice::<Value>(&bytes) {
            Ok(mut value) => {
                mistake(&mut value);
                value.to_string().into_bytes()
            }
            Err(_) => bytes.to_vec(),
        },
    };
    Response::from_parts(parts, Body::from(spoiled))
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
