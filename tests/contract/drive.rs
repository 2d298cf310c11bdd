//! One kind from its creation to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use upa::platform::definition::call::{Call, Next, Read};
use upa::platform::definition::kind::Marker;
use upa::platform::definition::{Definition, KindDefinition, ids, object, path};
use upa::platform::http::budget::Budget;
use upa::platform::http::encode;
use upa::platform::rest::Rest;
use upa::platform::{
    Account, Answer, Executor, Job, Observer, Platform, PlatformError, Question, Reading, Receipt, Search, Step,
    Wanted, hidden,
};
use upa::resource::{Address, Kind};
use upa::secret::Secret;

use crate::proxy::{Proxy, Seen, Tale};
use crate::samples::{mistaken, sample};

const ATTEMPT: &str = "0190e3c1-7b6a-7c3e-8a1f-5d5c1f3f7a10";
/// An id that is one for every platform: Vapi's must be UUIDs, tabs' must be numbers.
const ID: &str = "6f1c0f9e-55c2-4f2e-9d2b-1d2f3a4b5c6d";
const TAB: &str = "1234567";

/// A kind, its document, and the engine that drives it.
struct Case<'a> {
    definition: &'a Definition,
    kind: &'a KindDefinition,
    name: Kind,
    document: Value,
    address: Address,
    mark: String,
    /// What the platform calls the object.
    own: String,
    proxy: Proxy,
    rest: Rest,
}

/// Whether a field of this name is anywhere in what is sent.
fn holds(sent: &Value, name: &str) -> bool {
    match sent {
        Value::Object(map) => map.contains_key(name) || map.values().any(|value| holds(value, name)),
        Value::Array(items) => items.iter().any(|item| holds(item, name)),
        _ => false,
    }
}

fn account(definition: &Definition, url: &str, identity: Option<&str>) -> Account {
    let credentials = definition
        .auth
        .first()
        .map(|auth| auth.credentials())
        .unwrap_or_default();
    let credentials = credentials.required.into_iter().map(|name| (name, Secret::new("x")));
    Account {
        name: definition.name.clone(),
        platform: definition.name.clone(),
        base_url: url.to_owned(),
        hosts: definition
            .hosts
            .keys()
            .map(|name| (name.clone(), url.to_owned()))
            .collect(),
        webhook_url: url.to_owned(),
        credentials: credentials.collect(),
        identity: identity.map(str::to_owned),
        owners: BTreeSet::new(),
        budget: Arc::new(Budget::new(4, None)),
        sandbox: false,
        ledger: Arc::default(),
        outside: upa::outside::real(),
    }
}

impl<'a> Case<'a> {
    async fn new(prism: &str, definition: &'a Arc<Definition>, kind: &'a str, identity: Option<&str>) -> Self {
        let name = Kind::new(format!("{}.{kind}", definition.name));
        let kind = &definition.kinds[kind];
        let document = sample(name.as_str());
        let proxy = Proxy::start(prism, kind).await;
        let address: Address = "welcs@v2.0/it".parse().unwrap();
        let own = match &kind.key {
            Some(_) if matches!(kind.read, Read::Nothing) => ATTEMPT.to_owned(),
            Some(_) => path::at(&document, &kind.id).unwrap().as_str().unwrap().to_owned(),
            None if kind.id == "sheetId" => TAB.to_owned(),
            None => ID.to_owned(),
        };
        Self {
            definition,
            kind,
            mark: address.mark("nexumops"),
            address,
            document,
            own,
            rest: Rest::new(definition.clone(), &account(definition, &proxy.url, identity)).unwrap(),
            proxy,
            name,
        }
    }

    fn id(&self) -> String {
        ids::of(
            self.kind,
            &ids::inputs_of(self.kind, &self.document).unwrap(),
            &self.own,
        )
    }

    /// What the platform shows of the object when it holds this document.
    fn object(&self, document: &Value) -> Value {
        let marked = object::marked(self.kind, document, None, &self.mark, ATTEMPT).unwrap();
        let mut object = hidden::without(&marked, &self.kind.hidden());
        for (name, answered) in &self.kind.alias {
            if let Some(value) = path::at(document, name) {
                path::put(&mut object, answered, value.clone());
            }
        }
        if !self.kind.one {
            path::put(&mut object, &self.kind.id, json!(self.own));
        }
        if let Some(gone) = &self.kind.gone {
            assert_eq!(gone.is, json!(true));
            path::put(&mut object, &gone.at, json!(false));
        }
        object
    }

    fn job(&self, step: Step) -> Job {
        Job {
            address: self.address.clone(),
            kind: self.name.clone(),
            step,
            id: if step == Step::Create { String::new() } else { self.id() },
            document: self.document.clone(),
            mark: self.mark.clone(),
            attempt: ATTEMPT.to_owned(),
            replaces: BTreeSet::new(),
            marked: true,
            fresh: false,
            expected: None,
            seen: None,
            dropped: Vec::new(),
            probes: Vec::new(),
            label: String::new(),
            out: BTreeMap::new(),
            again: false,
            gentle: false,
            left: false,
            operations: Vec::new(),
        }
    }

    /// Carries out a job; the one call that writes must be the given one, and accepted.
    async fn execute(&self, job: &Job, call: &Call, tale: Tale) -> Receipt {
        self.proxy.tell(tale);
        let receipt = self.rest.execute(job).await;
        let seen = self.proxy.seen();
        let receipt = receipt.unwrap_or_else(|error| panic!("{} {:?}: {error}\n{seen:#?}", self.name, job.step));
        let writes: Vec<&Seen> = seen.iter().filter(|seen| seen.writes()).collect();
        let is_the_one = |write: &Seen| write.is(&call.method, &call.path.shape()) && write.accepted();
        assert!(
            matches!(writes.as_slice(), [one] if is_the_one(one)),
            "{} {:?}: expected {}: {writes:#?}",
            self.name,
            job.step,
            call.name()
        );
        if matches!(job.step, Step::Create | Step::Fill) {
            self.holds_everything(writes[0], job.step);
        }
        receipt
    }

    /// What a document says is sent, and not left out on the way: when the object is created all of it, later what can
    /// be changed.
    fn holds_everything(&self, write: &Seen, step: Step) {
        let sent: Value = serde_json::from_str(&write.sent).unwrap();
        for (key, value) in self.document.as_object().unwrap() {
            let place = value.as_str().is_some_and(|value| write.path.contains(&encode(value)));
            let stays = step == Step::Fill && (self.kind.fixed.contains(key) || self.kind.unread.contains(key));
            assert!(
                place || stays || holds(&sent, key),
                "{}: no `{key}` in {write:#?}",
                self.name
            );
        }
    }

    async fn ask(&self, question: Question, tale: Tale) -> (Answer, Vec<Seen>) {
        let question = Question {
            kinds: BTreeSet::from([self.name.clone()]),
            mark_prefix: "upa:nexumops/".to_owned(),
            marks: BTreeSet::from([self.mark.clone()]),
            ..question
        };
        self.proxy.tell(tale);
        let answer = self.rest.observe(&question).await;
        let seen = self.proxy.seen();
        assert!(
            answer.failure.is_none(),
            "{}: {:?}\n{seen:#?}",
            self.name,
            answer.failure
        );
        assert!(seen.iter().all(|seen| !seen.writes() && seen.accepted()), "{seen:#?}");
        (answer, seen)
    }

    async fn create(&self) -> Receipt {
        let create = self.kind.create.as_ref().unwrap();
        let receipt = self.execute(&self.job(Step::Create), create, Tale::default()).await;
        let (inputs, own) = ids::split(self.kind, &receipt.id).unwrap();
        assert_eq!(inputs, ids::inputs_of(self.kind, &self.document).unwrap());
        assert_eq!(own.is_empty(), self.kind.one, "{}: {receipt:?}", self.name);
        for (name, _) in self.kind.out.iter().filter(|(_, out)| out.of.is_some()) {
            let known = receipt.out.contains_key(name) || receipt.secrets.contains_key(name);
            assert!(known, "{}: no `{name}` in {receipt:?}", self.name);
        }
        receipt
    }

    /// The object is read and found to be what the document says, whatever else the platform shows.
    async fn read(&self) {
        let question = Question {
            ids: BTreeMap::from([(self.name.clone(), BTreeSet::from([self.id()]))]),
            ..Question::default()
        };
        let tale = Tale {
            before: Some(self.object(&self.document)),
            after: None,
        };
        let (answer, seen) = self.ask(question, tale).await;
        let Some(Reading::Present(object)) = answer.objects.get(&(self.name.clone(), self.id())) else {
            panic!("{}: {:?}\n{seen:#?}", self.name, answer.objects);
        };
        let differences = self
            .definition
            .compare(&self.name, &self.document, &object.document, &[]);
        assert!(differences.is_empty(), "{}: {differences:#?}", self.name);
        assert_eq!(object.mark.is_some(), self.kind.is_marked(), "{}", self.name);
        for (name, _) in self.kind.out.iter().filter(|(_, out)| out.of.is_none() && !out.secret) {
            assert!(
                object.out.contains_key(name),
                "{}: no `{name}` in {:?}",
                self.name,
                object.out
            );
        }
    }

    /// Looks for the object as one nobody knows the id of.
    async fn look(&self, document: &Value, tried: Option<u64>) -> (Answer, Vec<Seen>) {
        let wanted = Wanted {
            address: self.address.clone(),
            kind: self.name.clone(),
            mark: self.mark.clone(),
            document: document.clone(),
            natural: None,
            tried,
            attempt: None,
        };
        let question = Question {
            wanted: vec![wanted],
            ..Question::default()
        };
        let tale = Tale {
            before: Some(self.object(&self.document)),
            after: None,
        };
        self.ask(question, tale).await
    }

    /// The list is read to its end, and an object nobody knows the id of is found in it.
    async fn list(&self) {
        let Some(list) = self.kind.whole_list() else {
            assert!(
                self.kind.one || matches!(self.kind.read, Read::Nothing),
                "{}",
                self.name
            );
            return;
        };
        let (answer, seen) = self.look(&self.document, None).await;
        assert!(answer.complete.contains(&self.name), "{}: {seen:#?}", self.name);
        let pages = seen
            .iter()
            .filter(|seen| seen.is(&list.call.method, &list.call.path.shape()))
            .count();
        let expected = if matches!(list.next, Some(Next::Cursor { .. })) {
            2
        } else {
            1
        };
        assert_eq!(pages, expected, "{}: {seen:#?}", self.name);
        let found = answer.objects.get(&(self.name.clone(), self.id()));
        match (self.kind.is_marked(), found, answer.searches.get(&self.address)) {
            (true, Some(Reading::Present(object)), Some(Search::Nothing)) => {
                assert_eq!(object.mark.as_deref(), Some(&*self.mark));
                let keeps_attempt = matches!(
                    self.kind.marker,
                    Some(Marker::Field { attempt: Some(_), .. } | Marker::Line { .. })
                );
                assert_eq!(object.attempt.is_some(), keeps_attempt, "{}", self.name);
            }
            (false, None, Some(Search::Rivals(rivals))) => assert_eq!(rivals[0].object.id, self.id()),
            other => panic!("{}: {other:?}\n{seen:#?}", self.name),
        }
    }

    /// Everything is different, is written, and is then as the document says.
    async fn update(&self) {
        let Some(update) = &self.kind.update else { return };
        let tale = Tale {
            before: Some(self.object(&json!({}))),
            after: Some(self.object(&self.document)),
        };
        let receipt = self.execute(&self.job(Step::Fill), update, tale).await;
        for (name, _) in self.kind.out.iter().filter(|(_, out)| out.of.is_none()) {
            assert!(
                receipt.out.contains_key(name),
                "{}: no `{name}` in {receipt:?}",
                self.name
            );
        }
    }

    async fn wait(&self) {
        let Some(wait) = &self.kind.wait else { return };
        for (state, ok) in wait
            .pending
            .iter()
            .map(|_| (json!("active"), true))
            .chain(wait.fail.iter().map(|fail| (fail.clone(), false)))
        {
            let mut object = self.object(&self.document);
            path::put(&mut object, &wait.at, state);
            self.proxy.tell(Tale {
                before: Some(object),
                after: None,
            });
            let done = self.rest.execute(&self.job(Step::Wait)).await;
            assert_eq!(done.is_ok(), ok, "{}: {done:?}", self.name);
        }
    }

    async fn delete(&self, created: &Receipt) {
        let Some(delete) = &self.kind.delete else { return };
        let tale = Tale {
            before: Some(self.object(&self.document)),
            after: None,
        };
        let job = Job {
            out: created.out.clone(),
            ..self.job(Step::Delete)
        };
        self.execute(&job, delete, tale).await;
    }

    /// The contract refuses what is wrong: a mock that takes this takes anything.
    async fn refuses(&self) {
        let job = Job {
            document: mistaken(self.name.as_str()),
            ..self.job(Step::Create)
        };
        self.proxy.tell(Tale::default());
        let refused: Result<Receipt, PlatformError> = self.rest.execute(&job).await;
        let seen = self.proxy.seen();
        let Err(error) = refused else {
            panic!("{}: {refused:?}\n{seen:#?}", self.name);
        };
        assert_eq!(error.status, Some(422), "{}: {error}\n{seen:#?}", self.name);
        assert!(error.is_harmless());
    }
}

/// Creates, reads, lists, updates and deletes one object of a kind, and tries one that is wrong.
pub async fn whole_life(prism: &str, definition: &Arc<Definition>, kind: &str) {
    let case = Case::new(prism, definition, kind, None).await;
    let created = case.create().await;
    if !matches!(case.kind.read, Read::Nothing) {
        case.read().await;
    }
    case.list().await;
    case.update().await;
    case.wait().await;
    case.delete(&created).await;
    case.refuses().await;
}

/// The platform says whose key it is, where the definition says it does.
pub async fn identity(prism: &str, definition: &Arc<Definition>) {
    let kind = definition.kinds.keys().next().unwrap();
    let case = Case::new(prism, definition, kind, Some("somebody else")).await;
    let answer = case.rest.observe(&Question::default()).await;
    let why = answer.failure.map(|error| error.why).unwrap_or_default();
    assert!(
        why.to_string().contains("somebody else") && !why.to_string().contains("belongs to nobody"),
        "{}: {why}",
        definition.name
    );
}

/// A tool that calls nobody has no natural key: it may be made, but what became of a lost creation nobody can tell.
pub async fn nothing_tells_it_apart(prism: &str, definition: &Arc<Definition>) {
    let case = Case::new(prism, definition, "tool", None).await;
    let mut document = case.document.clone();
    path::remove(&mut document, "server");
    for (tried, known) in [(None, true), (Some(0), false)] {
        let (answer, _) = case.look(&document, tried).await;
        match answer.searches.get(&case.address) {
            Some(Search::Nothing) => assert!(known),
            Some(Search::Unknown(why)) => assert!(
                !known && why.to_string().contains("(function.name, server.url)"),
                "{why}"
            ),
            other => panic!("{other:?}"),
        }
    }
}
