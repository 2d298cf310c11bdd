//! Which of the declared calls a request is.

use serde_json::Value;

use super::form;
use super::said::Said;
use crate::number;
use crate::platform::definition::auth::{Session, TokenPlace};
use crate::platform::definition::call::{Call, List, Next, Read};
use crate::platform::definition::file::{Encoding, Numbers};
use crate::platform::definition::kind::Marker;
use crate::platform::definition::{Definition, KindDefinition};
use crate::sandbox::http::{Request, decode};

/// The parameter that names the page in a `Link` header.
pub(super) const LINK_PARAMETER: &str = "_page";

/// What a call is about.
#[derive(Clone, Copy)]
pub(super) enum Verb<'d> {
    Create,
    Read,
    Update,
    Delete,
    List(&'d List),
    /// Brings the mark.
    Mark,
    /// Stops the object, or starts it again.
    Switch {
        stops: bool,
    },
    /// Polls.
    Wait,
    /// Asks for outputs.
    Output,
    /// Asks whose key it is.
    Whoami,
}

/// One declared call.
#[derive(Clone, Copy)]
pub(super) struct Route<'d> {
    pub(super) kind: Option<&'d KindDefinition>,
    pub(super) verb: Verb<'d>,
    pub(super) call: &'d Call,
}

/// A request that is a declared call.
pub(super) struct Matched<'d> {
    pub(super) route: Route<'d>,
    pub(super) said: Said,
    /// Query parameters, or GraphQL variables, that are about paging.
    pub(super) paging: Vec<(String, Value)>,
}

impl Matched<'_> {
    pub(super) fn paging(&self, name: &str) -> Option<&Value> {
        self.paging.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Why a request is no declared call.
pub(super) enum Unknown {
    Path,
    /// The path is known, and something else is wrong.
    Wrong(Vec<String>),
}

/// Every call of a definition.
fn routes(definition: &Definition) -> Vec<Route<'_>> {
    let mut routes = Vec::new();
    for kind in definition.kinds.values() {
        let mut add = |verb, call| {
            let kind = Some(kind);
            routes.push(Route { kind, verb, call });
        };
        // A search may be a look through the list: one call, answered once.
        let mut called = std::collections::BTreeSet::new();
        for list in [&kind.find, &kind.clash, &kind.list].into_iter().flatten() {
            if called.insert(&list.call.pointer) {
                add(Verb::List(list), &list.call);
            }
        }
        if let Some(call) = &kind.create {
            add(Verb::Create, call);
        }
        if let Read::Call(call) = &kind.read {
            add(Verb::Read, call);
        }
        if let Some(call) = kind
            .update
            .as_ref()
            .filter(|update| !is_same(kind.create.as_ref(), update))
        {
            add(Verb::Update, call);
        }
        if let Some(call) = &kind.delete {
            add(Verb::Delete, call);
        }
        if let Some(Marker::Call { call, .. }) = &kind.marker {
            add(Verb::Mark, call);
        }
        if let Some(calls) = &kind.suspend.calls {
            add(Verb::Switch { stops: true }, &calls.suspend);
            add(Verb::Switch { stops: false }, &calls.resume);
        }
        if let Some(call) = kind.wait.as_ref().and_then(|wait| wait.call.as_ref()) {
            add(Verb::Wait, call);
        }
        for call in kind.out.values().filter_map(|out| out.call.as_ref()) {
            add(Verb::Output, call);
        }
    }
    if let Some(whoami) = &definition.whoami {
        let (kind, verb, call) = (None, Verb::Whoami, &whoami.call);
        routes.push(Route { kind, verb, call });
    }
    routes
}

/// Whether an update is the create again.
pub(super) fn is_same(create: Option<&Call>, update: &Call) -> bool {
    create.is_some_and(|create| create.pointer == update.pointer)
}

/// The declared calls a request is, all equally exactly; usually one.
pub(super) fn matching<'d>(definition: &'d Definition, request: &Request) -> Result<Vec<Matched<'d>>, Unknown> {
    let mut found: Vec<Matched<'_>> = Vec::new();
    let mut wrong = Vec::new();
    let sent = body(definition, request);
    for route in routes(definition) {
        let mut said = Said::default();
        if route.call.method != request.method.as_str() || said.path(&route.call.path, &request.path).is_none() {
            continue;
        }
        match rest(definition, request, &sent, route, &mut said) {
            Ok(paging) => found.push(Matched { route, said, paging }),
            Err(why) => wrong.push(why),
        }
    }
    let most = found.iter().map(|matched| matched.said.literal).max();
    found.retain(|matched| Some(matched.said.literal) == most);
    match (found.is_empty(), wrong.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err(Unknown::Path),
        (true, false) => {
            wrong.dedup();
            Err(Unknown::Wrong(wrong))
        }
    }
}

/// What of a request is not its path: query and body.
fn rest(
    definition: &Definition,
    request: &Request,
    sent: &Result<Option<Value>, String>,
    route: Route<'_>,
    said: &mut Said,
) -> Result<Vec<(String, Value)>, String> {
    let mut paging = Vec::new();
    let may_page = |name: &str| match route.verb {
        Verb::List(list) => {
            let by_next = list.next.as_ref().is_some_and(|next| match next {
                Next::Cursor { param, .. } | Next::After { param, .. } => param == name,
                Next::Page { page, .. } => page == name,
                Next::Offset { offset, .. } => offset == name,
                Next::Link => name == LINK_PARAMETER,
            });
            by_next || list.size_param.as_deref() == Some(name)
        }
        _ => false,
    };
    let mut given: Vec<(String, String)> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .filter(|(name, _)| !is_session_key(definition, name))
        .collect();
    for (name, text) in &route.call.query {
        match given.iter().position(|(given, _)| given == name) {
            Some(index) => said.parameter(name, text, &given.remove(index).1)?,
            None if text.holes().any(|hole| hole.optional) => {}
            None => return Err(format!("query parameter `{name}` is missing")),
        }
    }
    for (name, value) in given {
        if route.call.graphql.is_some() || !may_page(&name) {
            return Err(format!("unknown query parameter `{name}`"));
        }
        paging.push((name, Value::from(value)));
    }
    let sent = sent.as_ref().map_err(Clone::clone)?;
    match (&route.call.graphql, &route.call.body, sent) {
        (None, None, None) => {}
        (None, None, Some(Value::Object(map))) if map.is_empty() => {}
        (None, None, Some(_)) => return Err("this call takes no body".to_owned()),
        (None, Some(template), sent) => {
            let empty = Value::Object(serde_json::Map::new());
            let sent = sent.as_ref().unwrap_or(&empty);
            if let Some(key) = route.call.drop.iter().find(|key| sent.get(*key).is_some()) {
                return Err(format!("property {key} should not exist"));
            }
            // What the definition never sends cannot be missing.
            let mut template = template.clone();
            if let Value::Object(map) = &mut template {
                map.retain(|key, _| !route.call.drop.contains(key));
            }
            said.body(&template, sent, "")?;
        }
        (Some(document), variables, sent) => {
            let sent = sent.as_ref().ok_or("a GraphQL call has a body")?;
            if sent.get("query").and_then(Value::as_str) != Some(document) {
                return Err("this is none of the declared GraphQL documents".to_owned());
            }
            let mut sent = sent.get("variables").cloned().unwrap_or_default();
            let template = variables.clone().unwrap_or_default();
            if let Value::Object(map) = &mut sent {
                let further: Vec<String> = map
                    .keys()
                    .filter(|key| template.get(*key).is_none() && may_page(key))
                    .cloned()
                    .collect();
                paging.extend(
                    further
                        .into_iter()
                        .filter_map(|key| Some((key.clone(), map.remove(&key)?))),
                );
            }
            said.literal += 50;
            said.body(&template, &sent, "")?;
        }
    }
    Ok(paging)
}

fn is_session_key(definition: &Definition, name: &str) -> bool {
    definition.auth.iter().any(
        |auth| matches!(&auth.session, Some(Session::Login { place: TokenPlace::Query(query), .. }) if query == name),
    )
}

/// The body in the declared encoding. A GraphQL call is JSON always.
fn body(definition: &Definition, request: &Request) -> Result<Option<Value>, String> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let json = || {
        let mut body =
            serde_json::from_slice(&request.body).map_err(|error| format!("the body is not JSON: {error}"))?;
        if definition.numbers == Numbers::Doubles {
            number::to_doubles(&mut body);
        }
        Ok(body)
    };
    match (definition.encode, request.content_type()) {
        (Encoding::Form, Some("application/x-www-form-urlencoded")) => form::read(&request.body).map(Some),
        (Encoding::Form, Some("application/json"))
            if routes(definition).iter().any(|route| route.call.graphql.is_some()) =>
        {
            json().map(Some)
        }
        (Encoding::Form, _) => Err("the body must be a form (application/x-www-form-urlencoded)".to_owned()),
        (Encoding::Json, Some("application/json")) => json().map(Some),
        (Encoding::Json, _) => Err("the body must be JSON (application/json)".to_owned()),
    }
}
