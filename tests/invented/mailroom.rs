//! Mailroom, a platform that does not exist: strict, and with the habits that make APIs a nuisance.
//!
//! What it does not know it refuses with 400, and remembers in [`World::astonished`]: a client that sends what the
//! contract does not say is wrong even if everything else works.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use reqwest::Url;
use serde_json::{Value, json};

/// How many calls a session lasts.
const SESSION_CALLS: usize = 9;
/// How many mailboxes a page has.
const PAGE: usize = 2;
/// How often a new mailbox is seen before it is ready.
const LOOKS: usize = 3;

pub const USER: &str = "ana";
pub const SECRET: &str = "canary-horse";

#[derive(Debug, Clone)]
pub struct Mailbox {
    pub office: String,
    pub address: String,
    pub quota: u64,
    pub aliases: Vec<String>,
    pub note: String,
    pub pin: String,
    pub password: String,
    /// How often it was read by itself.
    looks: usize,
    pub rules: BTreeMap<String, Rule>,
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub contains: String,
    pub forward_to: Vec<String>,
    pub comment: String,
}

/// Everything Mailroom has, and what a test wants to know of it.
#[derive(Default)]
pub struct World {
    pub mailboxes: BTreeMap<u64, Mailbox>,
    /// The ids of mailboxes that were deleted.
    pub gone: Vec<u64>,
    /// What was refused because no contract says it.
    pub astonished: Vec<String>,
    /// Method and path of each call that was let in, without the session's key.
    pub calls: Vec<String>,
    pub logins: usize,
    /// The next creation of one of these is done, and its answer is never sent.
    pub lose_answer_to: Option<&'static str>,
    sessions: BTreeMap<String, usize>,
    last: u64,
}

pub type Shared = Arc<Mutex<World>>;

/// A refusal in Mailroom's own form.
struct No(StatusCode, &'static str, String);

type Answer = Result<Value, No>;

fn no(code: &'static str, message: &str) -> No {
    No(StatusCode::OK, code, message.to_owned())
}

fn strange(what: impl Into<String>) -> No {
    No(StatusCode::BAD_REQUEST, "strange", what.into())
}

impl World {
    pub fn put(&mut self, office: &str, address: &str) -> u64 {
        self.last += 1;
        let mailbox = Mailbox {
            office: office.to_owned(),
            address: address.to_lowercase(),
            quota: 100,
            aliases: Vec::new(),
            note: String::new(),
            pin: String::new(),
            password: format!("once-{}-{}", self.last, self.last * 7919),
            looks: LOOKS,
            rules: BTreeMap::new(),
        };
        self.mailboxes.insert(self.last, mailbox);
        self.last
    }

    /// The mailboxes whose note is a mark of upa's.
    pub fn marked(&self) -> Vec<(u64, &Mailbox)> {
        let marked = self
            .mailboxes
            .iter()
            .filter(|(_, mailbox)| mailbox.note.starts_with("upa:"));
        marked.map(|(id, mailbox)| (*id, mailbox)).collect()
    }

    pub fn of(&mut self, address: &str) -> (u64, &mut Mailbox) {
        let mut all = self.mailboxes.iter_mut();
        all.find(|(_, mailbox)| mailbox.address == address)
            .map(|(id, mailbox)| (*id, mailbox))
            .unwrap_or_else(|| panic!("no mailbox {address}"))
    }

    pub fn delete(&mut self, id: u64) {
        self.mailboxes.remove(&id).unwrap();
        self.gone.push(id);
    }

    fn session(&mut self, query: &mut Fields) -> Result<(), No> {
        let key = query.take("key").ok_or_else(|| strange("no key"))?;
        let left = self.sessions.get_mut(&key).filter(|left| **left > 0);
        let left = left.ok_or_else(|| no("expired", "the session has ended"))?;
        *left -= 1;
        Ok(())
    }

    fn mailbox(&mut self, office: &str, id: &str) -> Result<(u64, &mut Mailbox), No> {
        let number: u64 = id.parse().map_err(|_| strange(format!("`{id}` is no number")))?;
        if self.gone.contains(&number) {
            return Err(No(StatusCode::GONE, "closed", "this mailbox was closed".to_owned()));
        }
        match self.mailboxes.get_mut(&number) {
            Some(mailbox) if office.is_empty() || mailbox.office == office => Ok((number, mailbox)),
            _ => Err(strange(format!("there never was a mailbox {id} in `{office}`"))),
        }
    }

    fn answer(&mut self, method: &str, path: &str, mut query: Fields, mut form: Fields) -> Answer {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if (method, segments.as_slice()) == ("POST", &["session"]) {
            query.empty()?;
            let (user, secret) = (form.text("user")?, form.text("secret")?);
            form.empty()?;
            if (user.as_str(), secret.as_str()) != (USER, SECRET) {
                return Err(no("bad_login", "user or secret is wrong"));
            }
            self.logins += 1;
            let key = format!("session-{}&=?", self.logins);
            self.sessions.insert(key.clone(), SESSION_CALLS);
            return Ok(json!({ "key": key }));
        }
        self.session(&mut query)?;
        self.calls.push(format!("{method} {path}"));
        let page = query.take("page");
        query.empty()?;
        if page.is_some() && method != "GET" {
            return Err(strange("a page is only asked of a list"));
        }
        let answer = match (method, segments.as_slice()) {
            ("GET", ["account"]) => Ok(json!({ "name": "nexumops" })),
            ("GET", ["offices", office, "mailboxes"]) => self.list(office, page.as_deref()),
            ("POST", ["offices", office, "mailboxes"]) => self.create(office, &mut form),
            ("GET", ["offices", office, "mailboxes", id]) => {
                let (id, mailbox) = self.mailbox(office, id)?;
                mailbox.looks += 1;
                Ok(json!({ "mailbox": mailbox.shown(id) }))
            }
            ("POST", ["offices", office, "mailboxes", id]) => {
                let (id, mailbox) = self.mailbox(office, id)?;
                mailbox.is_ready()?;
                mailbox.write(&mut form)?;
                Ok(json!({ "mailbox": mailbox.shown(id) }))
            }
            ("DELETE", ["offices", office, "mailboxes", id]) => {
                let (id, mailbox) = self.mailbox(office, id)?;
                mailbox.is_ready()?;
                if !mailbox.rules.is_empty() {
                    return Err(no("not_empty", "delete its rules first"));
                }
                self.delete(id);
                Ok(Value::Null)
            }
            ("GET", ["mailboxes", id, "rules"]) => {
                let (_, mailbox) = self.mailbox("", id)?;
                let rules = mailbox.rules.iter().map(|(id, rule)| rule.shown(id));
                Ok(json!({ "rules": rules.collect::<Vec<_>>() }))
            }
            ("POST", ["mailboxes", id, "rules"]) => {
                self.last += 1;
                let rule = format!("r/{}", self.last);
                let (_, mailbox) = self.mailbox("", id)?;
                mailbox.is_ready()?;
                if form.text("password")? != mailbox.password {
                    return Err(no("wrong_password", "that is not the password of the mailbox"));
                }
                let made = Rule::of(&mut form)?;
                let shown = made.shown(&rule);
                mailbox.rules.insert(rule, made);
                Ok(json!({ "rule": shown }))
            }
            ("POST", ["mailboxes", id, "rules", rule]) => {
                let (_, mailbox) = self.mailbox("", id)?;
                let rule = rule.replace("%2F", "/");
                let known = mailbox.rules.get_mut(&rule).ok_or_else(|| strange("no such rule"))?;
                *known = Rule::of(&mut form)?;
                Ok(json!({ "rule": known.shown(&rule) }))
            }
            ("POST", ["mailboxes", id, "rules", rule, "remove"]) => {
                let (_, mailbox) = self.mailbox("", id)?;
                let rule = rule.replace("%2F", "/");
                mailbox.rules.remove(&rule).ok_or_else(|| strange("no such rule"))?;
                Ok(Value::Null)
            }
            _ => Err(strange("there is no such call")),
        };
        if answer.is_ok() {
            form.empty()?;
        }
        answer
    }

    fn list(&self, office: &str, page: Option<&str>) -> Answer {
        let page: usize = page.unwrap_or("1").parse().map_err(|_| strange("a page is a number"))?;
        let all = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.office == office);
        let all: Vec<Value> = all.map(|(id, mailbox)| mailbox.shown(*id)).collect();
        let pages = all.len().div_ceil(PAGE).max(1);
        if !(1..=pages).contains(&page) {
            return Err(strange(format!("there is no page {page}")));
        }
        let shown: Vec<&Value> = all.iter().skip((page - 1) * PAGE).take(PAGE).collect();
        Ok(json!({ "mailboxes": shown, "page": page, "pages": pages }))
    }

    fn create(&mut self, office: &str, form: &mut Fields) -> Answer {
        let address = form.text("address")?.to_lowercase();
        if self.mailboxes.values().any(|mailbox| mailbox.address == address) {
            return Err(no("taken", "there is a mailbox with this address"));
        }
        let id = self.put(office, &address);
        let mailbox = self.mailboxes.get_mut(&id).unwrap();
        mailbox.looks = 0;
        mailbox.pin = form.text("pin")?;
        mailbox.write(form)?;
        Ok(json!({ "password": mailbox.password }))
    }
}

impl Mailbox {
    fn is_ready(&self) -> Result<(), No> {
        match self.looks >= LOOKS {
            true => Ok(()),
            false => Err(no("preparing", "the mailbox is being prepared")),
        }
    }

    fn write(&mut self, form: &mut Fields) -> Result<(), No> {
        if let Some(quota) = form.take("quota") {
            self.quota = quota.parse().map_err(|_| strange("`quota` is a number"))?;
        }
        if let Some(note) = form.take("note") {
            self.note = note;
        }
        if let Some(pin) = form.take("pin") {
            self.pin = pin;
        }
        if let Some(aliases) = form.list("aliases") {
            self.aliases = aliases;
        }
        Ok(())
    }

    fn shown(&self, id: u64) -> Value {
        let state = if self.is_ready().is_ok() { "ready" } else { "preparing" };
        json!({ "id": id, "address": self.address, "quota": self.quota, "aliases": self.aliases, "note": self.note, "state": state })
    }
}

impl Rule {
    fn of(form: &mut Fields) -> Result<Self, No> {
        let (contains, comment) = (form.text("contains")?, form.text("comment")?);
        let forward_to = form.list("forward_to").ok_or_else(|| strange("no `forward_to`"))?;
        Ok(Self {
            contains,
            forward_to,
            comment,
        })
    }

    fn shown(&self, id: &str) -> Value {
        json!({ "id": id, "contains": self.contains, "forward_to": self.forward_to, "comment": self.comment })
    }
}

/// What a request brings; what is left at the end was not known.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(text: &str) -> Self {
        let url = Url::parse(&format!("http://mailroom.invalid/?{text}")).unwrap();
        Self(url.query_pairs().into_owned().collect())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    fn text(&mut self, name: &str) -> Result<String, No> {
        self.take(name).ok_or_else(|| strange(format!("`{name}` is missing")))
    }

    /// `name[0]=…&name[1]=…`, which Mailroom sorts.
    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        while let Some(value) = self.take(&format!("{name}[{}]", found.len())) {
            found.push(value);
        }
        found.sort();
        (!found.is_empty()).then_some(found)
    }

    fn empty(&self) -> Result<(), No> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(strange(format!("`{name}` is not known"))),
        }
    }
}

async fn handle(State(world): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let (method, path) = (parts.method.as_str().to_owned(), parts.uri.path().to_owned());
    let is_form = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let mut world = world.lock().unwrap();
    let answer = if is_form || body.is_empty() {
        let query = Fields::of(parts.uri.query().unwrap_or_default());
        world.answer(&method, &path, query, Fields::of(&String::from_utf8_lossy(&body)))
    } else {
        Err(strange("a body is a form"))
    };
    if answer.is_ok() && method == "POST" && world.lose_answer_to.is_some_and(|lost| path.ends_with(lost)) {
        world.lose_answer_to = None;
        drop(world);
        // The connection ends without an answer.
        std::panic::resume_unwind(Box::new("the answer is lost"));
    }
    match answer {
        Ok(data) => json_answer(StatusCode::OK, &json!({ "ok": true, "data": data })),
        Err(No(status, code, message)) => {
            if status == StatusCode::BAD_REQUEST {
                world.astonished.push(format!("{method} {path}: {message}"));
            }
            let error = json!({ "ok": false, "error": { "code": code, "message": message } });
            json_answer(status, &error)
        }
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Serves Mailroom on loopback: its world and its base URL.
pub async fn serve() -> (Shared, String) {
    let world = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(handle).with_state(world.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (world, url)
}
