//! Calls as the engine makes them: compiled from what the file says, with every placeholder checked.

use serde_json::{Map, Value, json};

use super::check::Findings;
use super::file::{CallFile, CallTable, NextFile};
use super::placeholder::{Hole, Root, Text};

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// As HTTP writes it: `GET`.
    pub method: String,
    /// Another host of the account than its base URL.
    pub host: Option<String>,
    pub path: Text,
    pub query: Vec<(String, Text)>,
    /// A GraphQL document; `body` then holds its variables.
    pub graphql: Option<String>,
    /// What is sent, with placeholders; `None`: nothing.
    pub body: Option<Value>,
    /// Fields of the document that are not sent.
    pub drop: Vec<String>,
    /// Dotted path of the object in the answer.
    pub live: String,
    pub idempotency: Option<String>,
    pub exists: Vec<Value>,
    pub gone: Vec<Value>,
    pub busy: Vec<Value>,
    /// It lists or reads, whatever its method.
    pub reads: bool,
    /// Where the file says it, as a JSON pointer.
    pub pointer: String,
}

/// How an object is read.
#[derive(Debug, Clone)]
pub enum Read {
    Call(Box<Call>),
    /// Through `find` or `list`.
    Find,
    /// Never: what the lockfile says is believed.
    Nothing,
}

/// A call that lists objects.
#[derive(Debug, Clone)]
pub struct List {
    pub call: Call,
    /// Dotted path of the list; empty = the answer itself.
    pub items: String,
    /// The objects that are meant; empty = all of them.
    pub conditions: Vec<(String, Text)>,
    pub hint: bool,
    pub size: Option<usize>,
    pub size_param: Option<String>,
    pub incomplete: Option<String>,
    pub next: Option<Next>,
}

/// How the next page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A value of the answer goes into a parameter.
    Cursor {
        cursor: String,
        param: String,
        more: Option<String>,
    },
    /// Pages are counted from 1.
    Page {
        page: String,
        last: Option<String>,
        more: Option<String>,
    },
    /// Objects are counted from 0.
    Offset { offset: String, more: Option<String> },
    /// A value of the last object goes into a parameter.
    After {
        after: String,
        param: String,
        more: Option<String>,
    },
    /// The header `Link` holds the address.
    Link,
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What is the same for every call of a kind.
#[derive(Clone, Copy)]
pub struct Common<'a> {
    pub graphql: &'a str,
    pub live: &'a str,
    pub hosts: &'a std::collections::BTreeMap<String, String>,
}

impl Call {
    /// The same call, known to list or to read.
    #[must_use]
    pub(super) fn reading(self) -> Self {
        Self { reads: true, ..self }
    }

    /// Compiles a call; `None` after a finding. Without `sends` nothing is sent unless the file says a body.
    pub(super) fn compile(
        findings: &mut Findings<'_>,
        pointer: &str,
        file: &CallFile,
        common: Common<'_>,
        sends: bool,
    ) -> Option<Self> {
        let text_only;
        let (table, line) = match file {
            CallFile::Text(text) => {
                text_only = CallTable {
                    call: Some(text.clone()),
                    ..CallTable::default()
                };
                (&text_only, pointer.to_owned())
            }
            CallFile::Table(table) => (&**table, format!("{pointer}/call")),
        };
        Self::of_table(findings, pointer, &line, table, common, sends)
    }

    fn of_table(
        findings: &mut Findings<'_>,
        pointer: &str,
        line: &str,
        table: &CallTable,
        common: Common<'_>,
        sends: bool,
    ) -> Option<Self> {
        let mut call = match (&table.call, &table.gql) {
            (Some(text), None) => Self::line(findings, line, text, common)?,
            (None, Some(document)) => Self {
                method: "POST".to_owned(),
                host: None,
                path: Text::parse(common.graphql).ok()?,
                query: Vec::new(),
                graphql: Some(document.clone()),
                body: Some(Value::Object(table.vars.clone())),
                drop: Vec::new(),
                live: common.live.to_owned(),
                idempotency: None,
                exists: Vec::new(),
                gone: Vec::new(),
                busy: Vec::new(),
                reads: false,
                pointer: pointer.to_owned(),
            },
            _ => {
                findings.add(
                    pointer,
                    "a call is either `call` or `gql`",
                    "write `call = \"METHOD /path\"`",
                );
                return None;
            }
        };
        if call.graphql.is_none() {
            call.body = match (&table.body, table.nobody) {
                (Some(_), true) => {
                    findings.add(
                        pointer,
                        "`body` and `nobody` contradict each other",
                        "remove one of them",
                    );
                    return None;
                }
                (Some(body), false) => Some(body.clone()),
                (None, true) => None,
                (None, false) => (sends && call.method != "GET" && call.method != "DELETE").then(|| json!("{spec}")),
            };
        } else if table.body.is_some() || !table.drop.is_empty() {
            findings.add(
                pointer,
                "a GraphQL call sends `vars`, not a `body`",
                "move it into `vars`",
            );
        }
        call.pointer = pointer.to_owned();
        call.drop.clone_from(&table.drop);
        if let Some(live) = &table.live {
            call.live.clone_from(live);
        }
        call.idempotency.clone_from(&table.idempotency);
        call.exists.clone_from(&table.exists);
        call.gone = table.gone.clone().unwrap_or_else(|| vec![json!(404), json!(410)]);
        call.busy.clone_from(&table.busy);
        if let Some(body) = &call.body {
            findings.holes(&format!("{pointer}/body"), body);
        }
        Some(call)
    }

    /// Compiles `METHOD [host:]/path?query`.
    pub(super) fn line(findings: &mut Findings<'_>, pointer: &str, text: &str, common: Common<'_>) -> Option<Self> {
        let parts = text.split_once(' ').and_then(|(method, rest)| {
            let (host, path) = match rest.split_once(':') {
                Some((host, path)) if !host.contains('/') => (Some(host), path),
                _ => (None, rest),
            };
            (METHODS.contains(&method) && path.starts_with('/')).then_some((method, host, path))
        });
        let Some((method, host, path)) = parts else {
            findings.add(
                pointer,
                &format!("`{text}` is not a call"),
                "write `METHOD /path`, such as `GET /assistant/{id}`",
            );
            return None;
        };
        if let Some(host) = host.filter(|host| !common.hosts.contains_key(*host)) {
            findings.add(
                pointer,
                &format!("`{host}` is no host of this platform"),
                &format!("name it: `hosts = {{ {host} = \"https://…\" }}`"),
            );
            return None;
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = findings.text(pointer, path)?;
        let mut parameters = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.push((name.to_owned(), findings.text(pointer, value)?));
        }
        Some(Self {
            method: method.to_owned(),
            host: host.map(str::to_owned),
            path,
            query: parameters,
            graphql: None,
            body: None,
            drop: Vec::new(),
            live: common.live.to_owned(),
            idempotency: None,
            exists: Vec::new(),
            gone: vec![json!(404), json!(410)],
            busy: Vec::new(),
            reads: false,
            pointer: pointer.to_owned(),
        })
    }

    /// Every placeholder of the call.
    pub fn holes(&self) -> Vec<Hole> {
        let mut found: Vec<Hole> = self.path.holes().cloned().collect();
        found.extend(self.query.iter().flat_map(|(_, text)| text.holes().cloned()));
        if let Some(body) = &self.body {
            found.extend(super::placeholder::holes(body).unwrap_or_default());
        }
        found
    }

    /// Whether it says which fields it writes: one of those without a value is cleared.
    pub fn says_fields(&self) -> bool {
        self.holes().iter().any(|hole| hole.root == Root::Fields)
    }

    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        self.reads
            || self.method == "GET"
            || self
                .graphql
                .as_ref()
                .is_some_and(|document| !document.trim_start().starts_with("mutation"))
    }

    /// Method and path, with `{}` for values: what may stand in messages.
    pub fn name(&self) -> String {
        match &self.graphql {
            Some(document) => {
                let head: String = document.chars().take_while(|c| !matches!(c, '(' | '{')).collect();
                format!("GraphQL {}", head.trim())
            }
            None => format!("{} {}", self.method, self.path.shape()),
        }
    }
}

impl List {
    pub(super) fn compile(
        findings: &mut Findings<'_>,
        pointer: &str,
        file: &CallFile,
        common: Common<'_>,
        list: Option<&List>,
    ) -> Option<Self> {
        let CallFile::Table(table) = file else {
            findings.add(
                pointer,
                "a list must say where the objects are in the answer",
                "write `{ call = \"GET /things\", items = \"…\" }` (empty: the answer itself)",
            );
            return None;
        };
        let mut compiled = match (list, &table.call, &table.gql) {
            (Some(list), None, None) => list.clone(),
            _ => List {
                call: Call::compile(findings, pointer, file, common, false)?.reading(),
                items: table.items.clone().unwrap_or_default(),
                conditions: Vec::new(),
                hint: false,
                size: table.size,
                size_param: table.size_param.clone(),
                incomplete: table.incomplete.clone(),
                next: match &table.next {
                    Some(next) => Some(next.compile(findings, &format!("{pointer}/next"))?),
                    None => None,
                },
            },
        };
        if compiled.next.as_ref().is_some_and(Next::needs_size) && compiled.size.is_none() {
            findings.add(
                &format!("{pointer}/next"),
                "nothing tells the last page: the answer has no cursor, and the size of a page is not known",
                "add `size = <most objects of a page>`, or `more = \"…\"`",
            );
            return None;
        }
        compiled.hint = table.hint;
        for (path, text) in &table.conditions {
            let at = format!("{pointer}/where{}", crate::workspace::toml::pointer([path.as_str()]));
            compiled.conditions.push((path.clone(), findings.text(&at, text)?));
        }
        Some(compiled)
    }

    /// Whether it finds every object of its inputs.
    pub fn is_whole(&self) -> bool {
        let names = |hole: &Hole| !matches!(hole.root, Root::Input(_));
        !self.call.holes().iter().any(names)
    }
}

impl Next {
    /// Whether only the size of a page tells that it is not the last.
    fn needs_size(&self) -> bool {
        match self {
            Next::Cursor { .. } | Next::Link => false,
            Next::Page { last, more, .. } => last.is_none() && more.is_none(),
            Next::Offset { more, .. } | Next::After { more, .. } => more.is_none(),
        }
    }
}

impl NextFile {
    fn compile(&self, findings: &mut Findings<'_>, pointer: &str) -> Option<Next> {
        let (param, more) = (self.param.clone(), self.more.clone());
        let styles = [
            self.cursor.is_some(),
            self.page.is_some(),
            self.offset.is_some(),
            self.after.is_some(),
            self.link,
        ];
        let next = match (styles.iter().filter(|style| **style).count(), param) {
            (1, param) if self.link => param.is_none().then_some(Next::Link),
            (1, None) => match (&self.page, &self.offset) {
                (Some(page), _) => Some(Next::Page {
                    page: page.clone(),
                    last: self.last.clone(),
                    more,
                }),
                (_, Some(offset)) => Some(Next::Offset {
                    offset: offset.clone(),
                    more,
                }),
                _ => None,
            },
            (1, Some(param)) => match (&self.cursor, &self.after) {
                (Some(cursor), _) => Some(Next::Cursor {
                    cursor: cursor.clone(),
                    param,
                    more,
                }),
                (_, Some(after)) => Some(Next::After {
                    after: after.clone(),
                    param,
                    more,
                }),
                _ => None,
            },
            _ => None,
        };
        if next.is_none() {
            findings.add(
                pointer,
                "`next` must say one way to the next page",
                "one of `{ cursor, param }`, `{ page }`, `{ offset }`, `{ after, param }`, `{ link = true }`",
            );
        }
        next
    }
}

/// What a GraphQL call sends.
pub fn graphql_body(document: &str, variables: Value) -> Value {
    let mut body = Map::new();
    body.insert("query".to_owned(), Value::from(document));
    body.insert("variables".to_owned(), variables);
    Value::Object(body)
}
