//! A vendor's machine-readable contract, read to hold a platform's definition against it without asking the platform.
//!
//! [`Contract::parse`] reads OpenAPI 3.0 and 3.1 (JSON or YAML) and GraphQL schemas. Nothing is expanded: real contracts
//! hold references in circles, and every look follows only the references it needs.
//!
//! ```text
//! Rest::operation("POST", "/assistant") → Operation → answer(), body(), query() → Schema::resolve("voice.provider")
//! Graphql::read("query($i: ID!) { … }")  → Document  →                             Document::resolve("data.project.name")
//! ```
//!
//! What a definition can send is a [`Sent`]; [`Schema::faults`] and [`Document::faults`] say what the contract refuses of it.

mod document;
mod facet;
mod faults;
mod graphql;
mod operation;
mod paths;
mod read;
mod rest;
mod schema;
mod sent;
mod variables;

pub use document::{Document, Variable};
pub use graphql::{Graphql, Mistake};
pub use operation::{Encoding, Operation, Parameter};
pub use paths::NoOperation;
pub use rest::Rest;
pub use schema::{Facts, Resolution, Schema};
pub use sent::{Fault, Sent, Why};

use crate::problem::Problem;

/// A vendor's contract.
#[derive(Debug, Clone)]
pub enum Contract {
    /// An OpenAPI description.
    Rest(Rest),
    /// A GraphQL schema.
    Graphql(Graphql),
}

impl Contract {
    /// Reads the contract in `text`; `name` is its file, for messages and to tell the kinds apart.
    ///
    /// # Errors
    /// What is not one of the three kinds, cannot be parsed, or refers to what is not in it: all findings at once, with
    /// the line where one is known.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        read::contract(name, text)
    }

    /// The OpenAPI description, if it is one.
    pub fn rest(&self) -> Option<&Rest> {
        match self {
            Self::Rest(rest) => Some(rest),
            Self::Graphql(_) => None,
        }
    }

    /// The GraphQL schema, if it is one.
    pub fn graphql(&self) -> Option<&Graphql> {
        match self {
            Self::Graphql(graphql) => Some(graphql),
            Self::Rest(_) => None,
        }
    }
}
