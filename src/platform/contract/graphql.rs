//! A GraphQL schema, and the documents it allows.

use std::sync::Arc;

use apollo_compiler::executable::Operation;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Node, Schema as Sdl};

use super::Document;

/// Something wrong in GraphQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What it is.
    pub message: String,
    /// 1-based line in the text; 0 where it has none.
    pub line: usize,
}

/// A GraphQL schema.
#[derive(Debug, Clone)]
pub struct Graphql {
    schema: Arc<Valid<Sdl>>,
}

impl Graphql {
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        match Sdl::parse_and_validate(text, "schema") {
            Ok(schema) => Ok(Self {
                schema: Arc::new(schema),
            }),
            Err(found) => Err(mistakes(&found.errors)),
        }
    }

    /// Reads a document with one query or mutation.
    ///
    /// # Errors
    /// Everything the schema does not allow, with the line in `text`.
    pub fn read(&self, text: &str) -> Result<Document, Vec<Mistake>> {
        let document = ExecutableDocument::parse_and_validate(&self.schema, text, "document")
            .map_err(|found| mistakes(&found.errors))?;
        let operations: Vec<Node<Operation>> = document.operations.iter().cloned().collect();
        let wrong = |message: &str| {
            Err(vec![Mistake {
                message: message.to_owned(),
                line: 0,
            }])
        };
        match operations.as_slice() {
            [] => wrong("there is no query and no mutation in it"),
            [operation] => Ok(Document::new(self.schema.clone(), operation.clone(), document)),
            _ => wrong("it holds more than one query or mutation; a call sends one"),
        }
    }
}

fn mistakes(found: &DiagnosticList) -> Vec<Mistake> {
    let mistake = |message: String, line: Option<usize>| Mistake {
        message,
        line: line.unwrap_or(0),
    };
    found
        .iter()
        .map(|found| {
            mistake(
                found.error.to_string(),
                found.line_column_range().map(|range| range.start.line),
            )
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn schema() -> Graphql {
        Graphql::parse(
            "scalar Blob
             enum Size { SMALL LARGE }
             interface Named { name: String! }
             type Box implements Named { name: String! id: ID! size: Size blob: Blob tags: [String!]! inner: [Box] }
             input BoxInput { name: String! size: Size weight: Float depth: Int! = 3 inner: BoxInput tags: [String!] blob: Blob }
             type Query { box(id: ID!): Box any: Named boxes(first: Int): [Box!]! }
             type Mutation { make(input: BoxInput!): Box! }",
        )
        .unwrap()
    }

    #[test]
    fn documents_are_validated_with_their_lines() {
        let mistakes = schema()
            .read("query($id: ID!) {\n  box(id: $id) {\n    name nme\n  }\n}")
            .unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes.first().unwrap().line, 3);
        assert!(
            mistakes.first().unwrap().message.to_string().contains("nme"),
            "{mistakes:?}"
        );
        assert!(schema().read("query($id: Int!) { box(id: $id) { name } }").is_err());
        assert!(schema().read("query { box { name } }").is_err());
        assert!(
            schema()
                .read("query A { any { name } } query B { any { name } }")
                .unwrap_err()
                .first()
                .unwrap()
                .message
                .contains("more than one")
        );
        assert!(schema().read("fragment F on Box { name }").is_err());
    }
}
