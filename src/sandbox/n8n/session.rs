//! One API request, as its handler sees it.

use serde_json::Value;
use serde_json::json;

use super::super::clock::Moment;
use super::super::http::Answer;
use super::super::http::Request;
use super::super::store::Rows;
use super::super::store::StoreError;
use super::Options;
use super::auth::Key;

/// The person every key belongs to, and that person's only project.
pub const OWNER: &str = "00000000-0000-4000-8000-000000000001";
pub const OWNER_NAME: &str = "Sandbox Owner";
pub const PROJECT: &str = "SandboxProject01";

pub struct Session<'r> {
    pub rows: &'r Rows,
    pub options: &'r Options,
    pub key: &'r Key,
    pub request: &'r Request,
    /// What stood in the place of the route's `{...}`.
    pub params: Vec<String>,
    /// The body, already of the route's shape; `{}` when there is none.
    pub body: Value,
    pub now: Moment,
}

impl Session<'_> {
    /// The first `{...}` of the path; empty for a route without one.
    pub fn id(&self) -> &str {
        self.params.first().map_or("", String::as_str)
    }

    /// A text of the body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }
}

/// An answer that is not a success.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub body: Value,
    /// What was written before the refusal stays: n8n saves a draft first and refuses to publish it afterwards.
    pub keep: bool,
}

impl Refusal {
    pub fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            body: json!({"message": message.into()}),
            keep: false,
        }
    }

    #[must_use]
    pub fn kept(self) -> Refusal {
        Refusal { keep: true, ..self }
    }

    pub fn answer(self) -> Answer {
        Answer::json(self.status, &self.body)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        tracing::error!("sandbox: {error}");
        Refusal::new(500, "Internal server error")
    }
}

pub type Handler = fn(&Session<'_>) -> Result<Answer, Refusal>;
