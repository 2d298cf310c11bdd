//! The public API's routes in one table: dispatch, scopes, `openapi.yml` and `/discover` all read it.

use axum::http::Method;

use super::Endpoints;
use super::bodies;
use super::credential;
use super::edit;
use super::execution;
use super::history;
use super::list;
use super::openapi;
use super::publish;
use super::session::Handler;
use super::shape::Shape;
use super::tag;

pub struct Route {
    pub method: &'static str,
    /// Below `/api/v1`; `{...}` stands for one segment.
    pub path: &'static str,
    /// Needed by the key; `None` is open to every key.
    pub scope: Option<&'static str>,
    pub body: Body,
    pub handler: Handler,
    pub age: Age,
}

pub enum Body {
    None,
    Required(&'static Shape),
    /// May be absent, and then needs no content type.
    Optional(&'static Shape),
}

#[derive(PartialEq, Eq)]
pub enum Age {
    /// In every version the sandbox imitates.
    Always,
    /// Since publishing has its own name.
    New,
    /// In every version, served by n8n's older router, which has its own words for a missing key.
    Older,
    /// The older name; answers with a `Deprecation` header where the newer one exists.
    Alias,
}

use Body::None as Nothing;
use Body::Optional;
use Body::Required;

// One line per endpoint, so that it reads as the table it is.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    older(route("GET", "/discover", None, Nothing, openapi::discover)),
    route("GET", "/workflows", Some("workflow:list"), Nothing, list::workflows),
    route("POST", "/workflows", Some("workflow:create"), Required(&bodies::NEW_WORKFLOW), edit::create),
    route("GET", "/workflows/{workflowId}", Some("workflow:read"), Nothing, edit::read),
    route("PUT", "/workflows/{workflowId}", Some("workflow:update"), Required(&bodies::CHANGED_WORKFLOW), edit::update),
    route("DELETE", "/workflows/{workflowId}", Some("workflow:delete"), Nothing, edit::delete),
    route("POST", "/workflows/{workflowId}/archive", Some("workflow:delete"), Nothing, edit::archive),
    route("POST", "/workflows/{workflowId}/unarchive", Some("workflow:delete"), Nothing, edit::unarchive),
    route("PUT", "/workflows/{workflowId}/transfer", Some("workflow:move"), Required(&bodies::TRANSFER), edit::transfer),
    since_new(route("POST", "/workflows/{workflowId}/publish", Some("workflow:activate"), Optional(&bodies::PUBLISH), publish::publish_call)),
    since_new(route("POST", "/workflows/{workflowId}/unpublish", Some("workflow:deactivate"), Nothing, publish::unpublish_call)),
    alias(route("POST", "/workflows/{workflowId}/activate", Some("workflow:activate"), Optional(&bodies::PUBLISH), publish::publish_call)),
    alias(route("POST", "/workflows/{workflowId}/deactivate", Some("workflow:deactivate"), Nothing, publish::unpublish_call)),
    route("GET", "/workflows/{workflowId}/tags", Some("workflowTags:list"), Nothing, tag::of_workflow),
    route("PUT", "/workflows/{workflowId}/tags", Some("workflowTags:update"), Required(&bodies::TAG_IDS), tag::set_of_workflow),
    route("GET", "/workflows/{workflowId}/history", Some("workflow:read"), Nothing, history::list),
    route("GET", "/workflows/{workflowId}/versions/{workflowVersionId}", Some("workflow:read"), Nothing, history::read),
    // Deprecated, and the reason why a POST to an unknown word behind an id is 405, not 404.
    older(route("GET", "/workflows/{id}/{versionId}", Some("workflow:read"), Nothing, history::read_by_older_path)),
    route("GET", "/credentials", Some("credential:list"), Nothing, credential::list),
    route("POST", "/credentials", Some("credential:create"), Required(&bodies::NEW_CREDENTIAL), credential::create),
    route("GET", "/credentials/{credentialId}", Some("credential:read"), Nothing, credential::read),
    route("PATCH", "/credentials/{credentialId}", Some("credential:update"), Required(&bodies::CHANGED_CREDENTIAL), credential::update),
    route("DELETE", "/credentials/{credentialId}", Some("credential:delete"), Nothing, credential::delete),
    route("POST", "/credentials/{credentialId}/test", Some("credential:read"), Nothing, credential::test),
    route("GET", "/credentials/schema/{credentialTypeName}", Some("credential:read"), Nothing, credential::schema),
    route("GET", "/tags", Some("tag:list"), Nothing, tag::list),
    route("POST", "/tags", Some("tag:create"), Required(&bodies::TAG), tag::create),
    route("GET", "/tags/{tagId}", Some("tag:read"), Nothing, tag::read),
    route("PUT", "/tags/{tagId}", Some("tag:update"), Required(&bodies::TAG), tag::update),
    route("DELETE", "/tags/{tagId}", Some("tag:delete"), Nothing, tag::delete),
    route("GET", "/executions", Some("execution:list"), Nothing, execution::list),
    route("GET", "/executions/{executionId}", Some("execution:read"), Nothing, execution::read),
    route("DELETE", "/executions/{executionId}", Some("execution:delete"), Nothing, execution::delete),
];

const fn route(
    method: &'static str,
    path: &'static str,
    scope: Option<&'static str>,
    body: Body,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        scope,
        body,
        handler,
        age: Age::Always,
    }
}

const fn since_new(mut route: Route) -> Route {
    route.age = Age::New;
    route
}

const fn older(mut route: Route) -> Route {
    route.age = Age::Older;
    route
}

const fn alias(mut route: Route) -> Route {
    route.age = Age::Alias;
    route
}

impl Route {
    /// Is it there on a server of this age?
    pub fn exists(&self, endpoints: Endpoints) -> bool {
        !(self.age == Age::New && endpoints == Endpoints::Old)
    }

    /// Why a request without an accepted key is refused.
    pub fn unauthorized(&self, has_key: bool) -> &'static str {
        match (&self.age, has_key) {
            (Age::Older, false) => "'X-N8N-API-KEY' header required",
            (Age::Older, true) => "unauthorized",
            _ => "Unauthorized",
        }
    }

    /// `HEAD` is a `GET` whose body the server leaves out.
    pub fn answers(&self, method: &Method) -> bool {
        self.method == method || (self.method == "GET" && method == Method::HEAD)
    }

    /// The raw segments in the places of `{...}`, if the path is this route's.
    pub fn params<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut params = Vec::new();
        let mut own = self.path.split('/');
        let mut sent = path.split('/');
        loop {
            match (own.next(), sent.next()) {
                (None, None) => return Some(params),
                (Some(own), Some(sent)) if own.starts_with('{') && !sent.is_empty() => params.push(sent),
                (Some(own), Some(sent)) if own == sent => {}
                _ => return None,
            }
        }
    }
}
