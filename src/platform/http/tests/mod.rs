//! The client against a server that counts what arrives.

mod secrecy;
pub mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::header::AUTHORIZATION;
use serde_json::json;

use super::*;
use crate::secret::Secret;
use server::{Act, Server, after, json as answer};

fn account(base_url: &str) -> Account {
    Account {
        name: "crm".to_owned(),
        platform: "crm".to_owned(),
        base_url: base_url.to_owned(),
        hosts: BTreeMap::new(),
        webhook_url: base_url.to_owned(),
        identity: None,
        credentials: BTreeMap::from([("api_key".to_owned(), Secret::new("sk-canary/1234567890"))]),
        owners: BTreeSet::new(),
        budget: Arc::new(Budget::new(4, None)),
        sandbox: false,
        ledger: Arc::default(),
        outside: crate::outside::real(),
    }
}

fn client(server: &Server) -> Client {
    Client::new(&account(&server.url), HeaderMap::new())
}

fn post() -> Call {
    Call::new(Method::POST, "/things", Some(json!({"name": "a"})))
}

#[tokio::test]
async fn a_write_that_breaks_after_it_was_sent_arrives_once() {
    for cut in [|_| Act::Cut, |_| Act::CutInside] {
        let server = Server::start(cut).await;
        let error = client(&server).send(&post()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unclear, "{error}");
        assert_eq!(server.seen().len(), 1);
    }
    // On a connection that was used before, too: the library underneath must not repeat it either.
    let server = Server::start(|number| if number == 0 { answer(200, "{}") } else { Act::Cut }).await;
    let client = client(&server);
    client.send(&Call::get("/things")).await.unwrap();
    let error = client.send(&post()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unclear, "{error}");
    assert_eq!((server.seen().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_read_that_breaks_is_sent_again_and_so_is_what_the_caller_says_is_one() {
    let breaks_twice = |number| if number < 2 { Act::Cut } else { answer(200, "{}") };
    let server = Server::start(breaks_twice).await;
    client(&server).send(&Call::get("/things")).await.unwrap();
    assert_eq!(server.seen().len(), 3);

    let server = Server::start(breaks_twice).await;
    let search = Call {
        repeatable: true,
        ..post()
    };
    client(&server).send(&search).await.unwrap();
    assert_eq!(server.seen().len(), 3);
    assert_eq!(
        server.seen()[2].body,
        r#"{"name":"a"}"#,
        "the body is sent again as well"
    );
}

#[tokio::test]
async fn a_platform_that_failed_a_write_is_not_asked_twice() {
    for status in [500, 502, 503, 504] {
        let server = Server::start(move |_| answer(status, r#"{"code": "E7", "message": "oops"}"#)).await;
        let error = client(&server).send(&post()).await.unwrap_err();
        assert_eq!((error.kind, error.status), (ErrorKind::Unclear, Some(status)));
        assert_eq!(error.body.unwrap()["code"], "E7");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
    let server = Server::start(|number| answer(if number == 0 { 503 } else { 200 }, "{}")).await;
    client(&server).send(&Call::get("/things")).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_write_that_came_too_early_is_sent_again_when_the_platform_says() {
    let first: [fn() -> Act; 2] = [
        || after(429, "1"),
        // A proxy's answer: not even JSON.
        || Act::Answer(429, date_headers(), b"slow down".to_vec()),
    ];
    for first in first {
        let server = Server::start(move |number| if number == 0 { first() } else { answer(201, "{}") }).await;
        let client = client(&server);
        let reply = client.send(&post()).await.unwrap();
        assert_eq!(reply.status, 201);
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        let gap = seen[1].at - seen[0].at;
        assert!(gap >= Duration::from_secs(1) && gap < Duration::from_secs(4), "{gap:?}");
        let tally = client.ledger.tally();
        assert_eq!((tally.calls, tally.retries), (2, 1));
        assert!(tally.asked >= Duration::from_secs(1), "{tally:?}");
    }
}

fn date_headers() -> String {
    "content-type: text/plain\r\ndate: Sat, 21 Nov 2026 09:00:00 GMT\r\nretry-after: Sat, 21 Nov 2026 09:00:01 GMT\r\n"
        .to_owned()
}

#[tokio::test]
async fn a_pause_concerns_the_whole_account() {
    let server = Server::start(|number| {
        if number == 0 {
            after(429, "1")
        } else {
            answer(200, "{}")
        }
    })
    .await;
    let client = client(&server);
    let first = Call::get("/first");
    let second = async {
        while server.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Time for the answer to come back.
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(&Call::get("/second")).await
    };
    let (first, second) = tokio::join!(client.send(&first), second);
    first.and(second).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen[1].at - seen[0].at >= Duration::from_millis(990),
        "nobody went before"
    );
}

#[tokio::test]
async fn a_platform_that_asks_for_an_hour_is_not_waited_for() {
    let server = Server::start(|_| after(429, "3600")).await;
    let client = client(&server);
    for _ in 0..2 {
        let error = client.send(&post()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Throttled(Some(time)) if time > Duration::from_secs(3500)));
        assert!(error.why.to_string().contains("60 min"), "{error}");
    }
    assert_eq!(server.seen().len(), 1, "the second was not even sent");
}

#[tokio::test]
async fn what_else_means_later_is_the_definitions_to_say() {
    let locked = |number| {
        if number == 0 {
            answer(423, r#"{"message": "locked"}"#)
        } else {
            answer(200, "{}")
        }
    };
    let server = Server::start(locked).await;
    let manners = Manners {
        retry: BTreeSet::from([423]),
        ..Manners::default()
    };
    client(&server).with_manners(manners).send(&post()).await.unwrap();
    assert_eq!(server.seen().len(), 2);

    let server = Server::start(locked).await;
    let error = client(&server).send(&post()).await.unwrap_err();
    assert_eq!((error.kind, server.seen().len()), (ErrorKind::Refused, 1));
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_allowed() {
    let server = Server::start(|_| Act::Slowly(Duration::from_millis(20), 200)).await;
    let account = Account {
        budget: Arc::new(Budget::new(3, None)),
        ..account(&server.url)
    };
    let client = Client::new(&account, HeaderMap::new());
    let calls: Vec<Call> = (0..20).map(|number| Call::get(format!("/{number}"))).collect();
    let replies = join_all(calls.iter().map(|call| client.send(call))).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!((server.seen().len(), server.most_at_once()), (20, 3));
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[tokio::test]
async fn names_of_one_account_share_what_is_allowed() {
    let server = Server::start(|_| Act::Slowly(Duration::from_millis(20), 200)).await;
    let account = Account {
        budget: Arc::new(Budget::new(3, None)),
        ..account(&server.url)
    };
    let clients = [1, 2].map(|_| Client::new(&account, HeaderMap::new()));
    let call = Call::get("/".to_owned());
    let calls = (0..10).flat_map(|_| clients.iter().map(|client| client.send(&call)));
    let replies = join_all(calls).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!((server.seen().len(), server.most_at_once()), (20, 3));
}

#[tokio::test]
async fn no_more_calls_are_started_than_allowed() {
    let server = Server::start(|_| answer(200, "{}")).await;
    let account = Account {
        budget: Arc::new(Budget::new(4, Some(1000.0))),
        ..account(&server.url)
    };
    let manners = Manners {
        per_second: Some(20.0),
        ..Manners::default()
    };
    let client = Client::new(&account, HeaderMap::new()).with_manners(manners);
    let calls: Vec<Call> = (0..6).map(|number| Call::get(format!("/{number}"))).collect();
    let began = Instant::now();
    join_all(calls.iter().map(|call| client.send(call))).await;
    let seen = server.seen();
    assert!(
        seen[5].at - began >= Duration::from_millis(220),
        "six calls at 20 per second"
    );
    assert!(client.ledger.tally().limit > Duration::ZERO);
}

#[tokio::test]
async fn answers_may_be_compressed_and_the_connection_is_kept() {
    // `{"a":1}`
    const GZIP: [u8; 27] = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32, 0xac, 0x05,
        0x00, 0xaf, 0xac, 0x1b, 0x56, 0x07, 0x00, 0x00, 0x00,
    ];
    let headers = "content-type: application/json\r\ncontent-encoding: gzip\r\nlink: <http://x/2>; rel=\"next\"\r\n";
    let server = Server::start(move |number| match number {
        1 => answer(404, r#"{"message": "no"}"#),
        2 => Act::Answer(500, "content-type: text/html\r\n".to_owned(), vec![b'x'; 100_000]),
        _ => Act::Answer(200, headers.to_owned(), GZIP.to_vec()),
    })
    .await;
    let client = client(&server);
    let reply = client.send(&Call::get("/a")).await.unwrap();
    assert_eq!(reply.body, json!({"a": 1}));
    assert_eq!(reply.link.unwrap(), "<http://x/2>; rel=\"next\"");
    assert!(
        server.seen()[0].head.contains("accept-encoding: gzip"),
        "{}",
        server.seen()[0].head
    );
    // Whatever the answers were, each was read to its end.
    assert_eq!(
        client.send(&Call::get("/b")).await.unwrap_err().kind,
        ErrorKind::Missing
    );
    assert_eq!(client.send(&post()).await.unwrap_err().kind, ErrorKind::Unclear);
    client.preflight(&format!("{}/webhook", server.url)).await.unwrap();
    assert_eq!(client.text("/openapi.yml").await.unwrap(), r#"{"a":1}"#);
    assert_eq!((server.seen().len(), server.connections()), (5, 1));
    let tally = client.ledger.tally();
    assert_eq!((tally.calls, tally.sent), (5, r#"{"name":"a"}"#.len() as u64));
    assert!(tally.received > 100_000, "{tally:?}");
}

#[tokio::test]
async fn nothing_is_waited_for_forever() {
    let server = Server::start(|_| Act::Hang).await;
    let mut client = client(&server);
    client.deadline = Duration::from_millis(50);
    let error = client.send(&post()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unclear);
    assert!(error.why.to_string().starts_with("no answer within"), "{error}");
    assert_eq!(server.seen().len(), 1);
    client.text("/doc").await.unwrap_err();
    assert_eq!(server.seen().len(), 4, "a read is tried three times");
    client.preflight(&server.url).await.unwrap_err();
}

#[tokio::test]
async fn a_call_goes_where_it_is_sent_with_what_it_carries() {
    let (server, other) = (
        Server::start(|_| answer(200, "{}")).await,
        Server::start(|_| answer(200, "{}")).await,
    );
    let mut account = account(&server.url);
    account.hosts.insert("sheets".to_owned(), format!("{}/v4/", other.url));
    let fixed = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("bearer fixed"))]);
    let client = Client::new(&account, fixed);
    let fields = vec![("a b".to_owned(), "1&2".to_owned())];
    let mut call = Call::with_body(Method::POST, "spreadsheets", Body::Form(fields));
    call.host = Some("sheets".to_owned());
    call.headers = vec![(AUTHORIZATION, HeaderValue::from_static("bearer session"))];
    client.send(&call).await.unwrap();
    assert!(server.seen().is_empty());
    let Ok([seen]) = <[_; 1]>::try_from(other.seen()) else {
        panic!("not one request");
    };
    assert!(seen.head.starts_with("post /v4/spreadsheets http/1.1"), "{}", seen.head);
    assert!(seen.head.contains("content-type: application/x-www-form-urlencoded"));
    assert!(seen.head.contains("authorization: bearer session") && !seen.head.contains("fixed"));
    assert_eq!(seen.body, "a%20b=1%262");

    call.host = Some("docs".to_owned());
    let error = client.send(&call).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /spreadsheets: the account has no host `docs`; it has: sheets"
    );
}

#[tokio::test]
async fn a_success_nobody_can_read_is_unclear_after_a_write() {
    for (headers, body) in [
        ("content-type: text/html\r\n", "<h1>Hello"),
        ("content-type: application/json\r\n", "{"),
    ] {
        let server = Server::start(move |_| Act::Answer(200, headers.to_owned(), body.into())).await;
        let client = client(&server);
        assert_eq!(client.send(&post()).await.unwrap_err().kind, ErrorKind::Unclear);
        assert_eq!(
            client.send(&Call::get("/a")).await.unwrap_err().kind,
            ErrorKind::Unexpected
        );
        assert_eq!(server.seen().len(), 2);
    }
}

fn html(status: u16, headers: &'static str, body: &'static str) -> impl Fn(usize) -> Act {
    move |_| Act::Answer(status, format!("content-type: text/html\r\n{headers}"), body.into())
}

/// Sends a write and a read to a server that always does the same; how often each arrived, and what is thought of them.
async fn thought_of(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> (usize, PlatformError, PlatformError) {
    let server = Server::start(act).await;
    let client = client(&server);
    let write = client.send(&post()).await.unwrap_err();
    let arrived = server.seen().len();
    let read = client.send(&Call::get("/a")).await.unwrap_err();
    (arrived, write, read)
}

#[tokio::test]
async fn what_may_have_had_an_effect_is_sent_once_and_is_not_harmless() {
    for act in [
        html(200, "", "The service is starting up, please wait"),
        html(200, "retry-after: 1\r\n", "later"),
        html(302, "location: /elsewhere\r\n", "found"),
        html(303, "location: /things/7\r\n", ""),
        html(307, "location: /elsewhere\r\n", ""),
        html(304, "", ""),
        html(400, "", "bad"),
        html(401, "", "sign in"),
        html(403, "", "blocked"),
        html(404, "", "<pre>Cannot POST /things</pre>"),
        html(423, "", "locked"),
        html(500, "", "oops"),
    ] {
        let (arrived, write, read) = thought_of(act).await;
        assert_eq!((arrived, write.is_harmless()), (1, false), "{write:?}");
        assert!(
            read.kind != ErrorKind::Missing && read.kind != ErrorKind::Unreachable,
            "{read:?}"
        );
    }
    // What the platform itself refuses has done nothing, and so has what was too large to be read.
    for (status, body) in [(400, "{}"), (404, r#"{"message": "no"}"#), (409, "{}"), (422, "{}")] {
        let (arrived, write, _) = thought_of(move |_| answer(status, body)).await;
        assert_eq!((arrived, write.is_harmless()), (1, true), "{write:?}");
    }
    let (arrived, write, _) = thought_of(html(413, "", "too large")).await;
    assert_eq!((arrived, write.is_harmless()), (1, true), "{write:?}");
}

#[tokio::test]
async fn an_absence_is_said_in_the_platforms_own_words() {
    for (act, missing) in [
        (answer as fn(u16, &str) -> Act, true),
        (|status, _| Act::Answer(status, String::new(), Vec::new()), false),
        (
            |status, _| {
                Act::Answer(
                    status,
                    "content-type: text/html\r\n".to_owned(),
                    b"<h1>No</h1>".to_vec(),
                )
            },
            false,
        ),
        (
            |status, _| Act::Answer(status, "content-type: application/json\r\n".to_owned(), b"{".to_vec()),
            false,
        ),
    ] {
        for status in [404, 410] {
            let server = Server::start(move |_| act(status, r#"{"message": "no"}"#)).await;
            let read = client(&server).send(&Call::get("/a")).await.unwrap_err();
            assert_eq!(read.kind == ErrorKind::Missing, missing, "{read:?}");
        }
    }
}

#[tokio::test]
async fn only_reads_wait_for_a_platform_that_starts_up() {
    let booting = |number| match number {
        0 => Act::Answer(200, "content-type: text/html\r\n".to_owned(), b"wait for me".to_vec()),
        _ => answer(200, "{}"),
    };
    let manners = || Manners {
        booting: |_, text| text.starts_with("wait for me"),
        ..Manners::default()
    };
    let server = Server::start(booting).await;
    let read = client(&server).with_manners(manners()).send(&Call::get("/a")).await;
    assert!(read.is_ok() && server.seen().len() == 2);
    let server = Server::start(booting).await;
    let write = client(&server).with_manners(manners()).send(&post()).await.unwrap_err();
    assert_eq!((write.kind, server.seen().len()), (ErrorKind::Unclear, 1));
}

#[tokio::test]
async fn no_more_is_read_than_is_allowed() {
    let large = vec![b' '; limits::ANSWER + 1];
    let many = format!("[{}0]", "{\"a\":{}},".repeat(limits::MEMORY / 700));
    for body in [large, many.into_bytes()] {
        assert!(body.len() <= limits::ANSWER + 1);
        let server =
            Server::start(move |_| Act::Answer(200, "content-type: application/json\r\n".to_owned(), body.clone()))
                .await;
        let client = client(&server);
        let read = client.send(&Call::get("/a")).await.unwrap_err();
        assert_eq!(read.kind, ErrorKind::TooLarge, "{read}");
        assert_eq!(client.send(&post()).await.unwrap_err().kind, ErrorKind::Unclear);
        assert_eq!(server.seen().len(), 2);
    }
    let server =
        Server::start(|_| Act::Answer(204, "access-control-allow-methods: POST\r\n".to_owned(), Vec::new())).await;
    let client = client(&server);
    assert_eq!(client.preflight(&server.url).await.unwrap(), (204, "POST".to_owned()));
}
