//! Definitions held against contracts: right ones pass, and each way to be nearly right is said at its line.

use std::sync::Arc;

use upa::platform::contract::Contract;
use upa::platform::definition::Definition;
use upa::platform::definition::against::against;

use crate::reading::text;

/// `line: message (hint)`, for each finding.
fn findings(definition: &str, contract: &str) -> Vec<String> {
    let contract = Contract::parse(contract, &text(contract)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let definition =
        Definition::parse("p.toml", &Arc::from(definition)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let found = against(&definition, &contract);
    let line = |problem: &upa::problem::Problem| problem.place.as_ref().map_or(0, |place| place.line);
    let hint =
        |problem: &upa::problem::Problem| problem.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    found
        .iter()
        .map(|problem| format!("{}: {}{}", line(problem), problem.message, hint(problem)))
        .collect()
}

const NONE: [&str; 0] = [];

const VAPI: &str = r#"platform = "vapi"
usual_base = "https://api.vapi.ai"
auth = { bearer = "{cred.api_key}" }

[resource.assistant]
list   = { call = "GET /assistant", items = "", size = 1000, size_param = "limit", next = { after = "createdAt", param = "createdAtLe" } }
create = "POST /assistant"
read   = "GET /assistant/{id}"
update = "PATCH /assistant/{id}"
delete = "DELETE /assistant/{id}"
marker = { field = "metadata.upa", attempt = "metadata.upaAttempt" }
unread = ["server.headers"]

[resource.tool]
list   = { call = "GET /tool", items = "", size = 1000, size_param = "limit", next = { after = "createdAt", param = "createdAtLe" } }
create = { call = "POST /tool", body = { type = "function", function = "{spec.function}", server = "{spec.server?}" } }
read   = "GET /tool/{id}"
update = { call = "PATCH /tool/{id}", body = { function = "{spec.function}" } }
delete = "DELETE /tool/{id}"
"#;

#[test]
fn vapi_passes_and_its_neighbours_do_not() {
    assert_eq!(findings(VAPI, "vapi.mock.openapi.json"), NONE);
    for (from, to, expected) in [
        (
            "POST /assistant\"",
            "POST /asistant\"",
            "7: the contract has no path `/asistant` (did you mean `/assistant`?)",
        ),
        (
            "\"PATCH /assistant/{id}",
            "\"PUT /assistant/{id}",
            "9: the contract has no `PUT /assistant/{id}` (it has GET, PATCH, DELETE)",
        ),
        (
            "\"limit\", next",
            "\"limits\", next",
            "6: the contract's `GET /assistant` has no query parameter `limits` (did you mean `limit`?)",
        ),
        (
            "after = \"createdAt\"",
            "after = \"created\"",
            "6: the contract's answer has no `*.created` (did you mean `createdAt`?)",
        ),
        (
            "items = \"\"",
            "items = \"results\"",
            "6: the contract's answer has no `results`",
        ),
        (
            "metadata.upa\"",
            "metdata.upa\"",
            "7: `metdata` is not taken; known there: ",
        ),
        (
            "server.headers",
            "server.haeders",
            "12: `server.haeders`: what is sent has no `server.haeders` in the contract (did you mean `headers`?)",
        ),
        (
            "function = \"{spec.function}\", server",
            "functions = \"{spec.function}\", server",
            "16: `functions` is not taken",
        ),
        (
            "type = \"function\"",
            "type = \"funktion\"",
            "16: `type` is \"funktion\", and taken is only",
        ),
        (
            "type = \"function\", ",
            "",
            "16: `type` is required, and nothing can fill it",
        ),
    ] {
        assert!(VAPI.contains(from), "{from}");
        let found = findings(&VAPI.replacen(from, to, 1), "vapi.mock.openapi.json");
        assert!(
            found.iter().any(|found| found.starts_with(expected)),
            "{to}: {found:#?}"
        );
    }
}

const RAILWAY: &str = r#"platform = "railway"
usual_base = "https://backboard.railway.com"
graphql = "/graphql/v2"
auth = { bearer = "{cred.token}" }
errors = { when = "errors", message = "errors.0.message" }

[resource.service]
inputs = ["project_id", "environment_id"]
find   = { gql = "query($p:String!,$c:String){project(id:$p){services(first:100,after:$c){edges{node{id name}} pageInfo{hasNextPage endCursor}}}}", vars = { p = "{project_id}" }, items = "data.project.services.edges.*.node", where = { name = "{spec.name}" }, next = { cursor = "data.project.services.pageInfo.endCursor", param = "c", more = "data.project.services.pageInfo.hasNextPage" } }
create = { gql = "mutation($i:ServiceCreateInput!){serviceCreate(input:$i){id name}}", vars = { i = { projectId = "{project_id}", environmentId = "{environment_id}", name = "{spec.name}", variables = { UPA_OWNER = "{owner}" } } }, live = "data.serviceCreate" }
read   = { gql = "query($s:String!){service(id:$s){id name}}", vars = { s = "{id}" }, live = "data.service" }
update = { gql = "mutation($s:String!,$n:String!){serviceUpdate(id:$s,input:{name:$n}){id}}", vars = { s = "{id}", n = "{spec.name}" } }
delete = { gql = "mutation($s:String!){serviceDelete(id:$s)}", vars = { s = "{id}" } }

[resource.deploy]
inputs = ["environment_id", "service_id"]
fixed  = ["*"]
create = { gql = "mutation($e:String!,$s:String!){serviceInstanceDeployV2(environmentId:$e,serviceId:$s)}", vars = { e = "{environment_id}", s = "{service_id}" }, live = "data" }
id     = "serviceInstanceDeployV2"
read   = { gql = "query($d:String!){deployment(id:$d){id status url}}", vars = { d = "{id}" }, live = "data.deployment" }
wait   = { at = "data.deployment.status", ok = ["SUCCESS", "SLEEPING"], fail = ["FAILED", "CRASHED"], every = "5s", max = "20m" }
delete = "none"
"#;

#[test]
fn railway_passes_and_its_neighbours_do_not() {
    assert_eq!(findings(RAILWAY, "railway.graphql"), NONE);
    for (from, to, expected) in [
        (
            "services(first:100",
            "servces(first:100",
            "9: type `Project` does not have a field `servces`",
        ),
        (
            "edges.*.node\"",
            "edges.*.nodes\"",
            "9: the contract's answer has no `data.project.services.edges.*.nodes` (did you mean `node`?)",
        ),
        (
            "param = \"c\"",
            "param = \"cc\"",
            "9: `cc` is not taken; known there: p, c",
        ),
        (
            "projectId = \"{project_id}\", ",
            "",
            "10: `i.projectId` is required, and nothing can fill it",
        ),
        (
            "live = \"data.service\"",
            "live = \"data.svc\"",
            "11: the contract's answer has no `data.svc`",
        ),
        (
            ", n = \"{spec.name}\"",
            "",
            "12: `n` is required, and nothing can fill it",
        ),
        (
            "\"SLEEPING\"",
            "\"ASLEEP\"",
            "21: \"ASLEEP\" is no state of `data.deployment.status` in the contract",
        ),
    ] {
        assert!(RAILWAY.contains(from), "{from}");
        let found = findings(&RAILWAY.replacen(from, to, 1), "railway.graphql");
        assert!(
            found.iter().any(|found| found.starts_with(expected)),
            "{to}: {found:#?}"
        );
    }
    let found = findings(VAPI, "railway.graphql");
    assert!(
        found.iter().all(|found| found.contains("this call is not GraphQL")) && !found.is_empty(),
        "{found:#?}"
    );
}

const GOHIGHLEVEL: &str = r#"platform = "gohighlevel"
usual_base = "https://services.leadconnectorhq.com"
auth = { bearer = "{cred.token}" }
http = { headers = { Version = "2021-07-28" } }

[resource.value]
inputs = ["location"]
live   = "customValue"
list   = { call = "GET /locations/{location}/customValues", items = "customValues" }
create = "POST /locations/{location}/customValues"
read   = "GET /locations/{location}/customValues/{id}"
update = "PUT /locations/{location}/customValues/{id}"
delete = "DELETE /locations/{location}/customValues/{id}"
"#;

#[test]
fn gohighlevel_demands_a_header_and_has_envelopes() {
    assert_eq!(findings(GOHIGHLEVEL, "gohighlevel.v2.openapi.json"), NONE);
    let found = findings(
        &GOHIGHLEVEL.replacen("Version = \"2021-07-28\"", "X = \"1\"", 1),
        "gohighlevel.v2.openapi.json",
    );
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found.iter().all(|found| found.contains("demands the header `Version`")),
        "{found:#?}"
    );
    let found = findings(
        &GOHIGHLEVEL.replacen("live   = \"customValue\"", "", 1),
        "gohighlevel.v2.openapi.json",
    );
    assert!(
        found
            .iter()
            .any(|found| found.contains("the contract's answer has no `id`")),
        "{found:#?}"
    );
}
