//! A GraphQL document that is valid: what it declares, and what stands in its answer.

use std::sync::Arc;

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node, Schema as Sdl};
use serde_json::Value;

use super::sent::join;
use super::{Facts, Resolution};

/// A variable a document declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, without `$`.
    pub name: String,
    /// Its type, as written (`[String!]!`).
    pub kind: String,
    /// Must it be given?
    pub required: bool,
}

/// A query or mutation that is valid against its schema.
#[derive(Debug, Clone)]
pub struct Document {
    schema: Arc<Valid<Sdl>>,
    document: Valid<ExecutableDocument>,
    operation: Node<Operation>,
}

/// Where a path has come to in an answer.
struct At<'a> {
    kind: &'a Type,
    selected: Vec<&'a SelectionSet>,
}

impl Document {
    pub(super) fn new(
        schema: Arc<Valid<Sdl>>,
        operation: Node<Operation>,
        document: Valid<ExecutableDocument>,
    ) -> Self {
        Self {
            schema,
            document,
            operation,
        }
    }

    pub(super) fn declared(&self) -> &[Node<VariableDefinition>] {
        &self.operation.variables
    }

    /// What the schema says about a type, by its name.
    pub(super) fn kind(&self, name: &str) -> Option<&ExtendedType> {
        self.schema.types.get(name)
    }

    /// Does it change something?
    pub fn is_mutation(&self) -> bool {
        self.operation.is_mutation()
    }

    /// What it declares, in its order.
    pub fn variables(&self) -> Vec<Variable> {
        let variable = |declared: &Node<VariableDefinition>| Variable {
            name: declared.name.to_string(),
            kind: declared.ty.to_string(),
            required: declared.ty.is_non_null() && declared.default_value.is_none(),
        };
        self.operation.variables.iter().map(variable).collect()
    }

    /// What stands at a dotted path of the whole answer (`data.project.services.edges.*.node.id`): only what the document
    /// asks for is there.
    pub fn resolve(&self, path: &str) -> Resolution {
        let mut parts = path.split('.').filter(|part| !part.is_empty());
        let object = |types: &str| {
            Resolution::Found(Facts {
                types: vec![types.to_owned()],
                ..Facts::default()
            })
        };
        let mut walked = match parts.next() {
            None => return object("object"),
            Some("data") => "data".to_owned(),
            // The specification leaves room there.
            Some("errors" | "extensions") => return Resolution::Free,
            Some(other) => {
                return Resolution::Missing {
                    at: other.to_owned(),
                    inside: vec!["object".to_owned()],
                    known: vec!["data".to_owned(), "errors".to_owned()],
                };
            }
        };
        let mut at: Option<At<'_>> = None;
        for part in parts {
            walked = join(&walked, part);
            let next = match &at {
                None => self.field(&[&self.operation.selection_set], part),
                Some(at) if at.kind.is_list() => {
                    let element = part == "*" || part.parse::<usize>().is_ok();
                    element.then(|| At {
                        kind: at.kind.item_type(),
                        selected: at.selected.clone(),
                    })
                }
                Some(at) if at.selected.is_empty() && self.is_free(at.kind) => return Resolution::Free,
                Some(at) => self.field(&at.selected, part),
            };
            let Some(next) = next else {
                let selected = at
                    .as_ref()
                    .map_or_else(|| vec![&self.operation.selection_set], |at| at.selected.clone());
                let inside = at.as_ref().map_or("object", |at| self.type_of(at.kind));
                let known = if inside == "array" {
                    Vec::new()
                } else {
                    self.keys(&selected)
                };
                return Resolution::Missing {
                    at: walked,
                    inside: vec![inside.to_owned()],
                    known,
                };
            };
            at = Some(next);
        }
        match at {
            None => object("object"),
            Some(at) if !at.kind.is_list() && self.is_free(at.kind) => Resolution::Free,
            Some(at) => Resolution::Found(self.facts(at.kind)),
        }
    }

    /// The field of an answer with this key, through fragments.
    fn field<'a>(&'a self, sets: &[&'a SelectionSet], key: &str) -> Option<At<'a>> {
        let mut found: Option<At<'a>> = None;
        for selection in self.selections(sets) {
            if let Selection::Field(field) = selection
                && field.response_key() == key
            {
                let at = found.get_or_insert_with(|| At {
                    kind: field.ty(),
                    selected: Vec::new(),
                });
                at.selected
                    .extend((!field.selection_set.is_empty()).then_some(&field.selection_set));
            }
        }
        found
    }

    /// The keys an answer has here.
    fn keys(&self, sets: &[&SelectionSet]) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for selection in self.selections(sets) {
            if let Selection::Field(field) = selection {
                keys.push(field.response_key().to_string());
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }

    /// Every selection, those of fragments included; valid documents have no fragments in circles.
    fn selections<'a>(&'a self, sets: &[&'a SelectionSet]) -> Vec<&'a Selection> {
        let mut found = Vec::new();
        let mut open: Vec<&SelectionSet> = sets.to_vec();
        while let Some(set) = open.pop() {
            for selection in &set.selections {
                match selection {
                    Selection::Field(_) => found.push(selection),
                    Selection::InlineFragment(inline) => open.push(&inline.selection_set),
                    Selection::FragmentSpread(spread) => {
                        open.extend(
                            spread
                                .fragment_def(&self.document)
                                .map(|fragment| &fragment.selection_set),
                        );
                    }
                }
            }
        }
        found
    }

    /// A scalar of the vendor's own: anything may stand there.
    fn is_free(&self, kind: &Type) -> bool {
        matches!(self.type_of(kind), "any")
    }

    fn type_of(&self, kind: &Type) -> &'static str {
        if kind.is_list() {
            return "array";
        }
        let name = kind.inner_named_type().as_str();
        match self.schema.types.get(name) {
            Some(ExtendedType::Enum(_)) => "string",
            Some(ExtendedType::Scalar(_)) => match name {
                "String" | "ID" => "string",
                "Int" => "integer",
                "Float" => "number",
                "Boolean" => "boolean",
                _ => "any",
            },
            _ => "object",
        }
    }

    fn facts(&self, kind: &Type) -> Facts {
        let values = match self.schema.types.get(kind.inner_named_type().as_str()) {
            Some(ExtendedType::Enum(values)) if !kind.is_list() => values
                .values
                .keys()
                .map(|name| Value::String(name.to_string()))
                .collect(),
            _ => Vec::new(),
        };
        Facts {
            types: vec![self.type_of(kind).to_owned()],
            nullable: !kind.is_non_null(),
            values,
            ..Facts::default()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::super::graphql::tests::schema;
    use super::*;

    fn types(document: &Document, path: &str) -> String {
        match document.resolve(path) {
            Resolution::Found(facts) => facts.types.join("|"),
            Resolution::Free => "free".to_owned(),
            Resolution::Missing { at, inside, known } => {
                format!("no {at} in {} of {}", inside.join("|"), known.join(","))
            }
        }
    }

    #[test]
    fn only_what_is_asked_for_is_in_the_answer() {
        let text = "query($id: ID!) { it: box(id: $id) { ...F blob size inner { id } } any { ... on Box { tags } } } fragment F on Box { name inner { name } }";
        let document = schema().read(text).unwrap();
        assert!(!document.is_mutation());
        assert_eq!(types(&document, "data.it.name"), "string");
        assert_eq!(types(&document, "data.it.inner.*.id"), "string");
        assert_eq!(types(&document, "data.it.inner.0.name"), "string");
        assert_eq!(types(&document, "data.it.inner"), "array");
        assert_eq!(types(&document, "data.any.tags.0"), "string");
        assert_eq!(types(&document, "data.it.blob.a.b"), "free");
        assert_eq!(types(&document, "errors.0.message"), "free");
        assert_eq!(types(&document, "data"), "object");
        assert_eq!(
            types(&document, "data.it.id"),
            "no data.it.id in object of blob,inner,name,size"
        );
        assert_eq!(types(&document, "data.box"), "no data.box in object of any,it");
        assert_eq!(types(&document, "data.it.inner.id"), "no data.it.inner.id in array of ");
        assert_eq!(
            types(&document, "data.it.name.first"),
            "no data.it.name.first in string of "
        );
        assert_eq!(types(&document, "it"), "no it in object of data,errors");
        let Resolution::Found(facts) = document.resolve("data.it.size") else {
            panic!("not found")
        };
        assert_eq!(facts.values, [json!("SMALL"), json!("LARGE")]);
        assert!(facts.nullable);
    }
}
