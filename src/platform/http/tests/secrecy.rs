//! A key is planted wherever one can be, every way to fail is walked, and nothing that is said holds it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderName;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// As the account's key, in a session's header, in the path, in the query and in the base URL.
const CANARY: &str = "sk-canary/1234567890";
const SESSION: &str = "canary-session-0987654321";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn echoes(status: u16) -> Act {
    let encoded = STANDARD.encode(format!("user:{CANARY}"));
    let body = json!({"message": format!("no: {CANARY} Bearer {SESSION} Basic {encoded} at https://ana:pw-canary@h/x?token=canary")});
    answer(status, &body.to_string())
}

fn html(status: u16) -> Act {
    Act::Answer(
        status,
        "content-type: text/html\r\n".to_owned(),
        format!("<p>{CANARY}").into(),
    )
}

/// Runs while everything is logged, of every crate. The log is the whole process's: what is logged for one thread alone
/// may be switched off by another that comes first to the same line. So it holds what other tests say meanwhile, which
/// must hold no secret either.
fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(work);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (result, text)
}

async fn every_failure() -> Vec<String> {
    let mut said = Vec::new();
    let acts: [fn(usize) -> Act; 15] = [
        |_| echoes(400),
        |_| echoes(401),
        |_| echoes(403),
        |_| echoes(404),
        |_| echoes(409),
        |_| echoes(500),
        |number| if number == 0 { echoes(429) } else { after(429, "7200") },
        |_| html(403),
        |_| html(404),
        |_| html(413),
        |_| html(502),
        |_| html(200),
        |_| Act::Answer(200, "content-type: application/json\r\n".to_owned(), CANARY.into()),
        |_| Act::Cut,
        |_| Act::Hang,
    ];
    let failing = acts.map(|act| async move {
        let server = Server::start(act).await;
        let said = failures(&server.url.replace("http://", "http://ana:pw-canary@")).await;
        assert!(!server.seen().is_empty());
        said
    });
    said.extend(join_all(failing).await.into_iter().flatten());
    // Nothing listens; no URL; a host nobody knows.
    let places = ["http://ana:pw-canary@127.0.0.1:1", "ht tp://canary@x?key=canary"];
    said.extend(join_all(places.map(failures)).await.into_iter().flatten());
    said
}

/// What a person can be told of each kind of call.
async fn failures(base_url: &str) -> Vec<String> {
    let mut key = HeaderValue::from_str(&format!("Bearer {CANARY}")).unwrap();
    key.set_sensitive(true);
    let fixed = HeaderMap::from_iter([(HeaderName::from_static("authorization"), key)]);
    let mut client = Client::new(&account(base_url), fixed);
    client.deadline = Duration::from_millis(100);
    let mut session = HeaderValue::from_static("Token canary-session-0987654321");
    session.set_sensitive(true);
    let mut call = Call::new(
        Method::POST,
        format!("/bot{}/send?key={CANARY}", encode(CANARY)),
        Some(json!({"password": CANARY})),
    );
    call.headers = vec![(HeaderName::from_static("x-session"), session)];
    let mut read = Call {
        method: Method::GET,
        body: Body::None,
        repeatable: true,
        ..call.clone()
    };
    let mut said = vec![format!("{call:?} {:?}", account(base_url).credentials)];
    let mut errors = vec![client.send(&call).await.err(), client.send(&read).await.err()];
    read.host = Some("nowhere".to_owned());
    errors.push(client.send(&read).await.err());
    errors.push(client.text(&format!("/{CANARY}?key={CANARY}")).await.err());
    errors.push(client.preflight(&format!("{base_url}/hook?key={CANARY}")).await.err());
    said.extend(errors.into_iter().flatten().map(|error| {
        let problem = error.problem("crm");
        format!("{error} {error:?} {problem:?}")
    }));
    said
}

#[test]
fn nothing_that_is_said_holds_a_secret() {
    let (said, log) = logged(every_failure());
    assert!(said.len() > 50, "only {} messages", said.len());
    for line in said.iter().map(String::as_str).chain(log.lines()) {
        let lower = line.to_lowercase();
        // `canary` in any spelling, and the part of its base64 that neighbours cannot change.
        assert!(!lower.contains("canary"), "{line}");
        assert!(!line.contains("Y2FuYXJ5LzEyMzQ1Njc4"), "{line}");
    }
    // And there was something to hide, and something is still said.
    assert!(said.iter().any(|line| line.contains("[redacted]")), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("https://h/x?…")), "{said:#?}");
    assert!(
        log.contains("trying again") && log.contains("upa::platform::http"),
        "{log}"
    );
}
