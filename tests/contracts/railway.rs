//! The GraphQL contract: documents a definition of Railway needs, and what is wrong with their neighbours.

use std::collections::BTreeMap;

use upa::platform::contract::{Contract, Document, Fault, Graphql, Resolution, Sent};

use crate::reading::text;

fn railway() -> Graphql {
    match Contract::parse("railway.graphql", &text("railway.graphql")) {
        Ok(Contract::Graphql(graphql)) => graphql,
        other => panic!("{other:?}"),
    }
}

fn read(text: &str) -> Document {
    railway()
        .read(text)
        .unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"))
}

#[test]
fn documents_of_a_definition_are_valid_and_their_paths_are_there() {
    let find = read(
        "query($p: String!, $c: String) { project(id: $p) { services(first: 100, after: $c) {
            edges { node { id name } } pageInfo { hasNextPage endCursor } } } }",
    );
    for path in [
        "data.project.services.edges.*.node.name",
        "data.project.services.pageInfo.endCursor",
    ] {
        assert!(
            matches!(find.resolve(path), Resolution::Found(_)),
            "{path}: {:?}",
            find.resolve(path)
        );
    }
    let missing = find.resolve("data.project.services.edges.*.node.status");
    let Resolution::Missing { at, known, .. } = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(
        (at.as_str(), known),
        (
            "data.project.services.edges.*.node.status",
            vec!["id".to_owned(), "name".to_owned()]
        )
    );

    let marker = read(
        "query($p: String!, $e: String!, $s: String!) { variables(projectId: $p, environmentId: $e, serviceId: $s, unrendered: true) }",
    );
    assert_eq!(
        marker.resolve("data.variables.UPA_OWNER"),
        Resolution::Free,
        "a scalar of the vendor's own"
    );

    let wait = read("query($d: String!) { deployment(id: $d) { id status url } }");
    let Resolution::Found(status) = wait.resolve("data.deployment.status") else {
        panic!("no status")
    };
    assert!(
        status.values.contains(&"SUCCESS".into()) && !status.values.contains(&"DONE".into()),
        "{:?}",
        status.values
    );
}

#[test]
fn variables_of_a_mutation_are_held_against_its_input() {
    let create = read("mutation($i: ServiceCreateInput!) { serviceCreate(input: $i) { id name } }");
    let faults = |fields: &[(&str, Sent)]| {
        let fields = fields
            .iter()
            .map(|(name, sent)| ((*name).to_owned(), sent.clone()))
            .collect();
        let sent = BTreeMap::from([("i".to_owned(), Sent::Object { fields, open: false })]);
        create.faults(&sent).iter().map(Fault::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        faults(&[("projectId", Sent::Any), ("name", Sent::Text)]),
        Vec::<String>::new()
    );
    let wrong = faults(&[("name", Sent::Text), ("brnch", Sent::Any)]);
    assert_eq!(
        wrong.first().unwrap(),
        "`i.projectId` is required, and nothing can fill it"
    );
    assert!(
        wrong
            .get(1)
            .unwrap()
            .starts_with("`i.brnch` is not taken; known there: "),
        "{wrong:?}"
    );
}

#[test]
fn a_field_or_argument_the_vendor_does_not_have_is_refused_with_its_line() {
    for (text, line, word) in [
        ("query($s: String!) {\n  service(id: $s) { id nme }\n}", 2, "nme"),
        ("query($s: String!) {\n  service(name: $s) { id }\n}", 2, "name"),
        ("mutation($s: String!) {\n  serviceDelete(id: $t)\n}", 2, "t"),
        ("mutation($s: Int!) {\n  serviceDelete(id: $s)\n}", 2, "Int"),
    ] {
        let mistakes = railway().read(text).unwrap_err();
        assert!(
            mistakes
                .iter()
                .any(|found| found.line == line && found.message.to_string().contains(word)),
            "{text}: {mistakes:?}"
        );
    }
}
