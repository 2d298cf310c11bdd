//! What a service sees of an HTTP request, and what it answers: plain values, so that services are plain functions.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;

use super::faults::Twist;

/// Largest body read at all; what a service refuses as too large is its own business and smaller.
pub const READ_AT_MOST: usize = 20 * 1024 * 1024;

#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// Below the account, as it was sent (percent-encoded).
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What the answer is to do wrong.
    pub twist: Option<Twist>,
    /// How many objects a page holds at most, if that is less than usual.
    pub page_size: Option<usize>,
}

/// See [`Request::page_size`].
#[derive(Debug, Clone, Copy)]
pub struct PageSize(pub usize);

impl Request {
    /// `None` when the body cannot be read (the caller went away, or sent more than anyone accepts).
    pub async fn read(request: axum::extract::Request) -> Option<Request> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, READ_AT_MOST).await.ok()?;
        Some(Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body: body.to_vec(),
            twist: parts.extensions.get::<Twist>().cloned(),
            page_size: parts.extensions.get::<PageSize>().map(|size| size.0),
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content type without its parameters.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or(value).trim())
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true) == name).then(|| decode(value, true))
        })
    }
}

/// Percent-decoding; `form` also turns `+` into a space, as in a query.
pub fn decode(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(if form && byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The call was none that writes, whatever its method.
    pub read_only: bool,
}

/// Put on the response of a call that does not write although its method says so.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

impl Answer {
    pub fn empty(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            read_only: false,
        }
    }

    pub fn json(status: u16, body: &Value) -> Answer {
        Answer::json_text(status, body.to_string().into_bytes())
    }

    /// A body that is JSON already.
    pub fn json_text(status: u16, body: Vec<u8>) -> Answer {
        Answer::text(status, "application/json; charset=utf-8", body)
    }

    pub fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            body: body.into(),
            ..Answer::empty(status).with("content-type", content_type)
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().remove(header::CONTENT_TYPE);
        if self.read_only {
            response.extensions_mut().insert(ReadOnly);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_percent_and_plus() {
        assert_eq!(decode("a%2Fb+c%zz", true), "a/b c%zz");
        assert_eq!(decode("a+%C3%AD", false), "a+í");
    }
}
