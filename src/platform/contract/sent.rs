//! What a call can send, as far as it is known before an operator fills it, and what a contract refuses of it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::problem::listed;

/// What stands at a place of a body, as far as it is known before an operator fills it.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// Whatever the operator writes: any value with any fields.
    Any,
    /// Nothing, whatever the operator writes.
    Never,
    /// A text with something filled in.
    Text,
    /// A value that is always the same; lists and objects have their own words.
    Value(Value),
    /// A list of these.
    List(Vec<Sent>),
    /// An object.
    Object {
        /// Its fields.
        fields: BTreeMap<String, Sent>,
        /// May the operator write others beside them?
        open: bool,
    },
}

/// Something the contract refuses.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Dotted path in what is sent; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub why: Why,
}

/// Why the contract refuses it.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// It is required, and nothing can fill it.
    NeverSent,
    /// There is no such field.
    Unknown {
        /// The fields there are.
        known: Vec<String>,
    },
    /// It is of another type.
    Type {
        /// What is sent.
        sent: &'static str,
        /// What is taken.
        taken: Vec<String>,
    },
    /// It is none of the values that are taken.
    Value {
        /// What is sent.
        sent: Value,
        /// What is taken.
        taken: Vec<Value>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match self.path.as_str() {
            "" => "the body".to_owned(),
            path => format!("`{path}`"),
        };
        match &self.why {
            Why::NeverSent => write!(f, "{at} is required, and nothing can fill it"),
            Why::Unknown { known } => {
                write!(
                    f,
                    "{at} is not taken; known there: {}",
                    listed(known.iter().map(String::as_str))
                )
            }
            Why::Type { sent, taken } => {
                write!(
                    f,
                    "{at} is sent as {sent}, and taken as {}",
                    listed(taken.iter().map(String::as_str))
                )
            }
            Why::Value { sent, taken } => {
                let taken: Vec<String> = taken.iter().map(Value::to_string).collect();
                write!(
                    f,
                    "{at} is {sent}, and taken is only {}",
                    listed(taken.iter().map(String::as_str))
                )
            }
        }
    }
}

impl Sent {
    /// Does something stand there?
    pub(super) fn is_sent(&self) -> bool {
        *self != Self::Never
    }

    /// The type of what is sent; `None` where that is not known.
    pub(super) fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Any | Self::Never => return None,
            Self::Text | Self::Value(Value::String(_)) => "string",
            Self::List(_) | Self::Value(Value::Array(_)) => "array",
            Self::Object { .. } | Self::Value(Value::Object(_)) => "object",
            Self::Value(Value::Null) => "null",
            Self::Value(Value::Bool(_)) => "boolean",
            Self::Value(Value::Number(number)) if number.is_f64() => "number",
            Self::Value(Value::Number(_)) => "integer",
        })
    }
}

/// `a` and `b` as one path.
pub(super) fn join(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    }
}
