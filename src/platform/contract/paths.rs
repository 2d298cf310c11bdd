//! Which path of a contract a definition means: placeholders have other names there, and literals beat parameters.

use std::fmt;

use serde_json::Value;

use super::Rest;
use crate::problem::{did_you_mean, listed};

/// Stands for a placeholder inside a segment of ours; no literal of a contract holds it.
const HOLE: char = '\0';

/// Why a contract does not know a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOperation {
    /// No path of this shape.
    Path {
        /// The path that was looked for.
        path: String,
        /// The path of the contract that looks most like it, if any does.
        nearest: Option<String>,
    },
    /// The path is there, without this method.
    Method {
        /// The path as the contract writes it.
        path: String,
        /// The methods it has, in capitals.
        methods: Vec<String>,
    },
}

impl fmt::Display for NoOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } => write!(f, "the contract has no path `{path}`"),
            Self::Method { path, methods } => {
                let known = listed(methods.iter().map(String::as_str));
                write!(f, "the contract's `{path}` has other methods: {known}")
            }
        }
    }
}

impl std::error::Error for NoOperation {}

/// The path of the contract that `path` means, with what stands below it: one that has the method if there is one, and
/// of these the most literal one.
pub(super) fn find<'a>(rest: &'a Rest, method: &str, path: &str) -> Result<(&'a str, &'a Value), NoOperation> {
    let path = bare(path);
    let candidates = below_servers(rest, path);
    let mut found: Vec<(bool, Vec<usize>, &str, &Value)> = Vec::new();
    for (template, item) in rest.paths() {
        let best = candidates.iter().filter_map(|path| literal(template, path)).max();
        if let Some(literal) = best {
            found.push((rest.follow(item).get(method).is_some(), literal, template, item));
        }
    }
    match found.into_iter().max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1))) {
        // A parameter took `{id}:verb` whole, and there is no such call: the verb is what was mistyped.
        Some((false, _, template, item)) => match nearest(rest, &candidates, Some(method)).filter(|_| mixed(path)) {
            None => Ok((template, item)),
            nearest => Err(NoOperation::Path {
                path: path.to_owned(),
                nearest,
            }),
        },
        Some((true, _, template, item)) => Ok((template, item)),
        None => Err(NoOperation::Path {
            path: path.to_owned(),
            nearest: nearest(rest, &candidates, None),
        }),
    }
}

/// The path of the contract that looks most like one of ours; only those that have the method, if one is given.
fn nearest(rest: &Rest, candidates: &[String], method: Option<&str>) -> Option<String> {
    let has = |item: &Value| method.is_none_or(|method| rest.follow(item).get(method).is_some());
    let known: Vec<(String, &str)> = rest
        .paths()
        .filter(|(_, item)| has(item))
        .map(|(known, _)| (anonymous(known), known))
        .collect();
    let names = || known.iter().map(|(name, _)| name.as_str());
    let near = candidates
        .iter()
        .find_map(|path| did_you_mean(&anonymous(path), names()))?;
    known
        .iter()
        .find(|(name, _)| name == near)
        .map(|(_, known)| (*known).to_owned())
}

/// Does a segment hold a placeholder beside other text?
fn mixed(path: &str) -> bool {
    let mixed = |segment: &str| {
        segment.contains('{') && !(segment.starts_with('{') && segment.find('}') == Some(segment.len() - 1))
    };
    path.split('/').any(mixed)
}

/// A path without address, query and fragment.
fn bare(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")),
        None => path,
    }
}

/// The path as it is, and below the path of each server it begins with.
fn below_servers(rest: &Rest, path: &str) -> Vec<String> {
    let mut candidates = vec![holes(path)];
    for server in rest.servers() {
        let server = server
            .find('}')
            .filter(|_| server.starts_with('{'))
            .map_or(server, |end| server.get(end + 1..).unwrap_or_default());
        let below = path
            .strip_prefix(bare(server).trim_end_matches('/'))
            .filter(|below| below.starts_with('/'));
        candidates.extend(below.map(holes));
    }
    candidates.dedup();
    candidates
}

/// Our path with one [`HOLE`] for every placeholder; `{{` is a brace.
fn holes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            out.push('{');
            rest = after;
        } else {
            out.push(HOLE);
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
    }
    out.push_str(rest);
    out
}

/// How literally a contract's path matches ours: per segment the number of characters that are the same. `None` if it
/// does not match.
fn literal(template: &str, path: &str) -> Option<Vec<usize>> {
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if theirs.len() != ours.len() {
        return None;
    }
    theirs
        .iter()
        .zip(ours)
        .map(|(theirs, ours)| segment(theirs, ours))
        .collect()
}

/// One segment: text must be the same, a parameter takes at least one character. Returns how many were the same.
fn segment(theirs: &str, ours: &str) -> Option<usize> {
    let (before, after) = match theirs.split_once('{') {
        Some((before, after)) => (before, after.split_once('}').map(|(_, rest)| rest)?),
        None => return (theirs == ours).then_some(theirs.len()),
    };
    let rest = ours.strip_prefix(before)?;
    let ends = rest
        .char_indices()
        .skip(1)
        .map(|(at, _)| at)
        .chain((!rest.is_empty()).then_some(rest.len()));
    ends.filter_map(|end| segment(after, rest.get(end..)?))
        .max()
        .map(|same| same + before.len())
}

/// A path whose parameters have no names, so that only its shape counts when looking for a near one.
fn anonymous(path: &str) -> String {
    holes(path).replace(HOLE, "{}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn rest() -> Rest {
        Rest::new(json!({
            "openapi": "3.0.0",
            "servers": [{ "url": "https://api.vendor.com/api/v2/" }, { "url": "{url}/selfhosted" }],
            "paths": {
                "/files": { "get": {}, "post": {}, "parameters": [] },
                "/files/{fileId}": { "get": {}, "delete": {} },
                "/files/trash": { "delete": {} },
                "/sheets/{id}": { "get": {} },
                "/sheets/{id}:batchUpdate": { "post": {} },
                "/sheets/{id}/values/{range}:clear": { "post": {} },
                "/sheets/{id}/values/{range}": { "get": {} },
                "/sheets/{id}/values:batchGet": { "get": {} },
                "/users/me/list": { "get": {} },
                "/users/{id}/list": { "get": {} }
            }
        }))
    }

    fn path(method: &str, path: &str) -> String {
        rest()
            .operation(method, path)
            .map_or_else(|error| error.to_string(), |operation| operation.path().to_owned())
    }

    #[test]
    fn placeholders_have_other_names_and_the_query_is_another_matter() {
        assert_eq!(path("GET", "/files/{id}?fields=id,name"), "/files/{fileId}");
        assert_eq!(path("GET", "/files/{spec.id|none}"), "/files/{fileId}");
        assert_eq!(path("GET", "/sheets/{a}/values/{b}"), "/sheets/{id}/values/{range}");
    }

    #[test]
    fn a_literal_beats_a_parameter_unless_the_method_is_only_there() {
        assert_eq!(path("DELETE", "/files/trash"), "/files/trash");
        assert_eq!(path("DELETE", "/files/{id}"), "/files/{fileId}");
        assert_eq!(path("GET", "/files/trash"), "/files/{fileId}");
        assert_eq!(path("GET", "/users/me/list"), "/users/me/list");
        assert_eq!(path("GET", "/users/primary/list"), "/users/{id}/list");
    }

    #[test]
    fn a_placeholder_is_never_a_literal() {
        assert_eq!(path("GET", "/users/{id}/list"), "/users/{id}/list");
        assert_eq!(path("GET", "/{files}"), "the contract has no path `/{files}`");
    }

    #[test]
    fn segments_may_be_mixed() {
        assert_eq!(
            path("POST", "/sheets/{spreadsheet_id}:batchUpdate"),
            "/sheets/{id}:batchUpdate"
        );
        assert_eq!(
            path("POST", "/sheets/{s}/values/{tab}!A1:clear"),
            "/sheets/{id}/values/{range}:clear"
        );
        assert_eq!(
            path("GET", "/sheets/{s}/values:batchGet"),
            "/sheets/{id}/values:batchGet"
        );
        assert_eq!(
            path("POST", "/sheets/{s}"),
            "the contract's `/sheets/{id}` has other methods: GET"
        );
    }

    #[test]
    fn the_path_of_a_server_may_stand_before() {
        for written in [
            "https://api.vendor.com/api/v2/files",
            "/api/v2/files",
            "/selfhosted/files",
            "/files",
        ] {
            assert_eq!(path("POST", written), "/files", "{written}");
        }
        assert_eq!(
            path("POST", "/api/v3/files"),
            "the contract has no path `/api/v3/files`"
        );
    }

    #[test]
    fn what_is_near_is_named() {
        let near = |method: &str, path: &str| match rest().operation(method, path) {
            Err(NoOperation::Path { nearest, .. }) => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(near("GET", "/file/{id}").as_deref(), Some("/files/{fileId}"));
        assert_eq!(
            near("GET", "/api/v2/sheets/{id}/value/{r}").as_deref(),
            Some("/sheets/{id}/values/{range}")
        );
        assert_eq!(near("GET", "/something/else/entirely"), None);
        assert_eq!(
            rest().operation("PUT", "/files").unwrap_err(),
            NoOperation::Method {
                path: "/files".to_owned(),
                methods: vec!["GET".to_owned(), "POST".to_owned()]
            }
        );
        assert!(rest().operation("PARAMETERS", "/files").is_err());
    }
}
