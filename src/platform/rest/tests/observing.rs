//! Observation that proves itself: what a list leaves out, repeats or hides is never taken for absent.

use serde_json::{Value, json};

use super::super::Rest;
use super::{rest, rest_of};
use crate::platform::error::ErrorKind;
use crate::platform::http::tests::server::{Act, Server, json as answer};
use crate::platform::{Answer, Cause, Observer as _, Question, Reading, Search, Wanted};
use crate::resource::{Address, Kind};

const BEARER: &str = r#"auth = { bearer = "{cred.key}" }"#;
const KEY: [(&str, &str); 1] = [("key", "the-key-1")];

fn things(ids: &[&str], next: Option<&str>) -> Act {
    let things: Vec<Value> = ids.iter().map(|id| thing(id)).collect();
    answer(200, &json!({"things": things, "next": next}).to_string())
}

fn thing(id: &str) -> Value {
    json!({"id": id, "owner": format!("upa:w/a@v1/{id}")})
}

fn one(id: &str) -> Act {
    answer(200, &thing(id).to_string())
}

fn address() -> Address {
    "a@v1/new".parse().unwrap()
}

fn question(ids: &[&str], wanted: bool) -> Question {
    let kind = Kind::new("crm.thing");
    let wanted = wanted.then(|| Wanted {
        address: address(),
        kind: kind.clone(),
        mark: address().mark("w"),
        document: json!({"name": "new"}),
        natural: None,
        tried: None,
        attempt: None,
    });
    Question {
        kinds: [kind.clone()].into(),
        ids: [(kind, ids.iter().map(|id| (*id).to_owned()).collect())].into(),
        mark_prefix: "upa:w/".to_owned(),
        wanted: wanted.into_iter().collect(),
        ..Question::default()
    }
}

async fn ask(rest: &Rest, ids: &[&str], wanted: bool) -> Answer {
    let answer = rest.observe(&question(ids, wanted)).await;
    assert!(answer.failure.is_none(), "{:?}", answer.failure);
    answer
}

fn reading<'a>(answer: &'a Answer, id: &str) -> &'a Reading {
    &answer.objects[&(Kind::new("crm.thing"), id.to_owned())]
}

fn calls(server: &Server) -> Vec<String> {
    let seen = server.seen();
    seen.iter()
        .map(|seen| {
            seen.head
                .lines()
                .next()
                .unwrap()
                .trim_end_matches(" http/1.1")
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn whichever_is_fewer_calls() {
    // One object: one read.
    let server = Server::start(|_| one("1")).await;
    ask(&rest(&server, BEARER, &KEY).unwrap(), &["1"], false).await;
    assert_eq!(calls(&server), ["get /things/1"]);
    // Four objects in two pages: two lists.
    let server = Server::start(|number| match number {
        0 => things(&["1", "2"], Some("p2")),
        _ => things(&["3", "4"], None),
    })
    .await;
    let answer = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1", "2", "3", "4"], false).await;
    assert_eq!(calls(&server), ["get /things", "get /things?cursor=p2"]);
    assert!(answer.complete.contains(&Kind::new("crm.thing")));
    // Two objects in an account of many: the list is given up when it has cost as much as reading them.
    let server = Server::start(|number| match number {
        0 => things(&["7", "8"], Some("p2")),
        1 => things(&["9", "1"], Some("p3")),
        _ => one("2"),
    })
    .await;
    let answer = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1", "2"], false).await;
    assert_eq!(
        calls(&server),
        ["get /things", "get /things?cursor=p2", "get /things/2"]
    );
    assert!(matches!(reading(&answer, "1"), Reading::Present(_)));
    assert!(matches!(reading(&answer, "2"), Reading::Present(_)));
    assert!(!answer.complete.contains(&Kind::new("crm.thing")));
}

#[tokio::test]
async fn a_list_that_lacks_a_recorded_object_is_not_believed() {
    let server = Server::start(|number| match number {
        0 => things(&["1"], None),
        _ => one("2"),
    })
    .await;
    let answer = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1", "2"], true).await;
    assert!(matches!(reading(&answer, "2"), Reading::Present(_)), "{answer:?}");
    assert!(matches!(&answer.searches[&address()], Search::Unknown(_)), "{answer:?}");
    assert!(!answer.complete.contains(&Kind::new("crm.thing")));
}

#[tokio::test]
async fn a_list_that_is_wrong_in_itself_is_not_believed() {
    let partial = json!({"things": [thing("1"), thing("2")], "next": null, "partial": true}).to_string();
    let nameless = json!({"things": [thing("1"), {"owner": "x"}], "next": null}).to_string();
    type Pages = Box<dyn Fn(usize) -> Act + Send + Sync>;
    let lists: [(&str, Pages); 5] = [
        (
            "repeats an object",
            Box::new(|number| match number {
                0 => things(&["1", "2"], Some("p2")),
                1 => things(&["2", "3"], None),
                _ => one("1"),
            }),
        ),
        (
            "goes in circles",
            Box::new(|number| match number {
                0 => things(&["1", "2"], Some("p2")),
                1 => things(&["3", "4"], Some("p2")),
                _ => one("1"),
            }),
        ),
        (
            "brings nothing new",
            Box::new(|number| match number {
                0 => things(&["1", "2"], Some("p2")),
                1 => things(&[], Some("p3")),
                2 => things(&[], Some("p2")),
                _ => one("1"),
            }),
        ),
        (
            "says that it is not whole",
            Box::new(move |number| match number {
                0 => answer(200, &partial),
                _ => one("1"),
            }),
        ),
        (
            "shows what has no id",
            Box::new(move |number| match number {
                0 => answer(200, &nameless),
                _ => one("1"),
            }),
        ),
    ];
    for (what, pages) in lists {
        let server = Server::start(pages).await;
        let answer = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1"], true).await;
        assert!(
            matches!(&answer.searches[&address()], Search::Unknown(_)),
            "{what}: {answer:?}"
        );
        assert!(
            matches!(reading(&answer, "1"), Reading::Present(_)),
            "{what}: {answer:?}"
        );
        assert!(!answer.complete.contains(&Kind::new("crm.thing")), "{what}");
    }
}

#[tokio::test]
async fn a_404_alone_proves_nothing() {
    let gone = || answer(404, "{}");
    // Nothing else of ours is seen.
    let server = Server::start(move |_| gone()).await;
    let answered = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1"], false).await;
    assert!(reading(&answered, "1").is_said_missing(), "{answered:?}");
    // Another recorded object is.
    let server = Server::start(move |number| match number {
        0 => things(&["1"], None),
        _ => gone(),
    })
    .await;
    let answered = ask(&rest(&server, BEARER, &KEY).unwrap(), &["1", "2"], false).await;
    assert!(matches!(reading(&answered, "2"), Reading::Absent));
    // The platform knows the key, and such a key sees everything.
    let definition = format!("{BEARER}\nwhoami = {{ call = \"GET /me\", at = \"portal\", sees_everything = true }}");
    let server = Server::start(move |number| match number {
        0 => answer(200, r#"{"portal": 7}"#),
        _ => gone(),
    })
    .await;
    let answered = ask(&rest(&server, &definition, &KEY).unwrap(), &["1"], false).await;
    assert!(matches!(reading(&answered, "1"), Reading::Absent));
    assert_eq!(answered.owner.as_deref(), Some("7"));
    // What is not there may be recorded wrongly: whether another object carries the mark is looked for.
    assert_eq!(calls(&server)[..2], ["get /me", "get /things/1"]);
    assert_eq!(calls(&server).len(), 3);
}

/// A reading that says no and a list that says yes: nothing is forgotten, and nothing is made anew.
#[tokio::test]
async fn a_404_of_what_the_list_shows_proves_nothing() {
    let definition = format!("{BEARER}\nwhoami = {{ call = \"GET /me\", at = \"portal\", sees_everything = true }}");
    let server = Server::start(move |number| match number {
        0 => answer(200, r#"{"portal": 7}"#),
        1 => answer(404, "{}"),
        _ => things(&["1"], None),
    })
    .await;
    let answered = ask(&rest(&server, &definition, &KEY).unwrap(), &["1"], false).await;
    let found = reading(&answered, "1");
    assert!(
        matches!(found, Reading::Unreadable(_)) && !found.is_said_missing(),
        "{answered:?}"
    );
}

#[tokio::test]
async fn the_key_of_another_account_is_noticed_before_anything_is_read() {
    let definition = format!("{BEARER}\nwhoami = {{ call = \"GET /me\", at = \"portal\" }}");
    let server = Server::start(|_| answer(200, r#"{"portal": 7}"#)).await;
    for (identity, owners, kind) in [
        (Some("8"), vec![], Some(ErrorKind::Unauthorised)),
        (Some("8"), vec!["7"], Some(ErrorKind::Unauthorised)),
        (None, vec!["8"], Some(ErrorKind::Misplaced)),
        // Which of them is meant is not known.
        (None, vec!["7", "8"], Some(ErrorKind::Misplaced)),
        // upa.toml says that it is another's now.
        (Some("7"), vec!["8"], None),
        (None, vec!["7"], None),
        (None, vec![], None),
    ] {
        let before = server.seen().len();
        let account = rest_of(&server, &definition, &KEY, identity, &owners).unwrap();
        let answered = account.observe(&question(&["1"], false)).await;
        let case = format!("{identity:?} {owners:?}");
        assert_eq!(answered.failure.as_ref().map(|error| error.kind), kind, "{case}");
        if let Some(error) = answered.failure {
            assert!(
                error.why.to_string().contains("belongs to `7`") && error.why.to_string().contains('8'),
                "{error}"
            );
            assert_eq!(server.seen().len() - before, 1, "{case}");
            assert!(answered.objects.is_empty() && answered.complete.is_empty());
        }
    }
}

#[tokio::test]
async fn a_key_that_may_not_ask_whose_it_is_is_believed_only_where_nothing_is_recorded() {
    let definition = format!("{BEARER}\nwhoami = {{ call = \"GET /me\", at = \"portal\" }}");
    let server = Server::start(|number| match number % 2 {
        0 => answer(403, "{}"),
        _ => answer(200, r#"{"id": "1"}"#),
    })
    .await;
    let account = rest_of(&server, &definition, &KEY, None, &[]).unwrap();
    let answered = account.observe(&question(&["1"], false)).await;
    assert!(answered.failure.is_none() && answered.owner.is_none(), "{answered:?}");
    let server = Server::start(|_| answer(403, "{}")).await;
    let account = rest_of(&server, &definition, &KEY, None, &["7"]).unwrap();
    let error = account.observe(&question(&["1"], false)).await.failure.unwrap();
    assert_eq!(error.kind, ErrorKind::Forbidden);
}

#[tokio::test]
async fn an_object_of_another_owner_is_noticed_where_objects_tell_it() {
    let definition = format!("{BEARER}\nowner = \"org\"");
    let page = r#"{"things": [{"id": "9", "org": null}, {"id": "2", "org": "b"}]}"#;
    let server = Server::start(move |_| answer(200, page)).await;
    let account = rest_of(&server, &definition, &KEY, None, &["a"]).unwrap();
    let answered = account.observe(&question(&["1", "3"], true)).await;
    assert_eq!(answered.failure.unwrap().kind, ErrorKind::Misplaced);
    assert!(answered.objects.is_empty());
    assert_eq!(server.seen().len(), 1, "nothing else is read");
    let account = rest_of(&server, &definition, &KEY, None, &["b"]).unwrap();
    let answered = account.observe(&question(&["2", "9"], true)).await;
    assert_eq!(
        (answered.failure.is_none(), answered.owner.as_deref()),
        (true, Some("b"))
    );
}

#[tokio::test]
async fn an_object_answers_to_its_own_id_alone() {
    let server = Server::start(|_| answer(200, r#"{"id": "abc", "title": "another's"}"#)).await;
    let answered = ask(&rest(&server, BEARER, &KEY).unwrap(), &["ABC"], false).await;
    let Reading::Unreadable(why) = reading(&answered, "ABC") else {
        panic!("{answered:?}");
    };
    assert!(why.why.to_string().contains("answers with object `abc`"), "{why}");
}

#[tokio::test]
async fn what_a_platform_says_in_words_decides_nothing() {
    let definition = format!("{BEARER}\nerrors = {{ message = \"message\" }}");
    let says = r#"{"message": "it says it does not exist; 2 objects carry its mark"}"#;
    let server = Server::start(move |_| answer(422, says)).await;
    let answered = ask(&rest(&server, &definition, &KEY).unwrap(), &["1"], false).await;
    let Reading::Unreadable(unread) = reading(&answered, "1") else {
        panic!("{answered:?}");
    };
    assert!(
        unread.why.to_string().contains("does not exist"),
        "it is shown: {unread}"
    );
    assert_eq!(unread.cause, Cause::NotRead);
    assert!(!reading(&answered, "1").is_said_missing());
}
