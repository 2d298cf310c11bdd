//! What a platform's TOML may say, key by key. Read here, checked and compiled in the other files of this folder.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use super::one_or_many::OneOrMany;
use super::proof::Proof;
use super::suspend::SuspendFile;
pub use crate::number::Numbers;

/// A platform.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "platforms/<name>.toml: a platform described as data")]
pub struct DefinitionFile {
    /// The first part of its kinds.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"))]
    pub platform: String,
    /// Where most accounts are. Only shown in messages: hosts come from accounts alone.
    pub usual_base: Option<String>,
    /// Further hosts by name, each with the address it usually has; a call names one as `GET sheets:/v4/…`.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// The path of the GraphQL endpoint below the base URL.
    #[serde(default)]
    pub graphql: String,
    /// How a call proves who makes it; several ways in a list: the first whose credentials the account has.
    #[serde(default)]
    pub auth: OneOrMany<AuthFile>,
    #[serde(default)]
    pub http: HttpFile,
    #[serde(default)]
    pub errors: ErrorsFile,
    /// How it keeps numbers.
    #[serde(default)]
    pub numbers: Numbers,
    /// The call that says whose key this is.
    pub whoami: Option<WhoamiFile>,
    /// Where there is no such call: dotted path of what says in every object whose it is.
    pub owner: Option<String>,
    /// Its kinds of objects.
    pub resource: BTreeMap<String, KindFile>,
}

/// How a call proves who makes it. `{cred.x}` is filled by the account's `credentials.x`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthFile {
    /// `Authorization: Bearer …`.
    pub bearer: Option<String>,
    /// Fixed headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// OAuth2 client credentials: the call that gives a token, cached until it expires.
    pub oauth2: Option<String>,
    /// OAuth2 refresh token: the call that gives a token.
    pub refresh: Option<String>,
    /// For `oauth2` and `refresh`.
    pub client_id: Option<String>,
    /// For `oauth2` and `refresh`.
    pub client_secret: Option<String>,
    /// For `refresh`.
    pub refresh_token: Option<String>,
    /// The word before the token in `Authorization`, if it is not `Bearer`.
    pub scheme: Option<String>,
    /// A Google service account's key (the JSON file's text): a JWT is signed with it and exchanged.
    pub google: Option<String>,
    /// For `google`: the call that exchanges the JWT.
    pub exchange: Option<String>,
    /// For `google`: the audience the JWT names.
    pub audience: Option<String>,
    /// For `google`: the person to act for (domain-wide delegation).
    pub subject: Option<String>,
    /// For `google`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A session: the call that opens it.
    pub login: Option<String>,
    /// For `login`: what is sent.
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    /// For `login`: dotted path of the key in the answer.
    pub token: Option<String>,
    /// For `login`: the query parameter the key goes into.
    pub query: Option<String>,
    /// For `login`: the header the key goes into.
    pub header: Option<String>,
    /// The statuses or codes that mean that the session ended: it is opened again, once.
    #[serde(default)]
    pub again: Vec<Value>,
}

/// How calls are sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpFile {
    /// How bodies are written.
    #[serde(default)]
    pub encode: Encoding,
    /// How often the platform may be called: `"10/s"`, `"100/min"`.
    pub limit: Option<String>,
    /// Statuses, besides 429, after which the same call may be sent again: nothing happened. Only an answer of the platform's
    /// own counts, not a page of a proxy.
    #[serde(default)]
    pub retry: Vec<u16>,
    /// Writes with the same value of this text follow each other.
    pub serial: Option<String>,
    /// Headers of every call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Json,
    /// `a[b]=c`, as PHP and Stripe read it.
    Form,
}

/// What in an answer says that it is a failure, and of which kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorsFile {
    /// Dotted path of what tells a failure in an answer with a good status.
    pub when: Option<String>,
    /// It is a failure when the value differs from this.
    pub ok: Option<Value>,
    /// It is a failure when the value is this. With neither: when there is a value and it is not empty.
    pub bad: Option<Value>,
    /// Dotted path of the message.
    pub message: Option<String>,
    /// Dotted path of the code.
    pub code: Option<String>,
    /// Dotted path of further details.
    pub detail: Option<String>,
    /// A pattern of messages that mean "not there", where there is no 404.
    pub gone: Option<String>,
    /// Codes after which the same call may be sent again: nothing happened.
    #[serde(default)]
    pub later: Vec<Value>,
}

/// The call that says whose key this is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoamiFile {
    pub call: String,
    /// Dotted path of the identity; `accounts.<name>.identity` in upa.toml must equal it, if it is given.
    pub at: String,
    /// Whether such a key sees every object of the account, so that a 404 proves absence.
    #[serde(default)]
    pub sees_everything: bool,
}

/// One kind of object.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindFile {
    /// What it is, in a few words.
    #[serde(default)]
    pub about: String,
    /// Values of the document that place the object (its parents' ids): fixed for life, part of its id.
    #[serde(default)]
    pub inputs: Vec<String>,
    pub create: Option<CallFile>,
    /// A call; `{ find = true }` reads through `find` or `list`; `"none"`: the lockfile is the only record.
    pub read: Option<CallFile>,
    /// A call; `"create"` repeats create; without it every change means a new object.
    pub update: Option<CallFile>,
    /// A call; `"none"`: the object is left behind, and the plan says so.
    pub delete: Option<CallFile>,
    /// Finds the object by its mark or its natural key.
    pub find: Option<CallFile>,
    /// Finds somebody else's object with the same natural key: it is reported, never adopted.
    pub clash: Option<CallFile>,
    /// Lists all objects (of the same inputs).
    pub list: Option<CallFile>,
    /// Dotted path of the object in an answer.
    #[serde(default)]
    pub live: String,
    /// Dotted path of the id in an object, or where to find it in the answer of `create`.
    #[serde(default)]
    pub id: IdFile,
    /// Whether ids hold slashes. Elsewhere an id with one is an answer that was not understood.
    #[serde(default)]
    pub slashes: bool,
    /// The id is ours: known before create.
    pub key: Option<String>,
    /// Dotted path of what people call the object.
    pub title: Option<String>,
    /// What else than a 404 says that an object is gone.
    pub gone: Option<GoneFile>,
    /// Where the mark stands.
    pub marker: Option<MarkerFile>,
    pub wait: Option<WaitFile>,
    /// Values for other resources, `resources.x.out.<name>`.
    #[serde(default)]
    pub out: BTreeMap<String, OutFile>,
    /// Top-level fields whose change means a new object; `["*"]`: all of them.
    #[serde(default)]
    pub fixed: Vec<String>,
    /// Dotted paths that are not returned, or returned otherwise.
    #[serde(default)]
    pub unread: Vec<String>,
    /// Dotted paths that are never shown; not compared either, except by fingerprint.
    #[serde(default)]
    pub secret: Vec<String>,
    /// Dotted paths of lists whose order means nothing.
    #[serde(default)]
    pub sets: Vec<String>,
    /// Lists of parts that are told apart by a field of theirs.
    #[serde(default)]
    pub lists: BTreeMap<String, KeyedFile>,
    /// Top-level fields that answers call by another (dotted) name.
    #[serde(default)]
    pub alias: BTreeMap<String, String>,
    /// Fields that are the same although they are written otherwise.
    #[serde(default)]
    pub same: BTreeMap<String, Same>,
    /// A setting: it exists with its parent, and `create` sets it.
    #[serde(default)]
    pub one: bool,
    /// Nothing is created: it succeeds when `wait` does.
    #[serde(default)]
    pub gate: bool,
    /// It costs money: shown, never created twice, never replaced unless that is approved.
    #[serde(default)]
    pub costs: bool,
    /// Why deleting it must be confirmed.
    pub keep: Option<String>,
    /// What to do after a create with an unknown outcome, where that is not what follows from the rest.
    pub lost: Option<Lost>,
    /// What in an object proves that a lost attempt made it, where no mark does.
    #[serde(default)]
    pub proof: Proof,
    /// How long a new object may be missing from lists: `"10s"`.
    pub lag: Option<String>,
    /// It expires and must be replaced before that.
    pub renew: Option<RenewFile>,
    /// What happens to it while its tenant is suspended; without it, it keeps running, and plans say so.
    pub suspend: Option<SuspendFile>,
    /// What the platform evaluates in a text: a tenant's value may not contain it.
    #[serde(default)]
    pub evaluates: Vec<String>,
}

/// A call: `"METHOD /path"`, a table, or a word where a key allows one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CallFile {
    Text(String),
    Table(Box<CallTable>),
}

/// A call with everything that can be said about it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallTable {
    /// `METHOD /path?query`, with placeholders.
    pub call: Option<String>,
    /// A GraphQL document instead.
    pub gql: Option<String>,
    /// The variables of the document.
    #[serde(default)]
    pub vars: Map<String, Value>,
    /// What is sent; by default the document, `"{spec}"`. `"{fields}"` are the dotted paths in it, with commas between.
    pub body: Option<Value>,
    /// Nothing is sent.
    #[serde(default)]
    pub nobody: bool,
    /// Fields of the document that are not sent.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Dotted path of the object in this answer, where it differs from the kind's.
    pub live: Option<String>,
    /// The header that makes the platform answer a repeated create with the first one's result.
    pub idempotency: Option<String>,
    /// Statuses or codes that mean "already there".
    #[serde(default)]
    pub exists: Vec<Value>,
    /// Statuses or codes that mean "not there"; by default 404 and 410.
    pub gone: Option<Vec<Value>>,
    /// Statuses or codes that mean "not now".
    #[serde(default)]
    pub busy: Vec<Value>,
    /// `read` only: through `find` or `list`.
    #[serde(default)]
    pub find: bool,
    /// Lists only: dotted path of the list; empty = the answer itself.
    pub items: Option<String>,
    /// Lists only: the objects that are meant, by exact equality on dotted paths. One on a `{spec.x?}` that has no value
    /// does not count.
    #[serde(default, rename = "where")]
    pub conditions: BTreeMap<String, String>,
    /// Lists only: what is found is only shown to a person.
    #[serde(default)]
    pub hint: bool,
    /// Lists only: how many objects a page holds at most.
    pub size: Option<usize>,
    /// Lists only: the query parameter that asks for this size.
    pub size_param: Option<String>,
    /// Lists only: dotted path of a value that, when true, says that objects are missing from the answer.
    pub incomplete: Option<String>,
    /// Lists only: how the next page is asked for.
    pub next: Option<NextFile>,
}

/// How the next page is asked for: one of `cursor`, `page`, `offset`, `after`, `link`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextFile {
    /// Dotted path of a cursor in the answer, which goes into `param`.
    pub cursor: Option<String>,
    /// Pages are counted from 1 in this parameter.
    pub page: Option<String>,
    /// Objects are counted from 0 in this parameter.
    pub offset: Option<String>,
    /// Dotted path of a value of the last object, which goes into `param`.
    pub after: Option<String>,
    /// The address of the next page is in the header `Link`.
    #[serde(default)]
    pub link: bool,
    /// The query parameter, or GraphQL variable, for `cursor` and `after`.
    pub param: Option<String>,
    /// Dotted path of a value that says whether there is another page.
    pub more: Option<String>,
    /// With `page`: dotted path of the number of the last page.
    pub last: Option<String>,
}

/// Where an id is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum IdFile {
    Path(String),
    Search(IdSearch),
}

impl Default for IdFile {
    fn default() -> Self {
        IdFile::Path("id".to_owned())
    }
}

/// An id that must be searched in the answer of `create`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdSearch {
    pub items: String,
    #[serde(rename = "where")]
    pub conditions: BTreeMap<String, String>,
    /// Dotted path of the id in what was found, and in an object.
    pub take: String,
}

/// A field that says that an object is gone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoneFile {
    pub at: String,
    pub is: Value,
}

/// Where the mark stands: in a `field`, as a `line` of a text, as a `tag` at the end of a name, placed by hand in
/// `create.body` (`value` and `at`), or brought by a second call (`call` and `at`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkerFile {
    /// Dotted path of a field that holds nothing but the mark.
    pub field: Option<String>,
    /// With `field`: dotted path of the field that holds the attempt that created the object.
    pub attempt: Option<String>,
    /// Dotted path of a text whose last line is the mark.
    pub line: Option<String>,
    /// Dotted path of a name that ends with a short form of the mark.
    pub tag: Option<String>,
    /// With `tag`: the longest name, in characters.
    pub longest: Option<usize>,
    /// What `{marker}` stands for in `create.body`.
    pub value: Option<Value>,
    /// Dotted path of the mark in an object.
    pub at: Option<String>,
    /// The second call.
    pub call: Option<String>,
    /// With `call`: what is sent.
    pub body: Option<Value>,
}

/// Polling after create and update.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitFile {
    /// Dotted path of the state.
    pub at: String,
    /// The states that end the wait well; with `pending` instead: every state but those.
    #[serde(default)]
    pub ok: Vec<Value>,
    /// The states that never end well.
    #[serde(default)]
    pub fail: Vec<Value>,
    #[serde(default)]
    pub pending: Vec<Value>,
    /// Time between two looks: `"5s"`.
    pub every: String,
    /// How long a run waits; the next run goes on.
    pub max: String,
    /// What is polled, if it is not `read`.
    pub call: Option<String>,
    /// Dotted path of a list in the answer of `create`; each element is polled, as `{item}`.
    pub each: Option<String>,
}

/// A value for other resources.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutFile {
    /// Dotted path in the object, or in the answer of `call`.
    pub at: String,
    pub call: Option<String>,
    /// `"create"`: it is in the answer of `create` and never again.
    pub of: Option<OutOf>,
    /// A regular expression; its named groups become the value.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Never written down: known during the run, asked for again when needed.
    #[serde(default)]
    pub secret: bool,
    /// Asking makes a new one: it is asked for once, after create.
    #[serde(default)]
    pub once: bool,
}

/// Where an output is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutOf {
    Create,
}

/// A list of parts that are told apart by a field.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyedFile {
    /// The field that tells them apart.
    pub by: String,
    /// Fields of the live part (left) that an update must carry along (under the name on the right).
    #[serde(default)]
    pub carry: BTreeMap<String, String>,
}

/// When two values mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Same {
    /// Host names: case and the last dot do not count.
    Fqdn,
    /// The last dot does not count.
    Trimdot,
    /// Case does not count.
    Lower,
    /// `"5"` is `5`.
    Number,
    /// Texts that hold the same JSON.
    Json,
}

/// What to do after a create with an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lost {
    /// Send it again with the same idempotency key.
    Key,
    /// Look for it by mark or natural key.
    Find,
    /// Ask a person.
    Stop,
}

/// When an object is replaced because it expires.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewFile {
    /// The output that says when it expires: RFC 3339, or milliseconds since 1970.
    pub out: String,
    /// How long before that a new one is made: `"2d"`.
    pub before: String,
}
