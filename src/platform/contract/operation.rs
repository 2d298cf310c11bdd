//! One call of a contract: what it takes and what it answers.

use serde_json::Value;

use super::{Rest, Schema};

/// A parameter in the query or the headers.
#[derive(Debug, Clone)]
pub struct Parameter<'a> {
    /// Its name, as it is sent.
    pub name: &'a str,
    /// Must it be sent?
    pub required: bool,
    /// Its schema; `None` if the contract has none.
    pub schema: Option<Schema<'a>>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// `application/json`, or a relative of it.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Anything else: uploads, text, XML.
    Other,
}

/// A call of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    rest: &'a Rest,
    path: &'a str,
    item: &'a Value,
    node: &'a Value,
}

impl<'a> Operation<'a> {
    pub(super) fn new(rest: &'a Rest, path: &'a str, item: &'a Value, node: &'a Value) -> Self {
        Self { rest, path, item, node }
    }

    /// The path as the contract writes it.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Does the vendor say it will go away?
    pub fn deprecated(&self) -> bool {
        self.node.get("deprecated") == Some(&Value::Bool(true))
    }

    /// The parameters of the query.
    pub fn query(&self) -> Vec<Parameter<'a>> {
        self.parameters("query")
    }

    /// The parameter of the query that a name means: `filter[a]` and `ids[]` belong to `filter` and `ids`.
    pub fn query_parameter(&self, name: &str) -> Option<Parameter<'a>> {
        let stem = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        let mut known = self.query();
        let at = known.iter().position(|parameter| parameter.name == name);
        let at = at.or_else(|| known.iter().position(|parameter| stem(parameter.name) == stem(name)));
        at.map(|at| known.swap_remove(at))
    }

    /// Headers that must be sent, without those every client sends (authorization, content type, accept).
    pub fn required_headers(&self) -> Vec<&'a str> {
        let usual = ["authorization", "accept", "content-type"];
        let headers = self.parameters("header").into_iter();
        let ours =
            headers.filter(|header| header.required && !usual.contains(&header.name.to_ascii_lowercase().as_str()));
        ours.map(|header| header.name).collect()
    }

    /// Statuses of success, as written: `200`, `2XX`, or `default` where no other is named.
    pub fn successes(&self) -> Vec<&'a str> {
        self.responses().into_iter().map(|(status, _)| status).collect()
    }

    /// What stands in the answer of a success, over all of its statuses; `None` if no answer has a body that is JSON.
    pub fn answer(&self) -> Option<Schema<'a>> {
        let answers = self.responses();
        let schemas = answers
            .iter()
            .flat_map(|(_, response)| contents(response))
            .filter(|(kind, _)| *kind == Encoding::Json);
        let nodes: Vec<&Value> = schemas.map(|(_, schema)| schema).collect();
        (!nodes.is_empty()).then(|| self.rest.schemas(nodes))
    }

    /// How the body may be written; empty if the call takes none.
    pub fn encodings(&self) -> Vec<Encoding> {
        let mut encodings: Vec<Encoding> = self
            .request()
            .into_iter()
            .flat_map(contents)
            .map(|(kind, _)| kind)
            .collect();
        encodings.sort_unstable();
        encodings.dedup();
        encodings
    }

    /// What the body looks like in an encoding; `None` if it cannot be written so.
    pub fn body(&self, encoding: Encoding) -> Option<Schema<'a>> {
        let contents = contents(self.request()?);
        let nodes: Vec<&Value> = contents
            .into_iter()
            .filter(|(kind, _)| *kind == encoding)
            .map(|(_, schema)| schema)
            .collect();
        (!nodes.is_empty()).then(|| self.rest.schemas(nodes))
    }

    /// Must there be a body?
    pub fn body_required(&self) -> bool {
        self.request().and_then(|body| body.get("required")) == Some(&Value::Bool(true))
    }

    fn request(&self) -> Option<&'a Value> {
        self.node.get("requestBody").map(|body| self.rest.follow(body))
    }

    fn responses(&self) -> Vec<(&'a str, &'a Value)> {
        let all = self.node.get("responses").and_then(Value::as_object);
        let all: Vec<(&str, &Value)> = all
            .into_iter()
            .flatten()
            .map(|(status, node)| (status.as_str(), self.rest.follow(node)))
            .collect();
        let successes: Vec<_> = all
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .copied()
            .collect();
        match successes.is_empty() {
            true => all.into_iter().filter(|(status, _)| *status == "default").collect(),
            false => successes,
        }
    }

    /// Those of the call, then those of its path that it does not replace.
    fn parameters(&self, place: &str) -> Vec<Parameter<'a>> {
        let mut found: Vec<Parameter<'a>> = Vec::new();
        for node in [self.node, self.item] {
            for parameter in node.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                let parameter = self.rest.follow(parameter);
                let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
                let name = text("name");
                if text("in") == place && !found.iter().any(|known| known.name == name) {
                    found.push(Parameter {
                        name,
                        required: parameter.get("required") == Some(&Value::Bool(true)),
                        schema: parameter.get("schema").map(|schema| self.rest.schema(schema)),
                    });
                }
            }
        }
        found
    }
}

/// The schemas below `content`; one that is not written stands for anything.
fn contents(node: &Value) -> Vec<(Encoding, &Value)> {
    let content = node.get("content").and_then(Value::as_object);
    content
        .into_iter()
        .flatten()
        .map(|(kind, media)| (encoding(kind), media.get("schema").unwrap_or(&Value::Bool(true))))
        .collect()
}

fn encoding(media: &str) -> Encoding {
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" | "*/*" | "application/*" => Encoding::Json,
        "application/x-www-form-urlencoded" => Encoding::Form,
        other if other.ends_with("+json") || other.ends_with("/json") => Encoding::Json,
        _ => Encoding::Other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::super::Resolution;
    use super::*;

    fn rest() -> Rest {
        Rest::new(json!({
            "components": {
                "parameters": { "Version": { "name": "Version", "in": "header", "required": true } },
                "requestBodies": { "Both": { "required": true, "content": {
                    "application/json; charset=utf-8": { "schema": { "properties": { "a": { "type": "integer" } } } },
                    "application/x-www-form-urlencoded": { "schema": { "properties": { "a": { "type": "string" } } } }
                } } },
                "responses": { "Made": { "content": { "application/vnd.v+json": { "schema": { "properties": { "id": { "type": "string" } } } } } } }
            },
            "paths": { "/a": {
                "parameters": [
                    { "name": "page", "in": "query", "required": true }, { "name": "path", "in": "path" },
                    { "name": "expand", "in": "query" }, { "$ref": "#/components/parameters/Version" },
                    { "name": "Authorization", "in": "header", "required": true }
                ],
                "post": {
                    "parameters": [{ "name": "page", "in": "query" }, { "name": "ids[]", "in": "query" }],
                    "requestBody": { "$ref": "#/components/requestBodies/Both" },
                    "responses": {
                        "200": { "content": { "application/json": { "schema": { "properties": { "old": { "type": "boolean" } } } } } },
                        "201": { "$ref": "#/components/responses/Made" },
                        "404": { "content": { "application/json": { "schema": { "properties": { "message": {} } } } } }
                    }
                },
                "get": { "deprecated": true, "responses": { "default": { "description": "" } } },
                "delete": { "responses": { "204": { "description": "" } } }
            } }
        }))
    }

    #[test]
    fn parameters_of_the_call_replace_those_of_the_path() {
        let rest = rest();
        let post = rest.operation("POST", "/a").unwrap();
        let query: Vec<_> = post.query().into_iter().map(|p| (p.name, p.required)).collect();
        assert_eq!(query, [("page", false), ("ids[]", false), ("expand", false)]);
        assert_eq!(post.query_parameter("ids[0]").unwrap().name, "ids[]");
        assert_eq!(post.query_parameter("expand[x][y]").unwrap().name, "expand");
        assert!(post.query_parameter("limit").is_none());
        assert_eq!(post.required_headers(), ["Version"]);
        let delete = rest.operation("DELETE", "/a").unwrap();
        assert!(delete.query_parameter("page").unwrap().required);
    }

    #[test]
    fn answers_are_those_of_success_together() {
        let rest = rest();
        let post = rest.operation("post", "/a").unwrap();
        assert_eq!(post.successes(), ["200", "201"]);
        let answer = post.answer().unwrap();
        for (path, found) in [("old", true), ("id", true), ("message", false)] {
            assert_eq!(matches!(answer.resolve(path), Resolution::Found(_)), found, "{path}");
        }
        assert_eq!(rest.operation("GET", "/a").unwrap().successes(), ["default"]);
        assert!(rest.operation("GET", "/a").unwrap().deprecated() && !post.deprecated());
        assert!(rest.operation("DELETE", "/a").unwrap().answer().is_none());
    }

    #[test]
    fn bodies_by_encoding() {
        let rest = rest();
        let post = rest.operation("POST", "/a").unwrap();
        assert_eq!(post.encodings(), [Encoding::Json, Encoding::Form]);
        assert!(post.body_required());
        let types = |encoding| match post.body(encoding).unwrap().resolve("a") {
            Resolution::Found(facts) => facts.types,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (types(Encoding::Json), types(Encoding::Form)),
            (vec!["integer".to_owned()], vec!["string".to_owned()])
        );
        assert!(post.body(Encoding::Other).is_none());
        assert_eq!(rest.operation("GET", "/a").unwrap().encodings(), []);
    }
}
