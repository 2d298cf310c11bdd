//! Text to contract: which of the three kinds it is, and what keeps it from being one.

use std::sync::Arc;

use serde_json::Value;

use super::{Contract, Graphql, Rest, rest};
use crate::problem::{Place, Problem, listed};

/// What a file is written in.
enum Kind {
    Json,
    Yaml,
    Graphql,
}

pub(super) fn contract(name: &str, text: &str) -> Result<Contract, Vec<Problem>> {
    let source: Arc<str> = Arc::from(text);
    match kind(name, text) {
        Some(Kind::Json) => {
            let document = json(name, &source).map_err(|problem| vec![problem])?;
            openapi(name, document).map(Contract::Rest)
        }
        Some(Kind::Yaml) => {
            let document = yaml(name, &source).map_err(|problem| vec![problem])?;
            openapi(name, document).map(Contract::Rest)
        }
        Some(Kind::Graphql) => Graphql::parse(text).map(Contract::Graphql).map_err(|mistakes| {
            mistakes
                .into_iter()
                .map(|mistake| {
                    Problem::configuration(format!("this is not a valid GraphQL schema: {}", mistake.message))
                        .at(Place::new(name, &source, line_start(text, mistake.line)))
                })
                .collect()
        }),
        None => Err(vec![unknown(name)]),
    }
}

/// The name decides where it says something; else the first words do.
fn kind(name: &str, text: &str) -> Option<Kind> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("json") => return Some(Kind::Json),
        Some("yaml" | "yml") => return Some(Kind::Yaml),
        Some("graphql" | "graphqls" | "gql" | "sdl") => return Some(Kind::Graphql),
        _ => {}
    }
    if text.trim_start().starts_with('{') {
        return Some(Kind::Json);
    }
    let starts = |words: &[&str]| text.lines().any(|line| words.iter().any(|word| line.starts_with(word)));
    if starts(&["openapi:", "swagger:", "\"openapi\":"]) {
        return Some(Kind::Yaml);
    }
    starts(&["schema {", "schema{", "type ", "extend type ", "interface "]).then_some(Kind::Graphql)
}

fn unknown(name: &str) -> Problem {
    Problem::configuration("this is no contract upa can read")
        .at(Place::file(name))
        .hint("give an OpenAPI 3 description (.json, .yaml) or a GraphQL schema (.graphql)")
}

fn json(name: &str, source: &Arc<str>) -> Result<Value, Problem> {
    serde_json::from_str(source).map_err(|error| {
        Problem::configuration(format!("this is not JSON: {error}")).at(Place::new(
            name,
            source,
            line_start(source, error.line()),
        ))
    })
}

fn yaml(name: &str, source: &Arc<str>) -> Result<Value, Problem> {
    // The crate's limits stop a small file with a million aliases; a vendor's whole API has more values than they allow.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: 8_000_000, max_nodes: 4_000_000, max_depth: 200 },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(source, options).map_err(|error| {
        let line = error.location().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        Problem::configuration(format!("this is not YAML: {first}")).at(Place::new(
            name,
            source,
            line_start(source, line),
        ))
    })
}

fn openapi(name: &str, document: Value) -> Result<Rest, Vec<Problem>> {
    let wrong = |what: String, hint: &str| vec![Problem::configuration(what).at(Place::file(name)).hint(hint)];
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if document.get("swagger").is_some() {
        let hint = "convert it to OpenAPI 3, for example with `npx swagger2openapi FILE`";
        return Err(wrong("this is Swagger 2.0, which upa does not read".to_owned(), hint));
    }
    if document.get("discoveryVersion").is_some() {
        let hint =
            "convert it to OpenAPI 3, for example with `npx google-discovery-to-swagger` and `npx swagger2openapi`";
        return Err(wrong(
            "this is a Google discovery document, which upa does not read".to_owned(),
            hint,
        ));
    }
    if !version.starts_with("3.") {
        return Err(vec![unknown(name)]);
    }
    if document
        .get("paths")
        .and_then(Value::as_object)
        .is_none_or(serde_json::Map::is_empty)
    {
        let hint = "give the file that lists the calls, with its parts bundled into it";
        return Err(wrong("this OpenAPI description has no `paths`".to_owned(), hint));
    }
    let dangling = rest::dangling(&document);
    if !dangling.is_empty() {
        let list = listed(dangling.iter().map(String::as_str));
        let hint = "bundle the description into one file, for example with `npx @redocly/cli bundle`";
        return Err(wrong(
            format!("this OpenAPI description refers to what is not in it: {list}"),
            hint,
        ));
    }
    Ok(Rest::new(document))
}

/// The bytes of a 1-based line, without its end; the start of the text for line 0.
fn line_start(text: &str, line: usize) -> std::ops::Range<usize> {
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            return start..start + content.trim_end().len();
        }
        start += content.len();
    }
    0..0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn problem(name: &str, text: &str) -> Problem {
        let mut problems = contract(name, text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    const YAML: &str = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      responses:\n        200: { description: no }\n";

    #[test]
    fn the_three_kinds_are_told_apart_by_name_or_by_content() {
        let json = r#"{ "openapi": "3.1.0", "paths": { "/a": {} } }"#;
        let graphql = "type Query { a: Int }";
        for name in ["spec.json", "spec"] {
            assert!(contract(name, json).unwrap().rest().is_some(), "{name}");
        }
        for name in ["spec.yml", "spec.YAML", "spec"] {
            assert!(contract(name, YAML).unwrap().rest().is_some(), "{name}");
        }
        for name in ["spec.graphql", "spec"] {
            assert!(contract(name, graphql).unwrap().graphql().is_some(), "{name}");
        }
    }

    #[test]
    fn a_status_without_quotes_is_a_name_in_yaml() {
        let contract = contract("a.yaml", YAML).unwrap();
        let operation = contract.rest().unwrap().operation("GET", "/a").unwrap();
        assert_eq!(operation.successes(), ["200"]);
    }

    #[test]
    fn what_cannot_be_parsed_is_said_with_its_line() {
        let json = problem("a.json", "{\n  \"openapi\": nope\n}");
        assert_eq!(json.place.unwrap().line, 2);
        let yaml = problem("a.yaml", "openapi: 3.0.0\npaths:\n  /a: [\n");
        assert!(
            yaml.message.to_string().starts_with("this is not YAML: "),
            "{}",
            yaml.message
        );
        assert!(yaml.place.unwrap().line >= 3);
        let graphql = problem("a.graphql", "type Query {\n  a: Nothing\n}");
        assert!(graphql.message.to_string().contains("Nothing"), "{}", graphql.message);
        assert_eq!(graphql.place.unwrap().line, 2);
    }

    #[test]
    fn what_is_no_contract_is_named() {
        assert!(
            problem("a.json", r#"{ "swagger": "2.0" }"#)
                .message
                .to_string()
                .contains("Swagger 2.0")
        );
        assert!(
            problem("a.json", r#"{ "discoveryVersion": "v1" }"#)
                .message
                .to_string()
                .contains("discovery")
        );
        assert!(
            problem("a.json", r#"{ "openapi": "3.0.0" }"#)
                .message
                .to_string()
                .contains("no `paths`")
        );
        assert!(problem("a.json", "[]").message.to_string().contains("no contract"));
        assert!(problem("a.txt", "hello").message.to_string().contains("no contract"));
    }

    #[test]
    fn references_to_nowhere_are_named() {
        let text = r##"{ "openapi": "3.0.0", "paths": { "/a": { "get": { "responses": { "200": { "content": {
            "application/json": { "example": { "$ref": "#/not/one" }, "schema": { "$ref": "#/components/schemas/A" } } } } } } } } }"##;
        assert_eq!(
            problem("a.json", text).message.to_string(),
            "this OpenAPI description refers to what is not in it: #/components/schemas/A"
        );
        let text = r#"{ "openapi": "3.0.0", "paths": { "/a": { "$ref": "other.yaml#/a" } } }"#;
        assert!(problem("a.json", text).message.to_string().ends_with("other.yaml#/a"));
    }
}
