//! Pages that a platform answers: whatever they hold, looking ends, every id is answered, and what carries our mark on a
//! page of a list that was believed is not lost.
//!
//! An input is a letter that picks the way of paging, and the answers one after another, each behind a line `---`. An
//! answer may begin with a line of its own: `@404`, `@200 <https://crm.example/link?p=2>; rel="next"`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Response as Made;
use jiff::Timestamp;
use reqwest::{Request, Response};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use upa::outside::{Beside, Checkout, Deed, Outside, Said, Silence};
use upa::platform::definition::object::{self, Carried};
use upa::platform::definition::{Definition, ids, path};
use upa::platform::http::budget::Budget;
use upa::platform::rest::Rest;
use upa::platform::{Account, Answer, Observer as _, Question, Reading};
use upa::resource::Kind;
use upa::secret::Secret;

const DEFINITION: &str = include_str!("../cases/definition/pages.toml");
const WAYS: [(u8, &str); 7] = [
    (b'c', "cursor"),
    (b'p', "page"),
    (b'o', "offset"),
    (b'a', "after"),
    (b'l', "link"),
    (b's', "star"),
    (b't', "tagged"),
];
const PREFIX: &str = "upa:w/";
const MARK: &str = "upa:w/ana@v1/thing";

/// More calls than any input has answers, each of them repeated as often as upa repeats one.
const MOST_CALLS: usize = 2000;

static CRM: LazyLock<Arc<Definition>> = LazyLock::new(|| {
    let parsed = Definition::parse("crm.toml", &Arc::from(DEFINITION));
    Arc::new(parsed.unwrap_or_else(|problems| panic!("{problems:#?}")))
});

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

pub fn look(bytes: &[u8]) {
    let Some((letter, rest)) = bytes.split_first() else {
        return;
    };
    let Some((_, way)) = WAYS.iter().find(|(known, _)| known == letter) else {
        return;
    };
    let script = Arc::new(Script {
        left: Mutex::new(answers(rest)),
        lists: Mutex::default(),
        calls: Mutex::default(),
    });
    let kind = Kind::new(format!("crm.{way}"));
    let question = Question {
        kinds: BTreeSet::from([kind.clone()]),
        ids: BTreeMap::from([(kind.clone(), ["a", "b", "7"].map(str::to_owned).into())]),
        mark_prefix: PREFIX.to_owned(),
        marks: BTreeSet::from([MARK.to_owned()]),
        whole: true,
        ..Question::default()
    };
    let rest = Rest::new(CRM.clone(), &account(script.clone())).expect("the account has its key");
    let answer = RUNTIME.with(|runtime| runtime.block_on(rest.observe(&question)));
    holds(
        &kind,
        &question,
        &answer,
        &script.lists.lock().expect("nobody panicked"),
    );
}

fn holds(kind: &Kind, question: &Question, answer: &Answer, lists: &[Value]) {
    if let Some(failure) = &answer.failure {
        assert!(!failure.to_string().trim().is_empty());
        assert!(answer.complete.is_empty(), "a failure that saw everything");
        return;
    }
    for id in question.ids.values().flatten() {
        let reading = answer.objects.get(&(kind.clone(), id.clone()));
        assert!(reading.is_some(), "`{id}` is not answered");
    }
    if !answer.complete.contains(kind) {
        return;
    }
    let definition = CRM.kind(kind).expect("it is there");
    let list = definition.whole_list().expect("it has a list");
    let every = if list.items.contains('*') { "" } else { ".*" };
    let items = format!("{}{every}", list.items);
    for item in lists.iter().flat_map(|page| path::all(page, &items)) {
        let is_ours = match object::carried(definition, item) {
            Carried::Mark { mark, .. } => mark.starts_with(PREFIX),
            Carried::Tag(tag) => tag == object::short(MARK),
            Carried::Nothing => false,
        };
        if let (true, Some(Value::String(own))) = (is_ours, item.get("id")) {
            let id = ids::of(definition, &BTreeMap::new(), own);
            let found = answer.objects.get(&(kind.clone(), id));
            assert!(matches!(found, Some(Reading::Present(_))), "`{own}` is lost: {item}");
        }
    }
}

fn account(outside: Arc<Script>) -> Account {
    Account {
        name: "crm".to_owned(),
        platform: "crm".to_owned(),
        base_url: "https://crm.example".to_owned(),
        hosts: BTreeMap::new(),
        webhook_url: "https://crm.example".to_owned(),
        credentials: BTreeMap::from([("key".to_owned(), Secret::new("a key"))]),
        identity: None,
        owners: BTreeSet::new(),
        budget: Arc::new(Budget::new(1, None)),
        sandbox: true,
        ledger: Arc::default(),
        outside,
    }
}

/// One answer of the platform.
struct Scripted {
    status: u16,
    link: Option<String>,
    body: Vec<u8>,
}

fn answers(bytes: &[u8]) -> VecDeque<Scripted> {
    let mut answers = VecDeque::new();
    let mut body = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1) {
        if line.trim_ascii() == b"---" {
            answers.push_back(scripted(&std::mem::take(&mut body)));
        } else {
            body.extend_from_slice(line);
        }
    }
    answers.push_back(scripted(&body));
    answers
}

fn scripted(bytes: &[u8]) -> Scripted {
    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let said = head.strip_prefix(b"@").and_then(|head| std::str::from_utf8(head).ok());
    let Some((status, link)) = said.map(|said| said.split_once(' ').unwrap_or((said, ""))) else {
        return Scripted {
            status: 200,
            link: None,
            body: bytes.to_vec(),
        };
    };
    Scripted {
        status: status
            .parse()
            .ok()
            .filter(|status| (200..600).contains(status))
            .unwrap_or(200),
        link: (!link.is_empty()).then(|| link.to_owned()),
        body: bytes.get(head.len() + 1..).unwrap_or_default().to_vec(),
    }
}

/// A platform that answers what it is told, and then that there is nothing.
struct Script {
    left: Mutex<VecDeque<Scripted>>,
    /// What it answered to lists.
    lists: Mutex<Vec<Value>>,
    calls: Mutex<usize>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("script")
    }
}

#[async_trait]
impl Outside for Script {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn random(&self) -> u128 {
        7
    }

    async fn exchange(&self, request: Request) -> Result<Response, Silence> {
        let mut calls = self.calls.lock().expect("nobody panicked");
        *calls += 1;
        assert!(*calls < MOST_CALLS, "it does not end");
        assert_eq!(request.url().host_str(), Some("crm.example"), "the key went elsewhere");
        let next = self.left.lock().expect("nobody panicked").pop_front();
        let Scripted { status, link, body } = next.unwrap_or_else(|| Scripted {
            status: 404,
            link: None,
            body: b"{}".to_vec(),
        });
        if let (true, 200, Ok(page)) = (
            request.url().path().starts_with("/list/"),
            status,
            serde_json::from_slice(&body),
        ) {
            self.lists.lock().expect("nobody panicked").push(page);
        }
        let mut made = Made::builder()
            .status(status)
            .header("content-type", "application/json");
        if let Some(link) = link {
            made = made.header("link", link);
        }
        let made = made.body(body).map_err(|error| Silence::Broke(error.to_string()))?;
        Ok(Response::from(made))
    }

    fn git(&self, _: Checkout<'_>, _: &[&str], _: Duration) -> io::Result<Said> {
        unreachable!("a platform is no repository")
    }

    fn about_to(&self, _: Deed<'_>) -> io::Result<()> {
        Ok(())
    }

    fn whereabouts(&self, _: &Path, _: &File) -> io::Result<String> {
        unreachable!("nothing is on disk")
    }

    fn pause(&self, _: Duration) {}

    fn beside(&self, _: Box<dyn FnMut() -> Option<Duration> + Send>) -> Box<dyn Beside> {
        unreachable!("nothing goes on beside")
    }
}
