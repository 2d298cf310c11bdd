//! A platform described as data: what its TOML may say ([`file`]), read, checked ([`check`]) and compiled into calls and
//! kinds. Pure: [`super::rest`] makes the calls.
//!
//! | file | what it is |
//! |---|---|
//! | `file` | every key of the TOML |
//! | `check`, `scope` | contradictions, each at its line; the way from `file` to `kind` |
//! | `auth`, `call`, `kind` | ways to sign in, calls and kinds as the engine uses them |
//! | `placeholder`, `path`, `ids` | `{spec.name}`, `a.b.0`, `parent/child` |
//! | `object` | the mark put on and taken off, names answers use |
//! | `against` | a definition held against the vendor's contract |
//! | `compare` | what differs, by the kind's own rules of sameness |
//! | `suspend` | what happens to a kind while its tenant is suspended |
//!
//! Built-in definitions are in `catalog/`; a workspace may add its own in `platforms/`.

pub mod abilities;
pub mod against;
pub mod auth;
pub mod call;
pub mod check;
pub mod compare;
pub mod file;
pub mod ids;
pub mod kind;
pub mod natural;
pub mod object;
mod one_or_many;
pub mod path;
pub mod placeholder;
pub mod proof;
mod scope;
pub mod suspend;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use self::auth::{Auth, CredentialNames};
use self::call::{Call, Common};
use self::check::Findings;
use self::file::{DefinitionFile, Encoding, Lost, Numbers};
pub use self::kind::KindDefinition;
use self::placeholder::Text;
use super::{FieldChange, KindFacts, Natural, Object, OutFacts, Platform, Prepared, Templates, exported};
use crate::export::Surroundings;
use crate::problem::Problem;
use crate::resource::Kind;
use crate::template::Guard;
use crate::workspace::salvage::{self, Reading};
use crate::workspace::schema::Schema;
use crate::workspace::toml::Toml;

/// The definitions that are built in: file name and text.
pub const CATALOG: [(&str, &str); 4] = [
    ("vapi.toml", include_str!("../catalog/vapi.toml")),
    ("google.toml", include_str!("../catalog/google.toml")),
    ("hubspot.toml", include_str!("../catalog/hubspot.toml")),
    ("gohighlevel.toml", include_str!("../catalog/gohighlevel.toml")),
];

/// The schema of a definition, as `upa schema platform` prints it.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<DefinitionFile>);

/// A definition that has been checked.
#[derive(Debug)]
pub struct Definition {
    pub name: String,
    pub usual_base: Option<String>,
    /// Further hosts, with the address each usually has.
    pub hosts: BTreeMap<String, String>,
    /// The ways to sign in; the first whose credentials an account has is used.
    pub auth: Vec<Auth>,
    pub encode: Encoding,
    pub numbers: Numbers,
    /// The platform's own limit, calls per second.
    pub per_second: Option<f64>,
    /// Statuses after which the same call may be sent again.
    pub retry: Vec<u16>,
    /// Writes with the same value follow each other.
    pub serial: Option<Text>,
    /// Headers of every call.
    pub headers: Vec<(String, Text)>,
    pub errors: Errors,
    pub whoami: Option<Whoami>,
    /// Dotted path of what says in every object whose it is.
    pub owner: Option<String>,
    pub kinds: BTreeMap<String, KindDefinition>,
    /// What the file says, for checks against a contract.
    pub toml: Toml,
}

/// What tells a failure.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    pub when: Option<String>,
    pub ok: Option<Value>,
    pub bad: Option<Value>,
    pub message: Option<String>,
    pub code: Option<String>,
    pub detail: Option<String>,
    pub gone: Option<regex::Regex>,
    pub later: Vec<Value>,
}

impl Errors {
    /// Whether an answer with a good status is a failure all the same.
    pub fn is_failure(&self, answer: &Value) -> bool {
        let Some(when) = &self.when else { return false };
        let found = path::at(answer, when);
        match (&self.ok, &self.bad) {
            (Some(ok), _) => found != Some(ok),
            (None, Some(bad)) => found == Some(bad),
            (None, None) => match found {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Array(items)) => !items.is_empty(),
                Some(Value::Object(map)) => !map.is_empty(),
                Some(_) => true,
            },
        }
    }

    /// What an answer says is wrong, for people.
    pub fn message(&self, answer: &Value) -> Option<String> {
        let text = |at: &Option<String>| {
            let found = path::at(answer, at.as_deref()?)?;
            let text = match found {
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    let texts = items
                        .iter()
                        .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                    texts.collect::<Vec<_>>().join("; ")
                }
                Value::Null => return None,
                other => other.to_string(),
            };
            (!text.is_empty()).then_some(text)
        };
        match (text(&self.message), text(&self.detail)) {
            (Some(message), Some(detail)) => Some(format!("{message}: {detail}")),
            (message, detail) => message.or(detail),
        }
    }

    /// The platform's code for it.
    pub fn code<'a>(&self, answer: &'a Value) -> Option<&'a Value> {
        path::at(answer, self.code.as_deref()?)
    }
}

/// The call that says whose key this is.
#[derive(Debug, Clone)]
pub struct Whoami {
    pub call: Call,
    pub at: String,
    pub sees_everything: bool,
}

impl Definition {
    /// Reads and checks a definition.
    pub fn parse(file: &str, text: &Arc<str>) -> Result<Self, Vec<Problem>> {
        let toml = Toml::parse(file, text)?;
        match salvage::read::<DefinitionFile>(&SCHEMA, &toml, &[]) {
            Reading::Whole(read) => Self::compile(read, toml),
            Reading::Wrong(mut found, rest) => {
                let more = rest.map(|rest| (Self::compile(rest.file, rest.toml).err(), rest.doubt));
                if let Some((Some(more), doubt)) = more {
                    found.extend(doubt.certain(more));
                }
                Err(found)
            }
        }
    }

    fn compile(read: DefinitionFile, toml: Toml) -> Result<Self, Vec<Problem>> {
        let mut findings = Findings {
            toml: &toml,
            problems: Vec::new(),
        };
        let common = Common {
            graphql: &read.graphql,
            live: "",
            hosts: &read.hosts,
        };
        let several = matches!(read.auth, file::OneOrMany::Many(_));
        let auth: Vec<Auth> = read
            .auth
            .iter()
            .enumerate()
            .filter_map(|(index, auth)| {
                let pointer = if several {
                    format!("/auth/{index}")
                } else {
                    "/auth".to_owned()
                };
                Auth::compile(&mut findings, &pointer, auth, common)
            })
            .collect();
        let mut headers = Vec::new();
        for (name, value) in &read.http.headers {
            headers.extend(findings.text("/http/headers", value).map(|text| (name.clone(), text)));
        }
        let serial = read
            .http
            .serial
            .as_ref()
            .and_then(|text| findings.text("/http/serial", text));
        let per_second = read.http.limit.as_ref().and_then(|text| {
            let rate = check::per_second(text);
            if rate.is_none() {
                findings.add(
                    "/http/limit",
                    &format!("`{text}` is no rate"),
                    "write `10/s` or `100/min`",
                );
            }
            rate
        });
        for (index, status) in read.http.retry.iter().enumerate() {
            if !(400..600).contains(status) {
                findings.add(
                    &format!("/http/retry/{index}"),
                    &format!("{status} does not say that nothing happened"),
                    "name statuses from 400 to 599, which the platform answers without having done anything",
                );
            }
        }
        let gone = read
            .errors
            .gone
            .as_deref()
            .and_then(|pattern| match regex::Regex::new(pattern) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    findings.add(
                        "/errors/gone",
                        &format!("not a regular expression: {error}"),
                        "such as `(?i)not found`",
                    );
                    None
                }
            });
        let whoami = read.whoami.as_ref().and_then(|whoami| {
            Some(Whoami {
                call: Call::line(&mut findings, "/whoami/call", &whoami.call, common)?,
                at: whoami.at.clone(),
                sees_everything: whoami.sees_everything,
            })
        });
        let mut kinds = BTreeMap::new();
        for (name, kind) in &read.resource {
            if let Some(kind) = check::kind(&mut findings, &read, name, kind) {
                kinds.insert(name.clone(), kind);
            }
        }
        if !findings.problems.is_empty() {
            return Err(findings.problems);
        }
        Ok(Self {
            name: read.platform,
            usual_base: read.usual_base,
            hosts: read.hosts,
            auth,
            encode: read.http.encode,
            numbers: read.numbers,
            per_second,
            retry: read.http.retry,
            serial,
            headers,
            errors: Errors {
                when: read.errors.when,
                ok: read.errors.ok,
                bad: read.errors.bad,
                message: read.errors.message,
                code: read.errors.code,
                detail: read.errors.detail,
                gone,
                later: read.errors.later,
            },
            whoami,
            owner: read.owner,
            kinds,
            toml,
        })
    }

    /// The definition of one kind.
    pub fn kind(&self, kind: &Kind) -> Option<&KindDefinition> {
        (kind.platform() == self.name).then(|| self.kinds.get(kind.object()))?
    }
}

impl Platform for Definition {
    fn name(&self) -> &str {
        &self.name
    }

    fn facts(&self, kind: &Kind) -> Option<KindFacts> {
        let kind = self.kind(kind)?;
        let outs = kind.out.iter().map(|(name, out)| {
            let facts = OutFacts { secret: out.secret };
            (name.clone(), facts)
        });
        Some(KindFacts {
            drafts: false,
            fixed: kind.fixed.clone(),
            unread: kind.unread.clone(),
            secret: kind.secret.clone(),
            create_only: kind.create_only(),
            marked: kind.is_marked(),
            marked_later: kind.may_lack_mark(),
            marked_by_call: matches!(kind.marker, Some(kind::Marker::Call { .. })),
            inputs: kind.inputs.clone(),
            natural_id: kind.has_natural_id(),
            updates: kind.update.is_some(),
            waits: kind.wait.is_some(),
            gate: kind.gate,
            costs: kind.costs,
            keep: kind.keep.clone(),
            left_behind: kind.delete.is_none() && !kind.gate,
            asks_when_lost: kind.lost == Lost::Stop,
            setting: kind.one,
            proof_address: kind.proof.address.clone(),
            repeats_create: kind.lost == Lost::Key,
            outs: outs.collect(),
            renew: kind.renew.as_ref().map(|renew| (renew.out.clone(), renew.before)),
            suspension: kind.suspend.means.clone(),
        })
    }

    fn kinds(&self) -> Vec<String> {
        self.kinds.keys().map(|kind| format!("{}.{kind}", self.name)).collect()
    }

    fn credentials(&self) -> Vec<CredentialNames> {
        self.auth.iter().map(Auth::credentials).collect()
    }

    fn usual_base_url(&self) -> Option<&str> {
        self.usual_base.as_deref()
    }

    fn hosts(&self) -> BTreeMap<String, String> {
        self.hosts.clone()
    }

    fn prepare(&self, templates: &Templates<'_>) -> Result<BTreeMap<String, Prepared>, Vec<Problem>> {
        let mut prepared = BTreeMap::new();
        let mut problems = Vec::new();
        for template in &templates.templates {
            let kind = self.kind(&template.kind);
            let place = || crate::problem::Place::file(&*template.source.file);
            if !template.source.value.is_object() {
                problems.push(
                    Problem::configuration(format!("a {} is a JSON object", template.kind))
                        .at(place())
                        .hint("write `{ … }`"),
                );
            }
            if self.numbers == Numbers::Doubles {
                problems.extend(template.source.beyond_doubles());
            }
            let inputs = kind.map(|kind| kind.inputs.as_slice()).unwrap_or_default();
            for input in inputs
                .iter()
                .filter(|input| template.source.value.get(*input).is_none())
            {
                problems.push(
                    Problem::configuration(format!("a {} needs `{input}`: it says where it belongs", template.kind))
                        .at(place())
                        .hint(format!("add `\"{input}\": \"<%= resources.….id %>\"`")),
                );
            }
            let ready = Prepared {
                template: template.source.value.clone(),
                guard: Guard {
                    leading: Vec::new(),
                    containing: kind.map(|kind| kind.evaluates.clone()).unwrap_or_default(),
                    doubles: self.numbers == Numbers::Doubles,
                },
                ..Prepared::default()
            };
            prepared.insert(template.resource.to_owned(), ready);
        }
        if problems.is_empty() {
            Ok(prepared)
        } else {
            Err(problems)
        }
    }

    fn compare(&self, kind: &Kind, desired: &Value, observed: &Value, written: &[String]) -> Vec<FieldChange> {
        self.kind(kind)
            .map(|kind| compare::differences(kind, desired, observed, written))
            .unwrap_or_default()
    }

    fn owned(&self, kind: &Kind, desired: &Value) -> Vec<String> {
        self.kind(kind)
            .map(|kind| compare::owned(kind, desired))
            .unwrap_or_default()
    }

    fn export(&self, kind: &Kind, object: &Object, known: &Surroundings) -> Value {
        exported::export(self.kind(kind), object, known)
    }

    fn owned_part(&self, kind: &Kind, desired: &Value, observed: &Value) -> Value {
        self.kind(kind)
            .map(|kind| compare::owned_part(kind, desired, observed))
            .unwrap_or_default()
    }

    fn canonical_id(&self, kind: &Kind, id: &str) -> String {
        let parts = self.kind(kind).and_then(|kind| Some((kind, ids::split(kind, id)?)));
        parts.map_or_else(|| id.to_owned(), |(kind, (inputs, own))| ids::of(kind, &inputs, &own))
    }

    fn natural(&self, kind: &Kind, document: &Value) -> Option<Natural> {
        self.kind(kind)?.natural(document)
    }

    fn place_in_id(&self, kind: &Kind, document: &Value) -> Option<String> {
        let kind = self.kind(kind)?;
        let inputs = ids::inputs_of(kind, document)?;
        Some(ids::of(kind, &inputs, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Definition, Vec<Problem>> {
        Definition::parse("p.toml", &Arc::from(text))
    }

    #[test]
    fn the_catalog_is_sound() {
        for (file, text) in CATALOG {
            let definition =
                Definition::parse(file, &Arc::from(text)).unwrap_or_else(|problems| panic!("{problems:#?}"));
            assert_eq!(format!("{}.toml", definition.name()), file);
        }
    }

    #[test]
    fn a_wrong_definition_is_refused_at_its_line() {
        let base = include_str!("../catalog/vapi.toml");
        for (from, to, message) in [
            ("unread", "unraed", "unknown key `unraed`"),
            ("GET /assistant/{id}", "GET /assistant/{no}", "`{no}` is not known here"),
            (
                "DELETE /assistant/{id}",
                "DELETE /assistant",
                "does not say which object",
            ),
            ("{cred.api_key}", "{env.X}", "expected `{cred.<name>}`"),
            ("size_param", "sice_param", "unknown key `sice_param`"),
            ("POST /assistant\"", "POST assistant\"", "is not a call"),
        ] {
            let problems = parse(&base.replacen(from, to, 1)).unwrap_err();
            assert!(
                problems.iter().any(|p| p.message.to_string().contains(message)),
                "{message}: {problems:#?}"
            );
        }
    }

    #[test]
    fn unread_paths_do_not_count_and_removed_keys_do() {
        let definition = parse(include_str!("../catalog/vapi.toml")).unwrap();
        let kind = Kind::new("vapi.assistant");
        let desired = json!({"server": {"url": "u", "headers": {"x": "s"}}});
        let observed = json!({"server": {"url": "u"}, "voice": {"provider": "x"}, "id": "1"});
        assert!(definition.compare(&kind, &desired, &observed, &[]).is_empty());
        let changes = definition.compare(&kind, &desired, &observed, &["voice".to_owned()]);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].field, "voice");
    }
}
