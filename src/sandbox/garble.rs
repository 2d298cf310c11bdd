//! Answers that nobody can understand, of calls that were carried out.

use std::io;
use std::io::Write as _;

use axum::body::Body;
use axum::body::to_bytes;
use axum::http::HeaderValue;
use axum::http::header;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// What becomes of an answer on its way.
#[derive(Debug, Clone, PartialEq)]
pub enum Garble {
    /// It breaks off in the middle.
    Cut,
    /// It is so many MiB of small tables, compressed.
    Flood(usize),
    /// Every id in it is this.
    Ids(Value),
}

impl Garble {
    pub async fn of(self, answer: Response) -> Response {
        let (mut parts, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = match self {
            Garble::Cut => {
                let half = bytes.slice(..bytes.len() / 2);
                let broken = io::Error::from(io::ErrorKind::ConnectionReset);
                let pieces = futures::stream::iter([Ok(half), Err(broken)]);
                Body::from_stream(pieces)
            }
            Garble::Flood(size) => {
                let gzip = HeaderValue::from_static("gzip");
                parts.headers.insert(header::CONTENT_ENCODING, gzip);
                Body::from(flood(size))
            }
            Garble::Ids(id) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(mut answer) => {
                    rename(&mut answer, &id);
                    Body::from(answer.to_string())
                }
                Err(_) => Body::from(bytes),
            },
        };
        Response::from_parts(parts, body)
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
