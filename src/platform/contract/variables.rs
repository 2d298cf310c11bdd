//! Variables that can be sent, held against what a GraphQL document declares.

use std::collections::BTreeMap;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::ExtendedType;
use serde_json::Value;

use super::sent::join;
use super::{Document, Fault, Sent, Why};

impl Document {
    /// What the schema refuses of the variables that can be sent, by name.
    pub fn faults(&self, sent: &BTreeMap<String, Sent>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for declared in self.declared() {
            let needed = declared.ty.is_non_null() && declared.default_value.is_none();
            match sent.get(declared.name.as_str()).filter(|sent| sent.is_sent()) {
                Some(sent) => self.value(&declared.ty, sent, &declared.name, &mut faults),
                None if needed => faults.push(Fault {
                    path: declared.name.to_string(),
                    why: Why::NeverSent,
                }),
                None => {}
            }
        }
        for name in sent
            .keys()
            .filter(|name| !self.declared().iter().any(|known| known.name == name.as_str()))
        {
            let known = self.variables().into_iter().map(|variable| variable.name).collect();
            faults.push(Fault {
                path: name.clone(),
                why: Why::Unknown { known },
            });
        }
        faults
    }

    fn value(&self, kind: &Type, sent: &Sent, at: &str, faults: &mut Vec<Fault>) {
        if let (true, Sent::List(items)) = (kind.is_list(), sent) {
            for (index, item) in items.iter().enumerate() {
                self.value(kind.item_type(), item, &join(at, &index.to_string()), faults);
            }
            return;
        }
        let Some(word) = sent.kind() else { return };
        if word == "null" && !kind.is_non_null() {
            return;
        }
        // A single value stands for a list of one.
        let name = kind.inner_named_type().as_str();
        let mut wrong = |taken: &[&str]| {
            let taken = taken.iter().map(|name| (*name).to_owned()).collect();
            faults.push(Fault {
                path: at.to_owned(),
                why: Why::Type { sent: word, taken },
            });
        };
        let only = |taken: &[&'static str], wrong: &mut dyn FnMut(&[&str])| {
            if !taken.contains(&word) {
                wrong(taken);
            }
        };
        match self.kind(name) {
            Some(ExtendedType::Scalar(_)) => match name {
                "String" => only(&["string"], &mut wrong),
                "ID" => only(&["string", "integer"], &mut wrong),
                "Int" => only(&["integer"], &mut wrong),
                "Float" => only(&["number", "integer"], &mut wrong),
                "Boolean" => only(&["boolean"], &mut wrong),
                _ => {}
            },
            Some(ExtendedType::Enum(values)) => match sent {
                Sent::Value(Value::String(text)) if !values.values.contains_key(text.as_str()) => {
                    let taken = values
                        .values
                        .keys()
                        .map(|name| Value::String(name.to_string()))
                        .collect();
                    faults.push(Fault {
                        path: at.to_owned(),
                        why: Why::Value {
                            sent: Value::String(text.clone()),
                            taken,
                        },
                    });
                }
                _ => only(&["string"], &mut wrong),
            },
            Some(ExtendedType::InputObject(input)) => match sent {
                Sent::Object { fields, open } => {
                    for (name, field) in &input.fields {
                        let needed = field.ty.is_non_null() && field.default_value.is_none();
                        let path = join(at, name);
                        match fields.get(name.as_str()) {
                            Some(sent) if sent.is_sent() => self.value(&field.ty, sent, &path, faults),
                            Some(_) if needed => faults.push(Fault {
                                path,
                                why: Why::NeverSent,
                            }),
                            None if needed && !open => faults.push(Fault {
                                path,
                                why: Why::NeverSent,
                            }),
                            _ => {}
                        }
                    }
                    let foreign = fields
                        .iter()
                        .filter(|(name, sent)| sent.is_sent() && !input.fields.contains_key(name.as_str()));
                    faults.extend(foreign.map(|(name, _)| Fault {
                        path: join(at, name),
                        why: Why::Unknown {
                            known: input.fields.keys().map(ToString::to_string).collect(),
                        },
                    }));
                }
                _ => wrong(&["object"]),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::super::Variable;
    use super::super::graphql::tests::schema;
    use super::*;

    #[test]
    fn variables_hold_what_the_schema_takes() {
        let document = schema()
            .read("mutation($input: BoxInput!) { make(input: $input) { id } }")
            .unwrap();
        assert!(document.is_mutation());
        assert_eq!(
            document.variables(),
            [Variable {
                name: "input".to_owned(),
                kind: "BoxInput!".to_owned(),
                required: true
            }]
        );
        let faults = |fields: Vec<(&str, Sent)>, open: bool| {
            let fields = fields.into_iter().map(|(name, sent)| (name.to_owned(), sent)).collect();
            let sent = BTreeMap::from([("input".to_owned(), Sent::Object { fields, open })]);
            document.faults(&sent).iter().map(Fault::to_string).collect::<Vec<_>>()
        };
        let value = |value: Value| Sent::Value(value);
        assert_eq!(
            faults(vec![], false),
            ["`input.name` is required, and nothing can fill it"]
        );
        assert_eq!(faults(vec![], true), Vec::<String>::new());
        assert_eq!(
            faults(vec![("name", Sent::Never)], true),
            ["`input.name` is required, and nothing can fill it"]
        );
        let good = vec![
            ("name", Sent::Text),
            ("weight", value(json!(1))),
            ("tags", value(json!("a"))),
            ("size", value(json!("SMALL"))),
        ];
        assert_eq!(faults(good, false), Vec::<String>::new());
        let inner = Sent::Object {
            fields: BTreeMap::from([("nme".to_owned(), Sent::Any)]),
            open: false,
        };
        assert_eq!(
            faults(
                vec![
                    ("name", value(json!(1))),
                    ("size", value(json!("HUGE"))),
                    ("inner", inner)
                ],
                false
            ),
            [
                "`input.name` is sent as integer, and taken as string",
                "`input.size` is \"HUGE\", and taken is only \"SMALL\", \"LARGE\"",
                "`input.inner.name` is required, and nothing can fill it",
                "`input.inner.nme` is not taken; known there: name, size, weight, depth, inner, tags, blob"
            ]
        );
        let wrong = document.faults(&BTreeMap::from([("in".to_owned(), Sent::Any)]));
        assert_eq!(
            wrong.iter().map(Fault::to_string).collect::<Vec<_>>(),
            [
                "`input` is required, and nothing can fill it",
                "`in` is not taken; known there: input"
            ]
        );
    }
}
